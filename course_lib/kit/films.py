"""Short films inside a notebook: an animated PNG, which every browser plays, without a script and without a network."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image


@dataclass(frozen=True)
class Film:
    """Frames of equal size, shown again and again."""

    png: bytes = field(repr=False)
    frames: int
    seconds: float  # of one run

    def _repr_png_(self) -> bytes:
        return self.png


def snapshot(figure: Figure, pixels_per_inch: int = 80) -> np.ndarray:
    """Draw a figure as it is now: red, green, blue and opacity, uint8, shape (height, width, 4)."""
    figure.set_dpi(pixels_per_inch)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())


def film(frames: Sequence[np.ndarray], frames_per_second: float = 25.0) -> Film:
    """Join frames to a film.

    Args:
        frames: arrays as `snapshot` makes them, at least one.
        frames_per_second: of the film.

    Returns:
        The film; as the last value of a cell it plays. Its first frame is what a viewer without animation shows.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        "PNG",
        save_all=True,
        append_images=pictures[1:],
        duration=1000 / frames_per_second,
        loop=0,
        blend=0,
        disposal=1,
    )
    return Film(stream.getvalue(), len(pictures), len(pictures) / frames_per_second)
