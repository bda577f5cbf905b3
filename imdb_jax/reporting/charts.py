"""Figures, each drawn for light and for dark paper, as wide as a phone: colours by Okabe & Ito (2008)."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from imdb_jax.training.checkpoint import History
from imdb_jax.training.metrics import Calibration

Metric = Literal["loss", "accuracy"]

WIDTH, HEIGHT = 4.8, 3.2  # inches
CLASSES = ("negative", "positive")
STYLES: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")  # of lines, once the colours are used up


class Palette(NamedTuple):
    """Colours of a figure; the first two series stand for training and validation."""

    paper: str
    ink: str
    grid: str
    series: tuple[str, ...]


LIGHT = Palette(
    "#ffffff", "#3a3f46", "#dfe3e8", ("#8a929c", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
)
DARK = Palette(
    "#16191d", "#c3c9d1", "#343a42", ("#8a929c", "#56b4e9", "#f0803c", "#2cc295", "#e0a0c4", "#f0b93c", "#4a90d9")
)


class Chart(NamedTuple):
    """A figure to be drawn.

    Attributes:
      name: of its file, without suffix.
      title: what it shows.
      caption: how to read it.
      alt: its content in words, for those who can't see it.
      draw: draws it.
      height: in inches.
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Figure, Palette], None]
    height: float = HEIGHT

    def drawn(self, form: Literal["svg", "png"], palette: Palette) -> bytes:
        """The figure as a file."""
        figure = Figure(figsize=(WIDTH, self.height), layout="constrained")
        with mpl.rc_context(_style(palette)):
            self.draw(figure, palette)
            file = io.BytesIO()
            metadata = {"Date": None} if form == "svg" else None  # the same figure is the same file
            figure.savefig(file, format=form, dpi=200, metadata=metadata, transparent=form == "svg")
        return file.getvalue()


def _style(palette: Palette) -> dict:
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), palette.ink)
    return {
        **ink,
        "svg.hashsalt": "imdb_jax",
        "figure.facecolor": palette.paper,
        "axes.facecolor": "none",
        "axes.edgecolor": palette.grid,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": palette.grid,
        "grid.linewidth": 0.8,
        "xtick.color": palette.grid,
        "xtick.labelcolor": palette.ink,
        "ytick.color": palette.grid,
        "ytick.labelcolor": palette.ink,
        "font.size": 10,
        "legend.frameon": False,
        "text.parse_math": False,  # a directory may be called $a$
        "lines.linewidth": 2,
        "lines.markersize": 4,
    }


def curve(metric: Metric, history: History, best: int, monitor: str) -> Chart:
    """A metric of training and validation over the epochs.

    Args:
      metric: which.
      history: a record for each epoch.
      best: index of the best epoch.
      monitor: the validation metric that it is best by.
    """
    epochs = [record["epoch"] for record in history]
    values = {split: [record[split][metric] for record in history] for split in ("train", "validation")}
    shown = _form(metric, values["validation"][best])

    def draw(figure: Figure, palette: Palette) -> None:
        axes = _epoch_axes(figure, metric)
        for (split, line), colour in zip(values.items(), palette.series, strict=False):
            axes.plot(epochs, line, marker="o", color=colour, label="training" if split == "train" else split)
        axes.axvline(epochs[best], color=palette.ink, linewidth=1, linestyle=":", zorder=0)
        axes.plot(epochs[best], values["validation"][best], "o", markersize=9, color=palette.series[1])
        axes.plot([], [], ":", color=palette.ink, linewidth=1, label=f"best epoch: {epochs[best]}")
        axes.legend(loc="best", fontsize=9)

    return Chart(
        metric,
        metric.capitalize(),
        f"{shown} on validation in epoch {epochs[best]}, the best by {monitor}. Training figures are taken while the "
        "model learns, with dropout.",
        f"{metric.capitalize()} by epoch. Validation: {_listed(metric, values['validation'])}. "
        f"Training: {_listed(metric, values['train'])}.",
        draw,
    )


def overlay(metric: Metric, runs: Mapping[str, Sequence[History]]) -> Chart:
    """A validation metric of several runs over the epochs.

    Args:
      metric: which.
      runs: histories by the name of their group; a group has one colour.
    """
    columns = 2 if all(len(name) <= 24 for name in runs) else 1
    names = [name if len(name) <= 56 else f"…{name[-55:]}" for name in runs]

    def draw(figure: Figure, palette: Palette) -> None:
        axes = _epoch_axes(figure, metric)
        colours = palette.series[1:]
        handles = []
        for place, histories in enumerate(runs.values()):
            colour, style = colours[place % len(colours)], STYLES[place // len(colours) % len(STYLES)]
            for history in histories:
                epochs = [record["epoch"] for record in history]
                values = [record["validation"][metric] for record in history]
                axes.plot(epochs, values, style, color=colour, marker="o", markersize=3)
            handles.append(Line2D([], [], color=colour, linestyle=style))
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
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss, nats" if metric == "loss" else "accuracy, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if metric == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    return axes


def _form(metric: str, value: float) -> str:
    return f"{value:.2%}" if metric == "accuracy" else f"{value:.4f}"


def _listed(metric: str, values: Sequence[float]) -> str:
    return ", ".join(_form(metric, value) for value in values)


def lengths(lengths: Int[np.ndarray, " N"], max_length: int) -> Chart:
    """A histogram of the lengths of the training reviews, with the length at which they are cut."""
    cut = float((lengths > max_length).mean())
    shown = max(int(np.quantile(lengths, 0.99)), max_length)
    width = max_length / max(1, round(40 * max_length / shown))  # so that the cut falls between two bars
    edges = np.arange(0, shown + width, width)
    beyond = int((lengths > edges[-1]).sum())
    counts, _ = np.histogram(lengths, edges)

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        colours = [palette.series[2] if edge > max_length - width / 2 else palette.series[1] for edge in edges[:-1]]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours)
        axes.axvline(max_length, color=palette.ink, linewidth=1, linestyle=":")
        left = max_length > edges[-1] / 2
        axes.annotate(
            f"cut at {max_length:,}",
            (max_length, counts.max() * 1.1),
            xytext=(-5 if left else 5, 0),
            textcoords="offset points",
            ha="right" if left else "left",
        )
        axes.set_ylim(0, counts.max() * 1.2)
        axes.set_xlabel("words per review")
        axes.set_ylabel("training reviews")
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
    """Reviews by label and by what they were called.

    Args:
      counts: rows by label, columns by call, negative first.
      split: where the reviews are from.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = [(label, call) for label in (0, 1) for call in (0, 1)]

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.add_subplot()
        for label, call in cells:
            colour = palette.series[1 if label == call else 2]
            square = axes.barh(
                label, 0.96, 0.94, left=call - 0.48, color=colour, alpha=0.12 + 0.6 * shares[label, call]
            )
            axes.bar_label(square, [f"{counts[label, call]:,}"], label_type="center", fontsize=15, color=palette.ink)
            axes.annotate(f"{shares[label, call]:.1%}", (call, label + 0.28), ha="center", va="center")
        axes.set(xlabel="called", ylabel="labelled", xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        axes.set_xticks((0, 1), CLASSES)
        axes.set_yticks((0, 1), CLASSES, rotation=90, va="center")
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return Chart(
        "confusion",
        "Confusion matrix",
        f"{split.capitalize()} reviews; percentages are of the reviews with that label.",
        "; ".join(f"labelled {CLASSES[i]}, called {CLASSES[j]}: {counts[i, j]:,}" for i, j in cells) + ".",
        draw,
    )


def reliability(calibration: Calibration, split: str) -> Chart:
    """How often predictions of a probability come true, above how many there are of them."""
    bins = len(calibration.counts)
    filled = calibration.counts > 0

    def draw(figure: Figure, palette: Palette) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot((0, 1), (0, 1), ":", color=palette.ink, linewidth=1, label="perfect")
        axes.plot(calibration.predicted[filled], calibration.observed[filled], "o-", color=palette.series[1])
        axes.annotate(f"ECE {calibration.error:.3f}", (0.97, 0.06), xycoords="axes fraction", ha="right", fontsize=12)
        axes.legend(loc="upper left", fontsize=9)
        axes.set(ylabel="share positive, %", ylim=(-0.03, 1.03))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
        middles = (np.arange(bins) + 0.5) / bins
        below.bar(middles, calibration.counts, 0.9 / bins, color=palette.series[0])
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
