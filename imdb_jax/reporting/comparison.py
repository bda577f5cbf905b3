"""The page that compares runs by what they recorded; runs that differ in their seed alone are one group."""

import os
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from flax import nnx

from imdb_jax.config import fields
from imdb_jax.models import TextClassifier
from imdb_jax.reporting.curves import overlay
from imdb_jax.reporting.page import Page, render
from imdb_jax.run import Run
from imdb_jax.training.checkpoint import History
from imdb_jax.training.logs import parameters
from imdb_jax.training.loop import best_epoch

FORMATS = {
    "test accuracy, %": "{:.2f}",
    "test loss": "{:.4f}",
    "test AUC": "{:.4f}",
    "test F1": "{:.4f}",
    "validation accuracy, %": "{:.2f}",
    "validation loss": "{:.4f}",
    "best epoch": "{:.0f}",
    "training, s": "{:.1f}",
    "in all, s": "{:.1f}",
    "trained weights": "{:,.0f}",
    "frozen": "{:,.0f}",
}
ABSENT = "–"


class Entrant(NamedTuple):
    """A run as it is compared.

    Attributes:
      name: its directory, below the folder that holds all runs.
      config: every field by name.
      history: a record for each epoch.
      results: what training wrote at its end, or None.
      figures: by the names of `FORMATS`, as far as training has come.
    """

    name: str
    config: dict[str, Any]
    history: History
    results: dict[str, Any] | None
    figures: dict[str, float]

    @classmethod
    def of(cls, run: Run, name: str) -> "Entrant":
        """Reads a run's records."""
        config, history, results = run.config(), run.history(), run.results()
        trained, frozen = _weights(run)
        figures: dict[str, float] = {
            "training, s": float(sum(record["seconds"] for record in history)),
            "trained weights": trained,
            "frozen": frozen,
        }
        if history:
            best = history[best_epoch(history, config.training.monitor)]
            figures["best epoch"] = float(best["epoch"])
            figures["validation accuracy, %"] = 100 * best["validation"]["accuracy"]
            figures["validation loss"] = best["validation"]["loss"]
        if results is not None:
            test = results["test"]
            figures["test accuracy, %"] = 100 * test["accuracy"]
            figures |= {"test loss": test["loss"], "test AUC": test["auc"], "test F1": test["f1"]}
            figures["in all, s"] = results["seconds"]["total"]
        return cls(name, fields(config), history, results, figures)


def _weights(run: Run) -> tuple[float, float]:
    """How many numbers of a run's model are trained and how many are frozen, without building it."""
    config, size, vectors = run.config(), len(run.vocabulary()), run.load_vectors()
    model = nnx.eval_shape(lambda: TextClassifier(config.model, size, vectors=vectors, rngs=nnx.Rngs(0)))
    _, trained, frozen = nnx.split(model, nnx.Param, ...)
    rows = parameters(nnx.to_pure_dict(trained), nnx.to_pure_dict(frozen))
    trained, frozen = (sum(row.size for row in rows if row.trained is wanted) for wanted in (True, False))
    return float(trained), float(frozen)


def comparison_page(runs: Sequence[Run]) -> Page:
    """Compares runs without reading a review.

    Raises:
      UserError: one is no run.
    """
    above = os.path.commonpath([os.path.dirname(os.path.abspath(run.folder)) for run in runs])
    entrants = [Entrant.of(run, os.path.relpath(run.folder, above)) for run in runs]
    groups = grouped(entrants)
    curves = {name: [member.history for member in members if member.history] for name, members in groups.items()}
    curves = {name: histories for name, histories in curves.items() if histories}
    return render(
        "comparison.html.j2",
        [overlay("loss", curves), overlay("accuracy", curves)],
        columns=list(FORMATS),
        groups=[
            {"name": name, "seeds": [member.config["seed"] for member in members], "cells": cells(members)}
            for name, members in groups.items()
        ],
        entrants=[{"name": each.name, "seed": each.config["seed"], "cells": cells([each])} for each in entrants],
        differing=differing(groups),
        unfinished=[each.name for each in entrants if each.results is None],
        machines=_distinct([each.results["device"] | each.results["versions"] for each in entrants if each.results]),
    )


def grouped(entrants: Sequence[Entrant]) -> dict[str, list[Entrant]]:
    """Runs that differ in their seed alone, by the name they share.

    Example: a-0 and a-1, with seeds 0 and 1, are the group a; a run by itself keeps its name.
    """
    groups: dict[str, list[Entrant]] = defaultdict(list)
    for entrant in entrants:
        groups[repr({**entrant.config, "seed": None})].append(entrant)
    named: dict[str, list[Entrant]] = {}
    for members in groups.values():
        first = members[0].name
        short = first.rstrip("0123456789").rstrip("-_") if len(members) > 1 else first
        named[first if short in named or not short else short] = members
    return named


def cells(members: Sequence[Entrant]) -> list[str]:
    """Figures in the order of `FORMATS`: the mean, with the standard deviation where there are several."""
    return [_spread([m.figures[name] for m in members if name in m.figures], form) for name, form in FORMATS.items()]


def _spread(values: Sequence[float], form: str) -> str:
    if not values:
        return ABSENT
    mean = form.format(statistics.mean(values))
    if len(values) == 1 or len(set(values)) == 1:
        return mean
    return f"{mean} ± {form.format(statistics.stdev(values))}"


def differing(groups: dict[str, list[Entrant]]) -> dict[str, list[Any]]:
    """The config fields in which groups differ, each with its value in every group, the seed left out."""
    configs = [members[0].config for members in groups.values()]
    names = dict.fromkeys(name for config in configs for name in config if name != "seed")
    rows = {name: [config.get(name, ABSENT) for config in configs] for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def _distinct(machines: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(", ".join(f"{name} {value}" for name, value in each.items()) for each in machines))
