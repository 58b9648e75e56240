# %% [markdown]
# # Backpropagation
#
# *Lecture 5, with the neuron of lecture 1 and the graphs of lecture 10: how a network of any depth learns what each of
# its weights did to the loss.*
#
# You will build what PyTorch's `loss.backward()` does, twice: as a recipe for each kind of layer, and as a small engine
# that differentiates any program made of tensor operations. At the end your engine trains a network on handwritten
# digits, and its gradients are PyTorch's to the last digits.
#
# ```text
#            forward: values            x ──► W₁ ──► σ ──► W₂ ──► softmax ──► L
#                                            a⁽¹⁾          z⁽²⁾
#            backward: derivatives      x ◄── δ ◄─── δ ◄── δ ◄── p − one-hot ◄── 1
#                                            │             │
#                                          dL/dW₁        dL/dW₂
# ```
#
# | | |
# |---|---|
# | **You need** | the notebook on softmax regression; the chain rule for numbers; matrix products |
# | **Your time** | about five hours, in as many sittings as you like |
# | **Computing** | about a minute for everything on two CPU cores; a GPU is used where there is one, not needed |
# | **Data** | scikit-learn's handwritten digits and points of the plane, no download |
#
# {{colab_badge}}
#
# {{points_table}}

# %% setup="imports"
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from course_lib.backprop import Node, forward_pass, initial_parameters, mlp_features, mlp_logits
from course_lib.backprop.layers import Layer
from course_lib.kit.checks import check, expect_close, expect_shape, expect_true, show_progress
from course_lib.kit.devices import best_device, seed_everything
from course_lib.softmax_regression import minibatches

torch.set_num_threads(1)  # tensors this small are done before a second thread has woken up
device = best_device()
generator = seed_everything(182)

# %%
import os
import time
from dataclasses import dataclass, replace

from course_lib.figures import backprop as figures
from course_lib.figures.softmax_regression import feature_rule
from course_lib.kit import data, plots
from course_lib.kit.progress import progress
from course_lib.kit.widgets import explore

plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown]
# ## 1. Programs as graphs
#
# Linear regression with two features computes $\lVert (x_1\theta_1 + x_2\theta_2) - y\rVert^2$. Draw a circle for each
# input and each operation, and an arrow from every value to where it is used: a *computation graph*. Some inputs are
# *data* ($x$, $y$), others *parameters* ($\theta$). The same program can be drawn with one circle a number, with one
# circle a vector ($\lVert \vec x^\top\vec\theta - y\rVert^2$), or as the usual diagram of a neural network, which leaves
# the parameters out. Neural networks are computation graphs, and what we build for graphs works for all of them.
#
# *A correction:* one version of the slide writes $\lVert(\vec x\theta + y) - \vec y\rVert^2$ under the graph. A sign and
# a transpose got lost: it is $\lVert \vec x^\top\vec\theta - y\rVert^2$.

# %% [markdown] predict="shared_node"
# $f = (a - b)\cdot(a - b)$: the difference is one circle with two arrows to the product. How often is it computed if
# every circle asks its parents for their values whenever it needs them? And after 20 squarings in a row?
# ---
# Twice; after 20 squarings, $2^{20}$ times. Computed in a fixed order, each node once, it is 21 operations. The same
# holds on the way back, and that is the whole point of backpropagation.

# %% widget="graph_walk"
# Step through. First values flow to the right; then derivatives flow back. Where do two contributions meet?
explore(figures.graph_walk)

# %% exercise="topological_order" points=3 minutes=15 difficulty=3 lecture="L05.01 L10.05"
from course_lib.backprop import topological_order

# %% [markdown] hints="topological_order"
# A node may be put on the list when all its parents are there. Start at the output, go to the parents first, and
# remember whom you have met.
#
# Depth-first search, in post-order: $\text{visit}(v)$: unless seen, mark $v$; visit each parent; then append $v$.
#
# Python allows about 1,000 nested calls, so replace the recursion by a list used as a stack: an entry is a node and
# whether its parents have been dealt with. `seen` is a set of `id(node)`, since nodes may define `==` in their own way.


# %% check="topological_order"
class Named:
    def __init__(self, name, *parents):
        self.name, self.parents = name, parents

    def __eq__(self, other):  # as tensors do, `==` compares values here, not identity
        return True

    __hash__ = None


with check("topological_order"):
    a, b = Named("a"), Named("b")
    total = Named("total", a, b)
    product = Named("product", total, a, total)
    order = topological_order(product)
    names = [node.name for node in order]
    assert sorted(names) == ["a", "b", "product", "total"], f"Each node exactly once; found {names}."
    for node in order:
        for parent in node.parents:
            assert names.index(parent.name) < names.index(node.name), f"{parent.name} comes after {node.name}: {names}"
    late = Named("late", a, Named("middle", a))
    names = [node.name for node in topological_order(late)]
    assert names == ["a", "middle", "late"], (
        f"Append a node AFTER its parents, not when it is met first; found {names}."
    )
    doubling = Named("0")
    for number in range(12):
        doubling = Named(str(number + 1), doubling, doubling)
    count = len(topological_order(doubling))
    assert count == 13, f"13 nodes, each used twice by the next: found {count} entries. Remember whom you have met."
    chain = Named("start")
    for number in range(5000):
        chain = Named(f"step {number}", chain)
    assert len(topological_order(chain)) == 5001, "5,001 nodes in a row: use a stack of your own, no recursion."

# %% exercise="evaluate" points=2 minutes=8 difficulty=2 lecture="L05.01"
from course_lib.backprop import evaluate

# %% [markdown] hints="evaluate"
# You have the order. Go through it and note the value of each node in a dictionary.
#
# $\text{value}(v) = \text{feed}(v)$ for an input, else $\text{operation}(\text{value}(p_1), \text{value}(p_2), \dots)$.
#
# One loop over `topological_order(output)`, one `if`, and a call with `*` to unpack the values of the parents.

# %% check="evaluate"
with check("evaluate"):
    x, y = Node("x"), Node("y")
    difference = Node("-", torch.sub, (x, y))
    squared = Node("*", torch.mul, (difference, difference))
    feed = {x: torch.tensor([5.0, 1.0]), y: torch.tensor([2.0, 2.0])}
    expect_close(evaluate(difference, feed), [3.0, -1.0], "The operands stand in the order of `parents`: x - y.")
    expect_close(evaluate(squared, feed), [9.0, 1.0], "A node may be twice the parent of one node.")
    expect_close(evaluate(x, feed), [5.0, 1.0], "The value of an input is what it was fed.")
    calls = []
    node = Node("count", lambda value: calls.append(1) or value, (x,))
    for _ in range(10):
        node = Node("+", torch.add, (node, node))
    expect_close(evaluate(node, feed), [5120.0, 1024.0], "Ten doublings of x.")
    assert len(calls) == 1, f"Each operation once: this one, which others share, was called {len(calls)} times."
    three = Node("sum", lambda *values: sum(values), (x, y, x))
    expect_close(evaluate(three, feed), [12.0, 4.0], "An operation may have any number of operands.")

# %% [markdown]
# ## 2. Features that are learned
#
# In logistic regression $p(y\mid x) = \operatorname{softmax}(x^\top\theta)_y$. With hand-made features it is
# $\operatorname{softmax}(\phi(x)^\top\theta)$, for example $\phi(x) = (x_1, x_2, x_1^2, x_2^2, x_1x_2)^\top$.

# %% widget="feature_rule"
# The figure of lecture 1 once more: which features does the ring need?
explore(feature_rule)

# %% quiz="theta_shapes" points=1 minutes=5 lecture="L05.03"
# The lecture's pop quiz. In softmax(x^T theta), theta has one COLUMN a class. There are two inputs and m = 3 classes,
# and no constant feature. Write shapes as (rows, columns).
shape_without_features = (2, 3)
# And in softmax(phi(x)^T theta) with the five features above?
shape_with_features = (5, 3)
# In the theta x of the computation graphs of this lecture, with one ROW a class, what is the first shape?
shape_rows_are_classes = (3, 2)

# %% [markdown]
# And if each feature were itself the answer of a logistic regression, with weights of its own? Then features are learned
# like everything else. Such a unit is an artificial *neuron*, a crude model of one: it adds up the signals of the
# neurons upstream, weighted, and sends an *activation* on,
#
# $$z = \textstyle\sum_i w_i a_i + b, \qquad a = \sigma(z).$$
#
# *Two corrections:* lecture 1 writes the sum without weights, $z = \sum_i a_i$; the weights are what is learned. And
# lecture 5 writes "softmax$(x^\top w)$" for a hidden unit, with the remark that it is not the same softmax: it means the
# sigmoid, applied to each unit by itself. Units of a layer do not compete.

# %% widget="neuron_plane"
# Where does the border z = 0 lie when b = 0? Only the bias can move it away from there.
explore(figures.neuron_plane)

# %% exercise="neuron" points=1 minutes=5 difficulty=1 lecture="L01.05"
from course_lib.backprop import neuron

# %% [markdown] hints="neuron"
# Weigh, add up, add the bias, and only then bend.
#
# $a_n = \sigma\bigl(\sum_d x_{nd} w_d + b\bigr)$, one number for each sample.
#
# One line: a product of `(N, D)` with `(D,)`, plus a number, inside a call of `activation`.

# %% check="neuron"
with check("neuron"):
    signals = torch.tensor([[1.0, 2.0], [3.0, 0.0], [-1.0, 1.0]])
    found = neuron(signals, torch.tensor([2.0, -1.0]), 1.0, torch.relu)
    expect_shape(found, (3,), "One activation for each sample: sum over the inputs, not over the batch.")
    expect_close(found, [1.0, 7.0, 0.0], "Weigh the signals, add the bias, then apply the activation to the sum.")
    silent = neuron(signals, torch.zeros(2), 0.5, torch.sigmoid)
    expect_close(silent, [0.62245935] * 3, "With weights of 0 the answer is activation(bias), for every input.")

# %% [markdown]
# A *layer* is many neurons with the same inputs: $z = Wa + b$, $W$ of shape `(M, D)` with one row for each unit. (The
# bias has nothing to do with the bias of bias and variance. Without it, $a = 0$ would be stuck at 0.) Layers one after
# the other are a *multilayer perceptron*:
#
# $$z^{(1)} = W^{(1)}x + b^{(1)}, \quad a^{(1)} = \sigma(z^{(1)}), \quad z^{(2)} = W^{(2)}a^{(1)} + b^{(2)}, \quad
#   p(y\mid x) = \operatorname{softmax}(z^{(2)}).$$
#
# *A convention:* the slides number the layers in two ways, $z^{(2)} = W^{(2)}a^{(1)}$ and $z^{(i+1)} = W^{(i)}a^{(i)}$.
# Here $W^{(k)}$ belongs to $z^{(k)}$. A batch of samples stands in rows, so that in code it is `a @ W.T + b`.

# %% widget="hidden_unit_maps"
# Three hidden units of a trained network. No unit can enclose the disc; three can.
explore(figures.hidden_unit_maps)

# %% exercise="mlp_forward" points=3 minutes=12 difficulty=2 lecture="L05.04"
from course_lib.backprop import mlp_forward

# %% [markdown] hints="mlp_forward"
# Each layer needs what the one before it made. Keep both lists from the beginning: what goes in, and what comes out
# before it is bent.
#
# $Z_k = A_{k-1} W_k^\top + b_k$ with $A_0 = X$, and $A_k = \sigma(Z_k)$ for $k < L$ only.
#
# A loop over pairs of weight and bias: append `inputs[-1] @ weight.T + bias`; unless it was the last pair, append the
# activation of it to the inputs.

# %% check="mlp_forward"
with check("mlp_forward"):
    draw = torch.Generator().manual_seed(1)
    weights = [torch.randn(m, d, generator=draw) for m, d in ((4, 3), (5, 4), (2, 5))]
    biases = [torch.randn(m, generator=draw) for m in (4, 5, 2)]
    x = torch.randn(6, 3, generator=draw)
    zs, inputs = mlp_forward(x, weights, biases, torch.tanh)
    lengths = (len(zs), len(inputs))
    assert lengths == (3, 3), f"Three layers: three z and three inputs; found {lengths[0]} and {lengths[1]}."
    expect_close(inputs[0], x, "What goes into the first layer is x.")
    expect_close(zs[0], x @ weights[0].T + biases[0], "z = W a + b for each row: `a @ W.T + b`.", rtol=1e-4)
    expect_close(inputs[1], torch.tanh(zs[0]), "What goes into the second layer is the activation of z.")
    hidden = torch.tanh(torch.tanh(x @ weights[0].T + biases[0]) @ weights[1].T + biases[1])
    expected = hidden @ weights[2].T + biases[2]
    expect_close(zs[2], expected, "The logits, the last z, are not bent.", rtol=1e-4, atol=1e-5)

# %% [markdown] predict="no_activation"
# Take the activation away: $\sigma(z) = z$. What can ten layers do that one cannot?
# ---
# Nothing. $W^{(2)}(W^{(1)}x + b^{(1)}) + b^{(2)} = (W^{(2)}W^{(1)})\,x + (W^{(2)}b^{(1)} + b^{(2)})$: one linear layer.
# With a bend between them, enough units can come as close as we like to any continuous function.

# %% exercise="collapse" points=2 minutes=8 difficulty=2 lecture="L05.05"
from course_lib.backprop import collapse

# %% [markdown] hints="collapse"
# Begin with the first layer and merge one more at a time. The later matrix stands to the left.
#
# $M \leftarrow W_k M$ and $c \leftarrow W_k c + b_k$.
#
# Two names, `weights[0]` and `biases[0]` to begin with, and a loop over the rest that updates both from the old values.

# %% check="collapse"
with check("collapse"):
    draw = torch.Generator().manual_seed(1)
    weights = [torch.randn(m, d, generator=draw) for m, d in ((4, 3), (5, 4), (2, 5))]
    biases = [torch.randn(m, generator=draw) for m in (4, 5, 2)]
    x = torch.randn(6, 3, generator=draw)
    a = x
    for weight, bias in zip(weights, biases, strict=True):
        a = a @ weight.T + bias
    merged, constant = collapse(weights, biases)
    expect_shape(merged, (2, 3), "From 3 inputs to 2 outputs: the later matrix stands to the left.")
    expected = weights[2] @ weights[1] @ weights[0]
    expect_close(merged, expected, "The product of the matrices, last one leftmost.", rtol=1e-4, atol=1e-4)
    expect_close(x @ merged.T + constant, a, "M x + c is what the layers make of x.", rtol=1e-4, atol=1e-4)
    alone, _ = collapse(weights[:1], biases[:1])
    expect_close(alone, weights[0], "A single layer is its own merger.")
    expect_close(
        constant,
        (biases[0] @ weights[1].T + biases[1]) @ weights[2].T + biases[2],
        "c is what comes out for x = 0: earlier biases pass through the later matrices.",
        rtol=1e-4,
        atol=1e-5,
    )

# %% [markdown]
# ### Demo time
#
# The playground trains a network while you watch. Find for each set of points the smallest network that separates them.
# Then choose the activation "identity", switch the biases off, turn the learning rate up and down.

# %% widget="playground"
explore(figures.playground)

# %% quiz="playground_facts" points=1 minutes=6 lecture="L05.05 L05.06 L05.11"
# Three hidden layers of 8 units with activation "identity": True or False, they can separate the disc from the ring.
identity_separates_ring = False
# The fewest tanh units in ONE hidden layer, with biases, whose lines can fence the disc in on all sides.
fewest_units_for_ring = 3
# Without any biases, a network with tanh answers p = 0.5 at which point? Write it as (x1, x2).
undecided_without_biases = (0, 0)

# %% [markdown]
# ## 3. The chain rule, and in which order
#
# To learn by gradient descent we need $dL/dW$ for each weight. Let $x \mapsto^{g} y \mapsto^{f} z$ with
# $x\in\mathbb R^n$, $y\in\mathbb R^m$. All derivatives of $y$ form a matrix, the *Jacobian*. Row or column? A convention;
# this lecture puts
#
# $$\Bigl(\frac{dy}{dx}\Bigr)_{ij} = \frac{dy_j}{dx_i}, \quad\text{shape } n\times m, \qquad\text{so that}\qquad
#   \frac{dz}{dx} = \frac{dy}{dx}\,\frac{dz}{dy} .$$
#
# Most books, and PyTorch, transpose both, and the order turns round: $\frac{dz}{dy}\frac{dy}{dx}$. Both are fine as long
# as one is kept. In ours, the derivative of a loss with respect to anything is a column of the same length as that thing.

# %% [markdown] predict="jacobian_shape"
# A layer turns 3 numbers into 2, then a loss turns 2 into 1. What shapes have $dy/dx$, $dL/dy$, and their product?
# ---
# $3\times2$, $2\times1$, $3\times1$. In the other convention $2\times3$ and $1\times2$: then $dL/dy$ stands to the left.
# When a product of derivatives does not fit together, somebody has mixed the two.

# %% exercise="jacobian" points=2 minutes=10 difficulty=2 lecture="L05.07" forbids="torch.autograd.functional.jacobian torch.autograd.grad torch.func.jacrev torch.func.jacfwd torch.Tensor.backward"
from course_lib.backprop import jacobian

# %% [markdown] hints="jacobian"
# Nudge one entry of x, up and down, and see what each output does: that is one row.
#
# $J_{i\cdot} = \dfrac{g(x + h e_i) - g(x - h e_i)}{2h}$, where $e_i$ is 1 in place $i$ and 0 elsewhere.
#
# A loop over the entries of `x`; `x + nudge` makes a new tensor, so the caller's stays; `torch.stack` of the rows.

# %% check="jacobian"
with check("jacobian"):
    point = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)

    def mixed(v):
        return torch.stack([v[0] * v[1], v[2] ** 2])

    found = jacobian(mixed, point)
    expect_shape(found, (3, 2), "n = 3 inputs are the rows, m = 2 outputs the columns in this lecture.")
    expect_close(found, [[2, 0], [1, 0], [0, 6]], "Entry ij is dy_j / dx_i, by central differences.", atol=1e-8)
    expect_close(point, [1.0, 2.0, 3.0], "x is as it was before the call: nudge a copy.")
    kept = torch.tensor([0.3, -0.7], dtype=torch.float64)
    jacobian(lambda v: v * 2, kept)
    assert kept.tolist() == [0.3, -0.7], "x is as it was before the call, to the last digit: nudge a copy."
    cubic = jacobian(lambda v: v**3, torch.tensor([1.0], dtype=torch.float64), step=0.1)
    expect_close(cubic, [[3.01]], "Central: half way on both sides, (g(x + h) - g(x - h)) / (2 h).", rtol=1e-9)

# %% [markdown]
# For a network with two layers the chain rule says
#
# $$\frac{dL}{dW^{(1)}} = \frac{dz^{(1)}}{dW^{(1)}}\,\frac{da^{(1)}}{dz^{(1)}}\,\frac{dz^{(2)}}{da^{(1)}}\,
#   \frac{dL}{dz^{(2)}} .$$
#
# Multiplied from the left, that is matrix times matrix: of the order of $n^3$ operations for $n$ units. Does one care?
# AlexNet has layers of 4,096 units. Multiplied from the right it is matrix times *vector* all the way, since $L$ is one
# number: $n^2$. The vector that wanders from right to left is called $\delta$.

# %% widget="order_of_products"
explore(figures.order_of_products)

# %% exercise="pull_back" points=2 minutes=6 difficulty=2 lecture="L05.08"
from course_lib.backprop import pull_back

# %% [markdown] hints="pull_back"
# Start with what is a vector already, and make it wander to the left.
#
# $\delta \leftarrow J_k\,\delta$ for $k = L, L-1, \dots, 1$.
#
# A loop over `reversed(jacobians)` with one product in it.

# %% check="pull_back"
with check("pull_back"):
    first, second = torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([[1.0], [10.0]])
    expect_close(pull_back([first, second], torch.tensor([2.0])), [42, 20, 6], "J_1 (J_2 delta): begin at the right.")
    turn = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    expect_close(pull_back([turn], torch.tensor([1.0, 1.0])), [3, 1], "J delta as it stands, not transposed.")
    three = [turn, turn.T, turn]
    expect_close(pull_back(three, torch.tensor([1.0, 0.0])), [5, 2], "Every Jacobian of the list, last one first.")
    count = []

    class Counting(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            result = super().__torch_function__(function, types, args, kwargs or {})
            if "mul" in getattr(function, "__name__", "") and min(result.shape[-2:], default=1) > 1 < result.ndim:
                count.append(function)
            return result

    pull_back([torch.ones(3, 3).as_subclass(Counting) for _ in range(3)], torch.ones(3))
    assert not count, "Matrix times matrix is n³ work. Begin with delta: matrix times vector, all the way."
    expect_close(pull_back([], torch.tensor([2.0, 1.0])), [2, 1], "Without layers in between, delta stays what it is.")

# %% [markdown]
# ## 4. A tool that you can trust
#
# You are about to derive half a dozen gradients by hand. Everyone makes mistakes there, and a wrong gradient often
# trains all the same, only worse. So build the tool first: compare with finite differences, one coordinate at a time.
# It is far too slow for training and just right for checking.

# %% [markdown] predict="difference_step"
# The error of a central difference comes from the curvature (smaller with a smaller step) and from rounding (larger with
# a smaller step). Which step is best in float64: about $10^{-3}$, $10^{-5}$ or $10^{-10}$? And in float32?
# ---
# About $10^{-5}$ in float64: the two errors are about $h^2$ and $10^{-16}/h$, and equal at $h = 10^{-16/3}$. In float32
# the best is near $10^{-2}$, and even there only four or five digits are right. Gradient checks are done in float64.

# %% widget="finite_difference_error"
explore(figures.finite_difference_error)

# %% exercise="gradient_check" points=4 minutes=18 difficulty=3 lecture="L05.16" forbids="torch.autograd.gradcheck torch.autograd.grad torch.autograd.functional.jacobian torch.func.grad torch.Tensor.backward"
from course_lib.backprop import gradient_check

# %% [markdown] hints="gradient_check"
# A copy in float64 first. Then, for each coordinate, two values of the function, and a quotient.
#
# $n_i = \dfrac{f(x + h e_i) - f(x - h e_i)}{2h}$ and the error $\dfrac{|g_i - n_i|}{\max(1, |g_i|, |n_i|)}$.
#
# Work on the flattened copy: `point.reshape(-1)`, a loop over `range(point.numel())`, and reshape before you call the
# function. At the end `torch.maximum` and `clamp(min=1)` make the scale.

# %% check="gradient_check"
with check("gradient_check"):
    x = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)

    def wave(v):
        return (torch.sin(v) * v).sum()

    right = torch.cos(x) * x + torch.sin(x)
    expect_shape(gradient_check(wave, x, right), (2, 2), "One error for each coordinate, in the shape of x.")
    expect_true(gradient_check(wave, x, right) < 1e-8, "A right gradient has errors below 1e-8: central, step 1e-5.")
    expect_true(gradient_check(wave, x, -right).max() > 0.5, "A gradient with the wrong sign must be caught.")
    wrong = right.clone()
    wrong[1, 0] += 0.01
    caught = gradient_check(wave, x, wrong) > 1e-4
    expect_close(caught, [[False, False], [True, False]], "One wrong coordinate: the error stands where it is.")
    expect_close(
        gradient_check(lambda v: 1000 * v.sum(), torch.zeros(1).double(), torch.tensor([500.0]).double()),
        [0.5],
        "Large derivatives are compared relatively: divide by max(1, |given|, |numerical|).",
    )
    small = gradient_check(lambda v: 0.001 * v.sum(), torch.zeros(1).double(), torch.tensor([0.002]).double())
    expect_close(small, [0.001], "Small ones absolutely: the 1 in max(1, ...) keeps roundings from being blown up.")
    single = torch.tensor([0.7, 1.3])
    expect_true(
        gradient_check(lambda v: (v**3).sum(), single, 3 * single**2) < 1e-6,
        "x may be float32, but the function must be called in float64.",
    )
    expect_close(single, [0.7, 1.3], "x is as it was before the call.")

# %% [markdown]
# ## 5. One recipe for each layer
#
# Backpropagation needs two things of each layer $f$ with input $x_f$ and parameters $\theta_f$, given $\delta$, the
# derivative of the loss with respect to its *output*:
#
# $$\frac{dL}{d\theta_f} = \frac{df}{d\theta_f}\,\delta, \qquad \delta_{\text{new}} = \frac{df}{dx_f}\,\delta .$$
#
# | layer | forward | parameters | $\delta_{\text{new}}$ |
# |---|---|---|---|
# | linear | $z = Wa + b$ | $\delta a^\top$ and $\delta$ | $W^\top\delta$ |
# | sigmoid | $\sigma(z_i)$ | none | $\sigma(z_i)(1 - \sigma(z_i))\,\delta_i$ |
# | ReLU | $\max(0, z_i)$ | none | $[z_i > 0]\,\delta_i$ |
# | softmax and NLL | $-\log p_y$ | none | $p - \text{onehot}(y)$ |
#
# *Corrections:* the slide leaves the column of this table blank where softmax and cross-entropy stand; the answer is the
# one that you know from softmax regression. In the derivation of the sigmoid, read
# $\frac{1 + e^{-z}}{1 + e^{-z}} - \frac{1}{1 + e^{-z}} = 1 - \sigma(z)$. At $z = 0$ the ReLU has no derivative; the slide
# takes 1, PyTorch 0, and it does not matter.
#
# Note that no Jacobian of an elementwise function is ever built: it would be diagonal, so one multiplies entry by entry.

# %% widget="outer_product"
# One sample: each weight gets (how wrong is its unit) times (how loud was its input).
explore(figures.outer_product)

# %% exercise="Linear" points=4 minutes=15 difficulty=3 lecture="L05.10 L05.11" forbids="torch.autograd.grad torch.autograd.functional.vjp torch.func.vjp torch.nn.functional.linear"
from course_lib.backprop import Linear

# %% [markdown] hints="Linear"
# Follow the shapes. $dL/dW$ must be `(M, D)` and can only be made of `delta` `(N, M)` and `a` `(N, D)`.
#
# For a batch the samples' outer products are summed: $dL/dW = \Delta^\top A$, $dL/db = \sum_n \delta_n$,
# $dL/dA = \Delta W$.
#
# Three expressions and no loop. There is no division by N: if the loss is a mean, the factor is in delta already.

# %% check="Linear"
with check("Linear"):
    draw = torch.Generator().manual_seed(2)
    weight, bias = torch.randn(3, 4, generator=draw).double(), torch.randn(3, generator=draw).double()
    a, delta = torch.randn(5, 4, generator=draw).double(), torch.randn(5, 3, generator=draw).double()
    layer = Linear(weight, bias)
    expect_close(layer.forward(a), a @ weight.T + bias, "z = W a + b for each row of a.")
    expect_close(layer.forward(torch.zeros(2, 4).double()), torch.stack([bias, bias]), "For a = 0 every row is b.")
    (of_weight, of_bias), of_input = layer.backward(a, delta)
    expect_shape(of_weight, (3, 4), "dL/dW has the shape of W. Transposed, it is a delta^T.")
    expect_shape(of_bias, (3,), "dL/db has the shape of b: sum over the samples.")

    def loss(a, weight, bias):
        return (delta * (a @ weight.T + bias)).sum()  # its derivative by z is delta

    errors = gradient_check(lambda w: loss(a, w, bias), weight, of_weight)
    expect_true(errors < 1e-7, "dL/dW: the SUM over the samples of delta a^T; no further division by N.")
    expect_true(gradient_check(lambda b: loss(a, weight, b), bias, of_bias) < 1e-7, "dL/db: the sum of the deltas.")
    expect_true(gradient_check(lambda v: loss(v, weight, bias), a, of_input) < 1e-7, "dL/da = W^T delta for each row.")
    square = Linear(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.zeros(2))
    _, of_input = square.backward(torch.ones(1, 2), torch.tensor([[1.0, 10.0]]))
    expect_close(of_input, [[1.0, 12.0]], "For a square W too: W^T delta, not W delta.")

# %%
# What your tool says about a bug that is easy to miss: a bias that forgets all samples but the first.
wrong_bias = delta[0]
figures.gradient_errors(gradient_check(lambda b: loss(a, weight, b), bias, wrong_bias), "dL/db taken from one sample")

# %% widget="activation_slopes"
# How much of a delta gets through at z = 6? At z = -6? This is why deep networks of sigmoids learn slowly.
explore(figures.activation_slopes)

# %% exercise="Sigmoid" points=2 minutes=6 difficulty=2 lecture="L05.12" forbids="torch.autograd.grad torch.autograd.functional.vjp torch.func.vjp"
from course_lib.backprop import Sigmoid

# %% [markdown] hints="Sigmoid"
# Each entry goes its own way; the derivative of the sigmoid can be written with the sigmoid itself.
#
# $\delta_{\text{new},i} = \sigma(z_i)\,(1 - \sigma(z_i))\;\delta_i$.
#
# `torch.sigmoid` is stable and allowed. `backward` is given z, not the output: compute the sigmoid once more. Return an
# empty tuple for the parameters, and the product.

# %% check="Sigmoid"
with check("Sigmoid"):
    z = torch.tensor([[-1.0, 0.0, 2.0], [30.0, -30.0, -800.0]], dtype=torch.float64)
    expect_close(Sigmoid().forward(z), torch.sigmoid(z), "1 / (1 + exp(-z)) for each entry.")
    nothing, back = Sigmoid().backward(z, torch.full_like(z, 8.0))
    assert tuple(nothing) == (), "A sigmoid has no parameters: the first result is an empty tuple."
    expect_close(back[0, 1], 2.0, "At z = 0 the slope is 1/4. The argument is z, so apply the sigmoid to it first.")
    expect_true(torch.isfinite(back), "Far from 0 the derivative is 0, not NaN.")
    errors = gradient_check(lambda v: (8 * torch.sigmoid(v)).sum(), z, back)
    expect_true(errors < 1e-7, "sigma (1 - sigma) delta, entry by entry.")

# %% exercise="ReLU" points=2 minutes=6 difficulty=1 lecture="L05.13" forbids="torch.autograd.grad torch.autograd.functional.vjp torch.func.vjp"
from course_lib.backprop import ReLU

# %% [markdown] hints="ReLU"
# A gate. Whether it is open was decided on the way forward, by z.
#
# $\delta_{\text{new},i} = \delta_i$ where $z_i > 0$, else 0.
#
# A comparison gives booleans; times `delta` they keep or drop. The sign of delta plays no part.

# %% check="ReLU"
with check("ReLU"):
    z = torch.tensor([[-1.0, 2.0, 3.0, -4.0]])
    expect_close(ReLU().forward(z), [[0, 2, 3, 0]], "max(0, z) for each entry.")
    nothing, back = ReLU().backward(z, torch.tensor([[5.0, 6.0, -7.0, -8.0]]))
    assert tuple(nothing) == (), "A ReLU has no parameters: the first result is an empty tuple."
    expect_close(back, [[0, 6, -7, 0]], "The gate is open where z was positive, for negative deltas too.")
    expect_close(z, [[-1, 2, 3, -4]], "The caller's z has changed: do not work in place.")

# %% widget="cross_entropy_delta"
# The delta with which everything begins. When does it vanish?
explore(figures.cross_entropy_delta)

# %% exercise="softmax_cross_entropy" points=4 minutes=12 difficulty=3 lecture="L05.14" forbids="torch.autograd.grad torch.autograd.functional.vjp torch.func.vjp torch.nn.functional.cross_entropy torch.nn.functional.nll_loss"
from course_lib.backprop import softmax_cross_entropy

# %% [markdown] hints="softmax_cross_entropy"
# You have derived both in the first notebook. What is new: this function gives loss and derivative together, and the mean
# over the batch belongs into both.
#
# $L = \frac1N\sum_n\bigl(\log\sum_c e^{z_{nc}} - z_{n,y_n}\bigr)$ and $\Delta = \frac1N(P - Y)$.
#
# `torch.logsumexp` for the first; the exponentials of `logits` minus it are the probabilities; subtract 1 at
# `[torch.arange(N), labels]` of your own tensor; divide by N.

# %% check="softmax_cross_entropy"
with check("softmax_cross_entropy"):
    draw = torch.Generator().manual_seed(4)
    logits, labels = torch.randn(5, 3, generator=draw).double(), torch.tensor([2, 0, 1, 1, 2])
    loss, delta = softmax_cross_entropy(logits, labels)

    def mean_nll(z):
        return torch.nn.functional.cross_entropy(z, labels)

    expect_close(loss, mean_nll(logits), "The mean over the samples of log-sum-exp minus the true logit.")
    expect_shape(delta, (5, 3), "One derivative for each logit.")
    expect_close(
        delta.sum(dim=1), [0.0] * 5, "Rows of p - onehot(y) sum to 0: one-hot rows, not label numbers.", atol=1e-9
    )
    expect_true(
        gradient_check(mean_nll, logits, delta) < 1e-7, "(p - onehot(y)) / N: the mean is in the derivative too."
    )
    loss, delta = softmax_cross_entropy(1e4 * logits, labels)
    expect_true(torch.isfinite(delta) & torch.isfinite(loss), "Large logits overflow: use the log-sum-exp.")

# %% [markdown]
# ### The algorithm
#
# Forward: compute and *keep* each $a^{(i)}$ and $z^{(i)}$, up to $z^{(n)}$ (the slide's last arrow ends in $z^{(n-1)}$, one
# too early). Then begin with $\delta = dL/dz^{(n)}$, and for each layer from the last to the first: first its parameters'
# gradient, with the $\delta$ that has arrived; then the new $\delta$.
#
# `forward_pass(layers, x)` of the library gives a list: the input of each layer, and at the end the output of the last.

# %% exercise="backward_pass" points=4 minutes=15 difficulty=3 lecture="L05.09" forbids="torch.autograd.grad torch.autograd.functional.vjp torch.func.vjp"
from course_lib.backprop import backward_pass

# %% [markdown] hints="backward_pass"
# Each layer does its own part; you hand delta from one to the next, backwards, and collect.
#
# $(g_k, \delta) \leftarrow \text{layer}_k.\text{backward}(a_k, \delta)$ for $k = L, \dots, 1$, with $a_k$ the INPUT of
# layer $k$.
#
# Loop over the reversed pairs of layers and inputs (`zip` stops at the shorter list), append, and turn the list round at
# the end.

# %% check="backward_pass"
with check("backward_pass"):
    draw = torch.Generator().manual_seed(5)

    def new(*shape):
        return torch.randn(*shape, generator=draw).double()

    values = [new(4, 3), new(4), new(5, 4), new(5), new(2, 5), new(2)]
    x, labels = new(6, 3), torch.tensor([0, 1, 1, 0, 1, 0])

    def three_layers(values):
        return [Linear(*values[:2]), Sigmoid(), Linear(*values[2:4]), ReLU(), Linear(*values[4:])]

    def loss_with(number, value):
        changed = [*values[:number], value, *values[number + 1 :]]
        return softmax_cross_entropy(forward_pass(three_layers(changed), x)[-1], labels)[0]

    layers = three_layers(values)
    activations = forward_pass(layers, x)
    gradients, of_x = backward_pass(layers, activations, softmax_cross_entropy(activations[-1], labels)[1])
    sizes = [len(of_layer) for of_layer in gradients]
    assert sizes == [2, 0, 2, 0, 2], (
        f"One entry a layer, in the order of the layers: expected 2, 0, 2, 0, 2, found {sizes}."
    )
    flat = [gradient for of_layer in gradients for gradient in of_layer]
    for number, gradient in enumerate(flat):
        errors = gradient_check(partial(loss_with, number), values[number], gradient)
        message = f"Parameter {number + 1} of 6: hand each layer its own INPUT and the delta of its OUTPUT."
        expect_true(errors < 1e-6, message)
    errors = gradient_check(lambda v: softmax_cross_entropy(forward_pass(layers, v)[-1], labels)[0], x, of_x)
    expect_true(errors < 1e-6, "The second result is what is left of delta at the end: the derivative by x.")
    again, _ = backward_pass(layers, activations[:-1], softmax_cross_entropy(activations[-1], labels)[1])
    expect_close(again[0][0], flat[0], "`inputs` may end before the output of the last layer: count from the front.")
    seen = []

    class Noting:
        def backward(self, a, delta):
            seen.append(a)
            return (), delta

    backward_pass([Noting(), Noting()], [1, 2], torch.ones(1))
    assert seen == [2, 1], f"Each layer once, the last one first; the inputs came in the order {seen}."

# %% [markdown]
# That was a gradient check of a whole network, six parameters, every coordinate. You now own a working
# backpropagation, for layers in a row.

# %% [markdown]
# ## 6. Any graph
#
# Layers in a row are a special case. In general a value is used in several places, and then changes of it reach the loss
# on several ways: a node with several descendants **adds** their deltas. That is *reverse-mode automatic
# differentiation*:
#
# 1. begin with $\delta = 1$ at the loss;
# 2. go through the nodes so that each comes after everything that uses it (your topological order, reversed);
# 3. each node hands a contribution to each of its parents, by a recipe that belongs to its operation.
#
# Go back to the first figure, choose `x·x + x`, and watch three contributions meet: $3 + 3 + 1 = 7$.

# %% [markdown] predict="twice_used"
# `y = x * x + x` at $x = 3$. A student's engine *sets* the gradient of a parent where it should add. Which numbers can
# come out instead of 7?
# ---
# The last contribution wins: 1 or 3, depending on the order. On graphs in which nothing is used twice, the mistake cannot
# be seen. So test engines on graphs that share nodes.

# %% [markdown]
# ### Broadcasting
#
# In `z + b` with `z` `(N, M)` and `b` `(M,)`, each entry of `b` is used $N$ times. A value that is used several times adds
# its deltas; so the derivative with respect to `b` is a *sum* over the axis along which `b` was repeated.

# %% exercise="unbroadcast" points=3 minutes=12 difficulty=3 lecture="L10.05"
from course_lib.backprop import unbroadcast

# %% [markdown] hints="unbroadcast"
# Two things can have happened to the operand: axes were put in front of it, or axes of length 1 were stretched.
#
# Sum over the leading axes that the shape does not have; then, keeping the axis, over those where the shape says 1.
#
# `delta.ndim - len(shape)` axes are extra. For the second, `sum(dim=..., keepdim=True)` over the axes whose length in
# `shape` is 1 while delta's is not. Mind that a sum over an empty list of axes sums over everything.

# %% check="unbroadcast"
with check("unbroadcast"):
    delta = torch.arange(6.0).reshape(2, 3)
    expect_close(unbroadcast(delta, (3,)), [3, 5, 7], "Sum over a leading axis that the operand does not have.")
    expect_close(unbroadcast(delta, (2, 1)), [[3], [12]], "Sum over a stretched axis, and keep it with length 1.")
    expect_close(unbroadcast(delta, (1, 3)), [[3, 5, 7]], "Axis 0 was stretched here: keep it with length 1.")
    expect_close(unbroadcast(delta, (2, 3)), delta, "Nothing was repeated: nothing is summed.")
    expect_close(unbroadcast(delta, ()), 15.0, "A single number was used everywhere.")
    expect_close(unbroadcast(torch.ones(4, 2, 3), (2, 1)), [[12], [12]], "Both can happen at once.")

# %% exercise="backward" points=5 minutes=20 difficulty=4 lecture="L10.05"
from course_lib.backprop import backward

# %% [markdown] hints="backward"
# Keep a dictionary with the delta of each node *in this call*, filled as contributions come in. When the turn of a node
# comes in the reversed order, its delta is complete.
#
# $\delta_{\text{output}} = 1$; for each node $v$ in reverse topological order: add $\delta_v$ to its `gradient`; for each
# parent $p$ with contribution $c$: $\delta_p \leftarrow \delta_p + \text{unbroadcast}(c)$.
#
# `deltas = {id(output): ...}`. Do not use `node.gradient` as the place to collect: after a second call it still holds what
# the first call left. Write `a = a + b`, not `a += b`: contributions may be one and the same tensor.


# %% check="backward"
class Plain:
    """A node with nothing but what `backward` needs."""

    def __init__(self, value, parents=(), pull_back=None):
        self.value = torch.as_tensor(value)
        self.parents = parents
        self.pull_back = pull_back
        self.gradient = None


def times(a, b):
    return Plain(a.value * b.value, (a, b), lambda delta: (delta * b.value, delta * a.value))


def plus(a, b):
    return Plain(a.value + b.value, (a, b), lambda delta: (delta, delta))


with check("backward"):
    x = Plain(3.0)
    result = plus(times(x, x), x)
    backward(result)
    expect_close(result.gradient, 1.0, "The output's own delta is 1.")
    expect_close(x.gradient, 7.0, "x x + x: contributions 3, 3 and 1 add up. Set instead of added gives 1 or 3.")
    backward(result)
    expect_close(x.gradient, 14.0, "A second call adds the same once more: collect the deltas of a call by themselves.")
    asked = []
    once = Plain(5.0, (x,), lambda delta: asked.append(1) or (delta,))
    backward(plus(plus(once, once), once))
    assert len(asked) == 1, f"Ask each node once, when its delta is complete; this one was asked {len(asked)} times."
    x = Plain(2.0)
    square = times(x, x)
    fourth = times(square, plus(square, x))  # x^4 + x^3
    backward(fourth)
    expect_close(
        x.gradient, 44.0, "4 x^3 + 3 x^2 = 44 at 2. A node may pass its delta on only when all its users have."
    )
    bias, rows = Plain([1.0, 2.0]), Plain([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    backward(plus(rows, bias), torch.ones(3, 2))
    expect_close(bias.gradient, [3.0, 3.0], "The bias was broadcast over three rows: sum its contributions.")
    try:
        backward(plus(rows, bias))
    except ValueError:
        pass
    else:
        raise AssertionError(
            "Without a delta, an output with several entries is a ValueError: at which would it begin?"
        )

# %% [markdown]
# ### The engine
#
# A `Variable` is a tensor that remembers how it was made. Each operation returns a new variable, with its parents and its
# `pull_back`. Most of the class is given: read it first, `exp`, `log` and `sigmoid` show the pattern. Five operations are
# yours. Since `backward` sums away what was broadcast, no operation needs to think of it.
#
# It is a whole engine, in a hundred lines. What PyTorch adds: hundreds of operations, GPUs, memory that is freed early,
# and derivatives of derivatives.

# %% exercise="Variable" points=6 minutes=20 difficulty=4 lecture="L10.05" forbids="torch.autograd.grad torch.autograd.functional.vjp torch.func.vjp torch.func.grad"
from course_lib.backprop import Variable

# %% [markdown] hints="Variable"
# Each of the five: the value by the tensor operation of the same name; the parents; a function of delta that answers with
# one contribution for each parent, of the parent's shape (or of its shape after broadcasting).
#
# Product: $(\delta\, b,\ \delta\, a)$. Matrix product: $(\delta B^\top,\ A^\top\delta)$. ReLU: a gate. Sum: every entry
# that was added takes over the delta of the total. Indexing: delta goes back to the places it was picked from, and adds where a
# place was picked twice.
#
# Sum: put the axis back (`unsqueeze(dim)`) unless `keepdim` kept it, then `expand`. Indexing: number all entries with
# `torch.arange(...).reshape(shape)`, index that, and you know the places; `index_add` on a flat tensor of zeros adds
# repeated ones, `whole[places] += delta` does not.

# %% check="Variable"
with check("Variable"):
    draw = torch.Generator().manual_seed(6)

    def new(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    def compare(function, *values, message):
        mine, theirs = [Variable(v) for v in values], [v.clone().requires_grad_() for v in values]
        found, expected = function(*mine), function(*theirs)
        expect_close(found.value, expected, f"{message} The value differs.")
        delta = torch.randn(expected.shape, generator=draw, dtype=torch.float64)
        found.backward(delta)
        expected.backward(delta)
        for a, b in zip(mine, theirs, strict=True):
            expect_close(a.gradient, b.grad, f"{message} The gradient differs.")

    compare(lambda a, b: a * b, new(2, 3), new(2, 3), message="a * b: each gets delta times the other.")
    compare(lambda a, b: a * b, new(2, 3), new(3), message="a * b with broadcasting: `backward` sums.")
    compare(lambda a: a * a + a, new(4), message="One variable used three times.")
    compare(lambda a, b: a @ b, new(2, 3), new(3, 4), message="a @ b: delta b^T and a^T delta.")
    compare(lambda a: a.relu(), new(3, 4), message="relu: delta where the entry was positive.")
    compare(lambda a: a.sum(), new(2, 3), message="sum(): every entry gets delta.")
    compare(lambda a: a.sum(0), new(2, 3), message="sum(0): columns are added up.")
    compare(lambda a: a.sum(-1, keepdim=True), new(2, 3), message="sum(-1, keepdim=True).")
    compare(lambda a: a[1:, ::2], new(3, 4), message="a[1:, ::2]: zeros where nothing was picked.")
    picked = torch.tensor([0, 2, 0])
    compare(lambda a: a[picked], new(3, 2), message="a[[0, 2, 0]]: row 0 was picked twice and gets both deltas.")
    compare(
        lambda a, b, c: ((a @ b + c).relu() * c).sum(1).logsumexp(0) - a[0, 1],
        new(4, 3),
        new(3, 5),
        new(5),
        message="All together.",
    )

# %%
# Your own graph, as the engine sees it: a loss of one neuron on one sample.
x, w, b = (
    Variable(torch.tensor([[1.0, 2.0]]), name="x"),
    Variable(torch.tensor([[0.5], [-1.0]]), name="w"),
    Variable(torch.tensor(0.5), name="b"),
)
loss = ((x @ w + b).sigmoid() - 1.0) ** 2
loss.backward()
figures.draw_graph(loss)

# %% [markdown]
# ### Logistic regression as a graph
#
# In matrix form the lecture writes $f_\theta(x) = \theta x$, with the $\theta_{y_i}$ as *rows* of $\theta$, and
#
# $$-\log p_\theta(y\mid x) = -x^\top\theta_y + \log\textstyle\sum_{y'} \exp(x^\top\theta_{y'}) .$$
#
# Build it with your engine. On top of a hidden layer, the same function is the loss of a neural network: its `x` are then
# the features that the layer has learned.

# %% exercise="logistic_regression_loss" points=3 minutes=12 difficulty=2 lecture="L05.02"
from course_lib.backprop import logistic_regression_loss

# %% [markdown] hints="logistic_regression_loss"
# Logits first. Then two numbers a sample: the log-sum-exp of its row, and the logit of its true class.
#
# $L = \frac1N\sum_n\bigl(\log\sum_c e^{z_{nc}} - z_{n,y_n}\bigr)$, $Z = X\theta^\top + b$.
#
# `logits.logsumexp(1)` is stable; `logits[torch.arange(N), labels]` picks one entry a row; `.mean()` at the end. All of
# them are methods of your `Variable`.

# %% check="logistic_regression_loss"
with check("logistic_regression_loss"):
    draw = torch.Generator().manual_seed(8)
    inputs, start, shift = (torch.randn(*shape, generator=draw).double() for shape in ((6, 3), (4, 3), (4,)))
    labels, theta, bias = torch.tensor([0, 3, 1, 1, 2, 0]), Variable(start), Variable(shift)
    features = Variable(inputs)
    loss = logistic_regression_loss(features, labels, theta, bias)
    oracle = [v.value.clone().requires_grad_() for v in (features, theta, bias)]
    expected = torch.nn.functional.cross_entropy(oracle[0] @ oracle[1].T + oracle[2], labels)
    expect_close(loss.value, expected, "The mean of -x^T theta_y + log-sum-exp, with one ROW of theta a class.")
    loss.backward()
    expected.backward()
    for mine, theirs in zip((features, theta, bias), oracle, strict=True):
        expect_close(mine.gradient, theirs.grad, "The gradient follows from the graph: use the Variable's operations.")
    plain = logistic_regression_loss(inputs, labels, Variable(theta.value))
    expect_close(plain.value, torch.nn.functional.cross_entropy(inputs @ theta.value.T, labels), "x may be a tensor.")
    huge = logistic_regression_loss(1e4 * inputs, labels, Variable(theta.value))
    huge.backward()
    expect_true(torch.isfinite(huge.value), "Large logits: `logsumexp` is stable, log of a sum of exp is not.")

# %% [markdown]
# ## 7. A network, trained with your own engine
#
# Model class: a multilayer perceptron. Loss: the NLL. Optimiser: stochastic gradient descent. What was missing was the
# gradient. The initial weights are random, with standard deviation $\sqrt{2/D}$ for $D$ inputs; the next notebook says why.

# %% exercise="train_mlp" points=4 minutes=18 difficulty=3 lecture="L05.15 L05.06"
from course_lib.backprop import train_mlp

# %% [markdown] hints="train_mlp"
# It is `SoftmaxRegression.fit` once more, with a graph in place of the closed form.
#
# For a batch $B$: $g \leftarrow 0$, then $L_B$, then `backward`, then $\theta \leftarrow \theta - \alpha g$ for each
# parameter. The epoch's loss is $\frac1N\sum_B |B|\,L_B$.
#
# Two loops. Inside: gradients to `None`; `mlp_features(parameters, x[batch])`; your loss with the last two parameters;
# `loss.backward()`; new tensors as `value`. Keep `loss.value.item()`, not the variable: it would keep the whole graph
# in memory.

# %% check="train_mlp"
with check("train_mlp"):
    draw = torch.Generator().manual_seed(7)
    x, labels = torch.randn(10, 2, generator=draw), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    start = initial_parameters([2, 5, 3], draw)
    mine, replay = [Variable(v.clone()) for v in start], [v.clone().requires_grad_() for v in start]
    calls = []
    before = [v.value.clone() for v in mine]
    handed_over = [v.value for v in mine]
    losses = train_mlp(mine, x, labels, 0.3, 2, 4, torch.Generator().manual_seed(3), lambda *call: calls.append(call))
    order, expected = torch.Generator().manual_seed(3), []
    for _ in range(2):
        total = 0.0
        for batch in minibatches(10, 4, order):
            loss = torch.nn.functional.cross_entropy(mlp_logits(replay, x[batch]), labels[batch])
            slopes = torch.autograd.grad(loss, replay)
            steps = zip(replay, slopes, strict=True)
            replay = [(v - 0.3 * slope).detach().requires_grad_() for v, slope in steps]
            total += len(batch) * loss.item()
        expected.append(total / 10)
    for number, (found, wanted) in enumerate(zip(mine, replay, strict=True)):
        message = f"Parameter {number + 1}: one step a batch. Too far: gradients of earlier batches were not cleared."
        expect_close(found.value, wanted, message, rtol=1e-4, atol=1e-6)
    for tensor, copy in zip(handed_over, before, strict=True):
        expect_close(
            tensor, copy, "Give each parameter a NEW tensor as its value; the old one may be in use elsewhere."
        )
    expect_close(losses, expected, "Weigh each batch by its size, and take its loss BEFORE the update.", rtol=1e-4)
    assert calls == list(enumerate(losses)), "Call on_epoch(epoch, loss) after each epoch, counted from 0."

# %% [markdown]
# ### The experiment: handwritten digits
#
# 1,437 digits to learn from, 360 to be judged by; 64 pixels, 64 hidden units, 10 classes. Five seeds, each with its own
# division of the data, initial weights and order of batches.
#
# **What to expect:** 97.5 % in the mean of these five seeds, from 96.1 to 99.4 %. Over 50 seeds it was 97.3 %, single
# ones from 95.0 to 99.4 %. Softmax regression had 96.3 % on the same five divisions. A mean below 96 % means that something is wrong: is the
# loss of the first epoch well below $\log 10 \approx 2.3$? Do the gradients agree with PyTorch's, below?


# %% experiment="digits"
@dataclass(frozen=True)
class Settings:
    """All sizes of the experiment in one place."""

    seeds: int = 5
    hidden: int = 64
    epochs: int = 40
    learning_rate: float = 0.2
    batch_size: int = 32

    def fast(self):
        return replace(self, seeds=2, epochs=8)


settings = Settings()
if os.environ.get("COURSE_FAST", "0") not in ("", "0"):
    settings = settings.fast()


def accuracy(parameters, x, y):
    guesses = mlp_logits([parameter.value for parameter in parameters], x).argmax(dim=1)
    return (guesses == y).double().mean().item()


def run(seed, bar):
    """Train on one division of the data; give the data, the parameters, and what was measured after each epoch."""
    images = data.digits(seed=seed).to(device)
    draw = torch.Generator().manual_seed(seed)
    parameters = [Variable(value.to(device)) for value in initial_parameters([64, settings.hidden, 10], draw)]
    history = {"training accuracy": [], "test accuracy": [], "training loss": []}

    def measure(epoch, loss):
        history["training loss"].append(loss)
        history["training accuracy"].append(accuracy(parameters, images.x_train, images.y_train))
        history["test accuracy"].append(accuracy(parameters, images.x_test, images.y_test))
        bar.set_postfix(seed=seed, loss=f"{loss:.3f}", test=f"{history['test accuracy'][-1]:.3f}")
        bar.update()

    train_mlp(
        parameters,
        images.x_train,
        images.y_train,
        settings.learning_rate,
        settings.epochs,
        settings.batch_size,
        draw,
        measure,
    )
    return images, parameters, history


with progress(total=settings.seeds * settings.epochs, description="digits", unit="epoch") as bar:
    runs = [run(seed, bar) for seed in range(settings.seeds)]

accuracies = torch.tensor([history["test accuracy"][-1] for _, _, history in runs])
images, parameters, history = runs[0]
print("test accuracy by seed:", ", ".join(f"{100 * a:.1f} %" for a in accuracies))
print(f"mean {100 * accuracies.mean():.1f} %, from {100 * accuracies.min():.1f} to {100 * accuracies.max():.1f} %")

# %%
plots.learning_curves(
    {name: history[name] for name in ("training accuracy", "test accuracy")},
    title="Accuracy of seed 0",
    ylabel="share of images that are right",
)

# %% [markdown]
# What have the hidden units learned to look at? Rows of $W^{(1)}$ are images again.

# %%
plots.show_images(
    parameters[0].value[:20].reshape(-1, 8, 8), columns=10, signed=True, size=0.8, title="Weights of 20 hidden units"
)

# %% [markdown]
# ### Beside PyTorch
#
# The same network, the same batch, three ways: PyTorch's autograd, your recipes of part 5, your engine. Do the gradients
# agree? What does it cost?


# %% experiment="beside_pytorch"
def three_ways(x, y, values):
    """Functions that give the gradients of the same loss at the same parameters."""
    tracked = [value.clone().requires_grad_() for value in values]
    layers = [Linear(*values[:2]), ReLU(), Linear(*values[2:])]

    def pytorch():
        return torch.autograd.grad(torch.nn.functional.cross_entropy(mlp_logits(tracked, x), y), tracked)

    def recipes():
        kept = forward_pass(layers, x)
        gradients, _ = backward_pass(layers, kept, softmax_cross_entropy(kept[-1], y)[1])
        return [gradient for of_layer in gradients for gradient in of_layer]

    def engine():
        variables = [Variable(value) for value in values]
        logistic_regression_loss(mlp_features(variables, x), y, *variables[-2:]).backward()
        return [variable.gradient for variable in variables]

    return {"PyTorch": pytorch, "your recipes": recipes, "your engine": engine}


def seconds(function, repeats=5, calls=40 if settings.seeds == 5 else 5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        times.append((time.perf_counter() - start) / calls)
    return sorted(times)[repeats // 2]


batch = (images.x_train[:32].double(), images.y_train[:32], [p.value.double() for p in parameters])
functions = three_ways(*batch)
expected, base = functions["PyTorch"](), seconds(functions["PyTorch"])
for name, function in functions.items():
    difference = max(float((a - b).abs().max()) for a, b in zip(function(), expected, strict=True))
    print(f"{name:>12}: largest difference {difference:.0e}, time {seconds(function) / base:.1f} x PyTorch")

# %% [markdown]
# The gradients agree to rounding. Your recipes are about as fast as PyTorch, or faster: nothing has to be recorded. The
# engine pays for a Python object and a Python call at every node, a few microseconds each, and for derivatives with
# respect to the data, which nobody asked for; on this small network that is about twice PyTorch's time, and on large
# layers, where the matrix products dominate, about 1.1.

# %% [markdown]
# ## 8. Break it
#
# Why must the initial weights be random? Three starts for the same network:
#
# 1. random, as above;
# 2. all weights equal to 0.1;
# 3. all weights 0.
#
# The learning rate is 0.05 here. (With 0.2 the second start behaves worse than the theory: on its wild path even the
# rounding errors of equal units grow, until they differ.)

# %% [markdown] predict="symmetry"
# What will the 64 hidden units have learned after training, from the second start? And what does the third one learn?
# ---
# Units that are equal get equal gradients and stay equal, up to rounding: 64 copies of one unit, and a network with one
# feature, which is hardly better than guessing.
# From 0 it is worse: the hidden units answer $\operatorname{ReLU}(0) = 0$, and their weights to the output are 0, so that
# all gradients vanish except those of the output's biases. It learns how frequent each class is, and nothing else.


# %% experiment="break_it"
def starts():
    sizes = [64, settings.hidden, 10]
    random = initial_parameters(sizes, torch.Generator().manual_seed(0))
    equal = [torch.full_like(v, 0.1) if v.ndim == 2 else v for v in random]
    return {"random": random, "all 0.1": equal, "all 0": [torch.zeros_like(v) for v in random]}


curves = {}
for name, values in starts().items():
    broken = [Variable(value.to(device)) for value in values]
    curves[name] = []

    def note(epoch, loss, network=broken, curve=curves[name]):
        curve.append(accuracy(network, images.x_test, images.y_test))

    epochs = settings.epochs // 2
    train_mlp(broken, images.x_train, images.y_train, 0.05, epochs, 32, torch.Generator().manual_seed(0), note)
    units = broken[0].value
    apart = (units - units[0]).abs().max()
    print(
        f"{name:>8}: {100 * curves[name][-1]:.1f} % on test data, largest difference of two units' weights {apart:.0e}"
    )
plots.learning_curves(curves, title="Three starts of the same network", ylabel="test accuracy")

# %% [markdown]
# ## 9. In your own words

# %% [markdown] answer="why_backwards" points=4 minutes=12 lecture="L05.08 L05.09"
# **Why backwards?** (4 points, about 120 words)
#
# A network has a million weights and one loss. Compare three ways to its gradient: finite differences, multiplying the
# Jacobians from the input towards the loss, and backpropagation. What does each cost, measured in forward passes, and
# where does it matter that the loss is *one* number? What does backpropagation need that the others do not?
# ---
# Finite differences need two forward passes for each weight, two million. Multiplying from the input side carries a
# matrix with one row (or column) for each weight or unit through every layer: matrix times matrix, $n^3$ a layer instead
# of $n^2$, about as many times the cost of a forward pass as there are units. Backpropagation begins with the derivative
# of one number by the last logits, a vector, and multiplies vectors with matrices only: a small multiple, two to three, of
# one forward pass, for all weights together. With many outputs and few inputs the other direction would be cheaper.
#
# The price is memory: every layer's input has to be kept from the forward pass until its recipe needs it.

# %% [markdown] scheme="why_backwards"
# * 1 point: finite differences cost one or two forward passes per weight.
# * 1 point: from the front, matrix–matrix products ($n^3$) against matrix–vector products ($n^2$) from the back.
# * 1 point: the loss is scalar, so that what is carried back is a vector; cost a small constant times a forward pass.
# * 1 point: memory for the activations of the forward pass. "It needs derivatives of the layers": none, the second way
#   needs them as well.

# %% [markdown] answer="why_add" points=4 minutes=12 lecture="L10.05 L05.10"
# **Why add?** (4 points, about 120 words)
#
# Explain why a node that is used in several places adds the derivatives that come back, and not, say, averages them. Then
# show that two facts from this notebook are the same rule: the bias gradient $\sum_n \delta_n$, and `unbroadcast`. At last:
# an engine overwrites where it should add. Name one network on which all its gradients are right, and one on which not.
# ---
# If $x$ is used as $u$ and as $v$, $f(u(x), v(x))$, a small change $dx$ changes both, and the change of $f$ is the sum
# $\frac{\partial f}{\partial u}u' + \frac{\partial f}{\partial v}v'$: total differentials add. An average would be right for
# an average of effects, but both take place.
#
# In `z = a @ W.T + b` the vector $b$ is copied into each of the $N$ rows. Each copy has the derivative $\delta_n$; the copies
# are one value used $N$ times, so its derivative is the sum. Broadcasting is copying; `unbroadcast` is this sum over the
# copied axes.
#
# Layers in a row, in which every value is used once (one sample, no weight sharing): right. A residual connection
# $x + f(x)$, or a weight used in two layers: wrong.

# %% [markdown] scheme="why_add"
# * 1 point: the multivariable chain rule or the total differential, or small changes whose effects add.
# * 1 point: the bias is one value used once for each sample.
# * 1 point: broadcasting is the same copying, and `unbroadcast` sums over the copies.
# * 1 point: both examples valid (a chain without shared values; any shared node: skip connection, shared weight, x·x).
#   One of the two: half.

# %% [markdown]
# ## What you built
#
# {{built_table}}
#
# **Where next.** *Training deep nets* stacks more layers and asks what then goes wrong with the derivatives on their way
# back: normalization, initialisation, dropout. *Recurrent networks* use one weight matrix at every time step: in the graph
# it is one node with many descendants, and your engine already knows what to do.
#
# Things to try: a `max` over an axis that you derive yourself, compared with the given one; `draw_graph` on a network with a
# skip connection; two hidden layers in the experiment.

# %%
show_progress()
