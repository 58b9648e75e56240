"""Lecture 2: likelihoods and the losses that come from them."""

from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, drawn, panels
from course_lib.kit.widgets import Choice, Slider, interactive


@interactive(
    samples=Slider(10, 2000, 10, "samples N"),
    probability=Slider(0.05, 0.99, 0.01, "mean p(yᵢ|xᵢ)"),
    precision=Choice(("float32", "float64"), "precision"),
)
@drawn
def product_or_sum(samples: int = 200, probability: float = 0.6, precision: str = "float32") -> Figure:
    """The likelihood as a product of probabilities, and its logarithm as a sum.

    Args:
        samples: how many factors.
        probability: their mean.
        precision: the floating-point type in which the product is taken.

    Returns:
        Two panels: the running product until it rounds to zero, and the running sum of logarithms.

    Source: lecture 2, likelihood of independent samples. L02.08.
    """
    spread = np.random.default_rng(0).uniform(-0.5, 0.5, 2000) * min(probability, 1 - probability)
    p = (probability + spread)[:samples]
    n = np.arange(1, samples + 1)
    with np.errstate(under="ignore"):
        product = np.cumprod(p.astype(precision))
    alive = product > 0
    sums = np.cumsum(np.log(p))
    figure, (left, right) = panels(2, width=8.8, height=3.2)
    left.plot(n[alive], np.log10(product[alive].astype(float)), color=BLUE)
    left.set(xlabel="samples", ylabel=r"$\log_{10}$ of the product", xlim=(0, samples))
    if alive.all():
        left.set_title(f"Product of {samples}: {product[-1]:.1e}")
    else:
        first = int(n[~alive][0])
        left.axvspan(first, samples, color=MARK, alpha=0.16)
        left.axvline(first, color=MARK)
        left.set_title(f"Exactly 0.0 from sample {first} on", color=MARK)
    right.plot(n, sums, color=GREEN)
    right.set(xlabel="samples", ylabel="nats", xlim=(0, samples), title=f"Sum of {samples} logarithms: {sums[-1]:.1f}")
    return figure


@interactive(true_logit=Slider(-6.0, 6.0, 0.1, "logit of the true class"), rival=Slider(-4.0, 4.0, 0.1, "best rival"))
@drawn
def loss_of_one_sample(true_logit: float = -1.0, rival: float = 1.0) -> Figure:
    """The loss of one sample as the logit of its true class moves: NLL, zero-one, and the slope.

    Args:
        true_logit: logit of the true class.
        rival: logit of the strongest of two other classes; the third has logit 0.

    Returns:
        Two panels: both losses with the tangent of the NLL, and its gradient p - y for each class.

    Source: lecture 2, negative log-likelihood and zero-one loss. L02.09, L02.10.
    """
    line = torch.linspace(-6, 6, 241, dtype=torch.float64)

    def nll(value: torch.Tensor) -> torch.Tensor:
        others = torch.tensor([rival, 0.0], dtype=torch.float64).expand(*value.shape, 2)
        logits = torch.cat([value[..., None], others], -1)
        return F.cross_entropy(logits, torch.zeros(value.shape, dtype=torch.long), reduction="none")

    at = torch.tensor([true_logit], dtype=torch.float64, requires_grad=True)
    here = nll(at)
    (slope,) = torch.autograd.grad(here.sum(), at)
    height, tilt = here.item(), slope.item()
    p = torch.softmax(torch.tensor([true_logit, rival, 0.0], dtype=torch.float64), 0).numpy()
    strongest = max(rival, 0.0)
    figure, (left, right) = panels(2, width=8.8, height=3.3, width_ratios=(3, 2))
    left.plot(line, nll(line), color=BLUE, label="NLL")
    left.plot(line, (line <= strongest).double(), color=ORANGE, ls="--", label="zero-one loss")
    left.plot([true_logit - 1.5, true_logit + 1.5], [height - 1.5 * tilt, height + 1.5 * tilt], color=MARK, lw=1.5)
    left.plot(true_logit, height, "o", ms=8, color=MARK, label=f"slope {tilt:+.2f}")
    left.set(xlabel="logit of the true class", ylabel="loss", xlim=(-6, 6), ylim=(-0.5, 10.5))
    left.set_title(f"p(true class) = {p[0]:.3f}, NLL = {height:.2f} nats")
    left.legend(loc="upper right")
    gradient = p - np.array([1, 0, 0])
    bars = right.bar(range(3), gradient, color=[MARK, GREY, GREY])
    right.bar_label(bars, fmt="%+.2f", padding=2, color=GREY)
    right.axhline(0, color=GREY, lw=1)
    right.set(xticks=range(3), xticklabels=("true", "rival", "third"), ylim=(-1.2, 1.2), title="Gradient: p − y")
    right.set_ylabel("d NLL / d logit")
    return figure


@interactive(
    angle=Slider(-180, 180, 1, "direction of θ (degrees)"), length=Slider(0.3, 8.0, label="length of θ", log=True)
)
@drawn
def losses_along_a_turn(angle: int = 60, length: float = 2.0) -> Figure:
    """Zero-one loss and NLL of a linear classifier while its weight vector turns.

    Args:
        angle: direction of the weight vector, in degrees.
        length: its length, positive.

    Returns:
        Three panels: the points with the rule, and both losses as functions of the angle.

    Source: lecture 2, zero-one loss: piecewise constant, so its slope says nothing. L02.10.
    """
    x, y = _cloud_pair()
    degrees = torch.arange(-180, 181, dtype=torch.float64)

    def losses(turn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        radians = torch.deg2rad(turn)
        z = length * (torch.cos(radians)[:, None] * x[:, 0] + torch.sin(radians)[:, None] * x[:, 1])
        nll = F.binary_cross_entropy_with_logits(z, y.expand_as(z), reduction="none").sum(1)
        return ((z > 0) != y.bool()).sum(1), nll

    wrong, nll = losses(degrees)
    (wrong_here,), (nll_here,) = losses(torch.tensor([float(angle)], dtype=torch.float64))
    figure, (first, second, third) = panels(3, width=9.6, height=3.2)
    one = y.bool()
    first.plot(*x[one].T, "o", ms=5, color=BLUE, label="class 1")
    first.plot(*x[~one].T, "X", ms=5.5, color=ORANGE, label="class 2")
    direction = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    first.annotate("", 1.6 * direction, (0, 0), arrowprops={"arrowstyle": "-|>", "color": MARK, "lw": 2})
    first.axline((0, 0), (-direction[1], direction[0]), color=GREY, lw=1.5)
    first.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xlabel="$x_1$", ylabel="$x_2$", title="θ and its line")
    first.legend(loc="lower right", fontsize=8)
    second.step(degrees, wrong, where="mid", color=ORANGE)
    second.plot(angle, wrong_here, "o", ms=8, color=MARK)
    second.set(title=f"Zero-one: {int(wrong_here)} wrong, flat", ylabel="sum over samples")
    third.plot(degrees, nll, color=BLUE)
    third.plot(angle, nll_here, "o", ms=8, color=MARK)
    third.set(title=f"NLL: {nll_here:.1f} nats, sloping", ylabel="sum over samples")
    for panel in (second, third):
        panel.set(xlabel="direction of θ (degrees)", xticks=(-180, -90, 0, 90, 180))
    return figure


@interactive(prediction=Slider(-3.0, 3.0, 0.05, "prediction f"))
@drawn
def gaussian_residual(prediction: float = -1.0) -> Figure:
    """Why squared error is a negative log-likelihood: a Gaussian seen through minus the logarithm is a parabola.

    Args:
        prediction: the constant that is predicted for all targets.

    Returns:
        Two panels: the density of a unit Gaussian at the prediction, and both losses as functions of the prediction.

    Source: lecture 2, squared error as a likelihood. L02.11.
    """
    targets = np.array([-0.6, 0.3, 0.7, 1.2, 1.9])
    line = np.linspace(-4, 4, 300)
    heights = np.exp(-0.5 * (targets - prediction) ** 2) / np.sqrt(2 * np.pi)
    squared = 0.5 * ((targets[:, None] - line) ** 2).sum(0)
    constant = len(targets) / 2 * np.log(2 * np.pi)
    here = 0.5 * ((targets - prediction) ** 2).sum()
    figure, (left, right) = panels(2, width=8.8, height=3.2)
    left.plot(line, np.exp(-0.5 * (line - prediction) ** 2) / np.sqrt(2 * np.pi), color=BLUE, label="N(f, 1)")
    left.vlines(targets, 0, heights, color=ORANGE, lw=2)
    left.plot(targets, 0 * targets, "o", color=ORANGE, label="targets", clip_on=False)
    left.set(xlabel="$y$", ylabel="density", xlim=(-4, 4), ylim=(0, 0.48), title="How probable the targets look")
    left.legend(loc="upper left")
    right.plot(line, squared + constant, color=BLUE, label="−log likelihood")
    right.plot(line, squared, color=GREEN, ls="--", label="½ squared error")
    right.plot([prediction] * 2, [here + constant, here], "o", color=MARK)
    right.set(xlabel="prediction f", ylabel="sum over targets", xlim=(-3, 3), ylim=(0, 48))
    right.set_title(f"Always {constant:.2f} apart")
    right.legend(loc="upper right")
    return figure


@cache
def _cloud_pair() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(11)
    x = np.concatenate([rng.normal(size=(15, 2)) * 0.8 + (0.9, 0.3), rng.normal(size=(15, 2)) * 0.8 - (0.9, 0.3)])
    return torch.from_numpy(x), torch.from_numpy((np.arange(30) < 15).astype(float))
