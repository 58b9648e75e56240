"""The figures of the notebook on actor-critic (lecture 16, first half), in the order of the lecture."""

from course_lib.figures.actor_critic.estimates import gae_weights, mc_and_td, td_errors, value_estimates
from course_lib.figures.actor_critic.learning import POSITIONS, board_values, learning_bands
from course_lib.figures.actor_critic.worlds import baseline_bars, death, grid_values

__all__ = [
    "POSITIONS",
    "baseline_bars",
    "board_values",
    "death",
    "gae_weights",
    "grid_values",
    "learning_bands",
    "mc_and_td",
    "td_errors",
    "value_estimates",
]
