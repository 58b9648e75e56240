"""Lecture 2: scores turned into probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, CYCLE, GREY, MARK, ORANGE, drawn, panels, show_pixels
from course_lib.kit.widgets import Slider, interactive

_ANIMALS = ("dog", "cat", "owl")
_LOGITS = {name: Slider(-6.0, 6.0, 0.25, f"logit of {name}") for name in _ANIMALS}


@drawn
def ambiguous_digits(table: Mapping[str, Sequence[float]]) -> Figure:
    """The lecture's table of digits that nobody can be sure of, as bars.

    Args:
        table: name of the digit to its probabilities (10,).

    Returns:
        One panel a digit, with its entropy in nats in the title.

    Source: lecture 2, prediction is difficult. L02.04.
    """
    figure, axes = panels(len(table), width=9.4, height=2.3, sharey=True)
    for panel, (name, row) in zip(axes, table.items(), strict=True):
        p = np.asarray(row)
        entropy = -np.sum(p[p > 0] * np.log(p[p > 0]))
        panel.bar(range(10), p, color=[ORANGE if value == p.max() else BLUE for value in p])
        panel.set(title=f"“{name}”   H = {entropy:.2f}", xticks=range(0, 10, 2), xlabel="class", ylim=(0, 1))
    axes[0].set_ylabel("probability")
    return figure


@interactive(**_LOGITS, temperature=Slider(0.05, 20.0, label="temperature T", log=True))
@drawn
def temperature(dog: float = 2.0, cat: float = 1.0, owl: float = -1.0, temperature: float = 1.0) -> Figure:
    """Logits, their exponentials and the softmax probabilities at a temperature.

    Args:
        dog: logit of the first class.
        cat: logit of the second class.
        owl: logit of the third class.
        temperature: the logits are divided by it, positive.

    Returns:
        Three panels.

    Source: lecture 2, softmax, and why it is called so. L02.06.
    """
    scaled = torch.tensor([dog, cat, owl], dtype=torch.float64) / temperature
    p = torch.softmax(scaled, 0).numpy()
    figure, (first, second, third) = panels(3, width=9, height=2.9)
    _bars(first, scaled.numpy(), "logits / T", span=max(6.0, float(scaled.abs().max())))
    exponentials = scaled.exp().numpy()
    _bars(second, exponentials, "exp(logits / T)", log=True)
    _bars(third, p, "divided by their sum", limits=(0, 1.12))
    third.set_ylabel("probability")
    figure.suptitle(_in_words(p))
    return figure


@interactive(**_LOGITS)
@drawn
def normalizers(dog: float = -3.0, cat: float = 1.0, owl: float = 0.5) -> Figure:
    """Four ways to make the same scores positive and sum to one.

    Args:
        dog: score of the first class.
        cat: score of the second class.
        owl: score of the third class.

    Returns:
        Four panels; one whose winner is not the class with the largest score says so.

    Source: lecture 2, how to make a number positive. L02.05.
    """
    z = torch.tensor([dog, cat, owl], dtype=torch.float64)
    maps = {"$z^2$": z**2, r"$|z|$": z.abs(), r"$\max(0, z)$": z.clamp(min=0), r"$\exp(z)$": z.exp()}
    figure, axes = panels(4, width=9.4, height=2.9, sharey=True)
    for panel, (name, positive) in zip(axes, maps.items(), strict=True):
        if positive.sum() == 0:
            panel.text(0.5, 0.5, "0 / 0", transform=panel.transAxes, ha="center", fontsize=20, color=MARK)
            panel.set(xticks=range(3), xticklabels=_ANIMALS, xlim=(-0.6, 2.6))
            verdict = "no answer"
        else:
            p = (positive / positive.sum()).numpy()
            _bars(panel, p, "")
            same = p[int(z.argmax())] == p.max()
            verdict = "keeps the winner" if same else "another winner"
        panel.set_ylim(0, 1.14)
        panel.set_title(f"{name}\n{verdict}", color=GREY if verdict == "keeps the winner" else MARK)
    axes[0].set_ylabel("probability")
    return figure


@interactive(scale=Slider(0.1, 12.0, label="length of θ", log=True), boundary=Slider(-2.0, 2.0, 0.1, "boundary"))
@drawn
def softmax_on_a_line(scale: float = 2.0, boundary: float = 0.0) -> Figure:
    """Two classes on a line: the probability saturates, and only the odds grow exponentially.

    Args:
        scale: difference of the two weights, positive.
        boundary: where both classes are equally probable.

    Returns:
        Two panels: probabilities, and the odds of red against blue on a logarithmic axis.

    Source: lecture 2, softmax in one dimension, with the slide's sentence corrected. L02.06.
    """
    x = torch.linspace(-3, 3, 301, dtype=torch.float64)
    logit = scale * (x - boundary)
    red, blue = torch.softmax(torch.stack([logit, torch.zeros_like(x)]), 0)
    figure, (left, right) = panels(2, width=8.6, height=3.1)
    left.plot(x, red, color=ORANGE, label=r"$P(\mathrm{red}\mid x)$")
    left.plot(x, blue, color=BLUE, ls="--", label=r"$P(\mathrm{blue}\mid x)$")
    left.set(xlabel="$x$", ylabel="probability", ylim=(-0.03, 1.03), title="The probability saturates at 1")
    left.legend(loc="center right")
    right.semilogy(x, logit.exp(), color=ORANGE)
    right.axhline(1, color=GREY, lw=1, ls=":")
    right.set(xlabel="$x$", ylabel="P(red) / P(blue)", title="The odds grow exponentially", ylim=(1e-8, 1e8))
    for panel in (left, right):
        panel.axvline(boundary, color=GREY, lw=1, ls=":")
    return figure


@interactive(
    theta_1=Slider(-3.0, 3.0, 0.1, "θ of class 1"),
    theta_2=Slider(-3.0, 3.0, 0.1, "θ of class 2"),
    shift=Slider(-3.0, 3.0, 0.1, "add to both"),
)
@drawn
def redundant_weights(theta_1: float = 1.5, theta_2: float = -0.5, shift: float = 0.0) -> Figure:
    """Two weights where one would do: along the diagonal nothing changes.

    Args:
        theta_1: weight of the first class.
        theta_2: weight of the second class.
        shift: a number added to both.

    Returns:
        Two panels: P(class 1 | x = 1) over the plane of both weights, and P(class 1 | x) as a curve.

    Source: lecture 2, two classes. L02.07.
    """
    span = torch.linspace(-6, 6, 121, dtype=torch.float64)
    first, second = torch.meshgrid(span, span, indexing="xy")
    p = torch.softmax(torch.stack([first, second]), 0)[0]
    figure, (left, right) = panels(2, width=8.6, height=3.5)
    picture = left.contourf(first, second, p, levels=np.linspace(0, 1, 11), cmap="RdBu_r")
    bar = figure.colorbar(picture, ax=left)
    bar.set_label("P(class 1 | x = 1)")
    bar.outline.set_visible(False)
    for colour, width, dashes in (("white", 3.5, "-"), ("black", 1.4, "--")):  # readable on dark and on light colours
        left.axline((theta_1, theta_2), slope=1, color=colour, lw=width, ls=dashes)
    left.plot(theta_1 + shift, theta_2 + shift, "o", ms=10, color="black", mec="white", mew=1.5)
    left.set(xlabel="θ of class 1", ylabel="θ of class 2", xlim=(-6, 6), ylim=(-6, 6), title="Same along the diagonal")
    x = torch.linspace(-3, 3, 200, dtype=torch.float64)
    curve = torch.softmax(torch.stack([(theta_1 + shift) * x, (theta_2 + shift) * x]), 0)[0]
    right.plot(x, curve, color=BLUE)
    right.set(xlabel="$x$", ylabel="P(class 1 | x)", ylim=(-0.03, 1.03))
    right.set_title(f"Only the difference counts: {theta_1 - theta_2:.1f}")
    return figure


@drawn
def digit_probabilities(
    images: Any, probabilities: Any, titles: Sequence[str] = (), names: Sequence[str] = tuple("0123456789")
) -> Figure:
    """A few images with the probability of each class beside them.

    Args:
        images: (N, H, W), 0 paper to 1 ink.
        probabilities: (N, C).
        titles: one line above each image, optional.
        names: names of the C classes.

    Returns:
        A row for each two images.

    Source: lecture 2, predicting probabilities. L02.04.
    """
    count = len(images)
    across = min(count, 3)
    rows = -(-count // across)
    figure, axes = panels(2 * across, rows, width=3.3 * across, height=1.75 * rows, width_ratios=(3, 4) * across)
    pairs = np.asarray(axes).reshape(-1, 2)
    for i, (image_axes, bar_axes) in enumerate(pairs):
        if i >= count:
            image_axes.set_axis_off()
            bar_axes.set_axis_off()
            continue
        show_pixels(image_axes, np.asarray(images[i]))
        if titles:
            image_axes.set_title(titles[i], fontsize=9)
        p = np.asarray(probabilities[i])
        bar_axes.barh(range(len(p)), p, color=[ORANGE if value == p.max() else BLUE for value in p])
        bar_axes.set(yticks=range(len(p)), yticklabels=names, xlim=(0, 1), xticks=(0, 0.5, 1))
        bar_axes.invert_yaxis()
        bar_axes.tick_params(labelsize=7, length=2)
        bar_axes.grid(False)
    return figure


def _bars(
    axes: Axes,
    values: np.ndarray,
    title: str,
    *,
    span: float | None = None,
    limits: tuple[float, float] | None = None,
    log: bool = False,
) -> None:
    bottom = 1e-4 if log else 0
    shown = np.clip(values, bottom, 1e60) if log else values
    axes.bar(range(len(values)), shown - bottom if log else shown, bottom=bottom, color=CYCLE[: len(values)])
    if not log:
        axes.axhline(0, color=GREY, lw=1)
    for i, value in enumerate(values):
        above = log or value >= 0
        text = f"{value:.3g}" if abs(value) < 1e6 else f"{value:.0e}"
        axes.annotate(
            text,
            (i, float(shown[i])),
            (0, 3 if above else -3),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
        )
    axes.set(xticks=range(len(values)), xticklabels=_ANIMALS[: len(values)], title=title)
    if log:
        axes.set(yscale="log", ylim=(bottom, max(1e4, 30 * float(shown.max()))))
    if span is not None:
        axes.set_ylim(-1.25 * span, 1.25 * span)
    if limits is not None:
        axes.set_ylim(*limits)


def _in_words(p: np.ndarray) -> str:
    winner = _ANIMALS[int(p.argmax())]
    if p.max() > 0.99:
        return f"Nearly all on {winner}: softmax has become arg-max"
    if p.max() < 0.36:
        return "Nearly uniform: the logits hardly matter"
    return f"{winner} leads with {100 * p.max():.0f} %"
