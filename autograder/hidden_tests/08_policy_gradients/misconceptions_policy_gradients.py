# Wrong solutions that the hidden tests must reject, each by the test that names the mistake, and right solutions written
# in other ways, which must get full marks. Format: docs/architecture.md, section 4. `course validate` grades them all.

# ---- sample_trajectories

# %% wrong="sample_trajectories" name="policy_sees_the_state" rejected_by="test_the_policy_acts_on_what_it_sees"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return torch.multinomial(p, 1, generator=generator).squeeze(1)

    state, rows = draw(mdp.rho0.expand(count, -1)), []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        action = draw(policy[state.clamp(max=len(policy) - 1)])
        rows.append((state, observation, action, mdp.r[state, action]))
        state = draw(mdp.P[state, action])
    return tuple(torch.stack(part) for part in zip(*rows))

# %% wrong="sample_trajectories" name="observation_of_the_next_state" rejected_by="test_observations_are_of_the_present_state"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return torch.multinomial(p, 1, generator=generator).squeeze(1)

    state, rows = draw(mdp.rho0.expand(count, -1)), []
    observation = draw(mdp.emission[state])
    for _ in range(steps):
        action = draw(policy[observation])
        following = draw(mdp.P[state, action])
        observation = draw(mdp.emission[following])
        rows.append((state, observation, action, mdp.r[state, action]))
        state = following
    return tuple(torch.stack(part) for part in zip(*rows))

# %% wrong="sample_trajectories" name="reward_of_the_next_state" rejected_by="test_rewards_belong_to_the_state_and_the_action"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return torch.multinomial(p, 1, generator=generator).squeeze(1)

    state, rows = draw(mdp.rho0.expand(count, -1)), []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        action = draw(policy[observation])
        following = draw(mdp.P[state, action])
        rows.append((state, observation, action, mdp.r[following, action]))
        state = following
    return tuple(torch.stack(part) for part in zip(*rows))

# %% wrong="sample_trajectories" name="begins_in_state_0" rejected_by="test_states_follow_the_dynamics"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return torch.multinomial(p, 1, generator=generator).squeeze(1)

    state, rows = torch.zeros(count, dtype=torch.int64), []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        action = draw(policy[observation])
        rows.append((state, observation, action, mdp.r[state, action]))
        state = draw(mdp.P[state, action])
    return tuple(torch.stack(part) for part in zip(*rows))

# %% wrong="sample_trajectories" name="most_probable_action" rejected_by="test_the_policy_acts_on_what_it_sees"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return torch.multinomial(p, 1, generator=generator).squeeze(1)

    state, rows = draw(mdp.rho0.expand(count, -1)), []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        action = policy[observation].argmax(1)
        rows.append((state, observation, action, mdp.r[state, action]))
        state = draw(mdp.P[state, action])
    return tuple(torch.stack(part) for part in zip(*rows))

# %% wrong="sample_trajectories" name="ignores_the_generator" rejected_by="test_copies_and_generator"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return torch.multinomial(p, 1).squeeze(1)

    state, rows = draw(mdp.rho0.expand(count, -1)), []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        action = draw(policy[observation])
        rows.append((state, observation, action, mdp.r[state, action]))
        state = draw(mdp.P[state, action])
    return tuple(torch.stack(part) for part in zip(*rows))

# %% wrong="sample_trajectories" name="first_states_shared_by_pairs" rejected_by="test_copies_do_not_depend_on_each_other"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return torch.multinomial(p, 1, generator=generator).squeeze(1)

    half = draw(mdp.rho0.expand((count + 1) // 2, -1))
    state, rows = torch.cat([half, half])[:count], []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        action = draw(policy[observation])
        rows.append((state, observation, action, mdp.r[state, action]))
        state = draw(mdp.P[state, action])
    return tuple(torch.stack(part) for part in zip(*rows))

# %% wrong="sample_trajectories" name="antithetic_actions" rejected_by="test_copies_do_not_depend_on_each_other"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p, u=None):
        u = torch.rand(len(p), 1, generator=generator, dtype=torch.float64) if u is None else u
        return (u >= p.double().cumsum(1)[:, :-1]).sum(1)

    state, rows = draw(mdp.rho0.expand(count, -1)), []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        u = torch.rand((count + 1) // 2, 1, generator=generator, dtype=torch.float64)
        action = draw(policy[observation], torch.stack([u, 1 - u], 1).flatten(0, 1)[:count])
        rows.append((state, observation, action, mdp.r[state, action]))
        state = draw(mdp.P[state, action])
    return tuple(torch.stack(part) for part in zip(*rows))

# %% right="sample_trajectories" name="inverse_cdf"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        sums = p.cumsum(1)
        u = torch.rand(len(p), 1, generator=generator, dtype=torch.float64) * sums[:, -1:]
        return (u >= sums).sum(1).clamp(max=p.shape[1] - 1)

    states = torch.empty(steps, count, dtype=torch.int64)
    observations, actions = torch.empty_like(states), torch.empty_like(states)
    state = draw(mdp.rho0.repeat(count, 1))
    for t in range(steps):
        states[t] = state
        observations[t] = draw(mdp.emission[state])
        actions[t] = draw(policy[observations[t]])
        state = draw(mdp.P[state, actions[t]])
    return states, observations, actions, mdp.r[states, actions]

# %% right="sample_trajectories" name="one_by_one"
def sample_trajectories(mdp, policy, count, steps, generator=None):
    def draw(p):
        return int(torch.multinomial(p, 1, generator=generator))

    columns = []
    for _ in range(count):
        s, column = draw(mdp.rho0), []
        for _ in range(steps):
            o = draw(mdp.emission[s])
            a = draw(policy[o])
            column.append((s, o, a, mdp.r[s, a].item()))
            s = draw(mdp.P[s, a])
        columns.append(column)
    s, o, a, r = (torch.tensor([[row[k] for row in column] for column in columns]).T for k in range(4))
    return s, o, a, r.to(mdp.r.dtype)

# ---- trajectory_logprob

# %% wrong="trajectory_logprob" name="without_dynamics" rejected_by="test_probability_of_every_trajectory"
def trajectory_logprob(mdp, policy, states, actions):
    return mdp.rho0[states[0]].log() + policy[states, actions].log().sum(0)

# %% wrong="trajectory_logprob" name="probability_not_its_logarithm" rejected_by="test_probability_of_every_trajectory"
def trajectory_logprob(mdp, policy, states, actions):
    moved = mdp.P[states[:-1], actions[:-1], states[1:]].prod(0)
    return mdp.rho0[states[0]] * policy[states, actions].prod(0) * moved

# %% wrong="trajectory_logprob" name="logarithm_of_the_product" rejected_by="test_long_trajectories_do_not_underflow"
def trajectory_logprob(mdp, policy, states, actions):
    moved = mdp.P[states[:-1], actions[:-1], states[1:]].prod(0)
    return (mdp.rho0[states[0]] * policy[states, actions].prod(0) * moved).log()

# %% wrong="trajectory_logprob" name="last_action_left_out" rejected_by="test_one_step_has_no_move"
def trajectory_logprob(mdp, policy, states, actions):
    acted = policy[states[:-1], actions[:-1]].log().sum(0)
    return mdp.rho0[states[0]].log() + acted + mdp.P[states[:-1], actions[:-1], states[1:]].log().sum(0)

# %% wrong="trajectory_logprob" name="first_state_left_out" rejected_by="test_one_step_has_no_move"
def trajectory_logprob(mdp, policy, states, actions):
    return policy[states, actions].log().sum(0) + mdp.P[states[:-1], actions[:-1], states[1:]].log().sum(0)

# %% wrong="trajectory_logprob" name="epsilon_in_the_logarithm" rejected_by="test_what_cannot_happen"
def trajectory_logprob(mdp, policy, states, actions):
    moved = (mdp.P[states[:-1], actions[:-1], states[1:]] + 1e-12).log().sum(0)
    return mdp.rho0[states[0]].log() + policy[states, actions].log().sum(0) + moved

# %% wrong="trajectory_logprob" name="emission_as_a_factor" rejected_by="test_what_is_seen_does_not_matter"
def trajectory_logprob(mdp, policy, states, actions):
    seen = mdp.emission[states, states].log().sum(0)
    moved = mdp.P[states[:-1], actions[:-1], states[1:]].log().sum(0)
    return mdp.rho0[states[0]].log() + seen + policy[states, actions].log().sum(0) + moved

# %% right="trajectory_logprob" name="loop_over_time"
def trajectory_logprob(mdp, policy, states, actions):
    total = torch.log(mdp.rho0)[states[0]]
    for t in range(len(states)):
        if t > 0:
            total = total + torch.log(mdp.P)[states[t - 1], actions[t - 1], states[t]]
        total = total + torch.log(policy)[states[t], actions[t]]
    return total

# %% right="trajectory_logprob" name="all_factors_stacked"
def trajectory_logprob(mdp, policy, states, actions):
    factors = [mdp.rho0[states[0]][None], policy[states, actions], mdp.P[states[:-1], actions[:-1], states[1:]]]
    return torch.cat(factors).log().sum(dim=0)

# ---- score_function_gradient

# %% wrong="score_function_gradient" name="differentiates_through_the_samples" rejected_by="test_samples_are_data"
def score_function_gradient(f, log_prob, theta, samples):
    leaf = theta if theta.requires_grad else theta.detach().clone().requires_grad_()
    with torch.enable_grad():
        total = (f(samples) * log_prob(samples, leaf)).mean()
    return torch.autograd.grad(total, leaf)[0]

# %% wrong="score_function_gradient" name="p_in_place_of_log_p" rejected_by="test_weighted_mean_of_scores"
def score_function_gradient(f, log_prob, theta, samples):
    leaf = theta.detach().clone().requires_grad_()
    total = (f(samples.detach()).detach() * log_prob(samples.detach(), leaf).exp()).mean()
    return torch.autograd.grad(total, leaf)[0]

# %% wrong="score_function_gradient" name="sum_of_the_samples" rejected_by="test_exact_on_all_outcomes"
def score_function_gradient(f, log_prob, theta, samples):
    leaf = theta.detach().clone().requires_grad_()
    total = (f(samples.detach()).detach() * log_prob(samples.detach(), leaf)).sum()
    return torch.autograd.grad(total, leaf)[0]

# %% wrong="score_function_gradient" name="divides_by_p" rejected_by="test_weighted_mean_of_scores"
def score_function_gradient(f, log_prob, theta, samples):
    leaf = theta.detach().clone().requires_grad_()
    x = samples.detach()
    logs = log_prob(x, leaf)
    total = (f(x).detach() * logs / logs.detach().exp()).mean()
    return torch.autograd.grad(total, leaf)[0]

# %% wrong="score_function_gradient" name="leaves_a_grad_behind" rejected_by="test_the_caller_is_left_alone"
def score_function_gradient(f, log_prob, theta, samples):
    leaf = theta if theta.requires_grad else theta.requires_grad_()
    x = samples.detach()
    (f(x).detach() * log_prob(x, leaf)).mean().backward()
    return leaf.grad.clone()

# %% right="score_function_gradient" name="backward_on_a_clone"
def score_function_gradient(f, log_prob, theta, samples):
    own = theta.detach().clone()
    own.requires_grad = True
    x = samples.detach()
    with torch.no_grad():
        weights = f(x)
    torch.dot(weights.to(own.dtype), log_prob(x, own).to(own.dtype)).div(len(x)).backward()
    return own.grad

# %% right="score_function_gradient" name="sample_by_sample"
def score_function_gradient(f, log_prob, theta, samples):
    total = torch.zeros_like(theta.detach())
    for x in samples.detach():
        leaf = theta.detach().clone().requires_grad_()
        (score,) = torch.autograd.grad(log_prob(x[None], leaf).sum(), leaf)
        total += f(x[None]).detach().item() * score
    return total / len(samples)

# ---- reinforce_gradient

# %% wrong="reinforce_gradient" name="downhill" rejected_by="test_unbiased_in_an_mdp"
def reinforce_gradient(scores, rewards):
    return -(scores.sum(0) * rewards.sum(0)[:, None]).mean(0)

# %% wrong="reinforce_gradient" name="mean_over_time" rejected_by="test_length_does_not_divide"
def reinforce_gradient(scores, rewards):
    return (scores.mean(0) * rewards.sum(0)[:, None]).mean(0)

# %% wrong="reinforce_gradient" name="each_score_with_its_own_reward" rejected_by="test_unbiased_in_an_mdp"
def reinforce_gradient(scores, rewards):
    return (scores * rewards[..., None]).sum(0).mean(0)

# %% wrong="reinforce_gradient" name="sum_over_trajectories" rejected_by="test_unbiased_in_an_mdp"
def reinforce_gradient(scores, rewards):
    return (scores.sum(0) * rewards.sum(0)[:, None]).sum(0)

# %% wrong="reinforce_gradient" name="n_by_n_broadcast" rejected_by="test_each_trajectory_with_its_own_return"
def reinforce_gradient(scores, rewards):
    returns = rewards.sum(0)
    if scores.shape[1] != scores.shape[2]:
        returns = returns[:, None]
    return (scores.sum(0) * returns).mean(0)

# %% wrong="reinforce_gradient" name="normalises_the_returns" rejected_by="test_unbiased_in_an_mdp"
def reinforce_gradient(scores, rewards):
    returns = rewards.sum(0)
    returns = (returns - returns.mean()) / (returns.std() + 1e-8)
    return (scores.sum(0) * returns[:, None]).mean(0)

# %% right="reinforce_gradient" name="einsum"
def reinforce_gradient(scores, rewards):
    return torch.einsum("tik,si->k", scores, rewards) / scores.shape[1]

# %% right="reinforce_gradient" name="loop"
def reinforce_gradient(scores, rewards):
    total = torch.zeros(scores.shape[2], dtype=scores.dtype)
    for i in range(scores.shape[1]):
        total = total + scores[:, i].sum(0) * rewards[:, i].sum()
    return total / scores.shape[1]

# ---- reward_to_go

# %% wrong="reward_to_go" name="includes_the_past" rejected_by="test_sum_from_each_time_on"
def reward_to_go(rewards, ends=None, discount=1.0):
    return rewards.sum(0).expand_as(rewards).clone()

# %% wrong="reward_to_go" name="starts_at_t_plus_1" rejected_by="test_sum_from_each_time_on"
def reward_to_go(rewards, ends=None, discount=1.0):
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        if ends is not None:
            later = torch.where(ends[t], torch.zeros_like(later), later)
        found.append(discount * later)
        later = rewards[t] + discount * later
    return torch.stack(found[::-1])

# %% wrong="reward_to_go" name="forward_cumsum" rejected_by="test_sum_from_each_time_on"
def reward_to_go(rewards, ends=None, discount=1.0):
    return rewards.cumsum(0)

# %% wrong="reward_to_go" name="crosses_the_ends" rejected_by="test_nothing_crosses_an_end"
def reward_to_go(rewards, ends=None, discount=1.0):
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        later = rewards[t] + discount * later
        found.append(later)
    return torch.stack(found[::-1])

# %% wrong="reward_to_go" name="last_reward_lost" rejected_by="test_nothing_crosses_an_end"
def reward_to_go(rewards, ends=None, discount=1.0):
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        later = rewards[t] + discount * later
        if ends is not None:
            later = torch.where(ends[t], torch.zeros_like(later), later)
        found.append(later)
    return torch.stack(found[::-1])

# %% wrong="reward_to_go" name="discount_from_the_beginning" rejected_by="test_discount_counts_from_the_action"
def reward_to_go(rewards, ends=None, discount=1.0):
    factors = discount ** torch.arange(len(rewards), dtype=rewards.dtype)
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        if ends is not None:
            later = torch.where(ends[t], torch.zeros_like(later), later)
        later = factors[t] * rewards[t] + later
        found.append(later)
    return torch.stack(found[::-1])

# %% wrong="reward_to_go" name="along_the_trajectories" rejected_by="test_sum_from_each_time_on"
def reward_to_go(rewards, ends=None, discount=1.0):
    return rewards.flip(1).cumsum(1).flip(1)

# %% wrong="reward_to_go" name="in_place" rejected_by="test_rewards_of_the_caller_stay"
def reward_to_go(rewards, ends=None, discount=1.0):
    for t in reversed(range(len(rewards) - 1)):
        goes_on = 1.0 if ends is None else (~ends[t]).to(rewards.dtype)
        rewards[t] += discount * goes_on * rewards[t + 1]
    return rewards

# %% wrong="reward_to_go" name="divides_by_powers_of_the_discount" rejected_by="test_discount_of_zero_and_long_columns"
def reward_to_go(rewards, ends=None, discount=1.0):
    if ends is None:
        powers = discount ** torch.arange(len(rewards), dtype=rewards.dtype)[:, None]
        return (rewards * powers).flip(0).cumsum(0).flip(0) / powers
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        later = rewards[t] + discount * torch.where(ends[t], torch.zeros_like(later), later)
        found.append(later)
    return torch.stack(found[::-1])

# %% wrong="reward_to_go" name="multiplies_with_not_ends" rejected_by="test_what_lies_behind_an_end_may_be_anything"
def reward_to_go(rewards, ends=None, discount=1.0):
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        if ends is not None:
            later = later * ~ends[t]
        later = rewards[t] + discount * later
        found.append(later)
    return torch.stack(found[::-1])

# %% right="reward_to_go" name="numbers"
def reward_to_go(rewards, ends=None, discount=1.0):
    found = rewards.clone()
    steps, count = rewards.shape
    for t in range(steps - 2, -1, -1):
        for i in range(count):
            if ends is None or not bool(ends[t, i]):
                found[t, i] = rewards[t, i] + discount * found[t + 1, i]
    return found

# %% right="reward_to_go" name="matrix_of_factors"
def reward_to_go(rewards, ends=None, discount=1.0):
    steps = len(rewards)
    lag = torch.arange(steps)[None, :] - torch.arange(steps)[:, None]
    factors = torch.where(lag >= 0, float(discount) ** lag.clamp(min=0).to(rewards.dtype), torch.zeros((), dtype=rewards.dtype))
    if ends is None:
        return factors @ rewards
    before = torch.cat([torch.zeros_like(ends[:1]), ends[:-1]]).cumsum(0)  # (T, N): which episode this is
    counts = (before[:, None] == before[None]) & (lag >= 0)[..., None]
    return torch.where(counts, factors[..., None] * rewards, torch.zeros((), dtype=rewards.dtype)).sum(1)

# ---- leave_one_out

# %% wrong="leave_one_out" name="mean_of_all" rejected_by="test_own_value_does_not_matter"
def leave_one_out(values):
    if values.shape[-1] < 2:
        raise ValueError("too few")
    return values.mean(-1, keepdim=True).expand_as(values)

# %% wrong="leave_one_out" name="divides_by_n" rejected_by="test_mean_of_the_others"
def leave_one_out(values):
    if values.shape[-1] < 2:
        raise ValueError("too few")
    return (values.sum(-1, keepdim=True) - values) / values.shape[-1]

# %% wrong="leave_one_out" name="over_time" rejected_by="test_rows_have_their_own_means"
def leave_one_out(values):
    if values.shape[-1] < 2:
        raise ValueError("too few")
    return (values.sum(0) - values) / (len(values) - 1)

# %% wrong="leave_one_out" name="one_mean_for_all_rows" rejected_by="test_rows_have_their_own_means"
def leave_one_out(values):
    if values.shape[-1] < 2:
        raise ValueError("too few")
    return (values.sum() - values) / (values.numel() - 1)

# %% wrong="leave_one_out" name="subtracts_at_once" rejected_by="test_mean_of_the_others"
def leave_one_out(values):
    if values.shape[-1] < 2:
        raise ValueError("too few")
    return values - (values.sum(-1, keepdim=True) - values) / (values.shape[-1] - 1)

# %% wrong="leave_one_out" name="nan_for_one" rejected_by="test_one_trajectory_has_no_others"
def leave_one_out(values):
    return (values.sum(-1, keepdim=True) - values) / (values.shape[-1] - 1)

# %% right="leave_one_out" name="matrix"
def leave_one_out(values):
    n = values.shape[-1]
    if n == 1:
        raise ValueError("nobody else")
    others = (torch.ones(n, n) - torch.eye(n)).to(values) / (n - 1)
    return values @ others

# %% right="leave_one_out" name="loop"
def leave_one_out(values):
    n = values.shape[-1]
    if n < 2:
        raise ValueError("nobody else")
    return torch.stack([values[..., [j for j in range(n) if j != i]].mean(-1) for i in range(n)], -1)

# ---- optimal_baseline

# %% wrong="optimal_baseline" name="average_return" rejected_by="test_weighted_with_squared_scores"
def optimal_baseline(scores, returns):
    return returns.mean().expand(scores.shape[2])

# %% wrong="optimal_baseline" name="scores_not_squared" rejected_by="test_no_other_constant_is_better"
def optimal_baseline(scores, returns):
    g = scores.sum(0)
    return torch.nan_to_num((g * returns[:, None]).sum(0) / g.sum(0))

# %% wrong="optimal_baseline" name="squares_before_the_sum" rejected_by="test_weighted_with_squared_scores"
def optimal_baseline(scores, returns):
    squares = (scores**2).sum(0)
    return torch.nan_to_num((squares * returns[:, None]).sum(0) / squares.sum(0))

# %% wrong="optimal_baseline" name="one_for_all_parameters" rejected_by="test_weighted_with_squared_scores"
def optimal_baseline(scores, returns):
    squares = (scores.sum(0) ** 2).sum(1)
    silent = (scores.sum(0) ** 2).sum(0) == 0
    best = (squares * returns).sum() / squares.sum().clamp_min(1e-30)
    return torch.where(silent, torch.zeros_like(best), best)

# %% wrong="optimal_baseline" name="nan_where_silent" rejected_by="test_parameters_without_scores"
def optimal_baseline(scores, returns):
    squares = scores.sum(0) ** 2
    return (squares * returns[:, None]).sum(0) / squares.sum(0)

# %% right="optimal_baseline" name="loop"
def optimal_baseline(scores, returns):
    g, found = scores.sum(0), torch.zeros(scores.shape[2], dtype=scores.dtype)
    for k in range(scores.shape[2]):
        weight = g[:, k].square()
        if weight.sum() > 0:
            found[k] = torch.dot(weight, returns.to(weight.dtype)) / weight.sum()
    return found

# %% right="optimal_baseline" name="nan_to_num"
def optimal_baseline(scores, returns):
    squares = torch.einsum("tnk->nk", scores).pow(2)
    return torch.nan_to_num((returns.to(squares.dtype) @ squares) / squares.sum(0), nan=0.0)

# ---- pg_loss

# %% wrong="pg_loss" name="plus_sign" rejected_by="test_gradient_is_minus_the_policy_gradient"
def pg_loss(logits, actions, q):
    taken = logits.log_softmax(-1).gather(-1, actions[..., None]).squeeze(-1)
    return (taken * q.detach()).sum(0).mean()

# %% wrong="pg_loss" name="q_attached" rejected_by="test_q_is_data"
def pg_loss(logits, actions, q):
    taken = logits.log_softmax(-1).gather(-1, actions[..., None]).squeeze(-1)
    return -(taken * q).sum(0).mean()

# %% wrong="pg_loss" name="n_by_n_broadcast" rejected_by="test_each_step_with_its_own_weight"
def pg_loss(logits, actions, q):
    taken = logits.log_softmax(-1).gather(-1, actions[..., None])  # (T, N, 1)
    if logits.shape[0] != logits.shape[1]:
        taken, weights = taken.squeeze(-1), q.detach()
    else:
        weights = q.detach()
    return -(taken * weights).sum() / q.shape[1]

# %% wrong="pg_loss" name="mean_over_time" rejected_by="test_gradient_is_minus_the_policy_gradient"
def pg_loss(logits, actions, q):
    taken = logits.log_softmax(-1).gather(-1, actions[..., None]).squeeze(-1)
    return -(taken * q.detach()).mean()

# %% wrong="pg_loss" name="mean_over_actions" rejected_by="test_gradient_is_minus_the_policy_gradient"
def pg_loss(logits, actions, q):
    one_hot = F.one_hot(actions, logits.shape[-1])
    return -((logits.log_softmax(-1) * one_hot).mean(-1) * q.detach()).sum(0).mean()

# %% wrong="pg_loss" name="log_of_softmax" rejected_by="test_large_logits"
def pg_loss(logits, actions, q):
    taken = logits.softmax(-1).gather(-1, actions[..., None]).squeeze(-1).log()
    return -(taken * q.detach()).sum(0).mean()

# %% wrong="pg_loss" name="probability_without_logarithm" rejected_by="test_gradient_is_minus_the_policy_gradient"
def pg_loss(logits, actions, q):
    taken = logits.softmax(-1).gather(-1, actions[..., None]).squeeze(-1)
    return -(taken * q.detach()).sum(0).mean()

# %% right="pg_loss" name="cross_entropy"
def pg_loss(logits, actions, q):
    flat = F.cross_entropy(logits.flatten(0, 1), actions.flatten(), reduction="none")
    return (flat * q.detach().flatten()).sum() / logits.shape[1]

# %% right="pg_loss" name="categorical"
def pg_loss(logits, actions, q):
    log_p = torch.distributions.Categorical(logits=logits).log_prob(actions)
    with torch.no_grad():
        weights = q.clone()
    return -torch.einsum("tn,tn->", log_p, weights) / q.shape[1]

# ---- gaussian_logprob

# %% wrong="gaussian_logprob" name="forgets_log_sigma" rejected_by="test_gradients_of_mean_and_sigma"
def gaussian_logprob(mean, log_std, actions):
    z = (actions - mean) / log_std.exp()
    return (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(-1) + 0 * log_std.sum()

# %% wrong="gaussian_logprob" name="forgets_the_constant" rejected_by="test_log_density"
def gaussian_logprob(mean, log_std, actions):
    z = (actions - mean) / log_std.exp()
    return (-0.5 * z**2 - log_std).sum(-1)

# %% wrong="gaussian_logprob" name="sums_over_the_batch" rejected_by="test_components_are_summed_and_nothing_else"
def gaussian_logprob(mean, log_std, actions):
    z = (actions - mean) / log_std.exp()
    return (-0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi)).sum()

# %% wrong="gaussian_logprob" name="components_apart" rejected_by="test_components_are_summed_and_nothing_else"
def gaussian_logprob(mean, log_std, actions):
    z = (actions - mean) / log_std.exp()
    return -0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi)

# %% wrong="gaussian_logprob" name="variance_for_sigma" rejected_by="test_log_density"
def gaussian_logprob(mean, log_std, actions):
    return (-0.5 * (actions - mean) ** 2 / log_std.exp() - 0.5 * log_std - 0.5 * math.log(2 * math.pi)).sum(-1)

# %% wrong="gaussian_logprob" name="squashed_without_jacobian" rejected_by="test_log_density"
def gaussian_logprob(mean, log_std, actions):
    z = (torch.tanh(actions) - mean) / log_std.exp()
    return (-0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)

# %% wrong="gaussian_logprob" name="built_in" rejected_by="forbidden"
def gaussian_logprob(mean, log_std, actions):
    return torch.distributions.Normal(mean, log_std.exp()).log_prob(actions).sum(-1)

# %% wrong="gaussian_logprob" name="built_in_of_low_rank" rejected_by="forbidden"
def gaussian_logprob(mean, log_std, actions):
    nothing, variance = torch.zeros_like(mean).unsqueeze(-1), (2 * log_std).exp().expand_as(mean)
    return torch.distributions.LowRankMultivariateNormal(mean, nothing, variance).log_prob(actions)

# %% wrong="gaussian_logprob" name="built_in_on_a_log_scale" rejected_by="forbidden"
def gaussian_logprob(mean, log_std, actions):
    return (torch.distributions.LogNormal(mean, log_std.exp()).log_prob(actions.exp()) + actions).sum(-1)

# %% wrong="gaussian_logprob" name="built_in_of_one_half" rejected_by="forbidden"
def gaussian_logprob(mean, log_std, actions):
    folded = torch.distributions.HalfNormal(log_std.exp()).log_prob((actions - mean).abs())
    return (folded - math.log(2)).sum(-1)

# %% wrong="gaussian_logprob" name="built_in_loss" rejected_by="forbidden"
def gaussian_logprob(mean, log_std, actions):
    variance = (2 * log_std).exp().expand_as(mean)
    return -F.gaussian_nll_loss(mean, actions, variance, full=True, reduction="none", eps=1e-300).sum(-1)

# %% wrong="gaussian_logprob" name="built_in_module" rejected_by="forbidden"
def gaussian_logprob(mean, log_std, actions):
    variance = (2 * log_std).exp().expand_as(mean)
    return -nn.GaussianNLLLoss(full=True, reduction="none", eps=1e-300)(mean, actions, variance).sum(-1)

# %% right="gaussian_logprob" name="variance_form"
def gaussian_logprob(mean, log_std, actions):
    variance = torch.exp(2 * log_std)
    terms = (actions - mean).pow(2) / variance + torch.log(2 * math.pi * variance)
    return -0.5 * terms.sum(dim=-1)

# %% right="gaussian_logprob" name="log_of_the_density"
def gaussian_logprob(mean, log_std, actions):
    constant = math.log(math.sqrt(2 * math.pi))
    total = 0.0
    sigma = log_std.exp().expand_as(mean)
    for d in range(mean.shape[-1]):
        total = total - ((actions[..., d] - mean[..., d]) / sigma[..., d]) ** 2 / 2 - sigma[..., d].log() - constant
    return total

# ---- train_reinforce

# %% wrong="train_reinforce" name="downhill" rejected_by="test_three_updates_lead_where_they_should test_the_trained_policy_balances"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = (q - leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = (policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="no_baseline" rejected_by="test_three_updates_lead_where_they_should"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        w = reward_to_go(batch.rewards, discount=settings.discount)[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="adds_the_baseline" rejected_by="test_three_updates_lead_where_they_should"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = (q + leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="whole_returns" rejected_by="test_three_updates_lead_where_they_should"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)[:1].expand_as(batch.rewards)
        w = (q - leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="padding_counts" rejected_by="test_three_updates_lead_where_they_should"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = q - leave_one_out(q)
        w = w / w[batch.mask].std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations, batch.actions) * w).sum() / w.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="no_discount" rejected_by="test_three_updates_lead_where_they_should"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        q = reward_to_go(batch.rewards)
        w = (q - leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="baseline_over_time" rejected_by="test_three_updates_lead_where_they_should"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = (q - q.mean(0, keepdim=True))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="stale_data" rejected_by="test_a_batch_serves_one_update"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
    for update in range(settings.updates):
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = (q - leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="reports_made_up_returns" rejected_by="test_the_trained_policy_balances test_the_history_is_of_returns"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    history = []
    for update in range(settings.updates):
        collect_episodes(env, lambda seen: policy.sample(seen, generator))
        history.append(-5.0 + 0.001 * update)
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="discounted_history" rejected_by="test_the_history_is_of_returns"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = (q - leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(q[0].mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="new_optimizer_each_time" rejected_by="test_three_updates_lead_where_they_should"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    history = []
    for update in range(settings.updates):
        optimizer = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate)
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = (q - leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
    return history

# %% wrong="train_reinforce" name="on_update_before_the_step" rejected_by="test_on_update_finds_the_new_policy"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        history.append(batch.returns.mean().item())
        if on_update:
            on_update(update, history[-1])
        mask = batch.mask
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = (q - leave_one_out(q))[mask]
        w = w / w.std().clamp_min(1e-6)
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(batch.observations[mask], batch.actions[mask]) * w).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return history

# %% right="train_reinforce" name="mean_of_all_then_scaled"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    # (N - 1) / N in every weight of the batch is one factor, and goes when they are scaled
    optimizer, history = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate), []
    for update in range(settings.updates):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        q = reward_to_go(batch.rewards, discount=settings.discount)
        w = torch.where(batch.mask, q - q.mean(1, keepdim=True), torch.zeros_like(q))
        w = w / max(w[batch.mask].std().item(), 1e-6)
        for _ in range(settings.reuse):
            logs = policy.log_prob(batch.observations, batch.actions)
            optimizer.zero_grad()
            (-(logs * w).sum(0).mean()).backward()
            optimizer.step()
        history.append(float(batch.returns.mean()))
        if on_update is not None:
            on_update(update, history[-1])
    return history

# %% right="train_reinforce" name="maximize"
def train_reinforce(env, policy, settings, generator=None, on_update=None):
    optimizer = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate, maximize=True)
    history = []

    def act(seen):
        return policy.sample(seen, generator)

    for update in range(settings.updates):
        episodes = collect_episodes(env, act)
        later = torch.zeros_like(episodes.rewards[0])
        rows = []
        for row in episodes.rewards.flip(0):
            later = row + settings.discount * later
            rows.insert(0, later)
        q = torch.stack(rows)
        n = q.shape[1]
        advantage = (q - (q.sum(1, keepdim=True) - q) / (n - 1))[episodes.mask]
        advantage = advantage / advantage.std().clamp(min=1e-6)
        for _ in range(settings.reuse):
            optimizer.zero_grad()
            log_p = policy.log_prob(episodes.observations[episodes.mask], episodes.actions[episodes.mask])
            (torch.dot(log_p, advantage) / n).backward()
            optimizer.step()
        history.append(episodes.rewards.sum(0).mean().item())
        if on_update is not None:
            on_update(update, history[-1])
    return history

# ---- importance_estimate

# %% wrong="importance_estimate" name="q_over_p" rejected_by="test_weighted_with_p_over_q"
def importance_estimate(values, log_p, log_q):
    if torch.isneginf(log_q).any():
        raise ValueError("q is 0")
    logs = log_q - log_p
    return (logs.exp() * values).mean(), (2 * logs.logsumexp(0) - (2 * logs).logsumexp(0)).exp()

# %% wrong="importance_estimate" name="divides_by_the_sum_of_the_weights" rejected_by="test_weighted_with_p_over_q"
def importance_estimate(values, log_p, log_q):
    if torch.isneginf(log_q).any():
        raise ValueError("q is 0")
    logs = log_p - log_q
    return (logs.softmax(0) * values).sum(), (2 * logs.logsumexp(0) - (2 * logs).logsumexp(0)).exp()

# %% wrong="importance_estimate" name="exponentiates_first" rejected_by="test_densities_far_below_zero"
def importance_estimate(values, log_p, log_q):
    if torch.isneginf(log_q).any():
        raise ValueError("q is 0")
    w = log_p.exp() / log_q.exp()
    logs = log_p - log_q
    return (w * values).mean(), (2 * logs.logsumexp(0) - (2 * logs).logsumexp(0)).exp()

# %% wrong="importance_estimate" name="size_overflows" rejected_by="test_size_of_huge_weights"
def importance_estimate(values, log_p, log_q):
    if torch.isneginf(log_q).any():
        raise ValueError("q is 0")
    w = (log_p - log_q).exp()
    return (w * values).mean(), w.sum() ** 2 / (w**2).sum()

# %% wrong="importance_estimate" name="size_is_the_sum" rejected_by="test_effective_sample_size"
def importance_estimate(values, log_p, log_q):
    if torch.isneginf(log_q).any():
        raise ValueError("q is 0")
    logs = log_p - log_q
    return (logs.exp() * values).mean(), logs.logsumexp(0).exp()

# %% wrong="importance_estimate" name="no_guard" rejected_by="test_q_must_have_drawn_the_samples"
def importance_estimate(values, log_p, log_q):
    logs = log_p - log_q
    return (logs.exp() * values).mean(), (2 * logs.logsumexp(0) - (2 * logs).logsumexp(0)).exp()

# %% right="importance_estimate" name="largest_subtracted"
def importance_estimate(values, log_p, log_q):
    if not bool((log_q > -math.inf).all()):
        raise ValueError("impossible under q")
    difference = log_p - log_q
    relative = torch.exp(difference - difference.max())
    return torch.dot(difference.exp(), values) / len(values), relative.sum().square() / relative.square().sum()

# %% right="importance_estimate" name="normalised_weights_for_the_size"
def importance_estimate(values, log_p, log_q):
    if (log_q == float("-inf")).any():
        raise ValueError("impossible under q")
    shares = torch.softmax(log_p - log_q, 0)
    return (values * torch.exp(log_p - log_q)).sum() / values.numel(), 1 / (shares**2).sum()

# ---- off_policy_gradient

# %% wrong="off_policy_gradient" name="ratios_averaged" rejected_by="test_unbiased_for_the_new_policy"
def off_policy_gradient(scores, rewards, log_p, log_q):
    w = (log_p - log_q).exp().mean(0)
    return ((w * rewards.sum(0))[:, None] * scores.sum(0)).mean(0)

# %% wrong="off_policy_gradient" name="ratio_reversed" rejected_by="test_unbiased_for_the_new_policy"
def off_policy_gradient(scores, rewards, log_p, log_q):
    w = (log_q - log_p).sum(0).exp()
    return ((w * rewards.sum(0))[:, None] * scores.sum(0)).mean(0)

# %% wrong="off_policy_gradient" name="product_in_linear_space" rejected_by="test_a_thousand_factors"
def off_policy_gradient(scores, rewards, log_p, log_q):
    w = log_p.exp().prod(0) / log_q.exp().prod(0)
    return ((w * rewards.sum(0))[:, None] * scores.sum(0)).mean(0)

# %% wrong="off_policy_gradient" name="no_weights" rejected_by="test_unbiased_for_the_new_policy"
def off_policy_gradient(scores, rewards, log_p, log_q):
    return (rewards.sum(0)[:, None] * scores.sum(0)).mean(0)

# %% wrong="off_policy_gradient" name="ratio_of_each_step" rejected_by="test_unbiased_for_the_new_policy"
def off_policy_gradient(scores, rewards, log_p, log_q):
    weighted = (log_p - log_q).exp()[..., None] * scores
    return (weighted.sum(0) * rewards.sum(0)[:, None]).mean(0)

# %% wrong="off_policy_gradient" name="weights_normalised" rejected_by="test_equal_policies_give_reinforce"
def off_policy_gradient(scores, rewards, log_p, log_q):
    w = (log_p - log_q).sum(0).softmax(0)
    return ((w * rewards.sum(0))[:, None] * scores.sum(0)).mean(0)

# %% right="off_policy_gradient" name="einsum"
def off_policy_gradient(scores, rewards, log_p, log_q):
    w = torch.exp(log_p.sum(0) - log_q.sum(0))
    return torch.einsum("n,tn,snk->k", w, rewards, scores) / scores.shape[1]

# %% right="off_policy_gradient" name="product_of_ratios"
def off_policy_gradient(scores, rewards, log_p, log_q):
    total = torch.zeros(scores.shape[2], dtype=scores.dtype)
    for i in range(scores.shape[1]):
        w = torch.prod(torch.exp(log_p[:, i] - log_q[:, i]))
        total += w * scores[:, i].sum(0) * rewards[:, i].sum()
    return total / scores.shape[1]

# ---- per_step_gradient

# %% wrong="per_step_gradient" name="whole_trajectory_ratio" rejected_by="test_later_actions_do_not_matter"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    w = (log_p - log_q).cumsum(0).exp()
    to_go = rewards.flip(0).cumsum(0).flip(0)
    weights = w[-1:] * to_go if future else w * to_go
    return (weights[..., None] * scores).sum(0).mean(0)

# %% wrong="per_step_gradient" name="own_ratio_twice" rejected_by="test_unbiased_with_the_future"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    ratio = (log_p - log_q).exp()
    w = (log_p - log_q).cumsum(0).exp()
    to_go = ((w if future else 1.0) * rewards).flip(0).cumsum(0).flip(0)
    weights = ratio * to_go if future else w * to_go
    return (weights[..., None] * scores).sum(0).mean(0)

# %% wrong="per_step_gradient" name="ratios_after_the_action_only" rejected_by="test_unbiased_with_the_future"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    logs = log_p - log_q
    later = logs.flip(0).cumsum(0).flip(0) - logs
    to_go = rewards.flip(0).cumsum(0).flip(0)
    w = logs.cumsum(0).exp()
    weights = later.exp() * to_go if future else w * to_go
    return (weights[..., None] * scores).sum(0).mean(0)

# %% wrong="per_step_gradient" name="future_ignored" rejected_by="test_later_actions_do_not_matter"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    w = (log_p - log_q).cumsum(0).exp()
    return ((w * rewards.flip(0).cumsum(0).flip(0))[..., None] * scores).sum(0).mean(0)

# %% wrong="per_step_gradient" name="future_flag_ignored" rejected_by="test_without_the_future"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    w = (log_p - log_q).cumsum(0).exp()
    return ((w * rewards).flip(0).cumsum(0).flip(0)[..., None] * scores).sum(0).mean(0)

# %% wrong="per_step_gradient" name="past_rewards_too" rejected_by="test_later_actions_do_not_matter"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    w = (log_p - log_q).cumsum(0).exp()
    if not future:
        return ((w * rewards.flip(0).cumsum(0).flip(0))[..., None] * scores).sum(0).mean(0)
    return ((w * rewards).sum(0)[:, None] * scores.sum(0)).mean(0)

# %% right="per_step_gradient" name="loops"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    steps, count, _ = scores.shape
    ratio = torch.exp(log_p - log_q)
    total = 0.0
    for t in range(steps):
        for later in range(t, steps):
            w = ratio[: (later if future else t) + 1].prod(0)
            total = total + (w * rewards[later])[:, None] * scores[t]
    return total.sum(0) / count

# %% right="per_step_gradient" name="backwards"
def per_step_gradient(scores, rewards, log_p, log_q, future=True):
    logs = torch.cumsum(log_p - log_q, 0)
    total, later = torch.zeros_like(scores[0]), torch.zeros_like(rewards[0])
    for t in range(len(scores) - 1, -1, -1):
        later = later + (logs[t].exp() * rewards[t] if future else rewards[t])
        total = total + scores[t] * (later if future else logs[t].exp() * later)[:, None]
    return total.mean(0)

# ---- surrogate_loss

# %% wrong="surrogate_loss" name="numerator_detached" rejected_by="test_at_equal_policies_it_is_the_policy_gradient"
def surrogate_loss(log_probs, old_log_probs, weights):
    ratio = (log_probs.detach() - old_log_probs.detach()).exp()
    return -(ratio * weights.detach()).sum(0).mean() + 0 * log_probs.sum()

# %% wrong="surrogate_loss" name="plus_sign" rejected_by="test_gradient_is_the_ratio_times_the_weight"
def surrogate_loss(log_probs, old_log_probs, weights):
    return ((log_probs - old_log_probs.detach()).exp() * weights.detach()).sum(0).mean()

# %% wrong="surrogate_loss" name="clipped_as_in_ppo" rejected_by="test_value_of_the_surrogate"
def surrogate_loss(log_probs, old_log_probs, weights):
    ratio, w = (log_probs - old_log_probs.detach()).exp(), weights.detach()
    return -torch.minimum(ratio * w, ratio.clamp(0.8, 1.2) * w).sum(0).mean()

# %% wrong="surrogate_loss" name="ratio_reversed" rejected_by="test_value_of_the_surrogate"
def surrogate_loss(log_probs, old_log_probs, weights):
    return -((old_log_probs.detach() - log_probs).exp() * weights.detach()).sum(0).mean()

# %% wrong="surrogate_loss" name="ratio_of_whole_trajectories" rejected_by="test_value_of_the_surrogate"
def surrogate_loss(log_probs, old_log_probs, weights):
    ratio = (log_probs - old_log_probs.detach()).cumsum(0).exp()
    return -(ratio * weights.detach()).sum(0).mean()

# %% wrong="surrogate_loss" name="weights_attached" rejected_by="test_old_policy_and_weights_are_data"
def surrogate_loss(log_probs, old_log_probs, weights):
    return -((log_probs - old_log_probs.detach()).exp() * weights).sum(0).mean()

# %% wrong="surrogate_loss" name="mean_over_all_steps" rejected_by="test_value_of_the_surrogate"
def surrogate_loss(log_probs, old_log_probs, weights):
    return -((log_probs - old_log_probs.detach()).exp() * weights.detach()).mean()

# %% right="surrogate_loss" name="quotient"
def surrogate_loss(log_probs, old_log_probs, weights):
    new, old = torch.exp(log_probs), torch.exp(old_log_probs).detach()
    return -torch.sum(new / old * weights.detach()) / weights.shape[1]

# %% right="surrogate_loss" name="no_grad_block"
def surrogate_loss(log_probs, old_log_probs, weights):
    with torch.no_grad():
        factor = -weights * torch.exp(-old_log_probs) / log_probs.shape[-1]
    return (log_probs.exp() * factor).sum()

# ---- natural_gradient_step

# %% wrong="natural_gradient_step" name="downhill" rejected_by="test_the_step_goes_uphill"
def natural_gradient_step(theta, gradient, state_weights, delta):
    p = theta.softmax(-1)
    fisher = (torch.diag_embed(p) - p[..., None] * p[..., None, :]) * state_weights[:, None, None]
    x = torch.einsum("sab,sb->sa", torch.linalg.pinv(fisher, hermitian=True), gradient)
    slope = (gradient * x).sum()
    return theta.clone() if slope <= 0 else theta - (2 * delta / slope).sqrt() * x

# %% wrong="natural_gradient_step" name="euclidean" rejected_by="test_the_direction_is_natural"
def natural_gradient_step(theta, gradient, state_weights, delta):
    p = theta.softmax(-1)
    fisher = (torch.diag_embed(p) - p[..., None] * p[..., None, :]) * state_weights[:, None, None]
    cost = torch.einsum("sa,sab,sb->", gradient, fisher, gradient)
    return theta.clone() if cost <= 0 else theta + (2 * delta / cost).sqrt() * gradient

# %% wrong="natural_gradient_step" name="fisher_not_inverted" rejected_by="test_the_direction_is_natural"
def natural_gradient_step(theta, gradient, state_weights, delta):
    p = theta.softmax(-1)
    fisher = (torch.diag_embed(p) - p[..., None] * p[..., None, :]) * state_weights[:, None, None]
    x = torch.einsum("sab,sb->sa", fisher, gradient)
    cost = torch.einsum("sa,sab,sb->", x, fisher, x)
    return theta.clone() if cost <= 0 else theta + (2 * delta / cost).sqrt() * x

# %% wrong="natural_gradient_step" name="factor_two_forgotten" rejected_by="test_the_step_costs_delta"
def natural_gradient_step(theta, gradient, state_weights, delta):
    p = theta.softmax(-1)
    fisher = (torch.diag_embed(p) - p[..., None] * p[..., None, :]) * state_weights[:, None, None]
    x = torch.einsum("sab,sb->sa", torch.linalg.pinv(fisher, hermitian=True), gradient)
    slope = (gradient * x).sum()
    return theta.clone() if slope <= 0 else theta + (delta / slope).sqrt() * x

# %% wrong="natural_gradient_step" name="states_not_weighted" rejected_by="test_the_direction_is_natural"
def natural_gradient_step(theta, gradient, state_weights, delta):
    p = theta.softmax(-1)
    fisher = torch.diag_embed(p) - p[..., None] * p[..., None, :]
    x = torch.einsum("sab,sb->sa", torch.linalg.pinv(fisher, hermitian=True), gradient)
    x = x * (state_weights > 0)[:, None]
    slope = (gradient * x).sum()
    return theta.clone() if slope <= 0 else theta + (2 * delta / slope).sqrt() * x

# %% wrong="natural_gradient_step" name="nan_without_a_gradient" rejected_by="test_nothing_to_do"
def natural_gradient_step(theta, gradient, state_weights, delta):
    p = theta.softmax(-1)
    fisher = (torch.diag_embed(p) - p[..., None] * p[..., None, :]) * state_weights[:, None, None]
    x = torch.einsum("sab,sb->sa", torch.linalg.pinv(fisher, hermitian=True), gradient)
    return theta + (2 * delta / (gradient * x).sum()).sqrt() * x

# %% wrong="natural_gradient_step" name="learning_rate_in_place_of_a_budget" rejected_by="test_the_step_costs_delta"
def natural_gradient_step(theta, gradient, state_weights, delta):
    p = theta.softmax(-1)
    fisher = (torch.diag_embed(p) - p[..., None] * p[..., None, :]) * state_weights[:, None, None]
    return theta + delta * torch.einsum("sab,sb->sa", torch.linalg.pinv(fisher, hermitian=True), gradient)

# %% right="natural_gradient_step" name="closed_form"
def natural_gradient_step(theta, gradient, state_weights, delta):
    # rows of the gradient sum to 0, so F^+ g is g / (d pi) up to a constant in each row
    visited = (state_weights > 0)[:, None]
    x = gradient / (state_weights[:, None] * theta.softmax(-1)).clamp_min(1e-300)
    x = torch.where(visited, x - x.mean(-1, keepdim=True), torch.zeros_like(x))
    slope = float((gradient * x).sum())
    return theta + (math.sqrt(2 * delta / slope) if slope > 0 else 0.0) * x

# %% right="natural_gradient_step" name="state_by_state"
def natural_gradient_step(theta, gradient, state_weights, delta):
    x = torch.zeros_like(theta)
    for s in range(len(theta)):
        if state_weights[s] > 0:
            p = torch.softmax(theta[s], 0)
            fisher = state_weights[s] * (torch.diag(p) - torch.outer(p, p))
            x[s] = torch.linalg.pinv(fisher) @ gradient[s]
    slope = torch.sum(gradient * x)
    if float(slope) == 0:
        return theta.clone()
    return theta + torch.sqrt(2 * delta / slope) * x

# ---- hard_attention_loss

# %% wrong="hard_attention_loss" name="reward_has_the_sign_of_a_loss" rejected_by="test_gradient_of_where_to_look"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    right = (class_logits.detach().argmax(1) == labels).to(glimpse_logits.dtype)
    logs = glimpse_logits.log_softmax(1).gather(1, glimpses[:, None]).squeeze(1)
    return F.cross_entropy(class_logits, labels) + ((right - baseline) * logs).mean()

# %% wrong="hard_attention_loss" name="no_baseline" rejected_by="test_gradient_of_where_to_look"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    right = (class_logits.detach().argmax(1) == labels).to(glimpse_logits.dtype)
    logs = glimpse_logits.log_softmax(1).gather(1, glimpses[:, None]).squeeze(1)
    return F.cross_entropy(class_logits, labels) - (right * logs).mean()

# %% wrong="hard_attention_loss" name="reward_attached" rejected_by="test_gradient_of_naming"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    p = class_logits.softmax(1).gather(1, labels[:, None]).squeeze(1)
    right = (class_logits.argmax(1) == labels).to(glimpse_logits.dtype) + p - p.detach()
    logs = glimpse_logits.log_softmax(1).gather(1, glimpses[:, None]).squeeze(1)
    return F.cross_entropy(class_logits, labels) - ((right - baseline) * logs).mean()

# %% wrong="hard_attention_loss" name="straight_through" rejected_by="test_gradient_of_where_to_look"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    p = glimpse_logits.softmax(1).gather(1, glimpses[:, None])
    return F.cross_entropy(class_logits * (1 + p - p.detach()), labels)

# %% wrong="hard_attention_loss" name="classifier_does_not_learn" rejected_by="test_gradient_of_naming"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    right = (class_logits.detach().argmax(1) == labels).to(glimpse_logits.dtype)
    logs = glimpse_logits.log_softmax(1).gather(1, glimpses[:, None]).squeeze(1)
    return 0 * class_logits.sum() - ((right - baseline) * logs).mean()

# %% wrong="hard_attention_loss" name="sum_over_the_batch" rejected_by="test_unbiased_over_all_glimpses"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    right = (class_logits.detach().argmax(1) == labels).to(glimpse_logits.dtype)
    logs = glimpse_logits.log_softmax(1).gather(1, glimpses[:, None]).squeeze(1)
    return F.cross_entropy(class_logits, labels) - ((right - baseline) * logs).sum()

# %% right="hard_attention_loss" name="two_cross_entropies"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    naming = F.cross_entropy(class_logits, labels, reduction="none")
    looking = F.cross_entropy(glimpse_logits, glimpses, reduction="none")
    with torch.no_grad():
        advantage = (class_logits.argmax(-1) == labels).to(looking.dtype) - baseline
    return (naming + advantage * looking).mean()

# %% right="hard_attention_loss" name="categorical"
def hard_attention_loss(glimpse_logits, glimpses, class_logits, labels, baseline=0.0):
    where = torch.distributions.Categorical(logits=glimpse_logits)
    what = torch.distributions.Categorical(logits=class_logits)
    reward = torch.where(class_logits.max(1).indices.eq(labels), 1.0, 0.0).detach()
    return -what.log_prob(labels).mean() - torch.mean((reward - baseline) * where.log_prob(glimpses))
