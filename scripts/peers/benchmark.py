"""Measures this package beside Keras on TensorFlow and on JAX, Flax and PyTorch: the same reviews, weights and cores.

W1 is configs/glove_bilstm.py, W2 configs/conv1d.py, W3 configs/ngrams.py. A round is an epoch of training and a reading
of the test reviews; with --serving raw text goes in and probabilities come out, in batches and one review at a time.
The table is printed; benchmark.json (or serving.json), with every round, and benchmark.png go to --out. Needs Linux and
the data of `python -m imdb_jax.train`. Leave the machine alone meanwhile: about an hour for all on two cores.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imdb_jax.errors import run_command
from scripts.commands import say
from scripts.environment import ROOT
from scripts.peers import report
from scripts.peers.contests import SERVERS, TRAINERS, prepare_servers, serve_in_turn, train_in_turn
from scripts.peers.turns import OURS
from scripts.peers.workloads import WORKLOADS, facts, machine, prepare


def main(arguments: Sequence[str]) -> None:
    peers = {each.name for entrants in (*TRAINERS.values(), *SERVERS.values()) for each in entrants}
    parser = argparse.ArgumentParser("scripts/benchmark", description=__doc__)
    parser.add_argument("--serving", action="store_true", help="from text to probabilities, not training")
    parser.add_argument("--workload", choices=(*WORKLOADS, "all"), default="all")
    parser.add_argument("--batch", type=int, help="reviews per update (as in the config)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reviews", type=int, help="to take of each split (all), or to serve (5,000)")
    parser.add_argument("--single", type=int, default=1_000, help="reviews to serve one at a time")
    parser.add_argument(
        "--only", nargs="+", choices=peers, default=peers, metavar="NAME", help=", ".join(sorted(peers))
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"), help="below this repository")
    args = parser.parse_args(arguments)
    if args.serving and args.workload not in ("all", *SERVERS):
        parser.error(f"--serving: for {' and '.join(SERVERS)}, not {args.workload}")
    out = ROOT / args.out / ("serving.json" if args.serving else "benchmark.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    results = {"machine": machine(), "workloads": {}}
    all_entrants = SERVERS if args.serving else TRAINERS
    for name in all_entrants if args.workload == "all" else [args.workload]:
        say(f"{name}: preparing {WORKLOADS[name][0]}")
        with tempfile.TemporaryDirectory() as folder:
            if args.serving:
                task = prepare_servers(name, Path(folder), args.reviews or 5_000, args.single)
                contest = serve_in_turn
            else:
                task = prepare(name, Path(folder), args.batch, args.reviews)
                contest = train_in_turn
            found = contest(task, [each for each in all_entrants[name] if each.name in (OURS, *args.only)], args.rounds)
        results["workloads"][name] = facts(task) | {"rounds": args.rounds, "competitors": found}
        out.write_text(json.dumps(results, indent=2) + "\n")
    print(report.markdown(results))
    if not args.serving:
        report.chart(results, out.with_suffix(".png"))
    say(f"wrote to {out.parent}")


if __name__ == "__main__":
    run_command(main)
