"""`--features=onnx:FILE`: any net in an ONNX file, run by ONNX Runtime on the processor."""

import numpy as np
import scipy

from gan_jax import errors, images
from gan_jax.data.types import Dataset
from gan_jax.metrics.features.extractor import Extractor, batched_apply, error_text, read_file

_BATCH = 32


def load(arg: str, dataset: Dataset, *_) -> Extractor:
    """Load an ONNX file that holds its own weights.

    Its one input is float32 [N, H, W, C] in [-1, 1], or [N, C, H, W] where the declared sizes fit
    the images in that order only; N may be fixed. The first output is the features [N, F]. The
    second, if there is one, is logits [N, K] of classes of its own, which become probabilities.
    Further outputs are not read.

    Args:
      arg: the file.
      dataset: images of this shape.

    Raises:
      InputError: ONNX Runtime is not installed; the file is missing, damaged, or a net for other
        images.
    """
    what = f"--features=onnx:{arg}"
    data, digest = read_file(arg, what)
    session = _open_session(data, what)
    entry, axes = _find_input(session, dataset.images.shape[1:], what)
    names = [output.name for output in session.get_outputs()[:2]]
    fixed = entry.shape[0] if isinstance(entry.shape[0], int) else 0

    def embed(x):
        x = np.ascontiguousarray(images.to_float(x, "tanh").transpose(axes))
        try:
            features, *logits = session.run(names, {entry.name: x})
        except Exception as error:  # ONNX Runtime's exceptions have no common class
            raise errors.InputError(
                f"{what} fails on float32 {list(x.shape)}: {error_text(error)}"
            ) from error
        return features, _softmax(logits[0], what) if logits else None

    apply = batched_apply(embed, what, fixed or _BATCH, fill=bool(fixed))
    return Extractor(f"onnx-{digest}", None, None, (), apply)


def _open_session(data, what):
    try:
        import onnxruntime
    except ImportError as error:
        raise errors.InputError(
            f"{what} needs ONNX Runtime; install it with: {errors.install_command('export')}."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, too
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common class
        raise errors.InputError(
            f"{what} is no ONNX file that can be run, weights included: {error_text(error)}"
        ) from error


def _find_input(session, shape, what):
    """Return (the net's input, its order of the axes [N, H, W, C])."""
    entries = session.get_inputs()
    if len(entries) != 1 or entries[0].type != "tensor(float)" or len(entries[0].shape) != 4:
        inputs = ", ".join(f"{e.type} {_shape_text(e.shape)}" for e in entries) or "nothing"
        raise errors.InputError(
            f"{what} takes {inputs}; it must take one tensor(float) of images, [N, H, W, C] in "
            "[-1, 1]."
        )
    declared = entries[0].shape
    for axes in ((0, 1, 2, 3), (0, 3, 1, 2)):
        sides = [(d, shape[axis - 1]) for d, axis in zip(declared[1:], axes[1:], strict=True)]
        if all(d == side for d, side in sides if isinstance(d, int)):
            return entries[0], axes
    raise errors.InputError(
        f"{what} takes {_shape_text(declared)}, and the images are {_shape_text(['N', *shape])}; "
        "use a net for their size and channels."
    )


def _softmax(logits, what):
    """Convert logits to probabilities; refuse what are probabilities already."""
    if logits.ndim == 2 and (logits >= 0).all() and np.allclose(logits.sum(1), 1, atol=1e-3):
        raise errors.InputError(
            f"{what} gives probabilities as its second output; it must give logits, before the "
            "softmax."
        )
    return scipy.special.softmax(logits, axis=-1)


def _shape_text(shape):
    return f"[{', '.join(str(side) for side in shape)}]"
