"""kill -9, SIGTERM and SIGINT at any moment."""

import random
import signal
from collections import Counter
from pathlib import Path

from imdb_jax.runs.run import Run
from imdb_jax.training.checkpoint import Checkpoints
from scripts.trials.rig import Failure, Rig, Training, check_steps

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
