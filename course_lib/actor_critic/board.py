"""A value function that learns a game by playing against itself: TD-Gammon's idea, on a board of nine cells.

A board is a tuple of nine numbers, row by row: 1 for a cross, -1 for a circle, 0 for an empty cell. Crosses begin. The
reward is the outcome of the game FOR THE CROSSES: 1, 0 for a draw, -1; so crosses look for high values, circles for low
ones, and one value function serves both.
"""

import random
from functools import cache

Board = tuple[int, ...]

EMPTY: Board = (0,) * 9
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


def to_move(board: Board) -> int:
    """Give 1 if crosses are to move, -1 if circles are; crosses begin.

    >>> to_move(EMPTY), to_move((1, 0, 0, 0, 0, 0, 0, 0, 0))
    (1, -1)

    Source: lecture 16, policy evaluation examples. L16.06.
    """
    return 1 if sum(board) == 0 else -1


def outcome(board: Board) -> int | None:
    """Give the outcome for crosses, 1, 0 or -1; None while the game goes on.

    >>> outcome((1, 1, 1, -1, -1, 0, 0, 0, 0)), outcome(EMPTY)
    (1, None)

    Source: lecture 16, policy evaluation examples. L16.06.
    """
    for a, b, c in LINES:
        if board[a] and board[a] == board[b] == board[c]:
            return board[a]
    return None if 0 in board else 0


def next_boards(board: Board) -> list[Board]:
    """Give the boards after each possible move, in the order of the cells; none if the game is
    over.

    >>> len(next_boards(EMPTY)), next_boards(EMPTY)[0]
    (9, (1, 0, 0, 0, 0, 0, 0, 0, 0))

    Source: lecture 16, policy evaluation examples. L16.06.
    """
    if outcome(board) is not None:
        return []
    player = to_move(board)
    return [(*board[:cell], player, *board[cell + 1 :]) for cell in range(9) if board[cell] == 0]


@cache
def minimax(board: Board) -> int:
    """Give the outcome for crosses if both sides play perfectly from here: the truth that a
    learner can be compared with.

    >>> minimax(EMPTY), minimax((1, 1, 0, -1, -1, 0, 0, 0, 0))
    (0, 1)

    Source: lecture 16, policy evaluation examples. L16.06.
    """
    over = outcome(board)
    if over is not None:
        return over
    values = [minimax(following) for following in next_boards(board)]
    return max(values) if to_move(board) == 1 else min(values)


class TDGammonLite:
    """A table of the expected outcome of each board, learned by playing both sides.

    Like Tesauro's TD-Gammon it knows the rules and the outcomes, and has no other teacher;
    unlike it, it has a table in place of a network.

    Args:
        rate: how far a value moves towards its target, 0 to 1.

    Attributes:
        table: dict from a board on which the game goes on to its value; a board that is missing
            has the value 0.0. Boards on which the game is over never stand in it.

    >>> player = TDGammonLite()
    >>> player.choose((1, 1, 0, -1, -1, 0, 0, 0, 0))  # crosses win at once
    (1, 1, 1, -1, -1, 0, 0, 0, 0)
    >>> player.learn((1, 1, 0, -1, -1, 0, 0, 0, 0), (1, 1, 1, -1, -1, 0, 0, 0, 0))
    >>> player.value((1, 1, 0, -1, -1, 0, 0, 0, 0))
    0.5

    Source: lecture 16, policy evaluation examples; Tesauro (1992). L16.06.
    """

    def __init__(self, rate: float = 0.5) -> None:  ### GIVEN
        self.rate = rate
        self.table: dict[Board, float] = {}

    def value(self, board: Board) -> float:
        """Give the outcome where the game is over (a draw is 0.0), else the value in the table,
        0.0 if it is not there.
        """
        over = outcome(board)
        return self.table.get(board, 0.0) if over is None else float(over)

    def choose(self, board: Board) -> Board:
        """Give the best of the next boards for the player who is to move; of equal ones the
        first.

        Crosses want the largest value, circles the smallest. The game is not over.
        """
        sign = to_move(board)
        return max(next_boards(board), key=lambda following: sign * self.value(following))

    def learn(self, board: Board, following: Board) -> None:
        """Move the value of a board by `rate` towards the value of the board that followed it.

        That target is the outcome if the game is over then. There is no reward before the end,
        no discount, and no change of sign: all values are those of the crosses.
        """
        old = self.value(board)
        self.table[board] = old + self.rate * (self.value(following) - old)

    def play(self, games: int, explore: float, generator: random.Random, start: Board = EMPTY) -> None:  ### GIVEN
        """Play against itself and learn from each move that it chose, the last one first.

        Backwards, news of the outcome reaches the first move within one game.

        Args:
            games: how many.
            explore: share of the moves that are made at random; nothing is learned from them,
                for they say what a bad move leads to, not what the board is worth.
            generator: source of randomness.
            start: where each game begins.
        """
        for _ in range(games):
            board, chosen = start, []
            while outcome(board) is None:
                if generator.random() < explore:
                    board = generator.choice(next_boards(board))
                else:
                    following = self.choose(board)
                    chosen.append((board, following))
                    board = following
            for earlier, later in reversed(chosen):
                self.learn(earlier, later)
