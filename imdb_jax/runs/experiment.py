"""One training run from config to results: data, model, training, one look at the test split."""

import contextlib
import json
import logging
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from imdb_jax.config import Config, LogCountRatioEmbedding, PretrainedEmbedding, dump, load
from imdb_jax.data.dataset import Dataset, load_dataset
from imdb_jax.errors import BAD_DATA, IO_FAILED, UserError
from imdb_jax.models import TextClassifier
from imdb_jax.runs.folder import LOG
from imdb_jax.runs.run import Predictions, Results, Run
from imdb_jax.runtime import device, environment, start_backend, versions
from imdb_jax.storage import sha256
from imdb_jax.training import build
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.history import Epoch, History
from imdb_jax.training.logs import RunLog, log_file, shown_in_cell
from imdb_jax.training.loop import Stopwatch, train_epochs
from imdb_jax.training.metrics import score
from imdb_jax.training.parallel import replicate
from imdb_jax.training.processes import agree, broadcast, broadcast_state, by_first, exchange, with_peers
from imdb_jax.training.signals import StopSignal
from imdb_jax.training.step import Learner, TrainState
from imdb_jax.training.tables import SCORE_COLUMNS, parameter_table, score_cells, text_table
from imdb_jax.wordvectors.table import coverage

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
            built = [model or agree(lambda: build.build_model(config, data.vocabulary, vectors, data))]
            stopwatch.lap("data")
            results = _train(built.pop(), data, config, keeper, stopwatch)  # it alone has what was built here
        else:
            moved = broadcast(by_first(lambda: keeper.run.config() != config))
            if dataset is not None or moved:  # reviews that lie elsewhere must be the same
                keeper.begin(dataset or agree(lambda: load_dataset(config.data)), model)
            log.info(f"{workdir} is finished; choose another --workdir to train again")
        log.info(results_table(results))
    return results


def fit(model: TextClassifier, dataset: Dataset, config: Config, workdir: str | Path) -> Results:
    """`run_experiment` for those who build model and dataset themselves, by the same config.

    In the end the model has the weights of the best epoch. In a notebook the cell shows what the command would tell.
    """
    for given, kind in ((model, TextClassifier), (dataset, Dataset), (config, Config)):
        if not isinstance(given, kind):
            message = f"{type(given).__name__} where a {kind.__name__} must be"
            raise UserError(f"fit(model, dataset, config, workdir): {message}")
    with shown_in_cell():
        results = run_experiment(config, workdir, dataset=dataset, model=model)
    run = Run(workdir)
    checkpoints = Checkpoints(run.checkpoints, run.origin(), read_only=True)
    best = checkpoints.restore_best(build.build_learner(model, config, steps=1)[1].evaluated())
    nnx.update(model, best.eval_params)
    return results


def _train(model: TextClassifier, dataset: Dataset, config: Config, keeper: "Keeper", stopwatch: Stopwatch) -> Results:
    """From the latest checkpoint on: restore, train, conclude."""
    train = build.batches(dataset.train, config, config.training.batch_size)
    validation = build.batches(dataset.validation, config, config.training.eval_batch_size)
    test = build.batches(dataset.test, config, config.training.eval_batch_size)
    log.info(
        f"{len(train.lengths):,} training, {len(validation.lengths):,} validation, {len(test.lengths):,} test reviews; "
        f"{len(dataset.vocabulary):,} tokens"
    )
    log.info(f"{build.padding(train, config):.1%} of the tokens that an epoch computes are padding")
    learner, state = build.build_learner(model, config, len(train) * config.training.epochs)
    del model  # one copy less in memory
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
    state = replicas.place(state)
    with StopSignal() as stop:
        try:
            train_epochs(replicas, state, history, config, train, validation, keeper.keep, stopwatch, stop)
        finally:
            keeper.wait()  # as long as signals that are sent again do no harm
    if overfitting := history.overfitting():
        log.info(overfitting)

    chosen = history.best(config.training.monitor)
    best = keeper.best(chosen)
    trained = replicas.eval_models(replicas.place(best))
    predictions = {
        "validation": Predictions(replicas.logits(trained, validation), dataset.validation.labels),
        "test": Predictions(replicas.logits(trained, test), dataset.test.labels),
    }
    stopwatch.lap("evaluation")
    results = Results(
        validation=score(*predictions["validation"]),
        test=score(*predictions["test"]),
        seed=config.seed,
        best_epoch=chosen.epoch,
        epochs=len(history.epochs),
        seconds=history.seconds,
        versions=versions(),
        device=device(),
        data=dataset.fingerprint,
        reviews=dataset.reviews,
        config=dump(config),
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


class Keeper(contextlib.ExitStack):
    """What a run keeps on disk while `with` lasts; the methods are called in the order in which they stand.

    Process 0 alone reads and writes the run directory, so that the others need not see its disk. What it finds there
    all others are told, and where it fails all fail. With a single process nothing of this costs anything.
    """

    def __init__(self, run: Run, config: Config) -> None:
        super().__init__()
        self.run = run
        self._config = config
        self._checkpoints: Checkpoints | None = None  # of process 0, once there is something to save
        self._log: RunLog | None = None

    def take(self) -> Results | None:
        """Takes the directory, unless it is in use or of another config; the results of a run that is finished."""

        def take() -> Results | None:
            self.enter_context(self.run.taken())
            if self.run.begun:
                self.run.check_config(self.run.config(), self._config)
            self.enter_context(log_file(self.run.folder / LOG))
            return self.run.results()

        found = broadcast(dump(by_first(take)))
        return found and load(Results, found, str(self.run.folder))

    def begin(self, dataset: Dataset, model: TextClassifier | None = None) -> np.ndarray | None:
        """Writes what later commands need, unless the run has begun; then its reviews must be those of the dataset.

        Returns the vectors [V, D] that a pretrained embedding, or one of log-count ratios, starts from: those of the
        model where it is built already, else those that are found or counted. None in all processes but the first.
        """
        return by_first(lambda: self._begin(dataset, model))

    def _begin(self, dataset: Dataset, model: TextClassifier | None) -> np.ndarray | None:
        config, begun, table, covered = self._config, self.run.begun, None, None
        embedding = config.model.embedding
        build.check_dataset(dataset, config)
        if begun:
            self.run.check_data(dataset)
            table = self.run.load_vectors()
        elif isinstance(embedding, PretrainedEmbedding | LogCountRatioEmbedding):
            if model is not None and not getattr(embedding, "folded", False):
                table = np.asarray(getattr(model.embedding, "table", np.zeros((0, 0))))  # what has none is refused
            elif isinstance(embedding, LogCountRatioEmbedding):
                table = build.log_count_ratios(dataset, embedding.smoothing)
            else:
                vectors = build.initial_vectors(embedding, dataset.vocabulary, config.seed)
                special = len(dataset.vocabulary.special.tokens)
                table, covered = vectors.table, coverage(vectors.found, dataset.counts, special)
                log.info(covered)
        if model is not None and not build.check_model(model, config, dataset.vocabulary, table) and not begun:
            log.warning(f"the model starts from other weights than seed {config.seed} draws: has it been trained?")
        if not begun:
            self.run.begin(config, dataset, table, covered)
        return table

    def check_same_start(self, learner: Learner, dataset: Dataset) -> None:
        """Makes sure that all processes read the same reviews and start from the same vectors."""
        mine = [dataset.fingerprint, *(mark for _, mark in fingerprints(learner.frozen).values())]
        first, *others = exchange(mine)
        for number, marks in enumerate(others, start=1):
            if marks != first:
                raise UserError(f"process {number}: its reviews or vectors are not those of process 0", BAD_DATA)

    def restore(self, fresh: TrainState) -> tuple[TrainState, History]:
        """The latest checkpoint, or a fresh state where there is none yet; from now on `keep` may be called."""
        self._like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), fresh)

        def restore() -> tuple[TrainState, History] | None:
            self._checkpoints = self.enter_context(Checkpoints(self.run.checkpoints, self.run.origin(), environment()))
            found = self._checkpoints.restore_latest(self._like)
            history = History.of(found[1]) if found else History()
            self._log = self.enter_context(RunLog(self.run.folder, history.epochs))
            return (found[0], history) if found else None

        state, history = by_first(restore) or (fresh, History())
        return broadcast_state(state, self._like), History.of(broadcast(dump(history)))

    def keep(self, state: TrainState, history: History) -> None:
        """Begins to save a state; where it ends an epoch, the epoch's figures are written first."""
        if self._checkpoints is None or self._log is None:
            return
        rank = None
        if history.epochs and history.epochs[-1].step == int(state.step):
            self._log.write(history.epochs)
            rank = history.epochs[-1].rank(self._config.training.monitor)
        self._checkpoints.save(state, dump(history), rank)

    def wait(self) -> None:
        """Waits until what `keep` began is on the disk."""
        if self._checkpoints is not None:
            self._checkpoints.wait()

    def best(self, chosen: Epoch) -> TrainState:
        """The checkpoint of the epoch that was chosen; that the test split is about to be looked at is noted."""

        def best() -> TrainState:
            assert self._checkpoints is not None
            self._checkpoints.wait()
            where = self.run.checkpoints
            if self._checkpoints.failed:
                message = "the last or best checkpoint could not be written; make room and go on"
                raise UserError(f"{where}: {message}", IO_FAILED)
            best = self._checkpoints.restore_best(self._like.evaluated())
            if int(best.step) != chosen.step:
                message = f"the checkpoint of the best epoch, {chosen.epoch}, is gone; train again in another --workdir"
                raise UserError(f"{where}: {message}", IO_FAILED)
            self.run.record_test_reading({"command": "train", "step": chosen.step})
            return best

        return broadcast_state(by_first(best), self._like.evaluated())

    def conclude(self, history: History, results: Results, predictions: dict[str, Predictions]) -> None:
        """Ends the run."""

        def conclude() -> None:
            assert self._log is not None
            self._log.write_metrics(history.epochs)  # once more, where there was no room
            self.run.conclude(results, predictions)

        by_first(conclude)
