"""Every figure of the bias and variance notebook, at its defaults and at both ends of each control."""

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
from matplotlib.figure import Figure
from PIL import Image

from course_lib.figures import bias_variance as figures
from course_lib.kit.widgets import Explorer, explore, figure_png

LAMS = np.geomspace(0.1, 1e3, 20)
HISTORY = {"step": [0, 5, 10, 15], "train": [2.0, 1.0, 0.4, 0.1], "validation": [2.1, 1.4, 1.2, 1.5]}


def explorer(name: str) -> Explorer:
    """A figure as the notebook shows it, with arguments of the same kind."""
    function = getattr(figures, name)
    rng = np.random.default_rng(0)
    if name == "coefficient_paths":
        ridge = rng.normal(size=10) / (1 + LAMS[:, None] / 50)
        lasso = np.sign(ridge) * np.maximum(np.abs(ridge) - 0.5, 0)
        return explore(partial(function, LAMS.tolist(), ridge, lasso, [f"feature {i}" for i in range(10)]))
    if name == "lambda_curve":
        return explore(partial(function, LAMS.tolist(), 1 + LAMS / 100, 2 + (np.log(LAMS) - 2) ** 2, float(LAMS[9])))
    if name == "loss_history":
        return explore(partial(function, {"one": HISTORY, "other": HISTORY}))
    if name == "relative_errors":
        scores = {"none": rng.uniform(1.3, 4, 10), "ridge": rng.uniform(0.5, 0.7, 10)}
        return explore(partial(function, scores, title="Ten divisions"))
    if name == "leak":
        return explore(partial(function, rng.normal(0.4, 0.1, 50), rng.normal(-0.1, 0.1, 50)))
    return explore(function)


def corners() -> Iterator[Any]:
    for name in figures.__all__:
        for number, values in enumerate(explorer(name).corners()):
            changed = {key: value for key, value in values.items() if value != explorer(name).start[key]}
            label = ",".join(f"{key}={value}" for key, value in changed.items()) or "default"
            yield pytest.param(name, values, id=f"{name}-{number}-{label}")


def titles(figure: Figure) -> str:
    return "\n".join([figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)])


def number_after(text: str, word: str) -> float:
    return float(text.split(word)[1].split()[0].rstrip(",:"))


@pytest.mark.parametrize(("name", "values"), list(corners()))
def test_every_figure_draws_with_titles_and_labels(name: str, values: dict[str, Any]) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        figure = explorer(name).function(**values)
        picture = np.asarray(Image.open(io.BytesIO(figure_png(figure, pixels_per_inch=40))).convert("RGBA"))
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all(), "the page has to show through"
    assert (picture[..., 3] > 0).mean() > 0.02, "nothing is drawn"
    plain = [axes for axes in figure.axes if axes.axison]
    for axes in plain:
        lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
        if len(lines) > 1:
            assert axes.get_legend() or figure.legends or name == "coefficient_paths", "several series and no legend"
        assert axes.get_title(), "a panel has no title"
        assert axes.get_xlabel() or axes.get_xticklabels(), "an axis without a name"
    assert any(axes.get_ylabel() for axes in figure.axes) or name == "relative_errors"


def test_figures_need_no_exercise() -> None:
    """In the student edition the exercises are stubs, and the figures stand above them."""
    for path in Path(figures.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported = getattr(node, "module", None) or ""
            assert imported not in ("course_lib.bias_variance", "course_lib.softmax_regression"), path.name


def test_drawing_leaves_nothing_with_pyplot() -> None:
    before = plt.get_fignums()
    for degree in range(4):
        figures.fan(degree=degree)
    assert plt.get_fignums() == before


def test_the_band_covers_both_ends_only_with_its_own_sigma() -> None:
    def shares(own_sigma: bool) -> list[int]:
        text = titles(figures.noise_band(growth=1.5, samples=800, own_sigma=own_sigma))
        return [int(part.split("%")[0].split()[-1]) for part in text.split("\n")[1].split(" in the ")[:2]]

    assert all(90 <= share <= 99 for share in shares(True))
    left, right = shares(False)
    assert left == 100
    assert right < 90


def test_without_the_determinant_there_is_no_minimum() -> None:
    assert "σ = 2.0" in titles(figures.cost_of_sigma(residual=2.0))
    assert "No minimum" in titles(figures.cost_of_sigma(residual=2.0, log_det=False))


def test_the_fan_shows_bias_and_variance() -> None:
    simple, flexible = (titles(figures.fan(degree=degree)) for degree in (1, 11))
    assert number_after(simple, "bias² ") > 10 * number_after(simple, "variance ")
    assert number_after(flexible, "variance ") > 10 * number_after(flexible, "bias² ")
    assert "Smallest at degree 3" in simple
    assert number_after(titles(figures.fan(degree=3, noise=0.0)), "variance ") < 1e-3


def test_even_degrees_do_not_help_an_odd_function() -> None:
    bias = [number_after(titles(figures.fan(degree=degree)), "bias² ") for degree in (1, 2, 3)]
    assert bias[1] > 0.95 * bias[0]
    assert bias[2] < 0.05 * bias[0]


@pytest.mark.parametrize("degree", [0, 3, 6])
def test_more_data_lower_the_variance_with_slope_minus_one(degree: int) -> None:
    assert -1.25 < number_after(titles(figures.more_data(degree=degree)), "slope ") < -0.8


def test_errors_of_one_data_set() -> None:
    low, high = (titles(figures.degree_errors(degree=degree, data_set=2)) for degree in (3, 12))
    assert number_after(high, "12: ") < number_after(low, "3: ")
    assert float(high.split("here, ")[1].split()[0]) > float(low.split("here, ")[1].split()[0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"heads": 3, "tails": 0, "a": 5, "b": 5}, "maximum likelihood 1.00, MAP 0.64"),
        ({"heads": 0, "tails": 0, "a": 1, "b": 1}, "Nothing is known"),
        ({"heads": 10, "tails": 30, "a": 1, "b": 1}, "maximum likelihood 0.25, MAP 0.25"),
    ],
)
def test_the_posterior_names_both_estimates(values: dict[str, int], expected: str) -> None:
    assert expected in titles(figures.coin_posterior(**values))


def test_a_penalty_shrinks_the_coefficients() -> None:
    lengths = [number_after(titles(figures.ridge_wiggles(lam=lam)), "‖θ‖ = ") for lam in (1e-6, 1e-2, 1.0, 100.0)]
    assert lengths == sorted(lengths, reverse=True)


def test_the_sigmoid_sharpens_for_ever_only_without_penalty() -> None:
    early, late = (titles(figures.sharpness(lam=0.1, log_steps=steps)) for steps in (3.0, 4.5))
    assert number_after(late, "θ = ") > 1.5 * number_after(early, "θ = ")
    assert number_after(late, "without, ") == pytest.approx(number_after(early, "without, "), abs=0.02)


def test_the_diamond_has_corners_and_the_disc_has_none() -> None:
    zeros = {"L1": 0, "L2": 0}
    for angle in range(1, 90, 4):
        for line in titles(figures.diamonds(angle=angle)).split("\n"):
            if "exactly 0" in line:
                zeros[line.split(":")[0]] += 1
    assert zeros["L1"] > 8
    assert zeros["L2"] == 0
    assert "no parameter is 0" in titles(figures.diamonds(angle=30, budget=2.5)).split("\n")[1], "inside the budget"


def test_zeros_are_counted_exactly() -> None:
    text = titles(explorer("coefficient_paths").function(position=1.0))
    assert "L2 (ridge), λ = 1e+03: 0 of 10 exactly 0" in text
    assert "L1 (lasso), λ = 1e+03: 10 of 10 exactly 0" in text


def test_sorted_rows_lack_classes() -> None:
    assert "3 in training, 1 in validation, 1 in test" in titles(figures.split_bar())
    assert "5 in training, 5 in validation, 5 in test" in titles(figures.split_bar(shuffled=True))


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"train_loss": 0.5, "val_loss": 0.9, "target": 0.2}, "underfitting"),
        ({"train_loss": 0.1, "val_loss": 0.3, "target": 0.2}, "overfitting"),
        ({"train_loss": 0.1, "val_loss": 0.12, "target": 0.2}, "neither"),
    ],
)
def test_the_chart_comes_to_the_diagnosis(values: dict[str, float], verdict: str) -> None:
    assert f"Diagnosis: {verdict}" in titles(figures.flow_chart(**values))


def test_the_best_step_is_marked() -> None:
    assert "one: best after 10 steps" in titles(explorer("loss_history").figure)
