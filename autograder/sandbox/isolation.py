"""How strongly a zygote is shut off from the machine, decided and checked in the trusted process.

Two levels, named in every record. `bubblewrap`: own user, pid, mount, network and ipc namespaces, a read-only system
that holds no hidden test and no reference, a cleared environment, no capabilities. `process`: a separate process with
resource limits, and nothing else; for trying things out, never for the work of a class.
"""

from __future__ import annotations

import functools
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

from autograder.curriculum import ISOLATION_LEVELS
from autograder.errors import CourseError

SANDBOX_FILES = (
    "__init__.py", "wire.py", "confine.py", "lean_torch.py", "guards.py", "worker.py", "environments.py",
    "supervisor.py", "zygote.py",
)  # fmt: skip
PACKAGE = Path(__file__).resolve().parent.parent
WORK = "/home/student"  # where student code runs: a folder in memory, one per submission
COVERED = (WORK, "/tmp", "/dev/shm", "/proc")  # each submission gets a fresh, empty copy
NOBODY = 65534  # the user that workers become when root grades


@functools.lru_cache(maxsize=1)
def available_level() -> str:
    """The strongest level that works on this machine, found by trying it."""
    return "bubblewrap" if why_no_bubblewrap() is None else "process"


@functools.lru_cache(maxsize=1)
def why_no_bubblewrap() -> str | None:
    """None where bubblewrap works, else the reason in one sentence."""
    if sys.platform != "linux":
        return "bubblewrap needs Linux"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (Debian and Ubuntu: apt-get install bubblewrap; conda: bubblewrap)"
    # Each submission gets namespaces of its own inside bubblewrap's: a machine may allow the outer ones alone.
    inner = ["/usr/bin/unshare", "--user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "/usr/bin/true"]
    program = inner if Path(inner[0]).exists() else inner[-1:]
    probe = [*_namespace_arguments(), "--ro-bind", "/usr", "/usr", *_system_links(), "--proc", "/proc", *program]
    result = subprocess.run(["bwrap", *probe], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        return f"bubblewrap is installed but cannot make namespaces here ({reason}); see docs/security.md"
    return None


def require(level: str) -> str:
    """The level that will run; refuses to go below the level that is asked for.

    Raises:
        CourseError: the machine offers less than `level`.
    """
    offered = available_level()
    if ISOLATION_LEVELS.index(offered) < ISOLATION_LEVELS.index(level):
        raise CourseError(
            f"grading needs isolation {level!r} (course.toml) and this machine offers {offered!r}: "
            f"{why_no_bubblewrap()}"
        )
    return offered if level == "bubblewrap" else level


def environment() -> dict[str, str]:
    """The whole environment of a worker."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": WORK,
        "TMPDIR": WORK,
        "COURSE_COVER": ",".join(COVERED),
        "COURSE_KEEP": os.pathsep.join(inside_of_covered(_python_folders())),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{WORK}/.matplotlib",
        "IPYTHONDIR": f"{WORK}/.ipython",
        "COURSE_FAST": "1",
        "COURSE_GRADING": "1",
        "COURSE_DEVICE": "cpu",
        # Memory in huge pages: a fork copies page tables, and with these it copies a fifth of the time.
        "PYTHONMALLOC": "malloc",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONWARNINGS": "ignore",
    }


def _namespace_arguments() -> list[str]:
    """As root bubblewrap needs no user namespace; the zygote then becomes `NOBODY` by itself."""
    shared = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.getuid() == 0:
        capabilities = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        return [*shared, *capabilities, "--die-with-parent", "--new-session"]
    return [*shared, "--unshare-user", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]


def _system_links() -> list[str]:
    """/bin, /lib and their kin: links into /usr on a merged system, folders elsewhere."""
    arguments: list[str] = []
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments


def _python_folders() -> list[str]:
    """Folders that this interpreter and its packages live in, outermost first."""
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages()}
    folders.add(str(Path(sys.executable).resolve().parent.parent))
    resolved = sorted({str(Path(f)) for f in folders if Path(f).exists()} | {str(Path(f).resolve()) for f in folders})
    kept: list[str] = []
    for folder in resolved:
        inside = any(folder == k or folder.startswith(k + "/") for k in [*kept, "/usr"])
        if not inside and folder != "/" and Path(folder).exists():
            kept.append(folder)
    return kept


def _course_folders() -> list[str]:
    """What of this course lies in a folder that the sandbox sees, because it was installed there: to be covered."""
    seen = ["/usr", *_python_folders()]
    root = PACKAGE.parent
    if not (root / "course.toml").exists():  # beside other packages: cover ours alone
        own = [PACKAGE, *(root / name for name in ("course_lib", "solutions", "assignments", "tests"))]
    elif any(
        str(folder).startswith(f"{root}/") for folder in seen
    ):  # .venv inside the clone: nothing else of it is seen
        own = []
    else:
        own = [root]
    return [str(p) for p in own if p.is_dir() and any(str(p).startswith(f"{folder}/") for folder in seen)]


def _parents(folders: list[str]) -> list[str]:
    """Every folder above these ones that has to be made, outermost first."""
    above = {str(p) for folder in folders for p in Path(folder).parents}
    return sorted(p for p in above if p not in ("/", "/tmp", "/usr") and not p.startswith("/usr/"))


def inside_of_covered(folders: list[str]) -> list[str]:
    """Those of an interpreter's folders that each submission must see inside of its fresh copy of /tmp, say."""
    return [folder for folder in folders if any(folder.startswith(f"{place}/") for place in COVERED)]


def _give_away(work: Path, library: Path) -> int:
    """At level `process` under root (a container that allows no namespaces), let student code run as `NOBODY`.

    The files of root that are closed to others, hidden tests and results among them, are then out of its reach.

    Returns:
        `NOBODY`, or 0 where nothing changes: the grader is not root, or a folder above its own or Python's is closed to
        others.
    """
    needed = [library, *(Path(folder) for folder in _python_folders())]
    above = {folder for path in needed for folder in path.resolve().parents} - {library.resolve().parent}
    if os.getuid() != 0 or not all(folder.stat().st_mode & 0o001 for folder in above):
        return 0
    for folder in (work, library.parent):
        folder.chmod(0o711)  # to be passed through, not to be listed
    for name in ("work", "matplotlib", "ipython"):
        (work / name).mkdir(exist_ok=True)
        os.chown(work / name, NOBODY, NOBODY)
    return NOBODY


def zygote_command(level: str, library: Path, control_fd: int, work: Path) -> list[str]:
    """The command line that starts a zygote.

    Args:
        level: `bubblewrap` or `process`.
        library: folder that holds the student edition of `course_lib`.
        control_fd: inherited socket.
        work: an empty folder of the driver, used only at level `process`.
    """
    program = [sys.executable, "-s", "-P", "-B", "-m", "autograder.sandbox.zygote", str(control_fd)]
    if level == "process":
        grader = work / "grader" / "autograder"
        (grader / "sandbox").mkdir(parents=True, exist_ok=True)
        (work / "work").mkdir(exist_ok=True)
        shutil.copyfile(PACKAGE / "__init__.py", grader / "__init__.py")
        for name in SANDBOX_FILES:
            shutil.copyfile(PACKAGE / "sandbox" / name, grader / "sandbox" / name)
        settings = environment() | {"HOME": str(work / "work"), "TMPDIR": str(work / "work")}
        settings |= {"MPLCONFIGDIR": str(work / "matplotlib")}
        settings |= {"PYTHONPATH": f"{work / 'grader'}{os.pathsep}{library}", "IPYTHONDIR": str(work / "ipython")}
        assignments = [f"{key}={value}" for key, value in settings.items()]
        user = str(_give_away(work, library))
        return ["/usr/bin/env", "-i", "-C", str(work / "work"), *assignments, *program, user]
    arguments = [*_namespace_arguments(), "--clearenv"]
    for key, value in (environment() | {"PYTHONPATH": "/grader:/course"}).items():
        arguments += ["--setenv", key, value]
    arguments += ["--ro-bind", "/usr", "/usr", *_system_links()]
    for name in ("ld.so.cache", "alternatives", "fonts", "localtime", "ssl/openssl.cnf"):
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    pages = "/sys/kernel/mm/transparent_hugepage"  # where the C library looks whether huge pages are to be had
    arguments += ["--ro-bind-try", pages, pages]
    # As an ordinary user the owner of /dev is the student's user too: what one submission writes the next could read.
    arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    arguments += ["--perms", "0777", "--tmpfs", "/tmp", "--perms", "0777", "--dir", WORK]
    folders = _python_folders()
    for parent in _parents([*folders, "/grader/autograder/sandbox/x", "/course"]):
        arguments += ["--perms", "0755", "--dir", parent]  # bubblewrap would make them for root alone
    for folder in folders:
        arguments += ["--ro-bind", folder, folder]
    for secret in _course_folders():
        arguments += ["--tmpfs", secret, "--remount-ro", secret]
    arguments += ["--ro-bind", str(PACKAGE / "__init__.py"), "/grader/autograder/__init__.py"]
    for name in SANDBOX_FILES:
        arguments += ["--ro-bind", str(PACKAGE / "sandbox" / name), f"/grader/autograder/sandbox/{name}"]
    arguments += ["--ro-bind", str(library), "/course", "--chdir", "/", "--hostname", "sandbox", "--remount-ro", "/"]
    user = str(NOBODY if os.getuid() == 0 else 0)
    return ["bwrap", *arguments, *program, user]
