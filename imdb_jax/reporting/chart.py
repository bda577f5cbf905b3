"""A figure, drawn for light and for dark paper, as wide as a phone: colours by Okabe & Ito (2008)."""

import io
from collections.abc import Callable
from typing import Literal, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

WIDTH, HEIGHT = 4.8, 3.2  # inches


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
