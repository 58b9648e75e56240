"""Hidden tests of the course of agents: one of each kind that docs/judging_agents.md describes."""

import torch

from autograder.judge import assert_close, assert_equal, exercise
from autograder.judge.agents import (
    ScriptedPolicy,
    ScriptedVectorEnv,
    Task,
    TinyMDP,
    assert_less_variance,
    assert_unbiased,
    lend,
)


@exercise("collect")
def test_collect_keeps_what_happened(student, rng):
    """Every observation stands beside the action that was taken on it and the reward that followed."""
    env, policy = ScriptedVectorEnv(4, rng), ScriptedPolicy(3, rng)
    lent = lend(student, env, rng, budget=4 * 30)
    found, truth = student.collect(lent.env, policy.act, 30), env.truth()
    lent.assert_within_budget()
    assert_equal(found["valid"], truth.valid, hint="The call after the end of an episode only resets.")
    for name in ("observations", "actions", "rewards", "terminated"):
        assert_close(found[name][truth.valid], getattr(truth, name)[truth.valid], what=f"`{name}`")


def _one_by_one(estimate, logits, states, actions, rewards):
    """Runs in the worker: one call of the judge in place of hundreds."""
    return torch.stack([estimate(logits, *row) for row in zip(states, actions, rewards, strict=True)])


@exercise("policy_gradient", weight=2)
def test_policy_gradient_is_unbiased(student, rng):
    """Over all trajectories, weighted with their probabilities, the estimates add up to the gradient."""
    mdp = TinyMDP.draw(rng)
    logits = torch.from_numpy(rng.normal(size=(mdp.states, mdp.actions)))
    every = mdp.trajectories()
    estimates = student.remote(_one_by_one)(student.policy_gradient, logits, every.states, every.actions, every.rewards)
    assert_unbiased(estimates, mdp.probabilities(every, logits), mdp.gradient(logits))


@exercise("policy_gradient")
def test_policy_gradient_looks_ahead_only(student, rng):
    """Rewards from before an action only add variance: weight a step with the reward to go."""
    mdp = TinyMDP.draw(rng, states=2)
    logits = torch.from_numpy(rng.normal(size=(mdp.states, mdp.actions)))
    every = mdp.trajectories()
    onehot = torch.nn.functional.one_hot(every.actions, mdp.actions) - torch.softmax(logits, -1)[every.states]
    to_go = every.rewards.flip(1).cumsum(1).flip(1)
    best = torch.zeros(len(every), *logits.shape, dtype=torch.float64)
    for step in range(mdp.horizon):
        best[torch.arange(len(every)), every.states[:, step]] += onehot[:, step] * to_go[:, step, None]
    estimates = student.remote(_one_by_one)(student.policy_gradient, logits, every.states, every.actions, every.rewards)
    assert_less_variance(estimates, best, mdp.probabilities(every, logits), factor=1.001)


@exercise("train")
def test_trained_policy_balances(student, rng):
    """The policy that comes out of training keeps the pole up."""
    task = Task("CartPole-v1", rng)
    lent = task.lend(student, num_envs=32, budget=100_000)
    policy = student.train(lent.env, 100_000)
    lent.assert_within_budget()
    lent.assert_used(1_000)
    task.evaluate(policy).assert_mean_at_least(300)
