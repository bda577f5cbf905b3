"""What a run tells: lines for people, metrics.jsonl for programs, TensorBoard events for plots."""

import contextlib
import json
import logging
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from tqdm.auto import tqdm

from imdb_jax.config.checked import dump
from imdb_jax.storage import atomic_file
from imdb_jax.training.history import Epoch

# tensorboardX imports torch where it is installed: 0.6 s and 190 MB that serve nothing here. Let it look absent.
sys.modules.setdefault("torch", cast(Any, None))
try:
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore  (generated names)
    from tensorboardX.summary import scalar
finally:
    if sys.modules["torch"] is None:
        del sys.modules["torch"]

log = logging.getLogger(__name__)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code: a cell is no terminal, but somebody looks at it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None  # a shell in a terminal has none


@contextlib.contextmanager
def shown_in_cell() -> Iterator[None]:
    """In a notebook shows what the package logs in the cell, unless it has been told where to log."""
    package = logging.getLogger("imdb_jax")
    if package.handlers or not in_notebook():
        yield
        return
    screen = logging.StreamHandler(sys.stdout)
    package.addHandler(screen)
    package.propagate = False  # libraries set up the root logger as they please
    try:
        yield
    finally:
        package.removeHandler(screen)
        package.propagate = True


@contextlib.contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Also writes what the package logs to a file, after what an earlier start wrote."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.handleError = lambda record: None  # a full disk: the line is on the screen, and written once there is room
    package = logging.getLogger("imdb_jax")
    level = package.level
    package.setLevel(logging.INFO)
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        with contextlib.suppress(OSError):
            handler.close()


class RunLog:
    """The epochs of a run on the disk; while that is full, training goes on and the log says so.

    Args:
      folder: the run directory.
      epochs: of an earlier part of the run; lines of later steps, which are about to be repeated, are dropped.
    """

    def __init__(self, folder: Path, epochs: list[Epoch]) -> None:
        self._path = folder / "metrics.jsonl"
        self._written: int | None = None  # lines that are known to be there
        self.write_metrics(epochs)
        last_step = epochs[-1].step if epochs else 0
        (folder / "tensorboard").mkdir(exist_ok=True)
        # Not SummaryWriter: its thread dies of a full disk, and then whoever adds a figure waits for it forever.
        self._events = EventsWriter(str(folder / "tensorboard" / "events"))
        start = SessionLog(status=SessionLog.START)  # pyright: ignore  (generated names)
        self._events.write_event(Event(wall_time=time.time(), step=last_step + 1, session_log=start))

    def write(self, epochs: list[Epoch]) -> None:
        """Writes what is new to metrics.jsonl, and the last epoch to TensorBoard."""
        epoch = epochs[-1]
        figures = {f"{name}/train": x for name, x in asdict(epoch.train).items()}
        figures |= {f"{name}/validation": x for name, x in asdict(epoch.validation).items()}
        figures["speed/reviews_per_second"] = epoch.reviews_per_second
        try:
            self.write_metrics(epochs)
            for name, value in figures.items():
                if math.isnan(value):  # as the AUC of reviews of one class
                    continue
                event = Event(wall_time=time.time(), step=epoch.step, summary=scalar(name, value))
                self._events.write_event(event)
            self._events.flush()
        except OSError as error:
            log.warning(f"{self._path.parent}: figures not written ({error.strerror}); training goes on")

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._events.close()

    def write_metrics(self, epochs: list[Epoch]) -> None:
        """Appends what is new, so that `tail -f` sees it; writes all anew where an earlier write has failed."""
        if self._written == len(epochs):
            return
        first, self._written = self._written, None
        lines = "".join(json.dumps(dump(epoch)) + "\n" for epoch in epochs[first or 0 :]).encode()
        with atomic_file(self._path) if first is None else self._path.open("ab") as file:
            file.write(lines)
        self._written = len(epochs)


def progress_bar(epoch: int, epochs: int, reviews: int, done: int) -> tqdm:
    """A bar for one epoch on a terminal or in a notebook; in a log file the line after each epoch does."""
    return tqdm(
        total=reviews,
        initial=done,
        desc=f"epoch {epoch}/{epochs}",
        unit=" reviews",
        leave=False,
        delay=1,  # seconds: a shorter epoch has its line soon enough
        disable=not ((getattr(sys.stderr, "isatty", bool)() or in_notebook()) and log.isEnabledFor(logging.INFO)),
    )


def epoch_line(epoch: Epoch, epochs: int, remaining_seconds: float, best: bool, compiled: int) -> str:
    """One line about an epoch of at most `epochs`, for people; the best so far has a star."""
    train, validation = epoch.train, epoch.validation
    minutes, seconds = divmod(round(remaining_seconds), 60)
    return (
        f"epoch {epoch.epoch:>2}/{epochs}  step {epoch.step}  "
        f"train loss {train.loss:.4f} accuracy {train.accuracy:.2%}  "
        f"validation loss {validation.loss:.4f} accuracy {validation.accuracy:.2%}{' *' if best else '  '}  "
        f"{epoch.reviews_per_second:,.0f} reviews/s  {epoch.tokens_per_second:,.0f} tokens/s  "
        f"compiled {compiled}  ETA {minutes}:{seconds:02d}"
    )
