"""Policy gradients: learning to act by trial and error.

Lecture 15 in reading order: `trajectories` (acting in a world, and its probability), `estimators` (the log-derivative
trick, REINFORCE, reward to go, baselines), `importance` (learning from other policies' data), `losses` (the same with
automatic differentiation), `policies`, `training` (the whole algorithm), `glimpses` (hard attention), `natural`
(steps measured by KL).

Conventions of this package
    * Time first: rewards, actions and so on have shape (T, N), one column for each trajectory, padded with zeros.
    * Scores are gradients of log pi(a | o), flat, shape (T, N, K); gradients point uphill, losses are minimised.
    * Sums run over time, means over trajectories: the divisor is N. (The lecture's code divides by N T instead, and
    step 2 of
      its REINFORCE box drops 1/N: factors that a learning rate takes up.)
    * All logarithms are natural; entropies and KL divergences are in nats.

Sources: lecture 15 (reinforcement learning I), L15.01-L15.19; R. Williams, Simple statistical gradient-following
algorithms (1992); J. Baxter, P. Bartlett, Infinite-horizon policy-gradient estimation (2001); J. Peters, S. Schaal,
Reinforcement learning of motor skills with policy gradients (2008); V. Mnih et al., Recurrent models of visual
attention (2014); J. Schulman et al., Trust region policy optimization (2015).
"""

from course_lib.policy_gradients.estimators import (
    gradient_variance,
    leave_one_out,
    likelihood_gradient,
    optimal_baseline,
    reinforce_gradient,
    reward_to_go,
    score_function_gradient,
    state_baseline,
    weighted_gradient,
)
from course_lib.policy_gradients.glimpses import GlimpseNet, GlimpseSettings, glimpse_images, train_glimpses
from course_lib.policy_gradients.importance import (
    importance_estimate,
    off_policy_gradient,
    per_step_gradient,
    surrogate_loss,
)
from course_lib.policy_gradients.losses import gaussian_logprob, hard_attention_loss, pg_loss
from course_lib.policy_gradients.natural import natural_gradient_step, policy_kl
from course_lib.policy_gradients.policies import (
    CategoricalPolicy,
    GaussianPolicy,
    Policy,
    small_network,
    table_policy,
)
from course_lib.policy_gradients.training import (
    PENDULUM,
    ReinforceSettings,
    cartpole_policy,
    pendulum_policy,
    train_reinforce,
)
from course_lib.policy_gradients.trajectories import (
    MDP,
    estimate_return,
    sample_trajectories,
    softmax_scores,
    trajectory_logprob,
)

__all__ = [
    "MDP",
    "PENDULUM",
    "CategoricalPolicy",
    "GaussianPolicy",
    "GlimpseNet",
    "GlimpseSettings",
    "Policy",
    "ReinforceSettings",
    "cartpole_policy",
    "estimate_return",
    "gaussian_logprob",
    "glimpse_images",
    "gradient_variance",
    "hard_attention_loss",
    "importance_estimate",
    "leave_one_out",
    "likelihood_gradient",
    "natural_gradient_step",
    "off_policy_gradient",
    "optimal_baseline",
    "pendulum_policy",
    "per_step_gradient",
    "pg_loss",
    "policy_kl",
    "reinforce_gradient",
    "reward_to_go",
    "sample_trajectories",
    "score_function_gradient",
    "small_network",
    "softmax_scores",
    "state_baseline",
    "surrogate_loss",
    "table_policy",
    "train_glimpses",
    "train_reinforce",
    "trajectory_logprob",
    "weighted_gradient",
]
