"""`--features=python:MODULE:NAME`: any Python function of images."""

import importlib

import numpy as np

from gan_jax import errors
from gan_jax.metrics.features.extractor import Extractor, batched, read, said

_BATCH = 250


def load(arg, source, *_):
    """Extractor of an importable function: uint8 [N, H, W, C] -> [N, F], whatever numpy can turn into an array.

    It gets at most 250 images at a time, a copy that it may change. Its name contains a hash of the module's file; of what that
    file reads or imports, the name says nothing.

    Raises:
      InputError: the module cannot be imported or has no such function; later, the function fails or gives something else.
    """
    what = f"--features=python:{arg}"
    module, _, name = arg.rpartition(":")
    if not module or not name:
        raise errors.InputError(
            f"{what} must name a module and a function in it; write python:package.module:function."
        )
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever a module does when imported
        raise errors.InputError(
            f"{what}: {module} cannot be imported ({said(error)}); it must be installed, or in this folder."
        ) from error
    function = getattr(found, name, None)
    if not callable(function) or not getattr(found, "__file__", None):
        raise errors.InputError(
            f"{what}: {module} is no file with a function {name}; check both names."
        )

    def embed(images):
        try:
            return function(np.array(images)), None
        except Exception as error:  # whatever the function does
            raise errors.InputError(
                f"{what} fails on uint8 {list(images.shape)} ({said(error)}); it must give features [N, F]."
            ) from error

    digest = read(found.__file__, what)[1]
    return Extractor(
        f"python-{module}-{name}-{digest}", None, None, (), batched(embed, what, _BATCH)
    )
