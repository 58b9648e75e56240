# %% [markdown]
# # Actor-critic
#
# *Lecture 16, its first half: a policy that is judged by a value function, and a value function that is learned beside it.*
#
# You will build the two halves of an actor-critic algorithm, first exactly, on small worlds where every value can be
# computed, then from samples, and at the end as a program that learns to balance a pole in a few seconds.
#
# ```text
#              actions a                       r, s'
#   actor π ────────────────► environment ───────────────► critic V
#      ▲                                                      │
#      └────────── A = r + γ V(s') − V(s) ────────────────────┘
# ```
#
# | | |
# |---|---|
# | **You need** | the notebook on policy gradients; PyTorch modules and optimisers; expectations |
# | **Your time** | about four hours, in as many sittings as you like |
# | **Computing** | about a minute and a half for everything on two CPU cores; a GPU is not needed |
# | **Data** | none: small worlds of tables, tic-tac-toe, and Gymnasium's pole on a cart |
#
# {{colab_badge}}
#
# {{points_table}}

# %% setup="imports"
import math
import random
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from course_lib.actor_critic import EMPTY, ActorCriticSettings, Board, minimax, next_boards, outcome, to_move
from course_lib.kit.checks import check, expect_close, expect_shape, expect_true, show_progress
from course_lib.kit.devices import seed_everything
from course_lib.kit.rollouts import Collector, vector_env
from course_lib.policy_gradients.policies import CategoricalPolicy, small_network

torch.set_num_threads(1)  # networks this small are done before a second thread has woken up
generator = seed_everything(182)

# %%
import os
from dataclasses import replace

from course_lib.actor_critic import train_actor_critic
from course_lib.figures import actor_critic as figures
from course_lib.figures.policy_gradients import cartpole_film
from course_lib.kit import plots
from course_lib.kit.live import LiveCurve
from course_lib.kit.progress import progress
from course_lib.kit.rollouts import evaluate
from course_lib.kit.widgets import explore
from course_lib.policy_gradients.training import ReinforceSettings, cartpole_policy, train_reinforce

plots.use_style()
FAST = os.environ.get("COURSE_FAST", "0") not in ("", "0")
print(f"torch {torch.__version__}")

# %% [markdown]
# ## 1. What a state is worth
#
# The policy gradient weighs $\nabla_\theta\log\pi_\theta(a_t\mid s_t)$ by the reward to go, one sample of what follows.
# "Can we get a better estimate?" What it is a sample *of* is
#
# $$Q^\pi(s_t,a_t)=\sum_{t'=t}^T E_{\pi_\theta}\bigl[r(s_{t'},a_{t'})\mid s_t,a_t\bigr],\qquad
#   V^\pi(s_t)=E_{a\sim\pi}\bigl[Q^\pi(s_t,a)\bigr],\qquad A^\pi=Q^\pi-V^\pi:$$
#
# the total reward of an action, of a state, and how much better the action is than what the policy does on average. With
# a discount $\gamma$ (part 5) the reward $k$ steps ahead counts $\gamma^k$. In a world with $S$ states and $A$ actions,
# transitions $P$ of shape `(S, A, S)` and rewards $r$ of shape `(S, A)`, all three follow from linear equations,
#
# $$V = r_\pi + \gamma P_\pi V, \qquad Q(s,a) = r(s,a) + \gamma \textstyle\sum_{s'} P(s'\mid s,a)\,V(s').$$
#
# *A correction:* the slide's formula for $Q$ in terms of $V$ is garbled, with a sum over $t'$ round the whole of it. It is
# $Q^\pi(s_t,a_t)=r(s_t,a_t)+E_{s_{t+1}}[V^\pi(s_{t+1})]$.

# %% [markdown] predict="advantage_of_certainty"
# A policy always takes the same action in state $s$. What is $A^\pi(s, a)$ for that action? And can all advantages of a
# state be negative?
# ---
# 0: the action is its own average. And no: under the policy the advantages have mean 0 in every state, so that those that
# are taken cannot all lie below.

# %% widget="grid_values"
# A grid with a goal, a pit and a policy between random and good.
# Where are the advantages large? What does gamma change?
explore(figures.grid_values)

# %% exercise="exact_q_v_a" points=4 minutes=18 difficulty=2 lecture="L16.01"
from course_lib.actor_critic import exact_q_v_a

# %% [markdown] hints="exact_q_v_a"
# Once V is known, Q is one line and A another. V comes from a linear system, or, with a horizon, from going backwards in
# time: with nothing left to come V is 0.
#
# $V = (I - \gamma P_\pi)^{-1} r_\pi$ with $P_\pi(s, s') = \sum_a \pi(a\mid s)P(s'\mid s,a)$ and $r_\pi(s) = \sum_a
# \pi(a\mid s)r(s,a)$. With a horizon: repeat $H$ times $Q \leftarrow r + \gamma P V$, $V \leftarrow \sum_a \pi Q$.
#
# `torch.einsum("sa,sat->st", ...)` and `torch.linalg.solve`; `transitions @ v` has the shape `(S, A)`; a loop of `horizon`
# rounds in the other case.

# %% check="exact_q_v_a"
with check("exact_q_v_a"):
    stay_or_go = torch.tensor(
        [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]
    )  # action 1 leads to state 1, for good
    earned = torch.tensor([[1.0, 0.0], [2.0, 2.0]])
    half = torch.full((2, 2), 0.5)
    q, v, a = exact_q_v_a(stay_or_go, earned, half, gamma=0.5)
    expect_shape(q, (2, 2), "One Q for each state and action.")
    expect_shape(v, (2,), "One V for each state.")
    expect_close(v[1], 4.0, "State 1 earns 2 for ever: V = 2 / (1 - gamma).")
    expect_close(v[0], 2.0, "V = r_pi + gamma P_pi V: 0.5 + 0.5 (V + 4) / 2 in state 0, so that V = 2.")
    expect_close(q[0], [2.0, 2.0], "Q = r + gamma P V: here both actions of state 0 happen to be worth the same.")
    patient = exact_q_v_a(stay_or_go, earned, half, gamma=0.99)[1]
    expect_close(patient[1], 200.0, "2 for ever, gamma = 0.99: hundreds of steps count. Solve for V.", rtol=1e-3)
    expect_close((half * a).sum(1), [0.0, 0.0], "A = Q - V has mean 0 under the policy.", atol=1e-6)
    q, v, _ = exact_q_v_a(stay_or_go, earned, half, horizon=1)
    expect_close(q, earned, "With horizon 1 only the reward of the action itself is to come: Q = r.")
    expect_close(
        exact_q_v_a(stay_or_go, earned, half, horizon=3)[1][1], 6.0, "Horizon 3: three rewards of 2, no discount."
    )
    try:
        exact_q_v_a(stay_or_go, earned, half)
    except ValueError:
        pass
    else:
        raise AssertionError("gamma = 1 without a horizon is an infinite sum: raise ValueError.")

# %% [markdown]
# ### The best baseline is a function of the state
#
# Any baseline that does not depend on the action leaves the gradient unbiased. "Average what?" The average reward to go
# of *this* state, $V^\pi(s_t)$:
#
# $$\nabla_\theta J \approx \frac1N\sum_{i=1}^N\sum_{t=1}^T \nabla_\theta\log\pi_\theta(a_{i,t}\mid s_{i,t})
#   \bigl(\hat Q_{i,t} - V(s_{i,t})\bigr).$$
#
# *A correction:* the slide's average baseline is garbled; it is $b_t=\frac1N\sum_i Q(s_{i,t},a_{i,t})$. And the sum in its
# "reward to go" begins at $t$, not at 1.

# %% widget="baseline_bars"
# The variance of the gradient on a small world, exactly.
# Move all rewards by a constant: which bars care?
explore(figures.baseline_bars)

# %% exercise="advantage_pg" points=2 minutes=8 difficulty=1 lecture="L16.02"
from course_lib.actor_critic import advantage_pg

# %% [markdown] hints="advantage_pg"
# It is the pseudo-loss of the last notebook with another weight. Which of the factors may have a gradient?
#
# $L = -\frac1N\sum_{m=1}^M \log\pi(a_m\mid s_m)\,(Q_m - V_m)$, with the bracket as a number.
#
# `(q - v).detach()`, a product, a sum, a division by `episodes`, a minus.

# %% check="advantage_pg"
with check("advantage_pg"):
    log_probs = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    baseline = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    loss = advantage_pg(log_probs, torch.tensor([3.0, 1.0, 0.0]), baseline, episodes=2)
    loss.backward()
    expect_close(
        log_probs.grad, [-1.0, 0.0, 0.5], "-(Q - V) / N at each log-probability: a sum over steps, N episodes."
    )
    expect_true(baseline.grad is None, "V got a gradient from the actor's loss: detach the advantage.")

# %% [markdown]
# ## 2. Learning V from what happened
#
# "How perform policy evaluation?" Monte Carlo: the reward to go of one trajectory is an unbiased sample of $V^\pi(s_t)$.
# Averaging many from the *same* state is better and needs a simulator that can be reset there. A network that is fitted to
#
# $$\Bigl\{\bigl(s_{i,t},\; y_{i,t}=\textstyle\sum_{t'=t}^{T}r(s_{i,t'},a_{i,t'})\bigr)\Bigr\},\qquad
#   \mathcal L(\phi)=\frac12\sum_i\bigl\lVert\hat V_\phi(s_i)-y_i\bigr\rVert^2$$
#
# averages over *similar* states instead: not as good, but still pretty good. Our loss is the mean instead of the sum, so
# that the learning rate does not depend on how many samples there are.
#
# *A correction:* the slides fit $V$ to undiscounted sums here, and later use its values in an advantage with $\gamma$. The
# two must agree: where the advantage has $\gamma$, the targets have it too, $y_t=\sum_{t'\ge t}\gamma^{t'-t}r_{t'}$.

# %% widget="value_estimates"
# Monte Carlo estimates of V on a chain, with 95 % intervals.
# How many episodes for half the width?
explore(figures.value_estimates)

# %% exercise="mc_targets" points=3 minutes=12 difficulty=2 lecture="L16.03"
from course_lib.actor_critic import mc_targets

# %% [markdown] hints="mc_targets"
# Begin at the end: the target of the last step is its reward. Then each target is a reward and the discounted target of the
# next step, unless the next step belongs to another episode.
#
# $y_t = r_t + \gamma\,(1 - \text{done}_t)\,y_{t+1}$, with $y_T = 0$ after the last row.
#
# A loop over `reversed(range(len(rewards)))` that keeps one running sum of the shape of `rewards[0]`.

# %% check="mc_targets"
with check("mc_targets"):
    rewards = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    done = torch.tensor([False, False, True, False, False])
    found = mc_targets(rewards, done, 0.5)
    expect_shape(found, (5,), "One target for each step.")
    expect_close(found[3:], [16.0, 16.0], "A target begins with the step's own reward, in full.")
    expect_close(found[:3], [3.0, 4.0, 4.0], "An episode ends with its `done` step: nothing comes from the next one.")
    beside = mc_targets(rewards[:, None].repeat(1, 2), torch.stack([done, ~done], 1), 0.5)
    expect_close(beside[:, 0], found, "Each column is an actor of its own; time runs along the first axis.")
    expect_close(mc_targets(rewards, torch.zeros(5, dtype=torch.bool))[0], 31.0, "Without gamma nothing is discounted.")

# %% exercise="fit_value" points=4 minutes=12 difficulty=2 lecture="L16.03"
from course_lib.actor_critic import fit_value

# %% [markdown] hints="fit_value"
# Supervised regression as ever: predict, compare, step. Look at the two shapes before you subtract.
#
# $\mathcal L(\phi) = \frac1{2N}\sum_i (\hat V_\phi(s_i) - y_i)^2$, the same samples at every step.
#
# A loop of `steps` rounds: `critic(observations).squeeze(-1)`, the loss, `zero_grad`, `backward`, `step`; append
# `loss.item()`, computed before the step.

# %% check="fit_value"
with check("fit_value"):
    states = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # one-hot: the critic is a table of two values
    targets = torch.tensor([1.0, 3.0, 7.0], requires_grad=True)
    table = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(table.weight)
    losses = fit_value(table, states, targets, torch.optim.SGD(table.parameters(), lr=1.0), steps=100)
    expect_close(losses[0], 59 / 6, "The first loss is 1/2 the MEAN of the squared errors, before any step.")
    expect_true(len(losses) == 100, f"One loss for each step; found {len(losses)}.")
    message = "A table learns the mean target of each state. Both near 3.7? (N, 1) minus (N,) is (N, N): squeeze."
    expect_close(table.weight[0], [2.0, 7.0], message, rtol=1e-3)
    expect_true(targets.grad is None, "The targets got a gradient: they are data, so detach them.")

# %% [markdown]
# ## 3. One step is enough, if V is known
#
# "Fit what to what: $Q$, $V$ or $A$?" $V$ depends on the state alone, and gives the other two:
# $Q^\pi(s_t,a_t)\approx r(s_t,a_t)+V^\pi(s_{t+1})$, with the state that did come in place of the expectation, and
#
# $$A^\pi(s_t,a_t)\approx r(s_t,a_t)+\gamma V^\pi(s_{t+1})-V^\pi(s_t).$$
#
# "Let's just fit $V$." The same idea improves the *targets* of the regression: directly use the previous fitted value
# function, $y_{i,t}=r(s_{i,t},a_{i,t})+\gamma\hat V_\phi(s_{i,t+1})$, a *bootstrapped* target. It is less variable, since
# one reward and one state are random instead of a whole trajectory; and it is as wrong as $\hat V_\phi$ is.
#
# *A correction:* none of the slides says what happens at the end of an episode. Where the world has **terminated** nothing
# comes after, and $V(s')$ counts as 0: $y = r+\gamma(1-\text{terminated})V(s')$. Where somebody merely stopped the clock
# (**truncated**), the future is only unseen, and $V(s')$ counts.

# %% [markdown] predict="two_ends"
# The pole falls after 37 steps; another time it still stands when Gymnasium stops after 500. Every step pays 1, $\gamma =
# 0.99$, and the critic says $V(s') = 90$ in both cases. What are the two targets of the last step?
# ---
# 1, and $1 + 0.99\cdot 90 = 90.1$. Whoever uses 1 for both teaches the critic that a perfectly balanced pole, 500 steps
# into an episode, is as bad as one that falls. It looks like any other balanced pole, so all of them become bad.

# %% exercise="td_targets" points=3 minutes=8 difficulty=1 lecture="L16.05 L16.08"
from course_lib.actor_critic import td_targets

# %% [markdown] hints="td_targets"
# Which number may follow a step at which the world ended? And may a target have a gradient?
#
# $y = r + \gamma V(s')$ where the world goes on, $y = r$ where it ended.
#
# `torch.where(terminated, 0, next_values)`, which survives a NaN that multiplication by 0 does not; `detach`.

# %% check="td_targets"
with check("td_targets"):
    next_values = torch.tensor([10.0, 10.0, math.nan], requires_grad=True)
    found = td_targets(torch.tensor([1.0, 2.0, 3.0]), next_values, torch.tensor([False, True, True]), 0.9)
    expect_close(found[0], 10.0, "r + gamma V(s'): gamma multiplies the future, not the reward.")
    expect_close(found[1], 2.0, "Where the world ended the target is the reward alone.")
    expect_close(found[2], 3.0, "NaN times 0 is NaN: choose with torch.where.")
    expect_true(not found.requires_grad, "A target is data: detach it.")

# %% widget="td_errors"
# One walk on the chain, and the advantage of each of its steps. What makes a bar negative?
explore(figures.td_errors)

# %% exercise="td_advantage" points=3 minutes=8 difficulty=1 lecture="L16.04 L16.08"
from course_lib.actor_critic import td_advantage

# %% [markdown] hints="td_advantage"
# What came, minus what was expected.
#
# $\delta = r + \gamma(1-\text{terminated})V(s') - V(s)$.
#
# You have the first two terms already: `td_targets`.

# %% check="td_advantage"
with check("td_advantage"):
    r, v, v_next = torch.tensor([1.0, 1.0]), torch.tensor([4.0, 4.0], requires_grad=True), torch.tensor([10.0, 10.0])
    found = td_advantage(r, v, v_next, torch.tensor([False, True]), 0.5)
    expect_close(found[0], 2.0, "r + gamma V(s') - V(s) = 1 + 5 - 4: V(s') is added, V(s) subtracted.")
    expect_close(found[1], -3.0, "Where the world ended: r - V(s).")
    expect_true(not found.requires_grad, "The actor's gradient must not flow into V: detach.")

# %% widget="mc_and_td"
# The error of both estimates of V on the chain, against the number of episodes.
# Which one is better at first?
explore(figures.mc_and_td)

# %% quiz="targets_facts" points=2 minutes=6 lecture="L16.04 L16.05 L16.08"
# Which target is unbiased for any critic: "monte carlo" or "bootstrapped"?
unbiased_target = "monte carlo"
# Which of the two has the smaller variance, as a rule?
steadier_target = "bootstrapped"
# A step pays 2 and is truncated, V(s') = 5, gamma = 0.9. The bootstrapped target is ...
truncated_target = 6.5
# The same step, but terminated:
terminated_target = 2.0

# %% [markdown]
# ### A value function that plays
#
# TD-Gammon (1992) learned backgammon by playing against itself. The reward is the outcome, and $\hat V_\phi(s)$ the expected
# outcome of a board. AlphaGo has a network of the same kind. Nine cells and a table are enough to see the idea: after each
# chosen move the earlier board's value moves towards that of the board that followed.

# %% exercise="TDGammonLite" points=5 minutes=20 difficulty=2 lecture="L16.06"
from course_lib.actor_critic import TDGammonLite

# %% [markdown] hints="TDGammonLite"
# All values are those of the crosses, whoever is to move. So the two sides differ in one place only: what they look for.
#
# $V(s) \leftarrow V(s) + \alpha\,(V(s') - V(s))$; for a board where the game is over, $V$ is the outcome itself.
#
# `self.table.get(board, 0.0)`; `max` of `next_boards(board)` with a key that has the sign `to_move(board)`; one
# assignment into `self.table[board]`.

# %% check="TDGammonLite"
with check("TDGammonLite"):
    player = TDGammonLite(rate=0.5)
    one_move = (1, 1, 0, -1, -1, 0, 0, 0, 0)
    won = (1, 1, 1, -1, -1, 0, 0, 0, 0)
    expect_close(player.value(won), 1.0, "Where the game is over the value is the outcome.")
    expect_close(player.value((1, -1, 1, 1, -1, -1, -1, 1, 1)), 0.0, "A draw is worth 0.")
    expect_close(player.value(EMPTY), 0.0, "A board that was never seen has the value 0.")
    expect_true(player.choose(one_move) == won, "Crosses complete their row: the largest value.")
    other = (1, 1, 0, -1, -1, 0, 1, 0, 0)
    expect_true(outcome(player.choose(other)) == -1, "Circles complete theirs: the SMALLEST value.")
    player.learn(one_move, won)
    expect_close(player.value(one_move), 0.5, "Half of the way from 0 to the outcome 1.")
    player.learn((1, 0, 0, -1, -1, 0, 1, 0, 0), one_move)
    expect_true(won not in player.table, "Boards where the game is over do not enter the table.")
    player = TDGammonLite(rate=0.5)
    start = (1, -1, 0, 0, 1, 0, 0, 0, -1)
    player.play(1000, 0.5, random.Random(0), start)
    expect_close(player.value(start), 1.0, "From here crosses win by force; self-play should find it.", atol=0.1)

# %% experiment="self_play"
player = TDGammonLite(rate=0.5)
source = random.Random(0)
rounds = 4 if FAST else 40
for _ in progress(range(rounds), "self-play", unit="500 games"):
    player.play(500, 0.5, source)
firsts = next_boards(EMPTY)
errors = [abs(player.value(board) - minimax(board)) for board in firsts]
print(f"{500 * rounds} games, {len(player.table)} boards; first moves are off by {sum(errors) / 9:.2f} on average")

# %% widget="board_values"
# What the learned table says about each move, beside the truth.
# Try a position in which somebody can win.
explore(partial(figures.board_values, player.value))

# %% [markdown]
# ## 4. The algorithm
#
# Batch actor-critic:
#
# 1. sample $\{s_i, a_i\}$ from $\pi_\theta(a\mid s)$;
# 2. fit $\hat V_\phi(s)$ to sampled reward sums;
# 3. evaluate $\hat A(s_i,a_i) = r(s_i,a_i)+\gamma\hat V_\phi(s'_i)-\hat V_\phi(s_i)$;
# 4. $\nabla_\theta J \approx \sum_i \nabla_\theta\log\pi_\theta(a_i\mid s_i)\,\hat A(s_i,a_i)$;
# 5. $\theta \leftarrow \theta + \alpha\nabla_\theta J$.
#
# Between the one-step advantage (steady, wrong as far as $\hat V$ is) and the reward to go minus $V$ (unbiased, wild) lie the
# $n$-step ones; `n_step_targets` has them. The *generalised advantage estimate* takes all, with weights
# $(1-\lambda)\lambda^{n-1}$, and what comes out is as short as one of them:
#
# $$\hat A_t = \sum_{k\ge 0} (\gamma\lambda)^k\,\delta_{t+k}, \qquad \delta_t = r_t+\gamma V(s_{t+1})-V(s_t).$$
#
# The sum ends with the episode. At a truncation $\delta_t$ has its $V(s_{t+1})$, and the sum still ends: the next row belongs to
# another episode.

# %% widget="gae_weights"
# How much each later TD error counts, with an end at step 12.
# What do lambda = 0 and lambda = 1 mean?
explore(figures.gae_weights)

# %% exercise="gae" points=4 minutes=15 difficulty=3 lecture="L16.04 L16.07"
from course_lib.actor_critic import gae

# %% [markdown] hints="gae"
# First all $\delta_t$, then their sums from the back, as in `mc_targets`. Two flags, two places: one belongs into
# $\delta$, the other into the sum.
#
# $\hat A_t = \delta_t + \gamma\lambda\,(1-\text{done}_t)\,\hat A_{t+1}$.
#
# `td_advantage` for the $\delta_t$; a loop from the last row to the first with one running tensor of the shape of a row.

# %% check="gae"
with check("gae"):
    no = torch.zeros(3, dtype=torch.bool)
    r, v, v_next = torch.tensor([1.0, 2.0, 4.0]), torch.zeros(3), torch.zeros(3)
    expect_close(
        gae(r, v, v_next, no, no, 0.5, 1.0), [3.0, 4.0, 4.0], "With V = 0 and lam = 1: discounted rewards to go."
    )
    expect_close(gae(r, v, v_next, no, no, 0.5, 0.5), [1.75, 3.0, 4.0], "Each step further counts gamma times lam.")
    expect_close(gae(r, v + 1, v_next + 2, no, no, 0.5, 0.0), r, "lam = 0 is the one-step advantage.")
    second = torch.tensor([False, True, False])
    ended = gae(r, v, v_next + 10, second, second, 0.5, 0.5)
    expect_close(ended[1], 2.0, "The world ended after step 1: nothing comes after its reward.")
    cut = gae(r, v, v_next + 10, no, second, 0.5, 0.5)
    expect_close(cut[1], 7.0, "Truncated: V(s') still counts, and nothing from the next episode.")
    learned = [x.clone().requires_grad_() for x in (v, v_next)]
    expect_true(not gae(r, *learned, no, no, 0.5, 0.5).requires_grad, "The advantages weigh a gradient: detach them.")

# %% [markdown]
# ### Actors beside each other
#
# A `Collector` steps many copies of an environment with one call and cuts what they do into segments, tensors `(T, B, ...)`:
# rows of time, columns of actors, who walk on from one segment to the next. One thing to know about Gymnasium 1: the step
# *after* the end of an episode resets that copy. It ignores the action and pays 0. In such rows nobody acted, and
# `segment.valid` is False there.

# %% [markdown] predict="reset_rows"
# What goes wrong if those rows are learned from?
# ---
# The critic learns that the last state of an episode pays 0 and leads to a first state, so that its value is $\gamma V(s_0)$,
# and the actor gets weights for actions that did nothing. With short episodes this is a large share of the batch.

# %% exercise="batch_actor_critic" points=8 minutes=35 difficulty=3 lecture="L16.07" seconds=60
from course_lib.actor_critic import batch_actor_critic

# %% [markdown] hints="batch_actor_critic"
# You have all the parts: `collector.segment`, `gae`, `fit_value`, and a loss for the actor. Write the four steps of the
# docstring one after the other, and the loop round them.
#
# $y = \hat A + V(s)$ for the critic; for the actor $-\frac1M\sum_m \log\pi(a_m\mid s_m)\,\frac{\hat A_m -
# \text{mean}}{\text{std} + 10^{-8}}$ over the $M$ valid rows.
#
# `with torch.no_grad():` for both calls of the critic, each with `.squeeze(-1)`; `x[segment.valid]` flattens `(T, B)` to
# `(M,)`; `nn.utils.clip_grad_norm_` between `backward` and `step`; `segment.steps` counts the valid rows; a new segment
# in every round.

# %% check="batch_actor_critic"
with check("batch_actor_critic"):

    def tables(world, updates, **numbers):
        """Updates of tables that begin with zeros, in a world of few states, where action 0 is taken all the time."""
        actor, critic, seen = nn.Embedding(3, 2), nn.Embedding(3, 1), []
        nn.init.zeros_(actor.weight)
        nn.init.zeros_(critic.weight)
        walkers = Collector(vector_env(world, 8), lambda states: torch.zeros(len(states), dtype=torch.int64), seed=0)
        plan = {"total_steps": 200, "actor_rate": 0.05, "critic_rate": 0.1, "critic_steps": 150, "gamma": 0.8}
        plan = ActorCriticSettings(steps=6, **plan | numbers)

        def enough(steps, loss):
            seen.append(steps)
            return len(seen) == updates

        batch_actor_critic(walkers, actor, critic, plan, enough)
        return critic.weight.detach().flatten(), actor.weight.detach(), seen

    # Two steps, and the second pays 1. The state with number 2 is the end, where nobody acts.
    v, logits, seen = tables("course/ProbeDelay-v0", updates=1, lam=0.5)
    expect_true(bool(seen), "Call on_update(steps, loss) after each update.")
    expect_true(seen[0] == 32, f"Four of six rows are steps here, and two are resets: 32 valid steps, not {seen[0]}.")
    expect_true(len(seen) == 1, "Stop when on_update answers true.")
    expect_close(
        v[:2], [0.4, 1.0], "The first target is gamma lam where V is 0: settings.gamma, settings.lam.", atol=0.02
    )
    expect_close(v[2], 0.0, "The critic has learned from rows that only reset: use the valid ones.")
    message = (
        "The actor takes ONE step in an update, as long as its rate. Shorter? (M, 1) times (M,) is (M, M): squeeze."
    )
    expect_close(logits[1].abs(), [0.05, 0.05], message, atol=1e-3)
    v, *_ = tables("course/ProbeDelay-v0", updates=2, lam=0.5)
    expect_close(v[:2], [0.8, 1.0], "The critic's targets are A + V(s), not A.", atol=0.02)
    # One state, every step pays 1, and after three of them time is up.
    v, *_ = tables("course/ProbeTruncation-v0", updates=2, lam=0.0)
    expect_close(v[0], 1.8, "Truncated is not terminated: all targets are 1, then all are 1 + 0.8 * 1.", atol=0.02)
    # One step that pays 1, after which the world ends, though it looks as before.
    v, *_ = tables("course/ProbeTermination-v0", updates=2, lam=0.0)
    expect_close(v[0], 1.0, "Where the world ended V(s') counts as 0.", atol=0.02)
    # One step: state 0 pays -1, state 1 pays 1.
    _, logits, _ = tables("course/ProbeObservation-v0", updates=6, critic_rate=0.01, critic_steps=1)
    message = (
        "What pays -1 becomes less probable, what pays 1 more: see the sign, and weigh the actions that WERE taken."
    )
    expect_close(logits[:2, 0], [-0.3, 0.3], message, atol=0.05)
    # Here the critic overshoots both rewards in its only step.
    _, logits, _ = tables("course/ProbeObservation-v0", updates=1, critic_rate=3.0, critic_steps=1)
    message = "The advantages are those of the critic as it was: evaluate V BEFORE it is fitted."
    expect_true(bool(logits[0, 0] < 0 < logits[1, 0]), message)

    source = torch.Generator().manual_seed(0)
    actor, critic = small_network(4, (32,), 2, source), small_network(4, (32,), 1, source)
    policy, acted, seen = CategoricalPolicy(actor), [], []

    def act(observations):
        acted.append(len(observations))
        return policy.sample(observations, source)

    walkers = Collector(vector_env("CartPole-v1", 8), act, seed=0)
    small = ActorCriticSettings(steps=16, total_steps=6_000, critic_rate=3e-3, critic_steps=10)
    total = batch_actor_critic(walkers, actor, critic, small, lambda steps, loss: seen.append(steps))
    expect_true(sum(acted) >= total, "Learn from segments of the collector that you are given, and of no other.")
    expect_true(seen == sorted(set(seen)) and total == seen[-1], "Count the valid steps, and return their number.")
    expect_true(6_000 <= total < 6_000 + 128, f"Stop at total_steps: {total} steps were made.")
    segment = walkers.segment(1000)
    length = segment.steps / max(1, int((segment.terminated | segment.truncated).sum()))
    expect_true(length > 40, f"Episodes should be longer than the 22 steps of chance by now; found {length:.0f}.")
    value = critic(torch.zeros(1, 4)).item()
    message = "An upright pole is worth far more than one step. Are the critic's targets A + V(s)?"
    expect_true(value > 5, f"{message} It says {value:.1f}.")

# %% [markdown]
# ## 5. Discounting
#
# "What if $T$ is infinite?" $V$ may be too. The simple trick: rewards are better sooner than later,
# $y\approx r+\gamma\hat V(s')$ with $\gamma\in[0,1]$; 0.99 works well. A reward of 1 for ever is then worth
# $1/(1-\gamma)$, which is also roughly how many steps ahead the agent looks.

# %% exercise="discounted_return" points=2 minutes=6 difficulty=1 lecture="L16.08"
from course_lib.actor_critic import discounted_return

# %% [markdown] hints="discounted_return"
# Start at the last reward, or weigh each by a power.
#
# $G = \sum_{t=0}^{T-1}\gamma^t r_t$, with $\gamma^0 = 1$ also for $\gamma = 0$.
#
# $G \leftarrow r_t + \gamma G$ from the back; begin with zeros of the shape of one row.

# %% check="discounted_return"
with check("discounted_return"):
    expect_close(
        discounted_return(torch.tensor([1.0, 2.0, 4.0]), 0.5), 3.0, "1 + 1 + 1: the FIRST reward counts in full."
    )
    expect_close(discounted_return(torch.tensor([3.0, 5.0]), 0.0), 3.0, "gamma = 0 leaves the first reward.")
    expect_close(discounted_return(torch.ones(2, 3), 0.5), [1.5] * 3, "Time is the first axis; the others stay.")
    expect_close(discounted_return(torch.zeros(0, 2), 0.5), [0.0, 0.0], "No steps, no return: zeros.")

# %% [markdown]
# "$\gamma$ changes the MDP." Imagine that after each step one dies with probability $1-\gamma$, and that the dead earn nothing.
# The expected *plain* sum of rewards in this new world is the discounted one of the old: the reward $k$ steps ahead is earned
# by those who are still alive, and that is $\gamma^k$ of them.

# %% widget="death"
# Lives of a thousand walkers, and what they earn.
# Where does the curve of those alive meet gamma to the power of t?
explore(figures.death)

# %% exercise="death_state" points=3 minutes=10 difficulty=2 lecture="L16.08"
from course_lib.actor_critic import death_state

# %% [markdown] hints="death_state"
# The new table is larger by one state. Fill it block by block.
#
# $\tilde P(s'\mid s,a) = \gamma P(s'\mid s,a)$, $\tilde P(\dagger\mid s,a) = 1-\gamma$, $\tilde P(\dagger\mid\dagger,a) = 1$,
# $\tilde r(\dagger, a) = 0$, and $\tilde r(s,a) = r(s,a)$: one dies after the reward.
#
# `new_zeros(S + 1, A, S + 1)` and three assignments to slices of it.

# %% check="death_state"
with check("death_state"):
    stay_or_go = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    earned, half = torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.full((2, 2), 0.5)
    mortal, pay = death_state(stay_or_go, earned, 0.75)
    expect_shape(mortal, (3, 2, 3), "One more state, the last one, to come from and to go to.")
    expect_close(mortal.sum(2), torch.ones(3, 2), "Every row of probabilities sums to 1.")
    expect_close(mortal[0, 0], [0.75, 0.0, 0.25], "The old probabilities times gamma, and 1 - gamma to the last state.")
    expect_close(mortal[2, :, 2], [1.0, 1.0], "The dead stay dead, whatever they do.")
    expect_close(
        pay, [[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]], "The reward is received before one dies; the dead earn nothing."
    )
    long = exact_q_v_a(mortal, pay, torch.full((3, 2), 0.5), horizon=200)[1]
    expect_close(
        long[:2], exact_q_v_a(stay_or_go, earned, half, 0.75)[1], "Undiscounted here = discounted there.", rtol=1e-4
    )

# %% [markdown]
# ## 6. Learning while acting, and sharing a network
#
# The online algorithm learns from every step: act, get $(s,a,s',r)$; move $\hat V$ towards $r+\gamma\hat V(s')$; follow
# $\nabla_\theta\log\pi_\theta(a\mid s)\,\hat A$. One sample makes a poor gradient, so that $B$ actors take the step together.
#
# *A convention:* the slide updates $\hat V$ first and evaluates $\hat A$ afterwards. We compute $\delta$ once, with the critic
# as it was, and use it for both. Evaluating $\hat A$ with the critic that has just been moved towards this very sample makes
# all advantages smaller. And as everywhere: $(1-\text{terminated})$ before $V(s')$.

# %% exercise="online_ac_step" points=5 minutes=20 difficulty=2 lecture="L16.09"
from course_lib.actor_critic import online_ac_step

# %% [markdown] hints="online_ac_step"
# One number for each actor, $\delta$, serves twice: as the error of the critic and as the weight of the actor.
#
# $\mathcal L_\phi = \frac1{2B}\sum_b (V_\phi(s_b) - y_b)^2$ and $\mathcal L_\theta = -\frac1B\sum_b
# \log\pi_\theta(a_b\mid s_b)\,\delta_b$, with $y$ and $\delta$ as numbers.
#
# `torch.no_grad()` for V(s'); `(targets - values).detach()` before any optimiser steps; then twice `zero_grad`, `backward`,
# `step`. `log_softmax` and `gather` give the log-probabilities of the actions that were taken.

# %% check="online_ac_step"
with check("online_ac_step"):

    def one_step(ended, actor_rate=1.0, critic_rate=1.0):
        actor, critic = nn.Linear(1, 2, bias=False), nn.Linear(1, 1, bias=False)
        nn.init.zeros_(actor.weight)
        nn.init.ones_(critic.weight)
        sgd = [torch.optim.SGD(actor.parameters(), actor_rate), torch.optim.SGD(critic.parameters(), critic_rate)]
        s, r = torch.ones(1, 1), torch.tensor([3.0])
        error = online_ac_step(actor, critic, *sgd, s, torch.tensor([0]), r, 4 * s, torch.tensor([ended]), 0.5)
        return error, actor.weight.detach().flatten(), critic.weight.item()

    error, actor_weight, critic_weight = one_step(ended=False)
    expect_close(error, [4.0], "d = r + gamma V(s') - V(s) = 3 + 0.5 * 4 - 1.")
    expect_close(critic_weight, 5.0, "1 + d * s: no gradient through V(s'), which would give another number.")
    expect_close(actor_weight, [2.0, -2.0], "(1 - pi) d for the action taken: the d of BEFORE the critic's step.")
    error, actor_weight, _ = one_step(ended=True)
    expect_close(error, [2.0], "The world ended: d = r - V(s).")
    expect_close(actor_weight, [1.0, -1.0], "The actor's weight is d as well.")
    # Two actors whose worlds end, twice: d = (2, 0) and then (1, -2).
    actor, critic = nn.Linear(1, 2, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(actor.weight)
    nn.init.ones_(critic.weight)
    sgd = [torch.optim.SGD(network.parameters(), 1.0) for network in (actor, critic)]
    s, ended = torch.tensor([[1.0], [2.0]]), torch.tensor([True, True])
    step = (s, torch.tensor([0, 1]), torch.tensor([3.0, 2.0]), s, ended, 0.5)
    online_ac_step(actor, critic, *sgd, *step)
    expect_close(critic.weight.item(), 2.0, "1 + MEAN of d * s. Found 2.25? (N, 1) minus (N,) is (N, N): squeeze.")
    expect_close(actor.weight.flatten(), [0.5, -0.5], "The MEAN over the actors, for the actor too.")
    online_ac_step(actor, critic, *sgd, *step)
    expect_close(critic.weight.item(), 0.5, "The second step begins with fresh gradients: zero_grad.")

# %% [markdown]
# **Two networks or one?** Two are simple and stable (`SeparateAC`), and share no features. A shared trunk learns what both
# need once, and gets the sum of two gradients, one from returns of size 100 and one from log-probabilities of size 1.

# %% exercise="SharedAC" points=3 minutes=12 difficulty=2 lecture="L16.10"
from course_lib.actor_critic import SharedAC

# %% [markdown] hints="SharedAC"
# Three parts, made in `__init__`. What the trunk computes is computed once.
#
# features $= \tanh(W_2\tanh(W_1 s + b_1) + b_2)$; logits $= W_\pi\,$features$\,+ b_\pi$; value $= w_V^\top$features$\,+ b_V$.
#
# `nn.Sequential` with four entries for the trunk, two `nn.Linear`; in `forward` squeeze the LAST axis of the values only, or
# a batch of one loses its axis.

# %% check="SharedAC"
with check("SharedAC"):
    network = SharedAC(4, 2, hidden=8)
    seen = torch.randn(5, 4)
    logits, values = network(seen)
    expect_shape(logits, (5, 2), "One logit for each action.")
    expect_shape(values, (5,), "One number for each observation: squeeze the last axis.")
    expect_shape(network(torch.randn(1, 4))[1], (1,), "A batch of one keeps its axis.")
    count = sum(parameter.numel() for parameter in network.parameters())
    expect_true(count == 139, f"One trunk and two heads have 139 parameters; found {count}.")
    features = network.trunk(seen)
    expect_close(logits, network.policy_head(features), "The logits are what policy_head makes of trunk's features.")
    expect_close(values, network.value_head(features)[:, 0], "The values are what value_head makes of them.")
    values.sum().backward()
    taught = [p.grad is not None and bool(p.grad.any()) for p in network.trunk.parameters()]
    expect_true(all(taught), "The critic's gradient should reach the trunk.")

# %% exercise="joint_loss" points=4 minutes=12 difficulty=2 lecture="L16.10"
from course_lib.actor_critic import joint_loss

# %% [markdown] hints="joint_loss"
# Three means, added with their weights and signs. Ask of each tensor whether it is learned or data.
#
# $L = -\overline{\log\pi(a\mid s)A} + c_V\,\tfrac12\overline{(V-y)^2} - c_H\,\overline{H}$ with $H = -\sum_a\pi_a\log\pi_a$.
#
# `log_softmax` once, for the actions taken (`gather`) and for the entropy; `detach` twice.

# %% check="joint_loss"
with check("joint_loss"):
    logits, values = torch.zeros(2, 2, requires_grad=True), torch.tensor([1.0, 3.0], requires_grad=True)
    took, gain = torch.tensor([0, 1]), torch.tensor([1.0, -1.0], requires_grad=True)
    wanted = torch.tensor([2.0, 1.0], requires_grad=True)
    loss = joint_loss(logits, values, took, gain, wanted, value_weight=0.5)
    expect_close(loss, 0.625, "0 from the actor (gains cancel), 0.5 * 1/2 * mean(1, 4) from the critic.")
    loss.backward()
    expect_close(values.grad, [-0.25, 0.5], "value_weight * (V - y) / N.")
    expect_close(logits.grad, [[-0.25, 0.25], [-0.25, 0.25]], "(pi - one-hot) A / N at the logits.")
    expect_true(gain.grad is None and wanted.grad is None, "Advantages and targets are data: detach both.")
    undecided = joint_loss(logits, values, took, gain, values, 0.5, entropy_weight=1.0)
    expect_close(undecided, -math.log(2), "Minus the entropy: being undecided makes the loss SMALLER.")
    decided = torch.tensor([[math.log(3), 0.0]], requires_grad=True)  # probabilities 3/4 and 1/4
    joint_loss(decided, values[:1], took[:1], 0 * gain[:1], values[:1], 0.0, entropy_weight=1.0).backward()
    expect_close(decided.grad, [[0.206, -0.206]], "p (log p + H): the entropy teaches, so detach no part.", atol=1e-3)

# %% [markdown] predict="who_is_heard"
# With a shared trunk, the critic's errors are of size 50 at first, the advantages of size 1. Who teaches the trunk?
# ---
# The critic, nearly alone: in the next cell its gradient is some four hundred times as long. With `value_weight` near 0.001
# both are heard; scaling rewards or targets does the same. This is why our experiment has two networks.

# %%
shared = SharedAC(4, 2, hidden=32)
draw = torch.Generator().manual_seed(0)
batch = torch.randn(256, 4, generator=draw)
logits, values = shared(batch)
took, gain = torch.randint(0, 2, (256,), generator=draw), torch.randn(256, generator=draw)
far = torch.full((256,), 50.0)  # returns of a pole that is balanced for a while
for name, parts in {
    "actor": (gain, 0.0),
    "critic, weight 0.5": (0 * gain, 0.5),
    "critic, weight 0.001": (0 * gain, 0.001),
}.items():
    loss = joint_loss(logits, values, took, parts[0], far, value_weight=parts[1])
    slopes = torch.autograd.grad(loss, list(shared.trunk.parameters()), retain_graph=True)
    print(f"{name:>22}: gradient in the trunk has length {sum(s.square().sum() for s in slopes).sqrt():.3f}")

# %% [markdown]
# ## 7. Balancing a pole
#
# CartPole: four numbers tell where cart and pole are and how they move, two actions push left or right, and every step in
# which the pole stands pays 1, up to 500. Twenty-four actors, eight steps each, then one update: four steps for the critic,
# one for the actor.
#
# **What to expect:** over ten seeds the mean return of 100 evaluation episodes reached 450 after 5,100 to 55,100 environment
# steps, 13,800 in the median, in 0.2 to 4 seconds of computing. REINFORCE with its baseline took 14,700 to 122,000 steps,
# 28,200 in the median. (Each of its steps is cheaper: 32 environments at once, and one update for whole episodes.) A run
# that needs all 100,000 steps means that something is wrong: do the checks of `gae` pass? Is the critic's loss falling?


# %% experiment="cartpole"
settings = ActorCriticSettings()
if FAST:
    settings = settings.fast()


def trained(seed):
    """A run of your algorithm, with two curves that grow while you wait."""

    def watch(run):
        returns(run.steps, run.evaluations[-1][2])
        losses(run.steps, run.critic_losses[-1][1])

    with (
        LiveCurve(f"Actor, seed {seed}", "evaluation", "mean return") as returns,
        LiveCurve(f"Critic, seed {seed}", "evaluation", "1/2 mean (V - y)² of a batch") as losses,
    ):
        return train_actor_critic(replace(settings, seed=seed), batch_actor_critic, watch)


runs = [trained(seed) for seed in range(2 if FAST else 5)]
for run in runs:
    reached = run.steps_to(450)
    print(
        f"seed {run.settings.seed}: {run.steps:,} steps in {run.seconds:.1f} s of computing, last evaluation "
        f"{run.evaluations[-1][2]:.0f}, 450 " + (f"after {reached:,} steps" if reached else "not reached")
    )

# %%
figures.learning_bands(
    {"actor-critic": [[(steps, mean) for steps, _, mean in run.evaluations] for run in runs]},
    bar=450,
    losses={"critic": [run.critic_losses for run in runs]},
)

# %%
# Before and after: an untrained actor above, that of seed 0 below.
untrained = CategoricalPolicy(small_network(4, (64, 64), 2, torch.Generator().manual_seed(1)))
cartpole_film({"before": untrained, "after": CategoricalPolicy(runs[0].actor)}, steps=40 if FAST else 150)

# %% [markdown]
# ### Beside REINFORCE
#
# The last notebook's REINFORCE waits for whole episodes, and its baseline knows the time step only. How many steps does it
# spend until it has reached the same bar?


# %% experiment="beside_reinforce"
def reinforce_curve(seed, updates):
    """(environment steps, mean return of 100 evaluation episodes) after each batch of 32 episodes."""
    draw = torch.Generator().manual_seed(seed)
    policy, envs, curve = cartpole_policy(draw), vector_env("CartPole-v1", 32), [(0, 20.0)]
    envs.reset(seed=seed)

    def note(update, mean):
        steps = curve[-1][0] + round(32 * mean)  # every step pays 1
        curve.append((steps, evaluate("CartPole-v1", policy.best, 100, seed=steps).mean().item()))

    train_reinforce(envs, policy, ReinforceSettings(updates=updates), draw, note)
    return curve


curves = {"actor-critic": [[(0, 20.0)] + [(steps, mean) for steps, _, mean in run.evaluations] for run in runs]}
try:
    curves["REINFORCE, 12 batches"] = [reinforce_curve(seed, 2 if FAST else 12) for seed in range(2 if FAST else 5)]
except NotImplementedError:  # the library that came with a class leaves out what its notebooks ask for
    print("REINFORCE is an exercise of the last notebook, and the library of your class has it as a stub.")
figures.learning_bands(curves, bar=450)

# %% [markdown]
# ## 8. Break it
#
# A flag that lies. The same algorithm, and a collector that (a) calls every truncation a termination, or (b) calls every
# termination a truncation, so that the critic looks past the end of the world.

# %% [markdown] predict="two_lies"
# What is the value of an upright pole, $\gamma = 0.99$, if it can be balanced for ever? What will the critic say under (a), and
# what under (b)? Which of the two lies ruins the policy?
# ---
# $1/(1-\gamma) = 100$. Under (a) less: one episode in a while ends at step 500 in the middle of success, and the critic cannot
# tell that moment from others. The ranking of actions survives. Under (b) *everything* becomes worth 100, the fallen pole
# included: each step pays 1, and there is always a next one. A critic that has learned this sees no difference between
# falling and standing, and its advantages are noise. The policy first gets better, while the critic is still learning,
# and then worse.


# %% experiment="break_it"
class LyingCollector:
    """Passes segments on, with a wrong flag."""

    def __init__(self, honest, lie):
        self.honest, self.lie = honest, lie

    @property
    def finished(self):
        return self.honest.finished

    def segment(self, length):
        found = self.honest.segment(length)
        ended = found.terminated | found.truncated
        never = torch.zeros_like(ended)
        if self.lie == "every end is a termination":
            return replace(found, terminated=ended, truncated=never)
        if self.lie == "no end is a termination":
            return replace(found, terminated=never, truncated=ended)
        return found


def deceived(lie, seed):
    """Returns and the value of an upright pole, against environment steps."""
    upright = []

    def algorithm(collector, *rest):
        return batch_actor_critic(LyingCollector(collector, lie), *rest)

    def look(run):
        upright.append((run.steps, run.critic(torch.zeros(1, 4)).item()))

    # Fewer actors and a critic that is fitted more carefully: slower, steadier, and so a clearer picture.
    steady = replace(settings, actors=8, steps=16, critic_rate=3e-3, critic_steps=10, stop_at=None)
    plan = replace(steady, seed=seed, total_steps=4_000 if FAST else 25_000, evaluation_episodes=30)
    run = train_actor_critic(plan, algorithm, look)
    return [(steps, mean) for steps, _, mean in run.evaluations], upright


lies = ("the truth", "every end is a termination", "no end is a termination")
told = {lie: [deceived(lie, seed) for seed in range(1 if FAST else 3)] for lie in lies}
for lie, found in told.items():
    last = ", ".join(f"{curve[-1][1]:.0f}" for curve, _ in found)
    values = ", ".join(f"{upright[-1][1]:.0f}" for _, upright in found)
    print(f"{lie:>27}: last evaluations {last}; value of an upright pole {values}")
figures.learning_bands({lie: [curve for curve, _ in found] for lie, found in told.items()}, title="Three flags")

# %%
figures.learning_bands(
    {lie: [upright for _, upright in found] for lie, found in told.items()},
    ylabel="V of an upright pole",
    title="What the critic believes",
    bar=100,
)

# %% [markdown]
# ## 9. In your own words

# %% [markdown] answer="bias_and_variance" points=4 minutes=12 lecture="L16.02 L16.04 L16.05 L16.07"
# **Between two evils** (4 points, about 120 words)
#
# The actor's weight can be the reward to go minus $V(s)$, or the one-step advantage $r+\gamma V(s')-V(s)$. Say for each
# whether the gradient is biased when $V$ is wrong, and what its variance comes from. Why does subtracting a wrong $V(s)$
# do no harm, while adding a wrong $V(s')$ does? What does $\lambda$ in the generalised advantage estimate do about it?
# ---
# The reward to go is an unbiased sample of $Q^\pi$, and $V(s)$, right or wrong, is a baseline: it does not depend on the
# action, so that $E_a[\nabla\log\pi(a\mid s)V(s)] = 0$. All randomness of the rest of the trajectory is in it, hence the
# variance. The one-step advantage has the randomness of one reward and one state. But $V(s')$ depends on the action
# through $s'$; its error is no baseline and biases the gradient.
#
# $\lambda$ mixes all $n$-step advantages. Near 1 most of the weight lies on long ones (little bias, much variance), near 0 on
# the first (the other way round), so that a critic that is still poor wants a larger $\lambda$.

# %% [markdown] scheme="bias_and_variance"
# * 1 point: reward to go minus V is unbiased for any V; the variance comes from the whole rest of the trajectory.
# * 1 point: the one-step advantage is biased if V is wrong; one reward and one state are random.
# * 1 point: V(s) does not depend on the action, V(s') does (the expectation of the score times a constant is zero).
# * 1 point: lambda interpolates, with the direction right.

# %% [markdown] answer="gamma_and_the_end" points=4 minutes=10 lecture="L16.05 L16.08"
# **Two ways to stop** (4 points, about 100 words)
#
# A robot is trained in episodes of at most 1,000 steps, $\gamma = 0.99$. Some end because it fell, some because time was up.
# Its critic treats both as the end of the world. Which states get wrong values, in which direction, and why can the
# critic not simply learn when the time is up? Then: a colleague proposes $\gamma = 0.5$ so that the mistake matters less.
# What else would that change? Use the death state.
# ---
# States near the time limit get values that are too low: what would have followed is missing. The observation does not
# contain the clock, so the same state is seen early, with a large target, and late, with a small one; the fit lies between
# them, and *every* state that may occur late is valued too low. With a step counter in the observation the critic could
# learn it, and would be right about a different problem, one that ends at step 1,000.
#
# $\gamma = 0.5$ means dying with probability 1/2 after each step, a mean life of two steps. The mistake would indeed reach
# back a few steps only; but the robot would no longer care about falling in ten steps.

# %% [markdown] scheme="gamma_and_the_end"
# * 1 point: too low, since the rewards that would have followed a truncation are missing.
# * 1 point: the clock is not observed, so the error spreads to states seen early as well.
# * 1 point: gamma as the probability of living on; a mean life (or horizon) of 1/(1 - gamma) = 2 steps.
# * 1 point: the policy becomes short-sighted; another problem is solved.

# %% [markdown]
# ## What you built
#
# {{built_table}}
#
# **Where next.** The critic has learned to judge; could one leave out the actor and act on the judgement alone? The best
# action by $A^\pi$ is at least as good as anything the policy does. *Dynamic programming* and *Deep Q-learning* begin there.
#
# Things to try: `lam = 0` and `lam = 1` in the experiment; eight actors, sixteen steps each and ten steps of the critic (fewer
# environment steps, more computing); `SharedAC` and `joint_loss` in place of two networks; `online_ac_step` with 64 actors.

# %%
show_progress()
