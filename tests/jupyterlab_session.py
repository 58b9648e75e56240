"""A JupyterLab on a folder, and headless Chromium in front of it, for tests and for the pictures of the documentation.

Nothing waits for a fixed time: each step waits for what a person would wait to see.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Locator, expect, sync_playwright

PATIENCE = 120_000  # milliseconds; only ever spent where something is wrong
CHROMIUM_FLAGS = [
    "--no-sandbox",  # containers often lack the namespaces for it; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
expect.set_options(timeout=PATIENCE)
_page_numbers = itertools.count()


@dataclass
class Lab:
    """A running JupyterLab and the folder that it shows."""

    folder: Path
    url: str
    token: str


@contextlib.contextmanager
def jupyterlab(home: Path, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """JupyterLab on the folder `home/assignments`, reachable from this machine only.

    Args:
        home: an empty folder for everything that Jupyter writes.
        theme: "JupyterLab Light" or "JupyterLab Dark".

    Raises:
        RuntimeError: the server did not start; the message holds the end of its log.
    """
    folder = home / "assignments"
    folder.mkdir()
    settings = home / "settings"
    # All cells in the page, not only those in view: a cell is found by its place in the notebook.
    _settings(settings, "notebook-extension", "tracker", {"windowingMode": "none"})
    _settings(settings, "apputils-extension", "notification", {"checkForUpdates": False, "fetchNews": "false"})
    _settings(settings, "apputils-extension", "themes", {"theme": theme, "adaptive-theme": False})
    # As a student runs it: experiments at full size, the record of checks beside the notebooks.
    environment = {k: v for k, v in os.environ.items() if k not in ("COURSE_FAST", "COURSE_PROGRESS_FILE")}
    environment |= {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    options += ["--LabApp.expose_app_in_browser=True"]  # only JupyterLab itself knows when a kernel is ready
    with (home / "server.log").open("wb") as log:
        server = psutil.Popen(
            [sys.executable, "-m", "jupyter", "lab", *options, str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Lab(folder, *_address(home, server))
    finally:
        _stop(server)


def _settings(folder: Path, extension: str, name: str, values: dict) -> None:
    path = folder / "@jupyterlab" / extension / f"{name}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def _address(home: Path, server: psutil.Popen) -> tuple[str, str]:
    """Wait for the file in which a server says where it listens."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        for path in (home / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):  # half written
                said = json.loads(path.read_text())
                return said["url"], said["token"]
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{(home / 'server.log').read_text()[-2000:]}")


def _stop(server: psutil.Popen) -> None:
    """End the server and its kernels, gently first; kernels lead sessions of their own, so they are listed before."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*server.children(recursive=True), server]
        server.terminate()
        _, left = psutil.wait_procs(family, timeout=20)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)


@contextlib.contextmanager
def chromium_browser(program: str) -> Iterator[Browser]:
    """Headless Chromium.

    Args:
        program: its path.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class NotebookPage:
    """One notebook, open in JupyterLab, with its kernel ready."""

    def __init__(self, browser: Browser, lab: Lab, path: str, width: int = 1280, height: int = 900) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(PATIENCE)
        # A workspace of its own: the one that all share would open again what earlier pages left open.
        self.page.goto(f"{lab.url}lab/workspaces/page-{next(_page_numbers)}/tree/{path}?token={lab.token}")
        self.notebook = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
        self.notebook.locator(".jp-Cell").first.wait_for()
        self.ids = [cell["id"] for cell in json.loads((lab.folder / path).read_text())["cells"]]
        expect(self.notebook.locator(".jp-Cell")).to_have_count(len(self.ids))
        self.page.wait_for_function(
            """async () => {
                await jupyterapp.restored;
                const session = jupyterapp.shell.currentWidget?.sessionContext;
                await session?.ready;
                const kernel = session?.session?.kernel;
                return kernel?.status === "idle" && kernel.connectionStatus === "connected";
            }"""
        )

    def cell(self, cell_id: str) -> Locator:
        return self.notebook.locator(".jp-Cell").nth(self.ids.index(cell_id))

    def run(self, cell_id: str) -> Locator:
        """Run one cell with Shift+Enter, wait until it has a new number, and give its output."""
        cell = self.cell(cell_id)
        prompt = cell.locator(".jp-InputArea-prompt").first
        before = prompt.inner_text()
        prompt.click()
        expect(cell).to_have_class(re.compile("jp-mod-active"))
        expect(self.notebook).to_have_class(re.compile("jp-mod-commandMode"))
        self.page.keyboard.press("Shift+Enter")
        expect(prompt).not_to_have_text(before)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"))
        return cell.locator(".jp-Cell-outputArea")

    def error(self, cell_id: str) -> str:
        """The name of the exception that a cell ended with; empty where there was none."""
        # Asked of the document: on the page an exception looks like any other text on stderr.
        outputs = self.page.evaluate(
            "index => jupyterapp.shell.currentWidget.content.widgets[index].model.outputs.toJSON()",
            self.ids.index(cell_id),
        )
        return next((output["ename"] for output in outputs if output["output_type"] == "error"), "")

    def write(self, cell_id: str, source: str) -> None:
        """Replace what stands in a cell, through the editor."""
        self.cell(cell_id).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def close(self) -> None:
        """Close the page and end its kernel: a notebook of the same name opened later would get it, in a folder that
        may be gone."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close(run_before_unload=False)
