"""Networks of layers: what they compute, why they bend, and one recipe per layer to send derivatives back."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch


class Layer(Protocol):
    """What `forward_pass` and `backward_pass` expect of a layer."""

    def forward(self, a: torch.Tensor) -> torch.Tensor: ...

    def backward(self, a: torch.Tensor, delta: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]: ...


def neuron(
    inputs: torch.Tensor,
    weights: torch.Tensor,
    bias: torch.Tensor | float,
    activation: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Compute one artificial neuron: the activation of a weighted sum of the signals that come in.

    Args:
        inputs: activations of the units upstream, shape (N, D).
        weights: one for each of these units, shape (D,).
        bias: one number, added to the sum.
        activation: the nonlinear function, applied to the sums (N,), for example `torch.sigmoid`.

    Returns:
        The activations of the neuron for the N samples, shape (N,).

    >>> neuron(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([2.0, -1.0]), 1.0, torch.relu)
    tensor([1., 7.])

    Source: lecture 1, the artificial neuron. L01.05.
    """
    return activation(inputs @ weights + bias)


def mlp_forward(
    x: torch.Tensor,
    weights: Sequence[torch.Tensor],
    biases: Sequence[torch.Tensor],
    activation: Callable[[torch.Tensor], torch.Tensor],
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Run a multilayer perceptron and keep everything that was computed on the way.

    Layer k computes z = W_k a + b_k for each sample. The activation is applied after every layer except the last, whose
    z are the logits.

    Args:
        x: inputs, shape (N, D).
        weights: L matrices, W_k of shape (units of layer k, units of the layer before), one row a unit.
        biases: L vectors, one entry a unit.
        activation: applied elementwise to the hidden units.

    Returns:
        Two lists. First the L tensors z, one row a sample; the last of them are the logits. Then the L tensors that
        went into the layers: x itself, and the activations of the L - 1 hidden layers.

    >>> step = lambda z: (z > 0).float()
    >>> W, v = torch.tensor([[1.0], [-1.0]]), torch.tensor([[10.0, 1.0]])
    >>> zs, inputs = mlp_forward(torch.tensor([[3.0]]), [W, v], [torch.zeros(2), torch.tensor([0.5])], step)
    >>> zs
    [tensor([[ 3., -3.]]), tensor([[10.5000]])]
    >>> inputs
    [tensor([[3.]]), tensor([[1., 0.]])]

    Source: lecture 5, learned features. L05.04.
    """
    zs: list[torch.Tensor] = []
    inputs = [x]
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        zs.append(inputs[-1] @ weight.T + bias)  # (N, units)
        if number < len(weights):
            inputs.append(activation(zs[-1]))
    return zs, inputs


def collapse(weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge linear layers that have no activation between them into the single layer that they are.

    Args:
        weights: L >= 1 matrices in the order in which they are applied, W_k of shape (units of layer k, units of the
            layer before).
        biases: L vectors, one entry a unit.

    Returns:
        M of shape (units of the last layer, D) and c of shape (units of the last layer,), such that M x + c is what the
        layers make of any x.

    >>> collapse([torch.tensor([[2.0]]), torch.tensor([[3.0]])], [torch.tensor([1.0]), torch.tensor([5.0])])
    (tensor([[6.]]), tensor([8.]))

    Source: lecture 5, why the activation must not be linear. L05.05.
    """
    merged, constant = weights[0], biases[0]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        merged, constant = weight @ merged, weight @ constant + bias
    return merged, constant


def pull_back(jacobians: Sequence[torch.Tensor], delta: torch.Tensor) -> torch.Tensor:
    """Multiply a chain of Jacobians onto a gradient in the cheap order: from the loss back, always matrix times vector.

    In the layout of lecture 5, dL/dx = J_1 J_2 ... J_L delta. The product of the Jacobians themselves is never formed:
    with n units a layer that takes of the order of n^3 multiplications, a matrix times a vector n^2.

    Args:
        jacobians: L matrices in the order of the forward pass; J_k = d(output of k) / d(input of k) has shape
            (inputs of k, outputs of k). The list may be empty.
        delta: the gradient of the loss with respect to the last output, shape (outputs of the last,).

    Returns:
        The gradient of the loss with respect to the first input, shape (inputs of the first,).

    >>> J_1, J_2 = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]])
    >>> pull_back([J_1, J_2], torch.tensor([10.0]))
    tensor([110.])

    Source: lecture 5, why the naive product is a bad idea. L05.08.
    """
    for matrix in reversed(jacobians):
        delta = matrix @ delta
    return delta


def multiplications(units: int, layers: int) -> tuple[int, int]:
    """Count the multiplications of J_1 J_2 ... J_L delta for square Jacobians, from the left and from the right.

    Args:
        units: n, in every layer.
        layers: L, the number of Jacobians, at least 1.

    Returns:
        From the left, (L - 1) n^3 + n^2, and from the right, L n^2.

    >>> multiplications(4096, 3)
    (137455730688, 50331648)

    Source: lecture 5, cost of the two orders. L05.08.
    """
    return (layers - 1) * units**3 + units**2, layers * units**2


class Linear:
    """A linear layer with a bias: z = W a + b for each sample.

    >>> layer = Linear(torch.tensor([[1.0, 2.0]]), torch.tensor([10.0]))
    >>> layer.forward(torch.tensor([[3.0, 4.0]]))
    tensor([[21.]])
    >>> layer.backward(torch.tensor([[3.0, 4.0]]), torch.tensor([[5.0]]))
    ((tensor([[15., 20.]]), tensor([5.])), tensor([[ 5., 10.]]))

    Source: lecture 5, the linear layer and its bias. L05.10, L05.11.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:  ### GIVEN
        self.weight = weight  # (M, D), one row a unit
        self.bias = bias  # (M,)

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        """Give z of shape (N, M) for inputs a of shape (N, D). For a = 0 every row is the bias."""
        return a @ self.weight.T + self.bias

    def backward(self, a: torch.Tensor, delta: torch.Tensor) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Turn dL/dz into the gradients of the parameters and into dL/da.

        Args:
            a: the inputs of the forward pass, shape (N, D).
            delta: dL/dz, shape (N, M). If the loss is a mean over the batch, 1/N is in it already.

        Returns:
            ((dL/dW, dL/db), dL/da) with shapes (M, D), (M,) and (N, D). The samples share W and b, so their
            contributions are summed.
        """
        return (delta.T @ a, delta.sum(dim=0)), delta @ self.weight


class Sigmoid:
    """The sigmoid 1 / (1 + exp(-z)) as a layer without parameters, applied to each entry.

    >>> layer = Sigmoid()
    >>> layer.forward(torch.tensor([[0.0, 100.0]]))
    tensor([[0.5000, 1.0000]])
    >>> layer.backward(torch.tensor([[0.0, 100.0]]), torch.tensor([[8.0, 8.0]]))
    ((), tensor([[2., 0.]]))

    Source: lecture 5, the sigmoid. L05.12.
    """

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Give the sigmoid of each entry; the shape stays. It is finite for z of any size."""
        return torch.sigmoid(z)

    def backward(self, z: torch.Tensor, delta: torch.Tensor) -> tuple[tuple[()], torch.Tensor]:
        """Turn dL/d(output) into dL/dz.

        Args:
            z: the input of the forward pass (not its output), any shape.
            delta: dL/d(output), same shape.

        Returns:
            ((), dL/dz): there are no parameters, and the gradient has the shape of z. It is finite for z of any size.
        """
        s = torch.sigmoid(z)
        return (), delta * s * (1 - s)


class ReLU:
    """The rectified linear unit max(0, z) as a layer without parameters, applied to each entry.

    >>> ReLU().forward(torch.tensor([[-1.0, 2.0]]))
    tensor([[0., 2.]])
    >>> ReLU().backward(torch.tensor([[-1.0, 2.0]]), torch.tensor([[5.0, -3.0]]))
    ((), tensor([[ 0., -3.]]))

    Source: lecture 5, ReLU. L05.13.
    """

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Give max(0, z) for each entry; the shape stays."""
        return z.clamp(min=0)

    def backward(self, z: torch.Tensor, delta: torch.Tensor) -> tuple[tuple[()], torch.Tensor]:
        """Turn dL/d(output) into dL/dz: delta passes where z was positive, whatever its own sign, and stops elsewhere.

        Args:
            z: the input of the forward pass, any shape.
            delta: dL/d(output), same shape.

        Returns:
            ((), dL/dz). At z = 0 exactly there is no derivative: the slide passes delta on there, PyTorch does not, and
            either is accepted.
        """
        return (), delta * (z > 0)


def softmax_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the MEAN negative log-likelihood of the labels under softmax(logits), and its derivative.

    Args:
        logits: z, shape (N, C); of any size, say 1e4.
        labels: int64, shape (N,), entries 0 .. C-1.

    Returns:
        The loss, a tensor without axes, and delta = dL/dz of shape (N, C). Both are finite, and each row of delta sums
        to 0: what the true class gains the others lose.

    >>> loss, delta = softmax_cross_entropy(torch.zeros(2, 2), torch.tensor([0, 1]))
    >>> loss, delta
    (tensor(0.6931), tensor([[-0.2500,  0.2500],
            [ 0.2500, -0.2500]]))

    Source: lecture 5; the table of recipes leaves this row blank. L05.14.
    """
    rows = torch.arange(len(labels), device=logits.device)
    log_normalizer = torch.logsumexp(logits, dim=1)  # (N,)
    loss = (log_normalizer - logits[rows, labels]).mean()
    delta = torch.exp(logits - log_normalizer.unsqueeze(1))  # probabilities (N, C)
    delta[rows, labels] -= 1  # a tensor of our own, so this changes nothing of the caller's
    return loss, delta / len(labels)


def forward_pass(layers: Sequence[Layer], x: torch.Tensor) -> list[torch.Tensor]:
    """Run layers one after the other and keep what goes into each, which is what their recipes need.

    Args:
        layers: L objects with `forward`.
        x: input of the first, shape (N, D).

    Returns:
        L + 1 tensors: the input of each layer, and at the end the output of the last.

    Source: lecture 5, the forward pass. L05.09.
    """
    values = [x]
    for layer in layers:
        values.append(layer.forward(values[-1]))
    return values


def backward_pass(
    layers: Sequence[Layer], inputs: Sequence[torch.Tensor], delta: torch.Tensor
) -> tuple[list[tuple[torch.Tensor, ...]], torch.Tensor]:
    """Send the derivative of the loss back through layers, from the last to the first: the backpropagation algorithm.

    Args:
        layers: L objects in the order of the forward pass. Each has a method `backward(a, delta)` that takes its own
            input and the derivative with respect to its output, and returns (gradients of its parameters, derivative
            with respect to its input).
        inputs: the input of each layer in the forward pass, L tensors; what comes after them is not looked at.
        delta: the derivative of the loss with respect to the output of the last layer.

    Returns:
        A list of L tuples, the gradients of the parameters of each layer, in the order of `layers`; and the derivative
        with respect to the input of the first layer. Each layer's `backward` is called once; no parameter is changed.

    >>> layers = [Linear(torch.tensor([[2.0]]), torch.zeros(1)), ReLU()]
    >>> backward_pass(layers, forward_pass(layers, torch.tensor([[3.0]])), torch.tensor([[1.0]]))
    ([(tensor([[3.]]), tensor([1.])), ()], tensor([[2.]]))

    Source: lecture 5, the backpropagation algorithm. L05.09.
    """
    gradients: list[tuple[torch.Tensor, ...]] = []
    for layer, a in reversed(list(zip(layers, inputs, strict=False))):
        of_parameters, delta = layer.backward(a, delta)
        gradients.append(of_parameters)
    return gradients[::-1], delta
