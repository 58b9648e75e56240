"""Loading, downloading and verifying data, against a server of this machine that behaves well and badly."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.kit import data
from course_lib.kit.data import DataError, Part, Source, digits, fashion_mnist, mnist


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


RNG = np.random.default_rng(0)
CONTENT = {
    "train-images-idx3-ubyte.gz": idx(RNG.integers(0, 256, (50, 4, 3))),
    "train-labels-idx1-ubyte.gz": idx(RNG.integers(0, 10, 50)),
    "t10k-images-idx3-ubyte.gz": idx(RNG.integers(0, 256, (20, 4, 3))),
    "t10k-labels-idx1-ubyte.gz": idx(RNG.integers(0, 10, 20)),
}
PARTS = [Part(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in CONTENT.items()]


class Mirror(BaseHTTPRequestHandler):
    """/good serves the files, /wrong others, /html a page, /short breaks off, /bomb swells; the rest is a 404."""

    requests: list[str]

    def __init__(self, requests: list[str], *args: object) -> None:
        self.requests = requests
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        _, kind, name = self.path.split("/")
        good = gzip.compress(CONTENT[name])
        bodies = {
            "good": good,
            "recompressed": gzip.compress(CONTENT[name], compresslevel=0),
            "wrong": gzip.compress(b"not the digits"),
            "html": b"<html>Please log in</html>",
            "short": good,
            "bomb": gzip.compress(bytes(5_000_000)),
        }
        if kind not in bodies:
            self.send_error(404)
            return
        body = bodies[kind]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "short" else body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    requests: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, requests))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def use_mirrors(server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> object:
    def use(*kinds: str) -> None:
        mirrors = tuple(f"{server[0]}/{kind}/" for kind in kinds)
        train, test = (PARTS[0], PARTS[1]), (PARTS[2], PARTS[3])
        source = Source("MNIST", "mnist", "mnist(download=True)", mirrors, train, test, tuple("0123456789"))
        monkeypatch.setattr(data, "MNIST", source)

    return use


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_downloads_once_and_reads_what_was_sent(use_mirrors, server, tmp_path) -> None:
    use_mirrors("good")
    first = mnist(download=True)
    assert files(tmp_path) == sorted(CONTENT)
    assert len(server[1]) == 4
    again = mnist(download=True)
    assert mnist().description == again.description == "MNIST: 50 to train, 20 to test (the usual division)"
    assert len(server[1]) == 4, "what is in the cache is not fetched again"

    pixels = np.frombuffer(CONTENT["train-images-idx3-ubyte.gz"], np.uint8, offset=16).reshape(50, 12)
    for result in (first, again):
        assert torch.equal(result.x_train, torch.tensor(pixels, dtype=torch.float32) / 255)
        assert result.y_test.tolist() == list(CONTENT["t10k-labels-idx1-ubyte.gz"][8:])
        assert result.image_shape == (4, 3)
        assert result.x_train.dtype == torch.float32
        assert result.y_train.dtype == torch.int64


def test_a_cached_file_can_be_read_by_others(use_mirrors, tmp_path) -> None:
    use_mirrors("good")
    mnist(download=True)
    if os.name == "posix":
        assert all(path.stat().st_mode & 0o444 == 0o444 for path in (tmp_path / "mnist").iterdir())


@pytest.mark.parametrize("bad", ["missing", "wrong", "html", "short", "bomb"])
def test_turns_to_the_next_mirror(bad: str, use_mirrors, server, tmp_path) -> None:
    use_mirrors(bad, "recompressed")
    assert len(mnist(download=True).x_train) == 50
    assert files(tmp_path) == sorted(CONTENT)
    assert len(server[1]) == 8


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("missing", "404"),
        ("wrong", "not that of MNIST"),
        ("html", "Not a gzipped file"),
        ("short", "broke off after"),
        ("bomb", "not that of MNIST"),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_why(bad: str, reason: str, use_mirrors, tmp_path) -> None:
    use_mirrors(bad)
    with pytest.raises(DataError, match=f"cannot download train-images.*{reason}.*by hand") as caught:
        mnist(download=True)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert files(tmp_path) == []


def test_an_interrupted_download_leaves_nothing(use_mirrors, tmp_path, monkeypatch) -> None:
    use_mirrors("good")

    def interrupted(address: str, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "_fetch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mnist(download=True)
    assert files(tmp_path) == []


def test_offline(use_mirrors, tmp_path, monkeypatch) -> None:
    use_mirrors("good")
    offline = data.MNIST
    # Port 9 of this machine: nobody listens there.
    monkeypatch.setattr(data, "MNIST", Source(**{**vars(offline), "mirrors": ("http://127.0.0.1:9/",)}))
    with pytest.raises(DataError, match="Is this machine online"):
        mnist(download=True)


def test_without_being_asked_nothing_is_downloaded(use_mirrors, server) -> None:
    use_mirrors("good")
    with pytest.raises(DataError, match=r"is not in .*; call mnist\(download=True\) once"):
        mnist()
    assert server[1] == []


@pytest.mark.parametrize("damage", ["cut", "bytes", "swapped", "text"])
def test_a_damaged_file_is_named(damage: str, use_mirrors, tmp_path) -> None:
    use_mirrors("good")
    mnist(download=True)
    path = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    damaged = {
        "cut": whole[:-20],
        "bytes": whole[:30] + bytes(20) + whole[50:],
        "swapped": (path.parent / "t10k-labels-idx1-ubyte.gz").read_bytes(),
        "text": b"404: not found",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(DataError, match=r"is damaged \(.*\); delete it and call mnist\(download=True\)") as caught:
        mnist(download=True)
    assert str(path) in str(caught.value)
    path.unlink()
    assert len(mnist(download=True).x_test) == 20


def test_with_the_test_set_only_its_head_trains_and_its_tail_tests(use_mirrors, tmp_path, capsys) -> None:
    use_mirrors("good")
    full = mnist(download=True)
    for path in (tmp_path / "mnist").glob("train-*"):
        path.unlink()
    part = mnist()
    assert torch.equal(part.x_train, full.x_test[:18])
    assert torch.equal(part.y_test, full.y_test[18:])
    assert part.description == "MNIST, test set only: its first 18 images to train, its last 2 to test"
    assert part.description in capsys.readouterr().out


def test_files_unpacked_by_hand_are_read_too(use_mirrors, tmp_path) -> None:
    use_mirrors("good")
    (tmp_path / "mnist").mkdir()
    for name, content in CONTENT.items():
        (tmp_path / "mnist" / name.removesuffix(".gz")).write_bytes(content)
    assert len(mnist().x_train) == 50


def test_a_folder_that_cannot_be_written(use_mirrors, tmp_path, monkeypatch) -> None:
    use_mirrors("good")
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    monkeypatch.setenv("COURSE_DATA_DIR", str(in_the_way))
    with pytest.raises(DataError, match=r"cannot write to .*set COURSE_DATA_DIR"):
        mnist(download=True)


def test_data_dir(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("COURSE_DATA_DIR", "~/somewhere")
    assert data.data_dir() == Path.home() / "somewhere"
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    assert data.data_dir().name == "deep-learning-by-hand"
    assert data.data_dir().is_absolute()


@pytest.mark.parametrize("source", [data.MNIST, data.FASHION_MNIST], ids=lambda source: source.folder)
def test_the_sources_are_well_formed(source: Source) -> None:
    parts = (*source.train, *source.test)
    assert [part.name for part in parts] == list(CONTENT)
    assert [part.size for part in parts] == [47_040_016, 60_008, 7_840_016, 10_008]
    assert len({part.sha256 for part in parts}) == 4
    assert all(len(bytes.fromhex(part.sha256)) == 32 for part in parts)
    assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in source.mirrors)
    assert len(source.class_names) == 10


def test_the_genuine_test_set(mnist_folder, monkeypatch) -> None:
    monkeypatch.setenv("COURSE_DATA_DIR", str(mnist_folder))
    result = mnist()
    assert len(result.x_train) + len(result.x_test) in (10_000, 70_000)
    assert result.as_images().x_test.shape[1:] == (1, 28, 28)
    assert (result.x_train.min(), result.x_train.max()) == (0, 1)
    if len(result.x_test) == 1000:
        assert result.y_train[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_fashion_mnist_is_a_set_of_its_own(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    with pytest.raises(
        DataError, match=r"Fashion-MNIST is not in .*fashion_mnist; call fashion_mnist\(download=True\)"
    ):
        fashion_mnist()


def test_digits() -> None:
    data = digits()
    assert data.x_train.shape == (1437, 64)
    assert data.x_test.shape == (360, 64)
    assert data.x_train.dtype == torch.float32
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert data.y_train.dtype == torch.int64
    assert set(data.y_test.tolist()) == set(range(10))
    assert data.as_images().x_train.shape == (1437, 1, 8, 8)
    together = torch.cat(
        [torch.cat([data.x_train, data.x_test]), torch.cat([data.y_train, data.y_test])[:, None]], dim=1
    )
    from sklearn.datasets import load_digits

    bunch = load_digits()
    original = np.column_stack([bunch.data / 16, bunch.target])
    assert sorted(map(tuple, together.tolist())) == sorted(map(tuple, original.tolist())), (
        "each image once, with its label"
    )


def test_digits_are_divided_by_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = digits(seed=3)
    torch.manual_seed(2)
    assert torch.equal(first.x_test, digits(seed=3).x_test)
    assert not torch.equal(first.y_test, digits(seed=4).y_test)
    assert len(digits(test_size=100).x_test) == 100
    for size in (0, 1797):
        with pytest.raises(ValueError, match="expected 1 to 1796"):
            digits(test_size=size)


def test_digits_without_scikit_learn(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        digits()


def test_a_data_set_moves_as_a_whole() -> None:
    moved = digits().to("meta")
    assert {
        moved.x_train.device.type,
        moved.y_train.device.type,
        moved.x_test.device.type,
        moved.y_test.device.type,
    } == {"meta"}
    assert moved.name == "digits"
