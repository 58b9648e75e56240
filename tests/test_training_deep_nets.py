"""The reference of lecture 7 against oracles: PyTorch, closed forms, finite differences, and the slide's own tables."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from types import FunctionType

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from library_cases import assert_specification, devices, draw
from torch.testing import assert_close

from course_lib import training_deep_nets as lecture
from course_lib.kit.data import digits
from course_lib.training_deep_nets import (
    BatchNorm,
    MultiHeadNet,
    Net,
    Standardizer,
    activation_statistics,
    active_fraction,
    average_parameters,
    batch_norm,
    batch_norm_backward,
    bootstrap,
    classifier_runs,
    clip_by_norm,
    clip_by_value,
    compare_rates,
    condition_number,
    disagreement,
    dropout,
    ensemble_probabilities,
    ensemble_vote,
    fused_batch_norm,
    fused_batch_norm_backward,
    fused_layer_norm,
    fused_layer_norm_backward,
    gradient_statistics,
    grid_settings,
    he_init,
    hidden_layer,
    is_hopeless,
    layer_norm,
    layer_norm_backward,
    log_uniform,
    mc_dropout,
    normal_layers,
    orthogonal,
    predicted_second_moment,
    random_settings,
    scale_for_test,
    search,
    snapshots,
    standardize_activations,
    steps_to_tolerance,
    train_ensemble,
    training_steps,
    xavier_init,
)

PUBLIC = [getattr(lecture, name) for name in lecture.__all__ if callable(getattr(lecture, name))]


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------ the specification


@pytest.mark.parametrize("item", [item for item in PUBLIC if isinstance(item, FunctionType)], ids=lambda f: f.__name__)
def test_docstring_is_a_specification(item: FunctionType) -> None:
    assert_specification(item, "7")


def test_every_row_of_the_syllabus_is_taught() -> None:
    text = " ".join(inspect.getdoc(item) or "" for item in PUBLIC)
    assert {f"L07.{row:02}" for row in range(1, 28)} <= set(re.findall(r"L07\.\d\d", text))


# --------------------------------------------------------------------------------------------------------- scales


def test_badly_scaled_inputs_cost_steps() -> None:
    x = draw(200, 3)
    bad = x * torch.tensor([100.0, 1.0, 1.0])
    targets = x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    assert steps_to_tolerance(bad, targets, most=20_000) > 10 * steps_to_tolerance(x, targets)
    eigenvalues = torch.linalg.eigvalsh(bad.T @ bad)
    assert_close(condition_number(bad), eigenvalues[-1] / eigenvalues[0], rtol=1e-8, atol=0)


def test_standardizer_uses_the_training_data() -> None:
    train, test = 5 * draw(50, 3) + 2, draw(20, 3, seed=1)
    train[:, 1] = 0.1
    standardizer = Standardizer().fit(train)
    assert_close(standardizer.transform(train).mean(0), torch.zeros(3, dtype=torch.float64))
    assert_close(standardizer.transform(train)[:, 0].std(correction=0), torch.tensor(1.0, dtype=torch.float64))
    assert_close(standardizer.transform(train)[:, 1], torch.zeros(50, dtype=torch.float64))
    assert_close(standardizer.transform(test)[:, 0], (test[:, 0] - train[:, 0].mean()) / train[:, 0].std(correction=0))
    assert_close(standardizer.inverse_transform(standardizer.transform(test)), test)


def test_activations_are_standardized_with_what_the_layers_give_now() -> None:
    weight = draw(4, 3)
    layers = [lambda a: torch.tanh(a @ weight.T), lambda a: a * 2]
    data = draw(60, 3, seed=1)
    for factor in (1.0, 3.0):
        weight *= factor
        found, mean, std = standardize_activations(layers, data, 2)
        a = 2 * torch.tanh(data @ weight.T)
        assert_close(mean, a.mean(0))
        assert_close(std, a.std(0, correction=0))
        assert_close(found, (a - a.mean(0)) / a.std(0, correction=0))


# -------------------------------------------------------------------------------------------------- normalization


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.integers(2, 6), st.integers(0, 2**31))
def test_normalizations_agree_with_pytorch_forward_and_backward(samples: int, features: int, seed: int) -> None:
    x, delta = 3 * draw(samples, features, seed=seed) + 1, draw(samples, features, seed=seed + 1)
    gamma, beta = draw(features, seed=seed + 2), draw(features, seed=seed + 3)

    def their_batch_norm(*of: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(of[0], None, None, *of[1:], training=True)

    def their_layer_norm(*of: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(of[0], (features,), *of[1:])

    pairs = (
        (batch_norm, batch_norm_backward, their_batch_norm),
        (fused_batch_norm, fused_batch_norm_backward, their_batch_norm),
        (layer_norm, layer_norm_backward, their_layer_norm),
        (fused_layer_norm, fused_layer_norm_backward, their_layer_norm),
    )
    for forward, backward, builtin in pairs:
        leaves = [tensor.clone().requires_grad_() for tensor in (x, gamma, beta)]
        expected = builtin(*leaves)
        found, kept = forward(x, gamma, beta)
        assert_close(found, expected, rtol=1e-7, atol=1e-9)
        for mine, theirs in zip(
            backward(delta, gamma, *kept), torch.autograd.grad(expected, leaves, delta), strict=True
        ):
            assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@devices
def test_fused_forms_compute_what_the_readable_ones_do(device: str) -> None:
    """Also what is kept for the backward pass, and also where the arguments must stay as they are."""
    x, delta = 3 * draw(40, 17, device=device) + 1, draw(40, 17, seed=1, device=device)
    gamma, beta = draw(17, seed=2, device=device), draw(17, seed=3, device=device)
    for readable, backward, fused, fused_backward in (
        (batch_norm, batch_norm_backward, fused_batch_norm, fused_batch_norm_backward),
        (layer_norm, layer_norm_backward, fused_layer_norm, fused_layer_norm_backward),
    ):
        given = [tensor.clone() for tensor in (x, gamma, beta, delta)]
        (expected, kept), (found, kept_too) = readable(x, gamma, beta), fused(x, gamma, beta)
        assert_close(found, expected)
        assert_close(kept_too.x_hat, kept.x_hat)
        assert_close(kept_too.inverse_std, kept.inverse_std)
        for mine, theirs in zip(fused_backward(delta, gamma, *kept), backward(delta, gamma, *kept_too), strict=True):
            assert_close(mine, theirs)
        assert all(torch.equal(*pair) for pair in zip((x, gamma, beta, delta), given, strict=True))


def test_batch_norm_backward_is_orthogonal_to_shifts_and_scales() -> None:
    x, gamma, delta = draw(20, 4), draw(4, seed=1), draw(20, 4, seed=2)
    _, kept = batch_norm(x, gamma, gamma, epsilon=0.0)
    d_x, _, _ = batch_norm_backward(delta, gamma, *kept)
    zero = torch.zeros(4, dtype=torch.float64)
    assert_close(d_x.sum(0), zero, atol=1e-10, rtol=0)
    assert_close((d_x * kept.x_hat).sum(0), zero, atol=1e-10, rtol=0)


@devices
def test_batch_norm_layer_agrees_with_pytorch_over_many_batches(device: str) -> None:
    mine, theirs = BatchNorm(3, dtype=torch.float64), torch.nn.BatchNorm1d(3).double().to(device)
    for name in ("gamma", "beta", "running_mean", "running_var"):
        setattr(mine, name, getattr(mine, name).to(device))
    for step in range(10):
        x = (1 + step) * draw(2 + step, 3, seed=step, device=device) + step
        assert_close(mine.forward(x, train=True), theirs(x), rtol=1e-9, atol=1e-10)
    theirs.eval()
    assert_close(mine.running_var, theirs.running_var)
    single = draw(1, 3, device=device)
    assert_close(mine.forward(single, train=False), theirs(single))
    assert_close(mine.running_mean, theirs.running_mean)


# -------------------------------------------------------------------------------------------------- initialization

# The slide's tables: standard deviations (and means, for ReLU) of the layers 1 to 10. L07.08, L07.10, L07.11.
SMALL = (0.213081, 0.047551, 0.010630, 0.002378, 0.000532, 0.000119, 0.000026)
XAVIER = (0.627953, 0.486651, 0.407723, 0.357188, 0.320917, 0.292116, 0.273387, 0.254935, 0.239266, 0.228008)
XAVIER_RELU = (0.582273, 0.403795, 0.276912, 0.198685, 0.148299, 0.103288, 0.072748, 0.051572, 0.038583, 0.026076)


def test_the_tables_of_the_slides_are_reproduced() -> None:
    """The first two belong to tanh, though the slide says "without nonlinearities". ReLU's scale drifts from draw to
    draw: over 20 seeds the tenth layer's standard deviation was 0.020 to 0.031, hence the wide tolerance there."""
    x = torch.randn(1000, 500, generator=source(1))
    small = activation_statistics(normal_layers(10, 500, 0.01, source(0)), x, torch.tanh)[1:, 1]
    assert_close(small[:6], torch.tensor(SMALL[:6]), rtol=0.05, atol=0)
    layers = [xavier_init(500, 500, source(seed)) for seed in range(10)]
    assert_close(activation_statistics(layers, x, torch.tanh)[1:, 1], torch.tensor(XAVIER), rtol=0.05, atol=0)
    linear = activation_statistics(layers, x, lambda z: z)[1:, 1]
    assert bool(((linear > 0.9) & (linear < 1.1)).all()), "a linear net keeps the scale"
    assert_close(activation_statistics(layers, x, torch.relu)[1:, 1], torch.tensor(XAVIER_RELU), rtol=0.5, atol=0)
    he = activation_statistics([he_init(500, 500, source(seed)) for seed in range(10)], x, torch.relu)
    assert bool(((he[1:, 1] > 0.6) & (he[1:, 1] < 1.1)).all())
    assert bool(((he[1:, 0] > 0.4) & (he[1:, 0] < 0.75)).all())


def test_fifty_layers_survive_with_he_only() -> None:
    x = torch.randn(100, 200, generator=source(1))
    draw_he, draw_xavier = source(2), source(2)
    he = activation_statistics([he_init(200, 200, draw_he) for _ in range(50)], x, torch.relu)[-1]
    xavier = activation_statistics([xavier_init(200, 200, draw_xavier) for _ in range(50)], x, torch.relu)[-1]
    assert 1 / 3 < he.square().sum().sqrt() < 3
    assert xavier.square().sum().sqrt() < 1e-3


def test_second_moments_are_predicted() -> None:
    x = torch.randn(500, 300, generator=source(1), dtype=torch.float64)
    layers = normal_layers(4, 300, 0.07, source(0), torch.float64)
    measured = activation_statistics(layers, x, lambda z: z).square().sum(1)
    assert_close(measured, predicted_second_moment(300, 0.07**2, 4), rtol=0.1, atol=0)


def test_weights_have_the_stated_deviation() -> None:
    """200 x 300 entries: the standard error of the deviation is 0.3 %; five of them fail once in a million draws."""
    for init, expected in ((xavier_init, 1 / math.sqrt(300)), (he_init, math.sqrt(2 / 300))):
        weight = init(200, 300, source(3))
        assert weight.shape == (200, 300)
        assert abs(weight.std().item() / expected - 1) < 0.015


def test_gradients_are_those_of_finite_differences() -> None:
    weights = [draw(3, 3, seed=seed) / 2 for seed in range(2)]
    x, upstream = draw(4, 3, seed=5), draw(4, 3, seed=6)

    def value(first: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(torch.tanh(x @ first.T) @ weights[1].T) * upstream).sum()

    step = 1e-6
    numeric = torch.zeros(9, dtype=torch.float64)
    for entry in range(9):
        nudge = torch.zeros(9, dtype=torch.float64)
        nudge[entry] = step
        nudge = nudge.reshape(3, 3)
        numeric[entry] = (value(weights[0] + nudge) - value(weights[0] - nudge)) / (2 * step)
    found = gradient_statistics(weights, x, torch.tanh, upstream)
    assert_close(found[0], numeric.square().mean().sqrt(), rtol=1e-6, atol=0)


def test_share_of_active_units_is_measured_too() -> None:
    """20,000 normal draws: a standard error of 0.0035 for a share; 0.02 is nearly six of them."""
    z = draw(20_000)
    for bias in (-1.0, 0.0, 0.1, 2.0):
        assert abs(active_fraction(torch.tensor(bias)).item() - (z + bias > 0).double().mean().item()) < 0.02


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (6, 2, 3, 3)])
def test_orthogonal_has_singular_values_one(shape: tuple[int, ...]) -> None:
    weight = orthogonal(shape, source(0), torch.float64)
    assert weight.shape == shape
    assert_close(torch.linalg.svdvals(weight.flatten(1)), torch.ones(min(shape[0], math.prod(shape[1:]))).double())


def test_orthogonal_keeps_lengths_through_a_hundred_layers() -> None:
    generator, x = source(0), draw(7, 20)
    norms = x.norm(dim=1)
    for _ in range(100):
        x = x @ orthogonal((20, 20), generator, torch.float64).T
    assert_close(x.norm(dim=1), norms)


# -------------------------------------------------------------------------------------------------------- clipping


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 20.0), st.integers(0, 2**31))
def test_clipping_agrees_with_pytorch(limit: float, seed: int) -> None:
    gradients = [draw(3, 4, seed=seed), draw(5, seed=seed + 1)]
    for ours, theirs in (
        (clip_by_value, torch.nn.utils.clip_grad_value_),
        (clip_by_norm, torch.nn.utils.clip_grad_norm_),
    ):
        parameters = [torch.zeros_like(gradient) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
        theirs(parameters, limit)
        for found, parameter in zip(ours(gradients, limit), parameters, strict=True):
            assert_close(found, parameter.grad, rtol=1e-5, atol=1e-9)  # PyTorch adds 1e-6 to the norm


def test_clipping_by_norm_leaves_zero_and_short_gradients() -> None:
    assert torch.equal(clip_by_norm([torch.zeros(3)], 1.0)[0], torch.zeros(3))
    short = draw(4) / 100
    assert torch.equal(clip_by_norm([short], 1.0)[0], short)


# ------------------------------------------------------------------------------------------- dropout and ensembles


def test_dropout_keeps_the_expectation_and_has_a_mask_for_every_entry() -> None:
    """40,000 entries: the standard error of the share that is kept is 0.0023; 0.012 is five of them."""
    x = torch.ones(200, 200)
    generator = source(0)
    output, mask = dropout(x, 0.7, True, generator)
    _, second = dropout(x, 0.7, True, generator)
    assert abs((mask > 0).double().mean().item() - 0.7) < 0.012
    assert_close(mask.unique(), torch.tensor([0.0, 1 / 0.7]))
    assert torch.equal(output, x * mask)
    assert not torch.equal(mask, second)
    assert not torch.equal(mask[0], mask[1])
    assert torch.equal(dropout(x, 0.7, False)[0], x)
    with pytest.raises(ValueError, match="keep is 0"):
        dropout(x, 0.0, True)


def test_the_two_kinds_of_dropout_agree_behind_a_linear_layer() -> None:
    x, weight, bias = draw(6, 5), draw(3, 5, seed=1), draw(3, seed=2)
    inverted, _ = dropout(x, 0.5, True, source(3))
    plain, _ = dropout(x, 0.5, True, source(3), inverted=False)
    assert_close(inverted @ weight.T + bias, plain @ (weight / 0.5).T + bias)
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 5)  # all 2^5 sub-networks
    average = torch.stack([(x * mask) @ weight.T + bias for mask in masks]).mean(0)
    assert_close(x @ scale_for_test(weight, 0.5).T + bias, average)


def test_many_masks_average_to_the_scaled_net() -> None:
    """A linear layer: each entry of the mean of 4,000 draws is within six of its standard errors."""
    x, weight, generator = draw(3, 5), draw(2, 5, seed=1), source(0)
    found = mc_dropout(lambda x: dropout(x, 0.5, True, generator)[0] @ weight.T, x, 4000)
    error = ((x**2) @ (weight**2).T / 4000).sqrt()  # the variance of an inverted mask at keep = 1/2 is 1
    assert bool(((found - x @ weight.T).abs() < 6 * error).all())


def test_bootstrap_draws_with_replacement_and_keeps_pairs() -> None:
    """The share of distinct samples of 10,000 is 0.632 with a standard deviation of 0.003."""
    x = torch.arange(10_000.0)
    drawn, labels = bootstrap(x, torch.arange(10_000), source(0))
    assert torch.equal(drawn, labels.float())
    assert abs(len(drawn.unique()) / 10_000 - (1 - math.exp(-1))) < 0.02


def test_ensembles_average_probabilities_and_vote_with_a_stated_tie() -> None:
    p = draw(5, 20, 4).softmax(2)
    labels = torch.randint(4, (20,), generator=source(0))
    assert_close(ensemble_probabilities(p), sum(p) / 5)
    rows = torch.arange(20)
    assert -ensemble_probabilities(p)[rows, labels].log().mean() <= -p[:, rows, labels].log().mean()
    for sample, found in enumerate(ensemble_vote(p).tolist()):
        votes = p[:, sample].argmax(1).tolist()
        assert found == min(range(4), key=lambda c: (-votes.count(c), c))
    assert disagreement(p)[0, 1] == (p[0].argmax(1) != p[1].argmax(1)).double().mean()


def test_snapshots_are_copies_and_averages_leave_them_alone() -> None:
    net = Net([4, 6, 3], norm="before", generator=source(0))
    x, labels = torch.randn(40, 4, generator=source(1)), torch.arange(40) % 3
    states = snapshots(training_steps(net, x, labels, 0.1, 5, generator=source(2)), net.state, 3)
    assert len(states) == 3
    assert not torch.equal(states[0][0], states[1][0])
    assert not torch.equal(states[0][-1], states[2][-1]), "running statistics move, and are copied"
    before = [tensor.clone() for tensor in states[0]]
    mean = average_parameters(states)
    assert_close(mean[0], (states[0][0] + states[1][0] + states[2][0]) / 3)
    assert all(torch.equal(*pair) for pair in zip(states[0], before, strict=True))
    assert torch.equal(net.load(mean).weights[0].detach(), mean[0])


# -------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("norm", ["none", "before", "after"])
@devices
def test_nets_learn_the_digits_with_every_place_of_the_norm(norm: str, device: str) -> None:
    """Over 6 seeds the lowest test accuracy of the three variants is 0.89; the seed here is fixed."""
    data = digits(seed=0).to(device)
    net = Net([64, 40, 40, 10], norm, keep=0.9, generator=source(0)).to(device)
    list(training_steps(net, data.x_train, data.y_train, 0.05, 3, generator=source(1), limit=5.0))
    assert (net.probabilities(data.x_test).argmax(1) == data.y_test).double().mean() > 0.8
    assert len(net.parameters) == {"none": 6, "before": 8, "after": 10}[norm]


def test_a_net_agrees_with_the_modules_of_pytorch() -> None:
    net = Net([4, 6, 3], norm="before", generator=source(0))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 6, bias=False), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Linear(6, 3)
    )
    with torch.no_grad():
        theirs[0].weight.copy_(net.weights[0])
        theirs[3].weight.copy_(net.weights[1])
        theirs[3].bias.zero_()
    x = torch.randn(9, 4, generator=source(1))
    assert_close(net.logits(x, train=True), theirs(x))
    assert_close(net.logits(x), theirs.eval()(x))


def test_hidden_layers_are_those_of_the_net() -> None:
    """`Net` is written without the exercises, so both are held together here, at every place of the normalization."""
    x = torch.randn(12, 4, generator=source(1))
    for place in ("none", "before", "after"):
        net = Net([4, 6, 3], norm=place, generator=source(0))
        with torch.no_grad():
            net.biases[0] += 0.5 if place != "before" else 0.0
            for norm in net.norms:
                norm.gamma.copy_(torch.linspace(0.5, 1.5, 6))
                norm.beta.copy_(torch.linspace(-1, 1, 6))

        def norm_of(z: torch.Tensor, of: Net = net) -> torch.Tensor:
            return batch_norm(z, of.norms[0].gamma, of.norms[0].beta)[0]

        hidden = hidden_layer(x, net.weights[0], net.biases[0], norm_of, place)
        assert_close(hidden @ net.weights[1].T + net.biases[1], net.logits(x, train=True))
    with pytest.raises(ValueError, match="place is 'behind'"):
        hidden_layer(x, net.weights[0], net.biases[0], norm_of, "behind")


def test_rates_are_compared_from_one_start_and_bad_runs_are_ended() -> None:
    starts: list[float] = []
    asked: dict[float, int] = {}

    def run(norm: str, rate: float, generator: torch.Generator) -> Iterator[float]:
        starts.append(torch.rand(1, generator=generator).item())
        for step in range(10):
            asked[rate] = step + 1
            yield 2.0 * rate**step

    found = compare_rates(run, [0.5, 10.0], ["none"], seed=3)
    assert found == {"none": [pytest.approx(0.5**8 + 0.5**9), math.inf]}
    assert len(set(starts)) == 1
    assert asked == {0.5: 10, 10.0: 2}
    assert [is_hopeless(losses) for losses in ([2.0, 5.9], [2.0, 6.1], [2.0, math.nan], [2.0, 9.0, 1.0])] == [
        False, True, True, False
    ]  # fmt: skip


def test_heads_share_one_trunk() -> None:
    net = MultiHeadNet([4, 8], heads=5, classes=3, generator=source(0))
    sizes = [parameter.numel() for parameter in net.parameters]
    single, all_apart = 4 * 8 + 8 + 8 * 3 + 3, 5 * (4 * 8 + 8 + 8 * 3 + 3)
    assert single < sum(sizes) < all_apart
    x, labels = torch.randn(7, 4, generator=source(1)), torch.arange(7) % 3
    logits = net.logits(x)
    expected = torch.stack([F.cross_entropy(head, labels) for head in logits]).mean()
    assert_close(net.loss(x, labels), expected)
    net.loss(x, labels).backward()
    assert net.heads.grad is not None
    assert bool((net.heads.grad.flatten(1).norm(dim=1) > 0).all()), "every head learns"


def test_members_differ_and_are_reproducible() -> None:
    def make(generator: torch.Generator) -> Net:
        return Net([2, 3, 2], generator=generator)

    first, again = (train_ensemble(3, make, lambda net, generator: None, seed=4) for _ in range(2))
    assert torch.equal(first[2].weights[0], again[2].weights[0])
    assert not torch.equal(first[0].weights[0], first[1].weights[0])


def test_batch_norm_allows_larger_rates() -> None:
    """At a rate of 1 the plain nets of 10 seeds ended at 2.29 or worse, with batch normalization at 0.70 or less."""
    finals = compare_rates(classifier_runs(digits(), hidden=(50, 50, 50, 50), epochs=1), [1.0])
    assert finals["none"][0] > 1.5
    assert finals["before"][0] < 1.0
    assert finals["after"][0] < 1.0


# ---------------------------------------------------------------------------------------------------------- search


def test_log_uniform_is_uniform_in_the_logarithm() -> None:
    """Kolmogorov-Smirnov on 2,000 draws with a fixed seed; by chance the statistic exceeds 0.05 once in 10,000."""
    values = log_uniform(1e-6, 1e-3, 2000, source(0))
    u = (values.log10().sort().values + 6) / 3
    steps = torch.arange(1, 2001, dtype=torch.float64) / 2000
    assert max((steps - u).abs().max(), (steps - 1 / 2000 - u).abs().max()) < 0.05
    assert values.min() >= 1e-6
    assert values.max() <= 1e-3
    with pytest.raises(ValueError, match="expected 0 < low"):
        log_uniform(1e-3, 1e-6, 2)


def test_search_tries_more_values_at_random_and_ignores_nan() -> None:
    space = {"rate": (1e-4, 1e-1), "decay": (1e-5, 1.0)}
    grid, drawn = grid_settings(space, 5), random_settings(space, 25, source(0))
    assert len(grid) == len(drawn) == 25
    assert len({setting["rate"] for setting in grid}) == 5
    assert len({setting["rate"] for setting in drawn}) == 25
    best, trials = search(lambda s: math.nan if s["rate"] < 1e-3 else -s["rate"], drawn)
    assert best[0]["rate"] == min(setting["rate"] for setting in drawn if setting["rate"] >= 1e-3)
    assert [setting for setting, _ in trials] == drawn


def test_an_ensemble_beats_its_average_member_on_the_digits() -> None:
    """The notebook's headline, the mean of its five seeds: one net 94.5 % (93.8 to 95.2), ten 95.1 % (94.1 to 96.1).

    Seeds are fixed; only the rounding of another processor could move some of 1,297 images."""
    tables = [lecture.ensemble_table(digits(seed, test_size=1297), seed) for seed in range(5)]
    one, ten = (sum(table[name] for table in tables) / 5 for name in ("one net", "ensemble, average"))
    assert one == pytest.approx(0.945, abs=0.004)
    assert ten == pytest.approx(0.951, abs=0.004)
    assert one < ten
    assert min(table["one net"] for table in tables) > 0.93
