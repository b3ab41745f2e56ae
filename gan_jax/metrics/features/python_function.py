"""`--features=python:MODULE:NAME`: any Python function of images."""

import sys
from collections.abc import Callable

import numpy as np

from gan_jax import errors, plugins
from gan_jax.data.types import Dataset
from gan_jax.metrics.features.extractor import Extractor, batched_apply, error_text, read_file

_BATCH = 250


def load(arg: str, dataset: Dataset, *_) -> Extractor:
    """Load an importable function uint8 [N, H, W, C] -> [N, F], whatever numpy can convert.

    It gets at most 250 images at a time, a copy that it may change. The Extractor's name contains a
    hash of the module's file, but says nothing of what that file reads or imports.

    Args:
      arg: "MODULE:NAME".
      dataset: not used.

    Raises:
      InputError: the module is not trusted, cannot be imported or has no such function; later, the
        function fails or gives something else.
    """
    module_name, _, name = arg.rpartition(":")
    if not module_name or not name:
        raise errors.InputError(
            f"--features=python:{arg} must name a module and a function in it; write "
            "python:MODULE:NAME."
        )
    try:
        function = plugins.load("features", f"{plugins.PREFIX}{arg}")
    except errors.InputError as error:
        raise errors.InputError(f"--features={error}") from error
    return load_function(f"{plugins.PREFIX}{arg}", function, "", dataset)


def load_function(name: str, function: Callable, arg: str, dataset: Dataset, *_) -> Extractor:
    """Make a feature space of a function, see `load`.

    Args:
      name: of the plug-in.
      function: images -> features.
      arg, dataset: not used.

    Raises:
      InputError: see `load`.
    """
    what = f"--features={name}"
    if not callable(function):
        raise errors.InputError(f"{what} is no function; it must take images and give features.")

    def embed(images):
        try:
            return function(np.array(images)), None
        except Exception as error:  # whatever the function does
            raise errors.InputError(
                f"{what} fails on uint8 {list(images.shape)} ({error_text(error)}); it must give "
                "features [N, F]."
            ) from error

    # A notebook has no file; there it is the function that counts.
    file = getattr(sys.modules.get(plugins.module_of(name) or ""), "__file__", None)
    digest = read_file(file, what)[1] if file else plugins.describe(name).get("sha256", "")[:8]
    apply = batched_apply(embed, what, _BATCH)
    return Extractor(f"{name.replace(':', '-')}-{digest}", None, None, (), apply)
