"""`--features=onnx:FILE`: any net in an ONNX file, run by ONNX Runtime on the processor."""

import numpy as np
from scipy import special

from gan_jax import errors, images
from gan_jax.metrics.features.extractor import Extractor, batched, read, said

_BATCH = 32


def load(arg, source, *_):
    """Extractor of an ONNX file that holds its own weights.

    Its one input is float32 [N, H, W, C] in [-1, 1], or [N, C, H, W] where the declared sizes fit the images in that order
    only; N may be fixed. Its first output are the features [N, F]; the second, if there is one, are logits [N, K] of classes of
    its own, from which probabilities are made. Further outputs are not read.

    Raises:
      InputError: ONNX Runtime is not installed; the file is missing, damaged, or a net for other images.
    """
    what = f"--features=onnx:{arg}"
    data, digest = read(arg, what)
    session = _open(data, what)
    entry, axes = _input(session, source.images.shape[1:], what)
    names = [output.name for output in session.get_outputs()[:2]]
    fixed = entry.shape[0] if isinstance(entry.shape[0], int) else 0

    def embed(x):
        x = np.ascontiguousarray(images.to_float(x, "tanh").transpose(axes))
        try:
            features, *logits = session.run(names, {entry.name: x})
        except Exception as error:  # ONNX Runtime's have no class in common
            raise errors.InputError(
                f"{what} fails on float32 {list(x.shape)}: {said(error)}"
            ) from error
        return features, _probs(logits[0], what) if logits else None

    return Extractor(
        f"onnx-{digest}", None, None, (), batched(embed, what, fixed or _BATCH, fill=bool(fixed))
    )


def _open(data, what):
    try:
        import onnxruntime
    except ImportError as error:
        raise errors.InputError(
            f"{what} needs ONNX Runtime, which is not installed; pip install 'gan-jax[export]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, too
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's have no class in common
        raise errors.InputError(
            f"{what} is no ONNX file that can be run, weights included: {said(error)}"
        ) from error


def _input(session, shape, what):
    """(the net's input, order of the axes that it wants of [N, H, W, C])."""
    entries = session.get_inputs()
    if len(entries) != 1 or entries[0].type != "tensor(float)" or len(entries[0].shape) != 4:
        found = ", ".join(f"{e.type} {_text(e.shape)}" for e in entries) or "nothing"
        raise errors.InputError(
            f"{what} takes {found}; it must take one tensor(float) of images, [N, H, W, C] in [-1, 1]."
        )
    declared = entries[0].shape
    for axes in ((0, 1, 2, 3), (0, 3, 1, 2)):
        wanted = [(d, shape[axis - 1]) for d, axis in zip(declared[1:], axes[1:], strict=True)]
        if all(d == side for d, side in wanted if isinstance(d, int)):
            return entries[0], axes
    raise errors.InputError(
        f"{what} takes {_text(declared)}, and the images are {_text(['N', *shape])}; use a net for their size and channels."
    )


def _probs(logits, what):
    if logits.ndim == 2 and (logits >= 0).all() and np.allclose(logits.sum(1), 1, atol=1e-3):
        raise errors.InputError(
            f"{what} gives probabilities as its second output; it must give logits, before the softmax."
        )
    return special.softmax(logits, axis=-1)


def _text(shape):
    return f"[{', '.join(str(side) for side in shape)}]"
