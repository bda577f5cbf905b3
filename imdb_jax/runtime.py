"""JAX set up for a command, and what a run's figures depend on beside its config: versions, devices, cores."""

import contextlib
import ctypes
import importlib.metadata
import logging
import math
import os
import platform
import random
import sys
from pathlib import Path
from typing import Any

import jax

from imdb_jax import __version__
from imdb_jax.errors import LOCKED, UserError
from imdb_jax.storage import ROOM, cache_dir

log = logging.getLogger(__name__)

M_ARENA_MAX = -8  # number of the option in glibc's <malloc.h>
HEAPS = 2  # one makes threads wait for one another, one for each thread keeps what others could use (LOG.md)
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-datasets")
# Settings of JAX that change figures, and their defaults; the flags of XLA may.
SETTINGS = {"jax_threefry_partitionable": True, "jax_default_matmul_precision": None, "jax_enable_x64": False}


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    own = {"python": platform.python_version(), "imdb_jax": __version__}  # which may lie on PYTHONPATH, not installed
    return own | {name: importlib.metadata.version(name) for name in PACKAGES}


def environment() -> dict[str, Any]:
    """What may round or draw differently, so that a run that goes on elsewhere is told; of settings those in use."""
    return {name: versions()[name] for name in ("jax", "jaxlib", "flax", "optax")} | {
        "platform": jax.default_backend(),
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "cores": len(usable_cores()),
        **{name: value for name, default in SETTINGS.items() if (value := getattr(jax.config, name)) != default},
        **{name: os.environ[name] for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS") if os.environ.get(name)},
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


def start_backend() -> None:
    """Lets JAX look for devices.

    Raises:
      UserError: the platforms that JAX_PLATFORMS names are not there.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        said = (str(error).splitlines() or ["no such device is found"])[0]
        raise UserError(f"JAX_PLATFORMS: {jax.config.values['jax_platforms']!r}; {said}") from None


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use, as many as the quota of its container allows.

    Which ones a quota leaves is drawn: other containers of the machine choose among the same.
    """
    # macOS and Windows have no such call
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return sorted(random.SystemRandom().sample(sorted(cores), math.ceil(min(cpu_quota(), len(cores)))))


def cpu_quota(root: Path = Path("/")) -> float:
    """How many cores' time Linux' control groups, of version 1 or 2, give this process; without any, infinite."""
    quotas = [math.inf]
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
            group = root / "sys/fs/cgroup" / ("cpu" if controllers else "") / path.lstrip("/")
            for folder in (group, *group.parents):  # each limits those below; a container may see itself at the top
                with contextlib.suppress(OSError, ValueError):  # "max", where there is no quota
                    quota, period = map(int, " ".join((folder / name).read_text("utf-8") for name in names).split())
                    quotas += [quota / period] if quota > 0 else []
    return min(quotas)


def set_up_process(*, cpu_devices: int | None = None) -> None:
    """Sets JAX up for a command; must come before JAX looks for devices.

    Compiled programs are kept in the cache folder, so that the next run of the same program need not compile. Unless
    `cpu_devices` says how many devices the CPU is, each usable core is one. One of several processes has one:
    collectives between cores are what `Replicas` avoids.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):  # other C libraries: none
        mallopt(M_ARENA_MAX, HEAPS)
    jax.config.update("jax_num_cpu_devices", len(usable_cores()) if cpu_devices is None else cpu_devices)
    try:
        folder = cache_dir() / "compilation"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, UserError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        if os.environ.get("IMDB_JAX_CACHE"):
            raise UserError(f"{why}; {ROOM}", LOCKED) from None
        log.info(f"compiled programs are not kept ({why})")  # nobody has asked for it
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
