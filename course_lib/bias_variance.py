"""Bias, variance and regularization: why a learner errs on new data, what to do about it, and how to tell.

Lecture 3 in reading order: noise that depends on the input, polynomials of every degree, the decomposition of the
error over data sets, more data, priors and the penalties that they are, ridge regression, weight decay, the lasso, and
the workflow with training, validation and test set.

Conventions of this module
    * Rows are samples: inputs (N,) or (N, D), targets (N,). Logarithms are natural.
    * Regression losses are SUMS of squared errors without 1/2, plus lam times the penalty, as the lecture writes
      them: sum_i (f(x_i) - y_i)^2 + lam ||theta||^2. Its lam is not that of a loss with 1/2 or of a mean.
    * A `fit` maps a data set to a predictor, and a predictor maps inputs to predictions (M,).
    * The true function is noise-free: the irreducible noise is not part of the decomposition.
    * Results have the dtype and device of the floating-point arguments; no argument is changed in place.

Sources: lecture 3 (bias, variance and regularization), L03.01-L03.12; S. Geman, E. Bienenstock, R. Doursat, Neural
networks and the bias/variance dilemma (1992); A. Hoerl, R. Kennard, Ridge regression (1970); R. Tibshirani, Regression
shrinkage and selection via the lasso (1996).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

import torch

Predictor = Callable[[torch.Tensor], torch.Tensor]
Fit = Callable[[torch.Tensor, torch.Tensor], Predictor]


def gaussian_logpdf(y: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Give the logarithm of the density of a normal distribution in D dimensions.

    With the difference r = y - mean and the covariance S it is
    -1/2 r^T S^(-1) r - 1/2 log det S - D/2 log(2 pi).

    Args:
        y: points, shape (N, D).
        mean: shape (N, D), or (D,) for one mean of all points.
        covariance: symmetric and positive definite, shape (N, D, D), or (D, D) for one covariance of all points.

    Returns:
        One log-density for each point, shape (N,). It stays finite where the density itself, or the determinant of the
        covariance, is too small or too large for a float.

    >>> gaussian_logpdf(torch.tensor([[0.0], [2.0]]), torch.zeros(1), torch.tensor([[4.0]]))
    tensor([-1.6121, -2.1121])

    Source: lecture 3, a Gaussian whose mean and covariance depend on x. L03.01.
    """
    factor = torch.linalg.cholesky(covariance)  # S = L L^T, (N, D, D) or (D, D)
    scaled = torch.linalg.solve_triangular(factor, (y - mean).unsqueeze(-1), upper=False).squeeze(-1)  # (N, D)
    half_log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)  # the product itself would underflow
    return -0.5 * (scaled**2).sum(dim=-1) - half_log_det - y.shape[-1] / 2 * math.log(2 * math.pi)


def heteroscedastic_nll(mean: torch.Tensor, log_sigma: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Give the MEAN over the samples of -log N(y_i; mean_i, sigma_i^2), where each sample has its own sigma.

    This trains a model with two outputs: what it predicts, and how far off it expects to be. The second output is
    log sigma, which may be any real number, so that sigma is positive without a constraint.

    Args:
        mean: predicted means, shape (N,).
        log_sigma: logarithms of the predicted standard deviations, shape (N,).
        targets: y_i, shape (N,).

    Returns:
        The loss in nats, the constant 1/2 log(2 pi) included; a tensor without axes, differentiable in mean and
        log_sigma.

    >>> heteroscedastic_nll(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 0.0]), torch.tensor([0.0, 1.0]))
    tensor(1.1689)

    Source: lecture 3, a Gaussian whose mean and covariance depend on x. L03.01.
    """
    residual = (targets - mean) * torch.exp(-log_sigma)
    return (0.5 * residual**2 + log_sigma).mean() + 0.5 * math.log(2 * math.pi)


def fit_heteroscedastic(
    loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    mean_features: torch.Tensor,
    noise_features: torch.Tensor,
    targets: torch.Tensor,
    steps: int = 200,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit the mean and the logarithm of the noise, each linear in features of its own, by L-BFGS from zero.

    Args:
        loss: maps means, log sigmas and targets, all (N,), to one number, for example `heteroscedastic_nll`.
        mean_features: shape (N, D).
        noise_features: shape (N, E).
        targets: shape (N,).
        steps: most iterations.

    Returns:
        The weights of the mean, shape (D,), and those of log sigma, shape (E,).

    >>> ones, noisy = torch.ones(4, 1, dtype=torch.float64), torch.tensor([-2.0, 2.0, -2.0, 2.0], dtype=torch.float64)
    >>> mean, log_sigma = fit_heteroscedastic(heteroscedastic_nll, ones, ones, noisy)
    >>> round(log_sigma.exp().item(), 4)
    2.0

    Source: lecture 3, a Gaussian whose mean and covariance depend on x. L03.01.
    """
    of_mean = mean_features.new_zeros(mean_features.shape[1], requires_grad=True)
    of_noise = noise_features.new_zeros(noise_features.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [of_mean, of_noise], max_iter=steps, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        value = loss(mean_features @ of_mean, noise_features @ of_noise, targets)
        value.backward()
        return value.item()

    optimizer.step(closure)
    return of_mean.detach(), of_noise.detach()


def fit_degree(x: torch.Tensor, y: torch.Tensor, degree: int) -> Predictor:
    """Fit a polynomial with a constant term by least squares, and give a function that predicts.

    Powers of large numbers lose all digits: 200^12 and 201^12 are nearly dependent columns. So the inputs are first
    mapped to [-1, 1], by x -> (x - centre) / half_width with the centre and half the width of the range of THESE
    inputs. The predictor maps new inputs in the same way, also those that lie outside of the range.

    Args:
        x: numbers, shape (N,), at least max(2, degree + 1) different ones.
        y: targets, shape (N,).
        degree: highest power, 0 or more; 0 predicts the mean of y.

    Returns:
        A function that maps numbers (M,) to the values of the polynomial there, (M,).

    >>> parabola = fit_degree(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 5.0, 10.0]), degree=2)
    >>> parabola(torch.tensor([4.0, -1.0])).round(decimals=3)
    tensor([17.,  2.])

    Source: lecture 3, from linear functions to polynomials of degree 12. L03.03.
    """
    low, high = x.min(), x.max()
    centre, half_width = (low + high) / 2, (high - low) / 2

    def powers(values: torch.Tensor) -> torch.Tensor:
        scaled = (values - centre) / half_width
        return torch.stack([scaled**power for power in range(degree + 1)], dim=1)  # (M, degree + 1)

    theta = torch.linalg.lstsq(powers(x), y.unsqueeze(1)).solution.squeeze(1)
    return lambda new: powers(new) @ theta


def bias_variance(
    make_data: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    fit: Fit,
    x_grid: torch.Tensor,
    f_true: Predictor,
    n_datasets: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Measure variance and squared bias of a learning algorithm by training it on many data sets.

    With f_1, ..., f_R the predictions of the R fitted models at a point, mean over the models written E, and f the true
    value there: variance E[(f_r - E f_r)^2], squared bias (E f_r - f)^2, total E[(f_r - f)^2].

    Args:
        make_data: called without arguments, once for each data set; returns new inputs and noisy targets.
        fit: maps inputs and targets to a predictor.
        x_grid: where the predictions are compared, shape (G,) or (G, D); never the training inputs.
        f_true: the noise-free function; maps x_grid to its values, shape (G,).
        n_datasets: number R of data sets, at least 2.

    Returns:
        Variance, squared bias and total error at each point, three tensors of shape (G,). All expectations are means
        over the same R models (divided by R, not R - 1), so that total = variance + squared bias up to rounding.

    >>> data_sets = iter([1.0, 3.0])
    >>> make_data = lambda: (torch.zeros(1), torch.tensor([next(data_sets)]))
    >>> mean_of_targets = lambda x, y: lambda new: y.mean().expand(len(new))
    >>> bias_variance(make_data, mean_of_targets, torch.zeros(1), lambda x: torch.tensor([5.0]), n_datasets=2)
    (tensor([1.]), tensor([9.]), tensor([10.]))

    Source: lecture 3, expected error over data sets; Geman, Bienenstock and Doursat (1992). L03.02.
    """
    predictions = torch.stack([fit(*make_data())(x_grid) for _ in range(n_datasets)])  # (R, G)
    truth = f_true(x_grid)  # (G,)
    mean = predictions.mean(dim=0)  # (G,)
    variance = ((predictions - mean) ** 2).mean(dim=0)
    return variance, (mean - truth) ** 2, ((predictions - truth) ** 2).mean(dim=0)


def learning_with_n(
    sizes: Sequence[int],
    draw: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    fit: Fit,
    x_grid: torch.Tensor,
    f_true: Predictor,
    n_datasets: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Measure how variance and squared bias change with the size of the data set.

    Args:
        sizes: S numbers of samples.
        draw: draw(n) returns n new inputs and noisy targets; called anew for each data set of each size.
        fit: maps inputs and targets to a predictor.
        x_grid: where the predictions are compared, shape (G,) or (G, D).
        f_true: the noise-free function; maps x_grid to its values, shape (G,).
        n_datasets: number of data sets of each size, at least 2.

    Returns:
        The variance and the squared bias of each size, each the MEAN over the points of x_grid; two tensors of shape
        (S,), in the order of `sizes`.

    >>> draw = lambda n: (torch.zeros(n), torch.randn(n, generator=generator))
    >>> generator = torch.Generator().manual_seed(0)
    >>> mean_of_targets = lambda x, y: lambda new: y.mean().expand(len(new))
    >>> variance, _ = learning_with_n([10, 1000], draw, mean_of_targets, torch.zeros(1), torch.zeros_like, 500)
    >>> bool(50 < variance[0] / variance[1] < 200)
    True

    Source: lecture 3, get more data. L03.04.
    """
    variances, biases = [], []
    for n in sizes:
        variance, bias2, _ = bias_variance(lambda n=n: draw(n), fit, x_grid, f_true, n_datasets)  # type: ignore[misc]
        variances.append(variance.mean())
        biases.append(bias2.mean())
    return torch.stack(variances), torch.stack(biases)


def map_loss(log_likelihoods: torch.Tensor, log_prior: torch.Tensor, mean: bool = False) -> torch.Tensor:
    """Give the loss of maximum a posteriori estimation, -(sum_i log p(y_i | x_i, theta)) - log p(theta).

    It differs from -log p(theta | data) by log p(data), which does not contain theta.

    Args:
        log_likelihoods: log p(y_i | x_i, theta) of each sample, shape (N,).
        log_prior: log-densities of the prior, of any shape: one for each independent parameter. They are summed.
        mean: if True, the whole loss is divided by N: the mean over the samples, and 1/N of the prior. The prior is one
            piece of evidence, whatever the number of samples, so both forms have the same minimum.

    Returns:
        The loss in nats, a tensor without axes.

    >>> map_loss(torch.tensor([-1.0, -2.0]), torch.tensor([-0.5, -0.5]))
    tensor(4.)

    Source: lecture 3, a prior over parameters. L03.05.
    """
    loss = -log_likelihoods.sum() - log_prior.sum()
    return loss / len(log_likelihoods) if mean else loss


def coin_map(heads: float, tails: float, a: float, b: float) -> float:
    """Give the most probable theta = P(heads) after some throws, under the prior Beta(a, b).

    The prior has the density theta^(a - 1) (1 - theta)^(b - 1), up to a constant: it acts like a - 1 heads and b - 1
    tails that were seen before. Beta(1, 1) is flat.

    Args:
        heads: number of heads, 0 or more.
        tails: number of tails, 0 or more.
        a: at least 1.
        b: at least 1.

    Returns:
        The mode of the posterior, 0 to 1.

    Raises:
        ValueError: the posterior is flat (no throw and a = b = 1), so that no theta is the most probable.

    >>> coin_map(3, 0, 1, 1), coin_map(3, 0, 2, 2)
    (1.0, 0.8)

    Source: lecture 3, a prior over parameters. L03.05.
    """
    weight = heads + tails + a + b - 2
    if weight == 0:
        raise ValueError("found no throw and the flat prior Beta(1, 1), expected at least one of them to say something")
    return (heads + a - 1) / weight


def penalty_from_prior(loss: str, prior: str, scale: float, noise: float = 1.0) -> float:
    """Give the lam that makes a penalised loss equivalent to a prior on the parameters.

    Equivalent means: the penalised loss is a positive multiple of the MAP loss, up to a constant, so that both have the
    same minimum. The parameters are independent under the prior, with mean 0.

    Args:
        loss: "nll" for  -sum_i log p(y_i | x_i, theta) + lam * penalty; "squared" for
            sum_i (f(x_i) - y_i)^2 + lam * penalty, where y_i is normal with mean f(x_i) and standard deviation `noise`.
        prior: "gaussian" with standard deviation `scale`, which gives the penalty sum_j theta_j^2; or "laplace" with
            density exp(-|theta_j| / scale) / (2 scale), which gives the penalty sum_j |theta_j|.
        scale: positive.
        noise: positive; used by the loss "squared" only.

    Returns:
        lam, a positive number.

    Raises:
        ValueError: the loss or the prior is none of these.

    >>> penalty_from_prior("nll", "gaussian", scale=0.5)
    2.0

    Source: lecture 3, a prior is a penalty (with the slide's factor corrected). L03.06, L03.07, L03.08.
    """
    if prior == "gaussian":
        lam = 1 / (2 * scale**2)
    elif prior == "laplace":
        lam = 1 / scale
    else:
        raise ValueError(f"prior is {prior!r}, expected 'gaussian' or 'laplace'")
    if loss == "nll":
        return lam
    if loss == "squared":
        return 2 * noise**2 * lam  # the squared error is 2 noise^2 times its negative log-likelihood
    raise ValueError(f"loss is {loss!r}, expected 'nll' or 'squared'")


def ridge(features: torch.Tensor, targets: torch.Tensor, lam: float) -> torch.Tensor:
    """Find the theta that minimises ||features @ theta - targets||^2 + lam ||theta||^2.

    Args:
        features: shape (N, D). For lam > 0 any matrix will do: more columns than rows, equal columns, columns of
            zeros. For lam = 0 its columns must be linearly independent.
        targets: shape (N,).
        lam: 0 or more. All D parameters are penalised; 0 is least squares.

    Returns:
        theta, shape (D,): the solution of (features^T features + lam I) theta = features^T targets.

    >>> ridge(torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([3.0, 3.0]), lam=2.0).round(decimals=4)
    tensor([1., 1.])

    Source: lecture 3, a Gaussian prior is a squared penalty; Hoerl and Kennard (1970). L03.06.
    """
    # D more rows, sqrt(lam) I with target 0, add lam ||theta||^2: least squares without squaring the condition number.
    width = features.shape[1]
    rows = torch.cat([features, math.sqrt(lam) * torch.eye(width).to(features)])  # (N + D, D)
    extended = torch.cat([targets, targets.new_zeros(width)])  # (N + D,)
    q, r = torch.linalg.qr(rows)
    return torch.linalg.solve_triangular(r, (q.T @ extended).unsqueeze(1), upper=True).squeeze(1)


def ridge_by_descent(features: torch.Tensor, targets: torch.Tensor, lam: float, steps: int) -> torch.Tensor:
    """Minimise the loss of `ridge` by gradient descent from zero.

    The gradient is 2 features^T (features @ theta - targets) + 2 lam theta. The step size is 1 over the largest
    curvature, 2 (s^2 + lam) with the largest singular value s of the features.

    Args:
        features: shape (N, D).
        targets: shape (N,).
        lam: 0 or more.
        steps: number of updates.

    Returns:
        theta, shape (D,). The distance to the solution shrinks by 1 - lam / (s^2 + lam) in each step, or faster: a
        penalty makes the search easier, too.

    >>> ridge_by_descent(torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([3.0, 3.0]), lam=2.0, steps=9)
    tensor([1., 1.])

    Source: lecture 3, a Gaussian prior is a squared penalty. L03.06.
    """
    step = 0.5 / (torch.linalg.matrix_norm(features, 2) ** 2 + lam)
    theta = features.new_zeros(features.shape[1])
    for _ in range(steps):
        theta = theta - step * (2 * features.T @ (features @ theta - targets) + 2 * lam * theta)
    return theta


def fit_ridge(x: torch.Tensor, y: torch.Tensor, lam: float) -> Predictor:
    """Fit ridge regression with an intercept that is not penalised, on standardised inputs, and give a predictor.

    A penalty compares the parameters with each other, so the columns of x are first brought to one scale: minus their
    mean, divided by their standard deviation (the root of the MEAN squared deviation, divided by N). A column that does
    not vary is only centred. Targets are centred by their mean, which becomes the intercept: the prediction for an
    input at the mean of x is the mean of y, whatever lam is.

    Means and standard deviations are those of THESE inputs. The predictor uses them for new inputs, too.

    Args:
        x: inputs, shape (N, D).
        y: targets, shape (N,).
        lam: 0 or more; the penalty is lam times the squared norm of the D parameters of the standardised inputs.

    Returns:
        A function that maps inputs (M, D) to predictions (M,).

    >>> x, y = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([10.0, 12.0, 14.0])
    >>> fit_ridge(x, y, lam=3.0)(torch.tensor([[2.0], [4.0]]))
    tensor([12., 13.])

    Source: lecture 3, a Gaussian prior is a squared penalty; statistics from the training set. L03.06, L03.09.
    """
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)  # (D,) each
    spread = torch.where(
        (x != x[0]).any(dim=0), spread, 1.0
    )  # rounding of the mean may give a constant column a spread
    intercept = y.mean()
    theta = ridge((x - mean) / spread, y - intercept, lam)
    return lambda new: intercept + (new - mean) / spread @ theta


def product_map(x: torch.Tensor, degree: int) -> Predictor:
    """Make features of measurements: all their products of up to `degree` factors, squares and cubes included.

    The measurements are standardised first, with the means and standard deviations of THESE inputs; the map uses them
    for new inputs, too.

    Args:
        x: inputs, shape (N, D); every column varies.
        degree: largest number of factors, at least 1.

    Returns:
        A function that maps inputs (M, D) to features (M, F): the D measurements, then the D (D + 1) / 2 products of
        two, and so on.

    >>> expand = product_map(torch.tensor([[-1.0, 0.0], [1.0, 4.0]], dtype=torch.float64), degree=2)
    >>> expand(torch.tensor([[3.0, 6.0]], dtype=torch.float64))
    tensor([[3., 2., 9., 6., 4.]], dtype=torch.float64)

    Source: lecture 3, features are chosen on the training side. L03.06, L03.09.
    """
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)  # (D,) each
    factors = [
        list(chosen)
        for number in range(1, degree + 1)
        for chosen in combinations_with_replacement(range(x.shape[1]), number)
    ]
    return lambda new: torch.stack([((new - mean) / spread)[:, chosen].prod(dim=1) for chosen in factors], dim=1)


def logreg_l2(x: torch.Tensor, labels: torch.Tensor, lam: float, learning_rate: float, steps: int) -> torch.Tensor:
    """Train logistic regression with a squared penalty, by gradient descent from zero.

    With p_i = sigmoid(x_i . theta) the loss is the SUM over the samples of -log p(y_i | x_i), plus lam ||theta||^2. A
    step is theta <- theta - learning_rate * gradient of this loss.

    Args:
        x: inputs, shape (N, D). There is no intercept.
        labels: 0 or 1, int64, shape (N,); p_i is the probability of 1.
        lam: 0 or more.
        learning_rate: positive step size.
        steps: number of updates, 0 or more.

    Returns:
        theta after the last update, shape (D,).

    >>> x, labels = torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 0])
    >>> logreg_l2(x, labels, lam=0.5, learning_rate=0.1, steps=1)
    tensor([0.1000])

    Source: lecture 3, regularization for classification, "sometimes called weight decay". L03.07.
    """
    theta = x.new_zeros(x.shape[1])
    for _ in range(steps):
        gradient = x.T @ (torch.sigmoid(x @ theta) - labels) + 2 * lam * theta
        theta = theta - learning_rate * gradient
    return theta


def soft_threshold(z: torch.Tensor, threshold: float) -> torch.Tensor:
    """Move each number towards 0 by the threshold, and those that would cross 0 to 0 exactly.

    It is the u that minimises 1/2 (u - z)^2 + threshold |u|.

    Args:
        z: real numbers of any shape.
        threshold: 0 or more.

    Returns:
        The shrunken numbers, in the shape and dtype of z.

    >>> soft_threshold(torch.tensor([-3.0, -0.5, 0.0, 2.0]), 1.0)
    tensor([-2., 0., 0., 1.])

    Source: lecture 3, L1 regularization. L03.08.
    """
    return torch.where(z.abs() > threshold, z - threshold * z.sign(), 0.0)


def lasso(
    features: torch.Tensor, targets: torch.Tensor, lam: float, steps: int = 5000, start: torch.Tensor | None = None
) -> torch.Tensor:
    """Find the theta that minimises ||features @ theta - targets||^2 + lam sum_j |theta_j|, with zeros that are exact.

    By ISTA: a gradient step of the squared error with step size alpha, then `soft_threshold` at alpha lam. With
    alpha = 1 / (2 s^2), where s is the largest singular value of the features, the loss falls in every step.
    (Coordinate descent, one parameter at a time, reaches the same minimum and is as welcome.)

    Args:
        features: shape (N, D), not all zero.
        targets: shape (N,).
        lam: 0 or more; all parameters are penalised.
        steps: number of steps.
        start: theta to begin with, shape (D,), for example the solution of a neighbouring lam; None means zeros.

    Returns:
        theta, shape (D,). After enough steps, with the residual r = targets - features @ theta and column f_j:
        2 f_j . r = lam sign(theta_j) where theta_j is not 0, and |2 f_j . r| <= lam where it is. For lam of at least
        2 max_j |f_j . targets| all parameters are 0.

    >>> lasso(torch.eye(3), torch.tensor([3.0, -1.0, 0.2]), lam=1.0)
    tensor([ 2.5000, -0.5000,  0.0000])

    Source: lecture 3, L1 regularization; Tibshirani (1996). L03.08.
    """
    alpha = 0.5 / float(torch.linalg.matrix_norm(features, 2)) ** 2
    products, with_targets = features.T @ features, features.T @ targets  # (D, D), (D,)
    theta = features.new_zeros(features.shape[1]) if start is None else start
    for _ in range(steps):
        previous = theta
        theta = soft_threshold(theta - 2 * alpha * (products @ theta - with_targets), alpha * lam)
        if torch.equal(theta, previous):
            break
    return theta


def split(
    x: torch.Tensor, y: torch.Tensor, fractions: tuple[float, float, float], seed: int, stratify: bool = False
) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Divide a data set at random into training, validation and test set.

    Args:
        x: inputs, shape (N, ...).
        y: targets, shape (N,); whole numbers (classes) if `stratify`.
        fractions: the shares of training, validation and test set; they are positive and sum to 1.
        seed: of the random order. The same seed gives the same division, whatever else draws random numbers.
        stratify: if True, every class is divided in these proportions.

    Returns:
        ((x_train, y_train), (x_val, y_val), (x_test, y_test)). Every row is in one of them, with its own target. The
        first two have round(fraction * N) rows, the test set has the rest; with `stratify` this holds for the rows of
        each class.

    Raises:
        ValueError: the fractions do not sum to 1 (within 1e-6), or one is not positive.

    >>> train, validation, test = split(torch.arange(10.0), torch.arange(10), (0.6, 0.2, 0.2), seed=0)
    >>> [len(x) for x, y in (train, validation, test)], torch.equal(train[0].long(), train[1])
    ([6, 2, 2], True)

    Source: lecture 3, training, validation and test set. L03.09.
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"fractions are {tuple(fractions)}, expected three positive numbers that sum to 1")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).to(y.device)
    groups = [order[y[order] == label] for label in y.unique()] if stratify else [order]
    parts: list[list[torch.Tensor]] = [[], [], []]
    for group in groups:
        first, second = (round(fraction * len(group)) for fraction in fractions[:2])
        for part, rows in zip(parts, group.tensor_split([first, first + second]), strict=True):
            part.append(rows)
    return tuple((x[rows], y[rows]) for rows in map(torch.cat, parts))


class SecondLook(RuntimeError):
    """A test set was asked for a second time.

    >>> str(SecondLook("used up"))
    'used up'

    Source: lecture 3, the test set is the final exam. L03.09.
    """


class GuardedTestSet:
    """A test set that gives one score, once.

    It answers `len`, says whether it has been `used`, and remembers the one `score` that it gave. A second evaluation
    raises `SecondLook`, whose message contains this score with three decimals. It guards against mistakes, not against
    somebody who reads its private attributes.

    >>> exam = GuardedTestSet(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0]))
    >>> exam.evaluate(lambda x: x[:, 0], lambda f, y: (f - y) ** 2)
    2.0
    >>> exam.used, exam.score, len(exam)
    (True, 2.0, 2)
    >>> exam.evaluate(lambda x: x[:, 0] ** 2, lambda f, y: (f - y) ** 2)
    Traceback (most recent call last):
        ...
    course_lib.bias_variance.SecondLook: this test set has been used: its score was 2.000. A second one needs new data.

    Source: lecture 3, the test set is the final exam. L03.09.
    """

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Keep inputs (N, ...) and targets (N,) under names that begin with an underscore."""
        self._x, self._y = x, y
        self.score: float | None = None

    def __len__(self) -> int:
        """Give the number N of samples; this may be asked at any time."""
        return len(self._x)

    @property
    def used(self) -> bool:
        """Whether a score has been given."""
        return self.score is not None

    def evaluate(self, predict: Predictor, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
        """Give the MEAN over the samples of loss(predict(x), y), the first time only.

        Args:
            predict: maps inputs (N, ...) to predictions, one a sample.
            loss: maps predictions and targets to one loss a sample, shape (N,); numbers or booleans (True counts as 1).

        Returns:
            The score, a float.

        Raises:
            SecondLook: a score has been given before; then `predict` is not called. An error inside of `predict` or
                `loss` passes through and leaves the test set unused, since nobody has seen a score.
        """
        if self.score is not None:
            raise SecondLook(
                f"this test set has been used: its score was {self.score:.3f}. A second one needs new data."
            )
        losses = loss(predict(self._x), self._y)  # (N,)
        self.score = float(losses.sum() / len(losses))  # booleans have a sum, but no mean
        return self.score


def diagnose(train_loss: float, val_loss: float, target: float, gap: float) -> str:
    """Say what to work on next: underfitting first, then overfitting.

    Args:
        train_loss: loss on the training set, 0 or more.
        val_loss: the same loss on the validation set, 0 or more.
        target: a training loss above this is not low enough.
        gap: how much larger than the training loss the validation loss may be, as a share of the training loss: 0.2
            allows 20 % more.

    Returns:
        "underfit" if the training loss is above the target, whatever the validation loss is; otherwise "overfit" if
        the validation loss exceeds the training loss by more than the gap; otherwise "ok".

    >>> diagnose(0.9, 2.0, target=0.5, gap=0.2), diagnose(0.1, 0.2, 0.5, 0.2), diagnose(0.1, 0.11, 0.5, 0.2)
    ('underfit', 'overfit', 'ok')

    Source: lecture 3, the workflow. L03.10.
    """
    if train_loss > target:
        return "underfit"
    return "overfit" if val_loss > (1 + gap) * train_loss else "ok"


def select_lambda(
    lams: Sequence[float],
    fit: Callable[[torch.Tensor, torch.Tensor, float], Predictor],
    train: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor],
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Choose the strength of a penalty by the loss on the validation set.

    Args:
        lams: candidates, at least one, in any order.
        fit: fit(x, y, lam) gives a predictor; it sees the training set only.
        train: inputs and targets to fit to.
        validation: inputs and targets to choose by.

    Returns:
        The lam with the lowest validation loss (of several, the largest: the strongest prior), and the losses of every
        candidate on training and validation set: mean squared errors, shape (len(lams),), in the order of `lams`.

    >>> constant = lambda x, y, lam: lambda new: torch.full((len(new),), float(y.sum() / (len(y) + lam)))
    >>> train = (torch.zeros(2), torch.tensor([3.0, 3.0]))
    >>> select_lambda([0.0, 1.0, 4.0], constant, train, (torch.zeros(1), torch.tensor([2.0])))
    (1.0, tensor([0., 1., 4.]), tensor([1., 0., 1.]))

    Source: lecture 3, hyperparameters are chosen on the validation set. L03.11.
    """
    predictors = [fit(*train, lam) for lam in lams]
    losses = [
        torch.stack([((predict(x) - y) ** 2).mean() for predict in predictors]) for x, y in (train, validation)
    ]  # (len(lams),) each
    lowest = float(losses[1].min())
    best = max(lam for lam, loss in zip(lams, losses[1].tolist(), strict=True) if loss == lowest)
    return best, losses[0], losses[1]


def log_curves(
    model: torch.nn.Module,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    optimizer: Any,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    train: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor],
    every: int = 1,
) -> dict[str, list[float]]:
    """Train a network and measure its loss on all training and all validation data along the way.

    Measurements are made before the first step and after every `every`-th step. They are made in evaluation mode
    (dropout off), without gradients, and change nothing about the training: the steps themselves are made in training
    mode.

    Args:
        model: a network, whose parameters the optimizer holds.
        loss: maps outputs and targets to one number, for example `torch.nn.functional.cross_entropy`.
        optimizer: an object with `zero_grad()` and `step()`.
        batches: inputs and targets of one step each.
        train: inputs and targets of the whole training set.
        validation: inputs and targets of the whole validation set.
        every: number of steps from one measurement to the next, at least 1.

    Returns:
        {"step": [0, every, 2 * every, ...], "train": [...], "validation": [...]}: how many steps had been made, and
        both losses there, as Python numbers.

    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.zeros_(model.weight)
    >>> data = torch.ones(1, 1), torch.ones(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    >>> log_curves(model, torch.nn.functional.mse_loss, optimizer, [data] * 2, data, data)
    {'step': [0, 1, 2], 'train': [1.0, 0.25, 0.0625], 'validation': [1.0, 0.25, 0.0625]}

    Source: lecture 3, learning curves. L03.12.
    """
    history: dict[str, list[float]] = {"step": [], "train": [], "validation": []}

    def measure(step: int) -> None:
        model.eval()
        with torch.no_grad():
            history["step"].append(step)
            for name, (x, y) in (("train", train), ("validation", validation)):
                history[name].append(float(loss(model(x), y)))
        model.train()

    measure(0)
    for step, (x, y) in enumerate(batches, start=1):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        if step % every == 0:
            measure(step)
    return history


def best_step(history: Mapping[str, Sequence[float]]) -> int:
    """Find the step with the lowest validation loss: where training should have stopped.

    Args:
        history: what `log_curves` gives, with at least one measurement.

    Returns:
        The number of steps made there (of several, the first).

    >>> best_step({"step": [0, 10, 20, 30], "train": [3.0, 2.0, 1.0, 0.5], "validation": [3.0, 2.2, 2.1, 2.6]})
    20

    Source: lecture 3, learning curves. L03.12.
    """
    losses = list(history["validation"])
    return int(history["step"][losses.index(min(losses))])
