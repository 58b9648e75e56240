"""Batch actor-critic, the loop: act, evaluate, improve; and a run of it from a page of settings."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from course_lib.actor_critic.critics import fit_value
from course_lib.actor_critic.estimates import gae
from course_lib.kit.progress import progress
from course_lib.kit.rollouts import Collector, evaluate, vector_env
from course_lib.policy_gradients.policies import CategoricalPolicy, small_network


@dataclass(frozen=True)
class ActorCriticSettings:
    """Every number of a run.

    Attributes:
        environment: a Gymnasium id with discrete actions and its own vectorised form.
        actors: B, copies of the environment.
        steps: T, time steps of each actor for one update.
        total_steps: environment steps after which the run ends in any case.
        actor_rate: learning rate of the actor (Adam).
        critic_rate: learning rate of the critic (Adam).
        critic_steps: how often the critic is fitted to one batch; the actor steps once.
        gamma: discount factor.
        lam: of the generalised advantage estimate.
        largest_norm: the actor's gradient is clipped to this norm.
        hidden: units of each of the two hidden layers of both networks.
        evaluate_every: environment steps between two evaluations.
        evaluation_episodes: of one evaluation, all at once, with the most probable action.
        stop_at: mean return of an evaluation at which the run ends early; None to use all
            steps.
        seed: of networks, actions and environments.
    """

    environment: str = "CartPole-v1"
    actors: int = 24
    steps: int = 8
    total_steps: int = 100_000
    actor_rate: float = 3e-3
    critic_rate: float = 6e-3
    critic_steps: int = 4
    gamma: float = 0.99
    lam: float = 0.95
    largest_norm: float = 0.5
    hidden: int = 64
    evaluate_every: int = 2_500
    evaluation_episodes: int = 100
    stop_at: float | None = 475.0
    seed: int = 0

    def fast(self) -> "ActorCriticSettings":
        """The same in small, to see that everything runs."""
        return replace(self, total_steps=4_000, evaluation_episodes=10, evaluate_every=2_000)


Algorithm = Callable[..., int]


def batch_actor_critic(
    collector: Collector,
    actor: nn.Module,
    critic: nn.Module,
    settings: ActorCriticSettings,
    on_update: Callable[[int, float], bool | None] | None = None,
) -> int:
    """Train an actor and a critic by the batch actor-critic algorithm; both are changed in place.

    Make two Adam optimisers, one for each network, with `settings.actor_rate` and
    `settings.critic_rate`. Then repeat:

    1. collect `collector.segment(settings.steps)`, in which the actor has acted as it is now;
    2. evaluate V(s) and V(s') with the critic as it is, without gradients, and from them the
       advantages A by `gae` with `settings.gamma` and `settings.lam`; the critic's targets are
       A + V(s);
    3. fit the critic to the targets by `fit_value`, `settings.critic_steps` steps;
    4. scale the advantages to mean 0 and standard deviation 1 (with 1e-8 added to the divisor),
       and take ONE step of the actor's optimiser down -mean log pi(a|s) A, its gradient clipped
       to the norm `settings.largest_norm`.

    Steps 3 and 4 use the valid rows of the segment only, mean and deviation of step 4 included.
    Stop when `settings.total_steps` valid steps have been collected (the last segment may exceed
    it), or when `on_update` says so.

    Args:
        collector: environments in which `actor` acts, a `course_lib.kit.rollouts.Collector`. Its
            segments have observations, actions, rewards, next_observations, terminated,
            truncated and valid, all of shape (T, B, ...), and `steps`, the number of valid rows.
        actor: maps observations (N, *obs) to logits (N, actions).
        critic: maps observations (N, *obs) to values (N, 1); leading axes may be (T, B).
        settings: the numbers above. Its other entries are not this function's business.
        on_update: called after each update as on_update(steps, loss), with the valid steps so
            far and the critic's loss on the segment before it was fitted; a true answer ends the
            training.

    Returns:
        How many valid environment steps were collected.

    >>> actor, critic = small_network(4, (8,), 2), small_network(4, (8,), 1)
    >>> collector = Collector(vector_env("CartPole-v1", 2), CategoricalPolicy(actor).sample, seed=0)
    >>> batch_actor_critic(collector, actor, critic, ActorCriticSettings(steps=5, total_steps=10))
    10

    Source: lecture 16, an actor-critic algorithm, with discount. L16.07.
    """
    actor_optimizer = torch.optim.Adam(actor.parameters(), settings.actor_rate, fused=True)
    critic_optimizer = torch.optim.Adam(critic.parameters(), settings.critic_rate, fused=True)
    steps = 0
    while steps < settings.total_steps:
        segment = collector.segment(settings.steps)  # (T, B, ...)
        with torch.no_grad():
            values = critic(segment.observations).squeeze(-1)  # (T, B)
            next_values = critic(segment.next_observations).squeeze(-1)
        done = segment.terminated | segment.truncated
        advantages = gae(segment.rewards, values, next_values, segment.terminated, done, settings.gamma, settings.lam)
        targets = advantages + values

        valid = segment.valid  # selects (M,) out of (T, B)
        observations, actions = segment.observations[valid], segment.actions[valid]
        losses = fit_value(critic, observations, targets[valid], critic_optimizer, settings.critic_steps)

        scaled = advantages[valid]
        scaled = (scaled - scaled.mean()) / (scaled.std() + 1e-8)
        log_policy = torch.log_softmax(actor(observations), dim=-1)
        taken = log_policy.gather(1, actions.unsqueeze(1)).squeeze(1)  # (M,)
        actor_optimizer.zero_grad()
        (-(taken * scaled).mean()).backward()
        nn.utils.clip_grad_norm_(actor.parameters(), settings.largest_norm)
        actor_optimizer.step()

        steps += segment.steps
        if on_update is not None and on_update(steps, losses[0]):
            break
    return steps


@dataclass
class Training:
    """A run and what was measured on the way.

    Attributes:
        actor: the trained actor.
        critic: the trained critic.
        settings: of the run.
        steps: environment steps of the training.
        seconds: CPU seconds of the training alone, without the evaluations.
        episodes: (environment steps, undiscounted return) of every episode that ended in
            training.
        critic_losses: (environment steps, loss) of every update.
        evaluations: (environment steps, CPU seconds of training, mean return) of every
            evaluation.
    """

    actor: nn.Module
    critic: nn.Module
    settings: ActorCriticSettings
    steps: int = 0
    seconds: float = 0.0
    episodes: list[tuple[int, float]] = field(default_factory=list)
    critic_losses: list[tuple[int, float]] = field(default_factory=list)
    evaluations: list[tuple[int, float, float]] = field(default_factory=list)

    def steps_to(self, bar: float) -> int | None:
        """Give the environment steps at the first evaluation that reached a mean return, None
        if none did.
        """
        return next((steps for steps, _, mean in self.evaluations if mean >= bar), None)


def train_actor_critic(
    settings: ActorCriticSettings | None = None,
    algorithm: Algorithm = batch_actor_critic,
    watch: Callable[[Training], None] | None = None,
) -> Training:
    """Make environments and networks, train, and evaluate on the way.

    Args:
        settings: of the run; None for the defaults.
        algorithm: called like `batch_actor_critic`.
        watch: called after each evaluation with the run so far, for a live plot.

    Returns:
        The run. Its `evaluations` are on episodes that were not trained on and are not counted
        as steps.

    >>> plan = ActorCriticSettings(actors=8, total_steps=300, evaluate_every=200, evaluation_episodes=2)
    >>> run = train_actor_critic(plan)
    >>> len(run.evaluations), run.steps >= 300
    (2, True)

    Source: lecture 16, an actor-critic algorithm. L16.07.
    """
    settings = settings or ActorCriticSettings()
    generator = torch.Generator().manual_seed(settings.seed)
    envs: Any = vector_env(settings.environment, settings.actors)
    inputs, actions = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    hidden = (settings.hidden, settings.hidden)
    run = Training(
        small_network(inputs, hidden, actions, generator), small_network(inputs, hidden, 1, generator), settings
    )
    policy = CategoricalPolicy(run.actor)
    collector = Collector(envs, partial(policy.sample, generator=generator), settings.seed)
    started, next_evaluation = time.process_time(), settings.evaluate_every

    def on_update(steps: int, loss: float) -> bool:
        nonlocal started, next_evaluation
        run.seconds += time.process_time() - started
        bar.update(steps - run.steps)
        run.steps = steps
        run.episodes += [(steps, total) for total in collector.finished]
        run.critic_losses.append((steps, loss))
        mean = -float("inf")
        if steps >= min(next_evaluation, settings.total_steps):
            next_evaluation += settings.evaluate_every
            seed = 1_000_003 * (settings.seed + 1) + steps  # not the starts of the training, and new ones each time
            mean = evaluate(settings.environment, policy.best, settings.evaluation_episodes, seed).mean().item()
            run.evaluations.append((steps, run.seconds, mean))
            bar.set_postfix({"return": f"{mean:.0f}", "critic loss": f"{loss:.1f}"})
            if watch is not None:
                watch(run)
        started = time.process_time()
        return settings.stop_at is not None and mean >= settings.stop_at

    # A run that ends when it is good enough has no known length: with one, its bar would turn red where it succeeds.
    length = settings.total_steps if settings.stop_at is None else None
    with progress(total=length, description=f"seed {settings.seed}", unit="step") as bar:
        algorithm(collector, run.actor, run.critic, settings, on_update)
    envs.close()
    return run
