"""Checkpoints by Orbax: written while training goes on, compared leaf by leaf when they are read.

A checkpoint is a folder named by its step. Orbax writes it beside its place and renames it there, so that it is whole
or not there, but loads bits that have changed since as they are, and casts another dtype without a word. Each
checkpoint therefore holds a record: shape, dtype and fingerprint of every leaf, and the figures of all epochs so far.
"""

import contextlib
import errno
import functools
import hashlib
import json
import logging
import math
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from typing import Any as History

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp
from orbax.checkpoint.experimental.v1._src.synchronization import multihost

from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError
from imdb_jax.training.fingerprint import describe, fingerprints
from imdb_jax.training.step import TrainState

log = logging.getLogger(__name__)
logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax tells each phase there, and what it also raises

LOOKS = 20  # at a folder to remove: TensorStore may still write there after a save has failed
PATIENCE = 10  # seconds for a thread of such a save
ALONE = ocp.options.MultiprocessingOptions(active_processes={0}, barrier_sync_key_prefix="imdb_jax")
LATEST = 2  # how many are kept beside the best
# Members of a population save in threads. Orbax numbers its operations by a counter of the process and reads it again
# later: a save that begins while another does waits for the wrong folder, and fails with FileExistsError.
_ORBAX = threading.Lock()
RETIRED, UNFINISHED, DAMAGED = ".retired-", ".orbax-checkpoint-tmp", "damaged"  # in names of folders


class Record(NamedTuple):
    """What a checkpoint says of itself.

    Attributes:
      step: updates so far.
      score: what the best checkpoint has most of; None when the step was not evaluated, in mid-epoch.
      history: the lines of metrics so far.
      leaves: of each leaf of the state, by its path, dtype and shape, then its fingerprint.
      origin: what makes the run what it is, by name: checksums of its files and of its reviews.
      surroundings: versions and cores that the run's figures depend on.
    """

    step: int
    score: float | None
    history: History
    leaves: dict[str, tuple[str, str]]
    origin: dict[str, str]
    surroundings: dict[str, Any]

    @property
    def rank(self) -> tuple[float, int]:
        """The best checkpoint has the highest: NaN is never best, and of equals the first is."""
        score = self.score if self.score is not None and math.isfinite(self.score) else -math.inf
        return score, -self.step

    def seal(self) -> dict[str, Any]:
        """As JSON with its own checksum."""
        text = json.dumps(self._asdict())
        return {"record": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}

    @classmethod
    def unseal(cls, sealed: Any) -> "Record":
        """Raises some exception if anything has changed since `seal`."""
        if hashlib.sha256(sealed["record"].encode()).hexdigest() != sealed["sha256"]:
            raise ValueError("its record has changed")
        record = cls(**json.loads(sealed["record"]))
        return record._replace(leaves={path: (kind, mark) for path, (kind, mark) in record.leaves.items()})


class Checkpoints:
    """The checkpoints of a run: the two latest and the best.

    One that turns out damaged is set aside in `damaged/`, with a line in the log, and the next older one is taken.

    Args:
      folder: where they stand, one folder per step.
      origin: of the run, for `Record`; a checkpoint of another run is refused.
      surroundings: of this process, for `Record`; a restored run is warned when they have changed.
      read_only: change nothing: a run may be saving there now.
    """

    def __init__(
        self,
        folder: Path,
        origin: dict[str, str],
        surroundings: dict[str, Any] | None = None,
        read_only: bool = False,
    ) -> None:
        self._folder = folder.absolute()
        self._origin = origin
        self._surroundings = surroundings or {}
        self._read_only = read_only
        writer = f"{threading.current_thread().name} checkpoints"  # its log is that of the run
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix=writer)
        self._saving: Future[None] | None = None
        self._lost: tuple[TrainState, Record] | None = None  # the best so far, where there was no room for it
        self._last: int | None = None  # step of the last that was to be saved
        if not read_only:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def save(self, state: TrainState, history: History, score: float | None = None) -> None:
        """Starts writing a checkpoint; when that fails, training goes on and the log says so.

        Args:
          state: its step names the checkpoint.
          history: the lines of metrics so far, kept with the state so that a resumed run has no hole in them.
          score: what the best checkpoint has most of; None when the step was not evaluated, in mid-epoch.
        """
        self.wait()
        self._last = int(state.step)
        self._saving = self._writer.submit(self._write_new, state, history, score)

    def wait(self) -> None:
        """Waits until the last checkpoint is written, then deletes those that are no longer wanted.

        The best one is tried again if there was no room for it.
        """
        self._join()
        if self._lost is not None:
            (state, record), self._lost = self._lost, None
            self._saving = self._writer.submit(self._write, state, record, again=True)
            del state  # the writer lets go of it as soon as it is written
            self._join()

    @property
    def failed(self) -> bool:
        """Whether the last checkpoint, or the best, could not be written; to be asked after `wait`."""
        return self._last not in (None, self.newest()) or self._lost is not None

    def _write_new(self, state: TrainState, history: History, score: float | None) -> None:
        record = Record(int(state.step), score, history, fingerprints(state), self._origin, self._surroundings)
        if not (self._folder / str(record.step)).exists():
            self._write(state, record)

    def _write(self, state: TrainState, record: Record, again: bool = False) -> None:
        try:
            with _orbax():
                place = str(self._folder / str(record.step))
                ocp.save(place, jax.device_get(state.plain()), custom_metadata=record.seal())
        except Exception as error:  # Orbax raises a dozen types, not only OSError
            self._not_written(state, record, error, again)
        else:
            self._retire()

    def _join(self) -> None:
        if self._saving is not None:
            saving, self._saving = self._saving, None
            saving.result()

    def restore_latest(self, like: TrainState) -> tuple[TrainState, History] | None:
        """Reads the latest checkpoint.

        Args:
          like: a state with the structure, shapes, dtypes and placement to restore to.

        Returns:
          The state and the history saved with it, or None where there is no checkpoint yet.

        Raises:
          UserError: the checkpoint is of another model or run, or none of them can be read.
        """
        found = self._first_whole(sorted(self._steps(), reverse=True), like)
        if found is None:
            return None
        state, record = found
        if self._surroundings and record.surroundings != self._surroundings:
            changes = ", ".join(
                f"{name} {old} -> {self._surroundings.get(name)}"
                for name, old in record.surroundings.items()
                if old != self._surroundings.get(name)
            )
            log.warning(f"{self._folder}: written with other surroundings ({changes}); figures may round differently")
        return state, record.history

    def restore_best(self, like: TrainState) -> TrainState:
        """Reads the evaluated checkpoint with the highest score, the first of equals.

        Raises:
          UserError: there is none yet, it is of another model or run, or none can be read.
        """
        records = self._records()
        if not records and (steps := self._steps()):
            raise self._none_whole(len(steps))
        ranks = _ranks(records)
        found = self._first_whole(sorted(ranks, key=lambda step: ranks[step], reverse=True), like)
        if found is None:
            raise UserError(f"{self._folder}: no evaluated checkpoint yet; let training end an epoch", MISSING_INPUT)
        return found[0]

    def newest(self) -> int | None:
        """Step of the latest checkpoint."""
        return max(self._steps(), default=None)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        if not self._read_only:
            self._sweep()

    def _steps(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdecimal())

    def _record(self, step: int) -> Record:
        with _orbax():
            metadata = ocp.metadata(str(self._folder / str(step)))
        record = Record.unseal(metadata.custom_metadata)
        if record.step != step:
            raise ValueError(f"its record is of step {record.step}")
        return record

    def _records(self) -> dict[int, Record]:
        """What the checkpoints say of themselves, by step, as far as they can be read."""
        records, damaged = {}, []
        for step in self._steps():
            try:
                records[step] = self._record(step)
            except Exception as error:
                damaged += self._noticed(step, error)
        if records:
            self._set_aside(damaged)
        return records

    def _first_whole(self, steps: list[int], like: TrainState) -> tuple[TrainState, Record] | None:
        damaged = []
        for step in steps:
            try:
                found = self._restore(step, like)
            except UserError:
                raise
            except Exception as error:  # of Orbax and TensorStore: a dozen types
                damaged += self._noticed(step, error)
                continue
            self._set_aside(damaged)
            return found
        if damaged:
            raise self._none_whole(len(damaged))
        return None

    def _none_whole(self, damaged: int) -> UserError:
        message = f"none of its {damaged} checkpoints can be read; train again in another --workdir"
        return UserError(f"{self._folder}: {message}", BAD_DATA)

    def _restore(self, step: int, like: TrainState) -> tuple[TrainState, Record]:
        record, path = self._record(step), self._folder / str(step)
        wanted = jax.tree_util.tree_leaves_with_path(like)
        _check_same_run(
            {name: kind for name, (kind, _) in record.leaves.items()} | record.origin,
            {jax.tree_util.keystr(at, simple=True, separator="."): describe(leaf) for at, leaf in wanted}
            | self._origin,
            path,
        )
        shapes = jax.eval_shape(TrainState.plain, like)
        with _orbax():
            arrays: Any = ocp.load(str(path), jax.tree.map(lambda x: np.empty(x.shape, x.dtype), shapes))
        state = jax.tree.map(lambda x, wanted: jax.device_put(x, wanted.sharding), TrainState.of_plain(arrays), like)
        changed = [name for name, mark in fingerprints(state).items() if mark != record.leaves[name]]
        if changed:
            raise ValueError(f"{changed[0]} has changed")
        return state, record

    def _noticed(self, step: int, error: Exception) -> list[int]:
        """Tells of a damaged checkpoint, unless the run that trains there has just deleted it."""
        path = self._folder / str(step)
        if not path.exists():
            return []
        log.warning(f"{path}: damaged ({_reason(error)}); another checkpoint is taken")
        return [step]

    def _set_aside(self, damaged: list[int]) -> None:
        """Moves damaged checkpoints away, so that their steps can be written again."""
        if self._read_only:
            return
        for step in damaged:
            place = self._folder / DAMAGED / str(step)
            place.parent.mkdir(exist_ok=True)
            while place.exists():
                place = place.with_name(f"{place.name}-again")
            (self._folder / str(step)).rename(place)

    def _retire(self) -> None:
        """Deletes what is neither among the latest nor the best; renamed first, a half-deleted one is never listed."""
        ranks = _ranks(self._records())
        kept = {*self._steps()[-LATEST:], *sorted(ranks, key=lambda step: ranks[step])[-1:]}
        for step in {*self._steps()} - kept:
            retired = self._folder / f"{RETIRED}{step}"
            (self._folder / str(step)).rename(retired)
            shutil.rmtree(retired, ignore_errors=True)

    def _sweep(self) -> None:
        """Removes what an interrupted save or deletion has left."""
        for path in self._folder.iterdir():
            if path.name.startswith(RETIRED) or UNFINISHED in path.name:
                for _ in range(LOOKS):
                    shutil.rmtree(path, ignore_errors=True)
                    if not path.exists():
                        break
                    time.sleep(0.05)

    def _not_written(self, state: TrainState, record: Record, error: Exception, again: bool) -> None:
        for thread in threading.enumerate():
            if type(thread).__module__.startswith("orbax."):  # others of the same save: they write a while longer
                threading.Thread.join(thread, PATIENCE)  # that of Orbax raises their error
        self._sweep()
        others = [*_ranks(self._records()).values(), *([self._lost[1].rank] if self._lost else [])]
        if record.score is not None and all(record.rank > rank for rank in others):
            self._lost = state, record
        if again:
            return
        newest = self.newest()
        there = "there is none yet" if newest is None else f"the newest is of step {newest}"
        what = f"checkpoint of step {record.step} not written ({_reason(error)})"
        log.warning(f"{self._folder}: {what}; training goes on, {there}")


def _ranks(records: dict[int, Record]) -> dict[int, tuple[float, int]]:
    """Ranks of the evaluated ones."""
    return {step: record.rank for step, record in records.items() if record.score is not None}


@contextlib.contextmanager
def _orbax() -> Iterator[None]:
    """Orbax in process 0 alone, by one thread at a time, and with the first error of a failure alone."""
    _first_error_alone()
    with _ORBAX, ocp.Context(multiprocessing_options=ALONE):
        # Before a save it compares places in all processes, whichever are active, and would wait for them.
        counted, multihost.process_count = multihost.process_count, lambda: 1
        try:
            yield
        finally:
            multihost.process_count = counted


def _first_error_alone() -> None:
    """Of a failure Orbax raises one error and leaves those of other leaves to threads that print them, even later."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    if getattr(sys.unraisablehook, "func", None) is not _unraisable:
        sys.unraisablehook = functools.partial(_unraisable, sys.unraisablehook)
    if getattr(sys.excepthook, "func", None) is not _uncaught:
        sys.excepthook = functools.partial(_uncaught, sys.excepthook)


def _unraisable(before: Callable[..., Any], event: Any) -> None:
    if not _is_late(event.exc_value, event.object):
        before(event)


def _uncaught(before: Callable[..., Any], kind: type[BaseException], error: BaseException, at: Any) -> None:
    if not _is_late(error):
        before(kind, error, at)


def _is_late(error: object, source: object = None) -> bool:
    code = getattr(source, "cr_code", None)  # of a coroutine that nobody waits for any more
    return "Event loop is closed" in str(error) or (code is not None and "orbax" in code.co_filename)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text or "RESOURCE_EXHAUSTED" in text:
        return "no space left on the disk"
    return f"{type(error).__name__}: {text}"[:200]


def _check_same_run(saved: dict[str, str], wanted: dict[str, str], path: Path) -> None:
    """Refuses a checkpoint of another model or run by name; Orbax would cast without a word."""
    for name in {**saved, **wanted}:
        there, here = saved.get(name, "absent"), wanted.get(name, "absent")
        if there != here:
            message = f"{name} is {there} there but {here} in this run; put this run's own checkpoints back"
            raise UserError(f"{path}: {message}")
