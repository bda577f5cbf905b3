"""Data parallel training and prediction: a model on devices that share the rows of each batch.

`Replicas` is for the cores of one CPU, or any single device. Each device has its own copy of the state and its own
plain program; gradients travel by `device_put` and are added on every device in the same order, so the copies stay
equal to the bit. There is no collective between CPU devices on purpose: XLA's waits for a thread that a busy machine
may never give it, and then ends the process.

`MeshReplicas` is for accelerators, of one process or of several. A step adds up gradients and metrics of all devices
once, in one all-reduce after the backward pass; there is no other communication.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from imdb_jax.data.batches import Batch, Batches
from imdb_jax.training.step import EvalModel, Learner, Shard, TrainState, evaluate

T = TypeVar("T")

DEPTH = 2  # batches sent ahead of their use: copies run while the devices compute
CORE_ROWS = 16  # of a batch that keep one core busy
MOST_EXCHANGED = 400_000  # trained weights above which exchanging gradients between cores costs more than it gains
AXIS = "rows"  # of the mesh
EVERYWHERE, SHARED = PartitionSpec(), PartitionSpec(AXIS)

# Orders a program's steps for little memory: configs/conv1d.py then takes 17 MB at a time, not 30, which malloc keeps
# from one training step to the next, so that the system need not clear it each time (LOG.md).
CPU_OPTIONS = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


class Replicas:
    """A model on cores of one CPU, or on any single device.

    Each device takes an equal share of a batch's rows.
    """

    def __init__(self, learner: Learner, devices: Sequence[Any]) -> None:
        self.devices = devices
        frozen = learner.cast_frozen()
        self._frozen = [jax.device_put(frozen, device) for device in devices]

        # gradients and metrics travel as one vector, faster than as many small arrays
        def gradients(state: TrainState, frozen: PyTree[Array], shard: Shard) -> Float[Array, " N"]:
            return ravel_pytree(learner.gradients(state, frozen, shard))[0]

        def update(state: TrainState, parts: list[Array]) -> TrainState:
            _, unravel = ravel_pytree((state.params, state.metrics))
            return learner.update(state, [unravel(part) for part in parts])

        on_cpu = devices[0].platform == "cpu"
        compiled = partial(jax.jit, compiler_options=CPU_OPTIONS if on_cpu else None)
        self.train_step = compiled(learner.train_step, donate_argnums=0)
        self._gradients = compiled(gradients)
        self._update = compiled(update, donate_argnums=0)
        # On a CPU a row of a table is cheaper than a product; an accelerator would rather multiply.
        self._eval_model = compiled(partial(learner.eval_model, folded=on_cpu))
        self._evaluate = compiled(evaluate)

    def share(self, batch_size: int) -> tuple[int, int]:
        """The first row, and the number of rows, that this process builds of each batch.

        Rows of weight 0 fill up a batch that the devices can't share equally.
        """
        return 0, -(-batch_size // len(self.devices)) * len(self.devices)

    def place(self, state: TrainState) -> list[TrainState]:
        """Copies of a state, all equal: one for each device; on a mesh one that every device has whole."""
        return [jax.device_put(state, device, may_alias=False) for device in self.devices]

    def send(self, batches: Iterable[Batch]) -> Iterator[Any]:
        """Shares out batches over the devices, ahead of their use."""
        return _ahead(map(self._put, batches), DEPTH)

    def step(self, states: list[TrainState], shards: Any) -> list[TrainState]:
        """The states after a step on what `send` gives; it consumes those it is given."""
        if len(states) == 1:
            return [self.train_step(states[0], self._frozen[0], shards[0])]
        parts = [self._gradients(*arguments) for arguments in zip(states, self._frozen, shards, strict=True)]
        return [
            self._update(state, jax.device_put(parts, device))
            for state, device in zip(states, self.devices, strict=True)
        ]

    def eval_models(self, states: list[TrainState]) -> list[EvalModel]:
        """The model for prediction on all devices, by the weights that are evaluated."""
        return [self._eval_model(state.eval_params, frozen) for state, frozen in zip(states, self._frozen, strict=True)]

    def logits(self, models: list[EvalModel], batches: Batches) -> Float[np.ndarray, " N"]:
        """Logits of a whole split in its own order, in every process."""
        logits = np.empty(len(batches.lengths), np.float32)
        for rows, output in _ahead(self._read(models, batches), DEPTH * len(models)):
            logits[rows] = np.asarray(output)[: len(rows)]
        return logits

    def _put(self, batch: Batch) -> Any:
        """The rows of a share on their devices."""
        rows = len(batch.weights) // len(self.devices)
        total = np.float32(max(batch.weights.sum(), 1))
        parts = [Batch(*(x[first : first + rows] for x in batch)) for first in range(0, len(batch.weights), rows)]
        shards = [Shard(part, np.int32(k * rows), total) for k, part in enumerate(parts)]
        return jax.device_put(shards, list(self.devices))

    def _read(self, models: list[EvalModel], batches: Batches) -> Iterator[tuple[Any, Float[Array, " B"]]]:
        """Rows of a split and their logits, still being computed; each device has a whole batch in turn."""
        for (rows, batch), (device, model) in zip(
            batches.sorted(), itertools.cycle(zip(self.devices, models, strict=True)), strict=False
        ):
            yield rows, self._evaluate(model, *jax.device_put((batch.tokens, batch.lengths), device))


def _ahead(begun: Iterable[T], depth: int) -> Iterator[T]:
    """The same items, each once some more are begun: copies and devices work meanwhile."""
    waiting: deque[T] = deque()
    for item in begun:
        waiting.append(item)
        if len(waiting) > depth:
            yield waiting.popleft()
    yield from waiting


class MeshReplicas(Replicas):
    """One training state that every device of a mesh has whole; the devices may be of several processes."""

    @override
    def __init__(self, learner: Learner, devices: Sequence[Any]) -> None:
        # the rows of a process lie side by side, whatever the numbers of its devices
        self.devices = sorted(devices, key=lambda device: (device.process_index, device.id))
        mesh = Mesh(np.array(self.devices), (AXIS,))
        self._own = list(mesh.local_devices)
        self.everywhere, self.shared = NamedSharding(mesh, EVERYWHERE), NamedSharding(mesh, SHARED)
        over_rows = partial(jax.shard_map, mesh=mesh, out_specs=EVERYWHERE, check_vma=False)

        def step(state: TrainState, frozen: PyTree[Array], batch: Batch) -> TrainState:
            """By the rows of one device; sums are divided after the all-reduce, so that one is enough."""
            rows = jnp.asarray(batch.weights).shape[0]
            shard = Shard(batch, rows * jax.lax.axis_index(AXIS), jnp.float32(1))
            sums, metrics = jax.lax.psum(learner.gradients(state, frozen, shard), AXIS)
            gradients = jax.tree.map(lambda total: total / jnp.maximum(metrics.weight, 1), sums)
            return learner.update(state, [(gradients, metrics)])

        def logits(model: EvalModel, tokens: Array, lengths: Array) -> Float[Array, " B"]:
            return jax.lax.all_gather(evaluate(model, tokens, lengths), AXIS, tiled=True)

        step = over_rows(step, in_specs=(EVERYWHERE, EVERYWHERE, SHARED))
        self.train_step = jax.jit(step, out_shardings=self.everywhere, donate_argnums=0)
        self._eval_model = jax.jit(partial(learner.eval_model, folded=False))
        self.evaluate = jax.jit(over_rows(logits, in_specs=(EVERYWHERE, SHARED, SHARED)))
        self._frozen = [self._everywhere(learner.cast_frozen())]

    @override
    def share(self, batch_size: int) -> tuple[int, int]:
        each = -(-batch_size // len(self.devices))
        mine = [k for k, device in enumerate(self.devices) if device.process_index == jax.process_index()]
        return each * mine[0], each * len(mine)

    @override
    def place(self, state: TrainState) -> list[TrainState]:
        return [self._everywhere(state)]

    @override
    def _put(self, batch: Batch) -> list[Batch]:
        return [Batch(*(jax.make_array_from_process_local_data(self.shared, x) for x in batch))]

    @override
    def _read(self, models: list[EvalModel], batches: Batches) -> Iterator[tuple[Any, Float[Array, " B"]]]:
        for rows, batch in batches.sorted(self.share(batches.batch_size)):
            (shared,) = self._put(batch)
            yield rows, self.evaluate(models[0], shared.tokens, shared.lengths)

    def _everywhere(self, tree: PyTree[Array]) -> Any:
        def whole(x: Array) -> Array:
            # a device may take its own array as it is, and steps consume what they are given
            own = x.addressable_data(0)
            copies = [jax.device_put(jnp.copy(own), device) for device in self._own]
            return jax.make_array_from_single_device_arrays(x.shape, self.everywhere, copies)

        return jax.tree.map(whole, tree)


def replicate(learner: Learner, params: PyTree[Array], batch_size: int) -> Replicas:
    """The model on the devices that share a batch: all accelerators, of all processes, or cores of this CPU.

    A model with many weights stays on one CPU device, whose large matrix products use all cores anyway (LOG.md).
    Several processes on CPUs are a mesh too.
    """
    devices = jax.devices()
    if devices[0].platform != "cpu" or jax.process_count() > 1:
        return MeshReplicas(learner, devices)
    large = sum(x.size for x in jax.tree.leaves(params)) > MOST_EXCHANGED
    return Replicas(learner, devices[: 1 if large else max(1, batch_size // CORE_ROWS)])
