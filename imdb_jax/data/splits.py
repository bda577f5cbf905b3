"""Which reviews train, which choose and which test a model."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int8

from imdb_jax.config import DataConfig
from imdb_jax.data.reviews import Corpus, Reviews, Selection, open_corpus
from imdb_jax.errors import BAD_DATA, USAGE, UserError


class Splits(NamedTuple):
    """The reviews of a run."""

    train: Reviews
    validation: Reviews
    test: Reviews


def split_corpus(config: DataConfig, corpus: Corpus | None = None) -> Splits:
    """Opens a corpus, applies `data.limit` and then splits validation reviews off the training reviews.

    Args:
      config: of the run.
      corpus: of the config, where it is open already.

    Raises:
      UserError: see `open_corpus` and `hold_out`.
    """
    train, test = corpus or open_corpus(config)
    if config.limit is not None:
        part = f"first {config.limit} of each class"
        train, test = (Selection(r, limit_per_class(r.labels, config.limit), part) for r in (train, test))
    held = hold_out(train.labels, config.validation.method, config.validation.size, config.split_seed)
    return Splits(Selection(train, ~held, "training"), Selection(train, held, "validation"), test)


def hold_out(
    labels: Int8[np.ndarray, " N"], method: str, size: float, seed: int, field: str = "data.validation.size"
) -> Bool[np.ndarray, " N"]:
    """Chooses reviews to hold out.

    Args:
      labels: 0 or 1.
      method: "stratified" draws from each class its share and "random" from all; "first" and "last" go by order.
      size: a fraction of the reviews when below 1, a number of reviews otherwise.
      seed: of the draw; the same reviews on every platform and NumPy version.
      field: the config field to name in an error.

    Returns:
      True for each review held out.

    Raises:
      UserError: the labels are of one class (65), or one side would be left without a class (2).
    """
    count = len(labels)
    for label, name in ((0, "negative"), (1, "positive")):
        if not (labels == label).any():
            raise UserError(f"data: no {name} review among {count:,}; both classes are needed", BAD_DATA)
    held_count = min(count, round(size * count) if size < 1 else int(size))
    # The raw stream of a bit generator never changes; NumPy may change what its shuffles make of it.
    draw = np.random.PCG64(seed).random_raw(count)
    held = np.zeros(count, bool)
    if method == "stratified":
        share = round(held_count * int((labels == 0).sum()) / count)
        for label, quota in ((0, share), (1, held_count - share)):
            members = np.flatnonzero(labels == label)
            held[members[np.argsort(draw[members])[:quota]]] = True
    elif method == "random":
        held[np.argsort(draw)[:held_count]] = True
    elif method == "first":
        held[:held_count] = True
    elif method == "last":
        held[count - held_count :] = True
    else:
        raise ValueError(f"method: {method!r}; stratified, random, first or last")
    for label, name in ((0, "negative"), (1, "positive")):
        for side, chosen in (("held out", held), ("left to train on", ~held)):
            if not (labels[chosen] == label).any():
                raise UserError(
                    f"{field}: {size:g} ({method}); no {name} review of {count:,} in all would be {side}", USAGE
                )
    return held


def limit_per_class(labels: Int8[np.ndarray, " N"], limit: int) -> Bool[np.ndarray, " N"]:
    """Marks the first `limit` reviews of each class.

    Example: labels [0, 0, 1, 0, 1] with limit 1 gives [True, False, True, False, False].
    """
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        mask[np.flatnonzero(labels == label)[:limit]] = True
    return mask
