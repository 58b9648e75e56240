"""Which submissions share more than the release, the lecture and coincidence explain: a place to look, not a verdict.

Each solution cell becomes a stream of tokens, twice: once as it is written (names and comments count), once with
names and numbers replaced (renaming does not hide a copy). Of all windows of `WINDOW` tokens a fair sample is kept by
winnowing, so that any shared passage of `WINDOW + SAMPLE - 1` tokens or more is found. Fingerprints of the released
text do not count, and the rarer a fingerprint is in the class, the more it says: what many wrote says nothing.
Source: Schleimer, Wilkerson and Aiken, Winnowing: local algorithms for document fingerprinting (2003).
"""

from __future__ import annotations

import collections
import difflib
import hashlib
import io
import itertools
import keyword
import math
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from autograder.compiler.manifest import Manifest
from autograder.record import Record

WINDOW = 9  # tokens in a fingerprint
SAMPLE = 4  # of so many neighbouring fingerprints, one is kept
COMMON = 0.25  # what a larger share of the class wrote is common knowledge
_SKIPPED = {tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}


@dataclass(frozen=True)
class SharedExercise:
    """What two students' cells of one exercise have in common."""

    notebook: str
    exercise: str
    score: float  # 0 to 1
    left: str
    right: str


@dataclass(frozen=True)
class Pair:
    """Two submissions, the more alike the higher the score."""

    left: str
    right: str
    score: float  # weight of shared rare fingerprints, as a share of the lighter submission's; 0 to 1
    shared: int  # rare fingerprints that both have
    exercises: list[SharedExercise] = field(default_factory=list)


def _tokens(source: str) -> list[tuple[int, str]]:
    """(type, text) of each token that says something; a cell that does not tokenize is split into words."""
    found: list[tuple[int, str]] = []
    text = re.sub(r"^([ \t]*)([%!?].*)$", r"\1pass", source, flags=re.MULTILINE)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type not in _SKIPPED:
                found.append((token.type, " ".join(token.string.split())))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return [(tokenize.NAME, word) for word in re.findall(r"\w+|[^\w\s]", source)]
    return found


def _structure(tokens: Iterable[tuple[int, str]]) -> list[str]:
    """Tokens without what renaming changes; comments are left out."""
    shape = []
    for kind, text in tokens:
        if kind == tokenize.NAME and not keyword.iskeyword(text):
            shape.append("name")
        elif kind == tokenize.NUMBER:
            shape.append("number")
        elif kind == tokenize.STRING:
            shape.append("string")
        elif kind != tokenize.COMMENT:
            shape.append(text)
    return shape


def _winnow(stream: list[str], salt: str) -> set[str]:
    """Fingerprints of a token stream: the smallest hash of each run of `SAMPLE` windows."""
    if len(stream) < WINDOW:
        return set()
    hashes = [
        hashlib.blake2b(
            ("\x1f".join([salt, *stream[i : i + WINDOW]])).encode("utf-8", "replace"), digest_size=8
        ).hexdigest()
        for i in range(len(stream) - WINDOW + 1)
    ]
    return {min(hashes[i : i + SAMPLE]) for i in range(max(1, len(hashes) - SAMPLE + 1))}


def fingerprints(source: str) -> set[str]:
    """Fingerprints of one cell, as it is written and by its structure."""
    tokens = _tokens(source)
    return _winnow([text for _, text in tokens], "text") | _winnow(_structure(tokens), "shape")


def compare(records: Iterable[Record], manifests: Mapping[str, Manifest], most: int = 50) -> list[Pair]:
    """Pairs of submissions of one assignment, most alike first.

    Args:
        records: one per student.
        manifests: by notebook name; what they release, and the reference, does not count.
        most: pairs to return.

    Returns:
        At most `most` pairs that share at least three rare fingerprints.
    """
    cells = {key: source for record in records for key, source in _cells(record)}
    released: dict[tuple[str, str], set[str]] = {}
    for name, manifest in manifests.items():
        for cell in manifest.cells:
            released[name, cell.name] = fingerprints(cell.released)
    prints = {key: fingerprints(source) - released.get(key[1:], set()) for key, source in cells.items()}
    owners: dict[str, set[str]] = collections.defaultdict(set)
    for (student, *_), marks in prints.items():
        for mark in marks:
            owners[mark].add(student)
    students = {key[0] for key in prints}
    limit = max(2, int(COMMON * len(students)))
    weight = {m: math.log((1 + len(students)) / len(who)) for m, who in owners.items() if len(who) <= limit}
    weights: dict[str, float] = collections.defaultdict(float)
    for (student, *_), marks in prints.items():
        weights[student] += sum(weight.get(m, 0.0) for m in marks)
    together = collections.Counter(
        pair for mark, who in owners.items() if mark in weight for pair in itertools.combinations(sorted(who), 2)
    )
    pairs = [_pair(a, b, prints, cells, weight, weights) for (a, b), shared in together.items() if shared >= 3]
    return sorted(pairs, key=lambda p: (-p.score, -p.shared, p.left, p.right))[:most]


Key = tuple[str, str, str]  # student, notebook, exercise


def _cells(record: Record) -> Iterator[tuple[Key, str]]:
    for notebook in record.notebooks:
        for entry in notebook.exercises:
            if entry.kind == "exercise" and entry.source.strip() and entry.status not in ("not_done", "missing"):
                yield (record.student, notebook.name, entry.name), entry.source


def _pair(
    a: str,
    b: str,
    prints: Mapping[Key, set[str]],
    cells: Mapping[Key, str],
    weight: Mapping[str, float],
    weights: Mapping[str, float],
) -> Pair:
    exercises, total, count = [], 0.0, 0
    for (student, notebook, exercise), marks in prints.items():
        other = (b, notebook, exercise)
        if student != a or other not in prints:
            continue
        shared = [m for m in marks & prints[other] if m in weight]
        if not shared:
            continue
        total, count = total + sum(weight[m] for m in shared), count + len(shared)
        left, right = cells[a, notebook, exercise], cells[other]
        closeness = difflib.SequenceMatcher(None, left.split(), right.split(), autojunk=False).ratio()
        exercises.append(SharedExercise(notebook, exercise, closeness, left, right))
    lighter = min(weights[a], weights[b]) or 1.0
    exercises.sort(key=lambda e: -e.score)
    return Pair(a, b, min(1.0, total / lighter), count, exercises)
