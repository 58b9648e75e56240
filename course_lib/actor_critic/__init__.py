"""Actor-critic: a policy that learns from a value function, and a value function that learns from the policy.

The first half of lecture 16 in reading order: `values` (Q, V and A exactly, discounting), `estimates` (targets and
advantages from what happened), `critics` (regression, and a step of learning while acting), `board` (a value function
for a game), `networks` (two networks or one with two heads), `training` (batch actor-critic and a run of it). The
environments are those of `course_lib.kit.environments` and Gymnasium's.

Conventions of this package
    * Time runs along the first axis, actors that stand beside each other along the next: (T, B, ...).
    * `terminated`: the world ended, V(s') counts as 0. `truncated`: the clock stopped, V(s') counts. `done`: either.
    * Advantages and targets are data: they never carry a gradient.
    * The reward of a step counts in full; gamma applies from the next one on.
    * Losses are means over steps, squared errors with 1/2; `advantage_pg` alone has the lecture's sum over steps, 1/N.

Sources: lecture 16 (reinforcement learning II), L16.01-L16.10; R. Sutton, A. Barto, Reinforcement Learning (2018); G.
Tesauro, Temporal difference learning and TD-Gammon (1995); V. Mnih et al., Asynchronous methods for deep reinforcement
learning (2016); J. Schulman et al., High-dimensional continuous control using generalized advantage estimation (2016).
"""

from course_lib.actor_critic.board import (
    EMPTY,
    Board,
    TDGammonLite,
    minimax,
    next_boards,
    outcome,
    to_move,
)
from course_lib.actor_critic.critics import fit_value, online_ac_step
from course_lib.actor_critic.estimates import (
    advantage_pg,
    gae,
    mc_targets,
    n_step_targets,
    td_advantage,
    td_targets,
)
from course_lib.actor_critic.networks import SeparateAC, SharedAC, joint_loss
from course_lib.actor_critic.training import (
    ActorCriticSettings,
    Training,
    batch_actor_critic,
    train_actor_critic,
)
from course_lib.actor_critic.values import death_state, discounted_return, exact_q_v_a

__all__ = [
    "EMPTY",
    "ActorCriticSettings",
    "Board",
    "SeparateAC",
    "SharedAC",
    "TDGammonLite",
    "Training",
    "advantage_pg",
    "batch_actor_critic",
    "death_state",
    "discounted_return",
    "exact_q_v_a",
    "fit_value",
    "gae",
    "joint_loss",
    "mc_targets",
    "minimax",
    "n_step_targets",
    "next_boards",
    "online_ac_step",
    "outcome",
    "td_advantage",
    "td_targets",
    "to_move",
    "train_actor_critic",
]
