"""A family of optimizers with one contract, and the speed of momentum in closed form.

The contract, which `course_lib.softmax_regression.train` and every training loop of the course rely on:

    * An optimizer holds parameters, tensors that it changes in place, and a learning rate that may be set at any time.
    * `zero_grad()` clears the gradients; `step()` makes one update from the gradients in `.grad`.
    * A member of the family says how ONE parameter is updated, in `update`; what it remembers it keeps in `state`, a
      dictionary of its own for each parameter.

Where definitions differ, that of torch.optim is taken: momentum ACCUMULATES gradients (g + mu * old, not an average),
and epsilon stands OUTSIDE the square root. Each class says so where it matters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch


class Optimizer(ABC):
    """What all optimizers share: the parameters, the learning rate, the loop over the parameters.

    A subclass defines `update(parameter, gradient, state)`.

    Args:
        parameters: the tensors to be learned, floating point, any shapes.
        learning_rate: step size, at least 0. The attribute `learning_rate` may be changed between steps.

    Raises:
        ValueError: there is no parameter, or the learning rate is negative.

    Source: lecture 4, optimizers. L04.07.
    """

    def __init__(self, parameters: Iterable[torch.Tensor], learning_rate: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("found no parameters; give the tensors that are to be learned")
        if learning_rate < 0:
            raise ValueError(f"learning_rate is {learning_rate}, expected 0 or more")
        self.learning_rate = learning_rate
        self.states: list[dict[str, Any]] = [{"step": 0} for _ in self.parameters]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient; the others, and their states, stay as they are."""
        for parameter, state in zip(self.parameters, self.states, strict=True):
            if parameter.grad is not None:
                state["step"] += 1
                self.update(parameter, parameter.grad, state)

    @abstractmethod
    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        """Change one parameter in place, by one step.

        Args:
            parameter: any shape `(...)`; autograd does not watch.
            gradient: shape `(...)`, not to be changed.
            state: of this parameter alone; `state["step"]` counts its updates and is 1 at the first. Everything else in
                it is this optimizer's own.
        """


class GradientDescent(Optimizer):
    """theta <- theta - learning_rate * gradient; remembers nothing.

    >>> theta = torch.tensor([1.0, 2.0])
    >>> theta.grad = torch.tensor([8.0, 0.0])
    >>> GradientDescent([theta], learning_rate=0.25).step()
    >>> theta
    tensor([-1.,  2.])

    Source: lecture 4, gradient descent. L04.01.
    """

    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        parameter.sub_(gradient, alpha=self.learning_rate)


class Momentum(Optimizer):
    """Follow the gradients of the past too: v <- gradient + momentum * v, theta <- theta - learning_rate * v.

    v, one for each parameter, starts at 0. The gradients are accumulated, not averaged: under a constant gradient v
    tends to gradient / (1 - momentum), so that the steps become that many times as long. The learning rate is not
    inside v: whoever changes it changes the whole next step.

    Args:
        parameters: the tensors to be learned.
        learning_rate: step size, at least 0.
        momentum: how much of v survives a step, 0 <= momentum < 1; 0 is gradient descent.

    The same as torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum).

    >>> theta = torch.tensor([0.0])
    >>> optimizer = Momentum([theta], learning_rate=1.0, momentum=0.5)
    >>> for _ in range(3):
    ...     theta.grad = torch.tensor([-1.0])
    ...     optimizer.step()
    ...     print(theta.item())
    1.0
    2.5
    4.25

    Source: lecture 4, momentum. L04.07.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], learning_rate: float, momentum: float = 0.9
    ) -> None:  ### GIVEN
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        """Change `parameter` in place by one step; keep v in `state`, empty but for `state["step"]` at first."""
        if "velocity" not in state:
            state["velocity"] = gradient.clone()  # a copy: the caller's gradient is cleared or reused
        else:
            state["velocity"].mul_(self.momentum).add_(gradient)
        parameter.sub_(state["velocity"], alpha=self.learning_rate)


class Nesterov(Optimizer):
    """Momentum that looks ahead: v <- gradient + momentum * v, then a step along gradient + momentum * v.

    That is theta <- theta - learning_rate * (gradient + momentum * v), and v starts at 0. The step uses the NEW v, with
    the present gradient once more on top. Nesterov's own form takes the gradient at the point to which momentum alone
    would lead, theta - learning_rate * momentum * v; written for that look-ahead point, his update becomes the one
    above, which needs the gradient only where the parameters are.

    Args:
        parameters: the tensors to be learned.
        learning_rate: step size, at least 0.
        momentum: how much of v survives a step, 0 <= momentum < 1; 0 is gradient descent.

    The same as torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, nesterov=True).

    >>> theta = torch.tensor([0.0])
    >>> optimizer = Nesterov([theta], learning_rate=1.0, momentum=0.5)
    >>> for _ in range(2):
    ...     theta.grad = torch.tensor([-1.0])
    ...     optimizer.step()
    ...     print(theta.item())
    1.5
    3.25

    Source: lecture 4, Nesterov's accelerated gradient. L04.08.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], learning_rate: float, momentum: float = 0.9
    ) -> None:  ### GIVEN
        super().__init__(parameters, learning_rate)
        self.momentum = momentum

    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        """Change `parameter` in place by one step; keep v in `state`, empty but for `state["step"]` at first."""
        if "velocity" not in state:
            state["velocity"] = gradient.clone()
        else:
            state["velocity"].mul_(self.momentum).add_(gradient)
        parameter.sub_(gradient.add(state["velocity"], alpha=self.momentum), alpha=self.learning_rate)


class SignDescent(Optimizer):
    """theta <- theta - learning_rate * sign(gradient), entry by entry: every entry moves by the same distance.

    The extreme form of normalising each dimension: the sign says where to go, the size of the gradient says nothing.
    RMSProp with beta = 0 and Adam with both betas 0 are this, up to epsilon. An entry with gradient 0 stays.

    >>> theta = torch.tensor([0.0, 0.0, 0.0])
    >>> theta.grad = torch.tensor([1e-6, -1e6, 0.0])
    >>> SignDescent([theta], learning_rate=0.5).step()
    >>> theta
    tensor([-0.5000,  0.5000,  0.0000])

    Source: lecture 4, the scale of the gradient. L04.10.
    """

    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        parameter.sub_(gradient.sign(), alpha=self.learning_rate)


class AdaGrad(Optimizer):
    """Divide each entry by the root of all its squared gradients: s <- s + gradient^2.

    Then theta <- theta - learning_rate * gradient / (sqrt(s) + epsilon), all entry by entry. s starts at 0 and never
    shrinks, so that the steps do: under a constant gradient step k has the length learning_rate / sqrt(k).

    Args:
        parameters: the tensors to be learned.
        learning_rate: length of the first step in each entry.
        epsilon: keeps 0 / 0 from happening; OUTSIDE the square root. (The slide has none.)

    The same as torch.optim.Adagrad(parameters, lr=learning_rate, eps=epsilon).

    >>> theta = torch.tensor([0.0, 0.0])
    >>> optimizer = AdaGrad([theta], learning_rate=1.0)
    >>> for _ in range(2):
    ...     theta.grad = torch.tensor([-5.0, 0.0])
    ...     optimizer.step()
    >>> theta
    tensor([1.7071, 0.0000])

    Source: lecture 4, AdaGrad. L04.12.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], learning_rate: float = 0.01, epsilon: float = 1e-10
    ) -> None:  ### GIVEN
        super().__init__(parameters, learning_rate)
        self.epsilon = epsilon

    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        """Change `parameter` in place by one step; keep s in `state`, empty but for `state["step"]` at first."""
        if "squares" not in state:
            state["squares"] = torch.zeros_like(parameter)
        state["squares"].addcmul_(gradient, gradient)
        parameter.addcdiv_(gradient, state["squares"].sqrt().add_(self.epsilon), value=-self.learning_rate)


class RMSProp(Optimizer):
    """Divide each entry by the root of a running mean of its squared gradients: s <- beta s + (1 - beta) gradient^2.

    Then theta <- theta - learning_rate * gradient / (sqrt(s) + epsilon), all entry by entry. s starts at 0 and is not
    corrected for it: the first step has the length learning_rate / sqrt(1 - beta), ten times the learning rate for the
    default.

    Args:
        parameters: the tensors to be learned.
        learning_rate: length of a step in each entry, once s has settled under a constant gradient.
        beta: how much of s survives a step, 0 <= beta < 1. (torch calls it alpha.)
        epsilon: keeps 0 / 0 from happening; OUTSIDE the square root. (The slide has none.)

    The same as torch.optim.RMSprop(parameters, lr=learning_rate, alpha=beta, eps=epsilon).

    >>> theta = torch.tensor([0.0, 0.0, 0.0])
    >>> theta.grad = torch.tensor([1e-3, -1e3, 0.0])
    >>> RMSProp([theta], learning_rate=0.1, beta=0.75).step()
    >>> theta
    tensor([-0.2000,  0.2000,  0.0000])

    Source: lecture 4, RMSProp. L04.11.
    """

    def __init__(  ### GIVEN
        self,
        parameters: Iterable[torch.Tensor],
        learning_rate: float = 0.01,
        beta: float = 0.99,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, learning_rate)
        self.beta = beta
        self.epsilon = epsilon

    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        """Change `parameter` in place by one step; keep s in `state`, empty but for `state["step"]` at first."""
        if "squares" not in state:
            state["squares"] = torch.zeros_like(parameter)
        state["squares"].mul_(self.beta).addcmul_(gradient, gradient, value=1 - self.beta)
        parameter.addcdiv_(gradient, state["squares"].sqrt().add_(self.epsilon), value=-self.learning_rate)


class Adam(Optimizer):
    """Momentum and per-entry scaling, both as running means that are corrected for their start at 0.

        m <- beta1 m + (1 - beta1) gradient            m^ = m / (1 - beta1^k)
        v <- beta2 v + (1 - beta2) gradient^2          v^ = v / (1 - beta2^k)
        theta <- theta - learning_rate * m^ / (sqrt(v^) + epsilon)

    k counts the updates of the parameter and is 1 at the first. There m^ is the gradient and v^ its square, so that the
    first step of every entry has the length of the learning rate, whatever the size of the gradient.

    Args:
        parameters: the tensors to be learned.
        learning_rate: about the length of a step in each entry.
        betas: beta1 and beta2, 0 <= beta < 1.
        epsilon: added to sqrt(v^), OUTSIDE the square root.

    The same as torch.optim.Adam(parameters, lr=learning_rate, betas=betas, eps=epsilon).

    >>> theta = torch.tensor([0.0, 0.0])
    >>> theta.grad = torch.tensor([1e-3, -1e3])
    >>> Adam([theta], learning_rate=0.1).step()
    >>> theta
    tensor([-0.1000,  0.1000])

    Source: lecture 4, Adam. L04.13.
    """

    def __init__(  ### GIVEN
        self,
        parameters: Iterable[torch.Tensor],
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, learning_rate)
        self.betas = betas
        self.epsilon = epsilon

    def update(self, parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any]) -> None:
        """Change `parameter` in place by one step; keep m and v in `state`. `state["step"]` is k."""
        beta1, beta2 = self.betas
        if "mean" not in state:
            state["mean"], state["squares"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["mean"].lerp_(gradient, 1 - beta1)
        state["squares"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        # Both corrections are plain numbers: dividing them out of whole tensors would cost two passes more.
        mean_correction = 1 - beta1 ** state["step"]
        root_correction = (1 - beta2 ** state["step"]) ** 0.5
        scale = state["squares"].sqrt().div_(root_correction).add_(self.epsilon)
        parameter.addcdiv_(state["mean"], scale, value=-self.learning_rate / mean_correction)


class Scheduled:
    """An optimizer whose learning rate follows a schedule; the rest of its state, momentum included, lives on.

    Args:
        optimizer: any optimizer of this family.
        schedule: maps the number of the update, counted from 0, to its learning rate.

    >>> theta = torch.tensor([0.0])
    >>> optimizer = Scheduled(GradientDescent([theta], 1.0), lambda update: 0.5**update)
    >>> for _ in range(3):
    ...     theta.grad = torch.tensor([-1.0])
    ...     optimizer.step()
    >>> theta
    tensor([1.7500])

    Source: lecture 4, learning-rate decay. L04.17.
    """

    def __init__(self, optimizer: Optimizer, schedule: Callable[[int], float]) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.updates = 0

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        self.optimizer.zero_grad()

    def step(self) -> None:
        """Set the learning rate of this update, then make it."""
        self.optimizer.learning_rate = self.schedule(self.updates)
        self.optimizer.step()
        self.updates += 1


# The family under the names of the lecture; each member is called as OPTIMIZERS[name](parameters, learning_rate).
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "gradient descent": GradientDescent,
    "momentum": Momentum,
    "Nesterov": Nesterov,
    "AdaGrad": AdaGrad,
    "RMSProp": RMSProp,
    "Adam": Adam,
}


def descend(
    gradient: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    steps: int,
    make_optimizer: Callable[[list[torch.Tensor]], Any],
) -> torch.Tensor:
    """Let an optimizer walk down a function of one tensor, and note where it was.

    Args:
        gradient: maps theta to the gradient there, of the same shape.
        start: theta before the first update, any shape. It is left as it was.
        steps: number of updates, 0 or more.
        make_optimizer: called with a list of one tensor; gives an object with `step()`, for example
            `lambda parameters: Momentum(parameters, learning_rate=0.1)`.

    Returns:
        The whole trajectory, shape (steps + 1, *start.shape): entry 0 is the start.

    >>> descend(lambda theta: 2 * theta, torch.tensor([1.0]), 2, lambda parameters: GradientDescent(parameters, 0.25))
    tensor([[1.0000],
            [0.5000],
            [0.2500]])

    Source: lecture 4, trajectories. L04.01.
    """
    theta = start.detach().clone()
    optimizer = make_optimizer([theta])
    trajectory = [theta.clone()]
    for _ in range(steps):
        theta.grad = gradient(theta.detach().clone())
        optimizer.step()
        trajectory.append(theta.clone())
    return torch.stack([point.detach() for point in trajectory])


def momentum_rate(learning_rate: float, momentum: float, curvatures: torch.Tensor) -> float:
    """Give the factor by which momentum shrinks the error of a quadratic loss in each step, in the long run.

    Along an eigenvector of the Hessian with eigenvalue h, the error e and the velocity v follow
    v <- h e + momentum * v, e <- e - learning_rate * v. That is a 2x2 matrix applied again and again. In the long run
    the pair shrinks or grows by the largest size of its two eigenvalues, the roots of

        z^2 - (1 + momentum - learning_rate * h) z + momentum = 0.

    Roots that are complex have the size sqrt(momentum). The slowest direction decides for the whole loss. Below 1 the
    method converges, and that is so exactly for 0 < learning_rate * h < 2 (1 + momentum).

    Args:
        learning_rate: step size, at least 0.
        momentum: as in `Momentum`, 0 <= momentum < 1.
        curvatures: eigenvalues h of the Hessian, shape (D,), D >= 1, of either sign.

    Returns:
        The largest size of an eigenvalue over all curvatures, a float of at least 0.

    >>> momentum_rate(0.25, 0.0, torch.tensor([1.0, 2.0]))  # gradient descent: |1 - 0.25 h|
    0.75
    >>> round(momentum_rate(1.0, 0.81, torch.tensor([1.0])), 4)  # complex roots
    0.9

    Source: lecture 4, what momentum does. L04.09.
    """
    middle = 1 + momentum - learning_rate * curvatures.double()  # (D,) the sum of both roots
    discriminant = middle**2 - 4 * momentum
    real = (middle.abs() + discriminant.clamp(min=0).sqrt()) / 2  # the larger of two real roots, in size
    sizes = torch.where(discriminant >= 0, real, torch.full_like(real, momentum**0.5))
    return sizes.max().item()
