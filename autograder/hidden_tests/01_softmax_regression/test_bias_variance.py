"""Hidden tests of the notebook bias_variance (lecture 3).

Expected values come from SciPy-free closed forms, NumPy's solvers, PyTorch's built-ins, enumerations of prepared data
sets, or a coordinate descent of this file. Where a learner is trained on drawn data the false-alarm rate stands beside
the bound. Tolerances: `autograder.judge.for_suites`.
"""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

from autograder.judge import Handle, assert_close, assert_equal, assert_finite, assert_shape, assert_true, exercise
from autograder.judge.checkers import as_array
from autograder.judge.for_suites import (
    DOUBLE,
    SINGLE,
    as_tensor,
    assert_number,
    assert_one_of,
    assert_parts,
    assert_pure,
    assert_word,
    normal,
)
from course_lib.bias_variance import SecondLook


def covariances(rng, *shape):
    """Symmetric, positive definite matrices, eigenvalues between about 0.3 and 20, tilted."""
    factor = normal(rng, *shape, shape[-1])
    return factor @ factor.mT + 0.3 * torch.eye(shape[-1], dtype=torch.float64)


# ---- L03.01: Gaussians whose covariance depends on the input


@exercise("gaussian_logpdf", weight=2)
def test_density_of_a_full_covariance(student, rng):
    """For one mean and one full covariance the result has the shape (N,), and holds all three terms: the quadratic
    form, the determinant, and the constant -D/2 log(2 pi)."""
    for size in (1, 3):
        y, mean, covariance = normal(rng, 7, size, scale=2.0), normal(rng, size), covariances(rng, size)
        oracle = torch.distributions.MultivariateNormal(mean, covariance).log_prob(y)
        assert_close(student.gaussian_logpdf(y, mean, covariance), oracle, **DOUBLE)


@exercise("gaussian_logpdf")
def test_determinant_term(student, rng):
    """At the mean itself, twice as wide a distribution has a lower density: the term -1/2 log det S is there, with its
    factor 1/2. Without it, a model that may choose its covariance chooses an infinite one."""
    mean, covariance = normal(rng, 4), covariances(rng, 4)
    larger = covariance * 9.0
    point = mean[None]
    drop = as_tensor(student.gaussian_logpdf(point, mean, covariance)) - as_tensor(
        student.gaussian_logpdf(point, mean, larger)
    )
    assert_shape(drop, (1,))
    # det(9 S) = 9^4 det S
    assert_close(drop, [2.0 * math.log(9.0)], **DOUBLE, what="the drop of the log-density at the mean")


@exercise("gaussian_logpdf")
def test_quadratic_form(student, rng):
    """Away from the mean the log-density falls by 1/2 r^T S^(-1) r, with the INVERSE of the whole matrix: not the
    matrix itself, and not one over each entry."""
    mean, covariance, away = normal(rng, 3), covariances(rng, 3), normal(rng, 5, 3, scale=2.0)
    points = torch.cat([mean[None], mean + away])
    values = as_tensor(student.gaussian_logpdf(points, mean, covariance))
    assert_shape(values, (6,))
    half_forms = 0.5 * (away * torch.from_numpy(np.linalg.solve(covariance.numpy(), away.numpy().T).T)).sum(dim=1)
    assert_close(values[0] - values[1:], half_forms, **DOUBLE, what="the fall of the log-density from the mean")


@exercise("gaussian_logpdf")
def test_one_covariance_for_each_point(student, rng):
    """Each point may have a mean and a covariance of its own, shapes (N, D) and (N, D, D), as a model predicts them."""
    y, mean, covariance = normal(rng, 6, 2), normal(rng, 6, 2), covariances(rng, 6, 2)
    oracle = torch.distributions.MultivariateNormal(mean, covariance).log_prob(y)
    assert_close(student.gaussian_logpdf(y, mean, covariance), oracle, **DOUBLE)


@exercise("gaussian_logpdf")
def test_tiny_determinant(student, rng):
    """In many dimensions the determinant leaves the range of floats (1e-8 to the power 60, say), and its logarithm does
    not: add the logarithms of the Cholesky factor's diagonal, or use slogdet."""
    for scale in (1e-8, 1e8):
        diagonal = torch.as_tensor(rng.uniform(0.5, 2.0, 60)) * scale
        y = normal(rng, 3, 60) * diagonal.sqrt()
        found = student.gaussian_logpdf(y, torch.zeros(60, dtype=torch.float64), torch.diag(diagonal))
        assert_finite(found)
        oracle = torch.distributions.Normal(0.0, diagonal.sqrt()).log_prob(y).sum(dim=1)
        assert_close(found, oracle, rtol=1e-7, atol=1e-7)


@exercise("heteroscedastic_nll", weight=2)
def test_mean_negative_log_likelihood(student, rng):
    """The loss is one number: the MEAN over the samples of the negative log-density, with the constant
    1/2 log(2 pi)."""
    for size in (1, 9):
        mean, log_sigma, targets = normal(rng, size), normal(rng, size, scale=0.7), normal(rng, size, scale=2.0)
        oracle = F.gaussian_nll_loss(mean, targets, (2 * log_sigma).exp(), full=True, eps=0.0)
        found = student.heteroscedastic_nll(mean, log_sigma, targets)
        assert_shape(found, ())
        assert_close(found, oracle, **DOUBLE)


@exercise("heteroscedastic_nll")
def test_other_units(student, rng):
    """In units c times as small, means, targets and sigma are c times as large, and the loss grows by log c exactly. If
    not, log_sigma is taken for something else than the logarithm of the standard deviation."""
    mean, log_sigma, targets = normal(rng, 8), normal(rng, 8, scale=0.5), normal(rng, 8)
    c = float(rng.uniform(3.0, 9.0))
    here = as_tensor(student.heteroscedastic_nll(mean, log_sigma, targets))
    there = as_tensor(student.heteroscedastic_nll(c * mean, log_sigma + math.log(c), c * targets))
    grown = there - here
    assert_one_of(grown, torch.tensor(math.log(c)), torch.tensor(8 * math.log(c)), what="the growth of the loss")


@exercise("heteroscedastic_nll")
def test_gradients_balance(student, rng):
    """The gradient with respect to log_sigma is 1 minus the squared residual over sigma^2 (divided by N): a sample that
    is further off than its sigma pulls sigma up, the others push it down. One of the two is missing, or its factor is
    wrong."""
    mean, log_sigma, targets = normal(rng, 6), normal(rng, 6, scale=0.5), normal(rng, 6)
    _, (of_mean, of_sigma) = student.value_and_grad(student.heteroscedastic_nll, mean, log_sigma, targets, wrt=(0, 1))
    scaled = (targets - mean) / log_sigma.exp()
    assert_one_of(of_sigma, (1 - scaled**2) / 6, 1 - scaled**2, what="the gradient with respect to log_sigma")
    expected = -scaled / log_sigma.exp()
    assert_one_of(of_mean, expected / 6, expected, what="the gradient with respect to the mean")


@exercise("heteroscedastic_nll")
def test_small_sigmas(student, rng):
    """A sigma of e^-12 is a sigma like any other. Adding a small number to the variance, or cutting it off, changes the
    loss where the predictions are sure."""
    log_sigma = torch.as_tensor(rng.uniform(-13, -11, 5))
    mean = normal(rng, 5)
    targets = mean + log_sigma.exp() * normal(rng, 5)
    oracle = F.gaussian_nll_loss(mean, targets, (2 * log_sigma).exp(), full=True, eps=0.0)
    assert_close(student.heteroscedastic_nll(mean, log_sigma, targets), oracle, rtol=1e-6, atol=1e-6)


def fit_noise_in_worker(loss, line, targets):
    """Minimise the student's loss over a linear mean and a linear log sigma. Runs in the worker, which has
    gradients."""
    import torch

    mean, noise = (torch.zeros(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.LBFGS([mean, noise], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = loss(line @ mean, line @ noise, targets)
        value.backward()
        return value

    optimizer.step(closure)
    return mean.detach(), noise.detach()


@exercise("heteroscedastic_nll")
def test_fitted_noise_profile(student, rng):
    """A model trained with this loss finds out how the noise depends on the input, to within 10 %."""
    # 8,000 samples: log sigma at the ends has a standard error of 0.016, so 10 % are six of them; false alarms below
    # 1e-8.
    x = torch.as_tensor(rng.uniform(-1, 1, 8000))
    line, slope = torch.stack([torch.ones_like(x), x], dim=1), float(rng.uniform(0.5, 1.5))
    targets = 0.8 * x + 0.5 * torch.exp(slope * x) * normal(rng, 8000)
    _, noise = student.remote(fit_noise_in_worker)(student.heteroscedastic_nll, line, targets)
    assert_finite(noise, what="the fitted log sigma")
    ends = torch.tensor([[1.0, -1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    ratio = torch.exp(ends @ as_tensor(noise)) / (0.5 * torch.exp(slope * ends[:, 1]))
    worst = float((ratio - 1).abs().max())
    assert_true(worst < 0.1, f"A model trained with this loss is off by {worst:.0%} in the size of the noise.")


# ---- L03.03: polynomials


def curve_of(student, x, y, degree):
    """What fit_degree returns for these points, which has to be a function."""
    predict = student.fit_degree(x, y, degree)
    assert_true(callable(predict), "What fit_degree returns cannot be called; return a function that predicts.")
    return predict


@exercise("fit_degree", weight=2)
def test_polynomials_are_recovered(student, rng):
    """Targets that lie on a polynomial without noise are predicted exactly, at new inputs too, with the constant term
    and up to the degree itself."""
    for degree in (1, 3, 5):
        coefficients = rng.uniform(0.5, 2.0, degree + 1) * rng.choice([-1.0, 1.0], degree + 1)
        x, new = rng.uniform(-2, 3, 30), rng.uniform(-2.5, 3.5, 9)
        predict = curve_of(student, torch.from_numpy(x), torch.from_numpy(np.polyval(coefficients, x)), degree)
        found = predict(torch.from_numpy(new))
        assert_close(found, np.polyval(coefficients, new), rtol=1e-6, atol=1e-6, what="the prediction")


@exercise("fit_degree")
def test_noisy_targets_by_least_squares(student, rng):
    """With noisy targets it is the least-squares fit: of all polynomials of this degree the one with the smallest sum
    of squared errors, each input with its own target."""
    x = rng.permutation(np.linspace(-1, 4, 25) + rng.uniform(-0.05, 0.05, 25))
    y = np.sin(x) + rng.normal(size=25)
    oracle = np.polynomial.Polynomial.fit(x, y, 4)
    new = rng.uniform(-1, 4, 12)
    found = curve_of(student, torch.from_numpy(x), torch.from_numpy(y), 4)(torch.from_numpy(new))
    assert_close(found, oracle(new), rtol=1e-6, atol=1e-7, what="the prediction")


@exercise("fit_degree")
def test_inputs_far_from_zero(student, rng):
    """Inputs around 1,000 work as well as those around 0. Their raw powers are nearly dependent columns, and the fit
    drowns in rounding errors; map the inputs to [-1, 1] first."""
    start = float(rng.uniform(900, 1100))
    x = start + np.linspace(0, 10, 60)
    y = np.cos(x) + 0.1 * rng.normal(size=60)
    oracle = np.polynomial.Polynomial.fit(x, y, 8)
    new = rng.uniform(start, start + 10, 20)
    found = curve_of(student, torch.from_numpy(x), torch.from_numpy(y), 8)(torch.from_numpy(new))
    assert_close(found, oracle(new), rtol=1e-4, atol=1e-4, what="the prediction")


@exercise("fit_degree")
def test_new_inputs_go_through_the_same_map(student, rng):
    """The prediction for an input does not depend on the inputs that come with it: new inputs are mapped with the range
    of the training inputs, not with their own."""
    x = rng.uniform(0, 5, 20)
    line = curve_of(student, torch.from_numpy(x), torch.from_numpy(3 * x - 4), 1)
    new = torch.from_numpy(rng.uniform(-3, 9, 7))
    together, alone = as_tensor(line(new), "the prediction"), as_tensor(line(new[2:3]), "the prediction")
    assert_shape(together, (7,), what="the prediction")
    assert_close(alone, together[2:3], rtol=1e-7, atol=1e-7, what="the prediction for one input alone")


@exercise("fit_degree")
def test_lowest_and_highest_degree(student, rng):
    """Degree 0 predicts the mean of the targets, one number for each new input; with as many coefficients as points the
    fit passes through all of them."""
    x, y = torch.from_numpy(np.linspace(-3, 2, 6)), normal(rng, 6)
    level = curve_of(student, x, y, 0)(normal(rng, 4))
    assert_close(level, y.mean().expand(4), rtol=1e-7, atol=1e-8, what="the prediction of degree 0")
    assert_close(curve_of(student, x, y, 5)(x), y, rtol=1e-6, atol=1e-6, what="the prediction of degree 5 for 6 points")


@exercise("fit_degree", weight=0.5)
def test_training_error_falls_with_the_degree(student, rng):
    """The error on the training points cannot rise with the degree, and inputs and targets are as before."""
    x, y = torch.from_numpy(np.linspace(10, 14, 18)), normal(rng, 18)
    kept = [student.keep(x), student.keep(y)]
    errors = [float(((as_tensor(curve_of(student, *kept, d)(x)) - y) ** 2).sum()) for d in range(0, 12, 2)]
    falling = all(b <= a * (1 + 1e-9) for a, b in pairwise(errors))
    assert_true(falling, "A higher degree has a larger error on its own training points.")
    assert_equal(student.fetch(kept[0]), x, what="x after the call")
    assert_equal(student.fetch(kept[1]), y, what="y after the call")


# ---- L03.02, L03.04: bias and variance


class Source:
    """Prepared data sets with known predictions: model r predicts row r of `predictions` on the grid."""

    def __init__(self, rng, models, points, columns=None):
        self.predictions = normal(rng, models, points) + normal(rng, 1, points, scale=2.0)
        self.truth = normal(rng, points)
        self.grid = normal(rng, points) if columns is None else normal(rng, points, columns)
        self.drawn, self.fitted = [], []

    def make_data(self):
        number = len(self.drawn)
        self.drawn.append(number)
        return torch.full((3,), float(number), dtype=torch.float64), torch.full((3,), 100.0 + number)

    def fit(self, x, y):
        number = round(float(as_tensor(x, "the inputs that fit was given").mean()))
        self.fitted.append(number)
        row = self.predictions[number % len(self.predictions)]

        def predict(x_grid):
            found = as_tensor(x_grid, "what the predictor was given")
            assert_true(
                found.shape == self.grid.shape and torch.equal(found, self.grid),
                f"The predictor was given inputs of shape {tuple(found.shape)} that are not x_grid: evaluate all "
                "models at the same points.",
            )
            return row

        return predict

    def f_true(self, x_grid):
        return self.truth

    def decompose(self, student):
        result = student.bias_variance(self.make_data, self.fit, self.grid, self.f_true, len(self.predictions))
        return assert_parts(result, 3, "variance, squared bias and total")


@exercise("bias_variance", weight=2)
def test_the_three_parts(student, rng):
    """Variance, squared bias and total, in this order, one number for each point of x_grid: means over the models,
    whose deviations from their mean prediction, and from the true function, are squared."""
    for models, points in ((7, 5), (2, 1)):
        source = Source(rng, models, points)
        parts = source.decompose(student)
        p, f = source.predictions.numpy(), source.truth.numpy()
        expected = p.var(axis=0), (p.mean(axis=0) - f) ** 2, ((p - f) ** 2).mean(axis=0)
        for name, found, wanted in zip(("variance", "squared bias", "total"), parts, expected, strict=True):
            assert_close(found, wanted, **DOUBLE, what=f"the {name}")


@exercise("bias_variance")
def test_parts_add_up(student, rng):
    """Variance and squared bias add up to the total to the last digits, because all three are means over the same
    models. Divided by R - 1, as torch.var does unless told otherwise, the variance is too large for that."""
    source = Source(rng, 6, 8)
    variance, bias2, total = (as_tensor(part) for part in source.decompose(student))
    assert_close(variance + bias2, total, rtol=1e-10, atol=1e-12, what="the sum of variance and squared bias")
    assert_true(float(variance.min()) > 0, "The variance is 0 although the models differ.")


@exercise("bias_variance")
def test_bias_is_measured_against_the_truth(student, rng):
    """The bias compares the MEAN prediction with the true, noise-free function: not with noisy targets, and not each
    model by itself."""
    source = Source(rng, 9, 4)
    _, bias2, _ = source.decompose(student)
    expected = (source.predictions.mean(dim=0) - source.truth) ** 2
    assert_close(bias2, expected, **DOUBLE, what="the squared bias")


@exercise("bias_variance")
def test_a_new_data_set_for_each_model(student, rng):
    """Each model is trained on a data set of its own: make_data is called once for each of the n_datasets models, and
    what it returns goes to fit once. One data set for all, or one pooled data set, measures nothing about other data
    sets."""
    source = Source(rng, 5, 3)
    source.decompose(student)
    assert_true(len(source.drawn) == 5, f"make_data was called {len(source.drawn)} times for 5 data sets.")
    assert_true(
        sorted(source.fitted) == [0, 1, 2, 3, 4],
        "Not every data set was used for exactly one fit.",
    )


@exercise("bias_variance")
def test_identical_models_have_no_variance(student, rng):
    """Models that all predict the same have variance 0, and their whole error is bias; x_grid may have several
    columns."""
    source = Source(rng, 4, 6, columns=2)
    source.predictions = source.predictions[:1].repeat(4, 1)
    variance, bias2, total = source.decompose(student)
    error = (source.predictions[0] - source.truth) ** 2
    assert_close(variance, torch.zeros(6), rtol=0, atol=1e-12, what="the variance")
    assert_close(bias2, error, **DOUBLE, what="the squared bias")
    assert_close(total, error, **DOUBLE, what="the total")


def learn(student, rng, sizes, models=3, points=4):
    """Run learning_with_n on prepared levels; give its results, the sizes that were drawn, and the levels by draw."""
    levels, drawn = rng.normal(size=200) * 3, []

    def draw(n):
        drawn.append(int(n))
        y = levels[len(drawn) - 1] + np.arange(n) - (n - 1) / 2  # the mean of the targets is the level
        return torch.zeros(int(n), dtype=torch.float64), torch.from_numpy(y)

    def fit(x, y):
        level = as_tensor(y, "the targets that fit was given").mean()
        return lambda x_grid: level * torch.arange(1, points + 1)

    truth = normal(rng, points)
    result = student.learning_with_n(sizes, draw, fit, torch.zeros(points), lambda x_grid: truth, models)
    return *assert_parts(result, 2, "variances and squared biases"), drawn, levels, truth.numpy()


def expected_parts(levels, truth, models, sizes):
    """Means over the grid of variance and squared bias, for draws in order: `models` for each size."""
    factors, parts = np.arange(1, len(truth) + 1), []
    for index in range(len(sizes)):
        p = np.outer(levels[index * models : (index + 1) * models], factors)
        parts.append((p.var(axis=0).mean(), ((p.mean(axis=0) - truth) ** 2).mean()))
    return np.array(parts).T


@exercise("learning_with_n", weight=2)
def test_variance_and_bias_of_each_size(student, rng):
    """One variance and one squared bias for each size, in the order of `sizes`, each the mean over the points of
    x_grid."""
    sizes = [3, 6, 12]
    variances, biases, _, levels, truth = learn(student, rng, sizes)
    expected = expected_parts(levels, truth, 3, sizes)
    assert_close(variances, expected[0], **DOUBLE, what="the list of variances")
    assert_close(biases, expected[1], **DOUBLE, what="the list of squared biases")


@exercise("learning_with_n")
def test_new_draws_of_the_right_size(student, rng):
    """Every model of every size gets data of its own: draw(n) is called n_datasets times with each n. Drawing once and
    cutting, repeating or reusing the same data leaves the noise the same."""
    _, _, drawn, _, _ = learn(student, rng, [4, 8], models=5)
    expected = [4] * 5 + [8] * 5
    assert_true(
        sorted(drawn) == expected, f"For the sizes 4 and 8 with 5 data sets each, the sizes drawn were {drawn}."
    )


@exercise("learning_with_n")
def test_sizes_in_any_order(student, rng):
    """The sizes may come in any order, and the results keep it."""
    sizes = [9, 2, 5, 2]
    variances, biases, drawn, levels, truth = learn(student, rng, sizes)
    assert_true(
        drawn == [n for n in sizes for _ in range(3)] or len(drawn) != 12, "The sizes were drawn in another order."
    )
    expected = expected_parts(levels, truth, 3, sizes)
    assert_close(variances, expected[0], **DOUBLE, what="the list of variances")
    assert_close(biases, expected[1], **DOUBLE, what="the list of squared biases")


def draw_in_worker(n):
    import torch

    return torch.zeros(n, dtype=torch.float64), 1.0 + torch.randn(n, dtype=torch.float64)


def fit_in_worker(x, y):
    level = y.mean()
    return lambda x_grid: level.expand(len(x_grid))


def truth_in_worker(x_grid):
    return 0 * x_grid + 3.0


@exercise("learning_with_n")
def test_variance_falls_like_one_over_n(student, rng):
    """The variance of a mean falls like 1/n: on logarithmic axes with a slope of about -1. The squared bias stays what
    it is."""
    # 800 data sets: each log variance has a standard error of 0.05, the slope one of 0.032; 0.2 are six of them. The
    # bias is 2 with a standard error of at most 0.011, its square 4 of 0.045.
    draw, fit, truth = (student.remote(function) for function in (draw_in_worker, fit_in_worker, truth_in_worker))
    sizes = [10, 20, 40, 80]
    result = student.learning_with_n(sizes, draw, fit, torch.zeros(2, dtype=torch.float64), truth, 800)
    variances, biases = (as_array(part) for part in assert_parts(result, 2, "variances and squared biases"))
    assert_true(variances.shape == (4,) and (variances > 0).all(), "Expected four positive variances.")
    slope = float(np.polyfit(np.log(sizes), np.log(variances), 1)[0])
    assert_true(-1.2 < slope < -0.8, f"The slope is {slope:.2f}.")
    assert_true(float(np.abs(biases - 4).max()) < 0.4, "The squared bias is not what it should be, or changes with n.")


# ---- L03.05: maximum a posteriori


@exercise("map_loss", weight=2)
def test_sum_of_likelihood_and_prior(student, rng):
    """The loss is minus the sum of all log-likelihoods, minus the sum of the log-prior: the prior counts once, whatever
    the number of samples."""
    for size in (1, 12):
        likelihoods, prior = normal(rng, size), normal(rng, 5)
        found = student.map_loss(likelihoods, prior)
        assert_shape(found, ())
        assert_close(found, -likelihoods.sum() - prior.sum(), **DOUBLE)


@exercise("map_loss")
def test_improbable_parameters_cost_more(student, rng):
    """A smaller prior density means a larger loss: the log-prior has a minus sign, as the log-likelihood has."""
    likelihoods, prior = normal(rng, 6), normal(rng, 1)
    rise = as_tensor(student.map_loss(likelihoods, prior - 3.0)) - as_tensor(student.map_loss(likelihoods, prior))
    assert_close(rise, 3.0, **SINGLE, what="the rise of the loss when the log-prior falls by 3")


@exercise("map_loss")
def test_mean_divides_the_whole_loss(student, rng):
    """With mean=True the whole loss is divided by the number of samples, prior included, so that the best theta stays
    the same. If only the likelihood is divided, the prior counts as often as there are samples."""
    likelihoods, prior = normal(rng, 8), normal(rng, 3)
    found = student.map_loss(likelihoods, prior, mean=True)
    assert_close(found, (-likelihoods.sum() - prior.sum()) / 8, **DOUBLE)


@exercise("map_loss")
def test_prior_of_any_shape(student, rng):
    """The log-prior may be one number or a matrix, one entry for each parameter: its entries are summed, not
    averaged."""
    likelihoods = normal(rng, 4)
    for shape in ((), (1,), (3, 2)):
        prior = torch.as_tensor(rng.uniform(-3, -1, size=shape))
        found = student.map_loss(likelihoods, prior)
        assert_one_of(found, -likelihoods.sum() - prior.sum(), -likelihoods.sum() + prior.sum())


@exercise("map_loss")
def test_loss_can_be_differentiated(student, rng):
    """The loss passes a gradient of -1 on to each log-likelihood and to each entry of the log-prior."""
    likelihoods, prior = normal(rng, 5), normal(rng, 2)
    _, (first, second) = student.value_and_grad(student.map_loss, likelihoods, prior, wrt=(0, 1))
    assert_close(first, -torch.ones(5), **SINGLE, what="the gradient with respect to the log-likelihoods")
    assert_one_of(second, -torch.ones(2), torch.ones(2), what="the gradient with respect to the log-prior")


@exercise("coin_map", weight=2)
def test_mode_of_the_posterior(student, rng):
    """The most probable theta is (heads + a - 1) over all real and imagined throws, also for a and b that are no whole
    numbers."""
    for _ in range(4):
        heads, tails = (int(n) for n in rng.integers(1, 20, 2))
        a, b = (float(v) for v in rng.uniform(1.5, 8, 2))
        assert_close(student.coin_map(heads, tails, a, b), (heads + a - 1) / (heads + tails + a + b - 2), **DOUBLE)


@exercise("coin_map")
def test_flat_prior_is_maximum_likelihood(student, rng):
    """The prior Beta(1, 1) is flat: the result is the share of heads, 0 and 1 included. (The posterior's mean would be
    another number.)"""
    heads, tails = (int(n) for n in rng.integers(1, 9, 2))
    assert_close(student.coin_map(heads, tails, 1, 1), heads / (heads + tails), **DOUBLE)
    assert_close(student.coin_map(heads, 0, 1, 1), 1.0, **DOUBLE, what="the result without tails")
    assert_close(student.coin_map(0, tails, 1, 1), 0.0, **DOUBLE, what="the result without heads")


@exercise("coin_map")
def test_prior_and_data_win_in_turn(student, rng):
    """A very strong prior keeps the estimate at its own mode; very many throws move it to their share of heads. The
    second shape belongs to tails."""
    share = float(rng.uniform(0.2, 0.4))
    strong = student.coin_map(3, 1, 1 + 1e9 * share, 1 + 1e9 * (1 - share))
    assert_close(strong, share, rtol=1e-6, atol=1e-6, what="the estimate under a very strong prior")
    many = student.coin_map(share * 1e9, (1 - share) * 1e9, 9.0, 2.0)
    assert_close(many, share, rtol=1e-6, atol=1e-6, what="the estimate after very many throws")


@exercise("coin_map")
def test_nothing_known_is_an_error(student, rng):
    """No throw and a flat prior: every theta is as good as any other, and a ValueError says so. With a prior that is
    not flat no throw is needed."""
    student.raises(ValueError, student.coin_map, 0, 0, 1, 1)
    a = float(rng.uniform(2, 5))
    assert_close(student.coin_map(0, 0, a, 1), 1.0, **DOUBLE)


# ---- L03.06-L03.08: priors as penalties


@exercise("penalty_from_prior", weight=2)
def test_sum_of_squares_with_a_gaussian_prior(student, rng):
    """In front of a sum of squares WITHOUT 1/2, a Gaussian prior gives lam = noise^2 / scale^2. The slide's
    1 / (2 scale^2) forgets that the negative log-likelihood has a 1/2 which this sum has not."""
    for noise in (1.0, float(rng.uniform(0.3, 3.0))):
        scale = float(rng.uniform(0.3, 3.0))
        found = student.penalty_from_prior("squared", "gaussian", scale, noise)
        assert_close(found, noise**2 / scale**2, **DOUBLE)


@exercise("penalty_from_prior")
def test_likelihood_with_a_gaussian_prior(student, rng):
    """In front of a negative log-likelihood, a Gaussian prior gives lam = 1 / (2 scale^2): what stands before theta^2
    in minus its logarithm."""
    scale = float(rng.uniform(0.3, 3.0))
    assert_close(student.penalty_from_prior("nll", "gaussian", scale), 1 / (2 * scale**2), **DOUBLE)


@exercise("penalty_from_prior")
def test_laplace_prior(student, rng):
    """The Laplace prior has -log p = |theta| / scale and a constant: lam = 1 / scale for a negative log-likelihood, and
    2 noise^2 times as much for a sum of squares."""
    scale, noise = (float(v) for v in rng.uniform(0.3, 3.0, 2))
    assert_close(student.penalty_from_prior("nll", "laplace", scale), 1 / scale, **DOUBLE)
    assert_close(student.penalty_from_prior("squared", "laplace", scale, noise), 2 * noise**2 / scale, **DOUBLE)


@exercise("penalty_from_prior")
def test_where_the_noise_counts(student, rng):
    """Noisier data deserve less trust: for the loss "squared", lam grows with the square of the noise. The loss "nll"
    has its noise inside, and lam does not depend on the argument."""
    scale, noise = float(rng.uniform(0.3, 3.0)), float(rng.uniform(1.5, 3.0))
    noisy, clean = (
        as_array(student.penalty_from_prior("squared", "gaussian", scale, *more)).reshape(-1) for more in ((noise,), ())
    )
    assert_true(noisy.size == clean.size == 1 and float(clean[0]) > 0, "lam should be one positive number.")
    ratio = float(noisy[0] / clean[0])
    assert_close(ratio, noise**2, **SINGLE, what="the ratio of the two lam with and without this noise")
    with_noise = student.penalty_from_prior("nll", "gaussian", scale, noise)
    assert_close(with_noise, student.penalty_from_prior("nll", "gaussian", scale), **SINGLE, what='lam for "nll"')


@exercise("penalty_from_prior", weight=0.5)
def test_unknown_names_are_refused(student):
    """A loss or a prior that is none of the four names raises a ValueError, instead of giving a number for something
    else."""
    for loss in ("squared", "nll"):
        lam = as_array(student.penalty_from_prior(loss, "gaussian", 1.0)).reshape(-1)
        assert_true(
            lam.size == 1 and float(lam[0]) > 0, "A loss and a prior that are known should give a positive lam."
        )
    student.raises(ValueError, student.penalty_from_prior, "squared", "uniform", 1.0)
    student.raises(ValueError, student.penalty_from_prior, "zero-one", "gaussian", 1.0)


def ridge_oracle(features, targets, lam):
    """The solution of the penalised normal equations, by NumPy."""
    f, y = features.double().numpy(), targets.double().numpy()
    return np.linalg.solve(f.T @ f + lam * np.eye(f.shape[1]), f.T @ y)


def usual_slips(features, targets, lam):
    """The right theta and, for tests about something else, those for half, twice and N times the penalty."""
    return [ridge_oracle(features, targets, factor * lam) for factor in (1.0, 0.5, 2.0, float(len(features)))]


@exercise("ridge", weight=2)
def test_penalised_normal_equations(student, rng):
    """theta solves (features^T features + lam I) theta = features^T targets. If it is off, lam may be halved (the sum
    of squares has no 1/2), doubled, multiplied by the number of samples, or have the wrong sign."""
    for rows, columns in ((20, 4), (12, 1)):
        features, targets, lam = normal(rng, rows, columns), normal(rng, rows), float(rng.uniform(1, 5))
        found = student.ridge(features, targets, lam)
        assert_shape(found, (columns,))
        assert_close(found, ridge_oracle(features, targets, lam), rtol=1e-8, atol=1e-9)


@exercise("ridge")
def test_without_penalty_least_squares(student, rng):
    """For lam = 0 it is least squares: what is left over is orthogonal to every feature."""
    features, targets = normal(rng, 30, 5), normal(rng, 30)
    expected = np.linalg.lstsq(features.numpy(), targets.numpy(), rcond=None)[0]
    assert_close(student.ridge(features, targets, 0.0), expected, rtol=1e-8, atol=1e-9)


@exercise("ridge")
def test_dependent_features(student, rng):
    """Equal columns, a column of zeros, more columns than rows: with a positive lam there is exactly one solution. lam
    belongs on the diagonal before anything is inverted."""
    column, targets = normal(rng, 6, 1), normal(rng, 6)
    cases = (torch.cat([column, column, torch.zeros_like(column)], dim=1), normal(rng, 6, 9))
    for features in cases:
        lam = float(rng.uniform(0.5, 2.0))
        found = student.ridge(features, targets, lam)
        assert_finite(found)
        assert_one_of(found, *usual_slips(features, targets, lam))


@exercise("ridge")
def test_larger_penalty_shorter_parameters(student, rng):
    """The larger lam, the shorter theta, down to 0; the sign of the penalty is plus."""
    features, targets = normal(rng, 15, 3), normal(rng, 15) + 1
    lengths = [float(as_tensor(student.ridge(features, targets, lam)).norm()) for lam in (0.0, 1.0, 10.0, 1e3, 1e6)]
    falling = all(b < a for a, b in pairwise(lengths))
    assert_true(
        falling, f"For lam = 0, 1, 10, 1000 and a million theta has the lengths {[round(v, 6) for v in lengths]}."
    )
    assert_true(lengths[-1] < 1e-3, "For an enormous lam theta does not go to 0.")


@exercise("ridge")
def test_every_parameter_is_penalised(student, rng):
    """All parameters are penalised alike, also the one of a constant column, wherever it stands: this function knows of
    no intercept."""
    lam = float(rng.uniform(5, 20))
    for place in (0, 2):
        features, targets = normal(rng, 10, 3), normal(rng, 10) + 5
        features[:, place] = 1.0
        found = as_tensor(student.ridge(features, targets, lam))
        assert_shape(found, (3,))
        assert_one_of(found, *usual_slips(features, targets, lam))


@exercise("ridge", weight=0.5)
def test_ridge_leaves_its_arguments(student, rng):
    """Features and targets are the same after the call as before."""
    features, targets = normal(rng, 8, 2), normal(rng, 8)
    theta = torch.from_numpy(ridge_oracle(features, targets, 2.0))
    assert_pure(student, student.ridge, (features, targets, 2.0), theta)


def fit_oracle(x, y, lam, new):
    """Ridge regression on standardised inputs with a free intercept, by NumPy."""
    x, y, new = x.numpy(), y.numpy(), new.numpy()
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(np.ptp(x, axis=0) > 0, spread, 1.0)
    theta = ridge_oracle(torch.from_numpy((x - mean) / spread), torch.from_numpy(y - y.mean()), lam)
    return y.mean() + (new - mean) / spread @ theta


def measurements(rng, rows, columns=3):
    """Inputs in very different units, far from 0, and targets that depend on them."""
    unit = torch.as_tensor(10.0 ** rng.uniform(-2, 3, columns))
    x = (normal(rng, rows, columns) + 4) * unit
    return x, 20 + (x / unit) @ normal(rng, columns) + normal(rng, rows)


def predictor_of(student, x, y, lam):
    predict = student.fit_ridge(x, y, lam)
    assert_true(callable(predict), "What fit_ridge returns cannot be called; return a function that predicts.")
    return predict


@exercise("fit_ridge", weight=2)
def test_predictions_for_new_inputs(student, rng):
    """Predictions for new inputs agree with ridge regression on standardised inputs and centred targets, with the means
    and standard deviations (divided by N) of the training inputs."""
    for rows, lam in ((25, 10.0), (8, 2.0)):
        (x, y), (new, _) = measurements(rng, rows), measurements(rng, 6)
        new = x[:6] * 1.1 if rows == 8 else new / new.mean(dim=0) * x.mean(dim=0)
        found = predictor_of(student, x, y, lam)(new)
        assert_close(found, fit_oracle(x, y, lam, new), rtol=1e-7, atol=1e-7, what="the prediction")


@exercise("fit_ridge")
def test_intercept_is_free(student, rng):
    """The intercept is not penalised: whatever lam is, the mean prediction on the training inputs is the mean target,
    and targets that are larger by 1,000 give predictions that are larger by 1,000."""
    x, y = measurements(rng, 15)
    lam = float(rng.uniform(10, 100))
    found = as_tensor(predictor_of(student, x, y, lam)(x), "the prediction")
    assert_shape(found, (15,), what="the prediction")
    assert_close(found.mean(), y.mean(), **SINGLE, what="the mean prediction")
    shifted = as_tensor(predictor_of(student, x, y + 1000, lam)(x), "the prediction")
    assert_close(shifted - found, torch.full((15,), 1000.0), **SINGLE, what="the change of the predictions")


@exercise("fit_ridge")
def test_units_do_not_matter(student, rng):
    """In other units (millimetres for metres) the predictions are the same, because the columns are brought to one
    scale before the penalty compares their parameters."""
    x, y = measurements(rng, 15)
    factors = torch.as_tensor(10.0 ** rng.uniform(-3, 3, 3))
    here = predictor_of(student, x, y, 20.0)(x)
    there = predictor_of(student, x * factors, y, 20.0)(x * factors)
    assert_close(there, here, rtol=1e-6, atol=1e-6, what="the prediction in other units")


@exercise("fit_ridge")
def test_statistics_of_the_training_inputs(student, rng):
    """A prediction does not depend on the inputs that come with it: new inputs are scaled with the means and standard
    deviations of the training inputs, never with their own."""
    x, y = measurements(rng, 15)
    predict = predictor_of(student, x, y, 5.0)
    together = as_tensor(predict(x), "the prediction")
    assert_shape(together, (15,), what="the prediction")
    assert_close(predict(x[3:4]), together[3:4], **SINGLE, what="the prediction for one input alone")
    assert_close(predict(x[4:7]), together[4:7], **SINGLE, what="the prediction for three inputs alone")


@exercise("fit_ridge")
def test_constant_column(student, rng):
    """A column that does not vary has the standard deviation 0. It must not lead to a division by 0, and changes no
    prediction for inputs that have the same value there."""
    x, y = measurements(rng, 12)
    wider = torch.cat([x, torch.full((12, 1), float(rng.integers(-5, 6)), dtype=torch.float64)], dim=1)
    found = predictor_of(student, wider, y, 5.0)(wider)
    assert_finite(found, what="the prediction")
    assert_close(found, predictor_of(student, x, y, 5.0)(x), **SINGLE, what="the prediction with a constant column")


@exercise("fit_ridge")
def test_without_penalty_ordinary_regression(student, rng):
    """For lam = 0 it is least squares with an intercept, in whatever units."""
    x, y = measurements(rng, 30)
    columns = np.concatenate([np.ones((30, 1)), x.numpy()], axis=1)
    columns /= columns.max(axis=0)  # the fitted values do not depend on the units, their accuracy does
    expected = columns @ np.linalg.lstsq(columns, y.numpy(), rcond=None)[0]
    assert_close(predictor_of(student, x, y, 0.0)(x), expected, rtol=1e-6, atol=1e-6, what="the prediction")


# ---- L03.07: weight decay


def logistic_descent(x, labels, lam, learning_rate, steps):
    """Gradient descent by autograd on PyTorch's own loss."""
    theta = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        nll = F.binary_cross_entropy_with_logits(x.double() @ theta, labels.double(), reduction="sum")
        (gradient,) = torch.autograd.grad(nll + lam * (theta**2).sum(), theta)
        theta = (theta - learning_rate * gradient).detach().requires_grad_()
    return theta.detach()


def two_classes(rng, rows, columns):
    """Inputs and labels of both classes in random order, not separable."""
    x, labels = normal(rng, rows, columns), torch.as_tensor(rng.permutation(np.arange(rows) % 2))
    return x + 0.5 * (labels[:, None] - 0.5), labels


@exercise("logreg_l2", weight=2)
def test_descent_with_penalty(student, rng):
    """After any number of steps theta is where gradient descent on the SUM of the negative log-likelihoods plus
    lam ||theta||^2 arrives from 0. A mean instead of the sum, a wrong sign or a missing factor 2 show here."""
    for columns, steps in ((3, 1), (3, 7), (1, 40)):
        x, labels = two_classes(rng, 20, columns)
        lam = float(rng.uniform(0.2, 2.0))
        found = student.logreg_l2(x, labels, lam, 0.02, steps)
        assert_shape(found, (columns,))
        assert_close(found, logistic_descent(x, labels, lam, 0.02, steps), **DOUBLE)


def penalty_step(student, x, labels, learning_rate, lam=0.7):
    """By how much the penalty moves the second step: the first one begins at theta = 0, where the penalty has no
    slope."""
    first = as_tensor(student.logreg_l2(x, labels, 0.0, learning_rate, 1))
    assert_shape(first, (x.shape[1],))
    moved = as_tensor(student.logreg_l2(x, labels, lam, learning_rate, 2)) - as_tensor(
        student.logreg_l2(x, labels, 0.0, learning_rate, 2)
    )
    assert_shape(moved, first.shape)
    return moved, first, lam


@exercise("logreg_l2")
def test_gradient_of_the_penalty(student, rng):
    """The derivative of lam theta^2 is 2 lam theta: the factor 2 belongs to the step."""
    x, labels = two_classes(rng, 16, 3)
    moved, first, lam = penalty_step(student, x, labels, 0.05)
    assert_shape(moved, (3,))
    expected = -2 * lam * first
    # How the step depends on the learning rate is left to another test.
    assert_one_of(moved, 0.05 * expected, expected, what="what the penalty adds to the second step")


@exercise("logreg_l2")
def test_penalty_is_scaled_by_the_learning_rate(student, rng):
    """The penalty is a part of the loss, and its gradient is multiplied by the learning rate like the rest. Weights
    that decay by a fixed share in every step, whatever the learning rate is, belong to another penalty."""
    x, labels = two_classes(rng, 16, 3)
    shares = []
    for learning_rate in (0.01, 0.04):
        moved, first, _ = penalty_step(student, x, labels, learning_rate)
        assert_true(float(first @ first) > 0, "theta is still 0 after the first step.")
        shares.append(float((moved @ first) / (first @ first)))
    assert_true(abs(shares[0]) > 1e-9, "The penalty has no effect on the second step.")
    ratio = shares[1] / shares[0]
    assert_close(
        ratio, 4.0, rtol=1e-3, atol=0, what="the growth of the penalty's part with four times the learning rate"
    )


@exercise("logreg_l2")
def test_separable_data(student, rng):
    """On data that a line separates, theta grows with every step when there is no penalty, and comes to rest when there
    is one."""
    labels = torch.as_tensor(rng.permutation(np.arange(14) % 2))
    x = torch.cat([(2.0 * labels[:, None] - 1) * torch.as_tensor(rng.uniform(0.5, 2, (14, 1))), normal(rng, 14, 1)], 1)
    thetas = [as_tensor(student.logreg_l2(x, labels, 0.0, 0.05, steps)) for steps in (20, 200, 2000)]
    assert_shape(thetas[0], (2,))
    lengths = [float(theta.double().norm()) for theta in thetas]
    assert_true(lengths[0] < lengths[1] < lengths[2], "Without a penalty theta stops growing, or goes back.")
    late = as_tensor(student.logreg_l2(x, labels, 0.5, 0.05, 2000))
    later = as_tensor(student.logreg_l2(x, labels, 0.5, 0.05, 2500))
    assert_close(later, late, rtol=1e-5, atol=1e-6, what="theta after 500 more steps with a penalty")
    assert_true(float(late.norm()) < lengths[2], "With a penalty theta is not shorter than without.")


@exercise("logreg_l2", weight=0.5)
def test_logreg_leaves_its_arguments(student, rng):
    """Without a step theta is 0; inputs and labels are the same after a call as before."""
    x, labels = two_classes(rng, 10, 2)
    assert_close(student.logreg_l2(x, labels, 1.0, 0.1, 0), torch.zeros(2), **SINGLE, what="theta without a step")
    expected = logistic_descent(x, labels, 0.5, 0.03, 3)
    first = student.logreg_l2(x, labels, 0.5, 0.03, 3)
    kept = [student.keep(x), student.keep(labels)]
    student.logreg_l2(*kept, 0.5, 0.03, 3)
    assert_equal(student.fetch(kept[0]), x, what="x after the call")
    assert_equal(student.fetch(kept[1]), labels, what="the labels after the call")
    assert_close(student.logreg_l2(*kept, 0.5, 0.03, 3), first, **SINGLE, what="the result of a second call")
    assert_shape(first, tuple(expected.shape))


# ---- L03.08: L1


@exercise("soft_threshold", weight=2)
def test_moves_towards_zero(student, rng):
    """Every number whose size is above the threshold moves towards 0 by the threshold and keeps its sign; it does not
    stay where it was."""
    threshold = float(rng.uniform(0.5, 1.5))
    z = torch.as_tensor(rng.uniform(2, 5, 12) * rng.choice([-1.0, 1.0], 12))
    assert_close(student.soft_threshold(z, threshold), z - threshold * z.sign(), **DOUBLE)


@exercise("soft_threshold")
def test_small_numbers_become_zero(student, rng):
    """Every number whose size is at most the threshold becomes exactly 0; none crosses to the other side."""
    z = torch.as_tensor(np.concatenate([rng.uniform(-1, 1, 10), [1.0, -1.0, 0.0, 5.0]]))
    found = as_tensor(student.soft_threshold(z, 1.0))
    assert_shape(found, (14,))
    assert_equal(found[:13], torch.zeros(13), what="the result for numbers from -1 to 1")
    assert_true(float(found[13]) > 0, "With the threshold 1 the number 5 has become 0, too.")


@exercise("soft_threshold")
def test_any_shape_and_no_threshold(student, rng):
    """The result has the shape of z, whatever that is, and a threshold of 0 changes nothing."""
    for shape in ((), (3, 4)):
        z = normal(rng, *shape, scale=3.0)
        assert_close(student.soft_threshold(z, 0.0), z, **DOUBLE, what="the result with threshold 0")
        moved = as_tensor(student.soft_threshold(z, 20.0))
        assert_shape(moved, shape)
        assert_true(not torch.equal(moved, z), "A threshold that is larger than all numbers changes nothing.")


@exercise("soft_threshold", weight=0.5)
def test_soft_threshold_leaves_z(student, rng):
    """The numbers of the caller, z, are the same after the call as before."""
    z = normal(rng, 8, scale=2.0)
    assert_pure(student, student.soft_threshold, (z, 0.7), F.softshrink(z, 0.7))


def lasso_oracle(features, targets, lam):
    """Coordinate descent to rounding, by NumPy."""
    f, y = features.numpy(), targets.numpy()
    theta, squares = np.zeros(f.shape[1]), (f**2).sum(axis=0)
    for _ in range(10_000):
        before = theta.copy()
        for j in range(len(theta)):
            pull = f[:, j] @ (y - f @ theta) + squares[j] * theta[j]
            theta[j] = np.sign(pull) * max(abs(pull) - lam / 2, 0) / squares[j]
        if np.abs(theta - before).max() <= 1e-13 * (1 + np.abs(theta).max()):
            return theta
    raise RuntimeError("the oracle did not converge")


def sparse_problem(rng, rows=40, columns=8, scale=1.0):
    """Well-conditioned features and targets to which three of them contribute."""
    features = normal(rng, rows, columns, scale=scale)
    truth = torch.zeros(columns, dtype=torch.float64)
    truth[rng.permutation(columns)[:3]] = torch.as_tensor(rng.uniform(1.5, 3, 3) * rng.choice([-1.0, 1.0], 3))
    return features, features @ truth + scale * normal(rng, rows)


@exercise("lasso", weight=2)
def test_smallest_penalised_error(student, rng):
    """theta minimises ||features @ theta - targets||^2 + lam sum |theta_j|. In ISTA the threshold of a step is the step
    size times lam; for this sum of squares without 1/2 the gradient has a factor 2."""
    for lam in (5.0, 60.0):
        features, targets = sparse_problem(rng)
        found = student.lasso(features, targets, lam)
        assert_shape(found, (8,))
        assert_close(found, lasso_oracle(features, targets, lam), rtol=1e-5, atol=1e-6)


@exercise("lasso")
def test_zeros_are_exact(student, rng):
    """Parameters that the data cannot hold against the penalty are exactly 0, not merely small. Following the slope of
    the absolute value jumps back and forth around 0 and never arrives."""
    features, targets = sparse_problem(rng)
    lam = 80.0
    oracle = torch.from_numpy(lasso_oracle(features, targets, lam))
    pull = (2 * features.T @ (targets - features @ oracle)).abs()
    certain = pull < 0.9 * lam  # far from the limit at which a parameter leaves 0
    found = as_tensor(student.lasso(features, targets, lam))
    assert_shape(found, (8,))
    assert_true(bool(certain.any()), "the problem has no certain zero")
    inexact = int((found[certain] != 0).sum())
    assert_true(inexact == 0, f"{inexact} of {int(certain.sum())} parameters that should be 0 are not.")


@exercise("lasso")
def test_orthonormal_features(student, rng):
    """With orthonormal features the answer is closed: features^T targets, soft-thresholded at lam / 2."""
    features = torch.linalg.qr(normal(rng, 20, 5)).Q
    targets = features @ torch.as_tensor(rng.uniform(2, 4, 5) * rng.choice([-1.0, 1.0], 5)) + normal(rng, 20, scale=0.1)
    found = student.lasso(features, targets, 1.5)
    assert_close(found, F.softshrink(features.T @ targets, 0.75), rtol=1e-6, atol=1e-7)


@exercise("lasso")
def test_both_ends_of_the_path(student, rng):
    """For lam = 0 it is least squares; from lam = 2 max |f_j . targets| on, all parameters are exactly 0."""
    features, targets = sparse_problem(rng)
    expected = np.linalg.lstsq(features.numpy(), targets.numpy(), rcond=None)[0]
    assert_close(student.lasso(features, targets, 0.0), expected, rtol=1e-5, atol=1e-6, what="the result for lam = 0")
    enough = 2.01 * float((features.T @ targets).abs().max())
    assert_equal(student.lasso(features, targets, enough), torch.zeros(8), what="the result for a large lam")


@exercise("lasso")
def test_features_of_any_size(student, rng):
    """The step size follows from the features: with features (and targets) a hundred times as large or as small the
    search still arrives, instead of running away or standing still."""
    for scale in (100.0, 0.01):
        features, targets = sparse_problem(rng, scale=scale)
        lam = 30.0 * scale**2
        found = student.lasso(features, targets, lam)
        assert_shape(found, (8,))
        assert_finite(found)
        pull = 2 * features.T @ (targets - features @ as_tensor(found)) / scale**2
        inside = as_tensor(found) != 0
        assert_true(
            float(pull.abs().max()) < 62.0 and bool(inside.any()),
            "The result is far from a minimum when features and targets are scaled.",
        )
        # At a minimum |2 f_j . r| is lam for all parameters that are not 0; half and double lam are another test's.
        sizes = pull[inside].abs()
        assert_close(
            sizes / sizes[0], torch.ones(len(sizes)), rtol=1e-3, atol=0, what="the ratio of the pulls |f_j . r|"
        )


@exercise("lasso")
def test_start(student, rng):
    """The search begins at `start`: from the solution it does not move away, and without any step the start comes
    back."""
    features, targets = sparse_problem(rng)
    somewhere = normal(rng, 8)
    assert_close(
        student.lasso(features, targets, 5.0, 0, somewhere), somewhere, **DOUBLE, what="the result after 0 steps"
    )
    solution = student.lasso(features, targets, 40.0, 5000, somewhere)
    assert_shape(solution, (8,))
    assert_true(not np.allclose(as_array(solution), somewhere), "The result is the start, also after many steps.")
    again = student.lasso(features, targets, 40.0, 2, as_tensor(solution))
    assert_close(again, solution, rtol=1e-4, atol=1e-5, what="the result of 2 steps from the solution")


# ---- L03.09: three sets


def numbered(rows, *shape):
    """Inputs whose entries tell the row, and the row numbers as targets."""
    numbers = torch.arange(rows)
    return numbers.double().reshape(-1, *[1] * len(shape)).expand(rows, *shape).clone(), numbers


def split_of(student, x, y, fractions, seed, **options):
    parts = assert_parts(student.split(x, y, fractions, seed, **options), 3, "training, validation and test set")
    return [assert_parts(part, 2, "inputs and targets of each set") for part in parts]


@exercise("split", weight=2)
def test_every_row_once(student, rng):
    """Every row is in exactly one of the three sets, which have the sizes round(fraction * N), and the rest for the
    test."""
    for rows, fractions, sizes in ((50, (0.6, 0.2, 0.2), [30, 10, 10]), (29, (0.55, 0.25, 0.2), [16, 7, 6])):
        parts = split_of(student, *numbered(rows, 2), fractions, int(rng.integers(1000)))
        found = [len(as_tensor(y)) for _, y in parts]
        assert_true(found == sizes, f"The sets of {rows} rows with the fractions {fractions} have the sizes {found}.")
        together = torch.cat([as_tensor(y).flatten() for _, y in parts]).sort().values
        assert_equal(together, torch.arange(rows), what="the list of all rows, sorted")


@exercise("split")
def test_inputs_keep_their_targets(student, rng):
    """Each input stays with its own target: both are put into the same random order. Inputs may have several axes."""
    for shape in ((1,), (2, 3)):
        for x, y in split_of(student, *numbered(40, *shape), (0.5, 0.25, 0.25), int(rng.integers(1000))):
            x, y = as_tensor(x, "the inputs"), as_tensor(y, "the targets")
            assert_true(tuple(x.shape[1:]) == shape, f"The inputs have shape {tuple(x.shape)}, expected (M, ...).")
            assert_true(len(x) == len(y), "A set has different numbers of inputs and targets.")
            assert_equal(x.flatten(1)[:, 0], y.double(), what="the row of each input, beside that of its target")


@exercise("split")
def test_sorted_rows_are_shuffled(student, rng):
    """Rows that come sorted by class are shuffled before the cut, so that every set has both classes."""
    # Of 200 rows, 100 a class, the smallest set has 40: without one of the classes with probability below 1e-14.
    x, labels = torch.zeros(200, 1), torch.arange(200) // 100
    for _, y in split_of(student, x, labels, (0.6, 0.2, 0.2), int(rng.integers(1000))):
        assert_true(len(set(as_tensor(y).tolist())) == 2, "One of the sets has rows of one class only.")


@exercise("split")
def test_seed_decides(student, rng):
    """The same seed gives the same division, whatever else has drawn random numbers; another seed gives another one."""
    x, y = numbered(60, 1)
    seed = int(rng.integers(1000))
    results = []
    for worker_seed, own_seed in ((1, seed), (2, seed), (1, seed + 1)):
        student.seed(worker_seed)
        results.append(as_tensor(split_of(student, x, y, (0.5, 0.3, 0.2), own_seed)[0][1]).sort().values)
    assert_equal(results[1], results[0], what="the training set of a second call with the same seed")
    # Two random halves of 60 rows agree with probability below 1e-17.
    assert_true(not torch.equal(results[2], results[0]), "Another seed gave the same training set.")


@exercise("split")
def test_stratified(student, rng):
    """With stratify=True every class is divided in the given proportions, however rare it is."""
    labels = torch.as_tensor(rng.permutation(np.repeat([0, 1, 4], [60, 30, 10])))
    x = torch.arange(100.0)[:, None]
    parts = split_of(student, x, labels, (0.5, 0.3, 0.2), int(rng.integers(1000)), stratify=True)
    for (inputs, y), counts in zip(parts, ([30, 15, 5], [18, 9, 3], [12, 6, 2]), strict=True):
        found = [int((as_tensor(y) == label).sum()) for label in (0, 1, 4)]
        assert_true(found == counts, f"Of 60, 30 and 10 rows of three classes, one of the sets has {found}.")
        rows = as_tensor(inputs).flatten().long()
        assert_equal(labels[rows], as_tensor(y), what="the class of each row, beside its target")
    everything = torch.cat([as_tensor(inputs).flatten() for inputs, _ in parts]).sort().values
    assert_equal(everything, torch.arange(100.0), what="the list of all rows, sorted")


@exercise("split", weight=0.5)
def test_impossible_fractions(student):
    """Fractions that do not sum to 1, or are not positive, raise a ValueError instead of losing rows."""
    x, y = numbered(20, 1)
    split_of(student, x, y, (0.6, 0.3, 0.1), 0)
    student.raises(ValueError, student.split, x, y, (0.6, 0.3, 0.2), 0)
    student.raises(ValueError, student.split, x, y, (0.5, 0.2, 0.2), 0)
    student.raises(ValueError, student.split, x, y, (1.2, -0.4, 0.2), 0)


def squared(predictions, targets):
    return (as_tensor(predictions) - as_tensor(targets)) ** 2


def exam_of(student, rng, rows=6):
    x, y = normal(rng, rows, 2), normal(rng, rows)
    exam = student.GuardedTestSet(x, y)
    assert_true(isinstance(exam, Handle), "GuardedTestSet(x, y) does not give an object: it should be a class.")
    return exam, x, y


@exercise("GuardedTestSet", weight=2)
def test_score_is_the_mean_loss(student, rng):
    """evaluate gives the MEAN over the samples of loss(predict(x), y), as a number; a loss of True and False counts
    True as 1."""
    exam, x, y = exam_of(student, rng)
    found = exam.evaluate(lambda inputs: as_tensor(inputs)[:, 0] * 2, squared)
    assert_close(found, ((x[:, 0] * 2 - y) ** 2).mean(), **SINGLE)
    other, x, y = exam_of(student, rng, 8)
    found = other.evaluate(lambda inputs: as_tensor(inputs)[:, 1], lambda f, targets: as_tensor(f) > as_tensor(targets))
    assert_close(found, float((x[:, 1] > y).double().mean()), **SINGLE, what="the score of a loss of True and False")


@exercise("GuardedTestSet", weight=2)
def test_second_look_is_refused(student, rng):
    """A second evaluation raises SecondLook, with the first score (three decimals) in its message. It gives no score,
    not even the same one again."""
    exam, _, y = exam_of(student, rng)
    exam.evaluate(lambda inputs: y * 0, squared)
    score = float((y**2).mean())
    message = student.raises(SecondLook, exam.evaluate, lambda inputs: y, squared)
    assert_true(
        f"{score:.3f}" in message, f'The message does not contain the first score, three decimals: "{message}".'
    )


@exercise("GuardedTestSet")
def test_refused_before_predicting(student, rng):
    """The refusal comes first: at a second evaluation the predictor is not called, and does not see the inputs
    again."""
    exam, _, y = exam_of(student, rng)
    exam.evaluate(lambda inputs: y * 0, squared)
    calls = []
    student.raises(SecondLook, exam.evaluate, lambda inputs: calls.append(1) or y, squared)
    assert_true(not calls, "The predictor was called although the test set had been used.")


def broken_in_worker(inputs):
    raise KeyError("a bug in the predictor")


@exercise("GuardedTestSet")
def test_failing_predictor_uses_nothing_up(student, rng):
    """An error inside of the predictor passes through and leaves the test set unused: nobody has seen a score."""
    exam, _, y = exam_of(student, rng)
    student.raises(KeyError, exam.evaluate, student.remote(broken_in_worker), squared)
    assert_true(exam.used is False, "After a predictor that failed, `used` is not False.")
    assert_close(
        exam.evaluate(lambda inputs: y * 0, squared), (y**2).mean(), **SINGLE, what="the score after a failure"
    )


@exercise("GuardedTestSet")
def test_remembers_its_state(student, rng):
    """len is the number of samples, before and after; `used` is False, then True; `score` is None, then the score."""
    exam, _, y = exam_of(student, rng)
    assert_true(len(exam) == 6, f"len is {len(exam)} for 6 samples.")
    assert_true(exam.used is False and exam.score is None, "A new test set should have used == False and score None.")
    score = exam.evaluate(lambda inputs: y + 2, squared)
    assert_true(exam.used is True, "After an evaluation `used` should be True.")
    assert_close(exam.score, score, **SINGLE, what="`score` after an evaluation")
    assert_true(len(exam) == 6, "len has changed by an evaluation.")


@exercise("GuardedTestSet")
def test_test_sets_are_independent(student, rng):
    """Each object keeps its own state: using one test set leaves another one unused."""
    first, _, y = exam_of(student, rng)
    second, _, _ = exam_of(student, rng, 3)
    first.evaluate(lambda inputs: y, squared)
    assert_true(second.used is False, "Using one test set has used up another one.")
    third, _, _ = exam_of(student, rng, 3)
    assert_true(third.used is False, "A new test set is already used.")


# ---- L03.10, L03.11: the workflow


@exercise("diagnose", weight=2)
def test_three_diagnoses(student, rng):
    """Low training loss and close validation loss: "ok". Low training loss and a far larger validation loss: "overfit".
    Training loss above the target: "underfit"."""
    target = float(rng.uniform(0.3, 0.6))
    assert_equal(student.diagnose(0.5 * target, 0.55 * target, target, 0.2), "ok", what="the diagnosis of a good model")
    assert_equal(
        student.diagnose(0.5 * target, 0.9 * target, target, 0.2), "overfit", what="the diagnosis of a large gap"
    )
    assert_equal(
        student.diagnose(1.5 * target, 1.55 * target, target, 0.2), "underfit", what="the diagnosis of two high losses"
    )


@exercise("diagnose")
def test_underfitting_comes_first(student, rng):
    """If the training loss is too high AND the validation loss is far above it, the answer is "underfit": as long as
    the model cannot fit its own data, the gap is not the first trouble."""
    loss = float(rng.uniform(1, 3))
    assert_equal(student.diagnose(loss, 4 * loss, 0.5 * loss, 0.3), "underfit", what="the diagnosis")


@exercise("diagnose")
def test_gap_is_relative(student, rng):
    """The allowed gap is a share of the training loss: in units in which both losses are a thousand times as large or
    as small, the diagnosis is the same."""
    for scale in (1e-3, 1.0, 1e3):
        loss = float(rng.uniform(0.3, 0.6)) * scale
        assert_equal(student.diagnose(loss, 1.15 * loss, scale, 0.2), "ok", what=f"the diagnosis of 15 % at {loss:.3g}")
        assert_equal(
            student.diagnose(loss, 1.3 * loss, scale, 0.2), "overfit", what=f"the diagnosis of 30 % at {loss:.3g}"
        )


@exercise("diagnose")
def test_limits(student):
    """ "Above" and "more than" leave the limits themselves allowed; a training loss of 0 is no reason to divide by 0; a
    validation loss below the training loss is fine."""
    assert_equal(student.diagnose(0.5, 0.5, 0.5, 0.25), "ok", what="the diagnosis at the target")
    assert_equal(student.diagnose(0.5, 0.75, 1.0, 0.5), "ok", what="the diagnosis at the allowed gap")
    assert_equal(student.diagnose(0.0, 0.1, 0.5, 0.5), "overfit", what="the diagnosis of a training loss of 0")
    assert_equal(student.diagnose(0.4, 0.1, 0.5, 0.5), "ok", what="the diagnosis of a low validation loss")


class Candidates:
    """A fit whose predictor adds 1/(1 + lam) times a constant, and that remembers what it was given."""

    def __init__(self, rng):
        self.train = normal(rng, 8, 2), normal(rng, 8) + 3.0
        self.validation = normal(rng, 5, 2), normal(rng, 5, scale=0.3) + 1.4
        self.given = []

    def level(self, lam):
        return 3.0 / (1.0 + lam)

    def fit(self, x, y, lam):
        self.given.append((as_tensor(x), as_tensor(y), float(lam)))
        return lambda inputs: as_tensor(inputs)[:, 0] * 0.1 + self.level(float(lam))

    def losses(self, lams, data):
        x, y = data
        return torch.stack([((x[:, 0] * 0.1 + self.level(lam) - y) ** 2).mean() for lam in lams])

    def select(self, student, lams):
        result = student.select_lambda(lams, self.fit, self.train, self.validation)
        return assert_parts(result, 3, "the chosen lam, training losses, validation losses")


@exercise("select_lambda", weight=2)
def test_lowest_validation_loss(student, rng):
    """The first result is the lam (not its loss, not its place in the list) with the lowest loss on the VALIDATION set.
    The training set would choose the smallest lam."""
    for _ in range(2):
        lams = [float(v) for v in rng.permutation(np.array([0.0, 0.3, 0.9, 2.7, 8.1]) * rng.uniform(0.8, 1.2))]
        candidates = Candidates(rng)
        best = candidates.select(student, lams)[0]
        expected = lams[int(candidates.losses(lams, candidates.validation).argmin())]
        assert_true(
            isinstance(best, float | int) or np.size(as_array(best)) == 1, "The chosen lam should be one number."
        )
        assert_close(best, expected, **SINGLE, what="the chosen lam")


@exercise("select_lambda")
def test_both_loss_curves(student, rng):
    """The losses of all candidates on the training and on the validation set are mean squared errors, in the order of
    `lams`."""
    lams = [4.0, 0.5, 0.0, 1.5]
    candidates = Candidates(rng)
    _, on_training, on_validation = candidates.select(student, lams)
    assert_close(on_training, candidates.losses(lams, candidates.train), **SINGLE, what="the list of training losses")
    expected = candidates.losses(lams, candidates.validation)
    assert_close(on_validation, expected, **SINGLE, what="the list of validation losses")


@exercise("select_lambda")
def test_fit_sees_the_training_set_only(student, rng):
    """fit gets the training set and nothing else, once for each candidate: fitting again on validation data, or on both
    sets together, makes the validation loss a training loss."""
    lams = [0.1, 1.0, 10.0]
    candidates = Candidates(rng)
    candidates.select(student, lams)
    for x, y, _ in candidates.given:
        same = x.shape == candidates.train[0].shape and torch.equal(x, candidates.train[0])
        assert_true(same and torch.equal(y, candidates.train[1]), "fit was given other data than the training set.")
    asked = sorted(lam for _, _, lam in candidates.given)
    assert_true(asked == lams, f"fit was called with the lam {asked} for the candidates {lams}.")


@exercise("select_lambda")
def test_tie_goes_to_the_stronger_prior(student, rng):
    """Of several candidates with the same lowest validation loss the largest lam is chosen, wherever it stands in the
    list."""
    candidates = Candidates(rng)
    candidates.level = lambda lam: 1.4 if 1.0 <= lam <= 5.0 else 9.0
    for lams in ([0.0, 1.0, 5.0, 3.0, 6.0], [5.0, 1.0, 0.0]):
        assert_close(candidates.select(student, lams)[0], 5.0, **SINGLE, what="the chosen lam")


# ---- L03.12: learning curves


def line_history_in_worker(log_curves, batches, train, validation, every, momentum=0.0):
    """Fit a line through the origin with squared error and log it; the batches can be gone through once."""
    import torch

    model = torch.nn.Linear(train[0].shape[1], 1, bias=False).double()
    model.weight.data.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=momentum)
    loss = torch.nn.functional.mse_loss
    history = log_curves(model, loss, optimizer, iter(batches), train, validation, every=every)
    return history, model.weight.detach()[0]


def line_data(rng, rows):
    x = normal(rng, rows, 2)
    return x, (x @ torch.tensor([[1.5], [-2.0]], dtype=torch.float64)) + 0.3 * normal(rng, rows, 1)


def line_oracle(batches, train, validation, every):
    """Losses on both sets after 0, every, 2 every, ... steps, by the closed gradient of the mean squared error."""
    weight, result = torch.zeros(2, 1, dtype=torch.float64), {"step": [], "train": [], "validation": []}
    for step in range(len(batches) + 1):
        if step:
            x, y = batches[step - 1]
            weight = weight - 0.05 * 2 * x.T @ (x @ weight - y) / len(x)
        if step % every == 0:
            result["step"].append(step)
            for name, (x, y) in (("train", train), ("validation", validation)):
                result[name].append(float(((x @ weight - y) ** 2).mean()))
    return result, weight[:, 0]


def history_parts(history):
    assert_true(isinstance(history, dict), "log_curves should return a dict.")
    missing = {"step", "train", "validation"} - set(history)
    assert_true(not missing, f"The history lacks {', '.join(sorted(missing))}.")
    return history


@exercise("log_curves", weight=2)
def test_losses_along_the_way(student, rng):
    """Both losses are those of the model after so many steps, before the first one included; each batch causes one step
    with the gradient of its own loss (cleared before)."""
    batches = [line_data(rng, 4) for _ in range(6)]
    train, validation = line_data(rng, 20), line_data(rng, 9)
    run = student.remote(line_history_in_worker)
    history, weight = run(student.log_curves, batches, train, validation, 1)
    expected, final = line_oracle(batches, train, validation, 1)
    history_parts(history)
    for name in ("train", "validation"):
        assert_close(history[name], expected[name], rtol=1e-6, atol=1e-8, what=f"the list of {name} losses")
    assert_close(weight, final, rtol=1e-6, atol=1e-8, what="the parameter after training")


@exercise("log_curves")
def test_moments_of_measuring(student, rng):
    """Measured is before the first step and after every `every`-th one: with 7 steps and every=3 at 0, 3 and 6. All
    three lists have one entry for each moment."""
    batches = [line_data(rng, 3) for _ in range(7)]
    run = student.remote(line_history_in_worker)
    for every, steps in ((3, [0, 3, 6]), (7, [0, 7]), (10, [0])):
        history, _ = run(student.log_curves, batches, line_data(rng, 5), line_data(rng, 5), every)
        history_parts(history)
        found = [int(s) for s in as_array(history["step"], "the list of steps").reshape(-1)]
        assert_true(found == steps, f"With 7 steps and every={every} the list of steps is {found}.")
        lengths = {len(history["train"]), len(history["validation"])}
        assert_true(lengths == {len(steps)}, "The lists of losses and of steps differ in length.")


@exercise("log_curves")
def test_measured_on_all_data(student, rng):
    """The training loss is that of the whole training set at one moment, not that of the last batch and not a running
    mean of batch losses."""
    train = line_data(rng, 20)
    batches = [(train[0][i : i + 2], train[1][i : i + 2]) for i in range(0, 12, 2)]
    run = student.remote(line_history_in_worker)
    history, _ = run(student.log_curves, batches, train, line_data(rng, 5), 2)
    expected, _ = line_oracle(batches, train, line_data(rng, 5), 2)
    history_parts(history)
    assert_close(history["train"], expected["train"], rtol=1e-6, atol=1e-8, what="the list of training losses")


def watched_history_in_worker(log_curves, learning_rate):
    """Log a model that notes at each use whether it trains, whether gradients are recorded, and how many rows it
    got."""
    import torch

    class Watched(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(3, 40)
            self.drop = torch.nn.Dropout(0.5)
            self.last = torch.nn.Linear(40, 1)
            self.seen = []

        def forward(self, x):
            self.seen.append([len(x), self.training, torch.is_grad_enabled()])
            return self.last(self.drop(self.first(x)))

    torch.manual_seed(0)
    model = Watched()
    data = {rows: (torch.randn(rows, 3), torch.randn(rows, 1)) for rows in (4, 11, 6)}
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    loss = torch.nn.functional.mse_loss
    history = log_curves(model, loss, optimizer, [data[4]] * 5, data[11], data[6], every=1)
    kinds = [type(value).__name__ for name in ("train", "validation") for value in history[name]]
    return {key: [float(v) for v in values] for key, values in history.items()}, model.seen, kinds


@exercise("log_curves")
def test_measured_in_evaluation_mode(student):
    """Losses are measured in evaluation mode: with dropout on, a model that learns nothing (learning rate 0) would have
    another loss at each measurement, and every model looks worse than it is."""
    history, seen, _ = student.remote(watched_history_in_worker)(student.log_curves, 0.0)
    history_parts(history)
    spread = max(max(history[name]) - min(history[name]) for name in ("train", "validation"))
    assert_true(spread < 1e-6, "The loss of a model that learns nothing changes from one measurement to the next.")
    assert_true(
        not any(training for rows, training, _ in seen if rows in (6, 11)), "A measurement ran in training mode."
    )


@exercise("log_curves")
def test_steps_in_training_mode(student):
    """The steps themselves are made in training mode, also those after the first measurement: go back to it with
    model.train()."""
    _, seen, _ = student.remote(watched_history_in_worker)(student.log_curves, 0.1)
    modes = [training for rows, training, _ in seen if rows == 4]
    assert_true(len(modes) == 5, f"The model was used {len(modes)} times on batches for 5 steps.")
    assert_true(all(modes), f"{modes.count(False)} of 5 steps were made in evaluation mode, without dropout.")


@exercise("log_curves")
def test_measuring_costs_no_gradients(student):
    """Measurements record no gradients (torch.no_grad) and leave plain numbers in the lists: tensors would keep the
    computation of every measurement in memory."""
    _, seen, kinds = student.remote(watched_history_in_worker)(student.log_curves, 0.1)
    recording = sum(grad for rows, _, grad in seen if rows in (6, 11))
    assert_true(recording == 0, f"{recording} measurements recorded gradients.")
    other = sorted(set(kinds) - {"float", "int", "float64", "float32"})
    assert_true(not other, f"The lists hold {', '.join(other)}; plain numbers were expected.")


# ---- quizzes


@exercise("decomposition_facts")
def test_degree_2_lowers_bias(student):
    """degree_2_lowers_bias: a sine is an odd function, x^2 an even one. What can it contribute?"""
    value = student.degree_2_lowers_bias
    assert_true(value is not None, "`degree_2_lowers_bias` is still None: not answered yet.")
    assert_true(isinstance(value, bool), "`degree_2_lowers_bias` should be True or False.")
    assert_true(value is False, "degree_2_lowers_bias is not right.")


@exercise("decomposition_facts")
def test_variance_of_two(student):
    """variance_of_two: the mean of the two predictions, the squared deviations from it, their mean."""
    assert_number(student, "variance_of_two", float(np.var([2, 4])))


@exercise("decomposition_facts")
def test_bias2_of_two(student):
    """bias2_of_two: the mean prediction compared with the truth, squared."""
    assert_number(student, "bias2_of_two", float((np.mean([2, 4]) - 5) ** 2))


@exercise("decomposition_facts")
def test_overfitting_is(student):
    """overfitting_is: on another data set the fitted function would look quite different. What is that called?"""
    assert_word(student, "overfitting_is", "variance", "bias")


@exercise("penalty_facts")
def test_lambda_for_squares(student):
    """lambda_for_squares: this sum has no 1/2, so lambda is the noise variance over the prior's variance."""
    assert_number(student, "lambda_for_squares", 1 / 0.2**2)


@exercise("penalty_facts")
def test_lambda_for_nll(student):
    """lambda_for_nll: here the loss is the negative log-likelihood itself; what stands before theta^2 in minus the
    logarithm of the prior?"""
    assert_number(student, "lambda_for_nll", 1 / (2 * 0.2**2))


@exercise("penalty_facts")
def test_variance_with_lambda(student):
    """variance_with_lambda: look at the table above the quiz, or at the limit of an infinite lambda, where all fits are
    the same."""
    assert_word(student, "variance_with_lambda", "falls", "rises")


@exercise("penalty_facts")
def test_bias_with_lambda(student):
    """bias_with_lambda: look at the table above the quiz, or at the limit of an infinite lambda, where the data have no
    say."""
    assert_word(student, "bias_with_lambda", "rises", "falls")


@exercise("workflow_facts")
def test_set_for_degree(student):
    """set_for_degree: the degree is a choice of the model class. It cannot be made on the data that are fitted, and
    must not be made on those that give the final number."""
    assert_word(student, "set_for_degree", "validation", "training", "test")


@exercise("workflow_facts")
def test_set_that_votes_for_zero(student):
    """set_that_votes_for_zero: any penalty can only raise the loss on the data that are fitted."""
    assert_word(student, "set_that_votes_for_zero", "training", "validation", "test")


@exercise("workflow_facts")
def test_best_validation_loss(student):
    """best_validation_loss_is: the lowest of fifty noisy numbers is partly the best model and partly luck."""
    assert_word(student, "best_validation_loss_is", "too low", "right", "too high")


@exercise("workflow_facts")
def test_first_remedy(student):
    """first_remedy: both losses are high and close together. What is that called, and what helps against it?"""
    assert_word(student, "first_remedy", "larger model", "more data")
