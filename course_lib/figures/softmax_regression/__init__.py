"""The figures of the notebook on softmax regression (lectures 1 and 2), in the order of the lecture."""

from course_lib.figures.softmax_regression.descent import decision_regions, loss_surface, parabola
from course_lib.figures.softmax_regression.fitting import polynomial_fit, random_search_progress
from course_lib.figures.softmax_regression.losses import (
    gaussian_residual,
    loss_of_one_sample,
    losses_along_a_turn,
    product_or_sum,
)
from course_lib.figures.softmax_regression.probabilities import (
    ambiguous_digits,
    digit_probabilities,
    normalizers,
    redundant_weights,
    softmax_on_a_line,
    temperature,
)
from course_lib.figures.softmax_regression.risk import overflow_in_training, risk_gap
from course_lib.figures.softmax_regression.rules import decision_line, feature_rule, perceptron_steps, scale_of_learning

__all__ = [
    "ambiguous_digits",
    "decision_line",
    "decision_regions",
    "digit_probabilities",
    "feature_rule",
    "gaussian_residual",
    "loss_of_one_sample",
    "loss_surface",
    "losses_along_a_turn",
    "normalizers",
    "overflow_in_training",
    "parabola",
    "perceptron_steps",
    "polynomial_fit",
    "product_or_sum",
    "random_search_progress",
    "redundant_weights",
    "risk_gap",
    "scale_of_learning",
    "softmax_on_a_line",
    "temperature",
]
