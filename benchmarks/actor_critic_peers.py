"""Our actor-critic and REINFORCE beside stable-baselines3's A2C on CartPole-v1: steps a second, and the way to the bar.

    python benchmarks/actor_critic_peers.py            # five seeds of each contender, in turn
    python benchmarks/actor_critic_peers.py --seeds 2

Each run is a process of its own with one thread; contenders take turns, seed by seed, so that a busy machine hinders
all of them alike. The bar is a mean return of 450 over 100 fresh episodes, played with the most probable action by one
and the same function for every contender, each time that another 2,500 environment steps have been made (REINFORCE:
after each batch of episodes). Seconds are those of training: collecting and learning, without evaluations and without
the start of the process. stable-baselines3 is installed into build/bench/stable_baselines3 on first use and shares this
environment's torch, NumPy and Gymnasium. Results go to benchmarks/results/actor_critic_peers.json.

Contenders:

* `actor_critic`: `course_lib.actor_critic`, default settings.
* `reinforce`: `course_lib.policy_gradients`, default settings.
* `sb3_tuned`: A2C with the settings that rl-baselines3-zoo recommends for CartPole-v1 (hyperparams/a2c.yml at commit
  c6c209e: 8 environments, no entropy bonus, everything else default).
* `sb3_defaults`: `A2C("MlpPolicy", "CartPole-v1")`: one environment, 5 steps an update.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results" / "actor_critic_peers.json"
PEER = ROOT / "build" / "bench" / "stable_baselines3"
PACKAGES = ("stable-baselines3==2.9.2", "cloudpickle==3.1.3", "pandas==3.1.1")
ENVIRONMENT, BAR, EPISODES = "CartPole-v1", 450.0, 100
TUNED: dict[str, Any] = {"ent_coef": 0.0}
TUNED_ENVIRONMENTS = 8


@dataclass(frozen=True)
class Settings:
    """Every number of this benchmark."""

    seeds: int = 5
    seeds_of_defaults: int = 2  # of `sb3_defaults`, which takes minutes
    evaluate_every: int = 2_500  # environment steps
    most_steps: int = 150_000  # a run that has not reached the bar by then is given up
    most_steps_of_defaults: int = 30_000


@dataclass
class Run:
    """What one training needed.

    Attributes:
        steps: environment steps until the bar, or until the run was given up.
        reached: whether the bar was reached.
        wall, cpu: seconds of training for these steps.
        means: (environment steps, mean return) of every evaluation.
    """

    contender: str
    seed: int
    steps: int = 0
    reached: bool = False
    wall: float = 0.0
    cpu: float = 0.0
    means: list[tuple[int, float]] = field(default_factory=list)


class Stopwatch:
    """Measures training, pauses for evaluations, and says when the bar is reached."""

    def __init__(self, run: Run, settings: Settings):
        self.run, self.settings = run, settings
        self._next = settings.evaluate_every
        self.resume()

    def resume(self) -> None:
        """Go on measuring."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def pause(self) -> None:
        """Stop measuring."""
        self.run.wall += time.perf_counter() - self._wall
        self.run.cpu += time.process_time() - self._cpu

    def due(self, steps: int) -> bool:
        """Whether it is time for an evaluation."""
        return steps >= min(self._next, self.settings.most_steps)

    def look(self, steps: int, act: Callable[[torch.Tensor], torch.Tensor]) -> bool:
        """Evaluate a policy after so many environment steps; True ends the training. Call it while paused."""
        from course_lib.kit.rollouts import evaluate

        self._next = steps - steps % self.settings.evaluate_every + self.settings.evaluate_every
        seed = 1_000_003 * (self.run.seed + 1) + steps  # fresh starts each time
        mean = evaluate(ENVIRONMENT, act, EPISODES, seed).mean().item()
        self.run.means.append((steps, mean))
        self.run.steps, self.run.reached = steps, mean >= BAR
        return self.run.reached or steps >= self.settings.most_steps


def run_actor_critic(run: Run, settings: Settings) -> None:
    """Our batch actor-critic with its defaults."""
    from course_lib.actor_critic import ActorCriticSettings, batch_actor_critic, train_actor_critic
    from course_lib.policy_gradients.policies import CategoricalPolicy

    def timed(collector: Any, actor: Any, critic: Any, numbers: Any, on_update: Any) -> int:
        watch, best = Stopwatch(run, settings), CategoricalPolicy(actor).best

        def after_update(steps: int, loss: float) -> bool:
            watch.pause()
            over = watch.due(steps) and watch.look(steps, best)
            watch.resume()
            return over

        return batch_actor_critic(collector, actor, critic, numbers, after_update)

    own = replace(ActorCriticSettings(seed=run.seed), total_steps=2 * settings.most_steps, environment=ENVIRONMENT)
    train_actor_critic(own, timed)


def run_reinforce(run: Run, settings: Settings) -> None:
    """Our REINFORCE with reward to go and a leave-one-out baseline, with its defaults."""
    from course_lib.kit.rollouts import vector_env
    from course_lib.policy_gradients.training import ReinforceSettings, cartpole_policy, train_reinforce

    own = ReinforceSettings(env=ENVIRONMENT, updates=settings.most_steps)
    generator = torch.Generator().manual_seed(run.seed)
    policy, env = cartpole_policy(generator, own.hidden), vector_env(ENVIRONMENT, own.episodes)
    env.reset(seed=run.seed)
    steps = 0

    class Over(Exception):
        pass

    def after_update(update: int, mean: float) -> None:
        nonlocal steps
        watch.pause()
        steps += round(mean * own.episodes)  # CartPole pays 1 a step
        if watch.look(steps, policy.best):
            raise Over
        watch.resume()

    watch = Stopwatch(run, settings)
    with contextlib.suppress(Over):
        train_reinforce(env, policy, own, generator, after_update)


def run_peer(run: Run, settings: Settings) -> None:
    """A2C of stable-baselines3, with recommended settings or with its defaults."""
    from stable_baselines3 import A2C
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    class Look(BaseCallback):
        def _on_step(self) -> bool:
            if not watch.due(self.num_timesteps):
                return True
            watch.pause()
            over = watch.look(self.num_timesteps, best)
            watch.resume()
            return not over

    tuned = run.contender == "sb3_tuned"
    env = make_vec_env(ENVIRONMENT, n_envs=TUNED_ENVIRONMENTS if tuned else 1, seed=run.seed)
    model = A2C("MlpPolicy", env, seed=run.seed, device="cpu", verbose=0, **(TUNED if tuned else {}))

    def best(seen: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(model.predict(seen.numpy(), deterministic=True)[0])

    watch = Stopwatch(run, settings)
    model.learn(2 * settings.most_steps, callback=Look())


CONTENDERS = {
    "actor_critic": run_actor_critic,
    "reinforce": run_reinforce,
    "sb3_tuned": run_peer,
    "sb3_defaults": run_peer,
}


def measure(contender: str, seed: int, settings: Settings) -> Run:
    """One training, in this process."""
    torch.set_num_threads(1)
    for kind in (torch.optim.Adam, torch.optim.RMSprop):  # the first step of a process imports torch's compiler
        parameter = torch.zeros(1, requires_grad=True)
        parameter.sum().backward()
        kind([parameter]).step()
    run = Run(contender, seed)
    CONTENDERS[contender](run, settings)
    return run


def install_peer() -> None:
    """Put stable-baselines3 into a folder of its own, without what this environment has already."""
    if (PEER / "stable_baselines3").exists():
        return
    print(f"installing {PACKAGES[0]} into {PEER.relative_to(ROOT)}", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(PEER), *PACKAGES]
    subprocess.run(pip, check=True)


def in_a_process(contender: str, seed: int, settings: Settings) -> Run:
    """One training, in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "COURSE_PROGRESS": "0"}
    if contender.startswith("sb3"):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), str(PEER))))
    command = [
        sys.executable,
        __file__,
        "--run",
        contender,
        "--seed",
        str(seed),
        "--settings",
        json.dumps(asdict(settings)),
    ]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def summary(runs: list[Run]) -> dict[str, Any]:
    """The figures of one contender over its seeds."""
    steps = [run.steps if run.reached else float("inf") for run in runs]
    return {
        "reached": f"{sum(run.reached for run in runs)} of {len(runs)}",
        "steps": statistics.median(steps),
        "steps_all": steps,
        "cpu_to_bar": statistics.median(run.cpu if run.reached else float("inf") for run in runs),
        "wall_to_bar": statistics.median(run.wall if run.reached else float("inf") for run in runs),
        "rate_cpu": statistics.median(run.steps / run.cpu for run in runs),
        "rate_wall": statistics.median(run.steps / run.wall for run in runs),
    }


def show(runs: list[Run]) -> None:
    """Print the table, and the ratios seed by seed."""
    print(
        f"{'contender':<14}{'reached':>10}{'steps':>10}{'CPU s':>8}{'wall s':>8}{'steps/CPU s':>13}{'steps/wall s':>14}"
    )
    for contender in CONTENDERS:
        mine = [run for run in runs if run.contender == contender]
        if mine:
            found = summary(mine)
            print(
                f"{contender:<14}{found['reached']:>10}{found['steps']:>10,.0f}{found['cpu_to_bar']:>8.1f}"
                f"{found['wall_to_bar']:>8.1f}{found['rate_cpu']:>13,.0f}{found['rate_wall']:>14,.0f}"
            )
    for peer in ("sb3_tuned", "sb3_defaults"):
        theirs = {run.seed: run for run in runs if run.contender == peer}
        for contender in ("actor_critic", "reinforce"):
            ratios = [
                (run.steps / run.cpu) / (theirs[run.seed].steps / theirs[run.seed].cpu)
                for run in runs
                if run.contender == contender and run.seed in theirs
            ]
            if ratios:
                print(
                    f"{contender}: {statistics.median(ratios):.1f} times the steps a CPU second of {peer} "
                    f"({min(ratios):.1f} to {max(ratios):.1f} over seeds)"
                )


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=Settings.seeds)
    parser.add_argument("--only", default="", help="contenders, separated by commas")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--settings", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(asdict(measure(options.run, options.seed, Settings(**json.loads(options.settings))))))
        return
    settings = Settings(seeds=options.seeds)
    contenders = [name for name in CONTENDERS if not options.only or name in options.only.split(",")]
    if any(name.startswith("sb3") for name in contenders):
        install_peer()
    runs: list[Run] = []
    for seed in range(settings.seeds):
        for contender in contenders:
            if contender == "sb3_defaults" and seed >= settings.seeds_of_defaults:
                continue
            limited = replace(settings, most_steps=settings.most_steps_of_defaults)
            run = in_a_process(contender, seed, limited if contender == "sb3_defaults" else settings)
            runs.append(run)
            end = "bar reached" if run.reached else f"given up at a mean return of {run.means[-1][1]:.0f}"
            print(
                f"seed {seed}, {contender}: {run.steps:,} steps, {run.cpu:.1f} s CPU, {run.wall:.1f} s, {end}",
                flush=True,
            )
    show(runs)
    content = {
        "machine": {"platform": platform.platform(), "cores": os.cpu_count(), "torch": torch.__version__},
        "load": os.getloadavg(),
        "settings": asdict(settings),
        "runs": [asdict(run) for run in runs],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
