"""Sliders over plain functions that return figures.

A figure function is ordinary: numbers in, a matplotlib `Figure` out. `explore` puts one slider, switch or menu before
each of its arguments and draws again when one of them moves. Nothing else knows about widgets, so tests, web pages and
headless runs call the function itself.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from importlib.util import find_spec
from typing import Any

from matplotlib.figure import Figure

# Slider events arrive faster than a figure can be drawn: those that come within this time share one drawing.
_COALESCE_SECONDS = 0.03
_PIXELS_PER_INCH = 150


@dataclass(frozen=True)
class Slider:
    """A number between two ends.

    Args:
        low: the smallest value.
        high: the largest value.
        step: the distance of two neighbouring values; by default 1 for whole ends, a hundredth of the range for others.
        label: the words before the slider; by default the argument's name.
        log: whether equal distances on the slider are equal ratios (both ends must be positive).
        play: whether a play button runs through the values.
    """

    low: float
    high: float
    step: float | None = None
    label: str = ""
    log: bool = False
    play: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a slider runs from a smaller to a larger number; found {self.low} to {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic slider needs positive ends; found {self.low}")

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return all(isinstance(end, int) for end in (self.low, self.high)) and isinstance(self.step, int | None)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that a test has to try."""
        return (self.low, self.high)

    def accepts(self, value: Any) -> bool:
        """Whether `value` lies on the slider."""
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Toggle:
    """A switch that is on or off."""

    label: str = ""

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that a test has to try."""
        return (False, True)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is a position of the switch."""
        return isinstance(value, bool)


@dataclass(frozen=True)
class Choice:
    """One of a few named values."""

    options: tuple[Any, ...]
    label: str = ""

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that a test has to try: all of them."""
        return self.options

    def accepts(self, value: Any) -> bool:
        """Whether `value` is one of the options."""
        return value in self.options


Control = Slider | Toggle | Choice


def interactive(**controls: Control) -> Callable[[Callable[..., Figure]], Callable[..., Figure]]:
    """Say which control belongs before which argument of a figure function.

    Args:
        controls: one control per argument; each of these arguments must have a default, where its control starts.

    Returns:
        A decorator that stores the controls on the function and changes nothing else.

    Raises:
        TypeError: an argument is unknown or has no default.
        ValueError: a default does not lie on its control.
    """

    def mark(function: Callable[..., Figure]) -> Callable[..., Figure]:
        _starting_values(function, controls)
        function.controls = controls  # type: ignore[attr-defined]
        return function

    return mark


def controls_of(function: Callable[..., Figure]) -> dict[str, Control]:
    """The controls that `interactive` stored, without those that a `functools.partial` has already fixed."""
    fixed: set[str] = set()
    while isinstance(function, partial):
        fixed |= set(function.keywords)
        function = function.func
    return {name: control for name, control in getattr(function, "controls", {}).items() if name not in fixed}


def explore(function: Callable[..., Figure], **controls: Any) -> Explorer:
    """Show a figure with a control before each of its arguments.

    Args:
        function: returns a matplotlib `Figure`; every argument with a control has a default.
        controls: further controls, or others than the function brings along. `(low, high)` or `(low, high, step)` is a
            slider, `True` or `False` a switch, a list a menu.

    Returns:
        An `Explorer`; as the last value of a cell it appears as a live figure, or, where there is nobody to move a
        slider (no ipywidgets, no notebook, `COURSE_FAST=1`), as a still picture at the starting values.

    Raises:
        TypeError: an argument is unknown or has no default.
        ValueError: a starting value does not lie on its control.

    >>> def line(slope=1.0):
    ...     figure = Figure()
    ...     figure.subplots().axline((0, 0), slope=slope)
    ...     return figure
    >>> explorer = explore(line, slope=(-2.0, 2.0))
    >>> explorer.set(slope=0.5).values
    {'slope': 0.5}
    """
    merged = controls_of(function) | {name: _as_control(value) for name, value in controls.items()}
    return Explorer(function, merged)


class Explorer:
    """A figure function, its controls and their present values."""

    def __init__(self, function: Callable[..., Figure], controls: dict[str, Control]) -> None:
        self.function = function
        self.controls = controls
        self.start = _starting_values(function, controls)
        self.values = dict(self.start)
        self._view: Any = None

    @property
    def figure(self) -> Figure:
        """The figure at the present values, drawn anew."""
        return self.function(**self.values)

    def set(self, **values: Any) -> Explorer:
        """Move controls from code, as a mouse would.

        Args:
            values: the new value of each control to move.

        Returns:
            The explorer itself.

        Raises:
            ValueError: there is no such control, or the value does not lie on it.
        """
        for name, value in values.items():
            control = self.controls.get(name)
            if control is None:
                raise ValueError(f"no control is called {name!r}; there are {', '.join(self.controls) or 'none'}")
            if not control.accepts(value):
                raise ValueError(f"{name}={value!r} does not lie on {control}")
        self.values.update(values)
        if self._view is not None:
            self._view.follow()
        return self

    def png(self) -> bytes:
        """The present figure as a PNG picture with a transparent background."""
        return figure_png(self.figure)

    def corners(self) -> Iterator[dict[str, Any]]:
        """The starting values, then these with one control at a time moved to each of its ends."""
        yield dict(self.start)
        for name, control in self.controls.items():
            for end in control.ends:
                yield self.start | {name: end}

    def view(self) -> Any:
        """The live ipywidgets view, made on first use.

        Raises:
            ImportError: ipywidgets is not installed.
        """
        if self._view is None:
            self._view = _View(self)
        return self._view.box

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display

        try:
            figure = self.figure
        except NotImplementedError as error:  # it shows what an exercise computes, and that is still empty
            print(f"This figure cannot be drawn yet: {error}")
            return
        if live_widgets() and self.controls:
            display(self.view())
            return
        if find_spec("ipywidgets") is None:
            print("A still picture: with ipywidgets installed (pip install ipywidgets) you can move its controls.")
        display(Image(figure_png(figure), width=css_pixels(figure)))


def live_widgets(package: str = "ipywidgets") -> bool:
    """Whether somebody can move a control: the package is there, this is a notebook, and nobody asked for speed."""
    if os.environ.get("COURSE_FAST", "") not in ("", "0") or find_spec(package) is None:
        return False
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def css_pixels(figure: Figure) -> int:
    """The width at which a page shows a figure: 96 pixels an inch, whatever the resolution of the picture."""
    return round(figure.get_figwidth() * 96)


def figure_png(figure: Figure, pixels_per_inch: int = _PIXELS_PER_INCH) -> bytes:
    """Draw a figure as PNG.

    Args:
        figure: any matplotlib figure.
        pixels_per_inch: the resolution; a page shows 96 of them per inch.

    Returns:
        The bytes of the picture, with a transparent background.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=pixels_per_inch, facecolor="none")
    return buffer.getvalue()


def _as_control(value: Any) -> Control:
    if isinstance(value, Slider | Toggle | Choice):
        return value
    if isinstance(value, bool):
        return Toggle()
    numbers = isinstance(value, tuple) and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    if numbers and len(value) in (2, 3):
        return Slider(*value)
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return Choice(tuple(value))
    raise TypeError(f"a control is (low, high), (low, high, step), True, False or a list of options; found {value!r}")


def _starting_values(function: Callable[..., Figure], controls: dict[str, Control]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    name_of_function = getattr(function, "__name__", "this function")
    values = {}
    for name, control in controls.items():
        if name not in parameters or parameters[name].default is inspect.Parameter.empty:
            raise TypeError(f"{name_of_function} needs an argument {name} with a default, where its control starts")
        values[name] = parameters[name].default
        if not control.accepts(values[name]):
            raise ValueError(f"{name_of_function}: the default {name}={values[name]!r} does not lie on {control}")
    return values


class _View:
    """The ipywidgets side of an explorer."""

    def __init__(self, explorer: Explorer) -> None:
        import ipywidgets

        self.explorer = explorer
        self.inputs = {name: _make_input(name, control, explorer) for name, control in explorer.controls.items()}
        self.waiting = False
        figure = explorer.figure
        self.picture = ipywidgets.Image(
            value=figure_png(figure),
            format="png",
            layout={"width": f"{css_pixels(figure)}px", "max_width": "100%", "height": "auto"},
        )
        self.complaint = ipywidgets.HTML()
        reset = ipywidgets.Button(description="Reset", tooltip="Back to the starting values", layout={"width": "80px"})
        reset.on_click(lambda _: explorer.set(**explorer.start))
        rows = [_with_play_button(w) if c.play else w for c, w in self._pairs()] + [reset]
        bar = ipywidgets.Box(rows, layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 18px"})
        self.box = ipywidgets.VBox([bar, self.picture, self.complaint])
        for name, widget in self.inputs.items():
            widget.observe(partial(self._moved, name), names="value")

    def _pairs(self) -> list[tuple[Any, Any]]:
        plain = Slider(0, 1)
        return [
            (control if isinstance(control, Slider) else plain, self.inputs[name])
            for name, control in self.explorer.controls.items()
        ]

    def _moved(self, name: str, change: dict[str, Any]) -> None:
        self.explorer.values[name] = change["new"]
        self._draw_soon()

    def follow(self) -> None:
        """Show values that were set from code."""
        for name, widget in self.inputs.items():
            widget.value = self.explorer.values[name]
        self._draw_soon()

    def _draw_soon(self) -> None:
        if self.waiting:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._draw()
            return
        self.waiting = True
        loop.call_later(_COALESCE_SECONDS, self._draw)

    def _draw(self) -> None:
        self.waiting = False
        # The function may call what the learner wrote: whatever it raises belongs under the picture, not into a log.
        try:
            self.picture.value = self.explorer.png()
            self.complaint.value = ""
        except Exception as error:
            self.complaint.value = f"<code>{escape(type(error).__name__)}: {escape(str(error))}</code>"


def _make_input(name: str, control: Control, explorer: Explorer) -> Any:
    import ipywidgets

    common: dict[str, Any] = {"description": control.label or name.replace("_", " "), "value": explorer.start[name]}
    wide = {"style": {"description_width": "initial"}, "layout": {"width": "340px"}}
    if isinstance(control, Toggle):
        return ipywidgets.Checkbox(**common, indent=False, layout={"width": "auto"})
    if isinstance(control, Choice):
        wide["layout"] = {"width": "260px"}
        return ipywidgets.Dropdown(options=control.options, **common, **wide)
    if control.log:
        decades = {"min": _log10(control.low), "max": _log10(control.high), "step": control.step or 0.02}
        return ipywidgets.FloatLogSlider(base=10, readout_format=".3g", **decades, **common, **wide)
    if control.whole:
        return ipywidgets.IntSlider(min=control.low, max=control.high, step=control.step or 1, **common, **wide)
    step = control.step or (control.high - control.low) / 100
    return ipywidgets.FloatSlider(min=control.low, max=control.high, step=step, **common, **wide)


def _with_play_button(slider: Any) -> Any:
    import ipywidgets

    play = ipywidgets.Play(
        min=slider.min, max=slider.max, step=slider.step, value=slider.value, interval=150, show_repeat=False
    )
    ipywidgets.jslink((play, "value"), (slider, "value"))
    return ipywidgets.HBox([play, slider])


def _log10(value: float) -> float:
    import math

    return math.log10(value)
