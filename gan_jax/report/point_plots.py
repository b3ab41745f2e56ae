"""Pictures of points: the density of a generator over that of the data, and films of a training."""

import functools
import io
import pathlib

import matplotlib
import numpy as np
import scipy
from PIL import Image, ImageDraw

from gan_jax import cache
from gan_jax.data import toys
from gan_jax.metrics import point_scores

SIDE = 360  # pixels
_EXTENT = 1.08  # a picture spans [-_EXTENT, _EXTENT] in both coordinates
_BLUR = 2.0  # pixels, standard deviation
_TYPICAL = 0.63  # brightness at the average real point, of 1
_PEAK = 0.6  # height of the real density's peak in 1-D, of the picture
_REAL_LEVEL, _RING_LEVEL = 90, 140  # grey levels of the real density and of rings
_CURVE_COLOR = 200  # of a density in 1-D, as an index of _COLORS
_COLORS = matplotlib.colormaps["magma"](np.arange(256), bytes=True)[:, :3].astype(np.float32)
_LAST_MS = 2000  # how long a film rests before it begins again
_MAX_FRAMES = 200  # of a film: more are thinned evenly


def draw_density(points: np.ndarray, real: np.ndarray, spec: str) -> np.ndarray:
    """Draw generated points as a density in colour, over the real density in grey.

    Equal brightness is equal density in all pictures with the same real points. Points outside the
    picture are left out, and dim the rest. In 2-D, rings show the radius within which a point
    counts for a mode (`metrics.point_scores.MODE_RADIUS`), and brightness goes with the root of the
    density, so that thin bridges between modes show. In 1-D the density is a curve.

    Args:
      points: float32 [n, 1, 1, D], in [-1, 1]; of D above 2 the first two coordinates are drawn.
      real: float32 [m, 1, 1, D], real points in the same range; some thousands.
      spec: name of the data, "toys:NAME" or a plug-in, which has no modes that are known.

    Returns:
      uint8 [SIDE, SIDE, 3].
    """
    flat = (np.asarray(x).reshape(-1, np.shape(x)[-1])[:, :2] for x in (points, real))
    fake, true = map(_histogram, flat)
    picture = _draw_curves(fake, true) if fake.ndim == 1 else _draw_map(fake, true, _rings(spec))
    return picture.clip(0, 255).round().astype(np.uint8)


def _histogram(points):
    """Share of points per pixel: float64 [SIDE] along x, or [SIDE, SIDE] with y upwards."""
    inside = points[(np.abs(points) < _EXTENT).all(1)]
    cells = ((inside / _EXTENT + 1) / 2 * SIDE).astype(np.int64).clip(0, SIDE - 1)
    if cells.shape[1] == 1:
        return np.bincount(cells[:, 0], minlength=SIDE) / len(points)
    counts = np.bincount((SIDE - 1 - cells[:, 1]) * SIDE + cells[:, 0], minlength=SIDE * SIDE)
    return counts.reshape(SIDE, SIDE) / len(points)


def _draw_map(fake, true, rings):
    """Draw densities in 2-D: float32 [SIDE, SIDE, 3].

    Args:
      fake, true: histograms [SIDE, SIDE].
      rings: opacity of the rings [SIDE, SIDE].
    """
    fake, true = (
        scipy.ndimage.gaussian_filter(x, _BLUR, mode="constant").astype(np.float32)
        for x in (fake, true)
    )
    typical = (true**2).sum() / true.sum()
    fake, true = (
        np.sqrt(x / typical).clip(0, 1 / _TYPICAL)[..., None] * _TYPICAL for x in (fake, true)
    )
    picture = _COLORS[(255 * fake[..., 0]).astype(np.uint8)] + _REAL_LEVEL * true * (1 - fake)
    return picture + (_RING_LEVEL - picture).clip(0) * rings[..., None]


@functools.lru_cache
def _rings(spec):
    """Opacity of the circles around the modes: float32 [SIDE, SIDE], 0 without known modes."""
    if not toys.is_toy(spec):
        return np.zeros((SIDE, SIDE), np.float32)
    fine, toy = 4, toys.toy_from_spec(spec)
    canvas = Image.new("L", (SIDE * fine, SIDE * fine))
    unit = SIDE * fine / (2 * _EXTENT * toy.scale)  # pixels of the canvas per unit of the toy
    radius = point_scores.MODE_RADIUS * toy.sd * unit
    for x, y in [] if toy.centers is None else toy.centers * unit * [1, -1] + SIDE * fine / 2:
        box = (x - radius, y - radius, x + radius, y + radius)
        ImageDraw.Draw(canvas).ellipse(box, outline=255, width=fine)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255


def _draw_curves(fake, true):
    """Draw densities in 1-D: float32 [SIDE, SIDE, 3].

    The real density is a grey area, the other an area and a line.

    Args:
      fake, true: histograms [SIDE].
    """
    fake, true = (
        scipy.ndimage.gaussian_filter1d(x, 2 * _BLUR, mode="constant") for x in (fake, true)
    )
    fake, true = (x * _PEAK * SIDE / true.max() for x in (fake, true))
    above = np.arange(SIDE)[::-1, None] + 0.5  # height of the middle of a row of pixels
    areas = [(height - above + 0.5).clip(0, 1)[..., None] for height in (true, fake)]
    line = (1.5 - np.abs(fake - above) / np.hypot(1, np.gradient(fake))).clip(0, 1)[..., None]
    picture = _COLORS[0] + (_REAL_LEVEL - _COLORS[0]) * areas[0]
    for opacity in (0.4 * areas[1], line):
        picture = picture + (_COLORS[_CURVE_COLOR] - picture) * opacity
    return picture


def animate(paths: list[pathlib.Path], out: pathlib.Path, ms: int = 120) -> None:
    """Join pictures to a film, an animated WebP that repeats and rests on the last picture.

    Args:
      paths: PNG files of one size, in order; at least one. Of more than _MAX_FRAMES, as many are
        shown, evenly chosen.
      out: the .webp file; a reader never sees half of it.
      ms: milliseconds per picture.
    """
    shown = np.linspace(0, len(paths) - 1, min(len(paths), _MAX_FRAMES)).round().astype(int)
    first, *others = [Image.open(io.BytesIO(paths[i].read_bytes())).convert("RGB") for i in shown]
    buffer = io.BytesIO()
    duration = [ms] * len(others) + [_LAST_MS]
    options = {"save_all": True, "append_images": others, "loop": 0, "quality": 85}
    first.save(buffer, "WEBP", duration=duration, **options)
    cache.write_atomic(out, buffer.getvalue())
