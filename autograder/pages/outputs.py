"""Outputs of a student's cell made harmless: text and pictures, nothing that a browser would run or fetch."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

LONGEST_TEXT = 6000  # characters of one output that are shown
LARGEST_IMAGE = 3_000_000  # bytes of one picture
MOST_OUTPUTS = 40  # of one cell
IMAGE_STARTS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}

# Escape sequences of terminals: colours and cursor moves, window titles and links, and what is left of broken ones.
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_]?)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class SafeOutput:
    """One thing to show: `text` as it is (still to be escaped for HTML), or `data` as base64 of a picture."""

    kind: Literal["text", "error", "image", "note"]
    text: str = ""
    mime: str = ""
    data: str = ""

    @property
    def uri(self) -> str:
        return f"data:{self.mime};base64,{self.data}"


def plain_text(value: Any, limit: int = LONGEST_TEXT) -> str:
    """Text of an output without control characters, the middle of long text left out.

    Args:
        value: a string, a list of strings as nbformat allows, or anything that a broken notebook holds there.
        limit: characters that are kept.
    """
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    left_out = 0
    if len(value) > 2 * limit:  # before the regular expressions, so that a huge output costs nothing
        left_out = len(value) - 2 * limit
        value = value[:limit] + value[-limit:]
    text = _CONTROL.sub("�", _ANSI.sub("", value.replace("\r\n", "\n").replace("\r", "\n")))
    if len(text) > limit or left_out:
        half = limit // 2
        left_out += max(0, len(text) - 2 * half)
        text = f"{text[:half]}\n… {left_out:,} characters left out …\n{text[-half:]}"
    return text


def safe_image(mime: str, value: Any) -> SafeOutput | None:
    """A PNG or JPEG picture whose data is what it says, or None."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str) or len(value) > LARGEST_IMAGE * 4 // 3 + 4:
        return None
    try:
        raw = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw.startswith(IMAGE_STARTS[mime]):
        return None
    # Encoded anew: what reaches the page is our own base64 and holds no other character.
    return SafeOutput("image", mime=mime, data=base64.b64encode(raw).decode("ascii"))


def safe_outputs(outputs: Iterable[Mapping[str, Any]]) -> list[SafeOutput]:
    """Turn nbformat outputs into things that are safe to show.

    Streams and errors become text. Of a display the picture is taken (PNG or JPEG), else the plain text, else the
    source of its HTML as text; SVG, JavaScript, widgets and broken data leave a note.
    """
    shown: list[SafeOutput] = []
    for output in outputs:
        if len(shown) >= MOST_OUTPUTS:
            shown.append(SafeOutput("note", "further outputs left out"))
            break
        item = _one(output) if isinstance(output, Mapping) else None
        if item is None:
            continue
        if item.kind == "text" and shown and shown[-1].kind == "text":
            # Prints come in many pieces; one block reads better than many.
            item = SafeOutput("text", plain_text(shown.pop().text + item.text))
        if item.kind != "text" or item.text.strip():
            shown.append(item)
    return shown


def _one(output: Mapping[str, Any]) -> SafeOutput | None:
    kind = output.get("output_type")
    if kind == "stream":
        return SafeOutput("text", plain_text(output.get("text")))
    if kind == "error":
        traceback = plain_text(output.get("traceback"))
        lines = output.get("traceback")
        if isinstance(lines, list):
            traceback = plain_text("\n".join(line for line in lines if isinstance(line, str)))
        summary = f"{plain_text(output.get('ename'), 200)}: {plain_text(output.get('evalue'), 2000)}"
        return SafeOutput("error", traceback if traceback.strip() else summary)
    if kind not in ("display_data", "execute_result"):
        return None
    data = output.get("data")
    if not isinstance(data, Mapping):
        return None
    for mime in IMAGE_STARTS:
        if mime in data:
            return safe_image(mime, data[mime]) or SafeOutput("note", "a picture that cannot be shown")
    for mime in ("text/plain", "text/markdown", "text/latex", "text/html"):
        if mime in data and (text := plain_text(data[mime])).strip():
            return SafeOutput("text", text + "\n")
    return SafeOutput("note", "an output of a kind that is not shown here")
