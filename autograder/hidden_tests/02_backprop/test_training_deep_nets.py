"""Hidden tests of the notebook training_deep_nets (lecture 7).

Expected values come from torch's built-ins and closed forms. Statistical tests draw from a generator with a fixed seed
inside the worker or a drawn one; each states how far its bound is from what a right answer gives.
"""

import math

import torch
import torch.nn.functional as F

from autograder.judge import assert_close, assert_equal, assert_finite, assert_shape, assert_true, exercise
from autograder.judge.for_suites import DOUBLE, SINGLE, as_tensor, assert_one_of, assert_parts, normal


def source(rng):
    return torch.Generator().manual_seed(int(rng.integers(0, 2**31)))


# ---- L07.01: badly scaled inputs


def with_singular_values(rng, samples, *values):
    """A matrix with these singular values, turned at random."""
    left = torch.linalg.qr(normal(rng, samples, len(values)))[0]
    right = torch.linalg.qr(normal(rng, len(values), len(values)))[0]
    return left @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ right


@exercise("condition_number", weight=2)
def test_ratio_of_the_eigenvalues(student, rng):
    """The largest eigenvalue of x^T x / N over the smallest. Eigenvalues of x^T x are SQUARED singular values of x."""
    x = normal(rng, 30, 4) * torch.tensor([10.0, 1.0, 0.5, 3.0])
    values = torch.linalg.eigvalsh(x.T @ x / 30)
    assert_close(student.condition_number(x), values[-1] / values[0], rtol=1e-6, atol=0)


@exercise("condition_number")
def test_directions_other_than_the_axes(student, rng):
    """Long and short directions of the data need not be columns: comparing the sizes of columns is not enough."""
    x = with_singular_values(rng, 20, 6.0, 2.0, 1.0)
    assert_one_of(student.condition_number(x), 36.0, 6.0, what="the condition number")


@exercise("condition_number")
def test_at_least_one(student, rng):
    """The largest over the smallest is 1 for a circle and more for every ellipse, whatever the unit of x is."""
    for size in (0.01, 1.0, 50.0):
        assert_close(student.condition_number(with_singular_values(rng, 12, size, size)), 1.0, **SINGLE)
    long = as_tensor(student.condition_number(with_singular_values(rng, 12, 0.03, 0.01)))
    assert_true(float(long) > 1, "An ellipse has a condition number above 1.")


# ---- L07.02: standardization


@exercise("Standardizer", weight=2)
def test_columns_get_mean_0_and_deviation_1(student, rng):
    """Each COLUMN of the training data gets mean 0 and standard deviation 1 (divided by N). Dividing by the variance,
    by N - 1, or taking one mean for the whole matrix, all fail here."""
    x = normal(rng, 12, 3) * torch.tensor([10.0, 0.1, 2.0]) + torch.tensor([50.0, 0.5, -3.0])
    expected = (x - x.mean(0)) / x.std(0, correction=0)
    assert_close(student.Standardizer().fit(x).transform(x), expected, **DOUBLE, what="the training data")


@exercise("Standardizer")
def test_new_data_use_the_numbers_of_the_training_data(student, rng):
    """Test data are transformed with mean and deviation of the TRAINING data, so one sample can be transformed too.

    `transform` measures nothing; `fit` has kept what it needs.
    """
    x, new = normal(rng, 30, 2, scale=3.0), normal(rng, 1, 2) + 5
    found = as_tensor(student.Standardizer().fit(x).transform(new))
    expected = [(new - x.mean(0)) / x.std(0, correction=c) for c in (0, 1)]
    close = any(found.shape == e.shape and torch.allclose(found, e, **SINGLE) for e in expected)
    assert_true(close, "A new sample is not transformed by the mean and deviation of the training data.")


@exercise("Standardizer")
def test_a_constant_column_becomes_zero(student, rng):
    """A column that does not vary has deviation 0, and 0 / 0 is NaN: it becomes 0 instead, for then the deviation
    counts as 1."""
    x = normal(rng, 10, 2)
    x[:, 1] = 0.25 * float(rng.integers(1, 9))
    found = as_tensor(student.Standardizer().fit(x).transform(x))
    assert_finite(found, what="the transformed data")
    assert_close(found[:, 1], torch.zeros(10, dtype=torch.float64), **DOUBLE, what="the constant column")


@exercise("Standardizer")
def test_inverse_transform_goes_back(student, rng):
    """`inverse_transform` undoes `transform`: first times the deviation, then plus the mean."""
    x, new = normal(rng, 20, 3, scale=4.0) + 7, normal(rng, 5, 3) + 2
    standardizer = student.Standardizer().fit(x)
    there = as_tensor(standardizer.transform(new))
    assert_true(not torch.allclose(there, new), "`transform` leaves its argument as it is.")
    assert_close(standardizer.inverse_transform(there), new, **SINGLE, what="there and back")


# ---- L07.03: activations over all the data


def behind(layers, data, number):
    for layer in layers[:number]:
        data = layer(data)
    return data, data.mean(0), data.std(0, correction=0)


@exercise("standardize_activations", weight=2)
def test_activations_behind_the_layer_are_standardized(student, rng):
    """Each unit behind the chosen layer gets mean 0 and deviation 1, over all samples, divided by N."""
    weight = normal(rng, 4, 3)
    layers = [lambda a: a @ weight.T, lambda a: torch.tanh(a), lambda a: 3 * a + 1]
    data = normal(rng, 9, 3)
    a, mean, std = behind(layers, data, 2)
    found = assert_parts(student.standardize_activations(layers, data, 2), 3, "activations, mean, deviation")
    assert_close(found[0], (a - mean) / std, **SINGLE, what="the standardized activations")
    assert_close(found[1], mean, **SINGLE, what="the mean")
    assert_close(found[2], std, **SINGLE, what="the deviation")


@exercise("standardize_activations")
def test_only_the_layers_asked_for(student, rng):
    """`number` layers are gone through, from the first on: 1 means the first alone, not the one with index 1."""
    layers = [lambda a: a + 5, lambda a: 10 * a]
    data = normal(rng, 30, 2)
    for number in (1, 2):
        _, mean, _ = behind(layers, data, number)
        found = assert_parts(student.standardize_activations(layers, data, number), 3, "activations, mean, deviation")
        assert_close(found[1], mean, **SINGLE, what="the mean")


@exercise("standardize_activations")
def test_one_deviation_for_each_unit(student, rng):
    """Units differ in scale, so each has a mean and a deviation of its own, taken over the samples."""
    data = normal(rng, 200, 3) * torch.tensor([1.0, 10.0, 100.0])
    found = assert_parts(student.standardize_activations([lambda a: a], data, 1), 3, "activations, mean, deviation")
    assert_shape(found[1], (3,), what="the mean")
    assert_close(found[2], data.std(0, correction=0), rtol=0.01, atol=0, what="the deviation")


@exercise("standardize_activations")
def test_statistics_of_now(student, rng):
    """The layers change with training: statistics are measured in every call, never kept from an earlier one."""
    data = normal(rng, 8, 2)
    for factor in (1.0, 3.0):
        _, mean, _ = behind([lambda a, f=factor: f * a + f], data, 1)
        found = student.standardize_activations([lambda a, f=factor: f * a + f], data, 1)
        assert_close(assert_parts(found, 3, "activations, mean, deviation")[1], mean, **SINGLE, what="the mean")


@exercise("standardize_activations", weight=0.5)
def test_a_silent_unit_becomes_zero(student, rng):
    """A unit that gives the same for all inputs has deviation 0 and becomes 0, not NaN."""
    found = student.standardize_activations([lambda a: torch.relu(a - 100)], normal(rng, 6, 2), 1)
    found = assert_parts(found, 3, "activations, mean, deviation")
    assert_close(found[0], torch.zeros(6, 2, dtype=torch.float64), what="the activations of silent units")
    assert_close(found[2], torch.zeros(2, dtype=torch.float64), what="the deviation of silent units")


# ---- L07.04: batch normalization


@exercise("BatchNorm", weight=2)
def test_a_batch_is_normalized_by_its_own_statistics(student, rng):
    """In training each FEATURE is normalized over the batch, with the variance divided by N. Over the features of each
    sample would be layer normalization."""
    x = normal(rng, 5, 3, scale=3.0, dtype=torch.float32) + 2
    found = student.BatchNorm(3).forward(x, True)
    assert_close(found, F.batch_norm(x, None, None, training=True), rtol=1e-3, atol=1e-4)


@exercise("BatchNorm")
def test_gamma_scales_then_beta_shifts(student, rng):
    """The result is gamma * x_hat + beta: the shift is not scaled."""
    x, gamma, beta = (normal(rng, *shape, dtype=torch.float32) for shape in ((400, 3), (3,), (3,)))
    layer = student.BatchNorm(3)
    layer.gamma, layer.beta = gamma, beta
    expected = F.batch_norm(x, None, None, gamma, beta, training=True)
    assert_close(layer.forward(x, True), expected, rtol=2e-2, atol=2e-2)  # the divisor N or N - 1: another test


@exercise("BatchNorm")
def test_running_averages_move_towards_the_batch(student, rng):
    """Each training pass replaces the running averages by 0.9 old + 0.1 batch, with the variance over N - 1."""
    layer, theirs = student.BatchNorm(2), torch.nn.BatchNorm1d(2)
    for _ in range(3):
        x = normal(rng, 4, 2, scale=2.0, dtype=torch.float32) + 3
        layer.forward(x, True)
        theirs(x)
    assert_close(layer.running_mean, theirs.running_mean, **SINGLE, what="running_mean")
    assert_close(layer.running_var, theirs.running_var, **SINGLE, what="running_var")


@exercise("BatchNorm")
def test_inference_uses_the_running_averages(student, rng):
    """With train=False the running averages are used and stay: a sample gets the same answer whatever else is in the
    batch, and may be alone."""
    layer = student.BatchNorm(3)
    mean, variance = normal(rng, 3, dtype=torch.float32), normal(rng, 3, dtype=torch.float32).abs() + 0.5
    layer.running_mean, layer.running_var = mean, variance
    x = normal(rng, 1, 3, dtype=torch.float32)
    expected = (x - mean) / (variance + 1e-5).sqrt()
    assert_close(layer.forward(x, False), expected, **SINGLE, what="one sample alone")
    assert_close(layer.running_mean, mean, **SINGLE, what="running_mean after train=False")


@exercise("BatchNorm")
def test_a_feature_that_does_not_vary_is_no_nan(student, rng):
    """A feature that is the same in the whole batch has variance 0; epsilon inside the root keeps it finite."""
    x = normal(rng, 6, 2, dtype=torch.float32)
    x[:, 0] = 2.0
    assert_finite(student.BatchNorm(2).forward(x, True))


# ---- L07.05: its derivative


def backward_case(rng, samples=6, features=4):
    x, delta = normal(rng, samples, features, scale=2.0).requires_grad_(), normal(rng, samples, features)
    gamma, beta = (normal(rng, features).requires_grad_() for _ in range(2))
    expected = torch.autograd.grad(F.batch_norm(x, None, None, gamma, beta, training=True), (x, gamma, beta), delta)
    plain = x.detach()
    inverse_std = (plain.var(0, correction=0) + 1e-5).rsqrt()
    return (delta, gamma.detach(), (plain - plain.mean(0)) * inverse_std, inverse_std), expected


@exercise("batch_norm_backward", weight=2)
def test_derivative_with_respect_to_the_inputs(student, rng):
    """dL/dx goes through x itself AND through mean and variance, which depend on every sample of the batch; and through
    gamma."""
    arguments, expected = backward_case(rng)
    found = student.batch_norm_backward(*arguments)
    assert_close(found[0], expected[0], rtol=1e-6, atol=1e-8, what="dL/dx")


@exercise("batch_norm_backward")
def test_derivatives_of_gamma_and_beta_are_sums(student, rng):
    """gamma and beta serve every sample, so their derivatives are SUMS over the batch (not means), of delta * x_hat and
    of delta."""
    arguments, expected = backward_case(rng)
    found = student.batch_norm_backward(*arguments)
    assert_close(found[1], expected[1], rtol=1e-6, atol=1e-8, what="dL/dgamma")
    assert_close(found[2], expected[2], rtol=1e-6, atol=1e-8, what="dL/dbeta")


@exercise("batch_norm_backward")
def test_shifting_a_column_changes_nothing(student, rng):
    """Adding a number to a whole column is removed with the mean, so each column of dL/dx sums to 0."""
    arguments, _ = backward_case(rng, samples=9)
    found = as_tensor(student.batch_norm_backward(*arguments)[0], "dL/dx")
    assert_shape(found, (9, 4), what="dL/dx")
    assert_true(float(found.abs().max()) > 1e-6, "dL/dx is zero everywhere.")
    assert_close(found.sum(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-9, what="the column sums of dL/dx")


# ---- L07.04: layer normalization


@exercise("layer_norm", weight=2)
def test_each_sample_is_normalized_over_its_features(student, rng):
    """Each ROW is normalized by its own mean and variance (divided by D), then scaled and shifted feature by feature.
    Over the batch would be batch normalization."""
    x, gamma, beta = normal(rng, 5, 4, scale=3.0) + 2, normal(rng, 4), normal(rng, 4)
    found = assert_parts(student.layer_norm(x, gamma, beta), 2, "the output and what the backward pass needs")
    assert_close(found[0], F.layer_norm(x, (4,), gamma, beta), **SINGLE)


@exercise("layer_norm")
def test_samples_do_not_see_each_other(student, rng):
    """A sample gets the same answer alone and in any company."""
    x, one, zero = normal(rng, 6, 50), torch.ones(50).double(), torch.zeros(50).double()
    expected = F.layer_norm(x[:1], (50,))
    for company in (x[:1], x):
        found = assert_parts(student.layer_norm(company, one, zero), 2, "the output and what the backward pass needs")
        assert_close(as_tensor(found[0])[:1], expected, rtol=0.03, atol=0.03, what="the first sample")


@exercise("layer_norm")
def test_what_the_backward_pass_needs(student, rng):
    """The second result is (x_hat, inverse_std): x_hat before gamma and beta, inverse_std as a column (N, 1)."""
    x, gamma, beta = normal(rng, 4, 3, scale=2.0), normal(rng, 3), normal(rng, 3)
    found = assert_parts(student.layer_norm(x, gamma, beta), 2, "the output and what the backward pass needs")
    x_hat, inverse_std = assert_parts(tuple(found[1]), 2, "x_hat and inverse_std")
    expected = (x.var(1, correction=0, keepdim=True) + 1e-5).rsqrt()
    assert_shape(inverse_std, (4, 1), what="inverse_std")
    assert_close(inverse_std, expected, **SINGLE, what="inverse_std")
    assert_close(x_hat, (x - x.mean(1, keepdim=True)) * expected, **SINGLE, what="x_hat")


@exercise("layer_norm")
def test_epsilon_is_inside_the_root(student, rng):
    """A row that does not vary becomes beta, not NaN; and epsilon is added to the variance, inside the root."""
    beta = normal(rng, 3)
    flat = student.layer_norm(torch.full((2, 3), 4.0).double(), torch.ones(3).double(), beta)
    assert_close(as_tensor(flat[0])[1], beta, **SINGLE, what="a row that does not vary")
    x = torch.tensor([[0.1, -0.1]], dtype=torch.float64)
    found = student.layer_norm(x, torch.ones(2).double(), torch.zeros(2).double(), 0.03)
    assert_one_of(found[0], x / 0.2, x / (0.02 + 0.03) ** 0.5, what="a row with a large epsilon")


# ---- L07.06: where the normalization goes


def place_case(rng):
    return normal(rng, 7, 3), normal(rng, 4, 3), normal(rng, 4)


def odd_norm(z):
    return 2 * z - 1


@exercise("hidden_layer", weight=2)
def test_before_the_nonlinearity(student, rng):
    """ "before": the normalization stands between the linear layer and ReLU."""
    a, weight, bias = place_case(rng)
    bias = torch.zeros_like(bias)  # whether it is left out is another test
    found = student.hidden_layer(a, weight, bias, odd_norm, "before")
    assert_close(found, torch.relu(odd_norm(a @ weight.T)), **SINGLE)


@exercise("hidden_layer", weight=2)
def test_after_the_nonlinearity(student, rng):
    """ "after": the normalization is applied to what ReLU gives, so that negative values can come out."""
    a, weight, bias = place_case(rng)
    found = student.hidden_layer(a, weight, bias, odd_norm, "after")
    assert_close(found, odd_norm(torch.relu(a @ weight.T + bias)), **SINGLE)


@exercise("hidden_layer")
def test_without_a_normalization(student, rng):
    """ "none": relu(a W^T + bias), and norm is not called."""
    a, weight, bias = place_case(rng)
    calls = []
    found = student.hidden_layer(a, weight, bias, lambda z: calls.append(1) or z, "none")
    assert_close(found, torch.relu(a @ weight.T + bias), **SINGLE)
    assert_true(not calls, "norm is called although there is to be none.")


@exercise("hidden_layer")
def test_no_bias_before_a_normalization(student, rng):
    """With "before" the bias is left out: subtracting the mean would remove it anyway, and beta does its work."""
    a, weight, bias = place_case(rng)
    seen = []
    student.hidden_layer(a, weight, bias + 3, lambda z: seen.append(z) or z, "before")
    assert_true(len(seen) == 1, f"norm is to be called once, and was called {len(seen)} times.")
    assert_close(seen[0], a @ weight.T, **SINGLE, what="what is given to norm")


@exercise("hidden_layer", weight=0.5)
def test_an_unknown_place_is_an_error(student, rng):
    """Any other word than "none", "before" and "after": raise ValueError."""
    a, weight, bias = place_case(rng)
    student.raises(ValueError, student.hidden_layer, a, weight, bias, odd_norm, "between")


# ---- L07.27: bad runs show early


def hopeless(student, losses, **options):
    found = student.is_hopeless(losses, **options)
    assert_true(isinstance(found, bool), "The answer should be True or False.")
    return found


@exercise("is_hopeless", weight=2)
def test_a_loss_far_above_the_first(student, rng):
    """More than `factor` times the FIRST loss is hopeless, less is not."""
    start = float(rng.uniform(0.5, 3))
    assert_true(hopeless(student, [start, 0.5 * start, 3.1 * start]), "More than three times the first loss: True.")
    assert_true(
        not hopeless(student, [start, 0.5 * start, 2.9 * start]), "Less than three times the first loss: False."
    )
    assert_true(not hopeless(student, [start]), "A run that has only begun is not hopeless.")


@exercise("is_hopeless")
def test_loss_that_is_no_number(student, rng):
    """NaN and infinity are hopeless. Comparisons with NaN are always false: ask with math.isfinite."""
    assert_true(hopeless(student, [2.0, math.nan]), "NaN: True.")
    assert_true(hopeless(student, [2.0, math.inf]), "Infinity: True.")


@exercise("is_hopeless")
def test_the_latest_loss_decides(student, rng):
    """One bad batch on the way is forgiven when the latest loss is fine again."""
    assert_true(not hopeless(student, [2.0, 9.0, 1.5]), "The latest loss is fine: False.")


@exercise("is_hopeless", weight=0.5)
def test_factor_is_used(student, rng):
    """`factor` says how many times the first loss is too much."""
    assert_true(hopeless(student, [2.0, 2.5], factor=1.1), "2.5 is more than 1.1 times 2: True.")
    assert_true(not hopeless(student, [2.0, 50.0], factor=100.0), "50 is less than 100 times 2: False.")


# ---- L07.07: a fair comparison

RUNS = """
def grader_compare(function, rates, norms, seed, length, table):
    log = []

    def run(norm, rate, generator):
        entry = [norm, rate, float(torch.rand(1, generator=generator)), 0]
        log.append(entry)

        def losses():
            for loss in table[norms.index(norm)][rates.index(rate)][:length]:
                entry[3] += 1
                yield loss

        return losses()

    found = function(run, rates, norms, seed)
    return [[float(value) for value in found[norm]] for norm in norms], log
"""


def compared(student, rates, norms, table, seed=0, length=100):
    student.run(RUNS)
    found, log = student.grader_compare(student.compare_rates, rates, norms, seed, length, table)
    return as_tensor(found, "the result"), log


@exercise("compare_rates", weight=2)
def test_mean_of_the_last_fifth(student, rng):
    """Each number is the mean over the last fifth of the losses of this norm and rate, in the order of the rates."""
    rates, norms = [0.1, 0.5, 0.2], ["before", "none"]
    table = [[[float(v) for v in rng.uniform(1, 2, 20)] for _ in rates] for _ in norms]
    found, _ = compared(student, rates, norms, table)
    assert_close(found, [[sum(run[-4:]) / 4 for run in row] for row in table], **SINGLE)


@exercise("compare_rates")
def test_all_runs_start_alike(student, rng):
    """Every run gets a NEW generator with the seed: the same first weights and order of samples. One generator for all
    would give each run another start."""
    seed = int(rng.integers(0, 2**30))
    rates, norms = [0.1, 0.2], ["none", "after"]
    _, log = compared(student, rates, norms, [[[2.0, 1.0]] * 2] * 2, seed)
    expected = torch.rand(1, generator=torch.Generator().manual_seed(seed)).item()
    starts = [entry[2] for entry in log]
    assert_close(starts, [expected] * 4, what="the first random number of each run")


@exercise("compare_rates")
def test_a_hopeless_run_is_ended(student, rng):
    """A run whose loss explodes has the number infinity, and no more updates are made after that loss."""
    table = [[[2.0, 1.9, 30.0, 1.0, 1.0, 1.0], [2.0, 1.5, 1.0, 1.0, 1.0, 1.0]]]
    found, log = compared(student, [9.0, 0.1], ["none"], table)
    assert_true(math.isinf(float(found[0, 0])), "The number of a hopeless run is infinity.")
    asked = [entry[3] for entry in log if entry[1] == 9.0]
    assert_true(asked == [3], f"The hopeless run was to be ended after 3 losses and was asked for {asked}.")


@exercise("compare_rates")
def test_every_rate_with_every_norm(student, rng):
    """Each norm is tried at each rate, once, and an exploding rate does not end the others."""
    rates, norms = [5.0, 0.1, 0.3], ["none", "before"]
    table = [[[1.0, 100.0], [1.0, 0.9], [1.0, 0.8]], [[1.0, 0.7], [1.0, 0.6], [1.0, 0.5]]]
    _, log = compared(student, rates, norms, table)
    assert_true(len(log) == 6, f"Six runs are expected, found {len(log)}.")
    pairs = sorted((entry[0], entry[1]) for entry in log)
    assert_true(pairs == sorted((n, r) for n in norms for r in rates), "Some rate was not tried with some norm.")


@exercise("compare_rates", weight=0.5)
def test_short_runs_have_a_last_loss(student, rng):
    """Of fewer than five losses the last fifth is still one loss."""
    found, _ = compared(student, [0.1], ["none"], [[[3.0, 2.0, 1.5]]])
    assert_close(found, [[1.5]], **SINGLE)


# ---- L07.09: how variances spread


@exercise("predicted_second_moment", weight=2)
def test_one_factor_for_each_layer(student, rng):
    """Each layer multiplies E[a^2] by inputs * VARIANCE of the weights: powers of this factor."""
    for inputs, variance in ((50, 0.03), (300, 0.003)):
        expected = [(inputs * variance) ** k for k in range(5)]
        found = as_tensor(student.predicted_second_moment(inputs, variance, 4))
        assert_close(found[-5:], expected, **SINGLE, what="the second moments")


@exercise("predicted_second_moment")
def test_inputs_come_first(student, rng):
    """The result has depth + 1 entries: the inputs, then each layer."""
    found = as_tensor(student.predicted_second_moment(10, 0.2, 3))
    assert_shape(found, (4,))
    assert_close(found[0], 1.0, what="the entry of the inputs")


@exercise("predicted_second_moment")
def test_it_starts_where_the_inputs_are(student, rng):
    """`start` is E[a^2] of the inputs: every entry is proportional to it."""
    start = float(rng.uniform(2, 5))
    found = as_tensor(student.predicted_second_moment(100, 0.01, 3, start))
    assert_close(found, torch.full((len(found),), start, dtype=torch.float64), **SINGLE)


@exercise("predicted_second_moment")
def test_a_linear_net_does_what_is_predicted(student, rng):
    """Twenty wide linear nets behave as predicted: measured and predicted E[a^2] of the third layer agree within 15 %
    (the mean of 20 draws is within 3 %, one standard error)."""
    width, std, total = 100, 0.13, 0.0
    for _ in range(20):
        a = normal(rng, 60, width)
        for _ in range(3):
            a = a @ (std * normal(rng, width, width)).T
        total += float(a.square().mean()) / 20
    found = as_tensor(student.predicted_second_moment(width, std**2, 3))
    assert_close(found[-1], total, rtol=0.15, atol=0, what="E[a^2] behind three layers")


# ---- L07.08: activations by depth


def measured(weights, x, activation):
    rows = [[float(x.mean()), float(x.std(correction=0))]]
    for weight in weights:
        x = activation(x @ weight.T)
        rows.append([float(x.mean()), float(x.std(correction=0))])
    return torch.tensor(rows, dtype=torch.float64)


def some_layers(rng):
    return [normal(rng, *shape) for shape in ((5, 3), (4, 5), (6, 4))], normal(rng, 7, 3) + 0.5


@exercise("activation_statistics", weight=2)
def test_mean_and_deviation_behind_every_layer(student, rng):
    """Behind every layer, mean and standard deviation over all samples and units together, divided by their number."""
    weights, x = some_layers(rng)
    for activation in (torch.tanh, torch.relu):
        found = student.activation_statistics(weights, x, lambda z, f=activation: f(z))
        assert_close(found, measured(weights, x, activation), **SINGLE)


@exercise("activation_statistics")
def test_row_0_is_the_input(student, rng):
    """One row for the inputs and one for each layer; a column of means and a column of deviations."""
    weights, x = some_layers(rng)
    found = as_tensor(student.activation_statistics(weights, x, torch.tanh))
    assert_shape(found, (4, 2))
    assert_close(found[0], measured([], x, None)[0], rtol=0.05, atol=0.05, what="the row of the inputs")


@exercise("activation_statistics")
def test_activation_behind_the_last_layer_too(student, rng):
    """The activation comes after EVERY layer, the last one included, and once."""
    calls = []
    weights, x = some_layers(rng)
    found = as_tensor(student.activation_statistics(weights, x, lambda z: calls.append(1) or torch.full_like(z, 7.0)))
    assert_true(len(calls) == 3, f"Three layers: three calls are expected, found {len(calls)}.")
    assert_close(found[-1, 0], 7.0, **SINGLE, what="the mean behind the last layer")


@exercise("activation_statistics")
def test_the_table_of_the_slide(student, rng):
    """Ten layers of 200 units with weights of deviation 0.01 and tanh: each layer shrinks the deviation, by the factor
    0.01 * sqrt(200) = 0.14. (Allowed are 10 %; over draws it varies by 1 %.)"""
    weights = [0.01 * normal(rng, 200, 200) for _ in range(6)]
    found = as_tensor(student.activation_statistics(weights, normal(rng, 100, 200), torch.tanh))
    ratios = found[2:, 1] / found[1:-1, 1]
    assert_close(ratios, torch.full((5,), 0.1414, dtype=torch.float64), rtol=0.1, atol=0, what="the shrinking factor")


# ---- L07.10: Xavier


@exercise("xavier_init", weight=2)
def test_xavier_deviation(student, rng):
    """The standard deviation is 1 / sqrt(inputs): not 1 / inputs, which would be the variance.

    With 160,000 entries a right answer is within 0.2 % (one standard error); 1.5 % are allowed.
    """
    weight = as_tensor(student.xavier_init(400, 400, source(rng)))
    assert_close(weight.std(), 0.05, rtol=0.015, atol=0, what="the standard deviation")


@exercise("xavier_init")
def test_xavier_scale_comes_from_the_inputs(student, rng):
    """The lecture's Xavier takes the number of inputs, the columns, not that of the units."""
    wide, narrow = (as_tensor(student.xavier_init(200, inputs, source(rng))) for inputs in (400, 100))
    assert_shape(wide, (200, 400))
    assert_true(float(narrow.std() / wide.std()) > 1.7, "With fewer inputs each weight should be larger.")


@exercise("xavier_init")
def test_xavier_weights_are_normal(student, rng):
    """The entries are normally distributed around 0: E[w^4] / E[w^2]^2 is 3 (1.8 if uniform)."""
    weight = as_tensor(student.xavier_init(400, 500, source(rng)))
    ratio = float((weight**4).mean() / (weight**2).mean() ** 2)
    assert_true(2.8 < ratio < 3.2, "The entries do not look normally distributed.")
    assert_true(abs(float(weight.mean() / weight.std())) < 0.02, "The mean of the entries is not 0.")


@exercise("xavier_init")
def test_xavier_uses_the_generator(student, rng):
    """The same generator seed gives the same weights, another seed other ones; and dtype is passed on."""
    seed = int(rng.integers(0, 2**30))
    first, again, other = (
        as_tensor(student.xavier_init(4, 5, torch.Generator().manual_seed(s), torch.float64))
        for s in (seed, seed, seed + 1)
    )
    assert_equal(first, again, what="weights from the same seed")
    assert_true(not torch.equal(first, other), "Two seeds give the same weights.")
    assert_true(first.dtype == torch.float64, "The weights should have the dtype that was asked for.")


# ---- L07.11: initialisation


@exercise("he_init", weight=2)
def test_he_deviation(student, rng):
    """The standard deviation is sqrt(2 / inputs): not 2 / inputs, which would be the variance, and not
    sqrt(1 / inputs), which loses half of the second moment at each ReLU.

    With 250,000 entries a right answer is within 0.15 % (one standard error); 1.5 % are allowed.
    """
    weight = as_tensor(student.he_init(500, 500, source(rng)))
    assert_close(weight.std(), math.sqrt(2 / 500), rtol=0.015, atol=0, what="the standard deviation")


@exercise("he_init")
def test_the_inputs_set_the_scale(student, rng):
    """The fan-in, number of columns, sets the scale; one row is one unit, shape (units, inputs)."""
    wide, narrow = (as_tensor(student.he_init(200, inputs, source(rng))) for inputs in (400, 100))
    assert_shape(wide, (200, 400))
    assert_close(
        narrow.std() / wide.std(), 2.0, rtol=0.04, atol=0, what="the deviation for 100 inputs over that for 400"
    )


@exercise("he_init")
def test_weights_are_normal(student, rng):
    """The entries are normally distributed around 0: E[w^4] / E[w^2]^2 is 3 (1.8 if uniform)."""
    weight = as_tensor(student.he_init(400, 500, source(rng)))
    ratio = float((weight**4).mean() / (weight**2).mean() ** 2)
    assert_true(2.8 < ratio < 3.2, "The entries do not look normally distributed.")
    assert_true(abs(float(weight.mean() / weight.std())) < 0.02, "The mean of the entries is not 0.")


@exercise("he_init")
def test_the_generator_decides(student, rng):
    """The same generator seed gives the same weights, another seed other ones: hand the generator to torch.randn."""
    seed = int(rng.integers(0, 2**30))
    first, again, other = (
        as_tensor(student.he_init(4, 5, torch.Generator().manual_seed(s))) for s in (seed, seed, seed + 1)
    )
    assert_equal(first, again, what="weights from the same seed")
    assert_true(not torch.equal(first, other), "Two seeds give the same weights.")


# ---- L07.12: biases for ReLU


def phi(value):
    return 0.5 * (1 + math.erf(value / math.sqrt(2)))


@exercise("active_fraction", weight=2)
def test_share_of_active_inputs(student, rng):
    """P(z + b > 0) for a normal z is Phi(b / std), the distribution function of the normal distribution."""
    bias = normal(rng, 6)
    expected = torch.tensor([phi(b) for b in bias.tolist()], dtype=torch.float64)
    assert_close(student.active_fraction(bias), expected, **SINGLE)


@exercise("active_fraction")
def test_half_without_a_bias(student, rng):
    """Without a bias half of the inputs make the unit active, and a positive bias makes it more than half."""
    found = as_tensor(student.active_fraction(torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)))
    assert_close(found[0], 0.5, **SINGLE, what="the share for b = 0")
    assert_true(float(found[0]) < float(found[1]) < float(found[2]), "The share should grow with the bias.")


@exercise("active_fraction")
def test_the_deviation_of_the_sum_counts(student, rng):
    """The same bias matters less when the weighted sum varies more: only bias / std counts."""
    bias = torch.tensor([3.0, -1.5], dtype=torch.float64)
    found = student.active_fraction(bias, 3.0)
    assert_close(found, [phi(1.0), phi(-0.5)], rtol=0.03, atol=0.01, what="the share for std = 3")


@exercise("active_fraction", weight=0.5)
def test_one_share_for_each_bias(student, rng):
    """The result has the shape of the biases, and the same biases always have the same share."""
    bias = normal(rng, 2, 3)
    first, again = (as_tensor(student.active_fraction(bias)) for _ in range(2))
    assert_shape(first, (2, 3))
    assert_equal(first, again, what="a second answer")


# ---- L07.13: orthogonal weights


@exercise("orthogonal", weight=2)
def test_all_singular_values_are_one(student, rng):
    """A square matrix with Q^T Q = I: every singular value is 1, so that no direction is stretched. Columns of length 1
    are not enough: they must be orthogonal, too."""
    q = as_tensor(student.orthogonal((7, 7), source(rng), torch.float64))
    assert_shape(q, (7, 7))
    assert_close(torch.linalg.svdvals(q), torch.ones(7).double(), rtol=1e-6, atol=0, what="the singular values")


@exercise("orthogonal")
def test_wide_and_tall(student, rng):
    """Wide matrices have orthonormal rows, tall ones orthonormal columns; the shape is the one asked for."""
    for shape in ((3, 8), (8, 3)):
        q = as_tensor(student.orthogonal(shape, source(rng), torch.float64))
        assert_shape(q, shape)
        assert_close(torch.linalg.svdvals(q), torch.ones(3).double(), rtol=1e-6, atol=0, what="the singular values")


@exercise("orthogonal")
def test_kernels_are_flattened(student, rng):
    """All axes but the first are flattened for the decomposition, and the shape is given back."""
    q = as_tensor(student.orthogonal((5, 2, 3, 3), source(rng), torch.float64))
    assert_shape(q, (5, 2, 3, 3))
    values = torch.linalg.svdvals(q.reshape(5, 18))
    assert_close(values, torch.ones(5).double(), rtol=1e-6, atol=0, what="the singular values")


@exercise("orthogonal")
def test_lengths_survive_many_layers(student, rng):
    """A vector keeps its length through a hundred orthogonal layers."""
    generator, x = student.keep(source(rng)), normal(rng, 6)
    length = x.norm()
    for _ in range(100):
        x = as_tensor(student.orthogonal((6, 6), generator, torch.float64)) @ x
    assert_close(x.norm(), length, rtol=1e-6, atol=0, what="the length behind a hundred layers")


@exercise("orthogonal")
def test_random_and_reproducible(student, rng):
    """The matrix is drawn from the generator: another seed, another matrix; the same seed, the same one."""
    seed = int(rng.integers(0, 2**30))
    first, again, other = (
        as_tensor(student.orthogonal((4, 4), torch.Generator().manual_seed(s))) for s in (seed, seed, seed + 1)
    )
    assert_equal(first, again, what="weights from the same seed")
    assert_true(not torch.allclose(first, other), "Two seeds give the same matrix.")


# ---- L07.14: clipping per element


@exercise("clip_by_value", weight=2)
def test_every_entry_is_cut_to_the_range(student, rng):
    """Each entry g becomes max(min(g, c), -c): large ones c, large negative ones -c."""
    gradients = [normal(rng, 3, 4, scale=2.0), normal(rng, 5, scale=2.0)]
    found = student.clip_by_value(gradients, 0.7)
    assert_true(len(found) == 2, "One tensor for each gradient is expected.")
    for position, g in enumerate(gradients):
        assert_close(found[position], g.clamp(-0.7, 0.7), **DOUBLE, what=f"tensor {position}")


@exercise("clip_by_value")
def test_entries_inside_the_range_stay(student, rng):
    """An entry inside the range is not changed, also when another entry of the tensor is cut."""
    g = torch.tensor([0.3, 50.0, 0.1], dtype=torch.float64)
    found = as_tensor(student.clip_by_value([g], 1.0)[0])
    assert_close(found[[0, 2]], g[[0, 2]], **DOUBLE, what="the entries inside the range")


@exercise("clip_by_value")
def test_signs_stay(student, rng):
    """A negative entry stays negative: it is cut at -c."""
    found = student.clip_by_value([torch.tensor([-0.5, -9.0], dtype=torch.float64)], 2.0)[0]
    assert_close(found, [-0.5, -2.0], **DOUBLE)


@exercise("clip_by_value", weight=0.5)
def test_clipping_makes_new_tensors(student, rng):
    """The caller's gradients are the same after the call."""
    g = normal(rng, 3) * 10
    kept = student.keep([g])
    student.clip_by_value(kept, 0.1)
    assert_equal(student.fetch(kept)[0], g, what="the gradient after the call")


# ---- L07.15: clipping


@exercise("clip_by_norm", weight=2)
def test_a_long_gradient_is_shortened(student, rng):
    """A gradient longer than the limit keeps its direction and gets exactly that length."""
    g = normal(rng, 3, 4) + 1
    assert_close(student.clip_by_norm([g], 0.5)[0], g * 0.5 / g.norm(), **DOUBLE)


@exercise("clip_by_norm")
def test_one_norm_for_all_tensors(student, rng):
    """The norm is over ALL parameters together: all tensors are multiplied by the same factor."""
    first, second = 10 * (1 + normal(rng, 3).abs()), 0.01 * normal(rng, 2, 2)  # surely longer than the limit
    factor = 1.0 / math.sqrt(float((first**2).sum() + (second**2).sum()))
    found = student.clip_by_norm([first, second], 1.0)
    assert_true(len(found) == 2, "One tensor for each gradient is expected.")
    assert_close(found[0], first * factor, **DOUBLE, what="the first tensor")
    assert_close(found[1], second * factor, **DOUBLE, what="the second tensor")


@exercise("clip_by_norm")
def test_short_gradients_stay(student, rng):
    """A gradient that is shorter than the limit is left as it is, not stretched to the limit."""
    g = normal(rng, 4) / 100
    assert_close(student.clip_by_norm([g], 1.0)[0], g, **DOUBLE)


@exercise("clip_by_norm", weight=0.5)
def test_zero_stays_zero(student, rng):
    """A gradient of zero has norm 0, and 0 / 0 must not appear."""
    assert_close(student.clip_by_norm([torch.zeros(3)], 1.0)[0], torch.zeros(3))


@exercise("clip_by_norm", weight=0.5)
def test_gradients_are_not_changed_in_place(student, rng):
    """The caller's tensors are the same after the call; the clipped ones are new."""
    g = normal(rng, 3) + 4
    kept = student.keep([g])
    student.clip_by_norm(kept, 0.1)
    assert_equal(student.fetch(kept)[0], g, what="the gradient after the call")


# ---- L07.23, L07.24: dropout


@exercise("dropout", weight=2)
def test_keep_is_the_share_that_is_kept(student, rng):
    """`keep` is the probability of keeping an entry, not of dropping it. Of 40,000 entries 80 % are kept, within 0.2 %
    (one standard error); 1.5 % are allowed."""
    output, _ = student.dropout(torch.ones(200, 200), 0.8, True, source(rng))
    share = float((as_tensor(output) != 0).double().mean())
    assert_close(share, 0.8, rtol=0, atol=0.015, what="the share of entries that are kept")


@exercise("dropout")
def test_inverted_dropout_divides_by_keep(student, rng):
    """With inverted=True what is kept is divided by `keep`; with inverted=False it is left as it is. Either way dropped
    entries are 0."""
    for inverted, expected in ((True, 1 / 0.7), (False, 1.0)):
        output, _ = student.dropout(torch.ones(20, 30), 0.7, True, source(rng), inverted)
        output = as_tensor(output)
        assert_true(bool((output != 0).any()), "Nothing is kept.")
        kept = output[output != 0]
        assert_close(kept, torch.full_like(kept, expected), **SINGLE, what=f"what is kept with inverted={inverted}")


@exercise("dropout")
def test_the_mask_is_the_one_that_was_used(student, rng):
    """output = x * mask, with the mask that is returned: the backward pass multiplies by it."""
    x = normal(rng, 8, 9) + 10
    output, mask = student.dropout(x, 0.5, True, source(rng))
    assert_close(output, x * as_tensor(mask), **DOUBLE, what="the output")


@exercise("dropout")
def test_every_entry_is_drawn_by_itself(student, rng):
    """Each entry of each sample is drawn independently: two rows of 100 entries have different masks."""
    output = as_tensor(student.dropout(torch.ones(5, 100), 0.5, True, source(rng))[0])
    assert_true(not bool((output == output[0]).all()), "All samples share one mask.")
    assert_true(not bool((output == output[:, :1]).all()), "All units of a sample share one draw.")


@exercise("dropout")
def test_nothing_is_dropped_at_test_time(student, rng):
    """train=False returns x as it is, neither masked nor scaled."""
    x = normal(rng, 6, 7)
    assert_close(student.dropout(x, 0.3, False)[0], x, **DOUBLE)


@exercise("dropout", weight=0.5)
def test_keep_must_be_a_probability_above_zero(student, rng):
    """With keep = 0 or above 1 there is no dropout: raise ValueError."""
    for keep in (0.0, 1.5):
        student.raises(ValueError, student.dropout, torch.ones(3), keep, True)


# ---- L07.24, L07.25: dropout at test time, and as an ensemble


@exercise("scale_for_test", weight=2)
def test_weights_times_keep(student, rng):
    """The weights behind plain dropout are multiplied by the probability of KEEPING their inputs."""
    weight = normal(rng, 3, 4)
    for keep in (0.2, 0.9):
        assert_close(student.scale_for_test(weight, keep), keep * weight, **DOUBLE)


@exercise("scale_for_test")
def test_the_average_over_all_masks(student, rng):
    """With keep = 1/2 the scaled layer gives the average over all masks of its inputs. (Half is dropped and half is
    kept, so that the two probabilities cannot be confused here; dividing would make it larger.)"""
    weight, a = normal(rng, 2, 3), normal(rng, 3)
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    found = as_tensor(student.scale_for_test(weight, 0.5))
    assert_close(found @ a, ((a * masks) @ weight.T).mean(0), **SINGLE, what="the output of the scaled layer")


@exercise("scale_for_test", weight=0.5)
def test_the_net_keeps_its_weights(student, rng):
    """The weights of the net stay for the training that goes on; the scaled ones are new."""
    weight = normal(rng, 2, 2)
    kept = student.keep(weight)
    student.scale_for_test(kept, 0.3)
    assert_equal(student.fetch(kept), weight, what="the weights after the call")


def subnets(rng, count, log):
    """A function that gives other probabilities with each call, and the list of what it will give."""
    answers = [normal(rng, 4, 3, scale=2.0).softmax(1) for _ in range(count)]

    def probabilities(x):
        log.append(x)
        return answers[(len(log) - 1) % count]

    return probabilities, answers


@exercise("mc_dropout", weight=2)
def test_average_of_the_probabilities(student, rng):
    """The mean of the PROBABILITIES of all calls. Averaging logits or logarithms gives something else, and a sum is no
    distribution."""
    probabilities, answers = subnets(rng, 5, [])
    assert_close(student.mc_dropout(probabilities, normal(rng, 4, 2), 5), sum(answers) / 5, **DOUBLE)


@exercise("mc_dropout")
def test_new_masks_for_every_sample(student, rng):
    """Each of the `samples` terms is a call of its own, with new masks: multiplying one call is one net, not many."""
    log = []
    probabilities, _ = subnets(rng, 7, log)
    x = normal(rng, 4, 2)
    student.mc_dropout(probabilities, x, 7)
    assert_true(len(log) == 7, f"7 calls of the net are expected, found {len(log)}.")
    assert_close(log[-1], x, what="what the net was called with")


@exercise("mc_dropout")
def test_a_distribution_comes_out(student, rng):
    """An average of probabilities has the shape (N, C) and rows that sum to 1."""
    probabilities, _ = subnets(rng, 3, [])
    found = as_tensor(student.mc_dropout(probabilities, normal(rng, 4, 2), 3))
    assert_shape(found, (4, 3))
    assert_close(found.sum(1), torch.ones(4).double(), **SINGLE, what="the sums of the rows")


@exercise("mc_dropout", weight=0.5)
def test_one_sample(student, rng):
    """With one sample the answer is that of a single call."""
    log = []
    probabilities, answers = subnets(rng, 2, log)
    assert_close(student.mc_dropout(probabilities, normal(rng, 4, 2), 1), answers[0], **SINGLE)
    assert_true(len(log) == 1, f"One call of the net is expected, found {len(log)}.")


# ---- L07.16: bootstrap


@exercise("bootstrap", weight=2)
def test_with_replacement(student, rng):
    """N draws WITH replacement: about 63 % of 4,000 samples occur (standard deviation 0.5 %; 4 % are allowed). A
    permutation would hold all of them once."""
    numbers = torch.arange(4000)
    drawn = assert_parts(student.bootstrap(numbers.double(), numbers, source(rng)), 2, "inputs and labels")
    for part, what in zip(drawn, ("inputs", "labels"), strict=True):
        share = len(as_tensor(part).unique()) / 4000
        assert_close(share, 1 - math.exp(-1), rtol=0, atol=0.04, what=f"the share of samples that occur in the {what}")


@exercise("bootstrap")
def test_inputs_and_labels_stay_together(student, rng):
    """The same numbers are drawn for inputs and labels: a sample keeps its label."""
    x, labels = normal(rng, 40, 3), torch.arange(40)
    drawn = assert_parts(student.bootstrap(x, labels, source(rng)), 2, "inputs and labels")
    found, of = as_tensor(drawn[0]), as_tensor(drawn[1]).long()
    assert_true(found.shape[0] == of.shape[0], "There are not as many labels as inputs.")
    assert_close(found, x[of.clamp(0, 39)], **DOUBLE, what="the inputs of the drawn labels")


@exercise("bootstrap")
def test_a_data_set_of_the_same_size(student, rng):
    """As many samples as before, and every sample whole, whatever its shape."""
    x = normal(rng, 25, 2, 4)
    drawn = assert_parts(student.bootstrap(x, torch.arange(25), source(rng)), 2, "inputs and labels")
    assert_shape(drawn[0], (25, 2, 4), what="the inputs")
    assert_shape(drawn[1], (25,), what="the labels")


@exercise("bootstrap")
def test_every_sample_can_be_drawn(student, rng):
    """All N samples are equally likely, the first and the last, too, and the generator decides: among 200 draws of a
    data set of 5 each sample occurs (by chance one is missing once in 10^96 times)."""
    generator, labels = student.keep(source(rng)), torch.arange(5)
    found = [tuple(as_tensor(student.bootstrap(labels.double(), labels, generator)[1]).tolist()) for _ in range(200)]
    assert_true({number for draw in found for number in draw} == set(range(5)), "Some sample is never drawn.")
    assert_true(len(set(found)) > 50, "The same data set is drawn again and again.")


@exercise("bootstrap", weight=0.5)
def test_the_generator_draws_the_samples(student, rng):
    """The same generator seed gives the same data set."""
    seed, labels = int(rng.integers(0, 2**30)), torch.arange(30)
    first, again = (
        as_tensor(student.bootstrap(labels.double(), labels, torch.Generator().manual_seed(seed))[1]) for _ in range(2)
    )
    assert_equal(first, again, what="the labels drawn with the same seed")


# ---- L07.17: averaging and voting


@exercise("ensemble_probabilities", weight=2)
def test_mean_over_the_members(student, rng):
    """p(y | x) is the mean of the members' PROBABILITIES. A mean of logits or logarithms, or a product, gives another
    distribution."""
    p = normal(rng, 4, 6, 3, scale=2.0).softmax(2)
    assert_close(student.ensemble_probabilities(p), (p[0] + p[1] + p[2] + p[3]) / 4, **DOUBLE)


@exercise("ensemble_probabilities")
def test_members_stand_along_the_first_axis(student, rng):
    """The members disappear, samples and classes stay: shape (N, C)."""
    p = normal(rng, 2, 5, 3).softmax(2)
    assert_shape(student.ensemble_probabilities(p), (5, 3))


@exercise("ensemble_probabilities")
def test_rows_sum_to_one(student, rng):
    """The average of distributions is a distribution."""
    found = as_tensor(student.ensemble_probabilities(normal(rng, 3, 4, 5, scale=3.0).softmax(2)))
    assert_close(found.sum(-1), torch.ones(found.shape[:-1]).double(), **SINGLE, what="the sums over the classes")


@exercise("ensemble_probabilities")
def test_nll_is_at_most_the_average(student, rng):
    """-log is convex: the NLL of the averaged probabilities is at most the average NLL of the members."""
    p, labels = normal(rng, 5, 30, 4, scale=2.0).softmax(2), torch.as_tensor(rng.integers(0, 4, 30))
    found = as_tensor(student.ensemble_probabilities(p))
    assert_shape(found, (30, 4))
    rows = torch.arange(30)
    assert_true(
        float(-found[rows, labels].log().mean()) <= float(-p[:, rows, labels].log().mean()) + 1e-9,
        "The ensemble has a larger NLL than its members have in the mean.",
    )


def ballots(*choices, classes):
    """Probabilities of members that choose these classes, each with a certainty of its own."""
    p = torch.zeros(len(choices), len(choices[0]), classes, dtype=torch.float64)
    for member, row in enumerate(choices):
        for sample, choice in enumerate(row):
            p[member, sample] = 0.3 / (classes - 1)
            p[member, sample, choice] = 0.7
    return p


@exercise("ensemble_vote", weight=2)
def test_most_votes_win(student, rng):
    """Each member has one vote, for its most probable class; the class with most votes is the answer."""
    p = ballots([0, 2, 1, 3], [2, 2, 1, 0], [2, 1, 3, 3], [1, 2, 1, 3], [2, 0, 3, 0], classes=4)
    p[4, 3, 3] = 0.9  # this member is for class 3 after all
    assert_equal(student.ensemble_vote(p), torch.tensor([2, 2, 1, 3]))


@exercise("ensemble_vote")
def test_certainty_does_not_count(student, rng):
    """A member that is quite sure has one vote like the others: voting is not averaging."""
    p = torch.tensor([[[0.49, 0.51]], [[0.45, 0.55]], [[0.99, 0.01]]], dtype=torch.float64)
    assert_equal(student.ensemble_vote(p), torch.tensor([1]))
    assert_equal(student.ensemble_vote(p.flip(2)), torch.tensor([0]))


@exercise("ensemble_vote")
def test_ties_go_to_the_smallest_class(student, rng):
    """Of classes with equally many votes the one with the smallest number, not the one met first."""
    p = ballots([3, 1, 2], [1, 3, 0], [3, 1, 2], [1, 3, 0], classes=4)
    assert_equal(student.ensemble_vote(p), torch.tensor([1, 1, 0]))


@exercise("ensemble_vote", weight=0.5)
def test_one_class_for_each_sample(student, rng):
    """The answer has the shape (N,) and integer entries: classes, not counts."""
    found = as_tensor(student.ensemble_vote(normal(rng, 3, 8, 4).softmax(2)))
    assert_shape(found, (8,))
    assert_true(not found.is_floating_point(), "Classes are integers.")


# ---- L07.18: ensembles without resampling

MEMBERS = """
class GraderNet:
    def __init__(self, first):
        self.numbers = [first]

def grader_make(generator):
    return GraderNet(float(torch.rand(1, generator=generator)))

def grader_train(net, generator):
    net.numbers.append(float(torch.rand(1, generator=generator)))
    return "not the net"

def grader_members(function, members, seed):
    nets = list(function(members, grader_make, grader_train, seed))
    return [list(getattr(net, "numbers", [])) for net in nets], len({id(net) for net in nets})
"""


def members_of(student, count, seed):
    student.run(MEMBERS)
    numbers, different = student.grader_members(student.train_ensemble, count, seed)
    assert_true(len(numbers) == count, f"{count} nets are expected, found {len(numbers)}.")
    return numbers, different


@exercise("train_ensemble", weight=2)
def test_each_member_has_its_seed(student, rng):
    """Member j gets a generator with seed 1000 * seed + j, used by `make` first and then, as it is, by `train`."""
    seed = int(rng.integers(1, 1000))
    numbers, _ = members_of(student, 3, seed)
    for member, found in enumerate(numbers):
        expected = torch.rand(2, generator=torch.Generator().manual_seed(1000 * seed + member)).tolist()
        assert_true(len(found) == 2, "A net is not made once and trained once.")
        assert_close(found, expected, rtol=1e-6, atol=1e-7, what=f"the random numbers of member {member}")


@exercise("train_ensemble")
def test_members_are_different_nets(student, rng):
    """Every member is made anew and trained by itself: no two are the same object, and none continues another."""
    numbers, different = members_of(student, 4, int(rng.integers(1, 1000)))
    assert_true(different == 4, "Some members are one and the same net.")
    assert_true(all(len(found) == 2 for found in numbers), "Each net should be trained exactly once.")


@exercise("train_ensemble")
def test_members_start_apart(student, rng):
    """Different first weights are what makes members differ: no two members may begin with the same random numbers."""
    numbers, _ = members_of(student, 5, int(rng.integers(1, 1000)))
    assert_true(len({found[0] for found in numbers if found}) == 5, "Some members begin with the same weights.")


@exercise("train_ensemble")
def test_other_seed_other_ensemble(student, rng):
    """Another seed gives another ensemble, the same seed the same one."""
    first, again, other = (members_of(student, 2, seed)[0] for seed in (5, 5, 6))
    assert_true(first == again, "The same seed gives different nets.")
    assert_true(first[0] != other[0] and first[1] != other[1], "Two seeds give the same nets.")


# ---- L07.19: one trunk, several heads

HEADS = """
class GraderCounted(torch.Tensor):
    products = 0

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        products = ("matmul", "mm", "bmm", "linear", "einsum", "addmm", "baddbmm", "__matmul__", "__rmatmul__")
        if getattr(func, "__name__", "") in products:
            cls.products += 1
        return super().__torch_function__(func, types, args, kwargs or {})

def grader_parts(net):
    tensors = [*net.trunk, *net.biases, net.heads, net.head_biases]
    return [tensor.detach().clone() for tensor in tensors]

def grader_set_biases(net):
    with torch.no_grad():
        for number, bias in enumerate([*net.biases, net.head_biases]):
            bias.copy_(torch.linspace(-1, 1, bias.numel()).reshape(bias.shape) * (number + 1))
    return net

def grader_gradients(net, x, labels):
    loss = net.loss(x, labels)
    tensors = [*net.trunk, *net.biases, net.heads, net.head_biases]
    found = torch.autograd.grad(loss, tensors, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, found)]

def grader_products(net, x):
    net.trunk = [weight.detach().as_subclass(GraderCounted) for weight in net.trunk]
    GraderCounted.products = 0
    net.logits(x)
    return GraderCounted.products
"""


def heads_case(student, rng, sizes=(3, 6, 5), heads=3, classes=4):
    student.run(HEADS)
    net = student.MultiHeadNet(list(sizes), heads, classes, source(rng))
    student.grader_set_biases(net)
    parts = [as_tensor(part) for part in student.grader_parts(net)]
    depth = len(sizes) - 1
    return net, (parts[:depth], parts[depth : 2 * depth], parts[-2], parts[-1])


def heads_oracle(parts, x):
    trunk, biases, heads, head_biases = parts
    x = x.double()
    for weight, bias in zip(trunk, biases, strict=True):
        x = torch.relu(x @ weight.T + bias)
    return torch.stack([x @ head.T + bias for head, bias in zip(heads, head_biases, strict=True)])


@exercise("MultiHeadNet", weight=2)
def test_logits_of_every_head(student, rng):
    """Each head applies its OWN weights and bias to the features of the trunk: shape (M, N, C)."""
    net, parts = heads_case(student, rng)
    x = normal(rng, 7, 3, dtype=torch.float32)
    found = net.logits(x)
    assert_shape(found, (3, 7, 4))
    assert_close(found, heads_oracle(parts, x), **SINGLE, what="the logits")


@exercise("MultiHeadNet", weight=2)
def test_loss_is_the_mean_over_the_heads(student, rng):
    """The mean over the heads of their mean NLL. The NLL of averaged logits or probabilities would be another loss."""
    net, parts = heads_case(student, rng)
    x, labels = normal(rng, 9, 3, dtype=torch.float32, scale=2.0), torch.as_tensor(rng.integers(0, 4, 9))
    expected = torch.stack([F.cross_entropy(logits, labels) for logits in heads_oracle(parts, x)]).mean()
    assert_close(net.loss(x, labels), expected, **SINGLE, what="the loss")


@exercise("MultiHeadNet")
def test_every_head_and_the_trunk_learn(student, rng):
    """Gradients reach every head and, through all of them, the trunk."""
    net, parts = heads_case(student, rng)
    x, labels = normal(rng, 9, 3, dtype=torch.float32), torch.as_tensor(rng.integers(0, 4, 9))
    leaves = [part.clone().requires_grad_() for part in [*parts[0], *parts[1], parts[2], parts[3]]]
    oracle = heads_oracle((leaves[:2], leaves[2:4], leaves[4], leaves[5]), x)
    loss = torch.stack([F.cross_entropy(logits, labels) for logits in oracle]).mean()
    expected = torch.autograd.grad(loss, leaves)
    found = student.grader_gradients(net, x, labels)
    names = ("trunk, layer 1", "trunk, layer 2", "bias 1", "bias 2", "heads", "head_biases")
    for mine, theirs, name in zip(found, expected, names, strict=True):
        assert_close(mine, theirs, **SINGLE, what=f"the gradient of {name}")


@exercise("MultiHeadNet", weight=0.5)
def test_the_trunk_is_computed_once(student, rng):
    """The features are computed once and used by all heads; that is what makes the ensemble cheap."""
    net, _ = heads_case(student, rng, sizes=(3, 6), heads=5)
    products = int(as_tensor(student.grader_products(net, normal(rng, 4, 3, dtype=torch.float32))))
    # The product of the trunk, and those of the heads, which may be one or five.
    assert_true(products <= 6, "The trunk is computed more than once.")


# ---- L07.20: snapshots

RUN = """
def grader_snapshots(function, length, every, size=3):
    state = [torch.zeros(size, requires_grad=True), torch.zeros((), dtype=torch.int64)]
    done = []

    def steps():
        for number in range(length):
            with torch.no_grad():
                state[0] += 1
                state[1] += 1
            done.append(number)
            yield number

    found = function(steps(), state, every)
    return (
        [[tensor.detach().clone() for tensor in taken] for taken in found],
        [tensor.requires_grad for taken in found for tensor in taken],
        len(done),
    )
"""


def snapshots_of(student, length, every):
    student.run(RUN)
    states, watched, done = student.grader_snapshots(student.snapshots, length, every)
    times = [float(as_tensor(taken[0]).reshape(-1)[0]) for taken in states]
    return states, times, watched, done


@exercise("snapshots", weight=2)
def test_copies_at_the_right_times(student, rng):
    """Copies after steps `every`, 2 * `every`, ..., each as the parameters were THEN. References to the tensors would
    all show the end of the run."""
    for length, every in ((10, 3), (6, 2)):
        _, times, _, _ = snapshots_of(student, length, every)
        assert_close(times, [float(k) for k in range(every, length + 1, every)], what="the states of the snapshots")


@exercise("snapshots")
def test_number_of_snapshots(student, rng):
    """As many as `every` fits into the number of steps; none before the first training step."""
    for length, every in ((11, 4), (3, 5), (4, 1)):
        states, _, _, _ = snapshots_of(student, length, every)
        assert_true(len(states) == length // every, f"{length} steps, one snapshot in {every}: found {len(states)}.")


@exercise("snapshots")
def test_snapshots_differ(student, rng):
    """Training moves the parameters between two snapshots, so no two of them are equal."""
    _, times, _, _ = snapshots_of(student, 9, 3)
    assert_true(len(set(times)) == len(times), "Some snapshots are equal: they are not copies.")


@exercise("snapshots")
def test_the_run_goes_to_its_end(student, rng):
    """All training steps are made, those behind the last snapshot, too."""
    _, _, _, done = snapshots_of(student, 8, 3)
    assert_true(int(as_tensor(done)) == 8, "Not every training step was made.")


@exercise("snapshots", weight=0.5)
def test_snapshots_are_whole_and_detached(student, rng):
    """A snapshot has every tensor of the state, counters too, and none asks for gradients."""
    states, _, watched, _ = snapshots_of(student, 4, 2)
    assert_true(all(len(taken) == 2 for taken in states), "Some tensors of the state are missing.")
    assert_true(not any(watched), "Snapshots are only kept: detach them.")


# ---- L07.21: parameter averaging


@exercise("average_parameters", weight=2)
def test_mean_of_each_tensor(student, rng):
    """Each parameter is averaged over the states, position by position."""
    states = [[normal(rng, 2, 3), normal(rng, 4)] for _ in range(3)]
    found = student.average_parameters(states)
    assert_true(len(found) == 2, "One tensor for each parameter is expected.")
    for position in range(2):
        expected = (states[0][position] + states[1][position] + states[2][position]) / 3
        assert_close(found[position], expected, **DOUBLE, what=f"tensor {position}")


@exercise("average_parameters")
def test_counters_are_not_averaged(student, rng):
    """Integer tensors, such as a number of steps, are taken from the last state: half a step means nothing."""
    states = [[torch.ones(2) * k, torch.tensor(10 * k + 1)] for k in range(2)]
    counter = as_tensor(student.average_parameters(states)[1])
    assert_true(not counter.is_floating_point(), "An integer tensor has become floating point.")
    assert_equal(counter, torch.tensor(11), what="the counter")


@exercise("average_parameters")
def test_the_snapshots_stay_as_they_are(student, rng):
    """Averaging makes new tensors: summing into the first snapshot would destroy it."""
    states = [[normal(rng, 3)], [normal(rng, 3) + 2]]
    kept = student.keep(states)
    student.average_parameters(kept)
    assert_equal(student.fetch(kept)[0][0], states[0][0], what="the first snapshot after the call")


# ---- L07.26: random search


@exercise("log_uniform", weight=2)
def test_the_logarithm_is_uniform(student, rng):
    """Each factor of ten gets equally many draws. Uniform in the value itself nearly all would lie in the last one.

    The largest distance of the empirical from the uniform distribution, over 4,000 draws; a right answer exceeds the
    bound about twice in ten million times.
    """
    values = as_tensor(student.log_uniform(1e-5, 1e-1, 4000, source(rng))).double()
    assert_true(bool((values > 0).all()), "A value is not positive.")
    u = (values.log10().sort().values + 5) / 4
    steps = torch.arange(1, 4001, dtype=torch.float64) / 4000
    assert_true(float((steps - u).abs().max()) < 0.045, "The logarithms of the values are not uniform on the range.")


@exercise("log_uniform")
def test_values_stay_in_the_range(student, rng):
    """low and high are the smallest and largest VALUE, not exponents."""
    values = as_tensor(student.log_uniform(0.5, 200.0, 1000, source(rng)))
    assert_shape(values, (1000,))
    assert_true(float(values.min()) >= 0.5 and float(values.max()) <= 200.0, "A value lies outside low .. high.")


@exercise("log_uniform")
def test_each_value_is_drawn_anew(student, rng):
    """Every trial gets a draw of its own, from the generator that was given."""
    seed = int(rng.integers(0, 2**30))
    first, again = (
        as_tensor(student.log_uniform(1e-3, 1.0, 50, torch.Generator().manual_seed(seed))) for _ in range(2)
    )
    assert_true(len(first.unique()) == 50, "Some draws are the same.")
    assert_equal(first, again, what="draws from the same seed")


@exercise("log_uniform", weight=0.5)
def test_a_range_the_wrong_way_round_is_an_error(student, rng):
    """There is no logarithm of 0, and low must not exceed high: raise ValueError."""
    for low, high in ((0.0, 1.0), (1e-3, 1e-6)):
        student.raises(ValueError, student.log_uniform, low, high, 3)


SPACE = {"rate": (1e-4, 1e-1), "decay": (1e-6, 1e-2), "width": (20.0, 30.0)}


def drawn_settings(student, rng, trials):
    found = list(student.random_settings(SPACE, trials, source(rng)))
    assert_true(len(found) == trials, f"{trials} settings are expected, found {len(found)}.")
    good = all(isinstance(settings, dict) and set(settings) == set(SPACE) for settings in found)
    assert_true(good, "Each setting should be a dictionary with the names of the space.")
    return {name: torch.tensor([float(settings[name]) for settings in found]).double() for name in SPACE}


@exercise("random_settings", weight=2)
def test_logarithms_are_uniform(student, rng):
    """Each hyperparameter is uniform in its logarithm on its range.

    The largest distance of the empirical from the uniform distribution, over 1,500 draws; a right answer exceeds the
    bound about once in ten million times.
    """
    for name, values in drawn_settings(student, rng, 1500).items():
        low, high = (math.log(end) for end in SPACE[name])
        u = (values.log().sort().values - low) / (high - low)
        steps = torch.arange(1, 1501, dtype=torch.float64) / 1500
        assert_true(float((steps - u).abs().max()) < 0.075, f"The logarithms of {name!r} are not uniform on its range.")


@exercise("random_settings")
def test_every_range_is_its_own(student, rng):
    """Each hyperparameter stays in its own range."""
    for name, values in drawn_settings(student, rng, 200).items():
        low, high = SPACE[name]
        inside = float(values.min()) >= low * (1 - 1e-6) and float(values.max()) <= high * (1 + 1e-6)
        assert_true(inside, f"A value of {name!r} lies outside its range.")


@exercise("random_settings")
def test_new_values_for_every_trial(student, rng):
    """Every hyperparameter is drawn anew for every trial: that is the point of random search."""
    for name, values in drawn_settings(student, rng, 40).items():
        assert_true(len(values.unique()) == 40, f"Some trials have the same {name!r}.")


@exercise("random_settings")
def test_hyperparameters_are_independent(student, rng):
    """The hyperparameters of a trial are drawn independently: one random number for all of them would only walk along a
    diagonal. (The correlation of 400 independent pairs is within 0.05, one standard error; 0.35 is allowed.)"""
    columns = drawn_settings(student, rng, 400)
    together = torch.corrcoef(torch.stack([columns["rate"].log(), columns["decay"].log(), columns["width"].log()]))
    off = together - torch.diag(torch.diag(together))
    assert_true(float(off.abs().max()) < 0.35, "Two hyperparameters depend on each other.")


@exercise("random_settings", weight=0.5)
def test_settings_come_from_the_generator(student, rng):
    """The same generator seed gives the same settings."""
    seed = int(rng.integers(0, 2**30))
    first, again = (list(student.random_settings(SPACE, 3, torch.Generator().manual_seed(seed))) for _ in range(2))
    assert_true(first == again, "The same seed gives different settings.")


def search_of(student, scores):
    """What search makes of these scores, and in which order it asked for them."""
    calls = []

    def score(settings):
        calls.append(int(settings["number"]))
        return scores[int(settings["number"])]

    settings = [{"number": float(k), "rate": 0.1 * k} for k in range(len(scores))]
    best, trials = assert_parts(student.search(score, settings), 2, "the best trial and all trials")
    best = assert_parts(best, 2, "settings and score of the best trial")
    return best, list(trials), calls, settings


@exercise("search", weight=2)
def test_the_largest_score_wins(student, rng):
    """The best trial is the one with the LARGEST validation accuracy, with the settings that gave it."""
    scores = [float(s) for s in rng.permutation(8) / 10 + 0.1]
    best, _, _, settings = search_of(student, scores)
    assert_true(best[0] == settings[scores.index(max(scores))], "These are not the settings with the largest score.")
    assert_close(best[1], max(scores), **SINGLE, what="the best score")


@exercise("search")
def test_a_diverged_run_never_wins(student, rng):
    """NaN is worse than every number, wherever it comes: comparing with it is always false, so `max` may keep it."""
    for scores in ([math.nan, 0.2, 0.5], [0.5, math.nan, 0.2], [0.2, -3.0, math.nan]):
        best, _, _, _ = search_of(student, scores)
        assert_true(not math.isnan(float(best[1])), "A run that diverged is given as the best.")
        assert_close(best[1], max(s for s in scores if not math.isnan(s)), **SINGLE, what="the best score")


@exercise("search")
def test_the_books_hold_every_trial(student, rng):
    """All trials, in the order in which they were tried, with the scores that they gave."""
    scores = [0.3, 0.9, 0.1, 0.5]
    _, trials, _, settings = search_of(student, scores)
    assert_true(len(trials) == 4, f"Four trials are expected, found {len(trials)}.")
    assert_true([trial[0] for trial in trials] == settings, "The settings of the trials are not those that were tried.")
    assert_close([float(trial[1]) for trial in trials], scores, **SINGLE, what="the scores of the trials")


@exercise("search")
def test_each_setting_is_tried_once(student, rng):
    """Training is expensive: each setting once, in order."""
    _, _, calls, _ = search_of(student, [0.2, 0.6, 0.4])
    assert_true(calls == [0, 1, 2], "The settings are not tried once each, in their order.")


@exercise("search", weight=0.5)
def test_the_first_of_equals(student, rng):
    """Of equal scores the first is the best; the numbers may be negative."""
    best, _, _, settings = search_of(student, [-2.0, -1.0, -1.0, -3.0])
    assert_true(best[0] == settings[1], "Of equal scores the first one is expected.")


# ---- quizzes


@exercise("slide_facts")
def test_he_deviation_of_200_inputs(student, rng):
    """He's standard deviation is sqrt(2 / inputs)."""
    assert_close(student.he_deviation, math.sqrt(2 / 200), rtol=0.01, atol=0, what="he_deviation")


@exercise("slide_facts")
def test_relu_halves_the_second_moment(student, rng):
    """The second moment of a standard normal is 1, and by symmetry half of it lies above 0."""
    assert_close(student.relu_second_moment, 0.5, rtol=0.01, atol=0, what="relu_second_moment")


@exercise("slide_facts")
def test_number_of_masks(student, rng):
    """Each of the ten units is in or out: two possibilities, ten times over."""
    assert_close(student.masks_of_ten_units, 2**10, what="masks_of_ten_units")


@exercise("what_affects_what")
def test_learning_rate_is_for_optimization(student, rng):
    """A bad learning rate shows in the training loss, within the first updates."""
    assert_true(student.learning_rate_is_for_optimization is True, "Look at the training loss of a bad learning rate.")


@exercise("what_affects_what")
def test_initialization_is_for_optimization(student, rng):
    """First weights that are too small or too large keep the training loss from falling."""
    assert_true(
        student.initialization_is_for_optimization is True, "Look at part 3: what vanishes with the activations?"
    )


@exercise("what_affects_what")
def test_dropout_is_for_generalization(student, rng):
    """Dropout makes the training loss worse, and the loss on new data better."""
    assert_true(student.dropout_is_for_optimization is False, "What does dropout do to the training loss?")
