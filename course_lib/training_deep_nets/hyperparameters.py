"""Hyperparameters: drawn at random in the logarithm, from coarse to fine, and bad runs ended early.

Those of optimization (learning rate, momentum, initialisation, batch normalization) show in the training loss within
the first updates; those of generalization (dropout, ensembles, weight decay, architecture) only on validation data.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import torch


def log_uniform(low: float, high: float, size: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """Draw numbers whose LOGARITHM is uniform: each factor of ten of the range gets equally
    many.

    (The slide writes 10**uniform(-3, -6), with the larger bound first; here low comes first,
    and both are the values themselves, not exponents.)

    Args:
        low: smallest value, positive.
        high: largest value, at least low.
        size: how many.
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        Independent values from low to high, float64, shape (size,).

    Raises:
        ValueError: low is not positive, or high is below low.

    >>> rates = log_uniform(1e-6, 1e-3, 3000, torch.Generator().manual_seed(0))
    >>> 0.3 < (rates < 1e-5).double().mean() < 0.37  # one decade of three
    tensor(True)

    Source: lecture 7, random search in log space. L07.26.
    """
    if not 0 < low <= high:
        raise ValueError(f"the range is {low} to {high}, expected 0 < low <= high")
    u = torch.rand(size, generator=generator, dtype=torch.float64)
    return torch.exp(math.log(low) + u * (math.log(high) - math.log(low))).clamp(low, high)  # exp(log(high)) may exceed


def random_settings(
    space: Mapping[str, tuple[float, float]], trials: int, generator: torch.Generator | None = None
) -> list[dict[str, float]]:
    """Draw settings at random, every hyperparameter anew for every trial, independently and
    uniformly in its logarithm.

    Args:
        space: name and (low, high) of each hyperparameter, positive.
        trials: number of settings.
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        One dictionary a trial: each name of the space with a number from its range.

    >>> [sorted(settings) for settings in random_settings({"rate": (1e-4, 1e-1), "decay": (1e-5, 1.0)}, 2)]
    [['decay', 'rate'], ['decay', 'rate']]

    Source: lecture 7, random search instead of a grid (Bergstra and Bengio, 2012). L07.26.
    """
    columns = {name: log_uniform(low, high, trials, generator).tolist() for name, (low, high) in space.items()}
    return [{name: values[trial] for name, values in columns.items()} for trial in range(trials)]


def grid_settings(space: Mapping[str, tuple[float, float]], per_axis: int) -> list[dict[str, float]]:
    """Give all combinations of `per_axis` values of each hyperparameter, evenly spaced in
    their logarithm.

    With two hyperparameters and 25 trials a grid tries 5 values of each, random search 25.

    Args:
        space: name and (low, high) of each hyperparameter, positive.
        per_axis: values of each, at least 2; both ends are among them.

    Returns:
        per_axis ** len(space) dictionaries.

    >>> [round(settings["rate"], 4) for settings in grid_settings({"rate": (0.01, 1.0)}, 3)]
    [0.01, 0.1, 1.0]

    Source: lecture 7, grid search, to compare with. L07.26.
    """
    axes = []
    for low, high in space.values():
        steps = [step / (per_axis - 1) for step in range(per_axis)]
        axes.append([low ** (1 - step) * high**step for step in steps])
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*axes)]


def search(
    score: Callable[[dict[str, float]], float], settings: Sequence[dict[str, float]]
) -> tuple[tuple[dict[str, float], float], list[tuple[dict[str, float], float]]]:
    """Try settings and keep the books: which was best on the validation data, and what all of
    them gave.

    Args:
        score: score(settings) trains once and gives the VALIDATION accuracy, the more the
            better; NaN, from a run that diverged, is worse than anything else. It is called
            once for each setting, in their order.
        settings: at least one.

    Returns:
        (best, trials): the best trial, the first of equals, as (settings, score), and all of
        them in order.

    >>> search(lambda settings: -abs(settings["rate"] - 1), [{"rate": 0.0}, {"rate": 3.0}])
    (({'rate': 0.0}, -1.0), [({'rate': 0.0}, -1.0), ({'rate': 3.0}, -2.0)])

    Source: lecture 7, from coarse to fine. L07.26.
    """
    trials = [(setting, float(score(setting))) for setting in settings]
    return max(trials, key=lambda trial: -math.inf if math.isnan(trial[1]) else trial[1]), trials


def is_hopeless(losses: Sequence[float], factor: float = 3.0) -> bool:
    """Say whether a run can be ended: a bad learning rate shows within the first updates.

    Args:
        losses: training losses so far, at least one, the first of them before any update.
        factor: how many times the first loss is too much.

    Returns:
        True if the latest loss is not finite (NaN or infinite) or above factor times the
        first.

    >>> is_hopeless([2.3, 2.5]), is_hopeless([2.3, 50.0]), is_hopeless([2.3, float("nan")])
    (False, True, True)

    Source: lecture 7, which hyperparameters show early. L07.27.
    """
    return not math.isfinite(losses[-1]) or losses[-1] > factor * losses[0]
