"""Charts of how reviews and predictions are distributed."""

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from imdb_jax.reporting.calibration import Calibration
from imdb_jax.reporting.chart import Chart

LABELS = ("negative", "positive")


def lengths(lengths: Int[np.ndarray, " N"], max_length: int) -> Chart:
    """A histogram of the lengths of the training reviews, with the length at which they are cut."""
    cut = float((lengths > max_length).mean())
    shown = max(int(np.quantile(lengths, 0.99)), max_length)
    width = max_length / max(1, round(40 * max_length / shown))  # so that the cut falls between two bars
    edges = np.arange(0, shown + width, width)
    beyond = int((lengths > edges[-1]).sum())
    counts, _ = np.histogram(lengths, edges)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        colours = ["C2" if edge > max_length - width / 2 else "C1" for edge in edges[:-1]]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours)
        axes.axvline(max_length, linewidth=1, linestyle=":")
        left = max_length > edges[-1] / 2
        axes.annotate(
            f"cut at {max_length:,}",
            (max_length, counts.max() * 1.1),
            xytext=(-5 if left else 5, 0),
            textcoords="offset points",
            ha="right" if left else "left",
        )
        axes.set(xlabel="words per review", ylabel="training reviews", ylim=(0, counts.max() * 1.2))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")

    rest = f"; {beyond:,} reviews are beyond the right end" if beyond else ""
    return Chart(
        "lengths",
        "Review lengths",
        f"{cut:.1%} of the training reviews are longer than the {max_length:,} words that the model reads. Longest: "
        f"{lengths.max():,}{rest}.",
        f"Histogram of words per training review: median {np.median(lengths):,.0f}, 95 % have at most "
        f"{np.quantile(lengths, 0.95):,.0f}.",
        draw,
    )


def confusion_matrix(counts: Int[np.ndarray, "2 2"], split: str) -> Chart:
    """Reviews by true label (row of the counts) and by predicted label (column)."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = [(true, predicted) for true in (0, 1) for predicted in (0, 1)]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for true, predicted in cells:
            share, colour = shares[true, predicted], "C1" if true == predicted else "C2"
            square = axes.barh(true, 0.96, 0.94, left=predicted - 0.48, color=colour, alpha=0.12 + 0.6 * share)
            axes.bar_label(square, [f"{counts[true, predicted]:,}"], label_type="center", fontsize=15)
            axes.annotate(f"{share:.1%}", (predicted, true + 0.28), ha="center", va="center")
        axes.set(xlabel="predicted label", ylabel="true label", xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        axes.set_xticks((0, 1), LABELS)
        axes.set_yticks((0, 1), LABELS, rotation=90, va="center")
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    listed = (f"true label {LABELS[i]}, predicted {LABELS[j]}: {counts[i, j]:,}" for i, j in cells)
    return Chart(
        "confusion",
        "Confusion matrix",
        f"{split.capitalize()} reviews; percentages are of the reviews with that true label.",
        "; ".join(listed) + ".",
        draw,
    )


def reliability(calibration: Calibration, split: str) -> Chart:
    """How often predictions of a probability come true, above how many there are of them."""
    bins = len(calibration.counts)
    filled = calibration.counts > 0

    def draw(figure: Figure) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.axline((0, 0), (1, 1), linestyle=":", linewidth=1, label="perfect")
        axes.plot(calibration.predicted[filled], calibration.observed[filled], "o-", color="C1")
        axes.annotate(f"ECE {calibration.error:.3f}", (0.97, 0.06), xycoords="axes fraction", ha="right", fontsize=12)
        axes.legend(loc="upper left", fontsize=9)
        axes.set(ylabel="share positive, %", ylim=(-0.03, 1.03))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
        middles = (np.arange(bins) + 0.5) / bins
        below.bar(middles, calibration.counts, 0.9 / bins, color="C0")
        below.set(xlabel="predicted probability of positive, %", ylabel="reviews", xlim=(0, 1))
        below.yaxis.set_major_locator(MaxNLocator(2))
        below.yaxis.set_major_formatter("{x:,.0f}")
        below.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))

    points = zip(calibration.predicted[filled], calibration.observed[filled], strict=True)
    return Chart(
        "calibration",
        "Calibration",
        f"Expected calibration error {calibration.error:.3f}: the distance between what was predicted and the share of "
        f"positive reviews, in {bins} bins, averaged over the {split} reviews.",
        f"Predicted and observed share of positive reviews: {'; '.join(f'{p:.0%} {o:.0%}' for p, o in points)}.",
        draw,
    )
