"""Which epoch is best, when training ends, and how long it took."""

import dataclasses
import json

import pytest

from imdb_jax.config import TrainingConfig
from imdb_jax.config.checked import dump
from imdb_jax.training import loop
from imdb_jax.training.history import Epoch, History, Seconds
from imdb_jax.training.loop import Stopwatch
from imdb_jax.training.metrics import Scores, TrainScores

NAN = float("nan")


def history(*accuracies: float) -> History:
    figures = TrainScores(0.5, 0.5)
    return History(
        [
            Epoch(number, 10 * number, figures, Scores(value, -value, NAN, 0.5, 4), seconds=1.0)
            for number, value in enumerate(accuracies, start=1)
        ]
    )


def test_the_best_epoch_is_the_first_of_equals_and_never_nan() -> None:
    assert history(0.5, 0.7, 0.7, 0.6).best("accuracy").epoch == 2
    assert history(0.5, 0.7, 0.9, 0.6).best("loss").epoch == 3
    assert history(NAN, 0.1).best("accuracy").epoch == 2
    assert history(0.1, NAN).best("accuracy").epoch == 1


def test_overfitting_is_told_with_what_shows_it() -> None:
    def over(train: float, validation: float, *losses: float) -> str | None:
        epochs = [
            Epoch(
                i,
                i,
                TrainScores(loss=0.1, accuracy=train),
                Scores(loss=loss, accuracy=validation, auc=NAN, f1=0.5, examples=4),
                seconds=1.0,
            )
            for i, loss in enumerate(losses, start=1)
        ]
        return History(epochs).overfitting()

    assert over(0.95, 0.86, 0.5, 0.4, 0.41) is None
    assert str(over(0.98, 0.86, 0.5)).startswith("the run over-fits: training accuracy is 12 points above validation")
    assert "the run over-fits: validation loss rises since epoch 2; try" in str(over(0.9, 0.86, 0.5, 0.4, 0.41, 0.45))
    assert " and validation loss rises since epoch 1; try more dropout" in str(over(1.0, 0.8, 0.3, 0.4, 0.5))


def test_patience_counts_epochs_without_a_better_one() -> None:
    config = TrainingConfig(epochs=10, patience=2)
    assert not history().is_finished(config)
    assert not history(0.5, 0.4).is_finished(config)
    assert history(0.5, 0.4, 0.5).is_finished(config)
    assert not history(0.5, 0.4, 0.6).is_finished(config)
    assert history(*[0.1 * i for i in range(10)]).is_finished(config)
    assert not history(0.5, 0.4, 0.3).is_finished(TrainingConfig(epochs=10, patience=None))


def test_a_history_is_read_as_it_was_written() -> None:
    written = history(0.5, 0.75)
    written.seconds = Seconds(train=2.5, total=4.0)
    content = json.loads(json.dumps(dump(written), allow_nan=False))
    read = History.of(content)
    assert dump(read) == content
    assert read.seconds == written.seconds
    assert read.epochs[1].validation.accuracy == 0.75
    assert str(read.epochs[1].validation.auc) == "nan"


def test_the_list_of_epochs_that_older_checkpoints_hold_is_read() -> None:
    old = dump(history(0.5, 0.75))["epochs"]
    old[0]["validation"]["auc"] = NAN  # as Python's json reads it
    read = History.of(old)
    assert [epoch.epoch for epoch in read.epochs] == [1, 2]
    assert read.seconds == Seconds()


def test_each_second_belongs_to_one_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 13.0, 14.5])
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(times))
    with Stopwatch(started=9.0) as stopwatch:
        stopwatch.lap("start")
        stopwatch.lap("train")
        stopwatch.lap("evaluation")
    assert stopwatch.seconds == Seconds(start=1.0, train=3.0, evaluation=1.5, total=5.5)
    stopwatch.seconds.add(Seconds(start=0.5, data=1.0, train=2.0, compile=0.25, total=3.5))
    assert dataclasses.asdict(stopwatch.seconds) == {
        "start": 1.5, "data": 1.0, "train": 5.0, "evaluation": 1.5, "compile": 0.25, "total": 9.0
    }  # fmt: skip
