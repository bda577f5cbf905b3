"""Real training processes on a tiny config, and what must be equal of their runs."""

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from imdb_jax.config.checked import dump
from imdb_jax.data.synthetic import OPINIONS
from imdb_jax.errors import UserError
from imdb_jax.inference.predictor import restore_best
from imdb_jax.runs.run import Run
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.step import TrainState

PATIENCE = 900  # seconds after which a process is taken for hung; 5 are enough on a quiet machine
OURS = re.compile(r'File ".*/imdb_jax/')  # in a traceback: Orbax's threads print theirs when a disk fills up, and
# Python prints one where SIGINT comes before it has found the package
TIMES = {"seconds", "reviews_per_second", "tokens_per_second", "metrics"}  # the last is a checksum of the others


class Failure(Exception):  # noqa: N818 - what a trial finds, not an error of the trial
    """A trial ended otherwise than the goal says."""


class Skipped(Exception):  # noqa: N818
    """A goal cannot be tried on this machine."""


class Outcome(NamedTuple):
    """What an interruption must not change."""

    metrics: list[dict[str, Any]]
    results: dict[str, Any]
    logits: dict[str, list[float]]
    latest: dict[str, str]
    best: dict[str, str]

    def check_same(self, other: "Outcome") -> None:
        """Raises `Failure` naming the first thing that differs."""
        for name, mine, its in zip(self._fields, self, other, strict=True):
            if mine != its:
                raise Failure(f"{name} differs from the uninterrupted run")


class Training:
    """One process of `python -m imdb_jax.train`."""

    def __init__(self, command: list[str], workdir: Path, environment: dict[str, str]) -> None:
        self._metrics = workdir / "metrics.jsonl"
        self._inode = self._now()
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read when the process has ended
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--workdir", str(workdir)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
        )

    def wait_for_steps(self) -> None:
        """Waits until it is about to train, which replaces metrics.jsonl, or has ended."""
        while self._now() == self._inode and self.process.poll() is None:
            time.sleep(0.005)

    def goes_on(self, seconds: float) -> bool:
        """Lets it run for a while; whether it has not ended by then."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def end(self) -> int:
        """Waits for its end; returns the exit code as a shell would."""
        if self.goes_on(PATIENCE):
            self.process.kill()
            raise Failure(f"hung for {PATIENCE} s")
        if OURS.search(self.told()):
            raise Failure(f"a traceback: {self.told()[-2_000:]}")
        return self.process.returncode if self.process.returncode >= 0 else 128 - self.process.returncode

    def told(self) -> str:
        """What it wrote to standard error so far."""
        self._stderr.seek(0)
        return self._stderr.read()

    def _now(self) -> int:
        return self._metrics.stat().st_ino if self._metrics.exists() else 0


class Rig:
    """A folder for trials, with a cache that they share and a run that nothing has interrupted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "IMDB_JAX_CACHE": str(folder / "cache")}
        vectors = folder / "vectors.txt"
        folder.mkdir(parents=True, exist_ok=True)
        draw = random.Random(0)
        words = [word for group in OPINIONS.values() for word in group if " " not in word]
        lines = (f"{word} {' '.join(f'{draw.gauss(0, 1):.4f}' for _ in range(8))}\n" for word in words)
        vectors.write_text("".join(lines))
        config = Path(__file__).with_name("config.py")
        arguments = ["--config", str(config), f"--config.model.embedding.vectors={vectors}"]
        self.command = [sys.executable, "-m", "imdb_jax.train", *arguments]
        self.whole = folder / "whole"
        for name in ("warming", "whole"):  # the first one fills the cache
            training = self.train(folder / name)
            if training.end():
                raise Failure(f"the uninterrupted run failed: {training.told()}")
            self.seconds = time.monotonic() - training.started
        self.outcome = outcome(self.whole)
        self.outcome.check_same(outcome(folder / "warming"))

    def train(self, workdir: Path) -> Training:
        """Starts training, or goes on with it."""
        return Training(self.command, workdir, self.environment)

    def run_through(self, workdir: Path) -> None:
        """Lets a run come to its end."""
        training = self.train(workdir)
        if code := training.end():
            raise Failure(f"exit code {code}: {training.told()[-2_000:]}")

    def finish(self, workdir: Path) -> None:
        """Lets a run come to its end and compares it with the uninterrupted one."""
        self.run_through(workdir)
        self.outcome.check_same(outcome(workdir))


Trial = Callable[[Rig, random.Random, Path], Counter[str]]


def outcome(folder: Path) -> Outcome:
    """Reads a finished run."""
    run = Run(folder)
    _, best = restore_best(run)
    like = untrained(run)
    with Checkpoints(run.checkpoints, run.origin(), read_only=True) as checkpoints:
        latest, _ = checkpoints.restore_latest(like) or (like, [])
    return Outcome(
        [without_times(dump(epoch)) for epoch in run.history().epochs],
        without_times(dump(run.results()) or {}),
        {split: run.predictions(split).logits.tolist() for split in ("validation", "test")},
        fingerprints(latest),
        fingerprints(best),
    )


def untrained(run: Run) -> TrainState:
    """The state that a run started from."""
    config = run.config()
    return build_learner(build_model(config, run.vocabulary(), run.load_vectors()), config, steps=1)[1]


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in TIMES}


def check_steps(folder: Path) -> int:
    """Restores every listed checkpoint of a run that nobody trains; returns their number."""
    run = Run(folder)
    steps = [path for path in run.checkpoints.glob("*") if path.name.isdecimal()]
    if not steps:
        return 0
    like = untrained(run)
    for path in steps:
        with tempfile.TemporaryDirectory() as alone:
            Path(alone, path.name).symlink_to(path.absolute())
            try:
                with Checkpoints(Path(alone), run.origin(), read_only=True) as checkpoints:
                    found = checkpoints.restore_latest(like)
            except UserError as error:
                raise Failure(f"step {path.name} does not restore: {error}") from error
        if found is None or int(found[0].step) != int(path.name):
            raise Failure(f"step {path.name} holds another step")
    return len(steps)
