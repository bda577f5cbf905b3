"""Configs: checked when built, JSON both ways, files that define one."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.config import (
    Config,
    Conv1DConfig,
    ConvStackConfig,
    DataConfig,
    LearnedEmbedding,
    LogCountRatioEmbedding,
    LSTMConfig,
    ModelConfig,
    OneHotEmbedding,
    OptimizerConfig,
    OwnEncoderConfig,
    PoolConfig,
    PretrainedEmbedding,
    SimpleRNNConfig,
    TextConfig,
    TrainingConfig,
    ValidationConfig,
    differences,
    dump,
    load,
    load_file,
)
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, USAGE, UserError
from tests.conftest import CONFIGS

EMBEDDINGS = [
    LearnedEmbedding(dim=7),
    PretrainedEmbedding(vectors="é", trainable=True),
    PretrainedEmbedding(trainable=True, folded=True),
    OneHotEmbedding(),
    LogCountRatioEmbedding(smoothing=0.5),
]
ENCODERS = [
    LSTMConfig(hidden_dim=3, pooling="attention"),
    SimpleRNNConfig(bidirectional=True, recurrent_init="identity"),
    Conv1DConfig(features=5, kernel_size=2),
    ConvStackConfig(features=5, pool_size=2),
    PoolConfig(pooling="mean"),
    OwnEncoderConfig(name="mine", options={"sizes": 3, "rate": 0.5, "gated": True, "how": "é"}),
]
NAN, INF = float("nan"), float("inf")


def section(cls: type, **fields: st.SearchStrategy) -> st.SearchStrategy:
    """Draws every field of a section; a field without a strategy is an error."""
    assert {field.name for field in dataclasses.fields(cls)} - {"kind"} == set(fields)
    return st.builds(cls, **fields)


sizes = st.integers(min_value=1, max_value=2**40)
rates = st.floats(0, 1, exclude_max=True)
shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
positive_floats = st.floats(0, exclude_min=True, allow_infinity=False)


@st.composite
def data_configs(draw: st.DrawFn) -> DataConfig:
    source = draw(st.sampled_from(["imdb", "synthetic", "files"]))
    *buckets, max_length = sorted(draw(st.sets(st.integers(100, 10_000), min_size=1, max_size=4)))
    paths = {"imdb": st.none() | st.text(), "synthetic": st.none(), "files": st.text()}
    of_files = {
        "test_path": st.none() | st.text(),
        "validation_path": st.none() | st.text(),
        "encoding": st.sampled_from([None, "cp949", "utf-16-le"]),
        "quotes": st.booleans(),
        "lines_are_reviews": st.booleans(),
        "negative_labels": st.lists(st.text()).map(tuple),
        "positive_labels": st.lists(st.text()).map(tuple),
        "left_out_labels": st.lists(st.text()).map(tuple),
        "text_column": st.text().map(lambda name: f"text {name}"),  # no other column than that
        "label_column": st.text(min_size=1).map(lambda name: f"label {name}"),
    }
    defaults = {each.name: st.just(each.default) for each in dataclasses.fields(DataConfig) if each.name in of_files}
    fields = section(
        DataConfig,
        source=st.just(source),
        path=paths[source],
        **(of_files if source == "files" else defaults),
        test_fraction=shares,
        data_dir=st.none() | st.text(),
        limit=st.none() | sizes,
        split_seed=st.integers(min_value=0),
        validation=section(
            ValidationConfig,
            method=st.sampled_from(["stratified", "random", "first", "last"]),
            size=shares | sizes.map(float),
        ),
        text=section(
            TextConfig,
            break_tags_as_spaces=st.booleans(),
            keep_apostrophes=st.booleans(),
            punctuation=st.sampled_from(["delete", "words"]),
            unit=st.sampled_from(["words", "characters"]),
            special_tokens=st.sampled_from(["text_vectorization", "keras_imdb"]),
        ),
        ngrams=st.just(0),  # others need an encoder that reads sets
        ngram_min_count=sizes,
        vocabulary_size=st.integers(min_value=5),
        word_index=st.none() | st.text(),
        max_length=st.just(max_length),
        keep=st.sampled_from(["head", "tail"]),
        buckets=st.just(tuple(buckets)),
    )
    return draw(fields)


@st.composite
def model_configs(draw: st.DrawFn) -> ModelConfig:
    embedding = draw(
        section(LearnedEmbedding, dim=sizes, bigram_buckets=st.integers(0, 2**31 - 1))
        | section(
            PretrainedEmbedding,
            vectors=st.text(),
            trainable=st.just(True),
            folded=st.booleans(),
            missing=st.sampled_from(["zeros", "normal"]),
        )
        | section(LogCountRatioEmbedding, smoothing=positive_floats)
        | section(OneHotEmbedding)
    )
    one_hot = embedding.kind == "one_hot" or getattr(embedding, "folded", False)
    recurrent = {
        "hidden_dim": sizes,
        "bidirectional": st.booleans(),
        "pooling": st.sampled_from(["last", "mean", "max", "attention"]),
    }
    encoders = section(LSTMConfig, **recurrent)
    encoders |= section(SimpleRNNConfig, **recurrent, recurrent_init=st.sampled_from(["orthogonal", "identity"]))
    encoders |= section(Conv1DConfig, features=sizes, kernel_size=st.integers(1, 100))
    options = st.dictionaries(st.text(), sizes | rates | st.booleans() | st.text())
    encoders |= section(OwnEncoderConfig, name=st.text(), options=options)
    if not one_hot:
        encoders |= section(ConvStackConfig, features=sizes, kernel_size=sizes, pool_size=sizes)
        encoders |= section(PoolConfig, pooling=st.sampled_from(["mean", "max", "sqrt"]))
    fields = section(
        ModelConfig,
        embedding=st.just(embedding),
        encoder=encoders,
        word_dropout=rates,
        embedding_dropout=st.just(0.0) if one_hot else rates,
        hidden_dims=st.lists(sizes, max_size=3).map(tuple),
        dropout=rates,
        dtype=st.sampled_from(["float32", "bfloat16"]),
    )
    return draw(fields)


@st.composite
def optimizer_configs(draw: st.DrawFn) -> OptimizerConfig:
    name = draw(st.sampled_from(["rmsprop", "adam", "adamw", "adagrad"]))
    fields = section(
        OptimizerConfig,
        name=st.just(name),
        learning_rate=positive_floats,
        schedule=st.sampled_from(["constant", "cosine", "one_cycle"]),
        weight_decay=st.just(0.0) | positive_floats if name == "adamw" else st.just(0.0),
        clip_norm=st.none() | positive_floats,
        ema_decay=st.none() | shares,
    )
    return draw(fields)


configs = section(
    Config,
    seed=st.integers(0, 2**31 - 1),
    data=data_configs(),
    model=model_configs(),
    optimizer=optimizer_configs(),
    training=section(
        TrainingConfig,
        batch_size=sizes,
        epochs=sizes,
        monitor=st.sampled_from(["accuracy", "loss", "auc", "f1"]),
        patience=st.none() | sizes,
        eval_batch_size=sizes,
    ),
)


@given(configs)
def test_json_gives_back_an_equal_config(config: Config) -> None:
    assert load(Config, dump(config), "config.json") == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_json_gives_back_the_config_of_each_file(path: Path) -> None:
    config = load_file(path)
    assert load(Config, dump(config), "config.json") == config


@pytest.mark.parametrize(
    "model", [{"encoder": each} for each in ENCODERS] + [{"embedding": each} for each in EMBEDDINGS]
)
def test_json_keeps_the_kind_of_embedding_and_encoder(model: dict[str, Any]) -> None:
    config = Config(model=ModelConfig(**model))
    assert load(Config, dump(config), "config.json") == config


WRONG = [
    (LSTMConfig, {"hidden_dim": 0}, "model.encoder.hidden_dim: 0", "greater than or equal to 1"),
    (LSTMConfig, {"hidden_dim": 3.5}, "model.encoder.hidden_dim: 3.5", "valid integer"),
    (LSTMConfig, {"pooling": "x"}, "model.encoder.pooling: 'x'", "'last', 'mean', 'max' or 'attention'"),
    (LSTMConfig, {"units": 3}, "model.encoder.units: 3", "unexpected"),
    (LearnedEmbedding, {"dim": None}, "model.embedding.dim: None", "valid integer"),
    (ModelConfig, {"dropout": 1.0}, "model.dropout: 1.0", "less than 1"),
    (ModelConfig, {"dropout": 1.5}, "model.dropout: 1.5", "less than 1"),
    (ModelConfig, {"dropout": -0.1}, "model.dropout: -0.1", "greater than or equal to 0"),
    (ModelConfig, {"dropout": NAN}, "model.dropout: nan", "less than 1"),
    (ModelConfig, {"hidden_dims": (4, 0)}, "model.hidden_dims.1: 0", "greater than or equal to 1"),
    (ModelConfig, {"dtype": "float16"}, "model.dtype: 'float16'", "'float32' or 'bfloat16'"),
    (
        ModelConfig,
        {"embedding": OneHotEmbedding(), "embedding_dropout": 0.1},
        "model.embedding_dropout: 0.1",
        "word_dropout only",
    ),
    (ModelConfig, {"embedding": OneHotEmbedding(), "encoder": PoolConfig()}, "model.embedding: one_hot", "vectors"),
    (PretrainedEmbedding, {"folded": True}, "model.embedding.folded: True", "trainable must be True"),
    (
        ModelConfig,
        {"embedding": PretrainedEmbedding(trainable=True, folded=True), "encoder": PoolConfig()},
        "model.embedding: folded",
        "vectors",
    ),
    (PoolConfig, {"pooling": "last"}, "model.encoder.pooling: 'last'", "'mean', 'max' or 'sqrt'"),
    (OwnEncoderConfig, {"options": {}}, "model.encoder.name", "field required"),
    (OwnEncoderConfig, {"name": "x", "options": {"a": [1]}}, "model.encoder.options.a.int: [1]", "valid integer"),
    (OptimizerConfig, {"learning_rate": 0}, "optimizer.learning_rate: 0", "greater than 0"),
    (OptimizerConfig, {"learning_rate": NAN}, "optimizer.learning_rate: nan", "finite"),
    (OptimizerConfig, {"learning_rate": INF}, "optimizer.learning_rate: inf", "finite"),
    (OptimizerConfig, {"ema_decay": 1.0}, "optimizer.ema_decay: 1.0", "less than 1"),
    (OptimizerConfig, {"clip_norm": 0.0}, "optimizer.clip_norm: 0.0", "greater than 0"),
    (OptimizerConfig, {"name": "adam", "weight_decay": 0.1}, "optimizer.weight_decay: 0.1", "'adamw'"),
    (TrainingConfig, {"batch_size": 0}, "training.batch_size: 0", "greater than or equal to 1"),
    (DataConfig, {"source": "files"}, "data.path: None", "give the folder or the table"),
    (DataConfig, {"source": "synthetic", "path": "x"}, "data.path: 'x'", "has no path"),
    (DataConfig, {"test_path": "x"}, "data.test_path: 'x'", "only data.source 'files'"),
    (DataConfig, {"buckets": (8, 4)}, "data.buckets: (8, 4)", "must ascend"),
    (DataConfig, {"buckets": (4, 4)}, "data.buckets: (4, 4)", "must ascend"),
    (DataConfig, {"vocabulary_size": 4}, "data.vocabulary_size: 4", "greater than or equal to 5"),
    (ValidationConfig, {"size": 0}, "data.validation.size: 0", "greater than 0"),
    (ValidationConfig, {"size": 1.5}, "data.validation.size: 1.5", "a whole number of reviews"),
    (Config, {"seed": 2**31}, f"seed: {2**31}", f"less than {2**31}"),
    (Config, {"data": DataConfig(ngrams=2)}, "data.ngrams: 2", "must be 0, the encoder lstm reads words"),
    (
        Config,
        {"model": ModelConfig(encoder=Conv1DConfig(kernel_size=9)), "data": DataConfig(max_length=8)},
        "model.encoder.kernel_size: 9",
        "at most data.max_length, 8",
    ),
]


@pytest.mark.parametrize(("cls", "fields", "given", "allowed"), WRONG, ids=[given for _, _, given, _ in WRONG])
def test_error_names_field_value_and_what_is_allowed(cls: type, fields: dict, given: str, allowed: str) -> None:
    with pytest.raises(UserError) as caught:
        cls(**fields)
    message = str(caught.value)
    assert message.startswith((f"{given}; ", f"{given}: "))
    assert allowed in message
    assert "\n" not in message
    assert caught.value.exit_code == USAGE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"bogus": 1}', "bogus: 1; unexpected"),
        ('{"data": {"bogus": 1}}', "data.bogus: 1; unexpected"),
        ('{"seed": 0.5}', "seed: 0.5; input should be a valid integer"),
        ('{"optimizer": {"learning_rate": NaN}}', "optimizer.learning_rate: nan; input should be a finite number"),
        ('{"optimizer": {"weight_decay": 0.1}}', "optimizer.weight_decay: 0.1; only optimizer.name 'adamw'"),
        ('{"data": {"source": "files"}}', "data.path: None; data.source is 'files'"),
        ('{"model": {"encoder": {"kind": "gru"}}}', "model.encoder: {'kind': 'gru'}; "),
        ('{"model": {"encoder": {}}}', "model.encoder: {}; "),
        ("[]", "config: []; input should be an object"),
    ],
)
def test_json_errors_name_the_file_and_the_field(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(Config, json.loads(text), "runs/a/config.json")
    assert str(caught.value).startswith(f"runs/a/config.json: {message}")
    assert caught.value.exit_code == BAD_DATA


def test_json_of_an_unknown_kind_lists_those_there_are() -> None:
    with pytest.raises(UserError, match=r"'gru' .*'lstm', 'simple_rnn', 'conv1d'"):
        load(Config, {"model": {"encoder": {"kind": "gru"}}}, "config.json")


@pytest.mark.parametrize("part", [Config(), DataConfig(), *EMBEDDINGS, *ENCODERS], ids=lambda part: type(part).__name__)
def test_configs_are_frozen(part: Any) -> None:
    for field in dataclasses.fields(part):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field.name, getattr(part, field.name))


def test_replace_checks_too() -> None:
    with pytest.raises(UserError, match=r"training\.epochs: 0;"):
        dataclasses.replace(TrainingConfig(), epochs=0)


def loaded(tmp_path: Path, text: str) -> Config:
    (tmp_path / "mine.py").write_text(text)
    return load_file(tmp_path / "mine.py")


def test_a_file_defines_config(tmp_path: Path) -> None:
    assert loaded(tmp_path, "from imdb_jax.config import Config\nconfig = Config(seed=7)\n") == Config(seed=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = 1 / 0\n", ":2: ZeroDivisionError: division by zero"),
        ("def half():\n    raise KeyError('a')\n\nhalf()\n", ":2: KeyError: 'a'"),
        ("import json\n\njson.loads('')\n", ":3: JSONDecodeError: "),
        ("x = 1\n\nconfig = (\n", ":3: SyntaxError: "),
        ("from imdb_jax.config import Config\n", ": defines no config; "),
        ("config = {'seed': 1}\n", ": defines no config; "),
        ("from imdb_jax.config import Config\nconfig = Config(seed=-1)\n", ":2: seed: -1; "),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.py'}{message}")
    assert caught.value.exit_code == USAGE


def test_a_config_that_comes_along_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in CONFIGS:
        assert load_file(path.stem) == load_file(path)
    (tmp_path / "conv1d").mkdir()
    assert load_file("conv1d").model.encoder == Conv1DConfig()  # a folder is no file
    (tmp_path / "lstm").write_text("from imdb_jax.config import Config\nconfig = Config(seed=7)\n")
    assert load_file("lstm").seed == 7  # a file comes first
    for name, near in (("glove_bilstn", "glove_bilstm"), ("configs/conv1d.py", "conv1d"), ("LSTM.py", "lstm")):
        with pytest.raises(
            UserError, match=rf"no config of that name \(did you mean {near}\?\); there are bigrams, conv"
        ):
            load_file(name)
    (tmp_path / "data.csv").write_text("text,label\n")
    with pytest.raises(UserError, match=r"data\.csv: a config is a name or a \.py file; reviews are given by"):
        load_file("data.csv")
    with pytest.raises(UserError, match=r"^zzz: no such file, and no config of that name; there are bigrams, "):
        load_file("zzz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(UserError) as caught:
            load_file(path)
        assert str(caught.value).startswith(f"{path}: no such file")
        assert caught.value.exit_code == MISSING_INPUT


def test_differences_name_nested_fields_with_both_values() -> None:
    old = Config(data=DataConfig(buckets=(8,)))
    new = Config(seed=3, training=TrainingConfig(patience=2))
    assert differences(old, new) == ["seed: 0 -> 3", "data.buckets: [8] -> None", "training.patience: None -> 2"]
    assert differences(old, old) == []


def test_differences_tell_another_kind_and_its_fields() -> None:
    told = differences(
        Config(model=ModelConfig(encoder=LSTMConfig(hidden_dim=4))),
        Config(model=ModelConfig(encoder=Conv1DConfig(features=9))),
    )
    assert "model.encoder.kind: 'lstm' -> 'conv1d'" in told
    assert "model.encoder.hidden_dim: 4 -> 'absent'" in told
    assert "model.encoder.features: 'absent' -> 9" in told
    assert all(line.startswith("model.encoder.") for line in told)


@pytest.mark.parametrize("module", ["imdb_jax", "imdb_jax.config", "imdb_jax.train"])
def test_import_leaves_jax_alone(module: str) -> None:
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code]).returncode == 0


def test_json_errors_name_the_field_as_it_is_typed() -> None:
    with pytest.raises(UserError, match=r"^config\.json: model\.encoder\.hidden_dim: 0; "):
        load(Config, {"model": {"encoder": {"kind": "lstm", "hidden_dim": 0}}}, "config.json")


@pytest.mark.parametrize("fields", [{"data_dir": "\udcff"}, {"source": "files", "path": "a\udcff"}])
def test_text_that_json_cannot_hold_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^data\.(data_dir|path): .*; must be UTF-8$"):
        DataConfig(**fields)


@pytest.mark.parametrize("fields", [{"batch_size": True}, {"epochs": "4"}])
def test_numbers_are_not_guessed(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="valid integer"):
        TrainingConfig(**fields)


def test_a_syntax_error_in_an_imported_module_is_not_blamed_on_its_line_here(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import ast\n\nast.literal_eval('1\\n\\n\\n\\n(')\n")
    with pytest.raises(UserError, match=r"mine\.py:3: SyntaxError"):
        load_file(tmp_path / "mine.py")
