"""Judging estimators: by exact sums where everything can be listed, by tests with a stated false-alarm rate elsewhere.

`estimates` (M, *shape) is what the student's code gives for each of the M things that can happen, `probabilities` (M,)
how probable those are. `samples` (N, *shape) is what it gave in N independent calls.

The tests of samples compare means with a normal quantile. That is exact in the limit of many samples; for N >= 500 and
a skewness of at most 2 the false-alarm rate is within a factor of four of the stated one, which
tests/test_judging_estimates.py measures. A hidden suite therefore states a rate (default 1e-6 for each call) that is
far below what matters: one wrong alarm in a million gradings, shared by all components.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from autograder.judge.checkers import as_array, assert_close, assert_finite, assert_true
from autograder.judge.problems import GraderFault, Mistake

Array = np.ndarray[Any, Any]
FALSE_ALARM = 1e-6
FEWEST = 100


def exact_mean(estimates: Any, probabilities: Any) -> Array:
    """The probability-weighted sum of the estimates."""
    values, shares = _weighted(estimates, probabilities)
    return np.tensordot(shares, values, 1)


def exact_variance(estimates: Any, probabilities: Any) -> float:
    """The total variance: the trace of the covariance matrix of the estimates."""
    values, shares = _weighted(estimates, probabilities)
    away = (values - np.tensordot(shares, values, 1)).reshape(len(shares), -1)
    return float(shares @ (away**2).sum(1))


def assert_unbiased(
    estimates: Any,
    probabilities: Any,
    exact: Any,
    what: str = "the mean of your estimates",
    hint: str = "",
    **close: Any,
) -> None:
    """The exact mean of the estimates is the exact gradient: no luck is involved, and no false alarm possible.

    Args:
        close: tolerances, as for `assert_close`.

    Raises:
        Mistake: it is not.
    """
    found = exact_mean(estimates, probabilities)
    assert_close(found, as_array(exact), what=what, hint=hint, **({"rtol": 1e-4, "atol": 1e-6} | close))


def assert_less_variance(
    estimates: Any,
    than: Any,
    probabilities: Any,
    factor: float = 0.999,
    what: str = "the variance of your estimator",
    hint: str = "",
) -> None:
    """The exact total variance of some estimates is less than `factor` times that of others.

    Compare with the estimator that ought to be beaten, or, with a factor of 1.001, with the one that ought to be met:
    in a drawn process, what is better on the whole (reward to go, a baseline) can be worse by a little.

    Raises:
        Mistake: it is not.
    """
    assert_finite(estimates, what="your estimates")
    ours, theirs = exact_variance(estimates, probabilities), exact_variance(than, probabilities)
    assert_true(
        ours < factor * theirs,
        f"{what[:1].upper()}{what[1:]} is not smaller than it has to be here.{' ' if hint else ''}{hint}",
    )


def assert_sample_mean(
    samples: Any,
    expected: Any,
    false_alarm: float = FALSE_ALARM,
    what: str = "the mean of your estimates",
    hint: str = "",
) -> None:
    """A z-test of every component of a mean, two-sided, Bonferroni over the components.

    A right estimator fails with probability `false_alarm` (see the head of this module for how exactly). A component
    that never varies has to be right to six digits.

    Args:
        samples: (N, *shape), from independent calls; N at least 100, better 1000.
        expected: the exact mean, of that shape.
        false_alarm: of the whole test.

    Raises:
        Mistake: a component is further away than chance explains.
    """
    values = _samples(samples, "your estimates")
    wanted = as_array(expected).astype(np.float64)
    if values.shape[1:] != wanted.shape:
        raise Mistake(f"Each of your estimates has shape {values.shape[1:]}, expected {wanted.shape}.")
    flat, wanted = values.reshape(len(values), -1), wanted.reshape(-1)
    means, errors = flat.mean(0), flat.std(0, ddof=1) / math.sqrt(len(flat))
    rounding = 1e-6 * (1.0 + np.abs(wanted))
    bound = NormalDist().inv_cdf(1 - false_alarm / (2 * len(wanted)))
    off = np.abs(means - wanted) > bound * errors + rounding
    if off.any():
        worst = int(np.argmax(np.abs(means - wanted) / (errors + rounding)))
        raise Mistake(
            f"{what[:1].upper()}{what[1:]} is wrong in {int(off.sum())} of {len(wanted)} components: over {len(flat)} "
            f"draws, one of them came to {means[worst]:.4g}, and chance does not explain how far that is off."
            + (f" {hint}" if hint else "")
        )


def assert_frequencies(
    draws: Any,
    probabilities: Any,
    false_alarm: float = FALSE_ALARM,
    what: str = "your draws",
    hint: str = "",
) -> None:
    """Draws from a finite set come as often as they should.

    An exact binomial test for each value, two-sided, Bonferroni over the values: a right sampler fails with probability
    at most `false_alarm`.

    Args:
        draws: whole numbers from 0 to K - 1, any shape.
        probabilities: (K,).

    Raises:
        Mistake: a value comes too often or too seldom, or does not exist.
    """
    from scipy.stats import binom

    shares = as_array(probabilities).astype(np.float64)
    found = as_array(draws, what).reshape(-1)
    if found.dtype.kind not in "iu":
        raise Mistake(f"{what[:1].upper()}{what[1:]} have dtype {found.dtype}; whole numbers, int64, are expected.")
    if len(found) == 0 or found.min() < 0 or found.max() >= len(shares):
        raise Mistake(f"{what[:1].upper()}{what[1:]} should go from 0 to {len(shares) - 1}.")
    counts = np.bincount(found, minlength=len(shares))
    level = false_alarm / (2 * len(shares))
    for value, (count, share) in enumerate(zip(counts, shares, strict=True)):
        share = min(max(float(share), 0.0), 1.0)
        if binom.cdf(count, len(found), share) < level or binom.sf(count - 1, len(found), share) < level:
            raise Mistake(
                f"{what[:1].upper()}{what[1:]}: {value} came {count} times in {len(found)}, which chance does not "
                f"explain.{' ' if hint else ''}{hint}"
            )


def assert_sample_variance_at_most(
    samples: Any,
    mean: Any,
    bound: float,
    false_alarm: float = FALSE_ALARM,
    what: str = "the variance of your estimator",
    hint: str = "",
) -> None:
    """The total variance around a known mean is at most `bound`: one-sided z-test of the squared distances.

    An estimator whose variance is `bound` or less fails with probability at most `false_alarm`. One that has more is
    caught once the excess is about six standard errors, so draw enough for the mistake that the test is about.

    Raises:
        Mistake: it is more than chance explains.
    """
    squares = _squares(samples, mean)
    error = squares.std(ddof=1) / math.sqrt(len(squares))
    if squares.mean() - bound > NormalDist().inv_cdf(1 - false_alarm) * error + 1e-9 * bound:
        raise Mistake(
            f"{what[:1].upper()}{what[1:]} is larger than it has to be, by more than chance explains in "
            f"{len(squares)} draws.{' ' if hint else ''}{hint}"
        )


def assert_sample_variance_less(
    samples: Any,
    than: Any,
    mean: Any,
    false_alarm: float = FALSE_ALARM,
    what: str = "the variance of your estimator",
    hint: str = "",
) -> None:
    """Paired, one-sided: two estimators saw the same draws, and the first must not vary more than the second.

    Compares the squared distances from the known mean draw by draw, so what both share (an unlucky batch) cancels. An
    estimator with no more variance than the other fails with probability at most `false_alarm`.

    Raises:
        Mistake: it varies more than the other, by more than chance explains.
    """
    ours, theirs = _squares(samples, mean), _squares(than, mean)
    if len(ours) != len(theirs):
        raise GraderFault("a paired test needs the same number of draws on both sides")
    excess = ours - theirs
    error = excess.std(ddof=1) / math.sqrt(len(excess))
    if excess.mean() > NormalDist().inv_cdf(1 - false_alarm) * error + 1e-9 * theirs.mean():
        raise Mistake(
            f"{what[:1].upper()}{what[1:]} is larger than that of the estimator that it should improve on."
            f"{' ' if hint else ''}{hint}"
        )


def _weighted(estimates: Any, probabilities: Any) -> tuple[Array, Array]:
    values = as_array(estimates, "your estimates").astype(np.float64)
    shares = as_array(probabilities).astype(np.float64)
    if len(values) != len(shares) or abs(shares.sum() - 1) > 1e-9:
        raise GraderFault(f"{len(values)} estimates need as many probabilities that add up to 1")
    return values, shares


def _samples(samples: Any, what: str) -> Array:
    values = as_array(samples, what).astype(np.float64)
    if values.ndim == 0 or len(values) < FEWEST:
        raise GraderFault(f"a test of samples needs at least {FEWEST} of them")
    assert_finite(values, what=what)
    return values


def _squares(samples: Any, mean: Any) -> Array:
    values = _samples(samples, "your estimates")
    return ((values - as_array(mean)) ** 2).reshape(len(values), -1).sum(1)
