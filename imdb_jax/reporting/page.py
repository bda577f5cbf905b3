"""A page and its figures: one HTML file that needs no network and runs no script, and the figures as PNG files."""

import base64
from pathlib import Path
from typing import Any

import jinja2

from imdb_jax.reporting.charts import DARK, LIGHT, WIDTH, Chart
from imdb_jax.storage import atomic_file, os_errors_told

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("imdb_jax.reporting", ""),
    autoescape=True,  # reviews, paths and config values are shown, whatever stands in them
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_page(path: Path, template: str, charts: list[Chart], **content: Any) -> None:
    """Fills a template of this folder, which has each chart as `charts.NAME`.

    The figures go into a folder beside the page that is named like it: report.html, report/loss.png.

    Raises:
      UserError: the place can't be written to.
    """
    pictures = {}
    for chart in charts:
        light, dark = (base64.b64encode(chart.drawn("svg", style)).decode() for style in (LIGHT, DARK))
        size = {"width": round(100 * WIDTH), "height": round(100 * chart.height)}  # the browser keeps the room free
        pictures[chart.name] = {**chart._asdict(), **size, "light": light, "dark": dark}
    html = _TEMPLATES.get_template(template).render(charts=pictures, **content)
    files = {path.with_suffix("") / f"{chart.name}.png": chart.drawn("png", LIGHT) for chart in charts}
    with os_errors_told(path, "choose another --out"):
        path.with_suffix("").mkdir(parents=True, exist_ok=True)
        for place, written in {**files, path: html.encode("utf-8", "replace")}.items():
            with atomic_file(place) as file:
                file.write(written)
