"""Backpropagation against PyTorch's autograd, closed forms and counting; the engine on random graphs."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from course_lib.backprop import (
    Linear,
    Node,
    ReLU,
    Sigmoid,
    Variable,
    backward,
    backward_pass,
    collapse,
    evaluate,
    forward_pass,
    gradient_check,
    initial_parameters,
    jacobian,
    logistic_regression_loss,
    mlp_features,
    mlp_forward,
    mlp_logits,
    multiplications,
    neuron,
    points_2d,
    pull_back,
    softmax_cross_entropy,
    topological_order,
    train_2d,
    train_mlp,
    unbroadcast,
)

DTYPES = [torch.float32, torch.float64]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=draw(seed), dtype=dtype)


# ---- graphs


def test_order_and_value_of_the_lectures_graph() -> None:
    x1, t1, x2, t2, y = (Node(name) for name in ("x1", "t1", "x2", "t2", "y"))
    total = Node("+", torch.add, (Node("*", torch.mul, (x1, t1)), Node("*", torch.mul, (x2, t2))))
    error = Node("-", torch.sub, (total, y))
    loss = Node("*", torch.mul, (error, error))
    order = topological_order(loss)
    assert len(order) == 10
    assert order[-1] is loss
    feed = {x1: 2.0, t1: 1.5, x2: -1.0, t2: 0.5, y: 4.0}
    assert evaluate(loss, {node: torch.tensor(value) for node, value in feed.items()}).item() == 2.25


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=3), min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_each_node_once_and_after_its_parents(table: list[list[int]]) -> None:
    nodes = [Node("x")]
    for parents in table:
        nodes.append(Node("+", None, tuple(nodes[p % len(nodes)] for p in parents)))
    order = topological_order(nodes[-1])
    places = {id(node): place for place, node in enumerate(order)}
    assert len(places) == len(order)
    assert order[-1] is nodes[-1]
    assert all(places[id(parent)] < places[id(node)] for node in order for parent in node.parents)


def test_an_input_without_a_value_is_named() -> None:
    with pytest.raises(KeyError):
        evaluate(Node("x"), {})


# ---- layers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", DEVICES)
def test_forward_agrees_with_pytorch(dtype: torch.dtype, device: str) -> None:
    sizes = [3, 5, 4, 2]
    modules: list[torch.nn.Module] = []
    for inputs, units in itertools.pairwise(sizes):
        modules += [torch.nn.Linear(inputs, units), torch.nn.Tanh()]
    network = torch.nn.Sequential(*modules[:-1]).to(device, dtype)
    linear = [module for module in network if isinstance(module, torch.nn.Linear)]
    x = normal(6, 3, dtype=dtype).to(device)
    zs, inputs_ = mlp_forward(x, [m.weight for m in linear], [m.bias for m in linear], torch.tanh)
    assert len(zs) == len(inputs_) == 3
    torch.testing.assert_close(zs[-1], network(x))
    assert zs[-1].dtype == dtype
    single, _ = mlp_forward(x[2:3], [m.weight for m in linear], [m.bias for m in linear], torch.tanh)
    torch.testing.assert_close(single[-1], zs[-1][2:3])


def test_a_neuron_is_a_row_of_a_layer() -> None:
    weight, bias, x = normal(4, 3), normal(4, seed=1), normal(6, 3, seed=2)
    layer = torch.stack([neuron(x, weight[k], bias[k], torch.sigmoid) for k in range(4)], dim=1)
    torch.testing.assert_close(layer, torch.sigmoid(Linear(weight, bias).forward(x)))


def test_collapsed_layers_compute_the_same() -> None:
    weights, biases = [normal(4, 3), normal(5, 4), normal(2, 5)], [normal(4), normal(5), normal(2)]
    merged, constant = collapse(weights, biases)
    x = normal(7, 3, seed=3)
    zs, _ = mlp_forward(x, weights, biases, lambda z: z)
    torch.testing.assert_close(x @ merged.T + constant, zs[-1])


def test_both_orders_give_the_same_and_cost_what_is_counted() -> None:
    chain = [normal(6, 6, seed=k) for k in range(3)]
    delta = normal(6, seed=9)
    torch.testing.assert_close(pull_back(chain, delta), torch.linalg.multi_dot(chain) @ delta)
    assert multiplications(6, 3) == (2 * 6**3 + 6**2, 3 * 6**2)
    ratios = [a / b for a, b in (multiplications(n, 3) for n in (10, 100, 1000))]
    assert ratios[1] / ratios[0] == pytest.approx(10, rel=0.1)
    assert ratios[2] / ratios[1] == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("device", DEVICES)
def test_recipes_of_a_whole_network(device: str) -> None:
    values = [v.to(device) for v in (normal(4, 3), normal(4), normal(5, 4), normal(5), normal(3, 5), normal(3))]
    tracked = [v.clone().requires_grad_() for v in values]
    x, labels = normal(8, 3, seed=5).to(device), (torch.arange(8) % 3).to(device)
    layers: list[Any] = [Linear(*values[:2]), Sigmoid(), Linear(*values[2:4]), ReLU(), Linear(*values[4:])]
    kept = forward_pass(layers, x)
    loss, delta = softmax_cross_entropy(kept[-1], labels)
    gradients, _ = backward_pass(layers, kept, delta)
    hidden = torch.sigmoid(torch.nn.functional.linear(x, *tracked[:2]))
    hidden = torch.relu(torch.nn.functional.linear(hidden, *tracked[2:4]))
    oracle = torch.nn.functional.cross_entropy(torch.nn.functional.linear(hidden, *tracked[4:]), labels)
    torch.testing.assert_close(loss, oracle.detach())
    oracle.backward()
    flat = [gradient for of_layer in gradients for gradient in of_layer]
    for found, parameter in zip(flat, tracked, strict=True):
        torch.testing.assert_close(found, parameter.grad)


def test_sigmoid_and_cross_entropy_survive_large_numbers() -> None:
    z = torch.tensor([[1e4, -1e4, 30.0, 0.0]], dtype=torch.float64)
    _, slope = Sigmoid().backward(z, torch.ones_like(z))
    assert torch.isfinite(slope).all()
    assert slope[0, 3] == 0.25
    loss, delta = softmax_cross_entropy(z, torch.tensor([1]))
    assert torch.isfinite(loss)
    torch.testing.assert_close(delta.sum(), torch.tensor(0.0, dtype=torch.float64))


# ---- checking


def test_jacobian_is_the_transpose_of_pytorchs() -> None:
    def function(v: torch.Tensor) -> torch.Tensor:
        return torch.stack([v[0] * v[1], v[2].exp(), v.sum() ** 2, v[0] - v[1]])

    x = normal(3)
    expected = torch.autograd.functional.jacobian(function, x).T
    torch.testing.assert_close(jacobian(function, x), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("bug", [lambda g: 2 * g, lambda g: -g, lambda g: g + torch.eye(3, dtype=g.dtype)])
def test_planted_bugs_are_caught(bug: Any) -> None:
    x = normal(3, 3) + 3
    right = 3 * x**2
    assert gradient_check(lambda v: (v**3).sum(), x, right).max() < 1e-8
    assert gradient_check(lambda v: (v**3).sum(), x, bug(right)).max() > 1e-2


def test_gradient_check_refuses_another_shape_and_changes_nothing() -> None:
    x = normal(4)
    before = x.clone()
    gradient_check(lambda v: float(v.sum()), x, torch.ones(4))
    assert torch.equal(x, before)
    with pytest.raises(ValueError, match="expected that of x"):
        gradient_check(lambda v: float(v.sum()), x, torch.ones(2, 2))


# ---- the engine


@given(
    st.lists(st.integers(1, 3), min_size=0, max_size=3),
    st.data(),
)
@settings(max_examples=80, deadline=None)
def test_unbroadcast_is_the_derivative_of_expand(shape: list[int], data: st.DataObject) -> None:
    leading = data.draw(st.lists(st.integers(1, 3), max_size=2))
    wide = [*leading, *(data.draw(st.integers(1, 3)) if n == 1 else n for n in shape)]
    operand = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    delta = normal(*wide) if wide else normal(1)[0]
    (expected,) = torch.autograd.grad(operand.expand(wide), operand, delta)
    torch.testing.assert_close(unbroadcast(delta, tuple(shape)), expected)


# One operation for each letter: what it needs, and the expression, which variables and tensors understand alike.
UNARY: dict[str, Any] = {
    "neg": lambda a: -a,
    "tanh": lambda a: a.tanh(),
    "sigmoid": lambda a: a.sigmoid(),
    "relu": lambda a: a.relu(),
    "exp": lambda a: (a * 0.3).exp(),
    "log": lambda a: (a * a + 1.0).log(),
    "power": lambda a: a**3 * 0.1,
    "square": lambda a: a * a,
}
BINARY: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1.0),
}
REDUCTIONS = ("sum", "mean", "logsumexp", "amax")


@st.composite
def programs(draw_: st.DrawFn) -> list[tuple[Any, ...]]:
    """Steps of a random program over a growing list of values; the numbers in it are taken modulo what there is."""
    step = st.one_of(
        st.tuples(st.just("unary"), st.sampled_from(sorted(UNARY)), st.integers(0, 50)),
        st.tuples(st.just("binary"), st.sampled_from(sorted(BINARY)), st.integers(0, 50), st.integers(0, 50)),
        st.tuples(st.just("reduce"), st.sampled_from(REDUCTIONS), st.integers(0, 50), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("index"), st.integers(0, 50), st.lists(st.integers(0, 50), min_size=1, max_size=4)),
        st.tuples(st.just("slice"), st.integers(0, 50), st.integers(0, 2), st.integers(1, 2)),
        st.tuples(st.just("transpose"), st.integers(0, 50)),
        st.tuples(st.just("reshape"), st.integers(0, 50)),
        st.tuples(st.just("matmul"), st.integers(0, 50), st.integers(0, 50)),
    )
    return draw_(st.lists(step, min_size=3, max_size=14))


def shape_of(value: Any) -> tuple[int, ...]:
    return tuple((value.value if isinstance(value, Variable) else value).shape)


def fits(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(reversed(first), reversed(second), strict=False))


def run_program(inputs: list[Any], program: list[tuple[Any, ...]]) -> Any:
    """Run the steps on variables or on tensors: whatever fits is done, the rest is skipped, the same for both."""
    values = list(inputs)
    for kind, *rest in program:
        if kind == "unary":
            values.append(UNARY[rest[0]](values[rest[1] % len(values)]))
        elif kind == "binary":
            a, b = (values[n % len(values)] for n in rest[1:])
            if fits(shape_of(a), shape_of(b)):
                values.append(BINARY[rest[0]](a, b))
        elif kind == "reduce":
            name, number, axis, keepdim = rest
            a = values[number % len(values)]
            shape = shape_of(a)
            if not shape:
                continue
            dim = axis % len(shape)
            if name == "logsumexp":
                values.append(a.logsumexp(dim))
            elif name in ("sum", "mean") and axis == 3:
                values.append(getattr(a, name)())
            else:
                values.append(getattr(a, name)(dim, keepdim))
        elif kind == "index":
            a = values[rest[0] % len(values)]
            if shape_of(a):
                values.append(a[torch.tensor([n % shape_of(a)[0] for n in rest[1]])])
        elif kind == "slice":
            a = values[rest[0] % len(values)]
            if shape_of(a) and rest[1] < shape_of(a)[-1]:
                values.append(a[..., rest[1] :: rest[2]])
        elif kind == "transpose":
            a = values[rest[0] % len(values)]
            if len(shape_of(a)) == 2:
                values.append(a.T)
        elif kind == "reshape":
            a = values[rest[0] % len(values)]
            values.append(a.reshape(1, math.prod(shape_of(a))))
        elif kind == "matmul":
            a, b = (values[n % len(values)] for n in rest)
            if len(shape_of(a)) == len(shape_of(b)) == 2 and shape_of(a)[1] == shape_of(b)[0]:
                values.append((a @ b) * 0.3)
    total = values[0].sum()
    for value in values[1:]:
        total = total + value.mean() if shape_of(value) else total + value
    return total


@given(programs(), st.integers(0, 10_000))
@settings(max_examples=250, deadline=None)
def test_random_graphs_agree_with_pytorch(program: list[tuple[Any, ...]], seed: int) -> None:
    """Shared nodes, broadcasting, reductions and indexing, in float64."""
    assume(compare_with_pytorch(program, seed))


def compare_with_pytorch(program: list[tuple[Any, ...]], seed: int) -> bool:
    """Compare values and gradients; False where the value itself is too large to compare."""
    starts = [
        normal(3, 4, seed=seed),
        normal(4, seed=seed + 1),
        normal(3, 1, seed=seed + 2),
        normal(4, 4, seed=seed + 3),
    ]
    mine, theirs = [Variable(v) for v in starts], [v.clone().requires_grad_() for v in starts]
    found, expected = run_program(mine, program), run_program(theirs, program)
    if not torch.isfinite(expected) or expected.detach().abs() > 1e6:
        return False
    torch.testing.assert_close(found.value, expected.detach(), rtol=1e-9, atol=1e-9)
    found.backward()
    expected.backward()
    for a, b in zip(mine, theirs, strict=True):
        assert a.gradient is not None
        assert b.grad is not None
        scale = float(b.grad.abs().max()) + 1
        torch.testing.assert_close(a.gradient, b.grad, rtol=1e-8, atol=1e-10 * scale)
    return True


def test_random_programs_use_every_operation() -> None:
    """The generator above is not vacuous: a fixed program with every kind of step agrees too."""
    program: list[tuple[Any, ...]] = [("unary", name, number) for number, name in enumerate(sorted(UNARY))]
    program += [("binary", name, number, 2) for number, name in enumerate(sorted(BINARY))]
    program += [("reduce", name, 0, axis, keep) for name in REDUCTIONS for axis in (0, 1, 3) for keep in (True, False)]
    program += [("index", 0, [0, 2, 0, 1]), ("slice", 0, 1, 2), ("transpose", 0), ("reshape", 0), ("matmul", 0, 3)]
    assert compare_with_pytorch(program, 1)


def test_the_caller_s_numbers_and_tensors_become_inputs() -> None:
    x = Variable(torch.tensor([1.0, 2.0]))
    result = (3.0 - x) / 2.0 + torch.ones(2) * x - 1.0 / x
    result.backward(torch.ones(2))
    torch.testing.assert_close(result.value, torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(x.gradient, torch.tensor([1.5, 0.75]))
    product = torch.ones(1, 2) @ Variable(torch.tensor([[1.0], [2.0]]))
    assert product.value.item() == 3.0


def test_gradients_accumulate_over_calls() -> None:
    x = Variable(torch.tensor(3.0))
    y = x * x
    z = y * y + y
    z.backward()
    first = x.gradient
    z.backward()
    assert first is not None
    assert float(first) == 4 * 27 + 6
    assert float(x.gradient) == 2 * (4 * 27 + 6)
    assert float(first) == 4 * 27 + 6, "what was handed out before has changed in place"


def test_backward_begins_at_one_number_only() -> None:
    with pytest.raises(ValueError, match="begin at a single number"):
        backward(Variable(torch.ones(2)))
    with pytest.raises(ValueError, match="expected two matrices"):
        Variable(torch.ones(2)) @ Variable(torch.ones(2))


def test_a_deep_graph_needs_no_recursion() -> None:
    x = Variable(torch.tensor(1.0, dtype=torch.float64))
    y = x
    for _ in range(5000):
        y = y + x
    y.backward()
    assert float(x.gradient) == 5001


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_engine_stays_on_device_and_in_dtype(device: str, dtype: torch.dtype) -> None:
    x = Variable(normal(3, 4, dtype=dtype).to(device))
    loss = (x[[0, 2]] * 2.0).relu().sum() / 3 + x.logsumexp(1).mean()
    loss.backward()
    assert x.gradient is not None
    assert (x.gradient.dtype, x.gradient.device.type) == (dtype, device)


# ---- networks


def test_loss_of_logistic_regression_agrees_with_pytorch() -> None:
    x, labels = normal(6, 3) * 100, torch.tensor([0, 3, 1, 2, 0, 1])
    theta, bias = Variable(normal(4, 3, seed=1)), Variable(normal(4, seed=2))
    tracked = [theta.value.clone().requires_grad_(), bias.value.clone().requires_grad_()]
    loss = logistic_regression_loss(x, labels, theta, bias)
    expected = torch.nn.functional.cross_entropy(torch.nn.functional.linear(x, *tracked), labels)
    torch.testing.assert_close(loss.value, expected.detach())
    loss.backward()
    expected.backward()
    torch.testing.assert_close(theta.gradient, tracked[0].grad)
    torch.testing.assert_close(bias.gradient, tracked[1].grad)
    plain = logistic_regression_loss(x, labels, theta.value, bias.value)
    torch.testing.assert_close(plain, expected.detach())


def test_training_is_pytorchs_sgd() -> None:
    x, labels = normal(20, 2), torch.arange(20) % 3
    values = initial_parameters([2, 6, 3], draw(1), torch.float64)
    mine, theirs = [Variable(v) for v in values], [v.clone().requires_grad_() for v in values]
    losses = train_mlp(mine, x, labels, 0.2, 5, 20, draw(2))
    optimizer = torch.optim.SGD(theirs, lr=0.2)
    expected = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(mlp_logits(theirs, x), labels)
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, rel=1e-9)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a.value, b.detach())


def test_a_network_without_hidden_layers_is_logistic_regression() -> None:
    x = normal(4, 3)
    parameters = initial_parameters([3, 2], draw(), torch.float64)
    assert mlp_features(parameters, x) is x
    torch.testing.assert_close(mlp_logits(parameters, x), x @ parameters[0].T)


def test_initial_weights_have_the_stated_spread() -> None:
    weight, bias, *_ = initial_parameters([400, 300, 2], draw())
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert not bias.any()


@pytest.mark.parametrize("kind", ["ring", "crossed", "spiral", "clouds"])
def test_points_of_the_plane(kind: str) -> None:
    x, labels = points_2d(kind, size=101, seed=4)
    assert x.shape == (101, 2)
    assert x.abs().max() < 1.3
    assert set(labels.tolist()) == {0, 1}
    assert torch.equal(points_2d(kind, 101, 4)[0], x)
    with pytest.raises(ValueError, match="expected 'ring'"):
        points_2d("square")


@pytest.mark.parametrize(
    ("kind", "hidden", "bias", "least", "most"),
    [("ring", [], True, 0, 0.7), ("ring", [8], True, 0.95, 1), ("spiral", [12, 12], True, 0.95, 1)],
)
def test_the_playground_needs_hidden_layers(
    kind: str, hidden: list[int], bias: bool, least: float, most: float
) -> None:
    x, labels = points_2d(kind)
    trained = train_2d(x, labels, hidden, "ReLU", 0.03, 400, bias=bias, seed=1)
    share = float(((trained.predict(x) > 0.5) == labels).double().mean())
    assert least <= share <= most
    assert trained.losses[-1] < trained.losses[0]


def test_without_biases_the_origin_stays_undecided() -> None:
    trained = train_2d(*points_2d("ring"), hidden=[6], activation="tanh", steps=100, bias=False)
    assert float(trained.predict(torch.zeros(1, 2))) == 0.5
