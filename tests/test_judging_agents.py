"""Environments that the judge lends and steps: they behave like Gymnasium's, count, and believe nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import mini_class
import numpy as np
import pytest
import torch
from benchmark_scripts import load_benchmark
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from threats.agents import ATTACKS, HONEST, Attack

from autograder.curriculum import Curriculum, load_curriculum
from autograder.grading import Examiner
from autograder.judge import measurements
from autograder.judge.agents import (
    Lent,
    ScriptedPolicy,
    ScriptedVectorEnv,
    Task,
    familiar,
    greedy,
    lend,
    play,
    read_actions,
    sampled,
)
from autograder.judge.agents.disguise import Disguise, one_cycle
from autograder.judge.problems import GraderFault, Mistake
from autograder.record import ExerciseResult
from autograder.sandbox import environments
from autograder.validation import solved_submission

COURSE = Path(__file__).resolve().parent / "agents_course" / "course.toml"


class InProcess:
    """A student whose worker is this process: what is lent, without the wire."""

    def builtin(self, name: str, *args: Any) -> Any:
        assert name == "lend"
        return environments.lend(*args)


def lent_here(env: Any, budget: int | None = None, **more: Any) -> Lent:
    return lend(InProcess(), env, np.random.default_rng(more.pop("seed", 0)), budget=budget, **more)  # type: ignore[arg-type]


def vector(name: str, count: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> Any:
    return gymnasium.make_vec(name, count, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})


# -- what is lent looks and behaves like the original -------------------------------------------------------------


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "FrozenLake-v1"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_lent_vector_environment_is_the_original_to_the_code_that_steps_it(name: str, mode: AutoresetMode) -> None:
    original, twin = vector(name, 3, mode), vector(name, 3, mode)
    lent = lent_here(original)
    env: Any = lent.env
    assert isinstance(env, gymnasium.vector.VectorEnv)
    assert env.unwrapped is env
    for attribute in ("num_envs", "single_observation_space", "single_action_space", "observation_space"):
        assert getattr(env, attribute) == getattr(original, attribute)
    assert env.metadata["autoreset_mode"] is mode
    seeds: list[int] = []
    make_seed = lent._seed
    lent._seed = lambda asked: seeds.append(make_seed(asked)) or seeds[-1]  # type: ignore[method-assign, func-returns-value]
    observation, _ = env.reset(seed=7)
    expected, _ = twin.reset(seed=seeds[0])
    np.testing.assert_array_equal(observation, expected)
    assert observation.dtype == expected.dtype
    twin.action_space.seed(0)
    for _ in range(250):
        actions = twin.action_space.sample()
        found, wanted = env.step(actions), twin.step(actions)
        for one, other in zip(found[:4], wanted[:4], strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        assert ("final_obs" in found[4]) == ("final_obs" in wanted[4])
        if "final_obs" in wanted[4]:
            for one, other in zip(found[4]["final_obs"], wanted[4]["final_obs"], strict=True):
                assert (one is None) == (other is None)
                assert other is None or np.array_equal(one, other)
    assert lent.steps == 750


def test_gymnasiums_wrappers_see_the_episodes_that_the_judge_sees() -> None:
    lent = lent_here(gymnasium.make_vec("CartPole-v1", 4))
    env: Any = RecordEpisodeStatistics(lent.env)  # type: ignore[arg-type]
    env.reset(seed=0)
    told: list[float] = []
    for number in range(300):
        *_, info = env.step(np.full(4, number % 2))
        if "episode" in info:
            told += info["episode"]["r"][info["_episode"]].tolist()
    assert told == lent.returns.tolist()
    assert len(told) > 10


def test_a_single_environment_is_lent_too() -> None:
    lent = lent_here(gymnasium.make("CartPole-v1"), budget=200)
    env: Any = lent.env
    with pytest.raises(Mistake, match="before reset"):
        env.step(0)
    total, ended = 0.0, False
    observation, info = env.reset()
    assert observation.shape == (4,)
    assert info == {}
    while not ended:
        _, reward, terminated, truncated, _ = env.step(torch.tensor(1))
        total, ended = total + reward, terminated or truncated
    assert lent.returns.tolist() == [total]
    with pytest.raises(Mistake, match="reset"):
        env.step(1)


def test_what_info_tells_beyond_final_observations_has_to_be_asked_for() -> None:
    env: Any = lent_here(vector("FrozenLake-v1", 2)).env
    assert env.reset()[1] == {}
    open_env: Any = lent_here(vector("FrozenLake-v1", 2), infos=["prob"]).env
    assert open_env.reset()[1]["prob"].tolist() == [1.0, 1.0]


# -- budget and seeds -----------------------------------------------------------------------------------------------


def test_the_step_beyond_the_budget_is_refused_and_remembered() -> None:
    lent = lent_here(gymnasium.make_vec("CartPole-v1", 4), budget=10)
    env: Any = lent.env
    env.reset()
    env.step([0, 1, 0, 1])
    env.step([0, 1, 0, 1])
    lent.assert_within_budget()
    for _ in range(3):
        with pytest.raises(Mistake, match="more than 10 environment steps"):
            env.step([0, 1, 0, 1])
    assert (lent.steps, lent.overdrawn) == (8, 3)
    with pytest.raises(Mistake, match="10 environment steps"):
        lent.assert_within_budget()
    lent.assert_used(8)
    with pytest.raises(Mistake, match=r"8 steps .* at least 9"):
        lent.assert_used(9)


def test_resets_are_limited_like_steps() -> None:
    env: Any = lent_here(gymnasium.make_vec("CartPole-v1", 1), budget=10).env
    for _ in range(1_000):
        env.reset()
    with pytest.raises(Mistake, match="reset"):
        env.reset()


def test_no_start_can_be_had_twice_unless_the_test_allows_it() -> None:
    def starts(**more: Any) -> list[np.ndarray]:
        env: Any = lent_here(gymnasium.make_vec("CartPole-v1", 2), **more).env
        return [env.reset(seed=seed)[0] for seed in (5, 5, 6)]

    one, again, other = starts()
    assert not np.array_equal(one, again)
    one, again, other = starts(replayable=True)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, starts(replayable=True, seed=1)[0])
    np.testing.assert_array_equal(one, starts(replayable=True)[0])  # a regrade


# -- actions --------------------------------------------------------------------------------------------------------

DISCRETE, BOX = spaces.Discrete(3, start=1), spaces.Box(-2.0, 2.0, (2,), np.float32)


@pytest.mark.parametrize(
    "given",
    [
        np.array([1, 3]),
        np.array([1, 3], dtype=np.uint8),
        [1, 3],
        (1, 3),
        torch.tensor([1, 3]),
        torch.tensor([1, 3], dtype=torch.int32),
        [np.int16(1), torch.tensor(3)],
    ],
)
def test_discrete_actions_may_come_as_any_whole_numbers(given: Any) -> None:
    assert read_actions(given, DISCRETE, 2).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.array([1.0, 3.0]), "float64"),
        (torch.tensor([1.0, 2.0]), "float32"),
        (np.array([1, 4]), "action 4; actions go from 1 to 3"),
        (np.array([0, 1]), "action 0"),
        (np.array([2**64 - 1, 1], dtype=np.uint64), "does not exist"),
        (np.array([1, 2, 3]), r"shape \(3,\)"),
        (np.array([[1], [2]]), r"shape \(2, 1\)"),
        (np.array(1), r"shape \(\)"),
        (None, "None"),
        ("12", "str"),
        ([1, [2, 3]], "list"),
        ([], "list"),
        ({"a": 1}, "dict"),
        (np.array([1 + 1j, 2]), "complex128"),
    ],
)
def test_other_discrete_actions_are_refused_in_words(given: Any, words: str) -> None:
    with pytest.raises(Mistake, match=words):
        read_actions(given, DISCRETE, 2)


def test_continuous_actions_are_moved_to_the_bounds() -> None:
    found = read_actions(torch.tensor([[0.5, 1e30], [-7.0, 2.0]], dtype=torch.float64), BOX, 2)
    assert found.dtype == np.float32
    assert found.tolist() == [[0.5, 2.0], [-2.0, 2.0]]
    for bad in (float("nan"), float("inf")):
        with pytest.raises(Mistake, match=r"nan|infinite"):
            read_actions(np.full((2, 2), bad), BOX, 2)
    with pytest.raises(Mistake, match="shape"):
        read_actions(np.zeros(2), BOX, 2)


def test_batches_and_single_actions_of_spaces_with_axes() -> None:
    space = spaces.MultiDiscrete([2, 5])
    assert read_actions([[1, 4]], space, 1).tolist() == [[1, 4]]
    with pytest.raises(Mistake, match="within the action space"):
        read_actions([[2, 4]], space, 1)
    assert batch_space(space, 1).contains(read_actions([[1, 4]], space, 1))
    assert read_actions(2, DISCRETE, 0) == 2


# -- tasks ----------------------------------------------------------------------------------------------------------


def hand_written(observations: torch.Tensor) -> torch.Tensor:
    return (observations[:, 2] + observations[:, 3] > 0).long()


def test_a_disguise_changes_nothing_but_names() -> None:
    rng = np.random.default_rng(3)
    plain = Task("CartPole-v1", rng, disguised=False)
    assert plain.evaluate(hand_written, 50).mean > 400
    found = []
    for _ in range(20):
        task = Task("CartPole-v1", rng)
        assert task._disguise is not None
        places, signs, names = task._disguise.places, task._disguise.signs, task._disguise.names

        def undisguised(seen: torch.Tensor, places: Any = places, signs: Any = signs, names: Any = names) -> Any:
            original = np.zeros(seen.shape, dtype=np.float32)
            original[:, places] = seen.numpy()
            wanted = hand_written(torch.from_numpy(original * signs)).numpy()
            return np.argsort(names)[wanted]

        assert task.evaluate(undisguised, 20).mean > 400  # who knows the disguise plays as well as before
        found.append(task.evaluate(hand_written, 20).mean)
    assert max(found) < 60  # 31 at most in 150 draws


def test_controllers_of_the_plain_environment_stand_in_it_and_in_no_disguise_that_is_drawn() -> None:
    rng = np.random.default_rng(1)
    space = gymnasium.make_vec("CartPole-v1", num_envs=1)
    plain = Disguise(space.single_observation_space, space.single_action_space, rng)
    plain.places, plain.signs, plain.names = np.arange(4), np.ones(4, dtype=np.float32), np.arange(2)
    assert familiar.fits("CartPole-v1", plain)
    drawn = [Task("CartPole-v1", rng)._disguise for _ in range(40)]
    assert not any(familiar.fits("CartPole-v1", disguise) for disguise in drawn if disguise is not None)
    different = {(*d.places, *d.signs, *d.names) for d in drawn if d is not None}  # type: ignore[misc]
    assert len(different) > 20
    assert not familiar.fits("Acrobot-v1", plain)  # of which nothing is known


def test_controllers_of_the_plain_environment_hardly_ever_do_well_behind_a_disguise() -> None:
    """As stated in docs/judging_agents.md, for a third of the disguises and fewer controllers."""
    benchmark = load_benchmark("disguise")
    found = benchmark.main(benchmark.Settings(drawn=4_000, tried=60, disguises=64))
    assert found["all"][80] > 0.1
    assert found["left"][80] < 0.01
    assert found["left"][300] == 0


def test_a_disguise_holds_for_final_observations_continuous_actions_and_states_with_numbers() -> None:
    rng = np.random.default_rng(0)
    task = Task(lambda count: vector("Pendulum-v1", count, AutoresetMode.SAME_STEP), rng)
    env = task.environment(2)
    env.reset(seed=0)
    for _ in range(200):
        seen, *_, info = env.step(np.zeros((2, 1), dtype=np.float32))
    assert env.observation_space.contains(seen)
    assert env.single_observation_space.contains(info["final_obs"][0])
    lake = Task(lambda count: vector("FrozenLake-v1", count), rng).environment(2)
    start, _ = lake.reset(seed=0)
    assert lake.observation_space.contains(start)
    assert start[0] != 0
    with pytest.raises(GraderFault, match="disguised=False"):
        Task(lambda count: vector("Blackjack-v1", count), rng)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_places_change_in_one_cycle(size: int) -> None:
    rng = np.random.default_rng(size)
    seen = set()
    for _ in range(200):
        places = one_cycle(size, rng)
        at, length = int(places[0]), 1
        while at != 0:
            at, length = int(places[at]), length + 1
        assert length == size
        seen.add(tuple(places.tolist()))
    assert len(seen) == {1: 1, 2: 1, 3: 2, 4: 6}.get(size, len(seen))


def test_returns_do_not_depend_on_when_episodes_are_reset() -> None:
    found = [
        play(vector("CartPole-v1", 20, mode), lambda seen: (seen[:, 2] > 0).long(), np.random.default_rng(0))
        for mode in AutoresetMode
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].returns, other.returns)
    np.testing.assert_array_equal(found[0].returns, found[0].lengths)
    assert found[0].terminated.all()


def test_evaluation_plays_one_episode_in_each_row_and_keeps_the_rows() -> None:
    sizes = []

    def stateful(seen: torch.Tensor) -> torch.Tensor:
        sizes.append(len(seen))
        return (torch.arange(len(seen)) + len(sizes)) % 2

    result = Task("CartPole-v1", np.random.default_rng(0)).evaluate(stateful, 30)
    assert set(sizes) == {30}
    assert len(sizes) == result.lengths.max()
    with pytest.raises(Mistake, match=r"mean return of your policy over 30 episodes .* at least 450"):
        result.assert_mean_at_least(450)


def test_a_policy_is_told_what_is_wrong_with_its_actions() -> None:
    task = Task("CartPole-v1", np.random.default_rng(0))
    with pytest.raises(Mistake, match="Your policy gave actions of dtype float32"):
        task.evaluate(lambda seen: seen[:, 0])
    with pytest.raises(Mistake, match="nan"):
        task.evaluate(sampled(lambda seen: torch.full((len(seen), 2), torch.nan), np.random.default_rng(0)))


def test_the_judge_draws_from_logits_itself() -> None:
    seen = torch.zeros(20_000, 4)
    logits = torch.tensor([0.0, 1.0, -1.0]).expand(20_000, 3)
    drawn = sampled(lambda _: logits, np.random.default_rng(0))(seen)
    shares = np.bincount(drawn, minlength=3) / 20_000
    np.testing.assert_allclose(shares, torch.softmax(logits[0], -1), atol=0.02)  # five standard errors
    assert set(greedy(lambda _: logits)(seen).tolist()) == {1}


def test_training_starts_where_the_untrained_policy_is_weak() -> None:
    def untrained(seed: int) -> Any:
        asked.append(seed)
        # One seed in two holds the pole up; the others always push to one side and earn 8 to 11.
        return hand_written if seed % 2 else lambda seen: torch.zeros(len(seen), dtype=torch.int64)

    found, numbers = [], []
    for seed in range(8):
        asked: list[int] = []
        task = Task("CartPole-v1", np.random.default_rng(seed), disguised=False, settings={"max_episode_steps": 40})
        found.append(task.weak_seed(untrained, below=30))
        numbers.append(len(asked))
        assert found[-1] == asked[-1]
        assert all(other % 2 for other in asked[:-1])
    assert not any(seed % 2 for seed in found)
    assert len(set(found)) == 8
    assert max(numbers) > 1
    with pytest.raises(GraderFault, match="untrained policies earn 5 and more"):
        Task("CartPole-v1", np.random.default_rng(0), settings={"max_episode_steps": 9}).weak_seed(untrained, below=5)


def test_calibration_collects_what_tests_compare() -> None:
    def test_of_something() -> None:
        Task("CartPole-v1", np.random.default_rng(0)).evaluate(hand_written, 10).assert_mean_at_least(1)

    with measurements.collect() as found:
        test_of_something()
    assert [m.test for m in found] == ["test_of_something"] * len(found)
    *trivial, last = found
    assert {m.what for m in trivial} >= {"for comparison: random actions", "for comparison: always action 1"}
    assert last.at_least == 1
    assert last.holds
    assert not measurements.collecting()


# -- collecting experience ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_scripted_environment_knows_what_happened(mode: AutoresetMode) -> None:
    rng = np.random.default_rng(0)
    env, policy = ScriptedVectorEnv(5, rng, mode=mode), ScriptedPolicy(3, rng)
    seen, _ = env.reset()
    rows = []
    for _ in range(60):
        actions = policy.act(seen)
        after, reward, terminated, truncated, info = env.step(actions)
        last = after.copy()
        for index, row in enumerate(info.get("final_obs", [])):
            last[index] = after[index] if row is None else row
        rows.append((seen, actions, reward, last, terminated, truncated))
        seen = after
    truth = env.truth()
    for name, part in zip(
        ("observations", "actions", "rewards", "next_observations", "terminated", "truncated"),
        zip(*rows, strict=True),
        strict=True,
    ):
        np.testing.assert_array_equal(getattr(truth, name), np.stack(part))
    same_episode = truth.observations[..., 1] == truth.next_observations[..., 1]
    assert same_episode[truth.valid].all()
    assert not same_episode[~truth.valid].any()
    steps = truth.next_observations[..., 2] - truth.observations[..., 2]
    assert (steps[truth.valid] == 1).all()
    ends = truth.terminated | truth.truncated
    assert truth.terminated.any()
    assert truth.truncated.any()
    assert not (truth.terminated & truth.truncated).any()
    if mode is AutoresetMode.NEXT_STEP:
        np.testing.assert_array_equal(~truth.valid[1:], ends[:-1])
    else:
        assert truth.valid.all()
    np.testing.assert_array_equal(np.stack(policy.asked), truth.observations)


# -- submissions ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course() -> Curriculum:
    return load_curriculum(COURSE)


@pytest.fixture(scope="module")
def judge(course: Curriculum) -> Iterator[Examiner]:
    if mini_class.isolation.available_level() != "bubblewrap":
        pytest.skip(f"no bubblewrap here: {mini_class.isolation.why_no_bubblewrap()}")
    with mini_class.open_examiner(course=course) as warm:
        yield warm


def graded(judge: Examiner, course: Curriculum, case: Attack) -> ExerciseResult:
    notebook = course.assignments[0].notebooks[0]
    submission = solved_submission(judge.manifests["agents"], **{case.exercise: case.source})
    limits = mini_class.limits(**case.limits) if case.limits else None
    return judge.grade_one(notebook, submission, case.exercise, "student", limits)


@pytest.mark.parametrize("case", ATTACKS, ids=lambda case: case.name)
def test_a_fake_gains_nothing(case: Attack, judge: Examiner, course: Curriculum) -> None:
    entry = graded(judge, course, case)
    said = " ".join([entry.message, *(test.message for test in entry.tests)])
    assert entry.status == case.status, said
    assert entry.score == 0
    assert case.says in said


@pytest.mark.parametrize("case", HONEST, ids=lambda case: case.name)
def test_an_unusual_honest_agent_gets_full_marks(case: Attack, judge: Examiner, course: Curriculum) -> None:
    entry = graded(judge, course, case)
    assert entry.status == "passed", [test.message for test in entry.tests]
