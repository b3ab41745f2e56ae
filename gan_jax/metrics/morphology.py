"""Measures of the light in a region: ellipticity, concentration, asymmetry, smoothness, Gini and M20.

All take many images at once. Light is float64 [n, H, W] with the sky subtracted; a mask is bool [n, H, W], and each image has
light in it. A weight is a mask, or float [n, H, W]: the shares of the pixels that lie in an aperture. Centres are float [n, 2],
row and column in pixels, integers in the middle of a pixel. Results are float64 [n].
"""

import numpy as np
from scipy import ndimage

M20_FLOOR = -4.0  # where the brightest pixels lie on the centroid
_THIN = 1 / 12  # pixels^2, the variance of one pixel
_BINS = 8  # per pixel, of a curve of growth
_SUBPIXELS = 320  # along the side of an image
_MARGIN = 2  # pixels of nothing around an image, so that a mirrored pixel outside finds nothing


def centroid(light):
    """Mean position of the light, which has a positive sum: a centre, float64 [n, 2]."""
    rows, columns = light.sum(2), light.sum(1)
    total = rows.sum(1)
    return np.stack(
        [rows @ np.arange(rows.shape[1]) / total, columns @ np.arange(columns.shape[1]) / total], 1
    )


def ellipticity(light, mask):
    """1 - b / a of the ellipse with the second moments of the light in the mask: 0 round, towards 1 thin.

    Regions thinner than a pixel get the width of one on both axes.

    Source: Bertin and Arnouts 1996 (SExtractor), and its manual on thin regions.
    """
    light = np.where(mask, light, 0)
    y, x = (
        np.arange(size) - c[:, None]
        for size, c in zip(light.shape[1:], centroid(light).T, strict=True)
    )
    rows, columns = light.sum(2), light.sum(1)
    total = rows.sum(1)
    yy, xx = (rows * y**2).sum(1) / total, (columns * x**2).sum(1) / total
    xy = ((light @ x[:, :, None])[:, :, 0] * y).sum(1) / total
    thin = np.where(np.abs(yy * xx - xy**2) < _THIN**2, _THIN, 0)
    mean, half = (yy + xx) / 2 + thin, np.hypot((yy - xx) / 2, xy)
    return 1 - np.sqrt(np.abs((mean - half) / (mean + half)))


def concentration(light, mask, centre):
    """5 log10(r80 / r20): the radii of circles around the centre that hold 80 and 20 % of the light in the mask.

    1.51 for an even disk, 2.15 for a Gaussian, 2.80 for an exponential profile, each without an edge.

    Source: Bershady, Jangren and Conselice 2000; Conselice 2003 (there of the light within 1.5 Petrosian radii).
    """
    inner, outer = radii(light, mask, centre, (0.2, 0.8))
    return 5 * np.log10(outer / inner)


def radii(light, mask, centre, shares):
    """Radii in pixels of circles around the centre that hold shares of the light in the mask: float64 [len(shares), n].

    Each pixel is cut into equal subpixels, as SExtractor does it, as many as make 320 or more along the image; between the
    edges of bins of 1/8 pixel the light grows with the area.
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
    grown = np.pad(rings.reshape(n, n_bins).cumsum(1), ((0, 0), (1, 0)))  # light within j bins
    grown /= grown[:, -1:]
    return np.stack([_crossing(grown, share) for share in shares]) / _BINS


def _crossing(grown, share):
    """Where curves [n, J] over the radius 0, 1, ... first reach a share > 0: [n]."""
    image, j = np.arange(len(grown)), (grown >= share).argmax(1)
    before, after = grown[image, j - 1], grown[image, j]
    return np.sqrt((j - 1) ** 2 + (2 * j - 1) * (share - before) / (after - before))


def asymmetry(light, weight, centre, sky=0.0):
    """Sum of |I - R| over sum of |I|, R being the light turned by 180 degrees about the centre: 0 symmetric, at most 2 for an
    aperture that is symmetric and light that is nowhere negative.

    Pixels of R that come from outside the image are 0; between pixels R is interpolated linearly.

    Args:
      sky: float [n], mean of |I - R| in the sky, which is subtracted for each pixel of the weight.

    Source: Conselice 2003 (without the factor 1/2 of earlier papers); Lotz et al. 2004, eq. 10.
    """
    return _ratio(
        _differences(light, weight, centre[None])[0] - sky * _sum(weight),
        _sum(weight * np.abs(light)),
    )


def symmetry_centre(light, weight, start, steps):
    """The centre about which the light in the weight is least asymmetric, near a first guess.

    A walk: at each step, in pixels, to the best of the nine centres of a square around the present one.

    Args:
      start: centres. steps: the sizes of the steps, largest first.

    Returns:
      float64 [n, 2].

    Source: Conselice, Bershady and Jangren 2000 (there each step is repeated until the centre rests).
    """
    square = np.array(
        [(0, 0), *((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)]
    )  # the present one wins a tie
    centre = np.asarray(start, np.float64)
    for step in steps:
        around = centre + step * square[:, None]
        centre = around[_differences(light, weight, around).argmin(0), np.arange(len(centre))]
    return centre


def _differences(light, weight, centres):
    """Sums of |I - R| over the weight for several centres [J, n, 2] of each image: [J, n]."""
    n, height, width = light.shape
    k, y, x = np.nonzero(weight)
    value, share = light[k, y, x], weight[k, y, x]
    across, start = width + 2 * _MARGIN, np.arange(n)[:, None] * (height + 2 * _MARGIN)
    padded = np.pad(light, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))).ravel()
    sums = []
    for double in 2 * centres:
        low = np.floor(double).astype(np.int64)
        fy, fx = (double - low).T
        rows = start + (low[:, :1] - np.arange(height) + _MARGIN).clip(0, height + _MARGIN)
        columns = (low[:, 1:] - np.arange(width) + _MARGIN).clip(0, width + _MARGIN)
        at = (rows * across)[k, y] + columns[k, x]
        difference = value - ((1 - fy) * (1 - fx))[k] * padded.take(at)
        difference -= ((1 - fy) * fx)[k] * padded.take(at + 1)
        difference -= (fy * (1 - fx))[k] * padded.take(at + across)
        difference -= (fy * fx)[k] * padded.take(at + across + 1)
        sums.append(np.bincount(k, share * np.abs(difference), n))
    return np.stack(sums)


def detail(light, box):
    """Light minus its mean in a square around each pixel: float64 [n, H, W]. box: int [n], odd, its side in pixels."""
    smooth = np.empty_like(light)
    for side in np.unique(box):
        smooth[box == side] = ndimage.uniform_filter(light[box == side], (1, side, side))
    return light - smooth


def smoothness(light, detail, weight, sky=0.0):
    """Share of the light in the weight that stands out of its surroundings: 0 smooth, higher for clumps and arms.

    Sum of the positive part of the detail over the sum of the light; 0 where that is not positive.

    Args:
      detail: see `detail`. weight: without the core of the galaxy, which no box resolves.
      sky: float [n], mean positive part of the detail in the sky, which is subtracted for each pixel of the weight.

    Source: Lotz et al. 2004, eq. 11; Conselice 2003 (there times 10), who takes the positive part.
    """
    return _ratio(_sum(weight * detail.clip(0)) - sky * _sum(weight), _sum(weight * light))


def gini(light, mask):
    """How unequally the light in the mask, of two pixels or more, is spread over them: 0 evenly, 1 all in one.

    Sum over ranks i = 1, ..., m of (2 i - m - 1) |X_i|, in rising order, over (m - 1) times the sum of |X_i|.

    Source: Lotz et al. 2004, eq. 6.
    """
    rising = np.sort(
        np.where(mask, np.abs(light), 0).reshape(len(light), -1), 1
    )  # what is outside comes first and adds 0
    size, m, total = rising.shape[1], mask.sum((1, 2)), rising.sum(1)
    return (rising @ (2.0 * np.arange(size) - 2 * size + 1) + m * total) / ((m - 1).clip(1) * total)


def m20(light, mask):
    """log10 of the share that the brightest pixels, with 20 % of the light in the mask, have in its second moment.

    About the centroid; -0.7 where the brightest pixels lie like the rest, lower for a bright centre. The pixel that completes
    the 20 % counts, and so do all that are as bright; at least M20_FLOOR.

    Source: Lotz et al. 2004, eqs. 7 and 8.
    """
    light = np.where(mask, light, 0)
    rising = np.sort(light.reshape(len(light), -1), 1)
    grown = rising.cumsum(1)
    first = (grown >= 0.8 * grown[:, -1:]).argmax(1)
    bright = light >= rising[np.arange(len(light)), first][:, None, None]
    y, x = (
        np.arange(size) - c[:, None]
        for size, c in zip(light.shape[1:], centroid(light).T, strict=True)
    )
    moment = light * (y[:, :, None] ** 2 + x[:, None] ** 2)
    return np.log10(_ratio(_sum(moment * bright), _sum(moment)).clip(10**M20_FLOOR))


def _sum(planes):
    """Sum of each plane [n, H, W]: [n]."""
    return planes.sum((1, 2))


def _ratio(part, whole):
    """part / whole, 0 where whole is not positive: [n]."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
