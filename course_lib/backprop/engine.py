"""Reverse-mode automatic differentiation, in the smallest form that trains a network.

A `Variable` holds a value and remembers what it was computed from. Each operation brings along one function, its
pull-back: given dL/d(result), it answers with dL/d(operand) for each operand. `backward` runs through the graph from
the loss to the inputs, hands each node its delta when everybody who used the node has contributed, and asks for the
deltas of its parents. That is all.
"""

from collections.abc import Callable
from typing import Any

import torch

from course_lib.backprop.graph import topological_order


def unbroadcast(delta: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Undo broadcasting for a gradient: sum over the axes along which an operand was repeated.

    When an operand of shape (3,) meets one of shape (2, 3), each of its entries is used twice, and its derivative is
    the sum over both uses.

    Args:
        delta: derivative with respect to the operand as it was used, in the shape after broadcasting.
        shape: the shape of the operand itself: the broadcast shape with leading axes left out, or with axes of length 1
            in place of longer ones, or both.

    Returns:
        The derivative with respect to the operand, of that shape.

    >>> unbroadcast(torch.ones(2, 3), (3,))
    tensor([2., 2., 2.])
    >>> unbroadcast(torch.ones(2, 3), (2, 1))
    tensor([[3.],
            [3.]])

    Source: lecture 10, a node with several descendants adds their deltas; here the descendants are copies. L10.05.
    """
    extra = delta.ndim - len(shape)
    if extra > 0:
        delta = delta.sum(dim=tuple(range(extra)))
    stretched = tuple(axis for axis, length in enumerate(shape) if length == 1 and delta.shape[axis] != 1)
    if stretched:
        delta = delta.sum(dim=stretched, keepdim=True)
    return delta


def backward(output: Any, delta: torch.Tensor | None = None) -> None:
    """Send a derivative from a node of a graph back to everything that it was computed from.

    Nodes are visited so that each comes after everything that uses it: only then is its delta complete, the SUM of what
    its descendants contributed. A contribution may have the shape after broadcasting; `unbroadcast` brings it to the
    shape of the node's value.

    Args:
        output: a node. Nodes have `value` (a tensor), `parents` (a tuple of nodes, empty for an input), `pull_back`
            (maps the delta of the node to a tuple with one contribution for each parent; None for an input) and
            `gradient` (a tensor or None).
        delta: the derivative to begin with, of the shape of output.value; None means 1 and needs a value with a single
            entry, such as a loss.

    Returns:
        Nothing. The delta of this call is ADDED to the `gradient` of every node of the graph, inner ones too, where
        None counts as 0: two calls give twice the gradient, as in PyTorch. Each `pull_back` is called once, with the
        delta of this call, not with what earlier calls left behind. The tensors that were in `gradient` before the
        call are not changed in place.

    Raises:
        ValueError: no delta is given and the output's value has more than one entry.

    Source: lecture 10, backpropagation on a graph: reverse-mode automatic differentiation. L10.05.
    """
    if delta is None:
        if output.value.numel() != 1:
            shape = tuple(output.value.shape)
            raise ValueError(
                f"the output has shape {shape}: begin at a single number, or say with which delta to begin"
            )
        delta = torch.ones_like(output.value)
    deltas = {id(output): delta}
    for node in reversed(topological_order(output)):
        delta = deltas.pop(id(node))  # complete: everybody who uses this node has been visited
        node.gradient = delta if node.gradient is None else node.gradient + delta
        contributions = node.pull_back(delta) if node.parents else ()
        for parent, contribution in zip(node.parents, contributions, strict=True):
            contribution = unbroadcast(contribution, parent.value.shape)
            earlier = deltas.get(id(parent))
            deltas[id(parent)] = contribution if earlier is None else earlier + contribution


class Variable:
    """A tensor that remembers how it was computed, so that `backward` can differentiate whatever was made of it.

    Arithmetic with variables, tensors and numbers gives new variables; tensors and numbers become inputs of the graph.
    `value` is the tensor, `gradient` what `backward` has found (None before), `parents` and `pull_back` are the graph,
    and `name` is what a drawing writes on the node. The methods are named as those of a tensor, and return what
    those return.

    >>> x = Variable(torch.tensor(3.0))
    >>> y = x * x + x
    >>> y.backward()
    >>> y.value, x.gradient
    (tensor(12.), tensor(7.))

    Source: lecture 10, reverse-mode automatic differentiation. L10.05.
    """

    def __init__(
        self,
        value: Any,
        parents: tuple["Variable", ...] = (),
        pull_back: Callable[[torch.Tensor], tuple[torch.Tensor, ...]] | None = None,
        name: str = "",
    ) -> None:
        self.value: torch.Tensor = torch.as_tensor(value)
        self.parents = parents
        self.pull_back = pull_back
        self.name = name
        self.gradient: torch.Tensor | None = None

    def backward(self, delta: torch.Tensor | None = None) -> None:
        """Add the derivative of this variable to the gradient of everything that it was computed from."""
        backward(self, delta)

    def variable(self, other: Any) -> "Variable":
        """Give the other operand as a variable; numbers take this one's dtype and device."""
        if isinstance(other, Variable):
            return other
        return Variable(other if isinstance(other, torch.Tensor) else self.value.new_tensor(other))

    # -- arithmetic; broadcasting is dealt with in `backward` ----------------------------------

    def __add__(self, other: Any) -> "Variable":
        other = self.variable(other)
        return Variable(self.value + other.value, (self, other), lambda delta: (delta, delta), "+")

    def __neg__(self) -> "Variable":
        return Variable(-self.value, (self,), lambda delta: (-delta,), "−")

    def __mul__(self, other: Any) -> "Variable":
        """Multiply entry by entry; either operand may be broadcast."""
        other = self.variable(other)
        ### BEGIN SOLUTION
        return Variable(
            self.value * other.value,
            (self, other),
            lambda delta: (delta * other.value, delta * self.value),
            "×",
        )
        ### END SOLUTION

    def __pow__(self, exponent: float) -> "Variable":
        return Variable(
            self.value**exponent,
            (self,),
            lambda delta: (delta * exponent * self.value ** (exponent - 1),),
            f"^{exponent}",
        )

    def __matmul__(self, other: Any) -> "Variable":
        """Multiply matrices of shapes (N, D) and (D, M)."""
        other = self.variable(other)
        if self.value.ndim != 2 or other.value.ndim != 2:
            shapes = f"{tuple(self.value.shape)} and {tuple(other.value.shape)}"
            raise ValueError(f"found shapes {shapes}, expected two matrices: reshape a vector to (1, D) or (D, 1)")
        ### BEGIN SOLUTION
        return Variable(
            self.value @ other.value,
            (self, other),
            lambda delta: (delta @ other.value.T, self.value.T @ delta),
            "@",
        )
        ### END SOLUTION

    def __sub__(self, other: Any) -> "Variable":
        return self + (-self.variable(other))

    def __truediv__(self, other: Any) -> "Variable":
        return self * self.variable(other) ** -1

    def __radd__(self, other: Any) -> "Variable":
        return self.variable(other) + self

    def __rsub__(self, other: Any) -> "Variable":
        return self.variable(other) - self

    def __rmul__(self, other: Any) -> "Variable":
        return self.variable(other) * self

    def __rtruediv__(self, other: Any) -> "Variable":
        return self.variable(other) / self

    def __rmatmul__(self, other: Any) -> "Variable":
        return self.variable(other) @ self

    # -- functions of each entry ----------------------------------------------------------------

    def exp(self) -> "Variable":
        result = self.value.exp()
        return Variable(result, (self,), lambda delta: (delta * result,), "exp")

    def log(self) -> "Variable":
        return Variable(self.value.log(), (self,), lambda delta: (delta / self.value,), "log")

    def sigmoid(self) -> "Variable":
        result = torch.sigmoid(self.value)
        return Variable(result, (self,), lambda delta: (delta * result * (1 - result),), "σ")

    def tanh(self) -> "Variable":
        result = self.value.tanh()
        return Variable(result, (self,), lambda delta: (delta * (1 - result**2),), "tanh")

    def relu(self) -> "Variable":
        """Give max(0, entry) for each entry."""
        ### BEGIN SOLUTION
        return Variable(self.value.clamp(min=0), (self,), lambda delta: (delta * (self.value > 0),), "ReLU")
        ### END SOLUTION

    # -- reductions, along one axis or (dim=None) over all entries ------------------------------

    def sum(self, dim: int | None = None, keepdim: bool = False) -> "Variable":
        """Add up along the axis `dim`, which disappears unless `keepdim` is True; without `dim`, add up everything."""
        ### BEGIN SOLUTION
        if dim is None:
            return Variable(self.value.sum(), (self,), lambda delta: (delta.expand(self.value.shape),), "Σ")

        def spread(delta: torch.Tensor) -> tuple[torch.Tensor]:
            return ((delta if keepdim else delta.unsqueeze(dim)).expand(self.value.shape),)

        return Variable(self.value.sum(dim=dim, keepdim=keepdim), (self,), spread, "Σ")
        ### END SOLUTION

    def mean(self, dim: int | None = None, keepdim: bool = False) -> "Variable":
        total = self.sum(dim, keepdim)
        return total * (total.value.numel() / self.value.numel())

    def amax(self, dim: int, keepdim: bool = False) -> "Variable":
        largest = self.value.amax(dim=dim, keepdim=True)
        winners = (self.value == largest).to(self.value.dtype)
        share = winners / winners.sum(dim=dim, keepdim=True)  # equal winners share the delta, as in PyTorch
        return Variable(
            largest if keepdim else largest.squeeze(dim),
            (self,),
            lambda delta: ((delta if keepdim else delta.unsqueeze(dim)) * share,),
            "max",
        )

    def logsumexp(self, dim: int) -> "Variable":
        result = torch.logsumexp(self.value, dim=dim)  # finite for entries of any size, its derivative too
        softmax = torch.exp(self.value - result.unsqueeze(dim))
        return Variable(result, (self,), lambda delta: (delta.unsqueeze(dim) * softmax,), "log Σ exp")

    # -- the same entries in other places --------------------------------------------------------

    def reshape(self, *shape: int) -> "Variable":
        return Variable(
            self.value.reshape(*shape), (self,), lambda delta: (delta.reshape(self.value.shape),), "reshape"
        )

    @property
    def T(self) -> "Variable":
        return Variable(self.value.T, (self,), lambda delta: (delta.T,), "ᵀ")

    def __getitem__(self, index: Any) -> "Variable":
        """Pick entries by any index that tensors understand; one that is picked twice gets both derivatives."""
        ### BEGIN SOLUTION
        places = torch.arange(self.value.numel(), device=self.value.device).reshape(self.value.shape)[index]

        def put_back(delta: torch.Tensor) -> tuple[torch.Tensor]:
            whole = delta.new_zeros(self.value.numel())
            return (whole.index_add(0, places.reshape(-1), delta.reshape(-1)).reshape(self.value.shape),)

        return Variable(self.value[index], (self,), put_back, "[ ]")
        ### END SOLUTION
