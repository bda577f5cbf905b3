"""Several processes that train one model: how they find each other, and how they agree.

The first process (0) alone reads and writes the run directory. What it reads there, and what one process can't do, the
others are told. With a single process nothing here costs anything.
"""

import contextlib
import functools
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

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

P = ParamSpec("P")
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


def agree(action: Callable[[], T]) -> T:
    """Runs an action in every process; where one of them fails, all fail.

    Raises:
      UserError: that of the first process that raised one.
    """
    if is_alone():
        return action()
    result, error = None, None
    try:
        result = action()
    except UserError as raised:
        error = raised
    codes = multihost_utils.process_allgather(np.int32(error.exit_code if error else 0))
    if not codes.any():
        return result  # pyright: ignore  (an action without a result returns None itself)
    culprit = int(np.flatnonzero(codes)[0])
    said = _bytes_of(culprit, str(error).encode())
    if error is not None:
        raise error
    raise UserError(f"process {culprit}: {said.decode()}", int(codes[culprit]))


def broadcast(value: T) -> T:
    """What process 0 has, in all processes; it must survive JSON."""
    return value if is_alone() else json.loads(_bytes_of(0, json.dumps(value).encode()))


def by_first(action: Callable[P, T]) -> Callable[P, T | None]:
    """The action in process 0 alone, None in the others; where it fails, all processes fail."""

    @functools.wraps(action)
    def run(*args: P.args, **kwargs: P.kwargs) -> T | None:
        return agree(lambda: action(*args, **kwargs) if is_first() else None)

    return run


def broadcast_state(state: TrainState | None, like: TrainState) -> TrainState:
    """The state of process 0, bit for bit, in all processes; they know its shapes and dtypes from another."""
    if is_alone() and state is not None:
        return state
    shapes = jax.eval_shape(TrainState.plain, like)
    arrays = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes) if state is None else state.plain()
    # as bytes: an exchange adds up what all have, and -0.0 + 0.0 is 0.0
    sent = jax.tree.map(lambda x: np.frombuffer(np.asarray(x).tobytes(), np.uint8), arrays)
    received = multihost_utils.broadcast_one_to_all(sent)
    return TrainState.of_plain(
        jax.tree.map(lambda x, found: jnp.asarray(found.view(x.dtype).reshape(x.shape)), shapes, received)
    )


def largest(value: int) -> int:
    """The largest of the values of all processes."""
    return value if is_alone() else int(multihost_utils.process_allgather(np.int32(value)).max())


def _bytes_of(process: int, content: bytes) -> bytes:
    """What one process has, in all of them."""
    is_source = jax.process_index() == process
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(content)), is_source=is_source))
    padded = np.zeros(max(1 << (size - 1).bit_length(), 1), np.uint8)  # few sizes, so that few programs are compiled
    if is_source:
        padded[:size] = np.frombuffer(content, np.uint8)
    return multihost_utils.broadcast_one_to_all(padded, is_source=is_source)[:size].tobytes()
