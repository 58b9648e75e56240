"""The look of figures: readable on light and dark pages, told apart by colour-blind readers, shown once."""

from __future__ import annotations

import io
import itertools

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from course_lib.kit import plots
from course_lib.kit.plots import COLOURS, GREY, confusion_matrix, learning_curves, show_images, styled, use_style

PAGES = ("#ffffff", "#111111")  # JupyterLab's light and dark theme
# How the cones of a reader without green or red receptors mix linear red, green and blue (Machado et al., 2009).
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of the Web Content Accessibility Guidelines, 1 to 21."""
    dark, light = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB, in which a distance of about 2 is just noticed."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(to_xyz @ rgb / (0.9505, 1.0, 1.089), 0.008856, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def png(figure: Figure) -> np.ndarray:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor())
    buffer.seek(0)
    return plt.imread(buffer)


@pytest.mark.parametrize("page", PAGES)
def test_contrast_on_light_and_dark_pages(page: str) -> None:
    assert contrast(GREY, page) >= 4
    assert all(contrast(colour, page) >= 3 for colour in COLOURS)


@pytest.mark.parametrize("cones", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["all", "no green", "no red"])
def test_colours_can_be_told_apart(cones: np.ndarray) -> None:
    seen = [lab(np.clip(cones @ linear(colour), 0, 1)) for colour in COLOURS]
    distances = {
        pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in itertools.combinations(range(5), 2)
    }
    assert min(distances.values()) > 15, distances


def labels() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([0, 0, 0, 1, 1, 2, 2, 2]), torch.tensor([0, 0, 1, 1, 1, 2, 0, 0])


MAKERS = {
    "curves": lambda: learning_curves({"training": [3.0, 2.0, 1.5], "test": [3.0, 2.5, 2.4]}),
    "images": lambda: show_images(torch.rand(3, 4, 4), titles=["a", "b", "c"], title="Images"),
    "weights": lambda: show_images(torch.randn(3, 4, 4), signed=True),
    "confusion": lambda: confusion_matrix(*labels(), class_names=("cat", "dog", "owl")),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_figures_let_the_page_through_and_are_shown_once(make) -> None:
    before = dict(plt.rcParams)
    figure = make()
    assert isinstance(figure, Figure)
    assert not plt.get_fignums(), "pyplot would show it a second time"
    assert dict(plt.rcParams) == before, "the look of other figures has changed"
    picture = png(figure)
    assert picture[0, 0, 3] == 0, "the corner is not transparent"
    assert picture[..., 3].max() == 1, "nothing is drawn"


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_learning_curves_draw_every_number_with_names() -> None:
    figure = learning_curves({"a": [3.0, 1.0], "b": [2.0, 2.0, 2.0]}, title="T", xlabel="X", ylabel="Y", log=True)
    (axes,) = figure.axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [[1, 2], [1, 2, 3]]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 1], [2, 2, 2]]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("T", "X", "Y", "log")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert len({line.get_color() for line in axes.lines}) == len({line.get_linestyle() for line in axes.lines}) == 2
    assert all(to_hex(text.get_color()) == GREY for text in axes.get_legend().get_texts())


@pytest.mark.parametrize("count", [3, 4, 7])
def test_the_legend_of_many_curves_lies_below_them(count: int) -> None:
    names = [f"one of many runs, seed {number}" for number in range(count)]
    figure = learning_curves({name: [0.0, 1.0] for name in names})
    (axes,), (legend,) = figure.axes, figure.legends
    png(figure)  # the layout is made when it is drawn
    assert [text.get_text() for text in legend.get_texts()] == names
    assert axes.get_legend() is None
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    assert figure.bbox.containsx(legend.get_window_extent().x0)
    assert figure.bbox.containsx(legend.get_window_extent().x1)


def test_show_images_uses_one_scale() -> None:
    images = torch.arange(3 * 1 * 2 * 2).reshape(3, 1, 2, 2)
    figure = show_images(images, columns=2)
    drawn = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(drawn) == 3
    assert {image.get_clim() for image in drawn} == {(0, 11)}
    assert np.array_equal(drawn[1].get_array(), [[4, 5], [6, 7]])
    signed = show_images(torch.tensor([[[-3.0, 1.0]]]), signed=True)
    assert signed.axes[0].images[0].get_clim() == (-3, 3), "0 is in the middle"


@pytest.mark.parametrize(
    ("images", "names", "match"),
    [
        (torch.rand(3, 4), None, r"\(3, 4\), expected \(N, height, width\)"),
        (torch.rand(0, 4, 4), None, "N >= 1"),
        (torch.rand(2, 3, 4, 4), None, "expected"),
        (torch.rand(2, 4, 4), ["one"], "found 1 titles for 2 images"),
    ],
)
def test_show_images_refuses(images: torch.Tensor, names: list[str] | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        show_images(images, names)


def test_confusion_matrix_counts_true_classes_in_rows() -> None:
    figure = confusion_matrix(*labels(), class_names=("cat", "dog", "owl"))
    (axes,) = figure.axes
    found = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert found == {(0, 0): "2", (0, 1): "1", (1, 1): "2", (2, 0): "2", (2, 2): "1"}
    assert axes.get_title().endswith("5 of 8 right")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    shades = axes.images[0].get_array()
    assert shades[1, 0, 3] == 0, "an empty cell lets the page through"
    assert shades[0, 0, 2] > shades[0, 0, 0], "right answers are blue"
    assert shades[2, 0, 0] > shades[2, 0, 2], "mistakes are orange"


def test_confusion_matrix_of_a_perfect_classifier_and_readable_numbers() -> None:
    figure = confusion_matrix(torch.arange(10), torch.arange(10), class_names=tuple("0123456789"))
    assert texts(figure) == ["1"] * 10
    for text in confusion_matrix(*labels(), class_names=("cat", "dog", "owl")).axes[0].texts:
        assert text.get_color() in ("black", "white")


def test_numbers_are_readable_on_every_shade() -> None:
    for scale in (plots._RIGHT, plots._WRONG):
        for level in np.linspace(0, 1, 21):
            figure, axes = plt.subplots()
            plots._write(axes, 0, 0, "1", np.array(scale(level)))
            shade = "#" + "".join(f"{round(255 * value):02x}" for value in scale(level)[:3])
            assert contrast(axes.texts[0].get_color(), shade) > 3.5
            plt.close(figure)


def test_use_style_is_for_the_session() -> None:
    with plt.rc_context():
        use_style()
        figure, axes = plt.subplots()
        assert axes.xaxis.label.get_color() == GREY
        assert figure.get_facecolor()[3] == 0
        plt.close(figure)


def test_styled_leaves_interactive_mode_to_the_backend() -> None:
    """Jupyter's backend turns it on while the first figure is made; without it pyplot figures would not be shown."""

    @styled
    def first_figure() -> Figure:
        matplotlib.interactive(True)
        return plt.figure()

    assert not plt.isinteractive()
    try:
        first_figure()
        assert plt.isinteractive()
    finally:
        matplotlib.interactive(False)


def test_styled_keeps_name_and_arguments() -> None:
    @styled
    def square(side: float, *, title: str = "") -> Figure:
        """A square."""
        return plt.subplots(figsize=(side, side))[0]

    assert (square.__name__, square.__doc__) == ("square", "A square.")
    assert square(2.0, title="x").get_size_inches().tolist() == [2, 2]
