"""Data sets: handwritten digits that need no download; MNIST and Fashion-MNIST downloaded on request.

A downloaded file is kept under COURSE_DATA_DIR (default: the user's cache folder of the operating system), one folder a
data set, and is checked by the SHA-256 of its decompressed content each time it is read: mirrors recompress, so that
the compressed bytes differ from one to the next.
"""

import gzip
import hashlib
import http.client
import os
import ssl
import tempfile
import urllib.request
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
import platformdirs
import torch

from course_lib.kit.progress import progress

TIMEOUT_SECONDS = 30  # for a connection or a read, not for a whole download
CHUNK_BYTES = 1 << 16


class DataError(RuntimeError):
    """A data set cannot be loaded; the message says what was found and what to do."""


@dataclass(frozen=True)
class Dataset:
    """Images with labels, divided into a training and a test set."""

    name: str
    x_train: torch.Tensor  # (N, D) float32, pixels from 0 (background) to 1; one image a row
    y_train: torch.Tensor  # (N,) int64, 0 .. C-1
    x_test: torch.Tensor  # (M, D)
    y_test: torch.Tensor  # (M,)
    image_shape: tuple[int, int]  # height, width; D is their product
    class_names: tuple[str, ...]  # C names
    description: str  # where the images come from and how they were divided: belongs beside every number

    def to(self, device: torch.device | str) -> "Dataset":
        """Give the same data set with all tensors on a device."""
        moved = {key: getattr(self, key).to(device) for key in ("x_train", "y_train", "x_test", "y_test")}
        return replace(self, **moved)

    def as_images(self) -> "Dataset":
        """Give the same data set with inputs of shape (N, 1, height, width), as convolutions expect them."""
        shape = (-1, 1, *self.image_shape)
        return replace(self, x_train=self.x_train.reshape(shape), x_test=self.x_test.reshape(shape))


@dataclass(frozen=True)
class Part:
    """One file of a source, compressed with gzip under `name`; hash and size are those of the decompressed content."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Source:
    """A data set in the IDX format of MNIST: its four files, and where to get them."""

    title: str
    folder: str  # below the data folder
    call: str  # how a student asks for it, for error messages
    mirrors: tuple[str, ...]  # addresses that end in "/"; tried in this order
    train: tuple[Part, Part]  # images, labels
    test: tuple[Part, Part]
    class_names: tuple[str, ...]


def _parts(prefix: str, count: int, images: str, labels: str) -> tuple[Part, Part]:
    """Give the two files of `count` images of 28x28 bytes and their labels; the headers take 16 and 8 bytes."""
    return (
        Part(f"{prefix}-images-idx3-ubyte.gz", images, 16 + count * 28 * 28),
        Part(f"{prefix}-labels-idx1-ubyte.gz", labels, 8 + count),
    )


# The hashes of the MNIST test set were computed from the genuine files. The others were not computed here: they are the
# values that several independent public projects publish for the decompressed files, and that agree among each other.
MNIST = Source(
    title="MNIST",
    folder="mnist",
    call="mnist(download=True)",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    train=_parts(
        "train",
        60_000,
        images="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        labels="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    test=_parts(
        "t10k",
        10_000,
        images="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        labels="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    class_names=tuple("0123456789"),
)

FASHION_MNIST = Source(
    title="Fashion-MNIST",
    folder="fashion_mnist",
    call="fashion_mnist(download=True)",
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    train=_parts(
        "train",
        60_000,
        images="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        labels="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    test=_parts(
        "t10k",
        10_000,
        images="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        labels="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    class_names=(
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
)


def data_dir() -> Path:
    """Give the folder of downloaded data: COURSE_DATA_DIR, else the user's cache folder. It need not exist yet."""
    chosen = os.environ.get("COURSE_DATA_DIR", "").strip()
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("deep-learning-by-hand", False))


def digits(seed: int = 0, test_size: int = 360) -> Dataset:
    """Give scikit-learn's 1,797 handwritten digits of 8x8 pixels. Needs no download.

    Args:
        seed: of the random division into training and test set; the same seed gives the same division everywhere.
        test_size: number of test images, 1 to 1,796.

    Returns:
        1,797 - test_size training images and test_size test images, D = 64, C = 10.

    Raises:
        DataError: scikit-learn is not installed.
        ValueError: test_size leaves one of the two sets empty.

    >>> data = digits()
    >>> data.x_train.shape, data.x_test.shape
    (torch.Size([1437, 64]), torch.Size([360, 64]))
    """
    try:
        from sklearn.datasets import load_digits  # takes a second to import, so only where it is wanted
    except ImportError:
        raise DataError("scikit-learn is not installed; run: python -m pip install scikit-learn") from None
    bunch = load_digits()
    x = torch.from_numpy(bunch.data).float() / 16  # the pixels are counts from 0 to 16
    y = torch.from_numpy(bunch.target).long()
    if not 0 < test_size < len(x):
        raise ValueError(f"test_size is {test_size}, expected 1 to {len(x) - 1}")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    test, train = order[:test_size], order[test_size:]
    return Dataset(
        name="digits",
        x_train=x[train],
        y_train=y[train],
        x_test=x[test],
        y_test=y[test],
        image_shape=(8, 8),
        class_names=tuple("0123456789"),
        description=f"scikit-learn's digits: {len(train)} to train, {len(test)} to test, drawn with seed {seed}",
    )


def mnist(download: bool = False) -> Dataset:
    """Give MNIST: handwritten digits of 28x28 pixels, 60,000 to train and 10,000 to test.

    Args:
        download: fetch what is not in the data folder yet (11 MB, once).

    Returns:
        The usual division. If only the test set is in the data folder, its first 9,000 images to train and its last
        1,000 to test; then a line is printed that says so, and `description` says it too. D = 784, C = 10.

    Raises:
        DataError: a file is missing, damaged, or cannot be downloaded.
    """
    return _load(MNIST, download)


def fashion_mnist(download: bool = False) -> Dataset:
    """Give Fashion-MNIST: photographs of clothes, in the format of MNIST and divided alike.

    Args:
        download: fetch what is not in the data folder yet (30 MB, once).

    Returns:
        See `mnist`. D = 784, C = 10.

    Raises:
        DataError: a file is missing, damaged, or cannot be downloaded.
    """
    return _load(FASHION_MNIST, download)


def _load(source: Source, download: bool) -> Dataset:
    folder = data_dir() / source.folder
    if download:
        for part in (*source.train, *source.test):
            if _find(folder, part) is None:
                _download(source, part, folder)

    have_train, have_test = (all(_find(folder, part) for part in half) for half in (source.train, source.test))
    if not have_test:
        raise DataError(
            f"{source.title} is not in {folder}; call {source.call} once to download it, "
            "or set COURSE_DATA_DIR to the folder that holds it"
        )
    x_test, y_test = _read_pair(source, source.test, folder)
    if have_train:
        x_train, y_train = _read_pair(source, source.train, folder)
        description = f"{source.title}: {len(x_train)} to train, {len(x_test)} to test (the usual division)"
    else:
        kept = len(x_test) // 10  # the last 1,000 of 10,000
        x_train, x_test = x_test[:-kept], x_test[-kept:]
        y_train, y_test = y_test[:-kept], y_test[-kept:]
        description = (
            f"{source.title}, test set only: its first {len(x_train)} images to train, its last {len(x_test)} to test"
        )
        print(f"{description}. For the full set, call {source.call}.")
    return Dataset(
        name=source.folder,
        x_train=x_train.flatten(1),
        y_train=y_train.long(),
        x_test=x_test.flatten(1),
        y_test=y_test.long(),
        image_shape=(x_test.shape[1], x_test.shape[2]),
        class_names=source.class_names,
        description=description,
    )


def _read_pair(source: Source, parts: tuple[Part, Part], folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = (_parse_idx(_read(source, part, folder)) for part in parts)
    return torch.from_numpy(images).float() / 255, torch.from_numpy(labels)


def _find(folder: Path, part: Part) -> Path | None:
    """Give the file of a part: as downloaded, or unpacked by hand, without the .gz."""
    candidates = (folder / part.name, folder / part.name.removesuffix(".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _read(source: Source, part: Part, folder: Path) -> bytes:
    path = _find(folder, part)
    assert path is not None
    try:
        with path.open("rb") as file:
            content = _decompress(file, part) if path.suffix == ".gz" else file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(_damaged(path, str(error), source)) from None
    found = hashlib.sha256(content).hexdigest()
    if found != part.sha256:
        raise DataError(_damaged(path, f"SHA-256 {found[:12]}..., expected {part.sha256[:12]}...", source))
    return content


def _damaged(path: Path, reason: str, source: Source) -> str:
    return f"{path} is damaged ({reason}); delete it and call {source.call} to get it again"


def _decompress(file: IO[bytes], part: Part) -> bytes:
    """Unpack at most one byte more than expected, so that a file that swells without end cannot fill the memory."""
    with gzip.open(file) as unpacked:
        return unpacked.read(part.size + 1)


def _parse_idx(content: bytes) -> np.ndarray:
    """Read the IDX format: two zero bytes, type (8: bytes), number of axes, big-endian lengths, then the entries."""
    axes = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=axes, offset=4)
    # A copy, since torch warns about memory that it may not write to.
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape.tolist()).copy()


def _download(source: Source, part: Part, folder: Path) -> None:
    """Fetch one file from the first mirror that has the right content; the folder gets the whole file or nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{part.name}.", suffix=".part")
    except OSError as error:
        raise DataError(
            f"cannot write to {folder} ({error.strerror}); set COURSE_DATA_DIR to a folder where you may write"
        ) from None
    failures = []
    try:
        with os.fdopen(handle, "w+b") as file:
            for mirror in source.mirrors:
                file.seek(0)
                file.truncate()
                try:
                    _fetch(mirror + part.name, file)
                    file.seek(0)
                    if hashlib.sha256(_decompress(file, part)).hexdigest() == part.sha256:
                        break
                    failures.append(f"{mirror}: the content is not that of {source.title}")
                except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
                    failures.append(f"{mirror}: {error}")
            else:
                raise DataError(
                    f"cannot download {part.name} of {source.title} ({'; '.join(failures)}). Is this machine online? "
                    f"The file can also be put into {folder} by hand"
                )
        os.chmod(temporary, 0o644)  # a temporary file is its owner's alone; a cache may be shared
        os.replace(temporary, folder / part.name)
    finally:
        Path(temporary).unlink(missing_ok=True)  # gone already if all went well


def _fetch(address: str, file: IO[bytes]) -> None:
    request = urllib.request.Request(address, headers={"User-Agent": "deep-learning-by-hand"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=_certificates()) as response:
        length = int(response.headers.get("Content-Length") or 0)
        received = 0
        name = address.rsplit("/", 1)[-1]
        with progress(total=length or None, description=name, unit="B", unit_scale=True, leave=False) as bar:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
    if received < length:
        raise OSError(f"the connection broke off after {received} of {length} bytes")


def _certificates() -> ssl.SSLContext:
    try:
        import certifi  # Python from python.org on macOS finds no certificates of its own
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())
