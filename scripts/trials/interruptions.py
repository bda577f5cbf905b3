"""kill -9, SIGTERM and SIGINT at any moment; the same run started twice: at once, or one after the other."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imdb_jax.errors import LOCKED
from imdb_jax.runs.run import Run
from imdb_jax.training.checkpoint import Checkpoints
from scripts.trials.rig import Failure, Rig, Training, check_steps, outcome

REFUSED = 10  # seconds from the start of the second of two to its end, on a machine that is busy
START, STEPS = 0.6, 0.4  # how late a kill may come, in runs: after the start of the process, after that of training
SIGNAL = 0.9  # how late a signal may come, in runs
SECOND = 0.3  # share of signals that a second one follows within BETWEEN seconds
BETWEEN = 0.1


def kills(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Starts a run again and again until a kill comes too late for it; most come while steps are taken and saved."""
    counts: Counter[str] = Counter()
    while True:
        training = rig.train(folder / "run")
        in_steps = draw.random() < 0.75
        if in_steps:
            training.wait_for_steps()
        if not training.goes_on(rig.seconds * draw.uniform(0, STEPS if in_steps else START)):
            break
        training.process.kill()
        training.end()
        counts["kills"] += 1
        counts["kills after the first step"] += in_steps
        counts["checkpoints restored"] += check_steps(folder / "run")
    training.end()
    rig.finish(folder / "run")
    counts["checkpoints restored"] += check_steps(folder / "run")
    return counts


def signals(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Starts a run again and again until a signal comes too late for it; some are followed by a second."""
    counts: Counter[str] = Counter()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a child ignores it where this process does
    while True:
        signum = draw.choice((signal.SIGTERM, signal.SIGINT))
        training = rig.train(folder / "run")
        if not training.goes_on(rig.seconds * draw.uniform(0, SIGNAL)):
            break
        training.process.send_signal(signum)
        counts[signum.name] += 1
        if draw.random() < SECOND and training.goes_on(draw.uniform(0, BETWEEN)):
            training.process.send_signal(signum)
            counts["followed by a second"] += 1
        counts["in training"] += _check_stopped(training, signum, folder / "run")
        check_steps(folder / "run")
    training.end()
    rig.finish(folder / "run")
    return counts


def _check_stopped(training: Training, signum: signal.Signals, folder: Path) -> bool:
    """A run that was asked to stop has a checkpoint as new as its last metrics; returns whether it was asked."""
    code = training.end()
    if code != 128 + signum:
        raise Failure(f"{signum.name} gave exit code {code}: {training.told()[-2_000:]}")
    asked = "saving a checkpoint" in training.told()
    run = Run(folder)
    if asked and training.process.returncode > 0 and (epochs := run.history().epochs):
        newest = max(Checkpoints(run.checkpoints, run.origin(), read_only=True).steps(), default=0)
        if newest < epochs[-1].step:
            raise Failure(f"step {epochs[-1].step} was told of, but the newest checkpoint is of step {newest}")
    return asked


def starts(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Starts two processes at once, or a second one while the first stands still."""
    at_once = draw.random() < 0.5
    winner, loser = (_at_once if at_once else _one_standing_still)(rig, draw, folder / "run")
    lived = time.monotonic() - loser.started
    if lived > REFUSED:
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
