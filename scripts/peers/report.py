"""Figures of a benchmark as tables and a chart.

Results are what benchmark.json and serving.json hold: the machine, and for each workload its facts and a record of each
competitor.
"""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

VARIANTS = {  # of trainers -> what they are, and their colour
    "ours": ("this package", "#d1495b"),
    "documented": ("as its documentation writes it", "#30638e"),
    "bucketed": ("the same function, tuned: batches of like length", "#7fa7c9"),
    "unmasked": ("not the same function: reads the padding too", "#b8b8b8"),
}
TRAIN, INFER, MANY = ("train_reviews", "train"), ("test_reviews", "infer"), ("texts", "many")  # a fact and a command
Facts = dict[str, Any]  # of a workload or a competitor


class Rate(NamedTuple):
    """Reviews per second over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, workload: Facts, record: Facts, phase: tuple[str, str]) -> "Rate":
        rates = [workload[phase[0]] / answers[phase[1]]["seconds"] for answers in record["rounds"]]
        return cls(statistics.median(rates), min(rates), max(rates))

    def __str__(self) -> str:
        return f"{self.median:,.0f} ({self.low:,.0f}-{self.high:,.0f})"


def finished(workload: Facts) -> list[Facts]:
    """Records of the competitors that lasted to the end."""
    return [record for record in workload["competitors"] if "error" not in record]


def markdown(results: Facts) -> str:
    """What the figures depend on, and a table for each workload."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    hardware = f"{', '.join(machine['devices'])}; {machine['cpu']}, {machine['cores']} cores"
    lines = [f"{hardware}, load {machine['load']:.1f} at the start; {versions}"]
    for name, workload in results["workloads"].items():
        facts = {fact: value for fact, value in workload.items() if fact != "competitors"}
        lines += [f"\n{name}: {json.dumps(facts)}; medians of alternating rounds (least-most)\n", *table(workload)]
        lines += [f"\n{record['error']}" for record in workload["competitors"] if "error" in record]
        if workload.get("gflop_per_epoch") and not workload["texts"]:
            lines.append(f"\n{efficiency(workload, machine['peak_gflops'])}")
    return "\n".join(lines)


def table(workload: Facts) -> Iterator[str]:
    """Lines of a Markdown table whose columns stand straight in the source, too."""
    records = finished(workload)
    cells = serving_cells if workload["texts"] else training_cells
    rows = [cells(workload, record, records[0]) for record in records]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in ({name: name for name in widths}, dict.fromkeys(widths, "---:"), *rows):
        yield "| " + " | ".join(row[name].ljust(width) for name, width in widths.items()) + " |"


def training_cells(workload: Facts, record: Facts, ours: Facts) -> dict[str, str]:
    """A trainer's row."""
    (train, our_train), (infer, our_infer) = (
        [Rate.of(workload, each, phase) for each in (record, ours)] for phase in (TRAIN, INFER)
    )
    return {
        "": record["name"],
        "variant": VARIANTS[record["variant"]][0],
        "training, reviews/s": str(train),
        "ours / it": f"{our_train.median / train.median:.2f}",
        "inference, reviews/s": str(infer),
        "ours / it ": f"{our_infer.median / infer.median:.2f}",
        "epoch, s": f"{workload['train_reviews'] / train.median:.1f}",
        "peak MB": f"{record['rounds'][-1]['infer']['memory_mb']:,.0f}",
        "import, s": f"{record['import']:.1f}",
        "first step, s: cold / cached": f"{record['cold']:.1f} / {record['cached']:.1f}",
        "logits differ: full / padded": " / ".join(f"{value:.0e}" for value in record["logits_differ"].values()),
        "test accuracy": f"{record['accuracy']:.1%}",
    }


def serving_cells(workload: Facts, record: Facts, ours: Facts) -> dict[str, str]:
    """A server's row; percentiles are medians over the rounds."""
    rate, our_rate = (Rate.of(workload, each, MANY) for each in (record, ours))
    p50, p99 = 1e3 * np.median([answers["single"]["percentiles"] for answers in record["rounds"]], axis=0)
    return {
        "": record["name"],
        "reviews/s": str(rate),
        "ours / it": f"{our_rate.median / rate.median:.2f}",
        "one review: p50, ms": f"{p50:.2f}",
        "p99, ms": f"{p99:.2f}",
        "probabilities differ": f"{record['probabilities_differ']:.0e}",
    }


def efficiency(workload: Facts, peak_gflops: float) -> str:
    """How near our training comes to the machine's best."""
    seconds = workload["train_reviews"] / Rate.of(workload, finished(workload)[0], TRAIN).median
    rate = workload["gflop_per_epoch"] / seconds
    return (
        f"imdb_jax trains on {workload['train_words'] / seconds:,.0f} words/s and does {rate:.0f} useful GFLOP/s, "
        f"{rate / peak_gflops:.0%} of {peak_gflops:.0f}, the best that a float32 matrix product reaches in JAX; "
        f"{workload['padding']:.1%} of the token slots it computes hold padding"
    )


def chart(results: Facts, path: Path) -> None:
    """Draws bars for training and inference, a row of panels for each workload."""
    workloads = results["workloads"]
    heights = [len(finished(workload)) + 2 for workload in workloads.values()]
    figure = Figure(figsize=(11, 0.36 * sum(heights) + 0.8), layout="constrained")
    panels = figure.subplots(len(workloads), 2, squeeze=False, sharey="row", height_ratios=heights)
    for row, (name, workload) in zip(panels, workloads.items(), strict=True):
        records = finished(workload)
        for axes, phase, title in zip(row, (TRAIN, INFER), ("training", "inference"), strict=True):
            medians, low, high = np.array([Rate.of(workload, record, phase) for record in records]).T
            colours = [VARIANTS[record["variant"]][1] for record in records]
            names = [record["name"] for record in records]
            bars = axes.barh(names, medians, xerr=[medians - low, high - medians], ecolor="#444444", color=colours)
            others = [f"{median:,.0f}  (ours: {medians[0] / median:.1f}x)" for median in medians[1:]]
            axes.bar_label(bars, [f"{medians[0]:,.0f}", *others], padding=2, fontsize=8)
            axes.locator_params(axis="x", nbins=5)
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.set_title(f"{name} {title}, reviews/s", fontsize=10, loc="left")
            axes.set_xlim(0, 1.25 * high.max())
            axes.spines[["top", "right"]].set_visible(False)
        row[0].invert_yaxis()
    handles = [Patch(color=colour, label=what) for what, colour in VARIANTS.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
