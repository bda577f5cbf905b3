"""Epochs of training, each followed by an evaluation, until the last one or until patience is at its end."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from imdb_jax.config import Config
from imdb_jax.data.batches import Batches
from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.training.history import Epoch, History, Seconds
from imdb_jax.training.logs import epoch_line, progress_bar
from imdb_jax.training.metrics import score
from imdb_jax.training.parallel import Replicas
from imdb_jax.training.processes import is_alone
from imdb_jax.training.signals import Interrupted, StopSignal
from imdb_jax.training.step import TrainState

log = logging.getLogger(__name__)

LOOK = 50  # steps between looks at the loss, each of which waits for the device


class Stopwatch:
    """Inside `with`, sums up the seconds of each phase, and counts compilations.

    The first phase counts from `started` on, a `time.perf_counter()`; from now on, unless given.
    """

    def __init__(self, started: float | None = None) -> None:
        self.seconds = Seconds()
        self.compilations = 0
        self._mark = time.perf_counter() if started is None else started

    def __enter__(self) -> "Stopwatch":
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._listen)

    def lap(self, phase: Literal["start", "data", "train", "evaluation"]) -> None:
        """Gives a phase the time since the last lap."""
        now = time.perf_counter()
        setattr(self.seconds, phase, getattr(self.seconds, phase) + now - self._mark)
        self.seconds.total += now - self._mark
        self._mark = now

    def _listen(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self.seconds.compile += duration_secs
            self.compilations += 1


def train_epochs(
    replicas: Replicas,
    state: TrainState,
    history: History,
    config: Config,
    train: Batches,
    validation: Batches,
    keep: Callable[[TrainState, History], None],
    stopwatch: Stopwatch,
    stop: StopSignal,
) -> None:
    """Trains until the history is finished, evaluating and saving after each epoch.

    Args:
      state: fresh or restored, on the devices, in mid-epoch too; training goes on from its step and consumes it.
      history: up to the step of the state; it grows by an epoch at a time.
      keep: called after each epoch, and where a signal stops the run.

    Raises:
      Interrupted: a signal came; the state is saved.
      UserError: the loss, on training or validation reviews, or a weight is no longer a finite number.
    """
    training, step = config.training, int(state.step)
    while not history.is_finished(training):
        number, first_step = len(history.epochs) + 1, step % len(train)
        before, compiled_before = stopwatch.seconds.total, stopwatch.compilations
        with progress_bar(number, training.epochs, len(train.lengths), first_step * training.batch_size) as bar:
            batches = train.shuffled(config.seed, number - 1, first_step, replicas.share(train.batch_size))
            for after in replicas.steps(state, batches):
                state = after
                step += 1
                bar.update(min(training.batch_size, bar.total - bar.n))
                at_end = step % len(train) == 0
                if at_end or step % LOOK == 0:
                    _check_finite("training loss", state.metrics.loss, step, history)
                # several processes must ask each other, which takes time; an epoch at its end is evaluated first
                if not at_end and (is_alone() or step % LOOK == 0) and (signum := stop.asked()):
                    _check_finite("training loss", state.metrics.loss, step, history)
                    stopwatch.lap("train")
                    keep(state, history)
                    raise Interrupted(signum)
        weights = jax.tree.leaves(jax.device_get((state.params, state.ema)))
        _check_finite(
            "largest weight", np.max([(each.max(initial=0), -each.min(initial=0)) for each in weights]), step, history
        )
        averages = state.metrics.compute()
        stopwatch.lap("train")
        scores = score(replicas.logits(replicas.eval_models(state), validation), validation.split.labels)
        _check_finite("validation loss", scores.loss, step, history)
        seconds = stopwatch.seconds.train - sum(epoch.seconds for epoch in history.epochs)
        epoch = Epoch(
            number,
            step,
            averages,
            scores,
            seconds=round(seconds, 3),
            reviews_per_second=round(len(train.lengths) / seconds, 1),
            tokens_per_second=round(int(train.lengths.sum()) / seconds, 1),
        )
        history.epochs.append(epoch)
        state = state._replace(metrics=jax.tree.map(jnp.zeros_like, state.metrics))
        stopwatch.lap("evaluation")
        remaining = (stopwatch.seconds.total - before) * (training.epochs - number)
        compiled = stopwatch.compilations - compiled_before
        best = history.best(training.monitor) is epoch
        log.info(epoch_line(epoch, training.epochs, remaining, best, compiled))
        keep(state, history)
        state = replicas.place(state)  # a copy: training consumes it while the one that was kept is being written
        if signum := stop.asked():
            raise Interrupted(signum)


def _check_finite(what: str, figure: Any, step: int, history: History) -> None:
    """Ends a run whose weights are lost, before they are saved."""
    if math.isfinite(figure):
        return
    kept = f"ended at step {history.epochs[-1].step}" if history.epochs else "is none"
    raise UserError(
        f"the {what} is {float(figure)} at step {step}; lower optimizer.learning_rate or "
        f"set optimizer.clip_norm, in another --workdir (the last epoch that was kept {kept})",
        BAD_DATA,
    )
