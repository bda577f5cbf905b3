"""The benchmark: starts the competitors, lets them work in turn, one at a time, and reports."""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imdb_jax.errors import UserError
from scripts.peers import report, workloads
from scripts.peers.protocol import Child, ChildError
from scripts.peers.task import Task, lengths


class Entrant(NamedTuple):
    """A competitor: a file beside this one and what it is to do."""

    name: str
    module: str
    variant: str  # one of report.VARIANTS
    keras_backend: str = ""

    def start(self, task: Path, caches: Path) -> Child:
        """Starts the competitor; what it compiles it keeps in a folder of its own."""
        cache = caches / self.name
        cache.mkdir(exist_ok=True)
        environment = {
            "IMDB_JAX_CACHE": str(cache),
            "JAX_COMPILATION_CACHE_DIR": str(cache / "compilation"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
            "KERAS_BACKEND": self.keras_backend or "jax",
            "JAX_TRACEBACK_FILTERING": "off",  # else the last line of a traceback would be about filtering
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        command = [sys.executable, "-m", f"scripts.peers.{self.module}", str(task), self.variant]
        return Child(command, environment, cache / "log.txt")


OURS = Entrant("imdb_jax", "ours", "ours")
DOCUMENTED = [
    Entrant("keras-tensorflow", "keras_peer", "documented", "tensorflow"),
    Entrant("keras-jax", "keras_peer", "documented", "jax"),
    Entrant("flax", "flax_peer", "documented"),
    Entrant("pytorch", "torch_peer", "documented"),
]
BUCKETED = [entrant._replace(name=f"{entrant.name}-bucketed", variant="bucketed") for entrant in DOCUMENTED]
ENTRANTS = {
    "W1": [OURS, *DOCUMENTED, *BUCKETED, Entrant("pytorch-unmasked", "torch_peer", "unmasked")],
    "W2": [OURS, *DOCUMENTED],
}


def main(arguments: list[str]) -> None:
    """Runs the workloads and writes the report."""
    names = sorted({entrant.name for entrants in ENTRANTS.values() for entrant in entrants})
    parser = argparse.ArgumentParser("scripts/benchmark")
    parser.add_argument("--workload", choices=(*ENTRANTS, "all"), default="all")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reviews", type=int)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)

    results: dict[str, Any] = {"machine": workloads.machine(), "workloads": {}}
    for name in ENTRANTS if args.workload == "all" else [args.workload]:
        say(f"{name}: preparing {workloads.WORKLOADS[name].config}")
        task, facts = workloads.prepare(name, args.batch, args.reviews)
        entrants = [entrant for entrant in ENTRANTS[name] if entrant is OURS or entrant.name in args.only]
        competitors = compete(task, entrants, args.rounds)
        results["workloads"][name] = {**facts, "rounds": args.rounds, "competitors": competitors}
        (args.out / "benchmark.json").write_text(json.dumps(results, indent=2) + "\n")
    report.chart(results, args.out / "benchmark.png")
    print(report.markdown(results))
    say(f"wrote benchmark.json and benchmark.png to {args.out}")


def compete(task: Task, entrants: list[Entrant], rounds: int) -> list[dict[str, Any]]:
    """Lets the competitors work in turn and records what they took.

    Each is started twice, cold and with what it compiled the first time, and before the first round each trains for
    an epoch and reads the test reviews, so that nothing compiles in a round.

    Returns:
      A record for each entrant, in their order; one that died says so in `error`.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        task.save(folder / "task")
        records, children, logits = [], [], {}
        for entrant in entrants:
            record: dict[str, Any] = {"name": entrant.name, "variant": entrant.variant}
            records.append(record)
            say(f"{task.workload} {entrant.name}: starting, training and reading once to warm up")
            with surviving(record):
                cold = entrant.start(folder / "task", folder)
                cold.close()
                child = stack.enter_context(entrant.start(folder / "task", folder))
                child.ask("train")
                child.ask("reset")
                logits[entrant.name] = np.array(child.ask("infer")["values"])
                record |= {
                    "import_seconds": child.import_seconds,
                    "first_step_seconds": {"cold": cold.first_step_seconds, "cached": child.first_step_seconds},
                    "logits_differ": difference(task, logits[entrant.name], logits[OURS.name]),
                    "train_seconds": [],
                    "infer_seconds": [],
                }
                children.append((record, child))
        for number, record, child in in_turn(children, rounds):
            with surviving(record):
                trained, inferred = child.ask("train"), child.ask("infer")
                record["train_seconds"].append(trained["seconds"])
                record["infer_seconds"].append(inferred["seconds"])
                record["memory_mb"] = inferred["memory_mb"]
                record["accuracy"] = float(((np.array(inferred["values"]) > 0) == task.test.labels).mean())
                say(
                    f"{task.workload} round {number}/{rounds} {record['name']}: "
                    f"trained {trained['seconds']:.1f} s, inferred {inferred['seconds']:.1f} s"
                )
    return records


def in_turn(children: list[tuple[dict[str, Any], Child]], rounds: int) -> Iterator[tuple[int, dict[str, Any], Child]]:
    """The competitors of each round, but for those that have died."""
    for number in range(1, rounds + 1):
        for record, child in children:
            if "error" not in record:
                yield number, record, child


@contextmanager
def surviving(record: dict[str, Any]) -> Iterator[None]:
    """Notes the death of a peer and goes on without it; without ours there is nothing to compare."""
    try:
        yield
    except ChildError as error:
        if record["name"] == OURS.name:
            raise
        record["error"] = str(error)
        say(f"{record['name']} {error}")


def difference(task: Task, logits: np.ndarray, ours: np.ndarray) -> dict[str, float | None]:
    """The largest difference from our logits, at the same weights, over reviews without and with padding."""
    full = lengths(task.test) == task.max_length
    gaps = np.abs(logits - ours)
    return {name: float(gaps[rows].max()) if rows.any() else None for name, rows in (("full", full), ("padded", ~full))}


def say(text: str) -> None:
    print(f"[benchmark] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="[benchmark] %(message)s")
    try:
        main(sys.argv[1:])
    except (UserError, ChildError) as error:
        sys.exit(f"error: {error}")
