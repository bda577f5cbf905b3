"""The report as a user types it and as a browser shows it."""

import csv
import html
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imdb_jax.config import Config, DataConfig, MovedData, dump, load
from imdb_jax.data.dataset import open_corpus
from imdb_jax.reporting.run_page import write_run_page
from imdb_jax.runs.run import Run
from tests.commands.command_line import fails, run, run_alone
from tests.untrained import begin

ATTACK = """<script>document.title="run"</script> <img src=x onerror='document.title="run"'> </p></details>"""
ODD_NAME = "<img src=x onerror=document.title=1>"
CONFIG = """
from imdb_jax.config import *

config = Config(
    data=DataConfig(
        source="files", path={path!r}, vocabulary_size=300, max_length=24, validation=ValidationConfig(size=0.4)
    ),
    model=ModelConfig(embedding=PretrainedEmbedding(vectors={vectors!r}), encoder=Conv1DConfig(features=8)),
    training=TrainingConfig(batch_size=32, epochs=2),
)
"""
FIGURES = {"loss.png", "accuracy.png", "confusion.png", "calibration.png", "lengths.png"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install Debian's package chromium")


def report(*arguments: str | Path, cwd: Path | None = None, by: Callable = run) -> str:
    """What a report that succeeds prints."""
    process = by("imdb_jax.report", *arguments, cwd=cwd)
    assert process.returncode == 0, process.stderr.decode()
    assert not process.stderr
    return process.stdout.decode()


def browse(page: Path, profile: Path, *options: str) -> str:
    """The document as it stands after Chromium has opened it."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *options]
    process = subprocess.run([*command, "--dump-dom", page.absolute().as_uri()], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on hostile reviews, in a directory with a hostile name, and its report."""
    folder = tmp_path_factory.mktemp("reported")
    train = open_corpus(DataConfig(source="synthetic")).train
    reviews = itertools.islice(zip(train.texts(), train.labels, strict=True), 300)
    with (folder / f"{ODD_NAME}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows((f"{ATTACK} {text.decode()}", label) for text, label in reviews)
    vectors = folder / "vectors.txt"
    vectors.write_text("".join(f"{word} {i} 1 -1 {-i}\n" for i, word in enumerate(("good", "dull", "script", "xyzzy"))))
    (folder / "config.py").write_text(
        CONFIG.format(path=str(folder / f"{ODD_NAME}.csv"), vectors=str(vectors)),
    )
    workdir = folder / ODD_NAME
    process = run("imdb_jax.train", "--config", folder / "config.py", "--workdir", workdir)
    assert process.returncode == 0, process.stderr.decode()
    assert report("--workdir", workdir, by=run_alone).startswith(f"{workdir / 'report.html'}  (")
    return workdir


def test_report_is_one_page_that_loads_nothing_and_runs_nothing(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert not re.findall(r"<(?:script|link|iframe|object|embed|base|form)\b", page)
    assert all(source.startswith("data:") for source in re.findall(r"""\b(?:src|srcset|href)="([^"]*)""", page))
    assert page.count("<img") == len(FIGURES)
    assert html.escape("<script>document.title=", quote=False) in page
    assert len(page) < 1_500_000
    assert {path.name for path in (reported / "report").iterdir()} == FIGURES


def test_report_tells_what_training_told(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    results = json.loads((reported / "results.json").read_text())
    for split in ("validation", "test"):
        assert f"{results[split]['accuracy']:.2%}" in page
        assert f"{results[split]['loss']:.4f}" in page
    for name, version in results["versions"].items():
        assert re.search(rf"<th>{name}</th><td>{re.escape(version)}</td>", page)
    coverage = Run(reported).coverage()
    assert coverage
    assert coverage.found == 3
    assert f"3 of {3 + coverage.missing}<" in page
    assert f"{coverage.running:.1%}" in page
    assert "embedding.table" in page
    assert "<code>model.encoder.features</code></td><td>8<" in page
    wrong = round((1 - results["validation"]["accuracy"]) * results["validation"]["examples"])
    assert f"wrong about {wrong} validation reviews" in page
    assert "read 1 time: train" in page
    delta = re.search(r"difference of the two logits within\s+(\S+) for every review shown", page)
    assert delta
    assert float(delta[1]) <= 0.05


def test_an_unfinished_run_has_a_report_too_and_a_look_at_the_test_split_is_recorded(
    reported: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(reported, tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    write_run_page(tmp_path / "page.html", Run(tmp_path / "run"), "test", MovedData())
    page = (tmp_path / "page.html").read_text()
    assert "Training has not finished." in page
    assert "training has not ended; this is the best epoch so far" in caplog.text
    assert "one is given twice" in fails(2, "imdb_jax.report", tmp_path / "run", f"{tmp_path}/./run")
    assert "Predictions on test" in page
    assert [reading["command"] for reading in Run(tmp_path / "run").test_readings()] == ["train", "report"]
    (tmp_path / "run" / "vocabulary.txt").write_text("\n[UNK]\nfilm\n")
    assert "has changed since the run wrote it" in fails(65, "imdb_jax.report", "--workdir", tmp_path / "run")


def test_another_checkpoint_than_the_best_is_told_on_the_page(reported: Path, tmp_path: Path) -> None:
    workdir = tmp_path / "run"
    shutil.copytree(reported, workdir, ignore=shutil.ignore_patterns("report*"))
    best = workdir / "checkpoints" / str(best_step(workdir))
    (best / "metadata.json").write_bytes(b"")
    assert b"damaged" in run("imdb_jax.report", "--workdir", workdir).stderr
    told = "The checkpoint of the best epoch can't be read;</strong> what follows of reviews is by that of step "
    assert told in (workdir / "report.html").read_text()
    assert told not in (reported / "report.html").read_text()
    for path in workdir.glob("checkpoints/[0-9]*"):
        shutil.rmtree(path)
    said = fails(65, "imdb_jax.predict", "--workdir", workdir, "fine")
    assert "checkpoints: gone; put them back, or train again in another --workdir" in said


def best_step(workdir: Path) -> int:
    run = Run(workdir)
    return run.history().best(run.config().training.monitor).step


def test_comparison_groups_seeds_and_writes_into_runs_that_it_has_seen_their_test_scores(
    reported: Path, tmp_path: Path
) -> None:
    for name, field, value in (("a-0", "seed", 0), ("a-1", "seed", 1), ("b", "dropout", 0.25)):
        shutil.copytree(reported, tmp_path / name, ignore=shutil.ignore_patterns("report*"))
        run = Run(tmp_path / name)
        config = dump(run.config())
        (config["model"] if field == "dropout" else config)[field] = value
        begin(run, load(Config, config, ""), run.vocabulary(), run.load_vectors())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/**/*")}
    assert report("a-0", "a-1", "b", cwd=tmp_path).startswith("comparison.html  (")
    assert {path.name for path in (tmp_path / "comparison").iterdir()} == {"loss.png", "accuracy.png"}
    page = (tmp_path / "comparison.html").read_text()
    assert re.search(r'<td class="name">a</td><td>0, 1</td><td class="number">[\d.]+</td>', page)  # of equal copies
    assert "<code>model.dropout</code></td><td>0.5</td><td>0.25</td>" in page
    assert "<code>seed</code>" not in page
    changed = {path for path, time in before.items() if path.stat().st_mtime_ns != time and path.is_file()}
    assert changed == {tmp_path / name / "test_readings.jsonl" for name in ("a-0", "a-1", "b")}


def test_mistakes_on_the_command_line_are_one_line(reported: Path, tmp_path: Path) -> None:
    command = "imdb_jax.report"
    assert "--workdir: needs the directory" in fails(2, command)
    assert "--out: 'x.pdf'; must end in .html" in fails(2, command, reported, "--out", "x.pdf")
    assert "--split: 'test'; only the page of one run" in fails(2, command, reported, reported, "--split", "test")
    assert "manifest.json: no such file" in fails(66, command, tmp_path)
    (tmp_path / "file").write_text("")
    out = ("--out", tmp_path / "file" / "page.html")
    shutil.copytree(reported, tmp_path / "copy")
    assert "choose another --out" in fails(73, command, reported, tmp_path / "copy", *out)


@needs_browser
def test_browser_shows_hostile_reviews_and_runs_nothing_of_them(reported: Path, tmp_path: Path) -> None:
    page = (reported / "report.html").read_text()
    # Without the policy that forbids scripts and with one of ours, which counts what came of the text.
    probe = """<script>onload = () => setTimeout(() => document.body.dataset.found = JSON.stringify([
      document.title, document.scripts.length, document.images.length,
      [...document.querySelectorAll(".review")].every(r => r.textContent.includes('<script>document.title="run"')),
    ]), 200)</script></body>"""
    (tmp_path / "open.html").write_text(re.sub("<meta http-equiv[^>]*>", "", page).replace("</body>", probe))
    shown = browse(tmp_path / "open.html", tmp_path / "profile", "--virtual-time-budget=2000")
    found = re.search(r'data-found="([^"]*)"', shown)
    assert found
    assert json.loads(html.unescape(found[1])) == [f"{ODD_NAME}: report", 1, len(FIGURES), True]
    # As it is, the page refuses even a script that stands in it.
    (tmp_path / "closed.html").write_text(page.replace("</body>", probe))
    assert "data-found" not in browse(tmp_path / "closed.html", tmp_path / "profile", "--virtual-time-budget=2000")


@needs_browser
def test_page_fits_a_phone(reported: Path, tmp_path: Path) -> None:
    page = re.sub("<meta http-equiv[^>]*>", "", (reported / "report.html").read_text())
    frame = f'<iframe width="390" height="800" srcdoc="{html.escape(page)}"></iframe>'
    probe = """<script>onload = () => {
      const inner = document.querySelector("iframe").contentDocument
      inner.querySelectorAll("details").forEach(d => d.open = true)
      const images = [...inner.images].every(i => i.naturalWidth > 0)
      document.body.dataset.found = JSON.stringify([inner.documentElement.scrollWidth, images])
    }</script>"""
    (tmp_path / "phone.html").write_text(f"<!doctype html><body>{frame}{probe}</body>")
    shown = browse(tmp_path / "phone.html", tmp_path / "profile", "--virtual-time-budget=2000")
    found = re.search(r'<body[^>]* data-found="([^"]*)"', shown)
    assert found
    width, images = json.loads(html.unescape(found[1]))
    assert width <= 390
    assert images
