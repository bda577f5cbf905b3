"""The page of one run."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from flax import nnx

from imdb_jax.config import MovedData, fields
from imdb_jax.data.dataset import load_dataset, open_corpus, split_corpus
from imdb_jax.inference.predictor import Predictor
from imdb_jax.reporting.charts import confusion_matrix, curve, lengths, reliability
from imdb_jax.reporting.mistakes import explain, surest_mistakes
from imdb_jax.reporting.page import write_page
from imdb_jax.runs.run import Run
from imdb_jax.training.metrics import calibration, confusion, score
from imdb_jax.training.tables import parameters, score_cells

MISTAKES = 10  # of each kind


def write_run_page(path: Path, run: Run, split: Literal["validation", "test"], moved: MovedData) -> None:
    """Reads a split with the best checkpoint of a run, finished or not, and shows what came of it.

    Raises:
      UserError: no run, no epoch has ended yet, or the reviews are gone or others than the run's.
    """
    config, results = run.config(), run.results()
    data = moved.applied_to(config.data)
    corpus = open_corpus(data)
    dataset = load_dataset(data, corpus)
    run.check_data(dataset)
    predictor = Predictor(run)
    history, monitor = run.history(), config.training.monitor
    reviews, encoded = (getattr(each, split) for each in (split_corpus(data, corpus), dataset))
    if split == "test":
        run.record_test_reading({"command": "report", "step": predictor.step})
    logits = predictor.logits(encoded)
    calibrated = calibration(logits, encoded.labels)
    negative, positive = (surest_mistakes(logits, encoded.labels, label, MISTAKES).tolist() for label in (0, 1))
    mistakes = explain(predictor, reviews, [*negative, *positive])
    if results:
        scores = {"validation": results.validation, "test": results.test}
    else:
        scores = {split: score(logits, encoded.labels)}
    _, trained, frozen = nnx.split(predictor.model, nnx.Param, ...)
    write_page(
        path,
        "run.html.j2",
        [
            curve("loss", history, monitor),
            curve("accuracy", history, monitor),
            confusion_matrix(confusion(logits, encoded.labels), split),
            reliability(calibrated, split),
            lengths(np.diff(dataset.train.offsets), config.data.max_length),
        ],
        run=run,
        config=fields(config),
        results=results,
        seconds=asdict(results.seconds) if results else {},
        split=split,
        scores={name: score_cells(each) for name, each in scores.items()},
        history=history.epochs,
        best=history.best(monitor),
        step=predictor.step,
        overfitting=history.overfitting(),
        calibration=calibrated,
        mistakes={
            "Predicted positive, true label negative": mistakes[: len(negative)],
            "Predicted negative, true label positive": mistakes[len(negative) :],
        },
        wrong=int(((logits > 0) != encoded.labels).sum()),
        parameters=parameters(nnx.to_pure_dict(trained), nnx.to_pure_dict(frozen)),
        reviews={name: len(getattr(dataset, name).labels) for name in ("train", "validation", "test")},
    )
