"""Other policies' data: densities and weights, weights over the horizon, the surrogate's bias, the KL ball."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.environments import chain, enumerate_trajectories, exact_gradient
from course_lib.kit.widgets import Slider, interactive
from course_lib.policy_gradients.trajectories import softmax_scores


def _normal(x: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))


@interactive(
    shift=Slider(-3.0, 3.0, 0.1, "mean of q"),
    deviation=Slider(0.3, 3.0, 0.1, "deviation of q"),
)
@drawn
def two_densities(shift: float = 1.0, deviation: float = 1.0) -> Figure:
    """Samples of q, weighted so that they stand for p.

    Args:
        shift: mean of q; p is the standard normal.
        deviation: standard deviation of q.

    Returns:
        Two densities with 200 samples of q, each as high as its weight; and the estimate of E_p[x^2] = 1.

    Source: lecture 15, importance sampling. L15.11.
    """
    x = shift + deviation * np.random.default_rng(0).normal(size=200)
    weights = _normal(x, 0.0, 1.0) / _normal(x, shift, deviation)
    size = weights.sum() ** 2 / (weights**2).sum()
    axis = np.linspace(-7, 7, 400)
    figure, (left, right) = panels(2, width=9.0, height=3.6)
    left.fill_between(axis, _normal(axis, 0, 1), color=BLUE, alpha=SHADE, label="p, where the mean is wanted")
    left.plot(axis, _normal(axis, shift, deviation), color=ORANGE, label="q, where samples come from")
    left.plot(x, np.zeros_like(x), "|", color=ORANGE, markersize=9)
    left.set(title="two densities", xlabel="x", ylabel="density", xlim=(-7, 7))
    left.legend(loc="upper left", fontsize=8)
    right.vlines(x, 0, weights, color=BLUE, linewidth=1)
    right.axhline(1, color=GREY, linewidth=0.8)
    estimate = (weights * x**2).mean()
    right.set(
        title=f"estimate {estimate:.2f} (true 1), {size:.0f} of 200 samples count", xlabel="x", ylabel="weight p / q"
    )
    right.set(xlim=(-7, 7), ylim=(0, max(2.0, float(weights.max()) * 1.05)))
    return figure


@interactive(
    horizon=Slider(1, 100, label="steps T", play=True),
    difference=Slider(0.0, 0.3, 0.01, "difference of the two policies"),
)
@drawn
def weights_by_horizon(horizon: int = 50, difference: float = 0.1) -> Figure:
    """The weights of 1,000 trajectories when two policies differ a little at each step.

    Args:
        horizon: T.
        difference: the old policy takes either of two actions with probability 1/2, the new one with 1/2 +-
            difference.

    Returns:
        A histogram of the weights (logarithmic), and the effective sample size against T with its expected decay.

    Source: lecture 15, the off-policy policy gradient: exponential in T. L15.12.
    """
    rng = np.random.default_rng(0)
    up = rng.random((100, 1000)) < 0.5
    logs = np.cumsum(np.where(up, np.log1p(2 * difference), np.log1p(-2 * difference)), axis=0)
    weights = np.exp(logs - logs.max(1, keepdims=True))
    sizes = weights.sum(1) ** 2 / (weights**2).sum(1)
    figure, (left, right) = panels(2, width=9.0, height=3.6)
    # A weight says how many of the T actions were the first one: equally spaced logarithms, and a bar for each.
    places, counts = np.unique((logs[horizon - 1] / np.log(10)).round(6), return_counts=True)
    spacing = np.log10((1 + 2 * difference) / (1 - 2 * difference))
    left.bar(places, counts, width=0.85 * max(spacing, 0.02), color=BLUE)
    share = np.sort(weights[horizon - 1])[-10:].sum() / weights[horizon - 1].sum()
    left.set(title=f"T = {horizon}: ten of 1,000 have {share:.0%} of the weight", xlabel="log₁₀ of the weight")
    left.set_ylabel("trajectories")
    times = np.arange(1, 101)
    right.semilogy(times, sizes, color=BLUE, label="of these 1,000")
    decay = 1000 / (1 + 4 * difference**2) ** times
    right.semilogy(times, np.maximum(decay, 1), color=GREY, linestyle=(0, (4, 2)), label="expected: 1,000 / E[w²]")
    right.plot(horizon, sizes[horizon - 1], "o", color=MARK)
    right.set(title=f"effective sample size {sizes[horizon - 1]:.0f}", xlabel="steps T", ylabel="samples that count")
    right.set_ylim(0.8, 1500)
    right.legend(loc="lower left", fontsize=8)
    return figure


@lru_cache(maxsize=1)
def _surrogate() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """KL divergence, and relative errors of the surrogate's and of the uncorrected gradient, for each step."""
    world = chain(4, slip=0.2)
    old = torch.zeros(4, 2, dtype=torch.float64)
    every = enumerate_trajectories(world, old.softmax(1).numpy(), 6, last_state=False)
    rewards = every.rewards
    later = rewards.sum(0) - torch.cat([torch.zeros_like(rewards[:1]), rewards[:-1]]).cumsum(0)
    direction = torch.tensor([[-1.0, 1.0]] * 4, dtype=torch.float64)
    kl: list[float] = []
    errors: list[float] = []
    naive: list[float] = []
    for step in np.linspace(0.0, 1.5, 61):
        new = old + step * direction
        truth = exact_gradient(world, new, 6).flatten()
        scores = softmax_scores(new, every.observations, every.actions)
        ratios = (new.log_softmax(1) - old.log_softmax(1))[every.observations, every.actions].exp()
        for record, weight in ((errors, ratios * later), (naive, later)):
            estimate = torch.einsum("m,tm,tmk->k", every.probability, weight, scores)
            record.append(float((estimate - truth).norm() / truth.norm()))
        logs, new_logs = old.log_softmax(1)[0], new.log_softmax(1)[0]
        kl.append(float((logs.exp() * (logs - new_logs)).sum()))
    return np.array(kl), np.array(errors), np.array(naive)


@interactive(step=Slider(0.0, 1.5, 0.025, "length of the step"))
@drawn
def surrogate_bias(step: float = 0.5) -> Figure:
    """How wrong the first-order gradient is, against the KL divergence of the two policies; all by enumeration.

    Args:
        step: how far the logits of the new policy are from those of the old one.

    Returns:
        Relative errors of the gradient with one ratio a step, and without any.

    Source: lecture 15, a first-order approximation. L15.14.
    """
    kl, errors, naive = _surrogate()
    here = round(step / 0.025)
    figure, axes = panels(width=6.4, height=3.7)
    axes.plot(kl, 100 * naive, color=ORANGE, linestyle=(0, (5, 2)), label="no correction")
    axes.plot(kl, 100 * errors, color=BLUE, label="one ratio a step")
    axes.plot(kl[here], 100 * errors[here], "o", color=MARK)
    title = f"KL {kl[here]:.3f}: {100 * errors[here]:.0f} % wrong, uncorrected {100 * naive[here]:.0f} %"
    axes.set(
        title=title, xlabel="KL divergence of the policies (nats)", ylabel="error of the gradient (%)", ylim=(0, 200)
    )
    axes.legend(loc="center right", fontsize=8)
    return figure


@interactive(
    first=Slider(-4.0, 4.0, 0.2, "logit of state 1"),
    second=Slider(-4.0, 4.0, 0.2, "logit of state 2"),
    delta=Slider(0.005, 0.1, 0.005, "δ, the KL budget (nats)"),
)
@drawn
def kl_ball(first: float = -3.0, second: float = 1.0, delta: float = 0.05) -> Figure:
    """Two steps of equal cost in KL divergence: along the gradient, and along the natural gradient.

    Args:
        first: how much the policy prefers the better action in state 1, as a logit.
        second: the same in state 2.
        delta: how far the policy may move, in nats.

    Returns:
        Contours of the return over the two logits, the set of policies at KL divergence delta, and both steps.

    Source: lecture 15, trust region policy optimization. L15.19.
    """

    def probability(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    here = np.array([first, second])
    p = probability(here)
    value = np.array([1.0, 1.5])  # what the better action earns in each state
    gradient = 0.5 * value * p * (1 - p)
    fisher = 0.5 * p * (1 - p)
    ways = {"gradient": gradient, "natural gradient": gradient / fisher}

    def kl(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        total = np.zeros(np.broadcast(x, y).shape)
        for old, z in zip(p, (x, y), strict=True):
            new = np.clip(probability(z), 1e-12, 1 - 1e-12)
            total = total + 0.5 * (old * np.log(old / new) + (1 - old) * np.log((1 - old) / (1 - new)))
        return total

    figure, axes = panels(width=6.4, height=4.6)
    side = np.linspace(-6.5, 6.5, 161)
    x, y = np.meshgrid(side, side)
    levels = axes.contour(
        x, y, 0.5 * (value[0] * probability(x) + value[1] * probability(y)), 12, colors=GREY, linewidths=0.7
    )
    axes.clabel(levels, fontsize=7)
    axes.contour(x, y, kl(x, y), [delta], colors=[MARK], linewidths=1.6)
    said = []
    for (name, direction), colour, style in zip(ways.items(), (ORANGE, BLUE), ("--", "-"), strict=True):
        low, high = 0.0, 1.0
        unit = direction / np.linalg.norm(direction)
        while kl(*(here + high * unit)) < delta and high < 64:
            high *= 2
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if kl(*(here + middle * unit)) < delta else (low, middle)
        end = here + low * unit
        axes.annotate(
            "", end, here, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2, "linestyle": style}
        )
        gain = float(0.5 * (value * (probability(end) - p)).sum())
        axes.plot([], [], color=colour, linestyle=style, label=f"{name}: gains {gain:.4f}")
        said.append(gain)
    axes.plot(*here, "o", color=GREEN)
    axes.plot([], [], color=MARK, label="KL divergence = δ")
    axes.set(
        title=f"equal cost; the natural step gains {said[1] / said[0]:.2f} times as much", xlabel="logit of state 1"
    )
    axes.set(ylabel="logit of state 2", xlim=(-6.5, 6.5), ylim=(-6.5, 6.5))
    axes.legend(loc="lower left", fontsize=8)
    return figure
