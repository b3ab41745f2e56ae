"""Flags that say how images are read, of commands that have no settings of a run."""

import dataclasses

from gan_jax.data.types import DataOptions
from gan_jax.settings import RunSettings, override


@dataclasses.dataclass(frozen=True)
class ReadingFlags:
    """What settings.RunSettings has beside --data and --size; so refusals of data advise alike."""

    crop: int = override(RunSettings, "crop", 0)
    labels: str = override(RunSettings, "labels", "")
    colors: str = override(RunSettings, "colors", "auto")
    skip_bad_images: bool = override(RunSettings, "skip_bad_images", False)
    stretch: str = override(RunSettings, "stretch", "")
    patches: int = override(RunSettings, "patches", 0)

    def data_options(self, size: int | str) -> DataOptions:
        """Return how images are read; size: see settings.Size.of."""
        return DataOptions(
            size,
            self.crop,
            self.labels,
            self.skip_bad_images,
            self.colors,
            self.stretch,
            self.patches,
        )

    def replaced(self, run: RunSettings) -> RunSettings:
        """Return settings of a run that reads the same way."""
        values = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(ReadingFlags)
        }
        return dataclasses.replace(run, **values)
