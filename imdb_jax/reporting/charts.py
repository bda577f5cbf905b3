"""The charts of the pages, drawn for light and for dark paper, as wide as a phone: colours by Okabe & Ito (2008)."""

import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator, PercentFormatter

from imdb_jax.training.history import History
from imdb_jax.training.metrics import Calibration

WIDTH, HEIGHT = 4.8, 3.2  # inches
CLASSES = ("negative", "positive")
Metric = Literal["loss", "accuracy"]
FORMATS = {"loss": "{:.4f}", "accuracy": "{:.2%}"}
LINES: list[dict[str, Any]] = [
    {"linestyle": style, "color": f"C{series}"} for style in ("-", "--", ":") for series in range(1, 7)
]


def _style(paper: str, ink: str, grid: str, series: tuple[str, ...]) -> dict:
    """Matplotlib's settings; charts then take the series as "C0", "C1" and so on, and other lines are drawn in ink."""
    return {
        "svg.hashsalt": "imdb_jax",
        **dict.fromkeys(("text.color", "lines.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), ink),
        **dict.fromkeys(("axes.edgecolor", "grid.color", "xtick.color", "ytick.color"), grid),
        "figure.facecolor": paper,
        "axes.facecolor": "none",
        "axes.prop_cycle": cycler(color=series),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.linewidth": 0.8,
        "font.size": 10,
        "legend.frameon": False,
        "text.parse_math": False,  # a directory may be called $a$
        "lines.linewidth": 2,
        "lines.markersize": 4,
    }


LIGHT_SERIES = "#8a929c", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
DARK_SERIES = "#8a929c", "#56b4e9", "#f0803c", "#2cc295", "#e0a0c4", "#f0b93c", "#4a90d9"
LIGHT = _style("#ffffff", "#3a3f46", "#dfe3e8", LIGHT_SERIES)
DARK = _style("#16191d", "#c3c9d1", "#343a42", DARK_SERIES)


class Chart(NamedTuple):
    """A figure to be drawn."""

    name: str  # of its file, without suffix
    title: str
    caption: str  # how to read it
    alt: str  # its content in words, for those who can't see it
    draw: Callable[[Figure], None]
    height: float = HEIGHT

    def drawn(self, form: Literal["svg", "png"], style: dict) -> bytes:
        """The figure as a file."""
        file = io.BytesIO()
        with mpl.rc_context(style):
            figure = Figure(figsize=(WIDTH, self.height), layout="constrained")
            self.draw(figure)
            metadata = {"Date": None} if form == "svg" else None  # the same figure is the same file
            figure.savefig(file, format=form, dpi=200, metadata=metadata, transparent=form == "svg")
        return file.getvalue()


def curve(metric: Metric, history: History, monitor: str) -> Chart:
    """A metric of training and validation over the epochs; `monitor` is the one that the best epoch is chosen by."""
    epochs, best = history.epochs, history.best(monitor)
    numbers = [epoch.epoch for epoch in epochs]
    training = [getattr(epoch.train, metric) for epoch in epochs]
    validation = [getattr(epoch.validation, metric) for epoch in epochs]
    reached = getattr(best.validation, metric)
    form = FORMATS[metric].format

    def draw(figure: Figure) -> None:
        axes = _epoch_axes(figure, metric)
        axes.plot(numbers, training, "o-", color="C0", label="training")
        axes.plot(numbers, validation, "o-", color="C1", label="validation")
        axes.axvline(best.epoch, linewidth=1, linestyle=":", zorder=0, label=f"best epoch: {best.epoch}")
        axes.plot(best.epoch, reached, "o", markersize=9, color="C1")
        axes.legend(loc="best", fontsize=9)

    return Chart(
        metric,
        metric.capitalize(),
        f"{form(reached)} on validation in epoch {best.epoch}, the best by {monitor}. Training figures are taken while "
        "the model learns, with dropout.",
        f"{metric.capitalize()} by epoch. Validation: {', '.join(map(form, validation))}. "
        f"Training: {', '.join(map(form, training))}.",
        draw,
    )


def overlay(metric: Metric, runs: Mapping[str, Sequence[History]]) -> Chart:
    """A validation metric over the epochs of several runs, by the name of their group, which has one colour."""
    columns = 2 if all(len(name) <= 24 for name in runs) else 1
    names = [name if len(name) <= 56 else f"…{name[-55:]}" for name in runs]

    def draw(figure: Figure) -> None:
        axes = _epoch_axes(figure, metric)
        handles = []
        for histories, line in zip(runs.values(), itertools.cycle(LINES), strict=False):
            for history in histories:
                numbers = [epoch.epoch for epoch in history.epochs]
                values = [getattr(epoch.validation, metric) for epoch in history.epochs]
                axes.plot(numbers, values, marker="o", markersize=3, **line)
            handles.append(Line2D([], [], **line))
        figure.legend(handles, names, loc="outside lower left", fontsize=9, ncols=columns)

    return Chart(
        metric,
        f"Validation {metric}",
        "Runs that differ in their seed alone have one colour.",
        f"Validation {metric} by epoch, a line for each run; the table above has the figures of the best epochs.",
        draw,
        HEIGHT + 0.2 * -(-len(runs) // columns),
    )


def _epoch_axes(figure: Figure, metric: Metric) -> Axes:
    axes = figure.add_subplot()
    axes.set(xlabel="epoch", ylabel="loss, nats" if metric == "loss" else "accuracy, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if metric == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    return axes


def lengths(lengths: Int[np.ndarray, " N"], max_length: int) -> Chart:
    """A histogram of the lengths of the training reviews, with the length at which they are cut."""
    is_cut = lengths > max_length
    shown = max(int(np.quantile(lengths, 0.99)), max_length)
    beyond = int((lengths > shown).sum())

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        parts = [lengths[~is_cut], lengths[is_cut]]
        axes.hist(parts, 40, range=(0, shown), stacked=True, color=["C1", "C2"])
        axes.axvline(max_length, linewidth=1, linestyle=":", label=f"cut at {max_length:,}")
        axes.legend(loc="best", fontsize=9)
        axes.set(xlabel="words per review", ylabel="training reviews")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")

    rest = f"; {beyond:,} reviews are beyond the right end" if beyond else ""
    return Chart(
        "lengths",
        "Review lengths",
        f"{is_cut.mean():.1%} of the training reviews are longer than the {max_length:,} words that the model reads. "
        f"Longest: {lengths.max():,}{rest}.",
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
        axes.set_xticks((0, 1), CLASSES)
        axes.set_yticks((0, 1), CLASSES, rotation=90, va="center")
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    listed = (f"true label {CLASSES[i]}, predicted {CLASSES[j]}: {counts[i, j]:,}" for i, j in cells)
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
