"""JAX set up for a command, and what a run's figures depend on beside its config: versions, devices, cores."""

import ctypes
import importlib.metadata
import os
import platform
from typing import Any

import jax

from imdb_jax.errors import LOCKED, UserError
from imdb_jax.storage import cache_dir

PACKAGES = ("imdb_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-datasets")


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def environment() -> dict[str, Any]:
    """What may round differently, so that a run that goes on elsewhere is told."""
    return {name: versions()[name] for name in ("jax", "jaxlib", "flax", "optax")} | {
        "platform": jax.default_backend(),
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "cores": len(os.sched_getaffinity(0)),
    }


def device() -> dict[str, Any]:
    """What ran the program."""
    devices = jax.devices()
    return {
        "kind": devices[0].device_kind,
        "platform": devices[0].platform,
        "count": len(devices),
        "processes": jax.process_count(),
        "cores": os.cpu_count(),
    }


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
