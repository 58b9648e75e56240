"""Optimization: how to walk down a loss faster than by plain gradient descent.

Lecture 4 in four parts: where a loss leads and where it stops (`critical_points`), a family of optimizers with one
contract (`optimizers`), gradients of minibatches and learning rates that change (`stochastic`), and pictures of the
loss of a real net (`landscape`). `surfaces` holds the losses of two parameters on which all of them can be watched.

Sources: lecture 4 (optimization), L04.01-L04.18; B. Polyak, Some methods of speeding up the convergence of iteration
methods (1964); Y. Nesterov, A method for solving the convex programming problem with convergence rate O(1/k^2) (1983);
J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods (2011); D. Kingma and J. Ba, Adam (2015); G. Goh, Why
momentum really works (2017); H. Li et al., Visualizing the loss landscape of neural nets (2018).
"""

from course_lib.optimization.critical_points import (
    classify_critical_point,
    definite_fraction,
    hessian,
    is_convex_along,
    logistic_gradient,
    logistic_hessian,
    logistic_loss,
    misdirection,
    newton,
)
from course_lib.optimization.landscape import (
    SkipNet,
    filter_normalized_direction,
    loss_surface,
    random_direction,
    roughness,
)
from course_lib.optimization.optimizers import (
    OPTIMIZERS,
    AdaGrad,
    Adam,
    GradientDescent,
    Momentum,
    Nesterov,
    Optimizer,
    RMSProp,
    Scheduled,
    SignDescent,
    descend,
    momentum_rate,
)
from course_lib.optimization.stochastic import (
    cosine_decay,
    gradient_estimates,
    learning_rate_sweep,
    sgd,
    step_decay,
    warmup,
)
from course_lib.optimization.surfaces import SURFACES, Surface, quadratic_bowl

__all__ = [
    "OPTIMIZERS",
    "SURFACES",
    "AdaGrad",
    "Adam",
    "GradientDescent",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RMSProp",
    "Scheduled",
    "SignDescent",
    "SkipNet",
    "Surface",
    "classify_critical_point",
    "cosine_decay",
    "definite_fraction",
    "descend",
    "filter_normalized_direction",
    "gradient_estimates",
    "hessian",
    "is_convex_along",
    "learning_rate_sweep",
    "logistic_gradient",
    "logistic_hessian",
    "logistic_loss",
    "loss_surface",
    "misdirection",
    "momentum_rate",
    "newton",
    "quadratic_bowl",
    "random_direction",
    "roughness",
    "sgd",
    "step_decay",
    "warmup",
]
