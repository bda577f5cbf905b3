"""Tables for people: parameters and scores."""

import math
from typing import NamedTuple

import jax
from jaxtyping import PyTree
from rich.console import Console
from rich.table import Table

from imdb_jax.training.metrics import Scores

SCORE_COLUMNS = ("accuracy", "loss", "AUC", "F1", "reviews")


def score_cells(scores: Scores) -> list[str]:
    """Scores in the columns of a table."""
    auc = "-" if math.isnan(scores.auc) else f"{scores.auc:.4f}"
    return [f"{scores.accuracy:.2%}", f"{scores.loss:.4f}", auc, f"{scores.f1:.4f}", f"{scores.examples:,}"]


class Parameter(NamedTuple):
    """One weight of a model, or one array of it that training leaves as it is."""

    name: str
    shape: tuple[int, ...]
    size: int
    trained: bool


def parameters(params: PyTree, frozen: PyTree) -> list[Parameter]:
    """Every weight of a model, the trained ones first."""
    return [
        Parameter(jax.tree_util.keystr(path, simple=True, separator="."), x.shape, x.size, trained)
        for trained, tree in ((True, params), (False, frozen))
        for path, x in jax.tree_util.tree_leaves_with_path(tree)
    ]


def parameter_table(params: PyTree, frozen: PyTree) -> str:
    """Name, shape, count and whether trained, of every weight, with the sums below."""
    rows = parameters(params, frozen)
    table = Table(title="Parameters")
    for column in ("name", "shape", "count", "trained"):
        table.add_column(column, justify="right" if column == "count" else "left")
    for row in rows:
        table.add_row(row.name, str(row.shape), f"{row.size:,}", "yes" if row.trained else "no")
    total, trained = sum(row.size for row in rows), sum(row.size for row in rows if row.trained)
    table.caption = f"{total:,} in all: {trained:,} trained, {total - trained:,} frozen"
    return render(table)


def render(table: Table) -> str:
    """A table as plain text, for terminals and log files alike."""
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
