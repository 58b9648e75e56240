# %% [markdown]
# # Policy gradients
#
# *Lecture 15: learning to act by trial and error, without anybody who shows how.*
#
# You will build REINFORCE from its parts: acting in a world, the trick that differentiates through chance, reward to go,
# baselines, and the loss that lets automatic differentiation do the work. At the end your code learns to balance a pole in
# a few seconds and to swing up a pendulum, and you will know how to learn from data that somebody else collected.
#
# ```text
#        ┌────────────── 1. run the policy: trajectories τ₁ … τ_N ◄──────────────┐
#        ▼                                                                       │
#   2. weigh each action with what it earned afterwards            3. θ ← θ + α ∇J(θ)
#        │        ∇J ≈ mean over τ of the sum over t of ∇log π(a|s) · Q          ▲
#        └───────────────────────────────────────────────────────────────────────┘
# ```
#
# | | |
# |---|---|
# | **You need** | softmax regression, backpropagation; expectations and logarithms |
# | **Your time** | about five hours, in as many sittings as you like |
# | **Computing** | about two minutes for everything on two CPU cores; a GPU does not help with networks this small |
# | **Worlds** | Gymnasium's CartPole and Pendulum, and small worlds of our own; no download |
#
# {{colab_badge}}
#
# {{points_table}}

# %% setup="imports"
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.kit import environments
from course_lib.kit.checks import check, expect_close, expect_shape, expect_true, show_progress
from course_lib.kit.devices import seed_everything
from course_lib.kit.progress import progress
from course_lib.kit.rollouts import collect_episodes, evaluate, vector_env
from course_lib.policy_gradients import (
    MDP,
    CategoricalPolicy,
    GaussianPolicy,
    ReinforceSettings,
    small_network,
    softmax_scores,
    table_policy,
)

torch.set_num_threads(1)  # networks this small are done before a second thread has woken up
generator = seed_everything(182)

# %%
import os
from dataclasses import replace
from functools import partial

from course_lib.figures import policy_gradients as figures
from course_lib.kit import plots
from course_lib.kit.live import LiveCurve
from course_lib.kit.widgets import explore
from course_lib.policy_gradients import (
    PENDULUM,
    GlimpseNet,
    GlimpseSettings,
    cartpole_policy,
    estimate_return,
    gradient_variance,
    likelihood_gradient,
    pendulum_policy,
    policy_kl,
    state_baseline,
    train_glimpses,
    weighted_gradient,
)

plots.use_style()
FAST = os.environ.get("COURSE_FAST", "0") not in ("", "0")
print(f"torch {torch.__version__}")

# %% [markdown]
# ## 1. Acting in a world
#
# Until now data were given and independent, each with its right answer. Now each decision changes what comes next, and
# nobody says what would have been right. What we get is a number after each action: the *reward* $r(s, a)$ says which
# states and actions are good. The aim is a large sum of rewards **over all time**, not the best next one.
#
# A *Markov decision process* is $\mathcal M = \{\mathcal S, \mathcal A, \mathcal T, r\}$: states, actions, the
# probability $\mathcal T(s_{t+1}\mid s_t, a_t)$ of the next state (*transition operator*, *dynamics*: all the same), and
# rewards $r:\mathcal S\times\mathcal A\to\mathbb R$. In code: `P` of shape `(S, A, S)`, `r` of shape `(S, A)`, and
# `rho0`, the distribution of the first state. A *partially observed* one adds observations $o$ and their probability
# $\mathcal E = p(o_t\mid s_t)$; then the policy $\pi_\theta(a_t\mid o_t)$ sees $o_t$ only.

# %% [markdown] predict="greedy"
# A door to the left pays 1 and ends the episode. A corridor to the right pays 0 nine times and then 100. Which action has
# the larger reward now, and which is better?
# ---
# The door has the larger reward now (1 against 0), the corridor is better: 100 over all time. Rewards say what is wanted;
# which action is good follows only together with what comes after it.

# %% widget="grid_world"
# A policy of arrows learns its way round the wall.
# Move through the updates; make the moves slip; add a pit.
explore(figures.grid_world)

# %% exercise="sample_trajectories" points=4 minutes=18 difficulty=2 lecture="L15.01 L15.02 L15.03"
from course_lib.policy_gradients import sample_trajectories

# %% [markdown] hints="sample_trajectories"
# One loop over time; all copies move together. What is drawn at each time, and which table gives its distribution?
#
# $o_t\sim\mathcal E(\cdot\mid s_t)$, $a_t\sim\pi(\cdot\mid o_t)$, $r_t = r(s_t, a_t)$, $s_{t+1}\sim P(\cdot\mid s_t, a_t)$.
#
# `torch.multinomial(rows, 1, generator=generator)` draws an index for each row of probabilities; `table[state]` gives a
# row for each copy. Append, move on, `torch.stack` at the end.

# %% check="sample_trajectories"
with check("sample_trajectories"):
    # Three states in a circle: action 1 moves on, action 0 stays; state s is SEEN as s + 1, and 2 as 0.
    moves = torch.zeros(3, 2, 3, dtype=torch.float64)
    for s in range(3):
        moves[s, 0, s] = moves[s, 1, (s + 1) % 3] = 1.0
    pays = torch.tensor([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]], dtype=torch.float64)
    third = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    circle = MDP(moves, pays, third, torch.eye(3, dtype=torch.float64).roll(1, 1))
    stays_when_seen_2 = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    found = sample_trajectories(circle, stays_when_seen_2, 2, 4)
    expect_true(len(found) == 4, "Four results: states, observations, actions, rewards.")
    for part, row in zip(found, ([2, 0, 1, 1], [0, 1, 2, 2], [1, 1, 0, 0], [21, 1, 10, 10]), strict=True):
        expect_shape(part, (4, 2), "Time first: shape (T, N).")
        expect_close(part[:, 0], row, "In the order of the docstring: look, act on what was SEEN, be paid, move on.")
    torch.manual_seed(0)
    even = MDP(torch.full((2, 2, 2), 0.5), torch.zeros(2, 2), torch.tensor([0.25, 0.75]), torch.eye(2))
    states, _, actions, _ = sample_trajectories(even, torch.full((2, 2), 0.5), 2000, 3)
    share = states[0].double().mean().item()
    expect_true(0.7 < share < 0.8, f"The first state is drawn from rho0: 75 % begin in state 1, found {share:.0%}.")
    for time in (1, 2):
        for row in (states[time], actions[time]):
            share = row.double().mean().item()
            expect_true(0.44 < share < 0.56, f"Every copy draws for itself at each time; found a share of {share:.0%}.")
    agree = (states[1] == actions[0]).double().mean().item()
    expect_true(0.44 < agree < 0.56, "States and actions are drawn independently here.")
    for row, chance, name in ((states[0], 0.625, "begin in the same state"), (actions[0], 0.5, "act alike")):
        for one, other in ((row[::2], row[1::2]), (row[:1000], row[1000:])):
            agree = (one == other).double().mean().item()
            hint = f"Every copy draws for itself: two copies {name} in {agree:.0%} of all pairs, not in {chance:.0%}."
            expect_true(abs(agree - chance) < 0.08, hint)
    seeds = [torch.Generator().manual_seed(s) for s in (1, 1, 2)]
    first, again, other = (sample_trajectories(even, torch.full((2, 2), 0.5), 50, 2, s)[2] for s in seeds)
    expect_true(torch.equal(first, again) and not torch.equal(first, other), "Hand the generator to every draw.")

# %% [markdown]
# ## 2. How probable was that?
#
# A trajectory is $\tau = (s_1, a_1, \dots, s_T, a_T)$. With the policy fixed, states and actions form a Markov chain:
#
# $$p_\theta(\tau) = p(s_1)\,\pi_\theta(a_1\mid s_1)\prod_{t=1}^{T-1} p(s_{t+1}\mid s_t, a_t)\,\pi_\theta(a_{t+1}\mid s_{t+1}),
#   \qquad J(\theta) = E_{\tau\sim p_\theta}\Bigl[\sum_t r(s_t, a_t)\Bigr] \approx \frac1N\sum_i\sum_t r(s_{i,t}, a_{i,t}).$$
#
# *A correction:* in some prints of the slide the dynamics stand outside of the product; they belong inside, one factor a
# step. The objective is a sum over time, neither divided by $T$ nor discounted here. For discrete worlds as small as ours
# $J$ can be computed, and its gradient too. That is our yardstick for everything to come.

# %% exercise="trajectory_logprob" points=2 minutes=8 difficulty=2 lecture="L15.03"
from course_lib.policy_gradients import trajectory_logprob

# %% [markdown] hints="trajectory_logprob"
# Three kinds of factors: one beginning, T actions, T - 1 moves. Logarithms turn the product into a sum.
#
# $\log p(s_1) + \sum_{t=1}^T\log\pi(a_t\mid s_t) + \sum_{t=1}^{T-1}\log P(s_{t+1}\mid s_t, a_t)$.
#
# Index tables with tensors: `policy[states, actions]` has shape (T, N); for the moves `states[:-1]` and `states[1:]`.
# Take logarithms first, sum over axis 0 after.

# %% check="trajectory_logprob"
with check("trajectory_logprob"):
    world = MDP.of(environments.random_world(3, 2, seed=7))
    pi = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
    states, actions = torch.tensor([[0, 2], [1, 2]]), torch.tensor([[1, 0], [0, 1]])
    by_hand = [
        world.rho0[0] * pi[0, 1] * world.P[0, 1, 1] * pi[1, 0],
        world.rho0[2] * pi[2, 0] * world.P[2, 0, 2] * pi[2, 1],
    ]
    found = trajectory_logprob(world, pi, states, actions)
    expect_shape(found, (2,), "One number for each trajectory.")
    expect_close(found.exp(), torch.stack(by_hand), "First state, both actions AND the move between them; log, not p.")
    alone = trajectory_logprob(world, pi, states[:1], actions[:1])
    expect_close(alone.exp(), [world.rho0[0] / 2, world.rho0[2] / 5], "One step: no move at all.")
    unclear = MDP(world.P, world.r, world.rho0, torch.full((3, 3), 1 / 3, dtype=torch.float64))
    seen = trajectory_logprob(unclear, pi, states, actions)
    expect_close(seen, found, "The states are given: the emission table is not a factor.")
    still = MDP(torch.eye(2)[:, None], torch.zeros(2, 1), torch.tensor([0.5, 0.5]), torch.eye(2))
    jumps = torch.tensor([[0], [1]])
    found = trajectory_logprob(still, torch.ones(2, 1), jumps, torch.zeros_like(jumps))
    expect_close(
        found, [-torch.inf], "A move that cannot happen: log 0 is minus infinity, and nothing is to be added to it."
    )
    coin = MDP(torch.full((2, 1, 2), 0.5), torch.zeros(2, 1), torch.tensor([1.0, 0.0]), torch.eye(2))
    zeros = torch.zeros(5000, 1, dtype=torch.int64)
    long = trajectory_logprob(coin, torch.ones(2, 1), zeros, zeros)
    expect_close(long, [4999 * math.log(0.5)], "0.5 to the power of 4999 is 0 as a float: add logarithms.", rtol=1e-4)

# %%
# The yardstick: every trajectory of three steps, with its probability.
world = environments.random_world(3, 2, seed=7)
theta = torch.zeros(3, 2, dtype=torch.float64)
every = environments.enumerate_trajectories(world, theta.softmax(1).numpy(), 3, last_state=False)
print(f"{len(every.probability)} trajectories, total probability {every.probability.sum():.6f}")
print(f"J by enumeration          {(every.probability * every.rewards.sum(0)).sum():.4f}")
sampled = sample_trajectories(MDP.of(world), theta.softmax(1), 10_000, 3, generator)
print(f"J from 10,000 samples     {estimate_return(sampled[3]):.4f}")

# %% [markdown]
# ## 3. A gradient through chance
#
# We want $\nabla_\theta E_{x\sim p_\theta}[f(x)]$, and $\theta$ is in the distribution, not in $f$. *A convenient identity:*
# $p_\theta\nabla\log p_\theta = p_\theta\dfrac{\nabla p_\theta}{p_\theta} = \nabla p_\theta$. Therefore
#
# $$\nabla_\theta E[f(x)] = \int \nabla p_\theta(x)\,f(x)\,dx = E_{x\sim p_\theta}\bigl[f(x)\,\nabla_\theta\log p_\theta(x)\bigr],$$
#
# an expectation again, and that we can sample. $f$ need not be differentiable, nor even known: its values are enough.

# %% widget="sampling_cloud"
# Each sample pulls the mean towards itself or away, as strongly as f says.
# When do the pulls add up to zero?
explore(figures.sampling_cloud)

# %% exercise="score_function_gradient" points=3 minutes=12 difficulty=3 lecture="L15.04"
from course_lib.policy_gradients import score_function_gradient

# %% [markdown] hints="score_function_gradient"
# The weights f(x) are numbers, and so are the samples. The only thing with a graph is log p.
#
# $\frac1N\sum_i f(x_i)\,\nabla_\theta\log p_\theta(x_i) = \nabla_\theta\Bigl[\frac1N\sum_i f(x_i)\log p_\theta(x_i)\Bigr]$.
#
# A leaf made of theta (`detach().clone().requires_grad_()`), detached samples and weights, `torch.autograd.grad`.

# %% check="score_function_gradient"
with check("score_function_gradient"):

    def log_normal(x, mean):
        return -0.5 * (x - mean) ** 2 - 0.5 * math.log(2 * math.pi)

    x = torch.tensor([0.0, 2.0, 5.0], dtype=torch.float64)
    mean = torch.tensor(1.0, dtype=torch.float64)
    found = score_function_gradient(lambda x: x**2, log_normal, mean, x)
    expect_close(
        found, (0 * -1 + 4 * 1 + 25 * 4) / 3, "The mean of f(x) * d/dtheta log p; for a normal, f(x) (x - theta)."
    )
    expect_true(not found.requires_grad and mean.grad is None, "A plain tensor comes back, and theta gets no .grad.")
    leaf = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    attached = leaf + torch.tensor([-1.0, 1.0, 4.0], dtype=torch.float64)
    found = score_function_gradient(lambda x: x**2, log_normal, leaf, attached)
    expect_close(found, 104 / 3, "The samples are data: detach them, also where they were computed from theta.")
    draw = torch.randn(40_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1.0
    found = score_function_gradient(lambda x: x**2, log_normal, mean, draw)
    expect_close(found, 2.0, "d/dtheta E[x^2] = 2 theta for a normal with mean theta.", atol=0.1)
    logits = torch.tensor([0.0, 1.0], dtype=torch.float64)
    found = score_function_gradient(
        lambda k: (k == 1).double() * 3, lambda k, z: z.log_softmax(0)[k], logits, torch.tensor([0, 1])
    )
    p = logits.softmax(0)
    expect_close(found, [-1.5 * p[0], 1.5 * (1 - p[1])], "Parameters of any shape; samples of any kind.")

# %% [markdown]
# ## 4. REINFORCE
#
# Apply it to trajectories. In $\log\pi_\theta(\tau) = \log p(s_1) + \sum_t\bigl[\log\pi_\theta(a_t\mid s_t) + \log
# p(s_{t+1}\mid s_t,a_t)\bigr]$ only the policy depends on $\theta$ (*correction:* the dynamics belong inside of the sum
# here, too). So the dynamics drop out, and we need not know them:
#
# $$\nabla J(\theta) \approx \frac1N\sum_{i=1}^N\Bigl(\sum_{t=1}^T\nabla_\theta\log\pi_\theta(a_{i,t}\mid s_{i,t})\Bigr)
#   \Bigl(\sum_{t=1}^T r(s_{i,t},a_{i,t})\Bigr).$$
#
# REINFORCE: 1. run the policy; 2. compute this; 3. $\theta\leftarrow\theta+\alpha\nabla J(\theta)$; repeat. (*A convention:*
# in its box the slide leaves $\frac1N$ out of step 2. We keep it; a learning rate could take it up.)
#
# In code, `scores[t, i]` is $\nabla_\theta\log\pi_\theta(a_{i,t}\mid s_{i,t})$, laid out flat: shape `(T, N, K)`.

# %% exercise="reinforce_gradient" points=2 minutes=8 difficulty=1 lecture="L15.05 L15.07"
from course_lib.policy_gradients import reinforce_gradient

# %% [markdown] hints="reinforce_gradient"
# Two sums over time, each for one trajectory at a time; then multiply; then the mean over trajectories.
#
# $\frac1N\sum_i g_i R_i$ with $g_i = \sum_t \text{scores}_{t,i}$ of shape (K,) and the number $R_i = \sum_t r_{t,i}$.
#
# `sum(0)` twice; the returns need an axis at the end to be multiplied with (N, K); `mean(0)`.

# %% check="reinforce_gradient"
with check("reinforce_gradient"):
    draw = torch.Generator().manual_seed(1)
    scores, rewards = torch.randn(3, 4, 5, generator=draw), torch.randn(3, 4, generator=draw)
    by_hand = sum(scores[:, i].sum(0) * rewards[:, i].sum() for i in range(4)) / 4
    found = reinforce_gradient(scores, rewards)
    expect_shape(found, (5,), "One number for each parameter.")
    expect_close(
        found, by_hand, "Sum over time first, then multiply, then the MEAN over trajectories.", rtol=1e-4, atol=1e-6
    )
    square = reinforce_gradient(scores[:, :, :4], rewards)
    expect_close(
        square, by_hand[:4], "With K = N a missing axis goes unnoticed and pairs wrongly.", rtol=1e-4, atol=1e-6
    )

# %%
# Unbiased, also under partial observability: two doors, a noisy hint,
# and a policy that sees the hint only.
doors = environments.corridor_with_a_look()
theta = torch.tensor([[0.5, 0.0, 0.2], [0.0, 0.3, 0.1], [0.0, 0.0, 0.0]], dtype=torch.float64)
exact = environments.exact_gradient(doors, theta, 4).flatten()
_, seen, actions, rewards = sample_trajectories(MDP.of(doors), theta.softmax(1), 50_000, 4, generator)
estimate = reinforce_gradient(softmax_scores(theta, seen, actions), rewards)
print("exact    ", [f"{value:+.3f}" for value in exact[:6].tolist()])
print("REINFORCE", [f"{value:+.3f}" for value in estimate[:6].tolist()])

# %% [markdown]
# ### What is this?
#
# Without the rewards it is the gradient of *maximum likelihood*, $\frac1N\sum_i\nabla_\theta\log\pi_\theta(\tau_i)$: do again
# what was done. The policy gradient is $\frac1N\sum_i\nabla_\theta\log\pi_\theta(\tau_i)\,r(\tau_i)$ (*correction:* the line
# is garbled in the slide): good trajectories are made more likely, bad ones less. That is *trial and error*, as a formula.

# %% widget="arrow_weighting"
# The same ten trajectories, weighted in four ways.
# Which of them would a teacher's demonstrations get?
explore(figures.arrow_weighting)

# %% quiz="likelihood_facts" points=1 minutes=4 lecture="L15.06"
# All returns of a batch are 1.
# The policy gradient is how many times the maximum-likelihood gradient?
when_all_returns_are_1 = 1
# And when all returns are -1?
when_all_returns_are_minus_1 = -1
# True or False: the Markov property of the states is used in the derivation of REINFORCE.
markov_property_is_used = False

# %% [markdown]
# ## 5. Making it work: causality
#
# *The policy at time $t'$ cannot affect the reward at time $t$ when $t < t'$.* What was earned before an action says nothing
# about it; in expectation such terms are zero, and in a sample they are noise. Leave them out:
#
# $$\nabla J(\theta) \approx \frac1N\sum_i\sum_t\nabla_\theta\log\pi_\theta(a_{i,t}\mid s_{i,t})\,\hat Q_{i,t},\qquad
#   \hat Q_{i,t} = \sum_{t'=t}^{T} r(s_{i,t'}, a_{i,t'}).$$
#
# *A correction:* the sum starts at $t' = t$; in the slide it is printed from 1. $\hat Q$ is called the **reward to go**.

# %% widget="reward_to_go_highlight"
# Choose a time. Which rewards does the action of that time get credit for?
explore(figures.reward_to_go_highlight)

# %% exercise="reward_to_go" points=3 minutes=12 difficulty=2 lecture="L15.08"
from course_lib.policy_gradients import reward_to_go

# %% [markdown] hints="reward_to_go"
# Go backwards: the last row is easy, and every row needs only the one after it.
#
# $\hat Q_T = r_T$; $\hat Q_t = r_t + \gamma\,(1 - \text{ends}_t)\,\hat Q_{t+1}$.
#
# A loop over `reversed(range(T))` with a row `later` that is set to 0 where the episode ended; a list, turned round and
# stacked.

# %% check="reward_to_go"
with check("reward_to_go"):
    rewards = torch.tensor([[1.0, 0.0], [2.0, 5.0], [4.0, 7.0]])
    kept = rewards.clone()
    expect_close(reward_to_go(rewards), [[7, 12], [6, 12], [4, 7]], "From t on, t included; each column for itself.")
    expect_close(
        reward_to_go(rewards, discount=0.5), [[3.0, 4.25], [4.0, 8.5], [4.0, 7.0]], "k steps later: discount^k."
    )
    ends = torch.tensor([[False, True], [True, False], [False, False]])
    expect_close(
        reward_to_go(rewards, ends),
        [[3, 0], [2, 12], [4, 7]],
        "Nothing crosses an end: the reward of the last step counts, later ones do not.",
    )
    both = reward_to_go(rewards, ends, 0.5)
    expect_close(both, [[2.0, 0.0], [2.0, 8.5], [4.0, 7.0]], "Ends and discount together.")
    for nothing in (torch.inf, torch.nan):
        beyond = reward_to_go(torch.tensor([[1.0], [2.0], [nothing]]), torch.tensor([[False], [True], [False]]), 0.5)
        hint = f"Nothing of the next episode, not even {nothing}: {nothing} * 0 is NaN, torch.where chooses."
        expect_close(beyond[:2], [[2.0], [2.0]], hint)
    expect_close(reward_to_go(rewards, discount=0.0), rewards, "Discount 0: the present reward only, and no 0 / 0.")
    long = reward_to_go(torch.ones(2000, 1), discount=0.5)
    expect_close(long[0], [2.0], "2,000 steps of discount 1/2: 0.5 to the power of 1999 is 0 as a float; no division.")
    expect_close(rewards, kept, "The rewards of the caller are not to be changed.")
    wide = reward_to_go(torch.ones(2, 3))
    expect_shape(wide, (2, 3), "Shape as before.")
    expect_close(wide, [[2, 2, 2], [1, 1, 1]], "Time is the FIRST axis.")

# %% [markdown]
# ## 6. Making it work: baselines
#
# In CartPole every return is positive: every action is made more likely, the better ones a little more. Better to ask
# whether a trajectory was better **than usual**:
#
# $$\nabla J \approx \frac1N\sum_i\nabla_\theta\log\pi_\theta(\tau_i)\,[r(\tau_i) - b]$$
#
# (in the slide the bracket reads $[\gamma(\tau)-b]$; it is the return $r(\tau_i)$, and $b=\frac1N\sum_i r(\tau_i)$). Are we
# *allowed* to do that? Yes: $E[\nabla\log\pi_\theta(\tau)\,b] = b\,\nabla\!\int\!\pi_\theta(\tau)\,d\tau = b\,\nabla 1 = 0$. The expectation stays;
# the variance does not. The same holds for a $b$ that depends on the state: $E[\nabla\log\pi(a\mid s)\,b(s)] = 0$ for each $s$.

# %% widget="baseline_variance"
# The mean of the estimate does not move.
# Its variance does: where is the average return, where the best baseline?
explore(figures.baseline_variance)

# %% [markdown] predict="same_sample_mean"
# The proof needs a $b$ that does not depend on $\tau_i$. The mean over the batch does: $\tau_i$ is in it, with weight
# $1/N$. What does that do to the expectation of the gradient?
# ---
# It is multiplied by $(N-1)/N$: trajectory $i$ takes away $1/N$ of its own return. For $N = 4$ a quarter of the gradient is
# lost, for $N = 100$ a hundredth. The direction is right, so it hardly matters in practice (and the slide leaves it out);
# the mean over the **others** is exactly unbiased and costs nothing more.

# %% exercise="leave_one_out" points=2 minutes=8 difficulty=2 lecture="L15.09"
from course_lib.policy_gradients import leave_one_out

# %% [markdown] hints="leave_one_out"
# The sum over the others is the sum over all minus one's own.
#
# $b_i = \frac{1}{N-1}\bigl(\sum_j v_j - v_i\bigr)$.
#
# `sum(-1, keepdim=True)` works for both shapes; a guard for N < 2 first.

# %% check="leave_one_out"
with check("leave_one_out"):
    expect_close(
        leave_one_out(torch.tensor([0.0, 3.0, 9.0])), [6.0, 4.5, 1.5], "The mean of the OTHERS: divide by N - 1."
    )
    table = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    expect_close(
        leave_one_out(table), [[4.0, 3.5, 1.5], [1.5, 1.5, 0.0]], "Trajectories are the last axis; each row for itself."
    )
    try:
        leave_one_out(torch.tensor([1.0]))
    except ValueError:
        pass
    else:
        raise AssertionError("One trajectory has no others: raise ValueError.")

# %% [markdown]
# Which constant is best? Not the average return, though that is pretty good. For a single parameter the variance of
# $g\,(R - b)$ with $g = \partial\log\pi_\theta(\tau)$ is smallest where its derivative $-2E[g^2R] + 2bE[g^2]$ vanishes.

# %% exercise="optimal_baseline" points=2 minutes=8 difficulty=2 lecture="L15.09"
from course_lib.policy_gradients import optimal_baseline

# %% [markdown] hints="optimal_baseline"
# A weighted mean of the returns. The weights belong to whole trajectories.
#
# $b_k = \dfrac{\sum_i g_{ik}^2R_i}{\sum_i g_{ik}^2}$ with $g_i = \sum_t\text{scores}_{t,i}$.
#
# Sum over time, THEN square; two sums over trajectories; `torch.where` against 0 / 0.

# %% check="optimal_baseline"
with check("optimal_baseline"):
    draw = torch.Generator().manual_seed(2)
    scores = torch.randn(3, 6, 2, dtype=torch.float64, generator=draw)
    returns = torch.randn(6, dtype=torch.float64, generator=draw) + 3
    g = scores.sum(0)
    found = optimal_baseline(scores, returns)
    expect_shape(found, (2,), "One baseline for each parameter.")

    def spread(b):
        return ((g * (returns[:, None] - b)) ** 2).mean(0)

    for nudge in (-0.01, 0.01):
        expect_true(
            spread(found) < spread(found + nudge), "Not the smallest: square the score of the WHOLE trajectory."
        )
    silent = optimal_baseline(torch.zeros(2, 3, 1), torch.ones(3))
    expect_close(silent, [0.0], "A parameter that never matters: 0, not 0 / 0.")

# %%
# What each step buys: the standard deviation of one component of the gradient,
# for batches of 20 trajectories.
walk = environments.chain(5)
theta = torch.zeros(5, 2, dtype=torch.float64)
_, seen, actions, rewards = sample_trajectories(MDP.of(walk), theta.softmax(1), 20_000, 12, generator)
scores, q = softmax_scores(theta, seen, actions), reward_to_go(rewards)
total = rewards.sum(0).expand_as(q)
ways = {
    "REINFORCE": total,
    "reward to go": q,
    "reward to go, mean of the others": q - leave_one_out(q),
    "reward to go, mean of the state": q - state_baseline(seen, q, 5),
}
exact = environments.exact_gradient(walk, theta, 12).flatten()
for name, weights in ways.items():
    single = torch.einsum("tnk,tn->nk", scores, weights)
    print(f"{name:34} mean {single.mean(0)[7]:+.4f}, deviation {single.std(0)[7] / 20**0.5:.4f}")
print(f"{'exact':34}      {exact[7]:+.4f}")

# %% [markdown]
# ## 7. Automatic differentiation
#
# Scores for each action would be expensive to compute one by one for a network. Instead, find a graph **whose gradient is the policy
# gradient**: weighted maximum likelihood,
#
# $$\tilde J(\theta) \approx \frac1N\sum_i\sum_t\log\pi_\theta(a_{i,t}\mid s_{i,t})\,\hat Q_{i,t},$$
#
# with $\hat Q$ as a constant. The first factor is the cross entropy of softmax regression (with a minus), for discrete
# actions; for Gaussian ones it is a squared error. *A convention:* the lecture's pseudo-code minimises
# `reduce_mean(negative_likelihoods * q_values)`: the sign is turned round, and it divides by $NT$; we divide by $N$. (And
# `loss.gradients(loss, variables)` in it is no call of any library: in PyTorch it is `loss.backward()`.)

# %% [markdown] predict="loss_falls"
# You train with this loss, and the loss goes up while the returns go up too. Is something broken?
# ---
# No. The value of the pseudo-loss means nothing: its data come from another policy at every step, and $\hat Q$ is not part
# of it. Only its gradient is meaningful. Watch the returns.

# %% exercise="pg_loss" points=3 minutes=10 difficulty=2 lecture="L15.15"
from course_lib.policy_gradients import pg_loss

# %% [markdown] hints="pg_loss"
# The log probability of the action that was taken, times a constant; summed over time; and a minus.
#
# $-\frac1N\sum_i\sum_t\hat Q_{t,i}\,\log\operatorname{softmax}(z_{t,i})_{a_{t,i}}$.
#
# `log_softmax(-1)`, `gather` with `actions.unsqueeze(-1)`, and `squeeze(-1)` before you multiply: (T, N, 1) times (T, N)
# would broadcast. `q.detach()`.

# %% check="pg_loss"
with check("pg_loss"):
    draw = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 3, 2, generator=draw, requires_grad=True)
    actions, q = torch.randint(2, (3, 3), generator=draw), torch.randn(3, 3, generator=draw).requires_grad_()
    loss = pg_loss(logits, actions, q)
    expect_shape(loss, (), "One number.")
    loss.backward()
    expected = -(F.one_hot(actions, 2) - logits.detach().softmax(-1)) * q.detach()[..., None] / 3
    expect_close(
        logits.grad, expected, "-(one-hot - p) q / N for each step; a minus, since losses are minimised.", atol=1e-6
    )
    expect_true(q.grad is None, "q is data: detach it.")
    wide = torch.zeros(2, 5, 3, requires_grad=True)
    pg_loss(wide, torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 5)).backward()
    expect_close(
        wide.grad[0, 0], [-2 / 15, 1 / 15, 1 / 15], "Divide by N = 5 only: not by T, not by the actions.", rtol=1e-4
    )
    huge = torch.tensor([[[1000.0, 0.0]]])
    value = pg_loss(huge, torch.tensor([[1]]), torch.ones(1, 1))
    expect_close(value, 1000.0, "Logits of 1000 are no reason for infinity: log_softmax.")

# %% exercise="gaussian_logprob" points=2 minutes=8 difficulty=1 lecture="L15.16" forbids="torch.distributions.Normal torch.distributions.MultivariateNormal torch.distributions.LowRankMultivariateNormal torch.distributions.LogNormal torch.distributions.HalfNormal torch.distributions.Independent torch.nn.functional.gaussian_nll_loss torch.nn.GaussianNLLLoss"
from course_lib.policy_gradients import gaussian_logprob

# %% [markdown] hints="gaussian_logprob"
# The squared distance in units of sigma, and the constant that makes the density integrate to 1: it contains sigma, too.
#
# $-\frac{(a-\mu)^2}{2\sigma^2} - \log\sigma - \frac12\log 2\pi$, summed over the components.
#
# `log_std.exp()` is sigma; `sum(-1)`.

# %% check="gaussian_logprob"
with check("gaussian_logprob"):
    draw = torch.Generator().manual_seed(4)
    mean = torch.randn(4, 3, 2, generator=draw, requires_grad=True)
    log_std = torch.tensor([-1.0, 0.5], requires_grad=True)
    acts = torch.randn(4, 3, 2, generator=draw)
    found = gaussian_logprob(mean, log_std, acts)
    expect_shape(found, (4, 3), "Sum over the components of an action, over nothing else.")
    sigma = log_std.detach().exp()
    density = torch.exp(-((acts - mean.detach()) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    expect_close(
        found.detach().exp(),
        density.prod(-1),
        "log_std is log SIGMA; -log sigma and -log(2 pi)/2 belong to it.",
        rtol=1e-4,
    )
    found.sum().backward()
    expect_close(
        mean.grad, (acts - mean.detach()) / sigma**2, "The gradient in the mean: (a - mean) / sigma^2.", rtol=1e-4
    )
    slope = (((acts - mean.detach()) / sigma) ** 2 - 1).sum((0, 1))
    expect_close(log_std.grad, slope, "The gradient in log sigma: sigma wants to learn, too.", rtol=1e-3, atol=1e-4)

# %% [markdown]
# ## 8. The whole algorithm
#
# A Gymnasium environment is a world behind two calls: `reset()` and `step(action)`. `terminated` says that the world is
# over (the pole fell), `truncated` that time was up. `collect_episodes` runs one whole episode in each of N environments at once
# and pads them: `observations` (T, N, 4), `actions`, `rewards`, `mask` (T, N). Rewards after the end are zero.
#
# One baseline for all times would be poor here: at the beginning hundreds of steps lie ahead, at the end few. The mean of the
# others **at the same time** is better. An episode that is over counts in it, with 0: its pole fell.

# %% exercise="train_reinforce" points=6 minutes=25 difficulty=4 lecture="L15.05 L15.08 L15.09 L15.10" seconds=60
from course_lib.policy_gradients import train_reinforce

# %% [markdown] hints="train_reinforce"
# The three steps of the box, in a loop: run the policy, weigh, step. Everything you need has been written: the pieces of
# parts 5 and 6, and `policy.log_prob`.
#
# $w = \hat Q - b$ with $b_{t,i}$ from `leave_one_out(q)`; over the mask, $w \leftarrow w / \operatorname{std}(w)$; loss
# $= -\frac1N\sum_{\text{mask}} \log\pi\cdot w$.
#
# One `Adam` before the loop. Inside: `collect_episodes` with a small function of the observations that calls `sample`; an
# index with the mask makes a flat list of steps; `zero_grad`, `backward`, `step`; append the mean of `returns` as a float.

# %% check="train_reinforce"
with check("train_reinforce"):
    small = ("S..", "..G")  # moves slip, and every one costs 1

    def trained(settings, seed=0):
        env = vector_env("course/Grid-v0", 5, max_episode_steps=18, rows=small)
        env.reset(seed=seed)
        policy = table_policy(env.unwrapped.tables.observations, env.unwrapped.tables.actions)
        batches = []

        class Recorded:
            num_envs, metadata = env.num_envs, env.metadata

            def reset(self, **options):
                batches.append(0)
                return env.reset(**options)

            def step(self, actions):
                batches[-1] += 1
                return env.step(actions)

        history = train_reinforce(Recorded(), policy, settings, torch.Generator().manual_seed(seed))
        return policy.network.theta.detach().clone(), history, batches

    once = ReinforceSettings(updates=1, learning_rate=0.1, discount=0.5)
    env = vector_env("course/Grid-v0", 5, max_episode_steps=18, rows=small)
    env.reset(seed=0)
    policy, draw = table_policy(6, 4), torch.Generator().manual_seed(0)
    batch = collect_episodes(env, lambda seen: policy.sample(seen, draw))
    gradient = torch.zeros(6, 4)
    q = batch.rewards.clone()
    for t in reversed(range(len(q) - 1)):
        q[t] += 0.5 * q[t + 1]
    for t in range(len(q)):
        for i in range(5):
            if batch.mask[t, i]:
                others = (q[t].sum() - q[t, i]) / 4
                one_hot = F.one_hot(batch.actions[t, i], 4)
                gradient[batch.observations[t, i]] += (q[t, i] - others) * (one_hot - 0.25)
    found, history, batches = trained(once)
    expect_true(len(history) == 1 and isinstance(history[0], float), "A list with one float for each update.")
    expect_close(
        history[0], batch.returns.mean(), "The mean return of the batch: the sum of its rewards, not discounted."
    )
    clear = gradient.abs() > 1e-4
    wrong = int(((found.sign() != gradient.sign()) & clear).sum())
    expect_true(
        not wrong, f"Adam's first step has the sign of the gradient: {wrong} entries of theta moved the wrong way."
    )
    expect_close(
        found[clear].abs(),
        torch.full_like(found[clear], 0.1),
        "One step of Adam with settings.learning_rate.",
        rtol=1e-2,
    )
    found, history, batches = trained(ReinforceSettings(updates=40, learning_rate=0.1, discount=0.9))
    expect_true(
        len(batches) == 40, f"One batch for each update: {len(batches)} for 40. Old data come from an old policy."
    )
    expect_true(
        sum(history[-5:]) > sum(history[:5]) + 5, "The returns do not rise: look at the sign and at the weights."
    )
    policy, draw = table_policy(6, 4), torch.Generator().manual_seed(3)
    env = vector_env("course/Grid-v0", 5, max_episode_steps=18, rows=small)
    env.reset(seed=3)
    by_hand = torch.optim.Adam(policy.parameters(), lr=0.05)
    for _ in range(3):
        batch = collect_episodes(env, lambda seen: policy.sample(seen, draw))
        q = batch.rewards.clone()
        for t in reversed(range(len(q) - 1)):
            q[t] += 0.5 * q[t + 1]
        weights = torch.where(batch.mask, q - (q.sum(1, keepdim=True) - q) / 4, torch.zeros(()))
        for _ in range(2):
            by_hand.zero_grad()
            logs = policy.log_prob(batch.observations.long(), batch.actions)
            (-(logs * weights / weights[batch.mask].std().clamp_min(1e-6)).sum() / 5).backward()
            by_hand.step()
    found, _, _ = trained(ReinforceSettings(updates=3, reuse=2, learning_rate=0.05, discount=0.5), seed=3)
    expect_close(
        found,
        policy.network.theta.detach(),
        "Three updates with reuse=2: the weights stay, log_prob is new.",
        atol=2e-3,
    )
    calls, policy, draw = [], table_policy(6, 4), torch.Generator().manual_seed(0)
    env = vector_env("course/Grid-v0", 5, max_episode_steps=18, rows=small)
    env.reset(seed=0)

    def on_update(update, value):
        calls.append((update, policy.network.theta.detach().clone()))

    train_reinforce(env, policy, ReinforceSettings(updates=2), draw, on_update)
    expect_true([call[0] for call in calls] == [0, 1], "on_update(update, mean_return) once an update, from 0 on.")
    expect_close(calls[-1][1], policy.network.theta.detach(), "on_update is called AFTER the steps of its update.")

# %% [markdown]
# ### The experiment: balancing a pole
#
# CartPole-v1: a pole on a cart, pushed left or right at each step; every step pays 1, and after 500 steps time is up. A
# network with 32 hidden units, 40 batches of 32 episodes.
#
# **What to expect** (ten seeds): a mean return of at least 495 over 100 evaluation episodes for every seed (450 is called
# solved; nine seeds got 500 and one 495), after 440,000 to 530,000 environment steps and 4 to 8 seconds of computing. A batch
# first has a mean of 450 after 57,000 to 151,000 steps. Below 450: compare your weights with
# part 8 once more.

# %% experiment="cartpole"
settings = ReinforceSettings().fast() if FAST else ReinforceSettings()
seeds = 2 if FAST else 3
curves, scores_found = {}, []
for seed in range(seeds):
    draw = torch.Generator().manual_seed(seed)
    policy = cartpole_policy(draw, settings.hidden)
    untrained = cartpole_policy(torch.Generator().manual_seed(seed), settings.hidden)
    env = vector_env(settings.env, settings.episodes)
    env.reset(seed=seed)
    with LiveCurve(f"CartPole, seed {seed}", "batch of 32 episodes", "mean return") as live:
        curves[f"seed {seed}"] = train_reinforce(env, policy, settings, draw, live)
    scores_found.append(evaluate(settings.env, policy.best, episodes=100, seed=1000 + seed).mean().item())
print(f"mean return over 100 episodes: {[round(score) for score in scores_found]}, lowest {min(scores_found):.0f}")

# %%
plots.learning_curves(curves, "REINFORCE on CartPole-v1", "batch of 32 episodes", "mean return")

# %%
# Before and after: the untrained policy above, the trained one below.
figures.cartpole_film({"before": untrained, "after": policy}, steps=40 if FAST else 150)

# %% [markdown]
# ### Continuous actions
#
# Pendulum-v1: a motor too weak to lift the pendulum, which has to be swung up. The action is a torque, and the policy
# Gaussian, with your density. Rewards lie between −16 and 0 for each of 200 steps: chance gets a return of about −1,200,
# experts about −150.
#
# **What to expect** (ten seeds): from about −1,200 to between −802 and −194, −399 in the mean, after 1.9 million steps and
# about 16 seconds of computing. Real progress, and no expert: some starts end upright, others are still swinging when time
# is up. The next lecture does better with fewer steps.

# %% experiment="pendulum"
settings = PENDULUM.fast() if FAST else PENDULUM
draw = torch.Generator().manual_seed(0)
policy = pendulum_policy(draw, settings.hidden)
policy.density = gaussian_logprob
env = vector_env(settings.env, settings.episodes)
env.reset(seed=0)
before = evaluate(settings.env, policy.best, 100, seed=1).mean().item()
with LiveCurve("Pendulum", "batch", "mean return") as live:
    swing = train_reinforce(env, policy, settings, draw, live)
after = evaluate(settings.env, policy.best, 100, seed=1).mean().item()
print(
    f"mean return over 100 episodes: {before:.0f} before, {after:.0f} after; sigma is now {policy.log_std.exp().item():.2f}"
)
plots.learning_curves(
    {"": swing}, "A Gaussian policy on Pendulum-v1", f"batch of {settings.episodes} episodes", "mean return"
)

# %% [markdown]
# ### How noisy is it?
#
# The gradient has high variance: this is not supervised learning. The variance falls as $1/N$, so larger batches help, at a
# price; and tuning learning rates is hard. Adam's steps, scaled by the size of recent gradients, are OK-ish.

# %% widget="variance_by_batch"
# What divides the variance by ten: how many more trajectories, and how many fewer with a baseline?
explore(figures.variance_by_batch)

# %%
# On the chain once more: ten times the trajectories, a tenth of the variance.
theta = torch.zeros(5, 2, dtype=torch.float64)


def estimate(size, draw):
    _, seen, actions, rewards = sample_trajectories(MDP.of(walk), theta.softmax(1), size, 12, draw)
    return weighted_gradient(softmax_scores(theta, seen, actions), reward_to_go(rewards))


sizes = [5, 50] if FAST else [5, 50, 500]
found = gradient_variance(estimate, sizes, 20 if FAST else 200, generator)
print({size: f"{value:.4f}" for size, value in zip(sizes, found.tolist(), strict=True)})

# %% [markdown]
# ## 9. Break it: skip step 1
#
# Running the policy is the expensive part, on a robot above all. Step 1 of REINFORCE is "sample from $\pi_\theta$", and
# each batch is used for a single step that changes a network only a little. Why not take ten steps on each batch?

# %% [markdown] predict="stale"
# With 20 steps on each batch of CartPole episodes, will the returns rise faster for each batch, more slowly, or fall?
# ---
# Faster at first, then anything. Five seeds: the second batch earned 62 to 132 with 20 steps and 32 to 39 with one, and two
# seeds had a batch of 500 by the third. None kept it: returns rose and fell, one seed stayed near 12 for ten batches, and
# batch 30 earned 42 to 197, where one step a batch earned 500 for every seed. The policy runs away from its data: what had
# a positive weight gets ever more probable, and nobody checks whether it still is any good in the states that the new policy
# visits. The gradient is that of an old policy's objective. *Can't just skip this.*

# %% experiment="stale"
stale = {}
for reuse in (1, 20):
    settings = replace(ReinforceSettings(), updates=3 if FAST else 30, reuse=reuse)
    for seed in range(1 if FAST else 2):
        draw = torch.Generator().manual_seed(seed)
        env = vector_env(settings.env, settings.episodes)
        env.reset(seed=seed)
        label = f"{reuse} step{'s' if reuse > 1 else ''} a batch, seed {seed}"
        stale[label] = train_reinforce(env, cartpole_policy(draw), settings, draw)
plots.learning_curves(stale, "Fresh and stale data on CartPole", "batch", "mean return")

# %% [markdown]
# ## 10. Learning from other people's data
#
# What if we have no samples from $\pi_\theta$, only from some $\bar\pi$? *Importance sampling*:
#
# $$E_{x\sim p}[f(x)] = \int q(x)\,\frac{p(x)}{q(x)}\,f(x)\,dx = E_{x\sim q}\Bigl[\frac{p(x)}{q(x)}f(x)\Bigr].$$
#
# Exact for every $q$ that is positive wherever $p f$ is not zero; but if a few weights are huge, a few samples decide
# everything. The *effective sample size* $(\sum w)^2/\sum w^2$ tells.

# %% widget="two_densities"
# Move q away from p. How many of the 200 samples still count?
explore(figures.two_densities)

# %% exercise="importance_estimate" points=3 minutes=12 difficulty=3 lecture="L15.11"
from course_lib.policy_gradients import importance_estimate

# %% [markdown] hints="importance_estimate"
# Densities of -5000 in logarithms are 0 as floats, and so is their quotient's denominator: subtract first.
#
# $w_i = e^{\log p_i - \log q_i}$; estimate $\frac1N\sum w_i f_i$; size $= e^{\,2\,\mathrm{lse}(\log w) - \mathrm{lse}(2\log w)}$
# with $\mathrm{lse}$ the log of a sum of exponentials.
#
# `torch.isneginf(log_q).any()` for the guard; `logsumexp(0)` twice.

# %% check="importance_estimate"
with check("importance_estimate"):
    p, q = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.4, 0.1, 0.5])
    f = torch.tensor([1.0, 2.0, 4.0])
    value, size = importance_estimate(f, p.log(), q.log())
    w = p / q
    expect_close(
        value, (w * f).sum() / 3, "The weight is p / q, and the mean divides by N, not by the sum of the weights."
    )
    expect_close(size, w.sum() ** 2 / (w**2).sum(), "Effective sample size: (sum w)^2 / sum w^2.", rtol=1e-4)
    shift = torch.tensor(-5000.0, dtype=torch.float64)
    value, size = importance_estimate(f.double(), p.double().log() + shift, q.double().log() + shift)
    expect_close(value, (w * f).sum() / 3, "Subtract logarithms before you exponentiate: exp(-5000) is 0.", rtol=1e-4)
    _, size = importance_estimate(f, torch.full((3,), 500.0), torch.zeros(3))
    expect_close(size, 3.0, "Equal weights, however large: all three samples count. Stay with logarithms.", rtol=1e-3)
    value, size = importance_estimate(f, torch.tensor([-torch.inf, 0.0, 0.0]), torch.zeros(3))
    expect_close(value, 2.0, "p may be 0: that sample has weight 0.")
    expect_close(size, 2.0, "Two of three samples count.", rtol=1e-4)
    try:
        importance_estimate(f, torch.zeros(3), torch.tensor([0.0, -torch.inf, 0.0]))
    except ValueError:
        pass
    else:
        raise AssertionError("A sample with q = 0 cannot have been drawn: raise ValueError.")

# %% [markdown]
# For trajectories, first states and dynamics cancel, known or not:
#
# $$\frac{\pi_{\theta'}(\tau)}{\pi_\theta(\tau)} = \prod_{t=1}^T\frac{\pi_{\theta'}(a_t\mid s_t)}{\pi_\theta(a_t\mid s_t)},\qquad
#   \nabla_{\theta'}J(\theta') = E_{\tau\sim\pi_\theta}\Bigl[\frac{\pi_{\theta'}(\tau)}{\pi_\theta(\tau)}\,
#   \nabla_{\theta'}\log\pi_{\theta'}(\tau)\,r(\tau)\Bigr].$$
#
# At $\theta' = \theta$ that is the policy gradient again. But it is a product of $T$ factors.

# %% widget="weights_by_horizon"
# Two policies that differ by a few percent at each step.
# What is left of 1,000 trajectories after 50 steps?
explore(figures.weights_by_horizon)

# %% exercise="off_policy_gradient" points=2 minutes=8 difficulty=2 lecture="L15.12"
from course_lib.policy_gradients import off_policy_gradient

# %% [markdown] hints="off_policy_gradient"
# REINFORCE, with one more factor for each trajectory.
#
# $W_i = \exp\sum_t(\log p_{t,i} - \log q_{t,i})$.
#
# Subtract, sum over time, exponentiate: shape (N,). Then as in `reinforce_gradient`.

# %% check="off_policy_gradient"
with check("off_policy_gradient"):
    draw = torch.Generator().manual_seed(5)
    scores, rewards = torch.randn(3, 4, 4, generator=draw), torch.randn(3, 4, generator=draw)
    log_p, log_q = -torch.rand(3, 4, generator=draw), -torch.rand(3, 4, generator=draw)
    by_hand = torch.zeros(4)
    for i in range(4):
        ratio = math.prod(math.exp(log_p[t, i] - log_q[t, i]) for t in range(3))
        by_hand += ratio * scores[:, i].sum(0) * rewards[:, i].sum() / 4
    found = off_policy_gradient(scores, rewards, log_p, log_q)
    expect_close(found, by_hand, "The PRODUCT over time of new / old, once for each trajectory.", rtol=1e-4, atol=1e-5)
    same = off_policy_gradient(scores, rewards, log_q, log_q)
    expect_close(
        same, (scores.sum(0) * rewards.sum(0)[:, None]).mean(0), "At equal policies: REINFORCE.", rtol=1e-4, atol=1e-5
    )
    long = off_policy_gradient(
        torch.ones(3000, 1, 1), torch.ones(3000, 1) / 3000, torch.full((3000, 1), -1.0), torch.full((3000, 1), -1.0)
    )
    expect_close(long, [3000.0], "3,000 factors: sum logarithms, a product of exp(-1) is 0.", rtol=1e-3)

# %% [markdown]
# What about causality? A reward at $t'$ depends on the actions up to $t'$ only, so later ratios can go:
#
# $$\nabla_{\theta'}J(\theta') = E\Bigl[\sum_t\nabla_{\theta'}\log\pi_{\theta'}(a_t\mid s_t)\sum_{t'\ge t} r_{t'}
#   \prod_{t''=1}^{t'}\frac{\pi_{\theta'}(a_{t''}\mid s_{t''})}{\pi_\theta(a_{t''}\mid s_{t''})}\Bigr].$$
#
# *A correction:* the slide writes it as a product up to $t$, times the rewards with a second product from $t''=t$ to $t'$.
# Then the ratio of time $t$ would be counted twice; the second product begins at $t+1$. If it is ignored altogether, what
# remains is no longer the gradient, but a *policy iteration* (more on that in a later lecture).

# %% exercise="per_step_gradient" points=3 minutes=12 difficulty=3 lecture="L15.13"
from course_lib.policy_gradients import per_step_gradient

# %% [markdown] hints="per_step_gradient"
# Give every reward the weight of its own time, then take rewards to go as before.
#
# $w_{t} = \prod_{t''\le t}p_{t''}/q_{t''}$; with the future: $\sum_{t'\ge t}w_{t'}r_{t'}$; without: $w_t\sum_{t'\ge t}r_{t'}$.
#
# `cumsum(0)` of the log ratios, `exp`; a reversed cumulative sum; weigh the scores, sum over time, mean over trajectories.

# %% check="per_step_gradient"
with check("per_step_gradient"):
    draw = torch.Generator().manual_seed(6)
    scores, rewards = torch.randn(3, 4, 4, generator=draw), torch.randn(3, 4, generator=draw)
    log_p, log_q = -torch.rand(3, 4, generator=draw), -torch.rand(3, 4, generator=draw)
    expected = {True: torch.zeros(4), False: torch.zeros(4)}
    for i in range(4):
        for t in range(3):
            for later in range(t, 3):
                for future in (True, False):
                    upto = later if future else t
                    ratio = math.prod(math.exp(log_p[k, i] - log_q[k, i]) for k in range(upto + 1))
                    expected[future] += scores[t, i] * rewards[later, i] * ratio / 4
    close = {"rtol": 1e-4, "atol": 1e-5}
    found = per_step_gradient(scores, rewards, log_p, log_q)
    expect_close(
        found, expected[True], "A reward at t' is weighted with the ratios of all actions up to t', each once.", **close
    )
    found = per_step_gradient(scores, rewards, log_p, log_q, future=False)
    expect_close(found, expected[False], "future=False: the product ends at the action's own time t.", **close)

# %%
# All of them at a policy that differs from the one that acted: the exact gradient,
# and what 200,000 trajectories say.
old, new = torch.zeros(5, 2, dtype=torch.float64), torch.tensor([[0.0, 0.8]], dtype=torch.float64).expand(5, 2)
_, seen, actions, rewards = sample_trajectories(MDP.of(walk), old.softmax(1), 5_000 if FAST else 200_000, 8, generator)
scores = softmax_scores(new, seen, actions)
log_p, log_q = (table.log_softmax(1)[seen, actions] for table in (new, old))
rows = {
    "exact": environments.exact_gradient(walk, new, 8).flatten(),
    "one weight a trajectory": off_policy_gradient(scores, rewards, log_p, log_q),
    "one weight a step": per_step_gradient(scores, rewards, log_p, log_q),
    "without the future": per_step_gradient(scores, rewards, log_p, log_q, future=False),
    "uncorrected": weighted_gradient(scores, reward_to_go(rewards)),
}
for name, row in rows.items():
    print(f"{name:24}", [f"{value:+.4f}" for value in row[1:8:2].tolist()])

# %% [markdown]
# Exponential in $T$: that is bad. Write the objective over single steps, $(s_{i,t}, a_{i,t})\sim\pi_\theta(s_t, a_t)$. Then the
# weight is $\frac{\pi_{\theta'}(s_t)}{\pi_\theta(s_t)}\cdot\frac{\pi_{\theta'}(a_t\mid s_t)}{\pi_\theta(a_t\mid s_t)}$. *Ignore the
# first part*: wrong, but only by a little while the policies are close. One ratio a step, whatever $T$; very common in practice.

# %% widget="surrogate_bias"
# How wrong is it, and how far may the policy go before it matters?
explore(figures.surrogate_bias)

# %% exercise="surrogate_loss" points=2 minutes=8 difficulty=2 lecture="L15.14"
from course_lib.policy_gradients import surrogate_loss

# %% [markdown] hints="surrogate_loss"
# The derivative of a ratio is the ratio times the score: so this needs no logarithm behind the ratio.
#
# $-\frac1N\sum_i\sum_t e^{\log\pi_{\theta'} - \log\pi_\theta}\,w_{t,i}$.
#
# Detach everything but `log_probs`; `exp` of a difference; sum over time, mean over trajectories, minus.

# %% check="surrogate_loss"
with check("surrogate_loss"):
    new = torch.tensor([[-0.5, -1.0, -0.1], [-0.2, -2.0, -0.3]], requires_grad=True)
    old = torch.tensor([[-1.5, -1.0, -0.6], [-0.7, -0.5, -0.3]], requires_grad=True)
    weights = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], requires_grad=True)
    loss = surrogate_loss(new, old, weights)
    expect_shape(loss, (), "One number.")
    ratio = (new - old).detach().exp()
    by_hand = -(ratio * weights.detach()).sum() / 3
    expect_close(
        loss.detach(),
        by_hand,
        "new / old times the weight; sums over time, the mean over trajectories; a minus.",
        rtol=1e-4,
    )
    loss.backward()
    expect_close(
        new.grad, -ratio * weights.detach() / 3, "The gradient flows through the new policy's probability.", rtol=1e-4
    )
    expect_true(old.grad is None and weights.grad is None, "The old policy and the weights are data: detach them.")

# %% [markdown]
# ## 11. Steps that respect the policy
#
# How far may one step go? A step in $\theta$ of length 1 may change a policy hardly at all, or completely. The *natural
# gradient* measures steps by the KL divergence between old and new policy, $\approx\frac12\Delta^\top F\Delta$ with Fisher's
# matrix $F = E[\nabla\log\pi\,\nabla\log\pi^\top]$, and goes uphill as far as a budget $\delta$ allows:
# $\Delta = \sqrt{2\delta/(g^\top F^{-1}g)}\;F^{-1}g$. TRPO adds the automatic choice of the step; PPO gets a similar effect by clipping.

# %% widget="kl_ball"
# Two parameters; the closed line is where the KL divergence equals delta.
# Compare the two steps near the corners.
explore(figures.kl_ball)

# %% exercise="natural_gradient_step" points=3 minutes=15 difficulty=4 lecture="L15.19"
from course_lib.policy_gradients import natural_gradient_step

# %% [markdown] hints="natural_gradient_step"
# States do not share parameters here, so F falls apart into a small matrix for each state. Each is singular (adding a
# constant to a row changes nothing): use the pseudo-inverse.
#
# $F_s = d_s(\operatorname{diag}\pi_s - \pi_s\pi_s^\top)$, $x_s = F_s^+g_s$, step $\sqrt{2\delta/\sum_s g_s\cdot x_s}$.
#
# `torch.diag_embed`, `torch.linalg.pinv(..., hermitian=True)` for all states at once, `einsum`; and a guard for a slope of 0.

# %% check="natural_gradient_step"
with check("natural_gradient_step"):
    theta = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]], dtype=torch.float64)
    g = torch.tensor([[0.3, -0.2, -0.1], [-0.1, 0.1, 0.0]], dtype=torch.float64)
    weights = torch.tensor([0.7, 0.3], dtype=torch.float64)
    new = natural_gradient_step(theta, g, weights, 1e-6)
    logs, logs_new = theta.log_softmax(1), new.log_softmax(1)
    kl = ((logs.exp() * (logs - logs_new)).sum(1) * weights).sum()
    expect_close(kl, 1e-6, "The KL divergence, weighted with the states, should come out as delta.", rtol=0.02, atol=0)
    expect_true((g * (new - theta)).sum() > 0, "Uphill: along the gradient, not against it.")
    x = g / (weights[:, None] * theta.softmax(1))
    x = x - x.mean(1, keepdim=True)
    moved = (new - theta) - (new - theta).mean(1, keepdim=True)
    expect_close(
        moved / moved.norm(), x / x.norm(), "The direction is F^+ g, with d_s in each F_s.", rtol=1e-4, atol=1e-6
    )
    expect_close(natural_gradient_step(theta, 0 * g, weights, 0.1), theta, "No gradient: no step, and no 0 / 0.")
    unseen = natural_gradient_step(theta, g * torch.tensor([[1.0], [0.0]]), torch.tensor([1.0, 0.0]).double(), 0.01)
    expect_close(unseen[1], theta[1], "A state that is never visited stays as it is.")

# %% [markdown]
# ## 12. Where else
#
# REINFORCE differentiates through **any** operation that is random and not differentiable: discrete latent variables (a later
# lecture), and *hard attention*, where a network decides where to look. Below, a picture has four quarters, each with a sign;
# a cue says which one counts; the network may look at one.

# %% exercise="hard_attention_loss" points=3 minutes=12 difficulty=3 lecture="L15.18"
from course_lib.policy_gradients import hard_attention_loss

# %% [markdown] hints="hard_attention_loss"
# Two losses in one. Naming what was seen is ordinary supervised learning. Choosing where to look is a bandit: its reward is
# whether the name was right.
#
# $\frac1N\sum_i\bigl[\text{cross entropy}_i - (R_i - b)\log\pi(l_i)\bigr]$, $R_i = 1$ if right, else 0.
#
# `argmax` of detached class logits compared with the labels; `gather` for the places; `F.cross_entropy`.

# %% check="hard_attention_loss"
with check("hard_attention_loss"):
    draw = torch.Generator().manual_seed(7)
    places = torch.randn(5, 3, generator=draw, requires_grad=True)
    classes = torch.randn(5, 4, generator=draw, requires_grad=True)
    looked, labels = torch.tensor([0, 2, 1, 1, 0]), classes.detach().argmax(1)
    labels[:2] = (labels[:2] + 1) % 4  # two of five are wrong
    loss = hard_attention_loss(places, looked, classes, labels, baseline=0.25)
    expect_shape(loss, (), "One number.")
    loss.backward()
    rewards = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0])
    expected = -(rewards - 0.25)[:, None] * (F.one_hot(looked, 3) - places.detach().softmax(1)) / 5
    expect_close(places.grad, expected, "-(R - b)(one-hot - p) / N, with R = 1 where the class is RIGHT.", atol=1e-6)
    expected = (classes.detach().softmax(1) - F.one_hot(labels, 4)) / 5
    expect_close(classes.grad, expected, "The classifier learns by cross entropy, and by nothing else.", atol=1e-6)

# %% experiment="glimpses"
draw = torch.Generator().manual_seed(0)
net = GlimpseNet(draw)
sizes = GlimpseSettings().fast() if FAST else GlimpseSettings()
right = train_glimpses(net, hard_attention_loss, sizes, draw)
print(
    f"right: {sum(right[:5]) / 5:.0%} at first, {sum(right[-20:]) / 20:.0%} at the end; looking at random: at most 44 %"
)
figures.glimpse_map(net)

# %% [markdown]
# With four places and four classes, who looks at random sees the right quarter once in four and guesses otherwise: $\frac14 +
# \frac34\cdot\frac14 \approx 44\,\%$ at best. The experiment ends near 94 % (four seeds: 94.2 to 94.5).

# %% [markdown]
# ## 13. In your own words

# %% [markdown] answer="why_on_policy" points=3 minutes=10 lecture="L15.10 L15.12 L15.14"
# **Old data.** (3 points, about 100 words) A friend has stored a million steps of last week's policy and wants to use them
# for REINFORCE. What goes wrong if they are used as they are? What would trajectory importance weights repair, and why may
# that be useless for long episodes? What do people do instead, and what is the price?
# ---
# The estimate would be the gradient of another expectation: trajectories come from the old policy, so $E[\nabla\log\pi\,r]$
# is taken under the wrong distribution and is biased. Weights $\prod_t\pi_{new}/\pi_{old}$ make it unbiased again, but the
# product's variance grows exponentially with $T$: a few trajectories get all the weight. In practice one ratio for each
# step is used (the surrogate), ignoring the ratio of the states. That is biased, and fine only while the policies are close.

# %% [markdown] scheme="why_on_policy"
# * 1 point: expectation under the wrong distribution (biased), not merely "noisy".
# * 1 point: product of ratios, variance exponential in T, or effective sample size near 1.
# * 1 point: per-step ratio, with its price named: bias that is small only near the old policy.

# %% [markdown] answer="baseline_proof" points=3 minutes=12 lecture="L15.09"
# **Baselines.** (3 points) Show in three lines that subtracting a function $b(s)$ of the state does not change the
# expectation of $\nabla_\theta\log\pi_\theta(a\mid s)\,\hat Q$. Which step of your proof fails for a baseline that depends on the
# action? And what does the mean return of the same batch do to the expectation?
# ---
# Given $s$: $E_a[\nabla\log\pi(a\mid s)\,b(s)] = b(s)\sum_a\pi(a\mid s)\nabla\log\pi(a\mid s) = b(s)\nabla\sum_a\pi(a\mid s) =
# b(s)\nabla 1 = 0$. With $b(s,a)$ it cannot be taken out of the sum over $a$. The batch mean contains each trajectory's own
# return with weight $1/N$: the expected gradient is multiplied by $(N-1)/N$.

# %% [markdown] scheme="baseline_proof"
# * 1 point: the identity $\pi\nabla\log\pi = \nabla\pi$ and the gradient of 1.
# * 1 point: $b$ can no longer be taken out of the sum over actions.
# * 1 point: the factor $(N-1)/N$, or "each return is partly subtracted from itself, of order 1/N".

# %% [markdown]
# ## What you built
#
# {{built_table}}
#
# **Where next.** *Actor-critic* (lecture 16) replaces the reward to go by something that varies much less: a learned value
# function. Things to try: CartPole with `episodes=8`; the entropy `policy.entropy` as a bonus; Pendulum with `surrogate_loss` and a
# few steps on each batch.

# %%
show_progress()
