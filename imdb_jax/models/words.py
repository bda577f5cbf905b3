"""The words of a batch as an encoder gets them: ids and the table that holds their vectors.

Looking vectors up late lets an encoder do it where it is cheapest: a recurrence a few steps at a time, while they fit
the cache; a one-hot word never, for its product with a kernel is a row of the kernel.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Words(NamedTuple):
    """Word vectors `table[ids]`.

    Attributes:
      ids: rows of the table.
      table: vectors; None stands for the identity, so that words are one-hot vectors.
      known: the vectors, where they have been looked up already.
    """

    ids: Int[Array, "B T"]
    table: Float[Array, "N D"] | None
    known: Float[Array, "B T D"] | None = None

    @classmethod
    def of(cls, x: "Words | Float[Array, 'B T D']") -> "Words":
        """Takes words as they are, and vectors as a table of their own."""
        if isinstance(x, Words):
            return x
        batch, time, dim = x.shape
        return cls(jnp.arange(batch * time).reshape(batch, time), x.reshape(batch * time, dim), x)

    def vectors(self) -> Float[Array, "B T D"]:
        """The vector of each word; a one-hot word has none."""
        if self.known is not None:
            return self.known
        if self.table is None:
            raise TypeError("one-hot words have no vectors: their product with a kernel is `kernel[ids]`")
        return self.table[self.ids]
