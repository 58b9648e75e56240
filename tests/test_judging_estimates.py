"""Tiny processes are listed completely, and the tests of estimators are wrong as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from autograder.judge.agents import (
    TinyMDP,
    assert_frequencies,
    assert_less_variance,
    assert_sample_mean,
    assert_sample_variance_at_most,
    assert_sample_variance_less,
    assert_unbiased,
    batches,
    exact_mean,
    exact_variance,
)
from autograder.judge.problems import GraderFault, Mistake


def process(terminal: bool = False, horizon: int = 3, seed: int = 0) -> tuple[TinyMDP, torch.Tensor]:
    rng = np.random.default_rng(seed)
    mdp = TinyMDP.draw(rng, horizon=horizon, terminal=terminal)
    return mdp, torch.from_numpy(rng.normal(size=(3, 2)))


@pytest.mark.parametrize("terminal", [False, True])
def test_trajectories_are_all_that_can_happen(terminal: bool) -> None:
    mdp, logits = process(terminal)
    every = mdp.trajectories()
    chances = mdp.probabilities(every, logits)
    assert float(chances.sum()) == pytest.approx(1, abs=1e-12)
    rows = {(*s.tolist(), *a.tolist(), *n.tolist()) for s, a, n in zip(every.states, every.actions, every.next_states)}  # noqa: B905
    assert len(rows) == len(every)
    if not terminal:
        assert len(every) == 3 * (2 * 3) ** 3
        assert every.mask.all()
    assert torch.equal(every.states[:, 1:][every.mask[:, 1:]], every.next_states[:, :-1][every.mask[:, 1:]])
    ended = ~every.mask
    assert not every.rewards[ended].any()
    assert ended.any() == terminal
    assert not (every.states[every.mask] == 2).any() or not terminal


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("discount", [1.0, 0.7])
def test_objective_values_and_gradient_agree(terminal: bool, discount: float) -> None:
    mdp, logits = process(terminal)
    policy = torch.softmax(logits, -1)
    value = float(mdp.objective(logits, discount))
    assert float(mdp.start @ mdp.values(logits, discount)[0]) == pytest.approx(value, abs=1e-12)
    gradient = mdp.gradient(logits, discount)
    for state in range(3):  # finite differences
        for action in range(2):
            step = torch.zeros_like(logits)
            step[state, action] = 1e-5
            slope = (mdp.objective(logits + step, discount) - mdp.objective(logits - step, discount)) / 2e-5
            assert float(gradient[state, action]) == pytest.approx(float(slope), abs=1e-8)
    # The policy gradient theorem: occupancies times values of actions.
    occupancy, found = mdp.start.clone(), torch.zeros_like(logits)
    alive = torch.ones(3, dtype=torch.float64)
    alive[list(mdp.terminal)] = 0
    for t, q in enumerate(mdp.action_values(logits, discount)):
        occupancy = occupancy * alive
        advantage = q - (policy * q).sum(-1, keepdim=True)
        found += discount**t * occupancy[:, None] * policy * advantage
        occupancy = torch.einsum("s,sa,sax->x", occupancy, policy, mdp.transitions)
    torch.testing.assert_close(gradient, found, rtol=0, atol=1e-12)


def reward_to_go(mdp: TinyMDP, logits: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """REINFORCE with these weights (M, T) of the steps, (M, S, A)."""
    every = mdp.trajectories()
    score = torch.nn.functional.one_hot(every.actions, mdp.actions) - torch.softmax(logits, -1)[every.states]
    found = torch.zeros(len(every), *logits.shape, dtype=torch.float64)
    for step in range(mdp.horizon):
        share = score[:, step] * (weights * every.mask)[:, step, None]
        found[torch.arange(len(every)), every.states[:, step]] += share
    return found


def test_unbiasedness_and_variance_are_exact() -> None:
    mdp, logits = process(terminal=True)
    every = mdp.trajectories()
    chances, exact = mdp.probabilities(every, logits), mdp.gradient(logits)
    to_go = every.rewards.flip(1).cumsum(1).flip(1)
    whole = every.rewards.sum(1, keepdim=True).expand_as(to_go)
    good, plain = reward_to_go(mdp, logits, to_go), reward_to_go(mdp, logits, whole)
    for estimates in (good, plain):
        assert_unbiased(estimates, chances, exact, rtol=1e-9, atol=1e-11)
    for bad in (reward_to_go(mdp, logits, every.rewards), -good, 1.001 * good, good + 1e-3):
        with pytest.raises(Mistake, match="mean of your estimates"):
            assert_unbiased(bad, chances, exact)
    rng = np.random.default_rng(0)
    rows = rng.choice(len(every), 200_000, p=chances.numpy() / float(chances.sum()))
    sampled = good.reshape(len(every), -1).numpy()[rows].var(0).sum()
    assert exact_variance(good, chances) == pytest.approx(sampled, rel=0.05)
    assert_less_variance(
        good, plain + 3, chances, factor=1.001 * exact_variance(good, chances) / exact_variance(plain, chances)
    )
    with pytest.raises(Mistake, match="variance"):
        assert_less_variance(2 * good, good, chances)
    with pytest.raises(Mistake, match="variance"):
        assert_less_variance(good, good, chances)
    with pytest.raises(Mistake, match="nan"):
        assert_less_variance(good * torch.nan, good, chances)
    with pytest.raises(GraderFault):
        exact_mean(good[1:], chances)


def test_batches_have_the_probabilities_of_independent_draws() -> None:
    shares = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    found = dict(batches(shares, 2))
    assert len(found) == 9
    assert sum(found.values()) == pytest.approx(1)
    assert found[0, 2] == pytest.approx(0.1)
    with pytest.raises(GraderFault, match="too many"):
        next(batches(torch.full((1000,), 1e-3), 2))


def test_a_process_that_is_not_tiny_is_refused() -> None:
    with pytest.raises(GraderFault, match="not tiny"):
        process(horizon=9)[0].trajectories()


def alarms(trial: object, trials: int, seed: int = 0) -> int:
    """How often a check fails."""
    rng, count = np.random.default_rng(seed), 0
    for _ in range(trials):
        try:
            trial(rng)  # type: ignore[operator]
        except Mistake:
            count += 1
    return count


def assert_rate(count: int, trials: int, rate: float, factor: float = 1.0) -> None:
    """A count of alarms fits a rate, or lies below `factor` times that rate: wrong once in 30,000 runs (four standard
    deviations of the binomial distribution, one-sided)."""
    most = factor * rate * trials
    assert count <= most + 4 * math.sqrt(most) + 1


@pytest.mark.parametrize("rate", [0.05, 0.005])
def test_false_alarms_of_the_test_of_a_mean_come_as_often_as_stated(rate: float) -> None:
    def normal(rng: np.random.Generator) -> None:
        assert_sample_mean(rng.normal(3.0, 2.0, (500, 4)), np.full(4, 3.0), rate)

    def skewed(rng: np.random.Generator) -> None:  # exponential: skewness 2, the worst that the module promises for
        assert_sample_mean(rng.exponential(size=(500, 4)), np.ones(4), rate)

    trials = 2_000
    count = alarms(normal, trials)
    assert_rate(count, trials, rate)
    assert count >= rate * trials - 4 * math.sqrt(rate * trials)  # and it does use what it is given
    assert_rate(alarms(skewed, trials), trials, rate, factor=4)


@pytest.mark.parametrize("rate", [0.05, 0.005])
def test_false_alarms_of_the_tests_of_variance_and_frequency_stay_below_what_is_stated(rate: float) -> None:
    shares = np.array([0.001, 0.099, 0.4, 0.5])

    def frequencies(rng: np.random.Generator) -> None:
        assert_frequencies(rng.choice(4, 1_000, p=shares), shares, rate)

    def variance(rng: np.random.Generator) -> None:
        assert_sample_variance_at_most(rng.normal(size=(1_000, 3)), np.zeros(3), 3.0, rate)

    def paired(rng: np.random.Generator) -> None:  # two estimators of equal variance, correlated
        common = rng.normal(size=(1_000, 2))
        one, other = (common + 0.5 * rng.normal(size=(1_000, 2)) for _ in range(2))
        assert_sample_variance_less(one, other, np.zeros(2), rate)

    trials = 600
    for trial in (frequencies, variance, paired):
        assert_rate(alarms(trial, trials), trials, rate, factor=1.0 if trial is frequencies else 4.0)


def test_mistakes_are_found() -> None:
    rng = np.random.default_rng(0)
    good = rng.normal(size=(2_000, 3))
    with pytest.raises(Mistake, match="1 of 3 components"):
        assert_sample_mean(good, np.array([0.0, 0.0, 0.2]))
    with pytest.raises(Mistake, match="shape"):
        assert_sample_mean(good, np.zeros(2))
    with pytest.raises(Mistake, match="nan"):
        assert_sample_mean(good * np.nan, np.zeros(3))
    assert_sample_mean(np.ones((200, 2)), np.ones(2))  # nothing varies
    with pytest.raises(Mistake, match="2 of 2"):
        assert_sample_mean(np.ones((200, 2)), np.full(2, 1.01))
    with pytest.raises(Mistake, match="larger than it has to be"):
        assert_sample_variance_at_most(1.2 * good, np.zeros(3), 3.0)
    with pytest.raises(Mistake, match="improve on"):
        assert_sample_variance_less(1.05 * good, good, np.zeros(3))
    assert_sample_variance_less(good, 1.05 * good, np.zeros(3))
    shares = [0.5, 0.5, 0.0]
    with pytest.raises(Mistake, match="0 came 0 times in 1000"):
        assert_frequencies(np.ones(1000, dtype=int), [1.0, 0.0, 0.0])
    with pytest.raises(Mistake, match="0 to 2"):
        assert_frequencies(np.full(1000, 3), shares)
    with pytest.raises(Mistake, match="int64"):
        assert_frequencies(np.full(1000, 0.5), shares)
    with pytest.raises(GraderFault):
        assert_sample_mean(good[:50], np.zeros(3))
