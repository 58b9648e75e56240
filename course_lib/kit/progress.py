"""Progress bars that appear where somebody watches, and nowhere else."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm


def somebody_watches() -> bool:
    """Say whether a bar would be seen: in a notebook or on a terminal, and not with COURSE_FAST=1."""
    if os.environ.get("COURSE_FAST", "") not in ("", "0"):
        return False
    # Looking the module up instead of importing it: outside IPython there is nobody to ask.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    in_notebook = shell is not None and hasattr(shell, "kernel")
    return in_notebook or (sys.stderr is not None and sys.stderr.isatty())


def progress(iterable: Iterable[Any] | None = None, description: str = "", **options: Any) -> Any:
    """Wrap an iterable in a progress bar, or open a bar that is moved by hand.

    Args:
        iterable: what to go through; None for a bar that is moved by its `update(n)`.
        description: text before the bar.
        options: passed on to tqdm, for example `total=60_000`, `unit="image"`, `leave=False`.

    Returns:
        A tqdm bar: iterable, a context manager, with `update` and `set_postfix`. Silent where nobody watches.

    >>> sum(progress(range(4), "adding"))
    6
    >>> with progress(total=2) as bar:
    ...     _ = bar.update(2)
    """
    options.setdefault("disable", not somebody_watches())
    return tqdm(iterable, desc=description or None, **options)
