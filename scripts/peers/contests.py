"""The contests: trainers on the same reviews from the same weights, and servers of a trained model.

Trainers read ids, an epoch at a time. Servers are measured at steady state, from raw text to probabilities, with many
reviews at once and one at a time.
"""

from pathlib import Path
from typing import Any

import numpy as np

from imdb_jax.data.dataset import split_corpus
from imdb_jax.inference.predictor import restore_best
from imdb_jax.runs.run import Run
from scripts.commands import run
from scripts.peers.protocol import BATCH, Task, lengths
from scripts.peers.turns import OURS, Entrant, compete, without_values
from scripts.peers.workloads import WORKLOADS, by_name, prepare

KERAS, FLAX, TORCH = (f"scripts.peers.{name}_peer" for name in ("keras", "flax", "torch"))
DOCUMENTED = [
    Entrant("keras-tensorflow", KERAS, "documented", "tensorflow"),
    Entrant("keras-jax", KERAS, "documented"),
    Entrant("flax", FLAX, "documented"),
    Entrant("pytorch", TORCH, "documented"),
]
BUCKETED = [entrant._replace(name=f"{entrant.name}-bucketed", variant="bucketed") for entrant in DOCUMENTED]
EQUAL = [Entrant(OURS, "scripts.peers.ours", "train"), *DOCUMENTED]
TRAINERS = {
    "W1": [*EQUAL, *BUCKETED, Entrant("pytorch-unmasked", TORCH, "unmasked")],
    "W2": [*EQUAL, BUCKETED[-1]],
    "W3": [EQUAL[0], *(entrant for entrant in BUCKETED if entrant.module in (FLAX, TORCH))],
}


def train_in_turn(task: Task, entrants: list[Entrant], rounds: int) -> list[dict[str, Any]]:
    """Lets the competitors train and read in turn; tells how far their first logits are from ours."""
    records, first = _competed(task, entrants, ("step", "train", "reset", "infer"), ("train", "infer"), rounds)
    for record, logits in first:
        record["logits_differ"] = difference(task, logits, first[0][1])
        last = np.array(record["rounds"][-1]["infer"]["values"])
        record["accuracy"] = float(((last > 0) == task.test.labels).mean())
    return without_values(records)


def _competed(
    task: Task, entrants: list[Entrant], warm_up: tuple[str, ...], work: tuple[str, ...], rounds: int
) -> tuple[list[dict[str, Any]], list[tuple[dict[str, Any], np.ndarray]]]:
    """All records, and each of those who finished with what the last of its work gave first."""
    task.save()
    records = compete(entrants, task.folder, warm_up, work, rounds)
    finished = [record for record in records if "error" not in record]
    return records, [(record, np.array(record["warm_up"][work[-1]]["values"])) for record in finished]


def difference(task: Task, logits: np.ndarray, ours: np.ndarray) -> dict[str, float]:
    """The largest difference from our logits, at the same weights, over reviews without and with padding."""
    full = lengths(task.test) == task.max_length
    gaps = np.abs(logits - ours)
    return {"full": float(gaps[full].max(initial=0)), "padded": float(gaps[~full].max(initial=0))}


ALL_SERVERS = [
    Entrant(OURS, "scripts.peers.ours", "predict"),
    Entrant("imdb_jax-exported", "scripts.peers.ours", "exported"),
    Entrant("imdb_jax-exported-numpy", "scripts.peers.ours", "exported-numpy"),
    Entrant("keras-tensorflow", "scripts.peers.served_keras", "documented", "tensorflow"),
    Entrant("pytorch", TORCH, "served"),
]
SERVERS = {"W1": ALL_SERVERS, "W2": ALL_SERVERS}


def prepare_servers(name: str, folder: Path, reviews: int, single: int) -> Task:
    """A model of a workload in every form, trained for one epoch, and test reviews drawn from all."""
    place, head = ["--workdir", f"{folder}/run"], "--config.data.keep=head"  # as Keras' layer cuts
    run("imdb_jax.train", "--config", WORKLOADS[name][0], *place, "--config.training.epochs=1", head)
    run("imdb_jax.export", *place, "--out", f"{folder}/model.zip")
    trained = Run(folder / "run")
    learner, state = restore_best(trained)
    texts = [*split_corpus(trained.config().data).test.texts()]
    rows = np.random.default_rng(0).permutation(len(texts))[:reviews]
    return prepare(name, folder, BATCH, BATCH)._replace(
        weights=by_name(learner, state.eval_params), texts=tuple(texts[row] for row in rows), single=single
    )


def serve_in_turn(task: Task, entrants: list[Entrant], rounds: int) -> list[dict[str, Any]]:
    """Lets the servers read in turn; before the first round each has read all there is, both ways."""
    records, first = _competed(task, entrants, ("single", "many"), ("single", "many"), rounds)
    for record, probabilities in first:
        record["probabilities_differ"] = float(np.abs(probabilities - first[0][1]).max())
        for answers in record["rounds"]:
            answers["single"]["percentiles"] = np.percentile(answers["single"]["values"], (50, 99)).tolist()
    return without_values(records)
