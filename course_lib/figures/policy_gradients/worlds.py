"""Worlds to look at: arrows on a grid, a cart with its pole, and where a network looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, drawn, panels
from course_lib.kit import plots
from course_lib.kit.environments import MOVES, Tables, exact_gradient, expected_return, grid
from course_lib.kit.films import Film, film, snapshot
from course_lib.kit.rollouts import vector_env
from course_lib.kit.widgets import Slider, Toggle, interactive
from course_lib.policy_gradients.glimpses import PLACES, GlimpseNet

UPDATES, HORIZON = 60, 25


@lru_cache(maxsize=4)
def _lessons(slip: float, pit: bool) -> tuple[tuple[str, ...], Tables, list[np.ndarray], list[float]]:
    """The policy after each update by the exact gradient, and its expected return."""
    rows = ("S..X" if pit else "S...", ".##.", "...G")
    world = grid(rows, slip)
    theta = torch.zeros(world.states, 4, dtype=torch.float64)
    policies, returns = [], []
    for _ in range(UPDATES + 1):
        policies.append(theta.softmax(1).numpy())
        returns.append(float(expected_return(world, theta.softmax(1), HORIZON)))
        gradient = exact_gradient(world, theta, HORIZON)
        theta = theta + 0.6 * gradient / gradient.norm().clamp_min(0.6)
    return rows, world, policies, returns


@interactive(
    update=Slider(0, UPDATES, label="update", play=True),
    slip=Slider(0.0, 0.6, 0.1, "probability of slipping"),
    pit=Toggle("a pit in the corner"),
)
@drawn
def grid_world(update: int = 20, slip: float = 0.1, pit: bool = False) -> Figure:
    """A policy on a grid as it learns: an arrow for each move, as long as it is probable.

    Args:
        update: how many steps uphill have been taken.
        slip: probability that a move goes to one of the two sides.
        pit: whether the upper right corner is a pit that costs 10.

    Returns:
        The grid with arrows, and the expected return so far. Every move costs 1; an episode has 25 steps.

    Source: lecture 15, how do we specify what we want? L15.01, L15.05.
    """
    rows, world, policies, returns = _lessons(round(slip, 2), pit)
    figure, (left, right) = panels(2, width=8.8, height=3.6, width_ratios=(1.35, 1))
    height, width = len(rows), len(rows[0])
    left.grid(False)
    for state in range(world.states):
        row, column = divmod(state, width)
        sign = rows[row][column]
        look: dict[str, Any] = {"facecolor": "none", "edgecolor": GREY, "linewidth": 0.7}
        if sign in "#GX":
            look |= {"facecolor": {"#": GREY, "G": GREEN, "X": ORANGE}[sign], "alpha": 0.55}
        left.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **look))
        if sign in "SGX":
            word = {"S": "start", "G": "goal", "X": "pit"}[sign]
            left.text(column - 0.45, row - 0.34, word, color=GREY if sign == "S" else "black", fontsize=8)
        if sign in "#GX":
            continue
        for (down, along), probability in zip(MOVES, policies[update][state], strict=True):
            if probability > 0.02:
                left.annotate(
                    "",
                    (column + 0.46 * along * probability, row + 0.46 * down * probability),
                    (column, row),
                    arrowprops={"arrowstyle": "-|>", "color": BLUE, "linewidth": 0.6 + 1.8 * probability},
                )
    left.set(xlim=(-0.55, width - 0.45), ylim=(height - 0.45, -0.55), aspect="equal", xticks=[], yticks=[])
    left.set(title=f"after {update} updates", xlabel="column")
    right.plot(range(UPDATES + 1), returns, color=BLUE)
    right.plot(update, returns[update], "o", color=MARK)
    right.set(title=f"expected return {returns[update]:.1f}", xlabel="update", ylabel="J, sum of rewards")
    return figure


def _cart(axes: Axes) -> tuple[Rectangle, Any]:
    """Ground, cart and pole."""
    axes.grid(False)
    axes.axhline(0, color=GREY, linewidth=1)
    for end in (-2.4, 2.4):
        axes.axvline(end, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    body = Rectangle((-0.3, 0.0), 0.6, 0.28, facecolor=BLUE, edgecolor="none")
    axes.add_patch(body)
    (pole,) = axes.plot([], [], color=ORANGE, linewidth=5, solid_capstyle="round")
    axes.set(xlim=(-2.7, 2.7), ylim=(-0.12, 1.6), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return body, pole


def cartpole_film(policies: Mapping[str, Any], steps: int = 150, every: int = 2, seed: int = 0) -> Film:
    """Film policies on CartPole, one above the other, from the same kind of start.

    Args:
        policies: name, and an object whose `best` maps observations (1, 4) to actions (1,).
        steps: of each film, 0.02 seconds each. Who falls earlier starts anew, and the number of falls is shown.
        every: how many steps one frame stands for.
        seed: of the first position.

    Returns:
        A film that plays in the notebook.

    Source: lecture 15, what are policy gradients used for? L15.05.
    """
    tracks = []
    for policy in policies.values():
        env = vector_env("CartPole-v1", 1)
        seen, _ = env.reset(seed=seed)
        positions, falls, fallen = [], [], 0
        for _ in range(steps):
            positions.append(seen[0])
            falls.append(fallen)
            with torch.no_grad():
                action = policy.best(torch.from_numpy(np.array(seen)))
            seen, _, terminated, _, _ = env.step(action.numpy())
            fallen += int(terminated[0])
        tracks.append((positions, falls))
    with mpl.rc_context(plots.STYLE):
        figure, grid_of = panels(1, len(tracks), width=6.0, height=1.9 * len(tracks))
        parts = [_cart(axes) for axes in np.atleast_1d(grid_of)]
        frames = []
        for step in range(0, steps, every):
            for axes, name, (body, pole), (positions, falls) in zip(
                np.atleast_1d(grid_of), policies, parts, tracks, strict=True
            ):
                x, angle = float(positions[step][0]), float(positions[step][2])
                body.set_x(x - 0.3)
                pole.set_data([x, x + math.sin(angle)], [0.28, 0.28 + math.cos(angle)])
                axes.set_title(f"{name}: {0.02 * step:.1f} s, fallen {falls[step]} times")
            frames.append(snapshot(figure))
    return film(frames, 1 / (0.02 * every))


@drawn
def glimpse_map(net: GlimpseNet) -> Figure:
    """Where a glimpse network looks, for each cue.

    Args:
        net: from `course_lib.policy_gradients`.

    Returns:
        A heat map: a row for each cue, a column for each quarter, probabilities in the cells.

    Source: lecture 15, hard attention. L15.18.
    """
    with torch.no_grad():
        looks = net.where(torch.eye(PLACES)).softmax(1).numpy()
    figure, axes = panels(width=4.2, height=3.6)
    axes.grid(False)
    image = axes.imshow(looks, cmap="Blues", vmin=0, vmax=1)
    for (row, column), probability in np.ndenumerate(looks):
        axes.text(
            column, row, f"{probability:.2f}", ha="center", va="center", color="white" if probability > 0.5 else "black"
        )
    axes.set(title="where it looks", xlabel="quarter", ylabel="cue", xticks=range(PLACES), yticks=range(PLACES))
    figure.colorbar(image, ax=axes, label="probability")
    return figure
