"""Breaks real training runs on purpose and checks that nothing is lost, and that runs repeat bit for bit.

Prints one line for each goal, with counts. Every trial is drawn from the seed, the goal and its number; one that fails
leaves its folder and tells how to repeat it, and the script ends with code 1, as it does where a goal was hardly
tested, such as no kill at all. The second of two starts must end within 10 s of its start; on a quiet machine it takes
less than 2 s, which is counted. The full disk is a small tmpfs, which only root can mount. Takes about ten minutes on
two cores.
"""

import argparse
import logging
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from imdb_jax.runtime import set_up_process
from scripts.trials.damage import damage
from scripts.trials.disk import disk
from scripts.trials.interruptions import kills, repeats, signals, starts
from scripts.trials.rig import Failure, Rig, Skipped, Trial


class Goal(NamedTuple):
    """What must hold, how often it is tried, and what each trial must have counted on average to have tested it."""

    trial: Trial
    trials: int
    needed: dict[str, float]


GOALS = {
    "kills": Goal(kills, 3, {"kills": 1, "checkpoints restored": 1}),
    "damage": Goal(damage, 60, {"damaged": 1}),
    "disk": Goal(disk, 8, {"failed saves": 1}),
    "signals": Goal(signals, 6, {"SIGTERM": 0.5, "SIGINT": 0.5}),
    "starts": Goal(starts, 6, {"refused": 1}),
    "repeats": Goal(repeats, 10, {"on all cores": 0.2, "on one core": 0.2}),
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/faults", description=__doc__)
    parser.add_argument("--goals", nargs="+", choices=GOALS, default=list(GOALS))
    parser.add_argument("--trials", type=int, nargs="+", help="of each goal: one number for all of them, or one each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workdir", type=Path)
    args = parser.parse_args(arguments)
    if args.workdir and args.workdir.exists():
        parser.error(f"--workdir: {args.workdir} is there already")
    trials = args.trials or [GOALS[name].trials for name in args.goals]
    trials = trials * len(args.goals) if len(trials) == 1 else trials
    if len(trials) != len(args.goals):
        parser.error(f"--trials: {len(trials)} numbers; give one, or one for each of the {len(args.goals)} goals")
    folder = args.workdir or Path(tempfile.mkdtemp(prefix="faults-"))
    os.environ["IMDB_JAX_CACHE"] = str(folder / "cache")
    set_up_process()
    logging.getLogger("imdb_jax").propagate = False
    logging.getLogger("imdb_jax").setLevel(logging.INFO)
    rig = Rig(folder)
    failures = sum(run(name, rig, number, args.seed) for name, number in zip(args.goals, trials, strict=True))
    if failures:
        sys.exit(1)
    if not args.workdir:
        shutil.rmtree(folder)


def run(name: str, rig: Rig, trials: int, seed: int) -> int:
    """Runs the trials of a goal and prints its line; returns how many failed."""
    counts: Counter[str] = Counter()
    failed = 0
    for number in range(trials):
        folder = rig.folder / f"{name}-{seed}-{number}"
        folder.mkdir()
        try:
            counts += GOALS[name].trial(rig, random.Random(f"{seed} {name} {number}"), folder)
        except Skipped as skipped:
            shutil.rmtree(folder)
            print(f"{name}: skipped, {skipped}", flush=True)
            return 0
        except Failure as failure:
            failed += 1
            again = f"scripts/faults --goals {name} --seed {seed} --trials {number + 1}"
            print(f"{name}: trial {number} failed: {failure}\n  folder: {folder}\n  again: {again}", flush=True)
        else:
            shutil.rmtree(folder)
    for what, share in GOALS[name].needed.items():
        if counts[what] < (least := int(share * (trials - failed))):
            failed += 1
            print(f"{name}: tested too little: {counts[what]} {what} in {trials} trials, not {least}", flush=True)
    told = "".join(f", {count} {what}" for what, count in counts.items())
    print(f"{name}: {trials} trials with seed {seed}{told}; {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    main(sys.argv[1:])
