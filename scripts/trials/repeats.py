"""The same run again, on all cores or on one of them."""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.trials.rig import Rig, outcome


def trial(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Trains once more and compares with the run before on as many cores."""
    cores = sorted(os.sched_getaffinity(0))
    if draw.random() < 0.5:
        rig.finish(folder / "run")
        return Counter({"on all cores": 1})
    for run in (rig.folder / "one-core", folder / "run"):
        if not run.exists():
            with _on(draw.choice(cores)):
                rig.run_through(run)
    outcome(folder / "run").check_same(outcome(rig.folder / "one-core"))
    return Counter({"on one core": 1})


@contextlib.contextmanager
def _on(core: int) -> Iterator[None]:
    """Processes that are started meanwhile have this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
