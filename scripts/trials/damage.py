"""Bits flipped, files cut, zeroed and deleted, in a finished run and in one that was stopped."""

import contextlib
import json
import logging
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imdb_jax.errors import UserError
from imdb_jax.inference.predictor import Predictor
from imdb_jax.runs.experiment import run_experiment
from imdb_jax.runs.run import Run
from scripts.trials.rig import Failure, Outcome, Rig, outcome

REVIEWS = ["a wonderful film", "dull, awful, silly", "the plot was not good"]
RECORDS = {"train.log", "test_readings.jsonl", "tensorboard"}  # of what happened; no result depends on them


def damage(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Damages one file of a copy, then trains, reads and predicts: all as before, or somebody is told."""
    finished = draw.random() < 0.7
    run = folder / "run"
    shutil.copytree(rig.whole if finished else _stopped(rig), run)
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name != ".lock"]
    deep = draw.random() < 0.5
    path = draw.choice([path for path in files if ("checkpoints" in path.parts) == deep])
    where = f"{path.relative_to(run)} of a {'finished' if finished else 'stopped'} run"
    how = _damage(path, draw)
    if draw.random() < 0.1:
        return Counter({"damaged": 1, "through the command line": 1, _by_commands(rig, run, where, how): 1})
    with _log() as lines:
        try:
            found, probabilities = _use(rig, run)
        except UserError as error:
            if "\n" in str(error):
                raise Failure(f"{how} {where}: more than one line: {error}") from None
            if path.relative_to(run).parts[0] in RECORDS:
                raise Failure(f"refused for a record's sake: {how} {where}: {error}") from None
            return Counter({"damaged": 1, "refused in one line": 1})
        except Exception as error:
            raise Failure(f"{how} {where}: {type(error).__name__}: {error}") from error
    if (found, probabilities) == (rig.outcome, _probabilities(rig.whole)):
        return Counter({"damaged": 1, "as before": 1})
    if not any("damaged" in line for line in lines):
        raise Failure(f"{how} {where}: another result, and nobody is told")
    return Counter({"damaged": 1, "another checkpoint with a notice": 1})


def _damage(path: Path, draw: random.Random) -> str:
    """Damages a file; says how."""
    content = bytearray(path.read_bytes())
    how = draw.choice(("flipped a bit of", "cut", "zeroed", "deleted")) if content else "deleted"
    if how == "deleted":
        path.unlink()
        return how
    at = draw.randrange(len(content))
    if how == "flipped a bit of":
        content[at] ^= 1 << draw.randrange(8)
    elif how == "cut":
        del content[at:]
    else:
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    path.write_bytes(content)
    return f"{how} byte {at} of" if how != "cut" else f"cut after byte {at}"


def _stopped(rig: Rig) -> Path:
    """A run that a signal stopped shortly before its end."""
    folder = rig.folder / "stopped"
    if not folder.exists():
        training = rig.train(folder)
        training.wait_for_steps()
        epochs = len(rig.outcome.metrics)
        while training.process.poll() is None and len(Run(folder).history().epochs) < epochs - 4:
            time.sleep(0.005)
        training.process.send_signal(signal.SIGTERM)
        training.end()
    return folder


def _use(rig: Rig, folder: Path) -> tuple[Outcome, list[float]]:
    run_experiment(Run(rig.whole).config(), folder)
    return outcome(folder), _probabilities(folder)


def _probabilities(folder: Path) -> list[float]:
    return [prediction.probability for prediction in Predictor(Run(folder)).predict(REVIEWS, len(REVIEWS))]


def _by_commands(rig: Rig, folder: Path, where: str, how: str) -> str:
    """The same as a user types it."""
    notice = "as before"
    predict = [sys.executable, "-m", "imdb_jax.predict", "--output", "jsonl", *REVIEWS]
    for command in (rig.command, predict):
        done = subprocess.run([*command, "--workdir", str(folder)], capture_output=True, text=True, env=rig.environment)
        if "Traceback" in done.stderr:
            raise Failure(f"{how} {where}: a traceback: {done.stderr[-2_000:]}")
        if done.returncode:
            if not done.stderr.splitlines()[-1].startswith("error: "):
                raise Failure(f"{how} {where}: exit code {done.returncode}: {done.stderr[-2_000:]}")
            return "refused in one line"
        if "damaged" in done.stderr:
            notice = "another checkpoint with a notice"
    found = [json.loads(line)["probability"] for line in done.stdout.splitlines()]
    if notice == "as before" and found != _probabilities(rig.whole):
        raise Failure(f"{how} {where}: other predictions, and nobody is told")
    return notice


@contextlib.contextmanager
def _log() -> Iterator[list[str]]:
    """The lines that the package logs meanwhile."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    log = logging.getLogger("imdb_jax")
    log.addHandler(handler)
    try:
        yield lines
    finally:
        log.removeHandler(handler)
