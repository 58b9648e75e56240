"""Every figure of the notebook on policy gradients, at its defaults and at both ends of each control; the film."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.figures import policy_gradients as figures
from course_lib.kit.films import film
from course_lib.kit.live import LiveCurve
from course_lib.kit.widgets import explore, figure_png
from course_lib.policy_gradients import GlimpseNet, cartpole_policy

# What the notebook asks for; in the student edition these are stubs, and the figures stand above them.
ASKED_FOR = {
    "gaussian_logprob", "hard_attention_loss", "importance_estimate", "leave_one_out", "natural_gradient_step",
    "off_policy_gradient", "optimal_baseline", "per_step_gradient", "pg_loss", "reinforce_gradient", "reward_to_go",
    "sample_trajectories", "score_function_gradient", "surrogate_loss", "train_reinforce", "trajectory_logprob",
}  # fmt: skip
EXPLORED = [name for name in figures.__all__ if name not in ("cartpole_film", "glimpse_map")]


def corners() -> Iterator[Any]:
    for name in EXPLORED:
        for number, values in enumerate(explore(getattr(figures, name)).corners()):
            yield pytest.param(name, values, id=f"{name}-{number}")


@pytest.mark.parametrize(("name", "values"), list(corners()))
def test_every_figure_draws_with_titles_and_labels(name: str, values: dict[str, Any]) -> None:
    figure = getattr(figures, name)(**values)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        picture = np.asarray(Image.open(io.BytesIO(figure_png(figure, pixels_per_inch=40))).convert("RGBA"))
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all(), "the page has to show through"
    assert (picture[..., 3] > 0).mean() > 0.01, "nothing is drawn"
    for axes in figure.axes:
        assert axes.get_title(), "a panel has no title"
        assert axes.get_xlabel(), f"{axes.get_title()!r} has no label below"


def test_figures_need_no_exercise() -> None:
    for path in Path(figures.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib.policy_gradients"):
                assert not {alias.name for alias in node.names} & ASKED_FOR, path.name


def number_after(text: str, words: str) -> float:
    return float(text.split(words)[1].split()[0].rstrip(",%"))


def test_the_policy_on_the_grid_learns() -> None:
    found = [
        number_after(figures.grid_world(update).axes[1].get_title().replace("\N{MINUS SIGN}", "-"), "return ")
        for update in (0, 10, 60)
    ]
    assert found[0] < found[1] < found[2]
    assert found[2] > -6.5


def test_credit_stops_at_the_end_of_the_episode() -> None:
    assert figures.reward_to_go_highlight(4).axes[0].get_title().endswith("6.50")  # 0.5 + 2 + 0 + 1 + 3
    assert figures.reward_to_go_highlight(4, credit="all rewards").axes[0].get_title().endswith("7.00")
    assert figures.reward_to_go_highlight(11).axes[0].get_title().endswith("5.00")
    assert figures.reward_to_go_highlight(7, discount=0.5).axes[0].get_title().endswith("2.50")


def test_the_best_baseline_is_the_lowest_point() -> None:
    (line,) = [line for line in figures.baseline_variance().axes[0].lines if len(line.get_xdata()) > 100]
    best = next(
        text.get_text()
        for text in figures.baseline_variance().axes[0].get_legend().get_texts()
        if "best" in text.get_text()
    )
    assert line.get_xdata()[np.argmin(line.get_ydata())] == pytest.approx(number_after(best, "baseline "), abs=0.06)


def test_weights_degenerate_with_the_horizon() -> None:
    sizes = [number_after(figures.weights_by_horizon(t).axes[1].get_title(), "size ") for t in (1, 30, 100)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert number_after(figures.weights_by_horizon(100, 0.0).axes[1].get_title(), "size ") == 1000


def test_every_weight_has_its_bar() -> None:
    for horizon, difference in ((1, 0.1), (50, 0.1), (100, 0.3), (30, 0.0)):
        bars = figures.weights_by_horizon(horizon, difference).axes[0].patches
        assert sum(bar.get_height() for bar in bars) == 1000
        edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars)
        assert all(right < left for (_, right), (left, _) in pairwise(edges))
        assert len(bars) <= horizon + 1


def test_the_size_of_a_batch_is_a_whole_number() -> None:
    (axes,) = figures.variance_by_batch(19.952623149688797).axes
    assert all(text.get_text().endswith("at N = 20") for text in axes.get_legend().get_texts())


def test_equal_densities_have_equal_weights() -> None:
    assert "200 of 200" in figures.two_densities(0.0, 1.0).axes[1].get_title()


def test_the_surrogate_is_exact_at_the_old_policy() -> None:
    assert ": 0 % wrong" in figures.surrogate_bias(0.0).axes[0].get_title()


def test_the_natural_step_gains_no_less() -> None:
    for first in (-4.0, 0.0, 4.0):
        title = figures.kl_ball(first, 0.0, 0.005).axes[0].get_title()
        assert number_after(title, "gains ") >= 0.99


def test_the_film_plays() -> None:
    policy = cartpole_policy(torch.Generator().manual_seed(0))
    found = figures.cartpole_film({"before": policy, "after": policy}, steps=20)
    picture = Image.open(io.BytesIO(found._repr_png_()))
    assert (picture.n_frames, found.frames) == (10, 10)
    assert found.seconds == pytest.approx(0.4)
    first = np.asarray(picture.convert("RGBA"))
    picture.seek(9)
    assert (np.asarray(picture.convert("RGBA")) != first).any(), "nothing moves"
    assert first[0, 0, 3] == 0, "the page has to show through"


def test_a_film_keeps_its_frames_apart() -> None:
    """A frame must not show what an earlier one drew elsewhere."""
    frames = [np.zeros((4, 4, 4), dtype=np.uint8) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[number, number] = 255
    picture = Image.open(io.BytesIO(film(frames).png))
    for number in range(3):
        picture.seek(number)
        assert np.array_equal(np.asarray(picture.convert("RGBA")), frames[number])


def test_the_glimpse_map_has_a_row_for_each_cue() -> None:
    figure = figures.glimpse_map(GlimpseNet(torch.Generator().manual_seed(0)))
    assert len(figure.axes[0].texts) == 16
    assert figure.axes[0].get_title()


class Shown:
    """What stands in a notebook in place of a display."""

    def __init__(self) -> None:
        self.contents: list[object] = []

    def display(self, content: object, display_id: bool) -> Shown:
        assert display_id
        self.contents.append(content)
        return self

    def update(self, content: object) -> None:
        self.contents.append(content)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    found = Shown()
    monkeypatch.setattr("IPython.display.display", found.display)
    return found


def watched(every: float = 0.0) -> LiveCurve:
    live = LiveCurve("Learning", "batch", "mean return", every)
    live._seen = True
    return live


def test_a_live_curve_is_taken_away_at_the_end(shown: Shown) -> None:
    with watched() as live:
        for update in range(3):
            live(update, update / 2)
    *drawings, last = shown.contents
    assert [len(drawing.axes[0].lines[0].get_xdata()) for drawing in drawings] == [1, 2, 3]
    assert last.data == ""
    live.close()  # nothing is left to be taken away
    assert len(shown.contents) == 4


def test_a_live_curve_stays_where_the_training_was_stopped(shown: Shown) -> None:
    live = watched()

    def stopped() -> None:
        with live:
            live(0, 1.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert len(shown.contents) == 1


def test_a_live_curve_is_not_drawn_at_every_call(shown: Shown) -> None:
    with watched(every=1e6) as live:
        for update in range(5):
            live(update, 0.0)
    assert len(shown.contents) == 2  # the first drawing, and its end


def test_nobody_watches_and_nothing_is_shown(shown: Shown) -> None:
    with LiveCurve("Learning", "batch", "mean return") as live:
        live(0, 1.0)
    assert not shown.contents


def test_a_live_curve_keeps_its_numbers() -> None:
    live = LiveCurve("Learning", "batch", "mean return")
    for update in range(3):
        live(update, update / 2)
    assert live.values == [0.0, 0.5, 1.0]
    assert live.figure.axes[0].get_ylabel() == "mean return"
