"""A trained model as one file, and the program that reads it without this package; `reader` describes both."""

import dataclasses
import io
import itertools
import json
import zipfile
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32, Int

from imdb_jax.config import Config, dump
from imdb_jax.errors import UserError
from imdb_jax.inference import reader
from imdb_jax.inference.numpy_model import steps_needed
from imdb_jax.inference.predictor import Predictor
from imdb_jax.models import TextClassifier
from imdb_jax.runtime import versions
from imdb_jax.storage import output_file, sha256

PLATFORMS = ("cpu", "cuda", "tpu")
TABLE = "embedding.table"
PACKAGE = Path(reader.__file__).parents[1]
READER = (  # its files: what `reader` imports
    *("__init__.py", "errors.py", "data/__init__.py", "inference/__init__.py"),
    *(f"data/{name}.py" for name in ("encoded", "inputs", "ngrams", "places", "rows", "text")),
    *("inference/numpy_model.py", "inference/reader.py"),
)
MAIN = "from imdb_jax.inference.reader import main, run_command\n\nrun_command(main)\n"
LINES_OF_CODE = "jax_traceback_in_locations_limit"  # setting: how many a program names with each operation
Weights = dict[str, Float32[Array, "..."]]
TableDtype = Literal["float32", "float16"]


def write_artefact(
    path: Path, predictors: Sequence[Predictor], table: TableDtype = "float32", mixed: Sequence[float] | None = None
) -> None:
    """Writes a model and all that it takes to read reviews with it.

    Args:
      path: replaced if it is there; the same runs give the same bytes.
      predictors: members whose logits are averaged and that differ in their seeds alone, or a single one.
      mixed: weights of the members' logits. They may differ in all then: those that stand together and differ in their
        seeds alone are a model in the model.
      table: dtype that the table of word vectors is stored in. Readers compute in float32, whatever `model.dtype` is.

    Raises:
      UserError: a table that float16 can't hold, an encoder of one's own that JAX can't export (2), or a place that
        can't be written to (73).
    """
    if mixed is None:
        content = _model(predictors, table)
    else:
        models, weights = {}, {}
        for (_, weight, _), group in itertools.groupby(zip(predictors, mixed, strict=True), _model_in_mixture):
            members = [predictor for predictor, _ in group]
            name = f"{len(models)}.zip"
            models[name], weights[name] = _model(members, table), weight * len(members)
        content = _packed({"format": reader.FORMAT, "models": weights}, models)
    with output_file(path) as output:
        output.write(content)


def write_reader(path: Path) -> None:
    """Writes the program that reads such files where this package is not: Python runs it as one file.

    Raises:
      UserError: a place that can't be written to (73).
    """
    with output_file(path, "--reader") as output, zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in READER:
            archive.writestr(f"{PACKAGE.name}/{name}", (PACKAGE / name).read_bytes())
        archive.writestr("__main__.py", MAIN)


def _model_in_mixture(member: tuple[Predictor, float]) -> tuple[Config, float, Hashable]:
    """The same for members of a mixture that one model holds."""
    predictor, weight = member
    return dataclasses.replace(predictor.config, seed=0), weight, predictor.reading


def _model(predictors: Sequence[Predictor], table: TableDtype) -> bytes:
    """The model of members that differ in their seeds alone."""
    config, vocabulary = predictors[0].config, predictors[0].vocabulary
    special = vocabulary.special
    members = [_weights(predictor.model) for predictor in predictors]
    contents = {
        reader.MODEL_VOCABULARY: b"".join(token + b"\n" for token in vocabulary.tokens),
        reader.MODEL_PROGRAM: _program(predictors[0].model, members),
    }
    if vocabulary.ngrams is not None:
        contents[reader.MODEL_NGRAMS] = _npy(vocabulary.ngrams)
    for number, weights in enumerate(members):
        for name, weight in (_with_float16(weights) if table == "float16" else weights).items():
            contents[f"weights/{number}/{name}.npy"] = _npy(weight)
    manifest = {
        "format": reader.FORMAT,
        "text": dataclasses.asdict(config.data.text),
        "special_tokens": {"count": len(special.tokens), "unknown": special.unknown, "start": list(special.start)},
        "max_length": config.data.max_length,
        "keep": config.data.keep,
        "encoder": dataclasses.asdict(config.model.encoder),
        "hidden_layers": len(config.model.hidden_dims),
        "steps": [predictor.step for predictor in predictors],
        "configs": [dump(predictor.config) for predictor in predictors],
        "versions": versions(),
    }
    return _packed(manifest, contents)


def _packed(manifest: dict[str, Any], contents: dict[str, bytes]) -> bytes:
    """A zip file of contents and of a manifest with their checksums."""
    files = {name: {"bytes": len(content), "sha256": sha256(content)} for name, content in contents.items()}
    manifest = {**manifest, "files": files}
    manifest["seal"] = reader.checksum_of(manifest)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {reader.MODEL_MANIFEST: json.dumps(manifest, indent=2).encode(), **contents}.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # by its name alone it has no time of day
    return file.getvalue()


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array), allow_pickle=False)
    return file.getvalue()


def _weights(model: TextClassifier) -> Weights:
    """A model's weights by name, float32."""
    leaves = jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.split(model)[1]))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf.astype(jnp.float32) for path, leaf in leaves}


def _with_float16(weights: Weights) -> dict[str, Any]:
    if TABLE not in weights:
        raise UserError("table: float16; the words are one-hot, there is no table")
    table = np.asarray(weights[TABLE])
    if (largest := np.abs(table).max()) > np.finfo(np.float16).max:
        raise UserError(f"table: float16; can't hold {largest:g}, which stands in the table")
    return {**weights, TABLE: table.astype(np.float16)}


def _program(model: TextClassifier, members: list[Weights]) -> bytes:
    """The mean of the members' logits, for any number of reviews and any length from `reader.SHORTEST` on."""
    graph, state = nnx.split(model)
    structure = jax.tree.structure(nnx.to_pure_dict(state))
    names = [*members[0]]
    more = max(0, steps_needed(dataclasses.asdict(model.config.encoder)) - reader.SHORTEST)

    def logits(members: list[Weights], tokens: Int[Array, "B T"], lengths: Int[Array, " B"]) -> Float[Array, " B"]:
        tokens = jnp.pad(tokens, ((0, 0), (0, more))) if more else tokens
        trees = [jax.tree.unflatten(structure, [weights[name] for name in names]) for weights in members]
        return jnp.stack([nnx.merge(graph, tree)(tokens, lengths) for tree in trees]).mean(axis=0)

    batch, time = jax.export.symbolic_shape("B, T", constraints=[f"T >= {reader.SHORTEST}"])
    tokens, lengths = (jax.ShapeDtypeStruct(shape, jnp.int32) for shape in ((batch, time), (batch,)))
    before = jax.config.values[LINES_OF_CODE]
    jax.config.update(LINES_OF_CODE, 0)  # a program would otherwise tell the folders of this machine
    try:
        exported = jax.export.export(jax.jit(logits), platforms=PLATFORMS)(members, tokens, lengths)
    except Exception as error:  # of JAX, or of an encoder that needs to know how long reviews are
        said = str(error).partition("\n")[0]
        message = f"{model.config.encoder.kind!r} can't be exported for reviews of any number and length ({said})"
        raise UserError(f"model.encoder: {message}") from error
    finally:
        jax.config.update(LINES_OF_CODE, before)
    if outside := reader.calls_outside(exported.mlir_module()):
        raise UserError(f"model.encoder: can't be exported, it calls what is outside of the program ({outside[0]})")
    return bytes(exported.serialize())
