# %% wrong="softmax" name="no_max_subtraction" rejected_by="test_softmax_survives_large_logits" says="overflow"
def softmax(logits):
    powers = logits.exp()
    return powers / powers.sum(-1, keepdim=True)

# %% wrong="softmax" name="wrong_axis" rejected_by="test_softmax_values"
def softmax(logits):
    powers = (logits - logits.max(0, keepdim=True).values).exp()
    return powers / powers.sum(0, keepdim=True)

# %% wrong="softmax" name="the_built_in" rejected_by="forbidden"
def softmax(logits):
    return torch.softmax(logits, -1)

# %% right="softmax" name="by_log_sum_exp"
def softmax(logits):
    return (logits - logits.logsumexp(-1, keepdim=True)).exp()

# %% right="softmax" name="row_by_row"
def softmax(logits):
    rows = []
    for row in logits:
        powers = (row - row.max()).exp()
        rows.append(powers / powers.sum())
    return torch.stack(rows)

# %% wrong="entropy" name="wrong_sign" rejected_by="test_entropy_of_drawn_logits" says="sign"
def entropy(logits):
    share = softmax(logits)
    return (share * share.log()).sum(-1)

# %% wrong="entropy" name="base_two" rejected_by="test_entropy_of_drawn_logits"
def entropy(logits):
    share = softmax(logits)
    return -(share * share.log2()).sum(-1)

# %% wrong="entropy" name="sum_over_everything" rejected_by="test_entropy_of_drawn_logits" says="shape"
def entropy(logits):
    share = softmax(logits)
    return -(share * share.log()).sum()

# %% right="entropy" name="by_cross_product"
def entropy(logits):
    share = softmax(logits)
    return -torch.einsum("nc,nc->n", share, share.log())

# %% right="entropy" name="float32"
def entropy(logits):
    share = softmax(logits.float())
    return -(share * share.log()).sum(-1)

# %% wrong="Counter" name="shared_value" rejected_by="test_counters_are_separate"
class Counter:
    values = {}

    def __init__(self, start):
        self.values["value"] = start

    @property
    def value(self):
        return self.values["value"]

    def add(self, n):
        self.values["value"] += n
        return self.value

# %% wrong="Counter" name="forgets" rejected_by="test_counter_adds"
class Counter:
    def __init__(self, start):
        self.value = start

    def add(self, n):
        return self.value + n

# %% wrong="Counter" name="no_return" rejected_by="test_counter_adds" says="return"
class Counter:
    def __init__(self, start):
        self.value = start

    def add(self, n):
        self.value += n

# %% right="Counter" name="dataclass"
from dataclasses import dataclass

@dataclass
class Counter:
    value: int

    def add(self, n):
        self.value = self.value + n
        return self.value

# %% right="Counter" name="property"
class Counter:
    def __init__(self, start):
        self._steps = [start]

    @property
    def value(self):
        return sum(self._steps)

    def add(self, n):
        self._steps.append(n)
        return self.value

# %% wrong="descend" name="uphill" rejected_by="test_descend_follows_the_gradient"
def descend(gradient, start, steps):
    x = start.clone()
    for _ in range(steps):
        x = x + 0.1 * gradient(x)
    return x

# %% wrong="descend" name="one_step_too_many" rejected_by="test_descend_follows_the_gradient"
def descend(gradient, start, steps):
    x = start.clone()
    for _ in range(steps + 1):
        x = x - 0.1 * gradient(x)
    return x

# %% wrong="descend" name="gradient_once" rejected_by="test_descend_follows_the_gradient"
def descend(gradient, start, steps):
    slope = gradient(start)
    return start - 0.1 * steps * slope

# %% right="descend" name="recursion"
def descend(gradient, start, steps):
    return start.clone() if steps == 0 else descend(gradient, start - 0.1 * gradient(start), steps - 1)

# %% right="descend" name="in_place_on_a_copy"
def descend(gradient, start, steps):
    x = start.clone()
    while steps:
        x -= 0.1 * gradient(x)
        steps -= 1
    return x

# %% wrong="fact" name="five" rejected_by="test_fact_is_known"
fact = 5
