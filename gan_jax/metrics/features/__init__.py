"""What images are seen by when they are compared: feature spaces, chosen by one value, `--features=KIND` or `KIND:ARG`.

  auto                   classifier where at least two classes have labelled images, else random
  classifier             a small net trained once on the data set's own labels, and cached
  random                 the same net, never trained
  pixels                 the pixels themselves, large images averaged down to 32 x 32
  onnx:FILE              any net in an ONNX file
  python:MODULE:NAME     any Python function
  inception:FILE         Inception-v3 with the weights of pytorch-fid, images resized as pytorch-fid does
  inception-clean:FILE   the same weights, images resized as clean-fid does

Numbers of two spaces never compare; the name of a space, which every record carries, contains a hash of the net's file.
"""

from collections.abc import Callable
from typing import NamedTuple

from gan_jax import errors
from gan_jax.metrics.features import classifier, function, inception, onnx_file, pixels
from gan_jax.metrics.features.classifier import Settings as Settings
from gan_jax.metrics.features.extractor import Extractor as Extractor
from gan_jax.metrics.features.extractor import probe


class Kind(NamedTuple):
    """A kind of feature space.

    form: as the user writes it. load: (arg, Source, held-out Source or None, Settings or None) -> Extractor. check: where
    `load` is slow, (arg, Source) -> number of features; None: what `load` gives is tried on two images.
    """

    form: str
    load: Callable
    check: Callable | None = None


TABLE = {
    "classifier": Kind("classifier", classifier.load, classifier.check),
    "random": Kind("random", classifier.load_random),
    "pixels": Kind("pixels", pixels.load),
    "onnx": Kind("onnx:FILE", onnx_file.load),
    "python": Kind("python:MODULE:NAME", function.load),
    "inception": Kind("inception:FILE", inception.load),
    "inception-clean": Kind("inception-clean:FILE", inception.load_clean),
}


def load(source, heldout=None, spec="auto", settings=None):
    """The feature space that `--features` names, for one data set.

    Args:
      source: data.datasets.Dataset of images. Its labelled images train a classifier; other kinds look at the image shape only.
      heldout: Source whose labelled images measure a classifier, or None; see `classifier.load`.
      spec: "KIND" or "KIND:ARG", see above.
      settings: classifier.Settings of the training, and the widths of a random net; None for `classifier.default_settings`.

    Returns:
      Extractor.

    Raises:
      InputError: the spec makes no sense, or not for these data; a file or a package is missing; a net is not what it must be.
    """
    kind, arg = _find(spec, source)
    return kind.load(arg, source, heldout, settings)


def check(spec, source):
    """Refuses, within seconds, whatever `load` or the first images would; nothing is trained.

    Args:
      spec, source: as in `load`.

    Returns:
      int, the number of features; a Frechet distance needs more images than that.

    Raises:
      InputError: as `load`, or the features are not finite float [N, F], or not those of each image alone.
    """
    kind, arg = _find(spec, source)
    return (
        kind.check(arg, source)
        if kind.check
        else probe(kind.load(arg, source, None, None), source.images)
    )


def _find(spec, source):
    """(Kind, argument) of a spec."""
    name, _, arg = spec.partition(":")
    if name == "auto":
        name = "classifier" if classifier.n_labelled(source) >= 2 else "random"
    if name not in TABLE:
        forms = ", ".join(["auto", *(kind.form for kind in TABLE.values())])
        raise errors.InputError(
            f"--features={spec} names no known feature space; use one of {forms}."
        )
    kind = TABLE[name]
    if (":" in kind.form) != bool(arg):
        raise errors.InputError(
            f"--features={spec} has {'too much' if arg else 'nothing'} after the name; write {kind.form}."
        )
    return kind, arg
