"""One checkpoint as files: the state as Orbax keeps it, and what the checkpoint says of itself.

`arrays/` is Orbax's; `metadata.json` has checksums of its files and a fingerprint of each array. Orbax loads changed
bits and casts to other dtypes without a word, and where a file is damaged or the disk is full its threads print errors
long after it has raised one: so files are compared before it reads them, and room is looked for before it writes.

Of several processes the first reads and writes alone. Orbax's `v1.save` waits for the others and
`v1.training.Checkpointer` refuses `active_processes` (and deletes old steps in place: a kill leaves half of one), so
the older `orbax.checkpoint.Checkpointer` writes.
"""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import v1

from imdb_jax.storage import atomic_file, atomic_folder, sha256
from imdb_jax.training.fingerprint import differing, fingerprints
from imdb_jax.training.step import TrainState

ARRAYS, METADATA = "arrays", "metadata.json"
ROOM = 2**16  # bytes that a checkpoint takes beside its arrays

Json = Any  # of the run so far; what it holds is the training loop's affair


class Metadata(NamedTuple):
    """What a checkpoint says of itself.

    Attributes:
      step: updates so far.
      score: what the best checkpoint has most of; None when the step was not evaluated, in mid-epoch.
      history: the run so far, so that a resumed one has no hole in it.
      leaves: of each leaf of the state, by its path, dtype and shape, then its fingerprint.
      origin: what makes the run what it is, by name: checksums of its files and of its reviews.
      environment: versions and cores that the run's figures depend on.
      files: checksums of Orbax's files by their paths; older versions kept none.
    """

    step: int
    score: float | None
    history: Json
    leaves: dict[str, tuple[str, str]]
    origin: dict[str, str]
    environment: dict[str, Any]
    files: dict[str, str]


def write_checkpoint(path: Path, state: TrainState, metadata: Metadata) -> None:
    """Writes a checkpoint that is whole or not there; raises some exception where it can't, as on a full disk."""
    arrays = jax.device_get(state.plain())
    with atomic_folder(path) as draft:
        if shutil.disk_usage(draft).free < ROOM + sum(leaf.nbytes for leaf in jax.tree.leaves(arrays)):
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
    fields["leaves"] = {name: tuple(leaf) for name, leaf in fields["leaves"].items()}
    if str(fields["step"]) != path.name:
        raise ValueError(f"its metadata is of step {fields['step']}")
    return Metadata(**fields)


def read_state(path: Path, metadata: Metadata, like: TrainState) -> TrainState:
    """The arrays of a checkpoint that another state has, placed like its; raises some exception if one has changed."""
    for name in differing(metadata.files, _checksums(path)):
        raise ValueError(f"{name} has changed")
    wanted = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), jax.eval_shape(TrainState.plain, like))._asdict()
    with _alone():
        parts = {name: part for name, part in wanted.items() if part is not None}
        arrays: Any = v1.load(str(path / ARRAYS if metadata.files else path), parts)
    state = TrainState.of_plain(TrainState(**wanted | arrays))
    state = jax.tree.map(lambda x, wanted: jax.device_put(x, wanted.sharding), state, like)
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
