"""How often a controller that was found in the plain CartPole does well behind a disguise.

    python benchmarks/disguise.py        # half a minute

Linear controllers are drawn at random; those that balance the plain pole are tried, and their opposites too, behind
each of the 192 disguises there are and behind those that `autograder.judge.agents.familiar` leaves.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import gymnasium
import numpy as np

from autograder.judge.agents import familiar
from autograder.judge.agents.disguise import Disguise, one_cycle

NAME = "CartPole-v1"
BOUNDS = (80, 300)  # of the hidden tests of both notebooks, and of an agent that has learned


@dataclass(frozen=True)
class Settings:
    """Every number of this benchmark."""

    drawn: int = 20_000  # controllers, of which one in fifty balances the plain pole
    tried: int = 250
    episodes: int = 4
    disguises: int = 192  # all of them
    seed: int = 1


def every_disguise() -> list[Disguise]:
    """All that can be drawn for CartPole."""
    rng = np.random.default_rng(0)
    space = gymnasium.make_vec(NAME, num_envs=1)
    cycles = sorted({tuple(one_cycle(4, rng)) for _ in range(500)})
    found = []
    for places, signs, names in itertools.product(cycles, itertools.product([-1, 1], repeat=4), ((0, 1), (1, 0))):
        disguise = Disguise(space.single_observation_space, space.single_action_space, rng)
        disguise.places, disguise.names = np.array(places), np.array(names)
        disguise.signs = np.array(signs, dtype=np.float32)
        found.append(disguise)
    return found


def returns(weights: np.ndarray, disguise: Disguise | None, episodes: int) -> np.ndarray:
    """Mean return of each linear controller; weights (C, 4), result (C,)."""
    rows = np.repeat(weights, episodes, axis=0)
    plain = gymnasium.make_vec(NAME, num_envs=len(rows))
    env = plain if disguise is None else disguise.apply(plain)
    seen, _ = env.reset(seed=0)
    playing, earned = np.ones(len(rows), dtype=bool), np.zeros(len(rows))
    while playing.any():
        seen, _, dead, cut, _ = env.step(((seen * rows).sum(axis=1) > 0).astype(np.int64))
        earned += playing
        playing &= ~(dead | cut)
    return earned.reshape(-1, episodes).mean(axis=1)


def main(settings: Settings | None = None) -> dict[str, dict[int, float]]:
    """Print and return the shares that earn each bound: behind all disguises, behind those left, and the opposites."""
    settings = settings or Settings()
    rng = np.random.default_rng(settings.seed)
    drawn = rng.normal(size=(settings.drawn, 4)) * 3
    good = drawn[returns(drawn, None, settings.episodes) >= 475][: settings.tried]
    every = every_disguise()
    disguises = [every[index] for index in rng.permutation(len(every))[: settings.disguises]]
    left = [disguise for disguise in disguises if not familiar.fits(NAME, disguise)]
    found: dict[str, dict[int, float]] = {}
    for name, sign, places in (("all", 1, disguises), ("left", 1, left), ("left, opposites", -1, left)):
        earned = np.stack([returns(sign * good, disguise, settings.episodes) for disguise in places])
        found[name] = {bound: float((earned >= bound).mean()) for bound in BOUNDS}
        shares = ", ".join(f"{share:.2%} earn {bound}" for bound, share in found[name].items())
        print(f"{name}: {len(places)} disguises, {len(good)} controllers: {shares}", flush=True)
    return found


if __name__ == "__main__":
    main()
