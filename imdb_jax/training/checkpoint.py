"""Checkpoints by Orbax: the two latest and the best, written while training goes on."""

import logging
import math
from pathlib import Path
from typing import Any, cast

import jax
from orbax.checkpoint import v1 as ocp

from imdb_jax.errors import MISSING_INPUT, UserError
from imdb_jax.training.step import TrainState

logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax tells each phase of each save there

History = list[dict[str, Any]]


class Checkpoints:
    """The checkpoints of a run.

    Args:
      folder: where they stand, one folder per step.
      read_only: leave alone what looks like the rest of a killed save: a run may be saving there now.
    """

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self._saving: Any = None
        keep: Any = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            str(folder.absolute()),
            # Best alone would evict the latest step, which resuming needs.
            preservation_policy=keep.AnyPreservationPolicy(
                [
                    keep.LatestN(2),
                    keep.BestN(get_metric_fn=_rank, n=1, keep_checkpoints_without_metrics=False),
                ]
            ),
            cleanup_tmp_directories=not read_only,
        )

    def save(self, state: TrainState, history: History, score: float | None = None) -> None:
        """Starts writing a checkpoint.

        Args:
          state: its step names the checkpoint.
          history: the lines of metrics so far, kept with the state so that a resumed run has no hole in them.
          score: what the best checkpoint has most of; None when the step was not evaluated, in mid-epoch.
        """
        step = int(state.step)
        metadata: Any = {"history": history, "leaves": _describe(state)}
        if any(checkpoint.step == step for checkpoint in self._checkpointer.checkpoints):
            return
        self._saving = self._checkpointer.save_async(
            step,
            state,
            force=True,
            metrics=None if score is None else {"score": score, "step": step},
            custom_metadata=metadata,
        )

    def restore_latest(self, like: TrainState) -> tuple[TrainState, History] | None:
        """Reads the latest checkpoint.

        Args:
          like: a state with the structure, shapes, dtypes and placement to restore to.

        Returns:
          The state and the history saved with it, or None where there is no checkpoint yet.

        Raises:
          UserError: the checkpoint is of another model.
        """
        latest = self._checkpointer.latest
        return None if latest is None else self._restore(latest, like)

    def restore_best(self, like: TrainState) -> TrainState:
        """Reads the evaluated checkpoint with the highest score, the first of equals.

        Raises:
          UserError: there is none yet, or it is of another model.
        """
        evaluated = [c for c in self._checkpointer.checkpoints if c.metrics is not None]
        if not evaluated:
            folder = self._checkpointer.directory
            raise UserError(f"{folder}: no evaluated checkpoint yet; let training end an epoch", MISSING_INPUT)
        return self._restore(max(evaluated, key=lambda c: _rank(c.metrics)), like)[0]

    def _restore(self, checkpoint: Any, like: TrainState) -> tuple[TrainState, History]:
        saved: Any = self._checkpointer.metadata(checkpoint.step).custom_metadata
        _check_same_model(saved["leaves"], _describe(like), checkpoint.path)
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
        return cast(TrainState, self._checkpointer.load(checkpoint.step, abstract)), saved["history"]

    def wait(self) -> None:
        """Waits until the last checkpoint is written."""
        if self._saving is not None:
            self._saving.result()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._checkpointer.close()


def _rank(metrics: Any) -> Any:
    score = metrics["score"]
    return (score if math.isfinite(score) else -math.inf, -metrics["step"])


def _describe(state: TrainState) -> dict[str, str]:
    """Dtype and shape of every leaf, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): f"{x.dtype}{list(x.shape)}" for path, x in leaves}


def _check_same_model(saved: dict[str, str], wanted: dict[str, str], path: Any) -> None:
    """Refuses another model's checkpoint by name; Orbax would cast without a word."""
    for leaf in {**saved, **wanted}:
        there, here = saved.get(leaf, "absent"), wanted.get(leaf, "absent")
        if there != here:
            raise UserError(f"{path}: {leaf} is {there} there but {here} in this config; use the config of that run")
