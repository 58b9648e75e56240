"""nbgrader's formgrader in a real browser: a person reads a written answer beside its mark scheme and gives points."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from record_samples import ASSIGNMENT, HOSTILE_NAMES, ITEMS, NOTEBOOK, build_record, exercise_result, hostile_record
from test_gradebook import MANIFESTS, SCHEME, nbgrader

from autograder.curriculum import load_curriculum
from autograder.gradebook import open_gradebook, with_manual_grades, write_record
from autograder.nbgrader_layout import prepare_course_folder, write_notebooks

pytest.importorskip("playwright", reason="playwright is not installed")

from jupyterlab_session import chromium_browser
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COMMENT = "The shift is right; say why the ratio stays."
PATIENCE = 120.0  # seconds; only ever spent where something is wrong


@contextlib.contextmanager
def jupyter_server(course: Path, home: Path) -> Iterator[tuple[str, str]]:
    """A Jupyter server on a course folder: (address, token)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    environment |= {name: str(home / folder) for name, folder in folders.items()}
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command = [sys.executable, "-m", "jupyter", "server", *options]
    with (home / "server.log").open("wb") as log:
        server = psutil.Popen(command, cwd=course, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and server.poll() is None:
            for path in (home / "runtime").glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # half written
                    said = json.loads(path.read_text())
                    yield said["url"], said["token"]
                    return
            time.sleep(0.1)
        raise RuntimeError(f"the server did not start:\n{(home / 'server.log').read_text()[-2000:]}")
    finally:
        family = [*server.children(recursive=True), server]
        server.terminate()
        for process in psutil.wait_procs(family, timeout=20)[1]:
            process.kill()


def test_a_person_grades_an_answer(tmp_path, chromium):
    course, home = tmp_path / "course", tmp_path / "home"
    home.mkdir()
    honest, hostile = build_record("ada", 1), hostile_record(HOSTILE_NAMES[0])
    for record in (honest, hostile):
        record.notebooks[0].exercises[-1].status = "manual"
    honest.notebooks[0].exercises[-1] = exercise_result(ITEMS[-1], "manual")
    curriculum = load_curriculum()
    with open_gradebook(course / "gradebook.db") as book:
        for record in (honest, hostile):
            write_record(book, record, MANIFESTS, curriculum.assignment(ASSIGNMENT).due)
            write_notebooks(course, record, MANIFESTS)
        book.db.rollback()
    prepare_course_folder(course, curriculum.assignments)
    happened: list[str] = []
    with jupyter_server(course, home) as (url, token), chromium_browser(chromium) as browser:
        page = browser.new_page(extra_http_headers={"Authorization": f"token {token}"})
        page.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
        page.goto(f"{url}formgrader/gradebook/{ASSIGNMENT}/{NOTEBOOK}")
        rows = page.locator("#main-table tr")
        expect(rows).to_have_count(2)
        links = page.locator("#main-table tr a[href*='/formgrader/submissions/']")
        addresses = [links.nth(i).get_attribute("href") for i in range(links.count())]
        assert len(set(addresses)) == 2
        graded = 0
        for address in sorted(set(addresses)):
            page.goto(f"{url.rstrip('/')}{address}")
            expect(page.get_by_text(SCHEME)).to_be_visible()
            if "leaves the ratio as it is" in page.inner_text("body"):
                score = page.locator("#answer-why_max")
                expect(score).to_be_editable()
                with page.expect_response(lambda response: response.request.method == "PUT") as saved:
                    score.fill("2.5")
                    score.blur()
                assert saved.value.ok
                comment = page.locator("#answer-why_max-comment")
                expect(comment).to_be_editable()
                with page.expect_response(lambda response: response.request.method == "PUT") as saved:
                    comment.fill(COMMENT)
                    comment.blur()
                assert saved.value.ok
                graded += 1
        assert graded == 1
        page.close()
    assert happened == []
    with open_gradebook(course / "gradebook.db") as book:
        merged, other = with_manual_grades([honest, hostile], book)
    assert merged.notebooks[0].exercises[-1].score == 2.5
    assert merged.score == honest.score + 2.5
    assert other == hostile
    assert merged.notebooks[0].exercises[-1].message == COMMENT
    nbgrader(course, "generate_feedback", ASSIGNMENT, "--student=ada")
    shown = (course / "feedback" / "ada" / ASSIGNMENT / f"{NOTEBOOK}.html").read_text(encoding="utf-8")
    assert COMMENT in shown
    assert "2.5" in shown
    assert SCHEME not in shown
