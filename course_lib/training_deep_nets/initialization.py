"""How large the first weights are, and what that does to activations and gradients, layer after layer."""

import math
from collections.abc import Callable, Sequence

import torch


def normal_layers(
    depth: int, width: int, std: float, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> list[torch.Tensor]:
    """Draw the weights of a deep net whose layers are all equally wide, every entry normal
    with the same deviation.

    Args:
        depth: number of layers.
        width: units of each layer, and number of inputs.
        std: STANDARD DEVIATION of each weight. The slide's N(0, 0.0001) names the variance:
            that is std=0.01.
        generator: source of randomness on the CPU; None means torch's global one.
        dtype: of the result.

    Returns:
        `depth` matrices of shape (width, width), one row a unit.

    >>> [tuple(weight.shape) for weight in normal_layers(2, 5, 0.01)]
    [(5, 5), (5, 5)]

    Source: lecture 7, the experiment with ten layers. L07.08.
    """
    return [std * torch.randn(width, width, generator=generator, dtype=dtype) for _ in range(depth)]


def activation_statistics(
    weights: Sequence[torch.Tensor], x: torch.Tensor, activation: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Measure mean and standard deviation of the activations of each layer of a net without
    biases.

    The slide heads its second table "without nonlinearities". Its numbers, .628 to .228, come
    from a net with tanh; a linear net with the same weights keeps a standard deviation of
    about 1.

    Args:
        weights: L matrices, W_k of shape (units of layer k, units of the layer before).
        x: inputs, shape (N, D).
        activation: applied after EVERY layer.

    Returns:
        Shape (L + 1, 2): mean and standard deviation over all samples and units together,
        divided by their number. Row 0 is the input, row k the activations of layer k.

    >>> activation_statistics([torch.tensor([[2.0]])], torch.tensor([[1.0], [3.0]]), torch.relu)
    tensor([[2., 1.],
            [4., 2.]])

    Source: lecture 7, activations by depth. L07.08, L07.10, L07.11.
    """
    a = x
    rows = [torch.stack([a.mean(), a.std(correction=0)])]
    for weight in weights:
        a = activation(a @ weight.T)
        rows.append(torch.stack([a.mean(), a.std(correction=0)]))
    return torch.stack(rows)


def gradient_statistics(
    weights: Sequence[torch.Tensor],
    x: torch.Tensor,
    activation: Callable[[torch.Tensor], torch.Tensor],
    upstream: torch.Tensor,
) -> torch.Tensor:
    """Measure how large the gradient of each weight matrix is: dL/dW = delta a^T vanishes with
    either factor.

    Args:
        weights: L matrices as in `activation_statistics`.
        x: inputs, shape (N, D).
        activation: applied after every layer; autograd must be able to differentiate it.
        upstream: dL/d(activations of the last layer), shape (N, units of the last layer).

    Returns:
        Root mean square of the entries of dL/dW_k, shape (L,).

    >>> gradient_statistics([torch.tensor([[2.0]])], torch.tensor([[3.0]]), torch.relu, torch.tensor([[5.0]]))
    tensor([15.])

    Source: lecture 7, why shrinking activations are bad. L07.08.
    """
    with torch.enable_grad():
        leaves = [weight.detach().requires_grad_() for weight in weights]
        a = x
        for weight in leaves:
            a = activation(a @ weight.T)
        gradients = torch.autograd.grad(a, leaves, upstream)
    return torch.stack([gradient.square().mean().sqrt() for gradient in gradients])


def predicted_second_moment(inputs: int, weight_variance: float, depth: int, start: float = 1.0) -> torch.Tensor:
    """Predict E[a^2] of each layer of a LINEAR net: every layer multiplies it by inputs *
    weight_variance.

    z_i = sum_j W_ij a_j has `inputs` independent terms of mean 0, so their variances add.

    Args:
        inputs: D_a, number of inputs of each layer, its fan-in.
        weight_variance: sigma_W^2, variance of each weight.
        depth: number of layers.
        start: E[a^2] of the inputs.

    Returns:
        Shape (depth + 1,), float64; entry 0 is `start`.

    >>> predicted_second_moment(100, 0.02, 3)
    tensor([1., 2., 4., 8.], dtype=torch.float64)

    Source: lecture 7, the variance of a sum. L07.09.
    """
    return start * (inputs * weight_variance) ** torch.arange(depth + 1, dtype=torch.float64)


def xavier_init(
    units: int, inputs: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Draw weights that keep the scale of a linear layer: normal, standard deviation 1 /
    sqrt(inputs).

    Args:
        units: number of rows.
        inputs: D_a, the fan-in of the layer, number of columns. (Glorot and Bengio average
            fan-in and fan-out; the lecture takes the fan-in.)
        generator: source of randomness on the CPU; None means torch's global one.
        dtype: of the result.

    Returns:
        Shape (units, inputs).

    >>> xavier_init(3, 5).shape
    torch.Size([3, 5])

    Source: lecture 7, basic initialisation. L07.10.
    """
    return torch.randn(units, inputs, generator=generator, dtype=dtype) / math.sqrt(inputs)


def he_init(
    units: int, inputs: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Draw weights that keep the second moment through a linear layer and ReLU: normal,
    deviation sqrt(2 / inputs).

    ReLU of a symmetric z halves E[z^2]; the slide says that it halves the variance, but
    Var[ReLU(z)] of a standard normal z is 0.34. It is the second moment that the next layer
    sees.

    Args:
        units: number of rows.
        inputs: D_a, the fan-in of the layer, number of columns.
        generator: source of randomness on the CPU; None means torch's global one.
        dtype: of the result.

    Returns:
        Shape (units, inputs).

    >>> he_init(3, 5).shape
    torch.Size([3, 5])

    Source: lecture 7, initialisation for ReLU (He et al., 2015). L07.11.
    """
    return torch.randn(units, inputs, generator=generator, dtype=dtype) * math.sqrt(2 / inputs)


def active_fraction(bias: torch.Tensor, std: float = 1.0) -> torch.Tensor:
    """Give the share of inputs for which a ReLU is active, z = N(0, std^2) + bias > 0.

    A unit that is off for half of the inputs is not dead: it is on for the others. The small
    positive biases of the slide, 0.1, move the share a little above one half; they are for
    hidden layers, not for the output.

    Args:
        bias: any shape, floating point.
        std: standard deviation of the weighted sum.

    Returns:
        Phi(bias / std), of the shape of the bias.

    >>> active_fraction(torch.tensor([0.0, 0.1]))
    tensor([0.5000, 0.5398])

    Source: lecture 7, biases for ReLU. L07.12.
    """
    return torch.special.ndtr(bias / std)


def orthogonal(
    shape: Sequence[int], generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Draw weights all of whose singular values are 1, so that a layer stretches no direction
    and shrinks none.

    A matrix of independent normal entries is decomposed, A = U S V^T, and S is replaced by 1.
    (The slide calls the entries of S eigenvalues and leaves out the transposition; they are
    singular values.)

    Args:
        shape: (units, inputs), or (units, channels, height, width) and the like: all axes but
            the first are flattened for the decomposition.
        generator: source of randomness on the CPU; None means torch's global one.
        dtype: of the result.

    Returns:
        A tensor of this shape. Flattened to a matrix it has orthonormal rows if it has no more
        rows than columns, and orthonormal columns otherwise.

    >>> wide = orthogonal((2, 5))
    >>> (wide @ wide.T - torch.eye(2)).abs().max() < 1e-5
    tensor(True)

    Source: lecture 7, a random orthogonal matrix from the SVD. L07.13.
    """
    rows, columns = shape[0], math.prod(shape[1:])
    u, _, vh = torch.linalg.svd(torch.randn(rows, columns, generator=generator, dtype=dtype), full_matrices=False)
    return (u @ vh).reshape(tuple(shape))  # both factors have orthonormal columns or rows; their product is the nearest
