"""Controllers for environments that everybody knows, so that no disguise is drawn behind which one of them would do.

What keeps a pole up in one disguise keeps it up in many others: of linear controllers of CartPole that were found in
the plain environment, 18 % earn 80 and 2 % earn 300 behind a disguise that is drawn from all there are. Behind those
that these sixteen fail in, it is 0.1 % and none (250 others, the 50 of 192 disguises that are left;
benchmarks/disguise.py).
"""

from __future__ import annotations

import gymnasium
import numpy as np

from autograder.judge.agents.disguise import Disguise

# Weights of x, its speed, the angle and its speed; the cart is pushed to the right where the weighted sum is positive.
# All earn 475 and more in the plain environment: the first sixteen of such that a random search found.
LINEAR = {
    "CartPole-v1": (
        (1.8, -0.5, 5.9, 3.8), (-1.0, 0.9, 4.0, 4.4), (-0.1, 1.1, 2.9, 2.5), (-1.2, 3.2, 3.5, 3.7),
        (0.4, 2.3, 2.0, 4.2), (4.2, 3.4, 5.9, 2.8), (-0.5, 2.8, 3.1, 4.0), (0.1, 2.8, 1.6, 2.3),
        (1.5, 1.7, 3.8, 2.1), (-0.1, 4.4, 4.8, 8.4), (0.2, 1.4, 4.8, 3.9), (0.1, 3.4, 2.7, 6.1),
        (0.9, 1.3, 3.2, 3.7), (0.2, -4.8, 4.3, 1.4), (-1.0, 2.4, 0.2, 2.5), (0.7, 1.7, 3.0, 6.4),
    ),
}  # fmt: skip
COPIES = 4  # episodes of each
STEPS = 50


def fits(name: str, disguise: Disguise) -> bool:
    """Whether a controller of the plain environment still stands after `STEPS` steps behind a disguise, in half of its
    episodes. Of environments that are not listed here nothing is known: False."""
    if name not in LINEAR:
        return False
    weights = np.repeat(np.array(LINEAR[name]), COPIES, axis=0)
    env = disguise.apply(gymnasium.make_vec(name, num_envs=len(weights), max_episode_steps=2 * STEPS))
    seen, _ = env.reset(seed=0)
    standing = np.ones(len(weights), dtype=np.bool_)
    for _ in range(STEPS):
        seen, _, dead, _, _ = env.step(((seen * weights).sum(axis=1) > 0).astype(np.int64))
        standing &= ~dead
    return bool(standing.reshape(-1, COPIES).mean(axis=1).max() >= 0.5)
