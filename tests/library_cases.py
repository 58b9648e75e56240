"""What the tests of the lectures' libraries share: devices, drawn inputs, and what a docstring has to say."""

from __future__ import annotations

import inspect
import re
from types import FunctionType

import pytest
import torch
from hypothesis import strategies as st

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
seeds = st.integers(0, 2**32 - 1)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64, device: str = "cpu") -> torch.Tensor:
    """Normally distributed numbers from a generator of their own."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype).to(device)


def assert_specification(item: type | FunctionType, lectures: str) -> None:
    """A docstring has an example, a source with its syllabus id, and for a function every argument and the result.

    Args:
        item: a public function or class of a lecture's library.
        lectures: a pattern for the lecture's number, such as "7" or "[12]".
    """
    text = inspect.getdoc(item) or ""
    assert re.search(r"^>>> ", text, re.MULTILINE), "no example"
    source = rf"^Source: lecture {lectures}, .* L0?{lectures}\.\d\d\.$"
    assert re.search(source, text, re.MULTILINE | re.DOTALL), "no source with its syllabus id"
    if isinstance(item, FunctionType):
        names = list(inspect.signature(item).parameters)
        assert not names or "Args:" in text
        assert "Returns:" in text
        for name in names:
            assert re.search(rf"^ +{name}: ", text, re.MULTILINE), f"{name} is not described"
