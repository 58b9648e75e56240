"""Batch normalization and layer normalization, forward and backward.

Both are x_hat = (x - mean) / sqrt(variance + epsilon), then gamma * x_hat + beta. What differs is over what the mean is
taken: over the samples of the batch, for each feature (batch); or over the features, for each sample (layer). The
slides have no epsilon; it keeps a feature that does not vary from becoming 0 / 0.

What is written here is readable first. `fused` has the same functions with fewer passes over memory.
"""

from typing import NamedTuple

import torch


class Normalized(NamedTuple):
    """What the backward pass needs of the forward pass.

    Attributes: x_hat: the normalized inputs, before gamma and beta, shape (N, D). inverse_std:
        1 / sqrt(variance + epsilon), of a shape that broadcasts with x_hat: (D,) or (N, 1).
    """

    x_hat: torch.Tensor
    inverse_std: torch.Tensor


def batch_norm(
    x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, epsilon: float = 1e-5
) -> tuple[torch.Tensor, Normalized]:
    """Normalize each feature by the mean and variance that it has in this batch, then scale
    and shift it.

    The variance is divided by N, as on the slide.

    Args:
        x: a batch, shape (N, D), N >= 2.
        gamma: scales, shape (D,).
        beta: shifts, added after the scaling, shape (D,).
        epsilon: added to the variance, inside the root.

    Returns:
        gamma * x_hat + beta, shape (N, D), and what `batch_norm_backward` needs.

    >>> y, kept = batch_norm(torch.tensor([[1.0], [3.0]]), torch.tensor([10.0]), torch.tensor([5.0]), epsilon=0.0)
    >>> y
    tensor([[-5.],
            [15.]])

    Source: lecture 7, batch normalization. L07.04.
    """
    # torch.var_mean would say it in one line, and takes ten times as long on a CPU.
    centered = x - x.mean(dim=0)
    inverse_std = torch.rsqrt((centered * centered).mean(dim=0) + epsilon)
    x_hat = centered * inverse_std
    return torch.addcmul(beta, x_hat, gamma), Normalized(x_hat, inverse_std)


def batch_norm_backward(
    delta: torch.Tensor, gamma: torch.Tensor, x_hat: torch.Tensor, inverse_std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Send a derivative back through batch normalization: the exercise of the lecture.

    Mean and variance depend on every sample of the batch, so the derivative with respect to
    one sample collects from all: with d = gamma * delta, dL/dx = (d - mean(d) - x_hat * mean(d
    * x_hat)) / std, means over the batch.

    Args:
        delta: dL/d(output), shape (N, D).
        gamma: the scales of the forward pass, shape (D,).
        x_hat: the normalized inputs of the forward pass, before gamma and beta, shape (N, D).
        inverse_std: 1 / sqrt(variance + epsilon) of each feature, shape (D,).

    Returns:
        (dL/dx, dL/dgamma, dL/dbeta), shapes (N, D), (D,) and (D,). gamma and beta serve all
        samples, so their derivatives are sums over the batch. Each column of dL/dx sums to 0.

    >>> one = torch.ones(1)
    >>> y, kept = batch_norm(torch.tensor([[1.0], [3.0]]), one, one)
    >>> d_x, d_gamma, d_beta = batch_norm_backward(torch.tensor([[2.0], [5.0]]), one, *kept)
    >>> d_gamma.round(decimals=3), d_beta
    (tensor([3.]), tensor([7.]))

    Source: lecture 7, "figure out the derivatives w.r.t. parameters and input". L07.05.
    """
    d_beta = delta.sum(dim=0)
    d_gamma = (delta * x_hat).sum(dim=0)
    # gamma is the same for the whole batch, so mean(d) = gamma d_beta / N, mean(d x_hat) = gamma d_gamma / N.
    inner = torch.addcmul(delta - d_beta / len(delta), x_hat, d_gamma / len(delta), value=-1)
    return inner * (gamma * inverse_std), d_gamma, d_beta


class BatchNorm:
    """Batch normalization as a layer with a memory: batch statistics in training, running
    averages afterwards.

    Attributes: `gamma` and `beta`, shape (D,), to be learned, 1 and 0 at the start;
    `running_mean` and `running_var`, shape (D,), 0 and 1 at the start; `momentum` and
    `epsilon`.

    The lecture does not say what to do when there is no batch. The standard answer, PyTorch's
    too: each training pass moves the running averages by the share `momentum` towards the
    statistics of its batch. For that the variance is divided by N - 1, an unbiased estimate
    for the population, though the batch itself is normalized by the one divided by N.

    >>> layer = BatchNorm(1)
    >>> layer.forward(torch.tensor([[1.0], [3.0]]), train=True).round(decimals=3)
    tensor([[-1.],
            [ 1.]])
    >>> layer.running_mean, layer.running_var  # 0.9 * 0 + 0.1 * 2, and 0.9 * 1 + 0.1 * 2
    (tensor([0.2000]), tensor([1.1000]))

    Source: lecture 7, batch normalization and its inference statistics. L07.04.
    """

    def __init__(
        self, features: int, momentum: float = 0.1, epsilon: float = 1e-5, dtype: torch.dtype = torch.float32
    ) -> None:  ### GIVEN
        self.gamma, self.beta = torch.ones(features, dtype=dtype), torch.zeros(features, dtype=dtype)
        self.running_mean, self.running_var = torch.zeros(features, dtype=dtype), torch.ones(features, dtype=dtype)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x: torch.Tensor, train: bool) -> torch.Tensor:
        """Normalize x, shape (N, D), and return gamma * x_hat + beta.

        train=True: by the statistics of this batch, N >= 2, whose variance is divided by N;
        the running averages become (1 - momentum) * old + momentum * batch, where the variance
        is divided by N - 1. Autograd does not watch them.

        train=False: by the running averages, which stay as they are, so that a sample's output
        does not depend on what else is in the batch; N = 1 is allowed.
        """
        if train:
            mean = x.mean(dim=0)  # (D,)
            variance = ((x - mean) ** 2).mean(dim=0)
            with torch.no_grad():
                unbiased = variance * len(x) / (len(x) - 1)
                self.running_mean.lerp_(mean, self.momentum)  # in place: who holds the tensors sees them move
                self.running_var.lerp_(unbiased, self.momentum)
        else:
            mean, variance = self.running_mean, self.running_var
        return (x - mean) * torch.rsqrt(variance + self.epsilon) * self.gamma + self.beta


def layer_norm(
    x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, epsilon: float = 1e-5
) -> tuple[torch.Tensor, Normalized]:
    """Normalize each SAMPLE by the mean and variance of its features, then scale and shift
    each feature.

    No sample sees another, so training and test compute the same, and a batch of one is fine.

    Args:
        x: shape (N, D), D >= 2.
        gamma: scales, shape (D,).
        beta: shifts, shape (D,).
        epsilon: added to the variance (divided by D), inside the root.

    Returns:
        gamma * x_hat + beta, shape (N, D), and what `layer_norm_backward` needs.

    >>> layer_norm(torch.tensor([[1.0, 3.0]]), torch.ones(2), torch.zeros(2), epsilon=0.0)[0]
    tensor([[-1.,  1.]])

    Source: lecture 7, batch normalization, with the axes exchanged (Ba, Kiros and Hinton,
    2016). L07.04.
    """
    centered = x - x.mean(dim=1, keepdim=True)
    inverse_std = torch.rsqrt((centered * centered).mean(dim=1, keepdim=True) + epsilon)  # (N, 1)
    x_hat = centered * inverse_std
    return torch.addcmul(beta, x_hat, gamma), Normalized(x_hat, inverse_std)


def layer_norm_backward(
    delta: torch.Tensor, gamma: torch.Tensor, x_hat: torch.Tensor, inverse_std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Send a derivative back through layer normalization; as in `batch_norm_backward`, with
    means over the features.

    Args:
        delta: dL/d(output), shape (N, D).
        gamma: the scales of the forward pass, shape (D,).
        x_hat: the normalized inputs of the forward pass, before gamma and beta, shape (N, D).
        inverse_std: 1 / sqrt(variance + epsilon) of each sample, shape (N, 1).

    Returns:
        (dL/dx, dL/dgamma, dL/dbeta), shapes (N, D), (D,) and (D,). Each row of dL/dx sums to
        0.

    >>> y, kept = layer_norm(torch.tensor([[1.0, 3.0]]), torch.ones(2), torch.zeros(2))
    >>> layer_norm_backward(torch.tensor([[2.0, 5.0]]), torch.ones(2), *kept)[2]
    tensor([2., 5.])

    Source: lecture 7, the derivative of batch normalization, with the axes exchanged. L07.05.
    """
    product = delta * x_hat
    d = delta * gamma  # gamma differs within a row, so it stays inside the means
    inner = torch.addcmul(d - d.mean(dim=1, keepdim=True), x_hat, (d * x_hat).mean(dim=1, keepdim=True), value=-1)
    return inner * inverse_std, product.sum(dim=0), delta.sum(dim=0)
