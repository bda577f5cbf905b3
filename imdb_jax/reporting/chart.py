"""A figure, drawn for light and for dark paper, as wide as a phone: colours by Okabe & Ito (2008)."""

import io
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

WIDTH, HEIGHT = 4.8, 3.2  # inches


def _style(paper: str, ink: str, grid: str, series: tuple[str, ...]) -> dict[Any, Any]:
    """Matplotlib's settings; charts then take the series as "C0", "C1" and so on."""
    return {
        "svg.hashsalt": "imdb_jax",
        "figure.facecolor": paper,
        "text.color": ink,
        "lines.color": ink,  # of lines that are no series
        "axes.facecolor": "none",
        "axes.edgecolor": grid,
        "axes.labelcolor": ink,
        "axes.prop_cycle": cycler(color=series),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": grid,
        "grid.linewidth": 0.8,
        "xtick.color": grid,
        "xtick.labelcolor": ink,
        "ytick.color": grid,
        "ytick.labelcolor": ink,
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
    """A figure to be drawn.

    Attributes:
      name: of its file, without suffix.
      caption: how to read it.
      alt: its content in words, for those who can't see it.
      height: in inches.
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Figure], None]
    height: float = HEIGHT

    def drawn(self, form: Literal["svg", "png"], style: dict[Any, Any]) -> bytes:
        """The figure as a file."""
        file = io.BytesIO()
        with mpl.rc_context(style):
            figure = Figure(figsize=(WIDTH, self.height), layout="constrained")
            self.draw(figure)
            metadata = {"Date": None} if form == "svg" else None  # the same figure is the same file
            figure.savefig(file, format=form, dpi=200, metadata=metadata, transparent=form == "svg")
        return file.getvalue()
