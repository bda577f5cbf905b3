"""Several processes that train one model: how they find each other, and how they agree.

The first process (0) alone reads and writes the run directory. What it reads there, and what one process can't do, the
others are told. With a single process nothing here costs anything.
"""

import contextlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from imdb_jax.errors import IO_FAILED, UserError
from imdb_jax.training.step import TrainState

log = logging.getLogger(__name__)

HEARTBEAT = 20  # seconds without a sign of life after which a process counts as dead
WAIT = 300  # seconds that processes wait for each other at the start
LOST = "Gloo|NCCL|UNAVAILABLE|DEADLINE_EXCEEDED|[Hh]eartbeat|[Cc]onnection"  # in errors of exchanges that fail
GONE = "another process of this run has ended, or can't be reached; start all of them again to go on"

T = TypeVar("T")


def join(coordinator: str | None, processes: int | None, process_id: int | None) -> None:
    """Makes this process one of several; must come before JAX looks for devices.

    On TPU pods and under SLURM, Open MPI or Kubernetes JAX finds out itself where process 0 listens (HOST:PORT), how
    many there are and which one this is.

    Raises:
      UserError: they are neither given nor to be found out, or the others did not come (74).
    """
    try:
        jax.distributed.initialize(
            coordinator, processes, process_id, heartbeat_timeout_seconds=HEARTBEAT, initialization_timeout=WAIT
        )
    except (ValueError, TypeError) as error:
        message = f"{error}; give --coordinator HOST:PORT, --processes and --process_id where there is no cluster"
        raise UserError(f"--distributed: {message}") from None
    except (RuntimeError, jax.errors.JaxRuntimeError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"--coordinator: {coordinator}: the processes did not meet ({said})", IO_FAILED) from None
    if not is_first():
        logging.getLogger("imdb_jax").setLevel(logging.ERROR)  # process 0 tells what there is to tell


@contextlib.contextmanager
def with_peers() -> Iterator[None]:
    """Ends this process with one line when an exchange fails because another one has died (74).

    Where the exchange only waits, JAX ends this process when a heartbeat is missed: it says that another task died, and
    aborts.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if is_alone() or not re.search(LOST, str(error)):
            raise
        log.error("error: %s", GONE)
        logging.shutdown()
        os._exit(IO_FAILED)  # without taking leave of the dead, for whom JAX would wait


def is_alone() -> bool:
    """Whether one process trains the whole model."""
    return not jax.distributed.is_initialized() or jax.process_count() == 1


def is_first() -> bool:
    """Whether this is the process that reads and writes the run directory."""
    return jax.process_index() == 0


def exchange(value: T) -> list[T]:
    """What each process has, by its number, in all of them; it must survive JSON."""
    if is_alone():
        return [value]
    mine = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.int32(len(mine)))
    width = 1 << (int(sizes.max()) - 1).bit_length()  # few widths, so that few programs are compiled
    contents = multihost_utils.process_allgather(np.pad(mine, (0, width - len(mine))))
    return [json.loads(content[:size].tobytes()) for content, size in zip(contents, sizes, strict=True)]


def broadcast(value: T) -> T:
    """What process 0 has, in all processes; it must survive JSON."""
    return exchange(value)[0]


def agree(action: Callable[[], T]) -> T:
    """Runs an action in every process; where one of them fails, all fail.

    Raises:
      UserError: that of the first process that raised one.
    """
    result, error = None, None
    try:
        result = action()
    except UserError as raised:
        error = raised
    failures = exchange(error and (str(error), error.exit_code))
    if error is not None:
        raise error
    for number, failure in enumerate(failures):
        if failure is not None:
            raise UserError(f"process {number}: {failure[0]}", failure[1])
    return result  # pyright: ignore  (an action without a result returns None itself)


def by_first(action: Callable[[], T]) -> T | None:
    """Runs an action in process 0 alone, None in the others; where it fails, all processes fail."""
    return agree(lambda: action() if is_first() else None)


def broadcast_state(state: TrainState | None, like: TrainState) -> TrainState:
    """The state of process 0, bit for bit, in all processes; they know its shapes and dtypes from another."""
    if is_alone() and state is not None:
        return state
    arrays = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like) if state is None else state
    # as bytes: an exchange adds up what all have, and -0.0 + 0.0 is 0.0
    sent = jax.tree.map(lambda x: np.frombuffer(np.asarray(x).tobytes(), np.uint8), arrays)
    received = multihost_utils.broadcast_one_to_all(sent)
    return jax.tree.map(lambda x, found: jnp.asarray(found.view(x.dtype).reshape(x.shape)), like, received)
