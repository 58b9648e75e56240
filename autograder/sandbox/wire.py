"""The wire between the judge and a worker: a JSON header and raw buffers, and nothing that is executed on arrival.

A frame is ``magic, header length, number of buffers, buffer lengths, header, buffers``. Values travel as a tree of
JSON nodes: ``None``, booleans, numbers and strings stand for themselves; everything else is ``{"k": kind, ...}``.
Tensors and arrays name a dtype from a fixed table, a shape, and the index of a buffer whose length must agree with
both. What is not plain data is replaced by a handle (worker to judge) or a callback (judge to worker) by the `reduce`
function that the caller supplies.
"""

from __future__ import annotations

import json
import math
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

MAGIC = b"DLW1"
HEAD = struct.Struct("<4sII")
MAX_HEADER = 8 << 20
MAX_FRAME = 512 << 20
MAX_BUFFERS = 100_000
MAX_DEPTH = 40
HELPER = "<test helper>"  # the file name of code that a hidden test has sent
MAX_METHODS = 50  # of an object, that can be called without asking whether they are there
MAX_KEYS = 100_000  # of a dictionary or a set
MAX_DIGITS = 3_000  # of a whole number, in hexadecimal; Python prints this many
AT_ONCE = 1 << 16  # bytes that are sent or received in one system call
PATIENCE = 0.25  # seconds that one system call waits for data
_PATIENCE_OPTION = struct.pack("ll", 0, int(PATIENCE * 1e6))  # a struct timeval
_ROOM_FOR_FD = socket.CMSG_LEN(4)

TORCH_DTYPES: dict[str, torch.dtype] = {
    name: getattr(torch, name)
    for name in (
        [
            "float64",
            "float32",
            "float16",
            "bfloat16",
            "int64",
            "int32",
            "int16",
            "int8",
            "uint8",
            "bool",
            "complex64",
            "complex128",
        ]
    )
}
TORCH_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}
ITEM_SIZE = {name: torch.empty((), dtype=dtype).element_size() for name, dtype in TORCH_DTYPES.items()}
NUMPY_DTYPES = {
    name: np.dtype(name)
    for name in (
        [
            "float64",
            "float32",
            "float16",
            "int64",
            "int32",
            "int16",
            "int8",
            "uint64",
            "uint32",
            "uint16",
            "uint8",
            "bool",
            "complex64",
            "complex128",
        ]
    )
}

_SCALARS = {type(None), bool, int, float, str}  # what JSON knows

Reduce = Callable[[Any], dict[str, Any]]
Revive = Callable[[dict[str, Any]], Any]


def _not_json(value: Any) -> Any:
    raise TypeError(f"a header holds plain data, not a {type(value).__name__}")


# Made once: `json.dumps` makes an encoder for every call, which takes longer than to encode a short header.
_json: Any = json
_scan = _json.JSONDecoder().scan_once
_make_encoder = _json.encoder.c_make_encoder  # of CPython, which the grader runs on
_pieces = _make_encoder(None, _not_json, _json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)


def _dumps(header: dict[str, Any]) -> str:
    return "".join(_pieces(header, 0))


class WireError(Exception):
    """The other side sent something that is not a frame of this protocol, or is too large."""


class Closed(WireError):
    """The other side is gone."""


class WireTimeout(WireError):
    """No complete frame arrived before the deadline."""


def encode(value: Any, reduce: Reduce) -> tuple[Any, list[bytes]]:
    """Turn a value into a JSON node and the buffers it refers to."""
    buffers: list[bytes] = []
    return encode_into(buffers, value, reduce), buffers


def encode_into(buffers: list[bytes], value: Any, reduce: Reduce) -> Any:
    """The same for one of several values of a frame, whose buffers stand in one list."""
    return _encode(value, reduce, buffers, 0)


def _buffer(buffers: list[bytes], data: bytes) -> int:
    buffers.append(data)
    return len(buffers) - 1


def _encode(value: Any, reduce: Reduce, buffers: list[bytes], depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -(2**62) < value < 2**62 else {"k": "int", "v": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"k": "float", "v": repr(value)}
    if kind is torch.Tensor or kind is torch.nn.Parameter:
        return _encode_tensor(value, reduce, buffers)
    if kind is np.ndarray:
        name = value.dtype.name
        if name not in NUMPY_DTYPES:
            return reduce(value)
        data = np.ascontiguousarray(value, dtype=NUMPY_DTYPES[name]).tobytes()
        return {"k": "array", "dtype": name, "shape": value.shape, "b": _buffer(buffers, data)}
    if depth >= MAX_DEPTH:
        return reduce(value)
    if kind is list or kind is tuple or kind is torch.Size:
        items = [_encode(item, reduce, buffers, depth + 1) for item in value]
        return {"k": "list" if kind is list else "tuple", "v": items}
    if kind is dict:
        pairs = [
            [_encode(key, reduce, buffers, depth + 1), _encode(item, reduce, buffers, depth + 1)]
            for key, item in value.items()
        ]
        return {"k": "dict", "v": pairs}
    if isinstance(value, np.generic) and value.dtype.name in NUMPY_DTYPES:
        return {"k": "scalar", "dtype": value.dtype.name, "b": _buffer(buffers, value.tobytes())}
    if kind is complex:
        return {"k": "complex", "v": [repr(value.real), repr(value.imag)]}
    if kind is set or kind is frozenset:
        return {"k": "set", "v": [_encode(item, reduce, buffers, depth + 1) for item in value]}
    if kind is bytes:
        return {"k": "bytes", "b": _buffer(buffers, value)}
    if kind is slice:
        parts = [_encode(part, reduce, buffers, depth + 1) for part in (value.start, value.stop, value.step)]
        return {"k": "slice", "v": parts}
    if value is Ellipsis:
        return {"k": "ellipsis"}
    if kind is torch.dtype and value in TORCH_NAMES:
        return {"k": "dtype", "v": TORCH_NAMES[value]}
    if kind is torch.device:
        return {"k": "device", "v": str(value)}
    if kind is torch.Generator and value.device.type == "cpu":
        state = value.get_state().numpy().tobytes()
        return {"k": "generator", "b": _buffer(buffers, state)}
    if isinstance(value, torch.Tensor):
        return _encode_tensor(value.as_subclass(torch.Tensor), reduce, buffers)
    if isinstance(value, np.ndarray) and value.dtype.name in NUMPY_DTYPES:  # a matrix, a masked array
        return _encode(np.array(value, subok=False), reduce, buffers, depth)
    for base in (list, tuple, dict):  # a named tuple, an ordered dictionary: what it holds is what counts
        if isinstance(value, base):
            return _encode(base(value), reduce, buffers, depth)
    return reduce(value)


def _encode_tensor(value: torch.Tensor, reduce: Reduce, buffers: list[bytes]) -> Any:
    name = TORCH_NAMES.get(value.dtype)
    if name is None or value.layout != torch.strided or value.is_meta:
        return reduce(value)
    # NumPy has no bfloat16
    array = (value.detach().contiguous().view(torch.int16) if name == "bfloat16" else value).numpy(force=True)
    node = {"k": "tensor", "dtype": name, "shape": array.shape, "b": _buffer(buffers, array.tobytes())}
    if value.requires_grad:
        node["grad"] = True
    return node


def decode(node: Any, buffers: list[bytes], revive: Revive) -> Any:
    """Turn a JSON node and its buffers back into a value.

    Args:
        node: what `encode` made, from an untrusted side.
        buffers: the raw buffers of the frame.
        revive: makes an object of a node whose kind is not plain data (a handle, a callback).

    Raises:
        WireError: a node is malformed, or a buffer does not have the size that its dtype and shape ask for.
    """
    try:
        return _decode(node, buffers, revive, 0)
    except WireError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, RuntimeError, AttributeError) as error:
        raise WireError(f"malformed value: {type(error).__name__}") from None


def _shape(node: dict[str, Any], item_size: int, data: bytes) -> list[int]:
    shape = node["shape"]
    if not isinstance(shape, list) or len(shape) > 32:
        raise WireError("a shape must be a list of non-negative integers")
    size = item_size
    for n in shape:
        if type(n) is not int or n < 0:
            raise WireError("a shape must be a list of non-negative integers")
        size *= n
    if size != len(data):
        raise WireError("a buffer does not have the size of its dtype and shape")
    return shape


def _keys(items: list[Any]) -> list[Any]:
    """The keys of a dictionary or a set, if they may become one: with chosen hashes, a table takes hours to fill."""
    if len(items) > MAX_KEYS or len(set(map(hash, items))) < len(items) // 2:
        raise WireError("a dictionary or a set has too many keys, or keys that are made to collide")
    return items


def _decode(node: Any, buffers: list[bytes], revive: Revive, depth: int) -> Any:
    if type(node) in _SCALARS:
        return node
    if not isinstance(node, dict) or depth > MAX_DEPTH + 2:
        raise WireError("a value must be a scalar or a node")
    kind = node["k"]
    if kind == "tensor":
        name, data = node["dtype"], buffers[node["b"]]
        shape = _shape(node, ITEM_SIZE[name], data)
        dtype = TORCH_DTYPES[name]
        if name == "bool" and data.strip(b"\0\1"):
            raise WireError("a boolean must be 0 or 1")
        tensor = (
            torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)
        )
        return tensor.requires_grad_() if node.get("grad") is True and dtype.is_floating_point else tensor
    if kind == "array":
        name, data = node["dtype"], buffers[node["b"]]
        shape = _shape(node, NUMPY_DTYPES[name].itemsize, data)
        if name == "bool" and data.strip(b"\0\1"):
            raise WireError("a boolean must be 0 or 1")
        return np.frombuffer(data, dtype=NUMPY_DTYPES[name]).reshape(shape).copy()
    if kind in ("list", "tuple"):
        items = [_decode(item, buffers, revive, depth + 1) for item in node["v"]]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        keys = _keys([_decode(key, buffers, revive, depth + 1) for key, _ in node["v"]])
        return dict(zip(keys, [_decode(item, buffers, revive, depth + 1) for _, item in node["v"]], strict=True))
    if kind == "int":
        if len(node["v"]) > MAX_DIGITS:
            raise WireError("an integer has too many digits")
        return int(node["v"], 16)
    if kind == "float":
        return float(node["v"])
    if kind == "scalar":
        (value,) = np.frombuffer(buffers[node["b"]], dtype=NUMPY_DTYPES[node["dtype"]])
        return value
    if kind == "complex":
        return complex(float(node["v"][0]), float(node["v"][1]))
    if kind == "set":
        return set(_keys([_decode(item, buffers, revive, depth + 1) for item in node["v"]]))
    if kind == "bytes":
        return buffers[node["b"]]
    if kind == "slice":
        return slice(*(_decode(part, buffers, revive, depth + 1) for part in node["v"]))
    if kind == "ellipsis":
        return Ellipsis
    if kind == "dtype":
        return TORCH_DTYPES[node["v"]]
    if kind == "device":
        return torch.device(node["v"])
    if kind == "generator":
        generator = torch.Generator()
        generator.set_state(torch.frombuffer(bytearray(buffers[node["b"]]), dtype=torch.uint8))
        return generator
    return revive(node)


class Channel:
    """One end of a connected stream socket that carries frames."""

    def __init__(self, sock: socket.socket, max_frame: int = MAX_FRAME):
        self.sock = sock
        self.max_frame = max_frame
        self._patient = False  # whether the socket itself waits no longer than `PATIENCE`
        self._ahead = b""  # received and not yet asked for: most frames come in one piece

    def send(
        self,
        header: dict[str, Any],
        buffers: list[bytes] | tuple[bytes, ...] = (),
        fd: int | None = None,
        deadline: float | None = None,
    ) -> None:
        """Send one frame, with a file descriptor beside it where one is given.

        Args:
            header: becomes JSON.
            buffers: raw bytes that follow it.
            fd: a file descriptor that the other side gets a copy of.
            deadline: moment on `time.monotonic` after which waiting ends (the other side may not be reading).

        Raises:
            Closed: the other side is gone. WireTimeout: the deadline passed.
        """
        text = _dumps(header).encode()
        head = HEAD.pack(MAGIC, len(text), len(buffers))
        if buffers:
            head += struct.pack(f"={len(buffers)}Q", *map(len, buffers))
        head += text
        try:
            if fd is not None:
                self._wait_for_room(deadline)
                head = head[socket.send_fds(self.sock, [head], [fd]) :]
            small = sum(map(len, buffers)) < AT_ONCE
            for data in (b"".join((head, *buffers)),) if small else (head, *buffers):
                self._write(data, deadline)
        except OSError as error:
            raise Closed(str(error)) from None

    def _wait_for_room(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if (left is not None and left <= 0) or not select.select([], [self.sock], [], left)[1]:
            raise WireTimeout("the other side does not read")

    def _write(self, data: bytes, deadline: float | None) -> None:
        if deadline is None:
            self.sock.sendall(data)
            return
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                self._wait_for_room(deadline)

    def receive_fd(self) -> tuple[dict[str, Any], list[bytes], int | None]:
        """Receive one frame and the file descriptor that came with it, if any."""
        fd: int | None = None
        if not self._ahead:
            self._ahead, extra, _, _ = self._received(self.sock.recvmsg, AT_ONCE, _ROOM_FOR_FD)
            if not self._ahead:
                raise Closed("end of stream")
            if extra:
                fd = int.from_bytes(extra[0][2][:4], sys.byteorder)
        header, buffers = self.receive()
        return header, buffers, fd

    def receive(self, deadline: float | None = None) -> tuple[dict[str, Any], list[bytes]]:
        """Receive one frame.

        Args:
            deadline: moment on `time.monotonic` after which waiting ends; None waits for ever.

        Raises:
            Closed: the other side is gone. WireTimeout: the deadline passed. WireError: not a frame, or too large.
        """
        self._fill(HEAD.size, deadline)
        magic, header_size, count = HEAD.unpack_from(self._ahead)
        if magic != MAGIC:
            raise WireError("not a frame")
        if header_size > MAX_HEADER or count > MAX_BUFFERS:
            raise WireError(f"a result of {count} tensors and {header_size >> 20} MB of numbers is larger than allowed")
        begin = HEAD.size + 8 * count
        self._fill(begin, deadline)
        sizes = struct.unpack_from(f"={count}Q", self._ahead, HEAD.size) if count else ()
        if sum(sizes) > self.max_frame:
            raise WireError(f"a result of {sum(sizes) >> 20} MB is larger than the {self.max_frame >> 20} MB allowed")
        self._ahead = self._ahead[begin:]
        if header_size + sum(sizes) <= AT_ONCE:
            self._fill(header_size + sum(sizes), deadline)
        text = self._read(header_size, deadline)
        buffers = [self._read(size, deadline) for size in sizes]
        try:
            words = text.decode()
            header, end = _scan(words, 0)
        except (ValueError, RecursionError, StopIteration):
            raise WireError("the header is not JSON") from None
        if end != len(words) or type(header) is not dict:
            raise WireError("the header is not an object")
        return header, buffers

    def _fill(self, size: int, deadline: float | None) -> None:
        """Have so many bytes ahead; small frames are taken from the socket in one go."""
        while len(self._ahead) < size:
            self._ahead += self._some(self.sock.recv, AT_ONCE, deadline)

    def _read(self, size: int, deadline: float | None) -> bytes:
        """The next `size` bytes."""
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        if len(data) == size:
            return data
        whole = bytearray(size)
        whole[: len(data)] = data
        view, done = memoryview(whole), len(data)
        while done < size:
            done += self._some(self.sock.recv_into, view[done:], deadline)
        return bytes(whole)

    def _some(self, receive: Callable[[Any], Any], argument: Any, deadline: float | None) -> Any:
        """What `receive` gives, which is never nothing, before a deadline.

        One system call, where the answer comes soon: the socket itself gives up after `PATIENCE`, and only then, or
        close to the deadline, is the time looked at.
        """
        while True:
            if deadline is not None:
                self._be_patient()
                left = deadline - time.monotonic()
                if left <= PATIENCE and (left <= 0 or not select.select([self.sock], [], [], left)[0]):
                    raise WireTimeout("no answer in time")
            try:
                got = self._received(receive, argument)
            except BlockingIOError:
                continue
            if not got:
                raise Closed("end of stream")
            return got

    def _be_patient(self) -> None:
        if not self._patient:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE_OPTION)
            self._patient = True

    @staticmethod
    def _received(receive: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return receive(*arguments)
        except BlockingIOError:
            raise
        except OSError as error:
            raise Closed(str(error)) from None

    def close(self) -> None:
        self.sock.close()

    def fileno(self) -> int:
        return self.sock.fileno()


def pair() -> tuple[socket.socket, socket.socket]:
    """A connected pair of stream sockets, neither inherited by programs that are started."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    os.set_inheritable(ours.fileno(), False)
    os.set_inheritable(theirs.fileno(), False)
    return ours, theirs
