"""The environments of our own: they keep Gymnasium's rules and their tables; the exact oracles agree."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from course_lib.kit import environments
from course_lib.kit.environments import (
    PROBES,
    WORLDS,
    Tables,
    TabularVectorEnv,
    chain,
    enumerate_trajectories,
    exact_gradient,
    exact_values,
    expected_return,
    grid,
    random_world,
)
from course_lib.kit.rollouts import Collector, vector_env

ALL = WORLDS | PROBES


@pytest.mark.parametrize("name", ALL)
def test_the_single_environment_keeps_gymnasiums_rules(name: str) -> None:
    check_env(gym.make(name).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", ALL)
def test_single_and_vectorised_environments_have_one_law(name: str) -> None:
    """The same table, spaces and time limit; transitions that the table excludes do not happen in either."""
    single, many = gym.make(name), vector_env(name, 3)
    tables = single.unwrapped.tables
    for part in ("P", "r", "rho0"):
        assert np.array_equal(getattr(tables, part), getattr(many.unwrapped.tables, part))
    assert single.spec is not None
    assert single.spec.max_episode_steps == many.unwrapped.time_limit == tables.time_limit
    rng = np.random.default_rng(0)
    _, info = single.reset(seed=0)
    state, age = info["state"], 0
    for _ in range(60):
        action = int(rng.integers(tables.actions))
        _, reward, terminated, truncated, info = single.step(action)
        age += 1
        assert reward == tables.r[state, action]
        assert tables.P[state, action, info["state"]] > 0
        assert terminated == tables.terminal[info["state"]]
        assert truncated == (age >= tables.time_limit)
        state = info["state"]
        if terminated or truncated:
            _, info = single.reset()
            state, age = info["state"], 0


def test_the_vectorised_environment_follows_its_tables() -> None:
    """Chi-square of 60,000 transitions against P; the bound is exceeded by a right sampler once in a million runs, and
    the seed is fixed."""
    env = TabularVectorEnv(lambda: random_world(3, 2, seed=5), 200, max_episode_steps=10**9)
    _, info = env.reset(seed=1)
    rng, counts, state = np.random.default_rng(2), np.zeros((3, 2, 3)), info["state"]
    for _ in range(300):
        actions = rng.integers(2, size=200)
        *_, info = env.step(actions)
        np.add.at(counts, (state, actions, info["state"]), 1)
        state = info["state"]
    expected = counts.sum(2, keepdims=True) * env.tables.P
    assert ((counts - expected) ** 2 / expected).sum() < 48  # 12 degrees of freedom


def test_the_first_state_is_drawn_from_rho0() -> None:
    env = TabularVectorEnv(lambda: random_world(4, 2, seed=3), 20_000)
    _, info = env.reset(seed=0)
    shares = np.bincount(info["state"], minlength=4) / 20_000
    assert np.abs(shares - env.tables.rho0).max() < 5 * 0.5 / np.sqrt(20_000)


def test_impossible_entries_are_never_drawn() -> None:
    """Also not through rounding: a row whose sums end a little below 1, with an impossible entry last."""
    P = np.zeros((2, 1, 2))
    P[:, 0, 0] = 1 - 1e-12
    env = TabularVectorEnv(lambda: Tables(P, np.zeros((2, 1)), np.array([1.0, 0.0])), 4)
    assert env._draws.following[0, 0].tolist() == [1.0, 1.0]


def test_the_call_after_an_end_resets() -> None:
    env = vector_env("course/ProbeDelay-v0", 2)
    seen, _ = env.reset(seed=0)
    script = [(1, 0.0, False), (2, 1.0, True), (0, 0.0, False), (1, 0.0, False), (2, 1.0, True)]
    assert seen.tolist() == [0, 0]
    for observation, reward, over in script:
        seen, rewards, terminated, truncated, _ = env.step(np.array([0, 1]))
        assert seen.tolist() == [observation] * 2
        assert rewards.tolist() == [reward] * 2
        assert terminated.tolist() == [over] * 2
        assert not truncated.any()


def test_the_same_seed_gives_the_same_episodes() -> None:
    def run(seed: int) -> list[list[int]]:
        env = vector_env("course/Grid-v0", 4)
        found = [env.reset(seed=seed)[0].tolist()]
        return found + [env.step(np.full(4, 1))[0].tolist() for _ in range(20)]

    assert run(3) == run(3) != run(4)


def test_a_list_of_seeds_is_refused() -> None:
    with pytest.raises(ValueError, match="one seed"):
        vector_env("course/Grid-v0", 2).reset(seed=[1, 2])


def test_a_time_limit_truncates_and_does_not_terminate() -> None:
    env = vector_env("course/ProbeTruncation-v0", 1)
    env.reset(seed=0)
    ends = [tuple(bool(x[0]) for x in env.step(np.array([0]))[2:4]) for _ in range(4)]
    assert ends == [(False, False), (False, False), (False, True), (False, False)]


@pytest.mark.parametrize("fault", ["row", "shape", "leaves", "earns"])
def test_tables_that_make_no_sense_are_refused(fault: str) -> None:
    world = chain(3)
    P, r = world.P.copy(), world.r.copy()
    if fault == "row":
        P[0, 0] *= 0.5
    elif fault == "shape":
        P = P[:, :1]
    elif fault == "leaves":
        P[2, 0] = [1.0, 0.0, 0.0]
    else:
        r[2, 1] = 1.0
    with pytest.raises(ValueError, match="expected"):
        Tables(P, r, world.rho0, world.terminal)


def test_the_grid_has_walls_and_edges() -> None:
    world = grid(("S#", "GX"), slip=0.0)
    up, right, down, left = range(4)
    for action, state in ((up, 0), (right, 0), (left, 0), (down, 2)):
        assert world.P[0, action, state] == 1.0
    assert world.terminal.tolist() == [False, False, True, True]
    assert world.r[0].tolist() == [-1.0] * 4
    beside_a_pit = grid(("SX", "G."), slip=0.2)
    assert beside_a_pit.r[0, right] == pytest.approx(-1 - 10 * 0.8)
    assert beside_a_pit.r[0, down] == pytest.approx(-1 - 10 * 0.1)
    with pytest.raises(ValueError, match="start"):
        grid(("..", ".G"))
    with pytest.raises(ValueError, match="long"):
        grid(("S.", "."))


@pytest.mark.parametrize("observations", [0, 2])
def test_enumeration_and_forward_computation_agree(observations: int) -> None:
    """Two ways to J and to its gradient: a sum over all trajectories, and the distribution of the state carried on."""
    world = random_world(3, 2, seed=1, observations=observations)
    theta = torch.randn(world.observations, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for last_state in (True, False):
        all_of_them = enumerate_trajectories(world, theta.softmax(-1).numpy(), 3, last_state)
        assert all_of_them.probability.sum() == pytest.approx(1.0)
        mean = (all_of_them.probability * all_of_them.rewards.sum(0)).sum()
        assert mean == pytest.approx(float(expected_return(world, theta.softmax(-1), 3)))
        # E[score * return], scores by autograd through the log probability of the actions alone
        leaf = theta.clone().requires_grad_()
        logs = leaf.log_softmax(-1)[all_of_them.observations, all_of_them.actions].sum(0)
        score = torch.autograd.grad((all_of_them.probability * all_of_them.rewards.sum(0) * logs).sum(), leaf)[0]
        assert torch.allclose(score, exact_gradient(world, theta, 3))


def test_exact_gradient_against_finite_differences() -> None:
    world = chain(4, slip=0.2)
    theta = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(4, 2)
    found = exact_gradient(world, theta, 5, discount=0.9)
    for place in ((0, 0), (2, 1)):
        nudge = torch.zeros_like(theta)
        nudge[place] = 1e-5
        up, down = (expected_return(world, (theta + s * nudge).softmax(-1), 5, 0.9) for s in (1, -1))
        assert float(found[place]) == pytest.approx(float(up - down) / 2e-5, rel=1e-6)


GAMMA = 0.9
VALUES = {
    "course/ProbeConstant-v0": [1, 0],
    "course/ProbeObservation-v0": [-1, 1, 0],
    "course/ProbeDelay-v0": [GAMMA, 1, 0],
    "course/ProbeTermination-v0": [1, 0],
    "course/ProbeTruncation-v0": [1 / (1 - GAMMA)],
    "course/ProbeBoundary-v0": [0, 0, 10, 0],
}


@pytest.mark.parametrize("name", VALUES)
def test_the_values_that_the_probes_promise(name: str) -> None:
    world = PROBES[name]()
    uniform = np.full((world.observations, world.actions), 1 / world.actions)
    assert exact_values(world, uniform, GAMMA).tolist() == pytest.approx(VALUES[name])


def test_what_comes_after_the_end_looks_like_the_start() -> None:
    collector = Collector(vector_env("course/ProbeTermination-v0", 2), lambda o: torch.zeros_like(o), seed=0)
    segment = collector.segment(5)
    assert not segment.observations.any()
    assert not segment.next_observations.any()
    assert segment.terminated[::2].all()


def test_discounted_values_are_discounted_returns() -> None:
    world = chain(4, slip=0.2)
    policy = np.full((4, 2), 0.5)
    long = expected_return(world, torch.from_numpy(policy), 400, GAMMA)
    assert float(long) == pytest.approx(float(world.rho0 @ exact_values(world, policy, GAMMA)), rel=1e-9)


def test_pendulums_move_as_gymnasiums() -> None:
    """The same angles, torques and steps, one by one and together."""
    many, torques = vector_env("course/Pendulum-v0", 3), np.random.default_rng(0).uniform(-3, 3, size=(30, 3, 1))
    many.reset(seed=0)
    singles = [gym.make("Pendulum-v1") for _ in range(3)]
    for number, single in enumerate(singles):
        single.reset(seed=0)
        single.unwrapped.state = np.array([many.unwrapped.angle[number], many.unwrapped.speed[number]])
    for torque in torques:
        seen, rewards, terminated, _, _ = many.step(torque)
        for number, single in enumerate(singles):
            theirs, reward, *_ = single.step(torque[number])
            assert seen[number] == pytest.approx(theirs, abs=1e-5)
            assert rewards[number] == pytest.approx(float(reward), abs=1e-9)
        assert not terminated.any()


def test_pendulums_begin_as_gymnasiums_and_are_cut_after_200_steps() -> None:
    env = vector_env("course/Pendulum-v0", 500)
    env.reset(seed=0)
    for values, bound in ((env.unwrapped.angle, np.pi), (env.unwrapped.speed, 1.0)):
        assert np.abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    ends = [env.step(np.zeros((500, 1)))[3].all() for _ in range(201)]
    assert ends == [False] * 199 + [True, False]


def test_importing_twice_registers_once() -> None:
    before = len(gym.registry)
    environments._register()
    assert len(gym.registry) == before
