"""The checkpoints of a run: written while training goes on, compared bit for bit when they are read.

In the folder of one `arrays/` is Orbax's; `metadata.json` has checksums of its files and a fingerprint of each array.
Orbax loads changed bits and casts to other dtypes without a word, and where a file is damaged or the disk is full its
threads print errors long after it has raised one: so files are compared before it reads them, and room is looked for
before it writes.

Of several processes the first reads and writes alone. Orbax's `v1.save` waits for the others and
`v1.training.Checkpointer` refuses `active_processes` (and deletes old steps in place: a kill leaves half of one), so
the older `orbax.checkpoint.Checkpointer` writes.
"""

import contextlib
import errno
import json
import logging
import os
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import v1
from typing_extensions import override

from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError
from imdb_jax.storage import atomic_file, atomic_folder, sha256
from imdb_jax.training.fingerprint import differing, fingerprints, shapes
from imdb_jax.training.step import TrainState

log = logging.getLogger(__name__)

ARRAYS, METADATA = "arrays", "metadata.json"
BESIDE = 2**16  # bytes that a checkpoint takes beside its arrays
LARGE = 2**27  # bytes of a state from which training waits for it to be written, not to hold it twice meanwhile

Json = Any  # of the run so far; what it holds is the training loop's affair


class Metadata(NamedTuple):
    """What a checkpoint says of itself."""

    step: int  # updates so far
    score: float | None  # what the best checkpoint has most of; None when the step was not evaluated, in mid-epoch
    history: Json  # the run so far, so that a resumed one has no hole in it
    leaves: dict[str, tuple[str, str]]  # dtype and shape, then the fingerprint, of each leaf of the state, by its path
    origin: dict[str, str]  # what makes the run what it is, by name: checksums of its files and of its reviews
    environment: dict[str, Any]  # versions and cores that the run's figures depend on
    files: dict[str, str]  # checksums of Orbax's files by their paths; older versions kept none


class Checkpoints(contextlib.AbstractContextManager["Checkpoints"]):
    """The checkpoints of a run: the two latest and the best.

    One that turns out damaged is set aside in `damaged/`, with a line in the log, and the next older one is taken.

    Args:
      folder: where they stand, one folder per step.
      origin: of the run, for `Metadata`; a checkpoint of another run is refused.
      environment: of this process, for `Metadata`; a restored run is warned when it has changed.
      read_only: change nothing: a run may be saving there now.
    """

    def __init__(
        self, folder: Path, origin: dict[str, str], environment: dict[str, Any] | None = None, read_only: bool = False
    ) -> None:
        self._folder = folder.absolute()
        self._origin = origin
        self._environment = environment or {}
        self._read_only = read_only
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._writing: Future[None] | None = None
        self._unwritten: dict[int, tuple[TrainState, Metadata]] = {}  # the latest and the best, if there was no room
        if not read_only:
            self._folder.mkdir(parents=True, exist_ok=True)
            # what an interrupted save or deletion has left, of older versions too
            for path in [*self._folder.glob(".*"), *self._folder.glob("*.orbax-checkpoint-tmp*")]:
                shutil.rmtree(path, ignore_errors=True)

    def save(self, state: TrainState, history: Json, score: float | None = None) -> None:
        """Starts writing a checkpoint, a large one to its end; when that fails, training goes on, the log says so."""
        self.wait()
        self._writing = self._writer.submit(self._save, state, history, score)
        if sum(leaf.nbytes for leaf in jax.tree.leaves(state)) > LARGE:
            self.wait()

    def wait(self) -> None:
        """Waits until the last checkpoint is written; that and the best are tried again if there was no room."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None
        for state, metadata in [*self._unwritten.values()]:
            self._write(state, metadata)

    @property
    def failed(self) -> bool:
        """Whether the last checkpoint, or the best, could not be written; to be asked after `wait`."""
        return bool(self._unwritten)

    def steps(self) -> list[int]:
        """Those of its checkpoints, damaged ones too, ascending."""
        return sorted(int(path.name) for path in self._folder.glob("*") if path.name.isdecimal())

    def restore_latest(self, like: TrainState) -> tuple[TrainState, Json] | None:
        """Reads the latest checkpoint, if there is one, into the structure, shapes, dtypes and placement of a state.

        Raises:
          UserError: the checkpoint is of another model or run, or none of them can be read.
        """
        found = self._first_whole(self.steps()[::-1], like)
        if found is None:
            return None
        state, metadata = found
        before, now = metadata.environment, self._environment
        if now and (changed := differing(before, now)):
            changes = ", ".join(f"{name} {before.get(name)} -> {now.get(name)}" for name in changed)
            log.warning(f"{self._folder}: written in another environment ({changes}); figures may round differently")
        return state, metadata.history

    def restore_best(self, like: TrainState) -> TrainState:
        """Reads the evaluated checkpoint with the highest score, the first of equals: those arrays that `like` has.

        Raises:
          UserError: there is none yet, it is of another model or run, or none can be read.
        """
        metadata = self._metadata()
        unreadable = [step for step in self.steps() if step not in metadata]
        found = self._first_whole([*unreadable, *_best_first(metadata.values())], like)
        if found is None:
            raise UserError(f"{self._folder}: no evaluated checkpoint yet; let training end an epoch", MISSING_INPUT)
        return found[0]

    @override
    def __exit__(self, *_: object) -> None:
        self.wait()

    def _save(self, state: TrainState, history: Json, score: float | None) -> None:
        marks = fingerprints(state)
        self._write(state, Metadata(int(state.step), score, history, marks, self._origin, self._environment, {}))

    def _write(self, state: TrainState, metadata: Metadata) -> None:
        """Writes a checkpoint and deletes those that are no longer wanted; the first time that it fails is told."""
        step = metadata.step
        try:
            write_checkpoint(self._folder / str(step), state, metadata)
        except Exception as error:  # Orbax raises a dozen types
            if step not in self._unwritten:
                newest = max(self.steps(), default="none")
                what = f"checkpoint of step {step} not written ({_reason(error)})"
                log.warning(f"{self._folder}: {what}; training goes on, the newest is {newest}")
            self._unwritten[step] = state, metadata
        else:
            self._unwritten.pop(step, None)
        there = self._metadata()
        everything = {**there, **{step: metadata for step, (_, metadata) in self._unwritten.items()}}
        for step in self._unwritten.keys() - _kept(everything, latest=1):
            del self._unwritten[step]
        for step in there.keys() - _kept(there, latest=2):
            retired = self._folder / f".{step}.retired"  # renamed first: half of it would still be listed
            (self._folder / str(step)).rename(retired)
            shutil.rmtree(retired, ignore_errors=True)

    def _metadata(self) -> dict[int, Metadata]:
        """That of the checkpoints whose metadata can be read, by their steps."""
        found = {}
        for step in self.steps():
            with contextlib.suppress(Exception):
                found[step] = read_metadata(self._folder / str(step))
        return found

    def _first_whole(self, steps: list[int], like: TrainState) -> tuple[TrainState, Metadata] | None:
        """Reads the first that is whole and sets those before it aside, so that their steps can be written again."""
        damaged: list[Path] = []
        for path in [self._folder / str(step) for step in steps]:
            try:
                metadata = read_metadata(path)
                self._check_same_run(path, metadata, like)
                state = read_state(path, metadata, like)
            except UserError:
                raise
            except Exception as error:  # Orbax raises a dozen types
                if path.exists():  # else the run that trains there has just deleted it
                    log.warning(f"{path}: damaged ({_reason(error)}); another one is tried")
                    damaged.append(path)
                continue
            for path in [] if self._read_only else damaged:
                path.with_name("damaged").mkdir(exist_ok=True)
                path.rename(path.with_name("damaged") / f"{path.name}-{time.time_ns()}")
            return state, metadata
        if damaged:
            message = f"none of its {len(damaged)} checkpoints can be read; train again in another --workdir"
            raise UserError(f"{self._folder}: {message}", BAD_DATA)
        return None

    def _check_same_run(self, path: Path, metadata: Metadata, like: TrainState) -> None:
        """Refuses a checkpoint of another model or run by name."""
        saved = {name: kind for name, (kind, _) in metadata.leaves.items()}
        asked = {name.partition(".")[0] for name in shapes(like)}  # the others are not read
        saved = {name: kind for name, kind in saved.items() if name.partition(".")[0] in asked} | metadata.origin
        wanted = shapes(like) | self._origin
        for name in differing(saved, wanted):
            there, here = saved.get(name, "absent"), wanted.get(name, "absent")
            message = f"{name} is {there} there but {here} in this run; put this run's own checkpoints back"
            raise UserError(f"{path}: {message}")


def _kept(metadata: dict[int, Metadata], latest: int) -> set[int]:
    """Steps of the latest and of the best."""
    return {*sorted(metadata)[-latest:], *_best_first(metadata.values())[:1]}


def _best_first(metadata: Iterable[Metadata]) -> list[int]:
    """Steps of the evaluated ones; of equals the first is best."""
    ranks = [(-one.score, one.step) for one in metadata if one.score is not None]
    return [step for _, step in sorted(ranks)]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text or "RESOURCE_EXHAUSTED" in text:
        return "no space left on the disk"
    return f"{type(error).__name__}: {text}"[:200]


def write_checkpoint(path: Path, state: TrainState, metadata: Metadata) -> None:
    """Writes a checkpoint that is whole or not there; raises some exception where it can't, as on a full disk."""
    arrays = jax.device_get(state)
    with atomic_folder(path) as draft:
        if shutil.disk_usage(draft).free < BESIDE + sum(leaf.nbytes for leaf in jax.tree.leaves(arrays)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        alone = ocp.options.MultiprocessingOptions(active_processes={0})
        handler = ocp.CompositeCheckpointHandler(composite_options=ocp.CompositeOptions(multiprocessing_options=alone))
        with ocp.Checkpointer(handler, multiprocessing_options=alone) as checkpointer:
            checkpointer.save(draft / ARRAYS, ocp.args.Composite(state=ocp.args.PyTreeSave(arrays)))
        write_metadata(draft, metadata)


def write_metadata(path: Path, metadata: Metadata) -> None:
    """Writes what a checkpoint says of itself, with checksums of its files and of its own."""
    record = json.dumps(metadata._replace(files=_checksums(path))._asdict())
    with atomic_file(path / METADATA) as file:
        file.write(json.dumps({"record": record, "sha256": sha256(record.encode())}).encode())


def read_metadata(path: Path) -> Metadata:
    """What a checkpoint says of itself; raises some exception where it has changed since."""
    if (path / ARRAYS).exists():
        found: Any = json.loads((path / METADATA).read_bytes())
    else:  # of an older version
        with _alone():
            found = v1.metadata(str(path)).custom_metadata
    if sha256(found["record"].encode()) != found["sha256"]:
        raise ValueError("its metadata has changed")
    fields = {"files": {}, **json.loads(found["record"])}
    fields.setdefault("environment", fields.pop("surroundings", None))  # as version 0.1 called it
    older = {"key<fry>[]": "uint32[2]"}  # what version 0.1 called the numbers of a key
    fields["leaves"] = {name: (older.get(kind, kind), mark) for name, (kind, mark) in fields["leaves"].items()}
    if str(fields["step"]) != path.name:
        raise ValueError(f"its metadata is of step {fields['step']}")
    return Metadata(**fields)


def read_state(path: Path, metadata: Metadata, like: TrainState) -> TrainState:
    """The arrays of a checkpoint that another state has, placed like its; raises some exception if one has changed."""
    for name in differing(metadata.files, _checksums(path)):
        raise ValueError(f"{name} has changed")
    wanted = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), like)._asdict()
    with _alone():
        parts = {name: part for name, part in wanted.items() if part is not None}
        arrays: Any = v1.load(str(path / ARRAYS if metadata.files else path), parts)
    state = jax.tree.map(lambda like, x: jax.device_put(x, like.sharding), like, TrainState(**wanted | arrays))
    marks = fingerprints(state)
    for name in differing({name: metadata.leaves.get(name) for name in marks}, marks):
        raise ValueError(f"{name} has changed")
    return state


def _alone() -> v1.Context:
    """Orbax without the other processes, which reads what it is asked for."""
    context = v1.Context()
    context.pytree_options.loading.partial_load = True
    context.multiprocessing_options.active_processes = {0}
    return context


def _checksums(path: Path) -> dict[str, str]:
    """Of Orbax's files, by their paths in the folder of the checkpoint."""
    files = sorted(file for file in (path / ARRAYS).rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): sha256(file.read_bytes()) for file in files}
