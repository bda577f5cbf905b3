"""Charts of metrics over the epochs."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from imdb_jax.reporting.chart import HEIGHT, Chart
from imdb_jax.training.history import History

Metric = Literal["loss", "accuracy"]
FORMATS = {"loss": "{:.4f}", "accuracy": "{:.2%}"}
LINES: list[dict[str, Any]] = [
    {"linestyle": style, "color": f"C{series}"} for style in ("-", "--", ":") for series in range(1, 7)
]


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
