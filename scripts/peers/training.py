"""The benchmark of training and reading: epochs over the same reviews, as the same ids, from the same weights."""

from typing import Any

import numpy as np

from scripts.peers.task import Task, lengths
from scripts.peers.turns import OURS, Entrant, compete, without_values

KERAS, FLAX, TORCH = (f"scripts.peers.{name}_peer" for name in ("keras", "flax", "torch"))
DOCUMENTED = [
    Entrant("keras-tensorflow", KERAS, "documented", "tensorflow"),
    Entrant("keras-jax", KERAS, "documented"),
    Entrant("flax", FLAX, "documented"),
    Entrant("pytorch", TORCH, "documented"),
]
BUCKETED = [entrant._replace(name=f"{entrant.name}-bucketed", variant="bucketed") for entrant in DOCUMENTED]
EQUAL = [Entrant(OURS, "scripts.peers.ours", "ours"), *DOCUMENTED]
ENTRANTS = {"W1": [*EQUAL, *BUCKETED, Entrant("pytorch-unmasked", TORCH, "unmasked")], "W2": EQUAL}


def contest(task: Task, entrants: list[Entrant], rounds: int) -> list[dict[str, Any]]:
    """Lets the competitors train and read in turn; tells how far their first logits are from ours."""
    task.save()
    records = compete(entrants, task.folder, ("step", "train", "reset", "infer"), ("train", "infer"), rounds)
    finished = [record for record in records if "error" not in record]
    first = [np.array(record["warm_up"]["infer"]["values"]) for record in finished]
    for record, logits in zip(finished, first, strict=True):
        record["logits_differ"] = difference(task, logits, first[0])
        last = np.array(record["rounds"][-1]["infer"]["values"])
        record["accuracy"] = float(((last > 0) == task.test.labels).mean())
    return without_values(records)


def difference(task: Task, logits: np.ndarray, ours: np.ndarray) -> dict[str, float]:
    """The largest difference from our logits, at the same weights, over reviews without and with padding."""
    full = lengths(task.test) == task.max_length
    gaps = np.abs(logits - ours)
    return {"full": float(gaps[full].max(initial=0)), "padded": float(gaps[~full].max(initial=0))}
