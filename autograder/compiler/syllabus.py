"""The rows of the syllabus: ids such as L02.06, each with a topic tag and a short title."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One row of the syllabus."""

    id: str  # L02.06
    topic: str  # T1
    title: str

    @property
    def lecture(self) -> str:
        return self.id.partition(".")[0]


@functools.lru_cache(maxsize=1)
def syllabus() -> dict[str, Row]:
    """Every row by id, in the order of the lectures."""
    data = tomllib.loads(Path(__file__).with_name("syllabus.toml").read_text(encoding="utf-8"))
    return {row[0]: Row(*row) for lecture in data.values() for row in lecture["rows"]}
