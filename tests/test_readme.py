"""The READMEs: their Python runs, and the Korean one keeps step with the English one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CONFIGS

ROOT = Path(__file__).parents[1]
ENGLISH, KOREAN = ((ROOT / name).read_text() for name in ("README.md", "README.ko.md"))


def blocks(text: str, language: str) -> list[str]:
    """Fenced blocks of a language; "" for those of none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for of, block in found if of == language]


def commands(text: str) -> list[str]:
    """What a reader types: lines of code without the comments, which are translated."""
    lines = [line for language in ("", "python") for block in blocks(text, language) for line in block.splitlines()]
    return [line for line in (re.sub(r"\s*# .*", "", line).rstrip() for line in lines) if line]


def figures(text: str) -> list[list[str]]:
    """Numbers of each table row, in order."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [re.findall(r"\d[\d,.]*", row) for row in rows]


def outline(text: str) -> list[int]:
    """Depths of the headings."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]


def links(text: str) -> set[str]:
    return set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.ko.md"}


@pytest.mark.parametrize("part", [commands, figures, outline, links], ids=lambda part: part.__name__)
def test_the_korean_readme_keeps_step(part) -> None:
    assert part(KOREAN) == part(ENGLISH)


@pytest.mark.parametrize("text", [ENGLISH, KOREAN], ids=["english", "korean"])
def test_links_lead_somewhere(text: str) -> None:
    assert not [link for link in links(text) if "://" not in link and not (ROOT / link).exists()]


def test_python_in_the_readme_runs(tmp_path: Path) -> None:
    """Blocks that use a run come after the one that makes it, which is the notebook's."""
    (tmp_path / "configs").symlink_to(CONFIGS[0].parent)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "conv1d").symlink_to("notebook")
    python = blocks(ENGLISH, "python")
    notebook = next(block for block in python if "fit(" in block)
    assert len([line for line in notebook.splitlines() if line and not line.startswith("from ")]) <= 10
    for block in (notebook, *(block for block in python if block is not notebook)):
        process = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
    assert (tmp_path / "runs" / "notebook" / "results.json").exists()
