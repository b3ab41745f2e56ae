"""Flags of the study of curves."""

import dataclasses

from gan_jax.settings import setting
from gan_jax.studies import runner
from gan_jax.studies.image_sets import ALL


@dataclasses.dataclass(frozen=True)
class Flags(runner.StudyFlags):
    """Flags of the study itself."""

    experiment: str = setting("dcgan", "the training command of all models")
    counts: str = setting(
        ALL, f"numbers of training images, with commas; {ALL}: all that there are"
    )
    points: int = setting(
        6,
        "times at which each model is scored: the last at --steps, each other at half of the next",
        low=1,
        high=20,
    )
    seeds: int = setting(3, "models for each number, with seeds from --seed on", low=1)
    n_images: int = setting(2000, "generated images that are scored, each time", low=2)
    scores: str = setting(
        "frechet,kernel,coverage,classes", "metrics of evaluate, with commas; points have their own"
    )
    dry_run: bool = setting(False, "check everything, say what would be trained and stop")
