# Wrong solutions that the hidden tests must reject, each by the test that names the mistake, and right solutions written
# in other ways, which must get full marks. Format: docs/architecture.md, section 4. `course validate` grades them all.

# ---- misdirection

# %% wrong="misdirection" name="from_the_end_of_the_step" rejected_by="test_angles_of_a_drawn_path"
def misdirection(path, minimum):
    steps = path[1:] - path[:-1]
    ways = minimum - path[1:]
    lengths = steps.norm(dim=1) * ways.norm(dim=1)
    products = (steps * ways).sum(dim=1)
    cosines = torch.where(lengths > 0, products / lengths, torch.ones_like(lengths)).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosines))

# %% wrong="misdirection" name="radians" rejected_by="test_angles_of_a_drawn_path"
def misdirection(path, minimum):
    steps = path[1:] - path[:-1]
    ways = minimum - path[:-1]
    lengths = steps.norm(dim=1) * ways.norm(dim=1)
    products = (steps * ways).sum(dim=1)
    cosines = torch.where(lengths > 0, products / lengths, torch.ones_like(lengths)).clamp(-1, 1)
    return torch.arccos(cosines)

# %% wrong="misdirection" name="minimum_at_the_origin" rejected_by="test_angles_of_a_drawn_path"
def misdirection(path, minimum):
    steps = path[1:] - path[:-1]
    ways = 0 * minimum - path[:-1]
    lengths = steps.norm(dim=1) * ways.norm(dim=1)
    products = (steps * ways).sum(dim=1)
    cosines = torch.where(lengths > 0, products / lengths, torch.ones_like(lengths)).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosines))

# %% wrong="misdirection" name="without_a_sign" rejected_by="test_straight_and_backward_steps"
def misdirection(path, minimum):
    steps = path[1:] - path[:-1]
    ways = minimum - path[:-1]
    lengths = steps.norm(dim=1) * ways.norm(dim=1)
    products = (steps * ways).sum(dim=1).abs()
    cosines = torch.where(lengths > 0, products / lengths, torch.ones_like(lengths)).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosines))

# %% wrong="misdirection" name="nan_at_the_minimum" rejected_by="test_steps_of_length_zero" says="nan"
def misdirection(path, minimum):
    steps = path[1:] - path[:-1]
    ways = minimum - path[:-1]
    lengths = steps.norm(dim=1) * ways.norm(dim=1)
    products = (steps * ways).sum(dim=1)
    cosines = (products / lengths).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosines))

# %% wrong="misdirection" name="cosines_instead_of_angles" rejected_by="test_angles_of_a_drawn_path"
def misdirection(path, minimum):
    steps = path[1:] - path[:-1]
    ways = minimum - path[:-1]
    lengths = steps.norm(dim=1) * ways.norm(dim=1)
    products = (steps * ways).sum(dim=1)
    cosines = torch.where(lengths > 0, products / lengths, torch.ones_like(lengths)).clamp(-1, 1)
    return cosines

# %% right="misdirection" name="arctangent"
def misdirection(path, minimum):
    found = []
    for here, there in zip(path[:-1].double(), path[1:].double()):
        step, way = there - here, minimum.double() - here
        if step.norm() == 0 or way.norm() == 0:
            found.append(0.0)
            continue
        step, way = step / step.norm(), way / way.norm()
        found.append(math.degrees(2 * math.atan2(float((step - way).norm()), float((step + way).norm()))))
    return torch.tensor(found)

# %% right="misdirection" name="numpy"
import numpy as np

def misdirection(path, minimum):
    path, minimum = np.asarray(path, dtype=float), np.asarray(minimum, dtype=float)
    steps, ways = np.diff(path, axis=0), minimum - path[:-1]
    lengths = np.linalg.norm(steps, axis=1) * np.linalg.norm(ways, axis=1)
    cosines = np.ones(len(steps))
    np.divide((steps * ways).sum(1), lengths, out=cosines, where=lengths > 0)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))

# ---- is_convex_along

# %% wrong="is_convex_along" name="midpoint_only" rejected_by="test_many_points_are_tried" says="bump"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    at_a, at_b = float(loss(a)), float(loss(b))
    for t in [0.5]:
        if float(loss((1 - t) * a + t * b)) > (1 - t) * at_a + t * at_b + tolerance:
            return False
    return True

# %% wrong="is_convex_along" name="below_the_larger_end" rejected_by="test_compared_with_the_chord"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    at_a, at_b = float(loss(a)), float(loss(b))
    for t in torch.linspace(0, 1, points).tolist():
        if float(loss((1 - t) * a + t * b)) > max(at_a, at_b) + tolerance:
            return False
    return True

# %% wrong="is_convex_along" name="below_the_smaller_end" rejected_by="test_convex_and_not_convex"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    at_a, at_b = float(loss(a)), float(loss(b))
    for t in torch.linspace(0, 1, points).tolist():
        if float(loss((1 - t) * a + t * b)) > min(at_a, at_b) + tolerance:
            return False
    return True

# %% wrong="is_convex_along" name="chord_swapped" rejected_by="test_convex_and_not_convex"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    at_a, at_b = float(loss(a)), float(loss(b))
    for t in torch.linspace(0, 1, points).tolist():
        if float(loss((1 - t) * a + t * b)) > t * at_a + (1 - t) * at_b + tolerance:
            return False
    return True

# %% wrong="is_convex_along" name="no_tolerance" rejected_by="test_tolerance_is_used" says="tolerance"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    at_a, at_b = float(loss(a)), float(loss(b))
    for t in torch.linspace(0, 1, points).tolist():
        if float(loss((1 - t) * a + t * b)) > (1 - t) * at_a + t * at_b + 1e-6:
            return False
    return True

# %% wrong="is_convex_along" name="strictly_below" rejected_by="test_convex_and_not_convex"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    at_a, at_b = float(loss(a)), float(loss(b))
    for t in torch.linspace(0, 1, points).tolist():
        if float(loss((1 - t) * a + t * b)) >= (1 - t) * at_a + t * at_b + 0.0:
            return False
    return True

# %% right="is_convex_along" name="all_at_once"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    ts = [k / (points - 1) for k in range(points)]
    values = torch.tensor([float(loss(a + t * (b - a))) for t in ts], dtype=torch.float64)
    ts = torch.tensor(ts, dtype=torch.float64)
    chord = values[0] + ts * (values[-1] - values[0])
    return bool((values <= chord + tolerance).all())

# %% right="is_convex_along" name="generator"
def is_convex_along(loss, a, b, points=51, tolerance=1e-6):
    left, right = float(loss(a)), float(loss(b))
    def excess(k):
        t = k / (points - 1)
        return float(loss(torch.lerp(a, b, t))) - ((1 - t) * left + t * right)
    return max(excess(k) for k in range(points)) <= tolerance

# ---- hessian

# %% wrong="hessian" name="diagonal_only" rejected_by="test_all_second_derivatives"
def hessian(loss, point):
    at = point.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True)
    if not gradient.requires_grad:
        return torch.zeros(len(at), len(at), dtype=at.dtype)
    (sums,) = torch.autograd.grad(gradient.sum(), at)
    return torch.diag(sums)

# %% wrong="hessian" name="gradient_outer_product" rejected_by="test_all_second_derivatives"
def hessian(loss, point):
    at = point.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at)
    return torch.outer(gradient, gradient)

# %% wrong="hessian" name="linear_functions_crash" rejected_by="test_linear_functions_have_zeros" says="does not require grad"
def hessian(loss, point):
    at = point.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True)
    return torch.stack([torch.autograd.grad(g, at, retain_graph=True)[0] for g in gradient])

# %% wrong="hessian" name="marks_the_callers_point" rejected_by="test_point_is_left_alone" says="requires_grad"
def hessian(loss, point):
    point.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(point), point, create_graph=True)
    if not gradient.requires_grad:
        return torch.zeros(len(point), len(point), dtype=point.dtype)
    return torch.stack([torch.autograd.grad(g, point, retain_graph=True)[0] for g in gradient])

# %% wrong="hessian" name="half_of_it" rejected_by="test_quadratic_of_any_size" says="factor of 1/2"
def hessian(loss, point):
    at = point.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True)
    if not gradient.requires_grad:
        return torch.zeros(len(at), len(at), dtype=at.dtype)
    return torch.stack([torch.autograd.grad(g, at, retain_graph=True)[0] for g in gradient]) / 2

# %% wrong="hessian" name="built_in" rejected_by="forbidden"
def hessian(loss, point):
    return torch.autograd.functional.hessian(loss, point)

# %% right="hessian" name="backward_twice"
def hessian(loss, point):
    at = point.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True)
    result = torch.zeros(at.numel(), at.numel(), dtype=at.dtype)
    if gradient.grad_fn is None:
        return result
    for i in range(at.numel()):
        at.grad = None
        gradient[i].backward(retain_graph=True)
        if at.grad is not None:
            result[i] = at.grad
    return result

# %% right="hessian" name="products_with_unit_vectors"
def hessian(loss, point):
    at = point.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True)
    unit = torch.eye(len(at), dtype=at.dtype)
    if not gradient.requires_grad:
        return 0 * unit
    return torch.stack([torch.autograd.grad(gradient @ e, at, retain_graph=True)[0] for e in unit], dim=1)

# ---- classify_critical_point

# %% wrong="classify_critical_point" name="reads_the_diagonal" rejected_by="test_saddles_behind_a_positive_diagonal" says="diagonal"
def classify_critical_point(hessian, tolerance=1e-6):
    values = hessian.diagonal()
    threshold = tolerance * values.abs().max()
    positive, negative = bool((values > threshold).any()), bool((values < -threshold).any())
    if positive and negative:
        return "saddle"
    if bool((values.abs() <= threshold).any()):
        return "degenerate"
    return "minimum" if positive else "maximum"

# %% wrong="classify_critical_point" name="determinant" rejected_by="test_saddles_in_more_dimensions"
def classify_critical_point(hessian, tolerance=1e-6):
    scale = hessian.abs().max()
    if scale == 0:
        return "degenerate"
    determinant = torch.linalg.det(hessian / scale)
    if abs(determinant) <= tolerance:
        return "degenerate"
    if len(hessian) > 1 and determinant < 0:
        return "saddle"
    return "minimum" if hessian[0, 0] > 0 else "maximum"

# %% wrong="classify_critical_point" name="no_tolerance" rejected_by="test_zero_eigenvalues_are_degenerate"
def classify_critical_point(hessian, tolerance=1e-6):
    values = torch.linalg.eigvalsh(hessian)
    if (values > 0).all():
        return "minimum"
    if (values < 0).all():
        return "maximum"
    return "saddle" if (values > 0).any() and (values < 0).any() else "degenerate"

# %% wrong="classify_critical_point" name="absolute_tolerance" rejected_by="test_zero_eigenvalues_are_degenerate"
def classify_critical_point(hessian, tolerance=1e-6):
    values = torch.linalg.eigvalsh(hessian)
    if (values.abs() <= tolerance).any() and not ((values > tolerance).any() and (values < -tolerance).any()):
        return "degenerate"
    if (values > 0).all():
        return "minimum"
    return "maximum" if (values < 0).all() else "saddle"

# %% wrong="classify_critical_point" name="zero_before_saddle" rejected_by="test_saddles_in_more_dimensions"
def classify_critical_point(hessian, tolerance=1e-6):
    values = torch.linalg.eigvalsh(hessian)
    if (values.abs() <= tolerance * values.abs().max()).any():
        return "degenerate"
    if (values > 0).all():
        return "minimum"
    return "maximum" if (values < 0).all() else "saddle"

# %% wrong="classify_critical_point" name="minimum_and_maximum_swapped" rejected_by="test_definite_matrices"
def classify_critical_point(hessian, tolerance=1e-6):
    values = torch.linalg.eigvalsh(hessian)
    threshold = tolerance * values.abs().max()
    if (values > threshold).any() and (values < -threshold).any():
        return "saddle"
    if (values.abs() <= threshold).any():
        return "degenerate"
    return "maximum" if values[0] > 0 else "minimum"

# %% right="classify_critical_point" name="extremes_only"
def classify_critical_point(hessian, tolerance=1e-6):
    values = torch.linalg.eigvalsh(hessian)
    low, high = values[0].item(), values[-1].item()
    zero = tolerance * max(abs(low), abs(high))
    if low < -zero and high > zero:
        return "saddle"
    if low > zero:
        return "minimum"
    return "maximum" if high < -zero else "degenerate"

# %% right="classify_critical_point" name="numpy_signs"
import numpy as np

def classify_critical_point(hessian, tolerance=1e-6):
    values = np.linalg.eigvalsh(np.asarray(hessian, dtype=np.float64))
    signs = set(np.where(np.abs(values) <= tolerance * np.abs(values).max(), 0, np.sign(values)).astype(int).tolist())
    if {1, -1} <= signs:
        return "saddle"
    return {frozenset({1}): "minimum", frozenset({-1}): "maximum"}.get(frozenset(signs), "degenerate")

# ---- newton

# %% wrong="newton" name="plus" rejected_by="test_one_step_solves_a_bowl"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta + torch.linalg.solve(hessian(theta), gradient(theta))
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% wrong="newton" name="inverse_entry_by_entry" rejected_by="test_one_step_solves_a_bowl"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta - (1 / hessian(theta)) @ gradient(theta)
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% wrong="newton" name="multiplies_with_the_hessian" rejected_by="test_one_step_solves_a_bowl"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta - hessian(theta) @ gradient(theta)
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% wrong="newton" name="careful_half_steps" rejected_by="test_one_step_solves_a_bowl"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta - 0.5 * torch.linalg.solve(hessian(theta), gradient(theta))
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% wrong="newton" name="hessian_of_the_start" rejected_by="test_hessian_is_taken_anew"
def newton(gradient, hessian, start, steps):
    theta = start
    curvature = hessian(start)
    trajectory = [start]
    for _ in range(steps):
        theta = theta - torch.linalg.solve(curvature, gradient(theta))
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% wrong="newton" name="diagonal_of_the_hessian" rejected_by="test_one_step_solves_a_bowl"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta - gradient(theta) / hessian(theta).diagonal()
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% wrong="newton" name="avoids_saddles" rejected_by="test_goes_to_a_saddle"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start]
    for _ in range(steps):
        values, vectors = torch.linalg.eigh(hessian(theta))
        theta = theta - vectors @ ((vectors.T @ gradient(theta)) / values.abs())
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% wrong="newton" name="without_the_start" rejected_by="test_newton_leaves_the_start"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = []
    for _ in range(steps):
        theta = theta - torch.linalg.solve(hessian(theta), gradient(theta))
        trajectory.append(theta)
    return torch.stack(trajectory) if trajectory else start[None]

# %% wrong="newton" name="in_place" rejected_by="test_newton_leaves_the_start"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start.clone()]
    for _ in range(steps):
        theta -= torch.linalg.solve(hessian(theta), gradient(theta))
        trajectory.append(theta.clone())
    return torch.stack(trajectory)

# %% wrong="newton" name="inverse" rejected_by="forbidden"
def newton(gradient, hessian, start, steps):
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta - torch.linalg.inv(hessian(theta)) @ gradient(theta)
        trajectory.append(theta)
    return torch.stack(trajectory)

# %% right="newton" name="eigenvectors"
def newton(gradient, hessian, start, steps):
    path = [start.clone()]
    while len(path) <= steps:
        here = path[-1]
        values, vectors = torch.linalg.eigh(hessian(here))
        path.append(here - vectors @ ((vectors.T @ gradient(here)) / values))
    return torch.stack(path)

# %% right="newton" name="numpy_solver"
import numpy as np

def newton(gradient, hessian, start, steps):
    theta = np.array(start, dtype=np.float64)
    path = [theta]
    for _ in range(steps):
        here = torch.as_tensor(theta).to(start.dtype)
        theta = theta - np.linalg.solve(np.asarray(hessian(here), dtype=float), np.asarray(gradient(here), dtype=float))
        path.append(theta)
    return torch.as_tensor(np.stack(path)).to(start.dtype)

# ---- Momentum

# %% wrong="Momentum" name="average" rejected_by="test_momentum_agrees_with_torch"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + (1 - self.momentum) * gradient
        parameter -= self.learning_rate * state["v"]

# %% wrong="Momentum" name="rate_inside_the_velocity" rejected_by="test_learning_rate_outside_the_velocity"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + self.learning_rate * gradient
        parameter -= state["v"]

# %% wrong="Momentum" name="forgets" rejected_by="test_momentum_builds_up"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = torch.zeros_like(parameter)
        v = gradient + self.momentum * v
        parameter -= self.learning_rate * v

# %% wrong="Momentum" name="momentum_on_the_new_gradient" rejected_by="test_momentum_builds_up"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = v + self.momentum * gradient
        parameter -= self.learning_rate * state["v"]

# %% wrong="Momentum" name="keeps_the_callers_gradient" rejected_by="test_momentum_keeps_the_gradient"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        if "v" not in state:
            state["v"] = gradient
        else:
            state["v"].mul_(self.momentum).add_(gradient)
        parameter -= self.learning_rate * state["v"]

# %% wrong="Momentum" name="one_velocity_for_all" rejected_by="test_momentum_of_each_parameter"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = getattr(self, "v", None)
        self.v = gradient.clone() if v is None or v.shape != gradient.shape else gradient + self.momentum * v
        parameter -= self.learning_rate * self.v

# %% wrong="Momentum" name="uphill" rejected_by="test_momentum_agrees_with_torch"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + gradient
        parameter += self.learning_rate * state["v"]

# %% wrong="Momentum" name="nesterov" rejected_by="test_momentum_agrees_with_torch"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + gradient
        parameter -= self.learning_rate * (gradient + self.momentum * state["v"])

# %% right="Momentum" name="new_tensors"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        old = state.get("sum", 0)
        state["sum"] = gradient + self.momentum * old
        parameter.copy_(parameter - self.learning_rate * state["sum"])

# %% right="Momentum" name="lists_of_its_own"
class Momentum(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum
        self.velocities = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self):
        for p, v in zip(self.parameters, self.velocities):
            if p.grad is not None:
                v *= self.momentum
                v += p.grad
                p -= self.learning_rate * v

    def update(self, parameter, gradient, state):
        raise RuntimeError("step does it all")

# ---- Nesterov

# %% wrong="Nesterov" name="plain_momentum" rejected_by="test_nesterov_agrees_with_torch"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + gradient
        parameter -= self.learning_rate * state["v"]

# %% wrong="Nesterov" name="old_velocity" rejected_by="test_first_step_looks_ahead"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        parameter -= self.learning_rate * (gradient + self.momentum * v)
        state["v"] = self.momentum * v + gradient

# %% wrong="Nesterov" name="look_ahead_the_wrong_way" rejected_by="test_nesterov_is_the_look_ahead_method"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + gradient
        parameter -= self.learning_rate * (gradient - self.momentum * state["v"])

# %% wrong="Nesterov" name="whole_velocity_again" rejected_by="test_first_step_looks_ahead"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + gradient
        parameter -= self.learning_rate * (gradient + state["v"])

# %% wrong="Nesterov" name="average" rejected_by="test_nesterov_agrees_with_torch"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + (1 - self.momentum) * gradient
        parameter -= self.learning_rate * ((1 - self.momentum) * gradient + self.momentum * state["v"])

# %% wrong="Nesterov" name="writes_into_the_gradient" rejected_by="test_nesterov_keeps_the_gradient"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = state.get("v", torch.zeros_like(parameter))
        state["v"] = self.momentum * v + gradient
        gradient.add_(state["v"], alpha=self.momentum)
        parameter -= self.learning_rate * gradient

# %% right="Nesterov" name="new_tensors"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        v = gradient + self.momentum * state.get("v", 0)
        state["v"] = v
        parameter -= self.learning_rate * gradient + self.learning_rate * self.momentum * v

# %% right="Nesterov" name="look_ahead_points"
class Nesterov(Optimizer):
    def __init__(self, parameters, learning_rate, momentum=0.9):
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter, gradient, state):
        # Nesterov's own form: `parameter` holds the look-ahead point, so go back, step, and look ahead again.
        v = state.get("v", torch.zeros_like(parameter))
        theta = parameter + state.get("rate", 0.0) * self.momentum * v
        v = gradient + self.momentum * v
        theta = theta - self.learning_rate * v
        parameter.copy_(theta - self.learning_rate * self.momentum * v)
        state["v"], state["rate"] = v, self.learning_rate

# ---- momentum_rate

# %% wrong="momentum_rate" name="only_real_roots" rejected_by="test_largest_size_of_the_roots"
def momentum_rate(learning_rate, momentum, curvatures):
    b = 1 + momentum - learning_rate * curvatures.double()
    return ((b.abs() + (b**2 - 4 * momentum).clamp(min=0).sqrt()) / 2).max().item()

# %% wrong="momentum_rate" name="sqrt_everywhere" rejected_by="test_gradient_descent_without_momentum"
def momentum_rate(learning_rate, momentum, curvatures):
    return momentum**0.5

# %% wrong="momentum_rate" name="larger_root_not_larger_size" rejected_by="test_largest_size_of_the_roots"
def momentum_rate(learning_rate, momentum, curvatures):
    b = 1 + momentum - learning_rate * curvatures.double()
    d = b**2 - 4 * momentum
    real = ((b + d.clamp(min=0).sqrt()) / 2).abs()
    return torch.where(d >= 0, real, torch.full_like(b, momentum**0.5)).max().item()

# %% wrong="momentum_rate" name="averaging_form" rejected_by="test_limit_of_stability"
def momentum_rate(learning_rate, momentum, curvatures):
    b = 1 + momentum - learning_rate * (1 - momentum) * curvatures.double()
    d = b**2 - 4 * momentum
    real = (b.abs() + d.clamp(min=0).sqrt()) / 2
    return torch.where(d >= 0, real, torch.full_like(b, momentum**0.5)).max().item()

# %% wrong="momentum_rate" name="steepest_direction_only" rejected_by="test_slowest_direction_decides"
def momentum_rate(learning_rate, momentum, curvatures):
    b = 1 + momentum - learning_rate * curvatures.double().max().reshape(1)
    d = b**2 - 4 * momentum
    real = (b.abs() + d.clamp(min=0).sqrt()) / 2
    return torch.where(d >= 0, real, torch.full_like(b, momentum**0.5)).max().item()

# %% wrong="momentum_rate" name="fastest_direction" rejected_by="test_slowest_direction_decides"
def momentum_rate(learning_rate, momentum, curvatures):
    b = 1 + momentum - learning_rate * curvatures.double()
    d = b**2 - 4 * momentum
    real = (b.abs() + d.clamp(min=0).sqrt()) / 2
    return torch.where(d >= 0, real, torch.full_like(b, momentum**0.5)).min().item()

# %% right="momentum_rate" name="matrices"
def momentum_rate(learning_rate, momentum, curvatures):
    found = []
    for h in curvatures.tolist():
        matrix = torch.tensor([[momentum, h], [-learning_rate * momentum, 1 - learning_rate * h]], dtype=torch.float64)
        found.append(torch.linalg.eigvals(matrix).abs().max().item())
    return max(found)

# %% right="momentum_rate" name="complex_square_root"
def momentum_rate(learning_rate, momentum, curvatures):
    import cmath
    sizes = []
    for h in curvatures.tolist():
        b = 1 + momentum - learning_rate * h
        root = cmath.sqrt(b * b - 4 * momentum)
        sizes += [abs((b + root) / 2), abs((b - root) / 2)]
    return max(sizes)

# ---- AdaGrad

# %% wrong="AdaGrad" name="decays" rejected_by="test_adagrad_steps_shrink"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = 0.9 * s + gradient**2
        parameter -= self.learning_rate * gradient / (state["s"].sqrt() + self.epsilon)

# %% wrong="AdaGrad" name="adds_sizes" rejected_by="test_adagrad_steps_shrink"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = s + gradient.abs()
        parameter -= self.learning_rate * gradient / (state["s"] + self.epsilon)

# %% wrong="AdaGrad" name="one_s_for_all_entries" rejected_by="test_adagrad_agrees_with_torch"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        state["s"] = state.get("s", 0) + (gradient**2).sum()
        parameter -= self.learning_rate * gradient / (state["s"].sqrt() + self.epsilon)

# %% wrong="AdaGrad" name="no_root" rejected_by="test_adagrad_steps_shrink"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = s + gradient**2
        parameter -= self.learning_rate * gradient / (state["s"] + self.epsilon)

# %% wrong="AdaGrad" name="epsilon_inside" rejected_by="test_adagrad_epsilon"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = s + gradient**2
        parameter -= self.learning_rate * gradient / (state["s"] + self.epsilon).sqrt()

# %% wrong="AdaGrad" name="no_epsilon" rejected_by="test_adagrad_epsilon" says="nan"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = s + gradient**2
        parameter -= self.learning_rate * gradient / state["s"].sqrt()

# %% wrong="AdaGrad" name="step_before_the_update_of_s" rejected_by="test_adagrad_agrees_with_torch"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        parameter -= self.learning_rate * gradient / (s.sqrt() + self.epsilon)
        state["s"] = s + gradient**2

# %% right="AdaGrad" name="list_of_gradients"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        state.setdefault("all", []).append(gradient.clone())
        norm = torch.stack(state["all"]).norm(dim=0)
        parameter -= self.learning_rate * gradient / (norm + self.epsilon)

# %% right="AdaGrad" name="new_tensors"
class AdaGrad(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, epsilon=1e-10):
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        state["s"] = state.get("s", 0) + gradient * gradient
        parameter.copy_(parameter - self.learning_rate / (state["s"] ** 0.5 + self.epsilon) * gradient)

# ---- RMSProp

# %% wrong="RMSProp" name="epsilon_inside" rejected_by="test_rmsprop_epsilon"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = self.beta * s + (1 - self.beta) * gradient**2
        parameter -= self.learning_rate * gradient / (state["s"] + self.epsilon).sqrt()

# %% wrong="RMSProp" name="no_root" rejected_by="test_rmsprop_does_not_see_the_scale"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = self.beta * s + (1 - self.beta) * gradient**2
        parameter -= self.learning_rate * gradient / (state["s"] + self.epsilon)

# %% wrong="RMSProp" name="no_square" rejected_by="test_rmsprop_does_not_see_the_scale"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = self.beta * s + (1 - self.beta) * gradient.abs()
        parameter -= self.learning_rate * gradient / (state["s"].sqrt() + self.epsilon)

# %% wrong="RMSProp" name="betas_swapped" rejected_by="test_rmsprop_agrees_with_torch"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = (1 - self.beta) * s + self.beta * gradient**2
        parameter -= self.learning_rate * gradient / (state["s"].sqrt() + self.epsilon)

# %% wrong="RMSProp" name="no_epsilon" rejected_by="test_rmsprop_epsilon" says="nan"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = self.beta * s + (1 - self.beta) * gradient**2
        parameter -= self.learning_rate * gradient / state["s"].sqrt()

# %% wrong="RMSProp" name="accumulates" rejected_by="test_rmsprop_first_and_later_steps"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = s + (1 - self.beta) * gradient**2
        parameter -= self.learning_rate * gradient / (state["s"].sqrt() + self.epsilon)

# %% wrong="RMSProp" name="bias_corrected" rejected_by="test_rmsprop_first_and_later_steps"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        s = state.get("s", torch.zeros_like(parameter))
        state["s"] = self.beta * s + (1 - self.beta) * gradient**2
        corrected = state["s"] / (1 - self.beta ** state["step"])
        parameter -= self.learning_rate * gradient / (corrected.sqrt() + self.epsilon)

# %% right="RMSProp" name="new_tensors"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        state["s"] = self.beta * state.get("s", 0) + (1 - self.beta) * gradient * gradient
        parameter.copy_(parameter - self.learning_rate * gradient / (state["s"] ** 0.5 + self.epsilon))

# %% right="RMSProp" name="lerp"
class RMSProp(Optimizer):
    def __init__(self, parameters, learning_rate=0.01, beta=0.99, epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        if "s" not in state:
            state["s"] = torch.zeros_like(gradient)
        state["s"].lerp_(gradient.square(), 1 - self.beta)
        parameter.sub_(self.learning_rate * gradient.div(state["s"].sqrt() + self.epsilon))

# ---- Adam

# %% wrong="Adam" name="no_correction" rejected_by="test_first_step_has_the_learning_rate"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        parameter -= self.learning_rate * state["m"] / (state["v"].sqrt() + self.epsilon)

# %% wrong="Adam" name="counts_from_zero" rejected_by="test_first_step_has_the_learning_rate"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"] - 1
        m, v = state["m"] / (1 - b1**k), state["v"] / (1 - b2**k)
        parameter -= self.learning_rate * m / (v.sqrt() + self.epsilon)

# %% wrong="Adam" name="counts_from_two" rejected_by="test_first_step_has_the_learning_rate"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"] + 1
        m, v = state["m"] / (1 - b1**k), state["v"] / (1 - b2**k)
        parameter -= self.learning_rate * m / (v.sqrt() + self.epsilon)

# %% wrong="Adam" name="shared_count" rejected_by="test_adam_counts_each_parameter"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        self.k = getattr(self, "k", 0) + (parameter is self.parameters[0])
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        m, v = state["m"] / (1 - b1**self.k), state["v"] / (1 - b2**self.k)
        parameter -= self.learning_rate * m / (v.sqrt() + self.epsilon)

# %% wrong="Adam" name="epsilon_inside" rejected_by="test_adam_epsilon"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"]
        m, v = state["m"] / (1 - b1**k), state["v"] / (1 - b2**k)
        parameter -= self.learning_rate * m / (v + self.epsilon).sqrt()

# %% wrong="Adam" name="epsilon_before_the_correction" rejected_by="test_adam_epsilon"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"]
        root = (state["v"].sqrt() + self.epsilon) / (1 - b2**k) ** 0.5
        parameter -= self.learning_rate * state["m"] / (1 - b1**k) / root

# %% wrong="Adam" name="beta1_for_both" rejected_by="test_adam_agrees_with_torch"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"]
        m, v = state["m"] / (1 - b1**k), state["v"] / (1 - b1**k)
        parameter -= self.learning_rate * m / (v.sqrt() + self.epsilon)

# %% wrong="Adam" name="stores_the_corrected_means" rejected_by="test_adam_agrees_with_torch"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"]
        state["m"], state["v"] = state["m"] / (1 - b1**k), state["v"] / (1 - b2**k)
        parameter -= self.learning_rate * state["m"] / (state["v"].sqrt() + self.epsilon)

# %% wrong="Adam" name="betas_written_in" rejected_by="test_adam_with_other_betas"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = 0.9, 0.999
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"]
        m, v = state["m"] / (1 - b1**k), state["v"] / (1 - b2**k)
        parameter -= self.learning_rate * m / (v.sqrt() + self.epsilon)

# %% wrong="Adam" name="squares_the_gradient_in_place" rejected_by="test_adam_keeps_the_gradient"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        state["m"] = b1 * state.get("m", 0) + (1 - b1) * gradient
        state["v"] = b2 * state.get("v", 0) + (1 - b2) * gradient.square_()
        k = state["step"]
        m, v = state["m"] / (1 - b1**k), state["v"] / (1 - b2**k)
        parameter -= self.learning_rate * m / (v.sqrt() + self.epsilon)

# %% right="Adam" name="as_on_the_slide"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        m, v = state.get("m", torch.zeros_like(parameter)), state.get("v", torch.zeros_like(parameter))
        state["m"], state["v"] = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        k = state["step"]
        m, v = state["m"] / (1 - b1**k), state["v"] / (1 - b2**k)
        parameter -= self.learning_rate * m / (v.sqrt() + self.epsilon)

# %% right="Adam" name="weighted_sums"
class Adam(Optimizer):
    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), epsilon=1e-8):
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter, gradient, state):
        b1, b2 = self.betas
        # The means and the sums of their own weights: dividing the two is the bias correction.
        state["m"] = b1 * state.get("m", 0) + gradient
        state["v"] = b2 * state.get("v", 0) + gradient * gradient
        state["wm"], state["wv"] = b1 * state.get("wm", 0) + 1, b2 * state.get("wv", 0) + 1
        m, v = state["m"] / state["wm"], state["v"] / state["wv"]
        parameter.copy_(parameter - self.learning_rate * m / (v ** 0.5 + self.epsilon))

# ---- sgd

# %% wrong="sgd" name="with_replacement" rejected_by="test_every_epoch_uses_every_sample_once"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in [torch.randint(size, (min(batch_size, size - b),), generator=generator) for b in range(0, size, batch_size)]:
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="drops_the_last_batch" rejected_by="test_every_epoch_uses_every_sample_once"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.randperm(size, generator=generator)[: size // batch_size * batch_size].split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="shuffles_once" rejected_by="test_epochs_are_shuffled_by_the_generator"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    order = torch.randperm(size, generator=generator)
    for _ in range(epochs):
        for batch in order.split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="never_shuffles" rejected_by="test_epochs_are_shuffled_by_the_generator"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.arange(size).split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="ignores_the_generator" rejected_by="test_epochs_are_shuffled_by_the_generator"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.randperm(size).split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="uphill" rejected_by="test_one_step_for_each_batch"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta + rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="gradient_at_the_start" rejected_by="test_one_step_for_each_batch"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(start, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="divides_by_the_batch_again" rejected_by="test_one_step_for_each_batch"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch) / len(batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="schedule_starts_anew_each_epoch" rejected_by="test_schedule_counts_updates"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        k = 0
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="schedule_by_epoch" rejected_by="test_schedule_counts_updates"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            rate = learning_rate(k // -(-size // batch_size)) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
            k += 1
    return torch.stack(trajectory)

# %% wrong="sgd" name="in_place" rejected_by="test_sgd_leaves_the_start"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    theta, k = start, 0
    trajectory = [start.clone()]
    for _ in range(epochs):
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            rate = learning_rate(k) if callable(learning_rate) else learning_rate
            theta -= rate * gradient(theta, batch)
            trajectory.append(theta.clone())
            k += 1
    return torch.stack(trajectory)

# %% right="sgd" name="permutation_and_slices"
def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    path = [start.clone()]
    for _ in range(epochs):
        order = torch.randperm(size, generator=generator)
        for first in range(0, size, batch_size):
            rate = learning_rate(len(path) - 1) if callable(learning_rate) else learning_rate
            path.append(path[-1] - rate * gradient(path[-1], order[first : first + batch_size]))
    return torch.stack(path)

# %% right="sgd" name="schedule_made_of_a_number"
import itertools

def sgd(gradient, start, size, batch_size, learning_rate, epochs, generator=None):
    schedule = learning_rate if callable(learning_rate) else lambda k: learning_rate
    batches = itertools.chain.from_iterable(torch.randperm(size, generator=generator).split(batch_size) for _ in range(epochs))
    path = [start]
    for k, batch in enumerate(batches):
        path.append(path[k] - schedule(k) * gradient(path[k], batch))
    return torch.stack(path)

# ---- step_decay

# %% wrong="step_decay" name="at_every_update" rejected_by="test_staircase"
def step_decay(learning_rate, factor, every):
    return lambda update: learning_rate * factor**update

# %% wrong="step_decay" name="true_division" rejected_by="test_staircase"
def step_decay(learning_rate, factor, every):
    return lambda update: learning_rate * factor ** (update / every)

# %% wrong="step_decay" name="off_by_one" rejected_by="test_staircase"
def step_decay(learning_rate, factor, every):
    return lambda update: learning_rate * factor ** ((update + 1) // every)

# %% wrong="step_decay" name="divides" rejected_by="test_stage_of_one_update"
def step_decay(learning_rate, factor, every):
    return lambda update: learning_rate / factor ** (update // every)

# %% wrong="step_decay" name="compounds" rejected_by="test_schedule_remembers_nothing"
def step_decay(learning_rate, factor, every):
    rate = learning_rate

    def schedule(update):
        nonlocal rate
        if update > 0 and update % every == 0:
            rate = rate * factor
        return rate

    return schedule

# %% wrong="step_decay" name="one_decay_only" rejected_by="test_staircase"
def step_decay(learning_rate, factor, every):
    return lambda update: learning_rate * (factor if update >= every else 1)

# %% wrong="step_decay" name="linear" rejected_by="test_staircase"
def step_decay(learning_rate, factor, every):
    return lambda update: learning_rate * (1 - (1 - factor) * (update // every))

# %% right="step_decay" name="loop"
def step_decay(learning_rate, factor, every):
    def schedule(update):
        rate = learning_rate
        for k in range(1, update + 1):
            if k % every == 0:
                rate = rate * factor
        return rate

    return schedule

# %% right="step_decay" name="floor"
def step_decay(learning_rate, factor, every):
    return lambda update: learning_rate * math.pow(factor, math.floor(update / every))

# ---- filter_normalized_direction

# %% wrong="filter_normalized_direction" name="one_length_for_the_matrix" rejected_by="test_rows_get_the_lengths_of_the_filters"
def filter_normalized_direction(parameters, direction):
    result = []
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            result.append(torch.zeros_like(d))
            continue
        result.append(d * p.norm() / d.norm())
    return result

# %% wrong="filter_normalized_direction" name="columns" rejected_by="test_rows_get_the_lengths_of_the_filters"
def filter_normalized_direction(parameters, direction):
    result = []
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            result.append(torch.zeros_like(d))
            continue
        result.append(d * p.norm(dim=0, keepdim=True) / d.norm(dim=0, keepdim=True))
    return result

# %% wrong="filter_normalized_direction" name="not_divided" rejected_by="test_rows_get_the_lengths_of_the_filters"
def filter_normalized_direction(parameters, direction):
    result = []
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            result.append(torch.zeros_like(d))
            continue
        result.append(d * p.flatten(1).norm(dim=1).reshape(-1, *[1] * (p.ndim - 1)))
    return result

# %% wrong="filter_normalized_direction" name="biases_move" rejected_by="test_biases_are_not_moved"
def filter_normalized_direction(parameters, direction):
    result = []
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            result.append(d * p.norm() / d.norm())
            continue
        f = p.flatten(1).norm(dim=1) / d.flatten(1).norm(dim=1)
        result.append(d * f.reshape(-1, *[1] * (p.ndim - 1)))
    return result

# %% wrong="filter_normalized_direction" name="last_axis_only" rejected_by="test_filters_of_convolutions"
def filter_normalized_direction(parameters, direction):
    result = []
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            result.append(torch.zeros_like(d))
            continue
        result.append(d * p.norm(dim=-1, keepdim=True) / d.norm(dim=-1, keepdim=True))
    return result

# %% wrong="filter_normalized_direction" name="in_place" rejected_by="test_parameters_and_direction_are_left_alone"
def filter_normalized_direction(parameters, direction):
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            d.zero_()
        else:
            f = p.flatten(1).norm(dim=1) / d.flatten(1).norm(dim=1)
            d *= f.reshape(-1, *[1] * (p.ndim - 1))
    return list(direction)

# %% wrong="filter_normalized_direction" name="unit_filters" rejected_by="test_rows_get_the_lengths_of_the_filters"
def filter_normalized_direction(parameters, direction):
    result = []
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            result.append(torch.zeros_like(d))
            continue
        result.append(d / d.flatten(1).norm(dim=1).reshape(-1, *[1] * (p.ndim - 1)))
    return result

# %% right="filter_normalized_direction" name="row_by_row"
def filter_normalized_direction(parameters, direction):
    def scaled(p, d):
        if p.ndim <= 1:
            return torch.zeros_like(p)
        return torch.stack([row * (own.norm() / row.norm()) for own, row in zip(p, d)])

    return [scaled(p, d) for p, d in zip(parameters, direction)]

# %% right="filter_normalized_direction" name="flattened"
def filter_normalized_direction(parameters, direction):
    result = []
    for p, d in zip(parameters, direction):
        if p.ndim <= 1:
            result.append(torch.zeros_like(d))
            continue
        flat = torch.nn.functional.normalize(d.flatten(1), dim=1) * p.flatten(1).norm(dim=1, keepdim=True)
        result.append(flat.reshape(p.shape))
    return result

# ---- quizzes

# %% wrong="saddle_facts" name="positive_only" rejected_by="test_definite_2x2"
definite_2x2 = 0.15
typical_critical_point = "saddle"
smaller_eigenvalue = -3

# %% wrong="saddle_facts" name="minima_everywhere" rejected_by="test_typical_critical_point"
definite_2x2 = 0.29
typical_critical_point = "minimum"
smaller_eigenvalue = -3

# %% wrong="saddle_facts" name="diagonal_entry" rejected_by="test_smaller_eigenvalue"
definite_2x2 = 0.29
typical_critical_point = "saddle"
smaller_eigenvalue = 2

# %% right="saddle_facts" name="exact"
definite_2x2 = 1 - 1 / math.sqrt(2)
typical_critical_point = "Saddle"
smaller_eigenvalue = -3.0

# %% right="saddle_facts" name="computed"
definite_2x2 = round(1 - 0.5**0.5, 2)
typical_critical_point = "saddle"
smaller_eigenvalue = torch.linalg.eigvalsh(torch.tensor([[2.0, 5.0], [5.0, 2.0]]))[0]

# %% wrong="scale_of_gradients" name="without_the_two" rejected_by="test_squared_error_slope" says="factor 2"
squared_error_slope = 15
unit_factor = 1000
sign_step = [0.01, 0, -0.01]

# %% wrong="scale_of_gradients" name="the_other_way" rejected_by="test_unit_factor"
squared_error_slope = 30
unit_factor = 0.001
sign_step = [0.01, 0, -0.01]

# %% wrong="scale_of_gradients" name="uphill" rejected_by="test_sign_step"
squared_error_slope = 30
unit_factor = 1000
sign_step = [-0.01, 0, 0.01]

# %% right="scale_of_gradients" name="tensor"
squared_error_slope = 2 * (6 - 1) * 3
unit_factor = 1e3
sign_step = -0.01 * torch.sign(torch.tensor([-250.0, 0.0, 0.004]))

# %% right="scale_of_gradients" name="tuple"
squared_error_slope = 30.0
unit_factor = 1000.0
sign_step = (0.01, 0.0, -0.01)

# %% wrong="tuning_facts" name="linear_grid" rejected_by="test_middle_of_the_grid"
middle_of_the_grid = 0.5
batch_factor = 4
learning_rate_factor = 0.1
never_tune_on = "test"

# %% wrong="tuning_facts" name="noise_falls_linearly" rejected_by="test_batch_factor"
middle_of_the_grid = 0.01
batch_factor = 2
learning_rate_factor = 0.1
never_tune_on = "test"

# %% wrong="tuning_facts" name="rate_unchanged" rejected_by="test_learning_rate_factor"
middle_of_the_grid = 0.01
batch_factor = 4
learning_rate_factor = 1
never_tune_on = "test"

# %% wrong="tuning_facts" name="validation_forbidden" rejected_by="test_never_tune_on"
middle_of_the_grid = 0.01
batch_factor = 4
learning_rate_factor = 0.1
never_tune_on = "validation"

# %% right="tuning_facts" name="computed"
middle_of_the_grid = 10 ** ((math.log10(1e-4) + math.log10(1)) / 2)
batch_factor = 1 / 0.5**2
learning_rate_factor = 1 - 0.9
never_tune_on = "Test"

# %% right="tuning_facts" name="fractions"
middle_of_the_grid = 1 / 100
batch_factor = 2**2
learning_rate_factor = 1 / 10
never_tune_on = " test "

# ---- definite_fraction

# %% wrong="definite_fraction" name="positive_only" rejected_by="test_negative_definite_counts_too"
def definite_fraction(size, trials, generator=None):
    a = torch.randn(trials, size, size, generator=generator, dtype=torch.float64)
    return (torch.linalg.eigvalsh((a + a.mT) / 2)[:, 0] > 0).double().mean().item()

# %% wrong="definite_fraction" name="signs_of_the_diagonal" rejected_by="test_share_of_definite_matrices"
def definite_fraction(size, trials, generator=None):
    a = torch.randn(trials, size, size, generator=generator, dtype=torch.float64)
    diagonal = a.diagonal(dim1=1, dim2=2)
    return ((diagonal > 0).all(1) | (diagonal < 0).all(1)).double().mean().item()

# %% wrong="definite_fraction" name="squares_are_never_negative" rejected_by="test_rarer_with_every_dimension"
def definite_fraction(size, trials, generator=None):
    a = torch.randn(trials, size, size, generator=generator, dtype=torch.float64)
    values = torch.linalg.eigvalsh(a @ a.mT)
    return ((values[:, 0] > 0) | (values[:, -1] < 0)).double().mean().item()

# %% wrong="definite_fraction" name="determinant" rejected_by="test_share_of_definite_matrices"
def definite_fraction(size, trials, generator=None):
    a = torch.randn(trials, size, size, generator=generator, dtype=torch.float64)
    return (torch.linalg.det((a + a.mT) / 2) > 0).double().mean().item() if size > 1 else 1.0

# %% wrong="definite_fraction" name="ignores_the_generator" rejected_by="test_share_comes_from_the_generator"
def definite_fraction(size, trials, generator=None):
    a = torch.randn(trials, size, size, dtype=torch.float64)
    values = torch.linalg.eigvalsh((a + a.mT) / 2)
    return ((values[:, 0] > 0) | (values[:, -1] < 0)).double().mean().item()

# %% right="definite_fraction" name="all_of_one_sign"
def definite_fraction(size, trials, generator=None):
    a = torch.randn((trials, size, size), generator=generator)
    signs = torch.sign(torch.linalg.eigvalsh(a + a.transpose(1, 2)))
    return float((signs.sum(dim=1).abs() == size).float().mean())

# %% right="definite_fraction" name="one_by_one"
def definite_fraction(size, trials, generator=None):
    count = 0
    for _ in range(trials):
        a = torch.randn(size, size, generator=generator, dtype=torch.float64)
        values = torch.linalg.eigvalsh((a + a.T) / 2)
        count += bool((values > 0).all() or (values < 0).all())
    return count / trials

# ---- SignDescent

# %% wrong="SignDescent" name="length_of_the_vector" rejected_by="test_every_entry_moves_by_the_learning_rate"
class SignDescent(Optimizer):
    def update(self, parameter, gradient, state):
        parameter -= self.learning_rate * gradient / gradient.norm().clamp(min=1e-30)

# %% wrong="SignDescent" name="zero_over_zero" rejected_by="test_no_gradient_no_step" says="nan"
class SignDescent(Optimizer):
    def update(self, parameter, gradient, state):
        parameter -= self.learning_rate * gradient / gradient.abs()

# %% wrong="SignDescent" name="uphill" rejected_by="test_descent_goes_down"
class SignDescent(Optimizer):
    def update(self, parameter, gradient, state):
        parameter += self.learning_rate * gradient.sign()

# %% wrong="SignDescent" name="sign_lost" rejected_by="test_descent_goes_down"
class SignDescent(Optimizer):
    def update(self, parameter, gradient, state):
        parameter -= self.learning_rate * (gradient.abs() > 0).to(gradient.dtype)

# %% wrong="SignDescent" name="step_of_one" rejected_by="test_learning_rate_sets_the_length"
class SignDescent(Optimizer):
    def update(self, parameter, gradient, state):
        parameter -= gradient.sign()

# %% right="SignDescent" name="sgn"
class SignDescent(Optimizer):
    def update(self, parameter, gradient, state):
        parameter.add_(torch.sgn(gradient), alpha=-self.learning_rate)

# %% right="SignDescent" name="comparisons"
class SignDescent(Optimizer):
    def update(self, parameter, gradient, state):
        up, down = (gradient < 0).to(parameter.dtype), (gradient > 0).to(parameter.dtype)
        parameter += self.learning_rate * (up - down)

# ---- learning_rate_sweep

# %% wrong="learning_rate_sweep" name="evenly_in_the_rate" rejected_by="test_rates_are_spaced_by_factor"
def learning_rate_sweep(run, low, high, count, tail=0.1):
    finals = {}
    for rate in torch.linspace(low, high, count, dtype=torch.float64).tolist():
        losses = run(rate)
        last = losses[-max(1, round(tail * len(losses))) :]
        mean = sum(last) / len(last)
        finals[rate] = mean if math.isfinite(mean) else math.inf
    return finals

# %% wrong="learning_rate_sweep" name="last_loss_alone" rejected_by="test_mean_over_the_end_of_the_run"
def learning_rate_sweep(run, low, high, count, tail=0.1):
    finals = {}
    for k in range(count):
        rate = low * (high / low) ** (k / (count - 1))
        last = run(rate)[-1]
        finals[rate] = last if math.isfinite(last) else math.inf
    return finals

# %% wrong="learning_rate_sweep" name="nan_stays" rejected_by="test_runs_that_diverge_are_infinitely_bad"
def learning_rate_sweep(run, low, high, count, tail=0.1):
    finals = {}
    for k in range(count):
        rate = low * (high / low) ** (k / (count - 1))
        losses = run(rate)
        last = losses[-max(1, round(tail * len(losses))) :]
        finals[rate] = sum(last) / len(last)
    return finals

# %% wrong="learning_rate_sweep" name="runs_twice" rejected_by="test_each_rate_is_tried_once"
def learning_rate_sweep(run, low, high, count, tail=0.1):
    finals = {}
    for k in range(count):
        rate = low * (high / low) ** (k / (count - 1))
        last = run(rate)[-max(1, round(tail * len(run(rate)))) :]
        mean = sum(last) / len(last)
        finals[rate] = mean if math.isfinite(mean) else math.inf
    return finals

# %% right="learning_rate_sweep" name="powers"
def learning_rate_sweep(run, low, high, count, tail=0.1):
    finals = {}
    for k in range(count):
        rate = low * (high / low) ** (k / (count - 1))
        losses = torch.tensor(list(run(rate)), dtype=torch.float64)
        mean = losses[-max(1, int(tail * len(losses))) :].mean().item()
        finals[rate] = mean if math.isfinite(mean) else float("inf")
    return finals

# %% right="learning_rate_sweep" name="logspace"
def learning_rate_sweep(run, low, high, count, tail=0.1):
    rates = torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64).tolist()
    runs = [list(run(rate)) for rate in rates]
    ends = [losses[-max(1, round(tail * len(losses))) :] for losses in runs]
    means = [sum(end) / len(end) for end in ends]
    return {rate: mean if abs(mean) < math.inf else math.inf for rate, mean in zip(rates, means)}
