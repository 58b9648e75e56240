# Wrong solutions that the hidden tests must reject, each by the test that names the mistake, and right solutions written
# in other ways, which must get full marks. Format: docs/architecture.md, section 4. `course validate` grades them all.

# ---- below_line

# %% wrong="below_line" name="no_constant" rejected_by="test_constant_moves_the_line" says="wrong in"
def below_line(x, theta):
    return x @ theta[: x.shape[1]] <= 0

# %% wrong="below_line" name="boundary_outside" rejected_by="test_points_on_the_line_are_inside" says="wrong in"
def below_line(x, theta):
    return x @ theta[:-1] + theta[-1] < 0

# %% wrong="below_line" name="other_side" rejected_by="test_each_side_of_the_line" says="wrong in"
def below_line(x, theta):
    return x @ theta[:-1] + theta[-1] >= 0

# %% wrong="below_line" name="constant_first" rejected_by="test_each_side_of_the_line"
def below_line(x, theta):
    return theta[0] + x @ theta[1:] <= 0

# %% wrong="below_line" name="constant_subtracted" rejected_by="test_constant_moves_the_line"
def below_line(x, theta):
    # "the line is x . w = theta_3"
    return x @ theta[:-1] <= theta[-1]

# %% wrong="below_line" name="zeros_and_ones" rejected_by="test_any_number_of_points_and_features" says="boolean"
def below_line(x, theta):
    score = x @ theta[:-1] + theta[-1]
    return torch.where(score <= 0, 1.0, 0.0)

# %% wrong="below_line" name="two_features_only" rejected_by="test_any_number_of_points_and_features"
def below_line(x, theta):
    return x[:, 0] * theta[0] + x[:, 1] * theta[1] + theta[2] <= 0

# %% wrong="below_line" name="in_place" rejected_by="test_below_line_leaves_its_arguments" says="argument 1"
def below_line(x, theta):
    x *= theta[:-1]
    return x.sum(dim=1) + theta[-1] <= 0

# %% right="below_line" name="column_of_ones"
def below_line(x, theta):
    ones = torch.ones(x.shape[0], 1, dtype=x.dtype)
    return torch.hstack((x, ones)) @ theta <= 0

# %% right="below_line" name="python_loop"
def below_line(x, theta):
    inside = []
    for point in x.tolist():
        score = float(theta[-1])
        for value, weight in zip(point, theta.tolist()):
            score += value * weight
        inside.append(score <= 0)
    return torch.tensor(inside)

# %% right="below_line" name="numpy_array"
import numpy as np

def below_line(x, theta):
    x, theta = np.asarray(x), np.asarray(theta)
    return x.dot(theta[:-1]) + theta[-1] <= 0

# %% right="below_line" name="not_greater"
from torch import Tensor

def below_line(x: Tensor, theta: Tensor) -> Tensor:
    *weights, constant = theta
    return ~(torch.einsum("nd,d->n", x, torch.stack(weights)) > -constant)

# ---- quadratic_features

# %% wrong="quadratic_features" name="no_cross_term" rejected_by="test_five_features_in_order" says="(9, 4)"
def quadratic_features(x):
    return torch.cat([x, x**2], dim=1)

# %% wrong="quadratic_features" name="cross_term_is_a_sum" rejected_by="test_cross_term_solves_exclusive_or" says="same sign"
def quadratic_features(x):
    x1, x2 = x[:, 0], x[:, 1]
    return torch.stack([x1, x2, x1**2, x2**2, x1 + x2], dim=1)

# %% wrong="quadratic_features" name="interleaved" rejected_by="test_five_features_in_order"
def quadratic_features(x):
    x1, x2 = x[:, 0], x[:, 1]
    return torch.stack([x1, x1**2, x2, x2**2, x1 * x2], dim=1)

# %% wrong="quadratic_features" name="doubled_not_squared" rejected_by="test_squares_make_a_circle_linear"
def quadratic_features(x):
    x1, x2 = x[:, 0], x[:, 1]
    return torch.stack([x1, x2, 2 * x1, 2 * x2, x1 * x2], dim=1)

# %% wrong="quadratic_features" name="stacked_as_rows" rejected_by="test_five_features_in_order" says="shape"
def quadratic_features(x):
    x1, x2 = x[:, 0], x[:, 1]
    return torch.stack([x1, x2, x1**2, x2**2, x1 * x2])

# %% wrong="quadratic_features" name="with_a_constant" rejected_by="test_five_features_in_order" says="(9, 6)"
def quadratic_features(x):
    x1, x2 = x[:, 0], x[:, 1]
    return torch.stack([torch.ones_like(x1), x1, x2, x1**2, x2**2, x1 * x2], dim=1)

# %% wrong="quadratic_features" name="standardised" rejected_by="test_features_of_a_point_depend_on_it_alone"
def quadratic_features(x):
    x1, x2 = x[:, 0], x[:, 1]
    features = torch.stack([x1, x2, x1**2, x2**2, x1 * x2], dim=1)
    return (features - features.mean(dim=0)) / (features.std(dim=0, unbiased=False) + 1e-8)

# %% wrong="quadratic_features" name="squared_in_place" rejected_by="test_quadratic_features_leave_x" says="argument 1"
def quadratic_features(x):
    linear = x.clone()
    product = x[:, 0] * x[:, 1]
    x **= 2
    return torch.cat([linear, x, product[:, None]], dim=1)

# %% right="quadratic_features" name="row_by_row"
def quadratic_features(x):
    rows = []
    for a, b in x:
        rows.append(torch.tensor([a, b, a * a, b * b, a * b]))
    return torch.stack(rows)

# %% right="quadratic_features" name="filled_matrix"
def quadratic_features(x):
    result = torch.empty(len(x), 5, dtype=torch.float64)
    result[:, :2] = x
    result[:, 2:4] = x.square()
    result[:, 4] = x.prod(dim=1)
    return result

# %% right="quadratic_features" name="numpy_columns"
import numpy as np

def quadratic_features(x):
    x = np.array(x)
    return np.c_[x, x**2, x[:, 0] * x[:, 1]]

# ---- polynomial_features

# %% wrong="polynomial_features" name="with_constant" rejected_by="test_powers" says="(8, 4)"
def polynomial_features(x, degree):
    return torch.stack([x**k for k in range(degree + 1)], dim=1)

# %% wrong="polynomial_features" name="starts_at_zero" rejected_by="test_no_constant_column"
def polynomial_features(x, degree):
    return torch.stack([x**k for k in range(degree)], dim=1)

# %% wrong="polynomial_features" name="one_power_short" rejected_by="test_powers" says="(8, 2)"
def polynomial_features(x, degree):
    return torch.stack([x**k for k in range(1, max(degree, 2))], dim=1)

# %% wrong="polynomial_features" name="descending" rejected_by="test_powers_ascend" says="column"
import numpy as np

def polynomial_features(x, degree):
    return torch.from_numpy(np.vander(x.numpy(), degree + 1)[:, :-1].copy())

# %% wrong="polynomial_features" name="multiples" rejected_by="test_powers"
def polynomial_features(x, degree):
    return torch.stack([x * k for k in range(1, degree + 1)], dim=1)

# %% wrong="polynomial_features" name="exp_of_log" rejected_by="test_negative_numbers_and_zero" says="nan"
def polynomial_features(x, degree):
    k = torch.arange(1, degree + 1)
    return torch.exp(torch.log(x)[:, None] * k)

# %% wrong="polynomial_features" name="in_place_product" rejected_by="test_polynomial_features_leave_x" says="argument 1"
def polynomial_features(x, degree):
    original, columns = x.clone(), []
    for _ in range(degree):
        columns.append(x.clone())
        x *= original
    return torch.stack(columns, dim=1)

# %% wrong="polynomial_features" name="same_tensor_again" rejected_by="test_powers_ascend"
def polynomial_features(x, degree):
    power, columns = torch.ones_like(x), []
    for _ in range(degree):
        power *= x
        columns.append(power)
    return torch.stack(columns, dim=1)

# %% right="polynomial_features" name="broadcasting"
def polynomial_features(x, degree):
    return x.unsqueeze(-1) ** torch.arange(1, degree + 1)

# %% right="polynomial_features" name="cumulative_product"
def polynomial_features(x, degree):
    return x[:, None].expand(-1, degree).cumprod(dim=1)

# %% right="polynomial_features" name="numpy_vander"
import numpy as np

def polynomial_features(x, degree):
    return np.vander(np.asarray(x), degree + 1, increasing=True)[:, 1:]

# %% right="polynomial_features" name="nested_lists"
def polynomial_features(x: torch.Tensor, degree: int) -> torch.Tensor:
    return torch.tensor([[float(v) ** k for k in range(1, degree + 1)] for v in x], dtype=torch.float64)

# ---- least_squares

# %% wrong="least_squares" name="inverse_of_normal_matrix" rejected_by="test_high_powers" says="features.T @ features"
def least_squares(features, targets):
    return torch.linalg.inv(features.T @ features) @ features.T @ targets

# %% wrong="least_squares" name="solve_normal_equations" rejected_by="test_high_powers" says="features.T @ features"
def least_squares(features, targets):
    return torch.linalg.solve(features.T @ features, features.T @ targets)

# %% wrong="least_squares" name="pinv_of_normal_matrix" rejected_by="test_high_powers"
def least_squares(features, targets):
    return torch.linalg.pinv(features.T @ features) @ (features.T @ targets)

# %% wrong="least_squares" name="adds_a_constant" rejected_by="test_no_constant_is_added"
def least_squares(features, targets):
    ones = torch.ones(len(features), 1, dtype=features.dtype)
    solution = torch.linalg.pinv(torch.cat([features, ones], dim=1)) @ targets
    return solution[:-1]

# %% wrong="least_squares" name="ridge" rejected_by="test_residual_is_orthogonal" says="features^T residual"
def least_squares(features, targets):
    d = features.shape[1]
    return torch.linalg.solve(features.T @ features + 1e-3 * torch.eye(d, dtype=features.dtype), features.T @ targets)

# %% wrong="least_squares" name="centred" rejected_by="test_residual_is_orthogonal"
def least_squares(features, targets):
    centred = features - features.mean(dim=0)
    return torch.linalg.lstsq(centred, (targets - targets.mean())[:, None]).solution[:, 0]

# %% wrong="least_squares" name="column_of_parameters" rejected_by="test_recovers_noise_free_parameters" says="shape"
def least_squares(features, targets):
    return torch.linalg.lstsq(features, targets.reshape(-1, 1)).solution

# %% wrong="least_squares" name="few_gradient_steps" rejected_by="test_residual_is_orthogonal"
def least_squares(features, targets):
    theta = torch.zeros(features.shape[1], dtype=features.dtype)
    for _ in range(100):
        theta = theta - 0.1 * features.T @ (features @ theta - targets) / len(targets)
    return theta

# %% wrong="least_squares" name="rescales_in_place" rejected_by="test_least_squares_leaves_its_arguments" says="argument 1"
def least_squares(features, targets):
    scale = features.norm(dim=0)
    features /= scale
    return torch.linalg.lstsq(features, targets[:, None]).solution[:, 0] / scale

# %% right="least_squares" name="numpy"
import numpy as np

def least_squares(features, targets):
    return np.linalg.lstsq(features.numpy(), targets.numpy(), rcond=None)[0]

# %% right="least_squares" name="qr"
def least_squares(features, targets):
    q, r = torch.linalg.qr(features)
    return torch.linalg.solve_triangular(r, (q.T @ targets).unsqueeze(1), upper=True).flatten()

# %% right="least_squares" name="pinv"
def least_squares(features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.linalg.pinv(features) @ targets

# %% right="least_squares" name="svd_in_double"
def least_squares(features, targets):
    u, s, vt = torch.linalg.svd(features.double(), full_matrices=False)
    return (vt.T @ ((u.T @ targets.double()) / s)).to(features.dtype)

# ---- quizzes

# %% wrong="scale_facts" name="slide_counts" rejected_by="test_data_ratio" says="1.5 million"
depth_ratio = 19
data_ratio = 25
bert_tpu_hours = 864

# %% wrong="scale_facts" name="wrong_layers" rejected_by="test_depth_ratio" says="AlexNet"
depth_ratio = 152 / 7
data_ratio = 21
bert_tpu_hours = 54 * 16

# %% wrong="scale_facts" name="hours_only" rejected_by="test_bert_tpu_hours" says="number of TPUs"
depth_ratio = 19
data_ratio = 21
bert_tpu_hours = 54

# %% right="scale_facts" name="computed"
depth_ratio = 152 / 8
data_ratio = 1281167 / 60000
bert_tpu_hours = 54.0 * 16

# %% wrong="normalizer_facts" name="absolute_value_keeps_order" rejected_by="test_keeps_the_order"
keeps_the_order = "abs"
winner_under_square = 0
relu_slope_below_zero = 0

# %% wrong="normalizer_facts" name="largest_score_wins" rejected_by="test_winner_under_square" says="counted from 0"
keeps_the_order = "exp"
winner_under_square = 1
relu_slope_below_zero = 0

# %% wrong="normalizer_facts" name="slope_one" rejected_by="test_relu_slope_below_zero" says="constant"
keeps_the_order = "exp"
winner_under_square = 0
relu_slope_below_zero = 1

# %% right="normalizer_facts" name="capitals_and_floats"
keeps_the_order = " Exp "
winner_under_square = torch.tensor([-4, 3, 1]).square().argmax()
relu_slope_below_zero = 0.0

# %% wrong="diagnose" name="underfitting_polynomial" rejected_by="test_diagnosis_polynomial"
diagnosis_polynomial = "underfitting"
diagnosis_slow = "underfitting"
diagnosis_digits = "neither"

# %% wrong="diagnose" name="slow_is_neither" rejected_by="test_diagnosis_slow" says="learning rate"
diagnosis_polynomial = "overfitting"
diagnosis_slow = "neither"
diagnosis_digits = "neither"

# %% wrong="diagnose" name="any_gap_is_overfitting" rejected_by="test_diagnosis_digits" says="close together"
diagnosis_polynomial = "overfitting"
diagnosis_slow = "underfitting"
diagnosis_digits = "overfitting"

# %% right="diagnose" name="capitals"
diagnosis_polynomial = "Overfitting"
diagnosis_slow = "UNDERFITTING"
diagnosis_digits = "neither "

# ---- random_search

# %% wrong="random_search" name="returns_the_last" rejected_by="test_returns_the_best_candidate" says="the best theta"
def random_search(loss, sampler, trials):
    best, trace = float("inf"), []
    for _ in range(trials):
        theta = sampler()
        best = min(best, float(loss(theta)))
        trace.append(best)
    return theta, torch.tensor(trace, dtype=torch.float64)

# %% wrong="random_search" name="maximises" rejected_by="test_returns_the_best_candidate"
def random_search(loss, sampler, trials):
    best, best_theta, trace = -float("inf"), None, []
    for _ in range(trials):
        theta = sampler()
        value = float(loss(theta))
        if value > best:
            best, best_theta = value, theta
        trace.append(best)
    return best_theta, torch.tensor(trace, dtype=torch.float64)

# %% wrong="random_search" name="all_losses" rejected_by="test_best_losses_never_increase" says="so far"
def random_search(loss, sampler, trials):
    candidates = [sampler() for _ in range(trials)]
    losses = torch.tensor([float(loss(theta)) for theta in candidates], dtype=torch.float64)
    return candidates[int(losses.argmin())], losses

# %% wrong="random_search" name="starts_from_a_large_number" rejected_by="test_losses_of_any_size_and_sign"
def random_search(loss, sampler, trials):
    best, best_theta, trace = 1e6, torch.zeros(2), []
    for _ in range(trials):
        theta = sampler()
        value = float(loss(theta))
        if value < best:
            best, best_theta = value, theta
        trace.append(best)
    return best_theta, torch.tensor(trace, dtype=torch.float64)

# %% wrong="random_search" name="absolute_losses" rejected_by="test_losses_of_any_size_and_sign"
def random_search(loss, sampler, trials):
    best, best_theta, trace = None, None, []
    for _ in range(trials):
        theta = sampler()
        value = abs(float(loss(theta)))
        if best is None or value < best:
            best, best_theta = value, theta
        trace.append(best)
    return best_theta, torch.tensor(trace, dtype=torch.float64)

# %% wrong="random_search" name="samples_again" rejected_by="test_one_draw_for_each_trial" says="sampler"
def random_search(loss, sampler, trials):
    best, best_theta, trace = float("inf"), None, []
    for _ in range(trials):
        value = float(loss(sampler()))
        if value < best:
            best, best_theta = value, sampler()
        trace.append(best)
    return best_theta, torch.tensor(trace, dtype=torch.float64)

# %% wrong="random_search" name="improvements_only" rejected_by="test_best_losses_never_increase" says="shape"
def random_search(loss, sampler, trials):
    best_theta, trace = None, []
    for _ in range(trials):
        theta = sampler()
        value = float(loss(theta))
        if not trace or value < trace[-1]:
            best_theta = theta
            trace.append(value)
    return best_theta, torch.tensor(trace, dtype=torch.float64)

# %% wrong="random_search" name="later_tie_wins" rejected_by="test_a_tie_keeps_the_first"
def random_search(loss, sampler, trials):
    best, best_theta, trace = float("inf"), None, []
    for _ in range(trials):
        theta = sampler()
        value = float(loss(theta))
        if value <= best:
            best, best_theta = value, theta
        trace.append(best)
    return best_theta, torch.tensor(trace, dtype=torch.float64)

# %% wrong="random_search" name="needs_a_tensor_loss" rejected_by="test_a_tie_keeps_the_first" says="item"
def random_search(loss, sampler, trials):
    thetas = [sampler() for _ in range(trials)]
    losses = [loss(theta).item() for theta in thetas]
    trace = [min(losses[: k + 1]) for k in range(trials)]
    return thetas[losses.index(min(losses))], torch.tensor(trace, dtype=torch.float64)

# %% right="random_search" name="cumulative_minimum"
def random_search(loss, sampler, trials):
    thetas = torch.stack([sampler() for _ in range(trials)])
    losses = torch.tensor([float(loss(theta)) for theta in thetas], dtype=torch.float64)
    return thetas[losses.argmin()], losses.cummin(dim=0).values

# %% right="random_search" name="filled_array"
import numpy as np

def random_search(loss, sampler, trials):
    trace = np.empty(trials)
    best, best_theta = np.inf, None
    for k in range(trials):
        theta = sampler()
        value = float(loss(theta))
        if value < best:
            best, best_theta = value, theta.clone()
        trace[k] = best
    return best_theta, trace

# %% right="random_search" name="plain_list"
def random_search(loss, sampler, trials):
    history = []
    for _ in range(trials):
        theta = sampler()
        history.append((float(loss(theta)), theta))
    values = [value for value, _ in history]
    running = [min(values[: k + 1]) for k in range(trials)]
    return history[values.index(min(values))][1], running

# ---- softmax

# %% wrong="softmax" name="no_max_subtraction" rejected_by="test_softmax_survives_large_logits test_each_row_has_its_own_maximum" says="overflow" tells="a row's own maximum is not subtracted before `exp`"
def softmax(logits, dim=-1):
    e = torch.exp(logits)
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="one_maximum_for_all" rejected_by="test_softmax_survives_large_logits test_each_row_has_its_own_maximum" says="nan" tells="a row's own maximum is not subtracted before `exp`"
def softmax(logits, dim=-1):
    e = torch.exp(logits - logits.max())
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="maximum_of_the_columns" rejected_by="test_each_row_has_its_own_maximum"
def softmax(logits, dim=-1):
    e = torch.exp(logits - logits.amax(dim=0))
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="over_the_batch" rejected_by="test_probabilities_of_moderate_logits" says="row"
def softmax(logits, dim=0):
    e = torch.exp(logits - logits.amax(dim=dim, keepdim=True))
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="sum_of_everything" rejected_by="test_probabilities_of_moderate_logits"
def softmax(logits, dim=-1):
    e = torch.exp(logits - logits.amax(dim=dim, keepdim=True))
    return e / e.sum()

# %% wrong="softmax" name="applied_twice" rejected_by="test_probabilities_of_moderate_logits" says="twice"
def softmax(logits, dim=-1):
    for _ in range(2):
        e = torch.exp(logits - logits.amax(dim=dim, keepdim=True))
        logits = e / e.sum(dim=dim, keepdim=True)
    return logits

# %% wrong="softmax" name="ignores_dim" rejected_by="test_softmax_along_any_axis" says="axis" tells="the maximum or the sum runs along the last axis, whatever `dim` says"
def softmax(logits, dim=-1):
    e = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return e / e.sum(dim=-1, keepdim=True)

# %% wrong="softmax" name="dim_for_the_sum_only" rejected_by="test_softmax_along_any_axis" tells="the maximum or the sum runs along the last axis, whatever `dim` says"
def softmax(logits, dim=-1):
    e = torch.exp(logits - logits.max(-1, keepdim=True).values)
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="clipped_exponent" rejected_by="test_softmax_survives_large_logits test_each_row_has_its_own_maximum" tells="a row's own maximum is not subtracted before `exp`"
def softmax(logits, dim=-1):
    e = torch.exp(logits.clamp(-50, 50))
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="epsilon_in_the_denominator" rejected_by="test_softmax_keeps_precision_and_arguments" says="second call" tells="a small number is added to the denominator"
def softmax(logits, dim=-1):
    e = torch.exp(logits - logits.amax(dim=dim, keepdim=True))
    return e / (e.sum(dim=dim, keepdim=True) + 1e-6)

# %% wrong="softmax" name="always_single_precision" rejected_by="test_softmax_keeps_precision_and_arguments" says="float64"
def softmax(logits, dim=-1):
    z = logits.float()
    e = torch.exp(z - z.amax(dim=dim, keepdim=True))
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="subtracts_in_place" rejected_by="test_softmax_keeps_precision_and_arguments" says="argument 1"
def softmax(logits, dim=-1):
    if logits.requires_grad:
        logits = logits.clone()
    logits -= logits.detach().amax(dim=dim, keepdim=True)
    e = logits.exp()
    return e / e.sum(dim=dim, keepdim=True)

# %% wrong="softmax" name="denominator_detached" rejected_by="test_gradient_of_softmax" says="gradient with respect to the logits is wrong" tells="a part of the computation is detached from the graph"
def softmax(logits, dim=-1):
    e = torch.exp(logits - logits.amax(dim=dim, keepdim=True).detach())
    return e / e.sum(dim=dim, keepdim=True).detach()

# %% wrong="softmax" name="numpy_inside" rejected_by="test_gradient_of_softmax" says="gradient"
import numpy as np

def softmax(logits, dim=-1):
    z = logits.detach().numpy()
    e = np.exp(z - z.max(axis=dim, keepdims=True))
    return torch.from_numpy(e / e.sum(axis=dim, keepdims=True))

# %% wrong="softmax" name="built_in" rejected_by="forbidden"
def softmax(logits, dim=-1):
    return torch.softmax(logits, dim)

# %% wrong="softmax" name="functional" rejected_by="forbidden"
import torch.nn.functional as F

def softmax(logits, dim=-1):
    return F.softmax(logits, dim=dim)

# %% wrong="softmax" name="method" rejected_by="forbidden"
def softmax(logits, dim=-1):
    return logits.softmax(dim)

# %% wrong="softmax" name="module" rejected_by="forbidden"
def softmax(logits, dim=-1):
    return torch.nn.Softmax(dim=dim)(logits)

# %% wrong="softmax" name="by_getattr" rejected_by="forbidden"
def softmax(logits, dim=-1):
    return getattr(torch, "soft" + "max")(logits, dim)

# %% wrong="softmax" name="by_importlib" rejected_by="forbidden"
import importlib

def softmax(logits, dim=-1):
    return importlib.import_module("torch.nn.functional").softmax(logits, dim)

# %% wrong="softmax" name="exp_of_log_softmax" rejected_by="forbidden"
def softmax(logits, dim=-1):
    return torch.log_softmax(logits, dim).exp()

# %% wrong="softmax" name="scipy" rejected_by="forbidden"
def softmax(logits, dim=-1):
    from scipy.special import softmax as ready_made
    return torch.from_numpy(ready_made(logits.detach().numpy(), axis=dim))

# %% right="softmax" name="max_with_values"
def softmax(logits, dim=-1):
    largest, _ = logits.max(dim, keepdim=True)
    numerator = (logits - largest).exp()
    return numerator.div(numerator.sum(dim, keepdim=True))

# %% right="softmax" name="classes_last"
def softmax(logits, dim=-1):
    z = logits.movedim(dim, -1)
    e = torch.exp(z - z.max(dim=-1).values.unsqueeze(-1))
    return torch.einsum("...c,...->...c", e, 1 / e.sum(dim=-1)).movedim(-1, dim)

# %% right="softmax" name="double_precision_inside"
def softmax(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    z = logits.double()
    z = z - z.amax(dim, True)
    return (z.exp() / z.exp().sum(dim, True)).to(logits.dtype)

# %% right="softmax" name="loop_over_rows"
def softmax(logits, dim=-1):
    moved = logits.transpose(dim, -1)
    rows = []
    for row in moved.reshape(-1, moved.shape[-1]):
        e = torch.exp(row - max(row))
        rows.append(e / sum(e))
    return torch.stack(rows).reshape(moved.shape).transpose(dim, -1)

# %% right="softmax" name="helper_in_the_cell"
def stable_exponentials(z, axis):
    return torch.exp(z - torch.amax(z, dim=axis, keepdim=True))

def softmax(logits, dim=-1):
    parts = stable_exponentials(logits, dim)
    return parts / torch.sum(parts, dim=dim, keepdim=True)

# ---- log_softmax

# %% wrong="log_softmax" name="log_of_softmax" rejected_by="test_no_logarithm_of_zero" says="infinite"
def log_softmax(logits, dim=-1):
    e = torch.exp(logits - logits.amax(dim=dim, keepdim=True))
    return torch.log(e / e.sum(dim=dim, keepdim=True))

# %% wrong="log_softmax" name="log_of_the_earlier_softmax" rejected_by="test_no_logarithm_of_zero" says="infinite"
def log_softmax(logits, dim=-1):
    return softmax(logits, dim).log()

# %% wrong="log_softmax" name="epsilon_inside" rejected_by="test_no_logarithm_of_zero test_gradient_of_log_softmax test_log_softmax_keeps_precision_and_arguments test_log_softmax_survives_large_logits" says="small number" tells="a small number is added inside the logarithm"
def log_softmax(logits, dim=-1):
    e = torch.exp(logits - logits.amax(dim=dim, keepdim=True))
    return torch.log(e / e.sum(dim=dim, keepdim=True) + 1e-12)

# %% wrong="log_softmax" name="no_max_subtraction" rejected_by="test_log_softmax_survives_large_logits" says="overflow"
def log_softmax(logits, dim=-1):
    return logits - torch.log(torch.exp(logits).sum(dim=dim, keepdim=True))

# %% wrong="log_softmax" name="one_maximum_for_all" rejected_by="test_log_softmax_survives_large_logits" says="whole matrix"
def log_softmax(logits, dim=-1):
    z = logits - logits.max()
    return z - z.exp().sum(dim=dim, keepdim=True).log()

# %% wrong="log_softmax" name="maximum_not_added_back" rejected_by="test_log_probabilities_of_moderate_logits" says="minus log of the sum"
def log_softmax(logits, dim=-1):
    largest = logits.amax(dim=dim, keepdim=True)
    return logits - (logits - largest).exp().sum(dim=dim, keepdim=True).log()

# %% wrong="log_softmax" name="ignores_dim" rejected_by="test_log_softmax_along_any_axis" says="axis" tells="the maximum or the sum runs along the last axis, whatever `dim` says"
def log_softmax(logits, dim=-1):
    z = logits - logits.amax(dim=-1, keepdim=True)
    return z - z.exp().sum(dim=-1, keepdim=True).log()

# %% wrong="log_softmax" name="no_keepdim" rejected_by="test_log_probabilities_of_moderate_logits"
def log_softmax(logits, dim=-1):
    z = logits - logits.amax(dim=dim, keepdim=True)
    return z - z.exp().sum(dim=dim).log()

# %% wrong="log_softmax" name="negated" rejected_by="test_log_probabilities_of_moderate_logits" says="never positive"
def log_softmax(logits, dim=-1):
    z = logits - logits.amax(dim=dim, keepdim=True)
    return z.exp().sum(dim=dim, keepdim=True).log() - z

# %% wrong="log_softmax" name="base_two" rejected_by="test_log_probabilities_of_moderate_logits" says="natural"
def log_softmax(logits, dim=-1):
    z = logits - logits.amax(dim=dim, keepdim=True)
    return z - torch.log2(z.exp().sum(dim=dim, keepdim=True))

# %% wrong="log_softmax" name="always_single_precision" rejected_by="test_log_softmax_keeps_precision_and_arguments" says="float64"
def log_softmax(logits, dim=-1):
    z = logits.float()
    z = z - z.amax(dim=dim, keepdim=True)
    return z - z.exp().sum(dim=dim, keepdim=True).log()

# %% wrong="log_softmax" name="shifts_in_place" rejected_by="test_log_softmax_keeps_precision_and_arguments" says="argument 1"
def log_softmax(logits, dim=-1):
    if logits.requires_grad:
        logits = logits.clone()
    logits -= logits.detach().amax(dim=dim, keepdim=True)
    return logits - logits.exp().sum(dim=dim, keepdim=True).log()

# %% wrong="log_softmax" name="detached_normaliser" rejected_by="test_gradient_of_log_softmax" says="gradient with respect to the logits is wrong" tells="a part of the computation is detached from the graph"
def log_softmax(logits, dim=-1):
    z = logits - logits.detach().amax(dim=dim, keepdim=True)
    return z - z.detach().exp().sum(dim=dim, keepdim=True).log()

# %% wrong="log_softmax" name="built_in" rejected_by="forbidden"
def log_softmax(logits, dim=-1):
    return torch.log_softmax(logits, dim)

# %% wrong="log_softmax" name="functional_renamed" rejected_by="forbidden"
from torch.nn.functional import log_softmax as ready_made

def log_softmax(logits, dim=-1):
    return ready_made(logits, dim)

# %% wrong="log_softmax" name="method_by_getattr" rejected_by="forbidden"
def log_softmax(logits, dim=-1):
    return getattr(logits, "log_" + "softmax")(dim)

# %% right="log_softmax" name="maximum_added_back"
def log_softmax(logits, dim=-1):
    largest = logits.max(dim=dim, keepdim=True)[0]
    log_sum = largest + torch.log(torch.sum(torch.exp(logits - largest), dim=dim, keepdim=True))
    return logits - log_sum

# %% right="log_softmax" name="double_precision_inside"
def log_softmax(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    z = logits.to(torch.float64)
    z = z - z.amax(dim, keepdim=True)
    return (z - z.exp().sum(dim, keepdim=True).log()).to(logits.dtype)

# %% right="log_softmax" name="differences_of_all_pairs"
def log_softmax(logits, dim=-1):
    # log p_i = -log sum_j exp(z_j - z_i), with the largest difference taken out of each sum
    z = logits.movedim(dim, -1)
    difference = z[..., None, :] - z[..., :, None]
    largest = difference.detach().amax(-1, keepdim=True)
    result = -(largest[..., 0] + (difference - largest).exp().sum(-1).log())
    return result.movedim(-1, dim)

# %% right="log_softmax" name="loop_over_rows"
def log_softmax(logits, dim=-1):
    moved = logits.transpose(dim, -1)
    rows = [row - row.max() for row in moved.reshape(-1, moved.shape[-1])]
    rows = [row - sum(torch.exp(v) for v in row).log() for row in rows]
    return torch.stack(rows).reshape(moved.shape).transpose(dim, -1)

# ---- sigmoid

# %% wrong="sigmoid" name="textbook_formula" rejected_by="test_gradient_of_sigmoid" says="the gradient is nan in" tells="`exp` overflows on the way: the value survives that, its gradient does not"
def sigmoid(z):
    return 1 / (1 + torch.exp(-z))

# %% wrong="sigmoid" name="overflow_for_positive" rejected_by="test_sigmoid_survives_large_numbers" says="nan"
def sigmoid(z):
    e = torch.exp(z)
    return e / (1 + e)

# %% wrong="sigmoid" name="wrong_sign" rejected_by="test_sigmoid_of_moderate_numbers" says="sign"
def sigmoid(z):
    e = torch.exp(-z.abs())
    return torch.where(z >= 0, e, torch.ones_like(e)) / (1 + e)

# %% wrong="sigmoid" name="where_on_both_branches" rejected_by="test_gradient_of_sigmoid" says="the gradient is nan in" tells="`exp` overflows on the way: the value survives that, its gradient does not"
def sigmoid(z):
    return torch.where(z >= 0, 1 / (1 + torch.exp(-z)), torch.exp(z) / (1 + torch.exp(z)))

# %% wrong="sigmoid" name="clipped" rejected_by="test_sigmoid_far_in_the_tail" tells="the argument is clipped before the exponential"
def sigmoid(z):
    return 1 / (1 + torch.exp(-z.clamp(-30, 30)))

# %% wrong="sigmoid" name="one_minus_in_the_tail" rejected_by="test_sigmoid_far_in_the_tail test_gradient_of_sigmoid" says="lost in rounding" tells="1 minus a number close to 1 is computed, which keeps none of its digits"
def sigmoid(z):
    positive = 1 / (1 + torch.exp(-z.abs()))
    return torch.where(z >= 0, positive, 1 - positive)

# %% wrong="sigmoid" name="no_slope_at_zero" rejected_by="test_gradient_of_sigmoid" says="gradient is wrong in 1 of"
def sigmoid(z):
    e = torch.exp(-z.abs())
    return torch.where(z >= 0, 1 / (1 + e), e / (1 + e))

# %% wrong="sigmoid" name="hyperbolic_tangent" rejected_by="test_sigmoid_of_moderate_numbers"
def sigmoid(z):
    return torch.tanh(z / 2)

# %% wrong="sigmoid" name="softmax_over_the_batch" rejected_by="test_sigmoid_of_moderate_numbers"
def sigmoid(z):
    return torch.exp(z - z.max()) / torch.exp(z - z.max()).sum()

# %% wrong="sigmoid" name="always_single_precision" rejected_by="test_symmetry_of_sigmoid" says="float64"
def sigmoid(z):
    z = z.float()
    return softmax(torch.stack([z, torch.zeros_like(z)], dim=-1))[..., 0]

# %% wrong="sigmoid" name="in_place" rejected_by="test_sigmoid_leaves_its_argument" says="argument 1"
def sigmoid(z):
    return 1 / (1 + z.neg_().exp_())

# %% wrong="sigmoid" name="built_in" rejected_by="forbidden"
def sigmoid(z):
    return torch.sigmoid(z)

# %% wrong="sigmoid" name="method" rejected_by="forbidden"
def sigmoid(z):
    return z.sigmoid()

# %% wrong="sigmoid" name="functional" rejected_by="forbidden"
import torch.nn.functional as F

def sigmoid(z):
    return F.logsigmoid(z).exp()

# %% wrong="sigmoid" name="scipy_expit" rejected_by="forbidden"
def sigmoid(z):
    from scipy.special import expit
    return torch.from_numpy(expit(z.numpy()))

# %% wrong="sigmoid" name="special_expit" rejected_by="forbidden"
def sigmoid(z):
    return torch.special.expit(z)

# %% right="sigmoid" name="two_class_softmax"
def sigmoid(z):
    pair = torch.stack((torch.zeros_like(z), z), dim=-1)
    return softmax(pair, dim=-1)[..., 1]

# %% right="sigmoid" name="safe_where"
def sigmoid(z):
    below, above = torch.clamp(z, max=0), torch.clamp(z, min=0)
    # each formula only sees numbers for which it is safe
    left = torch.exp(torch.where(z < 0, z, 0.0))
    right = torch.exp(-torch.where(z < 0, 0.0, z))
    return torch.where(z < 0, left / (1 + left), 1 / (1 + right))

# %% right="sigmoid" name="masked_assignment"
def sigmoid(z: torch.Tensor) -> torch.Tensor:
    result = torch.empty_like(z)
    positive = z >= 0
    result[positive] = 1 / (1 + torch.exp(-z[positive]))
    e = torch.exp(z[~positive])
    result[~positive] = e / (1 + e)
    return result

# %% right="sigmoid" name="element_by_element"
def sigmoid(z):
    flat = []
    for v in z.reshape(-1):
        flat.append(1 / (1 + torch.exp(-v)) if v >= 0 else torch.exp(v) / (1 + torch.exp(v)))
    return torch.stack(flat).reshape(z.shape)

# ---- binary_weights

# %% wrong="binary_weights" name="reversed" rejected_by="test_weights_give_the_first_class" says="second class"
def binary_weights(theta_1, theta_2):
    return theta_2 - theta_1

# %% wrong="binary_weights" name="added" rejected_by="test_common_vector_changes_nothing"
def binary_weights(theta_1, theta_2):
    return theta_1 + theta_2

# %% wrong="binary_weights" name="first_only" rejected_by="test_common_vector_changes_nothing"
def binary_weights(theta_1, theta_2):
    return theta_1.clone()

# %% wrong="binary_weights" name="halved" rejected_by="test_weights_give_the_first_class"
def binary_weights(theta_1, theta_2):
    return (theta_1 - theta_2) / 2

# %% wrong="binary_weights" name="unit_length" rejected_by="test_swapping_the_classes" says="length 1"
def binary_weights(theta_1, theta_2):
    difference = theta_1 - theta_2
    return difference / difference.norm()

# %% wrong="binary_weights" name="absolute_value" rejected_by="test_swapping_the_classes" says="swapped"
def binary_weights(theta_1, theta_2):
    return (theta_1 - theta_2).abs()

# %% wrong="binary_weights" name="stacked" rejected_by="test_weights_give_the_first_class" says="shape"
def binary_weights(theta_1, theta_2):
    return torch.stack([theta_1, theta_2])

# %% wrong="binary_weights" name="in_place" rejected_by="test_binary_weights_leave_their_arguments" says="argument 1"
def binary_weights(theta_1, theta_2):
    theta_1 -= theta_2
    return theta_1

# %% right="binary_weights" name="torch_sub"
def binary_weights(theta_1: torch.Tensor, theta_2: torch.Tensor) -> torch.Tensor:
    return torch.sub(theta_1, theta_2)

# %% right="binary_weights" name="numpy"
import numpy as np

def binary_weights(theta_1, theta_2):
    return np.subtract(theta_1.numpy(), theta_2.numpy())

# %% right="binary_weights" name="list_comprehension"
def binary_weights(theta_1, theta_2):
    return torch.stack([a - b for a, b in zip(theta_1, theta_2)])

# ---- log_likelihood

# %% wrong="log_likelihood" name="log_of_product" rejected_by="test_many_samples_do_not_underflow" says="infinite"
def log_likelihood(probabilities, labels):
    return torch.log(torch.prod(probabilities[torch.arange(len(labels)), labels]))

# %% wrong="log_likelihood" name="mean" rejected_by="test_likelihood_is_a_sum" says="factor"
def log_likelihood(probabilities, labels):
    return probabilities[torch.arange(len(labels)), labels].log().mean()

# %% wrong="log_likelihood" name="negative" rejected_by="test_sum_of_log_probabilities" says="sign"
def log_likelihood(probabilities, labels):
    return -probabilities[torch.arange(len(labels)), labels].log().sum()

# %% wrong="log_likelihood" name="whole_columns" rejected_by="test_row_and_label_belong_together"
def log_likelihood(probabilities, labels):
    return probabilities[:, labels].log().sum() / len(labels)

# %% wrong="log_likelihood" name="diagonal_of_rows" rejected_by="test_row_and_label_belong_together"
def log_likelihood(probabilities, labels):
    # picks the rows named by the labels
    return probabilities[labels][:, 0].log().sum()

# %% wrong="log_likelihood" name="largest_probability" rejected_by="test_sum_of_log_probabilities"
def log_likelihood(probabilities, labels):
    return probabilities.max(dim=1).values.log().sum()

# %% wrong="log_likelihood" name="sum_without_log" rejected_by="test_sum_of_log_probabilities" says="logarithm"
def log_likelihood(probabilities, labels):
    return probabilities[torch.arange(len(labels)), labels].sum()

# %% wrong="log_likelihood" name="softmax_first" rejected_by="test_sum_of_log_probabilities"
def log_likelihood(probabilities, labels):
    p = softmax(probabilities)
    return p[torch.arange(len(labels)), labels].log().sum()

# %% wrong="log_likelihood" name="one_value_each" rejected_by="test_sum_of_log_probabilities" says="shape"
def log_likelihood(probabilities, labels):
    return probabilities[torch.arange(len(labels)), labels].log()

# %% wrong="log_likelihood" name="log_in_place" rejected_by="test_log_likelihood_leaves_its_arguments" says="argument 1"
def log_likelihood(probabilities, labels):
    return probabilities.log_()[torch.arange(len(labels)), labels].sum()

# %% right="log_likelihood" name="gather"
def log_likelihood(probabilities, labels):
    return torch.log(probabilities.gather(1, labels.unsqueeze(1))).sum()

# %% right="log_likelihood" name="loop_with_math"
import math

def log_likelihood(probabilities, labels):
    total = 0.0
    for row, label in zip(probabilities, labels):
        total += math.log(row[label])
    return total

# %% right="log_likelihood" name="numpy"
import numpy as np

def log_likelihood(probabilities, labels):
    p, y = np.asarray(probabilities), np.asarray(labels)
    return np.log(p[np.arange(len(y)), y]).sum()

# %% right="log_likelihood" name="one_hot_mask"
def log_likelihood(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    mask = torch.nn.functional.one_hot(labels, probabilities.shape[1]).bool()
    return probabilities[mask].double().log().sum()

# ---- negative_log_likelihood

# %% wrong="negative_log_likelihood" name="log_of_softmax" rejected_by="test_finite_for_extreme_logits" says="infinite"
def negative_log_likelihood(logits, labels):
    p = softmax(logits)
    return -torch.log(p[torch.arange(len(labels)), labels]).mean()

# %% wrong="negative_log_likelihood" name="naive_log_sum_exp" rejected_by="test_finite_for_extreme_logits"
def negative_log_likelihood(logits, labels):
    log_p = logits - logits.exp().sum(dim=1, keepdim=True).log()
    return -log_p[torch.arange(len(labels)), labels].mean()

# %% wrong="negative_log_likelihood" name="epsilon_inside" rejected_by="test_finite_for_extreme_logits"
def negative_log_likelihood(logits, labels):
    p = softmax(logits)
    return -torch.log(p[torch.arange(len(labels)), labels] + 1e-9).mean()

# %% wrong="negative_log_likelihood" name="clipped_probabilities" rejected_by="test_finite_for_extreme_logits"
def negative_log_likelihood(logits, labels):
    p = softmax(logits).clamp(min=1e-12)
    return -torch.log(p[torch.arange(len(labels)), labels]).mean()

# %% wrong="negative_log_likelihood" name="whole_columns" rejected_by="test_each_row_uses_its_own_label" says="wrong"
def negative_log_likelihood(logits, labels):
    return -log_softmax(logits)[:, labels].mean()

# %% wrong="negative_log_likelihood" name="mean_over_classes_too" rejected_by="test_equal_logits_cost_log_of_classes" says="factor"
def negative_log_likelihood(logits, labels):
    one_hot = torch.nn.functional.one_hot(labels, logits.shape[1])
    return -(one_hot * log_softmax(logits)).mean()

# %% wrong="negative_log_likelihood" name="sum_over_samples" rejected_by="test_equal_logits_cost_log_of_classes" says="factor"
def negative_log_likelihood(logits, labels):
    return -log_softmax(logits)[torch.arange(len(labels)), labels].sum()

# %% wrong="negative_log_likelihood" name="no_minus" rejected_by="test_matches_cross_entropy" says="sign"
def negative_log_likelihood(logits, labels):
    return log_softmax(logits)[torch.arange(len(labels)), labels].mean()

# %% wrong="negative_log_likelihood" name="probabilities_expected" rejected_by="test_matches_cross_entropy" says="softmax"
def negative_log_likelihood(logits, labels):
    return -log_softmax(softmax(logits))[torch.arange(len(labels)), labels].mean()

# %% wrong="negative_log_likelihood" name="over_the_batch" rejected_by="test_equal_logits_cost_log_of_classes"
def negative_log_likelihood(logits, labels):
    return -log_softmax(logits, dim=0)[torch.arange(len(labels)), labels].mean()

# %% wrong="negative_log_likelihood" name="bits" rejected_by="test_equal_logits_cost_log_of_classes"
def negative_log_likelihood(logits, labels):
    return -log_softmax(logits)[torch.arange(len(labels)), labels].mean() / torch.log(torch.tensor(2.0))

# %% wrong="negative_log_likelihood" name="python_number" rejected_by="test_gradient_of_the_loss" says="gradient"
def negative_log_likelihood(logits, labels):
    total = 0.0
    for row, label in zip(log_softmax(logits), labels):
        total -= row[label].item()
    return torch.tensor(total / len(labels))

# %% wrong="negative_log_likelihood" name="detached" rejected_by="test_gradient_of_the_loss"
def negative_log_likelihood(logits, labels):
    shifted = logits - logits.amax(dim=1, keepdim=True)
    log_sum = shifted.exp().sum(dim=1).log().detach()
    return (log_sum - shifted[torch.arange(len(labels)), labels]).mean()

# %% wrong="negative_log_likelihood" name="shifts_in_place" rejected_by="test_loss_keeps_precision_and_arguments" says="argument 1"
def negative_log_likelihood(logits, labels):
    if logits.requires_grad:
        logits = logits.clone()
    logits -= logits.detach().amax(dim=1, keepdim=True)
    return (logits.exp().sum(dim=1).log() - logits[torch.arange(len(labels)), labels]).mean()

# %% wrong="negative_log_likelihood" name="built_in" rejected_by="forbidden"
def negative_log_likelihood(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels)

# %% wrong="negative_log_likelihood" name="nll_loss" rejected_by="forbidden"
import torch.nn.functional as F

def negative_log_likelihood(logits, labels):
    return F.nll_loss(log_softmax(logits), labels)

# %% wrong="negative_log_likelihood" name="loss_module" rejected_by="forbidden"
def negative_log_likelihood(logits, labels):
    criterion = torch.nn.CrossEntropyLoss()
    return criterion(logits, labels)

# %% wrong="negative_log_likelihood" name="by_dict" rejected_by="forbidden"
def negative_log_likelihood(logits, labels):
    return vars(torch.nn.functional)["cross_" + "entropy"](logits, labels)

# %% right="negative_log_likelihood" name="log_sum_exp_by_hand"
def negative_log_likelihood(logits, labels):
    largest = logits.max(dim=1, keepdim=True).values
    log_sum = (logits - largest).exp().sum(dim=1).log() + largest.squeeze(1)
    return (log_sum - logits.gather(1, labels[:, None]).squeeze(1)).mean()

# %% right="negative_log_likelihood" name="loop_over_samples"
def negative_log_likelihood(logits, labels):
    total = 0
    for row, label in zip(logits, labels):
        total = total - log_softmax(row)[label]
    return total / logits.shape[0]

# %% right="negative_log_likelihood" name="one_hot_sum_in_double"
def negative_log_likelihood(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    y = torch.eye(logits.shape[1], dtype=torch.float64)[labels]
    return -torch.einsum("nc,nc->", y, log_softmax(logits.double())) / len(y)

# ---- zero_one_loss

# %% wrong="zero_one_loss" name="counts_the_right_ones" rejected_by="test_counts_the_mistakes"
def zero_one_loss(predictions, labels):
    return (predictions == labels).sum()

# %% wrong="zero_one_loss" name="error_rate" rejected_by="test_zero_one_loss_is_a_sum_of_integers"
def zero_one_loss(predictions, labels):
    return (predictions != labels).float().mean()

# %% wrong="zero_one_loss" name="floating_point_count" rejected_by="test_zero_one_loss_is_a_sum_of_integers" says="whole number"
def zero_one_loss(predictions, labels):
    return (predictions != labels).float().sum()

# %% wrong="zero_one_loss" name="distance_of_class_numbers" rejected_by="test_every_mistake_costs_one"
def zero_one_loss(predictions, labels):
    return (predictions - labels).abs().sum()

# %% wrong="zero_one_loss" name="only_too_large" rejected_by="test_every_mistake_costs_one"
def zero_one_loss(predictions, labels):
    return (predictions > labels).sum()

# %% wrong="zero_one_loss" name="any_mistake" rejected_by="test_counts_the_mistakes"
def zero_one_loss(predictions, labels):
    return int(not torch.equal(predictions, labels))

# %% right="zero_one_loss" name="loop"
def zero_one_loss(predictions, labels):
    wrong = 0
    for guess, truth in zip(predictions.tolist(), labels.tolist()):
        if guess != truth:
            wrong += 1
    return wrong

# %% right="zero_one_loss" name="count_nonzero"
def zero_one_loss(predictions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.count_nonzero(predictions - labels)

# %% right="zero_one_loss" name="numpy"
import numpy as np

def zero_one_loss(predictions, labels):
    return np.sum(np.asarray(predictions) != np.asarray(labels))

# ---- squared_error

# %% wrong="squared_error" name="no_half" rejected_by="test_half_the_sum_of_squares" says="factor of 2"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    return ((predictions - targets) ** 2).sum()

# %% wrong="squared_error" name="mean" rejected_by="test_squared_error_is_a_sum" says="factor"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    return 0.5 * ((predictions - targets) ** 2).mean()

# %% wrong="squared_error" name="mean_over_samples" rejected_by="test_squared_error_is_a_sum"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    return 0.5 * ((predictions - targets) ** 2).sum() / len(predictions)

# %% wrong="squared_error" name="length_of_the_residual" rejected_by="test_squared_error_is_a_gaussian_likelihood"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    return 0.5 * torch.norm(predictions - targets)

# %% wrong="squared_error" name="negative" rejected_by="test_half_the_sum_of_squares" says="sign"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    return -0.5 * ((predictions - targets) ** 2).sum()

# %% wrong="squared_error" name="square_of_the_sum" rejected_by="test_half_the_sum_of_squares"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    return 0.5 * (predictions - targets).sum() ** 2

# %% wrong="squared_error" name="broadcasts" rejected_by="test_shapes_have_to_match" says="ValueError"
def squared_error(predictions, targets):
    return 0.5 * ((predictions - targets) ** 2).sum()

# %% wrong="squared_error" name="compares_lengths_only" rejected_by="test_shapes_have_to_match" says="ValueError"
def squared_error(predictions, targets):
    if len(predictions) != len(targets):
        raise ValueError("lengths differ")
    return 0.5 * ((predictions - targets) ** 2).sum()

# %% wrong="squared_error" name="in_place" rejected_by="test_squared_error_leaves_its_arguments" says="argument 1"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    predictions -= targets
    return 0.5 * (predictions**2).sum()

# %% right="squared_error" name="dot_product"
def squared_error(predictions, targets):
    if predictions.size() != targets.size():
        raise ValueError(f"shapes {predictions.shape} and {targets.shape} do not match")
    r = (predictions - targets).flatten()
    return torch.dot(r, r) / 2

# %% right="squared_error" name="numpy"
import numpy as np

def squared_error(predictions, targets):
    f, y = np.asarray(predictions), np.asarray(targets)
    if f.shape != y.shape:
        raise ValueError("shapes differ")
    return 0.5 * np.sum(np.square(f - y))

# %% right="squared_error" name="loop"
def squared_error(predictions: torch.Tensor, targets: torch.Tensor):
    if list(predictions.shape) != list(targets.shape):
        raise ValueError("predictions and targets need the same shape")
    total = 0.0
    for f, y in zip(predictions.reshape(-1).tolist(), targets.reshape(-1).tolist()):
        total += 0.5 * (f - y) ** 2
    return total

# %% right="squared_error" name="built_in_loss"
def squared_error(predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError("shapes differ")
    return torch.nn.functional.mse_loss(predictions, targets, reduction="sum").mul(0.5)

# ---- gradient_descent

# %% wrong="gradient_descent" name="ascends" rejected_by="test_follows_the_closed_form" says="trajectory"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start, [start]
    for _ in range(steps):
        theta = theta + learning_rate * gradient(theta)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="aliased" rejected_by="test_trajectory_entries_are_separate" says="neighbours on the trajectory are equal"
def gradient_descent(gradient, start, learning_rate, steps):
    theta = start.clone()
    path = [theta]
    for _ in range(steps):
        theta -= learning_rate * gradient(theta)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="moves_the_start" rejected_by="test_trajectory_entries_are_separate" says="start after the call"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start, [start.clone()]
    for _ in range(steps):
        theta -= learning_rate * gradient(theta)
        path.append(theta.clone())
    return torch.stack(path)

# %% wrong="gradient_descent" name="one_coordinate_at_a_time" rejected_by="test_follows_the_closed_form"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start.clone(), [start.clone()]
    for _ in range(steps):
        for i in range(theta.numel()):
            theta.view(-1)[i] -= learning_rate * gradient(theta).reshape(-1)[i]
        path.append(theta.clone())
    return torch.stack(path)

# %% wrong="gradient_descent" name="normalised" rejected_by="test_follows_the_closed_form" says="trajectory"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start, [start]
    for _ in range(steps):
        g = gradient(theta)
        theta = theta - learning_rate * g / (g.norm() + 1e-12)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="without_the_start" rejected_by="test_trajectory_begins_at_the_start" says="shape"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start, []
    for _ in range(steps):
        theta = theta - learning_rate * gradient(theta)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="final_point_only" rejected_by="test_follows_the_closed_form" says="one theta for each step"
def gradient_descent(gradient, start, learning_rate, steps):
    theta = start
    for _ in range(steps):
        theta = theta - learning_rate * gradient(theta)
    return theta

# %% wrong="gradient_descent" name="gradient_at_the_start" rejected_by="test_gradient_is_asked_once_a_step"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start, [start]
    for _ in range(steps):
        theta = theta - learning_rate * gradient(start)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="one_gradient_too_many" rejected_by="test_gradient_is_asked_once_a_step" says="called 6 times"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path, g = start, [start], gradient(start)
    for _ in range(steps):
        theta = theta - learning_rate * g
        g = gradient(theta)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="decaying_rate" rejected_by="test_diverges_beyond_the_limit"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start, [start]
    for k in range(steps):
        theta = theta - learning_rate / (1 + k) * gradient(theta)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="clipped" rejected_by="test_diverges_beyond_the_limit"
def gradient_descent(gradient, start, learning_rate, steps):
    theta, path = start, [start]
    for _ in range(steps):
        theta = theta - learning_rate * gradient(theta).clamp(-1, 1)
        path.append(theta)
    return torch.stack(path)

# %% wrong="gradient_descent" name="flattens" rejected_by="test_parameters_of_any_shape" says="shape"
def gradient_descent(gradient, start, learning_rate, steps):
    path = torch.empty(steps + 1, start.numel(), dtype=start.dtype)
    path[0] = start.reshape(-1)
    for k in range(steps):
        path[k + 1] = path[k] - learning_rate * gradient(path[k].reshape(start.shape)).reshape(-1)
    return path

# %% right="gradient_descent" name="filled_tensor"
def gradient_descent(gradient, start, learning_rate, steps):
    path = torch.empty((steps + 1, *start.shape), dtype=start.dtype)
    path[0] = start
    for k in range(steps):
        path[k + 1] = path[k] - learning_rate * gradient(path[k].clone())
    return path

# %% right="gradient_descent" name="in_place_with_clones"
def gradient_descent(gradient, start, learning_rate, steps):
    theta = start.clone()
    path = [theta.clone()]
    for _ in range(steps):
        theta -= learning_rate * gradient(theta)
        path.append(theta.clone())
    return torch.stack(path)

# %% right="gradient_descent" name="numpy_path"
import numpy as np

def gradient_descent(gradient, start, learning_rate, steps):
    theta = start.numpy().copy()
    path = [theta]
    for _ in range(steps):
        theta = theta - learning_rate * np.asarray(gradient(torch.as_tensor(theta)))
        path.append(theta)
    return np.stack(path)

# %% right="gradient_descent" name="generator_function"
def updates(gradient, theta, rate, steps):
    yield theta
    for _ in range(steps):
        theta = theta.sub(gradient(theta), alpha=rate)
        yield theta

def gradient_descent(gradient, start, learning_rate, steps):
    return torch.stack(list(updates(gradient, start, learning_rate, steps)))

# ---- softmax_regression_gradient

# %% wrong="softmax_regression_gradient" name="opposite_sign" rejected_by="test_gradient_matches_autograd" says="sign"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights)
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (y - p) / len(x)

# %% wrong="softmax_regression_gradient" name="sum_over_samples" rejected_by="test_gradient_is_a_mean_over_samples" says="factor"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights)
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (p - y)

# %% wrong="softmax_regression_gradient" name="divided_by_entries" rejected_by="test_gradient_matches_autograd"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights)
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (p - y) / p.numel()

# %% wrong="softmax_regression_gradient" name="transposed" rejected_by="test_gradient_matches_autograd" says="shape"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights)
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return (p - y).T @ x / len(x)

# %% wrong="softmax_regression_gradient" name="logits_instead_of_probabilities" rejected_by="test_gradient_uses_probabilities"
def softmax_regression_gradient(x, labels, weights):
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (x @ weights - y) / len(x)

# %% wrong="softmax_regression_gradient" name="perceptron_rule" rejected_by="test_gradient_matches_autograd"
def softmax_regression_gradient(x, labels, weights):
    hard = torch.nn.functional.one_hot((x @ weights).argmax(dim=1), weights.shape[1])
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (hard - y).to(x.dtype) / len(x)

# %% wrong="softmax_regression_gradient" name="softmax_over_the_batch" rejected_by="test_gradient_uses_probabilities"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights, dim=0)
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (p - y) / len(x)

# %% wrong="softmax_regression_gradient" name="classes_from_the_labels" rejected_by="test_classes_that_do_not_occur"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights)
    y = torch.nn.functional.one_hot(labels)
    return x.T @ (p - y) / len(x)

# %% wrong="softmax_regression_gradient" name="unstable_softmax" rejected_by="test_gradient_for_large_logits" says="nan"
def softmax_regression_gradient(x, labels, weights):
    e = torch.exp(x @ weights)
    p = e / e.sum(dim=1, keepdim=True)
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (p - y) / len(x)

# %% wrong="softmax_regression_gradient" name="weight_decay" rejected_by="test_gradient_matches_autograd"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights)
    y = torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ (p - y) / len(x) + 0.01 * weights

# %% wrong="softmax_regression_gradient" name="rows_in_place" rejected_by="test_gradient_leaves_its_arguments" says="argument 1"
def softmax_regression_gradient(x, labels, weights):
    p = softmax(x @ weights)
    p[torch.arange(len(labels)), labels] -= 1
    x /= len(x)
    return x.T @ p

# %% wrong="softmax_regression_gradient" name="autograd" rejected_by="forbidden"
def softmax_regression_gradient(x, labels, weights):
    w = weights.clone().requires_grad_()
    loss = negative_log_likelihood(x @ w, labels)
    return torch.autograd.grad(loss, w)[0]

# %% wrong="softmax_regression_gradient" name="backward" rejected_by="forbidden"
def softmax_regression_gradient(x, labels, weights):
    w = weights.detach().clone().requires_grad_(True)
    negative_log_likelihood(x @ w, labels).backward()
    return w.grad

# %% wrong="softmax_regression_gradient" name="functional_grad" rejected_by="forbidden"
def softmax_regression_gradient(x, labels, weights):
    return torch.func.grad(lambda w: negative_log_likelihood(x @ w, labels))(weights)

# %% right="softmax_regression_gradient" name="subtract_one_at_the_labels"
def softmax_regression_gradient(x, labels, weights):
    error = softmax(x @ weights)
    error[torch.arange(len(labels)), labels] -= 1.0
    return x.t().mm(error) / x.shape[0]

# %% right="softmax_regression_gradient" name="mean_of_outer_products"
def softmax_regression_gradient(x, labels, weights):
    total = torch.zeros_like(weights)
    for row, label in zip(x, labels):
        p = softmax(row @ weights)
        p[label] = p[label] - 1
        total = total + torch.outer(row, p)
    return total / len(x)

# %% right="softmax_regression_gradient" name="einsum"
def softmax_regression_gradient(x: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    y = torch.eye(weights.shape[1], dtype=x.dtype)[labels]
    return torch.einsum("nd,nc->dc", x, softmax(x @ weights) - y) / len(labels)

# %% right="softmax_regression_gradient" name="numpy"
import numpy as np

def softmax_regression_gradient(x, labels, weights):
    x, labels, weights = x.numpy(), labels.numpy(), weights.numpy()
    z = x @ weights
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return x.T @ p / len(x)

# ---- minibatches

# %% wrong="minibatches" name="drops_the_last" rejected_by="test_sizes_of_the_batches"
def minibatches(size, batch_size, generator=None):
    order = torch.randperm(size, generator=generator)
    for k in range(size // batch_size):
        yield order[k * batch_size : (k + 1) * batch_size]

# %% wrong="minibatches" name="empty_last_batch" rejected_by="test_sizes_of_the_batches"
def minibatches(size, batch_size, generator=None):
    order = torch.randperm(size, generator=generator)
    for k in range(size // batch_size + 1):
        yield order[k * batch_size : (k + 1) * batch_size]

# %% wrong="minibatches" name="with_replacement" rejected_by="test_every_index_once"
def minibatches(size, batch_size, generator=None):
    for begin in range(0, size, batch_size):
        count = min(batch_size, size - begin)
        yield torch.randint(size, (count,), generator=generator)

# %% wrong="minibatches" name="not_shuffled" rejected_by="test_indices_are_shuffled" says="shuffle"
def minibatches(size, batch_size, generator=None):
    return iter(torch.arange(size).split(batch_size))

# %% wrong="minibatches" name="shuffles_batches_only" rejected_by="test_indices_are_shuffled" says="before cutting"
def minibatches(size, batch_size, generator=None):
    batches = torch.arange(size).split(batch_size)
    full = [b for b in batches if len(b) == batch_size]
    rest = [b for b in batches if len(b) < batch_size]
    order = torch.randperm(len(full), generator=generator)
    return iter([full[k] for k in order.tolist()] + rest)

# %% wrong="minibatches" name="fixed_seed" rejected_by="test_each_epoch_is_shuffled_anew" says="same batches"
def minibatches(size, batch_size, generator=None):
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0))
    return iter(order.split(batch_size))

# %% wrong="minibatches" name="reseeds_the_generator" rejected_by="test_each_epoch_is_shuffled_anew" says="same batches"
def minibatches(size, batch_size, generator=None):
    if generator is not None:
        generator.manual_seed(generator.initial_seed())
    return iter(torch.randperm(size, generator=generator).split(batch_size))

# %% wrong="minibatches" name="ignores_the_generator" rejected_by="test_generator_decides_the_order" says="generator=generator"
def minibatches(size, batch_size, generator=None):
    return iter(torch.randperm(size).split(batch_size))

# %% wrong="minibatches" name="numpy_shuffle" rejected_by="test_generator_decides_the_order" says="same seed"
import numpy as np

def minibatches(size, batch_size, generator=None):
    order = np.random.default_rng().permutation(size)
    for k in range(0, size, batch_size):
        yield torch.from_numpy(order[k : k + batch_size])

# %% wrong="minibatches" name="starts_at_one" rejected_by="test_every_index_once"
def minibatches(size, batch_size, generator=None):
    return iter((torch.randperm(size, generator=generator) + 1).split(batch_size))

# %% wrong="minibatches" name="number_of_batches" rejected_by="test_sizes_of_the_batches"
def minibatches(size, batch_size, generator=None):
    # reads batch_size as the number of batches
    return iter(torch.randperm(size, generator=generator).chunk(batch_size))

# %% wrong="minibatches" name="floating_point_indices" rejected_by="test_every_index_once" says="integers"
def minibatches(size, batch_size, generator=None):
    order = torch.rand(size, generator=generator).argsort().float()
    return iter(order.split(batch_size))

# %% right="minibatches" name="generator_function"
def minibatches(size, batch_size, generator=None):
    order = torch.randperm(size, generator=generator)
    for begin in range(0, size, batch_size):
        yield order[begin : begin + batch_size]

# %% right="minibatches" name="sorting_random_numbers"
def minibatches(size, batch_size, generator=None):
    keys = torch.rand(size, dtype=torch.float64, generator=generator)
    return torch.split(torch.argsort(keys), batch_size)

# %% right="minibatches" name="list_of_batches"
def minibatches(size: int, batch_size: int, generator=None) -> list:
    order = torch.randperm(size, generator=generator).tolist()
    return [torch.tensor(order[k : k + batch_size]) for k in range(0, size, batch_size)]

# %% right="minibatches" name="data_loader"
from torch.utils.data import BatchSampler, RandomSampler

def minibatches(size, batch_size, generator=None):
    sampler = RandomSampler(range(size), generator=generator)
    for batch in BatchSampler(sampler, batch_size, drop_last=False):
        yield torch.tensor(batch)

# ---- SoftmaxRegression

# %% wrong="SoftmaxRegression" name="no_bias" rejected_by="test_separates_classes_with_a_bias" says="classified correctly"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.weights = torch.zeros(features, classes)

    def logits(self, x):
        return x @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        self.weights = self.weights.to(x.dtype)
        losses = []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(self.logits(x[batch]), labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(x[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="bias_not_trained" rejected_by="test_full_batch_fit_matches_gradient_descent"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.weights = torch.zeros(features, classes)
        self.constant = torch.zeros(classes)

    def logits(self, x):
        return x @ self.weights.to(x.dtype) + self.constant.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        self.weights = self.weights.to(x.dtype)
        losses = []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(self.logits(x[batch]), labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(x[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="bias_always" rejected_by="test_model_without_bias" says="logits at x = 0"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.weights = torch.zeros(features + 1, classes)

    def inputs(self, x):
        return torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="random_start" rejected_by="test_untrained_model_is_undecided" says="logits"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = 0.1 * torch.randn(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="logits_as_probabilities" rejected_by="test_probabilities_and_predictions_agree" says="probabilities"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return self.logits(x)

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="predicts_along_the_batch" rejected_by="test_probabilities_and_predictions_agree" says="predictions"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=0)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="loss_after_the_update" rejected_by="test_full_batch_fit_matches_gradient_descent" says="losses"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            for batch in minibatches(len(x), batch_size, generator):
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(negative_log_likelihood(inputs @ self.weights, labels).item())
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="every_batch_counts_the_same" rejected_by="test_batches_within_an_epoch" says="losses"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            parts = []
            for batch in minibatches(len(x), batch_size, generator):
                parts.append(negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item())
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(sum(parts) / len(parts))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="one_update_an_epoch" rejected_by="test_batches_within_an_epoch" says="logits"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            losses.append(negative_log_likelihood(inputs @ self.weights, labels).item())
            self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs, labels, self.weights)
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="gradient_divided_by_the_data_set" rejected_by="test_batches_within_an_epoch"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                share = len(batch) / len(x)
                self.weights = self.weights - learning_rate * share * softmax_regression_gradient(
                    inputs[batch], labels[batch], self.weights
                )
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="starts_again" rejected_by="test_fit_goes_on" says="4 epochs and then 3 more"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias, self.shape = bias, (features + bias, classes)
        self.weights = torch.zeros(self.shape)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), torch.zeros(self.shape, dtype=x.dtype), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="epochs_counted_from_one" rejected_by="test_on_epoch_is_called" says="[1, 2, 3, 4]"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(1, epochs + 1):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="generator_not_passed_on" rejected_by="test_fit_is_reproducible" says="seed"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights.to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, self.weights, losses = self.inputs(x), self.weights.to(x.dtype), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% wrong="SoftmaxRegression" name="single_precision_only" rejected_by="test_weights_take_over_the_dtype" says="float64"
class SoftmaxRegression:
    def __init__(self, features, classes, bias=True):
        self.bias = bias
        self.weights = torch.zeros(features + bias, classes)

    def inputs(self, x):
        x = x.float()
        return torch.cat([x, torch.ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x):
        return self.inputs(x) @ self.weights

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, losses = self.inputs(x), []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(x), batch_size, generator):
                total += len(batch) * negative_log_likelihood(inputs[batch] @ self.weights, labels[batch]).item()
                self.weights = self.weights - learning_rate * softmax_regression_gradient(inputs[batch], labels[batch], self.weights)
            losses.append(total / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# %% right="SoftmaxRegression" name="separate_bias_vector"
class SoftmaxRegression:
    """Weights and bias apart, updated in place by hand."""

    def __init__(self, features, classes, bias=True):
        self.w = torch.zeros(features, classes)
        self.b = torch.zeros(classes)
        self.use_bias = bias

    def logits(self, x):
        return x @ self.w.to(x.dtype) + self.b.to(x.dtype)

    def predict_proba(self, x):
        z = self.logits(x)
        e = (z - z.max(dim=1, keepdim=True).values).exp()
        return e / e.sum(dim=1, keepdim=True)

    def predict(self, x):
        return self.predict_proba(x).argmax(dim=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        self.w, self.b = self.w.to(x.dtype), self.b.to(x.dtype)
        losses = []
        for epoch in range(epochs):
            sample_losses = []
            for batch in minibatches(len(x), batch_size, generator):
                xb, yb = x[batch], labels[batch]
                log_p = log_softmax(self.logits(xb))
                rows = torch.arange(len(yb))
                sample_losses.append(-log_p[rows, yb])
                error = log_p.exp()
                error[rows, yb] -= 1
                error /= len(yb)
                self.w -= learning_rate * xb.T @ error
                if self.use_bias:
                    self.b -= learning_rate * error.sum(dim=0)
            losses.append(torch.cat(sample_losses).mean().item())
            if on_epoch:
                on_epoch(epoch, losses[-1])
        return losses

# %% right="SoftmaxRegression" name="autograd_inside"
class SoftmaxRegression:
    def __init__(self, features: int, classes: int, bias: bool = True):
        self.weights = torch.zeros(features + int(bias), classes, dtype=torch.float64)
        self.bias = bias

    def _augment(self, x):
        x = x.double()
        return torch.nn.functional.pad(x, (0, 1), value=1.0) if self.bias else x

    def logits(self, x):
        return (self._augment(x) @ self.weights).to(x.dtype)

    def predict_proba(self, x):
        return softmax(self.logits(x), dim=1)

    def predict(self, x):
        return torch.max(self.logits(x), dim=1).indices

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        history = []
        for epoch in range(epochs):
            running = 0.0
            for batch in minibatches(x.shape[0], batch_size, generator):
                w = self.weights.clone().requires_grad_(True)
                loss = negative_log_likelihood(self._augment(x[batch]) @ w, labels[batch])
                loss.backward()
                with torch.no_grad():
                    self.weights = w.detach() - learning_rate * w.grad
                running += loss.item() * batch.shape[0]
            history.append(running / x.shape[0])
            if on_epoch is not None:
                on_epoch(epoch, history[-1])
        return history

# %% right="SoftmaxRegression" name="transposed_numpy_weights"
import numpy as np

class SoftmaxRegression:
    # one row a class, in NumPy
    def __init__(self, features, classes, bias=True):
        self.theta = np.zeros((classes, features + (1 if bias else 0)))
        self.bias = bias

    def _inputs(self, x):
        x = np.asarray(x, dtype=np.float64)
        return np.hstack([x, np.ones((len(x), 1))]) if self.bias else x

    def logits(self, x):
        return torch.from_numpy(self._inputs(x) @ self.theta.T)

    def predict_proba(self, x):
        return softmax(self.logits(x))

    def predict(self, x):
        return self.logits(x).numpy().argmax(axis=1)

    def fit(self, x, labels, learning_rate=0.5, epochs=30, batch_size=32, generator=None, on_epoch=None):
        inputs, targets, losses = self._inputs(x), np.eye(len(self.theta))[np.asarray(labels)], []
        for epoch in range(epochs):
            total = 0.0
            for batch in minibatches(len(inputs), batch_size, generator):
                batch = batch.numpy()
                z = inputs[batch] @ self.theta.T
                z = z - z.max(axis=1, keepdims=True)
                log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
                total -= (targets[batch] * log_p).sum()
                self.theta -= learning_rate * (np.exp(log_p) - targets[batch]).T @ inputs[batch] / len(batch)
            losses.append(float(total / len(inputs)))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses

# ---- empirical_risk

# %% wrong="empirical_risk" name="sum" rejected_by="test_mean_loss_over_the_samples" says="factor"
def empirical_risk(model, loss, x, labels):
    return loss(model(x), labels).double().sum()

# %% wrong="empirical_risk" name="arguments_swapped" rejected_by="test_risk_uses_model_and_labels"
def empirical_risk(model, loss, x, labels):
    losses = loss(labels, model(x)).double()
    return losses.mean()

# %% wrong="empirical_risk" name="mean_of_booleans" rejected_by="test_risk_of_yes_or_no_losses" says="mean"
def empirical_risk(model, loss, x, labels):
    return loss(model(x), labels).mean()

# %% wrong="empirical_risk" name="divided_by_entries" rejected_by="test_average_over_samples_not_classes" says="factor"
def empirical_risk(model, loss, x, labels):
    predictions = model(x)
    return loss(predictions, labels).sum() / predictions.numel()

# %% wrong="empirical_risk" name="n_minus_one" rejected_by="test_mean_loss_over_the_samples"
def empirical_risk(model, loss, x, labels):
    return loss(model(x), labels).sum() / max(len(x) - 1, 1)

# %% wrong="empirical_risk" name="integer_division" rejected_by="test_risk_of_yes_or_no_losses"
def empirical_risk(model, loss, x, labels):
    losses = loss(model(x), labels)
    return losses.sum() // len(losses) if losses.dtype == torch.bool else losses.double().mean()

# %% wrong="empirical_risk" name="median" rejected_by="test_mean_loss_over_the_samples"
def empirical_risk(model, loss, x, labels):
    return loss(model(x), labels).double().median()

# %% wrong="empirical_risk" name="first_sample_only" rejected_by="test_mean_loss_over_the_samples"
def empirical_risk(model, loss, x, labels):
    return loss(model(x[:1]), labels[:1]).double().sum()

# %% right="empirical_risk" name="converted_mean"
def empirical_risk(model, loss, x, labels):
    return loss(model(x), labels).to(torch.float64).mean()

# %% right="empirical_risk" name="sample_by_sample"
def empirical_risk(model, loss, x, labels):
    total = 0.0
    for i in range(len(x)):
        total += float(loss(model(x[i : i + 1]), labels[i : i + 1]))
    return total / len(x)

# %% right="empirical_risk" name="numpy"
import numpy as np

def empirical_risk(model, loss, x, labels):
    return np.mean(np.asarray(loss(model(x), labels)))

# ---- train

# %% wrong="train" name="gradients_not_cleared" rejected_by="test_parameters_after_training" says="parameter 1"
def train(parameters, loss, optimizer, batches):
    losses = []
    for p in parameters:
        p.grad = None
    for batch in batches:
        value = loss(parameters, batch)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses

# %% wrong="train" name="cleared_after_backward" rejected_by="test_parameters_after_training"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        value = loss(parameters, batch)
        value.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(value.item())
    return losses

# %% wrong="train" name="loss_after_the_step" rejected_by="test_losses_before_the_update" says="losses"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss(parameters, batch).backward()
        optimizer.step()
        losses.append(loss(parameters, batch).item())
    return losses

# %% wrong="train" name="new_optimizer_each_step" rejected_by="test_optimizer_keeps_its_state" says="momentum"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        if isinstance(optimizer, torch.optim.Optimizer):
            optimizer = type(optimizer)(parameters, **optimizer.defaults)
        optimizer.zero_grad()
        value = loss(parameters, batch)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses

# %% wrong="train" name="own_descent" rejected_by="test_optimizer_keeps_its_state"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        value = loss(parameters, batch)
        gradients = torch.autograd.grad(value, parameters)
        with torch.no_grad():
            for p, g in zip(parameters, gradients):
                p -= 0.25 * g
        losses.append(value.item())
    return losses

# %% wrong="train" name="no_step" rejected_by="test_parameters_after_training"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        value = loss(parameters, batch)
        value.backward()
        losses.append(value.item())
    return losses

# %% wrong="train" name="clears_at_the_end" rejected_by="test_any_optimizer_with_step_and_zero_grad" says="from before"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        value = loss(parameters, batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(value.item())
    return losses

# %% wrong="train" name="asks_the_optimizer_for_its_groups" rejected_by="test_any_optimizer_with_step_and_zero_grad" says="param_groups"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = None
        value = loss(parameters, batch)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses

# %% wrong="train" name="keeps_the_graphs" rejected_by="test_losses_are_plain_numbers" says="carry gradients"
def train(parameters, loss, optimizer, batches):
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        value = loss(parameters, batch)
        value.backward()
        optimizer.step()
        losses.append(value)
    return losses

# %% wrong="train" name="needs_a_list_of_batches" rejected_by="test_batches_are_used_once_in_order" says="len"
def train(parameters, loss, optimizer, batches):
    losses = []
    for k in range(len(batches)):
        optimizer.zero_grad()
        value = loss(parameters, batches[k])
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses

# %% wrong="train" name="mean_loss_only" rejected_by="test_losses_before_the_update" says="one loss for each batch"
def train(parameters, loss, optimizer, batches):
    total, count = 0.0, 0
    for batch in batches:
        optimizer.zero_grad()
        value = loss(parameters, batch)
        value.backward()
        optimizer.step()
        total, count = total + value.item(), count + 1
    return [total / count]

# %% right="train" name="cleared_before_backward"
def train(parameters, loss, optimizer, batches):
    history = []
    for batch in batches:
        value = loss(parameters, batch)
        history.append(float(value))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return history

# %% right="train" name="gradients_by_hand"
def train(parameters, loss, optimizer, batches):
    history = []
    for batch in batches:
        optimizer.zero_grad()
        value = loss(parameters, batch)
        for p, g in zip(parameters, torch.autograd.grad(value, parameters)):
            p.grad = g
        optimizer.step()
        history.append(value.detach())
    return torch.stack(history).tolist()

# %% right="train" name="one_step_function"
def one_step(parameters, loss, optimizer, batch):
    optimizer.zero_grad()
    value = loss(parameters, batch)
    value.backward()
    optimizer.step()
    return value.item()

def train(parameters, loss, optimizer, batches):
    return [one_step(parameters, loss, optimizer, batch) for batch in batches]
