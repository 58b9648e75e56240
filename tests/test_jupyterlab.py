"""Every notebook in a real JupyterLab: cells run, a slider moves the figure, a check fails and then passes.

A student's edition is copied into a folder of its own, JupyterLab is started on it, and headless Chromium clicks and
types as a person would.
"""

from __future__ import annotations

import contextlib
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

from jupyterlab_session import PATIENCE, Lab, NotebookPage, chromium_browser, jupyterlab
from playwright.sync_api import Browser, Locator, expect

pytestmark = pytest.mark.browser

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
    """The student's edition of a notebook."""
    with open_text(built, built.student_text, lab, browser) as page:
        yield page


@contextlib.contextmanager
def open_text(built: Built, text: str, lab: Lab, browser: Browser) -> Iterator[NotebookPage]:
    path = lab.folder / built.notebook.assignment / f"{built.notebook.name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    page = NotebookPage(browser, lab, path.relative_to(lab.folder).as_posix())
    try:
        yield page
    finally:
        page.close()
        shutil.rmtree(path.parent)


def run_above(page: NotebookPage, cell_id: str, *kinds: str) -> None:
    """Run the cells of these kinds that stand above a cell."""
    for above in page.ids[: page.ids.index(cell_id)]:
        if above.startswith(kinds):
            page.run(above)
            assert page.error(above) == "", above


def move_slider(page: NotebookPage, output: Locator) -> None:
    """Move the first slider of an interactive figure, and wait until its picture is another one."""
    picture = output.locator("img").first
    picture.wait_for()
    address, before = picture.get_attribute("src"), picture.screenshot()
    output.locator(".noUi-handle").first.focus()
    for key in ["ArrowRight"] * 7 + ["ArrowLeft"] * 2:  # ends elsewhere, at whichever end the slider begins
        page.page.keyboard.press(key)
    expect(picture).not_to_have_attribute("src", address or "")
    deadline = time.monotonic() + PATIENCE / 1000
    while picture.screenshot() == before:  # the new picture is loaded a moment after its address changes
        assert time.monotonic() < deadline, "the slider moved and the figure stayed the same"


def test_a_check_fails_and_then_passes(built: Built, opened: NotebookPage, lab: Lab) -> None:
    """A first exercise as a student meets it: not run, then empty, then wrong, then right."""
    exercise = next(cell for cell in built.manifest.cells if cell.kind == "exercise")
    check = f"check-{exercise.name}"
    progress = lab.folder / built.notebook.assignment / journal.FILE_NAME
    run_above(opened, exercise.grade_id, "setup-")

    expect(opened.run(check)).to_contain_text(f"{exercise.name}: there is no")
    opened.run(exercise.grade_id)
    # of a class, the first method that is missing is named: "Standardizer: fit is not done yet"
    expect(opened.run(check)).to_contain_text(re.compile(rf"{exercise.name}: (\w+ is )?not done yet"))
    assert opened.error(check) == "NotDoneYet"
    assert not progress.exists()

    opened.write(exercise.grade_id, f"def {exercise.name}(*arguments):\n    pass")
    opened.run(exercise.grade_id)
    expect(opened.run(check)).not_to_contain_text("not done yet")
    assert opened.error(check) != ""
    entry = journal.read(progress)[f"{built.notebook.name}/{exercise.name}"]
    assert (entry["passed"], entry["attempts"]) == (False, 1)

    opened.write(exercise.grade_id, exercise.solved)
    opened.run(exercise.grade_id)
    assert opened.error(exercise.grade_id) == ""
    expect(opened.run(check)).to_contain_text(f"{exercise.name}: passed")
    assert opened.error(check) == ""
    entry = journal.read(progress)[f"{built.notebook.name}/{exercise.name}"]
    assert (entry["passed"], entry["attempts"]) == (True, 2)


def test_a_slider_moves_and_the_figure_changes(built: Built, opened: NotebookPage) -> None:
    widgets = [cell_id for cell_id in opened.ids if cell_id.startswith("widget-")]
    assert widgets, "every lecture has an interactive figure"
    run_above(opened, widgets[0], "setup-", "demo-", "exercise-")
    move_slider(opened, opened.run(widgets[0]))


def draw_a_stroke(page: NotebookPage, output: Locator) -> None:
    """Draw a vertical stroke on a drawing pad, and wait until what stands beside it says something else."""
    canvas = output.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    before = output.inner_text()
    mouse = page.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8, steps=12)
    mouse.up()
    expect(output).not_to_have_text(before, use_inner_text=True)


@pytest.mark.slow
def test_every_figure_answers_to_its_slider(built: Built, lab: Lab, browser: Browser) -> None:
    """The solved notebook from the top, with each figure moved where it stands."""
    with open_text(built, built.solved_text, lab, browser) as page:
        moved = 0
        code = [cell["id"] for cell in built.solved.cells if cell["cell_type"] == "code"]
        for cell_id in code:
            output = page.run(cell_id)
            assert page.error(cell_id) == "", cell_id
            if cell_id.startswith("widget-") and output.locator(".noUi-handle").count():
                move_slider(page, output)
                moved += 1
            elif cell_id.startswith("widget-") and output.locator("canvas").count():
                draw_a_stroke(page, output)
        assert moved >= 3


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
