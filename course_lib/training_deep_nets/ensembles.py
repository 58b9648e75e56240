"""Many nets instead of one: bootstrap, averaging and voting, snapshots, parameter averaging."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch


def bootstrap(
    x: torch.Tensor, labels: torch.Tensor, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a data set of the same size from a data set: N samples WITH replacement, inputs and
    labels together.

    On average 1 - 1/e = 63 % of the samples occur in it.

    Args:
        x: inputs, shape (N, ...).
        labels: shape (N,).
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        Inputs and labels of the drawn samples, shapes as before. The arguments are not
        changed.

    >>> x, labels = bootstrap(torch.arange(5.0), torch.arange(5), torch.Generator().manual_seed(0))
    >>> torch.equal(x, labels.float()), len(x)
    (True, 5)

    Source: lecture 7, resampling with replacement. L07.16.
    """
    chosen = torch.randint(len(x), (len(x),), generator=generator)
    return x[chosen.to(x.device)], labels[chosen.to(labels.device)]


def ensemble_probabilities(probabilities: torch.Tensor) -> torch.Tensor:
    """Average the PROBABILITIES of the members: p(y | x) = 1/M sum_j p_j(y | x).

    The NLL of the average is at most the average NLL, because -log is convex.

    Args:
        probabilities: of each member, shape (M, N, C).

    Returns:
        Shape (N, C).

    >>> ensemble_probabilities(torch.tensor([[[1.0, 0.0]], [[0.5, 0.5]]]))
    tensor([[0.7500, 0.2500]])

    Source: lecture 7, averaging. L07.17.
    """
    return probabilities.mean(dim=0)


def ensemble_vote(probabilities: torch.Tensor) -> torch.Tensor:
    """Let each member vote for its most probable class, and take the class with most votes.

    Args:
        probabilities: of each member, shape (M, N, C).

    Returns:
        Classes, int64, shape (N,). Of several classes with equally many votes, the one with
        the smallest number.

    >>> ensemble_vote(torch.tensor([[[0.4, 0.6]], [[0.4, 0.6]], [[1.0, 0.0]]]))
    tensor([1])

    Source: lecture 7, majority vote. L07.17.
    """
    classes = probabilities.shape[2]
    votes = torch.nn.functional.one_hot(probabilities.argmax(dim=2), classes).sum(dim=0)  # (N, C)
    # argmax promises nothing about ties; weighing each vote by C and subtracting the class number leaves none.
    return (votes * classes - torch.arange(classes, device=votes.device)).argmax(dim=1)


def disagreement(probabilities: torch.Tensor) -> torch.Tensor:
    """Give the share of samples on which two members choose different classes, for each pair.

    Args:
        probabilities: of each member, shape (M, N, C).

    Returns:
        Symmetric, shape (M, M), 0 on the diagonal, in the dtype of the probabilities.

    >>> disagreement(torch.tensor([[[0.9, 0.1]], [[0.2, 0.8]]]))
    tensor([[0., 1.],
            [1., 0.]])

    Source: lecture 7, ensembles in practice: diversity without resampling. L07.18.
    """
    choices = probabilities.argmax(dim=2)  # (M, N)
    return (choices.unsqueeze(0) != choices.unsqueeze(1)).to(probabilities.dtype).mean(dim=2)


def snapshots(steps: Iterable[Any], state: Sequence[torch.Tensor], every: int) -> list[list[torch.Tensor]]:
    """Run a training loop to its end and copy its parameters after every so many steps.

    Args:
        steps: an iterable that makes one training step for each item asked of it, for example
            a generator that yields after each update.
        state: the tensors that training changes in place.
        every: steps between two snapshots, at least 1: the first is taken after step `every`.
            Snapshots that are only a few steps apart are nearly the same net.

    Returns:
        One list of tensors a snapshot, in the order of time. They are detached copies: later
        steps do not change them.

    >>> theta = torch.zeros(1)
    >>> def descend():
    ...     for _ in range(5):
    ...         yield theta.add_(1)
    >>> snapshots(descend(), [theta], every=2)
    [[tensor([2.])], [tensor([4.])]]

    Source: lecture 7, snapshot ensembles. L07.20.
    """
    taken = []
    for step, _ in enumerate(steps, start=1):
        if step % every == 0:
            taken.append([tensor.detach().clone() for tensor in state])
    return taken


def average_parameters(states: Sequence[Sequence[torch.Tensor]]) -> list[torch.Tensor]:
    """Average the parameters of several snapshots of ONE training run, tensor by tensor.

    It makes no sense for nets from different random starts: their units have different roles
    in different places, and the average of two good nets is then a bad one.

    Args:
        states: M >= 1 lists of tensors with the same shapes.

    Returns:
        New tensors. Floating-point tensors are averaged; of integer ones, such as counters of
        steps, the last state's value is taken. The arguments are not changed.

    >>> average_parameters([[torch.tensor([1.0]), torch.tensor(3)], [torch.tensor([2.0]), torch.tensor(7)]])
    [tensor([1.5000]), tensor(7)]

    Source: lecture 7, averaging the parameter vectors. L07.21.
    """
    averaged = []
    for tensors in zip(*states, strict=True):
        if tensors[0].is_floating_point():
            averaged.append(torch.stack([tensor.detach() for tensor in tensors]).mean(dim=0))
        else:
            averaged.append(tensors[-1].clone())
    return averaged
