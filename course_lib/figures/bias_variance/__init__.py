"""The figures of the notebook on bias, variance and regularization (lecture 3), in the order of the lecture."""

from course_lib.figures.bias_variance.penalties import (
    coefficient_paths,
    coin_posterior,
    diamonds,
    ridge_wiggles,
    sharpness,
)
from course_lib.figures.bias_variance.resampling import cost_of_sigma, degree_errors, fan, more_data, noise_band
from course_lib.figures.bias_variance.workflow import (
    flow_chart,
    lambda_curve,
    leak,
    loss_history,
    relative_errors,
    split_bar,
)

__all__ = [
    "coefficient_paths",
    "coin_posterior",
    "cost_of_sigma",
    "degree_errors",
    "diamonds",
    "fan",
    "flow_chart",
    "lambda_curve",
    "leak",
    "loss_history",
    "more_data",
    "noise_band",
    "relative_errors",
    "ridge_wiggles",
    "sharpness",
    "split_bar",
]
