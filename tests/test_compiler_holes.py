"""Holes: what students are asked to write goes, everything else stays as it was written."""

from __future__ import annotations

import ast
import textwrap

import pytest
from compiler_course import LINES
from hypothesis import given
from hypothesis import strategies as st

from autograder.compiler.holes import Module, cut_marked, find_object, first_sentence, stub_line
from autograder.errors import CourseError


def stub(text: str, name: str) -> str:
    return Module(textwrap.dedent(text), "m.py").stub_of(name)


def cut(text: str, *names: str) -> str:
    return Module(textwrap.dedent(text), "m.py").cut(names)


def test_signature_docstring_and_comments_of_the_signature_stay():
    text = '''
    import torch

    @torch.no_grad()  # no graph is needed
    def f(
        x,  # (N, C)
        scale: dict[str, int] = {"a:": 1},
    ) -> "tuple[int, int]":  # rows: samples
        # above the docstring
        """Do it: well.

        Source: L02.06.
        """
        # secret comment
        return x
        # closing secret
    y = 1
    '''
    assert stub(text, "f") == textwrap.dedent(
        f'''\
        @torch.no_grad()  # no graph is needed
        def f(
            x,  # (N, C)
            scale: dict[str, int] = {{"a:": 1}},
        ) -> "tuple[int, int]":  # rows: samples
            # above the docstring
            """Do it: well.

            Source: L02.06.
            """
            {stub_line("f")}'''
    )
    assert "y = 1" in cut(text, "f")
    assert "secret" not in cut(text, "f")


def test_a_body_on_the_def_line_and_one_without_a_docstring():
    assert stub("def f(x): return x + 1\n", "f") == f"def f(x):\n    {stub_line('f')}"
    assert stub("def f(x):\n  # why\n  return x\n", "f") == f"def f(x):\n  {stub_line('f')}"
    assert stub('def f(x): "Doc."; return x\n', "f") == f"def f(x):\n    {stub_line('f')}"


def test_nested_functions_and_their_decorators_go_with_the_body():
    text = """
    def outer(x):
        @cache
        def inner(y):
            return y
        return inner(x)

    def after():
        pass
    """
    assert stub(text, "outer") == f"def outer(x):\n    {stub_line('outer')}"
    assert "def after" in cut(text, "outer")


def test_a_class_keeps_attributes_given_methods_and_abstract_ones():
    source = Module(LINES, "lines.py").stub_of("Line")
    assert source == textwrap.dedent(
        f'''\
        @dataclass
        class Line:
            """A straight line. L01.03."""

            gradient: float  # rise over run
            offset: float = 0.0

            def __post_init__(self) -> None:
                self.gradient = float(self.gradient)

            def at(self, x: float) -> float:
                """Give the height at x."""
                {stub_line("Line.at")}

            @property
            def root(self) -> float:
                """Give the x at which the height is 0."""
                {stub_line("Line.root")}'''
    )
    abstract = stub(
        "class A:\n    def f(self): ...\n    def g(self):\n        raise NotImplementedError\n"
        "    def h(self): return 1\n",
        "A",
    )
    assert "def f(self): ..." in abstract
    assert abstract.count("not done yet") == 1


def test_a_method_of_a_nested_class_is_named_in_full():
    text = "class A:\n    class B:\n        async def f(self):\n            return 1\n"
    assert stub_line("A.B.f") in stub(text, "A")


def test_marks_leave_the_rest_of_the_object_as_it_is():
    text = """
    class A:
        def f(self, x):
            total = 0
            for y in x:
                ### BEGIN SOLUTION
                total += y
                ### END SOLUTION
            return total

        def g(self):
            return "given"
    """
    cut_text = stub(text, "A")
    assert "total += y" not in cut_text
    assert "                " + stub_line("A.f").replace("                ", "") in "    " + cut_text.replace(
        "\n", "\n    "
    )
    assert 'return "given"' in cut_text
    assert "SOLUTION" not in cut_text
    ast.parse(cut_text)


def test_an_overloaded_function_is_one_object():
    text = """
    @overload
    def f(x: int) -> int: ...
    @overload
    def f(x: str) -> str: ...
    def f(x):
        return x
    """
    found = stub(text, "f")
    assert found.count("@overload") == 2
    assert "return x" not in found
    assert stub_line("f") in found


def test_a_definition_under_a_condition_is_found_and_dedented():
    text = "try:\n    import fast\nexcept ImportError:\n    def f(x):\n        return x\n"
    assert stub(text, "f") == f"def f(x):\n    {stub_line('f')}"
    assert cut(text, "f").startswith("try:\n    import fast\nexcept ImportError:\n    def f(x):\n        raise")


def test_offsets_count_characters_and_not_bytes():
    text = 'def f(x="größe"): return "ü"\n\n\ndef g(ä=1):\n    """ßß."""; return ä\n'
    assert stub(text, "f") == f'def f(x="größe"):\n    {stub_line("f")}'
    assert stub(text, "g") == f'def g(ä=1):\n    """ßß."""\n    {stub_line("g")}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def g(): return 1\n", "m.py defines no function or class 'f'"),
        ("f = 3\n", "defines no function or class 'f'"),
        ("def f():\n    ...\n", "nothing of 'f' is left to write"),
        ("class f:\n    def g(self):  ### GIVEN\n        return 1\n", "nothing of 'f' is left to write"),
        ("def f():\n    ### BEGIN SOLUTION\n    return 1\n", "m.py, line 2: BEGIN SOLUTION of 'f' has no END SOLUTION"),
        ("def f():\n    return 1\n    ### END SOLUTION\n", "m.py, line 3: END SOLUTION without"),
        ("def f(:\n", "m.py, line 1: not valid Python"),
    ],
)
def test_mistakes_name_file_and_line(text, message):
    with pytest.raises(CourseError, match=message.replace("(", r"\(")) as caught:
        stub(text, "f")
    assert "\n" not in str(caught.value)


def test_two_marks_inside_each_other_are_refused():
    with pytest.raises(CourseError, match="line 3: BEGIN SOLUTION inside the one of line 2"):
        stub("def f():\n    ### BEGIN SOLUTION\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n", "f")


def test_marks_in_a_cell_without_a_function():
    source = "a = 1\n### BEGIN SOLUTION\nb = a + 1\n### END SOLUTION\n"
    assert cut_marked(source, "sums", "here") == f"a = 1\n{stub_line('sums')}\n"
    assert cut_marked("a = 1", "sums", "here") is None


def test_an_object_is_found_through_the_packages_that_hand_it_on(tmp_path):
    package = tmp_path / "course_lib" / "curves"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .circle import area as area\nfrom course_lib.curves.ring import ring\n")
    (package / "circle.py").write_text("def area(r):\n    return 3 * r * r\n")
    (package / "ring.py").write_text("def ring(r):\n    return r\n")
    found = find_object(tmp_path, "course_lib.curves", "area")
    assert (found.module, found.source) == ("course_lib.curves.circle", "def area(r):\n    return 3 * r * r")
    assert find_object(tmp_path, "course_lib.curves", "ring").module == "course_lib.curves.ring"
    with pytest.raises(CourseError, match="defines no function or class 'missing'"):
        find_object(tmp_path, "course_lib.curves", "missing")
    with pytest.raises(CourseError, match=r"no module course_lib\.lines"):
        find_object(tmp_path, "course_lib.lines", "f")


def test_the_first_sentence_may_be_longer_than_a_line():
    assert first_sentence('def f():\n    """Do it.\n\n    More."""\n') == "Do it."
    assert (
        first_sentence('def f():\n    """Do it: all\n    of x_0, ..., x_n. Not\n    more."""\n')
        == "Do it: all of x_0, ..., x_n."
    )
    assert first_sentence('def f():\n    """Do it"""\n') == "Do it"
    assert first_sentence("def f(): pass\n") == ""


NAMES = st.sampled_from(["alpha", "beta", "gamma"])
SECRET = st.sampled_from(
    ["return 'secret'", "# secret", "x = 'secret'", "if x:\n    return 'secret'", "'''secret\nsecret'''"]
)


@given(
    before=st.lists(st.sampled_from(["y = 'public'", "# public", "def public(): return 'public'", ""]), max_size=3),
    docstring=st.sampled_from(["", '"""Doc."""', "'''Doc\nof two lines.'''"]),
    body=st.lists(SECRET, min_size=1, max_size=4),
    indent=st.sampled_from([" ", "    ", "\t"]),
    name=NAMES,
)
def test_whatever_the_body_is_it_goes_and_the_rest_stays(before, docstring, body, indent, name):
    inner = ([docstring] if docstring else ["x = 1"]) + body + ["return 'secret'"]
    text = (
        "\n".join(before)
        + f"\ndef {name}(x):\n"
        + textwrap.indent("\n".join(inner), indent)
        + "\n\npublic = 'public'\n"
    )
    result = Module(text, "m.py").cut([name])
    assert "secret" not in result
    assert result.count("public") == text.count("public")
    assert result.count("Doc") == text.count("Doc")
    namespace: dict = {}
    exec(result, namespace)
    with pytest.raises(NotImplementedError, match=f"{name} is not done yet"):
        namespace[name](1)
