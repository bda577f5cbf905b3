"""kill -9 at any moment, most of them while steps are taken and saved."""

import random
from collections import Counter
from pathlib import Path

from scripts.trials.rig import Rig, check_steps

START, STEPS = 0.6, 0.4  # how late a kill may come, in runs: after the start of the process, after that of training


def trial(rig: Rig, draw: random.Random, folder: Path) -> Counter[str]:
    """Starts a run again and again until a kill comes too late for it."""
    counts: Counter[str] = Counter()
    while True:
        training = rig.train(folder / "run")
        in_steps = draw.random() < 0.75
        if in_steps:
            training.wait_for_steps()
        if not training.goes_on(rig.seconds * draw.uniform(0, STEPS if in_steps else START)):
            break
        training.process.kill()
        training.end()
        counts["kills"] += 1
        counts["kills after the first step"] += in_steps
        counts["checkpoints restored"] += check_steps(folder / "run")
    training.end()
    rig.finish(folder / "run")
    counts["checkpoints restored"] += check_steps(folder / "run")
    return counts
