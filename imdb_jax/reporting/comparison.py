"""The page that compares runs by what they recorded; runs that differ in their seed alone are one group."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from flax import nnx

from imdb_jax.config import fields
from imdb_jax.errors import MISSING_INPUT, UserError
from imdb_jax.models import TextClassifier
from imdb_jax.reporting.charts import overlay
from imdb_jax.reporting.page import write_page
from imdb_jax.runs.mixture import Mixture, check_same_reviews
from imdb_jax.runs.population import Population, runs_in
from imdb_jax.runs.run import Results, Run
from imdb_jax.runs.statistics import Spread, seeds_together
from imdb_jax.training.history import History
from imdb_jax.training.metrics import Scores, score

COLUMNS = {
    "test accuracy, %": ".2f",
    "test loss": ".4f",
    "test AUC": ".4f",
    "test F1": ".4f",
    "validation accuracy, %": ".2f",
    "validation loss": ".4f",
    "best epoch": ".0f",
    "training, s": ".1f",
    "in all, s": ".1f",
    "trained weights": ",.0f",
    "frozen": ",.0f",
}
ABSENT = "–"
Figures = dict[str, float]  # by the names of COLUMNS, as far as training has come


class Entrant(NamedTuple):
    """A run as it is compared."""

    name: str  # its directory, below the folder that holds all runs
    config: dict[str, Any]  # every field by name
    history: History
    results: Results | None
    figures: Figures


class Row(NamedTuple):
    """A line of the table of figures."""

    name: str
    seeds: Sequence[int]
    cells: Sequence[str]


def write_comparison(path: Path, folders: Sequence[Path], mixture: Mixture | None = None) -> None:
    """Compares runs, and the members of populations, without reading a review; a mixture has a row of its own.

    Each look at what a run reached on test is recorded in it.
    """
    above = os.path.commonpath([os.path.dirname(os.path.abspath(folder)) for folder in folders])
    given = [run for folder in folders for run in runs_in(folder)]
    # a population that was interrupted has members that have not begun
    runs = [run for run in given if run.begun or run.folder in folders]
    if not runs:
        raise UserError(f"{folders[0]}: no member has begun; train --workdir goes on", MISSING_INPUT)
    entrants = [_entrant(run, above) for run in runs]
    for run, entrant in zip(runs, entrants, strict=True):
        if entrant.results is not None:
            run.record_test_reading({"command": "report"})
    groups = grouped(entrants)
    curves = {name: [member.history for member in members if member.history.epochs] for name, members in groups.items()}
    curves = {name: histories for name, histories in curves.items() if histories}
    machines = [each.results.device | each.results.versions for each in entrants if each.results]
    write_page(
        path,
        "comparison.html.j2",
        [overlay("loss", curves), overlay("accuracy", curves)],
        columns=list(COLUMNS),
        groups=list(groups),
        rows=[row for name, members in groups.items() for row in _rows_of(name, members)]
        + _ensembles(folders, above)
        + ([] if mixture is None else _mixed(mixture, above)),
        entrants=[row for entrant in entrants for row in _rows_of(entrant.name, [entrant])],
        differing=differing(groups),
        unfinished=[each.name for each in entrants if each.results is None],
        absent=[_name(run, above) for run in given if run not in runs],
        machines=dict.fromkeys(", ".join(f"{name} {value}" for name, value in each.items()) for each in machines),
    )


def _entrant(run: Run, above: str) -> Entrant:
    config, history, results = run.config(), run.history(), run.results()
    size, vectors = len(run.vocabulary()), run.load_vectors()
    model = nnx.eval_shape(lambda: TextClassifier(config.model, size, vectors=vectors, rngs=nnx.Rngs(0)))
    _, trained, frozen = nnx.split(model, nnx.Param, ...)
    figures: Figures = {
        "training, s": sum(epoch.seconds for epoch in history.epochs),
        "trained weights": sum(x.size for x in jax.tree.leaves(trained)),
        "frozen": sum(x.size for x in jax.tree.leaves(frozen)),
    }
    if history.epochs:
        best = history.best(config.training.monitor)
        figures |= {"best epoch": best.epoch, **_figures("validation", best.validation)}
    if results is not None:
        figures |= {"in all, s": results.seconds.total, **_figures("test", results.test)}
    return Entrant(_name(run, above), fields(config), history, results, figures)


def _name(run: Run, above: str) -> str:
    return os.path.relpath(run.folder, above).replace("/members/", "/")


def _figures(split: str, scores: Scores) -> Figures:
    return {
        f"{split} accuracy, %": 100 * scores.accuracy,
        f"{split} loss": scores.loss,
        f"{split} AUC": scores.auc,
        f"{split} F1": scores.f1,
    }


def _ensembles(folders: Sequence[Path], above: str) -> list[Row]:
    """A row for the ensemble of each population whose members have ended."""
    found = []
    for population in map(Population, folders):
        results = population.results() if population.begun else None
        if results is not None and (ensemble := results.ensemble) is not None:
            figures = _figures("test", ensemble.test) | _figures("validation", ensemble.validation)
            name = f"{os.path.relpath(population.folder, above)}, ensemble, {ensemble.name}".removesuffix(", ")
            seeds = [int(population.members()[member]["seed"]) for member in ensemble.members]
            found += rows(name, seeds, [figures])
    return found


def _mixed(mixture: Mixture, above: str) -> list[Row]:
    """The row of a mixture."""
    names = [_name(run, above) for run in mixture.runs]
    check_same_reviews(names, mixture.runs, "validation", "mix runs that share them")
    figures: Figures = {}
    for split in ("validation", "test"):
        figures |= _figures(split, score(mixture.kept_logits(split), mixture.runs[0].predictions(split).labels))
    return rows(mixture.formula, [], [figures])


def grouped(entrants: Sequence[Entrant]) -> dict[str, list[Entrant]]:
    """Runs that differ in their seed alone, by the name they share.

    Example: a-0 and a-1, with seeds 0 and 1, are the group a, and grid/seed=0,model.dropout=0.3 is of
    grid/model.dropout=0.3; a run by itself keeps its name.
    """
    named: dict[str, list[Entrant]] = {}
    for numbers in seeds_together({number: entrant.config for number, entrant in enumerate(entrants)}):
        members = [entrants[number] for number in numbers]
        first = members[0].name
        short = re.sub(r"/?seed=\d+$|seed=\d+,|[-_]*\d+$", "", first, count=1) if len(members) > 1 else first
        named[first if short in named or not short else short] = members
    return named


def _rows_of(name: str, members: Sequence[Entrant]) -> list[Row]:
    return rows(name, [member.config["seed"] for member in members], [member.figures for member in members])


def rows(name: str, seeds: Sequence[int], figures: Sequence[Figures]) -> list[Row]:
    """Figures as the mean, with the standard deviation and below it the intervals of scores where there are several."""
    known = {column: [each[column] for each in figures if column in each] for column in COLUMNS}
    spreads = {column: Spread.of(values) for column, values in known.items() if values}
    cells = [format(spreads[column], form) if column in spreads else ABSENT for column, form in COLUMNS.items()]
    found = [Row(name, seeds, cells)]
    if len(figures) > 1:
        scores = {column: spread for column, spread in spreads.items() if column.startswith(("test", "validation"))}
        ends = [scores[column].interval(form) if column in scores else "" for column, form in COLUMNS.items()]
        found.append(Row("95 % interval of the mean", [], ends))
    return found


def differing(groups: dict[str, list[Entrant]]) -> dict[str, list[Any]]:
    """The config fields in which groups differ, each with its value in every group, the seed left out."""
    configs = [members[0].config for members in groups.values()]
    names = dict.fromkeys(name for config in configs for name in config if name != "seed")
    rows = {name: [config.get(name, ABSENT) for config in configs] for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}
