"""Gradient clipping: a bound on what one bad step can do."""

from collections.abc import Sequence

import torch


def clip_by_value(gradients: Sequence[torch.Tensor], limit: float) -> list[torch.Tensor]:
    """Cut every entry of every gradient to the range from -limit to limit; the direction may
    change.

    Args:
        gradients: tensors of any shapes.
        limit: c, positive. How large? Look at the gradients of a few healthy epochs.

    Returns:
        New tensors of the same shapes; entries inside the range are unchanged.

    >>> clip_by_value([torch.tensor([0.5, -7.0])], 2.0)
    [tensor([ 0.5000, -2.0000])]

    Source: lecture 7, clipping per element. L07.14.
    """
    return [gradient.clamp(-limit, limit) for gradient in gradients]


def clip_by_norm(gradients: Sequence[torch.Tensor], limit: float) -> list[torch.Tensor]:
    """Shorten the gradient of all parameters together to the length `limit`, if it is longer;
    its direction stays.

    The slide's formula is g * min(||g||, c) / ||g|| with ||g|| over all entries of all
    tensors; at g = 0, where that is 0 / 0, the gradient stays 0.

    Args:
        gradients: at least one tensor, any shapes.
        limit: c, positive: the largest norm that is let through.

    Returns:
        New tensors of the same shapes, all multiplied by the same factor; the same values
        where the norm is at most c.

    >>> clip_by_norm([torch.tensor([3.0]), torch.tensor([4.0])], 1.0)
    [tensor([0.6000]), tensor([0.8000])]

    Source: lecture 7, clipping by norm. L07.15.
    """
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    factor = torch.where(norm > limit, limit / norm, torch.ones_like(norm))
    return [gradient * factor for gradient in gradients]
