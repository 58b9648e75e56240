"""What a process does to itself, once, before it runs student code: namespaces, system calls, resource limits.

Everything here can be done without privileges, and nothing of it can be undone by the process or its children.
Source: namespaces(7), seccomp(2), capabilities(7), setrlimit(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x0002_0000, 0x0400_0000, 0x0800_0000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP = 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x0200_0000
NEW_NAMESPACES = (
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP
)
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC = 2, 4, 0x1000, 0x4000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
EPERM, ENOSYS = 1, 38

_libc = ctypes.CDLL(None, use_errno=True)
_holding_the_lock = ctypes.PyDLL(None, use_errno=True)  # Python's own lock is kept during a call


def _call(name: str, *args: object) -> None:
    if getattr(_libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends."""
    _call("prctl", PR_SET_PDEATHSIG, 9, 0, 0, 0)


def be_first_to_go() -> None:
    """Ask the kernel to end this process or its children, rather than any other, when the machine is out of memory."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def set_dumpable(on: bool) -> None:
    """A process that is not dumpable cannot be read or traced by others of the same user."""
    _call("prctl", PR_SET_DUMPABLE, int(on), 0, 0, 0)


def fork_into_namespaces() -> int:
    """Like `os.fork`, and the child is process 1 of namespaces of its own.

    On other machines `unshare` and a second fork do the same, with one process more: to copy one with torch in it
    takes milliseconds.

    Raises:
        OSError: the kernel does not allow it.
    """
    if platform.machine() not in _MACHINES:
        pid = os.fork()
        if pid == 0:
            _call("unshare", NEW_NAMESPACES)
            if os.fork() != 0:
                os._exit(0)
        return pid
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = _holding_the_lock.syscall(_MACHINES[platform.machine()][2], NEW_NAMESPACES | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    number = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone: {os.strerror(number)}")
    return int(pid)


def furnish_namespaces(identity: tuple[int, int], file_mb: int, cover: list[str], keep: list[str]) -> None:
    """In the child of `fork_into_namespaces`: cover every writable folder, and /proc, with a fresh, empty one.

    Args:
        identity: user and group of its parent.
        file_mb: size of the work folder in MB.
        cover: the folders; the first is the work folder, the last is /proc.
        keep: folders inside of those that stay as they are, the interpreter's for one.

    Raises:
        OSError: the kernel does not allow it.
    """
    uid, gid = identity
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    size = f"size={file_mb}m,mode=0777,nr_inodes=20000".encode()
    small = b"size=16m,mode=0777,nr_inodes=2000"
    special = {"/dev/shm": small, "/proc": b"size=4k,mode=0555"}
    kept = {folder: os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in keep}
    for folder in cover:
        _call("mount", b"tmpfs", folder.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, special.get(folder, size))
        for inner, handle in kept.items():
            if inner.startswith(f"{folder}/"):
                os.makedirs(inner, exist_ok=True)
                _call("mount", f"/proc/self/fd/{handle}".encode(), inner.encode(), None, MS_BIND | MS_REC, None)
    for handle in kept.values():
        os.close(handle)
    os.chdir(cover[0])


def drop_capabilities() -> None:
    """Give up every capability, for this process and everything that it starts."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    header = struct.pack("<Ii", 0x20080522, 0)
    nothing = struct.pack("<6I", 0, 0, 0, 0, 0, 0)
    _call("capset", header, nothing)
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


# System calls that no exercise needs and that attacks begin with: number on x86-64, number on 64-bit Arm.
_REFUSED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "personality": (135, 92), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    # memory that no process needs to hold, and that nobody could count
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180),
    "quotactl": (179, 60), "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
}  # fmt: skip
_MACHINES = {"x86_64": (0, 0xC000003E, 56, 41), "aarch64": (1, 0xC00000B7, 220, 198)}  # column, arch, clone, socket
_CLONE3 = 435
_SOCKET_FAMILIES = (1, 2, 10)  # unix, IPv4, IPv6; AF_VSOCK and the like reach beyond a network namespace

_LD_W, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000


def _filter_program(machine: str) -> list[tuple[int, int, int, int]]:
    """The classic BPF program: (code, jump if true, jump if false, operand) per instruction."""
    column, architecture, clone, socket_call = _MACHINES[machine]
    program: list[tuple[int, int, int, int]] = [
        (_LD_W, 0, 0, 4),  # the architecture of the call
        (_JEQ, 1, 0, architecture),
        (_RET, 0, 0, _ERRNO | EPERM),
        (_LD_W, 0, 0, 0),  # the number of the call
    ]
    if machine == "x86_64":  # the x32 numbers would go round the table
        program += [(_JGE, 0, 1, 0x4000_0000), (_RET, 0, 0, _ERRNO | EPERM)]
    for numbers in _REFUSED.values():
        program += [(_JEQ, 0, 1, numbers[column]), (_RET, 0, 0, _ERRNO | EPERM)]
    # glibc falls back from clone3, whose flags a filter cannot read, to clone
    program += [(_JEQ, 0, 1, _CLONE3), (_RET, 0, 0, _ERRNO | ENOSYS)]
    program += [
        (_JEQ, 0, 4, clone),
        (_LD_W, 0, 0, 16),  # low half of its first argument
        (_JSET, 0, 1, NEW_NAMESPACES),
        (_RET, 0, 0, _ERRNO | EPERM),
        (_RET, 0, 0, _ALLOW),
        (_JEQ, 0, 2 + len(_SOCKET_FAMILIES), socket_call),
        (_LD_W, 0, 0, 16),
    ]
    for left, family in zip(range(len(_SOCKET_FAMILIES), 0, -1), _SOCKET_FAMILIES, strict=True):
        program.append((_JEQ, left, 0, family))
    program += [(_RET, 0, 0, _ERRNO | EPERM), (_RET, 0, 0, _ALLOW)]
    return program


def refuse_system_calls() -> bool:
    """Install the filter of system calls; False on a machine whose call numbers are not in the table."""
    machine = platform.machine()
    if machine not in _MACHINES:
        return False
    instructions = b"".join(struct.pack("<HBBI", *step) for step in _filter_program(machine))
    code = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("<HxxxxxxQ", len(instructions) // 8, ctypes.addressof(code))
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", PR_SET_SECCOMP, 2, program, 0, 0)
    return True


def virtual_memory() -> int:
    """Bytes of address space that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limit_resources(baseline: int, memory_mb: int, processes: int, file_mb: int, cpu_seconds: float) -> None:
    """Set the limits that the kernel enforces on this process and, each for itself, on its children.

    Args:
        baseline: bytes of address space of the warm start, which the limit on memory does not count.
        memory_mb: address space beyond it, in MB.
        processes: processes and threads of this user in this namespace.
        file_mb: largest file, in MB.
        cpu_seconds: processor time of one process.
    """
    seconds = max(1, int(cpu_seconds) + 1)
    for kind, soft, hard in (
        (resource.RLIMIT_AS, baseline + (memory_mb << 20), baseline + (memory_mb << 20)),
        (resource.RLIMIT_NPROC, processes, processes),
        (resource.RLIMIT_FSIZE, file_mb << 20, file_mb << 20),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_CPU, seconds, seconds + 2),
        (resource.RLIMIT_CORE, 1, 1),  # 0 would still start the machine's crash reporter, where it has one
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        now_hard = resource.getrlimit(kind)[1]
        if now_hard != resource.RLIM_INFINITY:
            hard = min(hard, now_hard)
        resource.setrlimit(kind, (min(soft, hard), hard))
