"""Fit: epochs and early stopping."""

import logging
import math
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

from imdb_jax.config import TrainingConfig
from imdb_jax.data.batches import Batches
from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.history import best_epoch, is_finished, score_of
from imdb_jax.training.logs import HistoryLog, epoch_line, progress_bar
from imdb_jax.training.metrics import score
from imdb_jax.training.parallel import DataParallel
from imdb_jax.training.processes import is_alone
from imdb_jax.training.profile import CompileClock, Profile
from imdb_jax.training.signals import Interrupted, StopSignal
from imdb_jax.training.step import TrainState

log = logging.getLogger(__name__)

LOOK = 50  # steps between looks at the loss, each of which waits for the device


class Watch(NamedTuple):
    """What is looked at while a run trains.

    Attributes:
      stop: asked after each step, of several processes after each `LOOK`.
      clock: counts the programs that are compiled, of which there should be none after the first whole epoch.
      profile: traces some steps.
    """

    stop: StopSignal
    clock: CompileClock
    profile: Profile | None = None


def _check_finite(state: TrainState, checkpoints: Checkpoints | None) -> None:
    """Ends a run whose weights are lost, before they are saved."""
    if math.isfinite(state.metrics.loss):
        return
    newest = None
    if checkpoints is not None:
        checkpoints.wait()
        newest = checkpoints.newest()
    raise UserError(
        f"the training loss is {float(state.metrics.loss)} at step {int(state.step)}; lower "
        "optimizer.learning_rate or set optimizer.clip_norm, in another --workdir "
        + ("(no checkpoint was written)" if newest is None else f"(the last checkpoint is of step {newest})"),
        BAD_DATA,
    )


def fit(
    replicas: DataParallel,
    states: list[TrainState],
    config: TrainingConfig,
    seed: int,
    train: Batches,
    validation: Batches,
    checkpoints: Checkpoints | None,
    run_log: HistoryLog,
    watch: Watch,
) -> None:
    """Trains until `is_finished`, evaluating and saving after each epoch.

    Args:
      replicas: the model on its devices.
      states: a fresh or restored state on each device, in mid-epoch too; training goes on from its step and consumes
        them.
      config: how long, and what to choose by.
      seed: of the order of batches.
      train: batches to learn from.
      validation: batches to choose the best epoch by.
      checkpoints: where each epoch's state goes; None in a process that writes none.
      run_log: where each epoch's figures go; its history must be that of the state.
      watch: what else is looked at.

    Raises:
      Interrupted: a signal came; the state is saved.
      UserError: the training loss is no longer a finite number.
    """
    stop, clock, profile = watch
    steps, share = len(train), replicas.share(train.batch_size)
    step = int(states[0].step)
    between_looks = 1 if is_alone() else LOOK  # several processes must ask each other
    warmed_up = False
    while not is_finished(run_log.history, config):
        epoch, first_step = divmod(step, steps)
        started, compiled_before = time.perf_counter(), clock.count
        rows = config.batch_size
        with progress_bar(epoch + 1, config.epochs, len(train.lengths), first_step * rows) as bar:
            for shards in replicas.send(train.shuffled(seed, epoch, first_step, share)):
                with jax.profiler.StepTraceAnnotation("train", step_num=step):
                    states = replicas.step(states, shards)
                step += 1
                if profile:
                    profile.step(states)
                bar.update(min(rows, bar.total - bar.n))
                if step % LOOK == 0 or step % steps == 0:
                    _check_finite(states[0], checkpoints)
                if step % between_looks or step % steps == 0:  # an epoch at its end is evaluated first: see below
                    continue
                if signum := stop.asked():
                    _check_finite(states[0], checkpoints)
                    if checkpoints is not None:
                        checkpoints.save(replicas.state(states), run_log.history)
                    raise Interrupted(signum)
        record = {"epoch": epoch + 1, "step": step, "train": states[0].metrics.compute()}
        seconds = time.perf_counter() - started
        logits = replicas.logits(replicas.readers(states), validation)
        record["validation"] = score(logits, validation.split.labels)
        record["seconds"] = round(seconds, 3)
        part = (steps - first_step) / steps
        record["reviews_per_second"] = round(part * len(train.lengths) / seconds, 1)
        record["tokens_per_second"] = round(part * int(train.lengths.sum()) / seconds, 1)
        run_log.write(record)
        best = best_epoch(run_log.history, config.monitor) == epoch
        remaining = (time.perf_counter() - started) * (config.epochs - epoch - 1)
        compiled = clock.count - compiled_before
        log.info(epoch_line(record, config.epochs, remaining, best, compiled))
        if compiled and warmed_up:
            log.warning(f"epoch {epoch + 1} compiled {compiled} programs; there should be none after the first")
        warmed_up |= first_step == 0
        state = replicas.state(states)
        state = state._replace(metrics=jax.tree.map(jnp.zeros_like, state.metrics))
        states = replicas.place(state)  # copies: training consumes them while the state is being written
        if checkpoints is not None:
            checkpoints.save(state, run_log.history, score_of(record, config.monitor))
        del state  # one copy less in memory as soon as it is written
        if signum := stop.asked():
            raise Interrupted(signum)
