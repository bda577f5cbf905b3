"""What a run's figures depend on beside its config: versions, devices, cores."""

import importlib.metadata
import os
import platform
from typing import Any

import jax

PACKAGES = ("imdb_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow-datasets")


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def surroundings() -> dict[str, Any]:
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
