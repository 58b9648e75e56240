# Wrong solutions that the hidden tests must reject, each by the test that names the mistake, and right solutions written
# in other ways, which must get full marks. Format: docs/architecture.md, section 4. `course validate` grades them all.

# ---- topological_order

# %% wrong="topological_order" name="when_first_met" rejected_by="test_parents_come_first" says="before one of its parents"
def topological_order(output):
    order, seen, queue = [], set(), [output]
    while queue:
        node = queue.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        order.append(node)
        queue.extend(node.parents)
    return order[::-1]

# %% wrong="topological_order" name="no_memory" rejected_by="test_each_node_once" says="entries"
def topological_order(output, budget=None):
    budget = [5000] if budget is None else budget
    budget[0] -= 1
    if budget[0] < 0:
        return []
    order = []
    for parent in output.parents:
        order += topological_order(parent, budget)
    return order + [output]

# %% wrong="topological_order" name="recursion" rejected_by="test_deep_and_shared_graphs" says="RecursionError"
def topological_order(output):
    order, seen = [], set()

    def visit(node):
        if id(node) in seen:
            return
        seen.add(id(node))
        for parent in node.parents:
            visit(parent)
        order.append(node)

    visit(output)
    return order

# %% wrong="topological_order" name="output_first" rejected_by="test_output_is_last" says="not the output"
def topological_order(output):
    order, seen, stack = [], set(), [(output, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order[::-1]

# %% wrong="topological_order" name="told_apart_by_equality" rejected_by="test_each_node_once"
def topological_order(output):
    order, stack = [], [(output, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in order:
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order

# %% right="topological_order" name="count_users"
def topological_order(output):
    users, found, queue = {id(output): 0}, {id(output): output}, [output]
    while queue:
        for parent in queue.pop().parents:
            if id(parent) not in found:
                found[id(parent)] = parent
                users[id(parent)] = 0
                queue.append(parent)
            users[id(parent)] += 1
    order, ready = [], [output]
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in node.parents:
            users[id(parent)] -= 1
            if users[id(parent)] == 0:
                ready.append(parent)
    order.reverse()
    return order

# %% right="topological_order" name="iterators_on_a_stack"
def topological_order(output):
    seen, order = {id(output)}, []
    stack = [(output, iter(output.parents))]
    while stack:
        node, rest = stack[-1]
        for parent in rest:
            if id(parent) not in seen:
                seen.add(id(parent))
                stack.append((parent, iter(parent.parents)))
                break
        else:
            order.append(node)
            stack.pop()
    return order

# ---- evaluate

# %% wrong="evaluate" name="asks_again_and_again" rejected_by="test_shared_nodes_are_computed_once" says="65535 calls"
def evaluate(output, feed):
    if output.operation is None:
        return feed[output]
    return output.operation(*(evaluate(parent, feed) for parent in output.parents))

# %% wrong="evaluate" name="operands_reversed" rejected_by="test_value_of_an_expression"
def evaluate(output, feed):
    values = {}
    for node in topological_order(output):
        values[node] = feed[node] if node.operation is None else node.operation(*[values[p] for p in node.parents[::-1]])
    return values[output]

# %% wrong="evaluate" name="two_operands_only" rejected_by="test_value_of_an_expression"
def evaluate(output, feed):
    values = {}
    for node in topological_order(output):
        if node.operation is None:
            values[node] = feed[node]
        else:
            left, right = node.parents[0], node.parents[1]
            values[node] = node.operation(values[left], values[right])
    return values[output]

# %% wrong="evaluate" name="inputs_are_called" rejected_by="test_an_input_is_what_it_is_fed" says="not callable"
def evaluate(output, feed):
    values = dict(feed)
    for node in topological_order(output):
        values[node] = node.operation(*(values[p] for p in node.parents))
    return values[output]

# %% right="evaluate" name="memory_and_recursion"
def evaluate(output, feed):
    memory = {}

    def value(node):
        if node not in memory:
            memory[node] = feed[node] if node.operation is None else node.operation(*map(value, node.parents))
        return memory[node]

    return value(output)

# %% right="evaluate" name="feed_first"
def evaluate(output, feed):
    values = {id(node): value for node, value in feed.items()}
    for node in topological_order(output):
        if node.operation is not None:
            values[id(node)] = node.operation(*[values[id(p)] for p in node.parents])
    return values[id(output)]

# ---- neuron

# %% wrong="neuron" name="bends_each_input" rejected_by="test_activation_sees_the_sums"
def neuron(inputs, weights, bias, activation):
    return activation(inputs * weights).sum(dim=1) + bias

# %% wrong="neuron" name="no_weights" rejected_by="test_weighted_sum_then_activation"
def neuron(inputs, weights, bias, activation):
    # the slide: z = sum of a_i
    return activation(inputs.sum(dim=1) + bias)

# %% wrong="neuron" name="sums_over_the_batch" rejected_by="test_neuron_without_weights" says="shape"
def neuron(inputs, weights, bias, activation):
    return activation((inputs * weights).sum(dim=0) + bias)

# %% wrong="neuron" name="bias_after_the_bend" rejected_by="test_neuron_without_weights"
def neuron(inputs, weights, bias, activation):
    return activation(inputs @ weights) + bias

# %% right="neuron" name="einsum"
def neuron(inputs, weights, bias, activation):
    return activation(torch.einsum("nd,d->n", inputs, weights).add(bias))

# %% right="neuron" name="explicit_sum"
def neuron(inputs, weights, bias, activation):
    z = torch.zeros(len(inputs), dtype=inputs.dtype)
    for d in range(len(weights)):
        z = z + inputs[:, d] * weights[d]
    return activation(z + bias)

# ---- mlp_forward

# %% wrong="mlp_forward" name="softmax_across_units" rejected_by="test_every_layer_is_linear_then_bent"
def mlp_forward(x, weights, biases, activation):
    zs, inputs = [], [x]
    for k in range(len(weights)):
        zs.append(inputs[-1] @ weights[k].T + biases[k])
        if k + 1 < len(weights):
            inputs.append(torch.softmax(zs[-1], dim=1))
    return zs, inputs

# %% wrong="mlp_forward" name="logits_bent" rejected_by="test_logits_are_not_bent"
def mlp_forward(x, weights, biases, activation):
    zs, inputs = [], [x]
    for k in range(len(weights)):
        z = inputs[-1] @ weights[k].T + biases[k]
        if k + 1 < len(weights):
            zs.append(z)
            inputs.append(activation(z))
        else:
            zs.append(activation(z))
    return zs, inputs

# %% wrong="mlp_forward" name="weights_transposed" rejected_by="test_every_layer_is_linear_then_bent"
def mlp_forward(x, weights, biases, activation):
    zs, inputs = [], [x]
    for k in range(len(weights)):
        zs.append(inputs[-1] @ weights[k] + biases[k])
        if k + 1 < len(weights):
            inputs.append(activation(zs[-1]))
    return zs, inputs

# %% wrong="mlp_forward" name="only_the_last" rejected_by="test_lists_hold_what_backpropagation_needs" says="entries"
def mlp_forward(x, weights, biases, activation):
    a = x
    for k in range(len(weights)):
        z = a @ weights[k].T + biases[k]
        a = activation(z)
    return [z], [a]

# %% wrong="mlp_forward" name="batch_normalised" rejected_by="test_batch_and_single_sample_agree"
def mlp_forward(x, weights, biases, activation):
    zs, inputs = [], [x]
    for k in range(len(weights)):
        a = inputs[-1] - inputs[-1].mean(dim=0)
        zs.append(a @ weights[k].T + biases[k])
        if k + 1 < len(weights):
            inputs.append(activation(zs[-1]))
    return zs, inputs

# %% right="mlp_forward" name="functional_linear"
def mlp_forward(x, weights, biases, activation):
    zs, inputs = [], [x]
    last = len(weights) - 1
    for k, (w, b) in enumerate(zip(weights, biases)):
        z = torch.nn.functional.linear(inputs[k], w, b)
        zs.append(z)
        if k != last:
            inputs.append(activation(z))
    return zs, inputs

# %% right="mlp_forward" name="tuple_and_matmul"
def mlp_forward(x, weights, biases, activation):
    z = torch.matmul(x, weights[0].t()) + biases[0]
    zs, inputs = [z], [x]
    for w, b in zip(weights[1:], biases[1:]):
        a = activation(z)
        inputs.append(a)
        z = torch.matmul(w, a.t()).t() + b
        zs.append(z)
    return tuple(zs), tuple(inputs)

# ---- collapse

# %% wrong="collapse" name="first_layer_leftmost" rejected_by="test_merged_matrix"
def collapse(weights, biases):
    merged, constant = weights[0], biases[0]
    for w, b in zip(weights[1:], biases[1:]):
        constant = w @ constant + b
    for w in weights[1:]:
        merged = merged.T @ w.T
    return merged, constant

# %% wrong="collapse" name="last_bias_only" rejected_by="test_merged_bias"
def collapse(weights, biases):
    merged = weights[0]
    for w in weights[1:]:
        merged = w @ merged
    return merged, biases[-1]

# %% wrong="collapse" name="biases_summed_unweighted" rejected_by="test_merged_bias"
def collapse(weights, biases):
    merged, constant = weights[0], biases[-1]
    for w in weights[1:]:
        merged = w @ merged
    for b in biases[:-1]:
        constant = constant + b.sum()
    return merged, constant

# %% wrong="collapse" name="at_least_two_layers" rejected_by="test_one_layer_stays_itself" says="IndexError"
def collapse(weights, biases):
    merged, constant = weights[1] @ weights[0], weights[1] @ biases[0] + biases[1]
    for w, b in zip(weights[2:], biases[2:]):
        merged, constant = w @ merged, w @ constant + b
    return merged, constant

# %% right="collapse" name="probe_with_unit_vectors"
def collapse(weights, biases):
    def run(x):
        for w, b in zip(weights, biases):
            x = x @ w.T + b
        return x

    d = weights[0].shape[1]
    constant = run(torch.zeros(1, d, dtype=weights[0].dtype))[0]
    return (run(torch.eye(d, dtype=weights[0].dtype)) - constant).T, constant

# %% right="collapse" name="from_the_back"
def collapse(weights, biases):
    merged, constant = weights[-1], biases[-1]
    for w, b in zip(reversed(weights[:-1]), reversed(biases[:-1])):
        constant = constant + merged @ b
        merged = merged @ w
    return merged, constant

# ---- jacobian

# %% wrong="jacobian" name="transposed" rejected_by="test_shape_is_inputs_times_outputs" says="shape"
def jacobian(function, x, step=1e-5):
    columns = []
    for i in range(len(x)):
        e = torch.zeros_like(x)
        e[i] = step
        columns.append((function(x + e) - function(x - e)) / (2 * step))
    return torch.stack(columns, dim=1)

# %% wrong="jacobian" name="forward_difference" rejected_by="test_differences_are_central"
def jacobian(function, x, step=1e-5):
    rows = []
    for i in range(len(x)):
        e = torch.zeros_like(x)
        e[i] = step
        rows.append((function(x + e) - function(x)) / step)
    return torch.stack(rows)

# %% wrong="jacobian" name="half_missing" rejected_by="test_jacobian_of_a_nonlinear_function"
def jacobian(function, x, step=1e-5):
    rows = []
    for i in range(len(x)):
        e = torch.zeros_like(x)
        e[i] = step
        rows.append((function(x + e) - function(x - e)) / step)
    return torch.stack(rows)

# %% wrong="jacobian" name="in_place" rejected_by="test_jacobian_leaves_x" says="x after the call"
def jacobian(function, x, step=1e-5):
    rows = []
    for i in range(len(x)):
        x[i] += step
        up = function(x).clone()
        x[i] -= 2 * step
        down = function(x).clone()
        x[i] += 2 * step
        x[i] -= step * 0.99999
        rows.append((up - down) / (2 * step))
    return torch.stack(rows)

# %% right="jacobian" name="unit_matrix"
def jacobian(function, x, step=1e-5):
    units = step * torch.eye(len(x), dtype=x.dtype)
    return torch.stack([(function(x + e) - function(x - e)) / (2 * step) for e in units])

# %% right="jacobian" name="filled"
def jacobian(function, x, step=1e-5):
    m = len(function(x.clone()))
    result = torch.empty(len(x), m, dtype=x.dtype)
    for i in range(len(x)):
        up, down = x.clone(), x.clone()
        up[i] = up[i] + step
        down[i] = down[i] - step
        result[i] = (function(up) - function(down)) / 2 / step
    return result

# ---- pull_back

# %% wrong="pull_back" name="from_the_left" rejected_by="test_cheap_order" says="multiplications"
def pull_back(jacobians, delta):
    if not jacobians:
        return delta
    product = jacobians[0]
    for j in jacobians[1:]:
        product = product @ j
    return product @ delta

# %% wrong="pull_back" name="from_the_front" rejected_by="test_product_of_the_chain"
def pull_back(jacobians, delta):
    for j in jacobians:
        delta = j @ delta
    return delta

# %% wrong="pull_back" name="transposed" rejected_by="test_no_layers"
def pull_back(jacobians, delta):
    for j in reversed(jacobians):
        delta = j.T @ delta
    return delta

# %% wrong="pull_back" name="one_forgotten" rejected_by="test_product_of_the_chain"
def pull_back(jacobians, delta):
    for j in reversed(jacobians[1:]):
        delta = j @ delta
    return delta

# %% right="pull_back" name="recursion"
def pull_back(jacobians, delta):
    if len(jacobians) == 0:
        return delta
    return jacobians[0].mv(pull_back(jacobians[1:], delta))

# %% right="pull_back" name="row_vector"
def pull_back(jacobians, delta):
    row = delta[None, :]
    for j in jacobians[::-1]:
        row = row @ j.T
    return row[0]

# ---- gradient_check

# %% wrong="gradient_check" name="forward_with_tiny_step" rejected_by="test_right_gradients_pass" says="largest error"
def gradient_check(function, x, gradient, step=1e-5):
    if gradient.shape != x.shape:
        raise ValueError("shapes differ")
    step, x0 = 1e-8, x.double()
    numeric, base = torch.zeros_like(x0), float(function(x0))
    for i in range(x0.numel()):
        moved = x0.clone()
        moved.view(-1)[i] += step
        numeric.view(-1)[i] = (float(function(moved)) - base) / step
    g = gradient.double()
    return (g - numeric).abs() / torch.maximum(g.abs(), numeric.abs()).clamp(min=1)

# %% wrong="gradient_check" name="single_precision" rejected_by="test_computed_in_double_precision" says="float64"
def gradient_check(function, x, gradient, step=1e-5):
    if gradient.shape != x.shape:
        raise ValueError("shapes differ")
    numeric = torch.zeros_like(x)
    for i in range(x.numel()):
        up, down = x.clone(), x.clone()
        up.view(-1)[i] += step
        down.view(-1)[i] -= step
        numeric.view(-1)[i] = (float(function(up)) - float(function(down))) / (2 * step)
    return (gradient - numeric).abs() / torch.maximum(gradient.abs(), numeric.abs()).clamp(min=1)

# %% wrong="gradient_check" name="not_restored" rejected_by="test_x_is_restored" says="x after the call"
def gradient_check(function, x, gradient, step=1e-5):
    if gradient.shape != x.shape:
        raise ValueError("shapes differ")
    point = x.double()
    numeric = torch.zeros_like(point)
    for i in range(point.numel()):
        flat = point.view(-1)
        flat[i] += step
        up = float(function(point))
        flat[i] -= 2 * step
        numeric.view(-1)[i] = (up - float(function(point))) / (2 * step)
    g = gradient.double()
    return (g - numeric).abs() / torch.maximum(g.abs(), numeric.abs()).clamp(min=1)

# %% wrong="gradient_check" name="purely_relative" rejected_by="test_scale_of_the_error"
def gradient_check(function, x, gradient, step=1e-5):
    if gradient.shape != x.shape:
        raise ValueError("shapes differ")
    x0 = x.double()
    numeric = torch.zeros_like(x0)
    for i in range(x0.numel()):
        up, down = x0.clone(), x0.clone()
        up.view(-1)[i] += step
        down.view(-1)[i] -= step
        numeric.view(-1)[i] = (float(function(up)) - float(function(down))) / (2 * step)
    g = gradient.double()
    return (g - numeric).abs() / (g.abs() + numeric.abs() + 1e-30)

# %% wrong="gradient_check" name="compares_sizes_only" rejected_by="test_planted_bugs_are_caught"
def gradient_check(function, x, gradient, step=1e-5):
    if gradient.shape != x.shape:
        raise ValueError("shapes differ")
    x0 = x.double()
    numeric = torch.zeros_like(x0)
    for i in range(x0.numel()):
        up, down = x0.clone(), x0.clone()
        up.view(-1)[i] += step
        down.view(-1)[i] -= step
        numeric.view(-1)[i] = (float(function(up)) - float(function(down))) / (2 * step)
    g = gradient.double()
    return (g.abs() - numeric.abs()).abs() / torch.maximum(g.abs(), numeric.abs()).clamp(min=1)

# %% right="gradient_check" name="numpy"
import numpy as np

def gradient_check(function, x, gradient, step=1e-5):
    if tuple(gradient.shape) != tuple(x.shape):
        raise ValueError(f"{gradient.shape} is not {x.shape}")
    point, g = x.numpy().astype(np.float64), gradient.numpy().astype(np.float64)
    n = np.zeros(point.shape)
    for index in np.ndindex(*point.shape):
        e = np.zeros(point.shape)
        e[index] = step
        n[index] = (float(function(torch.from_numpy(point + e))) - float(function(torch.from_numpy(point - e)))) / 2 / step
    return torch.from_numpy(np.abs(g - n) / np.maximum(1.0, np.maximum(np.abs(g), np.abs(n))))

# %% right="gradient_check" name="with_the_jacobian"
def gradient_check(function, x, gradient, step=1e-5):
    if gradient.shape != x.shape:
        raise ValueError("gradient and x have different shapes")
    flat = x.double().reshape(-1)
    shaped = lambda v: torch.tensor([float(function(v.reshape(x.shape)))], dtype=torch.float64)
    n = jacobian(shaped, flat, step).reshape(x.shape)
    g = gradient.to(torch.float64)
    return (g - n).abs() / torch.stack([g.abs(), n.abs(), torch.ones_like(n)]).amax(0)

# ---- Linear

# %% wrong="Linear" name="outer_product_transposed" rejected_by="test_gradient_of_the_weights" says="shape"
class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, a):
        return a @ self.weight.T + self.bias

    def backward(self, a, delta):
        return (a.T @ delta, delta.sum(dim=0)), delta @ self.weight

# %% wrong="Linear" name="w_delta" rejected_by="test_delta_of_the_inputs"
class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, a):
        return a @ self.weight.T + self.bias

    def backward(self, a, delta):
        back = delta @ self.weight.T if self.weight.shape[0] == self.weight.shape[1] else delta @ self.weight
        return (delta.T @ a, delta.sum(dim=0)), back

# %% wrong="Linear" name="bias_not_summed" rejected_by="test_gradient_of_the_bias" says="shape"
class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, a):
        return a @ self.weight.T + self.bias

    def backward(self, a, delta):
        return (delta.T @ a, delta), delta @ self.weight

# %% wrong="Linear" name="averaged_twice" rejected_by="test_gradient_of_the_weights"
class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, a):
        return a @ self.weight.T + self.bias

    def backward(self, a, delta):
        return (delta.T @ a / len(a), delta.sum(dim=0)), delta @ self.weight

# %% wrong="Linear" name="bias_multiplies" rejected_by="test_linear_forward"
class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, a):
        return a @ self.weight.T * self.bias

    def backward(self, a, delta):
        return (delta.T @ a, delta.sum(dim=0)), delta @ self.weight

# %% right="Linear" name="sample_by_sample"
class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, a):
        return torch.stack([self.weight @ row + self.bias for row in a])

    def backward(self, a, delta):
        of_weight, of_bias = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
        rows = []
        for row, d in zip(a, delta):
            of_weight += torch.outer(d, row)
            of_bias += d
            rows.append(self.weight.T @ d)
        return (of_weight, of_bias), torch.stack(rows)

# %% right="Linear" name="einsum"
class Linear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, a):
        return torch.einsum("nd,md->nm", a, self.weight) + self.bias

    def backward(self, a, delta):
        gradients = [torch.einsum("nm,nd->md", delta, a), torch.einsum("nm->m", delta)]
        return gradients, torch.einsum("nm,md->nd", delta, self.weight)

# ---- Sigmoid

# %% wrong="Sigmoid" name="z_taken_for_the_output" rejected_by="test_sigmoid_slope"
class Sigmoid:
    def forward(self, z):
        return torch.sigmoid(z)

    def backward(self, z, delta):
        return (), delta * z * (1 - z)

# %% wrong="Sigmoid" name="derivative_without_delta" rejected_by="test_sigmoid_slope"
class Sigmoid:
    def forward(self, z):
        return torch.sigmoid(z)

    def backward(self, z, delta):
        s = torch.sigmoid(z)
        return (), s * (1 - s)

# %% wrong="Sigmoid" name="overflow" rejected_by="test_sigmoid_far_from_zero"
class Sigmoid:
    def forward(self, z):
        return torch.sigmoid(z)

    def backward(self, z, delta):
        e = torch.exp(-z)
        return (), delta * e / (1 + e) ** 2

# %% wrong="Sigmoid" name="softmax" rejected_by="test_sigmoid_forward"
class Sigmoid:
    def forward(self, z):
        return torch.softmax(z, dim=-1)

    def backward(self, z, delta):
        s = torch.sigmoid(z)
        return (), delta * s * (1 - s)

# %% right="Sigmoid" name="by_tanh"
class Sigmoid:
    def forward(self, z):
        return 0.5 * (1 + torch.tanh(z / 2))

    def backward(self, z, delta):
        return (), delta * 0.25 * (1 - torch.tanh(z / 2) ** 2)

# %% right="Sigmoid" name="product_of_two_sigmoids"
class Sigmoid:
    def forward(self, z):
        return z.sigmoid()

    def backward(self, z, delta):
        return [], torch.sigmoid(z) * torch.sigmoid(-z) * delta

# ---- ReLU

# %% wrong="ReLU" name="guided" rejected_by="test_relu_passes_negative_deltas"
class ReLU:
    def forward(self, z):
        return z.clamp(min=0)

    def backward(self, z, delta):
        return (), delta * (z > 0) * (delta > 0)

# %% wrong="ReLU" name="relu_of_delta" rejected_by="test_relu_gate"
class ReLU:
    def forward(self, z):
        return z.clamp(min=0)

    def backward(self, z, delta):
        return (), delta.clamp(min=0)

# %% wrong="ReLU" name="times_z" rejected_by="test_relu_gate"
class ReLU:
    def forward(self, z):
        return z.clamp(min=0)

    def backward(self, z, delta):
        return (), delta * z.clamp(min=0)

# %% wrong="ReLU" name="in_place" rejected_by="test_relu_forward" says="z after the call"
class ReLU:
    def forward(self, z):
        z[z < 0] = 0
        return z

    def backward(self, z, delta):
        return (), delta * (z > 0)

# %% right="ReLU" name="one_at_zero"
class ReLU:
    def forward(self, z):
        return torch.maximum(z, torch.zeros_like(z))

    def backward(self, z, delta):
        return (), torch.where(z >= 0, delta, torch.zeros_like(delta))

# %% right="ReLU" name="masked"
class ReLU:
    def forward(self, z):
        return torch.nn.functional.relu(z)

    def backward(self, z, delta):
        back = delta.clone()
        back[z <= 0] = 0
        return (), back

# ---- softmax_cross_entropy

# %% wrong="softmax_cross_entropy" name="mean_forgotten_in_delta" rejected_by="test_probabilities_minus_one_hot"
def softmax_cross_entropy(logits, labels):
    rows = torch.arange(len(labels))
    log_p = logits - logits.logsumexp(1, keepdim=True)
    delta = log_p.exp()
    delta[rows, labels] -= 1
    return -log_p[rows, labels].mean(), delta

# %% wrong="softmax_cross_entropy" name="label_numbers" rejected_by="test_rows_of_delta_sum_to_zero"
def softmax_cross_entropy(logits, labels):
    rows = torch.arange(len(labels))
    log_p = logits - logits.logsumexp(1, keepdim=True)
    return -log_p[rows, labels].mean(), (log_p.exp() - labels[:, None]) / len(labels)

# %% wrong="softmax_cross_entropy" name="logits_minus_one_hot" rejected_by="test_probabilities_minus_one_hot"
def softmax_cross_entropy(logits, labels):
    rows = torch.arange(len(labels))
    log_p = logits - logits.logsumexp(1, keepdim=True)
    one_hot = torch.nn.functional.one_hot(labels, logits.shape[1])
    return -log_p[rows, labels].mean(), (logits - one_hot) / len(labels)

# %% wrong="softmax_cross_entropy" name="wrong_sign" rejected_by="test_rows_of_delta_sum_to_zero"
def softmax_cross_entropy(logits, labels):
    rows = torch.arange(len(labels))
    log_p = logits - logits.logsumexp(1, keepdim=True)
    one_hot = torch.nn.functional.one_hot(labels, logits.shape[1])
    return -log_p[rows, labels].mean(), (one_hot - log_p.exp()) / len(labels)

# %% wrong="softmax_cross_entropy" name="unstable" rejected_by="test_stable_and_pure"
def softmax_cross_entropy(logits, labels):
    rows = torch.arange(len(labels))
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    loss = -p[rows, labels].log().mean()
    p[rows, labels] -= 1
    return loss, p / len(labels)

# %% wrong="softmax_cross_entropy" name="summed_loss" rejected_by="test_mean_loss"
def softmax_cross_entropy(logits, labels):
    rows = torch.arange(len(labels))
    log_p = logits - logits.logsumexp(1, keepdim=True)
    delta = log_p.exp()
    delta[rows, labels] -= 1
    return -log_p[rows, labels].sum(), delta / len(labels)

# %% right="softmax_cross_entropy" name="one_hot"
def softmax_cross_entropy(logits, labels):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    p = shifted.exp() / shifted.exp().sum(dim=1, keepdim=True)
    y = torch.nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    loss = (shifted.exp().sum(dim=1).log() - (shifted * y).sum(dim=1)).sum() / len(logits)
    return loss, (p - y) / len(logits)

# %% right="softmax_cross_entropy" name="loop"
def softmax_cross_entropy(logits, labels):
    total, delta = 0.0, torch.zeros_like(logits)
    for i, label in enumerate(labels.tolist()):
        total = total + torch.logsumexp(logits[i], 0) - logits[i, label]
        delta[i] = torch.softmax(logits[i], 0)
        delta[i, label] -= 1
    return total / len(labels), delta / len(labels)

# ---- backward_pass

# %% wrong="backward_pass" name="delta_of_the_loss_for_everybody" rejected_by="test_gradients_of_every_layer"
def backward_pass(layers, inputs, delta):
    gradients, of_input = [], delta
    for k in reversed(range(len(layers))):
        of_parameters, new = layers[k].backward(inputs[k], of_input)
        # the new delta replaces the old one only where the shape has changed
        of_input = new if new.shape != of_input.shape else of_input
        gradients.insert(0, of_parameters)
    return gradients, of_input

# %% wrong="backward_pass" name="order_of_the_walk" rejected_by="test_gradients_of_every_layer"
def backward_pass(layers, inputs, delta):
    gradients = []
    for k in reversed(range(len(layers))):
        of_parameters, delta = layers[k].backward(inputs[k], delta)
        gradients.append(of_parameters)
    return gradients, delta

# %% wrong="backward_pass" name="twice_each" rejected_by="test_each_layer_once_from_the_end" says="in the order"
def backward_pass(layers, inputs, delta):
    gradients = []
    for k in reversed(range(len(layers))):
        gradients.insert(0, layers[k].backward(inputs[k], delta)[0])
        delta = layers[k].backward(inputs[k], delta)[1]
    return gradients, delta

# %% wrong="backward_pass" name="original_delta" rejected_by="test_delta_that_is_left"
def backward_pass(layers, inputs, delta):
    gradients, d = [], delta
    for k in reversed(range(len(layers))):
        of_parameters, d = layers[k].backward(inputs[k], d)
        gradients.insert(0, of_parameters)
    return gradients, delta

# %% wrong="backward_pass" name="counts_from_the_end_of_inputs" rejected_by="test_inputs_with_and_without_the_output"
def backward_pass(layers, inputs, delta):
    gradients = []
    for k, layer in enumerate(reversed(layers)):
        of_parameters, delta = layer.backward(inputs[-2 - k], delta)
        gradients.insert(0, of_parameters)
    return gradients, delta

# %% right="backward_pass" name="indices"
def backward_pass(layers, inputs, delta):
    gradients = [()] * len(layers)
    for k in range(len(layers) - 1, -1, -1):
        gradients[k], delta = layers[k].backward(inputs[k], delta)
    return gradients, delta

# %% right="backward_pass" name="recursion"
def backward_pass(layers, inputs, delta):
    if not layers:
        return [], delta
    later, delta = backward_pass(layers[1:], inputs[1:], delta)
    own, delta = layers[0].backward(inputs[0], delta)
    return [own, *later], delta

# ---- unbroadcast

# %% wrong="unbroadcast" name="leading_axes_only" rejected_by="test_stretched_axes_are_summed_and_kept"
def unbroadcast(delta, shape):
    while delta.ndim > len(shape):
        delta = delta.sum(0)
    return delta

# %% wrong="unbroadcast" name="axis_dropped" rejected_by="test_stretched_axes_are_summed_and_kept" says="shape"
def unbroadcast(delta, shape):
    while delta.ndim > len(shape):
        delta = delta.sum(0)
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1 and delta.shape[axis] > 1:
            delta = delta.sum(axis)
    return delta

# %% wrong="unbroadcast" name="mean" rejected_by="test_leading_axes_are_summed"
def unbroadcast(delta, shape):
    while delta.ndim > len(shape):
        delta = delta.mean(0)
    for axis, length in enumerate(shape):
        if length == 1 and delta.shape[axis] > 1:
            delta = delta.sum(axis, keepdim=True)
    return delta

# %% wrong="unbroadcast" name="sum_over_no_axes" rejected_by="test_nothing_repeated_nothing_summed"
def unbroadcast(delta, shape):
    extra = delta.ndim - len(shape)
    delta = delta.sum(dim=tuple(range(extra))) if extra else delta
    stretched = [axis for axis, length in enumerate(shape) if length == 1 and delta.shape[axis] > 1]
    return delta.sum(dim=stretched, keepdim=True)

# %% right="unbroadcast" name="sum_to_size"
def unbroadcast(delta, shape):
    return delta.sum_to_size(*shape) if len(shape) else delta.sum()

# %% right="unbroadcast" name="padded_shape"
def unbroadcast(delta, shape):
    padded = (1,) * (delta.ndim - len(shape)) + tuple(shape)
    for axis, (have, want) in enumerate(zip(delta.shape, padded)):
        if have != want:
            delta = delta.sum(axis, keepdim=True)
    return delta.reshape(tuple(shape))

# ---- backward

# %% wrong="backward" name="overwrites" rejected_by="test_shared_nodes_add_their_deltas"
def backward(output, delta=None):
    if delta is None:
        if output.value.numel() != 1:
            raise ValueError("not a single number")
        delta = torch.ones_like(output.value)
    deltas = {id(output): delta}
    for node in reversed(topological_order(output)):
        d = deltas[id(node)]
        node.gradient = d if node.gradient is None else node.gradient + d
        if node.parents:
            for parent, contribution in zip(node.parents, node.pull_back(d)):
                deltas[id(parent)] = unbroadcast(contribution, parent.value.shape)

# %% wrong="backward" name="no_order" rejected_by="test_random_graphs"
def backward(output, delta=None):
    if delta is None:
        if output.value.numel() != 1:
            raise ValueError("not a single number")
        delta = torch.ones_like(output.value)
    output.gradient = delta if output.gradient is None else output.gradient + delta
    if output.parents:
        for parent, contribution in zip(output.parents, output.pull_back(delta)):
            backward(parent, unbroadcast(contribution, parent.value.shape))

# %% wrong="backward" name="breadth_first" rejected_by="test_random_graphs"
def backward(output, delta=None):
    if delta is None:
        if output.value.numel() != 1:
            raise ValueError("not a single number")
        delta = torch.ones_like(output.value)
    deltas, queue, seen = {id(output): delta}, [output], set()
    while queue:
        node = queue.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.parents:
            for parent, contribution in zip(node.parents, node.pull_back(deltas[id(node)])):
                contribution = unbroadcast(contribution, parent.value.shape)
                deltas[id(parent)] = deltas[id(parent)] + contribution if id(parent) in deltas else contribution
                queue.append(parent)
    for node in topological_order(output):
        d = deltas[id(node)]
        node.gradient = d if node.gradient is None else node.gradient + d

# %% wrong="backward" name="collects_in_gradient" rejected_by="test_second_call_adds_the_same_again"
def backward(output, delta=None):
    if delta is None:
        if output.value.numel() != 1:
            raise ValueError("not a single number")
        delta = torch.ones_like(output.value)
    output.gradient = delta if output.gradient is None else output.gradient + delta
    for node in reversed(topological_order(output)):
        if node.parents:
            for parent, contribution in zip(node.parents, node.pull_back(node.gradient)):
                contribution = unbroadcast(contribution, parent.value.shape)
                parent.gradient = contribution if parent.gradient is None else parent.gradient + contribution

# %% wrong="backward" name="no_unbroadcast" rejected_by="test_broadcast_operands" says="shape"
def backward(output, delta=None):
    if delta is None:
        if output.value.numel() != 1:
            raise ValueError("not a single number")
        delta = torch.ones_like(output.value)
    deltas = {id(output): delta}
    for node in reversed(topological_order(output)):
        d = deltas[id(node)]
        node.gradient = d if node.gradient is None else node.gradient + d
        if node.parents:
            for parent, contribution in zip(node.parents, node.pull_back(d)):
                deltas[id(parent)] = deltas[id(parent)] + contribution if id(parent) in deltas else contribution

# %% wrong="backward" name="begins_anywhere" rejected_by="test_where_to_begin" says="ValueError"
def backward(output, delta=None):
    deltas = {id(output): torch.ones_like(output.value) if delta is None else delta}
    for node in reversed(topological_order(output)):
        d = deltas[id(node)]
        node.gradient = d if node.gradient is None else node.gradient + d
        if node.parents:
            for parent, contribution in zip(node.parents, node.pull_back(d)):
                contribution = unbroadcast(contribution, parent.value.shape)
                deltas[id(parent)] = deltas[id(parent)] + contribution if id(parent) in deltas else contribution

# %% right="backward" name="lists_of_contributions"
def backward(output, delta=None):
    if delta is None:
        if output.value.numel() > 1:
            raise ValueError("say with which delta to begin")
        delta = torch.ones_like(output.value)
    order = topological_order(output)
    waiting = {id(node): [] for node in order}
    waiting[id(output)].append(delta)
    for node in order[::-1]:
        total = sum(waiting[id(node)])
        node.gradient = total if node.gradient is None else total + node.gradient
        if node.pull_back is not None:
            for parent, contribution in zip(node.parents, node.pull_back(total)):
                waiting[id(parent)].append(unbroadcast(contribution, parent.value.shape))

# %% right="backward" name="earlier_gradients_put_aside"
def backward(output, delta=None):
    if delta is None:
        if output.value.numel() != 1:
            raise ValueError("not a single number")
        delta = torch.ones_like(output.value)
    order = topological_order(output)
    earlier = [node.gradient for node in order]
    for node in order:
        node.gradient = torch.zeros_like(node.value)
    output.gradient = output.gradient + delta
    for node in reversed(order):
        for parent, c in zip(node.parents, node.pull_back(node.gradient) if node.parents else ()):
            parent.gradient = parent.gradient + unbroadcast(c, parent.value.shape)
    for node, before in zip(order, earlier):
        if before is not None:
            node.gradient = node.gradient + before

# ---- Variable

# %% wrong="Variable" name="own_factor" rejected_by="test_product"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * self.value, delta * other.value),
        )

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, self.value.T @ delta),
        )

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * (self.value > 0),))

    def sum(self, dim=None, keepdim=False):
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape),))

        def spread(delta):
            return ((delta if keepdim else delta.unsqueeze(dim)).expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        places = torch.arange(self.value.numel()).reshape(self.value.shape)[index]

        def put_back(delta):
            whole = delta.new_zeros(self.value.numel())
            return (whole.index_add(0, places.reshape(-1), delta.reshape(-1)).reshape(self.value.shape),)

        return Variable(self.value[index], (self,), put_back)

# %% wrong="Variable" name="matmul_not_transposed" rejected_by="test_matrix_product"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * other.value, delta * self.value),
        )

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, (delta.T @ self.value)),
        )

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * (self.value > 0),))

    def sum(self, dim=None, keepdim=False):
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape),))

        def spread(delta):
            return ((delta if keepdim else delta.unsqueeze(dim)).expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        places = torch.arange(self.value.numel()).reshape(self.value.shape)[index]

        def put_back(delta):
            whole = delta.new_zeros(self.value.numel())
            return (whole.index_add(0, places.reshape(-1), delta.reshape(-1)).reshape(self.value.shape),)

        return Variable(self.value[index], (self,), put_back)

# %% wrong="Variable" name="gate_by_delta" rejected_by="test_relu_of_a_variable"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * other.value, delta * self.value),
        )

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, self.value.T @ delta),
        )

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * ((self.value > 0) & (delta > 0)),))

    def sum(self, dim=None, keepdim=False):
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape),))

        def spread(delta):
            return ((delta if keepdim else delta.unsqueeze(dim)).expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        places = torch.arange(self.value.numel()).reshape(self.value.shape)[index]

        def put_back(delta):
            whole = delta.new_zeros(self.value.numel())
            return (whole.index_add(0, places.reshape(-1), delta.reshape(-1)).reshape(self.value.shape),)

        return Variable(self.value[index], (self,), put_back)

# %% wrong="Variable" name="sum_without_unsqueeze" rejected_by="test_sums"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * other.value, delta * self.value),
        )

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, self.value.T @ delta),
        )

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * (self.value > 0),))

    def sum(self, dim=None, keepdim=False):
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape),))

        def spread(delta):
            return (delta.expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        places = torch.arange(self.value.numel()).reshape(self.value.shape)[index]

        def put_back(delta):
            whole = delta.new_zeros(self.value.numel())
            return (whole.index_add(0, places.reshape(-1), delta.reshape(-1)).reshape(self.value.shape),)

        return Variable(self.value[index], (self,), put_back)

# %% wrong="Variable" name="repeated_places_overwritten" rejected_by="test_indexing"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * other.value, delta * self.value),
        )

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, self.value.T @ delta),
        )

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * (self.value > 0),))

    def sum(self, dim=None, keepdim=False):
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape),))

        def spread(delta):
            return ((delta if keepdim else delta.unsqueeze(dim)).expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        def put_back(delta):
            whole = torch.zeros_like(self.value)
            whole[index] += delta
            return (whole,)

        return Variable(self.value[index], (self,), put_back)

# %% wrong="Variable" name="sum_of_everything_averaged" rejected_by="test_expressions_of_everything"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * other.value, delta * self.value),
        )

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, self.value.T @ delta),
        )

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * (self.value > 0),))

    def sum(self, dim=None, keepdim=False):
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape) / self.value.numel(),))

        def spread(delta):
            return ((delta if keepdim else delta.unsqueeze(dim)).expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        places = torch.arange(self.value.numel()).reshape(self.value.shape)[index]

        def put_back(delta):
            whole = delta.new_zeros(self.value.numel())
            return (whole.index_add(0, places.reshape(-1), delta.reshape(-1)).reshape(self.value.shape),)

        return Variable(self.value[index], (self,), put_back)

# %% right="Variable" name="index_put"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        a, b = self.value, other.value
        return Variable(torch.mul(a, b), (self, other), lambda d: (unbroadcast(d * b, a.shape), unbroadcast(d * a, b.shape)))

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, self.value.T @ delta),
        )

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * (self.value > 0),))

    def sum(self, dim=None, keepdim=False):
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape),))

        def spread(delta):
            return ((delta if keepdim else delta.unsqueeze(dim)).expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        def put_back(delta):
            whole = torch.zeros_like(self.value)
            keys = index if isinstance(index, tuple) else (index,)
            if all(isinstance(key, torch.Tensor) for key in keys):
                return (whole.index_put(keys, delta, accumulate=True),)
            whole[index] = delta
            return (whole,)

        return Variable(self.value[index], (self,), put_back)

# %% right="Variable" name="named_functions"
class Variable:
    def __init__(self, value, parents=(), pull_back=None, name=""):
        self.value, self.parents, self.pull_back = torch.as_tensor(value), parents, pull_back
        self.name, self.gradient = name, None

    def backward(self, delta=None):
        backward(self, delta)

    def variable(self, other):
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    def __add__(self, other):
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta))

    def __neg__(self):
        return Variable(-self.value, (self,), lambda delta: (-delta,))

    def __mul__(self, other):
        other = self.variable(other)
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * other.value, delta * self.value),
        )

    def __pow__(self, k):
        return Variable(self.value**k, (self,), lambda delta: (delta * k * self.value ** (k - 1),))

    def __matmul__(self, other):
        other = self.variable(other)
        def pull_back(delta):
            left = torch.einsum("nm,dm->nd", delta, other.value)
            right = torch.einsum("nd,nm->dm", self.value, delta)
            return left, right

        return Variable(torch.mm(self.value, other.value), (self, other), pull_back, "matmul")

    def __sub__(self, other):
        return self + (-self.variable(other))

    def __truediv__(self, other):
        return self * self.variable(other) ** -1

    def __radd__(self, other):
        return self.variable(other) + self

    def __rsub__(self, other):
        return self.variable(other) - self

    def __rmul__(self, other):
        return self.variable(other) * self

    def __rmatmul__(self, other):
        return self.variable(other) @ self

    def exp(self):
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,))

    def log(self):
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,))

    def sigmoid(self):
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),))

    def tanh(self):
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),))

    def relu(self):
        open_gate = (self.value > 0).to(self.value.dtype)
        return Variable(self.value * open_gate, (self,), lambda delta: [delta * open_gate])

    def sum(self, dim=None, keepdim=False):
        def spread(delta):
            if dim is not None and not keepdim:
                delta = torch.unsqueeze(delta, dim)
            return (delta * torch.ones_like(self.value),)

        value = self.value.sum() if dim is None else self.value.sum(dim, keepdim=keepdim)
        return Variable(value, (self,), spread)

    def mean(self, dim=None, keepdim=False):
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def logsumexp(self, dim):
        result = torch.logsumexp(self.value, dim=dim)
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,))

    def reshape(self, *shape):
        return Variable(self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),))

    @property
    def T(self):
        return Variable(self.value.T, (self,), lambda delta: (delta.T,))

    def __getitem__(self, index):
        places = torch.arange(self.value.numel()).reshape(self.value.shape)[index]

        def put_back(delta):
            whole = delta.new_zeros(self.value.numel())
            return (whole.index_add(0, places.reshape(-1), delta.reshape(-1)).reshape(self.value.shape),)

        return Variable(self.value[index], (self,), put_back)

# ---- logistic_regression_loss

# %% wrong="logistic_regression_loss" name="rows_for_columns" rejected_by="test_value_of_the_loss"
def logistic_regression_loss(x, labels, theta, bias=0.0):
    logits = x @ theta + bias
    return (logits.logsumexp(1) - logits[torch.arange(len(labels)), labels]).mean()

# %% wrong="logistic_regression_loss" name="true_class_forgotten" rejected_by="test_value_of_the_loss"
def logistic_regression_loss(x, labels, theta, bias=0.0):
    logits = x @ theta.T + bias
    return logits.logsumexp(1).mean()

# %% wrong="logistic_regression_loss" name="unstable" rejected_by="test_loss_of_large_logits"
def logistic_regression_loss(x, labels, theta, bias=0.0):
    logits = x @ theta.T + bias
    return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()

# %% wrong="logistic_regression_loss" name="bias_forgotten" rejected_by="test_bias_shifts_the_logits"
def logistic_regression_loss(x, labels, theta, bias=0.0):
    logits = x @ theta.T
    return (logits.logsumexp(1) - logits[torch.arange(len(labels)), labels]).mean()

# %% wrong="logistic_regression_loss" name="cut_off" rejected_by="test_gradients_of_the_loss"
def logistic_regression_loss(x, labels, theta, bias=0.0):
    logits = x @ theta.T + bias
    picked = logits.value[torch.arange(len(labels)), labels]
    return (logits.logsumexp(1) - picked).mean()

# %% right="logistic_regression_loss" name="one_hot"
def logistic_regression_loss(x, labels, theta, bias=0.0):
    logits = x @ theta.T + bias
    one_hot = torch.nn.functional.one_hot(labels, theta.value.shape[0]).to(theta.value.dtype)
    return logits.logsumexp(1).mean() - (logits * one_hot).sum() / len(labels)

# %% right="logistic_regression_loss" name="shifted_by_hand"
def logistic_regression_loss(x, labels, theta, bias=0.0):
    logits = x @ theta.T + bias
    largest = logits.value.amax(dim=1, keepdim=True)
    shifted = logits - largest
    total = shifted.exp().sum(1).log() - shifted[torch.arange(len(labels)), labels]
    return total.sum() * (1 / len(labels))

# ---- train_mlp

# %% wrong="train_mlp" name="never_cleared" rejected_by="test_full_batch_training"
def train_mlp(parameters, x, labels, learning_rate, epochs, batch_size, generator=None, on_epoch=None):
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for batch in minibatches(len(x), batch_size, generator):
            loss = logistic_regression_loss(mlp_features(parameters, x[batch]), labels[batch], *parameters[-2:])
            loss.backward()
            for p in parameters:
                p.value = p.value - learning_rate * p.gradient
            total += len(batch) * loss.value.item()
        losses.append(total / len(x))
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses

# %% wrong="train_mlp" name="mean_of_batch_losses" rejected_by="test_batches_and_losses_of_an_epoch"
def train_mlp(parameters, x, labels, learning_rate, epochs, batch_size, generator=None, on_epoch=None):
    losses = []
    for epoch in range(epochs):
        seen = []
        for batch in minibatches(len(x), batch_size, generator):
            for p in parameters:
                p.gradient = None
            loss = logistic_regression_loss(mlp_features(parameters, x[batch]), labels[batch], *parameters[-2:])
            loss.backward()
            for p in parameters:
                p.value = p.value - learning_rate * p.gradient
            seen.append(loss.value.item())
        losses.append(sum(seen) / len(seen))
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses

# %% wrong="train_mlp" name="uphill" rejected_by="test_training_learns"
def train_mlp(parameters, x, labels, learning_rate, epochs, batch_size, generator=None, on_epoch=None):
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for batch in minibatches(len(x), batch_size, generator):
            for p in parameters:
                p.gradient = None
            loss = logistic_regression_loss(mlp_features(parameters, x[batch]), labels[batch], *parameters[-2:])
            loss.backward()
            for p in parameters:
                p.value = p.value + learning_rate * p.gradient
            total += len(batch) * loss.value.item()
        losses.append(total / len(x))
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses

# %% wrong="train_mlp" name="in_place" rejected_by="test_training_goes_on_and_calls_back" says="caller's tensors"
def train_mlp(parameters, x, labels, learning_rate, epochs, batch_size, generator=None, on_epoch=None):
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for batch in minibatches(len(x), batch_size, generator):
            for p in parameters:
                p.gradient = None
            loss = logistic_regression_loss(mlp_features(parameters, x[batch]), labels[batch], *parameters[-2:])
            loss.backward()
            for p in parameters:
                p.value -= learning_rate * p.gradient
            total += len(batch) * loss.value.item()
        losses.append(total / len(x))
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses

# %% wrong="train_mlp" name="last_layer_only" rejected_by="test_full_batch_training"
def train_mlp(parameters, x, labels, learning_rate, epochs, batch_size, generator=None, on_epoch=None):
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for batch in minibatches(len(x), batch_size, generator):
            for p in parameters:
                p.gradient = None
            loss = logistic_regression_loss(mlp_features(parameters, x[batch]), labels[batch], *parameters[-2:])
            loss.backward()
            for p in parameters[-2:]:
                p.value = p.value - learning_rate * p.gradient
            total += len(batch) * loss.value.item()
        losses.append(total / len(x))
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses

# %% right="train_mlp" name="helper_for_a_step"
def _step(parameters, x, labels, learning_rate):
    for p in parameters:
        p.gradient = None
    loss = logistic_regression_loss(mlp_features(parameters, x), labels, parameters[-2], parameters[-1])
    loss.backward()
    for p in parameters:
        p.value = torch.sub(p.value, p.gradient, alpha=learning_rate)
    return float(loss.value) * len(x)

def train_mlp(parameters, x, labels, learning_rate, epochs, batch_size, generator=None, on_epoch=None):
    losses = []
    for epoch in range(epochs):
        total = sum(
            _step(parameters, x[batch], labels[batch], learning_rate)
            for batch in minibatches(len(x), batch_size, generator)
        )
        losses.append(total / len(x))
        if on_epoch:
            on_epoch(epoch, losses[-1])
    return losses

# %% right="train_mlp" name="fresh_variables"
def train_mlp(parameters, x, labels, learning_rate, epochs, batch_size, generator=None, on_epoch=None):
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator).split(batch_size):
            a, fresh = Variable(x[batch]), [Variable(p.value) for p in parameters]
            for w, b in zip(fresh[:-2:2], fresh[1:-2:2]):
                a = (a @ w.T + b).relu()
            loss = logistic_regression_loss(a, labels[batch], *fresh[-2:])
            loss.backward()
            for p, f in zip(parameters, fresh):
                p.value = p.value - learning_rate * f.gradient
            total += len(batch) * loss.value.item()
        losses.append(total / len(x))
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses
