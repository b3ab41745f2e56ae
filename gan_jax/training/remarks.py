"""What a training command should say of its settings and data although it can be run."""

import numpy as np

from gan_jax.config import Config, Prepared
from gan_jax.core import augment_strength
from gan_jax.data import pixel_range
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError, counted, result_or_error
from gan_jax.metrics import scoring
from gan_jax.nets import symmetric

_AVERAGED_VALUES = 2**23  # of the images whose mean tells whether they have an up
# Squared change of the mean when it is moved, over that of an image without any symmetry, beyond
# chance: 0.01 of real galaxies, 0.08 and more of digits and clothes.
_ASYMMETRY = 0.03
N_SCORED = 10_000  # images that `evaluate` samples unless it is told otherwise
# Settings that count steps, and what the end of the run makes without them.
_INTERVALS = {"log_every": "record", "sample_every": "sample grid", "save_every": "checkpoint"}


def all_remarks(prepared: Prepared, counts: np.ndarray | None = None) -> list[str]:
    """List lines on what is unlike what the user may expect.

    Args:
      prepared: Prepared.
      counts: histogram of the training images, see pixel_range.remark; None: of the data in
        `prepared`.
    """
    train, run = prepared.train, prepared.config.run
    remarks = [_length(prepared.config), _augment(prepared.method.hp, run)]
    n = len(train.images)
    if n < run.batch:
        remarks.append(
            f"Only {counted(n, 'image')} for --batch={run.batch}: images repeat within a "
            "minibatch; use a smaller --batch."
        )
    if train.points:
        return list(filter(None, remarks))
    if refusal := scores_refused(train):
        remarks.append(f"Evaluation would refuse these data as they are: {refusal}")
    absent = [name for name, n in zip(train.classes, _counts(prepared), strict=True) if not n]
    if absent:
        more = f" and {len(absent) - 6:,} more" if len(absent) > 6 else ""
        remarks.append(
            f"No training image is of class {', '.join(absent[:6])}{more}: left out of scores and "
            "grids."
        )
    remarks.append(_symmetry(prepared.method.hp.gen_symmetry, train.images))
    counts = pixel_range.histogram(train.images) if counts is None else counts
    return list(filter(None, [*remarks, pixel_range.remark(counts)]))


def scores_refused(train: Dataset) -> str:
    """Say why `evaluate` would refuse a training split; "" if it would not."""
    if train.points:
        return ""
    unscored = result_or_error(scoring.check_counts, train, N_SCORED, "n_images")
    return str(unscored) if isinstance(unscored, InputError) else ""


def _symmetry(choice: str, images: np.ndarray) -> str:
    """Say that generated images are turned, and training images are not; "" if it is not so."""
    if choice == "none":
        return ""
    n = min(len(images), max(16, _AVERAGED_VALUES // images[0].size))
    x = images[np.linspace(0, len(images) - 1, n).astype(int)].astype(np.float64)
    mean, chance = x.mean(0), 2 * x.var(0).sum() / len(x)
    contrast = max(2 * ((mean - mean.mean((0, 1))) ** 2).sum(), 1e-9)
    moved = [mean[:, ::-1], mean[::-1], mean.swapaxes(0, 1)][: symmetric.SIGNS[choice]]
    changes = [(((mean - other) ** 2).sum() - 3 * chance) / contrast for other in moved]
    bad = [i for i, change in enumerate(changes) if change > _ASYMMETRY]
    if not bad:
        return ""
    return (
        f"--gen_symmetry={choice} makes images that lie every way, and the training images do not: "
        f"their mean, so moved, changes by {max(changes):.0%} of its contrast; use --gen_symmetry="
        f"{list(symmetric.SIGNS)[bad[0]]}."
    )


def _counts(prepared):
    return prepared.dataset_info["counts"]


def _length(config: Config) -> str:
    """Say which intervals are longer than the run; "" if none is."""
    run = config.run
    flags = [name for name in (*_INTERVALS, "eval_every") if getattr(run, name) > run.steps]
    if not flags:
        return ""
    results = [_INTERVALS[name] for name in flags if name in _INTERVALS]
    verb = "comes" if len(results) == 1 else "come"
    ends = [f"the only {' and '.join(results)} {verb} at the end"] if results else []
    if "eval_every" in flags:
        ends.append("nothing is scored in training")
    listed = ", ".join(f"--{name}={getattr(run, name)}" for name in flags)
    return f"Longer than the run of --steps={run.steps}: {listed}; so {', and '.join(ends)}."


def _augment(hp, run) -> str:
    """Say that ADA's probability cannot rise far in a short run; "" if it can."""
    reached = run.steps * hp.n_disc * run.batch / hp.augment_images
    if not augment_strength.is_adaptive(hp) or reached >= augment_strength.limit(hp):
        return ""
    return (
        f"ADA's probability cannot exceed {reached:.2g} in this run, of "
        f"{run.steps * hp.n_disc * run.batch:,} images for D and --augment_images="
        f"{hp.augment_images}; use fewer --augment_images to let it rise faster."
    )
