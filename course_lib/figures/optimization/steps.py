"""Lecture 4: momentum, gradients that are rescaled, and all optimizers side by side. PyTorch's optimizers walk here."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from course_lib.figures.frame import BLUE, CYCLE, GREEN, GREY, MARK, ORANGE, drawn, legend_below, panels
from course_lib.figures.optimization.points import level_lines
from course_lib.kit.plots import DASHES
from course_lib.kit.widgets import Choice, Slider, Toggle, interactive
from course_lib.optimization.surfaces import SURFACES, Surface

Maker = Callable[[list[torch.Tensor], float], Any]  # (parameters, learning rate) -> an object with step()

_SPEED = LinearSegmentedColormap.from_list("speed", [(*to_rgb(BLUE), 0.85), (*to_rgb(BLUE), 0.0)])  # fast is strong

# Every optimizer of the lecture as PyTorch has it. Momentum of 0.9 makes steps up to ten times as long, so that it gets
# a part of the learning rate of plain gradient descent; rescaled steps have lengths of their own.
_TORCH: dict[str, Maker] = {
    "gradient descent": lambda p, rate: torch.optim.SGD(p, rate),
    "momentum": lambda p, rate: torch.optim.SGD(p, 0.2 * rate, momentum=0.9),
    "Nesterov": lambda p, rate: torch.optim.SGD(p, 0.2 * rate, momentum=0.9, nesterov=True),
    "AdaGrad": lambda p, rate: torch.optim.Adagrad(p, 0.4),
    "RMSProp": lambda p, rate: torch.optim.RMSprop(p, 0.04, alpha=0.9),
    "Adam": lambda p, rate: torch.optim.Adam(p, 0.1),
}


def _walk(surface: Surface, make: Callable[[list[torch.Tensor]], Any], start: Any, steps: int) -> np.ndarray:
    """The path of an optimizer on a surface, (steps + 1, 2); it ends early where the numbers do."""
    theta = torch.tensor(start, dtype=torch.float64).requires_grad_()
    optimizer = make([theta])
    path = [theta.detach().clone()]
    for _ in range(steps):
        theta.grad = surface.gradient(theta)
        optimizer.step()
        if not theta.detach().abs().max() < 1e6:
            break
        path.append(theta.detach().clone())
    return torch.stack(path).numpy()


@interactive(
    learning_rate=Slider(0.001, 0.12, label="learning rate α", log=True),
    momentum=Slider(0.0, 0.99, 0.01, "momentum μ"),
    nesterov=Toggle("Nesterov"),
    steps=Slider(1, 200, label="steps", play=True),
)
@drawn
def momentum_path(
    learning_rate: float = 0.02, momentum: float = 0.85, nesterov: bool = False, steps: int = 60
) -> Figure:
    """Momentum in a valley with curvatures 1 and 30.

    Args:
        learning_rate: step size.
        momentum: 0 is gradient descent.
        nesterov: whether it looks ahead.
        steps: number of updates.

    Returns:
        Two panels: its path beside that of gradient descent at the same learning rate, and the losses.

    Source: lecture 4, momentum and Nesterov. L04.07, L04.08.
    """
    valley = SURFACES["valley"]
    ahead = nesterov and momentum > 0  # torch refuses the combination with momentum 0, where both are the same
    paths = {
        "gradient descent": _walk(valley, lambda p: torch.optim.SGD(p, learning_rate), valley.start, steps),
        "Nesterov" if nesterov else "momentum": _walk(
            valley, lambda p: torch.optim.SGD(p, learning_rate, momentum=momentum, nesterov=ahead), valley.start, steps
        ),
    }
    figure, (left, right) = panels(2, width=9, height=3.5, width_ratios=[1.4, 1])
    level_lines(left, valley.loss, valley.window, 30 * np.linspace(0.1, 1.6, 9) ** 2)
    for (name, path), colour, dash in zip(paths.items(), (ORANGE, MARK), DASHES, strict=False):
        losses = valley.loss(torch.from_numpy(path)).numpy()
        left.plot(*path.T, "o", ls=dash, ms=2.5, lw=1.3, color=colour, label=name, clip_on=True)
        right.plot(
            range(len(losses)), losses.clip(1e-12, 1e9), ls=dash, color=colour, label=f"{name}: {losses[-1]:.2g}"
        )
    left.plot(0, 0, "*", ms=13, color=GREEN, mec="white", mew=0.6, label="minimum")
    left.set(
        xlabel="θ₁ (curvature 1)", ylabel="θ₂ (curvature 30)", title=f"α = {learning_rate:.3g}, μ = {momentum:.2f}"
    )
    legend_below(figure, left, fontsize=8)
    limit = 2 * (1 + momentum) / 30
    stable = "" if nesterov else (f": stable up to α = {limit:.3f}" if learning_rate < limit else ": UNSTABLE")
    right.set(xlabel="step", ylabel="loss", yscale="log", ylim=(1e-9, 1e5), xlim=(0, max(steps, 10)))
    right.set_title(f"Loss{stable}")
    right.legend(fontsize=8)
    return figure


@cache
def _rates(points: int = 70) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The size of the largest eigenvalue of momentum's matrix, over learning rates and momenta; curvatures 1, 30."""
    alphas, momenta = np.linspace(0.002, 0.14, points), np.linspace(0, 0.99, points)
    alpha, mu = np.meshgrid(alphas, momenta)
    worst = np.zeros_like(alpha)
    for curvature in (1.0, 30.0):
        matrices = np.stack(
            [np.stack([1 - alpha * curvature, -alpha * mu], -1), np.stack([0 * mu + curvature, mu], -1)], -2
        )
        worst = np.maximum(worst, np.abs(np.linalg.eigvals(matrices)).max(-1))
    return alphas, momenta, worst


@interactive(
    learning_rate=Slider(0.002, 0.14, 0.002, "learning rate α"),
    momentum=Slider(0.0, 0.99, 0.01, "momentum μ"),
)
@drawn
def stability_map(learning_rate: float = 0.06, momentum: float = 0.5) -> Figure:
    """How fast momentum converges for each learning rate and momentum, and one run.

    Args:
        learning_rate: of the run.
        momentum: of the run.

    Returns:
        Two panels: the factor per step by which the error shrinks, with the limit of stability; and the run.

    Source: lecture 4, what momentum does. L04.09.
    """
    alphas, momenta, worst = _rates()
    figure, (left, right) = panels(2, width=9.2, height=3.7, width_ratios=[1.25, 1])
    shown = left.contourf(alphas, momenta, worst, levels=[0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0], cmap=_SPEED)
    figure.colorbar(shown, ax=left).set_label("factor per step (below 1 converges)")
    left.plot(2 * (1 + momenta) / 30, momenta, color=ORANGE, lw=2, label="α · 30 = 2 (1 + μ)")
    best_mu = ((30**0.5 - 1) / (30**0.5 + 1)) ** 2
    left.plot((1 + best_mu**0.5) ** 2 / 30, best_mu, "*", ms=13, color=GREEN, mec="white", mew=0.6, label="fastest")
    left.plot(learning_rate, momentum, "o", ms=9, color=MARK, label="this run", clip_on=False, zorder=5)
    left.set(xlabel="learning rate α", ylabel="momentum μ", xlim=(0.002, 0.14), ylim=(0, 0.99))
    left.set_title("Curvatures 1 and 30")
    left.grid(False)
    path = _walk(SURFACES["valley"], lambda p: torch.optim.SGD(p, learning_rate, momentum=momentum), (1.0, 1.0), 120)
    for column, (name, colour, dash) in enumerate((("flat direction", BLUE, "-"), ("steep direction", ORANGE, "--"))):
        right.plot(range(len(path)), path[:, column], color=colour, ls=dash, lw=1.4, label=name)
    stable = learning_rate * 30 < 2 * (1 + momentum)
    right.set(xlabel="step", ylabel="error", ylim=(-2, 2), xlim=(-2, 122))
    right.set_title("This run converges" if stable else "This run diverges")
    legend_below(figure, left, right, columns=5, fontsize=8)
    return figure


@interactive(
    distance=Slider(0.1, 100.0, label="prediction − target", log=True),
    spread=Slider(1.0, 1000.0, label="largest ÷ smallest input", log=True),
)
@drawn
def gradient_scales(distance: float = 10.0, spread: float = 100.0) -> Figure:
    """The gradient of a squared error for five weights, before and after each entry is divided by its own size.

    Args:
        distance: by how much the prediction misses.
        spread: ratio of the largest input to the smallest.

    Returns:
        Two panels of bars.

    Source: lecture 4, the scale of the gradient. L04.10.
    """
    inputs = np.geomspace(1 / spread**0.5, spread**0.5, 5) * np.array([1, -1, 1, 1, -1])
    gradient = 2 * distance * inputs
    figure, (left, right) = panels(2, width=8.6, height=3.2)
    names = [f"θ{i}" for i in "₁₂₃₄₅"]
    left.bar(names, np.abs(gradient), color=[ORANGE if g < 0 else BLUE for g in gradient])
    left.set(yscale="log", ylim=(1e-3, 1e4), ylabel="size of the gradient", xlabel="weight")
    left.set_title(f"Gradient: from {np.abs(gradient).min():.2g} to {np.abs(gradient).max():.2g}")
    signs = [Patch(color=BLUE, label="positive"), Patch(color=ORANGE, label="negative")]
    left.legend(handles=signs, fontsize=8, loc="upper left")
    right.bar(names, np.sign(gradient), color=[ORANGE if g < 0 else BLUE for g in gradient])
    right.axhline(0, color=GREY, lw=1)
    right.set(ylim=(-1.3, 1.3), ylabel="gradient ÷ its size", xlabel="weight", title="Normalised: the sign is left")
    return figure


@interactive(
    beta=Slider(0.5, 0.99, 0.01, "β of RMSProp"),
    drop=Slider(0.01, 1.0, label="gradient after step 50", log=True),
)
@drawn
def effective_rates(beta: float = 0.9, drop: float = 0.1) -> Figure:
    """How long the steps of AdaGrad and RMSProp are when a gradient of 1 becomes smaller at step 50.

    Args:
        beta: of RMSProp.
        drop: the gradient from step 50 on.

    Returns:
        Two panels: the effective learning rate α / sqrt(s) for α = 1, and the length of the steps.

    Source: lecture 4, AdaGrad and RMSProp. L04.11, L04.12.
    """
    gradients = np.where(np.arange(150) < 50, 1.0, drop)
    adagrad = np.cumsum(gradients**2)
    rmsprop, squares = [], 0.0
    for gradient in gradients:
        squares = beta * squares + (1 - beta) * gradient**2
        rmsprop.append(squares)
    figure, both = panels(2, width=9, height=3.3)
    steps = np.arange(1, 151)
    for name, s, colour, dash in (("AdaGrad", adagrad, ORANGE, "--"), ("RMSProp", np.array(rmsprop), BLUE, "-")):
        both[0].plot(steps, 1 / np.sqrt(s), color=colour, ls=dash, label=name)
        both[1].plot(steps, gradients / np.sqrt(s), color=colour, ls=dash, label=name)
    both[0].set(yscale="log", xlabel="step", ylabel="α / √s", title="Effective learning rate")
    both[1].set(xlabel="step", ylabel="length of the step", ylim=(0, 3.6), title=f"Gradient 1, then {drop:.2g}")
    for axes in both:
        axes.axvline(50, color=GREY, lw=1, ls=":")
        axes.legend(fontsize=8)
    return figure


@interactive(
    beta1=Slider(0.0, 0.99, 0.01, "β₁"),
    beta2=Slider(0.5, 0.999, 0.001, "β₂"),
    correction=Toggle("bias correction"),
    noise=Slider(0.0, 3.0, 0.1, "noise"),
)
@drawn
def adam_coordinate(beta1: float = 0.9, beta2: float = 0.999, correction: bool = True, noise: float = 0.5) -> Figure:
    """One coordinate of Adam under a gradient of 1 plus noise.

    Args:
        beta1: of the mean.
        beta2: of the squares.
        correction: whether both means are corrected for their start at 0.
        noise: standard deviation of the noise.

    Returns:
        Two panels: the running means m and v, and the length of the steps as a multiple of the learning rate.

    Source: lecture 4, Adam. L04.13.
    """
    gradients = 1 + noise * np.random.default_rng(2).normal(size=100)
    means, squares, m, v = [], [], 0.0, 0.0
    for gradient in gradients:
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        means.append(m)
        squares.append(v)
    k = np.arange(1, 101)
    mean, square = np.array(means), np.array(squares)
    if correction:
        mean, square = mean / (1 - beta1**k), square / (1 - beta2**k)
    steps = mean / (np.sqrt(square) + 1e-8)
    figure, (left, right) = panels(2, width=9, height=3.3)
    left.plot(k, gradients, ".", ms=4, color=GREY, label="gradient")
    left.plot(k, mean, color=BLUE, label="mean of gradients")
    left.plot(k, square, color=ORANGE, ls="--", label="mean of squares")
    left.set(
        xlabel="k", ylabel="value", ylim=(min(-1, gradients.min() - 0.2), max(3, gradients.max(), square.max()) + 0.3)
    )
    left.set_title("Corrected means" if correction else "Means as they are: they start at 0")
    legend_below(figure, left, fontsize=8)
    right.plot(k, steps, color=MARK)
    right.axhline(1, color=GREY, lw=1, ls="--")
    right.set(
        xlabel="k", ylabel="step ÷ learning rate", ylim=(min(-0.5, steps.min() - 0.2), max(1.6, steps.max() + 0.3))
    )
    right.set_title(f"First step {steps[0]:.2f} times α, longest {np.abs(steps).max():.2f}")
    return figure


@interactive(
    surface=Choice(tuple(SURFACES), "loss"),
    scale=Slider(0.1, 4.0, label="all learning rates ×", log=True),
    start_x=Slider(-1.0, 1.0, 0.05, "start, right"),
    start_y=Slider(-1.0, 1.0, 0.05, "start, up"),
    steps=Slider(1, 300, label="steps", play=True),
)
@drawn
def optimizer_race(
    makers: Mapping[str, Maker] | None = None,
    surface: str = "valley",
    scale: float = 1.0,
    start_x: float = 0.0,
    start_y: float = 0.0,
    steps: int = 100,
) -> Figure:
    """All optimizers of the lecture on one loss, from one start.

    Args:
        makers: name -> function of (parameters, learning rate) that gives an optimizer; PyTorch's when left out. The
            learning rate is one at which plain gradient descent is stable on the surface.
        surface: a narrow valley, a saddle, a plateau or a bent valley.
        scale: multiplies every learning rate.
        start_x: moves the start, in quarters of the window.
        start_y: the same, upwards.
        steps: number of updates.

    Returns:
        Two panels: the paths on the level lines, and the losses by step.

    Source: lecture 4, optimizers side by side. L04.01, L04.06-L04.13.
    """
    ground = SURFACES[surface]
    left_end, right_end, bottom, top = ground.window
    start = (ground.start[0] + start_x * (right_end - left_end) / 4, ground.start[1] + start_y * (top - bottom) / 4)
    figure, (left, right) = panels(2, width=9.6, height=4.1, width_ratios=[1.25, 1])
    level_lines(left, ground.loss, ground.window, 14)
    verdicts = []
    for number, (name, make) in enumerate((makers or _TORCH).items()):

        def scaled(parameters: list[torch.Tensor], make: Maker = make) -> Any:
            optimizer = make(parameters, ground.learning_rate)
            if hasattr(optimizer, "param_groups"):
                for group in optimizer.param_groups:
                    group["lr"] *= scale
            else:
                optimizer.learning_rate *= scale
            return optimizer

        path = _walk(ground, scaled, start, steps)
        losses = ground.loss(torch.from_numpy(path)).numpy()
        look: dict[str, Any] = {"color": (*CYCLE, MARK)[number % 6], "ls": DASHES[number % len(DASHES)]}
        left.plot(*path.T, **look, lw=1.5, label=name)
        left.plot(*path[-1], "o", ms=6, color=look["color"])
        right.plot(range(len(losses)), losses.clip(1e-10, 1e6), **look, lw=1.5, label=name)
        verdicts.append((losses[-1], name))
    left.plot(*start, "s", ms=8, color=GREY, label="start")
    left.plot(*ground.minimum, "*", ms=13, color=GREY, mec="white", mew=0.6, label="minimum")
    left.set(xlabel="θ₁", ylabel="θ₂", title=f"{ground.name.capitalize()}, {steps} steps")
    top_loss = max(float(ground.loss(torch.tensor(start, dtype=torch.float64))) * 3, 1e-3)
    right.set(xlabel="step", ylabel="loss", yscale="log", ylim=(1e-10, top_loss), xlim=(0, max(10, steps)))
    right.set_title(f"Lowest now: {min(verdicts)[1]}")
    legend_below(figure, left, fontsize=8)
    return figure
