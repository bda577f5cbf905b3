"""A trace of some training steps, for TensorBoard's profile page and ui.perfetto.dev."""

import logging
from pathlib import Path
from typing import Any

import jax

from imdb_jax.errors import LOCKED, UserError

log = logging.getLogger(__name__)

UNTRACED = 10  # steps at the start, which compile and fill queues
TRACED = 10


class Profile:
    """Inside `with`, traces the 11th to the 20th training step of this process.

    Args:
      folder: where the trace goes, beside those of earlier starts.

    Raises:
      UserError: the folder can't be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steps = 0
        self._tracing = False

    def __enter__(self) -> "Profile":
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(f"{self._folder}: {error.strerror}; make room for --profile", LOCKED) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._tracing:
            self._stop()
        elif self._steps < UNTRACED:
            log.warning(f"--profile: nothing traced in {self._steps} steps; it begins after {UNTRACED}")

    def step(self, states: Any) -> None:
        """Counts a step, given what it returns; waits for it where the trace begins and where it ends."""
        self._steps += 1
        if self._steps == UNTRACED:
            jax.block_until_ready(states)
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # the loop is short; its calls would hide what the devices do
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True, profiler_options=options)
            self._tracing = True
        elif self._steps == UNTRACED + TRACED:
            jax.block_until_ready(states)
            self._stop()

    def _stop(self) -> None:
        self._tracing = False
        try:
            jax.profiler.stop_trace()
        except (OSError, jax.errors.JaxRuntimeError) as error:
            log.warning(f"{self._folder}: no trace written ({str(error).splitlines()[0]}); training goes on")
        else:
            traced = self._steps - UNTRACED
            log.info(f"{self._folder}: a trace of {traced} steps, for TensorBoard's profile page and ui.perfetto.dev")
