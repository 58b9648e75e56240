"""Judging agents: environments that the judge owns, policies that it steps, estimators that it checks exactly.

docs/judging_agents.md shows how a hidden suite is written with it.
"""

from autograder.judge.agents.actions import read_actions
from autograder.judge.agents.estimates import (
    assert_frequencies,
    assert_less_variance,
    assert_sample_mean,
    assert_sample_variance_at_most,
    assert_sample_variance_less,
    assert_unbiased,
    exact_mean,
    exact_variance,
)
from autograder.judge.agents.lending import Episode, Lent, LentSingle, LentVector, lend
from autograder.judge.agents.scripted import ScriptedPolicy, ScriptedVectorEnv, Truth
from autograder.judge.agents.tabular import TinyMDP, Trajectories, batches
from autograder.judge.agents.tasks import Evaluation, Task, greedy, play, sampled

__all__ = [
    "Episode",
    "Evaluation",
    "Lent",
    "LentSingle",
    "LentVector",
    "ScriptedPolicy",
    "ScriptedVectorEnv",
    "Task",
    "TinyMDP",
    "Trajectories",
    "Truth",
    "assert_frequencies",
    "assert_less_variance",
    "assert_sample_mean",
    "assert_sample_variance_at_most",
    "assert_sample_variance_less",
    "assert_unbiased",
    "batches",
    "exact_mean",
    "exact_variance",
    "greedy",
    "lend",
    "play",
    "read_actions",
    "sampled",
]
