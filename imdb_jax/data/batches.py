"""Token ids -> padded batches of reviews of like length, a pure function of (seed, epoch, step).

Nothing is remembered between steps, so a run resumes from its step number alone.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int8, Integer

POOL_BATCHES = 50  # batches sorted together: wide enough to waste little padding, narrow enough to keep order random


class Split(NamedTuple):
    """Encoded reviews, ragged: review i has ids `ids[offsets[i] : offsets[i + 1]]`, at least one."""

    ids: Integer[np.ndarray, " tokens"]
    offsets: Int[np.ndarray, " N+1"]
    labels: Int8[np.ndarray, " N"]


class Batch(NamedTuple):
    """Reviews padded to one length. Rows of weight 0 only fill the batch; every reduction is weighted."""

    tokens: Int[np.ndarray, "B T"]
    lengths: Int[np.ndarray, " B"]
    labels: Float[np.ndarray, " B"]
    weights: Float[np.ndarray, " B"]
    total: Float[np.ndarray, ""]
    """Sum of the weights of all rows of the batch, in whichever processes they are; at least 1."""


class Batches:
    """Cuts a split into batches.

    Args:
      batch_size: reviews of a batch, over all devices.
      max_length: tokens kept of a review.
      keep: which end of a longer review is kept.
      buckets: padded lengths below `max_length` that batches may have; a batch takes the smallest that fits.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        max_length: int,
        keep: Literal["head", "tail"] = "head",
        buckets: tuple[int, ...] = (),
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.widths = np.array((*buckets, max_length))
        self.keep = keep
        self.full_lengths = np.diff(split.offsets)
        self.lengths = np.minimum(self.full_lengths, max_length).astype(np.int32)

    def __len__(self) -> int:
        """Batches in an epoch; the last reviews fill theirs up with rows of weight 0."""
        return -(-len(self.lengths) // self.batch_size)

    def shuffled(
        self, seed: int, epoch: int, first_step: int = 0, share: tuple[int, int] | None = None
    ) -> Iterator[Batch]:
        """The batches of a training epoch, counted from 0: each review once, in an order drawn from (seed, epoch).

        Args:
          first_step: batches left out at the start.
          share: the first row, and the number of rows, to build of each batch; all unless given. Rows beyond
            `batch_size` only fill up. Several processes build a share each of the same batches.
        """
        for rows in self._shuffled_rows(seed, epoch)[first_step:]:
            yield self._batch(rows, share)

    def sorted(self, share: tuple[int, int] | None = None) -> Iterator[tuple[Int[np.ndarray, " N"], Batch]]:
        """Batches from the shortest review to the longest, each with the indices of all its reviews (N <= B)."""
        order = np.argsort(self.lengths, kind="stable")
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield rows, self._batch(rows, share)

    def padding(self, seed: int, epoch: int, chunk: int | None = None) -> float:
        """Share of padding among the words that a model computes in a training epoch.

        Args:
          chunk: words that the model skips together where all rows of a batch have padding; None if it skips none.

        Example: reviews of 3 and 5 words in one batch of width 12 are 16 words of padding in 24, and 4 in 12 where the
        model skips chunks of 6.
        """
        batches = self._shuffled_rows(seed, epoch)
        if chunk is None:
            widths = [self._width(rows) for rows in batches]
        else:
            widths = [chunk * -(-int(self.lengths[rows].max()) // chunk) for rows in batches]
        return 1 - float(self.lengths.sum()) / (self.batch_size * sum(widths))

    def _shuffled_rows(self, seed: int, epoch: int) -> list[np.ndarray]:
        """Draws an order, sorts each pool of batches by length, cuts it into batches and shuffles those."""
        random = np.random.Generator(np.random.Philox(key=[seed, epoch]))
        order = random.permutation(len(self.lengths))
        pool = self.batch_size * POOL_BATCHES
        batches = []
        for start in range(0, len(order), pool):
            rows = order[start : start + pool]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            batches += [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        return [batches[i] for i in random.permutation(len(batches))]

    def _width(self, rows: np.ndarray) -> int:
        return int(self.widths[np.searchsorted(self.widths, self.lengths[rows].max())])

    def _batch(self, rows: np.ndarray, share: tuple[int, int] | None) -> Batch:
        width = self._width(rows)
        first, size = share or (0, self.batch_size)
        total = np.array(len(rows), np.float32)
        rows = rows[first : first + size]

        lengths = np.ones(size, np.int32)  # a filling row is one padding token: no model divides by zero
        labels, weights = np.zeros((2, size), np.float32)
        tokens = np.zeros((size, width), np.int32)
        if len(rows):
            lengths[: len(rows)] = self.lengths[rows]
            labels[: len(rows)] = self.split.labels[rows]
            weights[: len(rows)] = 1
            starts = self.split.offsets[rows]
            if self.keep == "tail":
                starts = starts + self.full_lengths[rows] - self.lengths[rows]
            columns = np.arange(width)
            valid = columns < lengths[: len(rows), None]
            tokens[: len(rows)][valid] = self.split.ids[(starts[:, None] + columns)[valid]]
        return Batch(tokens, lengths, labels, weights, total)
