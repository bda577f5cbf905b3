"""The measuring scripts: what they read from programs and traces, and how they grow a config."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import Config, Conv1DConfig, ModelConfig
from scripts.environment import ROOT
from scripts.figures.mistakes import MISTAKES, PAGE, padded_to
from scripts.figures.reproduce import CONFIGS, PAGES, link, with_cells, with_docstring_figures
from scripts.measurements.scaling import sizes
from scripts.peers.bags import NAMES
from tests.conftest import random_split

SMALL = ["--config.data.limit=60", "--config.data.vocabulary_size=200", "--config.data.max_length=24"]


def measured(name: str, *arguments: str) -> list[list[str]]:
    """Cells of the Markdown tables that a measurement of configs/quickstart.py prints."""
    command = [sys.executable, "-m", f"scripts.measurements.{name}", "--config", "configs/quickstart.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]


def test_sizes_that_grow() -> None:
    grown = sizes(Config(model=ModelConfig(encoder=Conv1DConfig())), reviews=2_000)
    assert [field for field, _ in grown.values()] == [
        "data.max_length",
        "training.batch_size",
        "model.encoder.features",
        "data.limit",
    ]
    assert grown["reviews of a class"][1] == (1_000, 2_000, 4_000, 8_000)


def test_profile_names_operations(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.measurements.profile", "--config", "configs/quickstart.py"]
    done = subprocess.run(
        [*command, *SMALL, "--steps", "2", "--trace", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "ms a step" in done.stdout
    assert "while" in done.stdout
    assert list(tmp_path.rglob("*.xplane.pb"))


def result(seed: int, accuracy: float) -> dict:
    return {
        "test": {"accuracy": accuracy},
        "validation": {"accuracy": accuracy + 0.01},
        "seed": seed,
        "best_epoch": 3 + seed,
        "seconds": {"train": 9.0 + seed, "total": 10.0 + seed},
        "device": {"platform": "cpu", "cores": 2, "count": 2, "kind": "cpu"},
        "versions": {"jax": "1.2.3", "flax": "4.5.6"},
        "config": {"seed": seed, "training": {"epochs": 15}},
    }


def test_figures_go_into_a_docstring_and_nowhere_else() -> None:
    source = '"""Title.\n\nTest accuracy 1 %\nand more.\n\nOther.\n"""\ntext = "Test accuracy 2"\n'
    written = with_docstring_figures(source, [result(0, 0.81), result(1, 0.83)])
    assert written.startswith('"""Title.\n\nTest accuracy 82.00 ± 1.41 %, validation 83.00 ± 1.41 % (seeds 0, 1,')
    assert "epochs 3, 4 of up to 15" in written
    assert written.endswith('\n\nOther.\n"""\ntext = "Test accuracy 2"\n')
    assert with_docstring_figures(written, [result(0, 0.81), result(1, 0.83)]) == written


def test_where_seeds_stall_the_median_is_told() -> None:
    source = '"""Title.\n\nTest accuracy 1 %\n"""\n'
    written = with_docstring_figures(source, [result(seed, 0.5 if seed == 2 else 0.8) for seed in range(5)])
    assert "\n\nTest accuracy median 80.00, lowest 50.00 %, validation median 81.00, lowest 51.00 %" in written
    assert "(seeds 0 to 4, best in epochs 3 to 7 of up to 15)" in " ".join(written.split())


def test_every_config_has_a_place_for_its_figures() -> None:
    for name, path in CONFIGS.items():
        assert "0.5 %" in with_docstring_figures(path.read_text(), [result(0, 0.005)]).replace("0.50", "0.5")
        places = [with_cells(page.read_text(), link(name, page), {6: {2: "nowhere else"}}) for page in PAGES]
        assert any("nowhere else" in text for text in places), name


def test_cells_of_one_row() -> None:
    table = "text\n| a | b |\n|---|---|\n| x | 1 |\n| y |  |\n| y | | |\n"
    assert with_cells(table, "y", {2: {1: "2"}}) == "text\n| a | b |\n|---|---|\n| x | 1 |\n| y | 2 |\n| y | | |\n"


def test_mistakes_have_their_rows() -> None:
    for name, (system, _) in MISTAKES.items():
        assert f"| {name} | [{system}](../configs/{system}.py) |" in PAGE.read_text()


def test_padding_becomes_words() -> None:
    split = random_split([2, 5])
    padded = padded_to(4, split)
    assert padded.ids.tolist() == [*split.ids[:2], 0, 0, *split.ids[2:6]]
    assert padded.offsets.tolist() == [0, 4, 8]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "rows"),
    [
        ("devices", "--rows 4 --steps 1 --rounds 1", 4),
        ("population", "--seeds 2 --epochs 1 --rounds 1", 1),
        ("scaling", "--reviews 100 --rounds 1", 24),
    ],
)
def test_a_table(name: str, arguments: str, rows: int) -> None:
    table = measured(name, *arguments.split())
    assert len(table) == 1 + rows
    assert len({len(row) for row in table}) == 1


@pytest.mark.slow
def test_a_record_is_timed_from_nothing_and_again() -> None:
    command = [sys.executable, "-m", "scripts.figures.records", "--config", "configs/quickstart.py", "--peers"]
    done = subprocess.run([*command, "--seeds", "1"], cwd=ROOT, capture_output=True, text=True, check=True)
    row = done.stdout.splitlines()[2].strip("| ").split(" | ")
    assert row[:2] == ["configs/quickstart.py", "1"]
    assert len(row) == 6


def test_the_launcher_names_what_it_can_measure() -> None:
    def launched(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "scripts/measure", *arguments], cwd=ROOT, capture_output=True, text=True)

    names = sorted(path.stem for path in ROOT.glob("scripts/measurements/*.py"))
    assert sorted(line.split()[0] for line in launched("--help").stdout.splitlines() if line.startswith("  ")) == names
    wrong = launched("speed")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: speed: ")
    assert len(wrong.stderr.splitlines()) == 1


@pytest.mark.parametrize(("name", "needs"), [("scikit-learn, words and pairs", "sklearn"), ("fastText", "fasttext")])
def test_bags_of_words_learn(name: str, needs: str) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed: pip install -e '.[records]'")
    train, most = next(found for peer, found in NAMES.items() if peer.startswith(name))
    texts, labels = ["A good film", "Not good.<br />Bad!"] * 40, np.array([1, 0] * 40)
    assert list(train(texts, labels, most)(["a good film", "bad"])) == [1, 0]
