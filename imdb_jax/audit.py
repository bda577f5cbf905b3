"""Looks over the reviews of a config: `python -m imdb_jax.audit --config configs/glove_bilstm.py`."""

import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import tyro

from imdb_jax import cli
from imdb_jax.config import Config
from imdb_jax.config.checked import load
from imdb_jax.data.text import split_words
from imdb_jax.errors import UserError, run_command
from imdb_jax.runs.population import config_in


@dataclasses.dataclass(frozen=True)
class Args:
    """Counts classes, duplicates, empty texts and lengths of the reviews that `--config FILE` trains on.

    Training does the same once before it begins. Data with one class, or with more than two, are refused.
    """

    config: tyro.conf.FlagConversionOff[Config]
    config_file: Annotated[str | None, tyro.conf.arg(name="config", metavar="FILE")] = None
    """The name of a config, such as conv1d, or a Python file with one, such as configs/conv1d.py."""
    output: Literal["table", "json"] = "table"
    """Tables to read, or one JSON object."""
    show: int = 0
    """Shows the first N training reviews: the text as it was read, its words, their ids and the ids decoded."""


def main(arguments: Sequence[str]) -> None:
    """Audits; see `Args`."""
    config, rest = cli.start_config(arguments, config_in)
    args = cli.parse(Args, rest, "audit", Args(config))
    if args.show < 0:
        raise UserError(f"--show: {args.show}; must be 0 or more")
    from imdb_jax.data.audit import Audit, table
    from imdb_jax.data.dataset import load_dataset, open_corpus, split_corpus
    from imdb_jax.training.tables import render

    data = args.config.data
    corpus = open_corpus(data)
    dataset = load_dataset(data, corpus)
    lengths = np.diff(dataset.train.offsets)
    proposal = round(float(lengths.mean() + 2 * lengths.std()))
    fitting = float((lengths <= data.max_length).mean())
    shown = [
        {"text": text.decode("utf-8", "replace"), "words": [word.decode("utf-8", "replace") for word in words]}
        | {"ids": (ids := dataset.vocabulary.encode(text)), "decoded": dataset.vocabulary.decode(ids)}
        for text in itertools.islice(split_corpus(data, corpus).train.texts(), args.show)
        for words in [split_words(text, data.text)]
    ]
    if args.output == "json":
        found = {**dataset.audit, "proposed_max_length": proposal, "share_within_max_length": fitting}
        sys.stdout.write(json.dumps(found | ({"shown": shown} if shown else {}), indent=2) + "\n")
        return
    sys.stdout.write(render(table(load(Audit, dataset.audit, "audit"))) + "\n")
    sys.stdout.write(
        f"training reviews: {lengths.mean():.0f} tokens in the mean, standard deviation {lengths.std():.0f}; "
        f"mean + 2 standard deviations propose --config.data.max_length={proposal}; "
        f"{fitting:.1%} of them fit into the present {data.max_length}\n"
    )
    for review in shown:
        sys.stdout.write("".join(f"\n{name}: {value}" for name, value in review.items()) + "\n")


if __name__ == "__main__":
    run_command(main)
