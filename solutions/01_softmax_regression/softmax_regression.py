# %% [markdown]
# # Softmax regression
#
# *Lectures 1 and 2: what is learned, how predictions become probabilities, which loss follows, and how to walk down
# it.*
#
# You will build a classifier of handwritten digits from tensor arithmetic alone. At the end you draw a digit, and
# what you wrote says which one it is and how sure it is.
#
# ```text
#   image           x            logits           probabilities          loss
#  ┌──────┐    ┌─────────┐    ┌─────────┐    ┌──────────────────┐    ┌──────────┐
#  │  ▗▄  │    │ D pixels│    │ C scores│    │ positive, sum 1  │    │ −log p   │
#  │   █  │ ─► │  and 1  │ ─► │   xᵀθ   │ ─► │   softmax(xᵀθ)   │ ─► │ of truth │
#  │  ▄█▄ │    └─────────┘    └─────────┘    └──────────────────┘    └──────────┘
#  └──────┘                        ▲                                      │
#                                  └───────────  θ ← θ − α ∇L  ◄──────────┘
# ```
#
# | | |
# |---|---|
# | **You need** | Python, partial derivatives, basic probability, tensors (indexing, broadcasting, `@`) |
# | **Your time** | about four hours, in as many sittings as you like |
# | **Computing** | under a minute for everything on two CPU cores; a GPU is used where there is one, not needed |
# | **Data** | scikit-learn's handwritten digits, no download; MNIST with one changed word |
#
# {{colab_badge}}
#
# ## How this notebook works
#
# Each idea has a short recap, a question to answer *before* you run anything, a figure to move, and an exercise. An
# exercise is a cell with a specification and a line that raises `NotImplementedError`: replace that line. The cell
# below it checks your work and says what is likely wrong; reading it shows you how one tests such code. Hints come in
# three steps: the idea, the formula, the shape of the code. Later cells use the functions that you wrote.
#
# {{points_table}}

# %% setup="imports"
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from course_lib.kit.checks import check, expect_close, expect_shape, expect_true, show_progress
from course_lib.kit.devices import best_device, seed_everything

torch.set_num_threads(1)  # tensors this small are done before a second thread has woken up
device = best_device()
generator = seed_everything(182)

# %% [markdown]
# The next cell brings in what you look at rather than build: figures, data, progress bars. `show_progress()`, here or
# in any cell of your own, lists which checks have passed and which exercise is next.

# %%
import os
from dataclasses import dataclass, replace
from functools import partial

from course_lib.figures import softmax_regression as figures
from course_lib.kit import data, plots
from course_lib.kit.drawing import draw_digit
from course_lib.kit.progress import progress
from course_lib.kit.widgets import Slider, explore
from course_lib.softmax_regression import (
    AMBIGUOUS_DIGITS,
    categorical_mle,
    cross_entropy,
    entropy,
    normalize,
    perceptron,
    true_risk,
)

plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown]
# ## 1. A program with parameters
#
# A program turns inputs into outputs by rules. When the rules are unknown, or full of exceptions, we write a program
# with parameters and let examples set them. The smallest one asks on which side of a line a point lies:
#
# $$x_1\theta_1 + x_2\theta_2 + \theta_3 \le 0 .$$
#
# The point $x$ has shape `(2,)`, the parameters $\theta$ have shape `(3,)`. With a constant 1 appended to the point
# this reads $x^\top\theta \le 0$.
#
# *A correction:* the slide says that this inequality describes a line. It describes a half-plane; the line is its
# edge, where the sum *equals* 0. And $x^\top\theta$ needs the appended 1, or $\theta_3$ has nothing to multiply.
#
# Here $f_\theta(x)$ is a comparison. It could be almost any expression of $x$ and $\theta$: that freedom is what deep
# learning uses.

# %% [markdown] predict="double_theta"
# You have found a $\theta$ that separates two classes. Now you multiply all three entries by 2. What happens to the
# line? And if you multiply by −1?
# ---
# Doubling changes nothing: $2\,x^\top\theta \le 0$ holds for the same points. So a line has infinitely many $\theta$.
# Multiplying by −1 keeps the line but swaps its sides: every answer flips, except for points exactly on the line,
# where 0 stays 0. When the rule becomes a probability, the length of $\theta$ will get a meaning: how sure the rule
# is.

# %% widget="decision_line"
# Bring the number of wrong points as low as you can. What does θ₃ alone do?
explore(figures.decision_line)

# %% exercise="below_line" points=2 minutes=8 difficulty=1 lecture="L01.03"
from course_lib.softmax_regression import below_line

# %% [markdown] hints="below_line"
# One number per point decides: the sum of the products of its coordinates with their weights, plus the weight of the
# constant.
#
# $s_i = \sum_{d=1}^{D} x_{id}\,\theta_d + \theta_{D+1}$, for all $N$ points at once a matrix times a vector: shape
# `(N, D)` times `(D,)` gives `(N,)`.
#
# One line: a matrix product with all but the last entry of `theta`, plus the last entry, compared with 0. There is no
# loop and no `if`.

# %% check="below_line"
with check("below_line"):
    points = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    inside = torch.as_tensor(below_line(points, torch.tensor([1.0, 1.0, -1.0])))
    expect_shape(inside, (3,), "One answer per point: multiply (N, D) with (D,), so that N numbers are left.")
    assert inside.dtype == torch.bool, f"The answers are truth values; found {inside.dtype}: compare with 0."
    expect_close(
        inside,
        [True, False, False],
        "x1 + x2 - 1 <= 0: the last entry of theta is added; it multiplies no coordinate.",
    )
    edge = below_line(torch.tensor([[1.0, 0.0]]), torch.tensor([1.0, 1.0, -1.0]))
    assert edge.item(), "A point on the line counts as inside: use <=, not <."
    ones = torch.ones(4, 5)
    five = below_line(ones, torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0, 0.0]))
    expect_close(five, [True] * 4, "The rule holds for any number of features, not only for two.")
    expect_true(ones == 1, "The caller's points have changed: do not work in place.")

# %% [markdown]
# ### A rule that learns from its mistakes
#
# The perceptron (Rosenblatt, 1957) sets $\theta$ without any calculus. It goes through the points; where the rule is
# right it does nothing. Where it is wrong it adds the point, with its 1, to $\theta$ if the sum should have been
# larger, and subtracts it if it should have been smaller. If some line separates the classes, it finds one after at
# most $(R/\gamma)^2$ corrections, where $R$ is the length of the longest point, its 1 included, and $\gamma$ the
# distance that the best line leaves on both sides.

# %% widget="perceptron_steps"
explore(figures.perceptron_steps)

# %% [markdown]
# A line cannot do everything. The next figure has points inside a ring, and points in crossed quarters. The rule
# stays linear, $\phi(x)^\top\theta \le 0$, but on *features* $\phi(x)$ that somebody chose by hand. That is shallow
# learning: the learning on top is easy, choosing the features is the hard part.

# %% [markdown] predict="which_feature"
# Beside $x_1$ and $x_2$ you may add the squares $x_1^2, x_2^2$, or the product $x_1x_2$. Which does the ring need?
# Which do the crossed quarters need?
# ---
# The ring is $x_1^2 + x_2^2 \le r^2$: the squares. The quarters are told apart by the sign of $x_1x_2$: the product,
# and the squares do not help. A feature that is missing cannot be made up for by more data.

# %% widget="feature_rule"
explore(figures.feature_rule)

# %% exercise="quadratic_features" points=2 minutes=8 difficulty=1 lecture="L01.04"
from course_lib.softmax_regression import quadratic_features

# %% [markdown] hints="quadratic_features"
# Take the two columns apart, compute five columns from them, put these side by side.
#
# $\phi(x) = (x_1,\; x_2,\; x_1^2,\; x_2^2,\; x_1x_2)$, one row for each point.
#
# Two names for the columns of shape `(N,)`, then one `torch.stack` of five expressions along `dim=1`.

# %% check="quadratic_features"
with check("quadratic_features"):
    points = torch.tensor([[2.0, 3.0], [-1.0, 4.0]], dtype=torch.float64)
    features = torch.as_tensor(quadratic_features(points))
    expect_shape(features, (2, 5), "Two points with five features each: stack the columns along dim=1.")
    expect_close(features[0], [2, 3, 4, 9, 6], "The order is x1, x2, x1^2, x2^2, x1*x2.")
    expect_close(features[1], [-1, 4, 1, 16, -4], "Squares lose the sign, the product keeps it: (-1) * 4 = -4.")
    assert features.dtype == torch.float64, f"Keep the dtype of x, float64 here; found {features.dtype}."
    expect_close(points, [[2, 3], [-1, 4]], "The caller's points have changed: do not work in place.")

# %% [markdown]
# ### How large has it become?
#
# The rest of lecture 1 is about what changed since the perceptron: depth, data and computing power.
#
# | | layers with weights | | | labelled images for training |
# |---|--:|---|---|--:|
# | LeNet-5 (1998) | 7 | | MNIST | 60,000 |
# | AlexNet (2012) | 8 | | Caltech-101 (2003) | about 9,000 |
# | ResNet-152 (2015) | 152 | | ILSVRC, the ImageNet challenge (from 2010) | 1,281,167 |
#
# Training BERT took about 54 hours on 16 TPUs.
#
# *Corrections:* the slides date the seven-layer LeNet to 1989; that is the year of a smaller network, LeNet-5 is of
# 1998 (its seven layers count the two subsampling layers). They give ImageNet 1.5 million images in 2009; ImageNet is
# of 2009, the challenge of 2010, and its usual training set has 1.28 million. MNIST's 60,000 are the training images;
# 10,000 more are for testing.

# %% quiz="scale_facts" points=1 minutes=5 lecture="L01.07"
# How many times as many layers has ResNet-152 as AlexNet?
depth_ratio = 19
# How many times as many training images has ILSVRC as MNIST? To the nearest whole number.
data_ratio = 21
# How many TPU-hours (hours times number of TPUs) did the training of BERT take?
bert_tpu_hours = 864

# %%
figures.scale_of_learning()

# %% [markdown]
# ## 2. Fitting numbers
#
# Supervised learning has data $\mathcal D = \{(x_1, y_1), \dots, (x_n, y_n)\}$ and three questions: how to represent
# $f_\theta$, how to measure the difference of $f_\theta(x_i)$ and $y_i$, how to find $\theta$. When $y$ is a number,
# a first answer to each is
#
# $$f_\theta(x) = \theta_1 x + \theta_2 x^2 + \theta_3 x^3, \qquad
#   \sum_i \lVert f_\theta(x_i) - y_i\rVert^2, \qquad \text{least squares.}$$
#
# The curve is not straight, but $f$ is linear *in the parameters*: with the powers as features $\Phi$ of shape
# `(N, D)`, $f = \Phi\theta$. At the best $\theta$ no feature can explain anything that is left over:
# $\Phi^\top(\Phi\theta - y) = 0$.
#
# As on the slide this polynomial has no constant term, so it passes through the origin.

# %% [markdown] predict="degree"
# There are 14 points. You raise the degree from 1 to 12. What happens to the error on these points, and to the error
# on new points from the same source?
# ---
# On these points it can only fall: every polynomial of degree 5 is also one of degree 6, with a last coefficient of
# 0. On new points it falls while the curve gains the shape it lacks, and rises again when it begins to follow the
#    noise. Set the noise to 0, and a high degree does no harm. The next lecture is about this.

# %% widget="polynomial_fit"
explore(figures.polynomial_fit)

# %% exercise="polynomial_features" points=2 minutes=6 difficulty=1 lecture="L02.02"
from course_lib.softmax_regression import polynomial_features

# %% [markdown] hints="polynomial_features"
# Column number $k$ is $x$ to the power $k$, and $k$ begins at 1: a column of ones is not wanted here.
#
# $\Phi_{ik} = x_i^{\,k}$ for $k = 1, \dots, \text{degree}$.
#
# Either a list comprehension over the powers inside `torch.stack(..., dim=1)`, or broadcasting: `(N, 1)` to the power
# of `(degree,)`.

# %% check="polynomial_features"
with check("polynomial_features"):
    x = torch.tensor([1.0, 2.0, -1.0])
    powers = polynomial_features(x, 3)
    expect_shape(powers, (3, 3), "N rows and `degree` columns. A fourth one would be x^0, which this form leaves out.")
    expect_close(powers[1], [2, 4, 8], "The powers rise from left to right: x, x^2, x^3.")
    expect_close(powers[2], [-1, 1, -1], "Odd powers keep the sign of x.")
    expect_close(polynomial_features(torch.tensor([3.0]), 1), [[3.0]], "Degree 1 is x itself, in one column.")
    expect_close(x, [1.0, 2.0, -1.0], "The caller's x has changed: do not work in place.")

# %% exercise="least_squares" points=2 minutes=10 difficulty=2 lecture="L02.02"
from course_lib.softmax_regression import least_squares

# %% [markdown] hints="least_squares"
# There is a closed answer, but the textbook's inverse of $\Phi^\top\Phi$ squares the condition number and loses twice
# as many digits as necessary. Somebody has written a solver that works on $\Phi$ itself.
#
# $\theta^* = \arg\min_\theta \lVert \Phi\theta - y \rVert^2$. Solvers do this by a QR or singular value decomposition
# of $\Phi$.
#
# One call from `torch.linalg`, whose targets are a matrix: add an axis to `targets` before, and take it away from the
# solution after.

# %% check="least_squares"
with check("least_squares"):
    line = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    theta = least_squares(line, torch.tensor([1.0, 3.0, 5.0]))
    expect_shape(theta, (2,), "One parameter per column of the features, without a second axis.")
    expect_close(theta, [1.0, 2.0], "These points lie on 1 + 2 x, so the fit is exact.", rtol=1e-4)
    noisy = torch.tensor([1.0, 0.0, 2.0])
    left_over = noisy - line @ least_squares(line, noisy)
    expect_close(line.T @ left_over, [0.0, 0.0], "What is left over is orthogonal to every feature.", atol=1e-5)
    x = torch.linspace(0, 1, 40, dtype=torch.float64)
    truth = torch.linspace(-2, 2, 12, dtype=torch.float64)
    steep = torch.stack([x**k for k in range(1, 13)], dim=1)
    expect_close(
        least_squares(steep, steep @ truth),
        truth,
        "Powers up to 12 are nearly dependent. Inverting features.T @ features loses the digits needed here.",
        rtol=1e-4,
    )
    expect_close(steep[:, 1], x**2, "The caller's features have changed: do not work in place.")

# %% [markdown]
# ### Trying at random
#
# Least squares needs a model that is linear in its parameters. Random search needs nothing but a loss: draw
# parameters, keep the best. For two parameters that is not bad. The chance to land within a given distance of the
# optimum shrinks with a power of that distance as high as the number of parameters, which is why nobody trains a
# network with a million of them this way.

# %% [markdown] predict="random_search"
# After 50 trials the best loss is twice the optimum. How many trials until only a tenth as much is missing: about 60,
# about 500, about 5,000?
# ---
# About 500. Near the optimum the loss grows with the square of the distance, so a tenth of the excess is an area a
# tenth as large around the optimum, and a draw hits it with a tenth of the chance. With $d$ parameters it would be
# $10^{d/2}$ times as many.

# %% widget="random_search_progress"
explore(figures.random_search_progress)

# %% exercise="random_search" points=2 minutes=10 difficulty=2 lecture="L02.03"
from course_lib.softmax_regression import random_search

# %% [markdown] hints="random_search"
# Remember two things: the best parameters so far and their loss. Note the best loss after every trial, also when
# nothing improved.
#
# $b_t = \min(b_{t-1}, L(\theta_t))$, and $\theta_{\text{best}}$ changes only where $L(\theta_t) < b_{t-1}$, strictly.
#
# A loop over `range(trials)`: one call of `sampler()`, one call of `loss(...)`, an `if`, an `append`. After the loop,
# the list becomes a float64 tensor.

# %% check="random_search"
with check("random_search"):
    queue = iter(torch.tensor([3.0, -1.0, 2.0, 1.0]))
    best, best_losses = random_search(lambda theta: theta**2, lambda: next(queue), 4)
    expect_close(best, -1.0, "Return the best parameters, not the last ones; of equals, the first.")
    expect_close(best_losses, [9, 1, 1, 1], "After each trial note the best loss SO FAR: it never goes up.")
    expect_shape(best_losses, (4,), "One entry for each trial.")
    queue = iter(torch.tensor([5e20, -2e20]))
    _, best_losses = random_search(lambda theta: theta, lambda: next(queue), 2)
    expect_close(best_losses, [5e20, -2e20], "A loss may be huge, or negative: the first trial is the best so far.")
    calls = []
    random_search(lambda theta: 0.0, lambda: calls.append(1) or torch.zeros(2), 7)
    assert len(calls) == 7, f"Draw new parameters once for each trial: {len(calls)} calls of `sampler` for 7 trials."

# %% [markdown]
# ## 3. From scores to probabilities
#
# Some images cannot be decided. For five of them the lecture gives probabilities rather than labels:

# %%
figures.ambiguous_digits(AMBIGUOUS_DIGITS)

# %% [markdown]
# The entropy $H(p) = -\sum_y p(y)\log p(y)$, in nats, says how undecided a row is: 0 for certainty,
# $\log 10 \approx 2.30$ for all ten alike.
#
# Probabilities also make learning easier. A label cannot change "a tiny bit", a probability can; so the loss becomes
# smooth, and smooth losses have slopes to follow.
#
# So let the model give one score per class, $f_{\text{dog}}(x) = x^\top\theta_{\text{dog}}$,
# $f_{\text{cat}}(x) = x^\top\theta_{\text{cat}}$, and so on: the *logits*. Then make them positive and make them sum
# to 1. For the second, divide by the sum. For the first there are several ways:
#
# $$z^2, \qquad \lvert z\rvert, \qquad \max(0, z), \qquad \exp(z).$$
#
# *A correction:* the slide says that any one of these would work. The first two confuse −3 with 3, so that a low
# score can win; the third gives 0/0 when all scores are negative, and no slope to learn from below 0. Only $\exp$
# keeps the order of all scores.

# %% [markdown] predict="normalizers"
# Scores: dog −3, cat 1, owl 0.5. Under which of the four does dog win? Then move all three below zero: which of the
# four breaks?
# ---
# Dog wins under $z^2$ (9 against 1 and 0.25) and under $\lvert z\rvert$. With all scores negative, $\max(0, z)$ gives
# 0/0, while the two even functions prefer the *lowest* score. `exp` does neither.

# %% widget="normalizers"
explore(figures.normalizers)

# %%
# The library's `normalize` guards the 0/0: a row without any positive entry becomes uniform.
scores = torch.tensor([[-3.0, 1.0, 0.5], [-3.0, -1.0, -2.0]])
for kind in ("square", "abs", "relu", "exp"):
    first, second = normalize(scores, kind)
    print(
        f"{kind:>6}:",
        *(f"{p:.3f}" for p in first),
        "   all negative:",
        *(f"{p:.3f}" for p in second),
    )

# %% quiz="normalizer_facts" points=1 minutes=4 lecture="L02.05"
# Of "square", "abs", "relu" and "exp": the one that never changes which class is largest and always gives an answer.
keeps_the_order = "exp"
# With "square", which of the scores (-4, 3, 1) wins? Its index: 0, 1 or 2.
winner_under_square = 0
# The slope of max(0, z) at z = -2, which is what a learner would have to follow there.
relu_slope_below_zero = 0

# %% [markdown]
# ### Softmax
#
# Exponentials divided by their sum are the softmax. For $N$ possible labels, with logits $f_\theta(x)$ of shape
# `(N,)`,
#
# $$p_\theta(y = i \mid x) = \operatorname{softmax}(f_\theta(x))_i
#   = \frac{\exp f_{\theta,i}(x)}{\sum_{j=1}^{N} \exp f_{\theta,j}(x)} .$$
#
# In code, a batch of logits has shape `(N, C)`: rows are samples, columns are classes, and every row sums to 1.
#
# Adding one number $c$ to all logits of a row changes nothing, since $e^{c}$ cancels. Hence only differences count. A
# *temperature* $T$ divides the logits: for $T \to 0$ the largest takes everything (softmax becomes arg-max, hard
# instead of soft), for $T \to \infty$ all become equal.
#
# *A correction:* the slide says that the probability increases exponentially as we move away from the boundary. The
# *odds* $p/(1-p)$ do; the probability saturates at 1.

# %% [markdown] predict="temperature"
# Logits 2, 1, −1. You add 100 to each: what happens to the probabilities? You multiply each by 100 instead: what
# happens?
# ---
# Adding changes nothing. Multiplying by 100 is a temperature of 0.01: the first class gets 1 up to rounding. Being
# surer and being more often right are different things: the winner is the same.

# %% widget="temperature"
explore(figures.temperature)

# %% widget="softmax_on_a_line"
# Two classes along a line. Lengthen θ: what happens to the slope at the boundary, and to the odds?
explore(figures.softmax_on_a_line)

# %% [markdown]
# A computer has no numbers beyond about $10^{38}$ in float32: `exp(89)` is already `inf`, and `inf / inf` is `nan`.
# The shift that changes nothing on paper saves the day in floating point. Which shift makes all exponents harmless?

# %% exercise="softmax" points=3 minutes=12 difficulty=2 lecture="L02.06" forbids="torch.softmax torch.log_softmax torch.special.softmax torch.special.log_softmax torch.nn.functional.softmax torch.nn.functional.log_softmax torch.nn.functional.softmin torch.nn.functional.gumbel_softmax torch.Tensor.softmax torch.Tensor.log_softmax torch.nn.Softmax torch.nn.Softmin torch.nn.LogSoftmax"
from course_lib.softmax_regression import softmax

# %% [markdown] hints="softmax"
# Before the exponential, subtract from each row a number that makes its largest entry harmless. The others may become
# as small as they like: their exponentials go to 0, which is right.
#
# $\dfrac{e^{z_i}}{\sum_j e^{z_j}} = \dfrac{e^{z_i - m}}{\sum_j e^{z_j - m}}$ with $m = \max_j z_j$, a maximum of its
# own for each row.
#
# Two steps: exponentials of the logits minus their maximum over `dim`, then divide by the sum over `dim`. Both with
# `keepdim=True`, so that the shapes `(N, C)` and `(N, 1)` broadcast. `amax` gives the maximum without its position.

# %% check="softmax"
with check("softmax"):
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    p = softmax(logits)
    expect_shape(p, (2, 3), "The result has the shape of the logits.")
    expect_close(p.sum(dim=1), [1.0, 1.0], "Every ROW sums to 1: sum over the classes (dim=-1), not over the samples.")
    expect_close(p, torch.softmax(logits, -1), "exp of each logit, divided by the sum of the row.")
    expect_close(logits, [[1, 2, 3], [0, 0, 0]], "The caller's logits have changed: do not work in place.")
    expect_close(softmax(logits, dim=0), torch.softmax(logits, 0), "Use the argument `dim`, also for the maximum.")
    far_apart = torch.tensor([[1000.0, 0.0], [-1000.0, -1001.0]])
    expect_true(
        softmax(far_apart).isfinite(),
        "Overflow: subtract the maximum before exponentiating, and of each row its own.",
    )
    expect_close(softmax(far_apart), torch.softmax(far_apart, -1), "Rows far below 0 need their own maximum, too.")
    exact = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64, requires_grad=True)
    assert softmax(exact).dtype == torch.float64, "float64 in, float64 out."
    expect_close(softmax(exact), torch.softmax(exact, -1), "Nearly right: is there a small number added?", rtol=1e-12)
    (slope,) = torch.autograd.grad(softmax(exact)[0], exact)
    (right,) = torch.autograd.grad(torch.softmax(exact, -1)[0], exact)
    expect_close(slope, right, "The value is right, its gradient is not: is a part detached that should not be?")

# %% [markdown]
# ### The logarithm of it
#
# Soon we need $\log p$. A probability of $e^{-200}$ is fine as a logarithm (−200) and is 0 as a float32 number, whose
# logarithm is $-\infty$. So the logarithm is taken on paper:
#
# $$\log p_i = z_i - \log\sum_j e^{z_j} .$$
#
# The last term is called *log-sum-exp*. It is a smooth maximum: never below $\max_j z_j$, and never more than
# $\log C$ above it.

# %% exercise="log_softmax" points=3 minutes=12 difficulty=2 lecture="L02.06 L02.09" forbids="torch.softmax torch.log_softmax torch.special.softmax torch.special.log_softmax torch.nn.functional.softmax torch.nn.functional.log_softmax torch.nn.functional.softmin torch.nn.functional.gumbel_softmax torch.Tensor.softmax torch.Tensor.log_softmax torch.nn.Softmax torch.nn.Softmin torch.nn.LogSoftmax torch.nn.functional.cross_entropy torch.nn.CrossEntropyLoss"
from course_lib.softmax_regression import log_softmax

# %% [markdown] hints="log_softmax"
# Never form the probability. The logarithm of a quotient is a difference, and the logarithm of an exponential is
# nothing at all.
#
# $\log p_i = (z_i - m) - \log\sum_j e^{z_j - m}$ with $m = \max_j z_j$. The sum is at least 1, since one of its terms
# is $e^0$: its logarithm is safe.
#
# A name for the shifted logits; the shifted logits minus the logarithm of the sum of their exponentials, with
# `keepdim=True`.

# %% check="log_softmax"
with check("log_softmax"):
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    expect_close(log_softmax(logits), torch.log_softmax(logits, -1), "Each logit minus the log-sum-exp of its row.")
    expect_close(log_softmax(logits)[1], [-math.log(3)] * 3, "Three equal logits: log(1/3) each.")
    expect_close(log_softmax(logits, dim=0), torch.log_softmax(logits, 0), "Use the argument `dim` in both places.")
    expect_close(logits, [[1, 2, 3], [0, 0, 0]], "The caller's logits have changed: do not work in place.")
    far_apart = torch.tensor([[0.0, 1000.0], [1e4, -1e4]])
    expect_true(
        log_softmax(far_apart).isfinite(),
        "-inf or NaN: is it log(softmax(...))? A probability that rounds to 0 has no logarithm; take it on paper.",
    )
    expect_close(
        log_softmax(far_apart),
        torch.log_softmax(far_apart, -1),
        "The log-probability of a hopeless class is a large negative number.",
    )
    exact = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64, requires_grad=True)
    assert log_softmax(exact).dtype == torch.float64, "float64 in, float64 out."
    (slope,) = torch.autograd.grad(log_softmax(exact)[0], exact)
    (right,) = torch.autograd.grad(torch.log_softmax(exact, -1)[0], exact)
    expect_close(slope, right, "The value is right, its gradient is not: the log-sum-exp has one, too.")

# %% [markdown]
# ### Two classes
#
# With two classes, two vectors of weights are one too many: $P(y_1 \mid x) + P(y_2 \mid x) = 1$, so one number says
# it all. Dividing top and bottom by $e^{\theta_{y_1}^\top x}$,
#
# $$P(y_1 \mid x) = \frac{e^{\theta_{y_1}^\top x}}{e^{\theta_{y_1}^\top x} + e^{\theta_{y_2}^\top x}}
#   = \frac{1}{1 + e^{-\theta_+^\top x}} = \sigma(\theta_+^\top x), \qquad \theta_+ = \theta_{y_1} - \theta_{y_2} .$$
#
# $\sigma$ is the *logistic function* or *sigmoid*. (In some copies of the slides the derivation ends in "= 1"; a 1
# divided by a sum was lost.) The same holds for $C$ classes: adding one vector to all columns of $\theta$ changes no
# probability.

# %% widget="redundant_weights"
explore(figures.redundant_weights)

# %% exercise="sigmoid" points=2 minutes=10 difficulty=2 lecture="L02.07" forbids="torch.sigmoid torch.sigmoid_ torch.special.expit torch.nn.functional.sigmoid torch.nn.functional.logsigmoid torch.Tensor.sigmoid torch.Tensor.sigmoid_ torch.nn.Sigmoid torch.nn.LogSigmoid"
from course_lib.softmax_regression import sigmoid

# %% [markdown] hints="sigmoid"
# You have a stable softmax. The sigmoid of $z$ is the first entry of the softmax of two logits whose difference is
# $z$.
#
# $\sigma(z) = \dfrac{1}{1 + e^{-z}} = \dfrac{e^{z}}{1 + e^{z}}$. The first form is safe for $z \ge 0$, the second for
# $z \le 0$.
#
# Either put `z` and zeros of its shape beside each other along a new last axis, apply `softmax`, and take entry 0 of
# that axis; or combine both forms with `torch.where`, each fed with numbers that cannot overflow in it, since the
# gradient passes through both.

# %% check="sigmoid"
with check("sigmoid"):
    z = torch.tensor([-2.0, 0.0, 2.0])
    expect_close(sigmoid(z), torch.sigmoid(z), "1 / (1 + exp(-z)), entry by entry.")
    expect_close(sigmoid(-z), 1 - sigmoid(z), "The classes share a probability of 1: sigmoid(-z) = 1 - sigmoid(z).")
    expect_close(
        sigmoid(torch.tensor([-1000.0, 1000.0])),
        [0.0, 1.0],
        "exp(1000) overflows; find a form that never takes it.",
    )
    expect_close(sigmoid(torch.tensor([-50.0])), [math.exp(-50)], "Small is not 0: do not clip.", rtol=1e-4, atol=0)
    expect_shape(sigmoid(torch.zeros(2, 3)), (2, 3), "Any shape in, the same shape out.")
    assert sigmoid(torch.zeros(2, dtype=torch.float64)).dtype == torch.float64, "float64 in, float64 out."
    for value in (-1000.0, -1.0, 0.0, 1000.0):
        z = torch.tensor(value, requires_grad=True)
        sigmoid(z).backward()
        p = torch.sigmoid(z.detach())
        expect_close(z.grad, p * (1 - p), f"The slope at z = {value:g} is sigmoid(z) (1 - sigmoid(z)).")

# %% exercise="binary_weights" points=2 minutes=5 difficulty=1 lecture="L02.07"
from course_lib.softmax_regression import binary_weights

# %% [markdown] hints="binary_weights"
# Which of the two should be large for the first class to win?
#
# $\theta_+^\top x$ must be the difference of the two logits, first minus second, for every $x$.
#
# One subtraction.

# %% check="binary_weights"
with check("binary_weights"):
    theta_1, theta_2 = torch.tensor([3.0, -1.0]), torch.tensor([1.0, 0.5])
    x = torch.tensor([[0.3, -0.7], [2.0, 1.0]])
    two_classes = torch.softmax(torch.stack([x @ theta_1, x @ theta_2], dim=1), dim=1)
    theta_plus = binary_weights(theta_1, theta_2)
    expect_shape(theta_plus, (2,), "One weight for each feature.")
    expect_close(
        torch.sigmoid(x @ theta_plus),
        two_classes[:, 0],
        "P(FIRST class): is the difference the wrong way round?",
    )
    both = torch.tensor([10.0, 20.0])
    expect_close(
        binary_weights(theta_1 + both, theta_2 + both),
        theta_plus,
        "A vector added to both must cancel.",
    )

# %% [markdown]
# ## 4. Which probabilities are good?
#
# A good model makes the data look probable. If the samples are *independent and identically distributed*, their
# probability is a product,
#
# $$p(\mathcal D) = \prod_i p(x_i)\, p_\theta(y_i \mid x_i), \qquad
#   \log p(\mathcal D) = \sum_i \log p_\theta(y_i \mid x_i)
#   + \underbrace{\sum_i \log p(x_i)}_{\text{does not contain } \theta} .$$
#
# (On the slide the sum covers both terms; its brackets are missing.) The $\theta$ that makes this largest is the
# *maximum likelihood estimate*. The logarithm does not move the maximum, and turns a product of many numbers below 1
# into a sum.
#
# Independence is an assumption: frames of one video, or images of one patient, break it.

# %% [markdown] predict="underflow"
# The smallest positive float32 number is about $10^{-45}$. A model gives each true label probability 0.6. After about
# how many samples is the product exactly 0?
# ---
# $0.6^{200} \approx 10^{-44}$, so a little above 200 samples. In float64 (down to about $10^{-324}$) it takes about
# 1,460. A data set of 60,000 is out of reach for both; the sum of logarithms there is about −31,000, an ordinary
# number.

# %% widget="product_or_sum"
explore(figures.product_or_sum)

# %% exercise="log_likelihood" points=2 minutes=8 difficulty=2 lecture="L02.08"
from course_lib.softmax_regression import log_likelihood

# %% [markdown] hints="log_likelihood"
# From row $i$ pick the one probability that belongs to the label that was observed. Then logarithms, then the sum: in
# this order.
#
# $\sum_i \log P_{i, y_i}$, with $P$ of shape `(N, C)`.
#
# Index with two integer tensors of shape `(N,)`: the row numbers `torch.arange(N)` and the labels. (`gather` does it,
# too.)

# %% check="log_likelihood"
with check("log_likelihood"):
    p = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]])
    value = log_likelihood(p, torch.tensor([0, 0, 1]))
    expect_shape(value, (), "One number for the whole data set.")
    expect_close(
        value,
        math.log(0.5 * 0.25 * 0.9),
        "Pick p[i, y_i] from each row (the label's, not the largest), take logarithms, sum them (no mean).",
    )
    expect_close(p[0], [0.5, 0.5], "The caller's probabilities have changed: do not work in place.")
    expect_close(
        log_likelihood(torch.full((5000, 2), 0.5), torch.zeros(5000, dtype=torch.long)),
        5000 * math.log(0.5),
        "-inf means: the product was formed first and rounded to 0. Take logarithms before the sum.",
    )

# %% [markdown]
# The simplest model of all ignores $x$: one probability per class. Its maximum likelihood estimate is the share of
# each class among the labels, as one would guess. No other choice makes these ten labels more probable:

# %%
labels = torch.tensor([0, 2, 2, 1, 2, 0, 2, 2, 1, 2])
shares = categorical_mle(labels, classes=3)
for name, p in {
    "shares": shares,
    "uniform": torch.full((3,), 1 / 3),
    "surer": torch.tensor([0.1, 0.1, 0.8]),
}.items():
    print(f"{name:>8}: p = {p.numpy().round(2)}, log-likelihood {log_likelihood(p.expand(10, 3), labels):.3f}")

# %% [markdown]
# ### The loss
#
# Minus the log-likelihood is our loss, the *negative log-likelihood* (NLL):
#
# $$L(\theta) = -\frac1n \sum_{i=1}^{n} \log p_\theta(y_i \mid x_i) .$$
#
# *A convention:* this slide writes the sum, later ones the mean. We train with the **mean**, so that the size of a
# gradient does not depend on how much data there is.

# %% [markdown]
# ### Why it is called cross-entropy
#
# The cross-entropy of two distributions is $H(p, q) = -\sum_y p(y)\log q(y)$. It is at least $H(p)$, with equality
# for $q = p$: whoever predicts $q$ where $p$ holds pays for the difference.
#
# We do not know $p(y \mid x_i)$; we have one label $y_i$ from it. $-\log q(y_i)$ has the expectation $H(p, q)$, so
# the NLL is an estimate of the cross-entropy, made of samples. The next cell tries it with the ambiguous 3.

# %%
p, q = torch.tensor([AMBIGUOUS_DIGITS["3?"], [0.1] * 10])
samples = torch.multinomial(p, 10_000, replacement=True, generator=torch.Generator().manual_seed(0))
estimates = -q.log()[samples], -(0.9 * p + 0.1 * q).log()[samples]
exact = cross_entropy(p, q), cross_entropy(p, 0.9 * p + 0.1 * q)
print(f"entropy of p: {entropy(p):.3f} nats, the least that any prediction can reach")
for name, estimate, truth in zip(("uniform", "nearly p"), estimates, exact, strict=True):
    error = estimate.std() / math.sqrt(len(samples))
    print(
        f"predict {name:>8}: H(p, q) = {truth:.3f}, mean of {len(samples):,} samples {estimate.mean():.3f} ± {error:.3f}"
    )

# %% [markdown] predict="loss_ends"
# The true class has the logit $z$, its best rival the logit 1. What does the loss do for $z \to +\infty$? And for
# $z \to -\infty$: does it level off, grow like a line, or explode exponentially? What is the slope there?
# ---
# Towards $+\infty$ it goes to 0 without reaching it. Towards $-\infty$ it grows like a straight line, about $1 - z$,
# with slope −1: the slope is $p - 1$. So a badly misjudged sample pulls with full force and never with more. The
# zero-one loss is flat on both sides: no pull at all.

# %% widget="loss_of_one_sample"
explore(figures.loss_of_one_sample)

# %% exercise="negative_log_likelihood" points=4 minutes=12 difficulty=3 lecture="L02.09" forbids="torch.nn.functional.cross_entropy torch.nn.functional.nll_loss torch.nn.functional.binary_cross_entropy torch.nn.functional.binary_cross_entropy_with_logits torch.nn.functional.multi_margin_loss torch.nn.CrossEntropyLoss torch.nn.NLLLoss torch.nn.BCELoss torch.nn.BCEWithLogitsLoss torch.nn.functional.log_softmax torch.nn.functional.softmax torch.log_softmax torch.softmax torch.special.log_softmax torch.special.softmax torch.Tensor.log_softmax torch.Tensor.softmax torch.nn.LogSoftmax torch.nn.Softmax torch.distributions.Categorical"
from course_lib.softmax_regression import negative_log_likelihood

# %% [markdown] hints="negative_log_likelihood"
# Logits come in, not probabilities. The stable logarithm of the softmax is a function that you have.
#
# $-\frac1N\sum_i \bigl( z_{i, y_i} - \log\sum_j e^{z_{ij}} \bigr)$. The mean is over the $N$ samples; the classes
# have been dealt with by picking one of them.
#
# Log-probabilities `(N, C)`, one entry picked from each row `(N,)`, the mean, a minus sign.

# %% check="negative_log_likelihood"
with check("negative_log_likelihood"):
    logits = torch.tensor([[2.0, 1.0, -1.0], [0.0, 0.0, 0.0], [0.5, -2.0, 3.0], [1.0, 1.0, 4.0]], requires_grad=True)
    labels = torch.tensor([0, 1, 2, 0])
    loss = negative_log_likelihood(logits, labels)
    expected = torch.nn.functional.cross_entropy(logits, labels)
    expect_shape(loss, (), "One number: the mean over the samples.")
    expect_close(
        loss,
        expected,
        "The MEAN over samples of -log p[i, y_i]. Four times too large: a sum. Three times too small: a mean over "
        "classes, too.",
    )
    (slope,), (right,) = torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits)
    expect_close(slope, right, "The value is right, its gradient is not: is something detached?")
    expect_close(
        negative_log_likelihood(torch.zeros(5, 10), torch.arange(5)),
        math.log(10),
        "Equal logits give every class 1/10, so the loss is log 10.",
    )
    extreme = torch.tensor([[1e4, -1e4], [0.0, 1000.0]], requires_grad=True)
    loss = negative_log_likelihood(extreme, torch.tensor([1, 0]))
    expect_close(loss, (2e4 + 1000) / 2, "inf or NaN: log(softmax) has met a probability that is 0. Use log_softmax.")
    expect_true(torch.autograd.grad(loss, extreme)[0].isfinite(), "The loss is finite, but its gradient is not.")
    given = torch.tensor([[3.0, 1.0]])
    negative_log_likelihood(given, torch.tensor([0]))
    expect_close(given, [[3.0, 1.0]], "The caller's logits have changed: do not work in place.")

# %% [markdown]
# ### Two other losses
#
# The **zero-one loss** counts mistakes, $\sum_i \delta(f_\theta(x_i) \ne y_i)$. It is what we care about, and of no
# use for learning: move $\theta$ a little, and mostly nothing changes.
#
# The **squared error** $\sum_i \tfrac12 \lVert f_\theta(x_i) - y_i \rVert^2$ is for predicting numbers. (*A
# convention:* the slide calls it the mean squared error, but defines a sum with ½. We keep the sum, and the ½, which
# makes the gradient $f_\theta(x_i) - y_i$.) It is a negative log-likelihood, too: for
# $y_i \sim \mathcal N(f_\theta(x_i), I)$ in $D$ dimensions,
#
# $$-\log p(y_i \mid x_i) = \tfrac12 \lVert f_\theta(x_i) - y_i \rVert^2 + \tfrac{D}{2}\log 2\pi .$$
#
# The constant does not contain $\theta$. Whoever minimises squared error assumes Gaussian noise of the same size
# everywhere.

# %% widget="losses_along_a_turn"
# Turn θ. Where does the zero-one loss tell you which way to go?
explore(figures.losses_along_a_turn)

# %% widget="gaussian_residual"
explore(figures.gaussian_residual)

# %% exercise="zero_one_loss" points=1 minutes=4 difficulty=1 lecture="L02.10"
from course_lib.softmax_regression import zero_one_loss

# %% [markdown] hints="zero_one_loss"
# Compare, then count.
#
# $\sum_i \delta(\hat y_i \ne y_i)$, where $\delta$ is 1 if its argument is true.
#
# A comparison gives truth values `(N,)`; their sum is an integer tensor.

# %% check="zero_one_loss"
with check("zero_one_loss"):
    predictions, labels = torch.tensor([1, 0, 3, 3, 2]), torch.tensor([1, 2, 0, 3, 4])
    mistakes = torch.as_tensor(zero_one_loss(predictions, labels))
    expect_shape(mistakes, (), "One number for all samples.")
    expect_close(mistakes, 3, "Count the WRONG ones, too large or too small; and sum: no mean here.")
    assert not mistakes.is_floating_point(), f"A count is an integer; found {mistakes.dtype}."

# %% exercise="squared_error" points=2 minutes=8 difficulty=1 lecture="L02.11"
from course_lib.softmax_regression import squared_error

# %% [markdown] hints="squared_error"
# Mind the shapes before the arithmetic: `(N, 1)` minus `(N,)` is `(N, N)` without any warning.
#
# $\tfrac12 \sum_i \sum_d (f_{id} - y_{id})^2$: the squared norm is the sum over the entries of a sample.
#
# An `if` that raises `ValueError` for unequal shapes; then half of the sum of the squared differences.

# %% check="squared_error"
with check("squared_error"):
    f, y = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[0.0, 0.0], [2.0, -1.0]])
    expect_close(
        squared_error(f, y),
        4.5,
        "Half of 1 + 4 + 4 + 0. Twice as much: the 1/2 is missing. Less: there is no mean.",
    )
    expect_close(f, [[1, 2], [0, -1]], "The caller's predictions have changed: do not work in place.")
    up, down = f.clone(), f.clone()
    up[1, 0] += 0.5
    down[1, 0] -= 0.5
    expect_close(
        squared_error(up, y) - squared_error(down, y),
        f[1, 0] - y[1, 0],
        "The slope along each entry of f is f - y, which is what the 1/2 is for.",
    )
    gaussian = torch.distributions.Normal(f, 1.0).log_prob(y).sum()
    expect_close(
        squared_error(f, y) + 4 / 2 * math.log(2 * math.pi),
        -gaussian,
        "Minus the Gaussian log-likelihood differs from it by N D / 2 log(2 pi).",
    )
    try:
        squared_error(torch.zeros(3, 1), torch.zeros(3))
    except ValueError:
        pass
    else:
        raise AssertionError("Shapes (3, 1) and (3,) broadcast to (3, 3): refuse them with a ValueError.")

# %% [markdown]
# ## 5. Downhill
#
# A loss over parameters is a landscape. To walk down it: find a direction $v$ in which $L$ falls, then
# $\theta \leftarrow \theta + \alpha v$. For each parameter, go against the slope along it, $v_k = -\,dL/d\theta_k$.
# All of them together are the gradient, and the step is
#
# $$\theta \leftarrow \theta - \alpha\, \nabla_\theta L(\theta) .$$
#
# $\alpha$ is the *learning rate* or step size; the gradient has the shape of $\theta$.
#
# On the parabola $L = \tfrac12 a\theta^2$ the gradient is $a\theta$, so a step multiplies $\theta$ by $1 - \alpha a$.
# It converges where $\lvert 1 - \alpha a\rvert < 1$, that is for $\alpha < 2/a$. In many dimensions the largest
# curvature takes the place of $a$: the steepest direction forbids what the flattest one would need.

# %% [markdown] predict="learning_rate"
# On $L = \tfrac12\theta^2$ from $\theta = -2.5$: what happens for $\alpha = 1$? For $\alpha = 1.5$? For exactly 2?
# For 2.1?
# ---
# 1 arrives in one step. 1.5 multiplies by −0.5: it jumps across and halves the distance each time. 2 multiplies by −1
# and swings for ever between −2.5 and 2.5. 2.1 multiplies by −1.1 and leaves. Only the last two fail, and neither
# because of a bug.

# %% widget="parabola"
explore(figures.parabola)

# %% exercise="gradient_descent" points=3 minutes=12 difficulty=2 lecture="L02.12"
from course_lib.softmax_regression import gradient_descent

# %% [markdown] hints="gradient_descent"
# Keep every $\theta$ on the way, the first included. What you keep must not change when you take the next step.
#
# $\theta_{k+1} = \theta_k - \alpha\, g(\theta_k)$, the whole gradient taken at the old $\theta_k$.
#
# A list that begins with the start; a loop of `steps` rounds that computes a *new* tensor (`theta = theta - ...`, not
# `theta -= ...`) and appends it; `torch.stack` at the end.

# %% check="gradient_descent"
with check("gradient_descent"):
    start = torch.tensor([1.0, -2.0])
    bowl = torch.tensor([[1.0, 0.5], [0.5, 3.0]])
    calls = []
    path = gradient_descent(lambda theta: calls.append(1) or bowl @ theta, start, 0.1, 5)
    expect_shape(path, (6, 2), "Five steps visit six places: the start is entry 0.")
    expect_close(path[0], [1.0, -2.0], "Entry 0 is the start. If it has moved, an in-place `-=` has rewritten it.")
    expect_close(
        path[1],
        [1.0, -1.45],
        "theta - learning_rate * gradient, all entries at once from the gradient at the old theta. Uphill: wrong sign.",
    )
    matrix = torch.linalg.matrix_power(torch.eye(2) - 0.1 * bowl, 5)
    expect_close(path[-1], matrix @ start, "Every step uses the gradient at the new place.")
    assert len(calls) == 5, f"Five steps need five gradients; found {len(calls)}."
    expect_close(start, [1.0, -2.0], "The caller's start has changed: compute a new tensor instead of using `-=`.")
    alone = gradient_descent(lambda theta: theta, torch.tensor(1.0), 0.1, 0)
    expect_shape(alone, (1,), "Without a step, the path is the start alone.")

# %% [markdown]
# Now your function walks a real loss: logistic regression with one weight and one bias. The inputs are not centred,
# so the valley is long and slanted. Find a learning rate that reaches the minimum within 60 steps; then one for which
# the path jumps from wall to wall; then one that is too small to get anywhere.

# %% widget="loss_surface"
explore(partial(figures.loss_surface, gradient_descent))

# %% [markdown]
# ## 6. Softmax regression
#
# All parts together: $f_\theta(x) = x^\top\theta$ with one column $\theta_{y_c}$ for each class, softmax, NLL,
# gradient descent. (Its other name is multinomial logistic regression.) *A convention:* here $\theta$ has shape
# `(D, C)`, columns are classes; lecture 5 writes $\theta x$, rows are classes.
#
# What is the gradient? For one sample with logits $z$ and probabilities $p$,
#
# $$\frac{\partial}{\partial z_j}\Bigl(-z_y + \log\sum_k e^{z_k}\Bigr) = p_j - \delta(j = y) .$$
#
# Since $z = x^\top\theta$, each logit passes it on to its column, times $x$. For all samples, with $X$ `(N, D)`,
# probabilities $P$ and one-hot labels $Y$, both `(N, C)`:
#
# $$\nabla_\theta L = \tfrac1N\, X^\top (P - Y) .$$
#
# Input times how wrong the probability is: nothing more is learned from.

# %% [markdown] predict="equal_logits"
# All weights are 0, so all ten logits are equal. What is the loss? What is the gradient? Are the ten columns stuck
# together, as the hidden units of a network would be that starts at 0?
# ---
# The loss is $\log 10 \approx 2.303$: remember this number, every classifier of ten classes should begin there. The
# gradient is not zero: the column of a sample's true class gets $p - 1 = -0.9$ times $x$, the others $+0.1$ times
# $x$. The columns differ as soon as the labels do; and since this loss is convex, any start leads to the same minimum
# value.

# %% exercise="softmax_regression_gradient" points=4 minutes=15 difficulty=3 lecture="L02.13" forbids="torch.autograd.grad torch.autograd.backward torch.Tensor.backward torch.autograd.functional.jacobian torch.autograd.functional.vjp torch.func.grad torch.func.grad_and_value torch.func.vjp torch.func.jacrev torch.func.jacfwd"
from course_lib.softmax_regression import softmax_regression_gradient

# %% [markdown] hints="softmax_regression_gradient"
# Follow the shapes: the result is `(D, C)`, like the weights, and is made of `x` `(N, D)` and an error `(N, C)`.
#
# $\tfrac1N X^\top(P - Y)$, where row $i$ of $Y$ is 1 at the label $y_i$ and 0 elsewhere.
#
# Three steps: probabilities of `x @ weights`; minus the one-hot labels (`torch.nn.functional.one_hot`, or subtract 1
# at the right places of a *copy*); `x.T @ ...` divided by `N`.

# %% check="softmax_regression_gradient"
with check("softmax_regression_gradient"):
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(6, 4, generator=draw, dtype=torch.float64)
    weights = torch.randn(4, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    for labels in (torch.tensor([0, 2, 1, 1, 0, 2]), torch.tensor([0, 1, 1, 1, 0, 0])):
        found = torch.as_tensor(softmax_regression_gradient(x, labels, weights.detach()))
        expect_shape(
            found,
            (4, 3),
            "The gradient has the shape of the weights, (D, C), also if a class does not occur. (C, D) is transposed.",
        )
        (expected,) = torch.autograd.grad(torch.nn.functional.cross_entropy(x @ weights, labels), weights)
        expect_close(
            found,
            expected,
            "x^T (P - Y) / N. Six times too large: not divided by N. Wrong sign everywhere: Y - P.",
            rtol=1e-9,
            atol=1e-12,
        )
        expect_close(found.sum(dim=1), [0.0] * 4, "P and Y both sum to 1 over the classes: rows sum to 0.", atol=1e-12)
    huge = torch.as_tensor(softmax_regression_gradient(1e4 * x, labels, weights.detach()))
    expect_true(huge.isfinite(), "Large inputs give large logits: use the stable softmax.")

# %% [markdown]
# ### Minibatches
#
# The mean over a part of the data is an estimate of the mean over all of it, and much cheaper. So shuffle the
# indices, cut them into batches, and take a step for each. One round through the data is an *epoch*: every sample
# once, in a new order.

# %% exercise="minibatches" points=2 minutes=8 difficulty=2 lecture="L02.13"
from course_lib.softmax_regression import minibatches

# %% [markdown] hints="minibatches"
# A random order of all indices, cut into pieces. The last piece may be short; its samples count as much as the
# others.
#
# A permutation $\pi$ of $0, \dots, n-1$; batch $b$ is $\pi_{bB}, \dots, \pi_{\min((b+1)B,\,n) - 1}$.
#
# `torch.randperm` with the `generator`, then slices in a loop with `yield`, or `split` and `iter`.

# %% check="minibatches"
with check("minibatches"):
    draw = torch.Generator().manual_seed(0)
    batches = list(minibatches(10, 4, draw))
    sizes = [len(batch) for batch in batches]
    assert sizes == [4, 4, 2], f"Ten samples in batches of 4 are 4 + 4 + 2; found {sizes}. Keep the short last batch."
    sizes = [len(batch) for batch in minibatches(8, 4, draw)]
    assert sizes == [4, 4], f"Eight samples in batches of 4 are 4 + 4; found {sizes}. An empty batch has no mean."
    seen = torch.cat(batches)
    expect_close(seen.sort().values, range(10), "Every index exactly once in an epoch: draw without replacement.")
    assert seen.dtype == torch.int64, f"Indices are int64; found {seen.dtype}."
    again = torch.cat(list(minibatches(10, 4, torch.Generator().manual_seed(0))))
    expect_close(again, seen, "The same seed gives the same order: draw from the generator that was given.")
    first, second = minibatches(100, 50, draw)
    assert first.max() - first.min() > 50, "The batches are blocks of neighbours: shuffle the indices before cutting."
    other, _ = minibatches(100, 50, draw)
    assert not torch.equal(first, other), "A second epoch has another order: do not seed inside the function."

# %% [markdown]
# ### The classifier
#
# Everything is there. `fit` is two loops: over the epochs, and over the batches of one epoch; inside, one step
# against the gradient.

# %% exercise="SoftmaxRegression" points=5 minutes=25 difficulty=4 lecture="L02.13 L02.04"
from course_lib.softmax_regression import SoftmaxRegression

# %% [markdown] hints="SoftmaxRegression"
# Begin with what the weights multiply: `x`, or `x` with a column of ones. All the rest uses this one method, and your
# functions from above: `softmax`, `minibatches`, `negative_log_likelihood`, `softmax_regression_gradient`.
#
# For a batch $B$: note $L_B$ at the present weights, then
# $\theta \leftarrow \theta - \alpha \cdot \tfrac{1}{\lvert B\rvert} X_B^\top(P_B - Y_B)$. The epoch's loss is
# $\tfrac1N \sum_B \lvert B\rvert\, L_B$: a short batch counts for as many samples as it has.
#
# `inputs`: `torch.cat` along `dim=1`. `predict`: `argmax` over the classes; no softmax is needed, it keeps the order.
# `fit`: before the loops, let the weights take over dtype and device of `x`; a new tensor at each step, not `-=`;
# after each epoch `append`, and call `on_epoch` if it is not `None`.

# %% check="SoftmaxRegression"
with check("SoftmaxRegression"):
    x = torch.tensor([[-2.0, 0.0], [-1.0, 1.0], [1.0, 1.0], [2.0, 0.0], [0.0, 4.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    model = SoftmaxRegression(features=2, classes=3)
    expect_shape(model.weights, (3, 3), "Two features and the constant: three rows; three classes: three columns.")
    expect_close(model.inputs(x)[:, -1], [1.0] * 5, "With a bias, the last column of the inputs is 1.")
    expect_shape(SoftmaxRegression(2, 3, bias=False).inputs(x), (5, 2), "Without a bias the inputs stay as they are.")
    expect_close(model.predict_proba(x), torch.full((5, 3), 1 / 3), "Weights of 0 give all classes the same share.")

    # Two epochs, replayed with PyTorch's own loss and gradient.
    replay, ones = torch.zeros(3, 3, requires_grad=True), torch.cat([x, torch.ones(5, 1)], dim=1)
    expected, order = [], torch.Generator().manual_seed(7)
    for _ in range(2):
        total = 0.0
        for batch in minibatches(5, 2, order):
            loss = torch.nn.functional.cross_entropy(ones[batch] @ replay, labels[batch])
            total += len(batch) * loss.item()
            (slope,) = torch.autograd.grad(loss, replay)
            replay = (replay - 0.1 * slope).detach().requires_grad_()
        expected.append(total / 5)
    calls = []
    losses = model.fit(x, labels, 0.1, 2, 2, torch.Generator().manual_seed(7), lambda *call: calls.append(call))
    assert len(losses) == 2, f"One loss for each epoch: expected 2, found {len(losses)}."
    expect_close(
        model.weights,
        replay,
        "One step for each batch, with the mean gradient of that batch, and batches from the given generator.",
    )
    expect_close(losses, expected, "Weigh each batch by its size, and take its loss BEFORE the update.")
    assert calls == list(enumerate(losses)), "Call on_epoch(epoch, loss) after each epoch, counted from 0."

    before = model.weights.clone()
    model.fit(x, labels, learning_rate=0.0, epochs=1)
    expect_close(model.weights, before, "`fit` goes on from the present weights; it does not start again at 0.")
    losses = model.fit(x, labels, learning_rate=0.5, epochs=200, batch_size=2)
    assert losses[-1] < 0.2, f"The loss should fall below 0.2 here; it ends at {losses[-1]:.3f}."
    expect_close(model.predict(x), labels, "These five points can be learned without a mistake.")
    precise = SoftmaxRegression(2, 3)
    precise.fit(x.double(), labels, epochs=1)
    assert precise.weights.dtype == torch.float64, "The weights take over the dtype of x; float64 here."

# %% [markdown]
# Watch it learn. Three clouds of points, your class, and the weights after every epoch:

# %%
draw = torch.Generator().manual_seed(0)
centres = torch.tensor([[0.0, 1.8], [-1.8, -1.0], [1.8, -1.0]])
cloud_labels = torch.arange(120) % 3
clouds = centres[cloud_labels] + 0.9 * torch.randn(120, 2, generator=draw)

on_clouds = SoftmaxRegression(features=2, classes=3)
snapshots = []
cloud_losses = on_clouds.fit(
    clouds,
    cloud_labels,
    learning_rate=0.1,
    epochs=30,
    batch_size=40,
    generator=draw,
    on_epoch=lambda epoch, loss: snapshots.append(on_clouds.weights),
)

# %% widget="decision_regions"
# Press play. Where do the borders meet? What still changes when no point changes sides any more?
explore(
    partial(figures.decision_regions, clouds, cloud_labels, snapshots, cloud_losses),
    epoch=Slider(0, len(snapshots) - 1, label="epoch", play=True),
)

# %% [markdown]
# ## 7. Is low loss what we want?
#
# What we want is to be right on data that we have not seen. The *risk* is the expected loss on new data, the
# *empirical risk* its mean on the data that we have:
#
# $$\text{Risk} = \mathbb E_{x \sim p(x),\, y \sim p(y \mid x)}\bigl[ L(x, y, \theta) \bigr], \qquad
#   \text{Empirical risk} = \frac1n \sum_{i=1}^{n} L(x_i, y_i, \theta) .$$
#
# For a $\theta$ that was fixed in advance the second is an honest estimate of the first. For a $\theta$ that was
# *chosen* to make it small, it is too small.
#
# * **Overfitting:** empirical risk low, true risk high. Too little data, or too powerful a model.
# * **Underfitting:** both high. Too weak a model, or an optimiser that does not get there, for example with a wrong
#   learning rate.

# %% [markdown] predict="risk_gap"
# Least squares with 12 parameters on 40 samples, noise of variance 1. The true rule has the risk ½. Will the
# empirical risk lie above or below ½? And the true risk of what was fitted? How do both change with four times the
# data?
# ---
# Below, and above. In this setting the expectations are known exactly: $\tfrac12(1 - D/n) = 0.35$ and
# $\tfrac12\bigl(1 + \tfrac{D}{n - D - 1}\bigr) = 0.72$. With four times the data the gap, about $D/n$, is a little
# less than a quarter of what it was.

# %% widget="risk_gap"
explore(figures.risk_gap)

# %% exercise="empirical_risk" points=2 minutes=8 difficulty=1 lecture="L02.14"
from course_lib.softmax_regression import empirical_risk

# %% [markdown] hints="empirical_risk"
# The loss gives one number for each sample. Average over the samples, not over anything else.
#
# $\frac1n \sum_{i=1}^n \ell_i$ with $\ell = L(f(X), y)$ of shape `(n,)`.
#
# Call `model`, call `loss`, sum, divide by the number of samples. Truth values have no `mean()` in PyTorch, but they
# have a sum.

# %% check="empirical_risk"
with check("empirical_risk"):
    x, labels = torch.tensor([[-1.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 1, 1, 0])
    risk = torch.as_tensor(
        empirical_risk(lambda x: (x[:, 0] > 0).long(), lambda predictions, y: predictions != y, x, labels)
    )
    expect_shape(risk, (), "One number: the mean over the samples.")
    expect_close(risk, 0.25, "One of four samples is wrong. True counts as 1; the mean is over samples.")
    assert risk.is_floating_point(), f"A share of mistakes is a floating-point number; found {risk.dtype}."
    two_columns = empirical_risk(lambda x: torch.cat([x, 2 * x], dim=1), lambda f, y: f[:, 1] - y, x, labels)
    expect_close(two_columns, 2.0, "loss(model(x), labels), in this order; then the mean over the SAMPLES, 4 of them.")

# %% [markdown]
# Where the source of the data is known, the true risk can be had as exactly as one likes: draw a fresh sample,
# average, and state the standard error. Your classifier of the clouds, on its own 120 points and on 100,000 new ones:


# %%
def draw_clouds(n):
    labels = torch.randint(3, (n,), generator=draw)
    return centres[labels] + 0.9 * torch.randn(n, 2, generator=draw), labels


def wrong(predictions, labels):
    return predictions != labels


mean, standard_error = true_risk(on_clouds.predict, wrong, draw_clouds, samples=100_000)
print(
    f"empirical risk (share of mistakes on its own data): {empirical_risk(on_clouds.predict, wrong, clouds, cloud_labels):.4f}"
)
print(f"true risk: {mean:.4f} ± {standard_error:.4f}")

# %% quiz="diagnose" points=1 minutes=4 lecture="L02.14"
# Answer each with "overfitting", "underfitting" or "neither".
# A polynomial of degree 12 on 14 noisy points: mean squared error 0.0005 on them, 0.3 on new ones.
diagnosis_polynomial = "overfitting"
# A digit classifier after 50 epochs with learning rate 0.00001: loss 2.30 on training and on test data.
diagnosis_slow = "underfitting"
# A digit classifier: 98 % right on training data, 97 % on test data.
diagnosis_digits = "neither"

# %% [markdown]
# ### The recipe
#
# Every problem of this course is met in the same four steps:
#
# 1. **model class**: which functions? Here $\operatorname{softmax}(x^\top\theta)$.
# 2. **loss**: how bad is a $\theta$? Here the NLL.
# 3. **optimiser**: how to search? Here gradient descent.
# 4. run it (on a big GPU, says the lecture; a laptop will do today).
#
# As code it is a loop that knows none of the three: any model with parameters, any loss, any optimiser with
# `zero_grad()` and `step()`. Gradients come from autograd, which lecture 5 takes apart. Until then it is enough to
# know that `loss.backward()` *adds* the gradient of `loss` to the `.grad` of each parameter; hence the clearing.

# %% [markdown] predict="forgotten_zero_grad"
# You forget `zero_grad()`. What does the optimiser follow at step 10? Does the loss still fall?
# ---
# The sum of the ten gradients so far. At first it falls, even faster, since the steps grow; then it overshoots,
# because the old gradients still push, and swings. It looks like a learning rate that is too large, and is one of the
# hardest bugs to see.

# %% exercise="train" points=3 minutes=12 difficulty=2 lecture="L02.15"
from course_lib.softmax_regression import train

# %% [markdown] hints="train"
# One update for each batch, in the order of the docstring. The optimiser is given and lives through the whole loop:
# some remember earlier steps.
#
# clear → loss → differentiate → step. What goes into the list is the loss that was differentiated, at the parameters
# before the step.
#
# A `for` over the batches with four calls and an `append` of a Python number (`.item()`, or detached and converted at
# the end).


# %% check="train"
class PlainDescent:
    """The least that an optimiser can be."""

    def __init__(self, parameter, learning_rate):
        self.parameter, self.learning_rate = parameter, learning_rate

    def zero_grad(self):
        self.parameter.grad = None

    def step(self):
        with torch.no_grad():
            self.parameter -= self.learning_rate * self.parameter.grad


with check("train"):
    theta = torch.tensor(1.0, requires_grad=True)
    theta.grad = torch.tensor(100.0)  # left over from somebody else
    batches = iter([0.0, 2.0])
    losses = train([theta], lambda parameters, batch: (parameters[0] - batch) ** 2, PlainDescent(theta, 0.5), batches)
    assert [type(loss) for loss in losses] == [float, float], f"One float for each batch; found {losses}."
    expect_close(losses[0], 1.0, "Note the loss BEFORE the step that it causes.")
    expect_close(losses[1], 4.0, "Clear the gradients BEFORE each batch: what is left over must not be followed.")
    expect_close(theta, 2.0, "Clear, loss, differentiate, step: once each, in this order, for each batch.", atol=1e-6)
    theta = torch.tensor(0.0, requires_grad=True)
    heavy = torch.optim.SGD([theta], lr=0.1, momentum=0.9)
    train([theta], lambda parameters, batch: parameters[0] * batch, heavy, [1.0, 1.0])
    expect_close(theta, -0.29, "The optimiser remembers (momentum): use the one that was given, one step per batch.")

# %% [markdown]
# ## 8. The experiment: handwritten digits
#
# Your classifier meets 1,797 handwritten digits of 8 × 8 pixels: 1,437 to learn from, 360 to be judged by. Five
# seeds, each with its own division of the data and its own order of batches, because one number alone says little:
# 360 test images pin an accuracy of 97 % down to about ± 1 %.
#
# **What to expect:** 96.3 % in the mean of these five seeds, from 94.7 to 98.1 %. Over 100 seeds it was 96.7 %,
# single ones from 94.2 to 98.6 %, and no five in a row below 96.2 % in the mean. Below 94 % something is wrong: are
# the pixels between 0 and 1? Is the loss before the first update $\log 10$? Does it fall from epoch to epoch?
#
# For MNIST set `DATA = "mnist"`; 11 MB are downloaded once. Linear classifiers are known to get about 92 % of its
# 10,000 test images right. With 9,000 images to learn from and 1,000 to be judged by (what `data.mnist()` gives when
# only the test set is there) these settings reach 90.7 %, with a standard deviation of 0.3 % over five seeds. With
# `"fashion_mnist"` it is clothes.

# %% experiment="digits"
DATA = "digits"
DOWNLOAD = True  # of what is missing; False: use what the data folder has


@dataclass(frozen=True)
class Settings:
    """All sizes of the experiment in one place."""

    seeds: int = 5
    epochs: int = 50
    learning_rate: float = 0.5
    batch_size: int = 32

    def fast(self):
        return replace(self, seeds=2, epochs=15)


settings = {
    "digits": Settings(),
    "mnist": Settings(1, 20, 0.1),
    "fashion_mnist": Settings(1, 20, 0.05),
}[DATA]
if os.environ.get("COURSE_FAST", "0") not in ("", "0"):
    settings = settings.fast()


def run(seed, bar):
    """Train on one division of the data; give the data, the model, and what was measured after each epoch."""
    images = (data.digits(seed=seed) if DATA == "digits" else getattr(data, DATA)(download=DOWNLOAD)).to(device)
    model = SoftmaxRegression(images.x_train.shape[1], len(images.class_names))
    history = {"training loss": [], "test loss": [], "training accuracy": [], "test accuracy": []}

    def measure(epoch, loss):
        for part, x, y in (
            ("training", images.x_train, images.y_train),
            ("test", images.x_test, images.y_test),
        ):
            history[f"{part} loss"].append(negative_log_likelihood(model.logits(x), y).item())
            history[f"{part} accuracy"].append(1 - empirical_risk(model.predict, wrong, x, y).item())
        bar.set_postfix(seed=seed, loss=f"{loss:.3f}", test=f"{history['test accuracy'][-1]:.3f}")
        bar.update()

    model.fit(
        images.x_train,
        images.y_train,
        settings.learning_rate,
        settings.epochs,
        settings.batch_size,
        torch.Generator().manual_seed(seed),
        on_epoch=measure,
    )
    return images, model, history


with progress(total=settings.seeds * settings.epochs, description=DATA, unit="epoch") as bar:
    runs = [run(seed, bar) for seed in range(settings.seeds)]

accuracies = torch.tensor([history["test accuracy"][-1] for _, _, history in runs])
images, model, history = runs[0]
print(images.description)
print("test accuracy by seed:", ", ".join(f"{100 * accuracy:.1f} %" for accuracy in accuracies))
print(f"mean {100 * accuracies.mean():.1f} %, from {100 * accuracies.min():.1f} to {100 * accuracies.max():.1f} %")

# %%
plots.learning_curves(
    {name: history[name] for name in ("training loss", "test loss")},
    title="Loss of seed 0",
    ylabel="mean NLL (nats)",
)

# %% [markdown]
# Both losses fall, and the test loss more slowly: a gap between empirical and true risk, as in part 7. What has been
# learned can be looked at, since a column of weights is an image: where ink speaks for a class (positive) and where
# against it.

# %%
weights_as_images = model.weights[:-1].T.reshape(-1, *images.image_shape)
plots.show_images(
    weights_as_images,
    titles=images.class_names,
    columns=5,
    signed=True,
    size=1.3,
    title="One column of weights for each class",
)

# %%
plots.confusion_matrix(images.y_test, model.predict(images.x_test), images.class_names)

# %% [markdown]
# Which digits is it least sure of? Those with the largest entropy. Would you have known?

# %%
probabilities = model.predict_proba(images.x_test)
least_sure = entropy(probabilities).topk(6).indices.cpu()
figures.digit_probabilities(
    images.x_test.cpu()[least_sure].reshape(-1, *images.image_shape),
    probabilities.cpu()[least_sure],
    titles=[
        f"it is a {images.class_names[images.y_test[i]]},  H = {entropy(probabilities)[i]:.2f}" for i in least_sure
    ],
    names=images.class_names,
)

# %% [markdown]
# ### Draw one yourself
#
# Draw with the mouse or a finger. What you draw is cropped and shrunk to the size of the training images before your
# classifier sees it; the small picture shows what is left. Draw a 1 with a foot and without, a 7 with a bar and
# without, a 0 that becomes a 6: when does the answer turn, and how sure is it on the way? It has seen 1,437 digits of
# a few dozen writers, and it has no idea that strokes are connected. It will be wrong quite often, and sometimes sure
# of it.

# %% widget="draw_digit"
draw_digit(
    lambda image: model.predict_proba(torch.from_numpy(image).reshape(1, -1).to(device))[0],
    side=images.image_shape[0],
    names=images.class_names,
)

# %% [markdown]
# ## 9. Break it
#
# Why all the care about a maximum that cancels? Here are three ways to the same loss, on paper equal to the last
# digit:
#
# 1. the formula of the slide, exponentials divided by their sum, then the logarithm;
# 2. your `softmax`, which subtracts the maximum, then the logarithm;
# 3. your `negative_log_likelihood`.
#
# The weights of the constant feature start at 80 in every class rather than at 0. That changes no probability. On the
# left the pixels are scaled to 0 … 4, on the right they are what the file contains, 0 … 16.

# %% [markdown] predict="break_it"
# `exp(88.7)` is the largest exponential in float32, and probabilities below about $10^{-45}$ round to 0. Which of the
# three survives on the left? On the right?
# ---
# The formula of the slide dies on both sides, as soon as one logit passes 88.7: `inf / inf` is NaN, one update later
# all weights are NaN, and nothing comes back from there. Subtracting the maximum saves the left run. On the right
# some image gets its true class wrong by more than 103 nats: its probability rounds to 0, its logarithm is −inf. Only
# the third never forms what it cannot represent, and ends with a good classifier on both sides.


# %% experiment="break_it"
def slide_softmax(logits):
    return logits.exp() / logits.exp().sum(dim=-1, keepdim=True)


ways = {
    "slide": lambda logits, labels: -log_likelihood(slide_softmax(logits), labels) / len(labels),
    "softmax, then log": lambda logits, labels: -log_likelihood(softmax(logits), labels) / len(labels),
    "log-softmax": negative_log_likelihood,
}


def break_it(way, scale, learning_rate, epochs=5):
    digits = data.digits().to(device)
    x = torch.cat([scale * digits.x_train, torch.ones(len(digits.x_train), 1, device=device)], dim=1)
    weights = torch.zeros(x.shape[1], 10, device=device)
    weights[-1] = 80.0  # the same for every class
    weights.requires_grad_()
    order = torch.Generator().manual_seed(0)
    batches = [batch for _ in range(epochs) for batch in minibatches(len(x), 32, order)]

    def loss(parameters, batch):
        return way(x[batch] @ parameters[0], digits.y_train[batch])

    return train([weights], loss, torch.optim.SGD([weights], lr=learning_rate), batches)


figures.overflow_in_training(
    {
        "pixels 0 … 4, α = 0.1": {name: break_it(way, 4, 0.1) for name, way in ways.items()},
        "pixels 0 … 16, α = 0.03": {name: break_it(way, 16, 0.03) for name, way in ways.items()},
    }
)

# %% [markdown]
# When you meet a NaN one day: it came from one operation, at one update, and everything after it is only a
# consequence. Look for the first.

# %% [markdown]
# ## 10. In your own words

# %% [markdown] answer="why_the_maximum" points=4 minutes=12 lecture="L02.06 L02.09"
# **Why the maximum?** (4 points, about 120 words)
#
# Explain why subtracting the row's maximum from the logits leaves the softmax unchanged on paper, and what it
# prevents in floating point. Then explain why this alone does not make `log(softmax(z))` safe, and what does.
# ---
# For every number $m$, $\frac{e^{z_i - m}}{\sum_j e^{z_j - m}} = \frac{e^{-m}e^{z_i}}{e^{-m}\sum_j e^{z_j}}$, so
# $e^{-m}$ cancels. With $m = \max_j z_j$ the largest exponent is 0 and all exponentials lie between 0 and 1: none
# overflows, and the sum is at least 1, so there is no division by 0. Without it, a logit above about 88.7 gives inf
# in float32, and inf/inf is NaN.
#
# Exponentials may still round to 0, for logits more than about 103 below the maximum. As probabilities these zeros
# are accurate enough, but log 0 is −inf, and its gradient is NaN or infinite. So the logarithm must be taken before
# rounding can strike: $\log p_i = (z_i - m) - \log\sum_j e^{z_j - m}$, a difference of ordinary numbers.

# %% [markdown] scheme="why_the_maximum"
# * 1 point: the cancelling is shown or explained (a common factor $e^{-m}$ above and below).
# * 1 point: overflow named as what is prevented (exp of a large logit is inf, inf/inf is NaN). "It makes numbers
#   smaller" without overflow: half.
# * 1 point: a probability can still underflow to 0, and log 0 = −inf.
# * 1 point: the remedy, the logarithm taken analytically (log-sum-exp), or an equivalent formula. "Add a small
#   epsilon": none of this point, since it changes the loss and caps it.

# %% [markdown] answer="which_loss" points=5 minutes=15 lecture="L02.09 L02.10 L02.14"
# **Which loss?** (5 points, about 150 words)
#
# A classmate says: "In the end we count mistakes. So I train directly on the zero-one loss, by gradient descent."
# What will happen to the weights, and why? Why does training on the NLL help to make fewer mistakes? And give one
# case in which model A has a lower NLL than model B on the same test set, but makes *more* mistakes.
# ---
# Nothing happens: the zero-one loss is piecewise constant in the weights, its gradient is 0 wherever it exists, so
# every step is 0 and the weights stay where they started.
#
# The NLL is smooth, and its gradient $x(p - y)$ is not zero as long as the true class has not got probability 1: it
# says for each sample in which direction, and how urgently, the logits should move. It also bounds the mistakes: a
# sample that is wrong has $p(y) \le \tfrac12$, hence an NLL of at least $\log 2$, so that the number of mistakes is
# at most the summed NLL divided by $\log 2$. Driving the NLL down drives the bound down.
#
# Four samples, two classes. B is right on three with $p = 0.51$ and wrong on one with $p = 10^{-6}$: one mistake, NLL
# $3\cdot0.67 + 13.8 = 15.8$. A is right on two with $p = 0.99$ and wrong on two with $p = 0.49$: two mistakes, NLL
# 1.4. The NLL punishes confident mistakes; the zero-one loss counts.

# %% [markdown] scheme="which_loss"
# * 1 point: the gradient is 0 (almost everywhere), so the weights do not move. "It is not differentiable" alone:
#   half; that is true at the jumps only, and not the trouble.
# * 1 point: because the loss is piecewise constant: small moves of the weights change no decision.
# * 1 point: the NLL has a useful gradient everywhere ($p - y$, smooth), including for samples that are already right
#   or only just wrong.
# * 1 point: a link from NLL to mistakes: the bound, or that raising $p(y)$ above all others makes the decision right.
# * 1 point: a valid example with numbers or a clear description: few but confidently wrong against more but barely
#   wrong. The words "calibration" or "confidence" alone: half.

# %% [markdown]
# ## What you built
#
# {{built_table}}
#
# **Where next.** *Bias and variance* (lecture 3) asks how the gap between empirical and true risk depends on the
# model, and what regularisation does about it. *Optimization* (lecture 4) makes gradient descent fast: momentum,
# Adam, learning-rate schedules. *Backpropagation* (lecture 5) puts layers between $x$ and the logits; their last
# layer is what you have built here, and its loss is yours.
#
# Things to try with what you have: `DATA = "mnist"` in part 8; your own features before the classifier (does
# `quadratic_features` have a cousin for images?); a learning rate that falls over the epochs.

# %%
show_progress()
