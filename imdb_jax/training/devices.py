"""The devices of this machine, and compiled programs kept on disk."""

import ctypes
import os
import threading
from collections.abc import Sequence
from typing import Any

import jax
from jaxtyping import Array, PyTree

from imdb_jax.data.cache import cache_dir
from imdb_jax.errors import LOCKED, UserError
from imdb_jax.training.mesh import MeshReplicas
from imdb_jax.training.parallel import DataParallel
from imdb_jax.training.replicas import Replicas
from imdb_jax.training.step import Learner

ROWS = 16  # of a batch that keep one core busy
EXCHANGED = 1_000_000  # trained weights above which copying their gradients between cores costs more than it gains

M_ARENA_MAX = -8  # number of the option in glibc's <malloc.h>
HEAPS = 2  # one makes threads wait for one another, one for each thread keeps what others could use (LOG.md)


def set_up_process(*, one_of_several: bool = False) -> None:
    """Sets JAX up for a command; must come before JAX looks for devices.

    Each core becomes a CPU device, and compiled programs are kept in the cache folder, so that the next run of the same
    program need not compile. One of several processes has one CPU device: collectives between cores are what
    `Replicas` avoids.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # other C libraries have none
        mallopt(M_ARENA_MAX, HEAPS)
    jax.config.update("jax_num_cpu_devices", 1 if one_of_several else len(os.sched_getaffinity(0)))
    folder = cache_dir() / "compilation"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; set IMDB_JAX_CACHE to a folder with room", LOCKED) from None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def replicate(
    learner: Learner, params: PyTree[Array], batch_size: int, devices: Sequence[Any] | None = None
) -> DataParallel:
    """The model on the devices that share a batch: all accelerators, or cores of this CPU.

    A model with many weights stays on one CPU device, whose large matrix products use all cores anyway (LOG.md).
    Several processes on CPUs are a mesh too.

    Args:
      learner: the model.
      params: trained weights.
      batch_size: rows to share.
      devices: to choose from; those of all processes unless given.
    """
    devices = devices or jax.devices()
    if devices[0].platform != "cpu" or jax.process_count() > 1:
        return MeshReplicas(learner, devices)
    if sum(x.size for x in jax.tree.leaves(params)) > EXCHANGED:
        return Replicas(learner, devices[:1])
    return Replicas(learner, devices[: max(1, min(len(devices), batch_size // ROWS))])


def places_for(members: int) -> list[Sequence[Any]]:
    """Devices for each of the runs that train at the same time: an accelerator, or a core of this CPU, each.

    A core loses less time with a whole batch than with its share (LOG.md).

    Args:
      members: runs in all.

    Example: 8 cores and 3 members give 4 places of 2 cores, of which 3 are taken.
    """
    devices = jax.local_devices()
    size = max(1, len(devices) // members)
    return [devices[at : at + size] for at in range(0, len(devices), size)]


class CompileClock:
    """Counts compilations of this thread, and the seconds they take, from its creation on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.count = 0
        self._thread = threading.get_ident()
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration" and threading.get_ident() == self._thread:
            self.seconds += duration_secs
            self.count += 1
