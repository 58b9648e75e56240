"""Estimates of gradients: pulls of samples, weights of trajectories, credit for rewards, variance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.environments import bandit, chain, enumerate_trajectories
from course_lib.kit.widgets import Choice, Slider, interactive
from course_lib.policy_gradients.trajectories import softmax_scores

_REWARDS = {
    "x squared": lambda x: x**2,
    "a step at 1": lambda x: (x > 1).astype(float) * 4,
    "a hill at 2": lambda x: 4 * np.exp(-((x - 2) ** 2)),
}


@interactive(
    theta=Slider(-3.0, 3.0, 0.1, "θ, the mean"),
    reward=Choice(tuple(_REWARDS), "f"),
    samples=Slider(5, 200, label="samples"),
)
@drawn
def sampling_cloud(theta: float = 0.5, reward: str = "a step at 1", samples: int = 30) -> Figure:
    """Samples of a normal distribution, and how each of them pulls at its mean.

    Args:
        theta: the mean; the standard deviation is 1.
        reward: the function f, which need not have a derivative.
        samples: N.

    Returns:
        Two panels: the samples under f, the larger the more they pull; and the running mean of their pulls.

    Source: lecture 15, a convenient identity. L15.04.
    """
    f = _REWARDS[reward]
    x = theta + np.random.default_rng(0).normal(size=samples)
    pulls = f(x) * (x - theta)
    axis = np.linspace(-6, 6, 601)
    density = np.exp(-((axis - theta) ** 2) / 2) / np.sqrt(2 * np.pi)
    exact = float((f(axis) * (axis - theta) * density).sum() * (axis[1] - axis[0]))
    figure, (left, right) = panels(2, width=9.0, height=3.7)
    left.plot(axis, np.minimum(f(axis), 12), color=GREY, label="f(x)")
    left.fill_between(axis, 4 * density, color=BLUE, alpha=SHADE, label="density (× 4)")
    for side, colour, name in ((pulls > 0, GREEN, "pulls to the right"), (pulls <= 0, ORANGE, "pulls to the left")):
        left.scatter(x[side], np.zeros(side.sum()), s=8 + 12 * np.abs(pulls[side]), color=colour, alpha=0.6)
        left.plot([], [], "o", color=colour, alpha=0.6, label=name)
    left.axvline(theta, color=MARK, linewidth=1)
    left.set(title=f"{samples} samples around θ = {theta:.1f}", xlabel="x", ylabel="f(x)", xlim=(-6, 6), ylim=(-0.8, 9))
    left.legend(loc="upper left", fontsize=8)
    counts = np.arange(1, samples + 1)
    right.plot(counts, pulls.cumsum() / counts, color=BLUE, label="mean of f(x) (x − θ)")
    right.axhline(exact, color=MARK, linewidth=1, label="dE[f] / dθ")
    right.set(title=f"estimate {pulls.mean():.2f}, exact {exact:.2f}", xlabel="samples", ylabel="gradient")
    right.legend(loc="best", fontsize=8)
    return figure


@interactive(
    weighting=Choice(("maximum likelihood", "returns", "returns minus their mean", "minus the returns"), "weights"),
    goal=Slider(-2.0, 2.0, 0.1, "height of the goal"),
)
@drawn
def arrow_weighting(weighting: str = "returns minus their mean", goal: float = 1.0) -> Figure:
    """Ten trajectories, and how strongly each is made more or less likely.

    Args:
        weighting: which weight a trajectory gets.
        goal: where trajectories should end.

    Returns:
        Trajectories as wide as their weight is large, blue if pushed towards, orange if away; and the weights.

    Source: lecture 15, comparison to maximum likelihood, what did we just do? L15.06.
    """
    rng = np.random.default_rng(3)
    ends = np.linspace(-2, 2, 10) + 0.1 * rng.normal(size=10)
    time = np.linspace(0, 1, 40)
    returns = 5 - 2.0 * np.abs(ends - goal)
    weights = {
        "maximum likelihood": np.ones(10),
        "returns": returns,
        "returns minus their mean": returns - returns.mean(),
        "minus the returns": -returns,
    }[weighting]
    figure, (left, right) = panels(2, width=8.8, height=3.6)
    for number, (end, weight) in enumerate(zip(ends, weights, strict=True)):
        height = end * time**1.7 + 0.12 * np.sin(7 * time + number) * time * (1 - time)
        colour = BLUE if weight > 0 else ORANGE
        left.plot(time, height, color=colour, linewidth=0.6 + 1.1 * abs(weight), alpha=0.75)
        right.barh(end, weight, height=0.3, color=colour)
    left.plot(1.0, goal, "*", color=MARK, markersize=15, clip_on=False)
    left.set(title="more likely (blue), less likely (orange)", xlabel="time", ylabel="position", ylim=(-2.4, 2.4))
    right.axvline(0, color=GREY, linewidth=0.8)
    right.set(
        title=f"weights: {weighting}", xlabel="weight of the trajectory", ylabel="where it ends", ylim=(-2.4, 2.4)
    )
    return figure


@interactive(
    time=Slider(1, 12, label="time t of the action"),
    discount=Slider(0.5, 1.0, 0.05, "discount γ"),
    credit=Choice(("reward to go", "all rewards"), "credit"),
)
@drawn
def reward_to_go_highlight(time: int = 4, discount: float = 1.0, credit: str = "reward to go") -> Figure:
    """Rewards over time, and those that an action gets credit for. An episode ends after step 8; another one begins.

    Args:
        time: of the action, counted from 1.
        discount: gamma.
        credit: only rewards from then on, or all of its episode.

    Returns:
        The rewards as bars, those that count in blue, their discounted part strong.

    Source: lecture 15, causality. L15.08.
    """
    rewards = np.array([1.0, 0.5, -1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 2.0, -0.5, 1.0, 4.0])
    steps = np.arange(1, 13)
    inside = (steps <= 8) == (time <= 8)
    counted = inside & ((steps >= time) | (credit == "all rewards"))
    factors = np.where(counted, discount ** np.maximum(steps - time, 0), 0.0)
    figure, axes = panels(width=8.4, height=3.6)
    axes.bar(steps, rewards, color=GREY, alpha=0.3, label="rewards")
    axes.bar(steps, rewards * factors, color=BLUE, label="what is added up")
    axes.axvline(8.5, color=ORANGE, linestyle=(0, (4, 2)), linewidth=1.5, label="end of the episode")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.plot(time, -1.45, "^", color=MARK, markersize=10, label="the action", linestyle="none")
    axes.set(
        title=f"weight of the action at t = {time}: {(rewards * factors).sum():.2f}", xlabel="time t", ylabel="reward"
    )
    axes.set(xticks=steps, ylim=(-1.7, 4.4))
    axes.legend(loc="upper left", fontsize=8)
    return figure


@lru_cache(maxsize=32)
def _bandit_moments(tilt: float, offset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability, score of the last logit and reward of each action of a three-armed bandit."""
    world = bandit((offset, offset + 1.0, offset + 3.0))
    theta = torch.tensor([[0.0, 0.0, tilt], [0.0, 0.0, 0.0]], dtype=torch.float64)
    every = enumerate_trajectories(world, theta.softmax(1).numpy(), 1, last_state=False)
    scores = softmax_scores(theta, every.observations, every.actions)[0, :, 2]
    return every.probability.numpy(), scores.numpy(), every.rewards[0].numpy()


@interactive(
    baseline=Slider(-4.0, 12.0, 0.1, "baseline b"),
    tilt=Slider(-2.0, 2.0, 0.1, "logit of the best action"),
    offset=Slider(0.0, 6.0, 0.5, "added to all rewards"),
)
@drawn
def baseline_variance(baseline: float = 0.0, tilt: float = 1.0, offset: float = 3.0) -> Figure:
    """Mean and variance of the one-sample gradient, for every constant baseline, computed exactly.

    Args:
        baseline: b.
        tilt: logit of the third action; the others have 0.
        offset: a number that is added to the rewards 0, 1 and 3.

    Returns:
        The variance as a parabola over b, with the average return and the best b; and the three possible estimates.

    Source: lecture 15, baselines. L15.09.
    """
    probability, score, reward = _bandit_moments(round(tilt, 2), round(offset, 2))
    gradient = float((probability * score * reward).sum())
    squares = probability * score**2
    best = float((squares * reward).sum() / squares.sum())
    average = float((probability * reward).sum())

    def variance(b: np.ndarray) -> np.ndarray:
        return (squares[:, None] * (reward[:, None] - b) ** 2).sum(0) - gradient**2

    axis = np.linspace(-4, 12, 321)
    figure, (left, right) = panels(2, width=9.0, height=3.7)
    left.plot(axis, variance(axis), color=BLUE)
    for place, name, colour in ((average, "average return", ORANGE), (best, "best baseline", GREEN)):
        left.axvline(place, color=colour, linestyle=(0, (4, 2)), label=f"{name} {place:.2f}")
    here = float(variance(np.array([baseline]))[0])
    left.plot(baseline, here, "o", color=MARK)
    left.set(title=f"variance {here:.2f} at b = {baseline:.1f}", xlabel="baseline b", ylabel="variance of the estimate")
    left.set_ylim(0, float(variance(axis).max()) * 1.05)
    left.legend(loc="upper right", fontsize=8)
    estimates = score * (reward - baseline)
    right.bar(range(3), estimates, width=0.15 + 0.75 * probability, color=BLUE, alpha=0.75)
    right.axhline(gradient, color=MARK, linewidth=1.2, label=f"their mean: {gradient:.3f}, whatever b is")
    right.axhline(0, color=GREY, linewidth=0.8)
    right.set(title="the three estimates (width: probability)", xlabel="action that was sampled", ylabel="estimate")
    right.set(xticks=range(3))
    right.legend(loc="best", fontsize=8)
    return figure


@lru_cache(maxsize=8)
def _walk_variances(horizon: int) -> dict[str, float]:
    """Variance of the one-trajectory gradient on the chain, summed over parameters, for three kinds of weights."""
    world = chain(3)
    theta = torch.zeros(3, 2, dtype=torch.float64)
    every = enumerate_trajectories(world, theta.softmax(1).numpy(), horizon, last_state=False)
    scores = softmax_scores(theta, every.observations, every.actions).numpy()  # (T, M, K)
    rewards, p = every.rewards.numpy(), every.probability.numpy()
    later = rewards.sum(0) - np.vstack([np.zeros_like(p), rewards[:-1]]).cumsum(0)
    usual = (p * later).sum(1, keepdims=True)
    found = {}
    weights = {
        "all rewards": np.broadcast_to(rewards.sum(0), later.shape),
        "reward to go": later,
        "with a baseline": later - usual,
    }
    for name, weight in weights.items():
        single = np.einsum("tmk,tm->mk", scores, weight)
        mean = (p[:, None] * single).sum(0)
        found[name] = float((p[:, None] * (single - mean) ** 2).sum())
    return found


@interactive(
    batch=Slider(1.0, 1000.0, label="trajectories in a batch", log=True), horizon=Slider(2, 7, label="steps T")
)
@drawn
def variance_by_batch(batch: float = 20.0, horizon: int = 6) -> Figure:
    """Variance of the gradient against the size of the batch, computed by enumeration on a chain of three states.

    Args:
        batch: N, to the nearest whole number.
        horizon: T.

    Returns:
        Three straight lines of slope -1 in a double logarithmic plot.

    Source: lecture 15, policy gradient in practice. L15.17.
    """
    number, sizes = round(batch), np.logspace(0, 3, 50)
    figure, axes = panels(width=6.4, height=3.8)
    for (name, variance), colour, dash in zip(
        _walk_variances(horizon).items(), (ORANGE, BLUE, GREEN), ("-", (0, (5, 2)), (0, (1, 1.5))), strict=True
    ):
        axes.loglog(
            sizes,
            variance / sizes,
            color=colour,
            linestyle=dash,
            label=f"{name}: {variance / number:.2g} at N = {number}",
        )
        axes.plot(number, variance / number, "o", color=colour)
    axes.set(
        title=f"variance of the gradient, T = {horizon}", xlabel="trajectories N", ylabel="variance, all parameters"
    )
    axes.legend(loc="lower left", fontsize=8)
    return figure
