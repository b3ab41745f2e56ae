"""Whether the values of images fill 0 to 255, or were scaled for another range."""

import numpy as np

N_SEEN = 256  # images that are enough to tell
_SHARE = 0.001  # of the values that may lie beyond each end of the range
_DARK, _BRIGHT, _NARROW = 32, 223, 16


def histogram(images: np.ndarray) -> np.ndarray:
    """Count the values of up to N_SEEN images, evenly spread over uint8 [N, ...]: int64 [256]."""
    rows = np.unique(np.linspace(0, len(images) - 1, N_SEEN).astype(int))
    counts = (np.bincount(np.asarray(images[row]).ravel(), minlength=256) for row in rows)
    return np.sum(list(counts), axis=0)


def remark(counts: np.ndarray) -> str:
    """Say what is odd about the range of images; "" if nothing is.

    Args:
      counts: int [256], how often each value occurs, see `histogram`.
    """
    if not counts.sum():
        return ""
    below = np.cumsum(counts) / counts.sum()
    low, high = (int(np.searchsorted(below, share)) for share in (_SHARE, 1 - _SHARE))
    if high <= _DARK:
        return (
            f"The images are nearly black: {100 * (1 - _SHARE):g} % of their values are at most "
            f"{high}, of 255. Scale values in [0, 1] by 255, and values of 10 or 12 bits that were "
            "saved in 16 by 64 or 16."
        )
    if low >= _BRIGHT:
        return (
            f"The images are nearly white: {100 * (1 - _SHARE):g} % of their values are at least "
            f"{low}, of 255. Scale them so that they fill 0 to 255."
        )
    if high - low <= _NARROW:
        return (
            f"The images have hardly any contrast: nearly all of their values lie from {low} to "
            f"{high}, of 0 to 255. Scale them so that they fill the range."
        )
    return ""
