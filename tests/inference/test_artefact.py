"""An exported model says what `predict` says, and what has changed in it is noticed."""

import contextlib
import dataclasses
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
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
    OwnEncoderConfig,
    PretrainedEmbedding,
    SimpleRNNConfig,
    TextConfig,
    load_file,
)
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import SPECIAL_TOKENS, Vocabulary
from imdb_jax.errors import UserError
from imdb_jax.inference import reader
from imdb_jax.inference.artefact import write_artefact
from imdb_jax.inference.predictor import Predictor
from imdb_jax.inference.reader import JaxReader, NumpyReader
from imdb_jax.models import OWN_ENCODERS, Embedding, Words
from imdb_jax.runs.run import Run
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.checkpoint import Checkpoints
from tests.conftest import CONFIGS, ONE_OF_EACH_KIND, VOCABULARY_SIZE
from tests.data.test_text import reviews as texts
from tests.untrained import begin

WORDS = [b"word%d" % i for i in range(VOCABULARY_SIZE)]
SMALL = Config(
    data=DataConfig(source="synthetic", max_length=24),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=LSTMConfig(hidden_dim=4)),
)
REVIEWS: list[str | bytes] = [
    "",
    " !? ",
    "unheard of",
    "word7",
    "Word7<br />WORD8, word9!",
    b"\xff\xfe word11 \x00",
    "naïve 🍿 word12\nwor'd13 word14",
    *(" ".join(f"word{(seed * k * k + k) % VOCABULARY_SIZE}" for k in range(length))
      for seed, length in enumerate([2, 9, 16, 23, 24, 25, 90] * 2, start=1)),
]  # fmt: skip


def predictor_of(folder: Path, config: Config, seed: int = 0) -> Predictor:
    """A run of a config whose only checkpoint holds its first weights."""
    config = dataclasses.replace(config, seed=seed)
    special = SPECIAL_TOKENS[config.data.text.special_tokens].tokens
    vocabulary = Vocabulary([*special, *WORDS[: VOCABULARY_SIZE - len(special)]], config.data.text)
    if config.data.ngrams:
        read = vocabulary.encode_words([split_words(bytes_of(review), config.data.text) for review in REVIEWS])
        vocabulary = vocabulary.with_ngrams(read.ids, read.offsets, config.data.ngrams, min_count=2)
        assert len(vocabulary) > VOCABULARY_SIZE
    vectors = None
    dims = {PretrainedEmbedding: 100, LogCountRatioEmbedding: 1}
    if dim := dims.get(type(config.model.embedding)):
        vectors = np.random.default_rng(seed).normal(size=(len(vocabulary), dim)).astype(np.float32)
    run = Run(folder)
    with run.taken():
        begin(run, config, vocabulary, vectors)
    with Checkpoints(run.checkpoints, run.origin()) as checkpoints:
        state = build_learner(build_model(config, vocabulary, vectors), config, steps=1)[1]
        if "weights" in state.params.get("embedding", {}):  # they start at 0, and hide what they are multiplied with
            state.params["embedding"]["weights"] += 1
        checkpoints.save(state, [], 0.5)
        checkpoints.wait()
    return Predictor(run)


def bytes_of(review: str | bytes) -> bytes:
    return review.encode() if isinstance(review, str) else review


def exported(*predictors: Predictor, table: Literal["float32", "float16"] = "float32") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_artefact(Path(folder, "model.zip"), predictors, table)
        return Path(folder, "model.zip").read_bytes()


def predicted(predictor: Predictor) -> np.ndarray:
    return np.array([prediction.probability for prediction in predictor.predict(REVIEWS)])


def logit(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities / (1 - probabilities))


def distinct() -> list[Any]:
    """Each of configs/ at a length that tests can afford, but for those that only train in another way.

    One of each kind comes first; the others are slow.
    """
    found = {}
    for path in sorted(CONFIGS, key=lambda path: path.stem not in ONE_OF_EACH_KIND):
        config = load_file(path)
        data = dataclasses.replace(config.data, source="synthetic", max_length=24, buckets=())
        model = dataclasses.replace(config.model, dropout=0.0, word_dropout=0.0, embedding_dropout=0.0)
        marks = () if path.stem in ONE_OF_EACH_KIND else pytest.mark.slow
        param = pytest.param(Config(data=data, model=model), id=path.stem, marks=marks)
        found.setdefault((str(model), data.text, data.keep), param)
    return [*found.values()]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return predictor_of(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def model(small: Predictor) -> bytes:
    return exported(small)


@pytest.mark.parametrize("config", distinct())
def test_readers_equal_predict_with_every_config(config: Config, tmp_path: Path) -> None:
    predictor = predictor_of(tmp_path / "run", config)
    (tmp_path / "model.zip").write_bytes(exported(predictor))
    expected = predicted(predictor)
    assert np.ptp(expected) > 1e-3
    for kind in (JaxReader, NumpyReader):
        np.testing.assert_allclose(kind(tmp_path / "model.zip").probabilities(REVIEWS), expected, atol=1e-6)


@pytest.mark.parametrize(
    "model_config",
    [
        ModelConfig(encoder=LSTMConfig(hidden_dim=3, pooling="attention"), hidden_dims=(4,) * 11),
        ModelConfig(embedding=OneHotEmbedding(), encoder=SimpleRNNConfig(bidirectional=True, pooling="mean")),
        ModelConfig(embedding=OneHotEmbedding(), encoder=Conv1DConfig(features=5, kernel_size=24)),
        ModelConfig(embedding=LearnedEmbedding(dim=5, bigram_buckets=7), encoder=Conv1DConfig(features=4)),
    ],
    ids=lambda model: model.encoder.kind,
)
def test_readers_equal_predict_with_what_no_config_has(model_config: ModelConfig, tmp_path: Path) -> None:
    text = TextConfig(keep_apostrophes=True, break_tags_as_spaces=True, special_tokens="keras_imdb")
    data = dataclasses.replace(SMALL.data, text=text, keep="tail")
    predictor = predictor_of(tmp_path / "run", Config(data=data, model=model_config))
    (tmp_path / "model.zip").write_bytes(exported(predictor))
    for kind in (JaxReader, NumpyReader):
        found = kind(tmp_path / "model.zip").probabilities(REVIEWS)
        np.testing.assert_allclose(found, predicted(predictor), atol=1e-6)


@pytest.mark.parametrize(
    "encoder",
    [ConvStackConfig(features=3, kernel_size=7, pool_size=10), Conv1DConfig(features=3, kernel_size=70)],
    ids=lambda encoder: encoder.kind,
)
def test_convolutions_over_more_steps_than_a_program_takes_at_least(encoder: Any, tmp_path: Path) -> None:
    data = dataclasses.replace(SMALL.data, max_length=88)
    model = ModelConfig(embedding=LearnedEmbedding(dim=5), encoder=encoder)
    predictor = predictor_of(tmp_path / "run", Config(data=data, model=model))
    (tmp_path / "model.zip").write_bytes(exported(predictor))
    for kind in (JaxReader, NumpyReader):
        found = kind(tmp_path / "model.zip").probabilities(REVIEWS)
        np.testing.assert_allclose(found, predicted(predictor), atol=1e-6)


def test_attention_takes_scores_of_any_size(tmp_path: Path) -> None:
    """Scores of hundreds, which overflow an exponential in float32."""
    encoder = LSTMConfig(hidden_dim=4, pooling="attention")
    predictor = predictor_of(tmp_path / "run", Config(data=SMALL.data, model=ModelConfig(encoder=encoder)))
    predictor.model.encoder.query = nnx.Param(jnp.full((8, 1), 9e3))
    (tmp_path / "model.zip").write_bytes(exported(predictor))
    expected = JaxReader(tmp_path / "model.zip").probabilities(REVIEWS)
    found = NumpyReader(tmp_path / "model.zip").probabilities(REVIEWS)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_text_has_one_probability_and_several_have_an_array(small: Predictor, model: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(model)
    expected = small.predict("word7 word8").probability
    for kind in (JaxReader, NumpyReader):
        reader = kind(tmp_path / "model.zip")
        for review in ("word7 word8", b"word7 word8"):
            assert reader.probabilities(review) == pytest.approx(expected, abs=1e-6)
            assert reader.probabilities(np.array([review])).tolist() == [reader.probabilities(review)]
        with pytest.raises(UserError, match=r"^reviews\[1\]: None; must be a text"):
            reader.probabilities(["word7", None])


def test_logits_of_members_are_averaged(small: Predictor, tmp_path: Path) -> None:
    other = predictor_of(tmp_path / "run", SMALL, seed=1)
    (tmp_path / "model.zip").write_bytes(exported(small, other))
    expected = (logit(predicted(small)) + logit(predicted(other))) / 2
    for kind in (JaxReader, NumpyReader):
        np.testing.assert_allclose(logit(kind(tmp_path / "model.zip").probabilities(REVIEWS)), expected, atol=1e-5)


def test_a_float16_table_is_half_as_large_and_a_little_off(small: Predictor, model: bytes, tmp_path: Path) -> None:
    half = exported(small, table="float16")
    sizes = [zipfile.ZipFile(io.BytesIO(file)).getinfo("weights/0/embedding.table.npy").file_size
             for file in (model, half)]  # fmt: skip
    assert (sizes[0] - 128) == 2 * (sizes[1] - 128)
    (tmp_path / "model.zip").write_bytes(half)
    for kind in (JaxReader, NumpyReader):
        found = kind(tmp_path / "model.zip").probabilities(REVIEWS)
        assert 0 < np.abs(found - predicted(small)).max() < 1e-3


def test_float16_needs_a_table_that_it_can_hold(small: Predictor, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, model=dataclasses.replace(SMALL.model, embedding=OneHotEmbedding()))
    with pytest.raises(UserError, match="table: float16; the words are one-hot"):
        exported(predictor_of(tmp_path / "run", config), table="float16")
    predictor = predictor_of(tmp_path / "other", SMALL)
    predictor.model.embedding = Embedding(jnp.full((VOCABULARY_SIZE, 8), 7e4))
    with pytest.raises(UserError, match=r"table: float16; can't hold .*70000"):
        exported(predictor, table="float16")


def test_bfloat16_runs_are_read_in_float32(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, model=dataclasses.replace(SMALL.model, dtype="bfloat16"))
    predictor = predictor_of(tmp_path / "run", config)
    (tmp_path / "model.zip").write_bytes(exported(predictor))
    for kind in (JaxReader, NumpyReader):
        found = kind(tmp_path / "model.zip").probabilities(REVIEWS)
        np.testing.assert_allclose(found, predicted(predictor), atol=1e-2)


def test_the_same_run_gives_the_same_bytes_and_no_path(small: Predictor, model: bytes) -> None:
    assert exported(small) == model  # from another line of code
    assert b"test_artefact" not in model
    assert b"imdb_jax/" not in model


class Own(nnx.Module):
    """The first vector of a review, through a function."""

    def __init__(self, input_dim: int, *, function: str, rngs: nnx.Rngs) -> None:
        self.features = input_dim
        self.function: Callable[[jax.Array], jax.Array] = FUNCTIONS[function]

    def __call__(self, words: Words, mask: jax.Array) -> jax.Array:
        return self.function(words.vectors())[:, 0]


def called_back(x: jax.Array) -> jax.Array:
    return jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


FUNCTIONS = {"square": lambda x: x * x, "length": lambda x: x.reshape(len(x), -1), "call": called_back}


def own(function: str) -> Config:
    encoder = OwnEncoderConfig(name="own", options={"function": function})
    return dataclasses.replace(SMALL, model=ModelConfig(encoder=encoder))


@pytest.fixture
def _own_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OWN_ENCODERS, "own", Own)


@pytest.mark.usefixtures("_own_encoder")
def test_an_encoder_of_ones_own_takes_jax(tmp_path: Path) -> None:
    predictor = predictor_of(tmp_path / "run", own("square"))
    (tmp_path / "model.zip").write_bytes(exported(predictor))
    np.testing.assert_allclose(
        JaxReader(tmp_path / "model.zip").probabilities(REVIEWS), predicted(predictor), atol=1e-6
    )
    with pytest.raises(UserError, match="encoder 'own' is unknown to NumpyReader; JaxReader reads it"):
        NumpyReader(tmp_path / "model.zip")


@pytest.mark.usefixtures("_own_encoder")
@pytest.mark.parametrize("function", ["length", "call"])
def test_an_encoder_that_can_not_be_exported_is_named(function: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model.encoder: .*can't be exported"):
        exported(predictor_of(tmp_path / "run", own(function)))


def repacked(model: bytes, changes: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The same zip file with other contents; None leaves one out."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        contents: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()} | changes
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)
    return file.getvalue()


def manifest(model: bytes, **changes: object) -> bytes:
    """The manifest with other fields, with a checksum that fits."""
    content = json.loads(zipfile.ZipFile(io.BytesIO(model)).read("manifest.json"))
    content = {name: value for name, value in content.items() if name != "seal"} | changes
    return json.dumps({**content, "seal": reader.checksum_of(content)}).encode()


PARTS = ["vocabulary.txt", "model.stablehlo", "weights/0/embedding.table.npy", "weights/0/output.bias.npy"]
BROKEN = {
    **{f"{name} changed": (name, b"other", f"{name}: has changed since it was written") for name in PARTS},
    **{f"{name} gone": (name, None, f"no item named '{name}'") for name in [*PARTS, "manifest.json"]},
    "no JSON": ("manifest.json", b"[" * 100_000, "not a model of imdb_jax"),
    "no object": ("manifest.json", b"[]", "not a model of imdb_jax"),
    "no seal": ("manifest.json", b"{}", "not a model of imdb_jax"),
}


@pytest.mark.parametrize(("name", "content", "said"), BROKEN.values(), ids=BROKEN)
def test_what_has_changed_is_named(name: str, content: bytes | None, said: str, model: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(repacked(model, {name: content}))
    refused(tmp_path / "model.zip", said)


def refused(path: Path, said: str, exit_code: int = 65) -> None:
    for kind in (JaxReader, NumpyReader):
        with pytest.raises(UserError) as error:
            kind(path)
        assert said in str(error.value)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)
        assert error.value.exit_code == exit_code


def test_models_of_format_1_are_read(small: Predictor, model: bytes, tmp_path: Path) -> None:
    """They do not tell what becomes of punctuation: it is deleted; reviews are words."""
    text = json.loads(zipfile.ZipFile(io.BytesIO(model)).read("manifest.json"))["text"]
    assert (text.pop("punctuation"), text.pop("unit")) == ("delete", "words")
    (tmp_path / "model.zip").write_bytes(repacked(model, {"manifest.json": manifest(model, format=1, text=text)}))
    for kind in (JaxReader, NumpyReader):
        np.testing.assert_allclose(kind(tmp_path / "model.zip").probabilities(REVIEWS), predicted(small), atol=1e-6)


def test_files_of_other_kinds_are_refused(model: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    refused(path, "no such file", 66)
    for content, said in (
        (b"", "not a model of imdb_jax"),
        (b"PK\x03\x04 and so on", "not a model of imdb_jax"),
        (model[:-50], "not a model of imdb_jax"),
        (repacked(b"PK\x05\x06" + bytes(18), {"data.pkl": b"cos\nsystem\n"}), "no item named 'manifest.json'"),
        (repacked(model, {"manifest.json": manifest(model, format=3)}), "format 3, this reader knows format 2"),
        (repacked(model, {"vocabulary.txt": b"x" * 9_999}), "vocabulary.txt: has changed since it was written"),
    ):
        path.write_bytes(content)
        refused(path, said)


def test_another_checksum_than_the_manifests_own_is_refused(model: bytes, tmp_path: Path) -> None:
    """A changed text rule would be read without a word of complaint."""
    before = zipfile.ZipFile(io.BytesIO(model)).read("manifest.json")
    after = before.replace(b'"keep_apostrophes": false', b'"keep_apostrophes": true')
    (tmp_path / "model.zip").write_bytes(repacked(model, {"manifest.json": after}))
    assert before != after
    refused(tmp_path / "model.zip", "manifest.json: has changed since it was written")


def test_a_pickle_among_the_weights_is_not_opened(model: bytes, tmp_path: Path) -> None:
    """Checksums of someone else's file may fit as well as ours."""
    array = io.BytesIO()
    np.save(array, np.array([Path()], object), allow_pickle=True)
    forged(model, "weights/0/output.bias.npy", array.getvalue(), tmp_path)
    refused(tmp_path / "model.zip", "not a model of imdb_jax (ValueError: Object arrays cannot be loaded")


def forged(model: bytes, name: str, content: bytes, folder: Path) -> None:
    """Writes a model with another part, all checksums made to fit."""
    files = json.loads(zipfile.ZipFile(io.BytesIO(model)).read("manifest.json"))["files"]
    files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    changes = {name: content, "manifest.json": manifest(model, files=files)}
    (folder / "model.zip").write_bytes(repacked(model, changes))


def test_a_program_that_calls_something_is_not_run(model: bytes, tmp_path: Path) -> None:
    """LAPACK is harmless, but a callback holds the address of a function, and XLA calls whatever is there."""
    program = jax.export.export(jax.jit(jnp.linalg.cholesky))(jax.ShapeDtypeStruct((2, 2), np.float32))
    forged(model, "model.stablehlo", bytes(program.serialize()), tmp_path)
    with pytest.raises(UserError, match=r"model.stablehlo: calls what is outside of it \(custom_call @lapack"):
        JaxReader(tmp_path / "model.zip")
    assert NumpyReader(tmp_path / "model.zip").probabilities(["word7"]).shape == (1,)


@pytest.mark.parametrize("program", [b"", b"no program"])
def test_a_program_that_is_none_is_named(program: bytes, model: bytes, tmp_path: Path) -> None:
    forged(model, "model.stablehlo", program, tmp_path)
    with pytest.raises(UserError, match=r"model.stablehlo: can't be read by JAX"):
        JaxReader(tmp_path / "model.zip")


@settings(max_examples=200)
@given(data=st.data())
def test_damage_anywhere_is_noticed_or_does_not_matter(
    data: st.DataObject, model: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(model)
    for place in data.draw(st.lists(st.integers(0, len(model) - 1), min_size=1, max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    (folder / "model.zip").write_bytes(damaged[: data.draw(st.sampled_from([len(model), len(model) // 2]))])
    (folder / "whole.zip").write_bytes(model)
    with contextlib.suppress(UserError):
        found = NumpyReader(folder / "model.zip")
        whole = NumpyReader(folder / "whole.zip")
        assert (found.manifest, found.tokens, found.program) == (whole.manifest, whole.tokens, whole.program)
        jax.tree.map(np.testing.assert_array_equal, found.members, whole.members)


@given(reviews=st.lists(texts | st.text(max_size=9), max_size=5), copies=st.sampled_from([0, 1, 30]))
def test_any_review_gets_a_probability(reviews: list[str | bytes], copies: int, model: bytes, tmp_path_factory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.zip"
    path.write_bytes(model)
    found = NumpyReader(path).probabilities(reviews * copies)
    assert found.shape == (len(reviews) * copies,)
    assert ((found > 0) & (found < 1)).all()
