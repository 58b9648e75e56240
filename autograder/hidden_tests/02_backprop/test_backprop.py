"""Hidden tests of the notebook backprop (lecture 5, with L01.05 and L10.05).

Expected values come from PyTorch's autograd in this process, from closed forms or from counting. All inputs are float64
drawn from normal distributions and kept away from the kink of the ReLU, so that no test hangs on a tie. Nodes, layers
and counters that a test needs in the worker are written here and sent there; they are never the student's own.
"""

import itertools

import numpy as np
import torch

from autograder.judge import (
    assert_at_most,
    assert_close,
    assert_equal,
    assert_finite,
    assert_shape,
    assert_true,
    exercise,
)
from autograder.judge.checkers import as_array
from autograder.judge.for_suites import DOUBLE, normal

# Central differences with step 1e-5 are wrong by about 1e-10; mistakes change the result by more than 1e-2.
NUMERIC = {"rtol": 1e-6, "atol": 1e-7}


def number_between(rng, low, high):
    return torch.tensor(rng.uniform(low, high), dtype=torch.float64)


def away_from_zero(rng, *shape):
    return torch.as_tensor(rng.uniform(0.2, 2.0, size=shape) * rng.choice([-1.0, 1.0], size=shape))


def labels_of_all_classes(rng, size, classes):
    drawn = np.concatenate([np.arange(classes), rng.integers(0, classes, size - classes)])
    return torch.as_tensor(rng.permutation(drawn))


def parts(value, count, what):
    """The entries of a list or tuple of the expected length, or a message to the student."""
    found = list(value) if isinstance(value, list | tuple) else None
    assert_true(found is not None, f"{what[:1].upper()}{what[1:]} should be a list or tuple of {count}.")
    assert_true(len(found) == count, f"{what[:1].upper()}{what[1:]} has {len(found)} entries, expected {count}.")
    return found


# ---- L05.01, L10.05: order

GRAPHS = """
class GraderNode:
    def __init__(self, number, parents):
        self.number, self.parents = number, tuple(parents)

    def __eq__(self, other):
        return True

    __hash__ = None

def grader_graph(table):
    nodes = []
    for number, parents in enumerate(table):
        nodes.append(GraderNode(number, [nodes[p] for p in parents]))
    return nodes[-1]

def grader_order(order, output):
    order = list(order)
    return [node.number for node in order], bool(order) and order[-1] is output
"""


def order_of(student, table):
    """What topological_order makes of a graph, as numbers."""
    student.run(GRAPHS)
    output = student.grader_graph(table)
    numbers, ends_with_output = student.grader_order(student.topological_order(output), output)
    return [int(n) for n in as_array(numbers, "the order").reshape(-1)], ends_with_output


def random_table(rng, size):
    table = [[] for _ in range(3)]
    for number in range(3, size):
        table.append([int(p) for p in rng.integers(max(0, number - 4), number, rng.integers(1, 4))])
    return [*table, [int(p) for p in range(size)]]  # everything is needed by the last


@exercise("topological_order", weight=2)
def test_parents_come_first(student, rng):
    """Each node comes after all of its parents, also where a node is used by several others or twice by one. Append a
    node when its parents are on the list, not when you first meet it."""
    for size in (6, 15):
        table = random_table(rng, size)
        order, _ = order_of(student, table)
        assert_true(set(order) == set(range(size + 1)), "Some nodes of the graph are missing from the order.")
        last = {number: place for place, number in enumerate(order)}
        for number in range(size + 1):
            for parent in table[number]:
                assert_true(
                    order.index(parent) < last[number] and order.index(number) > order.index(parent),
                    "A node stands before one of its parents.",
                )


@exercise("topological_order", weight=2)
def test_each_node_once(student, rng):
    """Each node is on the list exactly once, however many others use it. Remember by identity (id) whom you have met:
    nodes may define == in their own way, and may not be hashable."""
    order, _ = order_of(student, [[], [0], [0, 1], [2, 2, 0], [3, 1, 2]])
    assert_true(len(order) == 5, f"The graph has 5 nodes, and the order {len(order)} entries.")
    assert_true(sorted(order) == list(range(5)), "Some node stands twice, or is missing.")


@exercise("topological_order")
def test_output_is_last(student, rng):
    """The list ends with the output itself, and begins with an input: parents first. Reversed, it would be the order of
    the way back."""
    order, ends_with_output = order_of(student, [[], [0], [1], [2, 0]])
    assert_true(bool(ends_with_output), "The last entry of the list is not the output.")
    assert_true(order[0] == 0, "The list does not begin with the input.")
    assert_true(order_of(student, [[]])[0] == [0], "A node without parents is the order of itself.")


@exercise("topological_order")
def test_deep_and_shared_graphs(student, rng):
    """Graphs may be deep (thousands of nodes in a row: no recursion) and may share nodes (30 doublings have 2^30 paths:
    visit each node once)."""
    order, _ = order_of(student, [[], *[[n, n] for n in range(30)]])
    assert_true(order == list(range(31)), "A chain in which each node is used twice by the next has only one order.")
    order, _ = order_of(student, [[], *[[n] for n in range(6000)]])
    assert_true(order == list(range(6001)), "A chain of 6,001 nodes has only one order.")


EXPRESSIONS = """
import torch
from course_lib.backprop import Node as GraderInput

grader_calls = []

def grader_counted(operation):
    def counted(*values):
        grader_calls.append(1)
        return operation(*values)
    return counted

def grader_evaluate(evaluate, table, values):
    nodes = []
    for entry in table:
        if entry[0] == "input":
            nodes.append(GraderInput("in"))
        else:
            operation = {"sub": torch.sub, "mul": torch.mul, "add3": lambda a, b, c: a + b + c}[entry[0]]
            nodes.append(GraderInput(entry[0], grader_counted(operation), tuple(nodes[p] for p in entry[1])))
    del grader_calls[:]
    result = evaluate(nodes[-1], dict(zip(nodes, values)))
    return result, len(grader_calls)
"""


def evaluate_table(student, table, values):
    student.run(EXPRESSIONS)
    result, calls = student.grader_evaluate(student.evaluate, table, values)
    return result, calls


@exercise("evaluate", weight=2)
def test_value_of_an_expression(student, rng):
    """The value is that of the expression: operands in the order of `parents` (a - b is not b - a), any number of
    them."""
    a, b, c = normal(rng, 4), normal(rng, 4), normal(rng, 4)
    table = [["input"], ["input"], ["input"], ["sub", [0, 1]], ["mul", [3, 2]], ["add3", [4, 3, 0]]]
    result, _ = evaluate_table(student, table, [a, b, c])
    assert_close(result, (a - b) * c + (a - b) + a, **DOUBLE)


@exercise("evaluate", weight=2)
def test_shared_nodes_are_computed_once(student, rng):
    """A node that several others use is computed once. Asking the parents anew each time doubles the work with every
    sharing: 16 squarings in a row would take 65,535 multiplications."""
    x = torch.as_tensor(rng.uniform(0.9999, 1.0001, 3))
    result, calls = evaluate_table(student, [["input"], *[["mul", [n, n]] for n in range(16)]], [x])
    assert_true(calls == 16, f"A graph with 16 operations made {calls} calls.")
    assert_finite(result)


@exercise("evaluate")
def test_an_input_is_what_it_is_fed(student, rng):
    """An input has the value that the feed gives it, also when it is itself the output."""
    x = normal(rng, 3)
    result, calls = evaluate_table(student, [["input"]], [x])
    assert_close(result, x, **DOUBLE)
    assert_true(calls == 0, "An input has no operation to call.")


# ---- L01.05, L05.04, L05.05: what networks compute


@exercise("neuron", weight=2)
def test_weighted_sum_then_activation(student, rng):
    """The signals are weighted and added, the bias is added, and only then comes the activation."""
    x, w, b = normal(rng, 6, 3), normal(rng, 3), float(rng.normal())
    assert_close(student.neuron(x, w, b, torch.tanh), torch.tanh(x @ w + b), **DOUBLE)


@exercise("neuron")
def test_neuron_without_weights(student, rng):
    """With weights of 0 the answer is activation(bias) for every sample: one number a sample, shape (N,)."""
    result = student.neuron(normal(rng, 5, 4), torch.zeros(4).double(), 0.7, torch.sigmoid)
    assert_shape(result, (5,), hint="Sum over the inputs of the neuron, not over the batch.")
    assert_close(result, torch.sigmoid(torch.full((5,), 0.7, dtype=torch.float64)), **DOUBLE)


@exercise("neuron")
def test_activation_sees_the_sums(student, rng):
    """The activation is applied once, to the N sums, and not to each input before they are added."""
    x, w = normal(rng, 6, 3), normal(rng, 3)
    seen = []

    def square(z):
        seen.append(tuple(z.shape))
        return z * z

    assert_close(student.neuron(x, w, 0.5, square), (x @ w + 0.5) ** 2, **DOUBLE)
    assert_true(all(len(shape) <= 1 for shape in seen), "The activation was called with a matrix.")


def network(rng, sizes):
    weights = [normal(rng, m, d) for d, m in itertools.pairwise(sizes)]
    return weights, [normal(rng, m) for m in sizes[1:]]


def sequential(x, weights, biases, activation):
    zs, inputs = [], [x]
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        zs.append(torch.nn.functional.linear(inputs[-1], w, b))
        if k + 1 < len(weights):
            inputs.append(activation(zs[-1]))
    return zs, inputs


@exercise("mlp_forward", weight=2)
def test_every_layer_is_linear_then_bent(student, rng):
    """Each z is W a + b of the layer before it, and hidden activations are the elementwise function of z. A softmax
    across the units, or a transposed W, shows here."""
    weights, biases = network(rng, [3, 4, 5, 2])
    x = normal(rng, 6, 3)
    zs, inputs = sequential(x, weights, biases, torch.sigmoid)
    found_zs, found_inputs = parts(student.mlp_forward(x, weights, biases, torch.sigmoid), 2, "the result")
    for k, (found, expected) in enumerate(zip(parts(found_zs, 3, "the list of z"), zs, strict=True), start=1):
        if k < 3:
            assert_close(found, expected, **DOUBLE, what=f"z of layer {k}")
    for k, (found, expected) in enumerate(
        zip(parts(found_inputs, 3, "the list of inputs"), inputs, strict=True), start=1
    ):
        assert_close(found, expected, **DOUBLE, what=f"the input of layer {k}")


@exercise("mlp_forward")
def test_logits_are_not_bent(student, rng):
    """The last z are the logits: no activation is applied to them."""
    weights, biases = network(rng, [3, 4, 2])
    x = normal(rng, 5, 3)
    zs, _ = parts(student.mlp_forward(x, weights, biases, torch.relu), 2, "the result")
    assert_close(parts(zs, 2, "the list of z")[-1], sequential(x, weights, biases, torch.relu)[0][-1], **DOUBLE)


@exercise("mlp_forward")
def test_lists_hold_what_backpropagation_needs(student, rng):
    """Everything is kept: L tensors z, and L tensors that went into the layers, the first of them x itself. With one
    layer there is no hidden activation at all."""
    for sizes in ([3, 2], [2, 3, 3, 3, 2]):
        weights, biases = network(rng, sizes)
        x = normal(rng, 4, sizes[0])
        zs, inputs = parts(student.mlp_forward(x, weights, biases, torch.tanh), 2, "the result")
        parts(zs, len(weights), "the list of z")
        assert_close(parts(inputs, len(weights), "the list of inputs")[0], x, **DOUBLE, what="the first input")


@exercise("mlp_forward")
def test_batch_and_single_sample_agree(student, rng):
    """The samples of a batch do not influence each other: a single row gives the same as the row of a batch."""
    weights, biases = network(rng, [3, 4, 2])
    x = normal(rng, 5, 3)
    together = parts(student.mlp_forward(x, weights, biases, torch.sigmoid), 2, "the result")[0]
    alone = parts(student.mlp_forward(x[2:3], weights, biases, torch.sigmoid), 2, "the result")[0]
    expected = sequential(x, weights, biases, torch.sigmoid)[0][0]
    assert_close(parts(together, 2, "the list of z")[0], expected, **DOUBLE)
    assert_close(parts(alone, 2, "the list of z")[0], expected[2:3], **DOUBLE, what="z of a single sample")


@exercise("collapse", weight=2)
def test_merged_matrix(student, rng):
    """M is the product of the matrices with the last layer leftmost. The other order has another shape, or other
    numbers."""
    for sizes in ([3, 4, 2], [3, 3, 3, 3]):
        weights, biases = network(rng, sizes)
        merged, _ = parts(student.collapse(weights, biases), 2, "the result")
        expected = torch.linalg.multi_dot(list(reversed(weights)))
        assert_close(merged, expected, **DOUBLE, what="the merged matrix")


@exercise("collapse", weight=2)
def test_merged_bias(student, rng):
    """c is what the layers make of x = 0: the bias of a layer passes through all later matrices."""
    weights, biases = network(rng, [3, 4, 5, 2])
    _, constant = parts(student.collapse(weights, biases), 2, "the result")
    expected = sequential(torch.zeros(1, 3).double(), weights, biases, lambda z: z)[0][-1][0]
    assert_close(constant, expected, **DOUBLE, what="the merged bias")


@exercise("collapse")
def test_one_layer_stays_itself(student, rng):
    """A single layer is its own merger, and the lists of the caller are as long as before."""
    weights, biases = network(rng, [3, 2])
    merged, constant = parts(student.collapse(weights, biases), 2, "the result")
    assert_close(merged, weights[0], **DOUBLE, what="the matrix")
    assert_close(constant, biases[0], **DOUBLE, what="the bias")


@exercise("theta_shapes")
def test_shape_without_features(student):
    """shape_without_features: x^T theta multiplies a row with 2 entries and needs one column for each of 3 classes."""
    assert_quiz_pair(student, "shape_without_features", (2, 3))


@exercise("theta_shapes")
def test_shape_with_features(student):
    """shape_with_features: one row for each of the five features (no constant, and the cross term counts)."""
    assert_quiz_pair(student, "shape_with_features", (5, 3))


@exercise("theta_shapes")
def test_shape_with_rows_as_classes(student):
    """shape_rows_are_classes: in theta x each row belongs to a class, so the first shape is transposed."""
    assert_quiz_pair(student, "shape_rows_are_classes", (3, 2))


def assert_quiz_pair(student, name, expected):
    value = getattr(student, name)
    assert_true(value is not None, f"`{name}` is still None: not answered yet.")
    found = as_array(value, f"`{name}`").reshape(-1)
    assert_true(found.size == 2 and tuple(found.tolist()) == expected, f"{name} is not right.")


@exercise("playground_facts")
def test_identity_answer(student):
    """identity_separates_ring: linear layers without a bend are one linear layer, whatever their number."""
    value = student.identity_separates_ring
    assert_true(value is not None, "`identity_separates_ring` is still None: not answered yet.")
    assert_true(value is False, "identity_separates_ring is not right.")


@exercise("playground_facts")
def test_fewest_units_answer(student):
    """fewest_units_for_ring: each unit draws one line; how many lines enclose an area?"""
    value = student.fewest_units_for_ring
    assert_true(value is not None, "`fewest_units_for_ring` is still None: not answered yet.")
    assert_true(not isinstance(value, bool) and value == 3, "fewest_units_for_ring is not right.")


@exercise("playground_facts")
def test_undecided_answer(student):
    """undecided_without_biases: where is every weighted sum 0, whatever the weights?"""
    assert_quiz_pair(student, "undecided_without_biases", (0, 0))


# ---- L05.07, L05.08, L05.16: derivatives by other means


def mixed(v):
    return torch.stack([v[0] * v[1], torch.sin(v[2]), v[0] + v[2] ** 2, v[1] * 3.0])


@exercise("jacobian", weight=2)
def test_jacobian_of_a_nonlinear_function(student, rng):
    """Entry ij is dy_j / dx_i: row i belongs to input i. It is the transpose of PyTorch's Jacobian."""
    x = normal(rng, 3)
    expected = torch.autograd.functional.jacobian(mixed, x).T
    assert_close(student.jacobian(mixed, x), expected, **NUMERIC)


@exercise("jacobian")
def test_shape_is_inputs_times_outputs(student, rng):
    """The Jacobian of a function from R^n to R^m has shape (n, m) in this lecture's layout."""
    x, matrix = normal(rng, 2), normal(rng, 5, 2)
    assert_shape(student.jacobian(lambda v: matrix @ v, x), (2, 5), hint="Rows are inputs, columns are outputs.")


@exercise("jacobian")
def test_differences_are_central(student, rng):
    """The difference is central, (f(x + h) - f(x - h)) / (2h), with the given step: for cubes its error is h^2 exactly,
    and for squares it is 0. A forward difference is wrong by about h."""
    x = torch.as_tensor(rng.uniform(1.0, 2.0, 3))
    found = student.jacobian(lambda v: v**3, x, step=0.01)
    assert_close(found, torch.diag(3 * x**2 + 0.01**2), rtol=1e-8, atol=1e-9)


@exercise("jacobian", weight=0.5)
def test_jacobian_leaves_x(student, rng):
    """x is as it was after the call: nudge a copy, or x + something, never x itself."""
    x = normal(rng, 3)
    kept = student.keep(x)
    student.jacobian(mixed, kept)
    assert_equal(student.fetch(kept), x, what="x after the call")


@exercise("pull_back", weight=2)
def test_product_of_the_chain(student, rng):
    """The result is J_1 J_2 ... J_L delta. The order of the matrices, and none left out, is what counts."""
    sizes = [4, 3, 5, 2]
    chain = [normal(rng, n, m) for n, m in itertools.pairwise(sizes)]
    delta = normal(rng, 2)
    assert_close(student.pull_back(chain, delta), chain[0] @ chain[1] @ chain[2] @ delta, **DOUBLE)
    square = [normal(rng, 3, 3) for _ in range(3)]
    delta = normal(rng, 3)
    assert_close(student.pull_back(square, delta), square[0] @ square[1] @ square[2] @ delta, **DOUBLE)


COUNTER = """
import math
import torch
from torch.utils._python_dispatch import TorchDispatchMode

class GraderCounter(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = str(function)
        if any(part in name for part in ("aten.mm", "aten.bmm", "aten.addmm", "aten.mv", "aten.dot")):
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            self.count += math.prod(result.shape) * tensors[-2].shape[-1]
        return result

def grader_count(function, chain, delta):
    with GraderCounter() as counter:
        function(chain, delta)
    return counter.count
"""


@exercise("pull_back", weight=2)
def test_cheap_order(student, rng):
    """Begin at the loss: matrix times vector, never matrix times matrix. The product of the Jacobians costs n^3
    multiplications a layer instead of n^2."""
    n = 24
    chain, delta = [normal(rng, n, n) / 5 for _ in range(4)], normal(rng, n)
    expected = chain[0] @ (chain[1] @ (chain[2] @ (chain[3] @ delta)))
    assert_close(student.pull_back(chain, delta), expected, rtol=1e-7, atol=1e-9)
    student.run(COUNTER)
    count = student.grader_count(student.pull_back, chain, delta)
    assert_true(
        count <= 4 * n * n,
        f"{count:,} multiplications in matrix products for 4 layers of {n} units; 4 n² = {4 * n * n:,} are enough.",
    )


@exercise("pull_back")
def test_no_layers(student, rng):
    """With an empty list delta stays what it is, and with one Jacobian it is J delta, not its transpose."""
    delta, matrix = normal(rng, 3), normal(rng, 3, 3)
    assert_close(student.pull_back([], delta), delta, **DOUBLE)
    assert_close(student.pull_back([matrix], delta), matrix @ delta, **DOUBLE, what="the result for one Jacobian")


def waves(v):
    return float((torch.sin(v) * v).sum())


def slope_of_waves(x):
    return torch.cos(x) * x + torch.sin(x)


@exercise("gradient_check", weight=2)
def test_right_gradients_pass(student, rng):
    """A right gradient has an error below 1e-7 in every coordinate, in the shape of x. A forward difference, or a step
    lost in rounding, does not reach that."""
    for shape in ((3, 4), (5,)):
        x = normal(rng, *shape)
        # The constant makes the rounding errors of f as large as in a real loss: 3e-9 after division by 2e-5.
        errors = student.gradient_check(lambda v: waves(v) + 300.0, x, slope_of_waves(x))
        assert_shape(errors, shape, hint="One error for each coordinate, in the shape of x.")
        worst = float(np.abs(as_array(errors)).max())
        assert_at_most(worst, 1e-7, what="the largest error for a right gradient")


@exercise("gradient_check", weight=2)
def test_planted_bugs_are_caught(student, rng):
    """A factor of 2, a wrong sign and one wrong coordinate must each show up as large errors, and where they are."""
    x = torch.as_tensor(rng.uniform(0.3, 1.2, size=(2, 3)))
    right = slope_of_waves(x)
    one = right.clone()
    one[1, 2] += 0.5
    for label, bug, where in (
        ("a factor of 2", 2 * right, torch.ones(2, 3)),
        ("a wrong sign", -right, torch.ones(2, 3)),
        ("one wrong coordinate", one, (one != right).double()),
    ):
        errors = torch.as_tensor(as_array(student.gradient_check(waves, x, bug)))
        assert_shape(errors, (2, 3))
        assert_equal(errors > 0.05, where > 0, what=f"where the error is large, with {label}")


@exercise("gradient_check")
def test_scale_of_the_error(student, rng):
    """The error is |g - n| / max(1, |g|, |n|): relative for large derivatives, absolute for small ones. Without the 1,
    rounding in a derivative of 0 looks like a mistake."""
    g = torch.tensor([500.0, 0.004, 0.0, 3.0]).double()
    n = torch.tensor([1000.0, 0.001, 0.002, -3.0]).double()
    errors = student.gradient_check(lambda v: float(n @ v), torch.zeros(4).double(), g)
    assert_close(errors, (g - n).abs() / torch.maximum(g.abs(), n.abs()).clamp(min=1), rtol=1e-5, atol=1e-7)


@exercise("gradient_check")
def test_computed_in_double_precision(student, rng):
    """The function is called in float64, also when x is float32: in float32 a difference of nearly equal values has no
    correct digits left."""
    x = normal(rng, 4).float()
    seen = []

    def cubes(v):
        seen.append(str(v.dtype))
        return float((v**3).sum())

    errors = student.gradient_check(cubes, x, 3 * x**2)
    assert_true(len(seen) > 0, "The function was never called.")
    assert_true(set(seen) == {"torch.float64"}, "The function was called with tensors that are not float64.")
    assert_at_most(float(np.abs(as_array(errors)).max()), 1e-5, what="the largest error")


@exercise("gradient_check")
def test_x_is_restored(student, rng):
    """x is the same after the call, and a gradient of another shape is refused with a ValueError."""
    x = normal(rng, 2, 2)
    kept = student.keep(x)
    student.gradient_check(waves, kept, slope_of_waves(x))
    assert_equal(student.fetch(kept), x, what="x after the call")
    student.raises(ValueError, student.gradient_check, waves, x, slope_of_waves(x).reshape(4))


# ---- L05.10 to L05.14: recipes


def back(layer, a, delta, count):
    """The two parts of what a layer's backward gives."""
    gradients, of_input = parts(layer.backward(a, delta), 2, "what backward returns")
    return parts(gradients, count, "the tuple of parameter gradients"), of_input


def linear_case(rng):
    return normal(rng, 3, 4), normal(rng, 3), normal(rng, 5, 4), normal(rng, 5, 3)


@exercise("Linear")
def test_linear_forward(student, rng):
    """z = W a + b for each row of a, and b itself for a = 0. W has one row a unit, so a batch needs its transpose."""
    weight, bias, a, _ = linear_case(rng)
    layer = student.Linear(weight, bias)
    assert_close(layer.forward(a), torch.nn.functional.linear(a, weight, bias), **DOUBLE, what="z")
    assert_close(layer.forward(torch.zeros(2, 4).double()), torch.stack([bias, bias]), **DOUBLE, what="z for a = 0")


@exercise("Linear", weight=2)
def test_gradient_of_the_weights(student, rng):
    """dL/dW is the SUM over the samples of delta a^T, in the shape (M, D) of W. Transposed it is a delta^T; divided by
    N it averages a second time."""
    weight, bias, a, delta = linear_case(rng)
    gradients, _ = back(student.Linear(weight, bias), a, delta, 2)
    assert_close(gradients[0], delta.T @ a, **DOUBLE, what="dL/dW")


@exercise("Linear")
def test_gradient_of_the_bias(student, rng):
    """dL/db is the sum of the deltas over the batch, shape (M,): each sample used the same bias."""
    weight, bias, a, delta = linear_case(rng)
    gradients, _ = back(student.Linear(weight, bias), a, delta, 2)
    assert_close(gradients[1], delta.sum(dim=0), **DOUBLE, what="dL/db")


@exercise("Linear", weight=2)
def test_delta_of_the_inputs(student, rng):
    """dL/da is W^T delta for each sample, shape (N, D). For a square W the mistake W delta has the right shape and
    wrong numbers."""
    for weight, bias, a, delta in (linear_case(rng), [normal(rng, *s) for s in ((3, 3), (3,), (3, 3), (3, 3))]):
        _, of_input = back(student.Linear(weight, bias), a, delta, 2)
        assert_close(of_input, torch.stack([weight.T @ row for row in delta]), **DOUBLE, what="dL/da")


@exercise("Sigmoid")
def test_sigmoid_forward(student, rng):
    """The layer gives 1 / (1 + exp(-z)) for each entry, for z of any size, in the shape of z."""
    z = torch.cat([normal(rng, 3, 4), torch.tensor([[800.0, -800.0, 0.0, 30.0]]).double()])
    assert_close(student.Sigmoid().forward(z), torch.sigmoid(z), **DOUBLE)


@exercise("Sigmoid", weight=2)
def test_sigmoid_slope(student, rng):
    """Each delta is multiplied by sigma(z) (1 - sigma(z)). The argument of backward is z, not the output."""
    z, delta = normal(rng, 3, 4), normal(rng, 3, 4)
    _, found = back(student.Sigmoid(), z, delta, 0)
    tracked = z.clone().requires_grad_()
    (expected,) = torch.autograd.grad(torch.sigmoid(tracked), tracked, delta)
    assert_close(found, expected, **DOUBLE, what="dL/dz")


@exercise("Sigmoid")
def test_sigmoid_far_from_zero(student, rng):
    """Far from 0 the sigmoid is flat and the derivative tiny or 0, never NaN; at 0 it is a quarter, its maximum."""
    z = torch.tensor([[30.0, -30.0, 800.0, -800.0, 0.0]]).double()
    _, found = back(student.Sigmoid(), z, torch.full_like(z, 4.0), 0)
    assert_finite(found, what="dL/dz")
    # 4 s (1 - s) is 4e-13 at +-30; computed as 1 - s it may be off by rounding, 1e-16.
    assert_close(found, [[0, 0, 0, 0, 1.0]], rtol=1e-9, atol=1e-11, what="dL/dz")


@exercise("ReLU")
def test_relu_forward(student, rng):
    """The layer gives max(0, z) for each entry and leaves z itself as it was."""
    z = away_from_zero(rng, 4, 3)
    kept = student.keep(z)
    assert_close(student.ReLU().forward(kept), z.clamp(min=0), **DOUBLE)
    assert_equal(student.fetch(kept), z, what="z after the call")


@exercise("ReLU", weight=2)
def test_relu_gate(student, rng):
    """Delta passes where z was positive and stops where it was negative. The gate is set by z, the input of the forward
    pass."""
    z, delta = away_from_zero(rng, 4, 5), away_from_zero(rng, 4, 5).abs()
    _, found = back(student.ReLU(), z, delta, 0)
    assert_close(found, torch.where(z > 0, delta, 0.0), **DOUBLE, what="dL/dz")


@exercise("ReLU", weight=2)
def test_relu_passes_negative_deltas(student, rng):
    """The sign of delta plays no part: a negative delta passes an open gate as it is. Masking by delta is another
    method (guided backpropagation), and not a gradient."""
    z, delta = away_from_zero(rng, 4, 5).abs(), -away_from_zero(rng, 4, 5).abs()
    _, found = back(student.ReLU(), z, delta, 0)
    assert_close(found, delta, **DOUBLE, what="dL/dz")


@exercise("softmax_cross_entropy")
def test_mean_loss(student, rng):
    """The loss is the MEAN over the samples of the negative log-probability of the true class."""
    logits, labels = normal(rng, 7, 4), labels_of_all_classes(rng, 7, 4)
    loss, _ = parts(student.softmax_cross_entropy(logits, labels), 2, "the result")
    assert_close(loss, torch.nn.functional.cross_entropy(logits, labels), **DOUBLE, what="the loss")


@exercise("softmax_cross_entropy", weight=2)
def test_probabilities_minus_one_hot(student, rng):
    """delta is (p - onehot(y)) / N: probabilities, not logits; one-hot rows, not label numbers; and the mean of the
    loss is in it."""
    logits, labels = normal(rng, 7, 4), labels_of_all_classes(rng, 7, 4)
    _, delta = parts(student.softmax_cross_entropy(logits, labels), 2, "the result")
    tracked = logits.clone().requires_grad_()
    torch.nn.functional.cross_entropy(tracked, labels).backward()
    assert_close(delta, tracked.grad, **DOUBLE, what="delta")


@exercise("softmax_cross_entropy")
def test_rows_of_delta_sum_to_zero(student, rng):
    """Each row of delta sums to 0, with its only negative entry at the true class."""
    logits, labels = normal(rng, 6, 5), labels_of_all_classes(rng, 6, 5)
    delta = torch.as_tensor(as_array(parts(student.softmax_cross_entropy(logits, labels), 2, "the result")[1]))
    assert_shape(delta, (6, 5), what="delta")
    assert_close(delta.sum(dim=1), torch.zeros(6), **DOUBLE, what="the row sums of delta")
    one_hot = torch.nn.functional.one_hot(labels, 5).bool()
    assert_equal(delta < 0, one_hot, what="where delta is negative")


@exercise("softmax_cross_entropy")
def test_stable_and_pure(student, rng):
    """Logits of +-1e4 give a finite loss and a finite delta, and the caller's logits stay as they were."""
    logits = torch.as_tensor(rng.permuted(np.tile([1e4, -1e4, 0.0], (4, 1)), axis=1))
    labels = labels_of_all_classes(rng, 4, 3)
    kept = student.keep(logits)
    loss, delta = parts(student.softmax_cross_entropy(kept, labels), 2, "the result")
    assert_close(loss, torch.nn.functional.cross_entropy(logits, labels), **DOUBLE, what="the loss")
    assert_finite(delta, what="delta")
    assert_equal(student.fetch(kept), logits, what="the logits after the call")


# ---- L05.09: the algorithm

LAYERS = """
import torch

grader_log = []

class GraderLayer:
    def __init__(self, number, parameters):
        self.number, self.parameters = number, parameters

    def backward(self, a, delta):
        grader_log.append(self.number)
        z = a @ self.parameters[0].T + self.parameters[1] if self.parameters else a
        delta = delta * (1 - torch.tanh(z) ** 2)
        if not self.parameters:
            return (), delta
        return (torch.einsum("nm,nd->md", delta, a), delta.sum(0)), delta @ self.parameters[0]

def grader_backward_pass(backward_pass, parameters, inputs, delta):
    del grader_log[:]
    layers = [GraderLayer(number, of_layer) for number, of_layer in enumerate(parameters)]
    gradients, rest = backward_pass(layers, inputs, delta)
    return [list(of_layer) for of_layer in gradients], rest, list(grader_log)
"""


def deep_case(rng):
    """Parameters of three layers, of which the middle one has none, with the oracle's inputs and gradients."""
    parameters = [[normal(rng, 4, 3) / 2, normal(rng, 4)], [], [normal(rng, 2, 4) / 2, normal(rng, 2)]]
    tracked = [[p.clone().requires_grad_() for p in of_layer] for of_layer in parameters]
    x = normal(rng, 5, 3).requires_grad_()
    values = [x]
    for of_layer in tracked:
        a = values[-1]
        values.append(torch.tanh(a @ of_layer[0].T + of_layer[1] if of_layer else a))
    delta = normal(rng, 5, 2)
    values[-1].backward(delta)
    gradients = [[p.grad for p in of_layer] for of_layer in tracked]
    return parameters, [v.detach() for v in values], delta, gradients, x.grad


def run_backward_pass(student, parameters, inputs, delta):
    student.run(LAYERS)
    result = student.grader_backward_pass(student.backward_pass, parameters, inputs, delta)
    return parts(result, 3, "the result")


@exercise("backward_pass", weight=2)
def test_gradients_of_every_layer(student, rng):
    """The gradients of all parameters are those of autograd, in the order of the layers. Each layer gets its own input
    and the delta of its own output; a delta updated too early shows here."""
    parameters, values, delta, expected, _ = deep_case(rng)
    gradients, _, _ = run_backward_pass(student, parameters, values, delta)
    for k, (found, wanted) in enumerate(
        zip(parts(gradients, 3, "the list of gradients"), expected, strict=True), start=1
    ):
        for name, a, b in zip("Wb", parts(found, len(wanted), f"the gradients of layer {k}"), wanted, strict=False):
            assert_close(a, b, **DOUBLE, what=f"dL/d{name} of layer {k}")


@exercise("backward_pass")
def test_delta_that_is_left(student, rng):
    """The second result is the derivative with respect to the input of the first layer: every layer has been passed."""
    parameters, values, delta, _, of_x = deep_case(rng)
    _, rest, _ = run_backward_pass(student, parameters, values, delta)
    assert_close(rest, of_x, **DOUBLE, what="the derivative with respect to x")


@exercise("backward_pass")
def test_each_layer_once_from_the_end(student, rng):
    """Each layer's backward is called exactly once, the last layer first."""
    parameters, values, delta, _, _ = deep_case(rng)
    _, _, log = run_backward_pass(student, parameters, values, delta)
    assert_true(log == [2, 1, 0], f"Of three layers, numbered 0 to 2, backward was called in the order {log}.")


@exercise("backward_pass")
def test_inputs_with_and_without_the_output(student, rng):
    """`inputs` may hold the output of the last layer behind the L inputs, as forward_pass gives it, or end before it:
    the result is the same."""
    parameters, values, delta, expected, _of_x = deep_case(rng)
    for inputs in (values, values[:-1]):
        gradients, _rest, _ = run_backward_pass(student, parameters, inputs, delta)
        first = parts(parts(gradients, 3, "the list of gradients")[0], 2, "the gradients of layer 1")
        last = parts(gradients[-1], 2, "the gradients of layer 3")
        flipped = torch.as_tensor(as_array(first[1])).shape == expected[2][1].shape  # a reversed list: another test
        assert_close(last[1] if flipped else first[1], expected[0][1], **DOUBLE, what="dL/db of layer 1")


# ---- L10.05: the engine


@exercise("unbroadcast", weight=2)
def test_leading_axes_are_summed(student, rng):
    """Axes that the operand does not have were put in front of it by broadcasting: sum over them."""
    delta = normal(rng, 4, 2, 3)
    for shape, expected in (((2, 3), delta.sum(0)), ((3,), delta.sum((0, 1))), ((), delta.sum())):
        assert_close(student.unbroadcast(delta, shape), expected, **DOUBLE, what=f"the derivative of shape {shape}")


@exercise("unbroadcast", weight=2)
def test_stretched_axes_are_summed_and_kept(student, rng):
    """An axis of length 1 that was stretched is summed over and kept, with length 1. Both kinds can come together."""
    delta = normal(rng, 4, 2, 3)
    for shape, expected in (
        ((4, 1, 3), delta.sum(1, keepdim=True)),
        ((1, 2, 1), delta.sum((0, 2), keepdim=True)),
        ((2, 1), delta.sum(0).sum(1, keepdim=True)),
        ((1, 1, 1), delta.sum().reshape(1, 1, 1)),
    ):
        assert_close(student.unbroadcast(delta, shape), expected, **DOUBLE, what=f"the derivative of shape {shape}")


@exercise("unbroadcast")
def test_nothing_repeated_nothing_summed(student, rng):
    """Where the shapes are equal, delta is returned as it is, also with axes of length 1 and for a single number."""
    for shape in ((2, 3), (2, 1), (1,), ()):
        delta = normal(rng, *shape) if shape else torch.tensor(float(rng.normal())).double()
        assert_close(student.unbroadcast(delta, shape), delta, **DOUBLE, what=f"the derivative of shape {shape}")


ENGINE = """
import torch

class GraderVariable:
    def __init__(self, value, parents=(), pull_back=None):
        self.value, self.parents, self.pull_back, self.gradient = value, tuple(parents), pull_back, None
        self.asked = 0

def grader_operation(name, a, b):
    pulls = {
        "add": (lambda x, y: x + y, lambda d: (d, d)),
        "mul": (lambda x, y: x * y, lambda d: (d * b.value, d * a.value)),
        "sub": (lambda x, y: x - y, lambda d: (d, -d)),
    }
    function, pull = pulls[name]
    node = GraderVariable(function(a.value, b.value), (a, b))

    def counted(delta):
        node.asked += 1
        return pull(delta)

    node.pull_back = counted
    return node

def grader_build(values, table):
    nodes = [GraderVariable(v) for v in values]
    for name, first, second in table:
        nodes.append(grader_operation(name, nodes[first], nodes[second]))
    return nodes

def grader_backward(backward, values, table, delta, calls):
    nodes = grader_build(values, table)
    for _ in range(calls):
        backward(nodes[-1]) if delta is None else backward(nodes[-1], delta)
    return [node.gradient for node in nodes], [node.asked for node in nodes]

def grader_refuses(backward, values, table):
    backward(grader_build(values, table)[-1])
"""


def run_table(values, table):
    nodes = [v.clone().requires_grad_() for v in values]
    for name, first, second in table:
        a, b = nodes[first], nodes[second]
        nodes.append({"add": a + b, "mul": a * b, "sub": a - b}[name])
        nodes[-1].retain_grad()
    return nodes


def compare_backward(student, values, table, delta=None, calls=1):
    """Run the student's backward on a graph of ours, and compare the gradients of all nodes with autograd's."""
    nodes = run_table(values, table)
    for _ in range(calls):
        nodes[-1].backward(delta, retain_graph=True)
    student.run(ENGINE)
    result = student.grader_backward(student.backward, values, table, delta, calls)
    gradients, asked = parts(result, 2, "the result")
    for number, (found, node) in enumerate(zip(gradients, nodes, strict=True)):
        assert_true(found is not None, f"Node {number} of {len(nodes)} has no gradient after backward.")
        what = f"the gradient of input {number}" if number < len(values) else "the gradient of an inner node"
        assert_close(found, node.grad, **DOUBLE, what=what)
    return asked


@exercise("backward", weight=2)
def test_shared_nodes_add_their_deltas(student, rng):
    """A node that is used in several places, or twice by one, gets the SUM of the contributions: x x + x has the slope
    2x + 1."""
    x = number_between(rng, 1.0, 3.0)
    compare_backward(student, [x], [("mul", 0, 0), ("add", 1, 0)])
    compare_backward(student, [x, x + 1], [("mul", 0, 1), ("sub", 2, 0), ("mul", 2, 3), ("add", 4, 1)])


@exercise("backward", weight=2)
def test_random_graphs(student, rng):
    """On random graphs with many shared nodes all gradients agree with PyTorch's. A node that passes its delta on
    before all its users have contributed gives wrong numbers here."""
    for _ in range(4):
        values = [number_between(rng, 0.7, 1.3) for _ in range(3)]
        table = []
        for number in range(3, 14):
            first, second = rng.integers(max(0, number - 5), number, 2)
            table.append((str(rng.choice(["add", "mul", "sub"])), int(first), int(second)))
        for number in range(13):  # everything is used, so that every node has a gradient
            table.append(("add" if number else "mul", 13 + number, number))
        asked = compare_backward(student, values, table)
        assert_true(max(asked) == 1, "A pull_back was asked more than once in one call of backward.")


@exercise("backward")
def test_second_call_adds_the_same_again(student, rng):
    """Gradients accumulate over calls, as in PyTorch: two calls give twice the gradient. If what the first call left in
    `gradient` is passed on again, inner nodes make it more than twice."""
    x = number_between(rng, 1.0, 2.0)
    compare_backward(student, [x], [("mul", 0, 0), ("mul", 1, 0), ("add", 2, 1)], calls=2)


@exercise("backward")
def test_broadcast_operands(student, rng):
    """An operand that was broadcast gets a gradient of its own shape: its contributions are summed (unbroadcast)."""
    values = [normal(rng, 4, 3), normal(rng, 3), normal(rng, 4, 1)]
    compare_backward(student, values, [("mul", 0, 1), ("add", 3, 2), ("mul", 4, 1)], delta=normal(rng, 4, 3))


@exercise("backward")
def test_where_to_begin(student, rng):
    """Without a delta the output must be a single number, and its own gradient is 1; several entries are a
    ValueError."""
    compare_backward(student, [normal(rng, 1), normal(rng, 1)], [("mul", 0, 1)])
    student.raises(ValueError, student.grader_refuses, student.backward, [normal(rng, 3)], [("mul", 0, 0)])


EXPRESSION = """
def grader_expression(variable, source, values):
    inputs = [variable(v) for v in values]
    result = eval(source, {}, dict(zip("abcd", inputs), **grader_indices))
    return inputs, result

def grader_value(variable, source, values):
    return grader_expression(variable, source, values)[1].value

def grader_gradients(variable, source, values, delta):
    inputs, result = grader_expression(variable, source, values)
    result.backward(delta)
    return [v.gradient for v in inputs]
"""
PICKED = torch.tensor([0, 2, 0, 1, 0])


def compare_expression(student, rng, source, *shapes, positive=False, away=False):
    """Value and gradients of an expression in the variables a, b, c, d against PyTorch's."""
    make = away_from_zero if away else normal
    values = [make(rng, *shape) for shape in shapes]
    if positive:
        values = [v.abs() + 0.5 for v in values]
    tracked = [v.clone().requires_grad_() for v in values]
    result = eval(source, {}, dict(zip("abcd", tracked, strict=False), picked=PICKED))
    delta = normal(rng, *result.shape) if result.ndim else torch.tensor(float(rng.normal())).double()
    result.backward(delta)
    student.run("import torch\ngrader_indices = {'picked': torch.tensor([0, 2, 0, 1, 0])}\n" + EXPRESSION)
    found = student.grader_value(student.Variable, source, values)
    assert_close(found, result, **DOUBLE, what=f"the value of {source}")
    gradients = student.grader_gradients(student.Variable, source, values, delta)
    for name, a, b in zip("abcd", parts(gradients, len(values), "the gradients"), tracked, strict=False):
        assert_true(a is not None, f"In {source}, {name} has no gradient.")
        assert_close(a, b.grad, **DOUBLE, what=f"the gradient of {name} in {source}")


@exercise("Variable")
def test_product(student, rng):
    """a * b: each operand gets delta times the OTHER one, also when both are the same variable, or one is broadcast."""
    for source, shapes in (
        ("a * b", ((2, 3), (2, 3))),
        ("a * b", ((2, 3), (3,))),
        ("a * a", ((4,),)),
        ("a * 3.0", ((3,),)),
    ):
        compare_expression(student, rng, source, *shapes)


@exercise("Variable")
def test_matrix_product(student, rng):
    """a @ b: delta b^T for the left operand, a^T delta for the right one."""
    compare_expression(student, rng, "a @ b", (2, 3), (3, 4))
    compare_expression(student, rng, "a @ a", (3, 3))


@exercise("Variable")
def test_relu_of_a_variable(student, rng):
    """relu: delta passes where the entry was positive, whatever the sign of delta."""
    compare_expression(student, rng, "a.relu()", (4, 5), away=True)
    compare_expression(student, rng, "(a * b).relu() + a", (4, 5), (4, 5), away=True)


@exercise("Variable")
def test_sums(student, rng):
    """sum: over all entries, or over one axis (negative ones too), with and without keepdim; each entry that was added
    gets the delta of its sum."""
    for source in ("a.sum()", "a.sum(0)", "a.sum(1)", "a.sum(-1, keepdim=True)", "a.sum(0, keepdim=True) * a"):
        compare_expression(student, rng, source, (3, 4))
    compare_expression(student, rng, "a.sum(1)", (3, 3))  # a square: a missing unsqueeze is not seen in the shape
    compare_expression(student, rng, "a.mean(1) + b", (3, 4), (3,))


@exercise("Variable")
def test_indexing(student, rng):
    """a[index]: delta goes back to where it was picked from, zeros elsewhere; a place picked twice gets both."""
    for source in ("a[1:, ::2]", "a[2]", "a[picked]", "a[picked, picked]", "a[:, 1] * a[:, 1]"):
        compare_expression(student, rng, source, (3, 4))


@exercise("Variable", weight=2)
def test_expressions_of_everything(student, rng):
    """Expressions of many operations agree with PyTorch in value and gradient: sharing, broadcasting, reductions and
    indexing together."""
    for source, shapes in (
        ("((a @ b + c).relu() * c).sum(1).logsumexp(0) - a[0, 1]", ((4, 3), (3, 5), (5,))),
        ("(a.T @ a + b).sigmoid().sum() * (a * a).mean() / (b * b + 1.0).sum()", ((4, 3), (3, 3))),
        ("(a[picked] * b).tanh().sum(0, keepdim=True) @ c.reshape(2, 2).T", ((3, 2), (5, 2), (4,))),
    ):
        compare_expression(student, rng, source, *shapes, away=True)


LOGISTIC = """
def grader_logistic(loss, variable, x, labels, theta, bias, plain):
    x = x if plain else variable(x)
    theta = variable(theta)
    bias = None if bias is None else variable(bias)
    result = loss(x, labels, theta) if bias is None else loss(x, labels, theta, bias)
    result.backward()
    return result.value, theta.gradient, None if plain else x.gradient, None if bias is None else bias.gradient
"""


def logistic(student, x, labels, theta, bias=None, plain=False):
    student.run(LOGISTIC)
    arguments = (student.logistic_regression_loss, student.Variable, x, labels, theta, bias, plain)
    return parts(student.grader_logistic(*arguments), 4, "the result")


def logistic_oracle(x, labels, theta, bias=None):
    tracked = [t.clone().requires_grad_() for t in (x, theta, *([] if bias is None else [bias]))]
    nll = torch.nn.functional.cross_entropy(
        torch.nn.functional.linear(tracked[0], tracked[1], None if bias is None else tracked[2]), labels
    )
    nll.backward()
    return nll, [t.grad for t in tracked]


@exercise("logistic_regression_loss", weight=2)
def test_value_of_the_loss(student, rng):
    """The loss is the mean of -x^T theta_y + log sum exp(x^T theta_y'), with one ROW of theta a class. Without the
    first term, or with rows and columns mixed up, it is another number."""
    for n, d, c in ((6, 3, 4), (7, 4, 4)):
        x, labels, theta = normal(rng, n, d), labels_of_all_classes(rng, n, c), normal(rng, c, d)
        value, *_ = logistic(student, x, labels, theta, plain=True)
        assert_close(value, logistic_oracle(x, labels, theta)[0], **DOUBLE, what="the loss")


@exercise("logistic_regression_loss", weight=2)
def test_gradients_of_the_loss(student, rng):
    """The graph gives the gradients of theta, bias and x: every part of the loss is made of variables, and none is cut
    off by taking its value."""
    x, labels, theta, bias = normal(rng, 6, 3), labels_of_all_classes(rng, 6, 4), normal(rng, 4, 3), normal(rng, 4)
    _, of_theta, of_x, of_bias = logistic(student, x, labels, theta, bias)
    _, expected = logistic_oracle(x, labels, theta, bias)
    for name, found, wanted in zip(("x", "theta", "bias"), (of_x, of_theta, of_bias), expected, strict=True):
        assert_true(found is not None, f"{name} has no gradient: it is not part of the graph.")
        assert_close(found, wanted, **DOUBLE, what=f"the gradient of {name}")


@exercise("logistic_regression_loss")
def test_bias_shifts_the_logits(student, rng):
    """The bias is added to the logits of its class; the default 0 changes nothing."""
    x, labels, theta, bias = normal(rng, 5, 3), labels_of_all_classes(rng, 5, 3), normal(rng, 3, 3), normal(rng, 3)
    value, *_ = logistic(student, x, labels, theta, bias)
    assert_close(value, logistic_oracle(x, labels, theta, bias)[0], **DOUBLE, what="the loss with a bias")


@exercise("logistic_regression_loss")
def test_loss_of_large_logits(student, rng):
    """Logits of size 1e4 and more give a finite loss and finite gradients: use logsumexp, not the logarithm of a sum of
    exponentials."""
    x, labels, theta = 1e4 * normal(rng, 5, 3), labels_of_all_classes(rng, 5, 3), normal(rng, 3, 3)
    value, of_theta, _, _ = logistic(student, x, labels, theta, plain=True)
    assert_close(value, logistic_oracle(x, labels, theta)[0], **DOUBLE, what="the loss")
    assert_finite(of_theta, what="the gradient of theta")


TRAINING = """
import torch

def grader_train(train, variable, values, x, labels, rate, epochs, batch_size, seed, times, leftover):
    parameters = [variable(v) for v in values]
    before = [v.clone() for v in values]
    for p in parameters:
        p.gradient = torch.full_like(p.value, 5.0) if leftover else None
    losses, calls = [], []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(times):
        result = train(parameters, x, labels, rate, epochs, batch_size, generator,
                       lambda epoch, loss: calls.append((epoch, loss)))
        losses += [float(loss) for loss in result]
    untouched = all(torch.equal(a, b) for a, b in zip(values, before))
    return [p.value for p in parameters], losses, [list(call) for call in calls], untouched
"""


def train_student(student, values, x, labels, rate, epochs, batch_size, seed=0, times=1, leftover=False):
    student.run(TRAINING)
    arguments = (values, x, labels, rate, epochs, batch_size, seed, times, leftover)
    return parts(student.grader_train(student.train_mlp, student.Variable, *arguments), 4, "the result")


def small_network(rng):
    values = [normal(rng, 5, 3), normal(rng, 5), normal(rng, 3, 5), normal(rng, 3)]
    return values, normal(rng, 12, 3), labels_of_all_classes(rng, 12, 3)


def train_oracle(values, x, labels, rate, epochs, batches):
    """Full epochs over given batches with PyTorch: parameters and the loss of each epoch."""
    values, losses = [v.clone().requires_grad_() for v in values], []
    for _ in range(epochs):
        total = 0.0
        for batch in batches:
            hidden = torch.relu(torch.nn.functional.linear(x[batch], values[0], values[1]))
            value = torch.nn.functional.cross_entropy(
                torch.nn.functional.linear(hidden, values[2], values[3]), labels[batch]
            )
            slopes = torch.autograd.grad(value, values)
            values = [(v - rate * g).detach().requires_grad_() for v, g in zip(values, slopes, strict=True)]
            total += len(batch) * value.item()
        losses.append(total / len(x))
    return [v.detach() for v in values], losses


@exercise("train_mlp", weight=2)
def test_full_batch_training(student, rng):
    """With one batch for all the data, training is gradient descent on the mean loss: the parameters afterwards follow
    from the formula. Gradients that are not cleared, at the start or between steps, make it run away."""
    values, x, labels = small_network(rng)
    expected, _ = train_oracle(values, x, labels, 0.1, 4, [range(12)])
    found, *_ = train_student(student, values, x, labels, 0.1, 4, 12, leftover=True)
    for number, (a, b) in enumerate(zip(parts(found, 4, "the parameters"), expected, strict=True), start=1):
        assert_close(a, b, rtol=1e-7, atol=1e-9, what=f"parameter {number} after training")


@exercise("train_mlp", weight=2)
def test_batches_and_losses_of_an_epoch(student, rng):
    """Each batch causes one update, the short last one too, and the loss of an epoch is the mean over all SAMPLES of
    the losses before the updates."""
    values, x, labels = small_network(rng)
    x, labels = x[:1].repeat(10, 1), labels[:1].repeat(10)  # equal samples: every order gives the same
    batches = [range(4), range(4, 8), range(8, 10)]
    expected, losses = train_oracle(values, x, labels, 0.1, 3, batches)
    found, found_losses, *_ = train_student(student, values, x, labels, 0.1, 3, 4)
    assert_shape(found_losses, (3,), what="the list of losses", hint="One loss for each epoch.")
    assert_close(found_losses, losses, rtol=1e-7, atol=1e-9, what="the list of losses")
    assert_close(found[2], expected[2], rtol=1e-7, atol=1e-9, what="parameter 3 after training")


@exercise("train_mlp")
def test_training_learns(student, rng):
    """Crossed quarters of the plane, which no linear rule separates, are learned: at least 93 of 100 points on the
    right side."""
    # Over 300 seeds the reference is right on all 200 points, and a linear rule on 0.81 of them at best.
    sign = rng.choice([-1.0, 1.0], size=(200, 2))
    x = torch.as_tensor(sign * rng.uniform(0.3, 2.0, size=(200, 2)))
    labels = (x[:, 0] * x[:, 1] > 0).long()
    values = [normal(rng, 24, 2), normal(rng, 24, scale=0.5), normal(rng, 2, 24, scale=0.3), torch.zeros(2).double()]
    found, _losses, *_ = train_student(student, values, x, labels, 0.3, 40, 20, seed=int(rng.integers(2**31)))
    w, b, v, c = (torch.as_tensor(as_array(p, "a parameter")) for p in parts(found, 4, "the parameters"))
    assert_shape(w, (24, 2), what="parameter 1 after training")
    guesses = (torch.relu(x @ w.T + b) @ v.T + c).argmax(dim=1)
    share = float((guesses == labels).double().mean())
    assert_true(
        share >= 0.93, f"After 40 epochs {share:.0%} of the points are on the right side, expected at least 93%."
    )


@exercise("train_mlp")
def test_training_goes_on_and_calls_back(student, rng):
    """A second call goes on from the present values, on_epoch gets the epochs counted from 0 with their losses, and the
    tensors that the caller put into the variables are not changed in place."""
    values, x, labels = small_network(rng)
    _expected, _losses = train_oracle(values, x, labels, 0.05, 6, [range(12)])
    _found, found_losses, calls, untouched = train_student(student, values, x, labels, 0.05, 3, 12, times=2)
    assert_true(bool(untouched), "The caller's tensors have changed: give each parameter a new tensor as its value.")
    epochs = [int(float(call[0])) for call in calls]
    assert_true(epochs == [0, 1, 2, 0, 1, 2], f"Two runs of 3 epochs called on_epoch with the epochs {epochs}.")
    assert_close([call[1] for call in calls], found_losses, **DOUBLE, what="the list of losses that on_epoch was told")
    assert_true(
        float(as_array(found_losses)[3]) < float(as_array(found_losses)[0]),
        "The second run begins with the loss of the untrained network.",
    )
