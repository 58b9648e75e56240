"""What was learned: the values of a game's boards, and runs with their bands."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.actor_critic.board import EMPTY, Board, minimax, next_boards, to_move
from course_lib.figures.frame import BLUE, CYCLE, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.plots import DASHES
from course_lib.kit.widgets import Choice, interactive

POSITIONS = {
    "empty board": EMPTY,
    "after two moves": (0, 0, 0, 0, 1, 0, 0, 0, -1),
    "circles must answer": (1, 0, 0, 0, 1, 0, 0, -1, 0),
    "a fork for crosses": (1, -1, 0, 0, 1, 0, 0, 0, -1),
    "crosses can win": (1, 1, 0, -1, -1, 0, 0, 0, 0),
}
_SIGNS = LinearSegmentedColormap.from_list("signs", [ORANGE, "#f2f2f2", BLUE])


@interactive(position=Choice(tuple(POSITIONS), "position"))
@drawn
def board_values(value: Callable[[Board], float], position: str = "after two moves") -> Figure:
    """What a learned value function says about each move, beside the outcome of perfect play.

    Args:
        value: maps a board to the expected outcome for crosses.
        position: one of `POSITIONS`.

    Returns:
        Two boards, each free cell with the value of moving there, from -1 (circles win) to 1 (crosses win).

    Source: lecture 16, policy evaluation examples. L16.06.
    """
    board = POSITIONS[position]
    moves = {next(cell for cell in range(9) if board[cell] != after[cell]): after for after in next_boards(board)}
    side = "crosses" if to_move(board) == 1 else "circles"
    figure, grid = panels(2, width=7.6, height=3.7)
    judges: tuple[tuple[str, Callable[[Board], float]], ...] = (("learned", value), ("perfect play", minimax))
    for axes, (name, judge) in zip(grid, judges, strict=True):
        found = {cell: float(judge(after)) for cell, after in moves.items()}
        picture = np.full(9, np.nan)
        picture[list(found)] = list(found.values())
        axes.imshow(picture.reshape(3, 3), cmap=_SIGNS, vmin=-1, vmax=1)
        for cell in range(9):
            row, column = divmod(cell, 3)
            if cell in found:
                text, size, colour = f"{found[cell]:+.2f}", 11, "black" if abs(found[cell]) < 0.7 else "white"
            else:
                text, size, colour = "×" if board[cell] == 1 else "○", 26, GREY
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
        axes.set(xticks=np.arange(-0.5, 3), yticks=np.arange(-0.5, 3), xlabel=f"to move: {side}")
        axes.set(xticklabels=[], yticklabels=[])
        axes.grid(True, color=GREY, alpha=1.0)
        axes.tick_params(length=0)
        best = max(found.values()) if side == "crosses" else min(found.values())
        axes.set_title(f"{name}: best {best:+.2f}")
    return figure


@drawn
def learning_bands(
    runs: Mapping[str, Sequence[Sequence[tuple[float, float]]]],
    ylabel: str = "mean return of an evaluation",
    title: str = "",
    bar: float | None = None,
    losses: Mapping[str, Sequence[Sequence[tuple[float, float]]]] | None = None,
) -> Figure:
    """Learning curves over seeds: the median, and a band from the lowest to the highest run.

    Args:
        runs: name of a method to its runs, each a series of (environment steps, value). A run that has ended early
            keeps its last value.
        ylabel: of the first panel.
        title: of the first panel.
        bar: a level to be reached, drawn as a line.
        losses: second panel with the critic's losses, in the same form, on a logarithmic axis; of a run that has ended
            nothing is drawn.

    Returns:
        One or two panels.

    Source: lecture 16, an actor-critic algorithm. L16.07.
    """
    figure, grid = panels(2 if losses else 1, width=9.6 if losses else 6.8, height=3.7)
    for axes, series, log in zip(np.atleast_1d(grid), (runs, losses or {}), (False, True), strict=False):
        for number, (name, curves) in enumerate(series.items()):
            colour = CYCLE[number % len(CYCLE)]
            steps = np.linspace(min(c[0][0] for c in curves), max(c[-1][0] for c in curves), 120)
            rows = []
            for curve in curves:
                at, value = np.array(curve, dtype=float).T
                rows.append(np.interp(steps, at, value, right=np.nan if log else value[-1]))
            if log:  # a batch's loss jumps by an order of magnitude: a running mean over about a fifteenth of the run
                rows = [np.convolve(row, np.ones(9) / 9, "valid") for row in rows]
                steps = steps[4:-4]
            values = np.array(rows)
            steps, values = (part[..., ~np.isnan(values).all(0)] for part in (steps, values))
            dash = DASHES[number % len(DASHES)]
            axes.plot(steps, np.nanmedian(values, 0), color=colour, ls=dash, label=name)
            axes.fill_between(steps, np.nanmin(values, 0), np.nanmax(values, 0), color=colour, alpha=SHADE, lw=0)
        axes.set(xlabel="environment steps", ylabel="critic's loss" if log else ylabel)
        if log:
            axes.set(yscale="log", title="The critic: 1/2 mean (V − y)² before each fit")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.legend(fontsize=8)
    first = np.atleast_1d(grid)[0]
    if bar is not None:
        first.axhline(bar, color=MARK, lw=1.2, ls=":")
        first.text(
            1, bar, f"{bar:g}", color=MARK, va="bottom", ha="right", fontsize=8, transform=first.get_yaxis_transform()
        )
    counts = {len(curves) for curves in runs.values()}
    first.set_title(title or f"Median and range of {'/'.join(map(str, sorted(counts)))} seeds")
    return figure
