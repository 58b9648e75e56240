"""Backpropagation: how the gradient of a loss is found through many layers, and through any graph of operations.

Four parts in the order of the notebook: `layers` (neurons, networks of layers, the chain rule, one recipe for each kind
of layer), `checking` (finite differences, to trust the recipes), `engine` (reverse-mode automatic differentiation) and
`networks` (losses and training with that engine).

Conventions of this package
    * Rows are samples: inputs `(N, D)`, activations `(N, M)`, logits `(N, C)`.
    * Weights are as lecture 5 writes them, one row a unit: `W` of shape `(M, D)`, z = W a + b for one sample and
      `a @ W.T + b` for a batch. (Lecture 2 and `course_lib.softmax_regression` have one column a class.)
    * delta is the derivative of the loss with respect to something, and has the shape of that something.
    * A Jacobian dy/dx has shape `(n, m)` for x in R^n and y in R^m: entry ij is dy_j/dx_i. Other books transpose it.
    * Losses are MEANS over the batch.
    * Tensors serve as arrays; PyTorch's autograd is not used. Results have the dtype and device of the arguments, and
      no argument is changed in place.

Sources: lecture 5 (backpropagation), L05.01-L05.16; lecture 1, L01.05; lecture 10, L10.05; D. Rumelhart, G. Hinton,
R. Williams, Learning representations by back-propagating errors (1986); S. Linnainmaa, Taylor expansion of the
accumulated rounding error (1976).
"""

from course_lib.backprop.checking import gradient_check, jacobian
from course_lib.backprop.engine import Variable, backward, unbroadcast
from course_lib.backprop.graph import Node, evaluate, topological_order
from course_lib.backprop.layers import (
    Linear,
    ReLU,
    Sigmoid,
    backward_pass,
    collapse,
    forward_pass,
    mlp_forward,
    multiplications,
    neuron,
    pull_back,
    softmax_cross_entropy,
)
from course_lib.backprop.networks import (
    initial_parameters,
    logistic_regression_loss,
    mlp_features,
    mlp_logits,
    points_2d,
    train_2d,
    train_mlp,
)

__all__ = [
    "Linear",
    "Node",
    "ReLU",
    "Sigmoid",
    "Variable",
    "backward",
    "backward_pass",
    "collapse",
    "evaluate",
    "forward_pass",
    "gradient_check",
    "initial_parameters",
    "jacobian",
    "logistic_regression_loss",
    "mlp_features",
    "mlp_forward",
    "mlp_logits",
    "multiplications",
    "neuron",
    "points_2d",
    "pull_back",
    "softmax_cross_entropy",
    "topological_order",
    "train_2d",
    "train_mlp",
    "unbroadcast",
]
