"""Data parallel training and prediction: a model on devices that share the rows of each batch.

Every device has the whole state. In training all run the same programs, each of which is compiled once for all.

`Replicas` is for accelerators, of one process or of several. A step adds up gradients and metrics of all devices once,
in one all-reduce after the backward pass; there is no other communication.

`CoreReplicas` is for the cores of one CPU, or a single one. There is no collective between them on purpose: XLA's waits
for a thread that a busy machine may never give it, and then ends the process. Gradients travel by `device_put` and are
added on every device in the same order, so that the copies of the state stay equal to the bit.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from imdb_jax.data.batches import Batch, Batches
from imdb_jax.training.step import EvalModel, Learner, TrainState, evaluate

T = TypeVar("T")

DEPTH = 2  # batches sent ahead of their use: copies run while the devices compute
CORE_ROWS = 16  # of a batch that keep one core busy
MOST_EXCHANGED = 400_000  # trained weights above which exchanging gradients between cores costs more than it gains
AXIS = "rows"  # of the mesh
EVERYWHERE: Any = PartitionSpec()
SHARED: Any = PartitionSpec(AXIS)
OF_BATCH = Batch(SHARED, SHARED, SHARED, SHARED, EVERYWHERE)  # how each of its arrays is shared

# Orders a program's steps for little memory: configs/conv1d.py then takes 17 MB at a time, not 30, which malloc keeps
# from one training step to the next, so that the system need not clear it each time (LOG.md).
CPU_OPTIONS = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


class Replicas:
    """A model on accelerators, of one process or of several. Each takes an equal share of a batch's rows."""

    def __init__(self, learner: Learner, devices: Sequence[Any]) -> None:
        # the rows of a process lie side by side, whatever the numbers of its devices
        self.devices = sorted(devices, key=lambda device: (device.process_index, device.id))
        self._mesh = Mesh(np.array(self.devices), (AXIS,))
        self.everywhere = NamedSharding(self._mesh, EVERYWHERE)
        self.of_batch = jax.tree.map(partial(NamedSharding, self._mesh), OF_BATCH)
        self._frozen = self.place(learner.cast_frozen())

        def step(state: TrainState, frozen: PyTree[Array], batch: Batch) -> TrainState:
            return learner.update(state, [jax.lax.psum(learner.gradients(state, frozen, batch, _row(batch)), AXIS)])

        def logits(model: EvalModel, tokens: Array, lengths: Array) -> Float[Array, " B"]:
            return jax.lax.all_gather(evaluate(model, tokens, lengths), AXIS, tiled=True)

        self.train_step = self._compiled(step, (EVERYWHERE, EVERYWHERE, OF_BATCH), donate_argnums=0)
        self._eval_model = self._compiled(partial(learner.eval_model, folded=False))
        self.evaluate = self._compiled(logits, (EVERYWHERE, SHARED, SHARED))

    def _compiled(
        self, function: Callable[..., Any], in_specs: Any = EVERYWHERE, out_specs: Any = EVERYWHERE, **options: Any
    ) -> Any:
        """A function of each device's own arrays, compiled once for all devices."""
        over_rows = jax.shard_map(function, mesh=self._mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        return jax.jit(over_rows, **options)

    def share(self, batch_size: int) -> tuple[int, int]:
        """The first row, and the number of rows, that this process builds of each batch.

        Rows of weight 0 fill up a batch that the devices can't share equally.
        """
        each = -(-batch_size // len(self.devices))
        mine = [k for k, device in enumerate(self.devices) if device.process_index == jax.process_index()]
        return each * mine[0], each * len(mine)

    def place(self, tree: T) -> T:
        """A copy of arrays that every device has whole."""

        def whole(x: Array) -> Array:
            # a device may take its own array as it is, and steps consume what they are given
            own = x.addressable_data(0)
            copies = [jax.device_put(jnp.copy(own), device) for device in self._mesh.local_devices]
            return jax.make_array_from_single_device_arrays(x.shape, self.everywhere, copies)

        return jax.tree.map(whole, tree)

    def steps(self, state: TrainState, batches: Iterable[Batch]) -> Iterator[TrainState]:
        """The state after a step on each batch; each step consumes the one before."""
        for batch in _ahead(map(self._put, batches), DEPTH):
            state = self.train_step(state, self._frozen, batch)
            yield state

    def eval_models(self, state: TrainState) -> list[EvalModel]:
        """The model for prediction by the weights that are evaluated: for each who reads batches by itself."""
        return [self._eval_model(state.eval_params, self._frozen)]

    def logits(self, models: list[EvalModel], batches: Batches) -> Float[np.ndarray, " N"]:
        """Logits of a whole split in its own order, in every process."""
        logits = np.empty(len(batches.lengths), np.float32)
        for rows, output in _ahead(self._read(models, batches), DEPTH * len(models)):
            logits[rows] = np.asarray(output)[: len(rows)]
        return logits

    def _read(self, models: list[EvalModel], batches: Batches) -> Iterator[tuple[Any, Float[Array, " B"]]]:
        """Rows of a split and their logits, still being computed."""
        for rows, batch in batches.sorted(self.share(batches.batch_size)):
            shared = self._put(batch)
            yield rows, self.evaluate(models[0], shared.tokens, shared.lengths)

    def _put(self, batch: Batch) -> Batch:
        """This process's rows of a batch, shared by its devices."""
        if jax.process_count() == 1:
            return jax.device_put(batch, self.of_batch)  # in less time than array by array
        return jax.tree.map(jax.make_array_from_process_local_data, self.of_batch, batch)


class CoreReplicas(Replicas):
    """A model on cores of one CPU, or on a single one."""

    @override
    def __init__(self, learner: Learner, devices: Sequence[Any]) -> None:
        super().__init__(learner, devices)

        # gradients and metrics travel as one vector, faster than as many small arrays
        def gradients(state: TrainState, frozen: PyTree[Array], batch: Batch) -> Float[Array, " N"]:
            return ravel_pytree(learner.gradients(state, frozen, batch, _row(batch)))[0]

        def update(state: TrainState, parts: list[Array]) -> TrainState:
            _, unravel = ravel_pytree((state.params, state.metrics))
            return learner.update(state, [unravel(part) for part in parts])

        of_step = (EVERYWHERE, EVERYWHERE, OF_BATCH)
        self.train_step = self._compiled(learner.train_step, of_step, donate_argnums=0)
        self._gradients = self._compiled(gradients, of_step, SHARED)
        self._update = self._compiled(update, donate_argnums=0)
        # a row of a table is cheaper than a product here; an accelerator would rather multiply
        self._eval_model = self._compiled(partial(learner.eval_model, folded=True))
        self.evaluate = jax.jit(evaluate, compiler_options=CPU_OPTIONS)

    @override
    def _compiled(
        self, function: Callable[..., Any], in_specs: Any = EVERYWHERE, out_specs: Any = EVERYWHERE, **options: Any
    ) -> Any:
        return super()._compiled(function, in_specs, out_specs, compiler_options=CPU_OPTIONS, **options)

    @override
    def steps(self, state: TrainState, batches: Iterable[Batch]) -> Iterator[TrainState]:
        if len(self.devices) == 1:
            yield from super().steps(state, batches)
            return
        shared = _ahead(map(self._put, batches), DEPTH)
        batch = next(shared, None)
        while batch is not None:
            gradients = self._gradients(state, self._frozen, batch)
            batch = next(shared, None)  # made while the devices compute: starting an update waits for them
            state = self._update(state, self._exchanged(gradients))
            yield state

    @override
    def eval_models(self, state: TrainState) -> list[EvalModel]:
        (whole,) = super().eval_models(state)
        return [jax.tree.map(lambda x, k=k: x.addressable_shards[k].data, whole) for k in range(len(self.devices))]

    @override
    def _read(self, models: list[EvalModel], batches: Batches) -> Iterator[tuple[Any, Float[Array, " B"]]]:
        """Each core has a whole batch in turn, so that a single review keeps one of them busy."""
        for (rows, batch), (device, model) in zip(
            batches.sorted(), itertools.cycle(zip(self.devices, models, strict=True)), strict=False
        ):
            yield rows, self.evaluate(model, *jax.device_put((batch.tokens, batch.lengths), device))

    def _exchanged(self, gradients: Array) -> list[Array]:
        """The part of each device, on every device."""
        own = [shard.data for shard in gradients.addressable_shards]
        copies = [jax.device_put(own, device) for device in self.devices]
        return [
            jax.make_array_from_single_device_arrays(own[0].shape, self.everywhere, [*each])
            for each in zip(*copies, strict=True)
        ]


def _row(batch: Batch) -> Int[Array, ""]:
    """The number, in the whole batch, of the first row that the device which runs this has."""
    return len(batch.weights) * jax.lax.axis_index(AXIS)


def _ahead(begun: Iterable[T], depth: int) -> Iterator[T]:
    """The same items, each once some more are begun: copies and devices work meanwhile."""
    waiting: deque[T] = deque()
    for item in begun:
        waiting.append(item)
        if len(waiting) > depth:
            yield waiting.popleft()
    yield from waiting


def replicate(learner: Learner, params: PyTree[Array], batch_size: int) -> Replicas:
    """The model on the devices that share a batch: all accelerators, of all processes, or cores of this CPU.

    A model with many weights stays on one CPU device, whose large matrix products use all cores anyway (LOG.md).
    Several processes on CPUs are a mesh too.
    """
    devices = jax.devices()
    if devices[0].platform != "cpu" or jax.process_count() > 1:
        return Replicas(learner, devices)
    large = sum(x.size for x in jax.tree.leaves(params)) > MOST_EXCHANGED
    return CoreReplicas(learner, devices[: 1 if large else max(1, batch_size // CORE_ROWS)])
