"""Sliders over figures, and the pad on which a digit is drawn, without a browser."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from IPython.core import getipython
from IPython.display import Image as Picture
from matplotlib.figure import Figure
from PIL import Image

from course_lib.kit import drawing, widgets
from course_lib.kit.data import Dataset, digits
from course_lib.kit.drawing import EXAMPLE_STROKES, draw_digit, fit_drawing, ink_from_strokes
from course_lib.kit.widgets import Choice, Explorer, Slider, Toggle, explore, interactive
from course_lib.softmax_regression import SoftmaxRegression


@interactive(slope=Slider(-2.0, 2.0), count=Slider(1, 5, play=True), size=Slider(0.1, 10.0, log=True), shown=Toggle())
def line(slope: float = 1.0, count: int = 2, size: float = 1.0, shown: bool = True, kind: str = "a") -> Figure:
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.set_title(f"{slope} {count} {size} {shown} {kind}")
    axes.plot([0, slope], lw=size)
    return figure


class Kernel:
    """Stands for IPython in a notebook."""

    kernel = object()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_FAST", raising=False)
    monkeypatch.setattr(getipython, "get_ipython", Kernel)


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda *things: shown.extend(things))
    return shown


# -- controls -------------------------------------------------------------------------------------


def test_controls_come_from_the_function_or_the_call() -> None:
    explorer = explore(line, kind=["a", "b"], slope=(0.0, 1.0, 0.5))
    assert explorer.controls["kind"] == Choice(("a", "b"))
    assert explorer.controls["slope"] == Slider(0.0, 1.0, 0.5)
    assert explorer.controls["count"] == Slider(1, 5, play=True)
    assert explore(line, shown=True).controls["shown"] == Toggle()


def test_an_argument_that_is_fixed_has_no_control() -> None:
    assert "slope" not in explore(partial(line, slope=0.0)).controls


@pytest.mark.parametrize(
    ("control", "error", "says"),
    [
        ({"slope": (2.0, -2.0)}, ValueError, "smaller to a larger"),
        ({"size": partial(Slider, 0.0, 1.0, log=True)}, ValueError, "positive ends"),
        ({"slope": (5.0, 6.0)}, ValueError, "default slope=1.0 does not lie"),
        ({"slop": (0.0, 1.0)}, TypeError, "needs an argument slop"),
        ({"kind": "ab"}, TypeError, "a control is"),
        ({"slope": ()}, TypeError, "a control is"),
    ],
)
def test_a_control_that_cannot_be_is_refused(control: dict[str, Any], error: type[Exception], says: str) -> None:
    def build(value: Any) -> Any:
        return value() if callable(value) else value

    with pytest.raises(error, match=says):
        explore(line, **{name: build(value) for name, value in control.items()})


def test_set_moves_and_refuses() -> None:
    explorer = explore(line)
    before = explorer.png()
    assert explorer.set(slope=-1.5).values["slope"] == -1.5
    assert explorer.png() != before
    with pytest.raises(ValueError, match="does not lie"):
        explorer.set(slope=7.0)
    with pytest.raises(ValueError, match="no control is called 'colour'"):
        explorer.set(colour=1)
    assert explorer.values["slope"] == -1.5


def test_corners_try_both_ends_of_each_control_alone() -> None:
    corners = list(explore(line, kind=["a", "b"]).corners())
    assert corners[0] == {"slope": 1.0, "count": 2, "size": 1.0, "shown": True, "kind": "a"}
    assert len(corners) == 1 + 5 * 2
    assert corners[1] == corners[0] | {"slope": -2.0}


# -- the live view --------------------------------------------------------------------------------


def test_moving_a_slider_draws_another_picture() -> None:
    explorer = explore(line)
    explorer.view()
    view = explorer._view
    before = view.picture.value
    view.inputs["slope"].value = -2.0
    assert explorer.values["slope"] == -2.0
    assert view.picture.value != before
    view.inputs["shown"].value = False
    assert explorer.values["shown"] is False


def test_set_moves_the_slider_too_and_reset_brings_all_back() -> None:
    explorer = explore(line)
    explorer.view()
    start = explorer._view.picture.value
    explorer.set(slope=0.5, size=3.0)
    assert explorer._view.inputs["slope"].value == 0.5
    assert explorer._view.picture.value != start
    reset = explorer.view().children[0].children[-1]
    reset.click()
    assert explorer.values == explorer.start
    assert explorer._view.picture.value == start


def test_many_moves_in_one_moment_share_one_drawing() -> None:
    drawn: list[float] = []

    def count(slope: float = 1.0) -> Figure:
        drawn.append(slope)
        return line(slope)

    explorer = explore(count, slope=(-2.0, 2.0))

    async def drag() -> None:
        explorer.view()
        drawn.clear()
        for slope in np.linspace(-2, 2, 30):
            explorer._view.inputs["slope"].value = float(slope)
        await asyncio.sleep(10 * widgets._COALESCE_SECONDS)

    asyncio.run(drag())
    assert drawn == [2.0], "one drawing, of the last position"


def test_what_the_figure_raises_stands_under_the_picture() -> None:
    def fragile(slope: float = 1.0) -> Figure:
        if slope < 0:
            raise ValueError("a < b")
        return line(slope)

    explorer = explore(fragile, slope=(-2.0, 2.0))
    explorer.view()
    explorer._view.inputs["slope"].value = -1.0
    assert explorer._view.complaint.value == "<code>ValueError: a &lt; b</code>"
    explorer._view.inputs["slope"].value = 1.5
    assert explorer._view.complaint.value == ""


# -- still pictures -------------------------------------------------------------------------------


def test_nobody_to_move_a_slider_gets_a_picture(displayed: list[Any]) -> None:
    explore(line)._ipython_display_()
    assert [type(thing) for thing in displayed] == [Picture]


@pytest.mark.usefixtures("notebook")
def test_in_a_notebook_the_view_is_live(displayed: list[Any]) -> None:
    explorer = explore(line)
    explorer._ipython_display_()
    assert displayed == [explorer.view()]


@pytest.mark.usefixtures("notebook")
def test_fast_mode_is_still(displayed: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_FAST", "1")
    explore(line)._ipython_display_()
    assert [type(thing) for thing in displayed] == [Picture]
    monkeypatch.setenv("COURSE_FAST", "0")
    assert widgets.live_widgets()


@pytest.mark.usefixtures("notebook")
def test_a_missing_package_is_named_kindly(
    displayed: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(widgets, "find_spec", lambda package: None)
    explore(line)._ipython_display_()
    assert [type(thing) for thing in displayed] == [Picture]
    assert "pip install ipywidgets" in capsys.readouterr().out


def test_a_figure_without_controls_is_a_picture(displayed: list[Any]) -> None:
    Explorer(line, {})._ipython_display_()
    assert [type(thing) for thing in displayed] == [Picture]


def test_a_figure_of_an_empty_exercise_says_so(displayed: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    def waits(slope: float = 1.0) -> Figure:
        raise NotImplementedError("softmax is not done yet")

    explore(waits, slope=(-2.0, 2.0))._ipython_display_()
    assert displayed == []
    assert capsys.readouterr().out == "This figure cannot be drawn yet: softmax is not done yet\n"


# -- drawing --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> tuple[Dataset, SoftmaxRegression]:
    data = digits()
    model = SoftmaxRegression(64, 10)
    model.fit(data.x_train, data.y_train, 0.5, 60, 32, torch.Generator().manual_seed(0))
    return data, model


def test_a_drawing_fills_the_box_wherever_and_however_large_it_was() -> None:
    ink = np.zeros((56, 56))
    ink[5:25, 30:40] = 1
    small = fit_drawing(ink, 8)
    assert small.shape == (8, 8)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small[:, 2:6], 1, atol=0.01)
    np.testing.assert_allclose(small[:, [0, 1, 6, 7]], 0, atol=0.01)
    moved = np.roll(ink, (20, -25), axis=(0, 1))
    np.testing.assert_allclose(fit_drawing(moved, 8), small, atol=1e-6)


def test_an_image_of_mnist_has_its_centre_of_mass_in_the_middle() -> None:
    ink = np.zeros((56, 56))
    ink[10:50, 10:14] = 1  # an L: heavy on the left and below
    ink[46:50, 10:40] = 1
    image = fit_drawing(ink, 28)
    assert image.shape == (28, 28)
    centre = np.arange(28) + 0.5
    assert image.sum(0) @ centre / image.sum() == pytest.approx(14, abs=0.3)
    assert image.sum(1) @ centre / image.sum() == pytest.approx(14, abs=0.3)
    assert np.flatnonzero(image.sum(1) > 0.1).size <= 21


def test_no_ink_is_no_digit() -> None:
    pad = draw_digit(lambda image: 1 / 0)
    assert not pad.draw(np.zeros((56, 56))).any()
    assert not pad.image.any()


def test_the_pad_says_how_many_numbers_are_missing() -> None:
    pad = draw_digit(lambda image: np.ones(3))
    with pytest.raises(ValueError, match="3 numbers for one drawing, and there are 10 classes"):
        pad.draw(np.ones((56, 56)))


def test_data_sets_own_digits_survive_the_way_through_the_pad(trained: tuple[Dataset, SoftmaxRegression]) -> None:
    data, model = trained
    pad = draw_digit(lambda image: model.predict_proba(torch.from_numpy(image).reshape(1, -1))[0])
    right = 0
    for row, label in zip(data.x_test, data.y_test, strict=True):
        pixels = Image.fromarray((row.reshape(8, 8).numpy() * 255).astype(np.uint8))
        ink = np.asarray(pixels.resize((56, 56), Image.Resampling.BICUBIC)) / 255
        right += int(pad.draw(ink).argmax() == label)
    assert right / len(data.y_test) > 0.9  # measured: 0.94, and 0.97 without the way through the pad


def test_drawn_strokes_are_recognised(trained: tuple[Dataset, SoftmaxRegression]) -> None:
    _, model = trained

    def arc(x: float, y: float, width: float, height: float, begin: float, end: float) -> list[tuple[float, float]]:
        angles = np.radians(np.linspace(begin, end, 30))
        return list(zip(x + width * np.cos(angles), y + height * np.sin(angles), strict=True))

    strokes = {
        0: [arc(0.5, 0.5, 0.25, 0.38, 0, 360)],
        2: [[*arc(0.5, 0.33, 0.2, 0.2, 180, 380), (0.3, 0.88), (0.72, 0.88)]],
        3: EXAMPLE_STROKES,
        4: [[(0.55, 0.1), (0.25, 0.6), (0.78, 0.6)], [(0.6, 0.35), (0.6, 0.9)]],
        7: [[(0.28, 0.13), (0.72, 0.13), (0.45, 0.88)]],
        9: [[*arc(0.5, 0.33, 0.19, 0.2, 0, 360), (0.69, 0.33), (0.6, 0.9)]],
    }
    pad = draw_digit(lambda image: model.predict_proba(torch.from_numpy(image).reshape(1, -1)))
    for digit, path in strokes.items():
        probabilities = pad.draw(ink_from_strokes(path))
        assert probabilities.argmax() == digit
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_ink_from_the_browser_becomes_probabilities() -> None:
    live = draw_digit(lambda image: np.eye(10)[3]).view()
    ink = (ink_from_strokes(EXAMPLE_STROKES) * 255).astype(np.uint8)
    live.set_trait("raster", memoryview(ink.tobytes()))  # a browser's bytes arrive as a memoryview
    assert live.probabilities == np.eye(10)[3].tolist()
    assert len(live.seen) == 64
    assert max(live.seen) == pytest.approx(1, abs=0.01)
    live.set_trait("raster", bytes(56 * 56))
    assert live.probabilities == [0.0] * 10


def test_what_the_classifier_raises_stands_under_the_pad() -> None:
    def broken(image: np.ndarray) -> np.ndarray:
        raise NotImplementedError("softmax is not done yet")

    live = draw_digit(broken).view()
    live.set_trait("raster", bytes([255]) * 56 * 56)
    assert live.complaint == "NotImplementedError: softmax is not done yet"


def test_a_pad_that_nobody_can_draw_on_shows_a_stored_drawing(
    displayed: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pad = draw_digit(lambda image: np.eye(10)[3])
    pad._ipython_display_()
    assert [type(thing) for thing in displayed] == [Picture]
    assert "stored drawing" in capsys.readouterr().out
    assert pad.probabilities.argmax() == 3


def test_a_pad_on_an_empty_exercise_says_so(displayed: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    def waits(image: np.ndarray) -> np.ndarray:
        raise NotImplementedError("softmax is not done yet")

    draw_digit(waits)._ipython_display_()
    assert displayed == []
    assert capsys.readouterr().out == "Nothing can be classified yet: softmax is not done yet\n"


@pytest.mark.usefixtures("notebook")
def test_in_a_notebook_the_pad_is_live(displayed: list[Any]) -> None:
    draw_digit(lambda image: np.eye(10)[3])._ipython_display_()
    assert [type(thing).__name__ for thing in displayed] == ["LivePad"]


def test_script_and_style_use_the_traits_that_exist() -> None:
    live = draw_digit(lambda image: np.eye(10)[3]).view()
    for name in re.findall(r'model\.[gs]et\("(\w+)"', drawing._SCRIPT):
        assert live.has_trait(name), name
    for name in re.findall(r"digit-pad-\w+", drawing._SCRIPT):
        assert name in drawing._STYLE or name == "digit-pad-complaint", name
