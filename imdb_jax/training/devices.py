"""The devices of this machine, and compiled programs kept on disk."""

from collections.abc import Sequence
from typing import Any

import jax
from jaxtyping import Array, PyTree

from imdb_jax.training.mesh import MeshReplicas
from imdb_jax.training.parallel import DataParallel
from imdb_jax.training.replicas import Replicas
from imdb_jax.training.step import Learner

ROWS = 16  # of a batch that keep one core busy
EXCHANGED = 1_000_000  # trained weights above which copying their gradients between cores costs more than it gains


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
