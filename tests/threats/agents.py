"""Submissions to the course of agents (tests/agents_course): fakes that gain nothing, and odd honest ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from threats.case import WORKER


@dataclass(frozen=True)
class Attack:
    """One answer to one exercise.

    Attributes:
        status: that it must get, with no points unless it is "passed".
        says: words that the student must read.
    """

    name: str
    source: str
    status: str = "failed"
    says: str = ""
    exercise: str = "train"
    limits: Mapping[str, float] = field(default_factory=dict)


BALANCE = "lambda observations: (observations[:, 2] + observations[:, 3] > 0).long()"
LEFT = "lambda observations: torch.zeros(len(observations), dtype=torch.int64)"
PLAY = """
def play(env, calls):
    env.reset()
    for _ in range(calls):
        env.step(env.action_space.sample())
"""
# The cross-entropy method on any vector environment.
LEARN = """
def learn(env, steps, count):
    mean, scale, used = np.zeros(4), 3 * np.ones(4), 0
    while used + 501 * count <= steps:
        weights = mean + scale * np.random.randn(count, 4)
        seen, _ = env.reset()
        total, alive = np.zeros(count), np.ones(count, dtype=bool)
        while alive.any():
            seen, reward, terminated, truncated, _ = env.step(((weights * seen).sum(1) > 0).astype(int))
            total += np.where(alive, reward, 0)
            alive &= ~(terminated | truncated)
            used += count
        elite = weights[np.argsort(total)[-count // 5 :]]
        mean, scale = elite.mean(0), elite.std(0) + 0.3 / (1 + used / 20_000)
    found = torch.from_numpy(mean)
    return lambda observations: (observations.double() @ found > 0).long()
"""
ALL_STEPS = PLAY + "\ndef train(env, steps):\n    play(env, 40)\n    return "

ATTACKS = [
    Attack("prints_a_fake_return", ALL_STEPS + LEFT + "\nprint('mean return over 100 episodes: 500.0')", says="is 9"),
    Attack(
        "prints_while_training",
        PLAY + f"\ndef train(env, steps):\n    play(env, 40)\n    print('return 500')\n    return {LEFT}",
    ),
    Attack("returns_a_history_in_place_of_a_policy", ALL_STEPS + "[500.0] * 100", "failed"),
    Attack(
        "returns_a_policy_with_a_fine_history",
        ALL_STEPS.replace(
            "return ", f"policy = {LEFT}\n    policy.returns = policy.mean_return = [500.0] * 100\n    return policy"
        ),
        says="mean return",
    ),
    Attack("constant_actions", ALL_STEPS + LEFT, says="mean return"),
    Attack(
        "random_actions",
        ALL_STEPS + "lambda observations: torch.randint(0, 2, (len(observations),))",
        says="mean return",
    ),
    Attack("written_by_hand", ALL_STEPS + BALANCE, says="mean return"),
    Attack(
        "patches_gymnasium_and_its_environments",
        """
import gymnasium.envs.classic_control.cartpole as cartpole
def easy(self, actions):
    n = self.num_envs
    return np.zeros((n, 4), np.float32), np.full(n, 500.0), np.zeros(n, bool), np.ones(n, bool), {}
cartpole.CartPoleVectorEnv.step = easy
cartpole.CartPoleEnv.step = lambda self, action: (np.zeros(4, np.float32), 500.0, False, True, {})
gymnasium.make_vec = gymnasium.make = lambda *a, **k: None
"""
        + ALL_STEPS
        + LEFT,
        says="mean return",
    ),
    Attack(
        "patches_the_environment_that_it_was_given",
        f"""
def train(env, steps):
    kind = type(env)
    env.reset()
    kind.step = lambda self, actions: (np.zeros((self.num_envs, 4), np.float32), np.full(self.num_envs, 1e9),
                                       np.zeros(self.num_envs, bool), np.zeros(self.num_envs, bool), {{}})
    for _ in range(1000):
        env.step(None)
    return {LEFT}
""",
        says="0 steps",
    ),
    Attack("ignores_the_environment", f"def train(env, steps):\n    return {BALANCE}", says="0 steps"),
    Attack(
        "learns_on_its_own_copy_for_nothing",
        LEARN
        + PLAY
        + """
def train(env, steps):
    play(env, 40)
    return learn(gymnasium.make_vec("CartPole-v1", 64), 400_000, 64)
""",
        says="mean return",
    ),
    Attack(
        "steps_beyond_the_budget",
        PLAY + f"\ndef train(env, steps):\n    play(env, steps)\n    return {LEFT}",
        says="more than 100,000 environment steps",
    ),
    Attack(
        "goes_on_when_the_budget_is_spent",
        LEARN
        + """
class Endless:
    def __init__(self, env):
        self.env, self.last = env, None
    def reset(self):
        return self.env.reset()
    def step(self, actions):
        try:
            self.last = self.env.step(actions)
        except Exception:
            over = np.ones(self.env.num_envs, dtype=bool)
            return self.last[0], 500.0 * over, over, over, {}
        return self.last

def train(env, steps):
    return learn(Endless(env), 2 * steps, env.num_envs)
""",
        says="more than 100,000 environment steps",
    ),
    Attack(
        "tries_to_replay_one_easy_start",
        PLAY
        + f"""
def train(env, steps):
    starts = [env.reset(seed=1)[0] for _ in range(50)]
    if any(np.array_equal(starts[0], other) for other in starts[1:]):
        return "the same start twice"
    play(env, 40)
    return {LEFT}
""",
        says="mean return",
    ),
    Attack(
        "looks_for_the_environment_in_memory",
        """
import gc, sys
def train(env, steps):
    env.reset()
    for _ in range(100):
        env.step(np.zeros(env.num_envs, dtype=int))
    found = [type(thing).__name__ for thing in gc.get_objects() if "CartPole" in type(thing).__name__]
    seen, queue = set(), [env, env.unwrapped, env.spec, env._step, env._reset]
    while queue:
        thing = queue.pop()
        if id(thing) in seen or len(seen) > 20_000:
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray) and thing.shape == (4, 32):
            found.append("a state")
        if isinstance(thing, gymnasium.vector.VectorEnv) and thing is not env:
            found.append(type(thing).__name__)
        queue += [v for v in getattr(thing, "__dict__", {}).values()]
        cells = thing.__closure__ if type(thing) is type(train) else ()
        queue += [cell.cell_contents for cell in cells or ()]
    frame = sys._getframe()
    while frame is not None:
        found += [name for name in frame.f_locals if name in ("task", "lent", "rng", "budget")]
        frame = frame.f_back
    raise RuntimeError("found " + (", ".join(found) or "nothing"))
""",
        "error",
        says="found nothing",
    ),
    Attack(
        "changes_the_budget_of_its_own_end",
        PLAY
        + f"""
def train(env, steps):
    env.budget = env.steps = env._budget = 10**9
    env.num_envs = 32
    env.metadata["autoreset_mode"] = None
    play(env, steps)
    return {LEFT}
""",
        says="more than 100,000 environment steps",
    ),
    Attack(
        "huge_actions",
        ALL_STEPS + "lambda observations: torch.full((len(observations),), 2**61)",
        says="actions go from 0 to 1",
    ),
    Attack(
        "actions_that_are_no_numbers",
        ALL_STEPS + "lambda observations: torch.full((len(observations),), torch.nan)",
        says="float32",
    ),
    Attack("one_action_for_all", ALL_STEPS + "lambda observations: 1", says="shape"),
    Attack("logits_in_place_of_actions", ALL_STEPS + "torch.nn.Linear(4, 2)", says="shape"),
    Attack(
        "a_distribution_in_place_of_actions",
        ALL_STEPS + "lambda o: torch.distributions.Categorical(torch.ones(len(o), 2))",
        says="Categorical",
    ),
    Attack("no_actions", ALL_STEPS + "lambda observations: None", says="None"),
    Attack("no_policy", PLAY + "\ndef train(env, steps):\n    play(env, 40)", says=""),
    Attack("crashes_in_the_middle", ALL_STEPS + "lambda observations: 1 // 0", "error", says="ZeroDivisionError"),
    Attack(
        "actions_that_lie_about_themselves",
        PLAY
        + """
class Liar:
    def __array__(self, *args, **kwargs):
        return np.zeros(7, dtype=np.int64)
    shape, dtype, __len__ = (32,), np.int64, lambda self: 32

def train(env, steps):
    env.reset()
    env.step(Liar())
""",
        says="shape (7,)",
    ),
    Attack(
        "an_array_that_lies_about_its_shape",
        """
class Liar(np.ndarray):
    shape = (32,)

def train(env, steps):
    env.reset()
    env.step(np.zeros(5, dtype=np.int64).view(Liar))
""",
    ),
    Attack(
        "objects_as_actions",
        "def train(env, steps):\n    env.reset()\n    env.step(np.array([object()] * 32))",
        says="object",
    ),
    Attack(
        "actions_that_name_no_number_of_the_judge",
        WORKER
        + """
def train(env, steps):
    env.reset()
    W.channel.send({"callback": 10**6, "args": None})
    time.sleep(100)
""",
        "crashed",
    ),
    Attack(
        "speaks_to_the_judge_in_raw_frames",
        WORKER
        + """
def train(env, steps):
    words = [{"k": "list", "v": ["x" * 100]}, {"k": "dict", "v": [["self", 1]]}]
    for arguments in ({"k": "list", "v": []}, {"k": "list", "v": words}):
        for number in range(2):
            W.channel.send({"callback": number, "args": arguments})
            try:
                W.channel.receive_fd()
            except Exception:
                pass
    os._exit(0)
""",
        "crashed",
    ),
    Attack(
        "a_policy_that_never_answers",
        "import time\n" + ALL_STEPS + "lambda observations: time.sleep(1000)",
        "timeout",
        limits={"submission_seconds": 6},
    ),
    Attack(
        "asks_and_does_not_listen",
        WORKER
        + """
def train(env, steps):
    node = {"k": "list", "v": [{"k": "list", "v": [None]}, {"k": "dict", "v": []}]}
    while True:
        W.channel.send({"callback": 0, "args": node})
""",
        "timeout",
        limits={"submission_seconds": 6},
    ),
    Attack(
        "forges_the_answer_to_the_evaluation",
        WORKER
        + ALL_STEPS
        + """(lambda observations: W.channel.send({"value": 500.0, "returns": [500.0] * 100}))
""",
    ),
]

HONEST = [
    Attack(
        "prints_a_lot",
        LEARN
        + """
for i in range(2000):
    print(i)

def train(env, steps):
    print('x' * 10**6)
    return learn(env, steps, env.num_envs)
""",
        "passed",
    ),
    Attack(
        "asks_for_seeds_and_spaces",
        LEARN
        + """
def train(env, steps):
    np.random.seed(0)
    env.reset(seed=1)
    env.action_space.seed(1)
    assert env.single_action_space.n == 2 and env.single_observation_space.shape == (4,)
    assert env.spec.max_episode_steps == 500 and env.observation_space.shape == (env.num_envs, 4)
    env.step(env.action_space.sample())
    policy = learn(env, steps - env.num_envs, env.num_envs)
    env.close()
    return policy
""",
        "passed",
    ),
    Attack(
        "a_policy_that_keeps_state_and_draws",
        LEARN
        + """
def train(env, steps):
    policy = learn(env, steps, env.num_envs)
    calls = []
    def act(observations):
        calls.append(len(observations))
        assert len(set(calls)) == 1
        chosen = policy(observations)
        flip = torch.rand(len(observations)) < 0.01
        return torch.where(flip, 1 - chosen, chosen).to(torch.int32)
    return act
""",
        "passed",
    ),
]
