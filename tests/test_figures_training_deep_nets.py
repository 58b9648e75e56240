"""Every figure of the notebook on training deep nets, at its defaults and at both ends of each control."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from functools import partial
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autograder.curriculum import load_curriculum
from course_lib.figures import training_deep_nets as figures
from course_lib.kit.widgets import Explorer, explore, figure_png
from course_lib.training_deep_nets import SLIDE_TABLE

SOLUTION = load_curriculum().root / "solutions" / "02_backprop" / "training_deep_nets.py"
ASKED_FOR = set(re.findall(r'^# %% exercise="(\w+)"', SOLUTION.read_text(encoding="utf-8"), re.MULTILINE))
ROUNDS = {
    "coarse": [
        ({"rate": 1e-3, "decay": 0.1}, 0.5),
        ({"rate": 0.1, "decay": 1e-4}, 0.9),
        ({"rate": 5.0, "decay": 0.01}, nan),
    ],
    "fine": [({"rate": 0.05, "decay": 0.01}, 0.93), ({"rate": 0.2, "decay": 1e-4}, 0.95)],
}


def explorer(name: str) -> Explorer:
    function = getattr(figures, name)
    if name == "accuracy_bars":
        return explore(partial(function, {"one net": [0.9, 0.92], "ensemble": [0.93, 0.95]}, SLIDE_TABLE))
    if name == "trials_plane":
        return explore(partial(function, ROUNDS, "rate", "decay"))
    return explore(function)


def corners() -> Iterator[Any]:
    for name in figures.__all__:
        for number, values in enumerate(explorer(name).corners()):
            yield pytest.param(name, values, id=f"{name}-{number}")


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
        assert axes.get_xlabel(), f"{axes.get_title()!r} has no label below"


def test_figures_need_no_exercise() -> None:
    """In the student edition the exercises are stubs, and the figures stand above them."""
    for path in Path(figures.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib.training_deep_nets"):
                assert not {alias.name for alias in node.names} & ASKED_FOR, path.name


def test_small_weights_let_the_signal_die() -> None:
    def title(gain: float, activation: str) -> str:
        return figures.statistics_by_depth(gain, activation, 10).axes[0].get_title()

    def at_the_end(gain: float, activation: str) -> float:
        return float(title(gain, activation).split()[1])

    assert at_the_end(0.25, "tanh") < 1e-4
    assert 0.5 < at_the_end(1.0, "none (linear)") < 2
    assert at_the_end(2.0, "none (linear)") > 100
