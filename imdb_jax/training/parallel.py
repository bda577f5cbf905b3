"""What data parallel training and prediction are, whatever the devices."""

import abc
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from imdb_jax.data.batches import Batch, Batches
from imdb_jax.training.step import Reader, TrainState

DEPTH = 2  # batches sent ahead of their use: copies run while the devices compute


class DataParallel(abc.ABC):
    """A model on devices that share the rows of each batch."""

    @abc.abstractmethod
    def share(self, batch_size: int) -> tuple[int, int]:
        """The first row, and the number of rows, that this process builds of each batch.

        Rows of weight 0 fill up a batch that the devices can't share equally.
        """

    @abc.abstractmethod
    def place(self, state: TrainState) -> list[TrainState]:
        """Copies of a state for all devices."""

    @abc.abstractmethod
    def state(self, states: list[TrainState]) -> TrainState:
        """The state that all copies are equal to, as checkpoints take it; not a copy."""

    def send(self, batches: Iterable[Batch]) -> Iterator[Any]:
        """Shares out batches over the devices, ahead of their use."""
        waiting: deque[Any] = deque()
        for batch in batches:
            waiting.append(self._put(batch))
            if len(waiting) > DEPTH:
                yield waiting.popleft()
        yield from waiting

    @abc.abstractmethod
    def step(self, states: list[TrainState], shards: Any) -> list[TrainState]:
        """The states after a step on what `send` gives; it consumes those it is given."""

    @abc.abstractmethod
    def readers(self, states: list[TrainState]) -> list[Reader]:
        """The model for prediction on all devices, by the weights that are evaluated."""

    @abc.abstractmethod
    def logits(self, readers: list[Reader], batches: Batches) -> Float[np.ndarray, " N"]:
        """Logits of a whole split in its own order, in every process."""

    @abc.abstractmethod
    def _put(self, batch: Batch) -> Any:
        """The rows of a share on their devices."""
