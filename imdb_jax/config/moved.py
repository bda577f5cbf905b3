"""Reviews that lie elsewhere, or are read otherwise, than when a run was trained on them."""

import dataclasses

from imdb_jax.config.data import OF_FILES, DataConfig

# These fields say where reviews lie and how they are read. What they are is decided by their content.
READING = ("path", "data_dir", *OF_FILES)


@dataclasses.dataclass(frozen=True)
class MovedData:
    """Where the run's reviews lie now, unless that is where training read them; their content must be the same."""

    path: str | None = None
    test_path: str | None = None
    validation_path: str | None = None
    data_dir: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None

    def applied_to(self, config: DataConfig) -> DataConfig:
        """The config that reads them there."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return dataclasses.replace(config, **given)


@dataclasses.dataclass(frozen=True)
class Moved:
    """So that the options are called as those of training: `--config.data.path`."""

    data: MovedData = dataclasses.field(default_factory=MovedData)
