"""The tutorial of docs/: it runs, in both languages, with public names alone."""

import ast
import json
import re
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest

import imdb_jax
from imdb_jax import load_dataset
from imdb_jax.config import DataConfig
from imdb_jax.wordvectors.table import write_vectors

ROOT = Path(__file__).parents[1]
ENGLISH, KOREAN = (nbformat.read(ROOT / "docs" / name, 4) for name in ("tutorial.ipynb", "tutorial.ko.ipynb"))
both = pytest.mark.parametrize("notebook", [ENGLISH, KOREAN], ids=["en", "ko"])


def code(notebook: nbformat.NotebookNode) -> list[str]:
    """Each cell of code, without comments, which are translated."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [ast.unparse(ast.parse(cell)) for cell in cells]


def told(notebook: nbformat.NotebookNode) -> list[str]:
    """What each cell of code printed."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in each.get("data", {}) for cell in notebook.cells for each in cell.get("outputs", ()))


pytestmark = pytest.mark.usefixtures("compiled_as_for_users")


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> nbformat.NotebookNode:
    """The English one on generated reviews, with vectors that know half of their words."""
    words = load_dataset(DataConfig(source="synthetic")).vocabulary.words[::2]
    table = np.random.default_rng(0).normal(size=(len(words), 50)).astype(np.float32)
    (cache / "vectors").mkdir(exist_ok=True)
    write_vectors(cache / "vectors" / "glove.6B.50d.txt", words, table)
    notebook = nbformat.from_dict(ENGLISH)
    (cell,) = (cell for cell in notebook.cells if 'source = "imdb"' in cell.source)
    cell.source = cell.source.replace('source = "imdb"', 'source = "synthetic"')
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        resources = {"metadata": {"path": str(folder)}}
        return nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()


def test_it_runs_and_shows_what_it_promises(executed: nbformat.NotebookNode) -> None:
    text = "\n".join(told(executed))
    assert re.search(r"train +1,600 reviews, 50% positive\nvalidation +400 .*\ntest +1,000 ", text)
    assert re.search(r"mean \d+ words, standard deviation \d+, mean \+ 2 deviations \d+\n100.0% of the reviews", text)
    assert re.search(r"Converted 85 words \(85 misses\): 50.0 % of the vocabulary", text)
    assert "21,313 trained" in text
    assert "Prediction(label=" in text
    assert text.count("%  ") >= 3
    assert pictures(executed) == 2


def test_training_shows_each_epoch_in_its_cell_once(executed: nbformat.NotebookNode) -> None:
    cell = next(cell for cell in executed.cells if "fit(model" in cell.source)
    shown = "".join(
        output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"
    )
    assert re.findall(r"^epoch +(\d+)/6 ", shown, re.MULTILINE) == [*"123456"]
    assert "┃ split " in shown
    assert not [output for output in cell.outputs if "text/html" in output.get("data", {})]  # rich knows notebooks


def test_korean_has_the_same_code() -> None:
    assert code(KOREAN) == code(ENGLISH)
    assert [cell.cell_type for cell in KOREAN.cells] == [cell.cell_type for cell in ENGLISH.cells]
    words = [cell.source for cell in KOREAN.cells if cell.cell_type == "markdown"]
    assert all(re.search("[가-힣]", each) for each in words)


@both
def test_it_needs_public_names_alone(notebook: nbformat.NotebookNode) -> None:
    for node in ast.walk(ast.parse("\n".join(code(notebook)))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imdb_jax"):
            assert node.module == "imdb_jax"
            assert {alias.name for alias in node.names} <= set(imdb_jax.__all__)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")


@both
def test_it_is_kept_as_it_ran(notebook: nbformat.NotebookNode) -> None:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert {output.output_type for cell in cells for output in cell.outputs} <= {"stream", "display_data"}
    assert pictures(notebook) == 2
    assert len(json.dumps(notebook)) < 200_000
    for link in re.findall(r"\]\(([^)]+)\)", "".join(cell.source for cell in notebook.cells)):
        assert (ROOT / "docs" / link).exists(), link
