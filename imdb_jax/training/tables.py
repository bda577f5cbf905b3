"""Tables for people: parameters and scores."""

import math
from collections.abc import Iterable, Sequence
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
    found = parameters(params, frozen)
    rows = [(each.name, str(each.shape), f"{each.size:,}", "yes" if each.trained else "no") for each in found]
    total, trained = sum(each.size for each in found), sum(each.size for each in found if each.trained)
    sums = f"{total:,} in all: {trained:,} trained, {total - trained:,} frozen"
    return text_table("Parameters", ("name", "shape", "count", "trained"), rows, caption=sums)


def text_table(title: str, columns: Sequence[str], *sections: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table whose first column names the rows; a line is drawn between its sections."""
    table = Table(title=title, caption=caption)
    for number, column in enumerate(columns):
        # names are broken over lines where room is short, figures never
        table.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number > 0)
    for rows in sections:
        table.add_section()
        for row in rows:
            table.add_row(*row)
    return render(table)


def render(table: Table) -> str:
    """A table as plain text, for terminals and log files alike."""
    console = Console(width=100, color_system=None, force_jupyter=False)
    return "".join(piece.text for piece in console.render(table)).rstrip()  # a terminal may be gone: nothing is written
