"""How fast this grader is beside stock nbgrader and otter-grader, on the same honest submissions.

    python benchmarks/grading.py                 # fifty submissions: wall times, ratios, CPU overhead
    python benchmarks/grading.py --nbgrader 10   # a tenth of the waiting: time per submission is what is compared
    python benchmarks/grading.py --long          # a thousand in one run: throughput and memory, first to last

All of it runs one after the other on this machine. `course grade` gets the whole notebooks; the peers get their set-up,
exercise and check cells, with the same hidden tests (see `grading_peers/assignment.py`). otter-grader is installed
into build/bench/otter on first use. Results go to benchmarks/results/grading.json.

Overhead: CPU seconds of every process of the grader (from the cgroup in which they run) between reading a notebook and
the finished result, less the CPU seconds that the worker measured around the student's cells and around the calls
that the hidden tests made into the student's code. What the hidden tests themselves compute counts as overhead.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from grading_peers.assignment import (
    answers,
    hand_in_to_nbgrader,
    nbgrader_course,
    otter_autograder,
    otter_submission,
)

from autograder.compiler.manifest import build_notebook
from autograder.curriculum import ROOT, Assignment, Curriculum, Notebook, load_curriculum
from autograder.demo_class import ASSIGNMENT, honest_class

NOTEBOOK = "softmax_regression"
RESULTS = Path(__file__).resolve().parent / "results" / "grading.json"
OTTER = ROOT / "build" / "bench" / "otter"
OTTER_VERSION = "7.0.0"


@dataclass(frozen=True)
class Settings:
    """Every number of this benchmark."""

    submissions: int = 50
    workers: int = 2
    repeats: int = 3  # of `course grade`, which takes seconds
    nbgrader: int = 50  # submissions that nbgrader grades, the first of the same fifty
    otter: int = 6  # the same for otter
    overhead: int = 20  # submissions whose CPU time is taken apart
    seed: int = 3  # of the class
    long: int = 1000


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("submissions", "workers", "repeats", "nbgrader", "otter", "overhead"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    parser.add_argument("--long", type=int, nargs="?", const=Settings.long, default=0, metavar="N")
    parser.add_argument("--take-apart", type=Path, help=argparse.SUPPRESS)
    options = vars(parser.parse_args())
    folder, size = options.pop("take_apart"), options.pop("long")
    settings = Settings(**options, long=size or Settings.long)
    if folder is not None:
        take_apart(folder)
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = machine()
    print(results["machine"])
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        if size:
            results["long_run"] = long_run(Path(place), settings)
        else:
            results |= {"settings": asdict(settings)} | compare(Path(place), settings)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(f"written to {RESULTS.relative_to(ROOT)}")


def machine() -> str:
    """Processor, cores, versions, and how busy the machine is with other things."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    import torch

    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}, load {load}"
    )


def one_notebook() -> tuple[Curriculum, Assignment, Notebook]:
    curriculum = load_curriculum()
    assignment = curriculum.assignment(ASSIGNMENT)
    return curriculum, assignment, assignment.notebook(NOTEBOOK)


# -- the comparison ---------------------------------------------------------------------------------------------------


def compare(place: Path, settings: Settings) -> dict[str, object]:
    """Time the three graders on one class, and take the CPU time of ours apart."""
    submitted = place / "submitted"
    honest_class(submitted, settings.submissions, settings.seed)
    if settings.otter:
        install_otter()
    with cpu_account() as group:
        cpu = Account(group)
        ours = [grade_class(submitted, place / f"graded{n}", settings) for n in range(settings.repeats)]
        each = [seconds / settings.submissions for seconds in ours]
        cpu_each = cpu.since(settings.repeats * settings.submissions)
        say("course grade", each, cpu_each, f"{settings.workers} workers, start included, {settings.repeats} runs")
        result: dict[str, object] = {"course_seconds_each": each, "course_cpu_each": cpu_each}
        for name, count, measure in (
            ("nbgrader", settings.nbgrader, nbgrader_seconds),
            ("otter", settings.otter, otter_seconds),
        ):
            if count:
                cpu = Account(group)
                theirs = measure(place / name, submitted, min(count, settings.submissions))
                cpu_theirs = cpu.since(len(theirs))
                say(name, theirs, cpu_theirs, f"serial, {len(theirs)} submissions")
                low, middle, high = ratio(theirs, each)
                print(f"    {middle:.1f} times longer than course grade (95 % interval {low:.1f} to {high:.1f})")
                if cpu_theirs and cpu_each:
                    print(f"    {cpu_theirs / cpu_each:.1f} times its CPU time, which a busy machine moves less")
                result |= {f"{name}_seconds_each": theirs, f"{name}_ratio": [low, middle, high]}
                result |= {f"{name}_cpu_each": cpu_theirs}
    if settings.overhead:
        result["overhead"] = overhead(submitted, settings)
    return result


class Account:
    """CPU seconds of this process and all that it has started, from now on."""

    def __init__(self, group: Path | None):
        self.group = group
        self.before = cpu_seconds(group) if group is not None else 0.0

    def since(self, submissions: int) -> float | None:
        """Seconds for each submission; None where the machine does not tell."""
        return None if self.group is None else (cpu_seconds(self.group) - self.before) / submissions


def say(name: str, seconds: list[float], cpu: float | None, how: str) -> None:
    spread = f", standard deviation {statistics.stdev(seconds):.3f}" if len(seconds) > 1 else ""
    worked = f"; {cpu:.2f} CPU s" if cpu is not None else ""
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{name}: {statistics.fmean(seconds):.3f} s a submission{spread}{worked} ({how}, {load})", flush=True)


def ratio(theirs: list[float], ours: list[float]) -> tuple[float, float, float]:
    """Ratio of the mean times, with a 95 % interval from 2,000 resamples of both."""
    draw = random.Random(0)

    def mean_of(values: list[float]) -> float:
        return statistics.fmean(draw.choices(values, k=len(values)))

    ratios = sorted(mean_of(theirs) / mean_of(ours) for _ in range(2000))
    return ratios[50], statistics.fmean(theirs) / statistics.fmean(ours), ratios[-51]


def timed(command: list[str], folder: Path, **environment: str) -> float:
    """Seconds that a command takes, which must end well."""
    started = time.perf_counter()
    run = subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if run.returncode:
        raise SystemExit(
            f"{' '.join(command[:4])} ended with status {run.returncode}:\n{(run.stdout + run.stderr)[-2000:]}"
        )
    return seconds


def grade_class(submitted: Path, out: Path, settings: Settings) -> float:
    """Seconds of `course grade`, from the command to the table of results."""
    command = [str(Path(sys.executable).with_name("course")), "grade", ASSIGNMENT]
    options = ["--submitted", str(submitted), "--out", str(out), "--workers", str(settings.workers)]
    return timed([*command, *options], ROOT)


def nbgrader_seconds(place: Path, submitted: Path, count: int) -> list[float]:
    """Seconds of stock `nbgrader autograde`, submission by submission: the time from one graded notebook to the next.

    The start of the program is shared out, which is what its user waits for.
    """
    _, _, notebook = one_notebook()
    manifest = build_notebook(notebook).manifest
    nbgrader_course(place, notebook, manifest)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    stock = {"PATH": path, "HOME": str(place), "JUPYTER_CONFIG_DIR": str(place / "jupyter"), "OMP_NUM_THREADS": "1"}
    nbgrader = [sys.executable, "-m", "nbgrader"]
    timed([*nbgrader, "generate_assignment", "softmax"], place, **stock)
    students = sorted(p.name for p in submitted.iterdir() if p.is_dir())[:count]
    for student in students:
        written = answers(submitted / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb")
        hand_in_to_nbgrader(place, student, NOTEBOOK, written)
    began = time.time()
    whole = timed([*nbgrader, "autograde", "softmax"], place, **stock)
    ends = sorted(p.stat().st_mtime for p in place.glob(f"autograded/*/softmax/{NOTEBOOK}.ipynb"))
    if len(ends) != count:
        raise SystemExit(f"nbgrader graded {len(ends)} of {count} submissions")
    steps = [after - before for before, after in zip([began, *ends[:-1]], ends, strict=True)]
    scale = whole / sum(steps)
    return [step * scale for step in steps]


def otter_seconds(place: Path, submitted: Path, count: int) -> list[float]:
    """Seconds of `otter run` for each submission, without a container, as it is meant to be called for one file."""
    install_otter()
    _, _, notebook = one_notebook()
    manifest = build_notebook(notebook).manifest
    place.mkdir()
    otter_autograder(place / "autograder.zip", manifest, notebook.suite)
    students = sorted(p.name for p in submitted.iterdir() if p.is_dir())[:count]
    found = []
    for student in students:
        written = answers(submitted / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb")
        file = place / f"{student}.ipynb"
        otter_submission(file, manifest, written)
        out = place / f"{student}-results"
        out.mkdir()
        command = [str(OTTER / "bin" / "otter"), "run", "-a", str(place / "autograder.zip"), "-o", str(out), str(file)]
        found.append(timed(command, place, JUPYTER_PATH=str(OTTER / "share" / "jupyter"), OMP_NUM_THREADS="1"))
        tests = json.loads((out / "results.json").read_text())["tests"]
        if sum(test.get("score", 0) for test in tests) == 0:
            raise SystemExit(f"otter gave {student} no point; its assignment is not the equal one")
    return found


def install_otter() -> None:
    """A virtual environment of its own, which also sees the packages of this one (torch, and the course)."""
    if not (OTTER / "bin" / "otter").exists():
        print(f"installing otter-grader {OTTER_VERSION} into {OTTER.relative_to(ROOT)}", flush=True)
        venv.create(OTTER, with_pip=True, clear=True)
        pip = [
            str(OTTER / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "-q",
            f"otter-grader=={OTTER_VERSION}",
            "ipykernel",
        ]
        timed(pip, ROOT)
    (site,) = OTTER.glob("lib/python*/site-packages")
    (own,) = Path(sys.prefix).glob("lib/python*/site-packages")
    (site / "course.pth").write_text(f"import site; site.addsitedir({str(own)!r})\n")


# -- CPU time ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cpu_account() -> Iterator[Path | None]:
    """A cgroup whose CPU time can be read, for this process and all that it starts; None where none can be made."""
    first, second = Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup")
    parent = first if first.is_dir() else second
    group = parent / f"bench-grading-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):
            (parent / "cgroup.procs").write_text(str(os.getpid()))
            time.sleep(0.2)
            group.rmdir()


def cpu_seconds(group: Path) -> float:
    """CPU time of a cgroup so far, of ended processes too."""
    if (group / "cpuacct.usage").exists():
        return int((group / "cpuacct.usage").read_text()) / 1e9
    fields = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(fields["usage_usec"]) / 1e6


def overhead(submitted: Path, settings: Settings) -> dict[str, object] | None:
    """Take the CPU time of some submissions apart, in a process of its own."""
    students = sorted(p.name for p in submitted.iterdir() if p.is_dir())[: settings.overhead]
    paths = [str(submitted / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb") for student in students]
    listing = submitted.parent / "take_apart.json"
    listing.write_text(json.dumps(paths))
    timed([sys.executable, __file__, "--take-apart", str(listing)], ROOT, OMP_NUM_THREADS="1")
    rows = json.loads(listing.read_text())
    if not rows:
        print("overhead: not measured; it needs a cgroup, which this user may not make")
        return None
    extra = [row["total"] - row["own"] for row in rows]
    quarters = statistics.quantiles(extra, n=4)
    own = statistics.median(row["own"] for row in rows)
    middle, low, high = statistics.median(extra), quarters[0], quarters[2]
    print(
        f"overhead: {middle:.3f} CPU s a submission (median of {len(extra)}; quartiles {low:.3f} to {high:.3f}), "
        f"beyond {own:.3f} CPU s of the student's own code"
    )
    return {"median": middle, "quartiles": [low, high], "own_median": own, "rows": rows}


def take_apart(listing: Path) -> None:
    """Grade the listed notebooks and write down, for each, all CPU seconds and those of the student's own code."""
    from autograder.grading import Examiner
    from autograder.judge.seeds import SeedSource
    from autograder.lane import settle
    from autograder.preparation import prepare, with_examiner
    from autograder.sandbox.client import Process

    paths = [Path(p) for p in json.loads(listing.read_text())]
    curriculum, assignment, notebook = one_notebook()
    own = [0.0]
    receive = Process.receive

    def listening(self: Process, deadline: float, seconds: float) -> tuple[dict, list[bytes]]:
        reply, data = receive(self, deadline, seconds)
        cells = reply.get("cells")
        parts = [c for c in cells if isinstance(c, dict)] if isinstance(cells, list) else [reply]
        if not getattr(self, "setting_up", False):
            own[0] += sum(part.get("cpu", 0.0) for part in parts)
        return reply, data

    send = Process.send

    def sending(self: Process, header: dict, *rest: object, **more: object) -> None:
        self.setting_up = header.get("op") == "setup"  # released cells are not the student's own
        send(self, header, *rest, **more)

    Process.receive, Process.send = listening, sending  # type: ignore[method-assign,assignment]
    rows: list[dict[str, float]] = []

    def work(examiner: Examiner) -> None:
        settle()  # as for a lane
        for number, path in enumerate([paths[0], *paths]):  # the first one warms up, and does not count
            own[0], before = 0.0, cpu_seconds(group)
            examiner.grade(notebook, path, path.parent.parent.name)
            time.sleep(0.05)  # processes that are ending
            if number:
                rows.append({"total": cpu_seconds(group) - before, "own": own[0]})

    with cpu_account() as group, tempfile.TemporaryDirectory() as folder:
        if group is not None:
            import torch

            torch.set_num_threads(1)
            prepared = prepare(curriculum, assignment, Path(folder))
            with_examiner(prepared, curriculum.isolation, SeedSource(b"benchmark"), work)
    listing.write_text(json.dumps(rows))


# -- a long run -------------------------------------------------------------------------------------------------------


def long_run(place: Path, settings: Settings) -> dict[str, object]:
    """Grade many in one run: how fast records come at the beginning and at the end, and what the driver holds."""
    submitted, out = place / "submitted", place / "graded"
    honest_class(submitted, settings.long, settings.seed)
    part = max(1, settings.long // 10)
    command = [str(Path(sys.executable).with_name("course")), "grade", ASSIGNMENT, "--submitted", str(submitted)]
    started = time.perf_counter()
    with (place / "log").open("wb") as log:
        driver = psutil.Popen(
            [*command, "--out", str(out), "--workers", str(settings.workers)], cwd=ROOT, stdout=log, stderr=log
        )
    memory: list[tuple[float, float]] = []
    while driver.poll() is None:
        with contextlib.suppress(psutil.Error):
            memory.append((time.time(), driver.memory_info().rss / 2**20))
        time.sleep(1.0)
    seconds = time.perf_counter() - started
    times = sorted(p.stat().st_mtime for p in out.glob(f"*/{ASSIGNMENT}.record.json"))
    if driver.returncode or len(times) != settings.long:
        raise SystemExit(f"{len(times)} of {settings.long} records, status {driver.returncode}: {place / 'log'}")
    first = part / (times[part] - times[0])
    last = part / (times[-1] - times[-part - 1])
    held = [mb for when, mb in memory if times[0] <= when <= times[-1]]
    tenth = max(1, len(held) // 10)
    early, late = statistics.median(held[tenth : 2 * tenth]), statistics.median(held[-tenth:])
    shutil.rmtree(submitted)
    print(f"{settings.long} submissions in {seconds:.0f} s, a record for each; {settings.long / seconds:.2f} a second")
    print(f"    first {part}: {first:.2f} a second, last {part}: {last:.2f} a second ({last / first - 1:+.0%})")
    print(f"    memory of the driver: {early:.0f} MB in the second tenth of the run, {late:.0f} MB in the last")
    return {
        "submissions": settings.long, "seconds": seconds, "first_per_second": first, "last_per_second": last,
        "driver_mb_early": early, "driver_mb_late": late, "records": len(times),
    }  # fmt: skip


if __name__ == "__main__":
    main()
