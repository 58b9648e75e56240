"""Dropout: train a huge family of nets that share their weights, and use all of them at once."""

from collections.abc import Callable

import torch


def dropout(
    x: torch.Tensor, keep: float, train: bool, generator: torch.Generator | None = None, inverted: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Set each activation to 0 at random, independently for every entry, and keep the others.

    Inverted dropout divides what is kept by the probability of keeping it. The expectation of
    each activation is then what it would be without dropout, and nothing is to be done at test
    time. The form of the first slide does not; there the weights behind it have to be
    multiplied by `keep` at test time (`scale_for_test`).

    Args:
        x: activations, any shape.
        keep: probability of KEEPING an entry, 0 < keep <= 1, as in the lecture;
            torch.nn.Dropout takes the probability of dropping.
        train: False gives x unchanged.
        generator: source of randomness; None means torch's global one of the device of x.
        inverted: whether to divide by `keep`.

    Returns:
        (output, mask), both of the shape of x, output = x * mask. The mask has entries 0 and 1
        / keep (0 and 1 if not inverted) in training and only ones otherwise. The backward pass
        is delta * mask, with the same mask.

    Raises:
        ValueError: keep is not in (0, 1].

    >>> output, mask = dropout(torch.ones(1000), 0.5, train=True, generator=torch.Generator().manual_seed(0))
    >>> output.unique(), 0.4 < (mask > 0).float().mean() < 0.6
    (tensor([0., 2.]), tensor(True))

    Source: lecture 7, dropout, and inverted dropout. L07.23, L07.24.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep is {keep}, expected a probability above 0 and at most 1")
    if not train:
        return x, torch.ones_like(x)
    device = x.device if generator is None else generator.device
    mask = torch.empty(x.shape, dtype=x.dtype, device=device).bernoulli_(keep, generator=generator).to(x.device)
    if inverted:
        mask /= keep
    return x * mask, mask


def scale_for_test(weight: torch.Tensor, keep: float) -> torch.Tensor:
    """Scale the weights behind a layer of plain (not inverted) dropout for use without
    dropout.

    In training only the share `keep` of the inputs was there, so the full sum would be 1 /
    keep times too large. The slide says "divide all weights by 2", for keep = 1/2; that is
    meant for the weights whose INPUTS were dropped, and never for biases, which were always
    there.

    Args:
        weight: shape (units, inputs).
        keep: probability of keeping an input.

    Returns:
        keep * weight.

    >>> scale_for_test(torch.tensor([[4.0]]), 0.5)
    tensor([[2.]])

    Source: lecture 7, dropout at test time. L07.24.
    """
    return keep * weight


def mc_dropout(probabilities: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, samples: int) -> torch.Tensor:
    """Average the predictions of several random sub-networks: dropout as the ensemble that it
    is.

    A net with n units that may be dropped is 2^n nets that share their weights. For one linear
    layer the average over all of them is the scaled net exactly; for a deep one the scaled net
    is close, and much cheaper.

    Args:
        probabilities: maps inputs to p(y | x), shape (N, C), with dropout ON: each call draws
            new masks.
        x: inputs, shape (N, D).
        samples: number of calls, at least 1.

    Returns:
        The mean of the probabilities (not of the logits), shape (N, C).

    >>> answers = iter([torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])])
    >>> mc_dropout(lambda x: next(answers), torch.zeros(1, 3), samples=2)
    tensor([[0.7500, 0.2500]])

    Source: lecture 7, dropout as a huge ensemble. L07.25.
    """
    total = probabilities(x)
    for _ in range(samples - 1):
        total = total + probabilities(x)
    return total / samples
