"""What a run keeps on disk while it trains, and how several processes agree on it.

Process 0 alone reads and writes the run directory, so that the others need not see its disk. What it finds there all
others are told, and where it fails all fail. With a single process nothing of this costs anything.
"""

import contextlib
import logging

import jax
import numpy as np

from imdb_jax.config import Config, LogCountRatioEmbedding, PretrainedEmbedding
from imdb_jax.config.checked import dump, load
from imdb_jax.data.dataset import Dataset
from imdb_jax.errors import BAD_DATA, IO_FAILED, UserError
from imdb_jax.models import TextClassifier
from imdb_jax.runs.run import Predictions, Results, Run
from imdb_jax.runtime import environment
from imdb_jax.training.build import check_dataset, check_model, initial_vectors, log_count_ratios
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.history import Epoch, History
from imdb_jax.training.logs import RunLog, log_file
from imdb_jax.training.processes import agree, broadcast, broadcast_state, by_first
from imdb_jax.training.step import Learner, TrainState
from imdb_jax.wordvectors.table import coverage

log = logging.getLogger(__name__)


class Keeper(contextlib.ExitStack):
    """A run directory, for as long as `with` lasts; the methods are called in the order in which they stand."""

    def __init__(self, run: Run, config: Config) -> None:
        super().__init__()
        self.run = run
        self._config = config
        self._checkpoints: Checkpoints | None = None  # of process 0, once there is something to save
        self._log: RunLog | None = None

    def take(self) -> Results | None:
        """Takes the directory, unless it is in use or of another config; the results of a run that is finished."""
        found = broadcast(dump(self._take()))
        return found and load(Results, found, str(self.run.folder))

    @by_first
    def _take(self) -> Results | None:
        self.enter_context(self.run.taken())
        if self.run.begun:
            self.run.check_config(self.run.config(), self._config)
        self.enter_context(log_file(self.run.folder / "train.log"))
        return self.run.results()

    @by_first
    def begin(self, dataset: Dataset, model: TextClassifier | None = None) -> np.ndarray | None:
        """Writes what later commands need, unless the run has begun; then its reviews must be those of the dataset.

        Returns the vectors [V, D] that a pretrained embedding, or one of log-count ratios, starts from: those of the
        model where it is built already, else those that are found or counted. None in all processes but the first.
        """
        config, begun, table, covered = self._config, self.run.begun, None, None
        embedding = config.model.embedding
        check_dataset(dataset, config)
        if begun:
            self.run.check_data(dataset)
            table = self.run.load_vectors()
        elif isinstance(embedding, PretrainedEmbedding | LogCountRatioEmbedding):
            if model is not None:
                table = np.asarray(getattr(model.embedding, "table", np.zeros((0, 0))))  # what has none is refused
            elif isinstance(embedding, LogCountRatioEmbedding):
                table = log_count_ratios(dataset, embedding.smoothing)
            else:
                vectors = initial_vectors(embedding, dataset.vocabulary, config.seed)
                special = len(dataset.vocabulary.special.tokens)
                table, covered = vectors.table, coverage(vectors.found, dataset.counts, special)
                log.info(covered)
        if model is not None and not check_model(model, config, dataset.vocabulary, table) and not begun:
            log.warning(f"the model starts from other weights than seed {config.seed} draws: has it been trained?")
        if not begun:
            self.run.begin(config, dataset, table, covered)
        return table

    def check_same_start(self, learner: Learner, dataset: Dataset) -> None:
        """Makes sure that all processes read the same reviews and start from the same vectors."""
        mine = [dataset.fingerprint, *(mark for _, mark in fingerprints(learner.frozen).values())]

        def check() -> None:
            if broadcast(mine) != mine:
                raise UserError("its reviews or vectors are not those of process 0", BAD_DATA)

        agree(check)

    def restore(self, fresh: TrainState) -> tuple[TrainState, History]:
        """The latest checkpoint, or a fresh state where there is none yet; from now on `keep` may be called."""
        self._like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), fresh)
        state, history = self._restore() or (fresh, History())
        return broadcast_state(state, self._like), History.from_json(broadcast(history.to_json()))

    @by_first
    def _restore(self) -> tuple[TrainState, History] | None:
        self._checkpoints = self.enter_context(Checkpoints(self.run.checkpoints, self.run.origin(), environment()))
        found = self._checkpoints.restore_latest(self._like)
        history = History.from_json(found[1]) if found else History()
        self._log = self.enter_context(RunLog(self.run.folder, history.epochs))
        return (found[0], history) if found else None

    def keep(self, state: TrainState, history: History) -> None:
        """Begins to save a state; where it ends an epoch, the epoch's figures are written first."""
        if self._checkpoints is None or self._log is None:
            return
        rank = None
        if history.epochs and history.epochs[-1].step == int(state.step):
            self._log.write(history.epochs)
            rank = history.epochs[-1].rank(self._config.training.monitor)
        self._checkpoints.save(state, history.to_json(), rank)

    def wait(self) -> None:
        """Waits until what `keep` began is on the disk."""
        if self._checkpoints is not None:
            self._checkpoints.wait()

    def best(self, chosen: Epoch) -> TrainState:
        """The checkpoint of the epoch that was chosen."""
        return broadcast_state(self._best(chosen), self._like)

    @by_first
    def _best(self, chosen: Epoch) -> TrainState:
        assert self._checkpoints is not None
        self._checkpoints.wait()
        where = self.run.checkpoints
        if self._checkpoints.failed:
            message = "the last or best checkpoint could not be written; make room and go on"
            raise UserError(f"{where}: {message}", IO_FAILED)
        best = self._checkpoints.restore_best(self._like)
        if int(best.step) != chosen.step:
            message = f"the checkpoint of the best epoch, {chosen.epoch}, is gone; train again in another --workdir"
            raise UserError(f"{where}: {message}", IO_FAILED)
        return best

    @by_first
    def record_test_reading(self, step: int) -> None:
        """Notes that the test split is about to be looked at."""
        self.run.record_test_reading({"command": "train", "step": step})

    @by_first
    def conclude(self, history: History, results: Results, predictions: dict[str, Predictions]) -> None:
        """Ends the run."""
        assert self._log is not None
        self._log.write_metrics(history.epochs)  # once more, where there was no room
        self.run.conclude(results, predictions)
