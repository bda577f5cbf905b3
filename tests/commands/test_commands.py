"""Every command as a user types it."""

import csv
import dataclasses
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import Config, DataConfig, load
from imdb_jax.data.dataset import load_dataset, open_corpus
from imdb_jax.inference.predictor import Predictor, word_vectors
from imdb_jax.runs.run import Run
from imdb_jax.wordvectors.table import neighbours, read_vectors
from tests.commands.command_line import fails, run, run_alone

CONFIG = """
from imdb_jax.config import *

config = Config(
    data=DataConfig(source="synthetic", vocabulary_size=300, max_length=48, buckets=()),
    model=ModelConfig(embedding=LearnedEmbedding(dim=16), encoder=LSTMConfig(hidden_dim=8)),
    optimizer=OptimizerConfig(learning_rate=1e-2),
    training=TrainingConfig(batch_size=32, epochs=2, eval_batch_size=32),
)
"""

QUICK = ["--config.training.epochs=1", "--config.training.batch_size=16"]  # which one device does


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as a user trains it, in a process of its own."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "config.py").write_text(CONFIG)
    process = run_alone("imdb_jax.train", "--config", folder / "config.py", "--workdir", folder / "run")
    assert process.returncode == 0, process.stderr.decode()
    return folder / "run"


def predictions(*arguments: str | Path, stdin: bytes = b"") -> list[dict]:
    process = run("imdb_jax.predict", *arguments, stdin=stdin)
    assert process.returncode == 0, process.stderr.decode()
    assert not process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_a_run_directory_holds_all_that_it_promises(trained: Path) -> None:
    results = json.loads((trained / "results.json").read_text())
    for split, examples in (("validation", 400), ("test", 1_000)):
        assert results[split]["examples"] == examples
        assert 0 <= results[split]["accuracy"] <= 1
        assert results[split]["loss"] > 0
    assert results["seed"] == 0
    assert {"start", "data", "compile", "train", "evaluation"} <= results["seconds"].keys()
    assert {"jax", "flax", "optax", "numpy"} <= results["versions"].keys()
    assert results["device"]["platform"]
    assert load(Config, results["config"], "results.json") == Run(trained).config()
    metrics = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [(record["epoch"], record["step"]) for record in metrics] == [(1, 50), (2, 100)]
    assert {"accuracy", "loss", "auc", "f1"} <= metrics[0]["validation"].keys()
    assert json.loads((trained / "test_readings.jsonl").read_text().splitlines()[0])["command"] == "train"
    assert json.loads((trained / "audit.json").read_text())["splits"]["train"]
    log = (trained / "train.log").read_text()
    assert "embedding.table" in log
    assert "% of the tokens that an epoch computes are padding" in log
    assert "epoch  2/2  step 100" in log
    assert log.count("compiled 0") == 1


def test_tensorboard_reads_the_events(trained: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("accuracy/validation")] == [50, 100]
    assert {"loss/train", "loss/validation", "auc/validation"} <= set(events.Tags()["scalars"])


def test_evaluate_repeats_the_results_and_records_each_look_at_the_test_split(trained: Path) -> None:
    results = json.loads((trained / "results.json").read_text())
    before = (trained / "test_readings.jsonl").read_text().splitlines()
    for split in ("validation", "test"):
        process = run("imdb_jax.evaluate", "--workdir", trained, "--split", split)
        assert process.returncode == 0, process.stderr.decode()
        scores = json.loads(process.stdout)
        assert {name: scores[name] for name in results[split]} == results[split]
    after = (trained / "test_readings.jsonl").read_text().splitlines()
    assert len(after) == len(before) + 1
    assert json.loads(after[-1])["command"] == "evaluate"


def test_predict_equals_evaluate_review_for_review(trained: Path) -> None:
    test = open_corpus(Run(trained).config().data).test
    texts = [*test.texts()]
    found = predictions("--workdir", trained, stdin=b"".join(text.replace(b"\n", b" ") + b"\n" for text in texts))
    called = [prediction["label"] == "positive" for prediction in found]
    accuracy = sum(c == bool(label) for c, label in zip(called, test.labels, strict=True)) / len(texts)
    assert accuracy == json.loads((trained / "results.json").read_text())["test"]["accuracy"]


def test_predict_reads_arguments_lines_csv_and_jsonl_alike(trained: Path) -> None:
    texts = ["A wonderful film.", 'Not good, dull; "boring" – naïve 🙂', "it, was\nterrible"]
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["id", "review"])
    rows.writerows(enumerate(texts))
    expected = predictions("--workdir", trained, "--output", "jsonl", *texts)
    assert [set(line) for line in expected] == [{"label", "probability", "flags"}] * 3
    for prediction in expected:
        assert prediction["label"] == ("positive" if prediction["probability"] > 0.5 else "negative")
    jsonl = "".join(json.dumps({"review": text}) + "\n" for text in texts)
    lines = "".join(text.replace("\n", " ") + "\r\n" for text in texts)
    for arguments, stdin in (
        (["--input", "csv", "--text_column", "review"], table.getvalue()),
        (["--input", "jsonl", "--text_column", "review"], jsonl),
        ([], lines),
    ):
        found = predictions("--workdir", trained, *arguments, stdin=stdin.encode())
        for got, wanted in zip(found, expected, strict=True):
            assert got["probability"] == pytest.approx(wanted["probability"], abs=1e-6)


def test_predict_reads_files_and_folders(trained: Path, tmp_path: Path) -> None:
    def answers(*arguments: str | Path) -> list[dict]:
        process = run("imdb_jax.predict", "--workdir", trained, *arguments, cwd=tmp_path)
        assert process.returncode == 0, process.stderr.decode()
        assert b"(to predict): 3 reviews" in process.stderr
        return [json.loads(line) for line in process.stdout.splitlines()]

    texts = ["wonderful", "", "dreadful"]
    (tmp_path / "column.csv").write_text("review\nwonderful\n\ndreadful\n")
    (tmp_path / "semicolons.csv").write_text("review;stars\n" + "".join(f"{text};3\n" for text in texts), "utf-16")
    (tmp_path / "array.json").write_text(json.dumps([{"review": text} for text in texts]))
    (tmp_path / "lines.txt").write_text("\n".join(texts) + "\n", "utf-8-sig")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for name, text in zip(("a.txt", "b.TXT", "deep/c.txt"), texts, strict=True):
        (tmp_path / "folder" / name).write_text(text)
    expected = predictions("--workdir", trained, "--output", "jsonl", *texts)
    of_lines = answers("lines.txt")
    assert of_lines == answers("--input", "lines", "lines.txt")
    for found in (
        answers("--text_column", "review", "column.csv"),
        answers("--text_column", "review", "--input", "csv", "semicolons.csv"),
        answers("--text_column", "review", "array.json"),
        of_lines,
        answers("folder"),
    ):
        assert [each["flags"] for each in found] == [[], ["empty"], []]
        for got, wanted in zip(found, expected, strict=True):
            assert got["probability"] == pytest.approx(wanted["probability"], abs=1e-6)
    (tmp_path / "brackets.txt").write_text("[Spoilers] wonderful\n\n{dreadful}\n")
    assert [each["flags"] for each in answers("brackets.txt")] == [[], ["empty"], []]
    (tmp_path / "named_as_text.txt").write_text("text,stars\n" + "".join(f"{text},3\n" for text in texts))
    assert [each["flags"] for each in answers("named_as_text.txt")] == [[], ["empty"], []]
    assert [each["where"] for each in answers("folder")] == [f"folder/{n}" for n in ("a.txt", "b.TXT", "deep/c.txt")]
    assert of_lines[2]["where"] == "lines.txt:3"


def test_predict_takes_no_file_for_a_review(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "cp949.csv").write_bytes("text\n훌륭한 영화\n".encode("cp949"))
    predict = "imdb_jax.predict", "--workdir", trained
    assert "nowhere.csv: no such file" in fails(66, *predict, "nowhere.csv")
    assert "--text_column: 'review'; only for files" in fails(2, *predict, "--text_column", "review", "a fine film")
    assert "--input: 'csv'; only for files" in fails(2, *predict, "--input", "csv", "a fine film")
    said = fails(65, *predict, tmp_path / "cp949.csv")
    assert "cp949.csv:2: not UTF-8, as 1 of 1 reviews; save as UTF-8 or set --encoding=" in said
    process = run(*predict, "--encoding", "cp949", tmp_path / "cp949.csv")
    assert (process.returncode, len(process.stdout.splitlines())) == (0, 1)


def test_a_hyphen_and_a_pipe_of_the_shell_are_read_as_standard_input_is(trained: Path) -> None:
    lines = b"A fine film\nDull\n"
    (expected, _), *others = (
        (predictions("--workdir", trained, *arguments, stdin=stdin), arguments)
        for arguments, stdin in (((), lines), (("-",), lines))
    )
    assert all(found == expected for found, _ in others)
    end, written = os.pipe()
    os.write(written, lines)
    os.close(written)
    pipe = f"/dev/fd/{end}"
    assert predictions("--workdir", trained, pipe) == expected
    data = f"--config.data.path={pipe}"
    said = fails(65, "imdb_jax.audit", "--config", "quickstart", "--config.data.source=files", data)
    os.close(end)
    assert said.endswith("a pipe or a device, which can be read only once; save it as a file for --config.data.path=")


def test_columns_of_lines_are_refused(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nfine\n")
    said = fails(
        2, "imdb_jax.predict", "--workdir", trained, "--input", "lines", "--text_column=text", tmp_path / "a.csv"
    )
    assert "--text_column: 'text'; with --input lines there are no columns" in said


def test_a_text_file_that_begins_as_a_table_is_told(trained: Path, tmp_path: Path) -> None:
    """As Naver's ratings.txt does."""
    path = tmp_path / "ratings.txt"
    path.write_text("id\tdocument\tlabel\n1\tfine\t1\n")
    told = b"ratings.txt: begins as a table does, and is read as lines; --text_column reads a table\n"
    process = run("imdb_jax.predict", "--workdir", trained, path)
    assert (process.returncode, len(process.stdout.splitlines())) == (0, 2)
    assert told in process.stderr
    for arguments, count in ((("--input", "lines"), 2), (("--text_column", "document"), 1)):
        process = run("imdb_jax.predict", "--workdir", trained, *arguments, path)
        assert (len(process.stdout.splitlines()), told in process.stderr) == (count, False)


@pytest.mark.parametrize(
    ("command", "name", "said"),
    [
        (("export",), "config.json", "must end in .zip"),
        (("export", "--out", "model.zip", "--reader"), "vocabulary.txt", "must end in .pyz"),
        (("vocabulary", "export"), "config.json", "is a file of a run, which needs it as it is"),
        (("vectors", "export"), "vocabulary.txt", "is a file of a run, which needs it as it is"),
        (("report",), "results.json", "must end in .html"),
    ],
)
def test_no_command_writes_over_files_of_a_run(trained: Path, command: Sequence[str], name: str, said: str) -> None:
    before = (trained / name).read_bytes()
    name_of, *rest = command
    out = [] if rest[-1:] == ["--reader"] else ["--out"]
    assert said in fails(2, f"imdb_jax.{name_of}", *rest, *out, trained / name, "--workdir", trained)
    assert (trained / name).read_bytes() == before


def test_an_empty_standard_input_is_told(trained: Path) -> None:
    process = run("imdb_jax.predict", "--workdir", trained)
    assert (process.returncode, process.stdout) == (0, b"")
    assert process.stderr == b"stdin: holds no review\n"


@pytest.mark.parametrize("start", [b"id,text\n1,fine", b'{"text": "fine"}'])
def test_a_table_on_standard_input_that_is_read_as_lines_is_told(trained: Path, start: bytes) -> None:
    told = b"stdin: begins as a table does, and is read as lines; --text_column reads a table\n"
    process = run("imdb_jax.predict", "--workdir", trained, stdin=start + b"\n")
    assert (process.returncode, process.stderr) == (0, told)
    assert len(process.stdout.splitlines()) == start.count(b"\n") + 1
    asked = run("imdb_jax.predict", "--workdir", trained, "--text_column", "text", stdin=start + b"\n")
    assert (len(asked.stdout.splitlines()), asked.stderr) == (1, b"")


def test_predict_answers_every_line_and_flags_the_odd_ones(trained: Path) -> None:
    lines = [b"", b"  !?  ", b"xyzzy", b"\xff\xfe broken", b"good " * 100, "<b>great</b> 🙂".encode(), b"fine\x00"]
    process = run("imdb_jax.predict", "--workdir", trained, stdin=b"\n".join(lines) + b"\n")
    assert process.stderr == b"stdin: 1 of 7 reviews are not UTF-8; name their --encoding\n"
    found = [json.loads(line) for line in process.stdout.splitlines()]
    flags = [prediction["flags"] for prediction in found]
    assert flags[:5] == [["empty"], ["empty"], ["all_unknown"], ["all_unknown"], ["truncated"]]
    assert len(found) == len(lines)
    assert all(0 <= prediction["probability"] <= 1 for prediction in found)


def test_predict_tells_people_the_probability_of_the_label(trained: Path) -> None:
    texts = ["A wonderful,\nbrilliant film.", "A terrible, dull film.", ""]
    process = run("imdb_jax.predict", "--workdir", trained, *texts)
    lines = process.stdout.decode().splitlines()
    assert [line.partition("%  ")[2] for line in lines] == ["A wonderful, brilliant film.", texts[1], "  [empty]"]
    for line, prediction in zip(lines, Predictor(Run(trained)).predict(texts), strict=True):
        label, probability, percent, *_ = line.split()
        of_label = prediction.probability if label == "positive" else 1 - prediction.probability
        assert (label, percent) == (prediction.label, "%")
        assert float(probability) == pytest.approx(100 * of_label, abs=0.06)
        assert float(probability) >= 50
    piped = run("imdb_jax.predict", "--workdir", trained, "--output", "table", stdin=texts[1].encode() + b"\n")
    assert piped.stdout.decode().splitlines() == lines[1:2]


def test_predict_ends_quietly_on_a_closed_pipe(trained: Path) -> None:
    command = f"yes good film | {sys.executable} -m imdb_jax.predict --workdir {trained} | head -n 1"
    process = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True)
    assert process.stdout.count(b"\n") == 1
    assert not process.stderr


def test_same_command_again_leaves_a_finished_run_alone(trained: Path) -> None:
    process = run("imdb_jax.train", "--workdir", trained)
    assert process.returncode == 0
    assert b"is finished" in process.stderr
    assert process.stderr.count(b"epoch  1/2") == 0


def test_train_on_own_reviews(tmp_path: Path) -> None:
    train = open_corpus(DataConfig(source="synthetic")).train
    reviews = itertools.islice(zip(train.texts(), train.labels, strict=True), 300)
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["what", "mood"])
        rows.writerows((text.decode(), "pos" if label else "neg") for text, label in reviews)
    (tmp_path / "config.py").write_text(CONFIG)
    own = ["--config.data.source=files", f"--config.data.path={tmp_path / 'mine.csv'}"]
    own += ["--config.data.text_column=what", "--config.data.label_column=mood", *QUICK]
    process = run("imdb_jax.train", "--config", tmp_path / "config.py", "--workdir", tmp_path / "run", *own)
    assert process.returncode == 0, process.stderr.decode()
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["test"]["examples"] == 60
    assert results["config"]["training"]["epochs"] == 1


@pytest.mark.parametrize("output", ["table", "json"])
def test_audit(output: str, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    process = run("imdb_jax.audit", "--config", tmp_path / "config.py", "--output", output)
    assert process.returncode == 0, process.stderr.decode()
    if output == "json":
        assert json.loads(process.stdout)["splits"]["train"]["reviews"] == 1_600
    else:
        assert "1,600" in process.stdout.decode()


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "predict", "export", "audit", "report", "compare", "vocabulary", "vectors"]
)
def test_help(command: str) -> None:
    process = run(f"imdb_jax.{command}", "--help")
    assert process.returncode == 0, process.stderr.decode()
    text = process.stdout.decode()
    assert f"python -m imdb_jax.{command}" in text
    if command == "train":
        for section in dataclasses.fields(Config):
            default = getattr(Config(), section.name)
            for field in dataclasses.fields(default) if dataclasses.is_dataclass(default) else ():
                if not dataclasses.is_dataclass(getattr(default, field.name)):
                    assert f"--config.{section.name}.{field.name}" in text


def output(*arguments: str | Path) -> str:
    """What a command prints that has nothing to complain about."""
    process = run(*arguments)
    assert process.returncode == 0, process.stderr.decode()
    assert not process.stderr
    return process.stdout.decode()


def test_vocabulary_there_and_back(trained: Path, tmp_path: Path) -> None:
    vocabulary = Run(trained).vocabulary()
    text = "The plot was naïve, 🍿 xyzzy!"
    ids = output("imdb_jax.vocabulary", "encode", "--workdir", trained, text).split()
    assert [*map(int, ids)] == vocabulary.encode(text.encode())
    known = output("imdb_jax.vocabulary", "decode", "--workdir", trained, *ids)
    assert known == "the plot was naïve 🍿 [UNK]\n"
    assert not output("imdb_jax.vocabulary", "export", "--workdir", trained, "--out", tmp_path / "word_index.json")
    ranks = json.loads((tmp_path / "word_index.json").read_text())
    assert [vocabulary.ids([word.encode()]).tolist() for word in ranks] == [[rank + 1] for rank in ranks.values()]

    given = dataclasses.replace(Run(trained).config().data, word_index=str(tmp_path / "word_index.json"))
    assert load_dataset(given).vocabulary.tokens == vocabulary.tokens

    size = len(vocabulary)
    said = fails(2, "imdb_jax.vocabulary", "decode", "--workdir", trained, "1", str(size))
    assert f"id {size}; must be 0 to {size - 1}" in said
    assert "encode, decode, export" in fails(2, "imdb_jax.vocabulary", "encod", "--workdir", trained)
    export = ["imdb_jax.vocabulary", "export", "--workdir", trained, "--out"]
    assert "choose another --out" in fails(73, *export, tmp_path / "nowhere" / "word_index.json")


def test_vectors_of_a_run_and_of_a_file(trained: Path, tmp_path: Path) -> None:
    command = ["imdb_jax.vectors", "neighbours", "--count", "3"]
    path = tmp_path / "vectors.bin"
    assert not output("imdb_jax.vectors", "export", "--workdir", trained, "--out", path)
    words = Run(trained).vocabulary().words
    exported = read_vectors(path, [b"", *words])
    np.testing.assert_array_equal(exported.table[1:], word_vectors(Run(trained))[2:])
    assert exported.found[1:].all()

    lines = output(*command, "--workdir", trained, "good", "awful").splitlines()
    assert lines[::4] == ["good", "awful"]
    expected = [f"  {cosine:6.3f}  {word}" for word, cosine in neighbours("", words, exported.table[1:], b"good", 3)]
    assert lines[1:4] == expected
    assert output(*command, "--vectors", path, "good", "awful").splitlines() == lines


def test_mistakes_about_vectors_are_one_line(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("good 1 2\nbad 1 -2\n")
    command = ["imdb_jax.vectors", "neighbours"]
    known = [*command, "--vectors", tmp_path / "v.txt"]
    assert "no word 'god'; did you mean good?" in fails(2, *known, "god")
    assert "--count: 0; must be at least 1" in fails(2, *known, "--count", "0", "good")
    assert "words: give at least one" in fails(2, *known)
    assert "--workdir, --vectors: give one of them" in fails(2, *known, "--workdir", trained, "good")
    assert "--workdir, --vectors: give one of them" in fails(2, *command, "good")
    assert "did you mean glove.6B.50d?" in fails(66, *command, "--vectors", "glove.6b.50", "good")
    assert "no such file" in fails(66, *command, "--vectors", "nowhere.txt", "good")
    assert "must end in .txt or .bin" in fails(2, "imdb_jax.vectors", "export", "--workdir", trained, "--out", "a.csv")
    assert [*tmp_path.iterdir()] == [tmp_path / "v.txt"]


def test_data_that_moved_is_the_same_data(tmp_path: Path) -> None:
    rows = [(f"{'fine' if i % 2 else 'dull'} film {i}", i % 2) for i in range(60)]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    (tmp_path / "config.py").write_text(CONFIG.replace('source="synthetic"', 'source="files", path="a.csv"'))
    train = "imdb_jax.train", "--config", "config.py", "--workdir", "run"
    assert run(*train, "--config.training.epochs=1", cwd=tmp_path).returncode == 0
    (tmp_path / "a.csv").unlink()
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"review": t, "label": n}) + "\n" for t, n in rows))
    (tmp_path / "c.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows[1:]))
    moved = "--config.data.path=b.jsonl", "--config.data.text_column=review"
    for command in ("evaluate", "report"):
        asked = f"imdb_jax.{command}", "--workdir", "run"
        assert "a.csv: no such file or folder; give another --config.data.path=" in fails(66, *asked, cwd=tmp_path)
        assert "the reviews have changed" in fails(65, *asked, "--config.data.path=c.csv", cwd=tmp_path)
        process = run(*asked, *moved, cwd=tmp_path)
        assert process.returncode == 0, process.stderr.decode()
    again = run(*train, "--config.training.epochs=1", *moved, cwd=tmp_path)
    assert again.returncode == 0, again.stderr.decode()
    assert b"is finished" in again.stderr


def test_audit_proposes_a_length_and_shows_reviews(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    asked = "imdb_jax.audit", "--config", tmp_path / "config.py"
    found = json.loads(run(*asked, "--output", "json", "--show", "2").stdout)
    dataset = load_dataset(DataConfig(source="synthetic", vocabulary_size=300))
    lengths = np.diff(dataset.train.offsets)
    assert found["proposed_max_length"] == round(lengths.mean() + 2 * lengths.std())
    assert found["share_within_max_length"] == pytest.approx((lengths <= 48).mean())
    assert [len(each["words"]) for each in found["shown"]] == lengths[:2].tolist()
    for i, each in enumerate(found["shown"]):
        assert each["ids"] == dataset.train.ids[dataset.train.offsets[i] : dataset.train.offsets[i + 1]].tolist()
        assert each["decoded"] == dataset.vocabulary.decode(each["ids"])
        assert each["text"].lower().startswith(each["words"][0])
    assert "--show: -1; must be 0 or more" in fails(2, *asked, "--show", "-1")
    told = run(*asked, "--show", "1").stdout.decode()
    assert f"propose --config.data.max_length={found['proposed_max_length']};" in told
    assert "\nids: [" in told


def test_mistakes_on_the_command_line_are_one_line(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    train = ["imdb_jax.train", "--config", tmp_path / "config.py", "--workdir", tmp_path / "run"]
    assert "model.encoder.hidden_dim: 0;" in fails(2, *train, "--config.model.encoder.hidden_dim=0")
    said = fails(2, *train, "--config.model.encoder.hidden_dims=4")
    assert "--config.model.encoder.hidden_dims=4" in said
    assert "--config.model.encoder.hidden_dim" in said.replace("hidden_dims=4", "")
    assert "'imdb', 'synthetic', 'files'" in fails(2, *train, "--config.data.source=imbd")
    assert "--workdir" in fails(2, *train[:3])
    assert "--config" in fails(2, "imdb_jax.train", "--workdir", tmp_path / "run")
    assert "no such file" in fails(66, "imdb_jax.train", "--config", "nowhere.py", "--workdir", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    for command in ("evaluate", "predict"):
        assert "manifest.json: no such file" in fails(66, f"imdb_jax.{command}", "--workdir", tmp_path / "run")
    assert "training.epochs: 2 -> 3" in fails(2, "imdb_jax.train", "--workdir", trained, "--config.training.epochs=3")
    assert "stdin:2:" in fails(
        65, "imdb_jax.predict", "--workdir", trained, "--input", "jsonl", stdin=b'{"text": ""}\n[]\n'
    )
    assert "found: 'a', 'b'; name it with --text_column=" in fails(
        65, "imdb_jax.predict", "--workdir", trained, "--input", "csv", stdin=b"a,b\n1,2\n"
    )


def test_read_only_workdir(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "config.py").write_text(CONFIG)
    train = ["imdb_jax.train", "--config", tmp_path / "config.py", "--workdir"]
    assert "choose another --workdir" in fails(73, *train, tmp_path / "file")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        assert "choose another --workdir" in fails(73, *train, tmp_path / "closed" / "run")


def test_the_library_predicts_in_three_lines(trained: Path) -> None:
    predictor = Predictor(Run(trained))
    positive, negative = predictor.predict(["A wonderful, brilliant film.", "A terrible, dull film."])
    assert positive.probability > negative.probability


def test_a_start_without_data_leaves_the_workdir_free(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    train = ["imdb_jax.train", "--config", tmp_path / "config.py", "--workdir", tmp_path / "run"]
    missing = ["--config.data.source=files", "--config.data.path=nowhere.csv"]
    assert "nowhere.csv" in fails(66, *train, *missing)
    process = run(*train, *QUICK, "--config.data.limit=50")
    assert process.returncode == 0, process.stderr.decode()


def test_an_encoder_of_ones_own_in_one_file(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "docs" / "own_encoder.py"
    process = run(
        "imdb_jax.train", "--config", file, "--workdir", tmp_path / "run",
        *QUICK, "--config.data.limit=50", "--config.data.max_length=16", "--config.model.encoder.options.features=8",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr.decode()
    assert "encoder.turn.kernel" in (tmp_path / "run" / "train.log").read_text()
    assert predictions("--code", file, "--workdir", tmp_path / "run", stdin=b"A film")[0]["flags"] == []
    assert "'turned_words'; not in OWN_ENCODERS; --code" in fails(2, "imdb_jax.predict", "--workdir", tmp_path / "run")
    assert "nowhere.py: no such file" in fails(66, "imdb_jax.predict", "--workdir", tmp_path, "--code", "nowhere.py")
    assert "--code: needs a value" in fails(2, "imdb_jax.predict", "--workdir", tmp_path, "--code")
    unknown = ["--config.data.limit=200", "--config.model.encoder.options.features=x"]
    assert "features" in fails(2, "imdb_jax.train", "--config", file, "--workdir", tmp_path / "no", *unknown)
    (tmp_path / "other.py").write_text(file.read_text().replace('options={"features": 32}', 'options={"size": 1}'))
    process = run("imdb_jax.train", "--config", tmp_path / "other.py", "--workdir", tmp_path / "no")
    assert process.returncode == 2
    assert process.stderr.decode().splitlines()[-1].startswith("error: model.encoder.options: {'size': 1}; ")
