"""Tables for people: parameters and scores."""

from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree
from rich.console import Console
from rich.table import Table

from imdb_jax.training.metrics import Scores


def results_table(results: dict[str, Any]) -> str:
    """Scores on validation and test, as text."""
    table = Table(title=f"Best epoch: {results['best_epoch']} of {results['epochs']}, seed {results['seed']}")
    for column in ("split", "accuracy", "loss", "AUC", "F1", "reviews"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split in ("validation", "test"):
        table.add_row(split, *score_cells(results[split]))
    seconds = results["seconds"]
    table.caption = (
        f"{seconds['total']:.1f} s in all, {seconds['train']:.1f} s training, {seconds['compile']:.1f} s compiling"
    )
    return render(table)


def score_cells(scores: Scores) -> list[str]:
    """Scores in the columns of a table."""
    return [
        f"{scores['accuracy']:.2%}",
        f"{scores['loss']:.4f}",
        f"{scores['auc']:.4f}",
        f"{scores['f1']:.4f}",
        f"{scores['examples']:,}",
    ]


class Parameter(NamedTuple):
    """One weight of a model, or one array of it that training leaves as it is."""

    name: str
    shape: tuple[int, ...]
    size: int
    trained: bool


def parameters(params: PyTree, frozen: PyTree) -> list[Parameter]:
    """Every weight of a model, the trained ones first.

    Args:
      params: trained weights.
      frozen: the others.
    """
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
