"""Environments of our own, registered with Gymnasium when this package is imported.

    gymnasium.make_vec("course/Grid-v0", num_envs=8)        # 8 grids, moved by one call
    gymnasium.make_vec("course/Grid-v0").unwrapped.tables   # P (S, A, S), r (S, A), rho0 (S,)

`tables` has the worlds, `probes` the ones that isolate a mistake, `tabular` the environments made of them, `exact`
what can be computed without sampling, `pendulum` many pendulums at once. Every environment resets in mode NEXT_STEP,
as Gymnasium's own vectorised CartPole does, and tells `terminated` (the world is over) from `truncated` (time is up).
"""

from collections.abc import Callable
from functools import partial

import gymnasium as gym

from course_lib.kit.environments import probes, tables
from course_lib.kit.environments.exact import (
    Trajectories,
    enumerate_trajectories,
    exact_gradient,
    exact_values,
    expected_return,
)
from course_lib.kit.environments.pendulum import PendulumVectorEnv
from course_lib.kit.environments.tables import (
    MOVES,
    Tables,
    bandit,
    chain,
    corridor_with_a_look,
    grid,
    random_world,
)
from course_lib.kit.environments.tabular import TabularEnv, TabularVectorEnv

WORLDS: dict[str, Callable[..., Tables]] = {
    "course/Chain-v0": chain,
    "course/Grid-v0": grid,
    "course/Random-v0": random_world,
    "course/Bandit-v0": bandit,
    "course/Doors-v0": corridor_with_a_look,
}
PROBES: dict[str, Callable[..., Tables]] = {
    "course/ProbeConstant-v0": probes.constant_reward,
    "course/ProbeObservation-v0": probes.observation_reward,
    "course/ProbeDelay-v0": probes.delayed_reward,
    "course/ProbeAction-v0": probes.action_reward,
    "course/ProbeBoth-v0": probes.observation_and_action,
    "course/ProbeTermination-v0": probes.end_looks_like_the_start,
    "course/ProbeTruncation-v0": probes.cut_short,
    "course/ProbeBoundary-v0": probes.rich_and_poor,
}


def _register() -> None:
    for name, build in (WORLDS | PROBES).items():
        if name not in gym.registry:
            gym.register(
                name,
                entry_point=partial(TabularEnv, build),
                vector_entry_point=partial(TabularVectorEnv, build),
                max_episode_steps=build().time_limit,
            )
    if "course/Pendulum-v0" not in gym.registry:
        gym.register(
            "course/Pendulum-v0",
            entry_point="gymnasium.envs.classic_control.pendulum:PendulumEnv",
            vector_entry_point="course_lib.kit.environments.pendulum:PendulumVectorEnv",
            max_episode_steps=200,
        )


_register()

__all__ = [
    "MOVES",
    "PROBES",
    "WORLDS",
    "PendulumVectorEnv",
    "Tables",
    "TabularEnv",
    "TabularVectorEnv",
    "Trajectories",
    "bandit",
    "chain",
    "corridor_with_a_look",
    "enumerate_trajectories",
    "exact_gradient",
    "exact_values",
    "expected_return",
    "grid",
    "probes",
    "random_world",
    "tables",
]
