"""Computation graphs, drawn with values that flow forward and derivatives that flow back."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from course_lib.figures.frame import BLUE, GREY, MARK, ORANGE, drawn, panels
from course_lib.kit.widgets import Choice, Slider, interactive


@dataclass(frozen=True)
class Circle:
    """A node of a drawn graph: where it stands, its value, and what it hands to its parents per unit of its delta."""

    name: str
    x: float
    y: float
    value: float
    parents: tuple[int, ...] = ()
    slopes: tuple[float, ...] = ()


@interactive(
    expression=Choice(("(x₁θ₁ + x₂θ₂ − y)²", "x·x + x", "log-sum-exp − true logit"), "expression"),
    step=Slider(0, 20, label="step", play=True),
)
@drawn
def graph_walk(expression: str = "(x₁θ₁ + x₂θ₂ − y)²", step: int = 0) -> Figure:
    """A computation graph, one node a step: first all values from left to right, then all derivatives back.

    Args:
        expression: which graph.
        step: how many nodes have been visited, forward and backward together.

    Returns:
        One panel: values blue, above the nodes; derivatives orange, below; what is being passed stands on its edge.

    Source: lecture 5, computation graphs and backpropagation; lecture 10, several descendants. L05.01, L05.09, L10.05.
    """
    circles = _GRAPHS[expression]
    count = len(circles)
    step = min(step, 2 * count)
    known = min(step, count)  # circles are listed in topological order
    visited = max(0, step - count)  # the last `visited` circles have passed their delta on
    deltas: dict[int, float] = {count - 1: 1.0} if step > count or step == 2 * count else {}
    passed: dict[tuple[int, int], float] = {}
    for back in range(visited):
        at = count - 1 - back
        for place, (parent, slope) in enumerate(zip(circles[at].parents, circles[at].slopes, strict=True)):
            passed[at, place] = deltas[at] * slope
            deltas[parent] = deltas.get(parent, 0.0) + deltas[at] * slope
    active = count - visited if visited else known - 1

    figure, axes = panels(width=8.6, height=5.2)
    _edges(axes, circles, passed, active if visited else -1)
    for number, circle in enumerate(circles):
        here = step > 0 and number == active
        axes.plot(circle.x, circle.y, "o", ms=30, mfc="none", mec=MARK if here else GREY, mew=2.4 if here else 1.2)
        axes.text(circle.x, circle.y, circle.name, ha="center", va="center", fontsize=11)
        if number < known:
            _label(axes, (circle.x, circle.y), f"{circle.value:.3g}", 25, BLUE)
        if number in deltas:
            _label(axes, (circle.x, circle.y), f"{deltas[number]:.3g}", -25, ORANGE)
    if step == 0:
        title = "Nothing computed yet"
    elif not visited:
        title = f"Forward: {known} of {count} values"
    else:
        title = f"Backward: {visited} of {count} nodes have passed their delta on"
    axes.plot([], [], "s", color=BLUE, label="value")
    axes.plot([], [], "s", color=ORANGE, label="derivative of the result")
    figure.legend(loc="outside lower center", ncols=2)
    axes.set(title=title, xlim=(-0.6, max(c.x for c in circles) + 0.6), ylim=(-0.75, max(c.y for c in circles) + 0.75))
    axes.axis("off")
    return figure


@drawn
def draw_graph(output: Any, most: int = 40) -> Figure:
    """The graph of a variable of our engine, with the shape of each value and the size of each gradient.

    Args:
        output: has `value`, `gradient`, `parents` and `name`, and so have its parents.
        most: a larger graph is refused, since nobody could read it.

    Returns:
        One panel; each node stands one column to the right of its latest parent. Names in the circle; above it a single
        value or the shape; below it a single gradient, or the largest entry of the gradient in absolute value.

    Raises:
        ValueError: the graph has more than `most` nodes.

    Source: lecture 5, computation graphs. L05.01.
    """
    column: dict[int, int] = {}
    nodes: dict[int, Any] = {}
    stack = [output]
    while stack:  # a node is placed when all its parents are
        node = stack[-1]
        missing = [parent for parent in node.parents if id(parent) not in column]
        if missing:
            stack += missing
            continue
        stack.pop()
        nodes[id(node)] = node
        column[id(node)] = 1 + max((column[id(parent)] for parent in node.parents), default=-1)
        if len(nodes) > most:
            raise ValueError(f"the graph has more than {most} nodes, which nobody can read: draw a smaller one")
    users: dict[int, list[int]] = {}
    for node in nodes.values():
        for parent in node.parents:
            users.setdefault(id(parent), []).append(column[id(node)])
    for key, node in nodes.items():  # an input stands just before its first use
        if not node.parents and key in users:
            column[key] = min(users[key]) - 1
    height: dict[int, int] = {}
    place: dict[int, tuple[float, float]] = {}
    for key in nodes:
        level = height.get(column[key], 0)
        height[column[key]] = level + 1
        place[key] = (float(column[key]), float(level) + 0.25 * (column[key] % 2))

    wide, tall = max(x for x, _ in place.values()), max(y for _, y in place.values())
    figure, axes = panels(width=max(4.0, 1.15 * wide + 1.6), height=1.2 * tall + 2.1)
    for key, node in nodes.items():
        for parent in dict.fromkeys(id(p) for p in node.parents):
            times = sum(id(p) == parent for p in node.parents)
            for bend in (0.0,) if times == 1 else (-0.25, 0.25):
                _arrow(axes, place[parent], place[key], GREY, bend)
        x, y = place[key]
        axes.plot(x, y, "o", ms=26, mfc="none", mec=GREY)
        name = node.name or "·"
        axes.text(x, y, name, ha="center", va="center", fontsize=10 if len(name) < 4 else 7)
        _label(axes, (x, y), _short(node.value), 21, BLUE)
        if node.gradient is not None:
            _label(axes, (x, y), _short(node.gradient, True), -21, ORANGE)
    axes.plot([], [], "s", color=BLUE, label="value, or its shape")
    axes.plot([], [], "s", color=ORANGE, label="gradient, or its largest entry")
    figure.legend(loc="outside lower center", ncols=2)
    axes.set(title=f"{len(nodes)} nodes", xlim=(-0.6, wide + 0.6), ylim=(-0.7, tall + 0.7))
    axes.axis("off")
    return figure


def _short(tensor: Any, largest: bool = False) -> str:
    if tensor.numel() == 1:
        return f"{tensor.item():.3g}"
    return f"max {tensor.abs().max().item():.2g}" if largest else "×".join(map(str, tensor.shape))


def _edges(axes: Axes, circles: tuple[Circle, ...], passed: dict[tuple[int, int], float], active: int) -> None:
    for number, circle in enumerate(circles):
        for position, parent in enumerate(circle.parents):
            times = circle.parents.count(parent)
            bend = 0.0 if times == 1 else (-0.35, 0.35)[position % 2]
            start = (circles[parent].x, circles[parent].y)
            now = number == active
            _arrow(axes, start, (circle.x, circle.y), MARK if now else GREY, bend)
            if now:
                middle_x = 0.5 * (start[0] + circle.x)
                middle_y = 0.5 * (start[1] + circle.y) + 0.2 - 0.9 * bend
                text = f"{passed[number, position]:+.3g}"
                axes.text(middle_x, middle_y, text, ha="center", va="center", color=MARK, fontsize=9)


def _label(axes: Axes, place: tuple[float, float], text: str, points_up: float, colour: str) -> None:
    axes.annotate(text, place, (0, points_up), textcoords="offset points", ha="center", va="center", color=colour)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=11,
            shrinkA=15,
            shrinkB=16,
            color=colour,
            linewidth=1.3,
            connectionstyle=f"arc3,rad={bend}",
        )
    )


# Numbers written out, so that the picture does not need what the exercises ask for.
_GRAPHS: dict[str, tuple[Circle, ...]] = {
    "(x₁θ₁ + x₂θ₂ − y)²": (
        Circle("x₁", 0, 3.0, 2.0),
        Circle("θ₁", 0, 2.1, 1.5),
        Circle("x₂", 0, 1.2, -1.0),
        Circle("θ₂", 0, 0.3, 0.5),
        Circle("×", 1.3, 2.55, 3.0, (0, 1), (1.5, 2.0)),
        Circle("×", 1.3, 0.75, -0.5, (2, 3), (0.5, -1.0)),
        Circle("+", 2.6, 1.65, 2.5, (4, 5), (1.0, 1.0)),
        Circle("y", 2.6, 0.3, 4.0),
        Circle("−", 3.9, 1.2, -1.5, (6, 7), (1.0, -1.0)),
        Circle("( )²", 5.2, 1.2, 2.25, (8,), (-3.0,)),
    ),
    "x·x + x": (
        Circle("x", 0, 0.9, 3.0),
        Circle("×", 1.7, 1.8, 9.0, (0, 0), (3.0, 3.0)),
        Circle("+", 3.4, 0.9, 12.0, (1, 0), (1.0, 1.0)),
    ),
    "log-sum-exp − true logit": (
        Circle("z₁", 0, 2.4, 2.0),
        Circle("z₂", 0, 0.3, 0.0),
        Circle("exp", 1.5, 2.4, 7.389, (0,), (7.389,)),
        Circle("exp", 1.5, 1.2, 1.0, (1,), (1.0,)),
        Circle("+", 3.0, 1.8, 8.389, (2, 3), (1.0, 1.0)),
        Circle("log", 4.3, 1.8, 2.127, (4,), (0.1192,)),
        Circle("−", 5.6, 0.3, 2.127, (5, 1), (1.0, -1.0)),
    ),
}
