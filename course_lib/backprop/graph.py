"""Computation graphs: what depends on what, and in which order to compute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class HasParents(Protocol):
    """Anything that knows what it was computed from."""

    @property
    def parents(self) -> tuple[Any, ...]: ...


@dataclass(frozen=True, eq=False)
class Node:
    """One circle of a drawn computation graph: an input (data or parameter), or an operation on other nodes.

    Attributes:
        name: of an input, or the sign of the operation.
        operation: maps the values of the parents, in their order, to the value of the node; None for an input.
        parents: the nodes whose values the operation needs, in the order of its arguments.

    >>> x, y = Node("x"), Node("y")
    >>> difference = Node("-", torch.sub, (x, y))
    >>> square = Node("*", torch.mul, (difference, difference))

    Source: lecture 5, computation graphs. L05.01.
    """

    name: str
    operation: Callable[..., torch.Tensor] | None = None
    parents: tuple["Node", ...] = ()


def topological_order(output: Any) -> list[Any]:
    """List a node and everything that it depends on so that each node comes after all of its parents.

    Reversed, the list is the order in which gradients are passed back: each node comes after everything that uses it.

    Args:
        output: an object with an attribute `parents`, the tuple of the objects it was computed from (empty for an
            input). Only `parents` is used, and objects are told apart by identity (`is`, `id`), not by `==`. A node
            may be the parent of several others, or twice the parent of one; there are no cycles.

    Returns:
        Every node from which the output can be reached, each exactly once; the output itself is the last. Graphs may be
        deep: 10,000 nodes in a row are no problem, although Python allows only about 1,000 nested calls.

    >>> x, y = Node("x"), Node("y")
    >>> total = Node("+", torch.add, (x, y))
    >>> [node.name for node in topological_order(Node("*", torch.mul, (total, x)))][-2:]
    ['+', '*']

    Source: lecture 5, computation graphs, and lecture 10, backpropagation on a graph. L05.01, L10.05.
    """
    order: list[Any] = []
    seen: set[int] = set()
    stack = [(output, False)]
    while stack:
        node, parents_are_done = stack.pop()
        if parents_are_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))  # it comes back to the top when everything above it has been dealt with
            stack += [(parent, False) for parent in node.parents]
    return order


def evaluate(output: Node, feed: Mapping[Node, torch.Tensor]) -> torch.Tensor:
    """Compute the value of a node from the values of the inputs, each operation once.

    Args:
        output: the node whose value is wanted.
        feed: the values of the input nodes. More than are needed may be given.

    Returns:
        The value of the output. The operation of each node is called exactly once, also where several nodes use it.

    Raises:
        KeyError: an input that is needed has no value in the feed.

    >>> x, y = Node("x"), Node("y")
    >>> difference = Node("-", torch.sub, (x, y))
    >>> evaluate(Node("*", torch.mul, (difference, difference)), {x: torch.tensor(5.0), y: torch.tensor(2.0)})
    tensor(9.)

    Source: lecture 5, computation graphs. L05.01.
    """
    values: dict[Node, torch.Tensor] = {}
    for node in topological_order(output):
        if node.operation is None:
            values[node] = feed[node]
        else:
            values[node] = node.operation(*(values[parent] for parent in node.parents))
    return values[output]
