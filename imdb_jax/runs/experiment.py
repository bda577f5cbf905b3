"""One training run from config to results: data, model, training, one look at the test split."""

import contextlib
import itertools
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from rich.table import Table

from imdb_jax.training.build import build_model, build_learner, batches, padding
from imdb_jax.training.tables import results_table
from imdb_jax.training.history import best_epoch
from imdb_jax.config import Config, LSTMConfig, PretrainedEmbedding, SimpleRNNConfig, to_json
from imdb_jax.data.batches import Batches, Split
from imdb_jax.wordvectors.published import find_vectors
from imdb_jax.data.dataset import Dataset, load_dataset
from imdb_jax.wordvectors.table import coverage, fill_missing, read_vectors
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import BAD_DATA, IO_FAILED, UserError
from imdb_jax.runtime import device, surroundings, versions
from imdb_jax.models import Embedding, TextClassifier
from imdb_jax.models.recurrence import CHUNK
from imdb_jax.runs.run import Predictions, Run
from imdb_jax.training import loop
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.profile import CompileClock
from imdb_jax.training.devices import replicate
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.logs import HistoryLog, RunLog, log_file
from imdb_jax.training.tables import parameter_table, render
from imdb_jax.training.loop import Watch
from imdb_jax.training.metrics import Scores, score
from imdb_jax.training.optimizer import build_optimizer
from imdb_jax.training.processes import first_then_others, is_first, of_first, state_of_first, together, with_peers
from imdb_jax.training.profile import Profile
from imdb_jax.training.signals import StopSignal
from imdb_jax.training.step import Learner, TrainState

log = logging.getLogger(__name__)













def run_experiment(config: Config, workdir: str | Path, started: float, *, profile: bool = False) -> None:
    """Trains, or goes on training, in a run directory and writes its results.

    Args:
      config: of the run; must equal that of the directory if it holds a run already.
      workdir: the run directory.
      started: `time.perf_counter()` when the command began, for the record of seconds.
      profile: traces some steps into `profile/` of the run directory.

    Raises:
      UserError: bad data, a workdir in use or of another config, diverging loss.
      Interrupted: by a signal, after a checkpoint.
    """
    seconds = {"import": time.perf_counter() - started}
    run = Run(workdir)
    with with_peers(), contextlib.ExitStack() as stack:
        results = of_first(together(lambda: _open(run, config, stack) if is_first() else None))
        if results is None:
            before = time.perf_counter()
            dataset = first_then_others(lambda: load_dataset(config.data))
            vectors = together(lambda: _begin(config, run, dataset) if is_first() else None)
            model = together(lambda: build_model(config, dataset.vocabulary, vectors))
            seconds["data"] = time.perf_counter() - before
            tracing = Profile(run.folder / "profile") if profile and is_first() else None
            results = _train(model, dataset, config, run, started, seconds, StopSignal(), profile=tracing)
        else:
            log.info(f"{run.folder} is finished; choose another --workdir to train again")
        log.info(results_table(results))


def _open(run: Run, config: Config, stack: contextlib.ExitStack) -> dict[str, Any] | None:
    """Takes the run directory for this process; returns the results of a run that is finished."""
    stack.enter_context(run.taken(config))
    stack.enter_context(log_file(run.folder / "train.log"))
    return run.results()


def run_member(config: Config, run: Run, dataset: Dataset, stop: StopSignal, devices: Sequence[Any]) -> dict[str, Any]:
    """Trains one of several runs of this process, as `run_experiment` would alone, and quietly.

    Args:
      config: of the run; must equal that of the directory if it holds a run already.
      run: its directory.
      dataset: of the config.
      stop: entered by the main thread.
      devices: to choose from, as `replicate` does.

    Returns:
      What is in results.json.

    Raises:
      UserError: a workdir in use or of another config, diverging loss.
      Interrupted: the state is saved.
    """
    started = time.perf_counter()
    with run.taken(config):
        if (results := run.results()) is not None:
            return results
        with log_file(run.folder / "train.log"):
            model = build_model(config, dataset.vocabulary, _begin(config, run, dataset))
            seconds = {"data": time.perf_counter() - started}
            results = _train(
                model, dataset, config, run, started, seconds, contextlib.nullcontext(stop), devices=devices
            )
            log.info(results_table(results))
            return results


def fit(model: TextClassifier, dataset: Dataset, config: Config, workdir: str | Path) -> dict[str, Any]:
    """Trains a model in a run directory, as `run_experiment` does, for those who build it themselves.

    Args:
      model: of the config; in the end it has the weights of the best epoch.
      dataset: of the config.
      config: of the run; must equal that of the directory if it holds a run already.
      workdir: the run directory; training goes on where it stopped there.

    Returns:
      What is in results.json.

    Raises:
      UserError: a workdir in use or of another config, diverging loss.
      Interrupted: by a signal, after a checkpoint.
    """
    started = time.perf_counter()
    run = Run(workdir)
    with run.taken(config), log_file(run.folder / "train.log"):
        if run.begun:
            run.check_data(dataset)
        else:
            table = np.asarray(model.embedding.table) if isinstance(model.embedding, Embedding) else None
            vectors = table if isinstance(config.model.embedding, PretrainedEmbedding) else None
            run.begin(config, dataset.vocabulary, dataset.audit, dataset.fingerprint, vectors)
        results = run.results() or _train(model, dataset, config, run, started, {}, StopSignal())
        with Checkpoints(run.checkpoints, run.origin(), read_only=True) as checkpoints:
            best = checkpoints.restore_best(build_learner(model, config, steps=1)[1])
    nnx.update(model, best.eval_params)
    return results


def _train(
    model: TextClassifier,
    dataset: Dataset,
    config: Config,
    run: Run,
    started: float,
    seconds: dict[str, float],
    stopping: contextlib.AbstractContextManager[StopSignal],
    *,
    devices: Sequence[Any] | None = None,
    profile: Profile | None = None,
) -> dict[str, Any]:
    """Trains from the latest checkpoint on; of several processes only the first touches the run directory."""
    clock = CompileClock()
    train = batches(dataset.train, config, config.training.batch_size)
    validation = batches(dataset.validation, config, config.training.eval_batch_size)
    test = batches(dataset.test, config, config.training.eval_batch_size)
    log.info(
        f"{len(train.lengths):,} training, {len(validation.lengths):,} validation, {len(test.lengths):,} test reviews; "
        f"{len(dataset.vocabulary):,} tokens"
    )
    log.info(f"{padding(train, config):.1%} of the tokens that an epoch computes are padding")

    learner, state = build_learner(model, config, len(train) * config.training.epochs)
    log.info(parameter_table(state.params, learner.frozen))
    _check_same_start(learner, dataset)
    before = time.perf_counter()
    with contextlib.ExitStack() as stack:
        checkpoints = None
        if is_first():
            checkpoints = stack.enter_context(Checkpoints(run.checkpoints, run.origin(), surroundings()))
        like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)
        state, history = together(lambda: checkpoints and checkpoints.restore_latest(like)) or (state, [])
        state, history = state_of_first(state, like), of_first(history)
        if history or int(state.step):
            log.info(f"going on from step {int(state.step)}")
        replicas = replicate(learner, state.params, config.training.batch_size, devices)
        states = replicas.place(state)
        del state  # one copy less in memory
        run_log = RunLog(run.folder, history) if is_first() else HistoryLog(history)
        with stopping as stop, run_log, profile or contextlib.nullcontext():
            watch = Watch(stop, clock, profile)
            loop.fit(replicas, states, config.training, config.seed, train, validation, checkpoints, run_log, watch)
        history = run_log.history
        chosen = history[best_epoch(history, config.training.monitor)]
        best = together(lambda: checkpoints and _best(checkpoints, run, chosen, like))
    best = state_of_first(best, like)

    together(lambda: run.record_test_reading({"command": "train", "step": chosen["step"]}) if is_first() else None)
    readers = replicas.readers(replicas.place(best))
    predictions = {
        name: Predictions(replicas.logits(readers, split), split.split.labels)
        for name, split in (("validation", validation), ("test", test))
    }
    ended = time.perf_counter()
    seconds["compile"] = clock.seconds
    seconds["train"] = sum(record["seconds"] for record in history)
    seconds["evaluation"] = ended - before - seconds["train"]
    seconds["total"] = ended - started
    results = {
        **{name: score(*found) for name, found in predictions.items()},
        "seed": config.seed,
        "best_epoch": chosen["epoch"],
        "epochs": len(history),
        "seconds": {phase: round(value, 3) for phase, value in seconds.items()},
        "versions": versions(),
        "device": device(),
        "data": dataset.fingerprint,
        "reviews": dataset.reviews,
        "config": json.loads(to_json(config)),
    }
    if is_first():
        run.write_predictions(predictions)
        run.write_results(results)
    return results


def _check_same_start(learner: Learner, dataset: Dataset) -> None:
    """Makes sure that all processes read the same reviews and start from the same vectors."""
    mine = [dataset.fingerprint, *(mark for _, mark in fingerprints(learner.frozen).values())]
    those = of_first(mine)

    def check() -> None:
        if mine != those:
            raise UserError("its reviews or vectors are not those of process 0", BAD_DATA)

    together(check)


def _best(checkpoints: Checkpoints, run: Run, chosen: dict[str, Any], like: TrainState) -> TrainState:
    """The checkpoint of the epoch that was chosen.

    Raises:
      UserError: it, or the last one, could not be written, or is gone.
    """
    checkpoints.wait()
    if checkpoints.failed:
        raise UserError(
            f"{run.checkpoints}: the last or best checkpoint could not be written; make room and go on", IO_FAILED
        )
    best = checkpoints.restore_best(like)
    if int(best.step) != chosen["step"]:
        message = f"the checkpoint of the best epoch, {chosen['epoch']}, is gone; train again in another --workdir"
        raise UserError(f"{run.checkpoints}: {message}", IO_FAILED)
    return best


def _begin(config: Config, run: Run, dataset: Dataset) -> np.ndarray | None:
    """Begins a run, or finds it begun; returns the vectors that a pretrained embedding starts from."""
    if run.begun:
        run.check_data(dataset)
        return run.load_vectors()
    embedding = config.model.embedding
    vectors = covered = None
    if isinstance(embedding, PretrainedEmbedding):
        read = read_vectors(find_vectors(embedding.vectors), dataset.vocabulary.tokens)
        covered = coverage(read.found, dataset.counts, special=len(dataset.vocabulary.special.tokens))
        log.info(covered)
        vectors = fill_missing(read, embedding.missing, config.seed)
    run.begin(config, dataset.vocabulary, dataset.audit, dataset.fingerprint, vectors, covered)
    return vectors




