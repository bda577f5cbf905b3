"""What a run tells: lines for people, metrics.jsonl for programs, TensorBoard events for plots."""

import contextlib
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from tqdm import tqdm
from typing_extensions import override

from imdb_jax.training.history import History


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


@contextlib.contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Also writes what this thread and its writer of checkpoints log to a file, after what an earlier start wrote."""
    mine = threading.current_thread().name
    handler = logging.FileHandler(path)
    handler.addFilter(lambda record: f"{record.threadName} ".startswith(f"{mine} "))
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


@contextlib.contextmanager
def off_screen() -> Iterator[None]:
    """Keeps what this thread logs off the screen, warnings apart: those name the run they are of."""
    mine = threading.get_ident()
    screens = list(logging.getLogger("imdb_jax").handlers)

    def shown(record: logging.LogRecord) -> bool:
        return record.thread != mine or record.levelno >= logging.WARNING

    for screen in screens:
        screen.addFilter(shown)
    try:
        yield
    finally:
        for screen in screens:
            screen.removeFilter(shown)


class HistoryLog:
    """The growing record of a run in memory alone, for processes that don't write.

    Args:
      history: lines of an earlier part of the run.
    """

    def __init__(self, history: History) -> None:
        self.history = list(history)

    def write(self, record: dict) -> None:
        """Adds the record of an epoch."""
        self.history.append(record)

    def __enter__(self) -> "HistoryLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pass


class RunLog(HistoryLog):
    """The growing record of a run on the disk; while that is full, training goes on and the log says so.

    Args:
      folder: the run directory.
      history: lines of an earlier part of the run; later lines, of steps that are about to be repeated, are dropped.
    """

    def __init__(self, folder: Path, history: History) -> None:
        super().__init__(history)
        self._path = folder / "metrics.jsonl"
        self._write_metrics()
        last_step = history[-1]["step"] if history else 0
        (folder / "tensorboard").mkdir(exist_ok=True)
        # Not SummaryWriter: its thread dies of a full disk, and then whoever adds a figure waits for it forever.
        self._events = EventsWriter(str(folder / "tensorboard" / "events"))
        start = SessionLog(status=SessionLog.START)  # pyright: ignore  (generated names)
        self._events.write_event(Event(wall_time=time.time(), step=last_step + 1, session_log=start))

    @override
    def write(self, record: dict) -> None:
        """Adds the record of an epoch: to the history, metrics.jsonl and TensorBoard."""
        super().write(record)
        figures = {f"{name}/{split}": x for split in ("train", "validation") for name, x in record[split].items()}
        figures["speed/reviews_per_second"] = record["reviews_per_second"]
        try:
            self._write_metrics()
            for name, value in figures.items():
                event = Event(wall_time=time.time(), step=record["step"], summary=scalar(name, value))
                self._events.write_event(event)
            self._events.flush()
        except OSError as error:
            log.warning(f"{self._path.parent}: figures not written ({error.strerror}); training goes on")

    @override
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._events.close()
        if kind is None:
            self._write_metrics()  # now for certain

    def _write_metrics(self) -> None:
        draft = self._path.with_suffix(".tmp")
        try:
            draft.write_text("".join(_line(record) for record in self.history))
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)


def _line(record: dict) -> str:
    return json.dumps(record) + "\n"


def progress_bar(epoch: int, epochs: int, reviews: int, done: int) -> tqdm:
    """A bar for one epoch on a terminal; nothing in a log file, where the line after each epoch does.

    Nor is there one for members of a population, which train in threads of their own: bars would overwrite each other.
    """
    alone = threading.current_thread() is threading.main_thread()
    return tqdm(
        total=reviews,
        initial=done,
        desc=f"epoch {epoch}/{epochs}",
        unit=" reviews",
        leave=False,
        disable=not (alone and sys.stderr.isatty() and log.isEnabledFor(logging.INFO)),
    )


def epoch_line(record: dict, epochs: int, remaining_seconds: float, best: bool, compiled: int) -> str:
    """One line about an epoch, for people.

    Args:
      record: of the epoch, as `RunLog.write` takes it.
      epochs: at most.
      remaining_seconds: at most, until training ends.
      best: whether no epoch before was as good.
      compiled: programs compiled in the epoch.
    """
    train, validation = record["train"], record["validation"]
    minutes, seconds = divmod(round(remaining_seconds), 60)
    return (
        f"epoch {record['epoch']:>2}/{epochs}  step {record['step']}  "
        f"train loss {train['loss']:.4f} accuracy {train['accuracy']:.2%}  "
        f"validation loss {validation['loss']:.4f} accuracy {validation['accuracy']:.2%}{' *' if best else '  '}  "
        f"{record['reviews_per_second']:,.0f} reviews/s  {record['tokens_per_second']:,.0f} tokens/s  "
        f"compiled {compiled}  ETA {minutes}:{seconds:02d}"
    )
