"""Batch and layer normalization once more, for speed: the same formulas with fewer passes over memory.

For matrices that do not fit into the cache the time goes into moving numbers, not into computing with them, and into
asking the system for new memory. So these forms reuse the two buffers that they own, square and add in one pass, and
let matrix-vector products do weighted sums.

`normalization` says what is computed; each function here takes the place of the one there without `fused_`. A test
holds them together, and `benchmarks/training_deep_nets.py` measures both beside PyTorch's kernels. Work in place is
not for autograd: the derivative is that of the backward pass written here.
"""

import torch

from course_lib.training_deep_nets.normalization import Normalized


@torch.no_grad()
def fused_batch_norm(
    x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, epsilon: float = 1e-5
) -> tuple[torch.Tensor, Normalized]:
    """Compute `batch_norm`, not watched by autograd, with two new matrices instead of four.

    Args:
        x: a batch, shape (N, D), N >= 2.
        gamma: scales, shape (D,).
        beta: shifts, shape (D,).
        epsilon: added to the variance, inside the root.

    Returns:
        gamma * x_hat + beta, shape (N, D), and what `fused_batch_norm_backward` needs.

    >>> x, gamma, beta = torch.tensor([[1.0], [3.0]]), torch.tensor([10.0]), torch.tensor([5.0])
    >>> fused_batch_norm(x, gamma, beta, epsilon=0.0)[0]
    tensor([[-5.],
            [15.]])

    Source: lecture 7, batch normalization. L07.04.
    """
    x_hat = x - x.mean(dim=0)  # centered so far
    output = x_hat * x_hat  # squares so far
    inverse_std = output.mean(dim=0).add_(epsilon).rsqrt_()
    x_hat.mul_(inverse_std)
    return torch.addcmul(beta, x_hat, gamma, out=output), Normalized(x_hat, inverse_std)


def fused_batch_norm_backward(
    delta: torch.Tensor, gamma: torch.Tensor, x_hat: torch.Tensor, inverse_std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute `batch_norm_backward` with one new matrix.

    Args:
        delta: dL/d(output), shape (N, D).
        gamma: the scales of the forward pass, shape (D,).
        x_hat: the normalized inputs of the forward pass, shape (N, D).
        inverse_std: 1 / sqrt(variance + epsilon) of each feature, shape (D,).

    Returns:
        (dL/dx, dL/dgamma, dL/dbeta), shapes (N, D), (D,) and (D,).

    >>> _, kept = fused_batch_norm(torch.tensor([[1.0], [3.0]]), torch.ones(1), torch.ones(1))
    >>> fused_batch_norm_backward(torch.tensor([[2.0], [5.0]]), torch.ones(1), *kept)[2]
    tensor([7.])

    Source: lecture 7, "figure out the derivatives w.r.t. parameters and input". L07.05.
    """
    buffer = delta * x_hat
    d_gamma, d_beta = buffer.sum(dim=0), delta.sum(dim=0)
    torch.sub(delta, d_beta / len(delta), out=buffer)
    buffer.addcmul_(x_hat, d_gamma / len(delta), value=-1).mul_(gamma * inverse_std)
    return buffer, d_gamma, d_beta


@torch.no_grad()
def fused_layer_norm(
    x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, epsilon: float = 1e-5
) -> tuple[torch.Tensor, Normalized]:
    """Compute `layer_norm`, not watched by autograd, with two new matrices instead of four.

    Args:
        x: shape (N, D), D >= 2.
        gamma: scales, shape (D,).
        beta: shifts, shape (D,).
        epsilon: added to the variance, inside the root.

    Returns:
        gamma * x_hat + beta, shape (N, D), and what `fused_layer_norm_backward` needs.

    >>> fused_layer_norm(torch.tensor([[1.0, 3.0]]), torch.ones(2), torch.zeros(2))[0].round(decimals=3)
    tensor([[-1.,  1.]])

    Source: lecture 7, batch normalization, with the axes exchanged (Ba, Kiros and Hinton,
    2016). L07.04.
    """
    x_hat = x - x.mean(dim=1, keepdim=True)
    length = torch.linalg.vector_norm(x_hat, dim=1, keepdim=True)  # squares and adds in one pass
    inverse_std = length.square_().div_(x.shape[1]).add_(epsilon).rsqrt_()
    x_hat.mul_(inverse_std)
    return torch.addcmul(beta, x_hat, gamma), Normalized(x_hat, inverse_std)


def fused_layer_norm_backward(
    delta: torch.Tensor, gamma: torch.Tensor, x_hat: torch.Tensor, inverse_std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute `layer_norm_backward` with one new matrix.

    Args:
        delta: dL/d(output), shape (N, D).
        gamma: the scales of the forward pass, shape (D,).
        x_hat: the normalized inputs of the forward pass, shape (N, D).
        inverse_std: 1 / sqrt(variance + epsilon) of each sample, shape (N, 1).

    Returns:
        (dL/dx, dL/dgamma, dL/dbeta), shapes (N, D), (D,) and (D,).

    >>> _, kept = fused_layer_norm(torch.tensor([[1.0, 3.0]]), torch.ones(2), torch.zeros(2))
    >>> fused_layer_norm_backward(torch.tensor([[2.0, 5.0]]), torch.ones(2), *kept)[2]
    tensor([2., 5.])

    Source: lecture 7, the derivative of batch normalization, with the axes exchanged. L07.05.
    """
    buffer = delta * x_hat
    d_gamma, d_beta = buffer.sum(dim=0), delta.sum(dim=0)
    share = gamma / -len(gamma)  # means over a row of gamma * delta and of gamma * delta * x_hat, with a minus sign:
    minus_mean = torch.mv(delta, share).unsqueeze(1)  # (N, 1)
    minus_mean_along = torch.mv(buffer, share).unsqueeze(1)  # (N, 1)
    torch.addcmul(minus_mean, delta, gamma, out=buffer)
    buffer.addcmul_(x_hat, minus_mean_along).mul_(inverse_std)
    return buffer, d_gamma, d_beta
