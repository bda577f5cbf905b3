"""The serving benchmark: raw text in, probability out, at steady state, many reviews at once and one at a time."""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imdb_jax.config import Config, PretrainedEmbedding, load_file
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import load_dataset, open_corpus
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.artefact import write_artefact
from imdb_jax.inference.predictor import Predictor
from imdb_jax.runs.run import Run
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.wordvectors.published import find_vectors
from imdb_jax.wordvectors.table import fill_missing, read_vectors
from scripts.peers import compare, report
from scripts.peers.compare import in_turn, say, surviving
from scripts.peers.protocol import Child
from scripts.peers.served import BATCH, Folder
from scripts.peers.task import Task
from scripts.peers.workloads import WORKLOADS, initial_weights, machine

NO_REVIEWS = Split(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int8))


class Entrant(NamedTuple):
    """A server: a file beside this one, and what it reads."""

    name: str
    module: str
    variant: str = ""


OURS = Entrant(compare.OURS.name, "served_ours", "predict")
ENTRANTS = [
    OURS,
    Entrant("imdb_jax, exported, JAX", "served_ours", "jax"),
    Entrant("imdb_jax, exported, NumPy", "served_ours", "numpy"),
    Entrant("Keras, TensorFlow", "served_keras"),
    Entrant("PyTorch", "served_torch"),
]
COLUMNS = ("", "reviews/s", "ours / it", "one review: p50, ms", "p99, ms", "probabilities differ")


def main(arguments: list[str]) -> None:
    """Measures and prints a table for each workload."""
    parser = argparse.ArgumentParser("scripts/benchmark --serving")
    parser.add_argument("--workload", choices=(*WORKLOADS, "all"), default="all")
    parser.add_argument("--reviews", type=int, default=5_000)
    parser.add_argument("--single", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": machine(), "workloads": {}}
    for name in WORKLOADS if args.workload == "all" else [args.workload]:
        with tempfile.TemporaryDirectory() as folder:
            say(f"{name}: preparing {WORKLOADS[name].config}")
            prepare(name, Folder(Path(folder)), args.reviews)
            results["workloads"][name] = {
                "config": WORKLOADS[name].config,
                "reviews": args.reviews,
                "single": args.single,
                "rounds": args.rounds,
                "servers": compete(Folder(Path(folder)), args.single, args.rounds),
            }
        (args.out / "serving.json").write_text(json.dumps(results, indent=2) + "\n")
    print(markdown(results))


def prepare(name: str, folder: Folder, count: int) -> None:
    """Writes the model of a workload with its first weights, in every form, and test reviews."""
    config = load_file(WORKLOADS[name].config)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, keep="head"))  # as Keras' layer cuts
    dataset = load_dataset(config.data)
    vectors = None
    if isinstance(embedding := config.model.embedding, PretrainedEmbedding):
        vectors = fill_missing(read_vectors(find_vectors(embedding.vectors), dataset.vocabulary.tokens), "zeros", 0)
    run = Run(folder.run)
    with run.taken(config):
        run.begin(config, dataset.vocabulary, {}, dataset.fingerprint, vectors)
    with Checkpoints(run.checkpoints, run.origin()) as checkpoints:
        checkpoints.save(build_learner(build_model(config, dataset.vocabulary, vectors), config, steps=1)[1], [], 0.5)
        checkpoints.wait()
    write_artefact(folder.model, [Predictor(run)])
    task(name, config, dataset.vocabulary, vectors).save(folder.path / "task")
    folder.write_reviews(chosen(config, count))


def task(name: str, config: Config, vocabulary: Vocabulary, vectors: np.ndarray | None) -> Task:
    """Tokens and weights, as the peers of the other benchmark get them; there is nothing to train on."""
    return Task(
        workload=name,
        config=WORKLOADS[name].config,
        batch_size=BATCH,
        eval_batch_size=BATCH,
        max_length=config.data.max_length,
        train=NO_REVIEWS,
        test=NO_REVIEWS,
        tokens=vocabulary.tokens,
        weights=initial_weights(config, vocabulary, vectors),
    )


def chosen(config: Config, count: int) -> list[bytes]:
    """Test reviews, drawn from all."""
    test = open_corpus(config.data).test
    rows = np.random.default_rng(0).permutation(len(test.labels))[:count]
    wanted, at, found = set(rows.tolist()), 0, {}
    for texts, _ in test.chunks():
        found |= {at + i: text for i, text in enumerate(texts) if at + i in wanted}
        at += len(texts)
    return [found[row] for row in rows.tolist()]


def compete(folder: Folder, single: int, rounds: int) -> list[dict[str, Any]]:
    """Lets the servers read in turn; before the first round each has read all there is, both ways."""
    records, children, expected = [], [], None
    with ExitStack() as stack:
        for entrant in ENTRANTS:
            record: dict[str, Any] = {"name": entrant.name, "many_seconds": [], "single_seconds": []}
            records.append(record)
            say(f"{entrant.name}: starting, reading all once to warm up")
            with surviving(record):
                command = [sys.executable, "-m", f"scripts.peers.{entrant.module}", str(folder.path), entrant.variant]
                settings = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
                log = folder.path / f"{entrant.module}{entrant.variant}.txt"
                child = stack.enter_context(Child([*command, str(single)], settings, log))
                found = np.array(child.ask("many")["values"])
                child.ask("single")
                expected = found if expected is None else expected
                record["probabilities_differ"] = float(np.abs(found - expected).max())
                children.append((record, child))
        for number, record, child in in_turn(children, rounds):
            with surviving(record):
                record["many_seconds"].append(child.ask("many")["seconds"])
                record["single_seconds"].append(child.ask("single")["values"])
                say(f"round {number}/{rounds} {record['name']}: {record['many_seconds'][-1]:.1f} s")
    return records


def markdown(results: dict[str, Any]) -> str:
    """The machine and a table for each workload."""
    lines = [report.surroundings(results["machine"])]
    for name, workload in results["workloads"].items():
        lines.append(
            f"\n{name}: {workload['config']}; {workload['reviews']:,} test reviews at once, {workload['single']:,} one "
            f"at a time; medians of {workload['rounds']} alternating rounds (least-most)\n"
        )
        servers = [record for record in workload["servers"] if "error" not in record]
        rows = [cells(workload["reviews"], record, servers[0]) for record in servers]
        lines += report.aligned([COLUMNS, ("---",) + ("---:",) * (len(COLUMNS) - 1), *rows])
        lines += [f"\n{record['name']}: {record['error']}" for record in workload["servers"] if "error" in record]
    return "\n".join(lines)


def cells(reviews: int, record: dict[str, Any], ours: dict[str, Any]) -> tuple[str, ...]:
    """A server's row; percentiles are medians over the rounds."""
    rate, our_rate = (report.Rate.of(reviews, each["many_seconds"]) for each in (record, ours))
    p50, p99 = (
        statistics.median(1e3 * float(np.percentile(seconds, q)) for seconds in record["single_seconds"])
        for q in (50, 99)
    )
    differ = record["probabilities_differ"]
    return (
        record["name"],
        str(rate),
        f"{our_rate.median / rate.median:.2f}",
        f"{p50:.2f}",
        f"{p99:.2f}",
        f"{differ:.0e}",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
