"""The sky of images, its noise, and the object in their middle."""

import numpy as np
import scipy

# Lengths as fractions of the image's side:
_FRAME = 1 / 16  # width of the frame of sky
_BLUR = 1 / 64  # standard deviation of the Gaussian that blurs the noise
_CENTRAL = 1 / 8  # the object is the one with most light within this distance from the middle
_SMALLEST = 1 / 16  # radius of a disk as large as the smallest object
_N_SIGMA = 3.0  # an object stands out of the sky by this many times its noise
# Pixels of one image are connected by their sides; images are not connected.
_CONNECTED = np.zeros((3, 3, 3), bool)
_CONNECTED[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]


def without_sky(planes: np.ndarray) -> np.ndarray:
    """Subtract from each plane [n, H, W] its sky, the median of a frame of 1/16 of the side."""
    return planes - np.median(_frame(planes), 1)[:, None, None]


def noise(planes: np.ndarray) -> np.ndarray:
    """Estimate the standard deviation of the sky: [n].

    Of the pixels of the frame within 3 times that by the median absolute deviation, which alone
    would jump from level to level; divided by 0.987 for what normal noise loses by that.
    """
    away, near = _deviations(_frame(planes))
    return np.sqrt((away**2 * near).sum(1) / near.sum(1)) / 0.987


def noise_correlation(planes: np.ndarray) -> np.ndarray:
    """Estimate the correlation of neighbouring pixels of the sky, by their sides: [n].

    Of the pixels that `noise` counts. 0 where there is no noise.
    """
    frame = np.broadcast_to(_is_frame(planes), planes.shape)
    sky = _frame(planes)
    away, near = np.zeros(planes.shape), np.zeros(planes.shape, bool)
    away[frame], near[frame] = (x.ravel() for x in _deviations(sky))
    products, squares = np.zeros(len(planes)), np.zeros(len(planes))
    for axis in (1, 2):
        rows = np.arange(planes.shape[axis])
        a, b = (
            [np.take(array, part, axis) for array in (away, near)] for part in (rows[1:], rows[:-1])
        )
        both = a[1] & b[1]
        products += (a[0] * b[0] * both).sum((1, 2))
        squares += ((a[0] ** 2 + b[0] ** 2) / 2 * both).sum((1, 2))
    return np.divide(products, squares, out=np.zeros(len(planes)), where=squares > 0)


def find(light: np.ndarray, contrast: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Find the object in the middle of each image.

    In the image, blurred by a Gaussian of 1/64 of the side, pixels that stand out by 3 times the
    noise and by the contrast form objects, connected by the sides of pixels. The one in the middle
    is that with most light within 1/8 of the side from there, if it is as large as a disk of radius
    1/16 of the side. A neighbour that overlaps it is part of it.

    Args:
      light: float64 [n, H, W], above the sky.
      contrast: in units of the light.

    Returns:
      (bool [n, H, W], the object, empty where there is none; bool [n, H, W], the other objects).
    """
    side = min(light.shape[1:])
    blurred = without_sky(scipy.ndimage.gaussian_filter(light, (0, _BLUR * side, _BLUR * side)))
    above = blurred > np.maximum(_N_SIGMA * noise(blurred), contrast)[:, None, None]
    objects, n_objects = scipy.ndimage.label(above, _CONNECTED)
    middle = _is_in_the_middle(objects, n_objects, light)[objects]
    return middle, above & ~middle


def _is_in_the_middle(objects, n_objects, light):
    """Say which objects are what is looked for: bool [n_objects + 1]; number 0 is the sky."""
    y, x = (np.arange(size) - (size - 1) / 2 for size in light.shape[1:])
    side = min(light.shape[1:])
    central = np.where(y[:, None] ** 2 + x**2 <= (_CENTRAL * side) ** 2, light.clip(0), 0)
    brightness = np.bincount(objects.ravel(), central.ravel(), n_objects + 1)
    brightness[0] = 0
    area = np.bincount(objects.ravel(), minlength=n_objects + 1)
    image_of, brightest = np.zeros(n_objects + 1, np.int64), np.zeros(len(light))
    image_of[objects] = np.arange(len(light))[:, None, None]
    np.maximum.at(brightest, image_of, brightness)
    is_brightest = (brightness > 0) & (brightness == brightest[image_of])
    return is_brightest & (area >= np.pi * (_SMALLEST * side) ** 2)


def _is_frame(planes):
    """Say which pixels are the frame of sky: bool [H, W]."""
    width = max(1, round(_FRAME * min(planes.shape[1:])))
    frame = np.ones(planes.shape[1:], bool)
    frame[width:-width, width:-width] = False
    return frame


def _frame(planes):
    """Return the pixels of the frame of sky: [n, P]."""
    return planes[:, _is_frame(planes)]


def _deviations(sky):
    """Return (deviations of pixels [n, P] from their median, which of them are no outliers)."""
    away = sky - np.median(sky, 1, keepdims=True)
    size = np.abs(away)
    return away, size <= 3 * 1.4826 * np.median(size, 1, keepdims=True)
