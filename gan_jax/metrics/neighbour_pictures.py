"""Pictures of images beside their nearest neighbours."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_jax import images
from gan_jax.metrics.nearest_neighbours import Neighbours, distance_ratio

N_SHOWN = 8  # queries in a picture

_TILE = 128  # pixels, about, of an image in a picture
_GAP = 8  # pixels between the images
_HEAD = 48  # pixels, height of the head
_DARK, _LIGHT = 32, 235  # grey levels of ground and text


def draw_neighbours(
    label: str,
    queries: np.ndarray,
    neighbours: dict[str, Neighbours],
    pool: np.ndarray,
    show: str = "",
) -> np.ndarray:
    """Draw queries with their neighbours, one row each, and one half for each distance.

    Args:
      label: what the queries are, in words.
      queries: uint8 [n, H, W, C]; those of `choose_shown` are drawn.
      neighbours: {the distance in words: neighbours of all queries in the pool}.
      pool: uint8 [N, H, W, C].
      show: channels that are shown, see images.parse_bands.

    Returns:
      uint8 [height, width, 3]. Small images are enlarged by a whole factor. Each neighbour's
      distance is written below it.
    """
    halves, shown = [], choose_shown(list(neighbours.values()))
    for words, nearest in neighbours.items():
        lines = []
        for i in shown:
            query = _draw_tile(images.shown(queries[i], show), label)
            tiles = [
                _draw_tile(images.shown(pool[row], show), f"{distance:.3g}")
                for row, distance in zip(nearest.rows[i], nearest.distances[i], strict=True)
            ]
            space = np.full_like(query[:, : 3 * _GAP], _DARK)
            lines.append(np.concatenate([space, query, space, *tiles, space], 1))
        head = _draw_text(lines[0].shape[1], _HEAD, f"nearest training images by {words}", 26)
        halves.append(np.concatenate([head, *lines, np.full_like(lines[0][:_GAP], _DARK)]))
    return np.concatenate(halves, 1)


def choose_shown(neighbours: list[Neighbours], n: int = N_SHOWN) -> list[int]:
    """Choose n queries to show: half of them the first ones, half the most suspicious ones.

    The first ones are a random choice. The others have the smallest `distance_ratio`.

    Args:
      neighbours: neighbours of the queries by each distance.
      n: number of queries.
    """
    ranks = [
        np.argsort(np.argsort(distance_ratio(nearest), kind="stable"), kind="stable")
        for nearest in neighbours
    ]
    order = np.argsort(np.min(ranks, 0), kind="stable")
    return [*range(min(n // 2, len(order))), *order[order >= n // 2][: n - n // 2]]


def _draw_tile(image, text):
    """Draw an image uint8 [H, W, 1 or 3] at about _TILE pixels, with a margin and text below."""
    longer = max(image.shape[:2])
    scale = max(1, round(_TILE / longer))
    image = np.broadcast_to(image, (*image.shape[:2], 3)).repeat(scale, 0).repeat(scale, 1)
    if scale * longer > 1.5 * _TILE:
        height, width = (max(1, round(side * _TILE / longer)) for side in image.shape[:2])
        image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    side, margin = max(image.shape[:2]), _GAP // 2
    framed = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), constant_values=_DARK)
    strip = _draw_text(framed.shape[1], side // 4, text, min(side, image.shape[1]) / 5.5)
    return np.concatenate([framed, strip])


def _draw_text(width, height, text, size):
    """Draw a line of text in the middle of a dark strip: uint8 [height, width, 3]."""
    strip = Image.new("RGB", (width, height), (_DARK,) * 3)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(strip).text((width / 2, height / 2), text, (_LIGHT,) * 3, font, anchor="mm")
    return np.asarray(strip)
