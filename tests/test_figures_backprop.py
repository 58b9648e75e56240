"""Every figure of the backpropagation notebook, at its defaults and at both ends of each control."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from course_lib.backprop import Variable
from course_lib.figures import backprop as figures
from course_lib.kit.widgets import Explorer, explore, figure_png

ASKED_FOR = {
    "Linear", "ReLU", "Sigmoid", "Variable", "backward", "backward_pass", "collapse", "evaluate", "gradient_check",
    "jacobian", "logistic_regression_loss", "mlp_forward", "neuron", "pull_back", "softmax_cross_entropy",
    "topological_order", "train_mlp", "unbroadcast",
}  # fmt: skip


def explorer(name: str) -> Explorer:
    function = getattr(figures, name)
    if name == "draw_graph":
        x = Variable(torch.tensor([[1.0, 2.0]]), name="x")
        loss = (x @ x.T + x * x).sum()
        loss.backward()
        return explore(partial(function, loss))
    if name == "gradient_errors":
        return explore(partial(function, torch.tensor([[1e-10, 0.0], [0.5, 1e-9]])))
    return explore(function)


def corners() -> Iterator[Any]:
    for name in figures.__all__:
        for number, values in enumerate(explorer(name).corners()):
            yield pytest.param(name, values, id=f"{name}-{number}")


def titles(figure: Figure) -> str:
    return "\n".join([figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)])


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize(("name", "values"), list(corners()))
def test_every_figure_draws_with_titles_and_labels(name: str, values: dict[str, Any]) -> None:
    figure = explorer(name).function(**values)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        picture = np.asarray(Image.open(io.BytesIO(figure_png(figure, pixels_per_inch=40))).convert("RGBA"))
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all(), "the page has to show through"
    assert (picture[..., 3] > 0).mean() > 0.01, "nothing is drawn"
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            continue
        assert axes.get_title(), "a panel has no title"
        lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
        if len(lines) > 1:
            assert axes.get_legend() or figure.legends, f"{axes.get_title()!r} has several series and no legend"


def test_figures_need_no_exercise() -> None:
    """In the student edition the exercises are stubs, and the figures stand above them."""
    for path in Path(figures.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib.backprop"):
                assert not {alias.name for alias in node.names} & ASKED_FOR, path.name


def test_nothing_is_left_with_pyplot() -> None:
    before = plt.get_fignums()
    figures.neuron_plane()
    assert plt.get_fignums() == before


@pytest.mark.parametrize("expression", ["(x₁θ₁ + x₂θ₂ − y)²", "x·x + x", "log-sum-exp − true logit"])
def test_the_walk_ends_with_the_derivatives_of_autograd(expression: str) -> None:
    leaves: dict[str, list[float]] = {
        "(x₁θ₁ + x₂θ₂ − y)²": [2.0, 1.5, -1.0, 0.5, 4.0],
        "x·x + x": [3.0],
        "log-sum-exp − true logit": [2.0, 0.0],
    }
    variables = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in leaves[expression]]
    if expression == "x·x + x":
        result = variables[0] * variables[0] + variables[0]
    elif expression.startswith("log"):
        result = torch.logsumexp(torch.stack(variables), 0) - variables[1]
    else:
        x1, t1, x2, t2, y = variables
        result = (x1 * t1 + x2 * t2 - y) ** 2
    result.backward()
    shown = words(figures.graph_walk(expression=expression, step=20))
    for variable in variables:
        assert variable.grad is not None
        assert any(abs(float(word) - float(variable.grad)) < 6e-3 for word in shown if _is_number(word)), shown
    assert f"{result.item():.3g}" in shown


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [
        ({"points": "ring", "layers": 0}, 0, 70),
        ({"points": "ring", "layers": 1, "units": 8}, 95, 100),
        ({"points": "ring", "layers": 3, "activation": "identity", "units": 8}, 0, 70),
        ({"points": "crossed", "layers": 0}, 0, 70),
        ({"points": "spiral", "layers": 2, "units": 12, "activation": "ReLU"}, 95, 100),
        ({"points": "clouds", "layers": 0}, 99, 100),
    ],
)
def test_the_playground_shows_what_a_hidden_layer_is_for(values: dict[str, Any], least: int, most: int) -> None:
    share = int(titles(figures.playground(**values)).split(" %")[0].strip())
    assert least <= share <= most


def test_the_order_counts_as_the_library_does() -> None:
    assert "1.4e+11" in titles(figures.order_of_products(log_units=float(np.log10(4096)), layers=3))


def test_central_differences_beat_forward_ones_and_float32_fails() -> None:
    def error(**values: Any) -> float:
        return float(titles(figures.finite_difference_error(**values)).split("error ")[1].split()[0])

    assert error(log_step=-5.0) < 1e-9
    assert error(log_step=-5.0, precision="float32") > 1e-4


def test_a_graph_that_nobody_can_read_is_refused() -> None:
    x = Variable(torch.tensor(1.0))
    for _ in range(50):
        x = x + 1.0
    with pytest.raises(ValueError, match="more than 40 nodes"):
        figures.draw_graph(x)
