"""A disk that is full for a while."""

import contextlib
import errno
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imdb_jax.errors import IO_FAILED
from scripts.trials.rig import Failure, Rig, Skipped

SIZE = 3 * 2**20
SPARE = 100_000  # at most so many bytes stay free: a checkpoint or two


def disk(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Fills the disk while a run trains, makes room before or after its end, and lets it finish."""
    with _small_disk(folder / "disk") as small:
        workdir, filler = small / "run", small / "filler"
        training = rig.train(workdir)
        training.wait_for_steps()
        training.goes_on(rig.seconds * draw.uniform(0, 0.4))
        _fill(filler, draw.randrange(SPARE))
        if draw.random() < 0.5:
            training.goes_on(rig.seconds * draw.uniform(0, 0.4))
            filler.unlink()
        code = training.end()
        told = training.told().splitlines()
        filler.unlink(missing_ok=True)
        if code not in (0, IO_FAILED) or (code and not any(line.startswith("error: ") for line in told)):
            raise Failure(f"exit code {code}: {told[-20:]}")
        if left := [path for path in workdir.rglob(".*") if path.name != ".lock"]:
            raise Failure(f"left behind with exit code {code}: {left}; the log ends with {told[-4:]}")
        not_written = [line.split("not written")[0] for line in told if "checkpoint of step" in line]
        if len(not_written) != len(set(not_written)):
            raise Failure(f"more than one line about a save: {not_written}")
        rig.finish(workdir)
        return Counter({"failed saves": len(not_written), "ended with 74": code == IO_FAILED})


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        raise Skipped(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(filler: Path, spare: int) -> None:
    """Fills the disk but for some bytes."""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4_096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(max(0, file.tell() - spare))
