"""What all tests share: one thread each, no progress files, and a clear reason where a machine lacks something."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Before anything imports NumPy or torch: tests run side by side, and a second thread would only take a neighbour's
# core.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg")
# In the process and not in a fixture, so that notebooks that a module-wide fixture runs see it too.
os.environ["COURSE_FAST"] = "1"
os.environ["COURSE_PROGRESS_FILE"] = ""  # no record of checks outside a test's own folder

import pytest
import torch

torch.set_num_threads(1)

if TYPE_CHECKING:
    from autograder.grading import Examiner

ROOT = Path(__file__).resolve().parent.parent


def chromium_program() -> str | None:
    """The browser: the one that CHROMIUM names, or what distributions call it."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = {
        "cuda": None if torch.cuda.is_available() else "no CUDA device",
        "browser": None if chromium_program() else "no Chromium; install it with `make setup`, or name it in CHROMIUM",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason is not None and marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _full_size_when_slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests marked slow see the experiments as a student runs them."""
    if "slow" in request.keywords:
        monkeypatch.delenv("COURSE_FAST", raising=False)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The data folder that holds at least MNIST's test set: COURSE_DATA_DIR, else ../shared/data."""
    folders = (os.environ.get("COURSE_DATA_DIR", ""), ROOT.parent / "shared" / "data")
    for folder in map(Path, filter(None, folders)):
        if (folder / "mnist" / "t10k-images-idx3-ubyte.gz").is_file():
            return folder.absolute()
    pytest.skip("no MNIST; set COURSE_DATA_DIR to the folder that holds mnist/")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    program = chromium_program()
    if program is None:
        pytest.skip("no Chromium")
    return program


@pytest.fixture(scope="session")
def examiner() -> Iterator[Examiner]:
    """A warm grader of the mini course (tests/mini_course), for all tests of the engine."""
    import mini_class

    if mini_class.isolation.available_level() != "bubblewrap":
        pytest.skip(f"no bubblewrap here: {mini_class.isolation.why_no_bubblewrap()}")
    with mini_class.open_examiner() as warm:
        yield warm
