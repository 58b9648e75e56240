"""Where a loss leads: steepest descent and the direct way, convexity, critical points, Newton's method.

Points are tensors of shape `(D,)`, Hessians `(D, D)`. The logistic loss of this file is the MEAN negative
log-likelihood of two classes, in nats.
"""

from collections.abc import Callable

import torch


def misdirection(path: torch.Tensor, minimum: torch.Tensor) -> torch.Tensor:
    """Give the angle between each step of a path and the straight way to the minimum.

    Args:
        path: points in order, shape (K + 1, D), K >= 1.
        minimum: shape (D,).

    Returns:
        K angles in degrees, from 0 (straight at the minimum) to 180 (straight away), shape (K,). Angle k is taken at
        point k, from which step k goes to point k + 1. Where the step or the way has length 0, the angle is 0.

    >>> misdirection(torch.tensor([[2.0, 0.0], [1.0, 0.0], [1.0, 5.0]]), torch.tensor([0.0, 0.0]))
    tensor([ 0., 90.])

    Source: lecture 4, the steepest direction is not always best. L04.01.
    """
    steps = path[1:] - path[:-1]  # (K, D)
    ways = minimum - path[:-1]  # (K, D)
    lengths = steps.norm(dim=1) * ways.norm(dim=1)  # (K,)
    products = (steps * ways).sum(dim=1)
    # Rounding may lift a cosine above 1, where arccos is NaN.
    cosines = torch.where(lengths > 0, products / lengths, torch.ones_like(lengths)).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosines))


def is_convex_along(
    loss: Callable[[torch.Tensor], torch.Tensor],
    a: torch.Tensor,
    b: torch.Tensor,
    points: int = 51,
    tolerance: float = 1e-6,
) -> bool:
    """Say whether a function stays below its chord between two points.

    A function is convex if every chord lies on or above it: f((1 - t) a + t b) <= (1 - t) f(a) + t f(b) for all
    0 <= t <= 1. One chord that is crossed refutes convexity; no number of chords proves it.

    Args:
        loss: maps a tensor of the shape of a to one number, as a tensor without axes or a float.
        a: one end, a tensor of any shape.
        b: the other end, of the same shape.
        points: at how many t, evenly spaced from 0 to 1 with both ends, the two sides are compared; at least 3.
        tolerance: by how much rounding may lift the function above its chord.

    Returns:
        True if the function exceeds its chord by more than the tolerance at none of the points.

    >>> is_convex_along(lambda x: x**2, torch.tensor(-1.0), torch.tensor(2.0))
    True
    >>> is_convex_along(torch.sin, torch.tensor(0.0), torch.tensor(3.0))
    False

    Source: lecture 4, convexity. L04.02.
    """
    at_a, at_b = float(loss(a)), float(loss(b))
    for t in torch.linspace(0, 1, points, dtype=torch.float64).tolist():
        if float(loss((1 - t) * a + t * b)) > (1 - t) * at_a + t * at_b + tolerance:
            return False
    return True


def logistic_loss(theta: torch.Tensor, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Give the MEAN negative log-likelihood of logistic regression: two classes, p(y = 1 | x) = sigmoid(x theta).

    Args:
        theta: shape (D,).
        x: inputs, shape (N, D).
        labels: 0 or 1, int64, shape (N,).

    Returns:
        A tensor without axes, in nats; a convex function of theta.

    >>> logistic_loss(torch.zeros(1), torch.tensor([[1.0], [2.0]]), torch.tensor([0, 1]))
    tensor(0.6931)

    Source: lecture 4, the loss of logistic regression is convex. L04.02.
    """
    logits = x @ theta
    # -log sigmoid(z) = softplus(-z), and the wrong class has the logit's sign turned; nothing here can overflow.
    return torch.nn.functional.softplus((1 - 2 * labels) * logits).mean()


def logistic_gradient(theta: torch.Tensor, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Give the gradient of `logistic_loss` in closed form: x^T (p - y) / N.

    Args:
        theta: shape (D,).
        x: inputs, shape (N, D).
        labels: 0 or 1, int64, shape (N,).

    Returns:
        Shape (D,).

    >>> logistic_gradient(torch.zeros(1), torch.tensor([[1.0], [2.0]]), torch.tensor([0, 1]))
    tensor([-0.2500])

    Source: lecture 4, convexity and Newton's method. L04.02, L04.06.
    """
    return x.T @ (torch.sigmoid(x @ theta) - labels) / len(x)


def logistic_hessian(theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Give the Hessian of `logistic_loss` in closed form: x^T diag(p (1 - p)) x / N.

    The weights p (1 - p) are positive, so that v^T H v is a sum of squares: the Hessian has no negative eigenvalue, and
    the loss is convex. The labels do not occur in it.

    Args:
        theta: shape (D,).
        x: inputs, shape (N, D).

    Returns:
        Symmetric, positive semidefinite, shape (D, D).

    >>> logistic_hessian(torch.zeros(1), torch.tensor([[1.0], [2.0]]))
    tensor([[0.6250]])

    Source: lecture 4, convexity and Newton's method. L04.02, L04.06.
    """
    p = torch.sigmoid(x @ theta)  # (N,)
    return (x * (p * (1 - p)).unsqueeze(1)).T @ x / len(x)


def hessian(loss: Callable[[torch.Tensor], torch.Tensor], point: torch.Tensor) -> torch.Tensor:
    """Give all second derivatives of a function at a point, by differentiating its gradient with autograd.

    Args:
        loss: maps a tensor of shape (D,) to a tensor without axes, by operations that autograd can differentiate twice.
        point: shape (D,), floating point.

    Returns:
        The matrix of d^2 loss / (d theta_i d theta_j), shape (D, D), in the dtype of the point. It is symmetric. Where
        the function is linear it is 0.

    >>> hessian(lambda theta: theta[0] ** 2 * theta[1], torch.tensor([1.0, 3.0]))
    tensor([[6., 2.],
            [2., 0.]])

    Source: lecture 4, critical points. L04.04.
    """
    at = point.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True)  # (D,)
    if not gradient.requires_grad:  # a linear function: its gradient does not depend on the point
        return torch.zeros(len(at), len(at), dtype=at.dtype, device=at.device)
    rows = [torch.autograd.grad(slope, at, retain_graph=True, materialize_grads=True)[0] for slope in gradient]
    return torch.stack(rows)


def classify_critical_point(hessian: torch.Tensor, tolerance: float = 1e-6) -> str:
    """Say what a point with gradient 0 is, from the signs of the eigenvalues of its Hessian.

    The entries on the diagonal do not suffice: [[1, 3], [3, 1]] has a positive diagonal and the eigenvalues 4 and -2.

    Args:
        hessian: symmetric, shape (D, D).
        tolerance: an eigenvalue counts as 0 if its size is at most `tolerance` times that of the largest one.

    Returns:
        "minimum" if all eigenvalues are positive, "maximum" if all are negative, "saddle" if there are positive and
        negative ones (whether or not some are 0), else "degenerate": some are 0, the others have one sign, and second
        derivatives do not decide.

    >>> classify_critical_point(torch.tensor([[1.0, 3.0], [3.0, 1.0]]))
    'saddle'
    >>> classify_critical_point(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
    'degenerate'

    Source: lecture 4, critical points. L04.04.
    """
    eigenvalues = torch.linalg.eigvalsh(hessian)
    threshold = tolerance * eigenvalues.abs().max()
    positive, negative = bool((eigenvalues > threshold).any()), bool((eigenvalues < -threshold).any())
    if positive and negative:
        return "saddle"
    if bool((eigenvalues.abs() <= threshold).any()):
        return "degenerate"
    return "minimum" if positive else "maximum"


def definite_fraction(size: int, trials: int, generator: torch.Generator | None = None) -> float:
    """Estimate how often a random symmetric matrix has eigenvalues of one sign only.

    The matrices are (A + A^T) / 2 with independent standard normal entries in A (the Gaussian orthogonal ensemble).

    Args:
        size: rows and columns, at least 1.
        trials: number of matrices, at least 1.
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        The share of positive definite or negative definite matrices, 0 to 1. The exact values are 1 for size 1,
        1 - 1/sqrt(2) = 0.293 for size 2, and about 0.050, 0.005 and 0.00002 for sizes 3, 4 and 6.

    >>> definite_fraction(1, 100)
    1.0

    Source: lecture 4, how often is a critical point a saddle? L04.05.
    """
    square = torch.randn(trials, size, size, generator=generator, dtype=torch.float64)
    eigenvalues = torch.linalg.eigvalsh((square + square.mT) / 2)  # (trials, size), ascending
    definite = (eigenvalues[:, 0] > 0) | (eigenvalues[:, -1] < 0)
    return definite.double().mean().item()


def newton(
    gradient: Callable[[torch.Tensor], torch.Tensor],
    hessian: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    steps: int,
) -> torch.Tensor:
    """Jump to the critical point of the local parabola, again and again: theta - H^-1 gradient.

    The jump solves a linear system; the inverse of H is never formed. For a positive definite H the critical point is
    the minimum of the parabola; for any other H it is a saddle or a maximum, and the method goes there all the same.

    Args:
        gradient: maps theta, shape (D,), to the gradient there, shape (D,).
        hessian: maps theta, shape (D,), to the Hessian there, an invertible matrix of shape (D, D).
        start: shape (D,). It is left as it was.
        steps: number of updates, 0 or more.

    Returns:
        The whole trajectory, shape (steps + 1, D): entry 0 is the start, entry k is theta after k updates.

    >>> curvature = torch.tensor([[2.0, 0.0], [0.0, 100.0]])
    >>> newton(lambda theta: curvature @ theta, lambda theta: curvature, torch.tensor([3.0, 1.0]), steps=1)
    tensor([[3., 1.],
            [0., 0.]])

    Source: lecture 4, Newton's method. L04.06.
    """
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta - torch.linalg.solve(hessian(theta), gradient(theta))
        trajectory.append(theta)
    return torch.stack(trajectory)
