# %% wrong="collect" name="observation_after" rejected_by="test_collect_keeps_what_happened" says="observations"
def collect(env, policy, calls):
    rows, seen, fresh = [], env.reset()[0], np.zeros(env.num_envs, dtype=bool)
    for _ in range(calls):
        chosen = np.asarray(policy(seen))
        seen, reward, terminated, truncated, _ = env.step(chosen)
        rows.append((seen, chosen, reward, terminated, ~fresh))
        fresh = terminated | truncated
    names = ("observations", "actions", "rewards", "terminated", "valid")
    return {name: np.stack(part) for name, part in zip(names, zip(*rows))}

# %% wrong="collect" name="resets_count" rejected_by="test_collect_keeps_what_happened" says="only resets"
def collect(env, policy, calls):
    rows, seen = [], env.reset()[0]
    for _ in range(calls):
        chosen = np.asarray(policy(seen))
        after, reward, terminated, truncated, _ = env.step(chosen)
        rows.append((seen, chosen, reward, terminated, np.ones(env.num_envs, dtype=bool)))
        seen = after
    names = ("observations", "actions", "rewards", "terminated", "valid")
    return {name: np.stack(part) for name, part in zip(names, zip(*rows))}

# %% wrong="collect" name="one_call_too_many" rejected_by="test_collect_keeps_what_happened" says="more than 120 environment steps"
def collect(env, policy, calls):
    env.reset()
    for _ in range(calls + 1):
        env.step(np.asarray(policy(np.zeros((env.num_envs, 4)))))
    return {}

# %% right="collect" name="lists_and_tensors"
def collect(env, policy, calls):
    kept = {name: [] for name in ("observations", "actions", "rewards", "terminated", "valid")}
    seen, _ = env.reset(seed=3)
    fresh = torch.zeros(env.num_envs, dtype=torch.bool)
    for _ in range(calls):
        chosen = policy(torch.as_tensor(seen))
        kept["observations"].append(torch.as_tensor(seen))
        kept["actions"].append(chosen)
        kept["valid"].append(~fresh)
        seen, reward, terminated, truncated, _ = env.step(chosen)
        kept["rewards"].append(torch.as_tensor(reward))
        kept["terminated"].append(torch.as_tensor(terminated))
        fresh = torch.as_tensor(terminated | truncated)
    return {name: torch.stack(values) for name, values in kept.items()}

# %% right="collect" name="behind_a_wrapper_of_gymnasium"
def collect(env, policy, calls):
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    assert env.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.NEXT_STEP
    shape = (calls, env.num_envs)
    kept = {"observations": np.zeros((*shape, *env.single_observation_space.shape), np.float32)}
    kept |= {name: np.zeros(shape) for name in ("actions", "rewards")}
    kept |= {name: np.zeros(shape, bool) for name in ("terminated", "valid")}
    seen, _ = env.reset()
    fresh = np.zeros(env.num_envs, bool)
    for t in range(calls):
        kept["observations"][t], kept["valid"][t] = seen, ~fresh
        kept["actions"][t] = policy(seen)
        seen, kept["rewards"][t], kept["terminated"][t], truncated, _ = env.step(kept["actions"][t].astype(int))
        fresh = kept["terminated"][t] | truncated
    return kept

# %% wrong="policy_gradient" name="sign" rejected_by="test_policy_gradient_is_unbiased" says="sign"
def policy_gradient(logits, states, actions, rewards):
    score = torch.softmax(logits, -1)[states]
    score[torch.arange(len(actions)), actions] -= 1
    return torch.zeros_like(logits).index_add(0, states, score * rewards.flip(0).cumsum(0).flip(0)[:, None])

# %% wrong="policy_gradient" name="only_the_next_reward" rejected_by="test_policy_gradient_is_unbiased"
def policy_gradient(logits, states, actions, rewards):
    score = -torch.softmax(logits, -1)[states]
    score[torch.arange(len(actions)), actions] += 1
    return torch.zeros_like(logits).index_add(0, states, score * rewards[:, None])

# %% wrong="policy_gradient" name="whole_return" rejected_by="test_policy_gradient_looks_ahead_only" says="reward to go"
def policy_gradient(logits, states, actions, rewards):
    score = -torch.softmax(logits, -1)[states]
    score[torch.arange(len(actions)), actions] += 1
    return torch.zeros_like(logits).index_add(0, states, score * rewards.sum())

# %% right="policy_gradient" name="by_autograd"
def policy_gradient(logits, states, actions, rewards):
    leaf = logits.detach().requires_grad_()
    chosen = torch.log_softmax(leaf, -1)[states, actions]
    to_go = torch.stack([rewards[t:].sum() for t in range(len(rewards))])
    return torch.autograd.grad((chosen * to_go).sum(), leaf)[0]

# %% right="policy_gradient" name="loops"
def policy_gradient(logits, states, actions, rewards):
    found = torch.zeros_like(logits)
    for t, (s, a) in enumerate(zip(states.tolist(), actions.tolist())):
        for b in range(logits.shape[1]):
            found[s, b] += (int(a == b) - torch.softmax(logits[s], -1)[b]) * rewards[t:].sum()
    return found

# %% wrong="train" name="elite_of_the_worst" rejected_by="test_trained_policy_balances" says="mean return" stochastic="yes"
def train(env, steps):
    rng, count = np.random.default_rng(), env.num_envs
    mean, scale, used = np.zeros(4), 3 * np.ones(4), 0
    while used + 500 * count <= steps:
        weights = mean + scale * rng.normal(size=(count, 4))
        seen, _ = env.reset()
        total, alive = np.zeros(count), np.ones(count, dtype=bool)
        while alive.any():
            seen, reward, terminated, truncated, _ = env.step(((weights * seen).sum(1) > 0).astype(int))
            total += np.where(alive, reward, 0)
            alive &= ~(terminated | truncated)
            used += count
        elite = weights[np.argsort(total)[: count // 5]]
        mean, scale = elite.mean(0), elite.std(0) + 0.3 / (1 + used / 20_000)
    found = torch.from_numpy(mean)
    return lambda observations: (observations.double() @ found > 0).long()

# %% wrong="train" name="always_left" rejected_by="test_trained_policy_balances" says="mean return" stochastic="yes"
def train(env, steps):
    env.reset()
    for _ in range(100):
        env.step(np.zeros(env.num_envs, dtype=int))
    return lambda observations: torch.zeros(len(observations), dtype=torch.int64)

# %% wrong="train" name="never_looks_at_the_environment" rejected_by="test_trained_policy_balances" says="0 steps"
def train(env, steps):
    return lambda observations: (observations[:, 2] + observations[:, 3] > 0).long()

# %% right="train" name="random_search" stochastic="yes"
def train(env, steps):
    rng, used, best, weights = np.random.default_rng(), 0, -1.0, None
    while used + 501 * env.num_envs <= steps:
        tried = rng.normal(size=(env.num_envs, 4))
        tried[0] = tried[0] if weights is None else weights
        seen, _ = env.reset()
        total, alive = np.zeros(env.num_envs), np.ones(env.num_envs, dtype=bool)
        while alive.any():
            seen, reward, terminated, truncated, _ = env.step((tried * seen).sum(1) > 0)
            total += alive * reward
            alive &= ~(terminated | truncated)
            used += env.num_envs
        if weights is None or total.max() > total[0]:
            weights = tried[total.argmax()]
    return lambda observations: observations.numpy() @ weights > 0

# %% right="train" name="an_object_that_can_be_called"
class Linear:
    def __init__(self, weights):
        self.weights = torch.from_numpy(weights)

    def __call__(self, observations):
        return (observations.double() @ self.weights > 0).long()

def train(env, steps):
    count, used = env.num_envs, 0
    mean, scale = np.zeros(4), 3.0
    while used + 500 * count <= steps:
        noise = np.random.randn(count, 4)
        seen, _ = env.reset()
        total, alive = np.zeros(count), np.ones(count, dtype=bool)
        while alive.any():
            seen, reward, terminated, truncated, _ = env.step((((mean + scale * noise) * seen).sum(1) > 0).astype(np.int8))
            total += alive * reward
            alive &= ~(terminated | truncated)
            used += count
        mean = (mean + scale * noise)[np.argsort(total)[-6:]].mean(0)
        scale = max(0.3, 0.8 * scale)
    return Linear(mean)
