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
