"""Flags of the study of few images."""

import dataclasses

from gan_jax.data.reading_flags import ReadingFlags
from gan_jax.settings import MAX_STEPS, setting, size_setting
from gan_jax.studies.image_sets import ALL
from gan_jax.studies.runner import StudyFlags


@dataclasses.dataclass(frozen=True)
class Flags(StudyFlags, ReadingFlags):
    """Flags of this study."""

    # Data.
    data: str = setting("galaxies", "images, any source of a training command")
    size: int | str = size_setting(32, "side of the images, in pixels")
    counts: str = setting(
        "100,1000,10000", f"numbers of training images, with commas; {ALL}: all that there are"
    )

    # Recipes and their lengths.
    recipes: str = setting(
        "dcgan,morpho,plain,plain_turns,symmetric,plain_augment,plain_ada,r3gan,r3gan_ada",
        "recipes, with commas",
    )
    against: str = setting("plain", "the recipe that all others are compared with")
    settings: str = setting(
        "quick", "each recipe begins with the flagfile of its training command of this name"
    )
    steps: int = setting(
        1000,
        "updates of G of the recipe --against; the others have as many as fit into its time",
        low=1,
        high=MAX_STEPS,
    )
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    seed: int = setting(0, "the first seed", low=0, high=2**31 - 1)
    turns: int = setting(20, "turns in which the runs of a seed alternate", low=1)
    pace_steps: int = setting(10, "steps per turn while the time of a step is measured", low=1)

    # What fine-tuning begins with.
    finetune_from: str = setting(
        "",
        "run folder that fine-tuning begins with; empty: the study trains one on "
        "--start_data first",
    )
    start_data: str = setting("galaxies", "images that such a run is trained on")
    start_steps: int = setting(3000, "its length, in steps", low=1, high=MAX_STEPS)

    # Scores.
    n_images: int = setting(2000, "generated images that are scored, per run", low=100)
    neighbours: int = setting(
        256, "generated images whose nearest training images are searched, per run", low=16
    )

    devices: int = setting(0, "devices that share each minibatch; 0: all", low=0)
    dry_run: bool = setting(False, "check everything, name the recipes and stop")
