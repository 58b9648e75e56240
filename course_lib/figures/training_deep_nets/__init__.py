"""The figures of the notebook on training deep nets (lecture 7), in the order of the lecture."""

from course_lib.figures.training_deep_nets.families import (
    accuracy_bars,
    grid_and_random,
    random_subnet,
    trials_plane,
)
from course_lib.figures.training_deep_nets.scales import (
    batch_statistics,
    clipped_gradient,
    scaled_inputs,
    statistics_by_depth,
)

__all__ = [
    "accuracy_bars",
    "batch_statistics",
    "clipped_gradient",
    "grid_and_random",
    "random_subnet",
    "scaled_inputs",
    "statistics_by_depth",
    "trials_plane",
]
