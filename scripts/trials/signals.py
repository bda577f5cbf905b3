"""SIGTERM and SIGINT at any moment, once or twice."""

import random
import signal
from collections import Counter
from pathlib import Path

from imdb_jax.runs.run import Run
from imdb_jax.training.checkpoint import Checkpoints
from scripts.trials.rig import Failure, Rig, check_steps

SECOND = 0.3  # share of signals that a second one follows within BETWEEN seconds
BETWEEN = 0.1


def trial(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Starts a run again and again until a signal comes too late for it."""
    counts: Counter[str] = Counter()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a child ignores it where this process does
    while True:
        signum = draw.choice((signal.SIGTERM, signal.SIGINT))
        training = rig.train(folder / "run")
        if not training.goes_on(rig.seconds * draw.uniform(0, 0.9)):
            break
        training.process.send_signal(signum)
        counts[signum.name] += 1
        if draw.random() < SECOND and training.goes_on(draw.uniform(0, BETWEEN)):
            training.process.send_signal(signum)
            counts["followed by a second"] += 1
        code = training.end()
        if code == 0:
            raise Failure(f"{signum.name} was swallowed")
        if code != 128 + signum:
            raise Failure(f"{signum.name} gave exit code {code}: {training.told()[-2_000:]}")
        asked = "saving a checkpoint" in training.told()
        counts["in training"] += asked
        if asked and training.process.returncode > 0:
            _check_no_step_lost(folder / "run")
        check_steps(folder / "run")
    training.end()
    rig.finish(folder / "run")
    return counts


def _check_no_step_lost(folder: Path) -> None:
    """A run that was asked to stop has a checkpoint at least as new as its last line of metrics."""
    run = Run(folder)
    history = run.history()
    newest = Checkpoints(run.checkpoints, run.origin(), read_only=True).newest() or 0
    if history and newest < history[-1]["step"]:
        raise Failure(f"step {history[-1]['step']} was told of, but the newest checkpoint is of step {newest}")
