"""The demo plays a whole class, once for all tests here: from release and hand-in to gradebook, pages and report."""

from __future__ import annotations

import copy
import dataclasses
import filecmp
import html.parser
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click.testing
import nbformat
import pytest

from autograder.cli.demo import LIMITS, MARKER, SECRET, demo, demo_assignment
from autograder.curriculum import load_curriculum
from autograder.demo_cast import CAST, EVIL_ID, FULL
from autograder.demo_class import (
    ASSIGNMENT,
    NOTEBOOK,
    Played,
    all_differences,
    differences,
    honest_class,
    invented_name,
    play_class,
)
from autograder.errors import CourseError
from autograder.pages.feedback import feedback_path
from autograder.policy import SlipLedger, ledgers
from autograder.record import Record
from autograder.records import load_records, results_path, safe_name

pytestmark = pytest.mark.xdist_group("demo")


@dataclass(frozen=True)
class Run:
    """What the demo left."""

    status: int
    output: str
    out: Path
    played: dict[str, Played]
    records: dict[str, Record]
    ledgers: dict[str, SlipLedger]

    @property
    def graded(self) -> Path:
        return self.out / "graded"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One demo of the whole cast; a second hand-in beside it tells what everybody deserves."""
    folder = tmp_path_factory.mktemp("demo")
    command = ["--out", str(folder / "demo")]
    result = click.testing.CliRunner().invoke(demo, command, catch_exceptions=False, standalone_mode=False)
    played = play_class(folder / "again")
    records = load_records(folder / "demo" / "graded")
    return Run(
        result.return_value,
        result.output,
        folder / "demo",
        {p.student: p for p in played},
        {r.student: r for r in records},
        ledgers(records, load_curriculum()),
    )


# -- what everybody gets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("student", [character.student for character in CAST])
def test_everybody_gets_what_they_deserve(run: Run, student: str) -> None:
    assert differences(run.played[student], run.records[student], run.ledgers[student]) == []


def test_nothing_of_ours_failed(run: Run) -> None:
    for record in run.records.values():
        kinds = {finding.kind for notebook in record.notebooks for finding in notebook.findings}
        assert not kinds & {"grader_fault", "test_stumbled"}, record.student
        assert record.isolation == "bubblewrap"
        assert record.limits["cell_seconds"] == LIMITS["cell_seconds"]


def test_every_exercise_of_a_damaged_notebook_is_told(run: Run) -> None:
    names = [[e.name for n in record.notebooks for e in n.exercises] for record in run.records.values()]
    assert len(names) == len(CAST)
    assert all(these == names[0] for these in names)


def test_differences_are_noticed(run: Run) -> None:
    """The judge of the demo is judged: each kind of injustice has its sentence."""
    student, record, ledger = run.played["omar.haddad"], run.records["omar.haddad"], run.ledgers["omar.haddad"]

    def changed(**names: object) -> list[str]:
        wrong = copy.deepcopy(record)
        entry = next(e for e in wrong.notebooks[0].exercises if e.name == "softmax")
        for name, value in names.items():
            setattr(entry, name, value)
        return differences(student, wrong, ledger)

    assert any("status passed" in d for d in changed(status="passed"))
    assert any("100% of the points" in d for d in changed(score=3.0))
    assert any("not the sum" in d for d in changed(score=3.0))
    assert any("test_softmax_survives_large_logits did not reject" in d for d in changed(tests=[]))
    assert any("no message says 'overflow'" in d for d in changed(tests=[]))
    assert any("too many or too few" in d for d in changed(name="other"))
    demanding = dataclasses.replace(student, findings=("renamed",), late=("slip",), notebook="unreadable")
    said = " ".join(differences(demanding, record, ledger))
    assert "finding renamed" in said
    assert "late policy says on_time" in said
    assert "the notebook is graded, deserved is unreadable" in said
    assert all_differences([student], [], {}) == ["omar.haddad: there is no record"]


# -- where it goes ----------------------------------------------------------------------------------------------


def test_gradebook_results_and_records_agree(run: Run) -> None:
    from autograder.gradebook import open_gradebook

    with open_gradebook(run.graded / "gradebook.db") as gradebook:
        submissions = {s.student.id: s.score for s in gradebook.assignment_submissions(ASSIGNMENT)}
    assert submissions.keys() == {safe_name(student) for student in run.records}
    for student, record in run.records.items():
        assert submissions[safe_name(student)] == pytest.approx(record.score, abs=1e-3)
        results = json.loads(results_path(run.graded, student, ASSIGNMENT).read_text())
        too_late = run.ledgers[student].entries[ASSIGNMENT].status == "too_late"
        assert results["score"] == pytest.approx(0.0 if too_late else record.score, abs=1e-3)
        machine = [t for t in results["tests"] if "score" in t]
        assert sum(t["score"] for t in machine) == pytest.approx(record.score, abs=0.01)
        named = {t["extra_data"]["test"] for t in results["tests"]} - {None}
        # Of a notebook that could not be looked at, a sentence is said in place of its tests.
        looked_at = [n for n in record.notebooks if n.status not in ("missing", "unreadable")]
        assert named == {t.name for n in looked_at for e in n.exercises for t in e.tests}


def test_the_work_of_a_student_is_as_handed_in(run: Run) -> None:
    """Playing is deterministic, and grading changes nothing that was handed in."""
    compared = filecmp.dircmp(run.out / "submitted", run.out.parent / "again")

    def same(pair: filecmp.dircmp[str]) -> bool:
        return not (pair.left_only or pair.right_only or pair.diff_files) and all(map(same, pair.subdirs.values()))

    assert same(compared)


def test_a_record_is_the_same_when_graded_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run finds nothing to do, and a record made anew says the same."""
    from autograder.cli.grade import grade_class

    monkeypatch.setenv("COURSE_SECRET", SECRET)
    curriculum = load_curriculum()
    again = run.out.parent / "graded_again"
    student = "omar.haddad"
    for out in (run.graded, again):
        grade_class(curriculum, demo_assignment(curriculum), run.out / "submitted", out, student=student)

    def verdicts(folder: Path) -> list[tuple[object, ...]]:
        record = next(r for r in load_records(folder) if r.student == student)
        entries = [e for n in record.notebooks for e in n.exercises]
        return [(e.name, e.score, e.status, [(t.name, t.status, t.message) for t in e.tests]) for e in entries]

    assert verdicts(again) == verdicts(run.graded)
    assert next(r for r in load_records(run.graded) if r.student == student) == run.records[student]  # times included


# -- what people read -------------------------------------------------------------------------------------------


class Elements(html.parser.HTMLParser):
    """Collects what a browser would run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.live: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "base", "form"):
            self.live.append(tag)
        for name, value in attributes:
            target = re.sub(r"[\s\x00-\x1f]", "", value or "").lower()
            if name.startswith("on") or target.startswith(("javascript:", "data:text", "data:image/svg", "http:")):
                self.live.append(f"{tag} {name}={value}")
            if tag == "a" and name == "href":
                self.links.append(value or "")


def pages(run: Run) -> Iterator[tuple[Path, Elements, str]]:
    for path in sorted(run.graded.rglob("*.html")):
        elements, text = Elements(), path.read_text(encoding="utf-8")
        elements.feed(text)
        yield path, elements, text


def test_no_page_runs_what_a_student_wrote(run: Run) -> None:
    found = {path.name: elements.live for path, elements, _ in pages(run) if elements.live}
    assert found == {}
    for path in (run.graded / "autograded").rglob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            kinds = {kind for output in cell.get("outputs", ()) for kind in output.get("data", {})}
            assert kinds <= {"text/plain", "image/png"}, path
            assert cell.cell_type == "code" or "<script>document" not in cell.source, path


def test_each_student_has_a_page_with_the_score(run: Run) -> None:
    for student, record in run.records.items():
        text = feedback_path(run.graded, student, ASSIGNMENT).read_text(encoding="utf-8")
        assert f"{record.score:.2f}".rstrip("0").rstrip(".") in text
        assert "Traceback" not in text
    evil = feedback_path(run.graded, EVIL_ID, ASSIGNMENT).read_text(encoding="utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;" in evil
    assert "image/png" in feedback_path(run.graded, "ruth.adeyemi", ASSIGNMENT).read_text(encoding="utf-8")


def test_the_report_names_everybody_who_needs_a_look(run: Run) -> None:
    (path,) = run.graded.glob("*.report.html")
    text, elements = path.read_text(encoding="utf-8"), Elements()
    elements.feed(text)
    for student in ("ivo.petrov", "sara.nunes", "vera.sly", "nick.quill", "rex.hollow"):
        assert student in text
    assert "<svg" in text
    inside = [link for link in elements.links if not link.startswith("#")]
    assert inside
    assert all((path.parent / link).exists() for link in inside)


def test_nobody_reads_what_is_secret(run: Run) -> None:
    """Code that searches files, environment and library for answers ran, printed what it found, and found nothing."""
    suite = load_curriculum().assignment(ASSIGNMENT).notebook(NOTEBOOK).suite
    lines = [line.strip() for line in suite.read_text(encoding="utf-8").splitlines()]
    telling = [line for line in lines if line.startswith(("assert_", "expected =")) and len(line) > 40]
    assert len(telling) > 20
    entry = next(e for e in run.records["nick.quill"].notebooks[0].exercises if e.name == "train")
    assert any("PATH" in output.get("text", "") for output in entry.outputs)  # its search did run
    for path in [*run.graded.rglob("*.feedback.html"), *run.graded.rglob("*.results.json")]:
        text = path.read_text(encoding="utf-8")
        for word in (SECRET, SECRET.encode().hex(), "misconceptions_softmax", suite.name, *telling):
            assert word not in text, f"{path}: {word}"


def test_the_demo_tells_what_it_does(run: Run) -> None:
    assert run.status == 0, run.output
    for words in ("Release", "no leak found", "Hand in", "3  right", "Grade", "written answers wait", "Have a look"):
        assert words in run.output
    assert f"All {len(CAST)} students got the points and the words that they deserve." in run.output
    for line in run.output.splitlines():
        if line.startswith("    ") and str(run.out) in line and not line.strip().startswith("cd "):
            assert Path(line.strip()).exists()
    assert len([line for line in run.output.splitlines() if line.strip()]) < 80


def test_the_demo_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(CourseError, match="no demo made"):
        click.testing.CliRunner().invoke(demo, ["--out", str(tmp_path)], catch_exceptions=False, standalone_mode=False)
    assert (tmp_path / "thesis.tex").exists()
    assert not (tmp_path / MARKER).exists()


# -- larger classes -----------------------------------------------------------------------------------------------


def read_class(folder: Path) -> dict[str, str]:
    return {p.parent.parent.name: p.read_text() for p in sorted(folder.glob(f"*/{ASSIGNMENT}/*.ipynb"))}


def test_honest_classes_are_drawn(tmp_path: Path) -> None:
    played = honest_class(tmp_path / "a", 40, seed=3)
    first = read_class(tmp_path / "a")
    assert len(played) == len(first) == 40
    assert all(json.loads(text)["nbformat"] == 4 for text in first.values())
    honest_class(tmp_path / "b", 40, seed=3)
    assert read_class(tmp_path / "b") == first
    honest_class(tmp_path / "c", 40, seed=4)
    assert set(read_class(tmp_path / "c").values()).isdisjoint(first.values())
    shares = [sum(d == FULL for d in p.exercises.values()) / len(p.exercises) for p in played]
    assert min(shares) < 0.5 < max(shares)  # weak students and strong ones
    kinds = {d.statuses for p in played for d in p.exercises.values()}
    assert {("passed",), ("not_done",), ("forbidden",), ("manual",)} <= kinds
    assert any("failed" in statuses for statuses in kinds)
    receipts = (tmp_path / "a" / "receipts.csv").read_text().splitlines()
    assert len(receipts) == 41


def test_many_students_have_different_names() -> None:
    names = [invented_name(number) for number in range(5000)]
    assert len(set(names)) == 5000
    assert not set(names) & {c.student for c in CAST}
    assert all(safe_name(name) == name for name in names)


def test_a_larger_class_adds_honest_students(tmp_path: Path) -> None:
    played = play_class(tmp_path / "large", len(CAST) + 3)
    assert [p.student for p in played[: len(CAST)]] == [c.student for c in CAST]
    assert {p.kind for p in played[len(CAST) :]} <= {"right", "wrong"}
    assert len(play_class(tmp_path / "small", 2)) == 2
    with pytest.raises(CourseError, match="not empty"):
        play_class(tmp_path / "small", 2)
