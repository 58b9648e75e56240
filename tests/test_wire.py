"""The wire: what goes in comes out, and nothing that a worker can send does more than end in an error."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.sandbox import wire

FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def reduce(value: Any) -> dict[str, Any]:
    return {"k": "handle", "id": 1, "type": type(value).__name__}


def revive(node: dict[str, Any]) -> Any:
    return ("revived", node.get("k"))


def there_and_back(value: Any) -> Any:
    node, buffers = wire.encode(value, reduce)
    return wire.decode(json.loads(json.dumps(node)), buffers, revive)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=50)
    | st.complex_numbers(allow_nan=False)
    | st.just(Ellipsis)
    | st.builds(slice, st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5))
)
hashable = st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.booleans()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.frozensets(hashable, max_size=4).map(set)
    ),
    max_leaves=20,
)


@FAST
@given(values)
def test_plain_data_comes_back(value: Any) -> None:
    found = there_and_back(value)
    assert found == value
    assert type(found) is type(value)


@FAST
@given(
    st.sampled_from(sorted(wire.TORCH_DTYPES)),
    st.lists(st.integers(0, 4), max_size=4),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_tensors_come_back(name: str, shape: list[int], transposed: bool, seed: int) -> None:
    dtype = wire.TORCH_DTYPES[name]
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 100
    tensor = drawn > 50 if dtype == torch.bool else drawn.to(dtype)
    if transposed and len(shape) >= 2:
        tensor = tensor.transpose(0, 1)
    if dtype.is_floating_point and seed % 2:
        tensor = tensor.requires_grad_()
    found = there_and_back(tensor)
    assert found.dtype == dtype
    assert found.shape == tensor.shape
    assert found.requires_grad == tensor.requires_grad
    assert torch.equal(found, tensor)


@pytest.mark.parametrize("name", sorted(wire.NUMPY_DTYPES))
def test_arrays_come_back(name: str) -> None:
    for array in (np.arange(6).reshape(2, 3).astype(name), np.zeros((0, 3), name), np.array(1).astype(name)):
        found = there_and_back(array)
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert np.array_equal(found, array)
        scalar = there_and_back(array.dtype.type(1))
        assert type(scalar) is type(array.dtype.type(1))


def test_special_numbers_come_back() -> None:
    assert math.isnan(there_and_back(math.nan))
    assert there_and_back([math.inf, -math.inf]) == [math.inf, -math.inf]
    assert there_and_back(torch.float16) is torch.float16
    assert there_and_back(torch.Size([2, 3])) == (2, 3)


def test_what_is_not_plain_data_becomes_a_handle() -> None:
    class Liar(int):
        pass

    class Sneaky(str):
        pass

    for value in (object(), Liar(3), Sneaky("x"), print, np.array([object()]), np.array(["text"]), (1).__class__):
        assert there_and_back(value) == ("revived", "handle")
    loop: list[Any] = []
    loop.append(loop)
    there_and_back(loop)  # ends in a handle, not in a recursion without end


def test_a_tensor_subclass_is_sent_without_its_tricks() -> None:
    class Trick(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.Tensor.as_subclass:
                return super().__torch_function__(func, types, args, kwargs or {})
            raise AssertionError("the trick was executed")

    found = there_and_back(torch.ones(2).as_subclass(Trick))
    assert type(found) is torch.Tensor


# -- from an untrusted side -----------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
KINDS = (
    "tensor array list tuple dict int float scalar complex set bytes slice ellipsis dtype device generator handle other"
)
kinds = st.sampled_from(KINDS.split())
nodes = st.recursive(
    json_values,
    lambda inner: st.fixed_dictionaries(
        {"k": kinds},
        optional={
            "v": inner | st.lists(inner, max_size=3) | st.lists(st.lists(inner, min_size=2, max_size=2), max_size=2),
            "b": st.integers(-2, 3) | inner,
            "dtype": st.sampled_from(["float32", "bool", "int64", "bfloat16", "object", "datetime64"]) | inner,
            "shape": st.lists(st.integers(-1, 2**40), max_size=4) | st.just([2]) | inner,
            "grad": inner,
            "id": inner,
        },
    ),
    max_leaves=8,
)


@settings(FAST, max_examples=600)
@given(nodes, st.lists(st.binary(max_size=16), max_size=3))
def test_a_malformed_value_is_a_wire_error_and_nothing_else(node: Any, buffers: list[bytes]) -> None:
    with contextlib.suppress(wire.WireError):
        wire.decode(node, buffers, revive)


@pytest.mark.parametrize(
    "node",
    [
        {"k": "tensor", "dtype": "float32", "shape": [2], "b": 0},  # needs 8 bytes
        {"k": "tensor", "dtype": "float32", "shape": [-1, -4], "b": 0},
        {"k": "tensor", "dtype": "float32", "shape": [2**62, 2**62, 4], "b": 0},
        {"k": "tensor", "dtype": "object", "shape": [1], "b": 0},
        {"k": "tensor", "dtype": "bool", "shape": [4], "b": 1},  # neither true nor false
        {"k": "array", "dtype": "bool", "shape": [4], "b": 1},
        {"k": "array", "dtype": "float64", "shape": "x", "b": 0},
        {"k": "int", "v": "0x" + "f" * 100_000},
        {"k": "dict", "v": [[{"k": "list", "v": []}, 1]]},  # a key that cannot be one
        {"k": "generator", "b": 0},
        {"k": "list"},
        {"v": 1},
        [1],
    ],
)
def test_named_malformed_values(node: Any) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(node, [b"\0\0\0\0", b"\0\1\2\1"], revive)


def test_nesting_has_a_limit() -> None:
    node: Any = 1
    for _ in range(200):
        node = {"k": "list", "v": [node]}
    with pytest.raises(wire.WireError):
        wire.decode(node, [], revive)


# -- frames ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ends() -> Iterator[tuple[wire.Channel, socket.socket]]:
    """A channel, and the raw other end."""
    ours, theirs = wire.pair()
    channel = wire.Channel(ours, max_frame=1 << 20)
    with theirs:
        yield channel, theirs
    channel.close()


def test_frames_carry_headers_and_buffers(ends: tuple[wire.Channel, socket.socket]) -> None:
    channel, theirs = ends
    other = wire.Channel(theirs)
    other.send({"op": "x", "text": "ü\ud800"}, [b"abc", b"", b"\0" * 5])
    header, buffers = channel.receive(time.monotonic() + 30)
    assert header == {"op": "x", "text": "ü\ud800"}
    assert buffers == [b"abc", b"", b"\0" * 5]


def exhaust(channel: wire.Channel) -> None:
    """Receive until something is wrong, which the end of the stream is at the latest."""
    while True:
        channel.receive(time.monotonic() + 30)


def frame(text: bytes, sizes: tuple[int, ...] = (), magic: bytes = wire.MAGIC, count: int | None = None) -> bytes:
    count = len(sizes) if count is None else count
    return struct.pack("<4sII", magic, len(text), count) + struct.pack(f"<{len(sizes)}Q", *sizes) + text


@pytest.mark.parametrize(
    "data",
    [
        frame(b"{}", magic=b"HTTP"),
        frame(b"[]"),
        frame(b"not json"),
        frame(b"\xff\xfe"),
        frame(b"[" * 200_000),
        frame(b'{"a":' * 100_000),
        frame(b'{"a":' + b"9" * 10_000 + b"}"),
        frame(b"{}", sizes=(2**63,)),
        frame(b"{}", sizes=(2 << 20,)),
        frame(b"{}", sizes=(2**64 - 1, 1)),
        struct.pack("<4sII", wire.MAGIC, 2**32 - 1, 0),
        struct.pack("<4sII", wire.MAGIC, 2, 2**32 - 1),
        b"DLW1",
        b"",
    ],
    ids=range(14),
)
def test_a_malformed_frame_is_a_wire_error(data: bytes, ends: tuple[wire.Channel, socket.socket]) -> None:
    channel, theirs = ends
    sender = threading.Thread(target=lambda: (theirs.sendall(data), theirs.shutdown(socket.SHUT_WR)))
    sender.start()
    with pytest.raises(wire.WireError):
        channel.receive(time.monotonic() + 30)
    channel.close()
    sender.join()


@settings(FAST, max_examples=100)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_wire_error(data: bytes, begins_well: bool) -> None:
    ours, theirs = wire.pair()
    channel = wire.Channel(ours, max_frame=1 << 16)
    with theirs, ours:
        theirs.sendall((wire.MAGIC if begins_well else b"") + data)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(wire.WireError):
            exhaust(channel)


def test_waiting_for_a_slow_frame_ends(ends: tuple[wire.Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.sendall(frame(b" " * 1000)[:500])
    with pytest.raises(wire.WireTimeout):
        channel.receive(time.monotonic() + 0.2)


def test_sending_to_who_does_not_read_ends(ends: tuple[wire.Channel, socket.socket]) -> None:
    channel, _ = ends
    with pytest.raises(wire.WireTimeout):
        channel.send({"op": "x"}, [b"\0" * (8 << 20)], deadline=time.monotonic() + 0.2)


def test_sending_to_who_is_gone_ends(ends: tuple[wire.Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.close()
    with pytest.raises(wire.Closed):
        channel.send({"op": "x"}, deadline=time.monotonic() + 30)
    with pytest.raises(wire.Closed):
        channel.receive(time.monotonic() + 30)


def test_a_slow_reader_gets_everything(ends: tuple[wire.Channel, socket.socket]) -> None:
    channel, theirs = ends
    other = wire.Channel(theirs)
    big = bytes(range(256)) * (1 << 13)
    got: list[Any] = []
    reader = threading.Thread(target=lambda: got.append(other.receive(time.monotonic() + 60)))
    sender = threading.Thread(target=lambda: channel.send({"n": 1}, [big, b"x", big], deadline=time.monotonic() + 60))
    sender.start()
    time.sleep(0.1)
    reader.start()
    sender.join()
    reader.join()
    assert got == [({"n": 1}, [big, b"x", big])]


def test_file_descriptors_of_a_worker_are_not_taken(ends: tuple[wire.Channel, socket.socket]) -> None:
    """A worker that sends descriptors along gives the judge nothing to hold."""
    import os

    channel, theirs = ends
    before = len(os.listdir("/proc/self/fd"))
    socket.send_fds(theirs, [frame(b"{}")], [theirs.fileno()] * 10)
    assert channel.receive(time.monotonic() + 30) == ({}, [])
    assert len(os.listdir("/proc/self/fd")) == before
