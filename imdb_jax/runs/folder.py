"""A folder whose files are whole or not there, know when they have changed, and have one writer at a time."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from imdb_jax.config import Config, differences, dump, load
from imdb_jax.config.data import READING
from imdb_jax.errors import BAD_DATA, LOCKED, UserError
from imdb_jax.storage import atomic_file, local_path, sha256

R = TypeVar("R")

MANIFEST, POPULATION = "manifest.json", "population.json"
LOG = "train.log"
GLOBBED = "[]" if os.sep == "\\" else "[]\\"  # Orbax searches its own folder by a pattern, and finds none with these
KINDS = {MANIFEST: "a single run", POPULATION: "a population of runs"}  # of folders, by the file that marks them


class Folder:
    """A folder that a command writes and later ones read (`--workdir`)."""

    mark: str  # the file that is written once the folder can no longer become another
    written: tuple[str, ...]  # what training writes there beside

    def __init__(self, folder: Path | str) -> None:
        self.folder = local_path(folder, "--workdir")

    @property
    def begun(self) -> bool:
        """Whether it is a folder of this kind already."""
        return (self.folder / self.mark).exists()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Makes the folder and takes it for this process; what fails before it has begun leaves none behind.

        Raises:
          UserError: of the other kind, a folder of somebody else's, or of a name that Orbax can't read (2); not
            writable, or in use by another process (73).
        """
        if found := set(GLOBBED) & set(str(self.folder.absolute())):
            message = f"no checkpoint can be read from a path with {' '.join(sorted(found))}"
            raise UserError(f"{self.folder}: {message}; choose another --workdir")
        for mark, kind in KINDS.items():
            if mark != self.mark and (self.folder / mark).exists():
                raise UserError(f"{self.folder}: holds {kind}; choose another --workdir")
        new, first = not self.folder.exists(), not (self.folder / ".lock").exists()
        strange = [name for name in self.written if (self.folder / name).exists()]
        if first and not self.begun and strange:  # a start that was killed before it had begun has left its lock
            message = f"holds {', '.join(strange)} and no run; nothing is overwritten, choose another --workdir"
            raise UserError(f"{self.folder}: {message}")
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
            except Exception:
                if first and not self.begun:
                    with contextlib.suppress(OSError):  # it holds something else, or Windows keeps the lock
                        for name in (LOG, ".lock"):
                            (self.folder / name).unlink(missing_ok=True)
                        if new:
                            self.folder.rmdir()
                raise

    def check_config(self, begun_with: Config, config: Config) -> None:
        """Refuses to go on with another config than the folder was begun with."""
        # Reviews of the same content are the same, wherever they lie: `Run.check_data` compares that.
        same_reading = dataclasses.replace(config.data, **{name: getattr(begun_with.data, name) for name in READING})
        if changes := differences(begun_with, dataclasses.replace(config, data=same_reading)):
            raise UserError(
                f"{self.folder}: begun with another config ({'; '.join(changes)}); "
                "go on with the old one or choose another --workdir"
            )

    def write_text(self, name: str, text: str) -> None:
        """Writes a file that is whole or not there."""
        with atomic_file(self.folder / name) as file:
            file.write(text.encode())

    def write_record(self, name: str, record: Any) -> None:
        """Writes a dataclass as JSON whose last key is a checksum of all others."""
        content = dump(record)
        content["checksum"] = sha256(json.dumps(content).encode())
        self.write_text(name, json.dumps(content, indent=2) + "\n")

    def read_record(self, name: str, kind: type[R]) -> R:
        """Reads what `write_record` wrote.

        Raises:
          UserError: it has changed since, or is not of that kind (65).
        """
        path = self.folder / name
        try:
            content = json.loads(path.read_bytes())
            checksum = content.pop("checksum" if "checksum" in content else "seal")  # as version 0.1 called it
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
            checksum = content = None
        if content is None or checksum != sha256(json.dumps(content).encode()):
            raise UserError(f"{path}: has changed since it was written; put the old file back", BAD_DATA)
        return load(kind, content, str(path))
