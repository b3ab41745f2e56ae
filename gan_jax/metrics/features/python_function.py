"""`--features=python:MODULE:NAME`: any Python function of images."""

import importlib

import numpy as np

from gan_jax import errors
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
      InputError: the module cannot be imported or has no such function; later, the function fails
        or gives something else.
    """
    what = f"--features=python:{arg}"
    module_name, _, name = arg.rpartition(":")
    if not module_name or not name:
        raise errors.InputError(
            f"{what} must name a module and a function in it; write python:package.module:function."
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a module does when imported
        raise errors.InputError(
            f"{what}: {module_name} cannot be imported ({error_text(error)}); it must be "
            "installed, or in this folder."
        ) from error
    function, file = getattr(module, name, None), getattr(module, "__file__", None)
    if not callable(function) or not file:
        raise errors.InputError(
            f"{what}: {module_name} is no file with a function {name}; check both names."
        )

    def embed(images):
        try:
            return function(np.array(images)), None
        except Exception as error:  # whatever the function does
            raise errors.InputError(
                f"{what} fails on uint8 {list(images.shape)} ({error_text(error)}); it must give "
                "features [N, F]."
            ) from error

    _, digest = read_file(file, what)
    apply = batched_apply(embed, what, _BATCH)
    return Extractor(f"python-{module_name}-{name}-{digest}", None, None, (), apply)
