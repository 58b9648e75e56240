"""Hidden tests of the notebook training_deep_nets (lecture 7).

Expected values come from torch's built-ins and closed forms. Statistical tests draw from a generator with a fixed seed
inside the worker or a drawn one; each states how far its bound is from what a right answer gives.
"""

import math

import torch
import torch.nn.functional as F

from autograder.judge import assert_close, assert_equal, assert_finite, assert_shape, assert_true, exercise
from autograder.judge.checkers import as_array

SINGLE = {"rtol": 1e-4, "atol": 1e-5}
DOUBLE = {"rtol": 1e-8, "atol": 1e-9}


def normal(rng, *shape, scale=1.0, dtype=torch.float64):
    return torch.as_tensor(rng.normal(size=shape) * scale, dtype=dtype)


def as_tensor(value, what="the result"):
    return torch.as_tensor(as_array(value, what))


def source(rng):
    return torch.Generator().manual_seed(int(rng.integers(0, 2**31)))


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
