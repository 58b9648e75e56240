# %% [markdown]
# # Optimization
#
# *Lecture 4: where a loss leads, where it stops, and how to get down faster than by plain gradient descent.*
#
# You will build the optimizers that train nearly every net there is, as one small family: momentum, Nesterov, AdaGrad,
# RMSProp and Adam. At the end they agree with PyTorch's own to the last digits, you have seen each of them fail and
# succeed on the same losses, and you have a picture of the loss of a real net.
#
# ```text
#              gradient g                 what the optimizer remembers        step
#  ┌──────┐   ┌──────────┐   ┌───────────────────────────────────────┐   ┌─────────────┐
#  │ loss │─► │ of a     │─► │ v ← g + μ v      (momentum)           │─► │ θ ← θ − α·… │
#  │ L(θ) │   │ minibatch│   │ s ← β s + (1−β) g²   (per-entry size) │   │             │
#  └──────┘   └──────────┘   └───────────────────────────────────────┘   └──────┬──────┘
#      ▲                                                                        │
#      └────────────────────────────────────────────────────────────────────────┘
# ```
#
# | | |
# |---|---|
# | **You need** | the notebook on softmax regression; eigenvalues of symmetric matrices |
# | **Your time** | about four hours, in as many sittings as you like |
# | **Computing** | about two minutes for everything on two CPU cores; a GPU is not needed |
# | **Data** | scikit-learn's handwritten digits, no download |
#
# {{colab_badge}}
#
# {{points_table}}

# %% setup="imports"
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from course_lib.kit.checks import check, expect_close, expect_shape, expect_true, show_progress
from course_lib.kit.devices import best_device, seed_everything
from course_lib.optimization import Optimizer

torch.set_num_threads(1)  # tensors this small are done before a second thread has woken up
device = best_device()
generator = seed_everything(182)

# %% [markdown]
# `minibatches`, `train`, `gradient_descent`, `negative_log_likelihood` and `softmax_regression_gradient` are those of
# the first notebook. Should your library be the edition of a class, in which they are still to be written, put your own
# cells from there below the next cell. No exercise of this notebook needs them, only what you look at.

# %%
import os
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import torch.nn.functional as F

from course_lib.figures import optimization as figures
from course_lib.kit import data, plots
from course_lib.kit.progress import progress
from course_lib.kit.widgets import explore
from course_lib.optimization import (
    SURFACES,
    GradientDescent,
    Scheduled,
    SkipNet,
    cosine_decay,
    descend,
    gradient_estimates,
    logistic_gradient,
    logistic_hessian,
    logistic_loss,
    loss_surface,
    quadratic_bowl,
    random_direction,
    roughness,
    warmup,
)
from course_lib.softmax_regression import (
    gradient_descent,
    minibatches,
    negative_log_likelihood,
    softmax_regression_gradient,
    train,
)

plots.use_style()
FAST = os.environ.get("COURSE_FAST", "0") not in ("", "0")
print(f"torch {torch.__version__} on {device}")

# %% [markdown]
# ## 1. The steepest direction
#
# Gradient descent moves against the gradient, $\theta_{k+1} = \theta_k - \alpha\nabla L(\theta_k)$. The gradient stands
# at a right angle on the level lines: it is the direction in which the loss falls fastest *here*. That is not the
# direction to the minimum. In the valley $L = \tfrac12(\theta_1^2 + \kappa\,\theta_2^2)$ the wall is $\kappa$ times as
# steep as the floor; $\kappa$ is the *condition number*. The wall decides how large $\alpha$ may be
# ($\alpha\kappa < 2$), and the floor, at the same $\alpha$, is crossed slowly.

# %% [markdown] predict="narrow_valley"
# The condition number goes from 10 to 100, and you always use the best learning rate. How many times as many steps does
# gradient descent need to come equally close?
# ---
# About ten times as many. The best rate is $2/(1+\kappa)$, at which both directions shrink by
# $\tfrac{\kappa-1}{\kappa+1} \approx 1 - \tfrac{2}{\kappa}$ a step.

# %% widget="descent_on_bowl"
# Raise the condition number. At which one does some step point more than 60° away from the minimum? And 80°?
explore(figures.descent_on_bowl)

# %% exercise="misdirection" points=2 minutes=10 difficulty=2 lecture="L04.01"
from course_lib.optimization import misdirection

# %% [markdown] hints="misdirection"
# Two arrows start at each point of the path but the last: the step that was made, and the way to the minimum.
#
# $\cos\varphi_k = \dfrac{(\theta_{k+1} - \theta_k)^\top (\theta^* - \theta_k)}
# {\lVert\theta_{k+1} - \theta_k\rVert\,\lVert\theta^* - \theta_k\rVert}$
#
# Differences of slices, a sum of products over `dim=1`, a division guarded against 0, a `clamp` to −1 … 1 because
# rounding may lift a cosine above 1, `arccos`, and the conversion to degrees.

# %% check="misdirection"
with check("misdirection"):
    walk = torch.tensor([[2.0, 0.0], [1.0, 0.0], [1.0, 5.0], [2.0, 10.0]])
    angles = torch.as_tensor(misdirection(walk, torch.tensor([0.0, 0.0])))
    expect_shape(angles, (3,), "One angle for each step: one fewer than points.")
    expect_close(angles[:2], [0.0, 90.0], "Degrees, between the step and the way to the minimum.", atol=1e-3)
    assert angles[2] > 170, "A step away from the minimum has an angle above 90°: keep the sign of the cosine."
    moved = misdirection(walk + 3, torch.tensor([3.0, 3.0]))
    expect_close(moved, angles, "The way runs from the point to the minimum, which need not be 0.", atol=0.05)
    standing = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
    expect_close(misdirection(standing, torch.zeros(2)), [0.0, 0.0, 0.0], "0 where a length is 0; no NaN.", atol=0.05)
    third = torch.tensor([[0.1, 0.3, 0.7]], dtype=torch.float64) * torch.tensor([[3.0], [2.0], [1.0]])
    assert not torch.as_tensor(misdirection(third, torch.zeros(3))).isnan().any(), (
        "Clamp the cosine: arccos(1 + rounding) is NaN."
    )

# %%
# Your function on paths of gradient descent, always with 90 % of the largest stable learning rate.
for condition in (1.0, 10.0, 100.0):
    bowl = quadratic_bowl(condition)
    curvatures = torch.tensor([1.0, condition])
    path = gradient_descent(
        lambda theta, h=curvatures: h * theta, torch.tensor([1.0, 1.0 / condition**0.5]), 1.8 / condition, 200
    )
    close = (path.norm(dim=1) > 0.01).sum().item()
    reached = f"{close} steps" if close <= 200 else "more than 200 steps"
    largest = misdirection(path[:50], torch.zeros(2)).max()
    print(f"condition {condition:5.0f}: largest angle {largest:4.0f}°, {reached} to come within 0.01")

# %% [markdown]
# ## 2. Is our loss a bowl?
#
# A function is *convex* if it lies on or below each of its chords:
# $f((1-t)a + tb) \le (1-t)f(a) + t f(b)$. The negative log-likelihood of logistic regression is convex: with
# $p_i = \sigma(x_i^\top\theta)$ its Hessian is $\tfrac1N X^\top \operatorname{diag}(p_i(1-p_i))\,X$, and
# $v^\top H v = \tfrac1N\sum_i p_i(1-p_i)(x_i^\top v)^2$ is never negative. So there are no wrong valleys. That does not
# make gradient descent fast: the valley of part 1 is convex too. A net with a hidden layer is not convex.
#
# *A correction:* the slide says "negative likelihood loss". It is the negative *log*-likelihood; the likelihood itself
# is not convex.

# %% [markdown] predict="which_is_convex"
# You test 1,000 random chords of some loss, and none is crossed. Is the loss convex? You test one, and it is crossed?
# ---
# One crossed chord refutes convexity. A thousand uncrossed ones prove nothing: the bump may lie elsewhere. And averages
# matter: for $t = \tfrac12$ the comparison is with the *mean* of the ends, not with the larger one; "below the larger
# end" holds for many functions that are not convex.

# %% widget="chord"
explore(figures.chord)

# %% exercise="is_convex_along" points=2 minutes=8 difficulty=1 lecture="L04.02"
from course_lib.optimization import is_convex_along

# %% [markdown] hints="is_convex_along"
# Evaluate the function at both ends once, then walk from one end to the other and compare with the straight line.
#
# At each $t$: $f((1-t)a + tb) > (1-t)f(a) + t f(b) + \text{tolerance}$ refutes.
#
# A loop over `torch.linspace(0, 1, points)` that returns `False` at the first violation, and `True` after the loop.

# %% check="is_convex_along"
with check("is_convex_along"):
    zero, three = torch.tensor(0.0), torch.tensor(3.0)
    assert is_convex_along(lambda x: x**2, -three, three) is True, "x^2 is convex; return True or False."
    assert is_convex_along(lambda x: 3 * x + 1, zero, three), "A straight line is convex: it may touch its chord."
    assert not is_convex_along(torch.sin, zero, three), "sin lies above its chord from 0 to 3."

    def tilted(x):
        return 10 * x - (x - 1) ** 2

    assert not is_convex_along(tilted, zero, torch.tensor(2.0)), "Compare with the chord, not with the larger end."

    def narrow(x):
        return x**2 + 20 * torch.exp(-50 * (x - 1) ** 2)

    assert not is_convex_along(narrow, -three, three), "The middle alone does not do: try all the points."

    def turned(x):
        return x[0] ** 2 + x[1] ** 2

    assert is_convex_along(turned, torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])), "a and b may be vectors."
    assert is_convex_along(lambda x: x + 0.01 * x.sign(), -three, three, tolerance=0.1), "Allow the tolerance."
    seen = []
    is_convex_along(lambda x: seen.append(float(x)) or x, zero, torch.tensor(1.0), points=5)
    expect_true(all(any(abs(x - t) < 1e-6 for x in seen) for t in (0.25, 0.5, 0.75)), "`points` values of t, evenly.")

# %% [markdown]
# ## 3. Critical points
#
# Where $\nabla L(\theta) = 0$, gradient descent stops. Second derivatives, the *Hessian*
# $H_{ij} = \partial^2 L/\partial\theta_i\partial\theta_j$ of shape `(D, D)`, tell what it is: along an eigenvector with
# eigenvalue $\lambda$ the loss is $\tfrac12\lambda t^2$ higher. All $\lambda > 0$: minimum. All $\lambda < 0$: maximum.
# Both signs: saddle. Where some are 0 and the rest have one sign, second derivatives do not decide.
#
# *A correction:* the slide says that all *diagonal entries* must be positive. That holds for a diagonal Hessian only:
# $\begin{pmatrix}1&3\\3&1\end{pmatrix}$ has the eigenvalues 4 and −2, a saddle with a positive diagonal. Reading the
# diagonal is the most common mistake here.

# %% [markdown] predict="roll_off"
# A ball starts exactly on the ridge line of a saddle, $\theta_2 = 0$. Where does gradient descent end? And if it starts
# $10^{-6}$ beside it?
# ---
# Exactly on the line it converges to the saddle. Beside it, the distance from the line grows by the factor
# $1 + \alpha\lvert\lambda\rvert$ in each step: about 14 steps for each factor of ten at $\alpha\lvert\lambda\rvert = 0.18$.
# It gets away, but slowly, and the loss curve shows a plateau in the meantime.

# %% widget="critical_points"
# Try each Hessian, then the saddle with a start exactly on the axis.
explore(figures.critical_points)

# %% exercise="hessian" points=3 minutes=15 difficulty=3 lecture="L04.04" forbids="torch.autograd.functional.hessian torch.func.hessian"
from course_lib.optimization import hessian

# %% [markdown] hints="hessian"
# The Hessian is the derivative of the gradient: differentiate once to get D slopes, then each slope once more.
#
# Row $i$ of $H$ is $\nabla\bigl(\partial L/\partial\theta_i\bigr)$.
#
# `torch.autograd.grad(loss(at), at, create_graph=True)` gives a gradient that can be differentiated again, and
# `torch.autograd.grad(slope, at, retain_graph=True)` a row. The gradient of a linear function does not depend on the
# point at all (`requires_grad` is False): answer zeros there.

# %% check="hessian"
with check("hessian"):
    point = torch.tensor([1.0, 3.0])
    found = hessian(lambda theta: theta[0] ** 2 * theta[1], point)
    expect_shape(found, (2, 2), "One row for each parameter.")
    expect_close(found, [[6.0, 2.0], [2.0, 0.0]], "Differentiate each entry of the GRADIENT; mixed derivatives count.")
    assert not torch.as_tensor(found).requires_grad, "The result is a matrix of numbers; it need carry no gradient."
    matrix = torch.tensor([[2.0, 1.0, 0.0], [1.0, 5.0, -2.0], [0.0, -2.0, 3.0]], dtype=torch.float64)
    found = hessian(lambda theta: theta @ matrix @ theta / 2, torch.ones(3, dtype=torch.float64))
    expect_close(found, matrix, "The Hessian of theta^T A theta / 2 is A.")
    assert found.dtype == torch.float64, f"The dtype of the point, float64 here; found {found.dtype}."
    expect_close(hessian(lambda theta: 3 * theta[0] + theta[1], point), torch.zeros(2, 2), "A linear function: zeros.")
    partly = hessian(lambda theta: theta[0] ** 3 + theta[1], point)
    expect_close(partly, [[6.0, 0.0], [0.0, 0.0]], "Zeros where only a part of the function is linear, too.")
    assert not point.requires_grad, "The caller's point has changed: work on a copy."

# %% exercise="classify_critical_point" points=2 minutes=8 difficulty=2 lecture="L04.04"
from course_lib.optimization import classify_critical_point

# %% [markdown] hints="classify_critical_point"
# Count eigenvalues that are clearly positive, clearly negative, and neither.
#
# $\lambda$ counts as 0 if $\lvert\lambda\rvert \le \text{tolerance}\cdot\max_i\lvert\lambda_i\rvert$.
#
# `torch.linalg.eigvalsh`; first ask for both signs, then for zeros, then for the one sign that is left.

# %% check="classify_critical_point"
with check("classify_critical_point"):
    cases = [
        ([[1.0, 3.0], [3.0, 1.0]], "saddle", "Eigenvalues, not diagonal entries: these are 4 and -2."),
        ([[0.0, 1.0], [1.0, 0.0]], "saddle", "A diagonal of 0 does not make it degenerate: eigenvalues 1 and -1."),
        ([[2.0, 1.0], [1.0, 3.0]], "minimum", "All eigenvalues are positive."),
        ([[-2.0, 1.0], [1.0, -3.0]], "maximum", "All eigenvalues are negative."),
        (
            [[0.01, 0.03], [0.03, 0.09]],
            "degenerate",
            "Eigenvalues 0.1 and 0: rounding makes 0 a tiny number, use the tolerance.",
        ),
        ([[-1.0, 0.0], [0.0, 0.0]], "degenerate", "One eigenvalue is 0, the other negative: not decided."),
        ([[0.0, 0.0], [0.0, 0.0]], "degenerate", "All eigenvalues are 0."),
    ]
    for matrix, expected, message in cases:
        answer = classify_critical_point(torch.tensor(matrix))
        assert answer == expected, f"{message} Found {answer!r} for {matrix}."
    flat_saddle = torch.diag(torch.tensor([1.0, 0.0, -1.0]))
    assert classify_critical_point(flat_saddle) == "saddle", "Both signs: a saddle, whether or not some are 0."
    down = torch.diag(torch.tensor([-1.0, -1.0, 2.0, 1.0]))
    assert classify_critical_point(down) == "saddle", "The sign of the determinant does not tell: here it is positive."
    tiny = torch.diag(torch.tensor([1e-9, 2e-9]))
    assert classify_critical_point(tiny) == "minimum", "The tolerance is relative to the largest eigenvalue."

# %% [markdown]
# How often are all eigenvalues of one sign? For random symmetric matrices, rarely, and the more rarely the larger they
# are. That is why most critical points of the losses of nets are saddles: every one of many thousand directions
# would have to bend upwards.

# %% exercise="definite_fraction" points=2 minutes=8 difficulty=2 lecture="L04.05"
from course_lib.optimization import definite_fraction

# %% [markdown] hints="definite_fraction"
# Draw many matrices, make them symmetric, and look at their smallest and largest eigenvalues.
#
# Definite: $\lambda_{\min} > 0$ or $\lambda_{\max} < 0$, for $H = \frac12(A + A^\top)$ with normal entries in $A$.
#
# `torch.randn(trials, size, size, generator=...)`; `A.mT` transposes each matrix; `torch.linalg.eigvalsh` of the whole
# stack, in rising order; then count.

# %% check="definite_fraction"
with check("definite_fraction"):
    expect_true(definite_fraction(1, 200) == 1.0, "One eigenvalue has one sign: negative definite counts as well.")
    draw = torch.Generator().manual_seed(0)
    share = definite_fraction(2, 20_000, draw)
    expect_true(
        0.27 < share < 0.32, f"For 2x2 matrices it is 0.293, found {share:.3f}: symmetric (A + A^T) / 2, both signs."
    )
    share = definite_fraction(4, 20_000, draw)
    expect_true(
        0.002 < share < 0.009, f"For 4x4 matrices it is about 0.005, found {share:.3f}: eigenvalues, not the diagonal."
    )
    again = [definite_fraction(2, 500, torch.Generator().manual_seed(3)) for _ in range(2)]
    expect_true(again[0] == again[1], "The same seed, the same share: pass the generator on.")

# %%
trials = 4_000 if FAST else 40_000
figures.definite_shares({size: definite_fraction(size, trials, generator) for size in (1, 2, 3, 4, 6)})

# %% quiz="saddle_facts" points=1 minutes=5 lecture="L04.05"
# A random symmetric 2x2 matrix (entries as in the picture): the probability that it is definite, to two decimals.
definite_2x2 = 0.29
# At a critical point of a loss with a million parameters you expect a "minimum", a "maximum" or a "saddle".
typical_critical_point = "saddle"
# The Hessian [[2, 5], [5, 2]]: its smaller eigenvalue.
smaller_eigenvalue = -3

# %% [markdown]
# ## 4. Newton's method: the ideal
#
# Near $\theta_0$ a smooth loss is nearly a parabola,
#
# $$L(\theta) \approx L(\theta_0) + \nabla L(\theta_0)^\top(\theta - \theta_0)
#   + \tfrac12 (\theta - \theta_0)^\top H\,(\theta - \theta_0),$$
#
# and the critical point of that parabola is $\theta_0 - H^{-1}\nabla L(\theta_0)$. Newton's method jumps there, and
# repeats. On a quadratic bowl one jump is enough, whatever the condition number. The price: $H$ has $D^2$ entries, and
# solving with it takes of the order of $D^3$ operations, against $D$ for a gradient step.
#
# *Corrections:* on the slide the transpose is missing in the Taylor expansion. And the jump goes to the *critical
# point* of the parabola: where $H$ is not positive definite, that is a saddle or a maximum.

# %% [markdown] predict="newton_at_a_saddle"
# On $L = \tfrac12(\theta_1^2 - \theta_2^2)$, from $(3, 1)$: where does one Newton step lead? Gradient descent?
# ---
# Newton: to $(0, 0)$, the saddle, in one step. Gradient descent moves towards the line $\theta_1 = 0$ and away along
# $\theta_2$, downhill. Newton's method is attracted by all critical points alike.

# %% widget="newton_step"
explore(figures.newton_step)

# %% exercise="newton" points=3 minutes=10 difficulty=2 lecture="L04.06" forbids="torch.linalg.inv torch.inverse torch.linalg.pinv torch.pinverse"
from course_lib.optimization import newton

# %% [markdown] hints="newton"
# It is `gradient_descent` with another step: the gradient, turned and stretched by the inverse of the Hessian.
#
# Solve $H d = \nabla L(\theta)$ for $d$, then $\theta \leftarrow \theta - d$, with both taken at the present $\theta$.
#
# A loop, `torch.linalg.solve`, a list to which every $\theta$ is appended, and `torch.stack` at the end.

# %% check="newton"
with check("newton"):
    curvature = torch.tensor([[3.0, 1.0], [1.0, 100.0]], dtype=torch.float64)
    lowest = torch.tensor([2.0, -1.0], dtype=torch.float64)
    start = torch.tensor([5.0, 5.0], dtype=torch.float64)
    path = newton(lambda theta: curvature @ (theta - lowest), lambda theta: curvature, start, steps=2)
    expect_shape(path, (3, 2), "The start and the point after each step: steps + 1 rows.")
    expect_close(path[0], start, "Entry 0 is the start.")
    expect_close(path[1], lowest, "theta - H^-1 gradient: one step solves any quadratic bowl.", atol=1e-9)
    expect_close(start, [5.0, 5.0], "The caller's start has changed: do not work in place.")
    path = newton(lambda t: 4 * t**3, lambda t: torch.diag(12 * t**2), torch.tensor([3.0, 9.0]), steps=3)
    expect_close(path[-1] / path[0], [8 / 27] * 2, "On theta^4 each step leaves 2/3: take H anew at each theta.")
    saddle = newton(
        lambda t: torch.stack([t[0], -t[1]]), lambda t: torch.diag(torch.tensor([1.0, -1.0])), torch.ones(2), 1
    )
    expect_close(saddle[1], [0.0, 0.0], "Newton's method jumps to the critical point, here a saddle.")

# %%
# Logistic regression in 3 parameters: Newton's error is squared in each step, gradient descent's shrinks by a factor.
points = torch.randn(200, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 3.0, 0.3])
sides = (
    points @ torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64) + torch.randn(200, generator=generator) > 0
).long()
slope = partial(logistic_gradient, x=points, labels=sides)
jumps = newton(slope, partial(logistic_hessian, x=points), torch.zeros(3, dtype=torch.float64), 9)
walk = gradient_descent(slope, torch.zeros(3, dtype=torch.float64), 0.5, 9)
print("step   error of Newton's method   of gradient descent")
for step, (jump, stroll) in enumerate(zip(jumps, walk, strict=True)):
    print(f"{step:4}   {(jump - jumps[-1]).norm():24.1e}   {(stroll - jumps[-1]).norm():19.1e}")
convex = all(
    is_convex_along(partial(logistic_loss, x=points, labels=sides), *torch.randn(2, 3, dtype=torch.float64))
    for _ in range(100)
)
print("100 random chords of this loss, none crossed:", convex)

# %% [markdown]
# ## 5. Momentum
#
# Too expensive, then. A cheaper idea: in a valley, successive gradients disagree across it and agree along it. Add them
# up, and what disagrees cancels:
#
# $$v_k = \nabla L(\theta_k) + \mu\, v_{k-1}, \qquad \theta_{k+1} = \theta_k - \alpha\, v_k, \qquad v_{-1} = 0.$$
#
# Under a constant gradient $g$ the sum $g(1 + \mu + \mu^2 + \dots)$ tends to $g/(1-\mu)$: for $\mu = 0.9$ steps become
# ten times as long.
#
# **Which definition.** This accumulating form is that of the slide and of `torch.optim.SGD`. The averaging form,
# $v \leftarrow (1-\mu)\nabla L + \mu v$, which Adam uses, needs a learning rate $1/(1-\mu)$ times as large for the same
# path; mixing the two up is the usual reason why "the same" settings do not work. The slides write $\mu$, $\beta$ and
# $\beta_1$ for it; here it is `momentum`.
#
# **The contract.** Every optimizer of this notebook derives from `Optimizer`, which holds the parameters and the loop
# over them, as in `step()` of PyTorch. You write `update(parameter, gradient, state)`: change one parameter in place,
# and keep what you need in `state`, a dictionary that belongs to this parameter. `self.learning_rate` is there, and
# `state["step"]` is 1 at the first update.

# %% [markdown]
# Two helpers for the checks of this family: let an optimizer follow given gradients, and compare it with PyTorch's.


# %% setup="following"
def follow(optimizer, parameters, gradients, which=0):
    """Let an optimizer make one step for each entry of `gradients`; give where one of the parameters was."""
    path = []
    for step in gradients:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = None if gradient is None else torch.as_tensor(gradient).expand_as(parameter).clone()
        optimizer.step()
        for parameter, gradient in zip(parameters, step, strict=True):
            if gradient is not None:
                unchanged = torch.as_tensor(gradient).expand_as(parameter)
                expect_close(parameter.grad, unchanged, "The gradient has changed: do not work in place on it.")
        path.append(parameters[which].detach().clone())
    return torch.stack(path)


def compare(ours, theirs, message, steps=50):
    """Two parameters under random gradients: our optimizer and PyTorch's must go the same way."""
    draw = torch.Generator().manual_seed(5)
    gradients = [
        [torch.randn(3, generator=draw), 100 * torch.randn(2, 2, generator=draw) if step % 3 else None]
        for step in range(steps)
    ]
    for which, name in ((0, "the first parameter"), (1, "a second parameter, which has no gradient in some steps")):
        paths = []
        for make in (ours, theirs):
            parameters = [torch.zeros(3), torch.zeros(2, 2)]
            paths.append(follow(make(parameters), parameters, gradients, which))
        expect_close(paths[0], paths[1], f"{message} (Seen with {name}.)", rtol=1e-4, atol=1e-5)


# %% [markdown] predict="ball"
# Momentum 0.9 in the valley. Which directions get faster, and what is new that gradient descent does not do?
# ---
# The flat direction gets faster, up to ten times. New are oscillations of its own: even along the floor, where gradient
# descent creeps in from one side, a heavy ball rolls past the minimum and comes back.

# %% widget="momentum_path"
# First μ = 0. Then raise μ. At which learning rate does gradient descent (μ = 0) fail where momentum still holds?
explore(figures.momentum_path)

# %% exercise="Momentum" points=3 minutes=12 difficulty=2 lecture="L04.07" forbids="torch.optim.SGD torch.optim.sgd"
from course_lib.optimization import Momentum

# %% [markdown] hints="Momentum"
# One tensor has to survive from step to step: v. At the first update it is the gradient.
#
# $v \leftarrow g + \mu v$, then $\theta \leftarrow \theta - \alpha v$. The new gradient counts in full.
#
# Ask whether `state` has an entry; put a *copy* of the gradient there at first, because the caller may reuse the
# gradient's memory. `parameter.sub_(...)` or `parameter -= ...` change a tensor in place.


# %% check="Momentum"
with check("Momentum"):
    theta = torch.tensor([0.0])
    path = follow(Momentum([theta], learning_rate=1.0, momentum=0.5), [theta], [[-1.0]] * 30)
    expect_close(path[0], [1.0], "At the first step v is the gradient itself.")
    expect_close(path[1], [2.5], "v <- gradient + momentum * v: the new gradient counts in full.")
    expect_close(
        path[29] - path[28], [2.0], "Under a constant gradient steps grow to 1 / (1 - momentum) of it.", rtol=1e-4
    )
    changing = Momentum([torch.tensor([0.0])], learning_rate=1.0, momentum=0.5)
    (theta,) = changing.parameters
    follow(changing, [theta], [[-1.0]])
    changing.learning_rate = 0.1
    follow(changing, [theta], [[-1.0]])
    expect_close(theta, [1.15], "The learning rate multiplies v at the step; it is not stored inside v.")
    gradient = torch.tensor([1.0])
    theta = torch.tensor([0.0])
    optimizer = Momentum([theta], 0.1)
    theta.grad = gradient
    optimizer.step()
    optimizer.step()
    expect_close(gradient, [1.0], "The gradient has changed: keep a copy of it, not the tensor itself.")
    compare(
        lambda p: Momentum(p, 0.1, 0.9),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
        "50 steps differ from torch.optim.SGD with momentum.",
    )

# %% [markdown]
# ### Looking ahead
#
# Nesterov's idea: momentum will carry us to $\tilde\theta = \theta - \alpha\mu v$ anyway, so take the gradient there.
# Written for the point $\tilde\theta$, which is what PyTorch calls the parameters, the method needs no second point:
#
# $$v_k = \nabla L(\theta_k) + \mu v_{k-1}, \qquad \theta_{k+1} = \theta_k - \alpha\,(\nabla L(\theta_k) + \mu v_k).$$
#
# It is momentum with the newest gradient counted once more. On smooth convex losses, with momentum chosen for it, the
# error falls like $1/k^2$ instead of $1/k$, and no method that uses gradients alone can do better in general.

# %% exercise="Nesterov" points=3 minutes=10 difficulty=2 lecture="L04.08" forbids="torch.optim.SGD torch.optim.sgd"
from course_lib.optimization import Nesterov

# %% [markdown] hints="Nesterov"
# v is the same as in momentum. Only the step differs.
#
# $v \leftarrow g + \mu v$, then $\theta \leftarrow \theta - \alpha (g + \mu v)$ with the *new* v.
#
# Four lines: as in `Momentum` up to v, then the step along `gradient + self.momentum * state[...]`.

# %% check="Nesterov"
with check("Nesterov"):
    theta = torch.tensor([0.0])
    path = follow(Nesterov([theta], learning_rate=1.0, momentum=0.5), [theta], [[-1.0]] * 2)
    expect_close(path[0], [1.5], "At the first step v is the gradient g, and the step goes along g + momentum * v.")
    expect_close(path[1], [3.25], "The step uses the NEW v.")
    compare(
        lambda p: Nesterov(p, 0.1, 0.9),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
        "50 steps differ from torch.optim.SGD with nesterov=True.",
    )
    gradient, theta = torch.tensor([1.0]), torch.tensor([0.0])
    optimizer = Nesterov([theta], 0.1)
    theta.grad = gradient
    optimizer.step()
    optimizer.step()
    expect_close(gradient, [1.0], "The gradient has changed: keep a copy of it, not the tensor itself.")

# %% [markdown]
# ### What is going on?
#
# On a quadratic loss one can say exactly. Along an eigenvector of the Hessian with eigenvalue $h$, error $e$ and
# velocity $v$ follow
#
# $$\begin{pmatrix} v \\ e \end{pmatrix} \leftarrow
#   \begin{pmatrix} \mu & h \\ -\alpha\mu & 1 - \alpha h \end{pmatrix} \begin{pmatrix} v \\ e \end{pmatrix},$$
#
# and the eigenvalues of this matrix are the roots of $z^2 - (1 + \mu - \alpha h)\,z + \mu = 0$. The larger of their
# sizes is the factor per step. Complex roots have the size $\sqrt\mu$: those are the oscillations. Both sizes are below
# 1 exactly if $0 < \alpha h < 2(1 + \mu)$: the *limit of stability*, twice as far for $\mu \to 1$ as for gradient
# descent.

# %% [markdown] predict="double_limit"
# Gradient descent is stable up to $\alpha h = 2$. Momentum 0.9 makes steps up to ten times as long. Is it stable only up
# to 0.2, then?
# ---
# No: up to 3.8. Across the valley the long steps cancel. Along the floor they are what we want. This holds for an exact
# quadratic; on a real net, with noise and a curvature that changes, momentum needs a smaller learning rate (part 12).

# %% widget="stability_map"
# Where is the fastest point? Why does raising μ beyond it make things slower?
explore(figures.stability_map)

# %% exercise="momentum_rate" points=3 minutes=15 difficulty=3 lecture="L04.09"
from course_lib.optimization import momentum_rate

# %% [markdown] hints="momentum_rate"
# For each curvature: two roots of a quadratic equation, real or complex. Take the larger size, then the largest over
# the curvatures, because the slowest direction decides.
#
# With $b = 1 + \mu - \alpha h$: real roots $\tfrac12(b \pm \sqrt{b^2 - 4\mu})$ if $b^2 \ge 4\mu$, otherwise size
# $\sqrt\mu$.
#
# Either `torch.where` on the sign of $b^2 - 4\mu$, or the 2×2 matrix and `torch.linalg.eigvals(...).abs()`. Work in
# float64, return a float.

# %% check="momentum_rate"
with check("momentum_rate"):
    one = torch.tensor([1.0])
    expect_close(momentum_rate(0.25, 0.0, one), 0.75, "Without momentum the factor is |1 - alpha h|.")
    expect_close(momentum_rate(1.5, 0.0, one), 0.5, "A size is not negative: |1 - 1.5|.")
    expect_close(momentum_rate(1.0, 0.81, one), 0.9, "Complex roots have the size sqrt(momentum).")
    expect_close(
        momentum_rate(3.0, 0.25, one), (1.75 + 2.0625**0.5) / 2, "b is negative here: the larger SIZE of both roots."
    )
    expect_close(momentum_rate(0.0, 0.5, one), 1.0, "With learning rate 0 nothing shrinks: the factor is 1.")
    both = torch.tensor([0.01, 1.0])
    expect_close(
        momentum_rate(0.5, 0.0, both), 0.995, "The slowest direction decides: the largest factor of all curvatures."
    )
    assert momentum_rate(1.0, 0.5, torch.tensor([-0.1])) > 1, "A negative curvature is left: the factor exceeds 1."
    for mu in (0.0, 0.5, 0.9):
        limit = 2 * (1 + mu)
        inside, outside = momentum_rate(0.99 * limit, mu, one), momentum_rate(1.01 * limit, mu, one)
        assert inside < 1 < outside, f"The limit of stability is alpha h = 2 (1 + mu), at mu = {mu}."

# %%
# Your formula against your optimizer: the factor per step, predicted and measured over 400 steps.
curvatures = torch.tensor([1.0, 30.0], dtype=torch.float64)
print("  α      μ     predicted   measured")
for rate, mu in ((0.03, 0.0), (0.03, 0.5), (0.03, 0.9), (0.12, 0.9), (0.13, 0.9)):
    errors = descend(
        lambda theta: curvatures * theta,
        torch.ones(2, dtype=torch.float64),
        400,
        lambda p, a=rate, m=mu: Momentum(p, a, m),
    ).norm(dim=1)
    # Complex roots make the error swing: the largest of each half gives the trend.
    measured = (errors[301:].max() / errors[101:201].max()) ** (1 / 200)
    print(f"{rate:5.2f}  {mu:4.2f}  {momentum_rate(rate, mu, curvatures):9.4f}  {measured:9.4f}")

# %% [markdown]
# ## 6. The size of a gradient says little
#
# The sign of $\partial L/\partial\theta_i$ tells where to go. Its size depends on the units of the $i$-th input and on how
# far away the target is: for $L = \lVert f_\theta(x) - y\rVert^2$ the gradient
# $2\,(f_\theta(x) - y)^\top\,\partial f/\partial\theta$ is huge when the prediction misses by much. It also changes by
# orders of magnitude during training. So *normalise it, entry by entry*.
#
# *Corrections:* the slide's gradient lacks the factor 2, and what is "huge" is $f_\theta(x) - y$, not
# $\partial f/\partial\theta$. Dividing the whole vector by its length would not help either: the ratio of the entries
# stays.

# %% widget="gradient_scales"
explore(figures.gradient_scales)

# %% exercise="SignDescent" points=1 minutes=5 difficulty=1 lecture="L04.10"
from course_lib.optimization import SignDescent

# %% [markdown] hints="SignDescent"
# Each entry moves by the same distance, against the sign of its own gradient.
#
# $\theta_i \leftarrow \theta_i - \alpha\,\operatorname{sign}(g_i)$.
#
# One line in place on `parameter`, with `gradient.sign()`, which is 0 where the gradient is 0.

# %% check="SignDescent"
with check("SignDescent"):
    theta = torch.zeros(4)
    path = follow(SignDescent([theta], 0.5), [theta], [[torch.tensor([3.0, -1e6, 1e-6, 0.0])]] * 2)
    expect_close(path[0][:3], [-0.5, 0.5, -0.5], "Every entry moves by the learning rate, against its OWN sign.")
    expect_close(path[0][3], 0.0, "An entry without a gradient stays, and is not NaN.")
    expect_close(path[1][:3], [-1.0, 1.0, -1.0], "Every step has the same length.")

# %%
# The extreme case keeps the sign alone. Curvatures 1 and 10,000: too much for gradient descent.
steep = torch.tensor([1.0, 1e4])
for name, make in (
    ("gradient descent", lambda p: GradientDescent(p, 1e-4)),
    ("sign descent", lambda p: SignDescent(p, 0.01)),
):
    end = descend(lambda theta: steep * theta, torch.tensor([1.0, 0.995]), 200, make)[-1]
    print(f"{name:>17}: from (1, 0.995) to ({end[0]:.3f}, {end[1]:.3f}) in 200 steps")
print("Sign descent gets there and then hops about: its steps do not become shorter.")

# %% quiz="scale_of_gradients" points=1 minutes=5 lecture="L04.10"
# Loss (f - y)^2 with f = theta * x at x = 3, theta = 2, y = 1: its derivative with respect to theta.
squared_error_slope = 30
# You measure an input in millimetres instead of metres. By which factor does the gradient of its weight change, f
# staying the same?
unit_factor = 1000
# Sign descent with learning rate 0.01, gradient (-250, 0, 0.004): the three entries of the change of theta.
sign_step = [0.01, 0, -0.01]

# %% [markdown]
# ### AdaGrad and RMSProp
#
# Both divide each entry of the gradient by the root of squared gradients, collected in $s$ (all operations entry by
# entry, $s$ starts at 0):
#
# $$\text{AdaGrad:}\quad s \leftarrow s + g^2 \qquad\qquad
#   \text{RMSProp:}\quad s \leftarrow \beta s + (1-\beta)\,g^2$$
# $$\theta \leftarrow \theta - \alpha\,\frac{g}{\sqrt s + \epsilon}$$
#
# AdaGrad's $s$ only grows, so its steps shrink like $1/\sqrt k$: right for convex problems, too early a stop for nets.
# RMSProp forgets.
#
# **Which definition.** The slides have no $\epsilon$: an entry whose gradient is always 0 would be 0/0. PyTorch adds
# $\epsilon$ *outside* the root, and so do we; inside, it would act like $\sqrt\epsilon$, ten thousand times as much for
# $10^{-8}$. The slide's RMSProp does not correct $s$ for its start at 0, PyTorch's does not either: the first step is
# $1/\sqrt{1-\beta}$ times as long.

# %% [markdown] predict="smaller_gradients"
# At step 50 the gradient becomes ten times smaller and stays so. What do the steps of AdaGrad and of RMSProp do
# afterwards?
# ---
# Both shrink at once by 10. RMSProp forgets the old sizes within about $1/(1-\beta)$ steps and comes back to its old
# length. AdaGrad never does.

# %% widget="effective_rates"
explore(figures.effective_rates)

# %% exercise="AdaGrad" points=2 minutes=8 difficulty=1 lecture="L04.12" forbids="torch.optim.Adagrad torch.optim.adagrad"
from course_lib.optimization import AdaGrad

# %% [markdown] hints="AdaGrad"
# s has the shape of the parameter, starts at 0 and collects squares.
#
# $s \leftarrow s + g^2$, then $\theta \leftarrow \theta - \alpha\,g/(\sqrt s + \epsilon)$.
#
# `torch.zeros_like(parameter)` at first; the step uses the s that contains the present gradient already.

# %% check="AdaGrad"
with check("AdaGrad"):
    theta = torch.tensor([0.0, 0.0, 0.0])
    path = follow(AdaGrad([theta], learning_rate=1.0), [theta], [[torch.tensor([-5.0, 0.0, 0.01])]] * 4)
    assert not path.isnan().any(), "An entry with gradient 0 stays where it is: epsilon prevents 0 / 0."
    expect_close(
        path[0], [1.0, 0.0, -1.0], "The first step has the length of the learning rate, in every entry.", rtol=1e-4
    )
    expect_close(
        path[3, 0] - path[2, 0],
        0.5,
        "Step k has the length learning_rate / sqrt(k): s adds up and never decays.",
        rtol=1e-4,
    )
    theta = torch.tensor([0.0])
    path = follow(AdaGrad([theta], 1.0, epsilon=1.0), [theta], [[-4.0]])
    expect_close(path[0], [0.8], "4 / (sqrt(16) + 1): epsilon stands outside the root.")
    compare(
        lambda p: AdaGrad(p, 0.1), lambda p: torch.optim.Adagrad(p, 0.1), "50 steps differ from torch.optim.Adagrad."
    )

# %% exercise="RMSProp" points=3 minutes=8 difficulty=1 lecture="L04.11" forbids="torch.optim.RMSprop torch.optim.rmsprop"
from course_lib.optimization import RMSProp

# %% [markdown] hints="RMSProp"
# AdaGrad with a memory that fades.
#
# $s \leftarrow \beta s + (1-\beta)\,g^2$, then $\theta \leftarrow \theta - \alpha\,g/(\sqrt s + \epsilon)$.
#
# $\beta$ multiplies the OLD s. A good test of the two: with $\beta = 0$, $\sqrt s$ is the size of the gradient, and you
# have sign descent.

# %% check="RMSProp"
with check("RMSProp"):
    theta = torch.tensor([0.0, 0.0, 0.0])
    optimizer = RMSProp([theta], learning_rate=0.1, beta=0.75)
    path = follow(optimizer, [theta], [[torch.tensor([1e-2, -1e3, 0.0])]] * 60)
    assert not path.isnan().any(), "An entry with gradient 0 stays where it is: epsilon prevents 0 / 0."
    expect_close(
        path[0], [-0.2, 0.2, 0.0], "First step: learning_rate / sqrt(1 - beta), by the sign of each entry.", rtol=1e-4
    )
    expect_close(
        path[59, 1] - path[58, 1], 0.1, "Under a constant gradient the steps settle at the learning rate.", rtol=1e-3
    )
    theta = torch.tensor([0.0])
    path = follow(RMSProp([theta], 1.0, beta=0.75, epsilon=1.0), [theta], [[-4.0]])
    expect_close(path[0], [4 / 3], "4 / (sqrt(0.25 * 16) + 1): epsilon stands outside the root.")
    compare(
        lambda p: RMSProp(p, 0.01, 0.9),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9),
        "50 steps differ from torch.optim.RMSprop.",
    )

# %% [markdown]
# ### Adam
#
# Adam has both: a running mean $m$ of gradients instead of the gradient, a running mean $v$ of squares below it, and a
# correction of both for their start at 0. With $k = 1, 2, \dots$
#
# $$m \leftarrow \beta_1 m + (1-\beta_1)\,g, \quad v \leftarrow \beta_2 v + (1-\beta_2)\,g^2, \quad
#   \hat m = \frac{m}{1-\beta_1^k}, \quad \hat v = \frac{v}{1-\beta_2^k}, \quad
#   \theta \leftarrow \theta - \alpha\,\frac{\hat m}{\sqrt{\hat v} + \epsilon}$$
#
# Defaults: $\alpha = 0.001$, $\beta_1 = 0.9$, $\beta_2 = 0.999$, $\epsilon = 10^{-8}$. Note the averaging form of
# momentum here: Adam's step has about the length $\alpha$ in each entry, and less where the gradients disagree.

# %% [markdown] predict="no_correction"
# Leave the bias correction out. How long is the very first step, as a multiple of $\alpha$?
# ---
# $m = 0.1\,g$ and $v = 0.001\,g^2$, so the step is $0.1/\sqrt{0.001} = 3.2$ times $\alpha$: not too short but too
# *long*, because $v$ starts further below its value than $m$. It takes hundreds of steps until $v$ has caught up.

# %% widget="adam_coordinate"
# Switch the correction off and on. Then raise the noise: what happens to the length of the steps?
explore(figures.adam_coordinate)

# %% exercise="Adam" points=4 minutes=15 difficulty=3 lecture="L04.13" forbids="torch.optim.Adam torch.optim.AdamW torch.optim.adam"
from course_lib.optimization import Adam

# %% [markdown] hints="Adam"
# Two tensors to remember, and the number of the update, which `state["step"]` counts for you, from 1.
#
# The corrections $1 - \beta_1^k$ and $1 - \beta_2^k$ are plain numbers. $\epsilon$ is added after the root of the
# corrected $v$.
#
# Update m and v; divide each by its correction into NEW tensors, so that the stored means stay uncorrected; one step.

# %% check="Adam"
with check("Adam"):
    theta = torch.tensor([0.0, 0.0])
    path = follow(Adam([theta], learning_rate=0.1), [theta], [[torch.tensor([1e-3, -1e3])]] * 3)
    expect_close(
        path[0],
        [-0.1, 0.1],
        "The first step has the length of the learning rate: check the bias corrections.",
        rtol=1e-4,
    )
    expect_close(path[2], [-0.3, 0.3], "Under a constant gradient every step has this length.", rtol=1e-4)
    theta = torch.tensor([0.0])
    path = follow(Adam([theta], 1.0, epsilon=1.0), [theta], [[-3.0]])
    expect_close(path[0], [0.75], "3 / (sqrt(9) + 1): epsilon is added to the root of the CORRECTED v.")
    compare(lambda p: Adam(p, 0.1), lambda p: torch.optim.Adam(p, 0.1), "50 steps differ from torch.optim.Adam.")
    compare(
        lambda p: Adam(p, 0.1, betas=(0.5, 0.8)),
        lambda p: torch.optim.Adam(p, 0.1, betas=(0.5, 0.8)),
        "With other betas than the defaults it differs from torch.optim.Adam.",
    )

# %% [markdown]
# ## 7. All of them, side by side
#
# Your optimizers on four losses: the valley, a saddle (the start lies 0.001 beside the ridge), a plateau (the minimum is
# a pit in a plain) and a bent valley. First the numbers: do they agree with PyTorch's over 1,000 steps in float64?

# %%
mine = {
    "gradient descent": (lambda p: GradientDescent(p, 0.001), lambda p: torch.optim.SGD(p, 0.001)),
    "momentum": (lambda p: Momentum(p, 0.0002, 0.9), lambda p: torch.optim.SGD(p, 0.0002, momentum=0.9)),
    "Nesterov": (lambda p: Nesterov(p, 0.0002, 0.9), lambda p: torch.optim.SGD(p, 0.0002, momentum=0.9, nesterov=True)),
    "AdaGrad": (lambda p: AdaGrad(p, 0.5), lambda p: torch.optim.Adagrad(p, 0.5)),
    "RMSProp": (lambda p: RMSProp(p, 0.01, 0.9), lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9)),
    "Adam": (lambda p: Adam(p, 0.05), lambda p: torch.optim.Adam(p, 0.05)),
}
bent = SURFACES["bent valley"]
for name, (ours, theirs) in mine.items():
    start = torch.tensor(bent.start, dtype=torch.float64)
    difference = (descend(bent.gradient, start, 1000, ours) - descend(bent.gradient, start, 1000, theirs)).abs().max()
    print(f"{name:>17}: largest difference from torch.optim over 1,000 steps {difference:.0e}")

# %% [markdown] predict="saddle_race"
# Who leaves the saddle first: plain gradient descent, momentum, or one of those that divide by the size of the gradient?
# ---
# Those that divide, by far: next to the ridge the gradient is 0.001, and dividing by its size makes a full step of it.
# Momentum gains nothing here: it adds up gradients that are tiny all the same. On the plateau the order is similar, with
# smaller differences.

# %% widget="optimizer_race"
# Change the loss, the start and the learning rates. Is there an optimizer that is best on all four?
my_optimizers = {
    "gradient descent": lambda p, rate: GradientDescent(p, rate),
    "momentum": lambda p, rate: Momentum(p, 0.2 * rate, 0.9),
    "Nesterov": lambda p, rate: Nesterov(p, 0.2 * rate, 0.9),
    "AdaGrad": lambda p, rate: AdaGrad(p, 0.4),
    "RMSProp": lambda p, rate: RMSProp(p, 0.04, 0.9),
    "Adam": lambda p, rate: Adam(p, 0.1),
}
explore(partial(figures.optimizer_race, my_optimizers))

# %%
# Measured: how many steps until 90 % of the way down from the start, at most 400.
print(f"{'':>17}" + "".join(f"{name:>14}" for name in SURFACES))
for name, make in my_optimizers.items():
    line = f"{name:>17}"
    for surface in SURFACES.values():
        start = torch.tensor(surface.start, dtype=torch.float64)
        if surface.name == "saddle":
            start[0] = 0.0  # on the ridge, 0.001 beside the saddle: nothing to win on the way there
        path = descend(surface.gradient, start, 400, lambda p, m=make, s=surface: m(p, s.learning_rate))
        losses = surface.loss(path)
        down = (losses <= 0.1 * losses[0]).nonzero()
        line += f"{down[0].item() if len(down) else '> 400':>14}"
    print(line)

# %% [markdown]
# ## 8. Gradients of a few samples
#
# The loss is a mean over $N$ samples, and so is its gradient: one exact step costs $N$ gradients. A *minibatch* of $B$
# samples $i_1, \dots, i_B$ gives the estimate
#
# $$\hat g = \frac1B\sum_{j=1}^{B}\nabla_\theta\bigl(-\log p_\theta(y_{i_j} \mid x_{i_j})\bigr), \qquad
#   \mathbb E[\hat g] = \nabla L(\theta),$$
#
# unbiased for every $B$, with a standard deviation that falls like $1/\sqrt B$. So four times the batch halves the noise
# at four times the cost.

# %% [markdown] predict="batch_of_one"
# Would an estimate from the *first* 32 samples of the file, always the same, be unbiased?
# ---
# As an estimate over random choices, no: nothing is random. It is the exact gradient of another loss, that of these 32
# samples, and descending it overfits them. Each sample must have the same chance to be drawn.

# %%
digits = data.digits(seed=0)
weights = torch.zeros(64, 10)
full = softmax_regression_gradient(digits.x_train, digits.y_train, weights)
entry = (20, 3)  # a pixel and a class
estimates = {
    size: gradient_estimates(
        lambda batch: softmax_regression_gradient(digits.x_train[batch], digits.y_train[batch], weights)[entry],
        len(digits.x_train),
        size,
        200 if FAST else 2000,
        generator,
    )
    for size in (1, 4, 8, 16, 64, 200)
}

# %% widget="gradient_spread"
explore(partial(figures.gradient_spread, estimates, full[entry].item()))

# %% [markdown]
# In practice nobody draws each batch anew. The data are shuffled, and cut into consecutive groups of $B$; that is one
# *epoch*, and every sample has been used once.
#
# **Which convention.** The slide shuffles once in advance. Most code, PyTorch's loaders and ours, shuffles once *an
# epoch*, so that the groups differ from epoch to epoch. The mistake to avoid: shuffling inputs and labels with two
# different permutations. Shuffling *indices* cannot do that.

# %% exercise="sgd" points=3 minutes=12 difficulty=2 lecture="L04.14 L04.15"
from course_lib.optimization import sgd

# %% [markdown] hints="sgd"
# Two loops: over epochs, and over the batches of an epoch. A random order of all indices, cut into pieces, makes the
# batches of one epoch; the next epoch draws a new order.
#
# $\theta \leftarrow \theta - \alpha_k\,\hat g(\theta, \text{batch})$, where $\alpha_k$ is a number, or a function of the
# number $k = 0, 1, \dots$ of the update, which runs on from epoch to epoch.
#
# `torch.randperm(size, generator=generator)` and its `split`. A list that begins with `start`; `callable(learning_rate)` tells a schedule from a number; the number of the update is
# how many have been made. New tensors, no `-=`, and `torch.stack` at the end.

# %% check="sgd"
with check("sgd"):
    targets = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    batches = []

    def pull(theta, batch):
        batches.append(batch.tolist())
        return theta - targets[batch].mean()

    beginning = torch.tensor(0.0)
    path = sgd(pull, beginning, 5, 2, 0.5, 3, torch.Generator().manual_seed(0))
    expect_shape(path, (10,), "Three epochs of three batches: nine updates and the start.")
    expect_close(beginning, 0.0, "The caller's start has changed: do not work in place.")
    expect_close([len(b) for b in batches], [2, 2, 1] * 3, "Use the last, shorter batch of each epoch too.")
    for epoch in range(3):
        seen = sorted(i for batch in batches[3 * epoch : 3 * epoch + 3] for i in batch)
        assert seen == [0, 1, 2, 3, 4], (
            f"In an epoch each sample is used once; found {seen}: draw without putting back."
        )
    orders = [[i for batch in batches[3 * e : 3 * e + 3] for i in batch] for e in range(3)]
    assert len({tuple(order) for order in orders}) > 1, "Shuffle in each epoch, not once for all."
    replay = torch.tensor(0.0)
    for batch, after in zip(list(batches), path[1:], strict=True):
        replay = replay - 0.5 * (replay - targets[batch].mean())
        expect_close(after, replay, "theta - learning_rate * gradient(theta, batch), once for each batch.")
    again = sgd(pull, torch.tensor(0.0), 5, 2, 0.5, 3, torch.Generator().manual_seed(0))
    expect_close(again, path, "The same seed of the generator must give the same path.")
    asked = []
    sgd(pull, torch.tensor(0.0), 5, 2, lambda k: asked.append(k) or 0.1, 2)
    assert asked == [0, 1, 2, 3, 4, 5], (
        f"Ask the schedule once for each update, counted through all epochs; found {asked}."
    )

# %% [markdown]
# What does it buy? Softmax regression on the digits, 10 passes over the data in each of three ways. A pass costs the
# same number of gradients of single samples each time.


# %%
def digits_gradient(theta, batch):
    return softmax_regression_gradient(digits.x_train[batch], digits.y_train[batch], theta)


size, passes = len(digits.x_train), 3 if FAST else 10
lines = {}
for name, batch_size, rate in (
    ("all data, α = 2", size, 2.0),
    ("B = 32, α = 0.5", 32, 0.5),
    ("B = 1, α = 0.1", 1, 0.1),
):
    path = sgd(digits_gradient, torch.zeros(64, 10), size, batch_size, rate, passes, torch.Generator().manual_seed(0))
    seen = torch.linspace(0, len(path) - 1, min(len(path), 60)).long()
    values = [negative_log_likelihood(digits.x_train @ theta, digits.y_train).item() for theta in path[seen]]
    lines[name] = ((seen * passes / (len(path) - 1)).tolist(), values)
figures.curves(lines, "The same number of passes over the data", "passes over the data")

# %% [markdown]
# ## 9. The learning rate
#
# Too large, and the loss explodes. Too small, and it is slow, *and* can end at a worse value: it is still on the way
# when the time is up, or stays in the first flat place it meets. In between lies a decade or so that works, and it is
# searched for on a *logarithmic* grid, from the same start and with the same number of updates.
#
# With a constant rate, SGD never settles: on $\tfrac12\theta^2$ with gradient noise of variance $\sigma^2$ the mean loss
# tends to $\tfrac{\alpha\sigma^2}{2(2 - \alpha)}$. The floor is as high as the rate is large. Hence *schedules*: first
# large steps to get there, then small ones to settle. SGD with momentum usually needs one for its best results; Adam is
# often used without.

# %% [markdown] predict="staircase"
# A run with a constant rate has flattened out. Now the rate is divided by ten. What does the loss curve do in the next
# epochs?
# ---
# It drops at once and flattens again lower down: the stairs in the ImageNet curves of the lecture. The drop is noise
# that is averaged away, not progress that was being missed; whoever decays too early pays with slow progress later.

# %% widget="schedules"
explore(figures.schedules)

# %% exercise="step_decay" points=2 minutes=6 difficulty=1 lecture="L04.17"
from course_lib.optimization import step_decay

# %% [markdown] hints="step_decay"
# A function that returns a function. How many stages have been completed before update $k$?
#
# $\alpha_k = \alpha_0\, f^{\lfloor k / \text{every} \rfloor}$
#
# One `return lambda update: ...` with an integer division. It computes from the number alone; a variable that is
# multiplied at each call would remember what it must not.

# %% check="step_decay"
with check("step_decay"):
    schedule = step_decay(1.0, 0.5, every=3)
    assert callable(schedule), "Return a function that maps the number of an update to its learning rate."
    rates = [schedule(update) for update in range(7)]
    expect_close(rates, [1, 1, 1, 0.5, 0.5, 0.5, 0.25], "Multiply after every 3 updates, not at each one.")
    expect_close(schedule(0), 1.0, "Asked again for update 0, the answer is the same: remember nothing.")
    expect_close(schedule(3_000), 0.0, "After many stages the rate is nearly 0.")
    expect_close(step_decay(0.2, 0.1, 1)(2), 0.002, "The factor multiplies: 0.2, 0.02, 0.002.")

# %%
# The staircase on the digits, with momentum: `Scheduled` sets the rate before each step and leaves v as it is.
epochs = 2 if FAST else 12
per_epoch = math.ceil(size / 32)
schedule_runs = {}
for name, schedule in {
    "constant 0.1": lambda update: 0.1,
    "staircase": step_decay(0.1, 0.1, every=epochs * per_epoch // 3),
    "warm-up, then cosine": warmup(cosine_decay(0.1, epochs * per_epoch), per_epoch),
}.items():
    order = torch.Generator().manual_seed(0)
    theta = torch.zeros(64, 10, requires_grad=True)
    losses = train(
        [theta],
        lambda parameters, batch: F.cross_entropy(digits.x_train[batch] @ parameters[0], digits.y_train[batch]),
        Scheduled(Momentum([theta], 0.1, 0.9), schedule),
        [batch for _ in range(epochs) for batch in minibatches(size, 32, order)],
    )
    means = [sum(losses[e * per_epoch : (e + 1) * per_epoch]) / per_epoch for e in range(epochs)]
    schedule_runs[f"{name}: {means[-1]:.3f}"] = means
plots.learning_curves(schedule_runs, "Softmax regression with momentum: mean loss of each epoch", log=True)

# %% [markdown]
# Here the constant rate ends lowest, 0.12 against 0.18 for the staircase: after four epochs this loss is not yet at the
# floor that noise sets, so the early decay only slows it down. A schedule pays once noise is what is left, as in the
# figure above. "Always decay" is no more a law than "never"; look at the curve.

# %% exercise="learning_rate_sweep" points=2 minutes=10 difficulty=2 lecture="L04.16 L04.18"
from course_lib.optimization import learning_rate_sweep

# %% [markdown] hints="learning_rate_sweep"
# Learning rates matter by factor: each is the same number of times larger than the one before.
#
# $\alpha_k = l\,(h/l)^{k/(n-1)}$, $k = 0, \dots, n - 1$; of each run the mean of the last $\max(1, \tau n)$ losses.
#
# A loop over the rates; `losses[-m:]`; a mean that is not finite becomes `math.inf`, for a comparison with NaN is false
# and would make it the smallest.

# %% check="learning_rate_sweep"
with check("learning_rate_sweep"):
    tried = []

    def pretended(rate):
        tried.append(rate)
        return [math.nan] * 20 if rate > 5 else [5.0] * 10 + [rate] * 9 + [2 * rate]

    found = learning_rate_sweep(pretended, 0.01, 10.0, 4, tail=0.1)
    expect_close(
        list(found), [0.01, 0.1, 1.0, 10.0], "Evenly spaced in the LOGARITHM, rising, both ends included.", rtol=1e-4
    )
    expect_close(tried, [0.01, 0.1, 1.0, 10.0], "One run for each rate, with this rate.", rtol=1e-4)
    expect_close(found[min(found)], 0.015, "The mean over the last tenth of the run, here two losses.", rtol=1e-4)
    expect_true(found[max(found)] == math.inf, "A run that ends in NaN is infinitely bad.")

# %% quiz="tuning_facts" points=2 minutes=8 lecture="L04.16 L04.18"
# A grid for the learning rate from 0.0001 to 1 in five values: what is the middle one?
middle_of_the_grid = 0.01
# The gradient noise (standard deviation) shall be halved. By which factor must the batch grow?
batch_factor = 4
# You go from momentum 0 to momentum 0.9 in the accumulating form. By which factor do you change the learning rate, to
# keep the length of a step under a constant gradient?
learning_rate_factor = 0.1
# On which data may the learning rate be chosen: "training", "validation" or "test"? Optimization is about the first,
# practice uses the second as well, one of the three is never allowed: name that one.
never_tune_on = "test"

# %% [markdown]
# ## 10. The loss of a real net
#
# A net has more parameters than a picture has axes. Li et al. (2018) look at a plane: the trained parameters $\theta^*$,
# and two random directions $d_1, d_2$, and draw $L(\theta^* + a\,d_1 + b\,d_2)$.
#
# A direction with normal entries has one scale for all layers, the net does not: doubling one layer and halving the next
# changes nothing in a net of ReLUs, but everything in the picture. So each *filter* (the incoming weights of one unit, a
# row of a weight matrix) of the direction gets the length of the same filter of the net,
# $d_{i} \leftarrow \tfrac{d_{i}}{\lVert d_{i}\rVert}\,\lVert\theta_{i}\rVert$, and biases are left alone.

# %% [markdown] predict="skips"
# Twelve hidden layers of 16 units, with and without skip connections $h + \operatorname{relu}(Wh + b)$. Which surface is
# rougher, and how would you notice in training?
# ---
# Without. A change of one early weight is multiplied by all layers after it, so the loss has cliffs and plains:
# "the monster of the plateau" and "the dragon of local optima", as the lecture calls them. In training one notices that
# few learning rates work, and that some seeds never get started. Skip connections add a path on which a change arrives
# as it is.

# %% exercise="filter_normalized_direction" points=3 minutes=12 difficulty=2 lecture="L04.03"
from course_lib.optimization import filter_normalized_direction

# %% [markdown] hints="filter_normalized_direction"
# Row by row: keep the direction of the direction, take the length from the parameter.
#
# $d_i \cdot \lVert\theta_i\rVert / \lVert d_i\rVert$, with norms over everything but the first axis.
#
# A loop over pairs; `zeros_like` where `ndim <= 1`; otherwise `flatten(1).norm(dim=1)` of both, reshaped so that it
# broadcasts over the rows. New tensors: the parameters are those of a trained net.

# %% check="filter_normalized_direction"
with check("filter_normalized_direction"):
    weight, bias = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([7.0, 7.0])
    arrow = [torch.tensor([[2.0, 0.0], [0.0, -9.0]]), torch.ones(2)]
    result = filter_normalized_direction([weight, bias], arrow)
    assert len(result) == 2, f"One tensor for each parameter; found {len(result)}."
    expect_close(result[0], [[5.0, 0.0], [0.0, -1.0]], "Each ROW gets the length of the same row of the parameter.")
    expect_close(result[1], [0.0, 0.0], "Biases are not moved: zeros.")
    expect_close(weight, [[3.0, 4.0], [0.0, 1.0]], "The parameters have changed: work on new tensors.")
    expect_close(arrow[0], [[2.0, 0.0], [0.0, -9.0]], "The direction has changed: work on new tensors.")
    kernels, other = torch.full((2, 3, 2, 2), 2.0), torch.ones(2, 3, 2, 2)
    other[:, :, 0, :] = 2.0
    found = filter_normalized_direction([kernels], [other])[0]
    expected = other * math.sqrt(48 / 30)  # 12 entries of 2, and 6 entries of 1 beside 6 of 2
    expect_close(found, expected, "With four axes the length is taken over all but the first.")


# %% experiment="landscapes"
@dataclass(frozen=True)
class PictureSettings:
    """All sizes of the pictures in one place."""

    depth: int = 12
    width: int = 16
    epochs: int = 15
    learning_rate: float = 0.003
    grid_points: int = 31
    samples: int = 500  # of the training data, for each point of the picture

    def fast(self):
        return replace(self, epochs=3, grid_points=9)


picture = PictureSettings().fast() if FAST else PictureSettings()


def surface_of(skips, seed):
    """Train a net with your Adam; give its test accuracy, the surface round it, and the grid."""
    draw = torch.Generator().manual_seed(seed)
    net = SkipNet(64, 10, picture.width, picture.depth, skips)
    parameters = [p.requires_grad_() for p in net.initialize(draw)]
    batches = [batch for _ in range(picture.epochs) for batch in minibatches(size, 64, draw)]
    train(
        parameters,
        lambda p, batch: F.cross_entropy(net.logits(p, digits.x_train[batch]), digits.y_train[batch]),
        Adam(parameters, picture.learning_rate),
        progress(batches, f"{'with' if skips else 'no'} skips", leave=False),
    )
    parameters = [p.detach() for p in parameters]
    accuracy = (net.logits(parameters, digits.x_test).argmax(1) == digits.y_test).double().mean().item()
    x, labels = digits.x_train[: picture.samples], digits.y_train[: picture.samples]
    right, up = (filter_normalized_direction(parameters, random_direction(parameters, draw)) for _ in range(2))
    grid = torch.linspace(-1, 1, picture.grid_points)
    return (
        accuracy,
        loss_surface(lambda p: F.cross_entropy(net.logits(p, x), labels), parameters, right, up, grid),
        grid,
    )


pictures = {}
for skips in (False, True):
    accuracy, heights, grid = surface_of(skips, seed=0)
    pictures[skips] = heights.numpy()
    print(
        f"skip connections {'on ' if skips else 'off'}: test accuracy {100 * accuracy:.1f} %, "
        f"highest loss in the picture {heights.max():.0f}, roughness {roughness(heights, grid):.1f}"
    )

# %% widget="net_surfaces"
explore(partial(figures.net_surfaces, pictures, grid.numpy()))

# %% [markdown]
# Roughness is the mean size of the Laplacian, divided by the mean height. Over five seeds it was from 10.2 to 12.2 with
# skip connections and from 28 to 33 without: the two never overlap. Nor does the test accuracy, 91 to 96 % and 82 to 89 %. (The height is drawn as a
# logarithm, or the net without skip connections would leave nothing else to be seen.)
#
# *A word of warning:* two random directions out of thousands show how wild the surroundings are. They do not show the
# path that training took, nor whether a low place is a minimum in all the other directions.

# %% [markdown]
# ## 11. The experiment: digits in odd units
#
# The digits, and a net with two hidden layers of 32 units. In the second version of the data each pixel is measured in a
# unit of its own, somewhere between a tenth and ten times the usual one: the kind of table one gets from a database. For
# each optimizer the learning rate is chosen from nine on a logarithmic grid, by the final training loss of a run with a
# seed of its own; then it runs with five other seeds, 8 epochs each.
#
# **What to expect** (final training loss, mean of the last tenth of the updates): on the plain digits the four end close
# together, between 0.03 and 0.13 for every seed: there a good learning rate matters more than the optimizer. In odd units
# gradient descent ends at 0.33 in the mean of five seeds (0.21 to 0.47) and Adam at 0.09 (0.06 to 0.11). The headline
# number is the ratio of these means: **Adam's loss is 3.6 times lower**, in single seeds 2.6 to 5.0 times. Below 2
# something is wrong: are the bias corrections in place, and is the learning rate at the edge of the grid?


# %% experiment="odd_units"
@dataclass(frozen=True)
class Settings:
    """All sizes of the experiment in one place."""

    seeds: int = 5
    epochs: int = 8
    batch_size: int = 32
    rates: int = 9  # from 0.0001 to 1
    tuning_seed: int = 100

    def fast(self):
        return replace(self, seeds=2, epochs=2, rates=5)


settings = Settings().fast() if FAST else Settings()
contenders = {
    "gradient descent": GradientDescent,
    "momentum": Momentum,
    "RMSProp": RMSProp,
    "Adam": Adam,
}


def run(optimizer, rate, seed, odd_units):
    """Train a net on one division of the digits; give the losses of all updates and the test accuracy."""
    images = data.digits(seed=seed)
    draw = torch.Generator().manual_seed(seed)
    exponents = 2 * torch.rand(64, generator=draw) - 1
    units = 10**exponents if odd_units else torch.ones(64)
    x = images.x_train * units
    net = SkipNet(64, 10, width=32, depth=1, skips=False)
    parameters = [p.requires_grad_() for p in net.initialize(draw)]
    batches = [b for _ in range(settings.epochs) for b in minibatches(len(x), settings.batch_size, draw)]
    losses = train(
        parameters,
        lambda p, batch: F.cross_entropy(net.logits(p, x[batch]), images.y_train[batch]),
        optimizer(parameters, rate),
        batches,
    )
    right = net.logits(parameters, images.x_test * units).argmax(1) == images.y_test
    return losses, right.double().mean().item()


def tail(losses):
    return sum(losses[-(len(losses) // 10) :]) / (len(losses) // 10)


sweeps, results = {False: {}, True: {}}, {False: {}, True: {}}
with progress(total=2 * len(contenders) * (settings.rates + settings.seeds), description="digits", unit="run") as bar:

    def counted(*arguments):
        bar.update()
        return run(*arguments)

    for odd, (name, optimizer) in product((False, True), contenders.items()):
        sweeps[odd][name] = learning_rate_sweep(
            lambda rate, o=optimizer, u=odd: counted(o, rate, settings.tuning_seed, u)[0], 1e-4, 1.0, settings.rates
        )
        best = min(sweeps[odd][name], key=sweeps[odd][name].get)
        results[odd][name] = best, [counted(optimizer, best, seed, odd) for seed in range(settings.seeds)]

for odd in (False, True):
    print("odd units" if odd else "plain digits")
    for name, (best, runs) in results[odd].items():
        ends, accuracies = [tail(losses) for losses, _ in runs], [accuracy for _, accuracy in runs]
        print(
            f"{name:>17}, α = {best:<8.3g} final loss {sum(ends) / len(ends):.3f} ({min(ends):.3f} to {max(ends):.3f}), "
            f"test accuracy {100 * sum(accuracies) / len(accuracies):.1f} %"
        )
ratio = sum(tail(losses) for losses, _ in results[True]["gradient descent"][1]) / sum(
    tail(losses) for losses, _ in results[True]["Adam"][1]
)
print(f"odd units: Adam's final loss is {ratio:.1f} times lower than that of gradient descent")

# %%
figures.sweep(sweeps[False], "Plain digits: every optimizer has a rate that works")

# %%
figures.sweep(sweeps[True], "Odd units: dividing by the size of each entry pays")

# %% [markdown]
# Read the left end of the curves too: with the smallest rates every optimizer ends at a far worse loss than in the
# middle. That is the counter-intuitive half of the lecture's advice: a low learning rate is not the safe choice.
#
# Scaling the inputs first (lecture 7) would repair most of this for gradient descent. The gradients of *deep* nets have
# odd units too, from layer to layer, and those nobody can scale by hand.

# %% [markdown]
# ## 12. Break it
#
# "Momentum 0.99 is good", says the slide. Take the learning rate that gradient descent likes best on the plain digits,
# 0.3, and turn momentum on without touching it.

# %% [markdown] predict="break_it"
# Under a constant gradient the steps become 10 times (μ = 0.9) or 100 times (μ = 0.99) as long. Which of the runs below
# survive: μ = 0.9 or 0.99 with α = 0.3, and both with α divided by 10 and by 100?
# ---
# With α = 0.3 both are thrown out of the region where the net works, and most end as guessers: dead units have gradient
# 0, and do not come back. With the rate divided by $1/(1-\mu)$ both learn. μ = 0.99 is then the slower one here: its
# memory of about 100 updates is more than two epochs long. The usual choice is 0.9; 0.99 needs long runs.


# %% experiment="break_it"
def with_momentum(mu):
    return lambda parameters, rate: Momentum(parameters, rate, mu)


broken = {}
for mu, rate in ((0.0, 0.3), (0.9, 0.3), (0.99, 0.3), (0.9, 0.03), (0.99, 0.003)):
    losses, accuracy = run(with_momentum(mu), rate, 0, False)
    per = math.ceil(size / settings.batch_size)
    means = [sum(losses[e * per : (e + 1) * per]) / per for e in range(settings.epochs)]
    broken[f"μ = {mu}, α = {rate}: {100 * accuracy:.0f} % right"] = (range(1, settings.epochs + 1), means)
figures.curves(broken, "Momentum with an unchanged learning rate", "epoch", top=6)

# %% [markdown]
# On an exact quadratic (part 5) momentum *widens* the range of stable rates. A net is not a quadratic: long steps reach
# places where the curvature is larger, and ReLUs can die there.

# %% [markdown]
# ## 13. In your own words

# %% [markdown] answer="why_not_newton" points=4 minutes=12 lecture="L04.04 L04.06"
# **Why not Newton?** (4 points, about 120 words)
#
# Newton's method solves a quadratic bowl in one step. Give two reasons why nets are not trained with it, one about cost
# (with the orders in the number of parameters $n$) and one about where it goes, and say what it has to do with the
# eigenvalues of the Hessian. Then explain in which sense Adam or RMSProp can be seen as a cheap substitute, and in which
# valley that substitute does not help.
# ---
# The Hessian has $n^2$ entries and solving with it takes of the order of $n^3$ operations; for a million parameters that
# is $10^{12}$ entries. A gradient step costs of the order of $n$.
#
# The step goes to the critical point of the local parabola. That is a minimum only if all eigenvalues are positive. Along
# an eigenvector with a negative eigenvalue the step goes uphill, so Newton's method is attracted by saddles, and nets
# have mostly saddles.
#
# RMSProp and Adam rescale each entry separately, as a Newton step with a diagonal Hessian would, though by the size of
# gradients and not by curvature. That repairs different scales of the axes. In a valley that runs at an angle to the axes
# the Hessian is not diagonal, and rescaling axes does not straighten it.

# %% [markdown] scheme="why_not_newton"
# * 1 point: cost, with $n^2$ memory or $n^3$ time against $n$.
# * 1 point: attracted by saddles (or maxima), linked to eigenvalues that are not all positive. "It can diverge" alone:
#   half.
# * 1 point: per-entry rescaling compared with a diagonal approximation of the curvature.
# * 1 point: a rotated valley (off-diagonal Hessian, correlated parameters) as the case that is not helped.

# %% [markdown] answer="tuning_advice" points=4 minutes=12 lecture="L04.16 L04.18"
# **Advice to a friend** (4 points, about 120 words)
#
# A friend trains a net with SGD and momentum 0.9, at learning rate $10^{-5}$ "to be safe", with batches of 8, and has
# chosen these by the test accuracy. The training loss falls very slowly. Write what you would change, in which order, and
# why; say on which data each choice should be judged.
# ---
# The learning rate first: search it on a logarithmic grid, from $10^{-5}$ upwards until it diverges, and take the largest
# that works; a low rate is slow and can end at a worse loss within the same number of updates. Then let it decay, since
# SGD with momentum settles only with smaller steps. A larger batch, 32 or 64, has less noise for more work per step, and
# allows a larger rate; the rate is searched again after the change. Momentum 0.9 can stay; if it is raised to 0.99, the
# rate must fall tenfold.
#
# Whether optimization works is seen on the training loss. What is wanted is performance on new data, so choices are
# usually made on validation data. The test data are not used for any choice: the test accuracy reported so far is
# too optimistic, and a fresh test set is needed.

# %% [markdown] scheme="tuning_advice"
# * 1 point: the learning rate is too low; search on a logarithmic scale, largest that works.
# * 1 point: a decay, or a sensible word on the batch size (noise against cost) together with the learning rate.
# * 1 point: momentum and learning rate belong together (accumulating form), or a reason to leave momentum.
# * 1 point: tuning on test data is the error; training loss for optimization, validation for choices.

# %% [markdown]
# ## What you built
#
# {{built_table}}
#
# **Where next.** *Backpropagation* (lecture 5) computes the gradients that all of this lives on. *Getting neural nets to
# train* (lecture 7) changes the loss itself so that it becomes easier to walk on: standardization, batch normalization,
# initialisation; skip connections return with ResNets in lecture 6.
#
# Things to try with what you have: AdaGrad in the experiment; your optimizers on MNIST; Newton's method on the 650
# parameters of softmax regression, whose Hessian is singular (why?); a picture of the loss with directions that are not
# normalised.
