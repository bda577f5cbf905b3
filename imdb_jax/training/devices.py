"""Batches on their way to the device, and compiled programs kept on disk."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import jax

Tree = TypeVar("Tree")


def prefetch(batches: Iterable[Tree], depth: int = 2) -> Iterator[Tree]:
    """Sends batches ahead of their use: copies run while the device computes."""
    waiting: deque[Tree] = deque()
    for batch in batches:
        waiting.append(jax.device_put(batch))
        if len(waiting) > depth:
            yield waiting.popleft()
    yield from waiting


def keep_compiled(folder: Path) -> None:
    """Keeps compiled programs in a folder, so that the next run of the same program need not compile."""
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


class CompileClock:
    """Counts compilations, and the seconds they take, from its creation on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.count = 0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self.seconds += duration_secs
            self.count += 1
