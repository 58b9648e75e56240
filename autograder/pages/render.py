"""One self-contained page from a template: everything escaped, nothing fetched, nothing run."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder.pages.pictures import figure
from autograder.records import printable

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_SOURCE = 20_000


def highlighted(source: str) -> Markup:
    """Python source as highlighted HTML for a `<pre>`; the tokens carry pygments' short class names."""
    clean = printable_text(source)
    if len(source) > LONGEST_SOURCE:
        clean += f"\n# … {len(source) - LONGEST_SOURCE:,} characters left out"
    # pygments escapes the text of every token.
    return Markup(highlight(clean, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)))


def printable_text(text: str) -> str:
    """Text of several lines without control characters and marks that turn the writing direction."""
    return "".join(c if c in "\n\t" else printable(c) for c in text[:LONGEST_SOURCE])


def inline(text: str) -> Markup:
    """Escaped text; `code` between backticks is set as code, and so is a student's own line after its number."""
    marked = re.sub(r"(?m)^( +line \d+: )(?=\S)([^`\n]+)$", r"\1`\2`", printable_text(text))
    parts = re.split(r"`([^`\n]+)`", marked)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def paragraphs(text: str) -> list[Markup]:
    """The paragraphs of a text, ready to be set."""
    return [inline(part.strip()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def points(value: float) -> str:
    """Points with as many digits as they need, two at most: 3, 2.5, 0.67."""
    return f"{round(value, 2):g}"


def moment(text: str | None, timezone: str) -> str:
    """An ISO time as people read it, in the course's time zone; empty where there is none."""
    if not text:
        return ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return printable(text, 40)
    if time.tzinfo is not None:
        time = time.astimezone(ZoneInfo(timezone))
    return f"{time.day} {time:%B %Y, %H:%M}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(highlighted=highlighted, inline=inline, paragraphs=paragraphs, points=points)
    environment.filters["figure"] = figure
    environment.filters.update(printable=printable, printable_text=printable_text)
    environment.globals.update(moment=moment)
    return environment


def render(template: str, **context: Any) -> str:
    """Render a template with the shared style sheet and a content security policy that allows just that style sheet.

    Args:
        template: name of a file in templates/.
        context: what the template shows; all of it is escaped, apart from `Markup`.

    Returns:
        A whole HTML document.
    """
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _environment().get_template(template).render(css=Markup(css), policy=policy, **context)
