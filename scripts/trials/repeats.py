"""The same run again, on all cores and on one of them."""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.trials.rig import Rig, outcome


def trial(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Trains once more on all cores, and on one of them, and compares with the runs before on as many."""
    rig.finish(folder / "run")
    for run in (rig.folder / "one-core", folder / "one-core"):
        if not run.exists():
            with _on(draw.choice(sorted(os.sched_getaffinity(0)))):
                rig.run_through(run)
    outcome(folder / "one-core").check_same(outcome(rig.folder / "one-core"))
    return Counter({"on all cores": 1, "on one core": 1})


@contextlib.contextmanager
def _on(core: int) -> Iterator[None]:
    """Processes that are started meanwhile have this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
