"""The pages: nothing of a student runs in a browser, everything that matters is said, and the figures are right."""

from __future__ import annotations

import base64
import html.parser
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import (
    ASSIGNMENT,
    HOSTILE_NAMES,
    ITEMS,
    MESSAGES,
    build_record,
    exercise_result,
    hostile_record,
    make_record,
    sample_class,
    sample_png,
)

from autograder.curriculum import load_curriculum
from autograder.errors import CourseError
from autograder.pages.charts import histogram, ring, scatter, stacked_bar
from autograder.pages.feedback import feedback_page, write_feedback
from autograder.pages.outputs import LONGEST_TEXT, plain_text, safe_outputs
from autograder.pages.render import highlighted, inline
from autograder.pages.report import report_page, write_report
from autograder.pages.statistics import (
    concerns,
    corrected_item_total,
    cronbach_alpha,
    exercise_figures,
    failed_tests,
    reliability,
)
from autograder.policy import Extension, ledgers
from autograder.record import Finding

AFTER = datetime(2027, 3, 1, tzinfo=UTC)

# What the pages are made of. A student's text must add nothing to it.
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div", "p", "span",
    "h1", "h2", "h3", "h4", "ol", "ul", "li", "a", "b", "strong", "br", "code", "pre", "img", "details",
    "summary", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "circle", "line", "text",
    "figure", "figcaption", "polyline",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "id", "class", "href", "src", "alt", "role", "aria-label",
    "aria-labelledby", "aria-hidden", "tabindex", "scope", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r",
    "width", "height", "viewbox", "fill", "stroke-width", "stroke-dasharray", "transform", "text-anchor",
    "preserveaspectratio", "points",
}  # fmt: skip
VOID = {"meta", "br", "img"}


class Page(html.parser.HTMLParser):
    """Reads a page and complains about everything that our own templates do not make."""

    def __init__(self, text: str):
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.open: list[str] = []
        self.metas: list[dict] = []
        self.complaints: list[str] = []
        self.feed(text)
        self.close()
        if self.open:
            self.complaints.append(f"left open: {self.open}")

    def handle_starttag(self, tag, attrs):
        if tag not in ELEMENTS:
            self.complaints.append(f"element {tag}")
        for name, value in attrs:
            if name not in ATTRIBUTES or name.startswith("on"):
                self.complaints.append(f"attribute {name} of {tag}")
            if name == "href":
                self.links.append(value)
            if name == "src":
                self.images.append(value)
        if tag == "meta":
            self.metas.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        # A title inside an SVG is a tooltip.
        if not self.open or self.open[-1] != tag:
            self.complaints.append(f"closes {tag} in {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def handle_comment(self, data):
        self.complaints.append(f"comment {data}")

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def check_harmless(text: str, own_links=r"#n\d+-e\d+") -> Page:
    page = Page(text)
    assert page.complaints == []
    for link in page.links:
        assert re.fullmatch(own_links, link), link
    for image in page.images:
        assert re.fullmatch(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+", image), image[:80]
    policy = next(meta["content"] for meta in page.metas if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "http://" not in re.sub(r"evil\.example|http://evil", "", text)
    return page


@pytest.fixture(scope="module")
def curriculum():
    return load_curriculum()


@pytest.fixture(scope="module")
def records():
    return sample_class()


@pytest.fixture(scope="module")
def decided(records, curriculum):
    return ledgers(records, curriculum, now=AFTER)


# Escaping


def test_every_feedback_page_is_harmless(records, curriculum, decided):
    for record in records:
        page = check_harmless(feedback_page(record, curriculum, decided[record.student]))
        others = {r.student for r in records if len(r.student) > 6} - {record.student}
        assert not [name for name in others if name in page.text]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_text_is_shown_as_text(name, curriculum):
    page = check_harmless(feedback_page(hostile_record(name), curriculum))
    for piece in (
        "</pre></code></style><script>alert('source')</script>",
        "<script>alert('output')</script>",
        "<b>plain</b>",
        "<script>alert('tb')</script>",
        "[click](javascript:alert('answer'))",
        "{{ 7 * 7 }}{% raw %}",
        "metadata said <img src=x",
    ):
        assert piece in page.text
    assert "49" not in page.text
    assert len(page.images) == 1  # the honest figure; the two broken ones leave a note
    assert "a picture that cannot be shown" in page.text


def test_the_report_is_harmless(records, curriculum, decided):
    page = check_harmless(
        report_page(records, curriculum, decided), r"[\w%.~@-]+/01_softmax_regression\.feedback\.html"
    )
    assert "<script>alert('name')</script>" in page.text
    assert "=HYPERLINK" in page.text


@given(text=st.text() | st.text(alphabet="<>&\"'/=ab ;{}%`\n"))
def test_any_text_in_any_place_is_harmless(text):
    curriculum = load_curriculum()
    record = make_record(text or "x", [exercise_result(ITEMS[3], "failed"), exercise_result(ITEMS[-1], "manual")])
    for exercise in record.notebooks[0].exercises:
        exercise.title = exercise.message = exercise.source = text
        exercise.lecture, exercise.used_reference_for = [text], [text]
        exercise.outputs = [
            {"output_type": "stream", "text": text},
            {"output_type": "display_data", "data": {"text/html": text, "image/png": text}},
            {"output_type": "error", "ename": text, "evalue": text, "traceback": [text]},
        ]
        for test in exercise.tests:
            test.title = test.message = test.hint = text
    record.notebooks[0].findings = [Finding(text, text)]
    record.notebooks[0].title = record.received = record.graded_at = record.notebooks[0].sha256 = text
    check_harmless(feedback_page(record, curriculum))
    record.received = None
    check_harmless(report_page([record], curriculum), r".*/01_softmax_regression\.feedback\.html")


@pytest.mark.browser
def test_a_browser_runs_and_fetches_nothing(tmp_path, records, curriculum, decided, chromium):
    playwright = pytest.importorskip("playwright.sync_api")
    hostile = [record for record in records if record.student in HOSTILE_NAMES[:2]]
    pages = [
        *write_feedback(tmp_path, hostile, curriculum, decided),
        *write_report(tmp_path, records, curriculum, decided),
    ]
    happened: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for path in pages:
            for width in (1200, 420):
                page = browser.new_page(viewport={"width": width, "height": 900})
                page.on("dialog", lambda dialog: (happened.append(f"dialog {dialog.message}"), dialog.dismiss()))
                page.on("console", lambda message: happened.append(message.text))
                page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else happened.append(r.url))
                page.goto(path.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                # The style sheet is let in by its hash: without it the page has the browser's own margins.
                assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px"
                page.close()
        browser.close()
    assert happened == []


# Outputs


def test_outputs_become_text_and_pictures():
    png = sample_png()
    shown = safe_outputs(
        [
            {"output_type": "stream", "text": ["a\n", "b\n"]},
            {"output_type": "stream", "text": "c\n"},
            {"output_type": "execute_result", "data": {"image/png": png, "text/plain": "x"}},
            {"output_type": "execute_result", "data": {"text/html": "<b>h</b>", "text/plain": "plain"}},
            {"output_type": "execute_result", "data": {"text/html": "<b>h</b>"}},
            {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mline\x1b[0m"]},
        ]
    )
    assert [(s.kind, s.text) for s in shown] == [
        ("text", "a\nb\nc\n"), ("image", ""), ("text", "plain\n<b>h</b>\n"),
        ("note", "an output of a kind that is not shown here"), ("error", "line"),
    ]  # fmt: skip
    assert base64.b64decode(shown[1].data) == base64.b64decode(png)
    assert shown[1].uri.startswith("data:image/png;base64,iVBOR")


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["output_type", "data", "text", "image/png", "text/plain", "traceback"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    kind=st.sampled_from(["stream", "display_data", "execute_result", "error"]),
)
def test_broken_outputs_are_no_accident(value, kind):
    for output in ({"output_type": kind, "data": value, "text": value, "traceback": value, "ename": value}, value):
        for item in safe_outputs([output]):
            assert item.kind in ("text", "error", "note")
            assert "\x1b" not in item.text


def test_long_text_keeps_both_ends():
    text = plain_text("start " + "x" * 10_000_000 + " end")
    assert text.startswith("start")
    assert text.endswith("end")
    assert len(text) < LONGEST_TEXT + 100
    assert "characters left out" in text
    assert plain_text("é" * LONGEST_TEXT) == "é" * LONGEST_TEXT


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"), ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"), ("\x1b]0;title", ""),
        ("a\rb", "a\nb"),
        ("\x07", "�"), ("\u202eabc", "�abc"), ("tab\tstays", "tab\tstays"), (None, ""), (["a", 3, "b"], "ab"),
    ],
)  # fmt: skip
def test_terminal_codes_go(raw, clean):
    assert plain_text(raw) == clean


def test_code_is_highlighted_and_escaped():
    marked = highlighted("def f(x):\n    return '<b>'  # note")
    assert '<span class="k">def</span>' in marked
    assert "&lt;b&gt;" in marked
    assert "<b>" not in marked
    assert inline("use `a < b` here") == "use <code>a &lt; b</code> here"


# What the student reads


def test_feedback_says_what_failed_and_why(curriculum):
    text = Page(feedback_page(make_record("ada", [exercise_result(ITEMS[4], "partial")]), curriculum)).text
    _, failed = ITEMS[4].tests
    for words in (
        failed[1],
        failed[3],
        failed[4],
        "partly there",
        "return torch.log(softmax(logits, dim))",
        "+2 to gain",
    ):
        assert words in text
    assert text.index("Not yet") < text.index("What works")


@pytest.mark.parametrize("status", ["error", "timeout", "memory", "crashed", "forbidden", "not_done", "grader_error"])
def test_a_message_is_said_once(status, curriculum):
    record = make_record("ada", [exercise_result(ITEMS[6], status, MESSAGES[status])])
    text = Page(feedback_page(record, curriculum)).text
    assert text.count(MESSAGES[status]) == 1
    for _, title, *_ in ITEMS[6].tests:
        assert (title in text) == (status != "grader_error")


def test_a_message_that_all_tests_share_is_said_once(curriculum):
    result = exercise_result(ITEMS[6], "error", "NameError: name 'p' is not defined")
    result.message = ""
    text = Page(feedback_page(make_record("ada", [result]), curriculum)).text
    assert text.count("NameError") == 1


def test_full_marks_name_no_failure(curriculum):
    results = [exercise_result(item, "passed" if item.kind != "answer" else "manual") for item in ITEMS]
    text = Page(feedback_page(make_record("ada", results), curriculum)).text
    assert "Every exercise that a machine grades has full marks." in text
    assert "3 more points are for written answers" in text
    assert "✗" not in text


def test_what_is_for_instructors_stays_away_from_students(records, curriculum):
    record = next(r for r in records if r.student == "noether")
    assert "points of a cell were set to 100" not in feedback_page(record, curriculum)
    assert "points of a cell were set to 100" in report_page(records, curriculum)


def test_lateness_is_told(records, curriculum, decided):
    def text(student, ledger=None):
        record = next(r for r in records if r.student == student)
        return Page(feedback_page(record, curriculum, ledger or decided[student])).text

    assert "1 day late, covered by 1 slip day. 1 of 5 slip days used." in text("alan_t")
    assert "0 of 5 slip days used." in text("ada")
    assert "it counts as work that was not handed in: 0 points" in text("lovelace2")
    assert "does not enter your grade" not in text("alan_t")
    excused = ledgers(records, curriculum, {("ada", ASSIGNMENT): Extension("ada", ASSIGNMENT, excused=True)}, AFTER)
    assert "excused: left out of your average" in text("ada", excused["ada"])


def test_where_a_student_stands_is_told_with_the_whole_term(tmp_path, records, curriculum, decided):
    for term, told in ((records, True), ((), False)):
        for path in write_feedback(tmp_path, records, curriculum, decided, term):
            page = check_harmless(path.read_text(encoding="utf-8"))
            assert ("In the course count: midterms 30, homework 40, project 30." in page.text) is told


@pytest.mark.parametrize(("student", "words"), [("bayes", "could not be read"), ("hebb", "No notebook was handed in")])
def test_nothing_to_grade_is_told_kindly(student, words, records, curriculum):
    record = next(r for r in records if r.student == student)
    text = Page(feedback_page(record, curriculum)).text
    assert words in text
    assert "and hand" in text.lower() or "hand in the notebook" in text.lower() or "hand it in" in text.lower()


def test_a_grade_by_hand_shows_with_its_comment(curriculum):
    record = make_record("ada", [exercise_result(ITEMS[-1], "manual")])
    answer = record.notebooks[0].exercises[0]
    answer.status, answer.score, answer.message = "partial", 2.0, "Good, but say why the ratio stays."
    text = Page(feedback_page(record, curriculum)).text
    assert "Good, but say why the ratio stays." in text
    assert "2 of 3" in text


# The figures


def test_item_total_correlation_leaves_the_item_out():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(40, 4)) + rng.normal(size=(40, 1))
    total = scores.sum(axis=1)
    found = corrected_item_total(scores[:, 0], total)
    assert found == pytest.approx(np.corrcoef(scores[:, 0], scores[:, 1:].sum(axis=1))[0, 1])
    # Point-biserial: the difference of the means of both groups, in units of the whole spread.
    item = (scores[:, 0] > 0).astype(float)
    rest = rng.normal(size=40) + item
    p = item.mean()
    expected = (rest[item == 1].mean() - rest[item == 0].mean()) / rest.std() * np.sqrt(p * (1 - p))
    assert corrected_item_total(item, rest + item) == pytest.approx(expected)


def test_figures_that_mean_nothing_are_not_given():
    assert corrected_item_total([1] * 7, range(7)) is None
    assert corrected_item_total([1] * 20, range(20)) is None
    assert corrected_item_total(range(20), range(20)) is None
    assert cronbach_alpha([[1.0, 2.0]] * 20) is None
    assert cronbach_alpha([[1.0]] * 20) is None


def test_alpha_of_equal_and_of_unrelated_items():
    same = np.repeat(np.arange(10.0)[:, None], 3, axis=1)
    assert cronbach_alpha(same.tolist()) == pytest.approx(1.0)
    # Two items whose covariance is zero by construction.
    assert cronbach_alpha([[a, b] for a in (0, 1) for b in (0, 1)] * 3) == pytest.approx(0.0)


def test_exercise_figures_agree_with_the_records(records):
    figures = {f.name: f for f in exercise_figures(records)}
    assert list(figures) == [item.name for item in ITEMS]
    handed_in = [r.notebooks[0] for r in records if r.notebooks[0].status == "graded"]
    softmax = [e for n in handed_in for e in n.exercises if e.name == "softmax"]
    assert figures["softmax"].students == len(softmax) == 28
    assert figures["softmax"].mean == pytest.approx(np.mean([e.score for e in softmax]) / 3)
    assert figures["softmax"].full == sum(e.status == "passed" for e in softmax)
    totals = [n.score for n in handed_in]
    assert figures["softmax"].discrimination == pytest.approx(corrected_item_total([e.score for e in softmax], totals))
    assert figures["softmax"].median_seconds == pytest.approx(
        np.median([e.seconds for e in softmax if e.status != "not_done"])
    )
    assert figures["log_softmax"].statuses["grader_error"] == 1
    assert figures["why_max"].mean is None
    assert 0.5 < reliability(records) < 1


def test_strong_students_who_lose_points_raise_a_doubt():
    records = []
    for i in range(20):
        results = [exercise_result(item, "passed" if i >= 2 * k else "not_done") for k, item in enumerate(ITEMS[1:8])]
        results.append(exercise_result(ITEMS[0], "not_done" if i > 10 else "passed"))
        records.append(make_record(f"s{i}", results))
    doubts = {f.name: f.doubt for f in exercise_figures(records)}
    assert "check the tests" in doubts["scale_facts"]
    assert doubts["softmax"] == ""


def test_failed_tests_are_counted_over_answers(records):
    found = failed_tests(records)
    counts = [len(entry.students) for entry in found]
    assert counts == sorted(counts, reverse=True)
    entry = next(e for e in found if e.name == "test_no_minus_infinity")
    expected = [
        r.student for r in records for n in r.notebooks for e in n.exercises
        if e.status in ("partial", "failed") and any(t.name == entry.name and t.status == "failed" for t in e.tests)
    ]  # fmt: skip
    assert entry.students == expected
    assert entry.example.startswith("shape (4, 6), dtype float32: 5 entries are -inf")


def test_equal_mistakes_with_other_numbers_are_one_kind():
    first, second = build_record("a", 1), build_record("b", 1)
    for record, number in ((first, 3), (second, 7)):
        result = exercise_result(ITEMS[4], "partial")
        result.tests[1].message = f"{number} entries are -inf, the first one at ({number}, 0)"
        record.notebooks[0].exercises = [result]
    (entry,) = failed_tests([first, second])
    assert list(entry.messages.values()) == [2]
    assert entry.share == 1.0


def test_concerns_put_our_own_faults_first(records):
    found = concerns(records)
    assert (found[0].student, found[0].rank) == ("kolmogorov", 0)
    students = [c.student for c in found]
    assert {"kolmogorov", "bayes", "noether"} < set(students)
    assert "ada" not in students


def test_the_report_says_what_an_instructor_asks_for(records, curriculum, decided):
    text = Page(report_page(records, curriculum, decided)).text
    for words in (
        "29 of 30", "handed in", "26 written answers wait for a reader", "median", "Cronbach's alpha",
        "What went wrong most often",
        "The logarithm of a probability that underflows", "Stopped before a verdict", "took too long", "too late",
    ):  # fmt: skip
        assert words in text


def test_a_report_of_one_and_of_none(curriculum):
    check_harmless(report_page([build_record("ada", 1)], curriculum), r"ada/01_softmax_regression\.feedback\.html")
    with pytest.raises(CourseError, match="found no record"):
        report_page([], curriculum)


def test_nobody_handed_in(records, curriculum):
    record = next(r for r in records if r.student == "hebb")
    assert "0 of 1" in Page(report_page([record], curriculum)).text


# Charts


def test_histogram_counts_everybody():
    values = [0, 0.1, 2.4, 2.5, 10.5, 21, 21]
    drawn = histogram(values, 21, 2.5)
    counts = [int(n) for n in re.findall(r"points: (\d+)<", drawn)]
    assert sum(counts) == len(values)
    assert counts[0] == 3
    assert counts[-1] == 2
    assert "median 2.5" in drawn
    for total in (0.5, 1, 7, 24, 100, 333):
        assert sum(int(n) for n in re.findall(r"points: (\d+)<", histogram([0, total / 2, total], total))) == 3


def test_rings_and_bars_stay_within_their_bounds():
    assert "ring-fill" not in ring(0, 10, "x")
    assert ring(20, 10, "x") == ring(20, 10, "x")
    assert "ring-score long" in ring(42.71, 150, "x")  # in smaller letters, to stay inside
    assert "ring-score long" not in ring(42.7, 150, "x")
    around = 2 * np.pi * 52
    dash = re.search(r'stroke-dasharray="([\d.]+)', ring(20, 10, "x"))
    assert dash is not None
    assert float(dash[1]) == pytest.approx(around, abs=0.01)
    widths = [
        float(w)
        for w in re.findall(r'width="([\d.]+)"', stacked_bar([("good", 3, "g"), ("bad", 0, "b"), ("none", 1, "n")]))
    ]
    assert widths == [74.5, 25.0]
    assert "nobody" in stacked_bar([("good", 0, "g")])
    assert "-0.4" in scatter([("1", "<b>", 0.5, -0.35)], "x", "y")
    assert "<b>" not in scatter([("1", "<b>", 0.5, -0.35)], "x", "y")


def test_what_follows_from_a_crash_of_the_cell_is_not_said_for_every_test(curriculum):
    crash = "Your cell stopped with SyntaxError: incomplete input\n  line 3: return logits - torch.log("
    result = exercise_result(ITEMS[4], "error")
    result.message = crash
    for test in result.tests:
        test.status, test.message = "error", f"`log_softmax` is not defined when your cell has run. {crash}"
    page = feedback_page(make_record("ada", [result]), curriculum)
    assert page.count("SyntaxError") == 1
    assert "line 3: <code>return logits - torch.log(</code>" in page


def test_a_persons_words_are_no_alarm(curriculum):
    answer = exercise_result(ITEMS[-1], "manual")
    answer.status, answer.score, answer.message = "partial", 1.0, "Say why."
    page = feedback_page(make_record("ada", [answer]), curriculum)
    assert '<p class="said">Say why.</p>' in page
