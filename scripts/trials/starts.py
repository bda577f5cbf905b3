"""The same run started twice: at once on one directory, or one after the other on two."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imdb_jax.errors import LOCKED
from scripts.trials.rig import Failure, Rig, Training, outcome

PATIENCE = 10  # seconds from the start of the loser to its end, on a machine that is busy


def starts(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Starts two processes at once, or a second one while the first stands still."""
    at_once = draw.random() < 0.5
    winner, loser = (_at_once if at_once else _one_standing_still)(rig, draw, folder / "run")
    lived = time.monotonic() - loser.started
    if lived > PATIENCE:
        raise Failure(f"the loser ended {lived:.1f} s after its start")
    if (code := loser.end()) != LOCKED or len(loser.told().splitlines()) != 1:
        raise Failure(f"the loser ended with exit code {code}: {loser.told()[-2_000:]}")
    if code := winner.end():
        raise Failure(f"the winner ended with exit code {code}: {winner.told()[-2_000:]}")
    rig.finish(folder / "run")
    return Counter({"refused": 1, "started at once": at_once, "refused less than 2 s after their start": lived < 2})


def repeats(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Trains once more on all cores, and on one of them, and compares with the runs before on as many."""
    rig.finish(folder / "run")
    for run in (rig.folder / "one-core", folder / "one-core"):
        if not run.exists():
            with _on(draw.choice(sorted(os.sched_getaffinity(0)))):
                rig.run_through(run)
    outcome(folder / "one-core").check_same(outcome(rig.folder / "one-core"))
    return Counter({"on all cores": 1, "on one core": 1})


def _at_once(rig: Rig, draw: random.Random, workdir: Path) -> tuple[Training, Training]:
    one = rig.train(workdir)
    time.sleep(draw.uniform(0, 0.1))
    other = rig.train(workdir)
    while one.process.poll() is None and other.process.poll() is None:
        time.sleep(0.005)
    return (one, other) if one.process.poll() is None else (other, one)


def _one_standing_still(rig: Rig, draw: random.Random, workdir: Path) -> tuple[Training, Training]:
    first = rig.train(workdir)
    first.wait_for_steps()
    first.goes_on(rig.seconds * draw.uniform(0, 0.3))
    first.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, first.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # its threads stop a little later
    before = _contents(workdir)
    second = rig.train(workdir)
    second.end()
    changed = _contents(workdir) != before
    first.process.send_signal(signal.SIGCONT)
    if changed:
        raise Failure("the start that was refused has changed the run")
    return first, second


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def _on(core: int) -> Iterator[None]:
    """Processes that are started meanwhile have this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
