"""Reading what was handed in: whatever a file holds the answer is a `Submission`, and accidents lose nothing."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import mini_class
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mini_class import FULL, find, handed_in

from autograder.intake import (
    MAX_FILE,
    Submission,
    definitions_of,
    file_hash,
    find_notebook,
    read_bytes,
    read_submission,
)
from autograder.records import printable

FAST = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def read(content: Any) -> Submission:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    submission = read_bytes(data, mini_class.manifest())
    assert_sound(submission)
    return submission


def assert_sound(submission: Submission) -> None:
    """What every submission holds, whatever the file was."""
    graded = {c.name for c in mini_class.manifest().cells if c.kind in ("exercise", "quiz", "answer")}
    assert set(submission.cells) <= graded
    assert submission.readable or submission.findings
    texts = [source for sources in submission.cells.values() for source in sources]
    texts += [source for _, source in submission.extras] + [f.message for f in submission.findings]
    for text in texts:
        text.encode("utf-8")
        assert "\0" not in text
    for finding in submission.findings:
        assert printable(finding.message) == finding.message
        assert len(finding.message) < 500


def kinds(submission: Submission) -> set[str]:
    return {finding.kind for finding in submission.findings}


def complete(submission: Submission) -> bool:
    """Whether every answer of the solved notebook was found, as it is."""
    honest = read(mini_class.solved())
    return submission.cells == honest.cells


# -- fuzzing ----------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)
keys = st.sampled_from(
    [
        "cells",
        "cell_type",
        "source",
        "metadata",
        "nbgrader",
        "grade_id",
        "id",
        "outputs",
        "worksheets",
        "input",
        "points",
    ]
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of JSON."""
    found = [path]
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        found += places(value, (*path, key)) if isinstance(value, dict | list) else [(*path, key)]
    return found


PLACES = places(mini_class.solved())[1:]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real notebook with a few things in it deleted, doubled, swapped, replaced, or cut off."""
    content = mini_class.solved()
    for _ in range(draw(st.integers(1, 6))):
        *way, last = draw(st.sampled_from(PLACES))
        try:
            place: Any = content
            for key in way:
                place = place[key]
            how = draw(st.sampled_from(["delete", "double", "replace", "rename", "nest"]))
            if how == "delete":
                del place[last]
            elif how == "double" and isinstance(place, list):
                place.insert(last, copy.deepcopy(place[last]))
            elif how == "rename" and isinstance(place, dict):
                place[draw(keys)] = place.pop(last)
            elif how == "nest":
                place[last] = [place[last], place[last]]
            else:
                place[last] = draw(json_values)
        except (KeyError, IndexError, TypeError):  # an earlier change has taken it away
            continue
    data = bytearray(json.dumps(content).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 5]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) and draw(st.booleans()) else data)


notebooks = st.fixed_dictionaries(
    {},
    optional={
        "cells": st.lists(st.dictionaries(keys, json_values, max_size=5), max_size=5) | json_values,
        "worksheets": json_values,
        "metadata": json_values,
        "nbformat": json_values,
    },
)


@settings(FAST, max_examples=200)
@given(mutated())
def test_a_mutated_notebook_is_read(data: bytes) -> None:
    read(data)


@settings(FAST, max_examples=150)
@given(notebooks | json_values)
def test_any_json_is_read(content: Any) -> None:
    read(content)


@settings(FAST, max_examples=100)
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-16")))
def test_any_bytes_are_read(data: bytes) -> None:
    read(data)


@settings(FAST, max_examples=150)
@given(st.text(max_size=300) | st.text("()[]{}:'\"\\\n\t #@=.,*%!?abfdeflass123", max_size=200))
def test_any_source_is_read(text: str) -> None:
    submission = read(handed_in({"softmax": text}, [("entropy", text)]))
    assert "softmax" in submission.cells
    definitions_of(text)


@pytest.mark.slow
@settings(FAST, max_examples=10_000)
@given(mutated() | notebooks.map(lambda content: json.dumps(content).encode()))
def test_ten_thousand_malformed_notebooks_are_read(data: bytes) -> None:
    read(data)


BOMBS = {
    "parentheses": "(" * 100_000, "minus": "-" * 90_000 + "1", "sum": "1" + "+1" * 40_000,
    "attributes": "a" + ".b" * 40_000, "calls": "f(" * 30_000 + ")" * 30_000, "braces": "{" * 90_000,
    "lambda": "lambda:" * 10_000 + "1", "depth": "".join(" " * i + "if 1:\n" for i in range(300)),
    "f-string": "f'" + "{" * 1000, "number": "9" * 90_000, "backtracking": "{1:" * 90 + "1" + "}" * 89,
    "magics": "%a\n" * 30_000, "nul": "a\0b", "surrogate": "x = '\ud800'", "escape": "x = '\x1b[2J'",
    "form feed": "\x0cdef f():\n\x0c return 1", "indent": "\t" * 5000 + "x",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_source_that_is_hard_to_parse_is_read(name: str) -> None:
    read(handed_in({"softmax": BOMBS[name]}, [("entropy", BOMBS[name])]))


# -- files that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b"{", "broken"),
        (b"[" * 100_000, "broken"),
        (b'{"cells": [' + b"9" * 5000 + b"]}", "broken"),
        (b"<html>404</html>", "broken"),
        (b"PK\x03\x04 a zip", "broken"),
        (b"\x89PNG\r\n\x1a\n", "broken"),
        (b"[]", "no list of cells"),
        (b"3", "no list of cells"),
        (b"{}", "no list of cells"),
        (b'{"cells": {}}', "no list of cells"),
    ],
)
def test_what_is_no_notebook_is_told_kindly(data: bytes, says: str) -> None:
    submission = read(data)
    assert not submission.readable
    assert says in submission.findings[-1].message


def test_a_truncated_notebook_is_unreadable_at_every_length() -> None:
    data = json.dumps(mini_class.solved()).encode()
    for length in range(0, len(data) - 1, 997):
        assert not read(data[:length]).readable


def test_a_missing_file_and_a_huge_one(tmp_path: Path) -> None:
    manifest = mini_class.manifest()
    assert not read_submission(tmp_path / "none.ipynb", manifest).readable
    huge = tmp_path / "huge.ipynb"
    with huge.open("wb") as file:
        file.truncate(20 << 30)  # twenty gigabytes that take no room
    submission = read_submission(huge, manifest)
    assert not submission.readable
    assert f"at most {MAX_FILE >> 20} MB" in submission.findings[0].message
    assert submission.sha256 == file_hash(huge) == ""
    (tmp_path / "folder.ipynb").mkdir()
    assert not read_submission(tmp_path / "folder.ipynb", manifest).readable


def test_too_many_cells_and_too_much_text() -> None:
    content = handed_in()
    content["cells"] += [mini_class.code_cell(f"x{i} = 1") for i in range(6000)]
    assert "too_many_cells" in kinds(read(content))
    content = handed_in()
    content["cells"] += [mini_class.code_cell("x = 1\n" * 15_000)] * 30
    submission = read(content)
    assert "too_long" in kinds(submission)
    assert complete(submission)
    content = handed_in()
    content["cells"] += [copy.deepcopy(find(content, "entropy")) | {"source": "x = 1\n" * 15_000} for _ in range(30)]
    assert 2 <= len(read(content).cells["entropy"]) <= 8


# -- honest accidents -------------------------------------------------------------------------------------------


def test_the_solved_notebook_is_complete() -> None:
    submission = read(mini_class.solved())
    assert not submission.findings
    assert not submission.extras
    assert complete(submission)


def as_format_3(content: dict[str, Any]) -> dict[str, Any]:
    cells = []
    for cell in content["cells"]:
        old = {**cell, "input": cell["source"], "language": "python", "prompt_number": 1}
        del old["source"]
        old.pop("id", None)
        cells.append(old if cell["cell_type"] == "code" else cell)
    return {"metadata": {}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells, "metadata": {}}]}


def as_colab(content: dict[str, Any]) -> dict[str, Any]:
    content["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}, "accelerator": "GPU"}
    for number, cell in enumerate(content["cells"]):
        cell["metadata"] |= {
            "id": f"aB{number}",
            "colab": {"base_uri": "https://localhost:8080/"},
            "executionInfo": {"user": {}},
        }
        cell.pop("id", None)
        source = cell["source"]
        cell["source"] = source.splitlines(keepends=True) if isinstance(source, str) else source
    return content


def as_vs_code(content: dict[str, Any]) -> dict[str, Any]:
    for cell in content["cells"]:
        cell["metadata"]["vscode"] = {"languageId": "python"}
    content["metadata"]["language_info"] = {"name": "python", "version": 3}
    return content


def without_grade_ids(content: dict[str, Any]) -> dict[str, Any]:
    for cell in content["cells"]:
        cell["metadata"].pop("nbgrader", None)
    return content


def without_anything(content: dict[str, Any]) -> dict[str, Any]:
    for cell in without_grade_ids(content)["cells"]:
        cell.pop("id", None)
    return content


def reordered(content: dict[str, Any]) -> dict[str, Any]:
    content["cells"].reverse()
    return content


@pytest.mark.parametrize("how", [as_format_3, as_colab, as_vs_code, without_grade_ids, reordered])
def test_notebooks_of_other_programs_are_complete(how: Any) -> None:
    assert complete(read(how(mini_class.solved())))


def test_answers_without_any_metadata_are_recognised_by_what_they_define() -> None:
    submission = read(without_anything(mini_class.solved()))
    honest = read(mini_class.solved())
    for name in ("softmax", "entropy", "Counter", "descend", "fact"):
        assert submission.cells[name] == honest.cells[name]
    assert "recognised" in kinds(submission)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\\n", "\\r\\n").encode(),
        lambda text: json.dumps(json.loads(text), indent=4, ensure_ascii=True).encode(),
    ],
    ids=["byte order mark", "UTF-16", "Windows line ends of the file", "Windows line ends of the cells", "indented"],
)
def test_other_encodings_are_complete(encode: Any) -> None:
    assert complete(read(encode(mini_class.built().solved_text)))


def test_a_file_in_the_encoding_of_old_windows_is_read() -> None:
    submission = read(json.dumps(handed_in({"fact": "fact = 7  # für"}), ensure_ascii=False).encode("cp1252"))
    assert submission.cells["fact"] == ["fact = 7  # für"]
    assert "encoding" in kinds(submission)


def test_a_deleted_cell_is_named() -> None:
    content = handed_in()
    content["cells"].remove(find(content, "entropy"))
    submission = read(content)
    assert "entropy" not in submission.cells
    assert any("entropy" in f.message for f in submission.findings if f.kind == "missing_cell")


def test_duplicated_cells_are_all_kept_in_order_and_untouched_copies_left_out() -> None:
    content = handed_in()
    copy_ = copy.deepcopy(find(content, "entropy"))
    copy_["source"] = "def entropy(x):\n    return 3"
    stub = copy.deepcopy(find(mini_class.released(), "entropy"))
    place = content["cells"].index(find(content, "entropy"))
    content["cells"][place:place] = [stub]
    content["cells"].insert(place + 2, copy_)
    submission = read(content)
    assert len(submission.cells["entropy"]) == 2
    assert submission.cells["entropy"][1] == "def entropy(x):\n    return 3"
    assert "duplicated_cell" in kinds(submission)


@pytest.mark.parametrize("kind", ["markdown", "raw", "\x1b[2J\u202e", "x" * 10**6, None, 3, [[{}]]])
def test_a_retyped_cell_is_read_as_what_it_was(kind: Any) -> None:
    content = handed_in()
    find(content, "entropy")["cell_type"] = kind
    submission = read(content)
    assert all(len(f.message) < 300 for f in submission.findings)
    assert "cell_type" in kinds(submission)
    assert complete(submission)


def test_a_split_cell_is_put_together_from_its_definitions() -> None:
    content = handed_in()
    cell = find(content, "entropy")
    source = "".join(cell["source"])
    cell["source"] = "# first the imports, the rest below\nimport math"
    content["cells"].insert(content["cells"].index(cell) + 1, mini_class.code_cell(source))
    submission = read(content)
    assert source in (submission.cells["entropy"] + [s for _, s in submission.extras])


def test_extra_cells_keep_their_place_and_only_what_they_define() -> None:
    extras = [
        ("entropy", "import math\nprint('hello')\ndef helper(x):\n    return x\nwhile True: pass"),
        ("", "last = 3\n%timeit last\n!rm -rf /"),
    ]
    submission = read(handed_in({}, extras))
    assert submission.extras == [("entropy", "import math\ndef helper(x):\n    return x"), ("", "last = 3")]


def test_metadata_of_the_submission_is_not_believed() -> None:
    content = handed_in()
    for name in ("softmax", "fact"):
        find(content, name)["metadata"]["nbgrader"] |= {
            "points": 1000,
            "grade": False,
            "schema_version": {},
            "cell_type": 7,
        }
    submission = read(content)
    assert complete(submission)
    changed = [f for f in submission.findings if f.kind == "metadata_changed"]
    assert changed
    assert not any(f.for_student for f in changed)


# -- finding the file -------------------------------------------------------------------------------------------


def hand_in(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(mini_class.built().solved_text)


def test_the_notebook_is_found_by_name(tmp_path: Path) -> None:
    hand_in(tmp_path / "a", "mini.ipynb", "other.ipynb")
    path, findings = find_notebook(tmp_path / "a", "mini", only=True)
    assert path == tmp_path / "a" / "mini.ipynb"
    assert not findings


@pytest.mark.parametrize("name", ["Mini (1).ipynb", "mini-final.ipynb", "homework.ipynb"])
def test_a_renamed_notebook_is_found(name: str, tmp_path: Path) -> None:
    hand_in(tmp_path / "a", name)
    path, findings = find_notebook(tmp_path / "a", "mini", only=True)
    assert path is not None
    assert path.name == name
    assert findings[0].kind == "renamed"


def test_of_two_notebooks_the_newest_is_read(tmp_path: Path) -> None:
    hand_in(tmp_path / "a", "mini (1).ipynb", "mini (2).ipynb")
    os.utime(tmp_path / "a" / "mini (1).ipynb", (2e9, 2e9))
    path, findings = find_notebook(tmp_path / "a", "mini", only=True)
    assert path == tmp_path / "a" / "mini (1).ipynb"
    assert {f.kind for f in findings} == {"renamed", "two_notebooks"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    hand_in(tmp_path / "victim" / "01", "mini.ipynb")
    (tmp_path / "thief" / "01").mkdir(parents=True)
    (tmp_path / "thief" / "01" / "mini.ipynb").symlink_to(tmp_path / "victim" / "01" / "mini.ipynb")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "01").symlink_to(tmp_path / "victim" / "01")
    (tmp_path / "third").symlink_to(tmp_path / "victim")
    (tmp_path / "fourth" / "01").mkdir(parents=True)
    (tmp_path / "fourth" / "01" / "Mini.ipynb").symlink_to("/etc/passwd")
    for student in ("thief", "second", "third"):
        path, findings = find_notebook(tmp_path / student / "01", "mini", only=True)
        assert path is None
        assert findings[0].kind == "link"
    assert find_notebook(tmp_path / "fourth" / "01", "mini", only=True)[0] is None


def test_special_files_and_names_are_no_notebooks(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "mini.ipynb")  # reading it would wait for ever
    assert find_notebook(tmp_path / "a", "mini", only=True)[0] is None
    (tmp_path / "b").mkdir()
    strange = os.fsdecode(b"mini\xff\x1b[2J.ipynb")
    (tmp_path / "b" / strange).write_text(mini_class.built().solved_text)
    path, findings = find_notebook(tmp_path / "b", "mini", only=True)
    assert path is not None
    assert printable(findings[0].message) == findings[0].message
    assert read_submission(path, mini_class.manifest()).readable


def test_full_marks_are_what_the_solved_notebook_can_get() -> None:
    assert mini_class.manifest().points == FULL + 3  # a written question is read by a person
