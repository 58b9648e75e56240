"""Collecting experience: what is kept, what is left out, and that nothing crosses the end of an episode."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from course_lib.kit.rollouts import Collector, collect_episodes, evaluate, vector_env


def coin(observations: torch.Tensor) -> torch.Tensor:
    return torch.randint(2, (len(observations),), generator=COIN)


COIN = torch.Generator().manual_seed(0)


def test_cartpole_is_the_vectorised_one_and_pendulum_is_not() -> None:
    assert type(vector_env("CartPole-v1", 2).unwrapped).__name__ == "CartPoleVectorEnv"
    assert isinstance(vector_env("Pendulum-v1", 2).unwrapped, gym.vector.SyncVectorEnv)


def test_another_autoreset_mode_is_refused() -> None:
    env = gym.vector.SyncVectorEnv([lambda: gym.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="SAME_STEP, expected NEXT_STEP"):
        Collector(env, coin)
    with pytest.raises(ValueError, match="SAME_STEP, expected NEXT_STEP"):
        collect_episodes(env, coin)


@pytest.mark.parametrize("kind", ["vector_entry_point", "sync"])
def test_episodes_are_whole_and_padded_with_zeros(kind: str) -> None:
    env = gym.make_vec("CartPole-v1", 6, vectorization_mode=kind)
    batch = collect_episodes(env, coin, seed=3)
    assert batch.mask[0].all()
    assert (batch.mask.int().diff(dim=0) <= 0).all(), "an episode has no gaps"
    assert batch.mask.any(1).all(), "no row is all padding"
    assert torch.equal(batch.lengths.float(), batch.returns), "CartPole pays 1 a step"
    assert batch.steps == int(batch.lengths.sum())
    for values in (batch.observations, batch.actions, batch.rewards):
        assert not values[~batch.mask].any()
    assert batch.terminated.all(), "a coin does not keep the pole up for 500 steps"
    fallen = (batch.final_observations[:, 2].abs() > 12 * 2 * np.pi / 360) | (
        batch.final_observations[:, 0].abs() > 2.4
    )
    assert fallen.all(), "the final observation is the one that ended the episode"


def test_truncated_episodes_are_not_terminated() -> None:
    batch = collect_episodes(vector_env("course/Pendulum-v0", 3), lambda o: torch.zeros(len(o), 1), seed=0)
    assert batch.lengths.tolist() == [200] * 3
    assert not batch.terminated.any()


def test_every_environment_counts_once_however_long() -> None:
    """Half of the episodes of this world are twice as long. Whoever takes the first N that end gets too many short
    ones; 4,000 right ones have a share within 0.04 (five standard errors) of one half."""
    batch = collect_episodes(vector_env("course/ProbeBoundary-v0", 4000), lambda o: torch.zeros_like(o), seed=0)
    assert float((batch.lengths == 2).double().mean()) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("kind", ["vector_entry_point", "sync"])
def test_a_segment_marks_the_calls_that_only_reset(kind: str) -> None:
    env = gym.make_vec("CartPole-v1", 4, vectorization_mode=kind)
    collector = Collector(env, coin, seed=0)
    first, second = collector.segment(60), collector.segment(40)
    ends = torch.cat([first.terminated | first.truncated, second.terminated | second.truncated])
    valid = torch.cat([first.valid, second.valid])
    assert torch.equal(valid[1:], ~ends[:-1]), "invalid exactly in the call after an end, across segments too"
    assert not ends[~valid].any()
    assert collector.steps == int(valid.sum()) == first.steps + second.steps
    inside = valid[1:60] & ~ends[:59]
    following = first.next_observations[:-1]
    assert torch.equal(following[inside], first.observations[1:][inside])
    last = first.next_observations[first.terminated]
    assert ((last[:, 2].abs() > 0.2) | (last[:, 0].abs() > 2.4)).all(), "what is seen last is not the next reset"


def test_a_segment_goes_on_where_the_last_one_ended() -> None:
    collector = Collector(vector_env("CartPole-v1", 5), coin, seed=0)
    first, second = collector.segment(3), collector.segment(3)
    assert torch.equal(first.next_observations[-1], second.observations[0])


def test_finished_episodes_are_reported_with_their_returns() -> None:
    collector = Collector(vector_env("course/ProbeBoundary-v0", 50), lambda o: torch.zeros_like(o), seed=0)
    segment = collector.segment(2)
    rich = int((segment.observations[0] == 2).sum())
    assert sorted(collector.finished) == [0.0] * (50 - rich) + [10.0] * rich
    segment = collector.segment(1)
    assert len(collector.finished) == int(segment.terminated.sum()), "a list for each segment"


def test_evaluation_is_one_fresh_episode_for_each_environment() -> None:
    returns = evaluate("CartPole-v1", lambda o: (o[:, 2] + o[:, 3] > 0).long(), episodes=20, seed=1)
    again = evaluate("CartPole-v1", lambda o: (o[:, 2] + o[:, 3] > 0).long(), episodes=20, seed=1)
    assert returns.shape == (20,)
    assert torch.equal(returns, again)
    assert returns.mean() > 150, "leaning into the fall keeps the pole up for a while"
    limited = evaluate("CartPole-v1", lambda o: (o[:, 2] + o[:, 3] > 0).long(), 20, 1, max_episode_steps=30)
    assert limited.max() == 30


def test_the_policy_acts_without_gradients() -> None:
    layer = torch.nn.Linear(4, 2)
    batch = collect_episodes(vector_env("CartPole-v1", 2), lambda o: layer(o).argmax(1), seed=0)
    assert not batch.actions.requires_grad


@pytest.mark.cuda
def test_experience_lies_where_it_is_wanted() -> None:
    device = torch.device("cuda")
    layer = torch.nn.Linear(4, 2).to(device)
    batch = collect_episodes(vector_env("CartPole-v1", 3), lambda o: layer(o).argmax(1), seed=0, device=device)
    segment = Collector(vector_env("CartPole-v1", 3), lambda o: layer(o).argmax(1), 0, device).segment(5)
    for record in (batch, segment):
        assert all(part.device.type == "cuda" for part in vars(record).values())
