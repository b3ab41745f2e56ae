"""Measures of the light in a region: ellipticity, concentration, asymmetry, smoothness, Gini, M20.

All functions take many images at once:
  light    float64 [n, H, W], with the sky subtracted
  mask     bool [n, H, W]; each image has light in it
  weight   a mask, or float [n, H, W], the shares of the pixels that lie in an aperture
  centre   float [n, 2], row and column in pixels; integers are in the middle of a pixel
Results are float64 [n].
"""

from collections.abc import Sequence

import numpy as np
import scipy

M20_FLOOR = -4.0  # where the brightest pixels lie on the centroid
_THIN = 1 / 12  # pixels^2, the variance of one pixel
_BINS = 8  # per pixel, of a curve of growth
_SUBPIXELS = 320  # along the side of an image


def centroid(light: np.ndarray) -> np.ndarray:
    """Compute the mean position of the light, which has a positive sum: float64 [n, 2]."""
    rows, columns = light.sum(2), light.sum(1)
    total = rows.sum(1)
    y = rows @ np.arange(rows.shape[1]) / total
    x = columns @ np.arange(columns.shape[1]) / total
    return np.stack([y, x], 1)


def pixel_offsets(light: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the rows [n, H] and columns [n, W] of the pixels, relative to the centre."""
    height, width = light.shape[1:]
    return np.arange(height) - centre[:, :1], np.arange(width) - centre[:, 1:]


def ellipticity(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Compute 1 - b / a of the ellipse with the second moments of the light: 0 round, near 1 thin.

    Regions thinner than a pixel get the width of one on both axes.

    Source: Bertin and Arnouts 1996 (SExtractor), and its manual on thin regions.
    """
    light = np.where(mask, light, 0)
    y, x = pixel_offsets(light, centroid(light))
    rows, columns = light.sum(2), light.sum(1)
    total = rows.sum(1)
    yy, xx = (rows * y**2).sum(1) / total, (columns * x**2).sum(1) / total
    xy = ((light @ x[:, :, None])[:, :, 0] * y).sum(1) / total
    thin = np.where(np.abs(yy * xx - xy**2) < _THIN**2, _THIN, 0)
    mean, half = (yy + xx) / 2 + thin, np.hypot((yy - xx) / 2, xy)
    return 1 - np.sqrt(np.abs((mean - half) / (mean + half)))


def concentration(light: np.ndarray, mask: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Compute 5 log10(r80 / r20), from the circles that hold 80 and 20 % of the light in the mask.

    1.51 for an even disk, 2.15 for a Gaussian, 2.80 for an exponential profile, each without an
    edge.

    Source: Bershady, Jangren and Conselice 2000; Conselice 2003 (of the light within 1.5 Petrosian
      radii).
    """
    inner, outer = light_radii(light, mask, centre, (0.2, 0.8))
    return 5 * np.log10(outer / inner)


def light_radii(
    light: np.ndarray, mask: np.ndarray, centre: np.ndarray, shares: Sequence[float]
) -> np.ndarray:
    """Compute the radii of circles around the centre that hold shares of the light in the mask.

    Each pixel is cut into equal subpixels, as SExtractor does, so many that there are 320 or more
    along the image. Between the edges of bins of 1/8 pixel the light grows with the area.

    Returns:
      float64 [len(shares), n], in pixels.
    """
    k, y, x = np.nonzero(mask)
    value, y, x = light[k, y, x], y - centre[k, 0], x - centre[k, 1]
    fine = -(-_SUBPIXELS // min(light.shape[1:]))
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    n, n_bins = len(light), int(_BINS * (np.hypot(y, x).max() + 1)) + 1
    rings = np.zeros(n * n_bins)
    for dy, dx in ((a, b) for a in offsets for b in offsets):
        ring = (_BINS * np.sqrt((y + dy) ** 2 + (x + dx) ** 2)).astype(np.int64)
        rings += np.bincount(k * n_bins + ring, value, len(rings))
    # Column j of the curve of growth: the share of the light within j bins.
    growth = np.pad(rings.reshape(n, n_bins).cumsum(1), ((0, 0), (1, 0)))
    growth /= growth[:, -1:]
    return np.stack([_first_radius(growth, share) for share in shares]) / _BINS


def _first_radius(growth, share):
    """Return the radius [n] where curves [n, J] over radii 0, 1, ... first reach a share > 0."""
    image, j = np.arange(len(growth)), (growth >= share).argmax(1)
    before, after = growth[image, j - 1], growth[image, j]
    return np.sqrt((j - 1) ** 2 + (2 * j - 1) * (share - before) / (after - before))


def asymmetry(
    light: np.ndarray, weight: np.ndarray, centre: np.ndarray, sky: np.ndarray | float = 0.0
) -> np.ndarray:
    """Compute sum |I - R| / sum |I|, where R is the light turned by 180 degrees about the centre.

    0 is symmetric; at most 2 for a symmetric aperture and light that is nowhere negative. Pixels of
    R from outside the image are 0; between pixels R is interpolated linearly.

    Args:
      light: I.
      weight: weights of both sums.
      centre: centre of the turn.
      sky: float [n], mean of |I - R| in the sky; subtracted for each pixel of the weight.

    Source: Conselice 2003 (without the factor 1/2 of earlier papers); Lotz et al. 2004, eq. 10.
    """
    differences = _turned_differences(light, weight, centre, [(0, 0)])[0]
    return _ratio(differences - sky * _sum(weight), _sum(weight * np.abs(light)))


def symmetry_centre(
    light: np.ndarray, weight: np.ndarray, start: np.ndarray, steps: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Find the centre about which the light is least asymmetric, near a first guess.

    A walk: each step goes to the best of the nine centres of a square around the present one.

    Args:
      light: the light.
      weight: weights of the asymmetry.
      start: first guesses.
      steps: sizes of the steps in pixels, largest first.

    Returns:
      float64 [n, 2].

    Source: Conselice, Bershady and Jangren 2000 (each step is repeated there until the centre
    rests).
    """
    signs = (-1, 0, 1)
    # The present centre comes first, so it wins a tie.
    square = np.array([(0, 0), *((i, j) for i in signs for j in signs if i or j)])
    centre = np.asarray(start, np.float64)
    for step in steps:
        best = _turned_differences(light, weight, centre, step * square).argmin(0)
        centre = centre + step * square[best]
    return centre


def _turned_differences(light, weight, centre, shifts):
    """Sum |I - R| over the weight for turns about centre + shift, shifts [J, 2]: [J, n].

    Shifts that differ by half pixels in the centre, whole ones in R, share what is interpolated.
    """
    n, height, width = light.shape
    k, y, x = np.nonzero(weight)
    value, share = light[k, y, x], weight[k, y, x]
    double = 2 * np.asarray(shifts, np.float64)
    whole = np.floor(double).astype(np.int64)
    # Zeros around the image: mirrored pixels farther outside are read there, whatever the shift.
    reach = np.abs(whole).max() + 2
    margin = reach + np.abs(whole).max() + 1
    padded = np.pad(light, ((0, 0), (margin, margin), (margin, margin)))
    down, across = height + 2 * margin - 1, width + 2 * margin - 1
    sums = np.empty((len(double), n))
    for part in np.unique(double - whole, axis=0):
        at = 2 * centre + part
        between = _interpolate(padded, at).ravel()
        low = np.floor(at).astype(np.int64)
        rows = (low[:, :1] - np.arange(height)).clip(-reach, height - 1 + reach) + margin
        columns = (low[:, 1:] - np.arange(width)).clip(-reach, width - 1 + reach) + margin
        rows = (np.arange(n)[:, None] * down + rows) * across
        mirrored = rows[k, y] + columns[k, x]
        for j in np.flatnonzero((double - whole == part).all(1)):
            turned = between.take(mirrored + (whole[j, 0] * across + whole[j, 1]))
            sums[j] = np.bincount(k, share * np.abs(value - turned), n)
    return sums


def _interpolate(planes, at):
    """Read planes [n, H, W] the fractions of `at` [n, 2] below and to the right of each pixel:
    [n, H - 1, W - 1].
    """
    fy, fx = (at - np.floor(at)).T[:, :, None, None]
    upper = (1 - fx) * planes[:, :, :-1] + fx * planes[:, :, 1:]
    return (1 - fy) * upper[:, :-1] + fy * upper[:, 1:]


def small_scale_light(light: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Subtract from the light its mean in a square around each pixel: float64 [n, H, W].

    Args:
      light: the light.
      box: int [n], odd, the side of the square in pixels.
    """
    smooth = np.empty_like(light)
    for side in np.unique(box):
        smooth[box == side] = scipy.ndimage.uniform_filter(light[box == side], (1, side, side))
    return light - smooth


def smoothness(
    light: np.ndarray, detail: np.ndarray, weight: np.ndarray, sky: np.ndarray | float = 0.0
) -> np.ndarray:
    """Compute the share of the light that stands out of its surroundings, in clumps and arms.

    Sum of the positive part of the detail, divided by the sum of the light: 0 is smooth. 0 also
    where the light is not positive.

    Args:
      light: the light.
      detail: see `small_scale_light`.
      weight: weights of both sums, without the core of the galaxy, which no box resolves.
      sky: float [n], mean positive part of the detail in the sky; subtracted for each pixel of the
        weight.

    Source: Lotz et al. 2004, eq. 11; Conselice 2003 (there times 10), who takes the positive part.
    """
    return _ratio(_sum(weight * detail.clip(0)) - sky * _sum(weight), _sum(weight * light))


def gini(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Compute the Gini coefficient of the pixels in the mask: 0 all equal, 1 all light in one.

    Sum over ranks i = 1, ..., m of (2 i - m - 1) |X_i|, in rising order, divided by (m - 1) times
    the sum of |X_i|. The mask has two pixels or more.

    Source: Lotz et al. 2004, eq. 6.
    """
    # Pixels outside the mask come first and add 0.
    rising = np.sort(np.where(mask, np.abs(light), 0).reshape(len(light), -1), 1)
    size, m, total = rising.shape[1], mask.sum((1, 2)), rising.sum(1)
    return (rising @ (2.0 * np.arange(size) - 2 * size + 1) + m * total) / ((m - 1).clip(1) * total)


def m20(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Compute M20: log10 of the brightest pixels' share of the second moment of the light.

    The brightest pixels hold 20 % of the light in the mask; the pixel that completes the 20 %
    counts, and so do all that are as bright. The moment is about the centroid. -0.7 where the
    brightest pixels lie like the rest, lower for a bright centre; at least M20_FLOOR.

    Source: Lotz et al. 2004, eqs. 7 and 8.
    """
    light = np.where(mask, light, 0)
    rising = np.sort(light.reshape(len(light), -1), 1)
    growth = rising.cumsum(1)
    first = (growth >= 0.8 * growth[:, -1:]).argmax(1)
    bright = light >= rising[np.arange(len(light)), first][:, None, None]
    y, x = pixel_offsets(light, centroid(light))
    moment = light * (y[:, :, None] ** 2 + x[:, None] ** 2)
    return np.log10(_ratio(_sum(moment * bright), _sum(moment)).clip(10**M20_FLOOR))


def _sum(planes):
    """Sum each plane [n, H, W]: [n]."""
    return planes.sum((1, 2))


def _ratio(part, whole):
    """Divide [n] by [n]; 0 where the divisor is not positive."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
