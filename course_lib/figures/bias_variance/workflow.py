"""Lecture 3: training, validation and test set, and what to do with them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.figures.frame import BLUE, CYCLE, GREEN, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.widgets import Slider, Toggle, interactive

_PARTS = (("training", BLUE), ("validation", ORANGE), ("test", GREEN))


@interactive(
    train=Slider(0.3, 0.7, 0.05, "training"),
    validation=Slider(0.05, 0.25, 0.05, "validation"),
    shuffled=Toggle("shuffle before cutting"),
)
@drawn
def split_bar(train: float = 0.6, validation: float = 0.2, shuffled: bool = False) -> Figure:
    """A data set cut into three parts, and which classes each part gets if its rows came sorted by class.

    Args:
        train: share of the training set.
        validation: share of the validation set; the rest is for the test.
        shuffled: whether the rows are shuffled first.

    Returns:
        Two panels: the bar, and the share of each of five classes in each part.

    Source: lecture 3, training, validation and test set. L03.09.
    """
    classes = np.repeat(np.arange(5), 40)
    if shuffled:
        classes = np.random.default_rng(0).permutation(classes)
    cuts = np.round(np.array([train, train + validation]) * len(classes)).astype(int)
    figure, (left, right) = panels(2, width=9.2, height=3.2)
    begin = 0.0
    for (name, colour), share in zip(_PARTS, (train, validation, 1 - train - validation), strict=True):
        left.barh(0, share, left=begin, color=colour, alpha=0.75, height=0.5)
        left.text(begin + share / 2, 0.34, f"{name}\n{share:.0%}", ha="center", va="bottom", color=colour, fontsize=9)
        begin += share
    uses = ("θ, and the optimiser", "model class, λ, features", "one final number")
    for place, (text, (_, colour)) in enumerate(zip(uses, _PARTS, strict=True)):
        left.text(0, -0.42 - 0.2 * place, f"{_PARTS[place][0]}: {text}", color=colour, fontsize=9, va="top")
    left.set(xlim=(0, 1), ylim=(-1.1, 0.9), yticks=[], xlabel="share of the rows", title="Who may see what")
    left.grid(False)
    counts = [np.bincount(part, minlength=5) / max(1, len(part)) for part in np.split(classes, cuts)]
    bottom = np.zeros(3)
    for label in range(5):
        heights = np.array([count[label] for count in counts])
        right.bar(range(3), heights, bottom=bottom, color=CYCLE[label], alpha=0.75, label=f"class {label}")
        bottom += heights
    right.set(ylabel="share of the part", ylim=(0, 1))
    right.set_xticks(range(3), [name for name, _ in _PARTS])
    right.grid(axis="x", visible=False)
    seen = [int((count > 0).sum()) for count in counts]
    right.set_title(f"Classes that are there: {seen[0]} in training, {seen[1]} in validation, {seen[2]} in test")
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return figure


@interactive(
    train_loss=Slider(0.0, 1.0, 0.02, "training loss"),
    val_loss=Slider(0.0, 1.0, 0.02, "validation loss"),
    target=Slider(0.02, 1.0, 0.02, "low enough"),
    gap=Slider(0.0, 1.0, 0.05, "allowed gap"),
)
@drawn
def flow_chart(train_loss: float = 0.1, val_loss: float = 0.3, target: float = 0.2, gap: float = 0.3) -> Figure:
    """The two questions of the workflow, and where these losses lead.

    Args:
        train_loss: loss on the training set.
        val_loss: loss on the validation set.
        target: a training loss up to this is low enough.
        gap: allowed excess of the validation loss, as a share of the training loss.

    Returns:
        A flow chart with the way that is taken, and the losses as bars.

    Source: lecture 3, the workflow. L03.10.
    """
    too_high, apart = train_loss > target, val_loss > (1 + gap) * train_loss
    figure, (chart, bars) = panels(2, width=9.6, height=4.0, width_ratios=(5, 2))
    chart.set(xlim=(0, 10), ylim=(0, 6.2), title="Train, then ask")
    chart.axis("off")
    allowed = (1 + gap) * train_loss
    _box(chart, 2.4, 5.2, f"Is the training loss too high?\n{train_loss:.2f} > {target:.2f}", True)
    second = f"Is the validation loss much larger?\n{val_loss:.2f} > {1 + gap:.2f} · {train_loss:.2f} = {allowed:.2f}"
    _box(chart, 2.4, 2.9, second, not too_high)
    _box(chart, 2.4, 0.7, "Done: use the test set, once", not too_high and not apart)
    _box(chart, 7.7, 5.2, "UNDERFITTING\nless regularization, larger model,\nbetter optimiser", too_high)
    _box(chart, 7.7, 2.9, "OVERFITTING\nmore regularization, more data,\nsmaller model", not too_high and apart)
    _arrow(chart, (4.55, 5.2), (5.65, 5.2), "yes", too_high)
    _arrow(chart, (2.4, 4.6), (2.4, 3.5), "no", not too_high)
    _arrow(chart, (4.55, 2.9), (5.65, 2.9), "yes", not too_high and apart)
    _arrow(chart, (2.4, 2.3), (2.4, 1.2), "no", not too_high and not apart)
    bars.bar([0, 1], [train_loss, val_loss], color=[BLUE, ORANGE], alpha=0.85)
    bars.axhline(target, color=BLUE, ls="--", lw=1.4, label="low enough")
    bars.axhline(allowed, color=ORANGE, ls=":", lw=1.8, label="allowed gap")
    bars.set_xticks([0, 1], ["training", "validation"])
    bars.set(ylabel="loss", ylim=(0, 1.1 * max(train_loss, val_loss, target, 0.2)))
    verdict = "underfitting" if too_high else "overfitting" if apart else "neither"
    bars.set_title(f"Diagnosis: {verdict}")
    bars.legend(fontsize=8)
    return figure


@drawn
def lambda_curve(lams: Sequence[float], train: Sequence[float], validation: Sequence[float], chosen: float) -> Figure:
    """Training and validation loss against the strength of the penalty.

    Args:
        lams: strengths, positive and increasing.
        train: training losses.
        validation: validation losses.
        chosen: the strength that was selected.

    Returns:
        The figure.

    Source: lecture 3, hyperparameters are chosen on the validation set. L03.11.
    """
    figure, axes = panels(width=6.4, height=3.6)
    losses = np.asarray(train)
    axes.loglog(lams, losses, "o-", ms=4, color=BLUE, label="training set")
    axes.loglog(lams, validation, "s-", ms=4, color=ORANGE, label="validation set")
    axes.axvline(chosen, color=MARK, lw=1.4, label=f"chosen: λ = {chosen:.3g}")
    lowest = int(losses.argmin())
    axes.plot(lams[lowest], losses[lowest], "X", ms=10, color=BLUE, mec="white", label="lowest training loss")
    axes.set(xlabel="λ", ylabel="mean squared error", title="The training set always votes for no penalty")
    axes.legend(fontsize=8)
    return figure


@drawn
def loss_history(histories: Mapping[str, Mapping[str, Sequence[float]]], ylabel: str = "loss (nats)") -> Figure:
    """Learning curves: training and validation loss against optimisation steps, with the best step marked.

    Args:
        histories: title of a panel to a history, with the keys "step", "train" and "validation".
        ylabel: what is plotted, with the unit.

    Returns:
        One panel a history, all with one vertical axis.

    Source: lecture 3, learning curves. L03.12.
    """
    figure, axes = panels(len(histories), width=4.7 * len(histories), height=3.5, sharey=True)
    for panel, (title, history) in zip(np.atleast_1d(axes), histories.items(), strict=True):
        steps, validation = np.asarray(history["step"]), np.asarray(history["validation"])
        best = int(validation.argmin())
        panel.plot(steps, history["train"], color=BLUE, label="training")
        panel.plot(steps, validation, color=ORANGE, ls="--", label="validation")
        panel.plot(steps[best], validation[best], "o", ms=8, color=MARK, label="lowest validation loss")
        panel.axvline(steps[best], color=MARK, lw=1, ls=":")
        panel.set(xlabel="optimisation steps", title=f"{title}: best after {steps[best]} steps")
        panel.legend(fontsize=8)
    np.atleast_1d(axes)[0].set_ylabel(ylabel)
    np.atleast_1d(axes)[0].set_ylim(0, None)
    return figure


@drawn
def relative_errors(scores: Mapping[str, Sequence[float]], title: str) -> Figure:
    """The test error of several methods over several divisions of the data, each divided by that of the mean.

    Args:
        scores: name of a method to its relative errors, one a division.
        title: of the figure.

    Returns:
        One row a method: a dot for each division, a bar at the median; 1 is no better than the mean of the targets.

    Source: lecture 3, regularization, and the final number. L03.06, L03.09.
    """
    figure, axes = panels(width=7.4, height=1.3 + 0.55 * len(scores))
    for row, values in enumerate(scores.values()):
        axes.plot(values, np.full(len(values), -row), "o", ms=6, alpha=0.65, color=CYCLE[row % len(CYCLE)])
        axes.plot([np.median(values)] * 2, [-row - 0.3, -row + 0.3], color=MARK, lw=2.5)
        axes.text(np.max(values) * 1.06, -row, f"{np.median(values):.2f}", va="center", color=MARK)
    axes.axvline(1, color=GREY, ls="--", lw=1.2)
    axes.text(1.03, 0.62, "predict the mean", fontsize=8)
    axes.set_yticks([-row for row in range(len(scores))], list(scores))
    axes.set(xscale="log", xlabel="test error, relative to predicting the mean", ylim=(0.5 - len(scores), 1.0))
    axes.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.set_title(title)
    return figure


@drawn
def leak(leaked: Sequence[float], honest: Sequence[float]) -> Figure:
    """What two procedures report about data in which there is nothing to find.

    Args:
        leaked: reported R² of each repetition, features chosen before the division.
        honest: the same, features chosen on the training set.

    Returns:
        Two histograms.

    Source: lecture 3, the test set reports the final performance only. L03.09.
    """
    figure, axes = panels(width=6.8, height=3.5)
    ends = float(np.min([*honest, *leaked])), float(np.max([*honest, *leaked]))
    bins = np.linspace(ends[0], ends[1] + 1e-9, 36)
    axes.hist(honest, bins, color=BLUE, alpha=0.7, label=f"divided first: mean {np.mean(honest):.2f}")
    axes.hist(leaked, bins, color=ORANGE, alpha=0.7, label=f"divided last: mean {np.mean(leaked):.2f}")
    axes.axvline(0, color=GREY, ls="--", lw=1.4, label="what can be found: 0")
    axes.set(xlabel="R² on the test set", ylabel="repetitions", title="Pure noise, two procedures")
    axes.set_ylim(0, 1.4 * axes.get_ylim()[1])
    axes.legend(loc="upper center", fontsize=8)
    return figure


def _box(axes: Axes, x: float, y: float, text: str, active: bool) -> None:
    shape = FancyBboxPatch(
        (x - 2.1, y - 0.6), 4.2, 1.2, boxstyle="round,pad=0.02,rounding_size=0.15",
        fc=(*_rgb(MARK), SHADE) if active else "none", ec=MARK if active else GREY, lw=2 if active else 0.8,
    )  # fmt: skip
    axes.add_patch(shape)
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5, alpha=1.0 if active else 0.6)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], word: str, active: bool) -> None:
    style = {"arrowstyle": "-|>", "color": MARK if active else GREY, "lw": 2.2 if active else 0.8}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    axes.text(middle[0] + 0.1, middle[1] + 0.12, word, color=style["color"], fontsize=9)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
