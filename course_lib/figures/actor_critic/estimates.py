"""Estimating V from samples on a chain: intervals, TD errors of a walk, Monte Carlo beside bootstrapping, and GAE."""

import itertools
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.environments import Tables, chain, exact_values
from course_lib.kit.widgets import Choice, Slider, interactive

_LENGTH = 6  # states; the last one ends the episode and pays 1
_GAMMA = 0.9


@cache
def _world() -> tuple[Tables, np.ndarray, np.ndarray]:
    """The chain, the chance to go right from each state, and the exact V of a policy that prefers to go right."""
    world = chain(_LENGTH, slip=0.0)
    policy = np.tile([0.4, 0.6], (_LENGTH, 1))
    return world, policy[:, 1], exact_values(world, policy, _GAMMA)


def _walk(rng: np.random.Generator, starts: np.ndarray, longest: int = 400) -> np.ndarray:
    """States of many walks at once, shape (longest + 1, N); who has arrived stays."""
    _, right, _ = _world()
    states = [starts]
    for _ in range(longest):
        here = states[-1]
        step = np.where(rng.random(len(here)) < right[here], 1, -1)
        states.append(np.where(here == _LENGTH - 1, here, np.clip(here + step, 0, _LENGTH - 1)))
        if (states[-1] == _LENGTH - 1).all():
            break
    return np.array(states)


@interactive(episodes=Slider(2, 200, 2, "episodes from each state"), draw=Slider(0, 20, label="another draw"))
@drawn
def value_estimates(episodes: int = 20, draw: int = 0) -> Figure:
    """Monte Carlo estimates of V on a chain, from a simulator that can be reset to any state.

    Args:
        episodes: how many begin in each state.
        draw: seed.

    Returns:
        Exact values, estimates, and 95 % intervals.

    Source: lecture 16, Monte Carlo policy evaluation. L16.03.
    """
    _, _, exact = _world()
    rng = np.random.default_rng(draw)
    figure, axes = panels(width=6.6, height=3.6)
    inside = 0
    for state in range(_LENGTH - 1):
        states = _walk(rng, np.full(episodes, state))
        arrival = (states == _LENGTH - 1).argmax(0)  # steps until the end
        returns = _GAMMA ** (arrival - 1)  # the reward 1 comes with the last step
        mean, half = returns.mean(), 1.96 * returns.std(ddof=1) / np.sqrt(episodes)
        inside += abs(mean - exact[state]) <= half
        label = "mean of the returns, 95 % interval" if state == 0 else None
        axes.errorbar(state, mean, half, fmt="o", color=BLUE, capsize=4, label=label)
    axes.plot(range(_LENGTH - 1), exact[:-1], "_", ms=22, mew=2.5, color=MARK, label="exact V")
    axes.set(xlabel="state", ylabel="V", xticks=range(_LENGTH - 1), ylim=(0, 1.15))
    axes.set_title(f"{episodes} episodes from each state: {inside} of {_LENGTH - 1} intervals hold the exact value")
    axes.legend(loc="upper left")
    return figure


_CRITICS = ("exact", "knows nothing (V = 0)", "too optimistic (V + 0.5)")


@interactive(walk=Slider(0, 30, label="walk"), critic=Choice(_CRITICS, "critic"))
@drawn
def td_errors(walk: int = 3, critic: str = "exact") -> Figure:
    """One walk on the chain and the one-step advantage of each of its steps.

    Args:
        walk: seed.
        critic: which V the TD errors are computed with.

    Returns:
        Two panels with one time axis: where the walk is, and r + gamma V(s') - V(s).

    Source: lecture 16, value function fitting. L16.04.
    """
    _, _, exact = _world()
    v = {_CRITICS[0]: exact, _CRITICS[1]: 0 * exact, _CRITICS[2]: exact + 0.5}[critic]
    states = _walk(np.random.default_rng(walk), np.array([2]))[:, 0]
    states = states[: (states == _LENGTH - 1).argmax() + 1]
    ended = states[1:] == _LENGTH - 1
    errors = ended + _GAMMA * v[states[1:]] * ~ended - v[states[:-1]]
    figure, (top, bottom) = panels(rows=2, width=7.6, height=4.4, sharex=True)
    top.step(np.arange(len(states)), states, where="mid", color=GREY)
    top.plot(np.arange(len(states)), states, "o", ms=4, color=BLUE)
    top.set(ylabel="state", ylim=(-0.3, _LENGTH - 0.7), yticks=range(_LENGTH), xlabel="step")
    top.set_title(f"A walk of {len(errors)} steps; state {_LENGTH - 1} pays 1 and ends it")
    colours = np.where(errors >= 0, BLUE, ORANGE)
    bottom.bar(np.arange(len(errors)) + 0.5, errors, color=list(colours), width=0.8)
    bottom.axhline(0, color=GREY, lw=0.8)
    bottom.set(xlabel="step", ylabel="TD error")
    bottom.set_title(f"Critic {critic}: sum {errors.sum():+.2f}, of which the last step {errors[-1]:+.2f}")
    return figure


@interactive(
    rate=Slider(0.02, 0.6, 0.02, "TD learning rate"),
    episodes=Slider(20, 200, 20, "episodes"),
)
@drawn
def mc_and_td(rate: float = 0.1, episodes: int = 100) -> Figure:
    """The error of V learned by Monte Carlo means and by TD(0), against the number of episodes, over forty repetitions.

    Args:
        rate: how far TD moves a value towards each of its targets.
        episodes: how many.

    Returns:
        Two curves with bands between the quartiles.

    Source: lecture 16, can we do better. L16.05.
    """
    monte_carlo, bootstrapped = _monte_carlo(episodes), _bootstrapped(rate, episodes)
    figure, axes = panels(width=6.8, height=3.7)
    times = np.arange(1, episodes + 1)
    for name, found, colour, dash in (
        ("Monte Carlo: mean of the returns", monte_carlo, BLUE, "-"),
        (f"TD(0), rate {rate:g}", bootstrapped, ORANGE, "--"),
    ):
        low, middle, high = np.quantile(found, (0.25, 0.5, 0.75), axis=1)
        axes.plot(times, middle, color=colour, ls=dash, label=name)
        axes.fill_between(times, low, high, color=colour, alpha=SHADE, lw=0)
    axes.set(xlabel="episodes", ylabel="root mean square error of V", ylim=(0, None), xscale="log")
    last = float(np.median(monte_carlo[-1])), float(np.median(bootstrapped[-1]))
    axes.set_title(f"After {episodes} episodes: Monte Carlo {last[0]:.3f}, TD {last[1]:.3f}")
    axes.legend()
    return figure


_REPETITIONS = 40


@cache
def _episodes(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [_walk(rng, np.zeros(_REPETITIONS, dtype=int)) for _ in range(count)]


def _off(v: np.ndarray) -> np.ndarray:
    return np.sqrt(((v[:, :-1] - _world()[2][:-1]) ** 2).mean(1))


@cache
def _monte_carlo(count: int) -> np.ndarray:
    """Errors, shape (episodes, repetitions)."""
    everyone = np.arange(_REPETITIONS)
    sums, visits = np.zeros((_REPETITIONS, _LENGTH)), np.zeros((_REPETITIONS, _LENGTH))
    found = []
    for states in _episodes(count):
        arrival = (states == _LENGTH - 1).argmax(0)
        for t, here in enumerate(states[:-1]):
            going = t < arrival
            np.add.at(sums, (everyone[going], here[going]), _GAMMA ** (arrival - t - 1.0)[going])
            np.add.at(visits, (everyone[going], here[going]), 1.0)
        found.append(_off(sums / np.maximum(visits, 1)))
    return np.array(found)


@cache
def _bootstrapped(rate: float, count: int) -> np.ndarray:
    everyone = np.arange(_REPETITIONS)
    v = np.zeros((_REPETITIONS, _LENGTH))
    found = []
    for states in _episodes(count):
        for here, after in itertools.pairwise(states):
            ended = after == _LENGTH - 1
            target = ended + _GAMMA * v[everyone, after] * ~ended
            going = here != _LENGTH - 1
            v[everyone[going], here[going]] += rate * (target - v[everyone, here])[going]
        found.append(_off(v))
    return np.array(found)


_ENDS = ("terminated", "truncated")


@interactive(
    gamma=Slider(0.8, 1.0, 0.01, "γ"),
    lam=Slider(0.0, 1.0, 0.05, "λ"),
    end=Choice(_ENDS, "how step 12 ends"),
)
@drawn
def gae_weights(gamma: float = 0.99, lam: float = 0.9, end: str = "terminated") -> Figure:
    """How the advantage of step 0 is put together, in an episode whose last step is step 12.

    Args:
        gamma: discount factor.
        lam: of the generalised advantage estimate.
        end: whether V(s') counts in the last TD error.

    Returns:
        Two panels: the weight of each TD error, and of each n-step advantage.

    Source: lecture 16; Schulman et al. (2016). L16.04, L16.07.
    """
    steps, last = np.arange(20), 12
    weights = np.where(steps <= last, (gamma * lam) ** steps, 0.0)
    figure, (left, right) = panels(2, width=9.4, height=3.5)
    left.bar(steps, weights, color=[BLUE if t < last else MARK if t == last else GREY for t in steps], alpha=0.85)
    left.axvspan(last + 0.5, 19.5, color=GREY, alpha=SHADE)
    left.text(16, 0.55, "another\nepisode", ha="center", va="center")
    tail = "no V after it" if end == "terminated" else "with γ V(s′)"
    left.annotate(f"last TD error:\n{tail}", (last, weights[last]), (last - 3.6, 0.72), color=MARK, ha="center",
                  arrowprops={"arrowstyle": "->", "color": MARK})  # fmt: skip
    left.set(xlabel="step k", ylabel="weight of the TD error", ylim=(0, 1.1), title="A₀ = Σ (γλ)ᵏ δₖ")
    left.set(xticks=range(0, 20, 3))
    n = np.arange(1, last + 2)
    shares = (1 - lam) * lam ** (n - 1.0)
    shares[-1] = lam**last  # all longer ones are the same: the episode is over
    right.bar(n, shares, color=GREEN, alpha=0.85)
    right.set(xlabel="n", ylabel="weight of the n-step advantage", ylim=(0, 1.1))
    right.set_title(f"On average {float(n @ shares):.1f} rewards before V")
    return figure
