"""A folder whose files are whole or not there, know when they have changed, and have one writer at a time."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from imdb_jax.errors import BAD_DATA, LOCKED, UserError
from imdb_jax.runs.records import check
from imdb_jax.storage import atomic_file

MAX_BYTES = 64 << 20  # of a file that is read whole, arrays apart
MAX_ARRAYS = 8 << 30  # vectors of 7 million words of 300 numbers


class Folder:
    """A folder that a command writes and later ones read.

    Args:
      folder: its place (`--workdir`).

    Attributes:
      mark: the file that is written once the folder can no longer become another.
    """

    mark: str

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @property
    def begun(self) -> bool:
        """Whether it is what its class says."""
        return (self.folder / self.mark).exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and takes it for this process; what fails before it has begun leaves none behind.

        Raises:
          UserError: not writable, or in use by another process (73).
        """
        new = not self.folder.exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock").acquire(timeout=0)
        except Timeout:
            message = f"{self.folder}: another process is training there; choose another --workdir"
            raise UserError(message, LOCKED) from None
        except OSError as error:
            raise UserError(f"{self.folder}: {error.strerror}; choose another --workdir", LOCKED) from None
        with lock:  # the kernel lets go of it however the process ends
            try:
                yield
            except UserError:
                if new and not self.begun:
                    self._leave()
                raise

    def _leave(self) -> None:
        """Removes the folder and what a start has put there, but nothing else."""
        with contextlib.suppress(OSError):  # somebody else has put something there, or Windows keeps the open lock
            for name in ("train.log", ".lock"):
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()

    def write_text(self, name: str, text: str) -> None:
        """Writes a file that is whole or not there."""
        self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Writes a file that is whole or not there."""
        with atomic_file(self.folder / name) as file:
            file.write(content)

    def write_sealed(self, name: str, content: dict[str, Any]) -> None:
        """Writes JSON whose last key is a checksum of all others."""
        self.write_text(name, json.dumps({**content, "seal": _seal(content)}, indent=2) + "\n")

    def read_sealed(self, name: str, kind: type) -> dict[str, Any]:
        """Reads what `write_sealed` wrote.

        Args:
          name: of the file.
          kind: what it must hold, one of `records`.

        Raises:
          UserError: it has changed since, or is not of that kind.
        """
        path = self.folder / name
        try:
            content = json.loads(read_bytes(path))
            sealed = content.pop("seal")
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
            sealed = content = None
        if content is None or sealed != _seal(content):
            raise UserError(f"{path}: has changed since it was written; put the old file back", BAD_DATA)
        check(kind, content, str(path))
        return content


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """What a file holds; one that is too large to be true is not loaded into memory."""
    if (size := path.stat().st_size) > limit:
        raise UserError(f"{path}: {size:,} bytes; must be at most {limit:,}", BAD_DATA)
    return path.read_bytes()


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
