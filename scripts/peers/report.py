"""Figures of a benchmark as a table and a chart.

Results are what benchmark.json holds: the machine, and for each workload its facts and one record per competitor.
"""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

VARIANTS = {
    "ours": "this package",
    "documented": "as its documentation writes it",
    "bucketed": "the same function, tuned: batches of like length",
    "unmasked": "not the same function: reads the padding too",
}
COLUMNS = (
    "",
    "training, reviews/s",
    "ours / it",
    "inference, reviews/s",
    "ours / it",
    "epoch, s",
    "peak MB",
    "import, s",
    "first step, s: cold / cached",
    "logits differ: full / padded",
    "test accuracy",
)


class Rate(NamedTuple):
    """Reviews per second over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, reviews: int, seconds: list[float]) -> "Rate":
        """Of rounds that each took some seconds over the same reviews."""
        rates = [reviews / each for each in seconds]
        return cls(statistics.median(rates), min(rates), max(rates))

    def __str__(self) -> str:
        return f"{self.median:,.0f} ({self.low:,.0f}-{self.high:,.0f})"


def rates(workload: dict[str, Any], record: dict[str, Any]) -> tuple[Rate, Rate]:
    """A competitor's rates of training and of inference."""
    return (
        Rate.of(workload["train_reviews"], record["train_seconds"]),
        Rate.of(workload["test_reviews"], record["infer_seconds"]),
    )


def finished(workload: dict[str, Any]) -> list[dict[str, Any]]:
    """Records of the competitors that lasted to the end."""
    return [record for record in workload["competitors"] if "error" not in record]


def markdown(results: dict[str, Any]) -> str:
    """The machine, and for each workload a table and what our training makes of the machine."""
    machine = results["machine"]
    lines = [surroundings(machine)]
    for name, workload in results["workloads"].items():
        lines += [
            f"\n{name}: {workload['config']}, batches of {workload['batch_size']}; {workload['train_reviews']:,} "
            f"reviews to train on, {workload['test_reviews']:,} to read; medians of {workload['rounds']} alternating "
            "rounds (least-most)\n",
            *table(workload),
            *(f"\n{record['name']}: {record['error']}" for record in workload["competitors"] if "error" in record),
            f"\n{verdict(workload)}",
            f"\n{efficiency(workload, machine['peak_gflops'])}",
        ]
    return "\n".join(lines)


def surroundings(machine: dict[str, Any]) -> str:
    """What the figures depend on."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:.1f} at the start; {versions}"


def table(workload: dict[str, Any]) -> Iterator[str]:
    """Lines of a Markdown table, one group of rows for each variant."""
    rows = [COLUMNS, ("---",) + ("---:",) * (len(COLUMNS) - 1)]
    records = finished(workload)
    for variant, title in VARIANTS.items():
        if group := [record for record in records if record["variant"] == variant]:
            rows.append((f"**{title}**",) + ("",) * (len(COLUMNS) - 1))
            rows += [cells(workload, record, ours=records[0]) for record in group]
    return aligned(rows)


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lines of a Markdown table whose columns stand straight in the source, too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def cells(workload: dict[str, Any], record: dict[str, Any], ours: dict[str, Any]) -> tuple[str, ...]:
    """A competitor's row."""
    train, infer = rates(workload, record)
    our_train, our_infer = rates(workload, ours)
    first, differ = record["first_step_seconds"], record["logits_differ"]
    return (
        record["name"],
        str(train),
        f"{our_train.median / train.median:.2f}",
        str(infer),
        f"{our_infer.median / infer.median:.2f}",
        f"{statistics.median(record['train_seconds']):.1f}",
        f"{record['memory_mb']:,.0f}",
        f"{record['import_seconds']:.1f}",
        f"{first['cold']:.1f} / {first['cached']:.1f}",
        " / ".join("-" if value is None else f"{value:.0e}" for value in (differ["full"], differ["padded"])),
        f"{record['accuracy']:.1%}",
    )


def verdict(workload: dict[str, Any]) -> str:
    """How far the best of each group is behind, in training and in inference."""
    ours, *peers = finished(workload)
    our_rates = rates(workload, ours)
    parts = []
    for variant, title in VARIANTS.items():
        if group := [rates(workload, record) for record in peers if record["variant"] == variant]:
            train, infer = (
                our_rates[kind].median / max(both[kind].median for both in group) for kind in range(len(our_rates))
            )
            parts.append(f"{train:.1f} and {infer:.1f} ({title})")
    return f"imdb_jax trains and infers faster than the best of each group by these factors: {'; '.join(parts) or '-'}"


def efficiency(workload: dict[str, Any], peak_gflops: float) -> str:
    """How near our training comes to the machine's best."""
    seconds = statistics.median(finished(workload)[0]["train_seconds"])
    rate = workload["gflop_per_epoch"] / seconds
    return (
        f"imdb_jax trains on {workload['train_words'] / seconds:,.0f} words/s and does {rate:.0f} useful GFLOP/s, "
        f"{rate / peak_gflops:.0%} of {peak_gflops:.0f}, the best that a float32 matrix product reaches in JAX; "
        f"{workload['padding']:.1%} of the token slots it computes hold padding"
    )


def chart(results: dict[str, Any], path: Path) -> None:
    """Draws bars for training and inference, a row of panels for each workload."""
    from matplotlib.figure import Figure  # here, so that the figures can be had without it
    from matplotlib.patches import Patch

    colours = dict(zip(VARIANTS, ("#d1495b", "#30638e", "#7fa7c9", "#b8b8b8"), strict=True))
    workloads = results["workloads"]
    heights = [len(finished(workload)) + 2 for workload in workloads.values()]
    figure = Figure(figsize=(11, 0.36 * sum(heights) + 0.8), layout="constrained")
    panels = figure.subplots(len(workloads), 2, squeeze=False, sharey="row", height_ratios=heights)
    for row, (name, workload) in zip(panels, workloads.items(), strict=True):
        records = finished(workload)
        groups = [variant for variant in VARIANTS if any(record["variant"] == variant for record in records)]
        places = [index + 0.6 * groups.index(record["variant"]) for index, record in enumerate(records)]
        for axes, kind, title in zip(row, (0, 1), ("training", "inference"), strict=True):
            values = [rates(workload, record)[kind] for record in records]
            medians = [value.median for value in values]
            spread = [
                [value.median - value.low for value in values],
                [value.high - value.median for value in values],
            ]
            bars = axes.barh(
                places, medians, xerr=spread, ecolor="#444444", color=[colours[record["variant"]] for record in records]
            )
            axes.locator_params(axis="x", nbins=5)
            axes.xaxis.set_major_formatter("{x:,.0f}")
            labels = [f"{median:,.0f}  (ours: {medians[0] / median:.1f}x)" for median in medians]
            labels[0] = f"{medians[0]:,.0f}"
            axes.bar_label(bars, labels, padding=2, fontsize=8)
            axes.set_title(f"{name} {title}, reviews/s", fontsize=10, loc="left")
            axes.set_xlim(0, 1.25 * max(value.high for value in values))
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_yticks(places, [record["name"] for record in records])
        row[0].invert_yaxis()
    handles = [Patch(color=colour) for colour in colours.values()]
    figure.legend(handles, VARIANTS.values(), loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
