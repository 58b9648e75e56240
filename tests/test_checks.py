"""The visible checks: what a student reads in each situation, and the record that is kept of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
import torch

from course_lib.kit import journal
from course_lib.kit.checks import CheckFailed, NotDoneYet, check, expect_close, expect_shape, expect_true


class Kernel:
    """Cells run one after the other in a real kernel; `run` gives what the page shows."""

    def __init__(self, folder: Path) -> None:
        self.client = nbclient.NotebookClient(
            nbformat.v4.new_notebook(), resources={"metadata": {"path": str(folder)}}, allow_errors=True, timeout=60
        )

    def run(self, source: str) -> str:
        self.client.nb.cells.append(nbformat.v4.new_code_cell(source))
        cell = self.client.execute_cell(self.client.nb.cells[-1], len(self.client.nb.cells) - 1)
        self.outputs = cell.outputs
        texts = []
        for output in cell.outputs:
            if output.output_type == "error":
                texts.append("\n".join(output.traceback))
            elif output.output_type == "stream":
                texts.append(output.text.rstrip("\n"))
            else:
                texts.append(output.data["text/plain"])
        return "\n".join(texts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def kernel(folder: Path):
    """One kernel for the module, as starting one costs more than all the tests; each test defines what it uses."""
    here = Kernel(folder)
    with here.client.setup_kernel(env={**os.environ, "COURSE_PROGRESS_FILE": str(folder / journal.FILE_NAME)}):
        assert here.run("import torch\nfrom course_lib.kit.checks import *") == ""
        yield here


CHECK_DOUBLE = "with check('double'):\n    expect_close(double(torch.ones(2)), 2 * torch.ones(2), 'Twice, not square.')"


def test_a_cell_that_was_not_run_is_named(kernel: Kernel) -> None:
    said = kernel.run("with check('never_run'):\n    never_run(3)")
    assert said == (
        "never_run: there is no never_run yet. Run the cell above that defines it, then run this check again."
    )
    assert kernel.outputs[0].ename == "NotDoneYet"


def test_an_empty_exercise_gets_one_kind_line(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    'Twice x.'\n    raise NotImplementedError")
    assert kernel.run(CHECK_DOUBLE) == "double: not done yet. Write your code in the cell above and run it."
    assert kernel.outputs[0].output_type == "error", "nbgrader validate must see a failure"


def test_a_forgotten_raise_is_pointed_out(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    result = 2 * x\n    raise NotImplementedError\n    return result")
    said = kernel.run(CHECK_DOUBLE)
    assert said == "double: your code ends at the line `raise NotImplementedError`. Delete that line and run the cell."


def test_a_method_that_is_missing_is_named(kernel: Kernel) -> None:
    kernel.run("class Model:\n    def fit(self, x):\n        raise NotImplementedError")
    said = kernel.run("with check('Model'):\n    Model().fit(1)")
    assert said == "Model: fit is not done yet. Write your code in the cell above and run it."


def test_an_empty_exercise_that_another_one_uses_is_named(kernel: Kernel) -> None:
    kernel.run("def inner(x):\n    raise NotImplementedError\ndef outer(x):\n    return inner(x)")
    said = kernel.run("with check('outer'):\n    outer(1)")
    assert said.startswith("outer: not done yet. It uses inner, whose cell is still empty.")


def test_a_stub_of_the_library_is_named(kernel: Kernel) -> None:
    kernel.run("import types\nstubs = types.ModuleType('course_lib.stubs')")
    kernel.run("exec('def inner(x):\\n    raise NotImplementedError', stubs.__dict__)")
    kernel.run("def outer(x):\n    return stubs.inner(x)")
    said = kernel.run("with check('outer'):\n    outer(1)")
    assert said.startswith("outer: not done yet. It uses inner of course_lib.stubs, which is an exercise of this")


def test_a_failed_check_names_the_mistake_first(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    return x * x")
    assert kernel.run(CHECK_DOUBLE).splitlines() == [
        "double: not right yet.",
        "Twice, not square.",
        "2 of 2 entries differ. At [0]: found 1, expected 2.",
        "Both have shape (2,); found float32, expected float32.",
    ]
    assert kernel.outputs[0].ename == "CheckFailed"


def test_a_crash_shows_the_students_line_and_nothing_of_the_library(kernel: Kernel) -> None:
    kernel.run("def helper(x):\n    return x @ x\n\ndef double(x):\n    y = helper(x.reshape(1, 2))\n    return y")
    said = kernel.run(CHECK_DOUBLE)
    assert said.splitlines()[:3] == [
        "double: your code stopped with a RuntimeError.",
        "    double, line 5:  y = helper(x.reshape(1, 2))",
        "    helper, line 2:  return x @ x",
    ]
    assert ".py" not in said
    assert kernel.outputs[0].ename == "RuntimeError", "the exception itself goes on, for %debug"


def test_a_crash_inside_a_library_call_stays_out_of_the_way(kernel: Kernel) -> None:
    kernel.run("import numpy\ndef double(x):\n    return numpy.linalg.solve(x.numpy(), x.numpy())")
    said = kernel.run(CHECK_DOUBLE)
    assert "double, line 3:  return numpy.linalg.solve(x.numpy(), x.numpy())" in said
    assert "site-packages" not in said
    assert len(said.splitlines()) == 3


def test_a_deep_recursion_stays_short(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    return double(x)")
    said = kernel.run(CHECK_DOUBLE)
    assert "earlier lines left out" in said
    assert len(said.splitlines()) < 10


def test_a_missing_return_is_named(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    2 * x")
    assert "a function without a `return` gives None back" in kernel.run(CHECK_DOUBLE)
    assert "A function without a `return`" in kernel.run("with check('double'):\n    double(torch.ones(2)).shape")


def test_a_typing_slip_shows_the_students_line(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    return 2 * xx")
    said = kernel.run(CHECK_DOUBLE)
    assert "double, line 2:  return 2 * xx" in said
    assert "Is xx a typing slip, or defined in a cell that has not been run?" in said


def test_an_assert_of_the_student_is_told_from_ours(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    assert x.ndim == 2, 'a matrix, please'\n    return 2 * x")
    said = kernel.run(CHECK_DOUBLE)
    assert said.startswith("double: an assert in your own code does not hold: a matrix, please")
    assert "double, line 2" in said


def test_a_bare_assert_shows_itself(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    return 3 * x")
    said = kernel.run("with check('double'):\n    assert double(1) == 2")
    assert said == "double: not right yet.\nassert double(1) == 2"


def test_a_lambda_of_the_check_is_not_the_students_code(kernel: Kernel) -> None:
    said = kernel.run("with check('double'):\n    (lambda: None.shape)()")
    assert said.startswith("double: the check stopped with an AttributeError when it used your result.")


def test_an_unfinished_operation_of_pytorch_is_no_empty_exercise(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    return torch._C._nn.gelu_(torch.ones(2, dtype=torch.int8).to_sparse())")
    said = kernel.run(CHECK_DOUBLE)
    assert kernel.outputs[0].ename == "NotImplementedError"
    assert said.startswith("double: your code stopped with a NotImplementedError.")


def test_passing_is_one_line_and_everything_is_kept(kernel: Kernel, folder: Path) -> None:
    path = folder / journal.FILE_NAME
    kernel.run("def fresh(x):\n    raise NotImplementedError")
    cell = "with check('fresh'):\n    expect_close(fresh(2), 4, 'Twice.')"
    kernel.run(cell)
    assert "/fresh" not in journal.read(path), "running an empty exercise is no attempt"
    kernel.run("def fresh(x):\n    return 3 * x")
    kernel.run(cell)
    entry = journal.read(path)["/fresh"]
    assert (entry["attempts"], entry["passed"], entry["first_passed"]) == (1, False, None)
    kernel.run("def fresh(x):\n    return 2 * x")
    assert kernel.run(cell) == "fresh: passed"
    first = journal.read(path)["/fresh"]
    assert (first["attempts"], first["passed"]) == (2, True)
    assert datetime.fromisoformat(first["first_passed"]).tzinfo is not None
    kernel.run("def fresh(x):\n    return 3 * x")
    kernel.run(cell)
    later = journal.read(path)["/fresh"]
    assert (later["attempts"], later["passed"]) == (3, False)
    assert later["first_passed"] == first["first_passed"], "what once passed stays on record"


def test_in_plain_python_the_exception_carries_the_words(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        "from course_lib.kit.checks import check, expect_close\n"
        "def double(x):\n    return x * x\n"
        "with check('one'):\n    expect_close(1, 1, '')\n"
        "with check('double'):\n    expect_close(double(3), 6, 'Twice, not square.')\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "COURSE_PROGRESS_FILE"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "one: passed\n"
    assert done.returncode == 1
    assert "double: not right yet.\nTwice, not square.\nFound 9, expected 6." in done.stderr
    assert not (tmp_path / journal.FILE_NAME).exists(), "a script keeps no record"


def test_the_exceptions_are_also_the_usual_ones() -> None:
    def empty() -> None:
        raise NotImplementedError

    with pytest.raises(NotImplementedError) as caught, check("empty"):
        empty()
    assert caught.type is NotDoneYet
    with pytest.raises(AssertionError, match="wrong") as caught, check("empty"):
        expect_true(False, "wrong")
    assert caught.type is CheckFailed
    with pytest.raises(KeyboardInterrupt), check("empty"):
        raise KeyboardInterrupt


# --- comparisons


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (torch.ones(2, dtype=torch.float32), torch.ones(2, dtype=torch.float64)),
        (torch.ones(2, requires_grad=True), np.ones(2)),
        ([1.0, 2.0], torch.tensor([1.0, 2.0])),
        ([torch.tensor(1.0), torch.tensor(2.0)], [1.0, 2.0]),
        (torch.tensor(3), 3),
        (3.0, np.float32(3)),
        (torch.tensor([float("nan"), float("inf")]), [float("nan"), float("inf")]),
        (torch.tensor([True, False]), [True, False]),
        (torch.tensor([1 + 2j]).conj(), [1 - 2j]),
        (torch.tensor([1 / 3], dtype=torch.bfloat16), [1 / 3]),
        (torch.tensor([1 / 3], dtype=torch.float16), [1 / 3]),
        (torch.zeros(0, 3), np.zeros((0, 3))),
    ],
)
def test_equal_values_of_any_kind_agree(actual: object, expected: object) -> None:
    expect_close(actual, expected, "never shown")


@pytest.mark.parametrize(
    ("actual", "expected", "says"),
    [
        (torch.ones(2, 3), torch.ones(3, 2), r"The shape is \(2, 3\), expected \(3, 2\)"),
        (torch.ones(1), torch.tensor(1.0), r"The shape is \(1,\), expected \(\)"),
        (torch.tensor([1.0, float("nan")]), torch.ones(2), r"1 of 2 entries differs. At \[1\]: found nan, expected 1"),
        (torch.tensor([[1.0, 2.0], [3.0, 4.0]]), [[1, 2], [3, 5]], r"At \[1, 1\]: found 4, expected 5"),
        (1.00001, 1.0, r"Found 1.00001, expected 1\."),
        (1.0000200001, 1.00000000, "Found 1.00002, expected 1"),
        (float("inf"), float("-inf"), "Found inf, expected -inf"),
        (None, 1.0, "Found None: a function without a `return`"),
        ("text", 1.0, "Found a str, expected numbers"),
        ({"a": 1}, 1.0, "Found a dict, expected numbers"),
        ([[1.0], [1.0, 2.0]], [1.0], "not a regular array"),
        (torch.tensor([True]), torch.tensor([False]), "found True, expected False"),
    ],
)
def test_what_differs_is_said(actual: object, expected: object, says: str) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        expect_close(actual, expected, "The likely mistake.", rtol=1e-6)
    assert str(caught.value).startswith("The likely mistake.\n")


def test_a_tolerance_is_as_wide_as_it_says() -> None:
    expect_close(1 + 0.9e-5, 1.0, "")
    with pytest.raises(AssertionError):
        expect_close(1 + 1.2e-5, 1.0, "")
    expect_close(0.9e-7, 0.0, "")
    with pytest.raises(AssertionError):
        expect_close(1.2e-7, 0.0, "")
    with pytest.raises(AssertionError):
        expect_close(torch.tensor(1.2, dtype=torch.bfloat16), 1.0, "")


def test_shapes_and_truths() -> None:
    expect_shape(torch.zeros(2, 3), (2, 3))
    expect_shape([[1, 2]], [1, 2])
    expect_shape(1.5, ())
    expect_true(torch.tensor([True, True]), "")
    with pytest.raises(AssertionError, match=r"^The shape is \(2,\), expected \(3,\)"):
        expect_shape(torch.zeros(2), (3,))
    with pytest.raises(AssertionError, match="Found None"):
        expect_shape(None, (3,))
    with pytest.raises(AssertionError, match="every one"):
        expect_true(torch.tensor([True, False]), "every one")


# --- the record


@pytest.fixture
def progress_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / journal.FILE_NAME
    monkeypatch.setenv(journal.FILE_VARIABLE, str(path))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return path


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"checks": 3}', '{"checks": {"/a": {"attempts": "many"}}}', "\x00\xff", "null"]
)
def test_a_damaged_file_is_set_aside(progress_file: Path, damage: str) -> None:
    progress_file.write_bytes(damage.encode("latin-1"))
    journal.record("a", passed=True)
    assert journal.read(progress_file)["/a"]["attempts"] == 1
    aside = progress_file.with_name(journal.FILE_NAME + ".damaged")
    assert damage == "" or aside.read_bytes() == damage.encode("latin-1")


def test_good_entries_survive_a_bad_neighbour(progress_file: Path) -> None:
    journal.record("a", passed=True)
    data = json.loads(progress_file.read_text())
    data["checks"]["/b"] = {"attempts": None}
    progress_file.write_text(json.dumps(data))
    journal.record("a", passed=True)
    assert journal.read(progress_file)["/a"]["attempts"] == 2


def test_a_folder_that_cannot_be_written_stops_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(journal.FILE_VARIABLE, str(tmp_path / "missing" / journal.FILE_NAME))
    with check("anything"):
        pass
    assert capsys.readouterr() == ("anything: passed\n", "")


def test_writing_leaves_only_the_file(progress_file: Path) -> None:
    journal.record("a", passed=False)
    assert os.listdir(progress_file.parent) == [journal.FILE_NAME]


def test_several_kernels_lose_nothing(progress_file: Path) -> None:
    """Four processes with thirty outcomes each, at once."""
    code = (
        "import sys; from course_lib.kit import journal\n"
        "for i in range(30):\n"
        "    journal.record(f'check_{i % 3}', passed=i % 2 == 0)\n"
        "    journal.record(sys.argv[1], passed=True)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, f"own_{n}"], env=os.environ.copy()) for n in range(4)]
    assert [process.wait(timeout=120) for process in running] == [0] * 4
    entries = journal.read(progress_file)
    assert {key: entry["attempts"] for key, entry in entries.items()} == {
        **{f"/check_{i}": 40 for i in range(3)},
        **{f"/own_{n}": 30 for n in range(4)},
    }


def test_the_lock_of_a_dead_kernel_is_taken_over(progress_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LOCK_PATIENCE", 0.05)
    lock = progress_file.with_name(journal.FILE_NAME + ".lock")
    lock.touch()
    journal.record("a", passed=True)
    assert journal.read(progress_file)["/a"]["passed"]
    assert not lock.exists()


def test_a_reader_never_sees_half_a_file(progress_file: Path) -> None:
    for i in range(50):
        journal.record(f"check_{i}", passed=True)
    stop = threading.Event()
    seen = []

    def watch() -> None:
        while not stop.is_set():
            seen.append(len(journal.read(progress_file)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(50):
        journal.record("check_0", passed=True)
    stop.set()
    watcher.join()
    assert set(seen) == {50}


def notebook_with_checks(path: Path, names: list[str], title: str = "# A title") -> None:
    cells = [nbformat.v4.new_markdown_cell(title)]
    for name in names:
        marks = {"grade_id": f"check-{name}", "grade": True, "points": 2.0, "schema_version": 3}
        cells.append(nbformat.v4.new_code_cell(f"with check('{name}'): pass", metadata={"nbgrader": marks}))
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def test_the_table_says_what_passed_when_and_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress_file: Path
) -> None:
    notebook_with_checks(tmp_path / "lesson.ipynb", ["one", "two", "three"], "# Lesson <1>")
    journal.record("one", passed=True)
    journal.record("two", passed=False)
    shown = journal.show_progress(tmp_path)
    text = repr(shown)
    assert re.search(r"Lesson <1>  \[#+\.+\] 1 of 3", text)
    assert re.search(r"one +passed \d+ \w+ \d\d:\d\d, 1 try", text)
    assert re.search(r"two +not right yet, 1 try", text)
    assert re.search(r"three +not tried yet", text)
    assert "Next: two" in text
    page = shown._repr_html_()
    assert "Lesson &lt;1&gt;" in page
    assert "<1>" not in page
    assert "1 of 3 checks passed" in page
    journal.record("one", passed=False)
    assert "failed when last run" in repr(journal.show_progress(tmp_path))
    assert "Next: two" in repr(journal.show_progress(tmp_path)), "what once passed does not come back as next"


def test_the_start_page_finds_the_notebooks_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, names in (("01_first", ["a", "b"]), ("02_second", ["a"])):
        notebook_with_checks(tmp_path / folder / f"book_{folder}.ipynb", names, f"# Book {folder}")
    (tmp_path / "01_first" / "broken.ipynb").write_text("{")
    notebook_with_checks(tmp_path / ".ipynb_checkpoints" / "copy.ipynb", ["a"], "# A copy of JupyterLab")
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setenv(journal.FILE_VARIABLE, str(tmp_path / "02_second" / journal.FILE_NAME))
    journal.record("a", passed=True)
    text = repr(journal.show_progress(tmp_path))
    assert "Book 01_first  [....................] 0 of 2" in text
    assert "Book 02_second  [####################] 1 of 1" in text
    assert "All checks pass." in text
    assert "A copy" not in text
    assert 'href="02_second/book_02_second.ipynb"' in journal.show_progress(tmp_path)._repr_html_()


def test_two_notebooks_with_a_check_of_one_name_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress_file: Path
) -> None:
    notebook_with_checks(tmp_path / "first.ipynb", ["same"])
    notebook_with_checks(tmp_path / "second.ipynb", ["same"])
    monkeypatch.setenv("JPY_SESSION_NAME", "some/where/second.ipynb")
    journal.record("same", passed=True)
    first, second = journal.notebooks(tmp_path)
    assert [first.checks[0].passed, second.checks[0].passed] == [False, True]


def test_without_notebooks_the_record_itself_is_shown(tmp_path: Path, progress_file: Path) -> None:
    """In Colab the notebook is no file beside the kernel."""
    assert "No notebook with checks" in repr(journal.show_progress(tmp_path))
    journal.record("one", passed=True)
    assert re.search(r"one +passed", repr(journal.show_progress(tmp_path)))
