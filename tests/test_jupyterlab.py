"""Every notebook in a real JupyterLab: cells run, a slider moves the figure, a check fails and then passes.

A student's edition is copied into a folder of its own, JupyterLab is started on it, and headless Chromium clicks and
types as a person would.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator

import pytest

from autograder.compiler.manifest import Built, build_notebook
from autograder.curriculum import Notebook, load_curriculum
from course_lib.kit import journal

pytest.importorskip("playwright", reason="playwright is not installed")

from jupyterlab_session import PATIENCE, Lab, NotebookPage, chromium_browser, has_error, jupyterlab
from playwright.sync_api import Browser, expect

# One server and one browser at a time: both workers together have two cores.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jupyterlab")]

NOTEBOOKS = [notebook for notebook in load_curriculum().notebooks() if notebook.source.is_file()]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with jupyterlab(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with chromium_browser(chromium) as running:
        yield running


@pytest.fixture(params=NOTEBOOKS, ids=lambda notebook: notebook.name)
def built(request: pytest.FixtureRequest) -> Built:
    notebook: Notebook = request.param
    return build_notebook(notebook)


@pytest.fixture
def opened(built: Built, lab: Lab, browser: Browser) -> Iterator[NotebookPage]:
    """The student's edition of a notebook, with its setup cells run."""
    path = lab.folder / built.notebook.assignment / f"{built.notebook.name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(built.student_text)
    page = NotebookPage(browser, lab, path.relative_to(lab.folder).as_posix())
    try:
        for cell in built.manifest.cells:
            if cell.kind == "setup":
                assert not has_error(page.run(cell.grade_id)), cell.grade_id
        yield page
    finally:
        page.close()
        shutil.rmtree(path.parent)


def test_a_check_fails_and_then_passes(built: Built, opened: NotebookPage, lab: Lab) -> None:
    """A first exercise as a student meets it: empty, then solved; the start page then knows about it."""
    exercise = next(cell for cell in built.manifest.cells if cell.kind == "exercise")
    check = f"check-{exercise.name}"
    progress = lab.folder / built.notebook.assignment / journal.FILE_NAME
    name = re.escape(exercise.name)

    expect(opened.run(check)).to_contain_text(re.compile(f"{name}: there is no"))
    opened.run(exercise.grade_id)
    expect(opened.run(check)).to_contain_text(re.compile(f"{name}: not done yet"))
    assert not progress.exists()

    opened.write(exercise.grade_id, exercise.solved)
    assert not has_error(opened.run(exercise.grade_id))
    output = opened.run(check)
    expect(output).to_contain_text(re.compile(f"{name}: passed"))
    assert not has_error(output)
    entry = journal.read(progress)[f"{built.notebook.name}/{exercise.name}"]
    assert (entry["passed"], entry["attempts"]) == (True, 1)


def test_a_slider_moves_and_the_figure_changes(built: Built, opened: NotebookPage) -> None:
    widgets = [cell["id"] for cell in built.student.cells if cell["id"].startswith("widget-")]
    assert widgets, "every lecture has an interactive figure"
    output = opened.run(widgets[0])
    picture = output.locator("img").first
    picture.wait_for()
    before_source, before = picture.get_attribute("src"), picture.screenshot()
    slider = output.locator(".noUi-handle").first
    slider.focus()
    for _ in range(5):
        opened.page.keyboard.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", before_source or "")
    deadline = time.monotonic() + PATIENCE / 1000
    while picture.screenshot() == before:  # the new picture is loaded a moment after its address changes
        assert time.monotonic() < deadline, "the slider moved and the figure stayed the same"


def test_the_start_page_shows_what_passed(lab: Lab, browser: Browser) -> None:
    root = load_curriculum().root
    folder = lab.folder / "shown"
    folder.mkdir()
    shutil.copy(root / "assignments" / "start_here.ipynb", folder)
    notebook = NOTEBOOKS[0]
    (folder / notebook.assignment).mkdir()
    built = build_notebook(notebook)
    (folder / notebook.assignment / f"{notebook.name}.ipynb").write_text(built.student_text)
    checks = [cell.name for cell in built.manifest.cells if cell.kind == "check"]
    stamp = "2027-02-01T18:30:00+00:00"
    entry = {"attempts": 2, "passed": True, "first_passed": stamp, "last": stamp}
    record = {"schema": 1, "checks": {f"{notebook.name}/{checks[0]}": entry}}
    (folder / notebook.assignment / journal.FILE_NAME).write_text(json.dumps(record))

    page = NotebookPage(browser, lab, "shown/start_here.ipynb")
    try:
        code = next(cell_id for cell_id in page.ids if cell_id.startswith("demo-"))
        output = page.run(code)
        expect(output).to_contain_text(f"1 of {len(checks)} checks passed. Next: {checks[1]}")
        output.locator("details, summary").first.wait_for()
        table = output.locator("table")
        table.wait_for()
        expect(table).to_contain_text("passed 1 Feb 18:30, 2 tries")
        output.locator("a", has_text=notebook.title).click()
        page.page.locator(f".lm-TabBar-tab.lm-mod-current:has-text('{notebook.name}')").first.wait_for()
    finally:
        page.close()
        shutil.rmtree(folder)
