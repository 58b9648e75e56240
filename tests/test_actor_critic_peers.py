"""The comparison with stable-baselines3: our side of it stops at the bar and leaves evaluations out of the clock."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from benchmark_scripts import load_benchmark


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    return load_benchmark("actor_critic_peers")


@pytest.mark.parametrize("contender", ["actor_critic", "reinforce"])
def test_our_contenders_are_measured(peers: ModuleType, contender: str) -> None:
    settings = peers.Settings(evaluate_every=400, most_steps=1_200)
    run = peers.measure(contender, 0, settings)
    assert run.steps >= 1_200 or run.reached
    assert run.means
    assert run.means[-1][0] == run.steps
    assert run.cpu > 0
    assert [steps for steps, _ in run.means] == sorted({steps for steps, _ in run.means})


def test_a_run_ends_at_the_bar_and_evaluations_are_not_timed(
    peers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr(peers.time, "perf_counter", lambda: float(next(clock)))
    means = iter([20.0, 470.0])
    import course_lib.kit.rollouts

    def evaluate(*unused: object) -> torch.Tensor:
        for _ in range(100):
            next(clock)  # an evaluation that takes long
        return torch.tensor([next(means)])

    monkeypatch.setattr(course_lib.kit.rollouts, "evaluate", evaluate)
    run = peers.Run("actor_critic", 0)
    watch = peers.Stopwatch(run, peers.Settings(evaluate_every=10, most_steps=1_000))
    over, steps = False, 0
    while not over:
        steps += 4
        watch.pause()
        over = watch.due(steps) and watch.look(steps, lambda seen: seen)
        watch.resume()
    assert [steps for steps, _ in run.means] == [12, 20]
    assert run.reached
    assert run.wall == 5.0  # one tick a stretch of training


def test_figures_are_medians_over_seeds(peers: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [peers.Run("actor_critic", seed, 1000 * (seed + 1), True, 2.0, 1.0, [(1000, 500.0)]) for seed in range(3)]
    runs += [peers.Run("sb3_tuned", seed, 4000, seed > 0, 4.0, 4.0, [(4000, 500.0)]) for seed in range(3)]
    found = peers.summary(runs[:3])
    assert (found["steps"], found["rate_cpu"], found["rate_wall"]) == (2000, 2000, 1000)
    assert peers.summary(runs[3:])["reached"] == "2 of 3"
    peers.show(runs)
    assert (
        "actor_critic: 2.0 times the steps a CPU second of sb3_tuned (1.0 to 3.0 over seeds)" in capsys.readouterr().out
    )
