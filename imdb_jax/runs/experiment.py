"""One training run from config to results: data, model, training, one look at the test split."""

import json
import logging
from pathlib import Path

from flax import nnx

from imdb_jax.config import Config, to_json
from imdb_jax.data.dataset import Dataset, load_dataset
from imdb_jax.models import TextClassifier
from imdb_jax.runs.keeper import Keeper
from imdb_jax.runs.run import Predictions, Results, Run
from imdb_jax.runtime import device, start_backend, versions
from imdb_jax.storage import sha256
from imdb_jax.training.build import batches, build_learner, build_model, padding
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.clock import Stopwatch
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.logs import shown_in_cell
from imdb_jax.training.loop import train_epochs
from imdb_jax.training.metrics import score
from imdb_jax.training.parallel import replicate
from imdb_jax.training.processes import agree, with_peers
from imdb_jax.training.signals import StopSignal
from imdb_jax.training.tables import SCORE_COLUMNS, parameter_table, score_cells, text_table

log = logging.getLogger(__name__)


def run_experiment(
    config: Config,
    workdir: str | Path,
    *,
    dataset: Dataset | None = None,
    model: TextClassifier | None = None,
    started: float | None = None,
) -> Results:
    """Trains, or goes on training, in a run directory and writes its results.

    Args:
      config: of the run; must equal that of the directory if it holds a run already.
      dataset: of the config; opened unless given.
      model: of the config, with the weights to start from; built unless given.
      started: `time.perf_counter()` when the command began, for the record of seconds.

    Raises:
      UserError: bad data, a workdir in use or of another config, diverging loss.
      Interrupted: by a signal, after a checkpoint.
    """
    start_backend()
    with with_peers(), Keeper(Run(workdir), config) as keeper, Stopwatch(started) as stopwatch:
        stopwatch.lap("start")
        results = keeper.take()
        if results is None:
            data = dataset or agree(lambda: load_dataset(config.data))
            vectors = keeper.begin(data, model)
            model = model or agree(lambda: build_model(config, data.vocabulary, vectors, data))
            stopwatch.lap("data")
            results = _train(model, data, config, keeper, stopwatch)
        else:
            if dataset is not None:
                keeper.begin(dataset, model)
            log.info(f"{workdir} is finished; choose another --workdir to train again")
        log.info(results_table(results))
    return results


def fit(model: TextClassifier, dataset: Dataset, config: Config, workdir: str | Path) -> Results:
    """`run_experiment` for those who build model and dataset themselves, by the same config.

    In the end the model has the weights of the best epoch. In a notebook the cell shows what the command would tell.
    """
    with shown_in_cell():
        results = run_experiment(config, workdir, dataset=dataset, model=model)
    run = Run(workdir)
    checkpoints = Checkpoints(run.checkpoints, run.origin(), read_only=True)
    best = checkpoints.restore_best(build_learner(model, config, steps=1)[1])
    nnx.update(model, best.eval_params)
    return results


def _train(model: TextClassifier, dataset: Dataset, config: Config, keeper: Keeper, stopwatch: Stopwatch) -> Results:
    """From the latest checkpoint on: restore, train, conclude."""
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
    keeper.check_same_start(learner, dataset)

    state, history = keeper.restore(state)
    if int(state.step):
        log.info(f"going on from step {int(state.step)}")
    else:
        history.first_weights = sha256(json.dumps(fingerprints(state.params)).encode())[:16]
    stopwatch.seconds.add(history.seconds)
    history.seconds = stopwatch.seconds  # from now on one and the same
    replicas = replicate(learner, state.params, config.training.batch_size)
    states = replicas.place(state)
    del state  # one copy less in memory
    with StopSignal() as stop:
        try:
            train_epochs(replicas, states, history, config, train, validation, keeper.keep, stopwatch, stop)
        finally:
            keeper.wait()  # as long as signals that are sent again do no harm
    if overfitting := history.overfitting():
        log.info(overfitting)

    chosen = history.best(config.training.monitor)
    best = keeper.best(chosen)
    keeper.record_test_reading(chosen.step)
    models = replicas.eval_models(replicas.place(best))
    predictions = {
        "validation": Predictions(replicas.logits(models, validation), dataset.validation.labels),
        "test": Predictions(replicas.logits(models, test), dataset.test.labels),
    }
    stopwatch.lap("evaluation")
    results = Results(
        validation=score(*predictions["validation"]),
        test=score(*predictions["test"]),
        seed=config.seed,
        best_epoch=chosen.epoch,
        epochs=len(history.epochs),
        seconds=history.seconds.rounded(),
        versions=versions(),
        device=device(),
        data=dataset.fingerprint,
        reviews=dataset.reviews,
        config=json.loads(to_json(config)),
        first_weights=history.first_weights,
    )
    keeper.conclude(history, results, predictions)
    return results


def results_table(results: Results) -> str:
    """Scores on validation and test, as text."""
    rows = [(split, *score_cells(getattr(results, split))) for split in ("validation", "test")]
    seconds = results.seconds
    return text_table(
        f"Best epoch: {results.best_epoch} of {results.epochs}, seed {results.seed}",
        ("split", *SCORE_COLUMNS),
        rows,
        caption=f"{seconds.total:.1f} s in all, {seconds.train:.1f} s training, {seconds.compile:.1f} s compiling",
    )
