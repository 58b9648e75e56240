"""Lecture 2: walking down a loss."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch.nn import functional as F

from course_lib.figures.frame import BLUE, CYCLE, GREY, MARK, ORANGE, drawn, panels
from course_lib.kit.widgets import Slider, interactive

_DEPTH = LinearSegmentedColormap.from_list("depth", [(*to_rgb(BLUE), 0.6), (*to_rgb(BLUE), 0.0)])  # deep is strong

Descent = Callable[[Callable[[torch.Tensor], torch.Tensor], torch.Tensor, float, int], torch.Tensor]


@interactive(
    learning_rate=Slider(0.05, 2.2, 0.05, "learning rate α"),
    steps=Slider(0, 20, label="steps", play=True),
    start=Slider(-3.0, 3.0, 0.25, "start θ₀"),
)
@drawn
def parabola(learning_rate: float = 0.3, steps: int = 5, start: float = -2.5) -> Figure:
    """Gradient descent on L = θ² / 2: each step multiplies θ by 1 - α.

    Args:
        learning_rate: step size, positive.
        steps: number of updates.
        start: where it begins.

    Returns:
        Two panels: the walk on the curve with the tangent at its end, and θ by step.

    Source: lecture 2, gradient descent. L02.12.
    """
    thetas = start * (1 - learning_rate) ** np.arange(steps + 1)
    line = np.linspace(-4, 4, 200)
    figure, (left, right) = panels(2, width=8.8, height=3.3)
    left.plot(line, line**2 / 2, color=GREY, lw=1.5)
    for old, new in pairwise(thetas):
        if abs(new) < 40:
            left.annotate(
                "",
                (new, new**2 / 2),
                (old, old**2 / 2),
                arrowprops={"arrowstyle": "-|>", "color": BLUE, "alpha": 0.8},
                annotation_clip=False,
            ).arrow_patch.set_clip_box(left.bbox)
    left.plot(thetas, thetas**2 / 2, "o", ms=5, color=BLUE)
    last = thetas[-1]
    left.plot([last - 1, last + 1], [last**2 / 2 - last, last**2 / 2 + last], color=ORANGE, label=f"slope {last:.2g}")
    left.plot(last, last**2 / 2, "o", ms=9, color=MARK)
    left.set(xlim=(-4, 4), ylim=(-0.8, 8), xlabel="θ", ylabel="L(θ)", title=_verdict(learning_rate))
    left.legend(loc="upper center")
    right.plot(range(steps + 1), thetas, "o-", ms=4, color=BLUE)
    right.plot(steps, last, "o", ms=9, color=MARK)
    right.axhline(0, color=GREY, lw=1)
    right.set(
        xlabel="step",
        ylabel="θ",
        xlim=(-0.5, 20.5),
        xticks=range(0, 21, 5),
        title=f"θ is multiplied by {1 - learning_rate:+.2f} each step",
    )
    right.set_ylim(
        *((-4, 4) if np.abs(thetas).max() <= 4 else (-1.2 * np.abs(thetas).max(), 1.2 * np.abs(thetas).max()))
    )
    return figure


@interactive(
    learning_rate=Slider(0.05, 8.0, label="learning rate α", log=True),
    steps=Slider(0, 60, label="steps", play=True),
    weight=Slider(-3.0, 5.0, 0.25, "start: weight"),
    offset=Slider(-6.0, 6.0, 0.25, "start: bias"),
)
@drawn
def loss_surface(
    descent: Descent, learning_rate: float = 0.5, steps: int = 20, weight: float = -2.0, offset: float = 4.0
) -> Figure:
    """The loss of logistic regression over its two parameters, and the path of gradient descent on it.

    Args:
        descent: descent(gradient, start, learning_rate, steps) gives the path, shape (steps + 1, 2).
        learning_rate: step size, positive.
        steps: number of updates.
        weight: first parameter at the start.
        offset: second parameter at the start.

    Returns:
        Two panels: level lines with the path, and the loss by step.

    Source: lecture 2, the loss landscape and gradient descent. L02.12.
    """
    path = descent(_gradient, torch.tensor([weight, offset], dtype=torch.float64), learning_rate, steps).detach()
    grid = np.meshgrid(np.linspace(-3, 5, 90), np.linspace(-6, 6, 90))
    losses = _logistic_loss(path).numpy()
    figure, (left, right) = panels(2, width=9, height=3.6)
    levels = np.array([0.32, 0.36, 0.42, 0.5, 0.65, 0.9, 1.3, 2, 3, 4.5, 6.5])
    picture = left.contourf(*grid, _surface(), levels=levels, cmap=_DEPTH, extend="both")
    left.contour(*grid, _surface(), levels=levels, colors=GREY, linewidths=0.7)
    figure.colorbar(picture, ax=left, ticks=[0.32, 0.5, 0.9, 2, 4.5]).set_label("loss")
    left.plot(*path.T, "o-", ms=3.5, lw=1.4, color=MARK)
    left.plot(*path[0], "s", ms=8, color=MARK, label="start")
    left.plot(*_minimum(), "*", ms=14, color=ORANGE, mec="white", mew=0.6, label="minimum")
    left.set(
        xlabel="weight", ylabel="bias", xlim=(-3, 5), ylim=(-6, 6), title=f"{steps} steps with α = {learning_rate:.3g}"
    )
    left.legend(loc="lower left")
    best = float(_logistic_loss(torch.tensor(_minimum(), dtype=torch.float64)))
    right.plot(range(steps + 1), losses, "o-", ms=3, color=BLUE)
    right.axhline(best, color=ORANGE, ls="--", label="smallest possible")
    right.set(xlabel="step", ylabel="mean NLL", xlim=(-1, 61), yscale="log", title=f"Loss now: {losses[-1]:.3f}")
    right.set_ylim(0.8 * best, max(8.0, 1.3 * float(losses.max())))
    right.set_yticks([0.3, 0.5, 1, 2, 5, 10, 20], ["0.3", "0.5", "1", "2", "5", "10", "20"])
    right.yaxis.set_minor_locator(NullLocator())
    right.legend(loc="upper right")
    return figure


@interactive(epoch=Slider(0, 1, label="epoch", play=True))
@drawn
def decision_regions(
    x: torch.Tensor, labels: torch.Tensor, weights: Sequence[torch.Tensor], losses: Sequence[float], epoch: int = 0
) -> Figure:
    """Where a linear classifier of the plane would say which class, and how surely, after an epoch.

    Args:
        x: points, (N, 2).
        labels: their classes, (N,).
        weights: (3, C) after each epoch, the last row belonging to the constant 1.
        losses: mean loss of each epoch, as many as there are weights.
        epoch: which of them.

    Returns:
        Two panels: colours by class, stronger where the classifier is surer; and the loss by epoch.

    Source: lecture 2, softmax regression. L02.13.
    """
    x, labels = x.detach().cpu(), labels.cpu()
    theta = weights[epoch].detach().cpu().double()
    side = torch.linspace(-4.5, 4.5, 140, dtype=torch.float64)
    across, up = torch.meshgrid(side, side, indexing="xy")
    p = torch.softmax(across[..., None] * theta[0] + up[..., None] * theta[1] + theta[2], -1)
    winner = p.argmax(-1)
    colours = torch.tensor([to_rgb(colour) for colour in CYCLE[: theta.shape[1]]], dtype=torch.float64)
    floor = 1 / theta.shape[1]
    sureness = (p.amax(-1) - floor) / (1 - floor)
    figure, (left, right) = panels(2, width=8.8, height=3.8)
    picture = torch.cat([colours[winner], (0.08 + 0.5 * sureness)[..., None]], -1)
    left.imshow(picture.numpy(), origin="lower", extent=(-4.5, 4.5, -4.5, 4.5), interpolation="bilinear")
    for c in range(theta.shape[1]):
        left.plot(*x[labels == c].T, "osXD"[c % 4], ms=4.5, color=CYCLE[c], mec="white", mew=0.4, label=f"class {c}")
    points = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1).double()
    right_ones = ((points @ theta).argmax(1) == labels).double().mean()
    left.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5))
    left.set_title(f"After epoch {epoch + 1}: {100 * right_ones:.0f} % right")
    left.legend(loc="upper left", fontsize=8)
    left.grid(False)
    right.plot(range(1, len(losses) + 1), losses, color=GREY)
    right.plot(epoch + 1, losses[epoch], "o", ms=9, color=MARK)
    right.axhline(np.log(theta.shape[1]), color=ORANGE, ls="--", label="uniform guess, log C")
    right.set(xlabel="epoch", ylabel="mean NLL", ylim=(0, None), title=f"Loss {losses[epoch]:.3f}")
    right.legend()
    return figure


def _verdict(learning_rate: float) -> str:
    if learning_rate < 0.15:
        return "Small steps: slow"
    if learning_rate <= 1:
        return "Straight down" if learning_rate < 1 else "There in one step"
    if learning_rate < 2:
        return "Jumps across, but closer each time"
    return "Too large: it never arrives" if learning_rate == 2 else "Too large: it diverges"


@cache
def _logistic_data() -> tuple[torch.Tensor, torch.Tensor]:
    # The inputs are not centred: weight and bias then pull at each other, and the valley is long and slanted.
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(0.4, 0.9, 30), rng.normal(2.2, 0.9, 30)])
    return torch.from_numpy(x), torch.from_numpy((np.arange(60) >= 30).astype(float))


def _logistic_loss(theta: torch.Tensor) -> torch.Tensor:
    x, y = _logistic_data()
    z = theta[..., :1] * x + theta[..., 1:]
    return F.binary_cross_entropy_with_logits(z, y.expand_as(z), reduction="none").mean(-1)


def _gradient(theta: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        at = theta.detach().clone().requires_grad_()
        return torch.autograd.grad(_logistic_loss(at), at)[0]


@cache
def _surface() -> np.ndarray:
    grid = np.meshgrid(np.linspace(-3, 5, 90), np.linspace(-6, 6, 90))
    return _logistic_loss(torch.from_numpy(np.stack(grid, -1))).numpy()


@cache
def _minimum() -> tuple[float, float]:
    # Newton's method on the mean logistic loss, whose Hessian is X^T diag(p (1 - p)) X / N.
    x, _ = _logistic_data()
    features = torch.stack([x, torch.ones_like(x)], 1)
    theta = torch.zeros(2, dtype=torch.float64)
    for _ in range(20):
        p = torch.sigmoid(features @ theta)
        hessian = (features * (p * (1 - p))[:, None]).mT @ features / len(x)
        theta = theta - torch.linalg.solve(hessian, _gradient(theta))
    weight, offset = theta.tolist()
    return weight, offset
