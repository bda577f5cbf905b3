"""The READMEs and docs/: what they tell to type exists, links lead somewhere, Korean keeps step with English."""

import functools
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.command_line import run
from tests.conftest import CONFIGS
from tests.test_imports import FLOORS, PACKAGE

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.ko.md"]
PAGES = [*READMES, *sorted(ROOT.glob("docs/*.md"))]
ENGLISH, KOREAN = (path.read_text() for path in READMES)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_readme = pytest.mark.parametrize("readme", READMES, ids=lambda page: page.name)


def blocks(text: str, language: str) -> list[str]:
    """Fenced blocks of a language; "" for those of none."""
    return [block for of, block in FENCED.findall(text) if of == language]


def paragraphs(text: str) -> list[str]:
    """What blank lines part, with a fenced block as one."""
    fenced = FENCED.sub(lambda found: found[0].replace("\n\n", "\n"), text)
    return re.split(r"\n{2,}", fenced.strip())


def commands(text: str) -> list[str]:
    """What a reader types: lines of code without the comments, which are translated."""
    lines = [line for language in ("", "python") for block in blocks(text, language) for line in block.splitlines()]
    return [line for line in (re.sub(r"\s*# .*", "", line).rstrip() for line in lines) if line]


def structure(text: str) -> list[tuple]:
    """Each paragraph's kind and size: depth of a heading, lines of code or of a table."""
    found = []
    for paragraph in paragraphs(text):
        if heading := re.match("#+ ", paragraph):
            found.append(("heading", len(heading[0])))
        elif paragraph.startswith(("```", "|")):
            found.append((paragraph[0], len(paragraph.splitlines())))
        else:
            found.append(("picture" if paragraph.startswith("!") else "text",))
    return found


def numbers(text: str) -> list[Counter[str]]:
    """Numbers of more than one digit in each paragraph; small ones may be words in one of the languages."""
    return [Counter(re.findall(r"\d[\d.,]*\d", paragraph)) for paragraph in paragraphs(text)]


def cells(text: str) -> list[list[str]]:
    """Numbers of each table row, in their order."""
    return [re.findall(r"\d[\d,.]*", line) for line in text.splitlines() if line.startswith("|")]


def links(text: str) -> list[str]:
    """Where links and pictures lead, in their order."""
    return re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text))


def anchors(text: str) -> list[str]:
    """Where `#...` leads within a page, heading by heading, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def targets(text: str) -> list[str | int]:
    """Links but those to the other language; a heading of the same page by its number."""
    found = [link for link in links(text) if link not in ("README.md", "README.ko.md")]
    return [anchors(text).index(link[1:]) if link.startswith("#") else link for link in found]


@pytest.mark.parametrize("part", [commands, structure, numbers, cells, targets], ids=lambda part: part.__name__)
def test_the_korean_readme_keeps_step(part) -> None:
    assert part(KOREAN) == part(ENGLISH)


@each_readme
def test_first_screen(readme: Path) -> None:
    lines = readme.read_text().splitlines()
    assert len(lines) <= 150
    first = "\n".join(lines[:40])
    assert re.findall(r"^scripts/\w+", first, re.MULTILINE) == ["scripts/quickstart", "scripts/test"]
    rows = [line for line in lines[:40] if line.startswith("| [")]
    assert 0 < len(rows) <= 8
    assert "\n![" in first


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page.read_text()):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            path = (page.parent / name) if name else page
            assert path.exists(), link
            assert not anchor or anchor in anchors(path.read_text()), link


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ENGLISH) if "://" not in link}
    assert set(PAGES) | set(ROOT.glob("*.md")) <= linked | {READMES[0]}


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)|\w+://\S+", "", page.read_text())
    for name in re.findall(r"(?<![\w/.-])(?:imdb_jax|scripts|tests|configs|docs)/[\w/.-]*\w", text, re.ASCII):
        assert (ROOT / name).exists(), name


def test_the_design_shows_the_folders_and_floors() -> None:
    folders, floors, *_ = blocks((ROOT / "docs" / "design.md").read_text(), "")
    shown = re.findall(r"^  (\w+(?:/|\.py))|(?<=py )(\w+\.py)", folders, re.MULTILINE)
    there = {path.name + "/" * path.is_dir() for path in PACKAGE.iterdir() if not path.name.startswith("_")}
    assert {first or other for first, other in shown} == there
    rows = [set(line.partition("(")[0].split()) for line in floors.splitlines()]
    assert rows == [{"commands"}, *reversed(FLOORS)]


def typed(text: str) -> Iterator[list[str]]:
    """Words of each command of this package, in fenced blocks and within lines."""
    lines = [line for block in blocks(text, "") for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`([^`]+)`", FENCED.sub("", text).replace("\n", " "))
    for line in (*lines, *inline):
        if re.match(r"(python -m imdb_jax|scripts/\w+(\s|$)|pip install)", line.strip()):
            yield shlex.split(line, comments=True)


@each_page
def test_commands_exist(page: Path) -> None:
    for words in typed(page.read_text()):
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        match words:
            case ["python", "-m", module, *rest]:
                told = told_by(module, *subcommand_and_config(rest))
                for option in options - {"--code"}:  # which every command takes before it looks at the others
                    field = re.escape(re.sub(r"^--grid\.", "--config.", option))
                    assert re.search(rf"{field}(?![\w.])", told), f"{module} has no {option}"
            case ["pip", "install", *rest]:
                extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
                assert {extra for word in rest for extra in re.findall(r"\w+", word.partition("[")[2])} <= set(extras)
            case [script, *rest]:
                assert options <= set(re.findall(r"--\w+", sources(script, rest[0] if rest else ""))), words


def subcommand_and_config(arguments: list[str]) -> list[str]:
    """What decides which options a command has."""
    given = "--config" in arguments and "..." not in arguments
    config = [f"--config={arguments[arguments.index('--config') + 1]}"] if given else []
    return [*config, *(word for word in arguments[:1] if word.isalpha())]


@functools.cache
def told_by(module: str, *arguments: str) -> str:
    """The help of a command."""
    done = run(module, *arguments, "--help", cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@functools.cache
def sources(script: str, name: str) -> str:
    """The text of a script and of the folder of the module that it runs, or of the one measurement that is named."""
    text = (ROOT / script).read_text()
    if script == "scripts/measure":
        return (ROOT / "scripts" / "measurements" / f"{name}.py").read_text()
    modules = re.findall(r'run\("scripts\.(\w+)\.\w+"', text)
    return text + "".join(path.read_text() for module in modules for path in (ROOT / "scripts" / module).glob("*.py"))


def test_figures_of_the_systems_are_those_of_their_configs() -> None:
    """scripts/reproduce writes docs/configs.md, rows of the READMEs and the docstrings of configs."""
    rows = {}
    for page in (ROOT / "docs" / "configs.md", *READMES):
        for name, row in re.findall(r"^\| \[(\w+)\]\([./]*configs/\w+\.py\) \|(.*)\|$", page.read_text(), re.MULTILINE):
            rows.setdefault(name, []).append([cell.strip(" *") for cell in row.split("|")])
    assert set(rows) == {path.stem for path in CONFIGS} - {"quickstart"}
    for name, ((_, test, validation, _, seconds), *short) in rows.items():
        told = " ".join((ROOT / "configs" / f"{name}.py").read_text().split())
        assert f"Test accuracy {test} %, validation {validation} %" in told
        assert f"; {seconds} s a run" in told
        assert [(row[1], row[3]) for row in short] in ([], [(test, seconds)] * len(READMES)), name


def test_python_in_the_readme_runs(tmp_path: Path) -> None:
    """As it stands there, but for a smaller config."""
    (block,) = blocks(ENGLISH, "python")
    assert len([line for line in block.splitlines() if line and not line.startswith("from ")]) <= 10
    small = (ROOT / "configs" / "quickstart.py").read_text()
    for field, value in (("max_length", 24), ("batch_size", 16), ("epochs", 1)):
        small = re.sub(rf"\b{field}=\d+", f"{field}={value}", small)
    (tmp_path / "small.py").write_text(small)
    assert block.count('load_config("quickstart")') == 1
    code = block.replace('load_config("quickstart")', 'load_config("small.py")')
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "runs" / "notebook" / "results.json").exists()
