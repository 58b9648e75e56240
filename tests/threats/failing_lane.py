"""A stand-in for `autograder.office` whose lanes fail in the way that the name of a student asks for, without torch."""

import functools
import json
import os
import socket
import time
from pathlib import Path

from autograder.office import Orders


def first_time(memory: Path, name: str) -> bool:
    mark = memory / f"seen-{name}"
    seen = mark.exists()
    mark.touch()
    return not seen


def lane(memory: Path, line: socket.socket) -> None:
    def say(text: str) -> None:
        line.sendall(text.encode())

    if (memory / "refuse").exists():
        say(json.dumps({"refused": "this machine offers less isolation"}) + "\n")
        time.sleep(60)
    say(json.dumps({"ready": "bubblewrap"}) + "\n")
    for text in line.makefile("r", encoding="utf-8"):
        job = json.loads(text)
        student = job["student"]
        record = {"schema": 1, "student": student, "assignment": "01_mini", "points": 14.0, "score": 11.0}
        record["notebooks"] = []
        answer = json.dumps({"record": json.dumps(record)}) + "\n"
        if student.startswith("poison") or (student.startswith("once") and first_time(memory, student)):
            os._exit(9)
        if student.startswith("half") and first_time(memory, student):
            say(answer[:20])
            os._exit(9)
        if student.startswith("garbage") and first_time(memory, student):
            say("\x00\xff not json\n" * 3)
            os._exit(9)
        if student.startswith("after"):
            say(answer)
            os._exit(9)
        if student.startswith("slow"):
            time.sleep(600)
        say(answer)


def main() -> None:
    orders = Orders()
    orders.settings()  # what sandbox there is to be: none
    memory = Path(orders.settings()["folder"])
    if (memory / "no-start").exists():
        os._exit(1)
    orders.serve(lambda: functools.partial(lane, memory))


if __name__ == "__main__":  # pytest imports every file here for its doctests
    main()
