"""Small worlds, exactly: values on a grid, the variance of the gradient with several baselines, and mortality."""

from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, VIOLET, drawn, panels
from course_lib.kit.environments import MOVES, Tables, enumerate_trajectories, exact_values, grid, random_world
from course_lib.kit.widgets import Slider, Toggle, interactive

_ROWS = ("S...", ".#X.", "...G")


@cache
def _grid(slip: float) -> tuple[Tables, np.ndarray]:
    """The world, and its best policy by value iteration, with probabilities 0 and 1, shape (S, 4)."""
    world = grid(_ROWS, slip=slip)
    v = np.zeros(world.states)
    for _ in range(300):
        v = (world.r + 0.99 * world.P @ v).max(1)
    return world, np.eye(4)[(world.r + 0.99 * world.P @ v).argmax(1)]


@interactive(
    gamma=Slider(0.0, 0.99, 0.01, "discount γ"),
    skill=Slider(0.0, 1.0, 0.05, "skill of the policy"),
    slip=Slider(0.0, 0.6, 0.05, "chance of slipping"),
)
@drawn
def grid_values(gamma: float = 0.95, skill: float = 0.3, slip: float = 0.1) -> Figure:
    """Values and advantages of a policy on a grid: every step costs 1, the pit another 10, and the goal ends it.

    Args:
        gamma: discount factor.
        skill: 0 is a policy that does anything, 1 the best one; between them, a mixture.
        slip: probability that a move goes to one side.

    Returns:
        Two panels: V with the policy as arrows, and the advantage of each action.

    Source: lecture 16, state and state-action value functions. L16.01, L16.08.
    """
    world, best = _grid(slip)
    policy = (1 - skill) / 4 + skill * best
    v = exact_values(world, policy, gamma)
    advantage = world.r + gamma * world.P @ v - v[:, None]
    figure, (left, right) = panels(2, width=9.4, height=3.6)
    shown = np.ma.masked_array(v, [cell in "#GX" for row in _ROWS for cell in row]).reshape(3, 4)
    left.imshow(shown, cmap="cividis", vmin=min(v.min(), -1.0), vmax=0.0)
    for axes in (left, right):
        axes.set(xticks=range(4), yticks=range(3), xlabel="column", ylabel="row", xlim=(-0.5, 3.5), ylim=(2.5, -0.5))
        axes.set_aspect("equal")
        axes.grid(False)
        for state, cell in enumerate("".join(_ROWS)):
            row, column = divmod(state, 4)
            if cell in "#GX":
                name, colour = {"#": ("wall", GREY), "G": ("goal", GREEN), "X": ("pit", ORANGE)}[cell]
                axes.text(column, row, name, color=colour, ha="center", va="center", fontweight="bold")
    largest = max(1e-9, float(np.abs(advantage).max()))
    for state, cell in enumerate("".join(_ROWS)):
        if cell in "#GX":
            continue
        row, column = divmod(state, 4)
        bright = v[state] > 0.55 * min(v.min(), -1.0)
        ink = "black" if bright else "white"
        left.text(column, row, f"{v[state]:.1f}", ha="center", va="center", fontsize=8.5, color=ink)
        for action, (down, across) in enumerate(MOVES):
            begin = 0.29 if across else 0.16  # the number is wider than high
            _arrow(left, row, column, down, across, (0.49 - begin) * policy[state, action], ink, begin)
            gain = advantage[state, action]
            _arrow(right, row, column, down, across, 0.42 * abs(gain) / largest, BLUE if gain > 0 else ORANGE, 0.04)
    left.set_title(f"V, and what the policy does; V(start) = {v[0]:.1f}")
    right.set_title(f"A: blue better, orange worse than average (longest {largest:.1f})")
    return figure


def _arrow(axes: Axes, row: int, column: int, down: int, across: int, length: float, colour: str, begin: float) -> None:
    if length > 0.012:
        start = (column + begin * across, row + begin * down)
        end = (start[0] + length * across, start[1] + length * down)
        axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.5,
                      "shrinkA": 0, "shrinkB": 0})  # fmt: skip


@interactive(offset=Slider(-4.0, 4.0, 0.5, "added to every reward"), steps=Slider(1, 4, label="steps of an episode"))
@drawn
def baseline_bars(offset: float = 2.0, steps: int = 3) -> Figure:
    """The variance of the one-episode policy gradient on a world of three states, computed over all trajectories.

    Args:
        offset: added to every reward, which changes no policy's rank.
        steps: length of an episode.

    Returns:
        One bar for each weight of grad log pi: what it costs not to know what to expect.

    Source: lecture 16, what about the baseline. L16.02.
    """
    names = ("total\nreward", "reward\nto go", "to go −\nconstant", "to go −\nV(s)", "A(s, a)")
    variances = _variances(offset, steps)
    figure, axes = panels(width=7.0, height=3.6)
    bars = axes.bar(names, variances, color=[GREY, ORANGE, VIOLET, BLUE, GREEN], alpha=0.85)
    axes.bar_label(bars, [f"{value:.2f}" for value in variances], color=GREY, padding=2)
    axes.set(ylabel="total variance of the gradient", xlabel="weight of ∇ log π", ylim=(0, 1.2 * max(variances)))
    axes.set_title(f"With V(s) as baseline: {variances[3] / variances[1]:.0%} of the variance without; the same mean")
    axes.grid(axis="x", visible=False)
    return figure


@cache
def _variances(offset: float, steps: int) -> list[float]:
    world = random_world(3, 2, seed=5)
    theta = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 2)))
    policy = theta.softmax(1)
    paths = enumerate_trajectories(world, policy.numpy(), steps, last_state=False)
    rewards = paths.rewards + offset  # (T, N)
    p, r = torch.from_numpy(world.P), torch.from_numpy(world.r) + offset
    q, v = [], [torch.zeros(3, dtype=torch.float64)]  # of the last step first
    for _ in range(steps):
        q.append(r + p @ v[-1])
        v.append((policy * q[-1]).sum(1))
    chance = paths.probability / paths.probability.sum()
    to_go = rewards.flip(0).cumsum(0).flip(0)
    state_value = torch.stack([v[steps - t][paths.states[t]] for t in range(steps)])
    action_value = torch.stack([q[steps - 1 - t][paths.states[t], paths.actions[t]] for t in range(steps)])
    constant = (chance * to_go).sum(1, keepdim=True).mean(0, keepdim=True)
    score = torch.nn.functional.one_hot(paths.actions, 2) - policy[paths.states]  # (T, N, A), at the row of the state
    rows = torch.nn.functional.one_hot(paths.states, 3).double()  # (T, N, S)
    found = []
    for weight in (
        to_go[:1].expand_as(to_go),
        to_go,
        to_go - constant,
        to_go - state_value,
        action_value - state_value,
    ):
        gradient = torch.einsum("tn,tns,tna->nsa", weight, rows, score).flatten(1)
        mean = chance @ gradient
        found.append(float(chance @ (gradient - mean).square().sum(1)))
    return found


@interactive(gamma=Slider(0.5, 0.98, 0.02, "chance γ to live on"), log=Toggle("logarithmic"))
@drawn
def death(gamma: float = 0.9, log: bool = False) -> Figure:
    """A thousand walkers who earn 1 a step and live on with probability gamma: survival is discounting.

    Args:
        gamma: probability of living on.
        log: draw the share of the living on a logarithmic axis.

    Returns:
        Two panels: who is alive, and what was earned in a life.

    Source: lecture 16, gamma changes the MDP. L16.08.
    """
    lives = np.random.default_rng(0).geometric(1 - gamma, size=1000)  # steps that were paid
    time = np.arange(0, 61)
    figure, (left, right) = panels(2, width=9.0, height=3.5)
    alive = (lives[None] > time[:, None]).mean(1)
    left.plot(time, np.where(alive > 0, alive, np.nan), drawstyle="steps-post", color=BLUE, label="alive")
    left.plot(time, gamma**time, color=MARK, ls="--", label="γᵗ")
    left.set(xlabel="step t", ylabel="share that earns its reward", title="Who is still there")
    if log:
        left.set(yscale="log", ylim=(1e-3, 1.3))
    left.legend()
    bins = np.arange(0.5, 62.5, 2.0)
    right.hist(np.clip(lives, 0, 61), bins=list(bins), color=BLUE, alpha=0.7)
    right.axvline(lives.mean(), color=ORANGE, label=f"mean of the plain sums: {lives.mean():.1f}")
    right.axvline(1 / (1 - gamma), color=MARK, ls="--", label=f"1 / (1 − γ) = {1 / (1 - gamma):.1f}")
    right.set(
        xlabel="rewards of a life (60 and more in the last bar)", ylabel="walkers", title="Sums of a thousand lives"
    )
    right.legend()
    return figure
