"""Data parallel training and prediction on the cores of one process, or on one device.

Several CPU devices get their own copy of the state and their own plain program each; gradients travel by `device_put`
and are added on every device in the same order, so the copies stay equal to the bit. There is no collective between
CPU devices on purpose: XLA's waits for a thread that a busy machine may never give it, and then ends the process.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from imdb_jax.data.batches import Batch, Batches
from imdb_jax.training.parallel import DEPTH, DataParallel
from imdb_jax.training.step import Learner, Reader, Shard, TrainState, read

# Orders a program's steps for little memory: configs/conv1d.py then takes 17 MB at a time, not 30, which malloc keeps
# from one training step to the next, so that the system need not clear it each time (LOG.md).
CPU_OPTIONS = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


class Replicas(DataParallel):
    """Copies of a training state, one per device.

    Args:
      learner: the model and how it learns.
      devices: each takes an equal share of a batch's rows.
    """

    def __init__(self, learner: Learner, devices: Sequence[Any]) -> None:
        self.devices = devices
        self._frozen = [jax.device_put(learner.frozen, device) for device in devices]
        on_cpu = devices[0].platform == "cpu"
        compiled = partial(jax.jit, compiler_options=CPU_OPTIONS if on_cpu else None)
        self._train_step = compiled(learner.train_step, donate_argnums=0)
        self._gradients = compiled(partial(_flat_gradients, learner))
        self._update = compiled(partial(_update_by_flat, learner), donate_argnums=0)
        # On a CPU a row of a table is cheaper than a product; an accelerator would rather multiply.
        self._reader = compiled(partial(learner.reader, folded=on_cpu))
        self._read = compiled(read)

    @override
    def share(self, batch_size: int) -> tuple[int, int]:
        return 0, -(-batch_size // len(self.devices)) * len(self.devices)

    @override
    def place(self, state: TrainState) -> list[TrainState]:
        return [jax.device_put(state, device, may_alias=False) for device in self.devices]

    @override
    def state(self, states: list[TrainState]) -> TrainState:
        return states[0]

    @override
    def step(self, states: list[TrainState], shards: list[Shard]) -> list[TrainState]:
        if len(states) == 1:
            return [self._train_step(states[0], self._frozen[0], shards[0])]
        parts = [self._gradients(*arguments) for arguments in zip(states, self._frozen, shards, strict=True)]
        return [
            self._update(state, jax.device_put(parts, device))
            for state, device in zip(states, self.devices, strict=True)
        ]

    @override
    def readers(self, states: list[TrainState]) -> list[Reader]:
        return [self._reader(state.eval_params, frozen) for state, frozen in zip(states, self._frozen, strict=True)]

    @override
    def logits(self, readers: list[Reader], batches: Batches) -> Float[np.ndarray, " N"]:
        logits = np.empty(len(batches.lengths), np.float32)
        pending: deque = deque()

        def collect() -> None:
            rows, output = pending.popleft()
            logits[rows] = np.asarray(output)[: len(rows)]

        for turn, (rows, batch) in enumerate(batches.sorted()):
            k = turn % len(self.devices)
            inputs = jax.device_put((batch.tokens, batch.lengths), self.devices[k])
            pending.append((rows, self._read(readers[k], *inputs)))
            if len(pending) > DEPTH * len(self.devices):
                collect()
        while pending:
            collect()
        return logits

    @override
    def _put(self, batch: Batch) -> list[Shard]:
        rows = len(batch.weights) // len(self.devices)
        total = np.float32(max(batch.weights.sum(), 1))
        parts = [Batch(*(x[first : first + rows] for x in batch)) for first in range(0, len(batch.weights), rows)]
        shards = [Shard(part, np.int32(k * rows), total) for k, part in enumerate(parts)]
        return jax.device_put(shards, list(self.devices))


def _flat_gradients(learner: Learner, state: TrainState, frozen: PyTree[Array], shard: Shard) -> Float[Array, " N"]:
    """Gradients and metrics as one vector, which travels faster than many small arrays."""
    return ravel_pytree(learner.gradients(state, frozen, shard))[0]


def _update_by_flat(learner: Learner, state: TrainState, parts: list[Array]) -> TrainState:
    _, unravel = ravel_pytree((state.params, state.metrics))
    return learner.update(state, [unravel(part) for part in parts])
