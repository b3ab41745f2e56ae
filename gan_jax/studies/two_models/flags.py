"""Flags of the study of two models on disjoint halves."""

import dataclasses

from gan_jax.settings import setting
from gan_jax.studies import runner


@dataclasses.dataclass(frozen=True)
class Flags(runner.StudyFlags):
    """Flags of the study itself."""

    experiment: str = setting("dcgan", "the training command of both models")
    counts: str = setting(
        "100,300,1000,3000,10000",
        "numbers of images that two models share, half each, with commas; all: all that there are",
    )
    repeats: int = setting(
        3, "pairs of models for each number: other halves and seeds, from --seed on", low=1
    )
    n_images: int = setting(
        2000, "generated images that are scored; twice as many held-out real ones are needed", low=2
    )
    neighbours: int = setting(
        256, "generated images whose nearest training images are searched", low=16, high=2000
    )
    dry_run: bool = setting(False, "check everything, say what would be trained and stop")
