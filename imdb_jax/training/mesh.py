"""Data parallel training and prediction over a mesh: all accelerators, of one process or of several.

Every device holds all weights and some rows of a batch. A step adds up gradients and metrics of all devices once, in
one all-reduce after the backward pass; there is no other communication.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from imdb_jax.data.batches import Batch, Batches
from imdb_jax.training.parallel import DEPTH, DataParallel
from imdb_jax.training.step import Learner, Reader, Shard, TrainState, read

ROWS = "rows"
EVERYWHERE, SHARED = PartitionSpec(), PartitionSpec(ROWS)


class MeshReplicas(DataParallel):
    """Copies of a training state on a mesh of devices; used as `Replicas` is.

    The states of its methods are a list of one: arrays that every device of the mesh has whole.

    Args:
      learner: the model and how it learns.
      devices: of all processes; each takes an equal share of a batch's rows.
    """

    def __init__(self, learner: Learner, devices: Sequence[Any]) -> None:
        # the rows of a process lie side by side, whatever the numbers of its devices
        self.devices = sorted(devices, key=lambda device: (device.process_index, device.id))
        mesh = Mesh(np.array(self.devices), (ROWS,))
        self._own = list(mesh.local_devices)
        self.everywhere, self.shared = NamedSharding(mesh, EVERYWHERE), NamedSharding(mesh, SHARED)
        over_rows = partial(jax.shard_map, mesh=mesh, out_specs=EVERYWHERE, check_vma=False)
        step = over_rows(partial(_train_step, learner), in_specs=(EVERYWHERE, EVERYWHERE, SHARED))
        self.train_step = jax.jit(step, out_shardings=self.everywhere, donate_argnums=0)
        # Not folded: an accelerator would rather multiply than look up the rows of a wider table.
        self._reader = jax.jit(partial(learner.reader, folded=False))
        self.read = jax.jit(over_rows(_read, in_specs=(EVERYWHERE, SHARED, SHARED)))
        self._frozen = self._everywhere(learner.frozen)

    @override
    def share(self, batch_size: int) -> tuple[int, int]:
        each = -(-batch_size // len(self.devices))
        mine = [k for k, device in enumerate(self.devices) if device.process_index == jax.process_index()]
        return each * mine[0], each * len(mine)

    @override
    def place(self, state: TrainState) -> list[TrainState]:
        return [self._everywhere(state)]

    @override
    def state(self, states: list[TrainState]) -> TrainState:
        return states[0]

    @override
    def step(self, states: list[TrainState], shards: Batch) -> list[TrainState]:
        return [self.train_step(states[0], self._frozen, shards)]

    @override
    def readers(self, states: list[TrainState]) -> list[Reader]:
        return [self._reader(states[0].eval_params, self._frozen)]

    @override
    def logits(self, readers: list[Reader], batches: Batches) -> Float[np.ndarray, " N"]:
        logits = np.empty(len(batches.lengths), np.float32)
        pending: deque = deque()
        for rows, batch in batches.sorted(self.share(batches.batch_size)):
            shared = self._put(batch)
            pending.append((rows, self.read(readers[0], shared.tokens, shared.lengths)))
            if len(pending) > DEPTH:
                _collect(pending, logits)
        while pending:
            _collect(pending, logits)
        return logits

    @override
    def _put(self, batch: Batch) -> Batch:
        return Batch(*(jax.make_array_from_process_local_data(self.shared, x) for x in batch))

    def _everywhere(self, tree: PyTree[Array]) -> Any:
        def whole(x: Array) -> Array:
            # a device may take its own array as it is, and steps consume what they are given
            own = x.addressable_data(0)
            copies = [jax.device_put(jnp.copy(own), device) for device in self._own]
            return jax.make_array_from_single_device_arrays(x.shape, self.everywhere, copies)

        return jax.tree.map(whole, tree)


def _train_step(learner: Learner, state: TrainState, frozen: PyTree[Array], batch: Batch) -> TrainState:
    """A step by the rows of one device; sums are divided after the all-reduce, so that one is enough."""
    rows = jnp.asarray(batch.weights).shape[0]
    shard = Shard(batch, rows * jax.lax.axis_index(ROWS), jnp.float32(1))
    sums, metrics = jax.lax.psum(learner.gradients(state, frozen, shard), ROWS)
    gradients = jax.tree.map(lambda total: total / jnp.maximum(metrics.weight, 1), sums)
    return learner.update(state, [(gradients, metrics)])


def _read(reader: Reader, tokens: Array, lengths: Array) -> Float[Array, " B"]:
    return jax.lax.all_gather(read(reader, tokens, lengths), ROWS, tiled=True)


def _collect(pending: deque, logits: Float[np.ndarray, " N"]) -> None:
    rows, output = pending.popleft()
    logits[rows] = np.asarray(output)[: len(rows)]
