# Wrong solutions that the hidden tests must reject, each by the test that names the mistake, and right solutions written
# in other ways, which must get full marks. Format: docs/architecture.md, section 4. `course validate` grades them all.

# ---- Standardizer

# %% wrong="Standardizer" name="one_mean_for_all" rejected_by="test_columns_get_mean_0_and_deviation_1"
class Standardizer:
    def fit(self, x):
        self.mean, self.std = x.mean(), x.std(correction=0)
        return self

    def transform(self, x):
        return (x - self.mean) / self.std

    def inverse_transform(self, x):
        return x * self.std + self.mean

# %% wrong="Standardizer" name="divides_by_n_minus_1" rejected_by="test_columns_get_mean_0_and_deviation_1"
class Standardizer:
    def fit(self, x):
        self.mean, self.std = x.mean(0), x.std(0)
        self.std = torch.where(self.std == 0, torch.ones_like(self.std), self.std)
        return self

    def transform(self, x):
        return (x - self.mean) / self.std

    def inverse_transform(self, x):
        return x * self.std + self.mean

# %% wrong="Standardizer" name="measures_the_test_data" rejected_by="test_new_data_use_the_numbers_of_the_training_data"
class Standardizer:
    def fit(self, x):
        self.mean, self.std = x.mean(0), x.std(0, correction=0)
        return self

    def transform(self, x):
        self.fit(x)
        return torch.nan_to_num((x - self.mean) / self.std)

    def inverse_transform(self, x):
        return x * self.std + self.mean

# %% wrong="Standardizer" name="constant_is_nan" rejected_by="test_a_constant_column_becomes_zero"
class Standardizer:
    def fit(self, x):
        self.mean, self.std = x.mean(0), x.std(0, correction=0)
        return self

    def transform(self, x):
        return (x - self.mean) / self.std

    def inverse_transform(self, x):
        return x * self.std + self.mean

# %% wrong="Standardizer" name="inverse_in_the_wrong_order" rejected_by="test_inverse_transform_goes_back"
class Standardizer:
    def fit(self, x):
        self.mean, std = x.mean(0), x.std(0, correction=0)
        self.std = torch.where(std == 0, torch.ones_like(std), std)
        return self

    def transform(self, x):
        return (x - self.mean) / self.std

    def inverse_transform(self, x):
        return (x + self.mean) * self.std

# %% right="Standardizer" name="root_of_variance"
class Standardizer:
    def fit(self, x):
        self.mean = x.sum(0) / len(x)
        self.std = ((x - self.mean) ** 2).mean(0).sqrt()
        self.std[self.std < 1e-12] = 1.0
        return self

    def transform(self, x):
        return (x - self.mean) / self.std

    def inverse_transform(self, x):
        return self.mean + self.std * x

# %% right="Standardizer" name="var_mean"
class Standardizer:
    def fit(self, x):
        variance, self.mean = torch.var_mean(x, dim=0, correction=0)
        self.std = torch.where(variance > 1e-20, variance, torch.ones_like(variance)) ** 0.5
        return self

    def transform(self, x):
        return torch.div(x - self.mean, self.std)

    def inverse_transform(self, x):
        return torch.addcmul(self.mean, x, self.std)

# ---- BatchNorm

# %% wrong="BatchNorm" name="over_the_features" rejected_by="test_a_batch_is_normalized_by_its_own_statistics"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        mean, variance = x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True)
        return (x - mean) / (variance + self.epsilon).sqrt() * self.gamma + self.beta

# %% wrong="BatchNorm" name="unbiased_in_the_batch" rejected_by="test_a_batch_is_normalized_by_its_own_statistics"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        mean, variance = self.running_mean, self.running_var
        if train:
            mean, variance = x.mean(0), x.var(0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * variance
        return (x - mean) / (variance + self.epsilon).sqrt() * self.gamma + self.beta

# %% wrong="BatchNorm" name="biased_running_variance" rejected_by="test_running_averages_move_towards_the_batch" says="running_var"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        mean, variance = self.running_mean, self.running_var
        if train:
            mean, variance = x.mean(0), x.var(0, correction=0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * variance
        return (x - mean) / (variance + self.epsilon).sqrt() * self.gamma + self.beta

# %% wrong="BatchNorm" name="batch_statistics_at_test_time" rejected_by="test_inference_uses_the_running_averages"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        mean, variance = x.mean(0), x.var(0, correction=0)
        if train:
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * x.var(0)
        return (x - mean) / (variance + self.epsilon).sqrt() * self.gamma + self.beta

# %% wrong="BatchNorm" name="shift_is_scaled" rejected_by="test_gamma_scales_then_beta_shifts"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        mean, variance = self.running_mean, self.running_var
        if train:
            mean, variance = x.mean(0), x.var(0, correction=0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * x.var(0)
        return ((x - mean) / (variance + self.epsilon).sqrt() + self.beta) * self.gamma

# %% wrong="BatchNorm" name="no_epsilon" rejected_by="test_a_feature_that_does_not_vary_is_no_nan"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        mean, variance = self.running_mean, self.running_var
        if train:
            mean, variance = x.mean(0), x.var(0, correction=0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * x.var(0)
        return (x - mean) / variance.sqrt() * self.gamma + self.beta

# %% right="BatchNorm" name="new_tensors"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        if not train:
            return (x - self.running_mean) / torch.sqrt(self.running_var + self.epsilon) * self.gamma + self.beta
        n, m = len(x), self.momentum
        mean = x.sum(0) / n
        centered = x - mean
        variance = (centered**2).sum(0) / n
        self.running_mean = (1 - m) * self.running_mean + m * mean.detach()
        self.running_var = (1 - m) * self.running_var + m * (variance * n / (n - 1)).detach()
        return self.beta + self.gamma * centered / torch.sqrt(variance + self.epsilon)

# %% right="BatchNorm" name="var_mean"
class BatchNorm:
    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        self.gamma, self.beta = torch.ones(features), torch.zeros(features)
        self.running_mean, self.running_var = torch.zeros(features), torch.ones(features)
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x, train):
        mean, variance = self.running_mean, self.running_var
        if train:
            variance, mean = torch.var_mean(x, dim=0, correction=0)
            self.running_mean = torch.lerp(self.running_mean, mean.detach(), self.momentum)
            self.running_var = torch.lerp(self.running_var, x.detach().var(0), self.momentum)
        return torch.addcmul(self.beta, (x - mean) * torch.rsqrt(variance + self.epsilon), self.gamma)

# ---- batch_norm_backward

# %% wrong="batch_norm_backward" name="statistics_as_constants" rejected_by="test_derivative_with_respect_to_the_inputs"
def batch_norm_backward(delta, gamma, x_hat, inverse_std):
    return delta * gamma * inverse_std, (delta * x_hat).sum(0), delta.sum(0)

# %% wrong="batch_norm_backward" name="forgets_the_mean" rejected_by="test_shifting_a_column_changes_nothing"
def batch_norm_backward(delta, gamma, x_hat, inverse_std):
    d = delta * gamma
    return (d - x_hat * (d * x_hat).mean(0)) * inverse_std, (delta * x_hat).sum(0), delta.sum(0)

# %% wrong="batch_norm_backward" name="averages" rejected_by="test_derivatives_of_gamma_and_beta_are_sums"
def batch_norm_backward(delta, gamma, x_hat, inverse_std):
    d = delta * gamma
    d_x = (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) * inverse_std
    return d_x, (delta * x_hat).mean(0), delta.mean(0)

# %% wrong="batch_norm_backward" name="forgets_gamma" rejected_by="test_derivative_with_respect_to_the_inputs"
def batch_norm_backward(delta, gamma, x_hat, inverse_std):
    d = delta
    d_x = (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) * inverse_std
    return d_x, (delta * x_hat).sum(0), delta.sum(0)

# %% right="batch_norm_backward" name="formula"
def batch_norm_backward(delta, gamma, x_hat, inverse_std):
    d = delta * gamma
    d_x = (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) * inverse_std
    return d_x, (delta * x_hat).sum(0), delta.sum(0)

# %% right="batch_norm_backward" name="step_by_step"
def batch_norm_backward(delta, gamma, x_hat, inverse_std):
    n = len(delta)
    centered = x_hat / inverse_std
    d_hat = delta * gamma
    d_variance = -0.5 * (d_hat * centered).sum(0) * inverse_std**3
    d_mean = -(d_hat * inverse_std).sum(0)
    d_x = d_hat * inverse_std + d_variance * 2 * centered / n + d_mean / n
    return d_x, (delta * x_hat).sum(0), delta.sum(0)

# ---- he_init

# %% wrong="he_init" name="xavier" rejected_by="test_he_deviation"
def he_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, generator=generator, dtype=dtype) * math.sqrt(1 / inputs)

# %% wrong="he_init" name="variance_as_deviation" rejected_by="test_he_deviation"
def he_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, generator=generator, dtype=dtype) * 2 / inputs

# %% wrong="he_init" name="fan_out" rejected_by="test_the_inputs_set_the_scale"
def he_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, generator=generator, dtype=dtype) * math.sqrt(2 / units)

# %% wrong="he_init" name="uniform" rejected_by="test_weights_are_normal"
def he_init(units, inputs, generator=None, dtype=torch.float32):
    u = 2 * torch.rand(units, inputs, generator=generator, dtype=dtype) - 1
    return u * math.sqrt(6 / inputs)

# %% wrong="he_init" name="ignores_the_generator" rejected_by="test_the_generator_decides"
def he_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, dtype=dtype) * math.sqrt(2 / inputs)

# %% right="he_init" name="normal_in_place"
def he_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.empty(units, inputs, dtype=dtype).normal_(0.0, (2 / inputs) ** 0.5, generator=generator)

# %% right="he_init" name="divides"
def he_init(units, inputs, generator=None, dtype=torch.float32):
    weight = torch.randn(units, inputs, generator=generator, dtype=dtype)
    return weight / (inputs / 2) ** 0.5

# ---- clip_by_norm

# %% wrong="clip_by_norm" name="each_tensor_alone" rejected_by="test_one_norm_for_all_tensors"
def clip_by_norm(gradients, limit):
    return [g * min(1.0, limit / max(float(g.norm()), 1e-30)) for g in gradients]

# %% wrong="clip_by_norm" name="always_to_the_limit" rejected_by="test_short_gradients_stay"
def clip_by_norm(gradients, limit):
    norm = sum((g**2).sum() for g in gradients).sqrt()
    return [g * limit / norm.clamp(min=1e-30) for g in gradients]

# %% wrong="clip_by_norm" name="norm_squared" rejected_by="test_a_long_gradient_is_shortened"
def clip_by_norm(gradients, limit):
    square = sum((g**2).sum() for g in gradients)
    return [g * limit / square if square > limit else g.clone() for g in gradients]

# %% wrong="clip_by_norm" name="zero_over_zero" rejected_by="test_zero_stays_zero"
def clip_by_norm(gradients, limit):
    norm = sum((g**2).sum() for g in gradients).sqrt()
    return [g * norm.clamp(max=limit) / norm for g in gradients]

# %% wrong="clip_by_norm" name="in_place" rejected_by="test_gradients_are_not_changed_in_place"
def clip_by_norm(gradients, limit):
    norm = float(sum((g**2).sum() for g in gradients).sqrt())
    if norm > limit:
        for g in gradients:
            g *= limit / norm
    return list(gradients)

# %% right="clip_by_norm" name="flattened"
def clip_by_norm(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * (limit / norm) for g in gradients] if norm > limit else [g.clone() for g in gradients]

# %% right="clip_by_norm" name="minimum"
def clip_by_norm(gradients, limit):
    norm = sum(float((g.double() ** 2).sum()) for g in gradients) ** 0.5
    factor = min(norm, limit) / norm if norm > 0 else 1.0
    return [g * factor for g in gradients]

# ---- dropout

# %% wrong="dropout" name="probability_of_dropping" rejected_by="test_keep_is_the_share_that_is_kept"
def dropout(x, keep, train, generator=None, inverted=True):
    if not 0 < keep <= 1:
        raise ValueError("keep")
    if not train:
        return x, torch.ones_like(x)
    mask = (torch.rand(x.shape, generator=generator) > keep).to(x.dtype)
    mask = mask / keep if inverted else mask
    return x * mask, mask

# %% wrong="dropout" name="one_mask_for_the_batch" rejected_by="test_every_entry_is_drawn_by_itself"
def dropout(x, keep, train, generator=None, inverted=True):
    if not 0 < keep <= 1:
        raise ValueError("keep")
    if not train:
        return x, torch.ones_like(x)
    mask = (torch.rand(x.shape[1:], generator=generator) < keep).to(x.dtype).expand_as(x).clone()
    mask = mask / keep if inverted else mask
    return x * mask, mask

# %% wrong="dropout" name="still_on_at_test_time" rejected_by="test_nothing_is_dropped_at_test_time"
def dropout(x, keep, train, generator=None, inverted=True):
    if not 0 < keep <= 1:
        raise ValueError("keep")
    mask = (torch.rand(x.shape, generator=generator) < keep).to(x.dtype)
    mask = mask / keep if inverted else mask
    return x * mask, mask

# %% wrong="dropout" name="scales_by_the_other_probability" rejected_by="test_inverted_dropout_divides_by_keep"
def dropout(x, keep, train, generator=None, inverted=True):
    if not 0 < keep <= 1:
        raise ValueError("keep")
    if not train:
        return x, torch.ones_like(x)
    mask = (torch.rand(x.shape, generator=generator) < keep).to(x.dtype)
    mask = mask / (1 - keep) if inverted else mask
    return x * mask, mask

# %% wrong="dropout" name="another_mask_is_returned" rejected_by="test_the_mask_is_the_one_that_was_used"
def dropout(x, keep, train, generator=None, inverted=True):
    if not 0 < keep <= 1:
        raise ValueError("keep")
    if not train:
        return x, torch.ones_like(x)
    scale = 1 / keep if inverted else 1.0
    output = x * (torch.rand(x.shape, generator=generator) < keep).to(x.dtype) * scale
    return output, (torch.rand(x.shape, generator=generator) < keep).to(x.dtype) * scale

# %% right="dropout" name="uniform_numbers"
def dropout(x, keep, train, generator=None, inverted=True):
    if keep <= 0 or keep > 1:
        raise ValueError(f"keep is {keep}")
    if not train:
        return x, torch.ones_like(x)
    mask = (torch.rand(x.shape, generator=generator) < keep).to(x.dtype)
    if inverted:
        mask = mask / keep
    return x * mask, mask

# %% right="dropout" name="bernoulli"
def dropout(x, keep, train, generator=None, inverted=True):
    if not (0 < keep <= 1):
        raise ValueError("keep must be a probability above 0")
    mask = torch.ones_like(x)
    if train:
        mask = torch.bernoulli(torch.full_like(x, keep), generator=generator)
        mask = mask * (1 / keep if inverted else 1)
    return mask * x, mask

# ---- average_parameters

# %% wrong="average_parameters" name="sum" rejected_by="test_mean_of_each_tensor"
def average_parameters(states):
    return [sum(tensors) if tensors[0].is_floating_point() else tensors[-1] for tensors in zip(*states)]

# %% wrong="average_parameters" name="into_the_first" rejected_by="test_the_snapshots_stay_as_they_are"
def average_parameters(states):
    result = states[0]
    for position, tensor in enumerate(result):
        if tensor.is_floating_point():
            for other in states[1:]:
                tensor += other[position]
            tensor /= len(states)
        else:
            result[position] = states[-1][position]
    return result

# %% wrong="average_parameters" name="averages_counters" rejected_by="test_counters_are_not_averaged"
def average_parameters(states):
    return [torch.stack([t.double() for t in tensors]).mean(0).to(torch.promote_types(tensors[0].dtype, torch.float32)) for tensors in zip(*states)]

# %% right="average_parameters" name="running_sum"
def average_parameters(states):
    result = []
    for position, last in enumerate(states[-1]):
        if not last.is_floating_point():
            result.append(last.clone())
            continue
        total = torch.zeros_like(last)
        for state in states:
            total = total + state[position]
        result.append(total / len(states))
    return result

# %% right="average_parameters" name="stack"
def average_parameters(states):
    return [
        torch.stack(list(tensors)).mean(dim=0) if torch.is_floating_point(tensors[0]) else tensors[-1].clone()
        for tensors in zip(*states)
    ]

# ---- log_uniform

# %% wrong="log_uniform" name="uniform_in_the_value" rejected_by="test_the_logarithm_is_uniform"
def log_uniform(low, high, size, generator=None):
    if not 0 < low <= high:
        raise ValueError("range")
    return low + (high - low) * torch.rand(size, generator=generator, dtype=torch.float64)

# %% wrong="log_uniform" name="two_bases" rejected_by="test_values_stay_in_the_range"
def log_uniform(low, high, size, generator=None):
    if not 0 < low <= high:
        raise ValueError("range")
    u = torch.rand(size, generator=generator, dtype=torch.float64)
    return 10 ** (math.log(low) + u * (math.log(high) - math.log(low)))

# %% wrong="log_uniform" name="one_draw_for_all" rejected_by="test_each_value_is_drawn_anew"
def log_uniform(low, high, size, generator=None):
    if not 0 < low <= high:
        raise ValueError("range")
    u = torch.rand(1, generator=generator, dtype=torch.float64)
    return torch.exp(math.log(low) + u * math.log(high / low)).expand(size).clone()

# %% wrong="log_uniform" name="no_check_of_the_range" rejected_by="test_a_range_the_wrong_way_round_is_an_error"
def log_uniform(low, high, size, generator=None):
    low, high = max(min(low, high), 1e-300), max(low, high)
    u = torch.rand(size, generator=generator, dtype=torch.float64)
    return low * (high / low) ** u

# %% right="log_uniform" name="base_ten"
def log_uniform(low, high, size, generator=None):
    if low <= 0 or high < low:
        raise ValueError("expected 0 < low <= high")
    exponent = torch.rand(size, generator=generator, dtype=torch.float64)
    exponent = math.log10(low) + exponent * (math.log10(high) - math.log10(low))
    return (10**exponent).clamp(low, high)

# %% right="log_uniform" name="power_of_the_ratio"
def log_uniform(low, high, size, generator=None):
    if not 0 < low <= high:
        raise ValueError("expected 0 < low <= high")
    return (low * (high / low) ** torch.rand(size, generator=generator, dtype=torch.float64)).clamp(low, high)

# ---- condition_number

# %% wrong="condition_number" name="singular_values_not_squared" rejected_by="test_ratio_of_the_eigenvalues"
def condition_number(x):
    values = torch.linalg.svdvals(x)
    return values[0] / values[-1]

# %% wrong="condition_number" name="sizes_of_columns" rejected_by="test_directions_other_than_the_axes"
def condition_number(x):
    sizes = (x**2).sum(0)
    return sizes.max() / sizes.min()

# %% wrong="condition_number" name="upside_down" rejected_by="test_at_least_one"
def condition_number(x):
    values = torch.linalg.eigvalsh(x.T @ x / len(x))
    return values[0] / values[-1]

# %% wrong="condition_number" name="largest_eigenvalue" rejected_by="test_at_least_one"
def condition_number(x):
    return torch.linalg.eigvalsh(x.T @ x / len(x))[-1]

# %% right="condition_number" name="eigenvalues"
def condition_number(x):
    values = torch.linalg.eigvalsh(x.T @ x)
    return values.max() / values.min()

# %% right="condition_number" name="svd"
def condition_number(x):
    _, values, _ = torch.linalg.svd(x, full_matrices=False)
    return (values.max() / values.min()).square()

# ---- standardize_activations

# %% wrong="standardize_activations" name="all_layers" rejected_by="test_only_the_layers_asked_for"
def standardize_activations(layers, data, number):
    for layer in layers:
        data = layer(data)
    mean, std = data.mean(0), data.std(0, correction=0)
    return (data - mean) / torch.where(std == 0, torch.ones_like(std), std), mean, std

# %% wrong="standardize_activations" name="each_sample" rejected_by="test_one_deviation_for_each_unit"
def standardize_activations(layers, data, number):
    for layer in layers[:number]:
        data = layer(data)
    mean, std = data.mean(1, keepdim=True), data.std(1, correction=0, keepdim=True)
    return (data - mean) / torch.where(std == 0, torch.ones_like(std), std), mean, std

# %% wrong="standardize_activations" name="one_for_all_units" rejected_by="test_one_deviation_for_each_unit"
def standardize_activations(layers, data, number):
    for layer in layers[:number]:
        data = layer(data)
    mean, std = data.mean(), data.std(correction=0)
    return (data - mean) / (std if std > 0 else 1.0), mean, std

# %% wrong="standardize_activations" name="stale_statistics" rejected_by="test_statistics_of_now"
kept = {}


def standardize_activations(layers, data, number):
    for layer in layers[:number]:
        data = layer(data)
    if number not in kept:
        kept[number] = data.mean(0), data.std(0, correction=0)
    mean, std = kept[number]
    return (data - mean) / torch.where(std == 0, torch.ones_like(std), std), mean, std

# %% wrong="standardize_activations" name="silent_units_are_nan" rejected_by="test_a_silent_unit_becomes_zero"
def standardize_activations(layers, data, number):
    for layer in layers[:number]:
        data = layer(data)
    mean, std = data.mean(0), data.std(0, correction=0)
    return (data - mean) / std, mean, std

# %% right="standardize_activations" name="var_mean"
def standardize_activations(layers, data, number):
    a = data
    for k in range(number):
        a = layers[k](a)
    variance, mean = torch.var_mean(a, dim=0, correction=0)
    return (a - mean) / variance.sqrt().clamp(min=1e-30), mean, variance.sqrt()

# %% right="standardize_activations" name="recursion"
def standardize_activations(layers, data, number):
    if number:
        return standardize_activations(layers[1:], layers[0](data), number - 1)
    mean = data.sum(0) / len(data)
    std = ((data - mean) ** 2).mean(0) ** 0.5
    return torch.nan_to_num((data - mean) / std), mean, std

# ---- layer_norm

# %% wrong="layer_norm" name="over_the_batch" rejected_by="test_each_sample_is_normalized_over_its_features"
def layer_norm(x, gamma, beta, epsilon=1e-5):
    inverse_std = (x.var(0, correction=0) + epsilon).rsqrt()
    x_hat = (x - x.mean(0)) * inverse_std
    return gamma * x_hat + beta, Normalized(x_hat, inverse_std)

# %% wrong="layer_norm" name="one_mean_for_all" rejected_by="test_samples_do_not_see_each_other"
def layer_norm(x, gamma, beta, epsilon=1e-5):
    inverse_std = (x.var(correction=0) + epsilon).rsqrt().expand(len(x), 1)
    x_hat = (x - x.mean()) * inverse_std
    return gamma * x_hat + beta, Normalized(x_hat, inverse_std)

# %% wrong="layer_norm" name="divides_by_d_minus_1" rejected_by="test_each_sample_is_normalized_over_its_features"
def layer_norm(x, gamma, beta, epsilon=1e-5):
    inverse_std = (x.var(1, keepdim=True) + epsilon).rsqrt()
    x_hat = (x - x.mean(1, keepdim=True)) * inverse_std
    return gamma * x_hat + beta, Normalized(x_hat, inverse_std)

# %% wrong="layer_norm" name="epsilon_outside_the_root" rejected_by="test_epsilon_is_inside_the_root"
def layer_norm(x, gamma, beta, epsilon=1e-5):
    inverse_std = 1 / (x.std(1, correction=0, keepdim=True) + epsilon)
    x_hat = (x - x.mean(1, keepdim=True)) * inverse_std
    return gamma * x_hat + beta, Normalized(x_hat, inverse_std)

# %% wrong="layer_norm" name="gives_the_deviation" rejected_by="test_what_the_backward_pass_needs"
def layer_norm(x, gamma, beta, epsilon=1e-5):
    std = (x.var(1, correction=0, keepdim=True) + epsilon).sqrt()
    x_hat = (x - x.mean(1, keepdim=True)) / std
    return gamma * x_hat + beta, Normalized(x_hat, std)

# %% right="layer_norm" name="var_mean"
def layer_norm(x, gamma, beta, epsilon=1e-5):
    variance, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
    inverse_std = 1 / torch.sqrt(variance + epsilon)
    x_hat = (x - mean) * inverse_std
    return torch.addcmul(beta, x_hat, gamma), Normalized(x_hat, inverse_std)

# %% right="layer_norm" name="transposed"
def layer_norm(x, gamma, beta, epsilon=1e-5):
    columns = x.T
    centered = columns - columns.sum(0) / len(columns)
    inverse_std = ((centered**2).sum(0) / len(columns) + epsilon) ** -0.5
    x_hat = (centered * inverse_std).T
    return x_hat * gamma + beta, (x_hat, inverse_std.unsqueeze(1))

# ---- hidden_layer

# %% wrong="hidden_layer" name="normalizes_the_input" rejected_by="test_before_the_nonlinearity"
def hidden_layer(a, weight, bias, norm, place):
    if place not in ("none", "before", "after"):
        raise ValueError(place)
    if place == "before":
        return torch.relu(norm(a) @ weight.T)
    out = torch.relu(a @ weight.T + bias)
    return norm(out) if place == "after" else out

# %% wrong="hidden_layer" name="before_and_after_swapped" rejected_by="test_after_the_nonlinearity"
def hidden_layer(a, weight, bias, norm, place):
    if place not in ("none", "before", "after"):
        raise ValueError(place)
    if place == "after":
        return torch.relu(norm(a @ weight.T + bias))
    out = torch.relu(a @ weight.T)
    return norm(out) if place == "before" else torch.relu(a @ weight.T + bias)

# %% wrong="hidden_layer" name="bias_before_the_norm" rejected_by="test_no_bias_before_a_normalization"
def hidden_layer(a, weight, bias, norm, place):
    if place not in ("none", "before", "after"):
        raise ValueError(place)
    z = a @ weight.T + bias
    if place == "before":
        return torch.relu(norm(z))
    return norm(torch.relu(z)) if place == "after" else torch.relu(z)

# %% wrong="hidden_layer" name="norm_anyway" rejected_by="test_without_a_normalization"
def hidden_layer(a, weight, bias, norm, place):
    if place not in ("none", "before", "after"):
        raise ValueError(place)
    if place == "before":
        return torch.relu(norm(a @ weight.T))
    out = torch.relu(a @ weight.T + bias)
    normalized = norm(out)
    return normalized if place == "after" else out

# %% wrong="hidden_layer" name="any_word_will_do" rejected_by="test_an_unknown_place_is_an_error"
def hidden_layer(a, weight, bias, norm, place):
    if place == "before":
        return torch.relu(norm(a @ weight.T))
    out = torch.relu(a @ weight.T + bias)
    return norm(out) if place == "after" else out

# %% right="hidden_layer" name="dictionary"
def hidden_layer(a, weight, bias, norm, place):
    ways = {
        "none": lambda: torch.relu(a @ weight.T + bias),
        "before": lambda: torch.relu(norm(a @ weight.T)),
        "after": lambda: norm(torch.relu(a @ weight.T + bias)),
    }
    if place not in ways:
        raise ValueError(f"unknown place {place}")
    return ways[place]()

# %% right="hidden_layer" name="step_by_step"
def hidden_layer(a, weight, bias, norm, place):
    if place != "none" and place != "before" and place != "after":
        raise ValueError("place")
    z = torch.nn.functional.linear(a, weight, None if place == "before" else bias)
    if place == "before":
        z = norm(z)
    z = z.clamp(min=0)
    if place == "after":
        z = norm(z)
    return z

# ---- is_hopeless

# %% wrong="is_hopeless" name="above_the_previous_loss" rejected_by="test_a_loss_far_above_the_first"
def is_hopeless(losses, factor=3.0):
    before = losses[-2] if len(losses) > 1 else losses[0]
    return not math.isfinite(losses[-1]) or losses[-1] > factor * before

# %% wrong="is_hopeless" name="nan_is_overlooked" rejected_by="test_loss_that_is_no_number"
def is_hopeless(losses, factor=3.0):
    return losses[-1] > factor * losses[0]

# %% wrong="is_hopeless" name="any_loss_on_the_way" rejected_by="test_the_latest_loss_decides"
def is_hopeless(losses, factor=3.0):
    return any(not math.isfinite(loss) or loss > factor * losses[0] for loss in losses)

# %% wrong="is_hopeless" name="factor_is_three" rejected_by="test_factor_is_used"
def is_hopeless(losses, factor=3.0):
    return not math.isfinite(losses[-1]) or losses[-1] > 3 * losses[0]

# %% wrong="is_hopeless" name="the_other_way_round" rejected_by="test_a_loss_far_above_the_first"
def is_hopeless(losses, factor=3.0):
    return math.isfinite(losses[-1]) and losses[-1] <= factor * losses[0]

# %% right="is_hopeless" name="not_at_most"
def is_hopeless(losses, factor=3.0):
    latest = losses[-1]
    return not (latest <= factor * losses[0] and latest < math.inf)

# %% right="is_hopeless" name="torch"
def is_hopeless(losses, factor=3.0):
    values = torch.tensor(losses, dtype=torch.float64)
    return bool(~torch.isfinite(values[-1]) | (values[-1] > factor * values[0]))

# ---- compare_rates

# %% wrong="compare_rates" name="one_generator_for_all" rejected_by="test_all_runs_start_alike"
def compare_rates(run, rates, norms=("none", "before", "after"), seed=0):
    generator = torch.Generator().manual_seed(seed)
    finals = {}
    for norm in norms:
        finals[norm] = []
        for rate in rates:
            losses = []
            for loss in run(norm, rate, generator):
                losses.append(loss)
                if is_hopeless(losses):
                    losses = [math.inf]
                    break
            last = losses[-max(1, len(losses) // 5) :]
            finals[norm].append(sum(last) / len(last))
    return finals

# %% wrong="compare_rates" name="waits_for_the_end" rejected_by="test_a_hopeless_run_is_ended"
def compare_rates(run, rates, norms=("none", "before", "after"), seed=0):
    finals = {}
    for norm in norms:
        finals[norm] = []
        for rate in rates:
            losses = list(run(norm, rate, torch.Generator().manual_seed(seed)))
            bad = any(is_hopeless(losses[: k + 1]) for k in range(len(losses)))
            last = losses[-max(1, len(losses) // 5) :]
            finals[norm].append(math.inf if bad else sum(last) / len(last))
    return finals

# %% wrong="compare_rates" name="the_last_loss_only" rejected_by="test_mean_of_the_last_fifth"
def compare_rates(run, rates, norms=("none", "before", "after"), seed=0):
    finals = {}
    for norm in norms:
        finals[norm] = []
        for rate in rates:
            losses = []
            for loss in run(norm, rate, torch.Generator().manual_seed(seed)):
                losses.append(loss)
                if is_hopeless(losses):
                    losses = [math.inf]
                    break
            finals[norm].append(losses[-1])
    return finals

# %% wrong="compare_rates" name="gives_up_at_the_first_bad_rate" rejected_by="test_every_rate_with_every_norm"
def compare_rates(run, rates, norms=("none", "before", "after"), seed=0):
    finals = {}
    for norm in norms:
        finals[norm] = []
        for rate in rates:
            losses = []
            for loss in run(norm, rate, torch.Generator().manual_seed(seed)):
                losses.append(loss)
                if is_hopeless(losses):
                    break
            if is_hopeless(losses):
                finals[norm].append(math.inf)
                break
            last = losses[-max(1, len(losses) // 5) :]
            finals[norm].append(sum(last) / len(last))
    return finals

# %% wrong="compare_rates" name="empty_fifth" rejected_by="test_short_runs_have_a_last_loss"
def compare_rates(run, rates, norms=("none", "before", "after"), seed=0):
    finals = {norm: [] for norm in norms}
    for norm in norms:
        for rate in rates:
            losses = []
            for loss in run(norm, rate, torch.Generator().manual_seed(seed)):
                losses.append(loss)
                if is_hopeless(losses):
                    losses = [math.inf] * 5
                    break
            last = losses[len(losses) - len(losses) // 5 :]
            finals[norm].append(sum(last) / len(last) if last else math.nan)
    return finals

# %% right="compare_rates" name="function_for_a_run"
def compare_rates(run, rates, norms=("none", "before", "after"), seed=0):
    def number(norm, rate):
        generator = torch.Generator()
        generator.manual_seed(seed)
        losses = []
        for loss in run(norm, rate, generator):
            losses.append(float(loss))
            if is_hopeless(losses):
                return math.inf
        share = max(1, len(losses) // 5)
        return sum(losses[-share:]) / share

    return {norm: [number(norm, rate) for rate in rates] for norm in norms}

# %% right="compare_rates" name="next"
def compare_rates(run, rates, norms=("none", "before", "after"), seed=0):
    finals = {}
    for norm in norms:
        row = []
        for rate in rates:
            losses, steps = [], iter(run(norm, rate, torch.Generator().manual_seed(seed)))
            while (loss := next(steps, None)) is not None:
                losses.append(loss)
                if is_hopeless(losses):
                    break
            tail = torch.tensor(losses[-max(1, len(losses) // 5) :], dtype=torch.float64)
            row.append(float("inf") if is_hopeless(losses) else tail.mean().item())
        finals[norm] = row
    return finals

# ---- predicted_second_moment

# %% wrong="predicted_second_moment" name="deviation_for_variance" rejected_by="test_one_factor_for_each_layer"
def predicted_second_moment(inputs, weight_variance, depth, start=1.0):
    return start * (inputs * weight_variance**0.5) ** torch.arange(depth + 1, dtype=torch.float64)

# %% wrong="predicted_second_moment" name="adds_for_each_layer" rejected_by="test_one_factor_for_each_layer"
def predicted_second_moment(inputs, weight_variance, depth, start=1.0):
    return start + (inputs * weight_variance - 1) * torch.arange(depth + 1, dtype=torch.float64)

# %% wrong="predicted_second_moment" name="layers_only" rejected_by="test_inputs_come_first"
def predicted_second_moment(inputs, weight_variance, depth, start=1.0):
    return start * (inputs * weight_variance) ** torch.arange(1, depth + 1, dtype=torch.float64)

# %% wrong="predicted_second_moment" name="starts_at_one" rejected_by="test_it_starts_where_the_inputs_are"
def predicted_second_moment(inputs, weight_variance, depth, start=1.0):
    return (inputs * weight_variance) ** torch.arange(depth + 1, dtype=torch.float64)

# %% wrong="predicted_second_moment" name="root" rejected_by="test_a_linear_net_does_what_is_predicted"
def predicted_second_moment(inputs, weight_variance, depth, start=1.0):
    return start * (inputs * weight_variance) ** (0.5 * torch.arange(depth + 1, dtype=torch.float64))

# %% right="predicted_second_moment" name="loop"
def predicted_second_moment(inputs, weight_variance, depth, start=1.0):
    found = [start]
    for _ in range(depth):
        found.append(found[-1] * inputs * weight_variance)
    return torch.tensor(found, dtype=torch.float64)

# %% right="predicted_second_moment" name="cumulative_product"
def predicted_second_moment(inputs, weight_variance, depth, start=1.0):
    factors = torch.full((depth + 1,), inputs * weight_variance, dtype=torch.float64)
    factors[0] = start
    return factors.cumprod(0)

# ---- activation_statistics

# %% wrong="activation_statistics" name="statistics_of_the_weights" rejected_by="test_mean_and_deviation_behind_every_layer"
def activation_statistics(weights, x, activation):
    rows = [[x.mean(), x.std(correction=0)]]
    for weight in weights:
        x = activation(x @ weight.T)
        rows.append([weight.mean(), weight.std(correction=0)])
    return torch.tensor(rows)

# %% wrong="activation_statistics" name="before_the_activation" rejected_by="test_activation_behind_the_last_layer_too"
def activation_statistics(weights, x, activation):
    rows = [[x.mean(), x.std(correction=0)]]
    for weight in weights:
        z = x @ weight.T
        rows.append([z.mean(), z.std(correction=0)])
        x = activation(z)
    return torch.tensor(rows)

# %% wrong="activation_statistics" name="no_row_for_the_input" rejected_by="test_row_0_is_the_input"
def activation_statistics(weights, x, activation):
    rows = []
    for weight in weights:
        x = activation(x @ weight.T)
        rows.append([x.mean(), x.std(correction=0)])
    return torch.tensor(rows)

# %% wrong="activation_statistics" name="mean_of_the_deviations" rejected_by="test_mean_and_deviation_behind_every_layer"
def activation_statistics(weights, x, activation):
    rows = [[x.mean(), x.std(0, correction=0).mean()]]
    for weight in weights:
        x = activation(x @ weight.T)
        rows.append([x.mean(), x.std(0, correction=0).mean()])
    return torch.tensor(rows)

# %% wrong="activation_statistics" name="always_the_inputs" rejected_by="test_the_table_of_the_slide"
def activation_statistics(weights, x, activation):
    rows = [[x.mean(), x.std(correction=0)]]
    for weight in weights:
        a = activation(x @ weight.T)
        rows.append([a.mean(), a.std(correction=0)])
    return torch.tensor(rows)

# %% right="activation_statistics" name="list_of_activations"
def activation_statistics(weights, x, activation):
    activations = [x]
    for weight in weights:
        activations.append(activation(torch.nn.functional.linear(activations[-1], weight)))
    means = [a.sum() / a.numel() for a in activations]
    spreads = [((a - m) ** 2).mean().sqrt() for a, m in zip(activations, means)]
    return torch.stack([torch.stack(means), torch.stack(spreads)], dim=1)

# %% right="activation_statistics" name="columns_are_samples"
def activation_statistics(weights, x, activation):
    columns, found = x.T, torch.empty(len(weights) + 1, 2, dtype=x.dtype)
    for k in range(len(weights) + 1):
        found[k, 0], found[k, 1] = columns.mean(), columns.var(correction=0) ** 0.5
        if k < len(weights):
            columns = activation(weights[k] @ columns)
    return found

# ---- xavier_init

# %% wrong="xavier_init" name="variance_as_deviation" rejected_by="test_xavier_deviation"
def xavier_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, generator=generator, dtype=dtype) / inputs

# %% wrong="xavier_init" name="fan_out" rejected_by="test_xavier_scale_comes_from_the_inputs"
def xavier_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, generator=generator, dtype=dtype) / math.sqrt(units)

# %% wrong="xavier_init" name="he" rejected_by="test_xavier_deviation"
def xavier_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, generator=generator, dtype=dtype) * math.sqrt(2 / inputs)

# %% wrong="xavier_init" name="uniform" rejected_by="test_xavier_weights_are_normal"
def xavier_init(units, inputs, generator=None, dtype=torch.float32):
    return (2 * torch.rand(units, inputs, generator=generator, dtype=dtype) - 1) * math.sqrt(3 / inputs)

# %% wrong="xavier_init" name="ignores_the_generator" rejected_by="test_xavier_uses_the_generator"
def xavier_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.randn(units, inputs, dtype=dtype) / math.sqrt(inputs)

# %% right="xavier_init" name="normal_in_place"
def xavier_init(units, inputs, generator=None, dtype=torch.float32):
    return torch.empty(units, inputs, dtype=dtype).normal_(0.0, inputs**-0.5, generator=generator)

# %% right="xavier_init" name="root_of_the_variance"
def xavier_init(units, inputs, generator=None, dtype=torch.float32):
    variance = torch.tensor(1 / inputs, dtype=dtype)
    return torch.randn((units, inputs), generator=generator, dtype=dtype) * variance.sqrt()

# ---- active_fraction

# %% wrong="active_fraction" name="logistic" rejected_by="test_share_of_active_inputs"
def active_fraction(bias, std=1.0):
    return torch.sigmoid(bias / std)

# %% wrong="active_fraction" name="ignores_the_deviation" rejected_by="test_the_deviation_of_the_sum_counts"
def active_fraction(bias, std=1.0):
    return torch.special.ndtr(bias)

# %% wrong="active_fraction" name="share_that_is_off" rejected_by="test_half_without_a_bias"
def active_fraction(bias, std=1.0):
    return 1 - torch.special.ndtr(bias / std)

# %% wrong="active_fraction" name="measured_by_drawing" rejected_by="test_one_share_for_each_bias"
def active_fraction(bias, std=1.0):
    return (std * torch.randn(10000, *bias.shape, dtype=bias.dtype) + bias > 0).to(bias.dtype).mean(0)

# %% wrong="active_fraction" name="no_root_of_two" rejected_by="test_share_of_active_inputs"
def active_fraction(bias, std=1.0):
    return 0.5 * (1 + torch.erf(bias / std))

# %% right="active_fraction" name="error_function"
def active_fraction(bias, std=1.0):
    return 0.5 * (1 + torch.erf(bias / (std * math.sqrt(2))))

# %% right="active_fraction" name="distribution"
def active_fraction(bias, std=1.0):
    return torch.distributions.Normal(0.0, std).cdf(bias)

# ---- orthogonal

# %% wrong="orthogonal" name="columns_of_length_one" rejected_by="test_all_singular_values_are_one"
def orthogonal(shape, generator=None, dtype=torch.float32):
    a = torch.randn(shape[0], math.prod(shape[1:]), generator=generator, dtype=dtype)
    return (a / a.norm(dim=0)).reshape(tuple(shape))

# %% wrong="orthogonal" name="full_matrices" rejected_by="test_wide_and_tall"
def orthogonal(shape, generator=None, dtype=torch.float32):
    a = torch.randn(shape[0], math.prod(shape[1:]), generator=generator, dtype=dtype)
    u, _, vh = torch.linalg.svd(a)
    return (u @ vh).reshape(tuple(shape))

# %% wrong="orthogonal" name="transposed" rejected_by="test_wide_and_tall"
def orthogonal(shape, generator=None, dtype=torch.float32):
    a = torch.randn(shape[0], math.prod(shape[1:]), generator=generator, dtype=dtype)
    u, _, vh = torch.linalg.svd(a, full_matrices=False)
    q = (u @ vh).T
    return q.reshape(tuple(shape)) if len(shape) > 2 else q

# %% wrong="orthogonal" name="last_axis_only" rejected_by="test_kernels_are_flattened"
def orthogonal(shape, generator=None, dtype=torch.float32):
    u, _, vh = torch.linalg.svd(torch.randn(*shape, generator=generator, dtype=dtype), full_matrices=False)
    return u @ vh

# %% wrong="orthogonal" name="identity" rejected_by="test_random_and_reproducible"
def orthogonal(shape, generator=None, dtype=torch.float32):
    return torch.eye(shape[0], math.prod(shape[1:]), dtype=dtype).reshape(tuple(shape))

# %% wrong="orthogonal" name="divided_by_the_largest" rejected_by="test_lengths_survive_many_layers"
def orthogonal(shape, generator=None, dtype=torch.float32):
    a = torch.randn(shape[0], math.prod(shape[1:]), generator=generator, dtype=dtype)
    return (a / torch.linalg.matrix_norm(a, 2)).reshape(tuple(shape))

# %% right="orthogonal" name="qr"
def orthogonal(shape, generator=None, dtype=torch.float32):
    rows, columns = shape[0], math.prod(shape[1:])
    a = torch.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=dtype)
    q, r = torch.linalg.qr(a)
    q = q * torch.sign(torch.diagonal(r))
    return (q.T if rows < columns else q).reshape(tuple(shape))

# %% right="orthogonal" name="as_on_the_slide"
def orthogonal(shape, generator=None, dtype=torch.float32):
    flat = (shape[0], math.prod(shape[1:]))
    u, _, v = torch.linalg.svd(torch.randn(flat, generator=generator, dtype=dtype), full_matrices=False)
    return (u if tuple(u.shape) == flat else v).reshape(*shape)

# ---- clip_by_value

# %% wrong="clip_by_value" name="sign_lost" rejected_by="test_signs_stay"
def clip_by_value(gradients, limit):
    return [gradient.abs().clamp(max=limit) for gradient in gradients]

# %% wrong="clip_by_value" name="no_lower_bound" rejected_by="test_every_entry_is_cut_to_the_range"
def clip_by_value(gradients, limit):
    return [gradient.clamp(max=limit) for gradient in gradients]

# %% wrong="clip_by_value" name="minimum_and_maximum_swapped" rejected_by="test_entries_inside_the_range_stay"
def clip_by_value(gradients, limit):
    return [torch.minimum(torch.maximum(g, torch.tensor(limit).to(g)), torch.tensor(-limit).to(g)) for g in gradients]

# %% wrong="clip_by_value" name="scales_the_tensor" rejected_by="test_entries_inside_the_range_stay"
def clip_by_value(gradients, limit):
    return [gradient * min(1.0, limit / float(gradient.abs().max())) for gradient in gradients]

# %% wrong="clip_by_value" name="in_place" rejected_by="test_clipping_makes_new_tensors"
def clip_by_value(gradients, limit):
    return [gradient.clamp_(-limit, limit) for gradient in gradients]

# %% right="clip_by_value" name="minimum_and_maximum"
def clip_by_value(gradients, limit):
    return [torch.maximum(torch.minimum(g, torch.full_like(g, limit)), torch.full_like(g, -limit)) for g in gradients]

# %% right="clip_by_value" name="where"
def clip_by_value(gradients, limit):
    found = []
    for gradient in gradients:
        found.append(torch.where(gradient.abs() > limit, limit * torch.sign(gradient), gradient))
    return found

# ---- scale_for_test

# %% wrong="scale_for_test" name="probability_of_dropping" rejected_by="test_weights_times_keep"
def scale_for_test(weight, keep):
    return (1 - keep) * weight

# %% wrong="scale_for_test" name="divides" rejected_by="test_the_average_over_all_masks"
def scale_for_test(weight, keep):
    return weight / keep

# %% wrong="scale_for_test" name="as_it_is" rejected_by="test_the_average_over_all_masks"
def scale_for_test(weight, keep):
    return weight.clone()

# %% wrong="scale_for_test" name="in_place" rejected_by="test_the_net_keeps_its_weights"
def scale_for_test(weight, keep):
    return weight.mul_(keep)

# %% right="scale_for_test" name="torch_mul"
def scale_for_test(weight, keep):
    return torch.mul(weight, keep)

# %% right="scale_for_test" name="lerp_from_zero"
def scale_for_test(weight, keep):
    return weight - (1 - keep) * weight

# ---- mc_dropout

# %% wrong="mc_dropout" name="one_mask" rejected_by="test_new_masks_for_every_sample"
def mc_dropout(probabilities, x, samples):
    return probabilities(x)

# %% wrong="mc_dropout" name="averages_logarithms" rejected_by="test_average_of_the_probabilities"
def mc_dropout(probabilities, x, samples):
    return torch.stack([probabilities(x).log() for _ in range(samples)]).mean(0).softmax(1)

# %% wrong="mc_dropout" name="sum" rejected_by="test_a_distribution_comes_out"
def mc_dropout(probabilities, x, samples):
    return torch.stack([probabilities(x) for _ in range(samples)]).sum(0)

# %% wrong="mc_dropout" name="one_too_many" rejected_by="test_one_sample"
def mc_dropout(probabilities, x, samples):
    total = probabilities(x)
    for _ in range(samples):
        total = total + probabilities(x)
    return total / (samples + 1)

# %% wrong="mc_dropout" name="vote" rejected_by="test_average_of_the_probabilities"
def mc_dropout(probabilities, x, samples):
    found = [probabilities(x) for _ in range(samples)]
    hard = [torch.nn.functional.one_hot(p.argmax(1), p.shape[1]).to(p.dtype) for p in found]
    return torch.stack(hard).mean(0)

# %% right="mc_dropout" name="stack"
def mc_dropout(probabilities, x, samples):
    return torch.stack([probabilities(x) for _ in range(samples)]).mean(dim=0)

# %% right="mc_dropout" name="running_mean"
def mc_dropout(probabilities, x, samples):
    mean = probabilities(x)
    for k in range(2, samples + 1):
        mean = mean + (probabilities(x) - mean) / k
    return mean

# ---- bootstrap

# %% wrong="bootstrap" name="permutation" rejected_by="test_with_replacement"
def bootstrap(x, labels, generator=None):
    chosen = torch.randperm(len(x), generator=generator)
    return x[chosen], labels[chosen]

# %% wrong="bootstrap" name="two_draws" rejected_by="test_inputs_and_labels_stay_together"
def bootstrap(x, labels, generator=None):
    n = len(x)
    return x[torch.randint(n, (n,), generator=generator)], labels[torch.randint(n, (n,), generator=generator)]

# %% wrong="bootstrap" name="part_of_the_data" rejected_by="test_a_data_set_of_the_same_size"
def bootstrap(x, labels, generator=None):
    chosen = torch.randint(len(x), (2 * len(x) // 3,), generator=generator)
    return x[chosen], labels[chosen]

# %% wrong="bootstrap" name="never_the_last" rejected_by="test_every_sample_can_be_drawn"
def bootstrap(x, labels, generator=None):
    chosen = torch.randint(len(x) - 1, (len(x),), generator=generator)
    return x[chosen], labels[chosen]

# %% wrong="bootstrap" name="ignores_the_generator" rejected_by="test_the_generator_draws_the_samples"
def bootstrap(x, labels, generator=None):
    chosen = torch.randint(len(x), (len(x),))
    return x[chosen], labels[chosen]

# %% right="bootstrap" name="uniform_numbers"
def bootstrap(x, labels, generator=None):
    n = x.shape[0]
    chosen = (torch.rand(n, generator=generator) * n).long().clamp(max=n - 1)
    return x.index_select(0, chosen), labels.index_select(0, chosen)

# %% right="bootstrap" name="multinomial"
def bootstrap(x, labels, generator=None):
    chosen = torch.multinomial(torch.ones(len(labels)), len(labels), replacement=True, generator=generator)
    return x[chosen].clone(), labels[chosen].clone()

# ---- ensemble_probabilities

# %% wrong="ensemble_probabilities" name="averages_logits" rejected_by="test_mean_over_the_members"
def ensemble_probabilities(probabilities):
    return probabilities.log().mean(0).softmax(-1)

# %% wrong="ensemble_probabilities" name="over_the_samples" rejected_by="test_members_stand_along_the_first_axis"
def ensemble_probabilities(probabilities):
    return probabilities.mean(1)

# %% wrong="ensemble_probabilities" name="sum" rejected_by="test_rows_sum_to_one"
def ensemble_probabilities(probabilities):
    return probabilities.sum(0)

# %% wrong="ensemble_probabilities" name="the_surest_member" rejected_by="test_nll_is_at_most_the_average"
def ensemble_probabilities(probabilities):
    sharp = probabilities.prod(0) ** 4
    return sharp / sharp.sum(-1, keepdim=True)

# %% right="ensemble_probabilities" name="loop"
def ensemble_probabilities(probabilities):
    total = torch.zeros_like(probabilities[0])
    for member in probabilities:
        total = total + member
    return total / len(probabilities)

# %% right="ensemble_probabilities" name="einsum"
def ensemble_probabilities(probabilities):
    return torch.einsum("mnc->nc", probabilities) / probabilities.shape[0]

# ---- ensemble_vote

# %% wrong="ensemble_vote" name="averages" rejected_by="test_certainty_does_not_count"
def ensemble_vote(probabilities):
    return probabilities.mean(0).argmax(1)

# %% wrong="ensemble_vote" name="the_surest_member" rejected_by="test_certainty_does_not_count"
def ensemble_vote(probabilities):
    return probabilities.amax(0).argmax(1)

# %% wrong="ensemble_vote" name="largest_class_of_a_tie" rejected_by="test_ties_go_to_the_smallest_class"
def ensemble_vote(probabilities):
    classes = probabilities.shape[2]
    votes = torch.nn.functional.one_hot(probabilities.argmax(2), classes).sum(0)
    return (votes * classes + torch.arange(classes)).argmax(1)

# %% wrong="ensemble_vote" name="first_voter_of_a_tie" rejected_by="test_ties_go_to_the_smallest_class"
def ensemble_vote(probabilities):
    found = []
    for ballot in probabilities.argmax(2).T.tolist():
        found.append(max(ballot, key=ballot.count))
    return torch.tensor(found)

# %% wrong="ensemble_vote" name="mean_of_the_numbers" rejected_by="test_most_votes_win"
def ensemble_vote(probabilities):
    return probabilities.argmax(2).double().mean(0).round().long()

# %% wrong="ensemble_vote" name="counts" rejected_by="test_one_class_for_each_sample"
def ensemble_vote(probabilities):
    return torch.nn.functional.one_hot(probabilities.argmax(2), probabilities.shape[2]).sum(0)

# %% right="ensemble_vote" name="loop"
def ensemble_vote(probabilities):
    found = []
    for ballot in probabilities.argmax(2).T.tolist():
        found.append(min(set(ballot), key=lambda c: (-ballot.count(c), c)))
    return torch.tensor(found)

# %% right="ensemble_vote" name="mode"
def ensemble_vote(probabilities):
    votes = probabilities.argmax(dim=2)  # (M, N)
    counts = torch.stack([(votes == c).sum(0) for c in range(probabilities.shape[2])])
    best = counts == counts.max(0).values
    return torch.stack([column.nonzero()[0, 0] for column in best.T])

# ---- train_ensemble

# %% wrong="train_ensemble" name="same_seed" rejected_by="test_members_start_apart"
def train_ensemble(members, make, train, seed=0):
    nets = []
    for _ in range(members):
        generator = torch.Generator().manual_seed(1000 * seed)
        nets.append(make(generator))
        train(nets[-1], generator)
    return nets

# %% wrong="train_ensemble" name="one_net_goes_on" rejected_by="test_members_are_different_nets"
def train_ensemble(members, make, train, seed=0):
    net, nets = make(torch.Generator().manual_seed(1000 * seed)), []
    for member in range(members):
        train(net, torch.Generator().manual_seed(1000 * seed + member))
        nets.append(net)
    return nets

# %% wrong="train_ensemble" name="generator_begins_again" rejected_by="test_each_member_has_its_seed"
def train_ensemble(members, make, train, seed=0):
    nets = []
    for member in range(members):
        net = make(torch.Generator().manual_seed(1000 * seed + member))
        train(net, torch.Generator().manual_seed(1000 * seed + member))
        nets.append(net)
    return nets

# %% wrong="train_ensemble" name="seed_is_ignored" rejected_by="test_other_seed_other_ensemble"
def train_ensemble(members, make, train, seed=0):
    nets = []
    for member in range(members):
        generator = torch.Generator().manual_seed(member)
        nets.append(make(generator))
        train(nets[-1], generator)
    return nets

# %% wrong="train_ensemble" name="trains_the_last_only" rejected_by="test_members_are_different_nets"
def train_ensemble(members, make, train, seed=0):
    generators = [torch.Generator().manual_seed(1000 * seed + member) for member in range(members)]
    nets = [make(generator) for generator in generators]
    for generator in generators:
        train(nets[-1], generator)
    return nets

# %% right="train_ensemble" name="first_all_then_train"
def train_ensemble(members, make, train, seed=0):
    generators = [torch.Generator().manual_seed(1000 * seed + member) for member in range(members)]
    nets = [make(generator) for generator in generators]
    for net, generator in zip(nets, generators):
        train(net, generator)
    return nets

# %% right="train_ensemble" name="inner_function"
def train_ensemble(members, make, train, seed=0):
    def one(member):
        generator = torch.Generator()
        generator.manual_seed(seed * 1000 + member)
        net = make(generator)
        _ = train(net, generator)
        return net

    return list(map(one, range(members)))

# ---- MultiHeadNet

# %% wrong="MultiHeadNet" name="same_head_for_all" rejected_by="test_logits_of_every_head"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        for weight, bias in zip(self.trunk, self.biases):
            x = torch.relu(x @ weight.T + bias)
        return torch.stack([x @ self.heads[0].T + self.head_biases[0] for _ in range(len(self.heads))])

    def loss(self, x, labels):
        return torch.stack([negative_log_likelihood(z, labels) for z in self.logits(x)]).mean()

# %% wrong="MultiHeadNet" name="averages_the_heads" rejected_by="test_logits_of_every_head" says="shape"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        for weight, bias in zip(self.trunk, self.biases):
            x = torch.relu(x @ weight.T + bias)
        return (x @ self.heads.mT + self.head_biases).mean(0)

    def loss(self, x, labels):
        return negative_log_likelihood(self.logits(x), labels)

# %% wrong="MultiHeadNet" name="loss_of_the_average" rejected_by="test_loss_is_the_mean_over_the_heads"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        for weight, bias in zip(self.trunk, self.biases):
            x = torch.relu(x @ weight.T + bias)
        return x @ self.heads.mT + self.head_biases

    def loss(self, x, labels):
        p = self.logits(x).softmax(-1).mean(0)
        return -p[torch.arange(len(labels)), labels].log().mean()

# %% wrong="MultiHeadNet" name="only_one_head_learns" rejected_by="test_every_head_and_the_trunk_learn"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        for weight, bias in zip(self.trunk, self.biases):
            x = torch.relu(x @ weight.T + bias)
        return x @ self.heads.mT + self.head_biases

    def loss(self, x, labels):
        return negative_log_likelihood(self.logits(x)[0], labels)

# %% wrong="MultiHeadNet" name="trunk_without_gradient" rejected_by="test_every_head_and_the_trunk_learn"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        with torch.no_grad():
            for weight, bias in zip(self.trunk, self.biases):
                x = torch.relu(x @ weight.T + bias)
        return x @ self.heads.mT + self.head_biases

    def loss(self, x, labels):
        return torch.stack([negative_log_likelihood(z, labels) for z in self.logits(x)]).mean()

# %% wrong="MultiHeadNet" name="trunk_for_every_head" rejected_by="test_the_trunk_is_computed_once"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        found = []
        for head, head_bias in zip(self.heads, self.head_biases):
            a = x
            for weight, bias in zip(self.trunk, self.biases):
                a = torch.relu(a @ weight.T + bias)
            found.append(a @ head.T + head_bias)
        return torch.stack(found)

    def loss(self, x, labels):
        return torch.stack([negative_log_likelihood(z, labels) for z in self.logits(x)]).mean()

# %% right="MultiHeadNet" name="loop_over_the_heads"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        a = x
        for k in range(len(self.trunk)):
            a = (torch.nn.functional.linear(a, self.trunk[k], self.biases[k])).clamp(min=0)
        return torch.stack([a @ head.T + bias for head, bias in zip(self.heads, self.head_biases)])

    def loss(self, x, labels):
        losses = [torch.nn.functional.cross_entropy(z, labels) for z in self.logits(x)]
        return sum(losses) / len(losses)

# %% right="MultiHeadNet" name="einsum"
class MultiHeadNet:
    def __init__(self, sizes, heads, classes, generator=None):
        self.trunk = [he_init(units, inputs, generator).requires_grad_() for inputs, units in pairwise(sizes)]
        self.biases = [torch.zeros(units, requires_grad=True) for units in sizes[1:]]
        self.heads = torch.stack([he_init(classes, sizes[-1], generator) for _ in range(heads)]).requires_grad_()
        self.head_biases = torch.zeros(heads, 1, classes, requires_grad=True)

    @property
    def parameters(self):
        return [*self.trunk, *self.biases, self.heads, self.head_biases]

    def logits(self, x):
        for weight, bias in zip(self.trunk, self.biases):
            x = torch.relu(torch.einsum("nd,ud->nu", x, weight) + bias)
        return torch.einsum("nd,mcd->mnc", x, self.heads) + self.head_biases

    def loss(self, x, labels):
        log_p = torch.log_softmax(self.logits(x), dim=2)
        return -log_p[:, torch.arange(len(labels)), labels].mean()

# ---- snapshots

# %% wrong="snapshots" name="references" rejected_by="test_copies_at_the_right_times"
def snapshots(steps, state, every):
    taken = []
    for step, _ in enumerate(steps, start=1):
        if step % every == 0:
            taken.append([tensor.detach() for tensor in state])
    return taken

# %% wrong="snapshots" name="counts_from_zero" rejected_by="test_copies_at_the_right_times"
def snapshots(steps, state, every):
    taken = []
    for step, _ in enumerate(steps):
        if step % every == 0:
            taken.append([tensor.detach().clone() for tensor in state])
    return taken

# %% wrong="snapshots" name="after_every_step" rejected_by="test_number_of_snapshots"
def snapshots(steps, state, every):
    return [[tensor.detach().clone() for tensor in state] for _ in steps]

# %% wrong="snapshots" name="all_at_the_end" rejected_by="test_snapshots_differ"
def snapshots(steps, state, every):
    count = sum(1 for _ in steps)
    return [[tensor.detach().clone() for tensor in state] for _ in range(count // every)]

# %% wrong="snapshots" name="stops_after_the_last" rejected_by="test_the_run_goes_to_its_end"
def snapshots(steps, state, every):
    import itertools

    taken, steps = [], iter(steps)
    while True:
        block = list(itertools.islice(steps, every))
        if len(block) < every:
            return taken
        taken.append([tensor.detach().clone() for tensor in state])
        if len(taken) == 2:
            return taken

# %% wrong="snapshots" name="still_watched" rejected_by="test_snapshots_are_whole_and_detached"
def snapshots(steps, state, every):
    taken = []
    for step, _ in enumerate(steps, start=1):
        if step % every == 0:
            copies = [tensor.detach().clone() for tensor in state]
            taken.append([c.requires_grad_() if c.is_floating_point() else c for c in copies])
    return taken

# %% right="snapshots" name="counter"
def snapshots(steps, state, every):
    taken, since = [], 0
    for _ in steps:
        since += 1
        if since == every:
            taken.append([torch.clone(tensor.data) for tensor in state])
            since = 0
    return taken

# %% right="snapshots" name="copy_module"
def snapshots(steps, state, every):
    import copy

    taken = []
    for step, _ in enumerate(steps):
        if (step + 1) % every == 0:
            taken.append(copy.deepcopy([tensor.detach() for tensor in state]))
    return taken

# ---- random_settings

# %% wrong="random_settings" name="uniform_in_the_value" rejected_by="test_logarithms_are_uniform"
def random_settings(space, trials, generator=None):
    def one(low, high):
        return low + (high - low) * torch.rand(1, generator=generator, dtype=torch.float64).item()

    return [{name: one(*ends) for name, ends in space.items()} for _ in range(trials)]

# %% wrong="random_settings" name="one_draw_for_all_trials" rejected_by="test_new_values_for_every_trial"
def random_settings(space, trials, generator=None):
    drawn = {name: log_uniform(low, high, 1, generator).item() for name, (low, high) in space.items()}
    return [dict(drawn) for _ in range(trials)]

# %% wrong="random_settings" name="rate_is_drawn_once" rejected_by="test_new_values_for_every_trial"
def random_settings(space, trials, generator=None):
    first = next(iter(space))
    fixed = log_uniform(*space[first], 1, generator).item()
    found = [{name: log_uniform(*ends, 1, generator).item() for name, ends in space.items()} for _ in range(trials)]
    return [{**settings, first: fixed} for settings in found]

# %% wrong="random_settings" name="along_the_diagonal" rejected_by="test_hyperparameters_are_independent"
def random_settings(space, trials, generator=None):
    u = torch.rand(trials, generator=generator, dtype=torch.float64)
    return [{name: low * (high / low) ** float(u[t]) for name, (low, high) in space.items()} for t in range(trials)]

# %% wrong="random_settings" name="range_of_the_first" rejected_by="test_every_range_is_its_own"
def random_settings(space, trials, generator=None):
    low, high = next(iter(space.values()))
    return [{name: log_uniform(low, high, 1, generator).item() for name in space} for _ in range(trials)]

# %% wrong="random_settings" name="ignores_the_generator" rejected_by="test_settings_come_from_the_generator"
def random_settings(space, trials, generator=None):
    return [{name: log_uniform(low, high, 1).item() for name, (low, high) in space.items()} for _ in range(trials)]

# %% right="random_settings" name="trial_by_trial"
def random_settings(space, trials, generator=None):
    found = []
    for _ in range(trials):
        found.append({name: log_uniform(low, high, 1, generator).item() for name, (low, high) in space.items()})
    return found

# %% right="random_settings" name="powers_of_ten"
def random_settings(space, trials, generator=None):
    u = torch.rand(trials, len(space), generator=generator, dtype=torch.float64).tolist()
    ends = {name: (math.log10(low), math.log10(high)) for name, (low, high) in space.items()}
    return [
        {name: 10 ** (low + v * (high - low)) for (name, (low, high)), v in zip(ends.items(), row)} for row in u
    ]

# ---- search

# %% wrong="search" name="smallest_score" rejected_by="test_the_largest_score_wins"
def search(score, settings):
    trials = [(setting, float(score(setting))) for setting in settings]
    return min(trials, key=lambda t: math.inf if math.isnan(t[1]) else t[1]), trials

# %% wrong="search" name="nan_stays" rejected_by="test_a_diverged_run_never_wins"
def search(score, settings):
    trials = [(setting, float(score(setting))) for setting in settings]
    return max(trials, key=lambda t: t[1]), trials

# %% wrong="search" name="sorted_trials" rejected_by="test_the_books_hold_every_trial"
def search(score, settings):
    trials = [(setting, float(score(setting))) for setting in settings]
    trials.sort(key=lambda t: -math.inf if math.isnan(t[1]) else t[1], reverse=True)
    return trials[0], trials

# %% wrong="search" name="trains_the_best_again" rejected_by="test_each_setting_is_tried_once"
def search(score, settings):
    trials = [(setting, float(score(setting))) for setting in settings]
    best = max(trials, key=lambda t: -math.inf if math.isnan(t[1]) else t[1])[0]
    return (best, float(score(best))), trials

# %% wrong="search" name="last_of_equals" rejected_by="test_the_first_of_equals"
def search(score, settings):
    trials = [(setting, float(score(setting))) for setting in settings]
    best = trials[0]
    for trial in trials[1:]:
        if math.isnan(best[1]) or trial[1] >= best[1]:
            best = trial
    return best, trials

# %% wrong="search" name="above_zero_only" rejected_by="test_the_first_of_equals"
def search(score, settings):
    trials, best = [], (settings[0], 0.0)
    for setting in settings:
        trials.append((setting, float(score(setting))))
        if trials[-1][1] > best[1]:
            best = trials[-1]
    return best, trials

# %% right="search" name="loop"
def search(score, settings):
    trials, best = [], None
    for setting in settings:
        trial = (setting, score(setting))
        trials.append(trial)
        if best is None or (math.isnan(best[1]) and not math.isnan(trial[1])) or trial[1] > best[1]:
            best = trial
    return best, trials

# %% right="search" name="torch_argmax"
def search(score, settings):
    scores = [score(setting) for setting in settings]
    values = torch.nan_to_num(torch.tensor(scores, dtype=torch.float64), nan=-math.inf)
    best = int((values == values.max()).nonzero()[0])
    return (settings[best], scores[best]), list(zip(settings, scores))

# ---- quizzes

# %% wrong="slide_facts" name="variance" rejected_by="test_he_deviation_of_200_inputs"
he_deviation = 0.01
relu_second_moment = 0.5
masks_of_ten_units = 1024

# %% wrong="slide_facts" name="variance_of_relu" rejected_by="test_relu_halves_the_second_moment"
he_deviation = 0.1
relu_second_moment = 0.34
masks_of_ten_units = 1024

# %% wrong="slide_facts" name="two_times_ten" rejected_by="test_number_of_masks"
he_deviation = 0.1
relu_second_moment = 0.5
masks_of_ten_units = 20

# %% right="slide_facts" name="computed"
he_deviation = math.sqrt(2 / 200)
relu_second_moment = 1 / 2
masks_of_ten_units = 2**10

# %% right="slide_facts" name="floats"
he_deviation = 0.01**0.5
relu_second_moment = 0.5
masks_of_ten_units = 1024.0

# %% wrong="what_affects_what" name="dropout_helps_training" rejected_by="test_dropout_is_for_generalization"
learning_rate_is_for_optimization = True
initialization_is_for_optimization = True
dropout_is_for_optimization = True

# %% wrong="what_affects_what" name="weights_only_generalize" rejected_by="test_initialization_is_for_optimization"
learning_rate_is_for_optimization = True
initialization_is_for_optimization = False
dropout_is_for_optimization = False

# %% wrong="what_affects_what" name="rate_only_generalizes" rejected_by="test_learning_rate_is_for_optimization"
learning_rate_is_for_optimization = False
initialization_is_for_optimization = True
dropout_is_for_optimization = False

# %% right="what_affects_what" name="negations"
learning_rate_is_for_optimization = not False
initialization_is_for_optimization = not False
dropout_is_for_optimization = not True

# %% right="what_affects_what" name="together"
learning_rate_is_for_optimization = initialization_is_for_optimization = True
dropout_is_for_optimization = False

# %% wrong="average_parameters" name="first_state_only" rejected_by="test_mean_of_each_tensor"
def average_parameters(states):
    return [tensor.clone() if tensor.is_floating_point() else last.clone() for tensor, last in zip(states[0], states[-1])]
