"""Three images of another data set in three channels: `--data=stacked:DATA`, Stacked MNIST.

K classes become K^3: each of the 1,000 numbers of three digits is a mode, so that modes can be
counted where there are many of them.

Source: Metz et al. 2017, "Unrolled Generative Adversarial Networks", section 3.3.
"""

import numpy as np

from gan_jax.data import colors, datasets
from gan_jax.data.types import Arrays, DataOptions, Dataset
from gan_jax.errors import InputError

N_CHANNELS = 3
# Stacks of a split: as many as VEEGAN and PacGAN train on, and as they generate for a score.
N_STACKS = {"train": 128_000, "test": 26_000}
SEEDS = {"train": 20_161_107, "test": 20_161_108}
MAX_CLASSES = 21  # of the other data set, whose cubes are still few enough to be named
_JOINT = "-"  # between the names of the classes in a stack


def is_stacked(spec: str) -> bool:
    """Say whether a --data spec names stacks, or a part of them."""
    return datasets.kind_of_images(spec) == "stacked"


def stack_rows(n_images: int, n_stacks: int, seed: int) -> np.ndarray:
    """Draw the images of every stack, independently and with replacement.

    The first stacks are the same, however many are drawn.

    Args:
      n_images: images to draw from.
      n_stacks: stacks.
      seed: seed of the draw.

    Returns:
      int64 [n_stacks, 3] in [0, n_images).
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    uniform = generator.random((n_stacks, N_CHANNELS))  # one number of the stream for each image
    return (uniform * n_images).astype(np.int64)


def load(arg: str, options: DataOptions, split: str = "train") -> Arrays | None:
    """Stack the labelled images of a split of other data, which are made gray.

    Args:
      arg: the spec of the other data.
      options, split: see datasets.load.

    Returns:
      (images uint8 [N, H, W, 3], labels int32 [N], the first channel's class counting most,
      names of the K^3 classes such as "3-0-7"), N from N_STACKS; None if there are no test images.

    Raises:
      InputError: the other data are points, deeper than 8 bits, have fewer than two classes, or
        more than MAX_CLASSES.
    """
    single = datasets.load(arg, options._replace(colors="auto"), split)
    if single is None:
        return None
    if single.points:
        raise InputError(
            f"--data=stacked:{arg}: {arg} are points, which have no channels to stack; use images."
        )
    if single.format:
        raise InputError(
            f"--data=stacked:{arg}: stacks are of 8-bit images without --stretch, and {arg} is "
            f"{single.format.dtype}; save it as 8-bit pictures."
        )
    k = len(single.classes)
    if not 2 <= k <= MAX_CLASSES:
        raise InputError(
            f"--data=stacked:{arg}: {arg} has {k} classes, where stacks need 2 to {MAX_CLASSES}, "
            "whose combinations are counted; use other data, such as stacked:idx:data/mnist."
        )
    gray = colors.convert(single.images, "gray", single.name)
    known = np.flatnonzero(single.labels >= 0)
    rows = known[stack_rows(len(known), N_STACKS[split], SEEDS[split])]
    images = np.empty((len(rows), *gray.shape[1:3], N_CHANNELS), np.uint8)
    for channel, of_channel in enumerate(rows.T):
        images[..., channel] = gray[of_channel, ..., 0]
    return images, join_labels(single.labels[rows], k), join_names(single.classes)


def join_labels(labels: np.ndarray, k: int) -> np.ndarray:
    """Number the combinations of labels int [N, 3], each below k: int32 [N]."""
    return (labels @ k ** np.arange(N_CHANNELS)[::-1]).astype(np.int32)


def join_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Name the combinations of classes, in the order of `join_labels`."""
    return tuple(_JOINT.join((a, b, c)) for a in classes for b in classes for c in classes)


def first_channel(dataset: Dataset) -> Dataset:
    """Return the first channel of stacks as a data set of its own: gray images of K classes."""
    per_class = n_classes(dataset) ** (N_CHANNELS - 1)
    # The combinations of a class with itself are its name, three times.
    names = dataset.classes[:: (len(dataset.classes) - 1) // (n_classes(dataset) - 1)]
    classes = tuple(name[: (len(name) - 2 * len(_JOINT)) // N_CHANNELS] for name in names)
    return dataset._replace(
        images=dataset.images[..., :1],
        labels=None if dataset.labels is None else dataset.labels // per_class,
        classes=classes,
    )


def n_classes(dataset: Dataset) -> int:
    """Return K, the number of classes of one channel."""
    return round(len(dataset.classes) ** (1 / N_CHANNELS))
