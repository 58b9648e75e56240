"""What a worker says about itself in words and pictures, cut down to what a record may hold.

The worker makes texts short and outputs well-formed, but whoever has taken it over need not: here both are checked
again, in the trusted process.
"""

from __future__ import annotations

import re
from typing import Any

LONGEST = 2_000  # characters of one message
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MIME = re.compile(r"[a-z]{1,20}/[a-zA-Z0-9.+-]{1,60}")
_MOST_OUTPUTS = 100


def words(value: Any, limit: int = LONGEST) -> str:
    """Text without control characters, terminal escapes, lone surrogates and marks that turn the direction of writing.

    Args:
        value: anything; what is not text becomes the empty string.
        limit: characters that are kept.
    """
    if not isinstance(value, str):
        return ""
    text = _UNFIT.sub("�", value[: limit + 1].replace("\r\n", "\n"))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def lines(value: Any) -> str:
    """The student's own lines of a traceback, the innermost three, each on a line of its own."""
    if not isinstance(value, list):
        return ""
    shown = []
    for line in value[-3:]:
        if isinstance(line, dict) and type(line.get("line")) is int:
            shown.append(f"\n  line {line['line'] % 1_000_000}: {words(line.get('text'), 200)}")
    return "".join(shown)


def names(value: Any, most: int = 20) -> list[str]:
    """A list of names, as far as it is one."""
    if not isinstance(value, list):
        return []
    return [words(name, 80) for name in value[:most] if isinstance(name, str)]


def outputs(value: Any, limit: int) -> list[dict[str, Any]]:
    """Streams and displays in nbformat's shape; anything else is left out.

    Args:
        value: what the worker sent.
        limit: characters that all of them may hold together.
    """
    kept: list[dict[str, Any]] = []
    for item in value[:_MOST_OUTPUTS] if isinstance(value, list) else []:
        output = _output(item) if isinstance(item, dict) else None
        if output is None:
            continue
        size = len(output.get("text", "")) + sum(len(text) for text in output.get("data", {}).values())
        if size > limit:
            note = f"(an output of {size >> 10} kB was left out)"
            kept.append({"output_type": "stream", "name": "stderr", "text": note})
            continue
        limit -= size
        kept.append(output)
    return kept


def _output(item: dict[str, Any]) -> dict[str, Any] | None:
    kind = item.get("output_type")
    if kind == "stream" and isinstance(item.get("text"), str):
        name = "stderr" if item.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": _encodable(item["text"])}
    if kind in ("display_data", "execute_result") and isinstance(item.get("data"), dict):
        data = {
            mime: _encodable(text)
            for mime, text in list(item["data"].items())[:20]
            if isinstance(text, str) and _MIME.fullmatch(mime)
        }
        output: dict[str, Any] = {"output_type": kind, "data": data, "metadata": {}}
        return output | {"execution_count": None} if kind == "execute_result" else output
    return None


def _encodable(text: str) -> str:
    """Outputs keep their escape codes, which the pages take out; lone surrogates no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
