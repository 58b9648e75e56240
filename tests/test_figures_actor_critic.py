"""Every figure of the notebook on actor-critic, at its defaults and at both ends of each control."""

from __future__ import annotations

import ast
import io
import random
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from course_lib.actor_critic import TDGammonLite
from course_lib.figures import actor_critic as figures
from course_lib.kit.widgets import Explorer, explore, figure_png

ASKED_FOR = {
    "SharedAC", "TDGammonLite", "advantage_pg", "batch_actor_critic", "death_state", "discounted_return",
    "exact_q_v_a", "fit_value", "gae", "joint_loss", "mc_targets", "online_ac_step", "td_advantage", "td_targets",
}  # fmt: skip
INTERACTIVE = [name for name in figures.__all__ if name not in ("POSITIONS", "learning_bands")]


def explorer(name: str) -> Explorer:
    function = getattr(figures, name)
    if name == "board_values":
        player = TDGammonLite()
        player.play(200, 0.5, random.Random(0))
        return explore(partial(function, player.value))
    return explore(function)


def corners() -> Iterator[Any]:
    for name in INTERACTIVE:
        for number, values in enumerate(explorer(name).corners()):
            yield pytest.param(name, values, id=f"{name}-{number}")


def assert_drawn(figure: Any) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        picture = np.asarray(Image.open(io.BytesIO(figure_png(figure, pixels_per_inch=40))).convert("RGBA"))
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all(), "the page has to show through"
    assert (picture[..., 3] > 0).mean() > 0.01, "nothing is drawn"
    for axes in figure.axes:
        assert axes.get_title(), "a panel has no title"
        assert axes.get_xlabel(), f"{axes.get_title()!r} has no label below"


@pytest.mark.parametrize(("name", "values"), list(corners()))
def test_every_figure_draws_with_titles_and_labels(name: str, values: dict[str, Any]) -> None:
    assert_drawn(explorer(name).function(**values))


def test_figures_need_no_exercise() -> None:
    """In the student edition the exercises are stubs, and the figures stand above them."""
    for path in Path(figures.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib.actor_critic"):
                assert not {alias.name for alias in node.names} & ASKED_FOR, path.name


def number_in(text: str) -> float:
    found = re.search(r"[-+]?\d+(\.\d+)?", text)
    assert found is not None, text
    return float(found.group())


def test_a_better_policy_is_worth_more() -> None:
    starts = [
        number_in(figures.grid_values(skill=skill).axes[0].get_title().split("=")[1]) for skill in (0.0, 0.5, 1.0)
    ]
    assert starts == sorted(starts)


def test_the_variance_with_v_as_baseline_does_not_care_about_the_offset() -> None:
    heights = [
        [bar.get_height() for bar in figures.baseline_bars(offset=offset).axes[0].patches]
        for offset in (-4.0, 0.0, 4.0)
    ]
    for position in (3, 4):  # V(s), and the exact advantage
        assert np.ptp([row[position] for row in heights]) < 1e-9
    assert heights[2][1] > 5 * heights[1][1], "without a baseline it does"


def test_td_errors_of_the_exact_critic_average_to_nothing() -> None:
    """Over thirty walks, one error each time the walk begins: mean 0, standard error about 0.05 (fixed seeds)."""
    first = [figures.td_errors(walk=walk).axes[1].patches[0].get_height() for walk in range(31)]
    assert abs(np.mean(first)) < 0.15


def test_weights_of_gae_sum_to_one_over_n_step_advantages() -> None:
    for lam in (0.0, 0.5, 1.0):
        assert sum(bar.get_height() for bar in figures.gae_weights(lam=lam).axes[1].patches) == pytest.approx(1)


def test_bands_over_seeds() -> None:
    runs = {"one": [[(0, 10), (100, 400)], [(0, 20), (200, 500)]], "other": [[(0, 1), (300, 2)]]}
    losses = {"critic": [[(step, 1 + step) for step in range(0, 300, 10)]]}
    assert_drawn(figures.learning_bands(runs, bar=450, losses=losses))
    alone = figures.learning_bands({"one": runs["one"]})
    assert_drawn(alone)
    assert alone.axes[0].get_title() == "Median and range of 2 seeds"
