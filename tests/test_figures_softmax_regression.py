"""Every figure of the softmax regression notebook, at its defaults and at both ends of each control."""

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

from course_lib.figures import frame
from course_lib.figures import softmax_regression as figures
from course_lib.kit.widgets import Explorer, Slider, explore, figure_png
from course_lib.softmax_regression import AMBIGUOUS_DIGITS, SoftmaxRegression, gradient_descent


def clouds() -> tuple[Any, ...]:
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(30) % 3
    x = torch.tensor([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])[labels] + 0.5 * torch.randn(30, 2, generator=draw)
    model, weights = SoftmaxRegression(2, 3), []
    losses = model.fit(x, labels, 0.2, 4, 10, draw, on_epoch=lambda epoch, loss: weights.append(model.weights))
    return x, labels, weights, losses


def explorer(name: str) -> Explorer:
    """A figure as the notebook shows it, with the arguments that the notebook gives."""
    function = getattr(figures, name)
    if name == "loss_surface":
        return explore(partial(function, gradient_descent))
    if name == "decision_regions":
        return explore(partial(function, *clouds()), epoch=Slider(0, 3))
    if name == "ambiguous_digits":
        return explore(partial(function, AMBIGUOUS_DIGITS))
    if name == "digit_probabilities":
        draw = torch.Generator().manual_seed(0)
        images, logits = torch.rand(4, 8, 8, generator=draw), torch.randn(4, 10, generator=draw)
        return explore(partial(function, images, torch.softmax(logits, 1), titles=["a", "b", "c", "d"]))
    if name == "overflow_in_training":
        runs = {"plain": [2.3, 1.0, float("inf"), float("nan")], "stable": [2.3, 1.0, 0.5, 0.4]}
        return explore(partial(function, {"left": runs, "right": runs}))
    return explore(function)


def corners() -> Iterator[Any]:
    for name in figures.__all__:
        for number, values in enumerate(explorer(name).corners()):
            changed = {key: value for key, value in values.items() if value != explorer(name).start[key]}
            label = ",".join(f"{key}={value}" for key, value in changed.items()) or "default"
            yield pytest.param(name, values, id=f"{name}-{number}-{label}")


def titles(figure: Figure) -> str:
    heading = figure.get_suptitle()
    return "\n".join([heading, *(axes.get_title() for axes in figure.axes)])


@pytest.mark.parametrize(("name", "values"), list(corners()))
def test_every_figure_draws_with_titles_and_labels(name: str, values: dict[str, Any]) -> None:
    figure = explorer(name).function(**values)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        picture = np.asarray(Image.open(io.BytesIO(figure_png(figure, pixels_per_inch=40))).convert("RGBA"))
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all(), "the page has to show through"
    assert (picture[..., 3] > 0).mean() > 0.02, "nothing is drawn"
    plain = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.axison]
    for axes in plain:
        lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
        if len(lines) > 1:
            assert axes.get_legend() or figure.legends, f"{axes.get_title()!r} has several series and no legend"
    assert all(axes.get_title() or axes.patches for axes in plain), "a panel has no title"
    assert any(axes.get_ylabel() for axes in figure.axes) or name == "digit_probabilities"


def test_all_text_reads_on_white_and_on_near_black() -> None:
    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for colour, least in ((frame.GREY, 4), (frame.MARK, 4), (frame.BLUE, 3), (frame.ORANGE, 3), (frame.GREEN, 3)):
        for page in ("#ffffff", "#111111"):
            bright, dark = sorted((luminance(colour), luminance(page)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) > least, f"{colour} on {page}"


def test_a_hundred_drawings_leave_nothing_with_pyplot() -> None:
    before = plt.get_fignums()
    for theta in np.linspace(-2, 2, 5):
        figures.decision_line(theta_3=float(theta))
    assert plt.get_fignums() == before


def test_figures_need_no_exercise() -> None:
    """In the student edition the exercises are stubs, and the figures stand above them."""
    folder = Path(figures.__file__).parent
    for path in [*folder.glob("*.py"), folder.parent / "frame.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported = getattr(node, "module", None) or ""
            assert imported != "course_lib.softmax_regression", path.name


def test_the_error_count_is_that_of_the_line() -> None:
    everything_below = titles(figures.decision_line(theta_1=0.0, theta_2=0.0, theta_3=-1.0))
    everything_above = titles(figures.decision_line(theta_1=0.0, theta_2=0.0, theta_3=1.0))
    assert "30 of 60" in everything_below
    assert "30 of 60" in everything_above
    good = titles(figures.decision_line(theta_1=-1.0, theta_2=1.0, theta_3=0.0))
    flipped = titles(figures.decision_line(theta_1=1.0, theta_2=-1.0, theta_3=0.0))
    assert int(good.split()[0]) + int(flipped.split()[0]) == 60
    assert int(good.split()[0]) <= 5


def test_the_perceptron_ends_without_a_mistake() -> None:
    assert "no point wrong" in titles(figures.perceptron_steps(mistake=20))
    assert "no point wrong" not in titles(figures.perceptron_steps(mistake=1))


@pytest.mark.parametrize(
    ("points", "squares", "product", "least", "most"),
    [
        ("ring", False, False, 0, 75),
        ("ring", True, False, 99, 100),
        ("ring", False, True, 0, 75),
        ("crossed", False, False, 0, 75),
        ("crossed", True, False, 0, 80),
        ("crossed", False, True, 95, 100),
    ],
)
def test_the_right_feature_separates(points: str, squares: bool, product: bool, least: int, most: int) -> None:
    right = int(titles(figures.feature_rule(points=points, squares=squares, product=product)).split(":")[1].split()[0])
    assert least <= right <= most


def test_temperature_has_its_two_limits() -> None:
    assert "arg-max" in titles(figures.temperature(temperature=0.05))
    assert "uniform" in titles(figures.temperature(temperature=20.0))


def test_maps_that_fail_say_so() -> None:
    negative = figures.normalizers(dog=-3.0, cat=-1.0, owl=-2.0)
    verdicts = [axes.get_title().split("\n")[1] for axes in negative.axes]
    assert verdicts == ["another winner", "another winner", "no answer", "keeps the winner"]
    assert any(text.get_text() == "0 / 0" for text in negative.axes[2].texts)


def test_the_product_dies_where_floating_point_ends() -> None:
    shown = titles(figures.product_or_sum(samples=2000, probability=0.6, precision="float32"))
    assert "Exactly 0.0 from sample" in shown
    first = int(shown.split("sample ")[1].split()[0])
    assert 170 < first < 240  # log(1.4e-45) / log(0.6) = 202, moved by the spread of the factors
    assert "Exactly" not in titles(figures.product_or_sum(samples=200, probability=0.6, precision="float64"))


def test_loss_of_one_sample_agrees_with_pytorch() -> None:
    shown = titles(figures.loss_of_one_sample(true_logit=-2.0, rival=1.5))
    loss = torch.nn.functional.cross_entropy(torch.tensor([[-2.0, 1.5, 0.0]]), torch.tensor([0]))
    assert f"NLL = {loss:.2f} nats" in shown


@pytest.mark.parametrize(
    ("rate", "verdict"),
    [(0.1, "slow"), (0.5, "Straight"), (1.0, "one step"), (1.5, "closer"), (2.0, "never"), (2.2, "diverges")],
)
def test_the_parabola_names_what_happens(rate: float, verdict: str) -> None:
    assert verdict in titles(figures.parabola(learning_rate=rate))


def test_the_path_is_the_one_of_the_function_that_was_given() -> None:
    asked = []

    def stay(gradient: object, start: torch.Tensor, rate: float, steps: int) -> torch.Tensor:
        asked.append((rate, steps))
        return start.expand(steps + 1, 2)

    figure = figures.loss_surface(stay, learning_rate=0.25, steps=7)
    assert asked == [(0.25, 7)]
    path = next(line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 8)
    assert set(path.get_xdata()) == {-2.0}


def test_descent_reaches_the_minimum_of_the_surface() -> None:
    figure = figures.loss_surface(gradient_descent, learning_rate=2.0, steps=60)
    reached = float(titles(figure).split("Loss now: ")[1].split()[0])
    smallest = next(line for line in figure.axes[1].get_lines() if line.get_label() == "smallest possible").get_ydata()[
        0
    ]
    assert smallest <= reached < 1.1 * smallest


def test_the_gap_shrinks_with_samples_and_grows_with_parameters() -> None:
    def gap(features: int, samples: int) -> float:
        return float(titles(figures.risk_gap(features=features, samples=samples)).split("gap ")[1].split()[0])

    assert gap(12, 40) > 2 * gap(12, 160) > 0
    assert gap(12, 60) > gap(3, 60)


def test_a_broken_run_is_named_with_its_update() -> None:
    figure = explorer("overflow_in_training").figure
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["plain: inf at update 2", "stable: finite to the end"]
