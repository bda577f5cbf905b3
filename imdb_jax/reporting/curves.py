"""Charts of metrics over the epochs."""

from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from imdb_jax.reporting.chart import HEIGHT, Chart, Palette
from imdb_jax.training.history import History

Metric = Literal["loss", "accuracy"]
STYLES: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")  # of lines, once the colours are used up


def curve(metric: Metric, history: History, monitor: str) -> Chart:
    """A metric of training and validation over the epochs; `monitor` is the one that the best epoch is chosen by."""
    epochs, best = history.epochs, history.best(monitor)
    numbers = [epoch.epoch for epoch in epochs]
    values = {
        "training": [getattr(epoch.train, metric) for epoch in epochs],
        "validation": [getattr(epoch.validation, metric) for epoch in epochs],
    }
    shown = _form(metric, getattr(best.validation, metric))

    def draw(figure: Figure, palette: Palette) -> None:
        axes = _epoch_axes(figure, metric)
        for (split, line), colour in zip(values.items(), palette.series, strict=False):
            axes.plot(numbers, line, marker="o", color=colour, label=split)
        axes.axvline(best.epoch, color=palette.ink, linewidth=1, linestyle=":", zorder=0)
        axes.plot(best.epoch, getattr(best.validation, metric), "o", markersize=9, color=palette.series[1])
        axes.plot([], [], ":", color=palette.ink, linewidth=1, label=f"best epoch: {best.epoch}")
        axes.legend(loc="best", fontsize=9)

    return Chart(
        metric,
        metric.capitalize(),
        f"{shown} on validation in epoch {best.epoch}, the best by {monitor}. Training figures are taken while the "
        "model learns, with dropout.",
        f"{metric.capitalize()} by epoch. Validation: {_listed(metric, values['validation'])}. "
        f"Training: {_listed(metric, values['training'])}.",
        draw,
    )


def overlay(metric: Metric, runs: Mapping[str, Sequence[History]]) -> Chart:
    """A validation metric over the epochs of several runs, by the name of their group, which has one colour."""
    columns = 2 if all(len(name) <= 24 for name in runs) else 1
    names = [name if len(name) <= 56 else f"…{name[-55:]}" for name in runs]

    def draw(figure: Figure, palette: Palette) -> None:
        axes = _epoch_axes(figure, metric)
        colours = palette.series[1:]
        handles = []
        for place, histories in enumerate(runs.values()):
            colour, style = colours[place % len(colours)], STYLES[place // len(colours) % len(STYLES)]
            for history in histories:
                numbers = [epoch.epoch for epoch in history.epochs]
                values = [getattr(epoch.validation, metric) for epoch in history.epochs]
                axes.plot(numbers, values, style, color=colour, marker="o", markersize=3)
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
