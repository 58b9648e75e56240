"""Hidden tests of the notebook optimization (lecture 4).

Oracles: torch.optim and torch.linalg in this process, closed forms, and hand-made trajectories; never the student's own
code. Functions that have to be differentiated run in the worker (`student.remote`), all others are called back here.
Nothing is statistical but for drawn inputs, which stay away from ties; the tolerances are those of rounding.
"""

import math

import numpy as np
import torch

from autograder.judge import assert_close, assert_equal, assert_finite, assert_shape, assert_true, exercise
from autograder.judge.checkers import as_array
from autograder.judge.for_suites import SINGLE, assert_number, assert_word, normal, number_in

# float64 through two different orders of operations, over at most a hundred steps: wider than that of for_suites.
DOUBLE = {"rtol": 1e-8, "atol": 1e-10}


def with_eigenvalues(rng, values):
    """A symmetric matrix with these eigenvalues in a drawn rotation."""
    size = len(values)
    rotation, _ = np.linalg.qr(rng.normal(size=(size, size)))
    matrix = torch.as_tensor(rotation @ np.diag(values) @ rotation.T)
    return (matrix + matrix.T) / 2


# ---- L04.01: the angle to the minimum


def angles_of(path, minimum):
    steps, ways = np.diff(path, axis=0), minimum - path[:-1]
    cosines = (steps * ways).sum(1) / np.linalg.norm(steps, axis=1) / np.linalg.norm(ways, axis=1)
    return torch.as_tensor(np.degrees(np.arccos(np.clip(cosines, -1, 1))))


@exercise("misdirection", weight=2)
def test_angles_of_a_drawn_path(student, rng):
    """Each angle lies between a step and the way from its FIRST point to the minimum, in degrees. Close, but not right?
    Look at which end of the step the way starts from, and at the unit."""
    path, minimum = rng.normal(size=(9, 4)), rng.normal(size=4)
    found = student.misdirection(torch.as_tensor(path), torch.as_tensor(minimum))
    assert_shape(found, (8,), what="the angles")
    assert_close(found, angles_of(path, minimum), rtol=1e-4, atol=1e-3, what="the angles")


@exercise("misdirection")
def test_straight_and_backward_steps(student, rng):
    """A step straight at the minimum has the angle 0, one straight away from it 180. Without the sign of the cosine
    both are 0; rounding may lift a cosine above 1, where arccos is NaN."""
    way = rng.normal(size=3)
    factors = np.array([3.0, 2.0, 2.5, 1.5, 1.9, 1.0])
    path = torch.as_tensor(factors[:, None] * way)
    found = student.misdirection(path, torch.zeros(3, dtype=torch.float64))
    assert_finite(found, what="the angles")
    # arccos turns a rounding of 1e-16 into 1e-8 radians; float32 into 0.03 degrees.
    assert_close(found, torch.tensor([0.0, 180.0, 0.0, 180.0, 0.0]), rtol=1e-3, atol=0.1, what="the angles")


@exercise("misdirection")
def test_steps_of_length_zero(student, rng):
    """Where the step has no length, or the point is the minimum already, the angle is 0 and not NaN."""
    minimum = normal(rng, 2)
    other = minimum + torch.tensor([1.0, 2.0])
    path = torch.stack([other, other, minimum, other, other])
    found = student.misdirection(path, minimum)
    assert_close(found, torch.zeros(4), atol=0.1, what="the angles")


# ---- L04.02: chords


def counted(function):
    """The function with a list of the arguments it was called with."""
    seen = []

    def wrapped(x):
        x = torch.as_tensor(as_array(x, "what the loss was given"))
        seen.append(x)
        return function(x)

    return wrapped, seen


@exercise("is_convex_along", weight=2)
def test_convex_and_not_convex(student, rng):
    """A convex function stays on or below its chord, others cross it somewhere. A straight line touches its chord and
    counts as convex."""
    matrix = with_eigenvalues(rng, [0.5, 1.0, 3.0])
    a, b = normal(rng, 3), normal(rng, 3)
    cases = [
        (lambda x: x @ matrix @ x, True, "a quadratic bowl"),
        (lambda x: 2 * x.sum() + 1, True, "a linear function"),
        (lambda x: x.abs().sum(), True, "a sum of absolute values"),
        (lambda x: -(x @ matrix @ x), False, "a bowl upside down"),
    ]
    for function, expected, what in cases:
        found = student.is_convex_along(counted(function)[0], a, b)
        assert_true(isinstance(found, bool | np.bool_), "Return True or False.")
        assert_true(bool(found) == expected, f"Along a line through {what} the answer is wrong.")


@exercise("is_convex_along")
def test_compared_with_the_chord(student, rng):
    """The comparison is with the straight line between both ends, (1 - t) f(a) + t f(b). "Below the larger end" holds
    for functions that are not convex."""
    slope = float(rng.uniform(8, 12))
    concave = counted(lambda x: slope * x - x**2)[0]
    zero, two = torch.tensor(0.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    assert_true(not student.is_convex_along(concave, zero, two), "A rising function that lies above its chord passes.")
    convex = counted(lambda x: slope * x + x**2)[0]
    assert_true(student.is_convex_along(convex, zero, two), "A rising function that lies below its chord is refused.")


@exercise("is_convex_along")
def test_many_points_are_tried(student, rng):
    """A narrow bump counts wherever it lies: the middle alone, or three points, do not see it. `points` values of t are
    compared, evenly spaced."""
    for where in (-0.7, 0.3, 0.8):
        bump = counted(lambda x, where=where: x**2 + 20 * torch.exp(-400 * (x - where) ** 2))[0]
        one = torch.tensor(1.0, dtype=torch.float64)
        assert_true(not student.is_convex_along(bump, -one, one), "A bump between the ends goes unnoticed.")
    line, seen = counted(lambda x: x)
    student.is_convex_along(
        line, torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64), points=5
    )
    inner = {round(float(x), 4) for x in seen}
    assert_true({0.25, 0.5, 0.75} <= inner, "With points=5 the function is not asked at t = 0.25, 0.5 and 0.75.")


@exercise("is_convex_along")
def test_tolerance_is_used(student, rng):
    """The function may exceed its chord by the tolerance, and by no more."""
    height = float(rng.uniform(0.5, 1.0))
    arch = counted(lambda x: height * (1 - x**2))[0]
    one = torch.tensor(1.0, dtype=torch.float64)
    assert_true(student.is_convex_along(arch, -one, one, tolerance=1.1 * height), "The tolerance is not granted.")
    assert_true(not student.is_convex_along(arch, -one, one, tolerance=0.9 * height), "More than the tolerance passes.")


# ---- L04.04: Hessians and critical points


def wavy(theta):
    return (theta[0] ** 2 * theta[1] + (theta[1] * theta[2]).sin() + theta.exp().sum()) + theta[0] * theta[2] ** 3


def linear_in_worker(theta):
    return 3 * theta[0] - 2 * theta[1]


def half_linear(theta):
    return theta[0] ** 3 + 5 * theta[1]


def bowl_in_worker(theta):
    import torch

    size = len(theta)
    matrix = torch.arange(1.0, size * size + 1, dtype=theta.dtype).reshape(size, size)
    return theta @ (matrix + matrix.T) @ theta / 2


@exercise("hessian", weight=2)
def test_all_second_derivatives(student, rng):
    """Entry (i, j) is the derivative of entry i of the gradient with respect to parameter j, mixed derivatives
    included."""
    point = normal(rng, 3)
    expected = torch.autograd.functional.hessian(wavy, point)
    found = student.hessian(student.remote(wavy), point)
    assert_shape(found, (3, 3), what="the Hessian")
    assert_close(found, expected, rtol=1e-5, atol=1e-5, what="the Hessian")


@exercise("hessian")
def test_quadratic_of_any_size(student, rng):
    """The Hessian of theta^T A theta / 2 with a symmetric A is A, for any number of parameters, 1 included."""
    for size in (1, 2, 6):
        matrix = torch.arange(1.0, size * size + 1, dtype=torch.float64).reshape(size, size)
        found = student.hessian(student.remote(bowl_in_worker), normal(rng, size))
        assert_close(found, matrix + matrix.T, rtol=1e-5, atol=1e-4, what="the Hessian")


@exercise("hessian")
def test_linear_functions_have_zeros(student, rng):
    """Where a function is linear its gradient does not depend on the parameters: the answer is 0, not an error."""
    assert_close(
        student.hessian(student.remote(linear_in_worker), normal(rng, 2)), torch.zeros(2, 2), what="the Hessian"
    )
    point = normal(rng, 2)
    expected = torch.tensor([[6 * float(point[0]), 0.0], [0.0, 0.0]], dtype=torch.float64)
    found = student.hessian(student.remote(half_linear), point)
    assert_close(found, expected, rtol=1e-5, atol=1e-5, what="the Hessian")


@exercise("hessian")
def test_point_is_left_alone(student, rng):
    """The caller's point stays as it was: the same numbers, and no gradient asked of it."""
    point = student.keep(normal(rng, 3))
    before = student.fetch(point)
    found = student.hessian(student.remote(wavy), point)
    assert_shape(found, (3, 3), what="the Hessian")
    assert_equal(student.fetch(point), before, what="the point after the call")
    assert_true(not point.requires_grad, "The caller's point has requires_grad set after the call: work on a copy.")


def answer(student, matrix, **options):
    word = student.classify_critical_point(matrix, **options)
    assert_true(isinstance(word, str), 'The answer should be a word: "minimum", "maximum", "saddle" or "degenerate".')
    return word.strip().lower()


@exercise("classify_critical_point")
def test_definite_matrices(student, rng):
    """All eigenvalues positive: minimum. All negative: maximum."""
    for size in (1, 2, 5):
        values = rng.uniform(0.5, 3.0, size)
        assert_true(answer(student, with_eigenvalues(rng, values)) == "minimum", f"A minimum of size {size} is missed.")
        assert_true(
            answer(student, with_eigenvalues(rng, -values)) == "maximum", f"A maximum of size {size} is missed."
        )


@exercise("classify_critical_point", weight=2)
def test_saddles_behind_a_positive_diagonal(student, rng):
    """The signs of the EIGENVALUES decide. A matrix with a positive diagonal, such as [[1, 3], [3, 1]], can be a
    saddle; so can one with a diagonal of zeros."""
    a, b = float(rng.uniform(0.5, 1.5)), float(rng.uniform(2, 4))
    for matrix in ([[a, b], [b, a]], [[-a, b], [b, -a]], [[0.0, b], [b, 0.0]]):
        word = answer(student, torch.tensor(matrix, dtype=torch.float64))
        assert_true(word == "saddle", f"A saddle with the diagonal of one sign, or zeros, is called {word}.")


@exercise("classify_critical_point")
def test_saddles_in_more_dimensions(student, rng):
    """In more than two dimensions the sign of the determinant does not tell: two negative eigenvalues of four make it
    positive. One eigenvalue of each sign is enough for a saddle, even if others are 0."""
    for values in ([-1.0, -2.0, 1.0, 3.0], [2.0, 3.0, -1.0], [1.0, 0.0, -1.0], [5.0, 0.0, 0.0, -0.1]):
        word = answer(student, with_eigenvalues(rng, values))
        assert_true(word == "saddle", f"A saddle with eigenvalues of both signs is called {word}.")


@exercise("classify_critical_point")
def test_zero_eigenvalues_are_degenerate(student, rng):
    """An eigenvalue of 0 beside others of one sign leaves the case open: "degenerate". Rounding makes the 0 a number
    like 1e-17, so compare with a tolerance, relative to the largest eigenvalue."""
    for values in ([2.0, 0.0], [-2.0, 0.0, -1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 2.0, 3.0]):
        word = answer(student, with_eigenvalues(rng, values))
        assert_true(word == "degenerate", f"A matrix with an eigenvalue of 0, the rest of one sign, is called {word}.")
    scale = float(rng.uniform(1, 9))
    assert_true(
        answer(student, torch.diag(torch.tensor([1e-9, 3e-9]) * scale)) == "minimum", "Tiny is not zero: relative."
    )
    big = torch.diag(torch.tensor([1e9, 1.0], dtype=torch.float64) * scale)
    assert_true(answer(student, big) == "degenerate", "Beside an eigenvalue of 1e9, one of 1 counts as 0 by default.")
    assert_true(answer(student, big, tolerance=1e-12) == "minimum", "The argument `tolerance` is not used.")


# ---- L04.05 (quiz)


@exercise("saddle_facts")
def test_definite_2x2(student):
    """definite_2x2: read the second bar of the picture; exactly it is 1 - 1/sqrt(2)."""
    assert_true(abs(number_in(student, "definite_2x2") - (1 - 0.5**0.5)) < 0.0081, "definite_2x2 is not right.")


@exercise("saddle_facts")
def test_typical_critical_point(student):
    """typical_critical_point: how likely is it that a million eigenvalues have the same sign?"""
    assert_word(student, "typical_critical_point", "saddle", "minimum", "maximum")


@exercise("saddle_facts")
def test_smaller_eigenvalue(student):
    """smaller_eigenvalue: (1, -1) is an eigenvector; multiply the matrix with it."""
    assert_number(student, "smaller_eigenvalue", -3)


# ---- L04.06: Newton's method


@exercise("newton", weight=2)
def test_one_step_solves_a_bowl(student, rng):
    """One step solves any quadratic bowl, however narrow: theta - H^-1 gradient. Look at the sign, and at whether H is
    inverted as a matrix."""
    matrix, lowest, start = with_eigenvalues(rng, [0.5, 3.0, 200.0]), normal(rng, 3), normal(rng, 3)
    path = student.newton(lambda theta: matrix @ (theta - lowest), lambda theta: matrix, start, steps=1)
    assert_shape(path, (2, 3), what="the trajectory")
    assert_close(path[1], lowest, rtol=1e-4, atol=1e-4, what="the point after one step")


@exercise("newton")
def test_hessian_is_taken_anew(student, rng):
    """Gradient and Hessian belong to the PRESENT point. On theta^4 each step leaves exactly two thirds of theta."""
    start = torch.as_tensor(rng.uniform(1, 5, 2))
    path = student.newton(lambda t: 4 * t**3, lambda t: torch.diag(12 * t**2), start, steps=5)
    assert_shape(path, (6, 2), what="the trajectory")
    expected = torch.stack([start * (2 / 3) ** k for k in range(6)])
    assert_close(path, expected, **SINGLE, what="the trajectory")


@exercise("newton")
def test_goes_to_a_saddle(student, rng):
    """Newton's method jumps to the critical point of the parabola whatever its kind; on a saddle it lands on the
    saddle. A step that is turned round, shortened or given up where H is not positive definite is another method."""
    matrix = with_eigenvalues(rng, [1.0, -2.0])
    point, start = normal(rng, 2), normal(rng, 2)
    path = student.newton(lambda theta: matrix @ (theta - point), lambda theta: matrix, start, steps=2)
    assert_close(path[1], point, rtol=1e-4, atol=1e-4, what="the point after one step")


@exercise("newton")
def test_newton_leaves_the_start(student, rng):
    """Entry 0 of the trajectory is the start, which is left as it was; with 0 steps it is all there is."""
    matrix, start = with_eigenvalues(rng, [1.0, 4.0]), normal(rng, 2)
    kept = student.keep(start)
    path = student.newton(lambda theta: matrix @ theta, lambda theta: matrix, kept, steps=2)
    assert_equal(student.fetch(kept), start, what="the start after the call")
    assert_close(path[0], start, what="entry 0 of the trajectory")
    assert_close(student.newton(lambda t: t, lambda t: matrix, start, 0), start[None], what="the trajectory of 0 steps")


# ---- L04.07-L04.13: the optimizers


def run_in_worker(optimizer_class, starts, gradients, options, rates=None, reuse=False):
    """The path of every parameter under given gradients; None stands for a parameter that has none in a step.

    With `reuse`, the same gradient tensor is given in every step, as loops do that clear gradients by zeroing them.
    Returns the paths, and for each parameter whether the gradients that were handed over came back unchanged.
    """
    import torch

    parameters = [torch.as_tensor(start).clone().requires_grad_() for start in starts]
    optimizer = optimizer_class(parameters, **options)
    paths, kept = [[p.detach().clone()] for p in parameters], True
    memory = [torch.zeros_like(p) for p in parameters]
    for number, step in enumerate(gradients):
        if rates is not None:
            optimizer.learning_rate = rates[number]
        for parameter, gradient, own in zip(parameters, step, memory, strict=True):
            if gradient is None:
                parameter.grad = None
            elif reuse:
                own.copy_(gradient)
                parameter.grad = own
            else:
                parameter.grad = gradient.clone()
        optimizer.step()
        for parameter, gradient, path in zip(parameters, step, paths, strict=True):
            if gradient is not None and not torch.equal(parameter.grad, gradient):
                kept = False
            path.append(parameter.detach().clone())
    return [torch.stack(path) for path in paths], kept


def run(student, name, starts, gradients, options, **more):
    """The student's paths, checked for being numbers of the right shape."""
    paths, kept = student.remote(run_in_worker)(getattr(student, name), starts, gradients, options, **more)
    for path, start in zip(paths, starts, strict=True):
        assert_shape(path, (len(gradients) + 1, *start.shape), what="the path of a parameter")
    return paths, kept


def oracle(make, starts, gradients, rates=None):
    """The paths of an optimizer of torch.optim."""
    parameters = [start.clone().requires_grad_() for start in starts]
    optimizer = make(parameters)
    paths = [[p.detach().clone()] for p in parameters]
    for number, step in enumerate(gradients):
        if rates is not None:
            for group in optimizer.param_groups:
                group["lr"] = rates[number]
        for one, slope in zip(parameters, step, strict=True):
            one.grad = None if slope is None else slope.clone()
        optimizer.step()
        for parameter, path in zip(parameters, paths, strict=True):
            path.append(parameter.detach().clone())
    return [torch.stack(path) for path in paths]


def assert_same_path(student, name, options, make, rng, steps=60, what="the path of the parameter"):
    """One parameter under drawn gradients of changing size, against torch.optim."""
    sizes = 10.0 ** rng.uniform(-2, 2, size=(steps, 1))
    gradients = [[torch.as_tensor(row)] for row in rng.normal(size=(steps, 4)) * sizes]
    starts = [normal(rng, 4)]
    (path,), _ = run(student, name, starts, gradients, options)
    (expected,) = oracle(make, starts, gradients)
    assert_close(path, expected, **DOUBLE, what=what)


def assert_states_apart(student, name, options, make, rng):
    """Three parameters of different shapes, one of them without a gradient in some steps."""
    starts = [normal(rng, 3), normal(rng, 2, 2), normal(rng, 3)]
    gradients = []
    for number in range(20):
        step = [normal(rng, 3), normal(rng, 2, 2, scale=50), normal(rng, 3, scale=0.1)]
        if number in (0, 1, 2, 8, 9):
            step[2] = None
        gradients.append(step)
    paths, _ = run(student, name, starts, gradients, options)
    for number, (path, expected) in enumerate(zip(paths, oracle(make, starts, gradients), strict=True), start=1):
        assert_close(path, expected, **DOUBLE, what=f"the path of parameter {number} of 3")


def assert_gradients_kept(student, name, options, make, rng):
    """Gradients come back unchanged, and may be handed over in one tensor that is written again in every step."""
    starts, gradients = [normal(rng, 3)], [[normal(rng, 3)] for _ in range(6)]
    (path,), kept = run(student, name, starts, gradients, options, reuse=True)
    assert_true(kept, "The optimizer has changed the gradient: work on new tensors, or on those of its state.")
    (expected,) = oracle(make, starts, gradients)
    hint = "Keep a copy (`.clone()`) of the gradient in the state: the caller may write new numbers into its tensor."
    assert_close(path, expected, **DOUBLE, what="the path of the parameter", hint=hint)


def sgd_with(rate, momentum, nesterov=False):
    return lambda p: torch.optim.SGD(p, lr=rate, momentum=momentum, nesterov=nesterov)


@exercise("Momentum", weight=2)
def test_momentum_agrees_with_torch(student, rng):
    """Over 60 steps the path is that of torch.optim.SGD with momentum: v <- gradient + momentum * v, the gradient in
    full. If v is an average, (1 - momentum) * gradient + momentum * v, all steps are too short."""
    rate, momentum = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.6, 0.95))
    options = {"learning_rate": rate, "momentum": momentum}
    assert_same_path(student, "Momentum", options, sgd_with(rate, momentum), rng)


@exercise("Momentum")
def test_momentum_builds_up(student, rng):
    """Under a constant gradient the first step is one gradient long, and the steps grow to 1 / (1 - momentum) of it. If
    they do not grow, v is forgotten between the steps."""
    gradient, momentum = normal(rng, 2), float(rng.uniform(0.4, 0.6))
    (path,), _ = run(
        student,
        "Momentum",
        [torch.zeros(2, dtype=torch.float64)],
        [[gradient]] * 60,
        {"learning_rate": 1.0, "momentum": momentum},
    )
    assert_close(path[1], -gradient, **SINGLE, what="the first step")
    assert_close(path[60] - path[59], -gradient / (1 - momentum), **SINGLE, what="the step in the long run")


@exercise("Momentum")
def test_learning_rate_outside_the_velocity(student, rng):
    """The learning rate multiplies v when the step is made. If it is stored inside v, a change of the learning rate
    does not reach the gradients of the past."""
    rates = [0.1] * 5 + [0.01] * 5 + [0.05] * 5
    starts, gradients = [normal(rng, 3)], [[normal(rng, 3)] for _ in rates]
    (path,), _ = run(student, "Momentum", starts, gradients, {"learning_rate": 0.1, "momentum": 0.9}, rates=rates)
    (expected,) = oracle(sgd_with(0.1, 0.9), starts, gradients, rates)
    assert_close(path, expected, **DOUBLE, what="the path under a changing learning rate")


@exercise("Momentum")
def test_momentum_of_each_parameter(student, rng):
    """Each parameter has its own v, of its own shape, which stays as it is in steps in which the parameter has no
    gradient. Keep it in `state`, not in the optimizer."""
    assert_states_apart(student, "Momentum", {"learning_rate": 0.1, "momentum": 0.8}, sgd_with(0.1, 0.8), rng)


@exercise("Momentum")
def test_momentum_keeps_the_gradient(student, rng):
    """v is a tensor of its own. If it IS the first gradient's tensor, it changes when the gradient is written again."""
    assert_gradients_kept(student, "Momentum", {"learning_rate": 0.1, "momentum": 0.9}, sgd_with(0.1, 0.9), rng)


@exercise("Nesterov", weight=2)
def test_nesterov_agrees_with_torch(student, rng):
    """Over 60 steps the path is that of torch.optim.SGD with nesterov=True: a step along gradient + momentum * v with
    the NEW v. Along v alone it is plain momentum; with the old v it is late by one step."""
    rate, momentum = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.6, 0.95))
    options = {"learning_rate": rate, "momentum": momentum}
    assert_same_path(student, "Nesterov", options, sgd_with(rate, momentum, True), rng)


@exercise("Nesterov")
def test_first_step_looks_ahead(student, rng):
    """At the first step v is the gradient g, so that the step is 1 + momentum times as long as that of gradient
    descent."""
    gradient, momentum = normal(rng, 3), float(rng.uniform(0.3, 0.9))
    (path,), _ = run(
        student,
        "Nesterov",
        [torch.zeros(3, dtype=torch.float64)],
        [[gradient]],
        {"learning_rate": 1.0, "momentum": momentum},
    )
    assert_close(path[1], -(1 + momentum) * gradient, **SINGLE, what="the first step")


@exercise("Nesterov")
def test_nesterov_is_the_look_ahead_method(student, rng):
    """Nesterov's own form, with the gradient taken at theta - learning_rate * momentum * v, goes the same way: the
    parameters of this class are his look-ahead points."""
    curvature = torch.tensor([1.0, 20.0], dtype=torch.float64)
    theta, velocity, rate, momentum = normal(rng, 2), torch.zeros(2, dtype=torch.float64), 0.04, 0.8
    ahead, gradients = [theta.clone()], []
    for _ in range(30):
        gradient = curvature * (theta - rate * momentum * velocity)
        gradients.append([gradient])
        velocity = gradient + momentum * velocity
        theta = theta - rate * velocity
        ahead.append(theta - rate * momentum * velocity)
    (path,), _ = run(student, "Nesterov", [ahead[0]], gradients, {"learning_rate": rate, "momentum": momentum})
    assert_close(path, torch.stack(ahead), **DOUBLE, what="the path on a quadratic bowl")


@exercise("Nesterov")
def test_nesterov_of_each_parameter(student, rng):
    """Each parameter has its own v, of its own shape, which stays as it is in steps in which the parameter has no
    gradient."""
    assert_states_apart(student, "Nesterov", {"learning_rate": 0.1, "momentum": 0.8}, sgd_with(0.1, 0.8, True), rng)


@exercise("Nesterov")
def test_nesterov_keeps_the_gradient(student, rng):
    """v is a tensor of its own, and the gradient comes back as it was."""
    assert_gradients_kept(student, "Nesterov", {"learning_rate": 0.1, "momentum": 0.9}, sgd_with(0.1, 0.9, True), rng)


# ---- L04.09: how fast, and the limit of stability


def rate_by_matrix(learning_rate, momentum, curvatures):
    """The spectral radius from the 2x2 matrices themselves."""
    sizes = []
    for h in np.asarray(curvatures, dtype=float).tolist():
        matrix = np.array([[momentum, h], [-learning_rate * momentum, 1 - learning_rate * h]])
        sizes.append(np.abs(np.linalg.eigvals(matrix)).max())
    return max(sizes)


def rate_of(student, *arguments):
    return float(as_array(student.momentum_rate(*arguments), "the factor").reshape(-1)[0])


@exercise("momentum_rate", weight=2)
def test_largest_size_of_the_roots(student, rng):
    """The factor is the larger SIZE of the two roots: of both real ones, also where the sum of the roots is negative,
    and sqrt(momentum) where they are complex."""
    for _ in range(12):
        momentum, step = float(rng.uniform(0.05, 0.95)), float(rng.uniform(0.05, 5.0))
        middle = 1 + momentum - step
        if abs(middle**2 - 4 * momentum) < 1e-2:  # where both roots meet, rounding moves them most
            continue
        expected = rate_by_matrix(step, momentum, [1.0])
        found = rate_of(student, step, momentum, torch.tensor([1.0], dtype=torch.float64))
        assert_close(found, expected, rtol=1e-5, atol=1e-6, what="the factor for one curvature")


@exercise("momentum_rate")
def test_gradient_descent_without_momentum(student, rng):
    """With momentum 0 it is gradient descent: the factor is |1 - learning_rate * h|, and a size is never negative."""
    for step in (0.3, 1.0, 1.7, 2.5):
        h = float(rng.uniform(0.5, 4.0))
        found = rate_of(student, step / h, 0.0, torch.tensor([h], dtype=torch.float64))
        assert_close(found, abs(1 - step), rtol=1e-4, atol=1e-5, what="the factor without momentum")


@exercise("momentum_rate")
def test_slowest_direction_decides(student, rng):
    """The result is the largest factor over all curvatures: the flat direction decides while the rate is small, the
    steep one when it is large. One curvature, or the mean of them, is not enough."""
    curvatures = torch.as_tensor(rng.permutation([0.1, 1.0, 7.0, 30.0]))
    for rate in (0.005, 0.05, 0.12):
        expected = rate_by_matrix(rate, 0.7, curvatures)
        found = rate_of(student, rate, 0.7, curvatures)
        assert_close(found, expected, rtol=1e-5, atol=1e-6, what="the factor for several curvatures")


@exercise("momentum_rate")
def test_limit_of_stability(student, rng):
    """Below 1 exactly for 0 < learning_rate * h < 2 (1 + momentum). A limit of 2 (1 + momentum) / (1 - momentum)
    belongs to the averaging form; a negative curvature is never stable."""
    h = float(rng.uniform(0.5, 20.0))
    for momentum in (0.0, 0.3, 0.9):
        limit = 2 * (1 + momentum) / h
        curvature = torch.tensor([h], dtype=torch.float64)
        assert_true(
            rate_of(student, 0.98 * limit, momentum, curvature) < 1, "A stable learning rate gets a factor above 1."
        )
        assert_true(
            rate_of(student, 1.02 * limit, momentum, curvature) > 1, "An unstable learning rate gets one below 1."
        )
        assert_true(rate_of(student, 0.1, momentum, -curvature) > 1, "A negative curvature gets a factor below 1.")


# ---- L04.10 (quiz)


@exercise("scale_of_gradients")
def test_squared_error_slope(student):
    """squared_error_slope: 2 (f - y) times the derivative of f. The factor 2 is the one the slide forgets."""
    assert_number(student, "squared_error_slope", 30)


@exercise("scale_of_gradients")
def test_unit_factor(student):
    """unit_factor: the numbers of the input become 1000 times as large; the gradient of its weight is proportional to
    them."""
    assert_number(student, "unit_factor", 1000)


@exercise("scale_of_gradients")
def test_sign_step(student):
    """sign_step: MINUS the learning rate times the sign of each entry; an entry with gradient 0 stays."""
    value = student.sign_step
    assert_true(value is not None, "`sign_step` is still None: not answered yet.")
    assert_close(value, [0.01, 0.0, -0.01], what="`sign_step`")


# ---- L04.11-L04.13: steps that are scaled entry by entry


@exercise("AdaGrad", weight=2)
def test_adagrad_agrees_with_torch(student, rng):
    """Over 60 steps the path is that of torch.optim.Adagrad: s <- s + gradient^2, entry by entry, and a step of
    gradient / (sqrt(s) + epsilon)."""
    rate = float(rng.uniform(0.05, 0.5))
    assert_same_path(student, "AdaGrad", {"learning_rate": rate}, lambda p: torch.optim.Adagrad(p, lr=rate), rng)


@exercise("AdaGrad")
def test_adagrad_steps_shrink(student, rng):
    """Under a constant gradient step k has the length learning_rate / sqrt(k), whatever the size of the gradient. If
    the steps settle, s decays (that is RMSProp); if they shrink like 1 / k, the root is missing or sizes are added."""
    gradient = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64) * torch.as_tensor(10.0 ** rng.uniform(-2, 3, 3))
    (path,), _ = run(
        student, "AdaGrad", [torch.zeros(3, dtype=torch.float64)], [[gradient]] * 30, {"learning_rate": 0.5}
    )
    lengths = 0.5 / torch.arange(1, 31, dtype=torch.float64).sqrt()
    assert_close(
        (path[1:] - path[:-1]).abs(), lengths[:, None].expand(30, 3), **SINGLE, what="the lengths of the steps"
    )


@exercise("AdaGrad")
def test_adagrad_epsilon(student, rng):
    """epsilon is added to the root, outside it; an entry whose gradient is always 0 stays where it is instead of
    becoming NaN."""
    starts = [normal(rng, 4)]
    gradients = [[torch.cat([normal(rng, 3), torch.zeros(1, dtype=torch.float64)])] for _ in range(10)]
    (path,), _ = run(student, "AdaGrad", starts, gradients, {"learning_rate": 0.1, "epsilon": 0.5})
    assert_finite(path, what="the path of the parameter")
    (expected,) = oracle(lambda p: torch.optim.Adagrad(p, lr=0.1, eps=0.5), starts, gradients)
    assert_close(path, expected, **DOUBLE, what="the path with epsilon 0.5")


@exercise("AdaGrad")
def test_adagrad_of_each_parameter(student, rng):
    """Each parameter has its own s, of its own shape; the gradient is left as it was."""
    make = lambda p: torch.optim.Adagrad(p, lr=0.1)  # noqa: E731
    assert_states_apart(student, "AdaGrad", {"learning_rate": 0.1}, make, rng)
    assert_gradients_kept(student, "AdaGrad", {"learning_rate": 0.1}, make, rng)


def rmsprop_with(rate, beta, eps=1e-8):
    return lambda p: torch.optim.RMSprop(p, lr=rate, alpha=beta, eps=eps)


@exercise("RMSProp", weight=2)
def test_rmsprop_agrees_with_torch(student, rng):
    """Over 60 steps the path is that of torch.optim.RMSprop: s <- beta * s + (1 - beta) * gradient^2. If beta and 1 -
    beta are swapped, s follows the last gradient."""
    rate, beta = float(rng.uniform(0.01, 0.1)), float(rng.uniform(0.8, 0.95))
    assert_same_path(student, "RMSProp", {"learning_rate": rate, "beta": beta}, rmsprop_with(rate, beta), rng)


@exercise("RMSProp")
def test_rmsprop_does_not_see_the_scale(student, rng):
    """A loss that is multiplied by 100 has the same path: the size of the gradient cancels, entry by entry. That fails
    if the root or the square is missing, or if the whole vector is divided by one length."""
    gradients = [normal(rng, 3) for _ in range(15)]
    scales = torch.tensor([1.0, 100.0, 1e4], dtype=torch.float64)
    start, options = torch.zeros(3, dtype=torch.float64), {"learning_rate": 0.1, "beta": 0.9}
    (path,), _ = run(student, "RMSProp", [start], [[g] for g in gradients], options)
    (scaled,), _ = run(student, "RMSProp", [start], [[scales * g] for g in gradients], options)
    assert_finite(path, what="the path of the parameter")
    assert_true(float((path[1] - path[0]).abs().min()) > 1e-3, "An entry with a gradient does not move.")
    (expected,) = oracle(rmsprop_with(0.1, 0.9, 0.0), [start], [[g] for g in gradients])
    assert_close(scaled, expected, rtol=1e-3, atol=1e-4, what="the path of the scaled loss")


@exercise("RMSProp")
def test_rmsprop_epsilon(student, rng):
    """epsilon is added to the root, outside it (inside, 1e-8 acts like 1e-4); an entry whose gradient is always 0 stays
    where it is instead of becoming NaN."""
    starts = [normal(rng, 4)]
    gradients = [[torch.cat([normal(rng, 3), torch.zeros(1, dtype=torch.float64)])] for _ in range(10)]
    (path,), _ = run(student, "RMSProp", starts, gradients, {"learning_rate": 0.1, "beta": 0.9, "epsilon": 0.3})
    assert_finite(path, what="the path of the parameter")
    (expected,) = oracle(rmsprop_with(0.1, 0.9, 0.3), starts, gradients)
    assert_close(path, expected, **DOUBLE, what="the path with epsilon 0.3")


@exercise("RMSProp")
def test_rmsprop_first_and_later_steps(student, rng):
    """s starts at 0 and is not corrected: under a constant gradient the first step is learning_rate / sqrt(1 - beta)
    long, and the steps settle at the learning rate."""
    gradient = torch.tensor([1.0, -1.0], dtype=torch.float64) * torch.as_tensor(10.0 ** rng.uniform(-1, 3, 2))
    (path,), _ = run(
        student,
        "RMSProp",
        [torch.zeros(2, dtype=torch.float64)],
        [[gradient]] * 150,
        {"learning_rate": 0.1, "beta": 0.84},
    )
    assert_close(path[1], -0.25 * gradient.sign(), **SINGLE, what="the first step")
    assert_close(path[150] - path[149], -0.1 * gradient.sign(), **SINGLE, what="the step in the long run")


@exercise("RMSProp")
def test_rmsprop_of_each_parameter(student, rng):
    """Each parameter has its own s, of its own shape; the gradient is left as it was."""
    options = {"learning_rate": 0.1, "beta": 0.9}
    assert_states_apart(student, "RMSProp", options, rmsprop_with(0.1, 0.9), rng)
    assert_gradients_kept(student, "RMSProp", options, rmsprop_with(0.1, 0.9), rng)


def adam_with(rate, betas=(0.9, 0.999), eps=1e-8):
    return lambda p: torch.optim.Adam(p, lr=rate, betas=betas, eps=eps)


@exercise("Adam", weight=2)
def test_adam_agrees_with_torch(student, rng):
    """Over 100 steps, the first included, the path is that of torch.optim.Adam with the default betas."""
    rate = float(rng.uniform(0.01, 0.1))
    assert_same_path(student, "Adam", {"learning_rate": rate}, adam_with(rate), rng, steps=100)


@exercise("Adam")
def test_adam_with_other_betas(student, rng):
    """beta1 belongs to the mean and its correction, beta2 to the squares and theirs; both come from the arguments."""
    betas = (float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.7, 0.9)))
    options = {"learning_rate": 0.1, "betas": betas}
    assert_same_path(student, "Adam", options, adam_with(0.1, betas), rng)


@exercise("Adam")
def test_first_step_has_the_learning_rate(student, rng):
    """The first step of every entry has the length of the learning rate, whatever the size of its gradient. Without the
    bias correction it is 3.2 times as long; with a count that starts at 0 it is 0 / 0."""
    gradient = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64) * torch.as_tensor(10.0 ** rng.uniform(-2, 3, 3))
    (path,), _ = run(student, "Adam", [torch.zeros(3, dtype=torch.float64)], [[gradient]] * 4, {"learning_rate": 0.1})
    assert_finite(path, what="the path of the parameter")
    assert_close(path[1], -0.1 * gradient.sign(), **SINGLE, what="the first step")
    assert_close(path[4], -0.4 * gradient.sign(), **SINGLE, what="the way after four steps under a constant gradient")


@exercise("Adam")
def test_adam_epsilon(student, rng):
    """epsilon is added to the root of the CORRECTED v: not inside the root, and not before the correction. An entry
    whose gradient is always 0 stays."""
    starts = [normal(rng, 4)]
    gradients = [[torch.cat([normal(rng, 3), torch.zeros(1, dtype=torch.float64)])] for _ in range(10)]
    (path,), _ = run(student, "Adam", starts, gradients, {"learning_rate": 0.1, "epsilon": 0.3})
    assert_finite(path, what="the path of the parameter")
    (expected,) = oracle(adam_with(0.1, eps=0.3), starts, gradients)
    assert_close(path, expected, **DOUBLE, what="the path with epsilon 0.3")


@exercise("Adam")
def test_adam_counts_each_parameter(student, rng):
    """Means, squares and the count k belong to one parameter. One that gets its first gradient late is corrected with
    its own k, which `state["step"]` counts."""
    assert_states_apart(student, "Adam", {"learning_rate": 0.1}, adam_with(0.1), rng)


@exercise("Adam")
def test_adam_keeps_the_gradient(student, rng):
    """The gradient comes back as it was, and may be written again: m and v are tensors of their own."""
    assert_gradients_kept(student, "Adam", {"learning_rate": 0.1}, adam_with(0.1), rng)


# ---- L04.14, L04.15: stochastic gradient descent


def generator(student, seed):
    """A torch.Generator that lives in the worker, where its state moves on from call to call."""
    return student.keep(torch.Generator().manual_seed(int(seed)))


def recorded(targets):
    """The gradient of 1/2 |theta - target|^2, averaged over a batch, and the batches that were asked for."""
    batches = []

    def gradient(theta, batch):
        indices = as_array(batch, "the batch").reshape(-1).astype(int).tolist()
        assert_true(
            all(0 <= i < len(targets) for i in indices), "A batch holds an index that is not one of 0 .. size-1."
        )
        assert_true(len(indices) > 0, "A batch is empty.")
        batches.append(indices)
        return torch.as_tensor(as_array(theta, "theta")) - targets[indices].mean(0)

    return gradient, batches


@exercise("sgd", weight=2)
def test_every_epoch_uses_every_sample_once(student, rng):
    """In each epoch every sample is used exactly once, the last and shorter batch included. Samples that are missing or
    doubled come from drawing with replacement, or from a batch that is dropped."""
    size, batch_size = 11, 4
    gradient, batches = recorded(normal(rng, size, 2))
    student.sgd(gradient, normal(rng, 2), size, batch_size, 0.1, 3, generator(student, rng.integers(1 << 30)))
    assert_true(len(batches) == 9, f"11 samples in batches of 4, 3 epochs: {len(batches)} updates, expected 9.")
    for epoch in range(3):
        own = batches[3 * epoch : 3 * epoch + 3]
        seen = sorted(i for batch in own for i in batch)
        assert_true(seen == list(range(size)), f"In epoch {epoch + 1} not every sample was used exactly once.")
        assert_true([len(b) for b in own] == [4, 4, 3], f"The batches have the sizes {[len(b) for b in own]}.")


@exercise("sgd", weight=2)
def test_one_step_for_each_batch(student, rng):
    """Each batch causes one step, theta - learning_rate * gradient(theta, batch), at the present theta; the trajectory
    holds the start and theta after every step."""
    targets, start = normal(rng, 10, 3), normal(rng, 3)
    gradient, batches = recorded(targets)
    path = student.sgd(gradient, start, 10, 3, 0.3, 2, generator(student, rng.integers(1 << 30)))
    assert_shape(path, (9, 3), what="the trajectory")
    expected = [start]
    for batch in batches[:8]:
        expected.append(expected[-1] - 0.3 * (expected[-1] - targets[batch].mean(0)))
    assert_close(path, torch.stack(expected), **SINGLE, what="the trajectory")


@exercise("sgd")
def test_epochs_are_shuffled_by_the_generator(student, rng):
    """Each epoch is shuffled anew, and the order comes from the generator: the same seed gives the same path, whatever
    else draws random numbers, and another seed another one."""
    targets, start, seed = normal(rng, 24, 2), normal(rng, 2), int(rng.integers(1 << 30))
    orders, paths = [], []
    for global_seed, own in ((1, seed), (2, seed), (1, seed + 1)):
        student.seed(global_seed)
        gradient, batches = recorded(targets)
        paths.append(student.sgd(gradient, start, 24, 5, 0.3, 2, generator(student, own)))
        orders.append([i for batch in batches for i in batch])
    # Two shuffles of 24 agree by chance once in 24!, about 1e-24.
    assert_true(orders[0] == orders[1], "The same seed of the generator gave another order of the samples.")
    assert_true(orders[0] != orders[2], "Another seed gave the same order: it does not come from the generator.")
    assert_true(orders[0][:24] != orders[0][24:48], "Both epochs have the same order: shuffle in each.")
    assert_true(orders[0][:24] != list(range(24)), "The samples are not shuffled.")
    assert_close(paths[1], paths[0], **SINGLE, what="the trajectory of a second run with the same seed")


@exercise("sgd")
def test_schedule_counts_updates(student, rng):
    """A learning rate that is a function is asked for every update, numbered from 0 through all epochs, and its answer
    is the rate of THAT update."""
    asked = []

    def schedule(update):
        asked.append(int(as_array(update, "the number of the update")))
        return 0.5 / (1 + asked[-1])

    targets, start = normal(rng, 6, 2), normal(rng, 2)
    gradient, batches = recorded(targets)
    path = student.sgd(gradient, start, 6, 2, schedule, 2, generator(student, 0))
    assert_true(list(dict.fromkeys(asked)) == list(range(6)), f"The schedule was asked for the updates {asked}.")
    expected = [start]
    for number, batch in enumerate(batches[:6]):
        expected.append(expected[-1] - 0.5 / (1 + number) * (expected[-1] - targets[batch].mean(0)))
    assert_close(path, torch.stack(expected), **SINGLE, what="the trajectory under a schedule")


@exercise("sgd")
def test_sgd_leaves_the_start(student, rng):
    """Entry 0 of the trajectory is the start, and the caller's tensor is the same after the call."""
    start = normal(rng, 2)
    kept = student.keep(start)
    path = student.sgd(recorded(normal(rng, 5, 2))[0], kept, 5, 2, 0.2, 1)
    assert_equal(student.fetch(kept), start, what="the start after the call")
    assert_close(path[0], start, what="entry 0 of the trajectory")


# ---- L04.17: schedules


def rates_of(student, schedule, updates):
    assert_true(callable(schedule), "step_decay should return a function of the number of the update.")
    return [schedule(update) for update in updates]


@exercise("step_decay", weight=2)
def test_staircase(student, rng):
    """The rate is constant for `every` updates and then multiplied by the factor. If it falls at every update, an
    integer division is missing; if the first stage is shorter, the count is off by one."""
    start, factor, every = float(rng.uniform(0.1, 2)), float(rng.uniform(0.2, 0.8)), int(rng.integers(2, 6))
    found = rates_of(student, student.step_decay(start, factor, every), range(4 * every))
    expected = np.repeat(start * factor ** np.arange(4), every)
    assert_close(found, expected, rtol=1e-6, what="the learning rates of the first updates")


@exercise("step_decay")
def test_schedule_remembers_nothing(student, rng):
    """The answer depends on the number of the update alone: asked out of order, or twice, it is the same."""
    schedule = student.step_decay(1.0, 0.5, 2)
    order = [5, 0, 5, 3, 0, 4, 5]
    found = rates_of(student, schedule, order)
    assert_close(found, [0.5 ** (k // 2) for k in order], rtol=1e-6, what="the learning rates out of order")


@exercise("step_decay")
def test_stage_of_one_update(student, rng):
    """With every=1 each update has its own stage, and factor 1 keeps the rate constant."""
    start = float(rng.uniform(0.1, 1))
    found = rates_of(student, student.step_decay(start, 0.5, 1), range(5))
    assert_close(found, start * 0.5 ** np.arange(5), rtol=1e-6, what="the learning rates with every=1")
    found = rates_of(student, student.step_decay(start, 1.0, 3), range(9))
    assert_close(found, np.full(9, start), rtol=1e-6, what="the learning rates with factor 1")


# ---- L04.16, L04.18 (quiz)


@exercise("tuning_facts")
def test_middle_of_the_grid(student):
    """middle_of_the_grid: evenly spaced in the LOGARITHM, each value is ten times the one before."""
    assert_true(
        math.isclose(number_in(student, "middle_of_the_grid"), 0.01, rel_tol=1e-3), "middle_of_the_grid is not right."
    )


@exercise("tuning_facts")
def test_batch_factor(student):
    """batch_factor: the standard deviation of a mean falls with the ROOT of the number of samples."""
    assert_number(student, "batch_factor", 4)


@exercise("tuning_facts")
def test_learning_rate_factor(student):
    """learning_rate_factor: under a constant gradient the accumulated v is 1 / (1 - 0.9) times the gradient."""
    assert_true(
        math.isclose(number_in(student, "learning_rate_factor"), 0.1, rel_tol=1e-3),
        "learning_rate_factor is not right.",
    )


@exercise("tuning_facts")
def test_never_tune_on(student):
    """never_tune_on: a choice that was made on data makes the number measured on them too good."""
    assert_word(student, "never_tune_on", "test", "training", "validation")


# ---- L04.03: filter-normalised directions


def normalised(student, parameters, direction):
    result = list(student.filter_normalized_direction(parameters, direction))
    assert_true(
        len(result) == len(parameters), f"{len(result)} tensors for {len(parameters)} parameters, expected as many."
    )
    for found, parameter in zip(result, parameters, strict=True):
        assert_shape(found, tuple(parameter.shape), what="a tensor of the direction")
    return result


@exercise("filter_normalized_direction", weight=2)
def test_rows_get_the_lengths_of_the_filters(student, rng):
    """Each ROW of a weight matrix gets the length of the same row of the parameters. One factor for the whole matrix,
    or one for each column, leaves some units with steps that are too long."""
    weight, change = normal(rng, 5, 3) * torch.as_tensor(rng.uniform(0.1, 10, (5, 1))), normal(rng, 5, 3)
    (found,) = normalised(student, [weight], [change])
    expected = change * (weight.norm(dim=1) / change.norm(dim=1)).unsqueeze(1)
    assert_close(found, expected, **SINGLE, what="the direction of a weight matrix")


@exercise("filter_normalized_direction")
def test_biases_are_not_moved(student, rng):
    """Tensors with one axis or none, such as biases, get zeros: the picture does not move them."""
    parameters = [normal(rng, 4, 2), normal(rng, 4), normal(rng)]
    found = normalised(student, parameters, [normal(rng, 4, 2), normal(rng, 4), normal(rng)])
    assert_close(found[1], torch.zeros(4), what="the direction of a bias")
    assert_close(found[2], torch.zeros(()), what="the direction of a single number")
    assert_true(float(torch.as_tensor(as_array(found[0])).abs().min()) > 0, "The direction of the weights is 0.")


@exercise("filter_normalized_direction")
def test_filters_of_convolutions(student, rng):
    """With more than two axes a filter is everything behind the first axis: its length goes over all of these
    entries."""
    kernel, change = normal(rng, 4, 3, 2, 2), normal(rng, 4, 3, 2, 2, scale=5)
    (found,) = normalised(student, [kernel], [change])
    factors = kernel.flatten(1).norm(dim=1) / change.flatten(1).norm(dim=1)
    assert_close(found, change * factors[:, None, None, None], **SINGLE, what="the direction of a convolution")


@exercise("filter_normalized_direction")
def test_parameters_and_direction_are_left_alone(student, rng):
    """The parameters of the trained net and the random direction stay as they were: the result is made of new
    tensors."""
    parameters, direction = [normal(rng, 3, 2), normal(rng, 3)], [normal(rng, 3, 2), normal(rng, 3)]
    held = student.remote(hold)(student.filter_normalized_direction, parameters, direction)
    for before, after, what in zip((parameters, direction), held, ("parameters", "direction"), strict=True):
        for old, new in zip(before, after, strict=True):
            assert_equal(new, old, what=f"the {what} after the call")


def hold(function, parameters, direction):
    """Call the function in the worker and give its arguments back as they are afterwards."""
    function(parameters, direction)
    return parameters, direction


# ---- L04.05: how often is a matrix definite?


@exercise("definite_fraction", weight=2)
def test_share_of_definite_matrices(student, rng):
    """Of symmetric 2x2 matrices 1 - 1/sqrt(2) = 29 % are definite, of 3x3 ones 5 %. Eigenvalues decide, not the
    entries of the diagonal, and the matrix is (A + A^T) / 2.

    With 6,000 matrices the standard error is 0.6 %; five of them are allowed.
    """
    draw = student.keep(torch.Generator().manual_seed(int(rng.integers(0, 2**31))))
    for size, expected in ((2, 1 - 0.5**0.5), (3, 0.0502)):
        found = float(as_array(student.definite_fraction(size, 6000, draw)))
        assert_close(found, expected, rtol=0, atol=0.03, what=f"the share for size {size}")


@exercise("definite_fraction")
def test_negative_definite_counts_too(student, rng):
    """A matrix with one eigenvalue has one sign, positive or negative: the share is 1."""
    assert_close(student.definite_fraction(1, 300), 1.0, what="the share for size 1")


@exercise("definite_fraction")
def test_rarer_with_every_dimension(student, rng):
    """The more dimensions, the rarer are definite matrices: with five there are hardly any (0.0003), so almost every
    critical point is a saddle. (Of 3,000 at most 15 are allowed.)"""
    assert_true(
        float(as_array(student.definite_fraction(5, 3000))) <= 0.005, "Too many matrices of size 5 are definite."
    )
    assert_true(float(as_array(student.definite_fraction(2, 3000))) > 0.1, "Too few matrices of size 2 are definite.")


@exercise("definite_fraction", weight=0.5)
def test_share_comes_from_the_generator(student, rng):
    """The same generator seed gives the same share, another seed another one (of eight seeds, not all the same)."""
    seeds = [int(rng.integers(0, 2**30)) for _ in range(8)]
    # Two shares of 200 matrices agree by chance in one case of twenty; eight pairs do in one of ten billion.
    first, again = (
        [float(as_array(student.definite_fraction(2, 200, torch.Generator().manual_seed(seed)))) for seed in seeds]
        for _ in range(2)
    )
    assert_true(first == again, "The same seed gives another share: draw every matrix from the generator.")
    assert_true(len(set(first)) > 1, "Every seed gives the same share.")


# ---- L04.10: the sign alone


def signs_case(rng):
    signs = torch.as_tensor(rng.choice([-1.0, 1.0], size=5))
    return signs, signs * torch.as_tensor(10.0 ** rng.uniform(-6, 6, size=5))


@exercise("SignDescent", weight=2)
def test_every_entry_moves_by_the_learning_rate(student, rng):
    """Each entry moves by learning_rate against the sign of its own gradient, whatever its size. Dividing the whole
    vector by its length leaves the small entries standing."""
    signs, gradient = signs_case(rng)
    (path,), _ = run(student, "SignDescent", [normal(rng, 5)], [[gradient]] * 3, {"learning_rate": 0.25})
    assert_close(path[1:] - path[:-1], (-0.25 * signs).expand(3, 5), **SINGLE, what="the steps")


@exercise("SignDescent")
def test_no_gradient_no_step(student, rng):
    """An entry with gradient 0 stays where it is: 0 / 0 must not appear."""
    start, gradient = normal(rng, 3), torch.tensor([2.0, 0.0, -3.0], dtype=torch.float64)
    (path,), _ = run(student, "SignDescent", [start], [[gradient]] * 2, {"learning_rate": 0.1})
    assert_finite(path, what="the path of the parameter")
    assert_close(path[:, 1], start[1].expand(3), **DOUBLE, what="the entry without a gradient")


@exercise("SignDescent")
def test_descent_goes_down(student, rng):
    """A positive gradient makes the entry smaller, a negative one larger."""
    signs, gradient = signs_case(rng)
    (path,), _ = run(student, "SignDescent", [normal(rng, 5)], [[gradient]], {"learning_rate": 0.1})
    moved = path[1] - path[0]
    assert_true(bool((moved * signs <= 0).all()), "An entry moves in the direction of its gradient, uphill.")
    assert_true(bool((moved != 0).any()), "Nothing moves.")


@exercise("SignDescent", weight=0.5)
def test_learning_rate_sets_the_length(student, rng):
    """The length of the steps is proportional to the learning rate."""
    lengths = []
    for rate in (0.1, 0.3):
        start = torch.zeros(1, dtype=torch.float64)
        (path,), _ = run(
            student, "SignDescent", [start], [[torch.ones(1, dtype=torch.float64)]], {"learning_rate": rate}
        )
        lengths.append(float(path[1].abs().sum()))
    assert_close(lengths[1] / max(lengths[0], 1e-12), 3.0, rtol=1e-3, atol=0, what="the ratio of the lengths")


# ---- L04.16, L04.18: a sweep of learning rates

SWEEP = """
def grader_sweep(function, run, low, high, count, options):
    found = function(run, low, high, count, **options)
    return [[float(rate), float(loss)] for rate, loss in found.items()]
"""


def swept(student, losses, low, high, count, **options):
    """(rates, finals, rates that were asked for)"""
    student.run(SWEEP)
    asked = []

    def train(rate):
        asked.append(float(rate))
        return losses(float(rate))

    pairs = student.grader_sweep(student.learning_rate_sweep, train, low, high, count, options)
    assert_true(len(pairs) == count, f"{count} learning rates are expected, found {len(pairs)}.")
    return [rate for rate, _ in pairs], [loss for _, loss in pairs], asked


@exercise("learning_rate_sweep", weight=2)
def test_rates_are_spaced_by_factor(student, rng):
    """Learning rates are evenly spaced in their LOGARITHM from low to high, both included, and rise. Evenly spaced
    themselves, nearly all would be large ones."""
    for low, high, count in ((1e-4, 1.0, 5), (0.02, 0.5, 4)):
        rates, _, _ = swept(student, lambda rate: [rate] * 10, low, high, count)
        expected = [low * (high / low) ** (k / (count - 1)) for k in range(count)]
        assert_close(rates, expected, rtol=1e-4, atol=0, what="the learning rates")


@exercise("learning_rate_sweep")
def test_mean_over_the_end_of_the_run(student, rng):
    """The final loss is the mean over the last `tail` of the run: the last loss alone is a draw from the noise."""
    losses = [float(v) for v in rng.uniform(1, 2, 40)]
    for tail, count in ((0.1, 4), (0.5, 20)):
        _, finals, _ = swept(student, lambda rate: losses, 0.1, 1.0, 2, tail=tail)
        expected = sum(losses[-count:]) / count
        assert_close(finals, [expected, expected], **SINGLE, what="the final losses")


@exercise("learning_rate_sweep")
def test_runs_that_diverge_are_infinitely_bad(student, rng):
    """A run whose loss is not finite at its end has the loss infinity: NaN is smaller than nothing and larger than
    nothing, so `min` could choose it."""
    for bad in (math.nan, math.inf):
        _, finals, _ = swept(student, lambda rate, bad=bad: [1.0] * 9 + [bad if rate > 0.5 else 0.5], 0.1, 1.0, 2)
        assert_close(finals[0], 0.5, **SINGLE, what="the loss of the small rate")
        assert_true(finals[1] == math.inf, "The loss of a run that diverged is infinity.")


@exercise("learning_rate_sweep")
def test_each_rate_is_tried_once(student, rng):
    """One run for each rate, with the rate that it is noted under."""
    rates, finals, asked = swept(student, lambda rate: [5 * rate] * 10, 1e-3, 1.0, 4)
    assert_true(len(asked) == 4, f"Four runs are expected, found {len(asked)}.")
    assert_close(sorted(asked), sorted(rates), rtol=1e-4, atol=0, what="the rates that were tried")
    assert_close(finals, [5 * rate for rate in rates], rtol=1e-3, atol=0, what="the final losses")


@exercise("learning_rate_sweep", weight=0.5)
def test_short_runs_have_an_end(student, rng):
    """Of a run of three losses a tenth is none: then the last loss counts."""
    _, finals, _ = swept(student, lambda rate: [3.0, 2.0, 1.0], 0.1, 1.0, 2)
    assert_close(finals, [1.0, 1.0], **SINGLE, what="the final losses")
