"""From what happened to what it was worth: targets for a critic, advantages for an actor, and the actor's loss.

Time runs along the first axis and actors stand beside each other along the others, shape (T, ...). A step has two
flags. `terminated`: the world ended here, and nothing was left to be had. `done`: the episode ends with this step,
because the world ended or because somebody stopped the clock (`truncated`). After a truncation there WOULD have been
more, so its value is still counted; and what stands in the next row belongs to another episode in either case.
"""

import torch


def advantage_pg(log_probs: torch.Tensor, q: torch.Tensor, v: torch.Tensor, episodes: int) -> torch.Tensor:
    """Give the loss whose gradient is MINUS the policy gradient with a value function as
    baseline.

    The policy gradient is 1/N sum_i sum_t grad log pi(a_it | s_it) (Q_it - V_it), where N is
    the number of episodes, not of steps. Descending this loss ascends the expected return.

    Args:
        log_probs: log pi(a | s) of every step of every episode, shape (M,); has a gradient.
        q: estimates of Q(s, a), for instance rewards to go, shape (M,).
        v: V(s) of the same states, shape (M,). It may come from a network, which must get no
            gradient from this loss.
        episodes: N, how many episodes the M steps are from.

    Returns:
        The loss, a tensor without axes.

    >>> log_probs = torch.log(torch.tensor([0.5, 0.25])).requires_grad_()
    >>> loss = advantage_pg(log_probs, torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0]), episodes=2)
    >>> loss.backward()
    >>> log_probs.grad
    tensor([-1.0000,  0.5000])

    Source: lecture 16, improving the policy gradient. L16.02.
    """
    return -(log_probs * (q - v).detach()).sum() / episodes


def mc_targets(rewards: torch.Tensor, done: torch.Tensor, gamma: float = 1.0) -> torch.Tensor:
    """Give for each step the discounted sum of the rewards from there to the end of its OWN
    episode.

    Args:
        rewards: shape (T, ...).
        done: bool, shape (T, ...): the episode ends with this step, and the next row begins
            another one. After the last row there is nothing more, whether it is marked or not.
        gamma: discount factor, 0 to 1.

    Returns:
        Monte Carlo targets, shape (T, ...).

    >>> mc_targets(torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([False, True, False, False]), 0.5)
    tensor([2., 2., 8., 8.])

    Source: lecture 16, Monte Carlo policy evaluation. L16.03.
    """
    targets = torch.zeros_like(rewards)
    to_come = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        to_come = rewards[t] + gamma * torch.where(done[t], torch.zeros_like(to_come), to_come)
        targets[t] = to_come
    return targets


def td_targets(
    rewards: torch.Tensor, next_values: torch.Tensor, terminated: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Give r + gamma V(s'), where V(s') counts as 0 if the world ended.

    Args:
        rewards: shape (...).
        next_values: V(s') of the states that the steps led to, shape (...).
        terminated: bool, shape (...). A step that was merely truncated is False here.
        gamma: discount factor, 0 to 1.

    Returns:
        Bootstrapped targets, shape (...), without a gradient: a target is data, also where V
        has parameters. Where the world ended it is the reward exactly, whatever number stands
        in `next_values`, NaN included.

    >>> terminated = torch.tensor([False, True])
    >>> td_targets(torch.ones(2), 10 * torch.ones(2), terminated, 0.5)
    tensor([6., 1.])

    Source: lecture 16, bootstrapped estimates, with the terminal states that its formula leaves
        out. L16.05, L16.08.
    """
    to_come = torch.where(terminated, torch.zeros_like(next_values), next_values)
    return (rewards + gamma * to_come).detach()


def td_advantage(
    rewards: torch.Tensor, values: torch.Tensor, next_values: torch.Tensor, terminated: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Give the one-step estimate of the advantage, r + gamma V(s') - V(s): by how much the step
    went better than expected.

    Args:
        rewards: shape (...).
        values: V(s) of the states in which the steps were taken, shape (...).
        next_values: V(s') of the states that they led to, shape (...).
        terminated: bool, shape (...): the world ended, so V(s') counts as 0.
        gamma: discount factor, 0 to 1.

    Returns:
        The advantages (temporal-difference errors), shape (...), without a gradient.

    >>> rewards, flags = torch.ones(2), torch.tensor([False, True])
    >>> td_advantage(rewards, 4 * torch.ones(2), 10 * torch.ones(2), flags, 0.5)
    tensor([ 2., -3.])

    Source: lecture 16, value function fitting, with the terminal states that its formula leaves
        out. L16.04, L16.08.
    """
    return td_targets(rewards, next_values, terminated, gamma) - values.detach()


def n_step_targets(
    rewards: torch.Tensor,
    next_values: torch.Tensor,
    terminated: torch.Tensor,
    done: torch.Tensor,
    gamma: float,
    n: int,
) -> torch.Tensor:
    """Give n rewards of what happened, and the value function for the rest.

    y_t = r_t + gamma r_{t+1} + ... + gamma^{n-1} r_{t+n-1} + gamma^n V(s_{t+n}). Where the
    episode, or the batch, is over after fewer than n steps, there are fewer rewards, and V of
    the state reached then, which is 0 if the world ended.

    Args:
        rewards: shape (T, ...).
        next_values: V(s_{t+1}), the state that step t led to, shape (T, ...).
        terminated: bool, shape (T, ...).
        done: bool, shape (T, ...): terminated or truncated.
        gamma: discount factor, 0 to 1.
        n: at least 1; 1 gives `td_targets`.

    Returns:
        Shape (T, ...), without a gradient.

    >>> rewards, v, no = torch.ones(3), torch.full((3,), 10.0), torch.zeros(3, dtype=torch.bool)
    >>> n_step_targets(rewards, v, no, no, 1.0, 2)
    tensor([12., 12., 11.])

    Source: lecture 16, between Monte Carlo and bootstrapped targets. L16.05, L16.07.
    """
    one_step = td_targets(rewards, next_values, terminated, gamma)
    targets = one_step
    for _ in range(n - 1):  # a target over k + 1 steps is a reward and the next step's target over k
        following = torch.cat([targets[1:], next_values[-1:].detach()])  # after the last row, only V is known
        goes_on = ~done
        goes_on[-1] = False
        targets = torch.where(goes_on, rewards + gamma * following, one_step)
    return targets


def gae(
    rewards: torch.Tensor,
    values: torch.Tensor,
    next_values: torch.Tensor,
    terminated: torch.Tensor,
    done: torch.Tensor,
    gamma: float,
    lam: float,
) -> torch.Tensor:
    """Give the generalised advantage estimate: all n-step advantages at once, the longer ones
    with less weight.

    A_t = d_t + (gamma lam) d_{t+1} + (gamma lam)^2 d_{t+2} + ..., up to the end of the episode
    or of the batch, where d_t = r_t + gamma V(s_{t+1}) - V(s_t) are the one-step advantages,
    with V(s_{t+1}) = 0 if the world ended.

    Args:
        rewards: shape (T, ...).
        values: V(s_t), shape (T, ...).
        next_values: V of the state that step t led to, shape (T, ...): at an end the last state
            of the OLD episode.
        terminated: bool, shape (T, ...): the world ended.
        done: bool, shape (T, ...): the episode ended, by termination or truncation.
        gamma: discount factor, 0 to 1.
        lam: 0 for the one-step advantage, 1 for rewards to go minus V(s).

    Returns:
        Advantages, shape (T, ...), without a gradient.

    >>> no = torch.zeros(2, dtype=torch.bool)
    >>> zero = torch.zeros(2)
    >>> gae(torch.tensor([1.0, 8.0]), zero, zero, no, no, gamma=0.5, lam=0.5)
    tensor([3., 8.])

    Source: lecture 16, one-step and Monte Carlo advantages; Schulman et al. (2016). L16.04,
        L16.07.
    """
    errors = td_advantage(rewards, values, next_values, terminated, gamma)
    advantages = torch.zeros_like(errors)
    later = torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        later = errors[t] + gamma * lam * torch.where(done[t], torch.zeros_like(later), later)
        advantages[t] = later
    return advantages
