"""Looks over the reviews of a config: `python -m imdb_jax.audit --config configs/glove_bilstm.py`."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from imdb_jax import cli
from imdb_jax.config import Config
from imdb_jax.runs.population import config_in


@dataclasses.dataclass(frozen=True)
class Args:
    """Counts classes, duplicates, empty texts and lengths of the reviews that `--config FILE` trains on.

    Training does the same once before it begins. Data with one class, or with more than two, are refused.
    """

    config: tyro.conf.FlagConversionOff[Config]
    config_file: Annotated[str | None, tyro.conf.arg(name="config", metavar="FILE")] = None
    """The Python file that names the config, such as configs/conv1d.py."""
    output: Literal["table", "json"] = "table"
    """Tables to read, or one JSON object."""


def main(arguments: Sequence[str]) -> None:
    """Audits; see `Args`."""
    config, rest = cli.start_config(arguments, config_in)
    args = cli.parse(Args, rest, "audit", Args(config))
    from imdb_jax.data.audit import audit, refuse_unfit, table
    from imdb_jax.data.dataset import split_corpus

    report = audit(split_corpus(args.config.data)._asdict())
    if args.output == "json":
        sys.stdout.write(json.dumps(dataclasses.asdict(report), indent=2) + "\n")
    else:
        from imdb_jax.training.tables import render

        sys.stdout.write(render(table(report)) + "\n")
    refuse_unfit(report)


if __name__ == "__main__":
    cli.run(main)
