"""A page and its figures: one HTML file that needs no network and runs no script, and the figures as PNG files."""

import base64
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from imdb_jax.errors import LOCKED, UserError
from imdb_jax.reporting.chart import DARK, LIGHT, WIDTH, Chart
from imdb_jax.storage import atomic_file

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("imdb_jax.reporting", ""),
    autoescape=True,  # reviews, paths and config values are shown, whatever stands in them
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Page(NamedTuple):
    """The whole page, figures included, and the figures as PNG files by name."""

    html: str
    figures: dict[str, bytes]

    def write(self, path: Path) -> None:
        """Writes the page, and its figures into a folder beside it that is named like it: report.html, report/loss.png.

        Raises:
          UserError: the place can't be written to.
        """
        folder = path.with_suffix("")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, png in self.figures.items():
                with atomic_file(folder / f"{name}.png") as file:
                    file.write(png)
            with atomic_file(path) as file:
                file.write(self.html.encode("utf-8", "replace"))
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; choose another --out", LOCKED) from None


def render(template: str, charts: list[Chart], **content: Any) -> Page:
    """Fills a template of this folder, which has each chart as `charts.NAME`."""
    pictures = {chart.name: _picture(chart) for chart in charts}
    html = _TEMPLATES.get_template(template).render(charts=pictures, **content)
    return Page(html, {chart.name: chart.drawn("png", LIGHT) for chart in charts})


def _picture(chart: Chart) -> dict[str, Any]:
    themes = {"light": LIGHT, "dark": DARK}
    images = {theme: base64.b64encode(chart.drawn("svg", palette)).decode() for theme, palette in themes.items()}
    size = {"width": round(100 * WIDTH), "height": round(100 * chart.height)}  # the browser keeps the room free
    return {"title": chart.title, "caption": chart.caption, "alt": chart.alt, **size, **images}
