# ruff: noqa: E501 - the cells are students' code
"""Honest accidents inside the cells of a notebook; those of the file itself are in `tests/test_intake.py`."""

from __future__ import annotations

from threats.case import COUNTER, DESCEND, ENTROPY, SOFTMAX, Case, fails

CASES = [
    Case(
        "magics_and_await",
        {
            "entropy": "%matplotlib widget\n!ls /\nlisting = !echo hello\n%timeit -n1 -r1 1 + 1\n"
            "import asyncio\nawait asyncio.sleep(0)\n" + ENTROPY,
        },
        [("entropy", "%%bash\necho hello"), ("entropy", "%%time\nx = 1"), ("Counter", "?torch\n%pip list")],
    ),
    Case(
        "names_shadowed_by_a_cell", {"softmax": SOFTMAX + "list = 3\nlen = None\ntorch = None"}, finding="shadowed_name"
    ),
    Case(
        "names_of_earlier_exercises_shadowed", {"Counter": COUNTER + "softmax = None\nentropy = 3", "descend": DESCEND}
    ),
    Case(
        "helper_defined_later",
        {"softmax": "def softmax(x):\n    return normalised((x - x.max(-1, keepdim=True).values).exp())"},
        [("descend", "def normalised(x):\n    return x / x.sum(-1, keepdim=True)")],
        finding="out_of_order",
    ),
    Case(
        "helper_in_a_cell_before",
        {"softmax": "def softmax(x):\n    return normalised((x - x.max(-1, keepdim=True).values).exp())"},
        [
            (
                "softmax",
                "import math\nK = 1\ndef normalised(x):\n    return x / x.sum(-1, keepdim=True)\nprint(undefined_name)",
            )
        ],
    ),
    Case(
        "helper_in_an_earlier_exercise",
        {
            "softmax": "def normalised(x):\n    return x / x.sum(-1, keepdim=True)\n" + SOFTMAX,
            "entropy": "def entropy(x):\n    p = normalised(x.exp())\n    return -(p * p.log()).sum(-1)",
        },
    ),
    Case(
        "exercise_on_its_own_merit",
        {"softmax": "def softmax(x):\n    return x * 0", "entropy": ENTROPY},
        lost={"softmax": 4.0},
    ),
    Case(
        "partial_credit_by_weight",
        {"softmax": "def softmax(x):\n    e = x.exp()\n    return e / e.sum(-1, keepdim=True)"},
        lost={"softmax": 1.0},
        status={"softmax": "partial"},
    ),
    Case(
        "changes_its_argument",
        {
            "entropy": "def entropy(x):\n    x -= x.max(-1, keepdim=True).values\n    p = x.exp() / x.exp().sum(-1, keepdim=True)\n    return -(p * p.log()).sum(-1)"
        },
    ),
    Case(
        "state_does_not_leak_between_tests",
        {
            "Counter": "calls = []\n"
            + COUNTER.replace(
                "self.value = start", "calls.append(start); self.value = start if len(calls) < 2 else start + 0"
            )
        },
    ),
    fails(
        "a_package_that_is_not_there",
        "entropy",
        "import tensorflow_of_another_age as t\n" + "def entropy(x):\n    return t.entropy(x)",
        "error",
        2.0,
        says={"entropy": "tensorflow_of_another_age"},
    ),
    fails("not_python", "entropy", "def entropy(x)\n    return x", "error", 2.0, says={"entropy": "SyntaxError"}),
    fails("an_unclosed_string", "entropy", 'x = """ not closed\n' + ENTROPY, "error", 2.0),
    fails("a_tab_among_spaces", "entropy", "def entropy(x):\n        a = 1\n\treturn a", "error", 2.0),
    fails("no_return", "entropy", "def entropy(x):\n    softmax(x)", "failed", 2.0, says={"entropy": "return"}),
    fails(
        "wrong_shape",
        "entropy",
        ENTROPY.replace("sum(-1)", "sum(-1, keepdim=True)"),
        "failed",
        2.0,
        says={"entropy": "shape"},
    ),
    fails(
        "an_error_of_its_own",
        "entropy",
        "def entropy(x):\n    y = x.lenght\n    return y",
        "error",
        2.0,
        says={"entropy": "y = x.lenght"},
    ),
    fails(
        "raises_at_the_end_of_the_cell",
        "entropy",
        "raise ValueError('no')\n" + ENTROPY,
        "error",
        2.0,
        says={"entropy": "ValueError: no"},
    ),
    Case("raises_after_the_answer", {"entropy": ENTROPY + "raise ValueError('a try at the end')"}),
    Case(
        "warnings_and_stderr",
        {
            "entropy": "import sys, warnings\nwarnings.warn('old')\nprint('look', file=sys.stderr)\n"
            + ENTROPY
            + "warnings.simplefilter('error')"
        },
    ),
    Case(
        "non_ascii",
        {
            "entropy": "größe = 'π ≈ 3.14159 🙂 日本'\nprint(größe)\ndef entropy(λ):\n    π = softmax(λ)\n    return -(π * π.log()).sum(-1)"
        },
    ),
    Case(
        "extra_imports",
        {
            "entropy": "import math, random, collections, itertools\nimport numpy as np\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
            + ENTROPY
        },
    ),
    Case("interactive_input", {"entropy": ENTROPY + "name = input('your name? ')"}),
    fails(
        "the_stub_with_a_comment",
        "entropy",
        "# I could not do this one\ndef entropy(logits):\n    raise NotImplementedError('entropy is not done yet')",
        "not_done",
        2.0,
    ),
    fails("a_quiz_left_open", "fact", "# seven? eight?\nfact = None  # no idea", "not_done", 1.0),
]
