# Wrong solutions that the hidden tests must reject, each by the test that names the mistake, and right solutions written
# in other ways, which must get full marks. Format: docs/architecture.md, section 4. `course validate` grades them all.

# ---- exact_q_v_a

# %% wrong="exact_q_v_a" name="v_is_the_largest_q" rejected_by="test_v_is_the_mean_of_q_under_the_policy"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(horizon or 400):
        q = rewards + gamma * transitions @ v
        v = q.amax(dim=1)
    return q, v, q - v[:, None]

# %% wrong="exact_q_v_a" name="horizon_ignored" rejected_by="test_a_horizon_counts_so_many_rewards"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    chain = torch.einsum("sa,sat->st", policy, transitions)
    v = torch.linalg.solve(torch.eye(len(chain), dtype=chain.dtype) - min(gamma, 0.999) * chain, (policy * rewards).sum(1))
    q = rewards + gamma * transitions @ v
    return q, v, q - v[:, None]

# %% wrong="exact_q_v_a" name="one_reward_too_many" rejected_by="test_a_horizon_counts_so_many_rewards"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(400 if horizon is None else horizon + 1):
        q = rewards + gamma * transitions @ v
        v = (policy * q).sum(1)
    return q, v, q - v[:, None]

# %% wrong="exact_q_v_a" name="long_instead_of_infinite" rejected_by="test_infinitely_many_steps"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(horizon or 5):
        q = rewards + gamma * transitions @ v
        v = (policy * q).sum(1)
    return q, v, q - v[:, None]

# %% wrong="exact_q_v_a" name="sixty_sweeps" rejected_by="test_infinitely_many_steps"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(60 if horizon is None else horizon):
        q = rewards + gamma * transitions @ v
        v = (policy * q).sum(1)
    return q, v, q - v[:, None]

# %% wrong="exact_q_v_a" name="transitions_the_wrong_way_round" rejected_by="test_infinitely_many_steps"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(horizon or 400):
        q = rewards + gamma * torch.einsum("tas,t->sa", transitions, v)
        v = (policy * q).sum(1)
        if not torch.isfinite(v).all():
            break
    return q, v, q - v[:, None]

# %% wrong="exact_q_v_a" name="own_reward_discounted" rejected_by="test_a_horizon_counts_so_many_rewards"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(horizon or 400):
        q = gamma * (rewards + transitions @ v)
        v = (policy * q).sum(1)
    return q, v, q - v[:, None]

# %% wrong="exact_q_v_a" name="advantage_the_wrong_way_round" rejected_by="test_advantages_have_mean_zero"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(horizon or 400):
        q = rewards + gamma * transitions @ v
        v = (policy * q).sum(1)
    return q, v, v[:, None] - q

# %% wrong="exact_q_v_a" name="no_error" rejected_by="test_no_horizon_needs_a_discount"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    v = torch.zeros_like(rewards[:, 0])
    for _ in range(horizon or 400):
        q = rewards + gamma * transitions @ v
        v = (policy * q).sum(1)
    return q, v, q - v[:, None]

# %% right="exact_q_v_a" name="many_sweeps"
def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    if horizon is None and gamma >= 1:
        raise ValueError("gamma < 1 or a horizon")
    v = torch.zeros(rewards.shape[0], dtype=rewards.dtype)
    for _ in range(2000 if horizon is None else horizon):
        q = rewards + gamma * torch.matmul(transitions, v)
        v = torch.einsum("sa,sa->s", policy, q)
    return q, v, q - v.unsqueeze(1)

# %% right="exact_q_v_a" name="numpy"
import numpy as np

def exact_q_v_a(transitions, rewards, policy, gamma=1.0, horizon=None):
    p, r, pi = (np.asarray(x) for x in (transitions, rewards, policy))
    if horizon is None:
        if gamma >= 1:
            raise ValueError(f"gamma = {gamma} needs a horizon")
        chain = (pi[:, :, None] * p).sum(1)
        v = np.linalg.inv(np.eye(len(p)) - gamma * chain) @ (pi * r).sum(1)
        q = r + gamma * p @ v
    else:
        v = np.zeros(len(p))
        for _ in range(horizon):
            q = r + gamma * p @ v
            v = (pi * q).sum(1)
    return torch.from_numpy(q), torch.from_numpy(v), torch.from_numpy(q - v[:, None])

# ---- advantage_pg

# %% wrong="advantage_pg" name="ascends_the_loss" rejected_by="test_descent_on_the_loss_ascends_the_return"
def advantage_pg(log_probs, q, v, episodes):
    return (log_probs * (q - v).detach()).sum() / episodes

# %% wrong="advantage_pg" name="mean_over_steps" rejected_by="test_gradient_at_the_log_probabilities" says="factor"
def advantage_pg(log_probs, q, v, episodes):
    return -(log_probs * (q - v).detach()).mean()

# %% wrong="advantage_pg" name="not_detached" rejected_by="test_the_baseline_gets_no_gradient" says="detach"
def advantage_pg(log_probs, q, v, episodes):
    return -(log_probs * (q - v)).sum() / episodes

# %% wrong="advantage_pg" name="no_baseline" rejected_by="test_unbiased_and_less_variable"
def advantage_pg(log_probs, q, v, episodes):
    return -(log_probs * q.detach()).sum() / episodes

# %% wrong="advantage_pg" name="scaled_to_deviation_one" rejected_by="test_unbiased_and_less_variable"
def advantage_pg(log_probs, q, v, episodes):
    weight = (q - v).detach()
    return -(log_probs * (weight - weight.mean()) / (weight.std() + 1e-8)).sum() / episodes

# %% wrong="advantage_pg" name="probabilities_instead_of_logarithms" rejected_by="test_gradient_at_the_log_probabilities"
def advantage_pg(log_probs, q, v, episodes):
    return -(log_probs.exp() * (q - v).detach()).sum() / episodes

# %% right="advantage_pg" name="scalar_product"
def advantage_pg(log_probs, q, v, episodes):
    with torch.no_grad():
        weight = (v - q) / episodes
    return log_probs @ weight

# %% right="advantage_pg" name="loop"
def advantage_pg(log_probs, q, v, episodes):
    total = 0.0
    for log_prob, of_q, of_v in zip(log_probs, q.tolist(), v.tolist()):
        total = total - log_prob * (of_q - of_v)
    return total / episodes

# ---- mc_targets

# %% wrong="mc_targets" name="across_episodes" rejected_by="test_other_episodes_do_not_matter"
def mc_targets(rewards, done, gamma=1.0):
    targets, to_come = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        to_come = rewards[t] + gamma * to_come
        targets[t] = to_come
    return targets

# %% wrong="mc_targets" name="reward_only" rejected_by="test_sums_to_the_end_of_the_episode"
def mc_targets(rewards, done, gamma=1.0):
    return rewards.clone()

# %% wrong="mc_targets" name="cut_one_row_early" rejected_by="test_other_episodes_do_not_matter"
def mc_targets(rewards, done, gamma=1.0):
    targets, to_come = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        ended = done[min(t + 1, len(rewards) - 1)]
        to_come = rewards[t] + gamma * torch.where(ended, torch.zeros_like(to_come), to_come)
        targets[t] = to_come
    return targets

# %% wrong="mc_targets" name="own_reward_discounted" rejected_by="test_sums_to_the_end_of_the_episode"
def mc_targets(rewards, done, gamma=1.0):
    targets, to_come = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        to_come = gamma * (rewards[t] + torch.where(done[t], 0.0, to_come))
        targets[t] = to_come
    return targets

# %% wrong="mc_targets" name="powers_from_the_start_of_the_episode" rejected_by="test_sums_to_the_end_of_the_episode"
def mc_targets(rewards, done, gamma=1.0):
    weight, weights = torch.ones_like(rewards[0]), []
    for t in range(len(rewards)):
        weights.append(weight)
        weight = torch.where(done[t], 1.0, weight * gamma)
    weighted = rewards * torch.stack(weights)
    targets, to_come = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        to_come = weighted[t] + torch.where(done[t], 0.0, to_come)
        targets[t] = to_come
    return targets

# %% wrong="mc_targets" name="the_whole_return_for_every_step" rejected_by="test_sums_to_the_end_of_the_episode"
def mc_targets(rewards, done, gamma=1.0):
    targets, first, total = torch.zeros_like(rewards), 0, 0.0
    for t in range(len(rewards)):
        total = total + gamma ** (t - first) * rewards[t]
        targets[first : t + 1] = total
        if done[t].any():
            first, total = t + 1, 0.0
    return targets

# %% wrong="mc_targets" name="one_actor_only" rejected_by="test_actors_beside_each_other"
def mc_targets(rewards, done, gamma=1.0):
    targets, to_come = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        if done[t].any():
            to_come = torch.zeros_like(to_come)
        to_come = rewards[t] + gamma * to_come
        targets[t] = to_come
    return targets

# %% wrong="mc_targets" name="default_discount" rejected_by="test_no_discount_by_default"
def mc_targets(rewards, done, gamma=0.99):
    targets, to_come = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        to_come = rewards[t] + gamma * torch.where(done[t], torch.zeros_like(to_come), to_come)
        targets[t] = to_come
    return targets

# %% right="mc_targets" name="matrix_of_powers"
def mc_targets(rewards, done, gamma=1.0):
    flat, ends = rewards.reshape(len(rewards), -1), done.reshape(len(done), -1).long()
    episode = ends.cumsum(0) - ends  # number of the episode that a step belongs to
    targets = torch.zeros_like(flat)
    for b in range(flat.shape[1]):
        t = torch.arange(len(flat))
        later = t[None] - t[:, None]
        weight = torch.where(later >= 0, gamma ** later.clamp(min=0).to(flat.dtype), torch.zeros((), dtype=flat.dtype))
        targets[:, b] = (weight * (episode[:, b][None] == episode[:, b][:, None])) @ flat[:, b]
    return targets.reshape(rewards.shape)

# %% right="mc_targets" name="list_from_the_back"
def mc_targets(rewards, done, gamma=1.0):
    found = [rewards[-1]]
    for reward, ended in zip(reversed(rewards[:-1]), reversed(done[:-1])):
        found.append(reward + gamma * found[-1] * ended.logical_not().to(reward.dtype))
    return torch.stack(found[::-1])

# ---- fit_value

# %% wrong="fit_value" name="n_by_n" rejected_by="test_one_step_of_regression"
def fit_value(critic, observations, targets, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = 0.5 * ((critic(observations) - targets.detach()) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% wrong="fit_value" name="no_half" rejected_by="test_one_step_of_regression"
def fit_value(critic, observations, targets, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(critic(observations).squeeze(-1), targets.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% wrong="fit_value" name="sum_over_samples" rejected_by="test_one_step_of_regression"
def fit_value(critic, observations, targets, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = 0.5 * ((critic(observations).squeeze(-1) - targets.detach()) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% wrong="fit_value" name="gradients_pile_up" rejected_by="test_many_steps_of_regression"
def fit_value(critic, observations, targets, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = 0.5 * ((critic(observations).squeeze(-1) - targets.detach()) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% wrong="fit_value" name="gradient_into_the_targets" rejected_by="test_targets_are_data" says="detach"
def fit_value(critic, observations, targets, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = 0.5 * ((critic(observations).squeeze(-1) - targets) ** 2).mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% wrong="fit_value" name="loss_after_the_step" rejected_by="test_losses_before_each_step"
def fit_value(critic, observations, targets, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = 0.5 * ((critic(observations).squeeze(-1) - targets.detach()) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(0.5 * ((critic(observations).squeeze(-1) - targets.detach()) ** 2).mean().item())
    return losses

# %% wrong="fit_value" name="one_sample_after_the_other" rejected_by="test_a_table_learns_the_means"
def fit_value(critic, observations, targets, optimizer, steps):
    losses = []
    for step in range(steps):
        i = step % len(targets)
        loss = 0.5 * ((critic(observations).squeeze(-1) - targets.detach()) ** 2).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        (0.5 * (critic(observations[i : i + 1]).squeeze(-1) - targets[i : i + 1].detach()) ** 2).mean().backward()
        optimizer.step()
    return losses

# %% right="fit_value" name="mse_of_two_columns"
def fit_value(critic, observations, targets, optimizer, steps):
    wanted, losses = targets.detach().unsqueeze(1), []
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(critic(observations), wanted) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses

# %% right="fit_value" name="autograd_by_hand"
def fit_value(critic, observations, targets, optimizer, steps):
    losses, parameters = [], list(critic.parameters())
    for _ in range(steps):
        difference = critic(observations)[:, 0] - targets.data
        loss = (difference @ difference) / (2 * len(targets))
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter.grad = gradient
        optimizer.step()
        losses.append(loss.item())
    return losses

# ---- td_advantage

# %% wrong="td_advantage" name="bootstraps_through_the_end" rejected_by="test_no_future_after_the_end"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return (rewards + gamma * next_values - values).detach()

# %% wrong="td_advantage" name="values_swapped" rejected_by="test_what_comes_minus_what_was_expected"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return (rewards + gamma * values - torch.where(terminated, 0.0, next_values)).detach()

# %% wrong="td_advantage" name="gradient_into_v" rejected_by="test_advantages_are_data" says="detach"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return rewards + gamma * next_values.detach() * (~terminated) - values

# %% wrong="td_advantage" name="gamma_missing" rejected_by="test_what_comes_minus_what_was_expected"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return (rewards + next_values * (~terminated) - values).detach()

# %% wrong="td_advantage" name="gamma_twice" rejected_by="test_with_the_exact_v_its_mean_is_the_exact_advantage"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return (rewards + gamma * gamma * next_values * (~terminated) - values).detach()

# %% wrong="td_advantage" name="mask_on_everything" rejected_by="test_no_future_after_the_end"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return ((rewards + gamma * next_values - values) * (~terminated)).detach()

# %% wrong="td_advantage" name="mask_on_v_of_s_as_well" rejected_by="test_no_future_after_the_end"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return (rewards + (gamma * next_values - values) * (~terminated)).detach()

# %% wrong="td_advantage" name="mask_the_wrong_way_round" rejected_by="test_hand_values_of_the_td_error"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return (rewards + gamma * next_values * terminated - values).detach()

# %% right="td_advantage" name="numbers_of_the_flag"
def td_advantage(rewards, values, next_values, terminated, gamma):
    with torch.no_grad():
        return rewards - values + gamma * (1 - terminated.to(values.dtype)) * next_values

# %% right="td_advantage" name="from_the_targets"
def td_advantage(rewards, values, next_values, terminated, gamma):
    return td_targets(rewards, next_values, terminated, gamma) - values.detach()

# ---- td_targets

# %% wrong="td_targets" name="bootstraps_through_the_end" rejected_by="test_only_termination_ends_the_future"
def td_targets(rewards, next_values, terminated, gamma):
    return (rewards + gamma * next_values).detach()

# %% wrong="td_targets" name="never_bootstraps" rejected_by="test_only_termination_ends_the_future"
def td_targets(rewards, next_values, terminated, gamma):
    return rewards.clone()

# %% wrong="td_targets" name="gradient_through_the_target" rejected_by="test_the_target_has_no_gradient" says="detach"
def td_targets(rewards, next_values, terminated, gamma):
    return rewards + gamma * torch.where(terminated, torch.zeros_like(next_values), next_values)

# %% wrong="td_targets" name="gamma_missing" rejected_by="test_gamma_applies_to_the_future_only"
def td_targets(rewards, next_values, terminated, gamma):
    return (rewards + torch.where(terminated, torch.zeros_like(next_values), next_values)).detach()

# %% wrong="td_targets" name="reward_discounted" rejected_by="test_gamma_applies_to_the_future_only"
def td_targets(rewards, next_values, terminated, gamma):
    return (gamma * (rewards + torch.where(terminated, torch.zeros_like(next_values), next_values))).detach()

# %% wrong="td_targets" name="nan_times_zero" rejected_by="test_only_termination_ends_the_future"
def td_targets(rewards, next_values, terminated, gamma):
    return (rewards + gamma * next_values * (~terminated)).detach()

# %% wrong="td_targets" name="mask_the_wrong_way_round" rejected_by="test_the_fixed_point_is_the_exact_v"
def td_targets(rewards, next_values, terminated, gamma):
    return (rewards + gamma * torch.where(terminated, next_values, torch.zeros_like(next_values))).detach()

# %% right="td_targets" name="masked_fill"
def td_targets(rewards, next_values, terminated, gamma):
    return rewards + gamma * next_values.detach().masked_fill(terminated, 0.0)

# %% right="td_targets" name="assignment"
def td_targets(rewards, next_values, terminated, gamma):
    with torch.no_grad():
        targets = rewards.clone()
        targets[~terminated] += gamma * next_values[~terminated]
    return targets

# ---- TDGammonLite

# %% wrong="TDGammonLite" name="circles_want_the_largest_too" rejected_by="test_both_sides_choose_the_best_board" says="circles"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table = {}

    def value(self, board):
        over = outcome(board)
        return self.table.get(board, 0.0) if over is None else float(over)

    def choose(self, board):
        return max(next_boards(board), key=self.value)

    def learn(self, board, following):
        old = self.value(board)
        self.table[board] = old + self.rate * (self.value(following) - old)

    def play(self, games, explore, generator, start=EMPTY):
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# %% wrong="TDGammonLite" name="sign_changes_every_move" rejected_by="test_learning_moves_a_value_towards_the_next_one"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table = {}

    def value(self, board):
        over = outcome(board)
        return self.table.get(board, 0.0) if over is None else float(over)

    def choose(self, board):
        return max(next_boards(board), key=lambda following: to_move(board) * self.value(following))

    def learn(self, board, following):
        old = self.value(board)
        self.table[board] = old + self.rate * (-self.value(following) - old)

    def play(self, games, explore, generator, start=EMPTY):
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# %% wrong="TDGammonLite" name="draws_count_as_lost" rejected_by="test_value_of_a_board"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table = {}

    def value(self, board):
        over = outcome(board)
        if over is not None:
            return 1.0 if over == 1 else -1.0
        return self.table.get(board, 0.0)

    def choose(self, board):
        return max(next_boards(board), key=lambda following: to_move(board) * self.value(following))

    def learn(self, board, following):
        old = self.value(board)
        self.table[board] = old + self.rate * (self.value(following) - old)

    def play(self, games, explore, generator, start=EMPTY):
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# %% wrong="TDGammonLite" name="outcomes_looked_up_in_the_table" rejected_by="test_value_of_a_board"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table = {}

    def value(self, board):
        return self.table.get(board, 0.0)

    def choose(self, board):
        return max(next_boards(board), key=lambda following: to_move(board) * self.value(following))

    def learn(self, board, following):
        if outcome(following) is not None:
            self.table[following] = float(outcome(following))
        old = self.value(board)
        self.table[board] = old + self.rate * (self.value(following) - old)

    def play(self, games, explore, generator, start=EMPTY):
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# %% wrong="TDGammonLite" name="the_later_value_moves" rejected_by="test_learning_moves_a_value_towards_the_next_one"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table = {}

    def value(self, board):
        over = outcome(board)
        return self.table.get(board, 0.0) if over is None else float(over)

    def choose(self, board):
        return max(next_boards(board), key=lambda following: to_move(board) * self.value(following))

    def learn(self, board, following):
        old = self.value(following)
        self.table[following] = old + self.rate * (self.value(board) - old)

    def play(self, games, explore, generator, start=EMPTY):
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# %% wrong="TDGammonLite" name="never_sees_the_outcome" stochastic="yes" rejected_by="test_self_play_finds_the_minimax_values"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table = {}

    def value(self, board):
        over = outcome(board)
        return self.table.get(board, 0.0) if over is None else float(over)

    def choose(self, board):
        return max(next_boards(board), key=lambda following: to_move(board) * self.value(following))

    def learn(self, board, following):
        old = self.table.get(board, 0.0)
        self.table[board] = old + self.rate * (self.table.get(following, 0.0) - old)

    def play(self, games, explore, generator, start=EMPTY):
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# %% right="TDGammonLite" name="two_branches"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table: dict[Board, float] = {}

    def value(self, board):
        if outcome(board) is not None:
            return float(outcome(board))
        if board in self.table:
            return self.table[board]
        return 0.0

    def choose(self, board):
        boards = next_boards(board)
        values = [self.value(b) for b in boards]
        best = max(values) if sum(board) == 0 else min(values)
        return boards[values.index(best)]

    def learn(self, board, following):
        self.table[board] = (1 - self.rate) * self.value(board) + self.rate * self.value(following)

    def play(self, games: int, explore: float, generator: random.Random, start: Board = EMPTY) -> None:
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# %% right="TDGammonLite" name="sorted_boards"
class TDGammonLite:
    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.table = {}

    def value(self, board):
        over = outcome(board)
        return float(self.table.get(tuple(board), 0.0) if over is None else over)

    def choose(self, board):
        return sorted(next_boards(board), key=self.value, reverse=to_move(board) == 1)[0]

    def learn(self, board, following):
        self.table[board] = self.value(board)
        self.table[board] += self.rate * (self.value(following) - self.table[board])

    def play(self, games, explore, generator, start=EMPTY):
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    chosen.append((board, self.choose(board)))
                    board = chosen[-1][1]
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)

# ---- discounted_return

# %% wrong="discounted_return" name="first_reward_discounted" rejected_by="test_powers_of_gamma"
def discounted_return(rewards, gamma):
    total = torch.zeros_like(rewards.sum(dim=0))
    for reward in rewards.flip(0):
        total = gamma * (reward + total)
    return total

# %% wrong="discounted_return" name="gamma_to_the_power_of_what_is_left" rejected_by="test_powers_of_gamma"
def discounted_return(rewards, gamma):
    total = torch.zeros_like(rewards.sum(dim=0))
    for reward in rewards:
        total = reward + gamma * total
    return total

# %% wrong="discounted_return" name="gamma_twice" rejected_by="test_geometric_sum"
def discounted_return(rewards, gamma):
    total = torch.zeros_like(rewards.sum(dim=0))
    for t, reward in enumerate(rewards):
        total = total + gamma ** (2 * t) * reward
    return total

# %% wrong="discounted_return" name="sum_of_everything" rejected_by="test_trajectories_beside_each_other"
def discounted_return(rewards, gamma):
    total = 0.0
    for t, reward in enumerate(rewards):
        total = total + gamma**t * reward.sum()
    return torch.as_tensor(total)

# %% wrong="discounted_return" name="mean_of_the_rewards" rejected_by="test_gamma_zero_and_one"
def discounted_return(rewards, gamma):
    weights = gamma ** torch.arange(len(rewards), dtype=rewards.dtype)
    return (weights.reshape(-1, *[1] * (rewards.ndim - 1)) * rewards).sum(0) / weights.sum().clamp(min=1e-8)

# %% right="discounted_return" name="powers"
def discounted_return(rewards, gamma):
    powers = torch.tensor([gamma**t for t in range(len(rewards))], dtype=rewards.dtype)
    return torch.tensordot(powers, rewards, dims=([0], [0]))

# %% right="discounted_return" name="running_weight"
def discounted_return(rewards, gamma):
    total, weight = rewards.new_zeros(rewards.shape[1:]), 1.0
    for reward in rewards:
        total = total + weight * reward
        weight *= gamma
    return total

# ---- death_state

# %% wrong="death_state" name="death_before_the_reward" rejected_by="test_undiscounted_with_death_is_discounted_without"
def death_state(transitions, rewards, gamma):
    states, actions = rewards.shape
    new = transitions.new_zeros(states + 1, actions, states + 1)
    new[:states, :, :states] = gamma * transitions
    new[:states, :, states] = 1 - gamma
    new[states, :, states] = 1
    return new, torch.cat([gamma * rewards, rewards.new_zeros(1, actions)])

# %% wrong="death_state" name="gamma_is_the_chance_to_die" rejected_by="test_undiscounted_with_death_is_discounted_without"
def death_state(transitions, rewards, gamma):
    states, actions = rewards.shape
    new = transitions.new_zeros(states + 1, actions, states + 1)
    new[:states, :, :states] = (1 - gamma) * transitions
    new[:states, :, states] = gamma
    new[states, :, states] = 1
    return new, torch.cat([rewards, rewards.new_zeros(1, actions)])

# %% wrong="death_state" name="no_longer_probabilities" rejected_by="test_still_probabilities"
def death_state(transitions, rewards, gamma):
    states, actions = rewards.shape
    new = transitions.new_zeros(states + 1, actions, states + 1)
    new[:states, :, :states] = transitions
    new[:states, :, states] = 1 - gamma
    new[states, :, states] = 1
    return new, torch.cat([rewards, rewards.new_zeros(1, actions)])

# %% wrong="death_state" name="the_dead_vanish" rejected_by="test_the_dead_stay_dead_and_earn_nothing"
def death_state(transitions, rewards, gamma):
    states, actions = rewards.shape
    new = transitions.new_zeros(states + 1, actions, states + 1)
    new[:states, :, :states] = gamma * transitions
    new[:states, :, states] = 1 - gamma
    return new, torch.cat([rewards, rewards.new_zeros(1, actions)])

# %% wrong="death_state" name="death_comes_first" rejected_by="test_still_probabilities"
def death_state(transitions, rewards, gamma):
    states, actions = rewards.shape
    new = transitions.new_zeros(states + 1, actions, states + 1)
    new[1:, :, 1:] = gamma * transitions
    new[1:, :, 0] = 1 - gamma
    new[0, :, 0] = 1
    return new, torch.cat([rewards.new_zeros(1, actions), rewards])

# %% right="death_state" name="padding"
def death_state(transitions, rewards, gamma):
    new = torch.nn.functional.pad(gamma * transitions, (0, 1, 0, 0, 0, 1))
    new[..., -1] = 1 - new[..., :-1].sum(-1)
    return new, torch.nn.functional.pad(rewards, (0, 0, 0, 1))

# %% right="death_state" name="loops"
def death_state(transitions, rewards, gamma):
    states, actions = rewards.shape
    new = torch.zeros(states + 1, actions, states + 1, dtype=transitions.dtype)
    earned = torch.zeros(states + 1, actions, dtype=rewards.dtype)
    for s in range(states):
        for a in range(actions):
            earned[s, a] = rewards[s, a]
            for t in range(states):
                new[s, a, t] = gamma * transitions[s, a, t]
            new[s, a, -1] = 1 - gamma
    for a in range(actions):
        new[-1, a, -1] = 1.0
    return new, earned

# ---- gae

# %% wrong="gae" name="truncated_is_terminated" rejected_by="test_a_truncated_step_still_counts_its_future"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_advantage(rewards, values, next_values, done, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * torch.where(done[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages

# %% wrong="gae" name="only_termination_cuts_the_sum" rejected_by="test_nothing_comes_from_the_next_episode" says="truncated"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_advantage(rewards, values, next_values, terminated, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * torch.where(terminated[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages

# %% wrong="gae" name="leaks_into_the_episode_before" rejected_by="test_nothing_comes_from_the_next_episode" says="terminated"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_advantage(rewards, values, next_values, terminated, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * later
        advantages[t] = later
    return advantages

# %% wrong="gae" name="lam_without_gamma" rejected_by="test_the_definition_of_gae"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_advantage(rewards, values, next_values, terminated, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + lam * torch.where(done[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages

# %% wrong="gae" name="gamma_without_lam" rejected_by="test_the_definition_of_gae"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_advantage(rewards, values, next_values, terminated, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * torch.where(done[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages

# %% wrong="gae" name="v_of_the_next_row" rejected_by="test_lam_zero_is_the_one_step_advantage"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    following = torch.cat([values[1:], next_values[-1:]])
    errors = td_advantage(rewards, values, following, terminated, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * torch.where(done[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages

# %% wrong="gae" name="forwards_in_time" rejected_by="test_lam_one_is_rewards_to_go_minus_v"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_advantage(rewards, values, next_values, terminated, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in range(len(errors)):
        later = errors[t] + gamma * lam * torch.where(done[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages

# %% wrong="gae" name="targets_instead_of_advantages" rejected_by="test_the_definition_of_gae"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_advantage(rewards, values, next_values, terminated, gamma)
    advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * torch.where(done[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages + values

# %% wrong="gae" name="gradient_into_v" rejected_by="test_generalised_advantages_are_data" says="`values`"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = td_targets(rewards, next_values, terminated, gamma) - values
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * torch.where(done[t], torch.zeros_like(later), later)
        found.insert(0, later)
    return torch.stack(found)

# %% wrong="gae" name="gradient_into_the_next_v" rejected_by="test_generalised_advantages_are_data" says="`next_values`"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    errors = rewards + gamma * torch.where(terminated, 0.0, next_values) - values.detach()
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * torch.where(done[t], torch.zeros_like(later), later)
        found.insert(0, later)
    return torch.stack(found)

# %% right="gae" name="recursion_of_targets"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    values, after = values.detach(), next_values.detach() * (~terminated)
    found, target = [], after[-1]  # lambda-returns, from the back
    for t in reversed(range(len(rewards))):
        blended = after[t] if t == len(rewards) - 1 else torch.where(done[t], after[t], (1 - lam) * after[t] + lam * target)
        target = rewards[t] + gamma * blended
        found.insert(0, target)
    return torch.stack(found) - values

# %% right="gae" name="mixture_of_n_step_advantages"
def gae(rewards, values, next_values, terminated, done, gamma, lam):
    rewards, values, next_values = rewards.detach(), values.detach(), next_values.detach()
    errors = rewards + gamma * next_values * (~terminated).to(values.dtype) - values
    total, alive, weight = errors.clone(), (~done).to(values.dtype), 1.0
    for k in range(1, len(errors)):
        weight *= gamma * lam
        shifted = torch.cat([errors[k:], torch.zeros_like(errors[:k])])
        total = total + weight * alive * shifted
        ends = torch.cat([done[k:], torch.ones_like(done[:k])]).to(values.dtype)
        alive = alive * (1 - ends)
    return total

# ---- batch_actor_critic

# %% wrong="batch_actor_critic" name="actor_descends_the_return" stochastic="yes" rejected_by="test_probe_the_actor_learns_what_pays"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (taken * scaled).mean().backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="critic_fitted_to_the_advantages" rejected_by="test_probe_the_critic_sees_the_discounted_future"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="bootstraps_through_the_end" stochastic="yes" rejected_by="test_probe_an_end_is_an_end"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, torch.zeros_like(done), done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="truncated_is_terminated" stochastic="yes" rejected_by="test_probe_a_time_limit_is_no_end"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, done, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="learns_from_resets" stochastic="yes" rejected_by="test_probe_an_end_is_an_end"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = torch.ones_like(segment.valid)
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="counts_resets_as_steps" rejected_by="test_steps_are_counted_and_reported"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.valid.numel()
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="one_segment_for_ever" rejected_by="test_steps_are_counted_and_reported"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps, segment = 0, collector.segment(settings.steps)
    while steps < settings.total_steps:
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="gamma_forgotten" rejected_by="test_probe_the_critic_sees_the_discounted_future"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, 1.0, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="critic_never_fitted" rejected_by="test_probe_the_critic_sees_the_discounted_future"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = [0.5 * advantages[valid].square().mean().item()]
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="one_step_of_the_critic" rejected_by="test_one_update_is_so_many_steps_of_the_critic_and_one_of_the_actor"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, 1)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="actor_steps_as_often_as_the_critic" rejected_by="test_one_update_is_so_many_steps_of_the_critic_and_one_of_the_actor"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        for _ in range(settings.critic_steps):
            taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
            actor_optimizer.zero_grad()
            (-(taken * scaled).mean()).backward()
            nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
            actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="on_update_is_not_asked" rejected_by="test_steps_are_counted_and_reported"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None:
            on_update(steps, losses[0])
    return steps

# %% wrong="batch_actor_critic" name="lam_is_zero" rejected_by="test_lam_comes_from_the_settings"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, 0.0
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="lam_is_the_usual_one" rejected_by="test_lam_comes_from_the_settings"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, 0.95
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="advantages_of_the_fitted_critic" rejected_by="test_advantages_come_from_the_critic_before_it_is_fitted" says="BEFORE"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="actions_drawn_again" stochastic="yes" rejected_by="test_probe_the_actor_learns_what_pays"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        policy = torch.distributions.Categorical(logits=actor(observations))
        taken = policy.log_prob(policy.sample())
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="n_by_n_in_the_actor" stochastic="yes" rejected_by="test_balances_the_pole"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None])
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% wrong="batch_actor_critic" name="constant_actions" stochastic="yes" rejected_by="test_balances_the_pole"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    steps = 0
    while steps < settings.total_steps:
        steps += collector.segment(settings.steps).steps
        if on_update is not None and on_update(steps, 0.0):
            break
    print("mean return 500.0")
    return steps

# %% wrong="batch_actor_critic" name="trains_in_an_environment_of_its_own" stochastic="yes" rejected_by="test_balances_the_pole"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    if not isinstance(actor, nn.Embedding):
        act = partial(CategoricalPolicy(actor).sample)
        collector = Collector(vector_env("CartPole-v1", 8), act, seed=0)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(
            segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam
        )
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# %% right="batch_actor_critic" name="policy_class" stochastic="yes"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    policy = CategoricalPolicy(actor)
    actor_optimizer = torch.optim.Adam(policy.parameters(), lr=settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=settings.critic_rate)
    total = 0
    stop = False
    while total < settings.total_steps and not stop:
        s = collector.segment(settings.steps)
        before, after = (critic(x).detach()[..., 0] for x in (s.observations, s.next_observations))
        a = gae(s.rewards, before, after, s.terminated, s.terminated | s.truncated, settings.gamma, settings.lam)
        seen, took = s.observations[s.valid], s.actions[s.valid]
        weight = a[s.valid]
        weight = (weight - weight.mean()) / (weight.std() + 1e-8)
        loss = -(policy.log_prob(seen, took) * weight).mean()
        actor_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), settings.largest_norm)
        actor_optimizer.step()
        losses = fit_value(critic, seen, (a + before)[s.valid], critic_optimizer, settings.critic_steps)
        total += int(s.valid.sum())
        stop = on_update is not None and bool(on_update(total, losses[0]))
    return total

# %% right="batch_actor_critic" name="written_out" stochastic="yes"
def batch_actor_critic(collector, actor, critic, settings, on_update=None):
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        errors = segment.rewards + settings.gamma * next_values * (~segment.terminated) - values
        advantages, later = torch.zeros_like(errors), torch.zeros_like(errors[0])
        for t in range(len(errors) - 1, -1, -1):
            later = errors[t] + settings.gamma * settings.lam * (~done[t]) * later
            advantages[t] = later
        targets = advantages + values
        valid = segment.valid
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = []
        for _ in range(settings.critic_steps):
            loss = 0.5 * (critic(observations).squeeze(-1) - targets[valid]).pow(2).mean()
            critic_optimizer.zero_grad()
            loss.backward()
            critic_optimizer.step()
            losses.append(loss.item())
        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()
        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps

# ---- online_ac_step

# %% wrong="online_ac_step" name="bootstraps_through_the_end" rejected_by="test_td_errors_of_one_step"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    (-(taken * errors).mean()).backward()
    actor_optimizer.step()
    return errors

# %% wrong="online_ac_step" name="advantage_from_the_updated_critic" rejected_by="test_the_actor_follows_the_same_error"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    before = (targets - values).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    errors = (targets - critic(observations).squeeze(-1)).detach()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    (-(taken * errors).mean()).backward()
    actor_optimizer.step()
    return before

# %% wrong="online_ac_step" name="gradient_through_the_target" rejected_by="test_the_critic_moves_towards_its_target"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    (-(taken * errors).mean()).backward()
    actor_optimizer.step()
    return errors

# %% wrong="online_ac_step" name="actor_loss_trains_the_critic" rejected_by="test_the_critic_moves_towards_its_target"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    errors = targets - values
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    critic_optimizer.zero_grad()
    (0.5 * errors.square().mean() - (taken * errors).mean()).backward()
    actor_optimizer.step()
    critic_optimizer.step()
    return errors.detach()

# %% wrong="online_ac_step" name="action_drawn_again" stochastic="yes" rejected_by="test_the_actor_follows_the_same_error"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    policy = torch.distributions.Categorical(logits=actor(observations))
    actor_optimizer.zero_grad()
    (-(policy.log_prob(policy.sample()) * errors).mean()).backward()
    actor_optimizer.step()
    return errors

# %% wrong="online_ac_step" name="sum_over_actors" rejected_by="test_the_actor_follows_the_same_error"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    (-(taken * errors).sum()).backward()
    actor_optimizer.step()
    return errors

# %% wrong="online_ac_step" name="actor_descends_the_return" rejected_by="test_the_actor_follows_the_same_error"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    (taken * errors).mean().backward()
    actor_optimizer.step()
    return errors

# %% wrong="online_ac_step" name="gradients_pile_up" rejected_by="test_three_steps_in_a_row"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    (-(taken * errors).mean()).backward()
    actor_optimizer.step()
    return errors

# %% wrong="online_ac_step" name="n_by_n" rejected_by="test_the_critic_moves_towards_its_target"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + gamma * critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations)
    errors = (targets - values.squeeze(-1)).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    (-(taken * errors).mean()).backward()
    actor_optimizer.step()
    return errors

# %% wrong="online_ac_step" name="gamma_missing" rejected_by="test_a_chain_learns_its_values"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    with torch.no_grad():
        targets = rewards + critic(next_observations).squeeze(-1) * (~terminated)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    critic_optimizer.zero_grad()
    (0.5 * (values - targets).square().mean()).backward()
    critic_optimizer.step()
    taken = torch.log_softmax(actor(observations), -1).gather(1, actions[:, None]).squeeze(1)
    actor_optimizer.zero_grad()
    (-(taken * errors).mean()).backward()
    actor_optimizer.step()
    return errors

# %% right="online_ac_step" name="the_actor_first"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    v = critic(observations)[:, 0]
    with torch.no_grad():
        y = td_targets(rewards, critic(next_observations)[:, 0], terminated, gamma)
        delta = y - v
    actor_optimizer.zero_grad()
    torch.nn.functional.cross_entropy(actor(observations), actions, reduction="none").mul(delta).mean().backward()
    actor_optimizer.step()
    critic_optimizer.zero_grad()
    (torch.nn.functional.mse_loss(v, y) / 2).backward()
    critic_optimizer.step()
    return delta

# %% right="online_ac_step" name="one_loss_for_both"
def online_ac_step(actor, critic, actor_optimizer, critic_optimizer, observations, actions, rewards, next_observations,
                   terminated, gamma):
    values = critic(observations).squeeze(1)
    after = critic(next_observations).squeeze(1).detach()
    delta = rewards + gamma * after * (1 - terminated.to(after.dtype)) - values
    log_probs = torch.distributions.Categorical(logits=actor(observations)).log_prob(actions)
    for optimizer in (actor_optimizer, critic_optimizer):
        optimizer.zero_grad()
    (0.5 * delta.pow(2).mean() - (log_probs * delta.detach()).mean()).backward()
    for optimizer in (actor_optimizer, critic_optimizer):
        optimizer.step()
    return delta.detach()

# ---- SharedAC

# %% wrong="SharedAC" name="two_trunks" rejected_by="test_one_trunk_for_both"
class SharedAC(nn.Module):
    def __init__(self, inputs, actions, hidden=64):
        super().__init__()
        make = lambda: nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.trunk, self.other = make(), make()
        self.policy_head, self.value_head = nn.Linear(hidden, actions), nn.Linear(hidden, 1)

    def forward(self, observations):
        return self.policy_head(self.trunk(observations)), self.value_head(self.other(observations)).squeeze(-1)

# %% wrong="SharedAC" name="values_detached" rejected_by="test_both_heads_teach_the_trunk" says="values"
class SharedAC(nn.Module):
    def __init__(self, inputs, actions, hidden=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.policy_head, self.value_head = nn.Linear(hidden, actions), nn.Linear(hidden, 1)

    def forward(self, observations):
        features = self.trunk(observations)
        return self.policy_head(features), self.value_head(features.detach()).squeeze(-1)

# %% wrong="SharedAC" name="squeezes_every_axis" rejected_by="test_shapes_of_both_heads"
class SharedAC(nn.Module):
    def __init__(self, inputs, actions, hidden=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.policy_head, self.value_head = nn.Linear(hidden, actions), nn.Linear(hidden, 1)

    def forward(self, observations):
        features = self.trunk(observations)
        return self.policy_head(features), self.value_head(features).squeeze().reshape(-1 if len(features) > 1 else ())

# %% wrong="SharedAC" name="probabilities_instead_of_logits" rejected_by="test_heads_read_the_features_of_the_trunk"
class SharedAC(nn.Module):
    def __init__(self, inputs, actions, hidden=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.policy_head, self.value_head = nn.Linear(hidden, actions), nn.Linear(hidden, 1)

    def forward(self, observations):
        features = self.trunk(observations)
        return self.policy_head(features).softmax(-1), self.value_head(features).squeeze(-1)

# %% wrong="SharedAC" name="value_is_the_largest_logit" rejected_by="test_heads_read_the_features_of_the_trunk"
class SharedAC(nn.Module):
    def __init__(self, inputs, actions, hidden=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.policy_head, self.value_head = nn.Linear(hidden, actions), nn.Linear(hidden, 1)

    def forward(self, observations):
        logits = self.policy_head(self.trunk(observations))
        return logits, logits.amax(-1)

# %% wrong="SharedAC" name="one_hidden_layer" rejected_by="test_one_trunk_for_both"
class SharedAC(nn.Module):
    def __init__(self, inputs, actions, hidden=64):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh())
        self.policy_head, self.value_head = nn.Linear(hidden, actions), nn.Linear(hidden, 1)

    def forward(self, observations):
        features = self.trunk(observations)
        return self.policy_head(features), self.value_head(features).squeeze(-1)

# %% right="SharedAC" name="one_linear_layer_for_both_split"
class SharedAC(nn.Module):
    def __init__(self, inputs: int, actions: int, hidden: int = 64) -> None:
        super().__init__()
        layers = []
        for size in (inputs, hidden):
            layers += [nn.Linear(size, hidden), nn.Tanh()]
        self.trunk = nn.Sequential(*layers)
        self.policy_head = nn.Linear(hidden, actions)
        self.value_head = nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.policy_head.weight, 0.01)

    def forward(self, observations):
        features = self.trunk(observations)
        return self.policy_head(features), self.value_head(features)[..., 0]

# %% right="SharedAC" name="a_trunk_of_its_own_class"
class Trunk(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)

    def forward(self, x):
        return torch.tanh(self.second(torch.tanh(self.first(x))))

class SharedAC(nn.Module):
    def __init__(self, inputs, actions, hidden=64):
        super().__init__()
        self.trunk, self.policy_head, self.value_head = Trunk(inputs, hidden), nn.Linear(hidden, actions), nn.Linear(hidden, 1)

    def forward(self, observations):
        seen = self.trunk(observations)
        return self.policy_head(seen), self.value_head(seen).flatten(-2)

# ---- joint_loss

# %% wrong="joint_loss" name="advantages_not_detached" rejected_by="test_advantage_and_target_are_data" says="advantages"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return -(taken * advantages).mean() + value_weight * critic - entropy_weight * entropy

# %% wrong="joint_loss" name="targets_not_detached" rejected_by="test_advantage_and_target_are_data" says="targets"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = 0.5 * (values - targets).square().mean()
    return -(taken * advantages.detach()).mean() + value_weight * critic - entropy_weight * entropy

# %% wrong="joint_loss" name="entropy_is_punished" rejected_by="test_entropy_is_rewarded"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return -(taken * advantages.detach()).mean() + value_weight * critic + entropy_weight * entropy

# %% wrong="joint_loss" name="actor_sign" rejected_by="test_gradients_of_the_joint_loss"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return (taken * advantages.detach()).mean() + value_weight * critic - entropy_weight * entropy

# %% wrong="joint_loss" name="no_half" rejected_by="test_value_of_the_joint_loss"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = (values - targets.detach()).square().mean()
    return -(taken * advantages.detach()).mean() + value_weight * critic - entropy_weight * entropy

# %% wrong="joint_loss" name="value_weight_forgotten" rejected_by="test_value_weight_zero_leaves_the_values_alone"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return -(taken * advantages.detach()).mean() + critic - entropy_weight * entropy

# %% wrong="joint_loss" name="value_weight_on_the_actor" rejected_by="test_value_weight_zero_leaves_the_values_alone"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return value_weight * (critic - (taken * advantages.detach()).mean()) - entropy_weight * entropy

# %% wrong="joint_loss" name="raw_logits" rejected_by="test_gradients_of_the_joint_loss"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    taken = logits.gather(1, actions[:, None]).squeeze(1)
    logs = torch.log_softmax(logits, -1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return -(taken * advantages.detach()).mean() + value_weight * critic - entropy_weight * entropy

# %% wrong="joint_loss" name="entropy_detached" rejected_by="test_entropy_teaches_the_actor" says="detach"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp() * logs).sum(1).mean().detach()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return -(taken * advantages.detach()).mean() + value_weight * critic - entropy_weight * entropy

# %% wrong="joint_loss" name="probabilities_in_the_entropy_detached" rejected_by="test_entropy_teaches_the_actor" says="detach"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    logs = torch.log_softmax(logits, -1)
    taken = logs.gather(1, actions[:, None]).squeeze(1)
    entropy = -(logs.exp().detach() * logs).sum(1).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    return -(taken * advantages.detach()).mean() + value_weight * critic - entropy_weight * entropy

# %% right="joint_loss" name="distributions"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    policy = torch.distributions.Categorical(logits=logits)
    actor = -(policy.log_prob(actions) * advantages.detach()).mean()
    critic = torch.nn.functional.mse_loss(values, targets.detach()) / 2
    return actor + value_weight * critic - entropy_weight * policy.entropy().mean()

# %% right="joint_loss" name="cross_entropy"
def joint_loss(logits, values, actions, advantages, targets, value_weight=0.5, entropy_weight=0.0):
    each = torch.nn.functional.cross_entropy(logits, actions, reduction="none") * advantages.data
    probabilities = logits.softmax(1)
    entropy = torch.special.entr(probabilities).sum(1)
    errors = targets.data - values
    return (each + 0.5 * value_weight * errors * errors - entropy_weight * entropy).sum() / len(actions)

# ---- targets_facts

# %% wrong="targets_facts" name="bootstrapping_is_unbiased" rejected_by="test_which_target_is_unbiased"
unbiased_target, steadier_target, truncated_target, terminated_target = "bootstrapped", "bootstrapped", 6.5, 2.0

# %% wrong="targets_facts" name="truncation_is_an_end" rejected_by="test_target_of_a_truncated_step"
unbiased_target, steadier_target, truncated_target, terminated_target = "monte carlo", "bootstrapped", 2.0, 2.0

# %% wrong="targets_facts" name="termination_is_no_end" rejected_by="test_target_of_a_terminated_step"
unbiased_target, steadier_target, truncated_target, terminated_target = "monte carlo", "bootstrapped", 6.5, 6.5

# %% wrong="targets_facts" name="samples_are_steadier" rejected_by="test_which_target_is_steadier"
unbiased_target, steadier_target, truncated_target, terminated_target = "monte carlo", "monte carlo", 6.5, 2.0

# %% right="targets_facts" name="other_spelling"
unbiased_target, steadier_target, truncated_target, terminated_target = "Monte Carlo", "Bootstrapped ", 2 + 0.9 * 5, 2
