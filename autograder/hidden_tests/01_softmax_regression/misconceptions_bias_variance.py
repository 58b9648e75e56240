# Wrong solutions that the hidden tests must reject, each by the test that names the mistake, and right solutions written
# in other ways, which must get full marks. Format: docs/architecture.md, section 4. `course validate` grades them all.

# ---- gaussian_logpdf

# %% wrong="gaussian_logpdf" name="drops_log_det" rejected_by="test_determinant_term"
def gaussian_logpdf(y, mean, covariance):
    r = (y - mean).unsqueeze(-1)
    form = (r * torch.linalg.solve(covariance, r)).sum(dim=(-2, -1))
    return -0.5 * form - y.shape[-1] / 2 * math.log(2 * math.pi)

# %% wrong="gaussian_logpdf" name="covariance_not_inverted" rejected_by="test_quadratic_form" says="wrong in"
def gaussian_logpdf(y, mean, covariance):
    r = (y - mean).unsqueeze(-1)
    form = (r * (covariance @ r)).sum(dim=(-2, -1))
    return -0.5 * form - 0.5 * torch.linalg.slogdet(covariance)[1] - y.shape[-1] / 2 * math.log(2 * math.pi)

# %% wrong="gaussian_logpdf" name="elementwise_reciprocal" rejected_by="test_quadratic_form"
def gaussian_logpdf(y, mean, covariance):
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    form = ((y - mean) ** 2 / variance).sum(dim=-1)
    return -0.5 * form - 0.5 * torch.linalg.slogdet(covariance)[1] - y.shape[-1] / 2 * math.log(2 * math.pi)

# %% wrong="gaussian_logpdf" name="no_half_on_log_det" rejected_by="test_determinant_term" says="factor of 2"
def gaussian_logpdf(y, mean, covariance):
    r = (y - mean).unsqueeze(-1)
    form = (r * torch.linalg.solve(covariance, r)).sum(dim=(-2, -1))
    return -0.5 * form - torch.linalg.slogdet(covariance)[1] - y.shape[-1] / 2 * math.log(2 * math.pi)

# %% wrong="gaussian_logpdf" name="log_of_the_determinant" rejected_by="test_tiny_determinant" says="infinite"
def gaussian_logpdf(y, mean, covariance):
    r = (y - mean).unsqueeze(-1)
    form = (r * torch.linalg.solve(covariance, r)).sum(dim=(-2, -1))
    return -0.5 * form - 0.5 * torch.log(torch.linalg.det(covariance)) - y.shape[-1] / 2 * math.log(2 * math.pi)

# %% wrong="gaussian_logpdf" name="constant_left_out" rejected_by="test_density_of_a_full_covariance" says="one constant"
def gaussian_logpdf(y, mean, covariance):
    r = (y - mean).unsqueeze(-1)
    form = (r * torch.linalg.solve(covariance, r)).sum(dim=(-2, -1))
    return -0.5 * form - 0.5 * torch.linalg.slogdet(covariance)[1]

# %% wrong="gaussian_logpdf" name="sum_over_points" rejected_by="test_density_of_a_full_covariance" says="shape ()"
def gaussian_logpdf(y, mean, covariance):
    r = (y - mean).unsqueeze(-1)
    form = (r * torch.linalg.solve(covariance, r)).sum(dim=(-2, -1))
    each = -0.5 * form - 0.5 * torch.linalg.slogdet(covariance)[1] - y.shape[-1] / 2 * math.log(2 * math.pi)
    return each.sum()

# %% wrong="gaussian_logpdf" name="one_covariance_only" rejected_by="test_one_covariance_for_each_point"
def gaussian_logpdf(y, mean, covariance):
    if covariance.ndim == 3:
        covariance = covariance[0]
    r = y - mean
    form = (r * torch.linalg.solve(covariance, r.T).T).sum(dim=1)
    return -0.5 * form - 0.5 * torch.linalg.slogdet(covariance)[1] - y.shape[1] / 2 * math.log(2 * math.pi)

# %% wrong="gaussian_logpdf" name="ready_made" rejected_by="forbidden"
def gaussian_logpdf(y, mean, covariance):
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(y)

# %% right="gaussian_logpdf" name="slogdet_and_solve"
def gaussian_logpdf(y, mean, covariance):
    size = y.shape[-1]
    r = (y - mean)[..., None]
    quadratic = (r.mT @ torch.linalg.solve(covariance.expand(len(y), size, size), r)).squeeze(-1).squeeze(-1)
    return -(quadratic + torch.linalg.slogdet(covariance).logabsdet + size * math.log(2 * math.pi)) / 2

# %% right="gaussian_logpdf" name="eigenvalues_one_by_one"
def gaussian_logpdf(y, mean, covariance):
    result = []
    for i, point in enumerate(y):
        centre = mean[i] if mean.ndim == 2 else mean
        values, vectors = torch.linalg.eigh(covariance[i] if covariance.ndim == 3 else covariance)
        turned = vectors.T @ (point - centre)
        result.append(-0.5 * (turned**2 / values + values.log() + math.log(2 * math.pi)).sum())
    return torch.stack(result)

# %% right="gaussian_logpdf" name="numpy"
import numpy as np

def gaussian_logpdf(y, mean, covariance):
    y, mean, covariance = np.asarray(y), np.asarray(mean), np.asarray(covariance)
    r = y - mean
    form = np.einsum("nd,nde,ne->n", r, np.broadcast_to(np.linalg.inv(covariance), (len(y), y.shape[1], y.shape[1])), r)
    return -0.5 * (form + np.linalg.slogdet(covariance)[1] + y.shape[1] * np.log(2 * np.pi))

# ---- heteroscedastic_nll

# %% wrong="heteroscedastic_nll" name="drops_log_sigma" rejected_by="test_gradients_balance"
def heteroscedastic_nll(mean, log_sigma, targets):
    return (0.5 * ((targets - mean) / log_sigma.exp()) ** 2).mean() + 0.5 * math.log(2 * math.pi)

# %% wrong="heteroscedastic_nll" name="log_of_the_variance" rejected_by="test_other_units"
def heteroscedastic_nll(mean, log_sigma, targets):
    return (0.5 * (targets - mean) ** 2 / log_sigma.exp() + 0.5 * log_sigma).mean() + 0.5 * math.log(2 * math.pi)

# %% wrong="heteroscedastic_nll" name="sum_over_samples" rejected_by="test_mean_negative_log_likelihood" says="wrong"
def heteroscedastic_nll(mean, log_sigma, targets):
    r = (targets - mean) / log_sigma.exp()
    return (0.5 * r**2 + log_sigma + 0.5 * math.log(2 * math.pi)).sum()

# %% wrong="heteroscedastic_nll" name="epsilon_in_the_variance" rejected_by="test_small_sigmas"
def heteroscedastic_nll(mean, log_sigma, targets):
    variance = (2 * log_sigma).exp() + 1e-6
    return (0.5 * (targets - mean) ** 2 / variance + 0.5 * variance.log()).mean() + 0.5 * math.log(2 * math.pi)

# %% wrong="heteroscedastic_nll" name="divided_by_sigma_once" rejected_by="test_gradients_balance"
def heteroscedastic_nll(mean, log_sigma, targets):
    return (0.5 * (targets - mean) ** 2 / log_sigma.exp() + log_sigma).mean() + 0.5 * math.log(2 * math.pi)

# %% wrong="heteroscedastic_nll" name="no_constant" rejected_by="test_mean_negative_log_likelihood"
def heteroscedastic_nll(mean, log_sigma, targets):
    return (0.5 * ((targets - mean) / log_sigma.exp()) ** 2 + log_sigma).mean()

# %% wrong="heteroscedastic_nll" name="sigma_without_gradient" rejected_by="test_fitted_noise_profile"
def heteroscedastic_nll(mean, log_sigma, targets):
    r = (targets - mean) / log_sigma.detach().exp()
    return (0.5 * r**2 + log_sigma).mean() + 0.5 * math.log(2 * math.pi)

# %% wrong="heteroscedastic_nll" name="ready_made" rejected_by="forbidden"
def heteroscedastic_nll(mean, log_sigma, targets):
    return torch.nn.functional.gaussian_nll_loss(mean, targets, (2 * log_sigma).exp(), full=True, eps=1e-30)

# %% right="heteroscedastic_nll" name="variance_form"
def heteroscedastic_nll(mean, log_sigma, targets):
    variance = torch.exp(2 * log_sigma)
    each = (targets - mean).square() / (2 * variance) + torch.log(2 * math.pi * variance) / 2
    return each.sum() / len(targets)

# %% right="heteroscedastic_nll" name="its_own_gaussian"
def heteroscedastic_nll(mean, log_sigma, targets):
    return -gaussian_logpdf(targets[:, None], mean[:, None], log_sigma.exp()[:, None, None] ** 2).mean()

# ---- fit_degree

# %% wrong="fit_degree" name="no_constant" rejected_by="test_polynomials_are_recovered" says="prediction"
def fit_degree(x, y, degree):
    centre, half = (x.min() + x.max()) / 2, (x.max() - x.min()) / 2
    powers = lambda v: torch.stack([((v - centre) / half) ** k for k in range(1, max(degree, 1) + 1)], dim=1)
    theta = torch.linalg.lstsq(powers(x), y[:, None]).solution[:, 0]
    return lambda new: powers(new) @ theta

# %% wrong="fit_degree" name="raw_powers" rejected_by="test_inputs_far_from_zero"
def fit_degree(x, y, degree):
    powers = lambda v: torch.stack([v**k for k in range(degree + 1)], dim=1)
    theta = torch.linalg.pinv(powers(x)) @ y
    return lambda new: powers(new) @ theta

# %% wrong="fit_degree" name="range_of_the_new_inputs" rejected_by="test_new_inputs_go_through_the_same_map"
def fit_degree(x, y, degree):
    def powers(v):
        t = (v - (v.min() + v.max()) / 2) / ((v.max() - v.min()) / 2).clamp(min=1e-9)
        return torch.stack([t**k for k in range(degree + 1)], dim=1)
    theta = torch.linalg.lstsq(powers(x), y[:, None]).solution[:, 0]
    return lambda new: powers(new) @ theta

# %% wrong="fit_degree" name="sorts_x_without_y" rejected_by="test_noisy_targets_by_least_squares" says="prediction"
def fit_degree(x, y, degree):
    x = x.sort().values
    centre, half = (x.min() + x.max()) / 2, (x.max() - x.min()) / 2
    powers = lambda v: torch.stack([((v - centre) / half) ** k for k in range(degree + 1)], dim=1)
    theta = torch.linalg.lstsq(powers(x), y[:, None]).solution[:, 0]
    return lambda new: powers(new) @ theta

# %% wrong="fit_degree" name="one_power_short" rejected_by="test_polynomials_are_recovered"
def fit_degree(x, y, degree):
    centre, half = (x.min() + x.max()) / 2, (x.max() - x.min()) / 2
    powers = lambda v: torch.stack([((v - centre) / half) ** k for k in range(max(degree, 1))], dim=1)
    theta = torch.linalg.lstsq(powers(x), y[:, None]).solution[:, 0]
    return lambda new: powers(new) @ theta

# %% wrong="fit_degree" name="fitted_values_only" rejected_by="test_polynomials_are_recovered" says="cannot be called"
def fit_degree(x, y, degree):
    centre, half = (x.min() + x.max()) / 2, (x.max() - x.min()) / 2
    powers = torch.stack([((x - centre) / half) ** k for k in range(degree + 1)], dim=1)
    return powers @ torch.linalg.lstsq(powers, y[:, None]).solution[:, 0]

# %% wrong="fit_degree" name="degree_0_gives_one_number" rejected_by="test_lowest_and_highest_degree" says="shape"
def fit_degree(x, y, degree):
    if degree == 0:
        return lambda new: y.mean()
    centre, half = (x.min() + x.max()) / 2, (x.max() - x.min()) / 2
    powers = lambda v: torch.stack([((v - centre) / half) ** k for k in range(degree + 1)], dim=1)
    theta = torch.linalg.lstsq(powers(x), y[:, None]).solution[:, 0]
    return lambda new: powers(new) @ theta

# %% wrong="fit_degree" name="scales_in_place" rejected_by="test_training_error_falls_with_the_degree"
def fit_degree(x, y, degree):
    centre, half = (x.min() + x.max()) / 2, (x.max() - x.min()) / 2
    powers = lambda t: torch.stack([t**k for k in range(degree + 1)], dim=1)
    x -= centre
    x /= half
    theta = torch.linalg.lstsq(powers(x), y[:, None]).solution[:, 0]
    return lambda new: powers((new - centre) / half) @ theta

# %% right="fit_degree" name="vandermonde_and_qr"
def fit_degree(x, y, degree):
    low, high = torch.aminmax(x)
    design = lambda v: torch.vander((2 * v - low - high) / (high - low), degree + 1)
    q, r = torch.linalg.qr(design(x))
    coefficients = torch.linalg.solve_triangular(r, (q.T @ y)[:, None], upper=True)
    return lambda new: (design(new) @ coefficients).flatten()

# %% right="fit_degree" name="numpy_chebyshev"
import numpy as np

def fit_degree(x, y, degree):
    curve = np.polynomial.Chebyshev.fit(np.asarray(x), np.asarray(y), degree)
    return lambda new: torch.as_tensor(curve(np.asarray(new)))

# %% right="fit_degree" name="class_with_horner"
class Curve:
    def __init__(self, x, y, degree):
        self.centre = (x.max() + x.min()) / 2
        self.width = (x.max() - x.min()) / 2
        t = (x - self.centre) / self.width
        self.theta = torch.linalg.pinv(t[:, None] ** torch.arange(degree + 1)) @ y

    def __call__(self, new):
        t, value = (new - self.centre) / self.width, torch.zeros_like(new)
        for coefficient in self.theta.flip(0):
            value = value * t + coefficient
        return value

def fit_degree(x, y, degree):
    return Curve(x, y, degree)

# ---- bias_variance

# %% wrong="bias_variance" name="unbiased_variance" rejected_by="test_parts_add_up" says="sum of variance"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    p = torch.stack([fit(*make_data())(x_grid) for _ in range(n_datasets)])
    return p.var(dim=0), (p.mean(dim=0) - f_true(x_grid)) ** 2, ((p - f_true(x_grid)) ** 2).mean(dim=0)

# %% wrong="bias_variance" name="same_data_for_all" rejected_by="test_a_new_data_set_for_each_model" says="1 times"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    x, y = make_data()
    p = torch.stack([fit(x, y)(x_grid) for _ in range(n_datasets)])
    truth, mean = f_true(x_grid), p.mean(dim=0)
    return ((p - mean) ** 2).mean(dim=0), (mean - truth) ** 2, ((p - truth) ** 2).mean(dim=0)

# %% wrong="bias_variance" name="one_pooled_fit_as_mean" rejected_by="test_a_new_data_set_for_each_model"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    data = [make_data() for _ in range(n_datasets)]
    p = torch.stack([fit(x, y)(x_grid) for x, y in data])
    mean = fit(torch.cat([x for x, _ in data]), torch.cat([y for _, y in data]))(x_grid)
    truth = f_true(x_grid)
    return ((p - mean) ** 2).mean(dim=0), (mean - truth) ** 2, ((p - truth) ** 2).mean(dim=0)

# %% wrong="bias_variance" name="bias_of_each_model" rejected_by="test_bias_is_measured_against_the_truth"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    p = torch.stack([fit(*make_data())(x_grid) for _ in range(n_datasets)])
    truth, mean = f_true(x_grid), p.mean(dim=0)
    total = ((p - truth) ** 2).mean(dim=0)
    return ((p - mean) ** 2).mean(dim=0), total, total

# %% wrong="bias_variance" name="noisy_truth" rejected_by="test_bias_is_measured_against_the_truth"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    p = torch.stack([fit(*make_data())(x_grid) for _ in range(n_datasets)])
    truth, mean = f_true(x_grid) + 0.3 * torch.randn(len(x_grid)), p.mean(dim=0)
    return ((p - mean) ** 2).mean(dim=0), (mean - truth) ** 2, ((p - truth) ** 2).mean(dim=0)

# %% wrong="bias_variance" name="means_over_the_grid" rejected_by="test_the_three_parts" says="shape"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    p = torch.stack([fit(*make_data())(x_grid) for _ in range(n_datasets)])
    truth, mean = f_true(x_grid), p.mean(dim=0)
    return ((p - mean) ** 2).mean(), ((mean - truth) ** 2).mean(), ((p - truth) ** 2).mean()

# %% wrong="bias_variance" name="bias_not_squared" rejected_by="test_the_three_parts" says="bias"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    p = torch.stack([fit(*make_data())(x_grid) for _ in range(n_datasets)])
    truth, mean = f_true(x_grid), p.mean(dim=0)
    return ((p - mean) ** 2).mean(dim=0), mean - truth, ((p - truth) ** 2).mean(dim=0)

# %% wrong="bias_variance" name="evaluates_at_the_training_inputs" rejected_by="test_the_three_parts" says="x_grid"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    p = []
    for _ in range(n_datasets):
        x, y = make_data()
        p.append(fit(x, y)(x))
    p = torch.stack(p)
    truth, mean = f_true(x_grid), p.mean(dim=0)
    return ((p - mean) ** 2).mean(dim=0), (mean - truth) ** 2, ((p - truth) ** 2).mean(dim=0)

# %% right="bias_variance" name="running_sums"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    truth = f_true(x_grid)
    errors = []
    for _ in range(n_datasets):
        x, y = make_data()
        predictor = fit(x, y)
        errors.append(predictor(x_grid) - truth)
    mean = sum(errors) / n_datasets
    variance = sum((e - mean) ** 2 for e in errors) / n_datasets
    return variance, mean**2, sum(e**2 for e in errors) / n_datasets

# %% right="bias_variance" name="torch_var_without_correction"
def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    data = [make_data() for _ in range(n_datasets)]
    predictions = torch.stack([fit(*pair)(x_grid) for pair in data])
    variance, mean = torch.var_mean(predictions, dim=0, correction=0)
    return [variance, (mean - f_true(x_grid)).square(), (predictions - f_true(x_grid)).square().mean(0)]

# %% right="bias_variance" name="numpy"
import numpy as np

def bias_variance(make_data, fit, x_grid, f_true, n_datasets):
    p = np.array([np.asarray(fit(*make_data())(x_grid)) for _ in range(n_datasets)])
    f = np.asarray(f_true(x_grid))
    return p.var(axis=0), (p.mean(axis=0) - f) ** 2, np.mean((p - f) ** 2, axis=0)

# ---- learning_with_n

# %% wrong="learning_with_n" name="one_draw_for_each_size" rejected_by="test_new_draws_of_the_right_size" says="drawn were"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    results = []
    for n in sizes:
        data = draw(n)
        variance, bias2, _ = bias_variance(lambda: data, fit, x_grid, f_true, n_datasets)
        results.append((variance.mean(), bias2.mean()))
    return torch.stack([v for v, _ in results]), torch.stack([b for _, b in results])

# %% wrong="learning_with_n" name="duplicates_samples" rejected_by="test_new_draws_of_the_right_size"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    smallest = min(sizes)
    def enlarged(n):
        x, y = draw(smallest)
        repeats = -(-n // smallest)
        return x.repeat(repeats)[:n], y.repeat(repeats)[:n]
    parts = [bias_variance(lambda n=n: enlarged(n), fit, x_grid, f_true, n_datasets) for n in sizes]
    return torch.stack([p[0].mean() for p in parts]), torch.stack([p[1].mean() for p in parts])

# %% wrong="learning_with_n" name="cuts_the_largest_draw" rejected_by="test_new_draws_of_the_right_size"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    data = [draw(max(sizes)) for _ in range(n_datasets)]
    variances, biases = [], []
    for n in sizes:
        sets = iter(data)
        def first_n():
            x, y = next(sets)
            return x[:n], y[:n]
        variance, bias2, _ = bias_variance(first_n, fit, x_grid, f_true, n_datasets)
        variances.append(variance.mean())
        biases.append(bias2.mean())
    return torch.stack(variances), torch.stack(biases)

# %% wrong="learning_with_n" name="total_instead_of_bias" rejected_by="test_variance_and_bias_of_each_size" says="biases"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    parts = [bias_variance(lambda n=n: draw(n), fit, x_grid, f_true, n_datasets) for n in sizes]
    return torch.stack([p[0].mean() for p in parts]), torch.stack([p[2].mean() for p in parts])

# %% wrong="learning_with_n" name="training_error" rejected_by="test_variance_and_bias_of_each_size"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    variances, biases = [], []
    for n in sizes:
        variance, _, _ = bias_variance(lambda: draw(n), fit, x_grid, f_true, n_datasets)
        x, y = draw(n)
        variances.append(variance.mean())
        biases.append(((fit(x, y)(x_grid).mean() - y) ** 2).mean())
    return torch.stack(variances), torch.stack(biases)

# %% wrong="learning_with_n" name="sorts_the_sizes" rejected_by="test_sizes_in_any_order"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    parts = [bias_variance(lambda n=n: draw(n), fit, x_grid, f_true, n_datasets) for n in sorted(sizes)]
    return torch.stack([p[0].mean() for p in parts]), torch.stack([p[1].mean() for p in parts])

# %% wrong="learning_with_n" name="no_mean_over_the_grid" rejected_by="test_variance_and_bias_of_each_size" says="shape"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    parts = [bias_variance(lambda n=n: draw(n), fit, x_grid, f_true, n_datasets) for n in sizes]
    return torch.stack([p[0] for p in parts]), torch.stack([p[1] for p in parts])

# %% right="learning_with_n" name="from_scratch"
def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    truth, variances, biases = f_true(x_grid), [], []
    for n in sizes:
        rows = []
        for _ in range(n_datasets):
            x, y = draw(n)
            rows.append(fit(x, y)(x_grid))
        rows = torch.stack(rows)
        variances.append(float(rows.var(dim=0, correction=0).mean()))
        biases.append(float(((rows.mean(dim=0) - truth) ** 2).mean()))
    return torch.tensor(variances, dtype=torch.float64), torch.tensor(biases, dtype=torch.float64)

# %% right="learning_with_n" name="partial_and_lists"
from functools import partial

def learning_with_n(sizes, draw, fit, x_grid, f_true, n_datasets):
    measured = [bias_variance(partial(draw, n), fit, x_grid, f_true, n_datasets)[:2] for n in sizes]
    return [variance.mean() for variance, _ in measured], [bias2.mean() for _, bias2 in measured]

# ---- map_loss

# %% wrong="map_loss" name="adds_the_log_prior" rejected_by="test_improbable_parameters_cost_more" says="sign"
def map_loss(log_likelihoods, log_prior, mean=False):
    loss = -log_likelihoods.sum() + log_prior.sum()
    return loss / len(log_likelihoods) if mean else loss

# %% wrong="map_loss" name="prior_not_divided" rejected_by="test_mean_divides_the_whole_loss"
def map_loss(log_likelihoods, log_prior, mean=False):
    if mean:
        return -log_likelihoods.mean() - log_prior.sum()
    return -log_likelihoods.sum() - log_prior.sum()

# %% wrong="map_loss" name="prior_for_every_sample" rejected_by="test_sum_of_likelihood_and_prior"
def map_loss(log_likelihoods, log_prior, mean=False):
    loss = -(log_likelihoods + log_prior.sum()).sum()
    return loss / len(log_likelihoods) if mean else loss

# %% wrong="map_loss" name="mean_of_the_prior" rejected_by="test_prior_of_any_shape"
def map_loss(log_likelihoods, log_prior, mean=False):
    loss = -log_likelihoods.sum() - log_prior.mean()
    return loss / len(log_likelihoods) if mean else loss

# %% wrong="map_loss" name="divided_by_both_lengths" rejected_by="test_mean_divides_the_whole_loss"
def map_loss(log_likelihoods, log_prior, mean=False):
    loss = -log_likelihoods.sum() - log_prior.sum()
    return loss / (len(log_likelihoods) + log_prior.numel()) if mean else loss

# %% wrong="map_loss" name="detached" rejected_by="test_loss_can_be_differentiated"
def map_loss(log_likelihoods, log_prior, mean=False):
    loss = -log_likelihoods.detach().sum() - log_prior.sum()
    return loss / len(log_likelihoods) if mean else loss

# %% right="map_loss" name="joined"
def map_loss(log_likelihoods, log_prior, mean=False):
    joint = torch.cat([log_likelihoods, log_prior.reshape(-1)])
    return joint.sum().neg() / (log_likelihoods.numel() if mean else 1)

# %% right="map_loss" name="branches"
def map_loss(log_likelihoods, log_prior, mean=False):
    n = log_likelihoods.shape[0]
    if mean:
        return -(log_likelihoods.mean() + log_prior.sum() / n)
    return -1 * (torch.sum(log_likelihoods) + torch.sum(log_prior))

# ---- coin_map

# %% wrong="coin_map" name="posterior_mean" rejected_by="test_flat_prior_is_maximum_likelihood"
def coin_map(heads, tails, a, b):
    if heads + tails + a + b == 2:
        raise ValueError("nothing is known")
    return (heads + a) / (heads + tails + a + b)

# %% wrong="coin_map" name="ignores_the_prior" rejected_by="test_prior_and_data_win_in_turn" says="strong prior"
def coin_map(heads, tails, a, b):
    if heads + tails == 0:
        if a + b == 2:
            raise ValueError("nothing is known")
        return (a - 1) / (a + b - 2)
    return heads / (heads + tails)

# %% wrong="coin_map" name="shapes_swapped" rejected_by="test_prior_and_data_win_in_turn"
def coin_map(heads, tails, a, b):
    if heads + tails + a + b == 2:
        raise ValueError("nothing is known")
    return (heads + b - 1) / (heads + tails + a + b - 2)

# %% wrong="coin_map" name="division_by_zero" rejected_by="test_nothing_known_is_an_error" says="ZeroDivisionError"
def coin_map(heads, tails, a, b):
    return (heads + a - 1) / (heads + tails + a + b - 2)

# %% wrong="coin_map" name="minus_one_once" rejected_by="test_mode_of_the_posterior"
def coin_map(heads, tails, a, b):
    if heads + tails + a + b == 2:
        raise ValueError("nothing is known")
    return (heads + a - 1) / max(heads + tails + a + b - 1, 1)

# %% right="coin_map" name="imagined_throws"
def coin_map(heads, tails, a, b):
    heads, tails = heads + (a - 1), tails + (b - 1)
    if not heads and not tails:
        raise ValueError("no throws, real or imagined")
    return heads / (heads + tails)

# %% right="coin_map" name="odds"
def coin_map(heads, tails, a, b):
    for_heads, for_tails = heads + a - 1, tails + b - 1
    if for_heads == for_tails == 0:
        raise ValueError("flat posterior")
    if for_tails == 0:
        return 1.0
    odds = for_heads / for_tails
    return odds / (1 + odds)

# ---- penalty_from_prior

# %% wrong="penalty_from_prior" name="the_slides_constant" rejected_by="test_sum_of_squares_with_a_gaussian_prior" says="factor"
def penalty_from_prior(loss, prior, scale, noise=1.0):
    if loss not in ("nll", "squared") or prior not in ("gaussian", "laplace"):
        raise ValueError("unknown")
    lam = 1 / (2 * scale**2) if prior == "gaussian" else 1 / scale
    return lam if loss == "nll" else lam * noise**2

# %% wrong="penalty_from_prior" name="noise_not_squared" rejected_by="test_where_the_noise_counts" says="ratio"
def penalty_from_prior(loss, prior, scale, noise=1.0):
    if loss not in ("nll", "squared") or prior not in ("gaussian", "laplace"):
        raise ValueError("unknown")
    lam = 1 / (2 * scale**2) if prior == "gaussian" else 1 / scale
    return lam if loss == "nll" else 2 * noise * lam

# %% wrong="penalty_from_prior" name="noise_counts_twice" rejected_by="test_where_the_noise_counts" says="nll"
def penalty_from_prior(loss, prior, scale, noise=1.0):
    if loss not in ("nll", "squared") or prior not in ("gaussian", "laplace"):
        raise ValueError("unknown")
    lam = noise**2 * (1 / (2 * scale**2) if prior == "gaussian" else 1 / scale)
    return lam if loss == "nll" else 2 * lam

# %% wrong="penalty_from_prior" name="laplace_with_a_half" rejected_by="test_laplace_prior" says="factor of 1/2"
def penalty_from_prior(loss, prior, scale, noise=1.0):
    if loss not in ("nll", "squared") or prior not in ("gaussian", "laplace"):
        raise ValueError("unknown")
    lam = 1 / (2 * scale**2) if prior == "gaussian" else 1 / (2 * scale)
    return lam if loss == "nll" else 2 * noise**2 * lam

# %% wrong="penalty_from_prior" name="no_half_in_the_likelihood" rejected_by="test_likelihood_with_a_gaussian_prior" says="factor of 2"
def penalty_from_prior(loss, prior, scale, noise=1.0):
    if loss not in ("nll", "squared") or prior not in ("gaussian", "laplace"):
        raise ValueError("unknown")
    if prior == "gaussian":
        return 1 / scale**2 if loss == "nll" else noise**2 / scale**2
    return 1 / scale if loss == "nll" else 2 * noise**2 / scale

# %% wrong="penalty_from_prior" name="anything_else_is_gaussian" rejected_by="test_unknown_names_are_refused" says="No error"
def penalty_from_prior(loss, prior, scale, noise=1.0):
    lam = 1 / scale if prior == "laplace" else 1 / (2 * scale**2)
    return 2 * noise**2 * lam if loss == "squared" else lam

# %% right="penalty_from_prior" name="table"
def penalty_from_prior(loss, prior, scale, noise=1.0):
    table = {
        ("nll", "gaussian"): 0.5 / scale**2,
        ("nll", "laplace"): 1 / scale,
        ("squared", "gaussian"): (noise / scale) ** 2,
        ("squared", "laplace"): 2 * noise * noise / scale,
    }
    if (loss, prior) not in table:
        raise ValueError(f"do not know {loss} with {prior}")
    return table[loss, prior]

# %% right="penalty_from_prior" name="match_statement"
def penalty_from_prior(loss: str, prior: str, scale: float, noise: float = 1.0) -> float:
    match loss:
        case "nll":
            factor = 1.0
        case "squared":
            factor = 2 * noise**2
        case _:
            raise ValueError(loss)
    match prior:
        case "gaussian":
            return factor * scale**-2 / 2
        case "laplace":
            return factor * scale**-1
    raise ValueError(prior)

# ---- ridge

# %% wrong="ridge" name="half_the_penalty" rejected_by="test_penalised_normal_equations"
def ridge(features, targets, lam):
    eye = torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.solve(features.T @ features + lam / 2 * eye, features.T @ targets)

# %% wrong="ridge" name="times_the_samples" rejected_by="test_penalised_normal_equations"
def ridge(features, targets, lam):
    n, d = features.shape
    return torch.linalg.solve(features.T @ features + n * lam * torch.eye(d, dtype=features.dtype), features.T @ targets)

# %% wrong="ridge" name="minus_sign" rejected_by="test_larger_penalty_shorter_parameters"
def ridge(features, targets, lam):
    eye = torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.solve(features.T @ features - lam * eye, features.T @ targets)

# %% wrong="ridge" name="first_column_is_free" rejected_by="test_every_parameter_is_penalised"
def ridge(features, targets, lam):
    diagonal = torch.full((features.shape[1],), float(lam), dtype=features.dtype)
    if features.shape[1] > 1:
        diagonal[0] = 0.0
    return torch.linalg.lstsq(features.T @ features + torch.diag(diagonal), (features.T @ targets)[:, None]).solution[:, 0]

# %% wrong="ridge" name="inverse_before_lambda" rejected_by="test_dependent_features"
def ridge(features, targets, lam):
    eye = torch.eye(features.shape[1], dtype=features.dtype)
    theta = torch.linalg.inv(features.T @ features) @ features.T @ targets
    return theta / (1 + lam / len(features)) if lam else theta

# %% wrong="ridge" name="lambda_not_under_the_root" rejected_by="test_penalised_normal_equations"
def ridge(features, targets, lam):
    d = features.shape[1]
    rows = torch.cat([features, lam * torch.eye(d, dtype=features.dtype)])
    return torch.linalg.pinv(rows) @ torch.cat([targets, torch.zeros(d, dtype=targets.dtype)])

# %% wrong="ridge" name="lambda_everywhere" rejected_by="test_penalised_normal_equations"
def ridge(features, targets, lam):
    return torch.linalg.pinv(features.T @ features + lam) @ features.T @ targets

# %% wrong="ridge" name="column_of_parameters" rejected_by="test_penalised_normal_equations" says="shape"
def ridge(features, targets, lam):
    eye = torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.solve(features.T @ features + lam * eye, features.T @ targets[:, None])

# %% wrong="ridge" name="adds_to_the_features" rejected_by="test_ridge_leaves_its_arguments"
def ridge(features, targets, lam):
    targets -= 0.5 * targets
    eye = torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.solve(features.T @ features + lam * eye, 2 * features.T @ targets)

# %% right="ridge" name="normal_equations"
def ridge(features, targets, lam):
    gram = features.T @ features
    return torch.linalg.solve(gram + lam * torch.eye(len(gram), dtype=gram.dtype), features.T @ targets)

# %% right="ridge" name="singular_values"
def ridge(features, targets, lam):
    u, s, vh = torch.linalg.svd(features, full_matrices=False)
    return vh.T @ (s / (s.square() + lam) * (u.T @ targets))

# %% right="ridge" name="dual_form"
import numpy as np

def ridge(features, targets, lam):
    f, y = np.asarray(features, dtype=float), np.asarray(targets, dtype=float)
    if lam == 0:
        return torch.as_tensor(np.linalg.lstsq(f, y, rcond=None)[0])
    return torch.as_tensor(f.T @ np.linalg.solve(f @ f.T + lam * np.identity(len(f)), y))

# ---- fit_ridge

# %% wrong="fit_ridge" name="no_intercept" rejected_by="test_intercept_is_free" says="mean prediction"
def fit_ridge(x, y, lam):
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
    spread = torch.where(spread > 1e-12, spread, 1.0)
    theta = ridge((x - mean) / spread, y, lam)
    return lambda new: (new - mean) / spread @ theta

# %% wrong="fit_ridge" name="penalised_intercept" rejected_by="test_intercept_is_free"
def fit_ridge(x, y, lam):
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
    spread = torch.where(spread > 1e-12, spread, 1.0)
    design = lambda v: torch.cat([(v - mean) / spread, torch.ones(len(v), 1, dtype=v.dtype)], dim=1)
    theta = ridge(design(x), y, lam)
    return lambda new: design(new) @ theta

# %% wrong="fit_ridge" name="statistics_of_the_new_inputs" rejected_by="test_statistics_of_the_training_inputs"
def fit_ridge(x, y, lam):
    def standardise(v):
        spread = v.std(dim=0, correction=0)
        return (v - v.mean(dim=0)) / torch.where(spread > 1e-12, spread, 1.0)
    theta, level = ridge(standardise(x), y - y.mean(), lam), y.mean()
    return lambda new: level + standardise(new) @ theta

# %% wrong="fit_ridge" name="not_scaled" rejected_by="test_units_do_not_matter" says="other units"
def fit_ridge(x, y, lam):
    mean, level = x.mean(dim=0), y.mean()
    theta = ridge(x - mean, y - level, lam)
    return lambda new: level + (new - mean) @ theta

# %% wrong="fit_ridge" name="divided_by_n_minus_1" rejected_by="test_predictions_for_new_inputs"
def fit_ridge(x, y, lam):
    mean, spread = x.mean(dim=0), x.std(dim=0)
    spread = torch.where(spread > 1e-12, spread, 1.0)
    theta = ridge((x - mean) / spread, y - y.mean(), lam)
    return lambda new: y.mean() + (new - mean) / spread @ theta

# %% wrong="fit_ridge" name="nan_for_constant_columns" rejected_by="test_constant_column" says="nan"
def fit_ridge(x, y, lam):
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
    theta = ridge((x - mean) / spread, y - y.mean(), lam)
    return lambda new: y.mean() + (new - mean) / spread @ theta

# %% wrong="fit_ridge" name="new_inputs_not_scaled" rejected_by="test_predictions_for_new_inputs"
def fit_ridge(x, y, lam):
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
    spread = torch.where(spread > 1e-12, spread, 1.0)
    theta = ridge((x - mean) / spread, y - y.mean(), lam)
    return lambda new: y.mean() + new @ theta

# %% wrong="fit_ridge" name="penalty_forgotten" rejected_by="test_predictions_for_new_inputs"
def fit_ridge(x, y, lam):
    mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
    spread = torch.where(spread > 1e-12, spread, 1.0)
    theta = torch.linalg.pinv((x - mean) / spread) @ (y - y.mean())
    return lambda new: y.mean() + (new - mean) / spread @ theta

# %% right="fit_ridge" name="free_column_of_ones"
def fit_ridge(x, y, lam):
    mean = x.mean(dim=0)
    spread = ((x - mean) ** 2).mean(dim=0).sqrt()
    spread = torch.where(spread < 1e-12, torch.ones_like(spread), spread)
    def design(v):
        return torch.cat([torch.ones(len(v), 1, dtype=v.dtype), (v - mean) / spread], dim=1)
    penalty = lam * torch.eye(x.shape[1] + 1, dtype=x.dtype)
    penalty[0, 0] = 0.0
    theta = torch.linalg.solve(design(x).T @ design(x) + penalty, design(x).T @ y)
    return lambda new: design(new) @ theta

# %% right="fit_ridge" name="class_in_numpy"
import numpy as np

class Ridge:
    def __init__(self, x, y, lam):
        x, y = np.array(x), np.array(y)
        self.mean, self.level, self.scale = x.mean(0), y.mean(), x.std(0)
        self.scale[self.scale < 1e-12] = 1
        z = (x - self.mean) / self.scale
        gram = z.T @ z + lam * np.eye(z.shape[1])
        self.theta = np.linalg.solve(gram, z.T @ (y - self.level))

    def __call__(self, new):
        return torch.from_numpy(self.level + (np.array(new) - self.mean) / self.scale @ self.theta)

def fit_ridge(x, y, lam):
    return Ridge(x, y, lam)

# ---- logreg_l2

# %% wrong="logreg_l2" name="lambda_theta" rejected_by="test_gradient_of_the_penalty"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        theta = theta - learning_rate * (x.T @ (torch.sigmoid(x @ theta) - labels) + lam * theta)
    return theta

# %% wrong="logreg_l2" name="decay_not_scaled" rejected_by="test_penalty_is_scaled_by_the_learning_rate" says="four times"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        theta = (1 - 2 * lam) * theta - learning_rate * x.T @ (torch.sigmoid(x @ theta) - labels)
    return theta

# %% wrong="logreg_l2" name="only_the_mistakes" rejected_by="test_descent_with_penalty"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        p = torch.sigmoid(x @ theta)
        wrong = (p > 0.5).long() != labels
        theta = theta - learning_rate * (x[wrong].T @ (p - labels)[wrong] + 2 * lam * theta)
    return theta

# %% wrong="logreg_l2" name="mean_over_the_samples" rejected_by="test_descent_with_penalty" says="factor"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        theta = theta - learning_rate * (x.T @ (torch.sigmoid(x @ theta) - labels) / len(x) + 2 * lam * theta)
    return theta

# %% wrong="logreg_l2" name="uphill" rejected_by="test_descent_with_penalty" says="sign"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        theta = theta + learning_rate * (x.T @ (torch.sigmoid(x @ theta) - labels) + 2 * lam * theta)
    return theta

# %% wrong="logreg_l2" name="penalty_pushes_outwards" rejected_by="test_gradient_of_the_penalty" says="sign"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        theta = theta - learning_rate * (x.T @ (torch.sigmoid(x @ theta) - labels) - 2 * lam * theta)
    return theta

# %% wrong="logreg_l2" name="stops_when_all_are_right" rejected_by="test_separable_data" says="stops growing"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        p = torch.sigmoid(x @ theta)
        if bool(((p > 0.5).long() == labels).all()):
            break
        theta = theta - learning_rate * (x.T @ (p - labels) + 2 * lam * theta)
    return theta

# %% wrong="logreg_l2" name="extra_intercept" rejected_by="test_descent_with_penalty" says="shape"
def logreg_l2(x, labels, lam, learning_rate, steps):
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    theta = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        theta = theta - learning_rate * (x.T @ (torch.sigmoid(x @ theta) - labels) + 2 * lam * theta)
    return theta

# %% right="logreg_l2" name="autograd"
def logreg_l2(x, labels, lam, learning_rate, steps):
    theta = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        logits = x @ theta
        loss = (torch.nn.functional.softplus(logits) - labels * logits).sum() + lam * theta @ theta
        (slope,) = torch.autograd.grad(loss, theta)
        with torch.no_grad():
            theta -= learning_rate * slope
    return theta.detach()

# %% right="logreg_l2" name="decay_in_numpy"
import numpy as np

def logreg_l2(x, labels, lam, learning_rate, steps):
    features, y = np.asarray(x), np.asarray(labels)
    theta = np.zeros(features.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-features @ theta))
        theta = (1 - 2 * learning_rate * lam) * theta - learning_rate * features.T.dot(p - y)
    return torch.from_numpy(theta)

# ---- soft_threshold

# %% wrong="soft_threshold" name="hard_threshold" rejected_by="test_moves_towards_zero" says="wrong in"
def soft_threshold(z, threshold):
    return torch.where(z.abs() > threshold, z, torch.zeros_like(z))

# %% wrong="soft_threshold" name="crosses_zero" rejected_by="test_small_numbers_become_zero"
def soft_threshold(z, threshold):
    return z - threshold * z.sign()

# %% wrong="soft_threshold" name="positive_only" rejected_by="test_moves_towards_zero"
def soft_threshold(z, threshold):
    return (z - threshold).clamp(min=0)

# %% wrong="soft_threshold" name="loses_the_sign" rejected_by="test_moves_towards_zero"
def soft_threshold(z, threshold):
    return (z.abs() - threshold).clamp(min=0)

# %% wrong="soft_threshold" name="flattens" rejected_by="test_any_shape_and_no_threshold" says="shape"
def soft_threshold(z, threshold):
    z = z.reshape(-1)
    return z.sign() * (z.abs() - threshold).clamp(min=0)

# %% wrong="soft_threshold" name="in_place" rejected_by="test_soft_threshold_leaves_z" says="argument 1"
def soft_threshold(z, threshold):
    sign = z.sign()
    z.abs_().sub_(threshold).clamp_(min=0)
    return sign * z

# %% wrong="soft_threshold" name="ready_made" rejected_by="forbidden"
def soft_threshold(z, threshold):
    return torch.nn.functional.softshrink(z, threshold)

# %% right="soft_threshold" name="sign_and_size"
def soft_threshold(z, threshold):
    return torch.sign(z) * torch.relu(torch.abs(z) - threshold)

# %% right="soft_threshold" name="minus_the_clipped_part"
def soft_threshold(z, threshold):
    return z - z.clamp(-threshold, threshold)

# ---- lasso

# %% wrong="lasso" name="subgradient_descent" rejected_by="test_zeros_are_exact"
def lasso(features, targets, lam, steps=5000, start=None):
    alpha = 0.5 / float(torch.linalg.matrix_norm(features, 2)) ** 2
    theta = torch.zeros(features.shape[1], dtype=features.dtype) if start is None else start
    for _ in range(steps):
        theta = theta - alpha * (2 * features.T @ (features @ theta - targets) + lam * theta.sign())
    return theta

# %% wrong="lasso" name="hard_threshold" rejected_by="test_smallest_penalised_error"
def lasso(features, targets, lam, steps=5000, start=None):
    alpha = 0.5 / float(torch.linalg.matrix_norm(features, 2)) ** 2
    theta = torch.zeros(features.shape[1], dtype=features.dtype) if start is None else start
    for _ in range(steps):
        theta = theta - alpha * 2 * features.T @ (features @ theta - targets)
        theta = torch.where(theta.abs() > alpha * lam, theta, 0.0)
    return theta

# %% wrong="lasso" name="threshold_not_scaled" rejected_by="test_smallest_penalised_error"
def lasso(features, targets, lam, steps=5000, start=None):
    alpha = 0.5 / float(torch.linalg.matrix_norm(features, 2)) ** 2
    theta = torch.zeros(features.shape[1], dtype=features.dtype) if start is None else start
    for _ in range(steps):
        theta = soft_threshold(theta - alpha * 2 * features.T @ (features @ theta - targets), lam)
    return theta

# %% wrong="lasso" name="penalty_of_the_halved_error" rejected_by="test_orthonormal_features"
def lasso(features, targets, lam, steps=5000, start=None):
    alpha = 1 / float(torch.linalg.matrix_norm(features, 2)) ** 2
    theta = torch.zeros(features.shape[1], dtype=features.dtype) if start is None else start
    for _ in range(steps):
        theta = soft_threshold(theta - alpha * features.T @ (features @ theta - targets), alpha * lam)
    return theta

# %% wrong="lasso" name="fixed_step_size" rejected_by="test_features_of_any_size"
def lasso(features, targets, lam, steps=5000, start=None):
    alpha = 0.002
    theta = torch.zeros(features.shape[1], dtype=features.dtype) if start is None else start
    for _ in range(steps):
        theta = soft_threshold(theta - alpha * 2 * features.T @ (features @ theta - targets), alpha * lam)
    return theta

# %% wrong="lasso" name="ignores_start" rejected_by="test_start" says="0 steps"
def lasso(features, targets, lam, steps=5000, start=None):
    alpha = 0.5 / float(torch.linalg.matrix_norm(features, 2)) ** 2
    theta = torch.zeros(features.shape[1], dtype=features.dtype)
    for _ in range(steps):
        theta = soft_threshold(theta - alpha * 2 * features.T @ (features @ theta - targets), alpha * lam)
    return theta

# %% wrong="lasso" name="one_soft_threshold_of_least_squares" rejected_by="test_smallest_penalised_error"
def lasso(features, targets, lam, steps=5000, start=None):
    if steps == 0:
        return start
    return soft_threshold(torch.linalg.pinv(features) @ targets, lam / 2)

# %% wrong="lasso" name="ridge_in_disguise" rejected_by="test_zeros_are_exact"
def lasso(features, targets, lam, steps=5000, start=None):
    if steps == 0:
        return start
    eye = torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.solve(features.T @ features + lam * eye, features.T @ targets)

# %% wrong="lasso" name="ready_made" rejected_by="forbidden"
from sklearn.linear_model import Lasso

def lasso(features, targets, lam, steps=5000, start=None):
    model = Lasso(alpha=lam / (2 * len(features)), fit_intercept=False, max_iter=steps)
    return torch.from_numpy(model.fit(features.numpy(), targets.numpy()).coef_)

# %% right="lasso" name="coordinate_descent"
def lasso(features, targets, lam, steps=5000, start=None):
    theta = torch.zeros(features.shape[1], dtype=features.dtype) if start is None else start.clone()
    squares = (features**2).sum(dim=0)
    for _ in range(min(steps, 200)):
        for j in range(len(theta)):
            without_j = targets - features @ theta + features[:, j] * theta[j]
            theta[j] = soft_threshold(features[:, j] @ without_j, lam / 2) / squares[j]
    return theta

# %% right="lasso" name="accelerated"
def lasso(features, targets, lam, steps=5000, start=None):
    alpha = 0.5 / torch.linalg.eigvalsh(features.T @ features)[-1]
    theta = features.new_zeros(features.shape[1]) if start is None else start
    ahead, t = theta, 1.0
    for _ in range(steps):
        moved = ahead - 2 * alpha * features.T @ (features @ ahead - targets)
        new = torch.sign(moved) * (moved.abs() - alpha * lam).clamp(min=0)
        t_new = (1 + math.sqrt(1 + 4 * t * t)) / 2
        if (new - theta) @ (ahead - new) > 0:
            t_new = 1.0
        ahead, theta, t = new + (t - 1) / t_new * (new - theta), new, t_new
    return theta

# %% right="lasso" name="numpy_ista"
import numpy as np

def lasso(features, targets, lam, steps=5000, start=None):
    f, y = np.asarray(features), np.asarray(targets)
    theta = np.zeros(f.shape[1]) if start is None else np.array(start)
    curvature = 2 * np.linalg.norm(f, 2) ** 2
    for _ in range(steps):
        z = theta - 2 * f.T @ (f @ theta - y) / curvature
        theta = np.sign(z) * np.maximum(np.abs(z) - lam / curvature, 0)
    return torch.from_numpy(theta)

# ---- split

# %% wrong="split" name="shuffled_apart" rejected_by="test_inputs_keep_their_targets" says="row of each input"
def split(x, y, fractions, seed, stratify=False):
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError("fractions")
    source = torch.Generator().manual_seed(seed)
    a, b = round(fractions[0] * len(x)), round(fractions[1] * len(x))
    x, y = x[torch.randperm(len(x), generator=source)], y[torch.randperm(len(y), generator=source)]
    return (x[:a], y[:a]), (x[a : a + b], y[a : a + b]), (x[a + b :], y[a + b :])

# %% wrong="split" name="not_shuffled" rejected_by="test_sorted_rows_are_shuffled" says="one class only"
def split(x, y, fractions, seed, stratify=False):
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError("fractions")
    a, b = round(fractions[0] * len(x)), round(fractions[1] * len(x))
    return (x[:a], y[:a]), (x[a : a + b], y[a : a + b]), (x[a + b :], y[a + b :])

# %% wrong="split" name="three_separate_draws" rejected_by="test_every_row_once" says="all rows"
def split(x, y, fractions, seed, stratify=False):
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError("fractions")
    source = torch.Generator().manual_seed(seed)
    a, b = round(fractions[0] * len(x)), round(fractions[1] * len(x))
    parts = [torch.randperm(len(x), generator=source)[:n] for n in (a, b, len(x) - a - b)]
    return tuple((x[rows], y[rows]) for rows in parts)

# %% wrong="split" name="ignores_the_seed" rejected_by="test_seed_decides" says="same seed"
def split(x, y, fractions, seed, stratify=False):
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError("fractions")
    order = torch.randperm(len(x))
    groups = [order[y[order] == c] for c in y.unique()] if stratify else [order]
    parts = [[], [], []]
    for group in groups:
        a, b = round(fractions[0] * len(group)), round(fractions[1] * len(group))
        for part, rows in zip(parts, (group[:a], group[a : a + b], group[a + b :])):
            part.append(rows)
    return tuple((x[torch.cat(rows)], y[torch.cat(rows)]) for rows in parts)

# %% wrong="split" name="one_seed_for_all" rejected_by="test_seed_decides" says="Another seed"
def split(x, y, fractions, seed, stratify=False):
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError("fractions")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    a, b = round(fractions[0] * len(x)), round(fractions[1] * len(x))
    return tuple((x[rows], y[rows]) for rows in (order[:a], order[a : a + b], order[a + b :]))

# %% wrong="split" name="stratify_ignored" rejected_by="test_stratified" says="three classes"
def split(x, y, fractions, seed, stratify=False):
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError("fractions")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    a, b = round(fractions[0] * len(x)), round(fractions[1] * len(x))
    return tuple((x[rows], y[rows]) for rows in (order[:a], order[a : a + b], order[a + b :]))

# %% wrong="split" name="loses_the_rest" rejected_by="test_every_row_once" says="sizes"
def split(x, y, fractions, seed, stratify=False):
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError("fractions")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    a, b, c = (int(f * len(x)) for f in fractions)
    return tuple((x[rows], y[rows]) for rows in (order[:a], order[a : a + b], order[a + b : a + b + c]))

# %% wrong="split" name="any_fractions" rejected_by="test_impossible_fractions" says="No error"
def split(x, y, fractions, seed, stratify=False):
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    groups = [order[y[order] == c] for c in y.unique()] if stratify else [order]
    parts = [[], [], []]
    for group in groups:
        a, b = round(fractions[0] * len(group)), round(fractions[1] * len(group))
        for part, rows in zip(parts, (group[:a], group[a : a + b], group[a + b :])):
            part.append(rows)
    return tuple((x[torch.cat(rows)], y[torch.cat(rows)]) for rows in parts)

# %% wrong="split" name="ready_made" rejected_by="forbidden"
from sklearn.model_selection import train_test_split

def split(x, y, fractions, seed, stratify=False):
    x, x_rest, y, y_rest = train_test_split(x, y, train_size=fractions[0], random_state=seed)
    share = fractions[1] / (fractions[1] + fractions[2])
    x_val, x_test, y_val, y_test = train_test_split(x_rest, y_rest, train_size=share, random_state=seed)
    return (x, y), (x_val, y_val), (x_test, y_test)

# %% right="split" name="numpy_generator"
import numpy as np

def split(x, y, fractions, seed, stratify=False):
    if not all(f > 0 for f in fractions) or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise ValueError(f"bad fractions {fractions}")
    rng = np.random.default_rng(seed)
    kinds = np.asarray(y) if stratify else np.zeros(len(y))
    rows = ([], [], [])
    for kind in np.unique(kinds):
        members = rng.permutation(np.flatnonzero(kinds == kind)).tolist()
        first = round(fractions[0] * len(members))
        second = first + round(fractions[1] * len(members))
        rows[0].extend(members[:first])
        rows[1].extend(members[first:second])
        rows[2].extend(members[second:])
    return [(x[part], y[part]) for part in rows]

# %% right="split" name="random_keys"
import random

def split(x, y, fractions, seed, stratify=False):
    total = fractions[0] + fractions[1] + fractions[2]
    if any(f <= 0 for f in fractions) or abs(total - 1) > 1e-6:
        raise ValueError("the fractions must be positive and sum to 1")
    source = random.Random(seed)
    groups = {}
    for row in range(len(x)):
        groups.setdefault(int(y[row]) if stratify else 0, []).append(row)
    train, val, test = [], [], []
    for members in groups.values():
        source.shuffle(members)
        n, a, b = len(members), round(fractions[0] * len(members)), round(fractions[1] * len(members))
        train += members[:a]
        val += members[a : a + b]
        test += members[a + b : n]
    pick = lambda part: (x[torch.tensor(part)], y[torch.tensor(part)])
    return pick(train), pick(val), pick(test)

# ---- GuardedTestSet

# %% wrong="GuardedTestSet" name="counts_attempts" rejected_by="test_failing_predictor_uses_nothing_up"
class GuardedTestSet:
    def __init__(self, x, y):
        self._x, self._y, self.score, self.used = x, y, None, False

    def __len__(self):
        return len(self._x)

    def evaluate(self, predict, loss):
        if self.used:
            raise SecondLook(f"the score was {self.score:.3f}")
        self.used = True
        losses = loss(predict(self._x), self._y)
        self.score = float(losses.sum() / len(losses))
        return self.score

# %% wrong="GuardedTestSet" name="same_score_again" rejected_by="test_second_look_is_refused" says="No error"
class GuardedTestSet:
    def __init__(self, x, y):
        self._x, self._y, self.score = x, y, None

    def __len__(self):
        return len(self._x)

    @property
    def used(self):
        return self.score is not None

    def evaluate(self, predict, loss):
        if self.score is None:
            losses = loss(predict(self._x), self._y)
            self.score = float(losses.sum() / len(losses))
        return self.score

# %% wrong="GuardedTestSet" name="shared_by_all" rejected_by="test_test_sets_are_independent" says="another"
class GuardedTestSet:
    score = None

    def __init__(self, x, y):
        self._x, self._y = x, y

    def __len__(self):
        return len(self._x)

    @property
    def used(self):
        return GuardedTestSet.score is not None

    def evaluate(self, predict, loss):
        if self.used:
            raise SecondLook(f"the score was {GuardedTestSet.score:.3f}")
        losses = loss(predict(self._x), self._y)
        GuardedTestSet.score = float(losses.sum() / len(losses))
        return GuardedTestSet.score

# %% wrong="GuardedTestSet" name="sum_of_losses" rejected_by="test_score_is_the_mean_loss" says="factor"
class GuardedTestSet:
    def __init__(self, x, y):
        self._x, self._y, self.score = x, y, None

    def __len__(self):
        return len(self._x)

    @property
    def used(self):
        return self.score is not None

    def evaluate(self, predict, loss):
        if self.used:
            raise SecondLook(f"the score was {self.score:.3f}")
        self.score = float(loss(predict(self._x), self._y).sum())
        return self.score

# %% wrong="GuardedTestSet" name="refuses_after_predicting" rejected_by="test_refused_before_predicting" says="was called"
class GuardedTestSet:
    def __init__(self, x, y):
        self._x, self._y, self.score = x, y, None

    def __len__(self):
        return len(self._x)

    @property
    def used(self):
        return self.score is not None

    def evaluate(self, predict, loss):
        losses = loss(predict(self._x), self._y)
        if self.used:
            raise SecondLook(f"the score was {self.score:.3f}")
        self.score = float(losses.sum() / len(losses))
        return self.score

# %% wrong="GuardedTestSet" name="mean_of_booleans" rejected_by="test_score_is_the_mean_loss" says="mean"
class GuardedTestSet:
    def __init__(self, x, y):
        self._x, self._y, self.score = x, y, None

    def __len__(self):
        return len(self._x)

    @property
    def used(self):
        return self.score is not None

    def evaluate(self, predict, loss):
        if self.used:
            raise SecondLook(f"the score was {self.score:.3f}")
        self.score = loss(predict(self._x), self._y).mean().item()
        return self.score

# %% wrong="GuardedTestSet" name="zero_means_unused" rejected_by="test_remembers_its_state"
class GuardedTestSet:
    def __init__(self, x, y):
        self._x, self._y, self.score = x, y, 0.0

    def __len__(self):
        return len(self._x)

    @property
    def used(self):
        return self.score != 0

    def evaluate(self, predict, loss):
        if self.used:
            raise SecondLook(f"the score was {self.score:.3f}")
        losses = loss(predict(self._x), self._y)
        self.score = float(losses.sum() / len(losses))
        return self.score

# %% wrong="GuardedTestSet" name="silent_refusal" rejected_by="test_second_look_is_refused" says="three decimals"
class GuardedTestSet:
    def __init__(self, x, y):
        self._x, self._y, self.score = x, y, None

    def __len__(self):
        return len(self._x)

    @property
    def used(self):
        return self.score is not None

    def evaluate(self, predict, loss):
        if self.used:
            raise SecondLook("no")
        losses = loss(predict(self._x), self._y)
        self.score = float(losses.sum() / len(losses))
        return self.score

# %% right="GuardedTestSet" name="flag_and_float"
class GuardedTestSet:
    def __init__(self, x, y):
        self._data, self.used, self.score = (x, y), False, None

    def __len__(self):
        return self._data[1].shape[0]

    def evaluate(self, predict, loss):
        if self.used:
            raise SecondLook("used up, it gave {:.3f}".format(self.score))
        x, y = self._data
        self.score = torch.as_tensor(loss(predict(x), y)).double().mean().item()
        self.used = True
        return self.score

# %% right="GuardedTestSet" name="forgets_the_data"
class GuardedTestSet:
    def __init__(self, x, y):
        self._rows, self._count = (x.clone(), y.clone()), len(y)
        self.score = None

    def __len__(self):
        return self._count

    used = property(lambda self: self._rows is None)

    def evaluate(self, predict, loss):
        if self._rows is None:
            raise SecondLook(f"The exam is over; the result was {round(self.score, 3):.3f}.")
        score = sum(float(value) for value in loss(predict(self._rows[0]), self._rows[1])) / self._count
        self._rows, self.score = None, score
        return score

# ---- diagnose

# %% wrong="diagnose" name="overfitting_first" rejected_by="test_underfitting_comes_first"
def diagnose(train_loss, val_loss, target, gap):
    if val_loss > (1 + gap) * train_loss:
        return "overfit"
    return "underfit" if train_loss > target else "ok"

# %% wrong="diagnose" name="absolute_gap" rejected_by="test_gap_is_relative" says="share of the training loss"
def diagnose(train_loss, val_loss, target, gap):
    if train_loss > target:
        return "underfit"
    return "overfit" if val_loss - train_loss > gap else "ok"

# %% wrong="diagnose" name="high_losses_are_overfitting" rejected_by="test_three_diagnoses"
def diagnose(train_loss, val_loss, target, gap):
    if val_loss > target:
        return "overfit"
    return "underfit" if train_loss > target else "ok"

# %% wrong="diagnose" name="divides_by_the_training_loss" rejected_by="test_limits" says="ZeroDivisionError"
def diagnose(train_loss, val_loss, target, gap):
    if train_loss > target:
        return "underfit"
    return "overfit" if (val_loss - train_loss) / train_loss > gap else "ok"

# %% wrong="diagnose" name="limits_are_excluded" rejected_by="test_limits" says="at the target"
def diagnose(train_loss, val_loss, target, gap):
    if train_loss >= target:
        return "underfit"
    return "overfit" if val_loss >= (1 + gap) * train_loss else "ok"

# %% wrong="diagnose" name="other_words" rejected_by="test_three_diagnoses"
def diagnose(train_loss, val_loss, target, gap):
    if train_loss > target:
        return "underfitting"
    return "overfitting" if val_loss > (1 + gap) * train_loss else "neither"

# %% right="diagnose" name="flags"
def diagnose(train_loss, val_loss, target, gap):
    low_enough = train_loss <= target
    close = val_loss - train_loss <= gap * train_loss
    return {(True, True): "ok", (True, False): "overfit"}.get((low_enough, close), "underfit")

# %% right="diagnose" name="one_expression"
def diagnose(train_loss: float, val_loss: float, target: float, gap: float) -> str:
    return "underfit" if target < train_loss else ("ok", "overfit")[val_loss > train_loss + gap * train_loss]

# ---- select_lambda

# %% wrong="select_lambda" name="argmin_on_training" rejected_by="test_lowest_validation_loss" says="chosen lam"
def select_lambda(lams, fit, train, validation):
    predictors = [fit(*train, lam) for lam in lams]
    on = lambda data: torch.stack([((p(data[0]) - data[1]) ** 2).mean() for p in predictors])
    return lams[int(on(train).argmin())], on(train), on(validation)

# %% wrong="select_lambda" name="returns_the_loss" rejected_by="test_lowest_validation_loss"
def select_lambda(lams, fit, train, validation):
    predictors = [fit(*train, lam) for lam in lams]
    on = lambda data: torch.stack([((p(data[0]) - data[1]) ** 2).mean() for p in predictors])
    return float(on(validation).min()), on(train), on(validation)

# %% wrong="select_lambda" name="returns_the_place" rejected_by="test_lowest_validation_loss"
def select_lambda(lams, fit, train, validation):
    predictors = [fit(*train, lam) for lam in lams]
    on = lambda data: torch.stack([((p(data[0]) - data[1]) ** 2).mean() for p in predictors])
    return int(on(validation).argmin()), on(train), on(validation)

# %% wrong="select_lambda" name="fits_on_both_sets" rejected_by="test_fit_sees_the_training_set_only" says="other data"
def select_lambda(lams, fit, train, validation):
    both = tuple(torch.cat(pair) for pair in zip(train, validation))
    predictors = [fit(*both, lam) for lam in lams]
    on = lambda data: torch.stack([((p(data[0]) - data[1]) ** 2).mean() for p in predictors])
    losses = on(validation)
    best = max(lam for lam, loss in zip(lams, losses) if loss == losses.min())
    return best, on(train), losses

# %% wrong="select_lambda" name="refits_on_validation" rejected_by="test_fit_sees_the_training_set_only"
def select_lambda(lams, fit, train, validation):
    def losses(data):
        return torch.stack([((fit(*data, lam)(data[0]) - data[1]) ** 2).mean() for lam in lams])
    on_validation = losses(validation)
    best = max(lam for lam, loss in zip(lams, on_validation) if loss == on_validation.min())
    return best, losses(train), on_validation

# %% wrong="select_lambda" name="first_of_equals" rejected_by="test_tie_goes_to_the_stronger_prior"
def select_lambda(lams, fit, train, validation):
    predictors = [fit(*train, lam) for lam in lams]
    on = lambda data: torch.stack([((p(data[0]) - data[1]) ** 2).mean() for p in predictors])
    return lams[int(on(validation).argmin())], on(train), on(validation)

# %% wrong="select_lambda" name="sums_of_squares" rejected_by="test_both_loss_curves" says="training losses"
def select_lambda(lams, fit, train, validation):
    predictors = [fit(*train, lam) for lam in lams]
    on = lambda data: torch.stack([((p(data[0]) - data[1]) ** 2).sum() for p in predictors])
    losses = on(validation)
    return max(lam for lam, loss in zip(lams, losses) if loss == losses.min()), on(train), losses

# %% wrong="select_lambda" name="sorted_curves" rejected_by="test_both_loss_curves"
def select_lambda(lams, fit, train, validation):
    lams = sorted(lams)
    predictors = [fit(*train, lam) for lam in lams]
    on = lambda data: torch.stack([((p(data[0]) - data[1]) ** 2).mean() for p in predictors])
    losses = on(validation)
    return max(lam for lam, loss in zip(lams, losses) if loss == losses.min()), on(train), losses

# %% right="select_lambda" name="one_loop"
def select_lambda(lams, fit, train, validation):
    best, lowest, on_train, on_val = None, float("inf"), [], []
    for lam in lams:
        predictor = fit(train[0], train[1], lam)
        on_train.append(float(torch.mean((predictor(train[0]) - train[1]) ** 2)))
        on_val.append(float(torch.mean((predictor(validation[0]) - validation[1]) ** 2)))
        if on_val[-1] < lowest or (on_val[-1] == lowest and lam > best):
            best, lowest = lam, on_val[-1]
    return best, torch.tensor(on_train, dtype=torch.float64), torch.tensor(on_val, dtype=torch.float64)

# %% right="select_lambda" name="mse_loss_and_min_by_key"
from torch.nn.functional import mse_loss

def select_lambda(lams, fit, train, validation):
    (x, y), (x_val, y_val) = train, validation
    models = {lam: fit(x, y, lam) for lam in lams}
    training = [mse_loss(models[lam](x), y) for lam in lams]
    held_out = {lam: mse_loss(models[lam](x_val), y_val).item() for lam in lams}
    chosen = min(lams, key=lambda lam: (held_out[lam], -lam))
    return chosen, torch.stack(training), torch.tensor([held_out[lam] for lam in lams])

# ---- log_curves

# %% wrong="log_curves" name="measures_in_training_mode" rejected_by="test_measured_in_evaluation_mode" says="learns nothing"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history = {"step": [], "train": [], "validation": []}
    def measure(step):
        with torch.no_grad():
            history["step"].append(step)
            history["train"].append(loss(model(train[0]), train[1]).item())
            history["validation"].append(loss(model(validation[0]), validation[1]).item())
    measure(0)
    for step, (x, y) in enumerate(batches, 1):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        if step % every == 0:
            measure(step)
    return history

# %% wrong="log_curves" name="stays_in_evaluation_mode" rejected_by="test_steps_in_training_mode" says="evaluation mode"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history = {"step": [], "train": [], "validation": []}
    def measure(step):
        model.eval()
        with torch.no_grad():
            history["step"].append(step)
            history["train"].append(loss(model(train[0]), train[1]).item())
            history["validation"].append(loss(model(validation[0]), validation[1]).item())
    measure(0)
    for step, (x, y) in enumerate(batches, 1):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        if step % every == 0:
            measure(step)
    return history

# %% wrong="log_curves" name="running_mean_of_batches" rejected_by="test_measured_on_all_data" says="training losses"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history, running = {"step": [], "train": [], "validation": []}, []
    def measure(step, value):
        model.eval()
        with torch.no_grad():
            history["step"].append(step)
            history["train"].append(value)
            history["validation"].append(loss(model(validation[0]), validation[1]).item())
        model.train()
    with torch.no_grad():
        first = loss(model(train[0]), train[1]).item()
    measure(0, first)
    for step, (x, y) in enumerate(batches, 1):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        running.append(value.item())
        if step % every == 0:
            measure(step, sum(running) / len(running))
    return history

# %% wrong="log_curves" name="gradients_add_up" rejected_by="test_losses_along_the_way"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history = {"step": [], "train": [], "validation": []}
    def measure(step):
        model.eval()
        with torch.no_grad():
            history["step"].append(step)
            history["train"].append(loss(model(train[0]), train[1]).item())
            history["validation"].append(loss(model(validation[0]), validation[1]).item())
        model.train()
    measure(0)
    for step, (x, y) in enumerate(batches, 1):
        loss(model(x), y).backward()
        optimizer.step()
        if step % every == 0:
            measure(step)
    return history

# %% wrong="log_curves" name="measures_before_the_step" rejected_by="test_moments_of_measuring" says="list of steps"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history = {"step": [], "train": [], "validation": []}
    for step, (x, y) in enumerate(batches):
        if step % every == 0:
            model.eval()
            with torch.no_grad():
                history["step"].append(step)
                history["train"].append(loss(model(train[0]), train[1]).item())
                history["validation"].append(loss(model(validation[0]), validation[1]).item())
            model.train()
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    return history

# %% wrong="log_curves" name="wall_clock_for_steps" rejected_by="test_moments_of_measuring" says="list of steps"
import time

def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history, begin = {"step": [], "train": [], "validation": []}, time.perf_counter()
    def measure():
        model.eval()
        with torch.no_grad():
            history["step"].append(time.perf_counter() - begin)
            history["train"].append(loss(model(train[0]), train[1]).item())
            history["validation"].append(loss(model(validation[0]), validation[1]).item())
        model.train()
    measure()
    for step, (x, y) in enumerate(batches, 1):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        if step % every == 0:
            measure()
    return history

# %% wrong="log_curves" name="keeps_tensors" rejected_by="test_measuring_costs_no_gradients" says="recorded gradients"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history = {"step": [], "train": [], "validation": []}
    def measure(step):
        model.eval()
        history["step"].append(step)
        history["train"].append(loss(model(train[0]), train[1]))
        history["validation"].append(loss(model(validation[0]), validation[1]))
        model.train()
    measure(0)
    for step, (x, y) in enumerate(batches, 1):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        if step % every == 0:
            measure(step)
    return history

# %% wrong="log_curves" name="validation_twice" rejected_by="test_losses_along_the_way" says="train losses"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    history = {"step": [], "train": [], "validation": []}
    def measure(step):
        model.eval()
        with torch.no_grad():
            history["step"].append(step)
            history["train"].append(loss(model(validation[0]), validation[1]).item())
            history["validation"].append(loss(model(validation[0]), validation[1]).item())
        model.train()
    measure(0)
    for step, (x, y) in enumerate(batches, 1):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        if step % every == 0:
            measure(step)
    return history

# %% right="log_curves" name="countdown"
def evaluate(model, loss, x, y):
    mode = model.training
    model.train(False)
    with torch.inference_mode():
        value = loss(model(x), y).item()
    model.train(mode)
    return value

def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    model.train()
    steps, done = [0], 0
    on_train, on_validation = [evaluate(model, loss, *train)], [evaluate(model, loss, *validation)]
    for batch in batches:
        value = loss(model(batch[0]), batch[1])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        done += 1
        if done == steps[-1] + every:
            steps.append(done)
            on_train.append(evaluate(model, loss, *train))
            on_validation.append(evaluate(model, loss, *validation))
    return dict(step=steps, train=on_train, validation=on_validation)

# %% right="log_curves" name="rows_then_columns"
def log_curves(model, loss, optimizer, batches, train, validation, every=1):
    rows = []

    @torch.no_grad()
    def note(step):
        model.eval()
        rows.append((step, float(loss(model(train[0]), train[1])), float(loss(model(validation[0]), validation[1]))))

    note(0)
    for step, (inputs, targets) in enumerate(batches):
        model.train()
        optimizer.zero_grad(set_to_none=False)
        loss(model(inputs), targets).backward()
        optimizer.step()
        if not (step + 1) % every:
            note(step + 1)
    model.train()
    return {name: list(column) for name, column in zip(("step", "train", "validation"), zip(*rows))}

# ---- quizzes

# %% wrong="decomposition_facts" name="more_powers_less_bias" rejected_by="test_degree_2_lowers_bias" says="not right"
degree_2_lowers_bias = True
variance_of_two = 1
bias2_of_two = 4
overfitting_is = "variance"

# %% wrong="decomposition_facts" name="divided_by_one_less" rejected_by="test_variance_of_two" says="not right"
degree_2_lowers_bias = False
variance_of_two = 2
bias2_of_two = 4
overfitting_is = "variance"

# %% wrong="decomposition_facts" name="mean_of_squared_errors" rejected_by="test_bias2_of_two" says="not right"
degree_2_lowers_bias = False
variance_of_two = 1
bias2_of_two = 5
overfitting_is = "variance"

# %% wrong="decomposition_facts" name="overfitting_is_bias" rejected_by="test_overfitting_is" says="not right"
degree_2_lowers_bias = False
variance_of_two = 1
bias2_of_two = 4
overfitting_is = "bias"

# %% right="decomposition_facts" name="computed"
degree_2_lowers_bias = False
variance_of_two = torch.tensor([2.0, 4.0]).var(correction=0)
bias2_of_two = (3 - 5) ** 2
overfitting_is = " Variance"

# %% right="decomposition_facts" name="floats"
degree_2_lowers_bias = 1 > 2
variance_of_two = 1.0
bias2_of_two = 4.0
overfitting_is = "VARIANCE"

# %% wrong="penalty_facts" name="the_slides_constant" rejected_by="test_lambda_for_squares" says="not right"
lambda_for_squares = 12.5
lambda_for_nll = 12.5
variance_with_lambda = "falls"
bias_with_lambda = "rises"

# %% wrong="penalty_facts" name="same_for_both_losses" rejected_by="test_lambda_for_nll" says="not right"
lambda_for_squares = 25
lambda_for_nll = 25
variance_with_lambda = "falls"
bias_with_lambda = "rises"

# %% wrong="penalty_facts" name="turned_round" rejected_by="test_variance_with_lambda test_bias_with_lambda" says="not right"
lambda_for_squares = 25
lambda_for_nll = 12.5
variance_with_lambda = "rises"
bias_with_lambda = "falls"

# %% right="penalty_facts" name="computed"
lambda_for_squares = penalty_from_prior("squared", "gaussian", 0.2)
lambda_for_nll = penalty_from_prior("nll", "gaussian", 0.2)
variance_with_lambda = "Falls"
bias_with_lambda = "rises "

# %% right="penalty_facts" name="by_hand"
lambda_for_squares = 1 / 0.04
lambda_for_nll = 1 / (2 * 0.04)
variance_with_lambda = "falls"
bias_with_lambda = "RISES"

# %% wrong="workflow_facts" name="test_set_for_everything" rejected_by="test_set_for_degree" says="not right"
set_for_degree = "test"
set_that_votes_for_zero = "training"
best_validation_loss_is = "too low"
first_remedy = "larger model"

# %% wrong="workflow_facts" name="validation_is_unbiased" rejected_by="test_best_validation_loss" says="not right"
set_for_degree = "validation"
set_that_votes_for_zero = "training"
best_validation_loss_is = "right"
first_remedy = "larger model"

# %% wrong="workflow_facts" name="data_always_help" rejected_by="test_first_remedy" says="not right"
set_for_degree = "validation"
set_that_votes_for_zero = "training"
best_validation_loss_is = "too low"
first_remedy = "more data"

# %% wrong="workflow_facts" name="validation_votes_for_zero" rejected_by="test_set_that_votes_for_zero" says="not right"
set_for_degree = "validation"
set_that_votes_for_zero = "validation"
best_validation_loss_is = "too low"
first_remedy = "larger model"

# %% right="workflow_facts" name="capitals"
set_for_degree = "Validation"
set_that_votes_for_zero = "TRAINING"
best_validation_loss_is = "too low "
first_remedy = "Larger model"

# %% right="workflow_facts" name="names_first"
training, validation = "training", "validation"
set_for_degree = validation
set_that_votes_for_zero = training
best_validation_loss_is = "too low"
first_remedy = "larger model"
