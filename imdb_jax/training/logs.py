"""What a run tells: lines for people, metrics.jsonl for programs, TensorBoard events for plots."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter
from tqdm import tqdm

from imdb_jax.storage import atomic_file
from imdb_jax.training.history import Epoch


@contextlib.contextmanager
def _without(module: str) -> Iterator[None]:
    """Makes a module look absent, unless it is imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = cast(Any, None)
    try:
        yield
    finally:
        del sys.modules[module]


with _without("torch"):  # tensorboardX imports it where it is installed: 0.6 s and 190 MB that serve nothing here
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore  (generated names)
    from tensorboardX.summary import scalar

log = logging.getLogger(__name__)

EPOCH = TypeAdapter(Epoch)


@contextlib.contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Also writes what the package logs to a file, after what an earlier start wrote."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.handleError = lambda record: None  # a full disk: the line is on the screen, and written once there is room
    package = logging.getLogger("imdb_jax")
    package.setLevel(logging.INFO)
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


class RunLog:
    """The epochs of a run on the disk; while that is full, training goes on and the log says so.

    Args:
      folder: the run directory.
      epochs: of an earlier part of the run; lines of later steps, which are about to be repeated, are dropped. It may
        grow meanwhile: `write` writes what is new.
    """

    def __init__(self, folder: Path, epochs: list[Epoch]) -> None:
        self._path = folder / "metrics.jsonl"
        self._epochs = epochs
        self._written: int | None = None  # lines that are known to be there
        self._write_metrics()
        last_step = epochs[-1].step if epochs else 0
        (folder / "tensorboard").mkdir(exist_ok=True)
        # Not SummaryWriter: its thread dies of a full disk, and then whoever adds a figure waits for it forever.
        self._events = EventsWriter(str(folder / "tensorboard" / "events"))
        start = SessionLog(status=SessionLog.START)  # pyright: ignore  (generated names)
        self._events.write_event(Event(wall_time=time.time(), step=last_step + 1, session_log=start))

    def write(self) -> None:
        """Writes the last epoch to metrics.jsonl and TensorBoard."""
        epoch = self._epochs[-1]
        figures = {
            f"{name}/{split}": x for split in ("train", "validation") for name, x in asdict(epoch)[split].items()
        }
        figures["speed/reviews_per_second"] = epoch.reviews_per_second
        try:
            self._write_metrics()
            for name, value in figures.items():
                event = Event(wall_time=time.time(), step=epoch.step, summary=scalar(name, value))
                self._events.write_event(event)
            self._events.flush()
        except OSError as error:
            log.warning(f"{self._path.parent}: figures not written ({error.strerror}); training goes on")

    def finish(self) -> None:
        """Writes what there was no room for before.

        Raises:
          OSError: there is still none.
        """
        if self._written != len(self._epochs):
            self._write_metrics()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._events.close()

    def _write_metrics(self) -> None:
        """Appends what is new, so that `tail -f` sees it; writes all anew where an earlier write has failed."""
        first, self._written = self._written, None
        lines = b"".join(EPOCH.dump_json(epoch) + b"\n" for epoch in self._epochs[first or 0 :])
        if first is None:
            with atomic_file(self._path) as file:
                file.write(lines)
        else:
            with self._path.open("ab") as file:
                file.write(lines)
        self._written = len(self._epochs)


def progress_bar(epoch: int, epochs: int, reviews: int, done: int) -> tqdm:
    """A bar for one epoch on a terminal; nothing in a log file, where the line after each epoch does."""
    return tqdm(
        total=reviews,
        initial=done,
        desc=f"epoch {epoch}/{epochs}",
        unit=" reviews",
        leave=False,
        disable=not (sys.stderr.isatty() and log.isEnabledFor(logging.INFO)),
    )


def epoch_line(epoch: Epoch, epochs: int, remaining_seconds: float, best: bool, compiled: int) -> str:
    """One line about an epoch, for people.

    Args:
      epoch: that has just ended.
      epochs: at most.
      remaining_seconds: at most, until training ends.
      best: whether no epoch before was as good.
      compiled: programs compiled in the epoch.
    """
    train, validation = epoch.train, epoch.validation
    minutes, seconds = divmod(round(remaining_seconds), 60)
    return (
        f"epoch {epoch.epoch:>2}/{epochs}  step {epoch.step}  "
        f"train loss {train.loss:.4f} accuracy {train.accuracy:.2%}  "
        f"validation loss {validation.loss:.4f} accuracy {validation.accuracy:.2%}{' *' if best else '  '}  "
        f"{epoch.reviews_per_second:,.0f} reviews/s  {epoch.tokens_per_second:,.0f} tokens/s  "
        f"compiled {compiled}  ETA {minutes}:{seconds:02d}"
    )
