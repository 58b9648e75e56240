"""The figures of the notebook on optimization (lecture 4), in the order of the lecture."""

from course_lib.figures.optimization.points import (
    chord,
    critical_points,
    definite_shares,
    descent_on_bowl,
    newton_step,
)
from course_lib.figures.optimization.rates import curves, gradient_spread, net_surfaces, schedules, sweep
from course_lib.figures.optimization.steps import (
    adam_coordinate,
    effective_rates,
    gradient_scales,
    momentum_path,
    optimizer_race,
    stability_map,
)

__all__ = [
    "adam_coordinate",
    "chord",
    "critical_points",
    "curves",
    "definite_shares",
    "descent_on_bowl",
    "effective_rates",
    "gradient_scales",
    "gradient_spread",
    "momentum_path",
    "net_surfaces",
    "newton_step",
    "optimizer_race",
    "schedules",
    "stability_map",
    "sweep",
]
