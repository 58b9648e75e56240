# ruff: noqa: E501
"""Invented grading records: a whole class with the variety of a real one, hostile names and outputs included.

Nothing here is graded; the records have the shape that `autograder.grading` gives, for the tests of pages, exports and
gradebook.
"""

from __future__ import annotations

import base64
import functools
import io
from dataclasses import dataclass, field

import numpy as np

from autograder.record import ExerciseResult, Finding, NotebookResult, Record, Status, TestResult

ASSIGNMENT = "01_softmax_regression"
NOTEBOOK = "softmax_regression"

HOSTILE_NAMES = (
    "<script>alert('name')</script>",
    '=HYPERLINK("http://evil.example","ada")',
    "../../etc/passwd",
    "new\nline\x1b[31mred",
    'quo"te, comma & <b>bold</b>',
    "\u202etxt.evil",
)
HONEST_NAMES = (
    "ada", "grace.hopper", "alan_t", "åsa-öberg", "李雷", "noether", "gauss@uni.example", "cantor", "kolmogorov", "bayes",
    "fisher", "lovelace2", "turing", "shannon", "rosenblatt", "mcculloch", "widrow", "hebb", "hinton7", "lecun", "bengio",
    "schmid", "vapnik", "rumelhart",
)  # fmt: skip

EVIL_HTML = "<img src=x onerror=\"alert('html')\"><script>alert('output')</script>"
EVIL_SVG = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"


@dataclass(frozen=True)
class Item:
    """One exercise of the invented notebook: `tests` are (name, title, weight, message when it fails, hint)."""

    name: str
    title: str
    points: float
    difficulty: float  # in units of a student's ability; 0 is what half of the class can do
    lecture: tuple[str, ...]
    right: str
    wrong: str
    tests: tuple[tuple[str, str, float, str, str], ...]
    kind: str = "exercise"
    minutes: int = field(default=10)


ITEMS = (
    Item("scale_facts", "Scale of the data", 1, -1.5, ("L01.07",), "images_in_training_set = 60_000", "images_in_training_set = 600",
         (("test_images", "MNIST's training set has the size that lecture 1 states.", 1, "found 600, which is too small", ""),), "quiz"),
    Item("below_line", "Which side of a line", 2, -1.2, ("L01.03",),
         "def below_line(x, theta):\n    return x @ theta[:-1] + theta[-1] <= 0",
         "def below_line(x, theta):\n    return x @ theta[:-1] + theta[-1] < 0",
         (("test_points_on_both_sides", "Points on either side are told apart.", 1, "", ""),
          ("test_boundary_counts_as_inside", "A point on the line counts as inside: compare with <=, not with <.", 1,
           "2 of 5 points lie on the line, and for them the answer was False", "What does the definition in the docstring say about equality?"))),
    Item("quadratic_features", "Quadratic features", 2, -0.6, ("L01.04",),
         "def quadratic_features(x):\n    a, b = x[:, 0], x[:, 1]\n    return torch.stack([a, b, a**2, b**2, a * b], dim=1)",
         "def quadratic_features(x):\n    a, b = x[:, 0], x[:, 1]\n    return torch.stack([a, b, a * b, a**2, b**2], dim=1)",
         (("test_shape", "Each row of two numbers gives five features.", 1, "", ""),
          ("test_order", "The features come in the order x1, x2, x1², x2², x1·x2.", 1,
           "column 2 differs: for x1 = 2.0 and x2 = -1.5 it holds the product where the square of x1 belongs",
           "Later exercises read the columns by position, so the order matters."))),
    Item("softmax", "Softmax", 3, -0.2, ("L02.06",),
         "def softmax(logits, dim=-1):\n    shifted = logits - logits.max(dim=dim, keepdim=True).values\n"
         "    weights = shifted.exp()\n    return weights / weights.sum(dim=dim, keepdim=True)",
         "def softmax(logits, dim=-1):\n    weights = torch.exp(logits)   # exponentiate, then normalise\n"
         "    return weights / weights.sum(dim=dim, keepdim=True)",
         (("test_rows_sum_to_one", "Every row is a probability distribution.", 1, "", ""),
          ("test_survives_large_logits", "Large logits overflow: subtract the row maximum before exponentiating.", 2,
           "6 of 35 entries are nan, the first one at row 0, column 3; the logits there are about 1e4",
           "Adding a constant to every logit of a row does not change its softmax. Which constant keeps exp from overflowing?"))),
    Item("log_softmax", "Log-softmax", 3, 0.3, ("L02.06", "L02.09"),
         "def log_softmax(logits, dim=-1):\n    shifted = logits - logits.amax(dim, keepdim=True)\n"
         "    return shifted - shifted.exp().sum(dim, keepdim=True).log()",
         "def log_softmax(logits, dim=-1):\n    return torch.log(softmax(logits, dim))",
         (("test_matches_definition", "For moderate logits the values are the logarithms of the softmax.", 1, "", ""),
          ("test_no_minus_infinity", "The logarithm of a probability that underflows to 0 is -inf: do not go through softmax.", 2,
           "shape (4, 6), dtype float32: 5 entries are -inf, the first one at (0, 2)",
           "Write log(exp(a) / sum) as a difference before any exponential is taken."))),
    Item("negative_log_likelihood", "Negative log-likelihood", 4, 0.5, ("L02.09",),
         "def negative_log_likelihood(logits, labels):\n    rows = torch.arange(len(labels))\n    return -log_softmax(logits)[rows, labels].mean()",
         "def negative_log_likelihood(logits, labels):\n    rows = torch.arange(len(labels))\n    return -log_softmax(logits)[rows, labels].sum()",
         (("test_picks_the_labels", "Only the logit of the label and the normaliser enter the loss.", 1, "", ""),
          ("test_mean_over_samples", "The loss is the mean over the samples, so that it does not grow with the batch.", 2,
           "for 8 samples the loss is 8 times as large as for one of them repeated", "Mean or sum: the docstring says which."),
          ("test_finite_for_large_logits", "Logits of ±10,000 give a finite loss.", 1, "the loss is inf", ""))),
    Item("softmax_regression_gradient", "The gradient in closed form", 4, 1.1, ("L02.13",),
         "def softmax_regression_gradient(x, labels, weights):\n    p = softmax(x @ weights)\n"
         "    p[torch.arange(len(x)), labels] -= 1\n    return x.T @ p / len(x)",
         "def softmax_regression_gradient(x, labels, weights):\n    p = softmax(x @ weights)\n"
         "    p[torch.arange(len(x)), labels] -= 1\n    return x.T @ p",
         (("test_shape", "The gradient has the shape of the weights, (D, C).", 1, "", ""),
          ("test_finite_differences", "The gradient agrees with finite differences of the loss.", 2,
           "shape (5, 3): every entry is 12 times too large, and the batch has 12 rows",
           "The loss is a mean over the N rows; where does 1/N go?"),
          ("test_weights_unchanged", "The arguments stay as they were: no in-place changes of what the caller owns.", 1, "", ""))),
    Item("minibatches", "Minibatches", 2, 0.0, ("L02.13",),
         "def minibatches(size, batch_size, generator):\n    order = torch.randperm(size, generator=generator)\n    yield from order.split(batch_size)",
         "def minibatches(size, batch_size, generator):\n    order = torch.randperm(size, generator=generator)\n"
         "    for i in range(size // batch_size):\n        yield order[i * batch_size : (i + 1) * batch_size]",
         (("test_every_index_once", "Every index comes once an epoch, the short last batch included.", 2,
           "3 of 23 indices never came: 20, 21 and 22 of the drawn order", "size // batch_size rounds down."),
          ("test_shuffled", "The order is drawn from the generator.", 1, "", ""))),
    Item("why_max", "Why subtract the maximum?", 3, 0.0, ("L02.06",),
         "Subtracting the row's maximum $m$ leaves the ratio as it is, since $e^{a-m}/\\sum e^{b-m} = e^a / \\sum e^b$, and makes every exponent "
         "at most 0, so nothing overflows and one term of the sum is 1.",
         "So that it does not overflow.", (), "answer"),
)  # fmt: skip

POINTS = sum(item.points for item in ITEMS)
MANUAL = sum(item.points for item in ITEMS if item.kind == "answer")


@functools.cache
def sample_png() -> str:
    """A small real figure, base64-encoded."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4, 2.4), layout="constrained")
    steps = np.arange(60)
    axes.plot(steps, 2.3 * np.exp(-steps / 15) + 0.2, label="training")
    axes.plot(steps, 2.3 * np.exp(-steps / 18) + 0.3, label="test")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=90)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()


def _test(
    spec: tuple[str, str, float, str, str], share: float, status: Status, message: str | None = None
) -> TestResult:
    name, title, _, failed_message, hint = spec
    text = (failed_message or "the values differ from the definition") if message is None else message
    passed = status == "passed"
    return TestResult(name, title, status, share if passed else 0.0, share, "" if passed else text, hint, 0.01)


def exercise_result(item: Item, status: Status, message: str = "", seconds: float = 0.05) -> ExerciseResult:
    """One exercise with a given outcome.

    `partial` and `failed` fail the tests that the item's typical mistake fails; the other statuses fail every test with
    their own message.
    """
    total = sum(test[2] for test in item.tests) or 1.0
    shares = [item.points * test[2] / total for test in item.tests]
    source = item.right if status in ("passed", "manual", "grader_error") else item.wrong
    if status == "passed":
        tests = [_test(t, s, "passed") for t, s in zip(item.tests, shares, strict=True)]
    elif status in ("partial", "failed"):
        typical = [bool(test[3]) or status == "failed" for test in item.tests]
        tests = [
            _test(t, s, "failed" if bad else "passed") for t, s, bad in zip(item.tests, shares, typical, strict=True)
        ]
        if not any(test.status == "passed" for test in tests):
            status = "failed"
    elif status in ("not_done", "missing", "manual"):
        stub = f'def {item.name}(...):\n    """Docstring of {item.name}."""\n    raise NotImplementedError'
        source = {"not_done": stub, "missing": ""}.get(status, source)
        tests = [_test(t, s, status, "not run") for t, s in zip(item.tests, shares, strict=True)] if item.tests else []
    else:
        tests = [_test(t, s, status, message) for t, s in zip(item.tests, shares, strict=True)]
    return ExerciseResult(
        name=item.name, kind=item.kind, title=item.title, points=item.points, score=sum(t.score for t in tests), status=status,  # type: ignore[arg-type]
        message=message, lecture=list(item.lecture), seconds=seconds, source=source, tests=tests,
    )  # fmt: skip


MESSAGES: dict[str, str] = {
    "error": "TypeError in your line 3: unsupported operand type(s) for -: 'Tensor' and 'torch.return_types.max'",
    "timeout": "stopped after 10 s in one test; the limit is 10 s",
    "memory": "asked for 12.0 GB; the limit is 2.0 GB",
    "crashed": "the process ended by itself (os._exit or a crash in compiled code)",
    "forbidden": "calls torch.softmax, which this exercise asks you to write",
    "not_done": "still the released cell",
    "grader_error": "the hidden test itself raised an error; your instructor has been told",
}


def build_record(
    student: str, seed: int, ability: float | None = None, received: str | None = "2027-02-05T20:00:00-08:00"
) -> Record:
    """One student's record; the same arguments always give the same record."""
    rng = np.random.default_rng(seed)
    ability = float(rng.normal()) if ability is None else ability
    results = []
    for item in ITEMS:
        if item.kind == "answer":
            results.append(exercise_result(item, "manual" if rng.random() < 0.9 else "not_done"))
            continue
        margin = ability - item.difficulty + rng.normal() * 0.7
        if margin > 0:
            status: Status = "passed"
        elif margin > -1.2:
            status = "partial"
        elif rng.random() < 0.45:
            status = "not_done"
        else:
            status = str(
                rng.choice(
                    ["error", "failed", "timeout", "crashed", "forbidden", "memory"], p=[0.4, 0.3, 0.1, 0.06, 0.1, 0.04]
                )
            )  # type: ignore[assignment]
        seconds = 10.0 if status == "timeout" else float(rng.gamma(2.0, 0.03) * (1 + len(item.tests)))
        results.append(exercise_result(item, status, MESSAGES.get(status, ""), seconds))
    record = make_record(student, results, received)
    figure = record.notebooks[0].exercises[6]
    figure.outputs = [
        {"output_type": "stream", "name": "stdout", "text": "epoch 1  loss 2.311\nepoch 2  loss 1.204\n"},
        {
            "output_type": "display_data",
            "data": {"image/png": sample_png(), "text/plain": "<Figure size 400x240>"},
            "metadata": {},
        },
    ]
    return record


def make_record(student: str, results: list[ExerciseResult], received: str | None = None, **notebook: object) -> Record:
    """A record of one notebook around some exercise results."""
    score = sum(r.score for r in results if r.kind != "answer")
    manual = sum(r.points for r in results if r.kind == "answer")
    values: dict[str, object] = {
        "name": NOTEBOOK, "title": "Softmax regression", "status": "graded", "points": POINTS, "score": score, "sha256": "5e" * 32,
        "release": "1f" * 32, "suite": "c0" * 32, "exercises": results, "seconds": sum(r.seconds for r in results) + 0.4,
    } | notebook  # fmt: skip
    return Record(
        student=student, assignment=ASSIGNMENT, points=POINTS, score=score, manual_points=manual,
        notebooks=[NotebookResult(**values)],  # type: ignore[arg-type]
        isolation="bubblewrap", seed="a1b2c3d4", limits={"cell_seconds": 20.0, "test_seconds": 10.0, "memory_mb": 2048},
        received=received, graded_at="2027-02-06T09:12:44+00:00",
    )  # fmt: skip


def hostile_record(student: str) -> Record:
    """A submission that tries everything against the reader of a page: markup in source, outputs, messages and findings."""
    record = build_record(student, seed=99, ability=-0.4)
    notebook = record.notebooks[0]
    victim = notebook.exercises[3]
    victim.source = (
        "# </pre></code></style><script>alert('source')</script>\nprint('\x1b[31mred')\n{{ 7 * 7 }}{% raw %}"
    )
    victim.message = f"ValueError: {EVIL_HTML}"
    victim.outputs = [
        {"output_type": "display_data", "data": {"text/html": EVIL_HTML, "text/plain": "<b>plain</b>"}, "metadata": {}},
        {"output_type": "display_data", "data": {"image/svg+xml": EVIL_SVG}, "metadata": {}},
        {"output_type": "display_data", "data": {"application/javascript": "alert('js')"}, "metadata": {}},
        {
            "output_type": "display_data",
            "data": {"image/png": "bm90IGEgcGljdHVyZQ==\" onerror=\"alert('png')"},
            "metadata": {},
        },
        {"output_type": "display_data", "data": {"image/png": 17, "text/plain": ["a", 3]}, "metadata": {}},
        {
            "output_type": "error",
            "ename": "<i>E</i>",
            "evalue": EVIL_HTML,
            "traceback": ["\x1b[0;31m<script>alert('tb')</script>"],
        },
        {"output_type": "stream", "name": "stdout", "text": "x" * 200_000 + EVIL_HTML},
        {"output_type": "nonsense"},
    ]
    for test in victim.tests:
        test.message = f"{EVIL_HTML} [click](javascript:alert(1))"
    notebook.exercises[
        -1
    ].source = f"{EVIL_HTML}\n\n[click](javascript:alert('answer')) $\\href{{javascript:alert(1)}}{{x}}$"
    notebook.findings.append(Finding("metadata_changed", f"metadata said {EVIL_HTML}", for_student=True))
    return record


def sample_class() -> list[Record]:
    """Thirty students: most are graded as usual; the rest are missing, unreadable, hostile or met a fault of the grader."""
    times = (
        "2027-02-05T20:00:00-08:00",
        "2027-02-05T23:58:59-08:00",
        "2027-02-06T07:30:00-08:00",
        "2027-02-08T01:00:00-08:00",
    )
    records = [build_record(name, seed, received=times[min(seed % 7, 3)]) for seed, name in enumerate(HONEST_NAMES)]
    records += [hostile_record(name) for name in HOSTILE_NAMES]
    records[3].notebooks[0].findings += [
        Finding("duplicated_cell", "The cell of `softmax` was there twice; the first copy was graded."),
        Finding("old_release", "The notebook was made from an earlier release; nothing was lost by that."),
    ]
    records[5].notebooks[0].findings.append(
        Finding("metadata_changed", "points of a cell were set to 100", for_student=False)
    )
    broken = exercise_result(ITEMS[4], "grader_error", MESSAGES["grader_error"])
    records[8].notebooks[0].exercises[4] = broken
    absent = [exercise_result(item, "missing") for item in ITEMS]
    records[9] = make_record(records[9].student, absent, times[0], status="unreadable")
    records[9].notebooks[0].findings = [Finding("unreadable", "The file is not a notebook: the JSON ends in line 12.")]
    records[17] = make_record(records[17].student, absent, None, status="missing")
    records[11].received = "2027-02-13T12:00:00-08:00"
    return records
