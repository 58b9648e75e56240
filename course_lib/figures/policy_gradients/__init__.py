"""The interactive figures of the notebook on policy gradients (lecture 15)."""

from course_lib.figures.policy_gradients.estimates import (
    arrow_weighting,
    baseline_variance,
    reward_to_go_highlight,
    sampling_cloud,
    variance_by_batch,
)
from course_lib.figures.policy_gradients.off_policy import kl_ball, surrogate_bias, two_densities, weights_by_horizon
from course_lib.figures.policy_gradients.worlds import cartpole_film, glimpse_map, grid_world

__all__ = [
    "arrow_weighting",
    "baseline_variance",
    "cartpole_film",
    "glimpse_map",
    "grid_world",
    "kl_ball",
    "reward_to_go_highlight",
    "sampling_cloud",
    "surrogate_bias",
    "two_densities",
    "variance_by_batch",
    "weights_by_horizon",
]
