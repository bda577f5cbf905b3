"""Where the seconds of a run go: by phase, over all its starts, and into compiling."""

import time
from typing import Literal

import jax

from imdb_jax.training.history import Seconds


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
