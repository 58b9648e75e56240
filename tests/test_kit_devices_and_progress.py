"""Choice of device, seeds, and progress bars that appear only where somebody watches."""

from __future__ import annotations

import io
import random
import sys
import types

import numpy as np
import pytest
import torch

from course_lib.kit.devices import best_device, seed_everything
from course_lib.kit.progress import progress, somebody_watches


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.delenv("COURSE_FAST", raising=False)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_best_device_prefers_cuda_then_mps(cuda: bool, mps: bool, expected: str, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == torch.device(expected)


def test_course_device_overrides(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("COURSE_DEVICE", " cpu ")
    assert best_device() == torch.device("cpu")


@pytest.mark.cuda
def test_course_device_names_a_card(monkeypatch) -> None:
    monkeypatch.setenv("COURSE_DEVICE", "cuda:0")
    assert best_device() == torch.device("cuda:0")


@pytest.mark.parametrize("name", ["toaster", "cuda:97", "cpu:first"])
def test_a_device_that_is_not_there_is_named(name: str, monkeypatch) -> None:
    monkeypatch.setenv("COURSE_DEVICE", name)
    with pytest.raises(
        RuntimeError, match=f"COURSE_DEVICE is '{name}', which cannot be used here .* unset it"
    ) as caught:
        best_device()
    assert "\n" not in str(caught.value)


def test_seed_everything_repeats_every_source() -> None:
    def draws() -> list[float]:
        generator = seed_everything(7)
        return [random.random(), np.random.rand(), torch.rand(()).item(), torch.rand((), generator=generator).item()]  # noqa: NPY002

    first = draws()
    assert draws() == first
    seed_everything(8)
    assert random.random() != first[0]


def test_the_generator_is_its_own() -> None:
    """Drawing from the returned generator leaves the global one alone."""
    generator = seed_everything(0)
    torch.rand(10, generator=generator)
    seed_free = torch.rand(3)
    seed_everything(0)
    assert torch.equal(seed_free, torch.rand(3))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "expected"), [(Terminal(), True), (io.StringIO(), False), (None, False)])
def test_a_terminal_watches_and_a_file_does_not(stream: io.StringIO | None, expected: bool, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    assert somebody_watches() == expected


@pytest.mark.parametrize(("shell", "expected"), [({"kernel": object()}, True), ({}, False), (None, False)])
def test_a_notebook_watches(shell: dict | None, expected: bool, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    ipython = types.SimpleNamespace(get_ipython=lambda: None if shell is None else types.SimpleNamespace(**shell))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert somebody_watches() == expected


@pytest.mark.parametrize(("value", "expected"), [("1", False), ("0", True), ("", True)])
def test_fast_runs_are_quiet(value: str, expected: bool, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COURSE_FAST", value)
    assert somebody_watches() == expected


def test_progress_shows_a_bar_to_a_terminal_and_nothing_to_a_file(monkeypatch) -> None:
    shown, silent = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    assert list(progress(range(3), "counting", file=shown)) == [0, 1, 2]
    assert "counting: 100%" in shown.getvalue()
    monkeypatch.setattr(sys, "stderr", silent)
    assert list(progress(range(3), "counting", file=silent)) == [0, 1, 2]
    assert silent.getvalue() == ""


def test_progress_can_be_moved_by_hand(monkeypatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(total=10, unit="B", file=stream) as bar:
        bar.update(4)
        bar.update(6)
    assert bar.n == 10
