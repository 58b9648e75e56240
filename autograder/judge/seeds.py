"""Seeds of hidden inputs: the same for a regrade, different for every student, unknown without the course secret."""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError


@dataclass(frozen=True)
class SeedSource:
    """Derives seeds by keyed BLAKE2b from a secret that only the instructor holds."""

    secret: bytes

    @functools.cached_property
    def _key(self) -> bytes:
        return hashlib.sha256(self.secret).digest()

    def digest(self, *names: str, size: int = 8) -> bytes:
        """Random bytes, at most 64, for e.g. (student, assignment, exercise, test)."""
        encoded = [name.encode() for name in names]
        message = b"".join([len(name).to_bytes(4, "big") + name for name in encoded])
        return hashlib.blake2b(message, digest_size=size, key=self._key).digest()

    def seed(self, *names: str) -> int:
        """The same as a number below 2**63."""
        return int.from_bytes(self.digest(*names), "big") >> 1

    def fingerprint(self) -> str:
        """Tells whether two runs used the same secret, without telling the secret."""
        return hmac.new(self.secret, b"fingerprint", hashlib.sha256).hexdigest()[:12]


def course_secret(root: Path) -> SeedSource:
    """The secret from the environment (`COURSE_SECRET`) or from `.course_secret`, which is made on first use.

    Raises:
        CourseError: the file is there and empty, or cannot be written.
    """
    if text := os.environ.get("COURSE_SECRET"):
        return SeedSource(text.encode())
    path = root / ".course_secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise CourseError(f"{path} cannot be made ({error.strerror}); set COURSE_SECRET instead") from None
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
    content = path.read_text().strip()
    if not content:
        raise CourseError(f"{path} is empty; delete it, or write a long random line into it, and keep it for regrading")
    return SeedSource(content.encode())
