"""Feature spaces: what metrics see of images. Chosen by `--features=KIND` or `KIND:ARG`.

  auto                   classifier where at least two classes have labelled images, else random
  classifier             a small net, trained once on the data set's own labels, and cached; for
                         --data=stacked:DATA that of one channel, for each channel
  random                 the same net, never trained
  pixels                 the pixels themselves, large images averaged down to 32 x 32
  onnx:FILE              any net in an ONNX file
  python:MODULE:NAME     any Python function
  inception:FILE         Inception-v3 with the weights of pytorch-fid, resized as pytorch-fid does
  inception-clean:FILE   the same weights, resized as clean-fid does

Scores of two spaces never compare. The name of a space, which is part of every record, contains a
hash of the net's file.

To add a kind, write one module with a `load` function and add one entry to TABLE. Plug-ins are
found, too: the function of python:MODULE:NAME, or of an entry point.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from gan_jax import errors, plugins
from gan_jax.data.stacked import is_stacked
from gan_jax.data.types import Dataset
from gan_jax.metrics.features import (
    classifier,
    inception,
    onnx_file,
    pixels,
    python_function,
    stacked,
)
from gan_jax.metrics.features.classifier_training import Settings as Settings
from gan_jax.metrics.features.extractor import Extractor as Extractor
from gan_jax.metrics.features.extractor import probe_features


class Kind(NamedTuple):
    """A kind of feature space."""

    form: str  # how the user writes it
    # (arg, data set, held-out data set or None, Settings or None) -> Extractor
    load: Callable[..., Extractor]
    # (arg, data set) -> number of features, where `load` is slow; None: `load` is tried on two
    # images
    count_features: Callable[[str, Dataset], int] | None = None


def _adapt(name, function):
    """Make a kind of the function of an entry point."""
    return Kind(name, functools.partial(python_function.load_function, name, function))


_BUILT_IN = {
    "classifier": Kind("classifier", classifier.load, classifier.count_features),
    "random": Kind("random", classifier.load_random, classifier.count_random_features),
    "pixels": Kind("pixels", pixels.load),
    "onnx": Kind("onnx:FILE", onnx_file.load),
    "python": Kind("python:MODULE:NAME", python_function.load),
    "inception": Kind("inception:FILE", inception.load),
    "inception-clean": Kind("inception-clean:FILE", inception.load_clean),
}
_OF_STACKS = Kind("classifier", stacked.load, stacked.count_features)
TABLE: plugins.Table[Kind] = plugins.Table("features", _BUILT_IN, _adapt)


def load(
    dataset: Dataset,
    heldout: Dataset | None = None,
    spec: str = "auto",
    settings: Settings | None = None,
) -> Extractor:
    """Load the feature space that `--features` names, for one data set.

    Args:
      dataset: images. The labelled ones train a classifier; other kinds need the image shape only.
      heldout: its labelled images measure a classifier; may be None, see `classifier.load`.
      spec: "KIND" or "KIND:ARG", see above.
      settings: training of a classifier, and widths of a random net; None for
        `classifier.default_settings`.

    Raises:
      InputError: the spec is wrong, or not for these data; a file or a package is missing; a net
        does not fit.
    """
    kind, arg = _parse_spec(spec, dataset)
    return kind.load(arg, dataset, heldout, settings)


def count_features(spec: str, dataset: Dataset) -> int:
    """Return the number of features; refuse, within seconds, all that `load` would refuse.

    Nothing is trained. A Frechet distance needs more images than there are features.

    Args:
      spec: as in `load`.
      dataset: as in `load`.

    Raises:
      InputError: as `load`; or the features are not finite float [N, F], or depend on other images.
    """
    kind, arg = _parse_spec(spec, dataset)
    if kind.count_features:
        return kind.count_features(arg, dataset)
    return probe_features(kind.load(arg, dataset, None, None), dataset.images)


def has_classes(spec: str, dataset: Dataset) -> bool:
    """Say whether a feature space is sure to have classes, without loading it; as in `load`.

    Raises:
      InputError: the spec is wrong.
    """
    return _parse_spec(spec, dataset)[0].form.startswith(("classifier", "inception"))


def _parse_spec(spec, dataset):
    """Return (Kind, argument)."""
    name, _, arg = spec.partition(":")
    if name == "auto":
        name = "classifier" if classifier.n_labelled_classes(dataset) >= 2 else "random"
    if name not in TABLE:
        forms = ", ".join(["auto", *(kind.form for kind in TABLE.values())])
        raise errors.InputError(
            f"--features={spec} names no known feature space; use one of {forms}."
        )
    kind = _OF_STACKS if name == "classifier" and is_stacked(dataset.name) else TABLE[name]
    if (":" in kind.form) != bool(arg):
        raise errors.InputError(
            f"--features={spec} has {'too much' if arg else 'nothing'} after the name; write "
            f"{kind.form}."
        )
    return kind, arg
