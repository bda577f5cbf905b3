"""Charts draw whatever a run holds, without a warning, on light and on dark paper."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from imdb_jax.reporting.charts import (
    DARK,
    LIGHT,
    WIDTH,
    Chart,
    confusion_matrix,
    curve,
    lengths,
    overlay,
    reliability,
)
from imdb_jax.training.history import Epoch, History
from imdb_jax.training.metrics import Scores, TrainScores, calibration


def history(epochs: int) -> History:
    found = []
    for epoch in range(1, epochs + 1):
        loss, accuracy = 1 / epoch, 1 - 0.5 / epoch
        validation = Scores(accuracy=accuracy, loss=loss, auc=0.5, f1=0.5, examples=4)
        found.append(Epoch(epoch, epoch, TrainScores(loss=loss, accuracy=accuracy), validation, 1.0))
    return History(found)


MANY = {f"group {i}": [history(i + 1)] for i in range(16)}
CHARTS = {
    "one epoch": curve("loss", history(1), "accuracy"),
    "epochs": curve("accuracy", history(3), "loss"),
    "no runs": overlay("loss", {}),
    "odd names": overlay("accuracy", {"_a $x^$ <b>": [history(2), history(1)], "/".join(["long"] * 40): [History()]}),
    "many runs": overlay("loss", MANY),
    "long reviews": lengths(np.array([1, 5, 9, 900]), 4),
    "short reviews": lengths(np.array([1, 1]), 600),
    "confusion": confusion_matrix(np.array([[3, 1], [0, 0]]), "validation"),
    "one prediction": reliability(calibration(np.array([0.1]), np.array([1])), "test"),
}


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS.keys())
def test_charts_draw(chart: Chart) -> None:
    light, dark = (chart.drawn("svg", palette) for palette in (LIGHT, DARK))
    assert light != dark
    assert ElementTree.fromstring(light).tag == "{http://www.w3.org/2000/svg}svg"
    assert light == chart.drawn("svg", LIGHT)  # the same figure is the same file
    assert chart.title
    assert chart.alt
    assert chart.caption


def test_png_has_paper_of_its_own() -> None:
    chart = CHARTS["epochs"]
    pixels = imread(io.BytesIO(chart.drawn("png", LIGHT)))
    assert pixels.shape[1] == 200 * WIDTH
    np.testing.assert_array_equal(pixels[0, 0], [1, 1, 1, 1])


def test_captions_tell_the_figures() -> None:
    assert "83.33% on validation in epoch 3, the best by loss" in CHARTS["epochs"].caption
    assert "75.0% of the training reviews are longer than the 4 words" in CHARTS["long reviews"].caption
    assert "true label negative, predicted positive: 1" in CHARTS["confusion"].alt
