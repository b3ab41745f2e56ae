import numpy as np
import pytest

from gan_jax.metrics import neighbour_pictures
from gan_jax.metrics.nearest_neighbours import find_nearest


@pytest.mark.parametrize(
    "size, channels, side", [(8, 3, 128), (28, 1, 140), (96, 4, 96), (300, 2, 128)]
)
def test_queries_are_beside_their_neighbours(size, channels, side):
    """Flat images, so that a tile is known by its grey level."""
    levels = np.arange(40, 240, 10, dtype=np.uint8)
    pool = np.broadcast_to(levels[:, None, None, None], (20, size, size, channels)).copy()
    queries = pool[:9] + 1
    found = {words: find_nearest(queries, pool, 5) for words in ("pixels", "features")}
    picture = neighbour_pictures.draw_neighbours("generated", queries, found, pool)
    gap, line = neighbour_pictures._GAP, side + neighbour_pictures._GAP + side // 4
    half = 6 * (side + gap) + 9 * gap
    assert picture.shape == (48 + 8 * line + gap, 2 * half, 3)
    shown = neighbour_pictures.choose_shown(list(found.values()))
    assert shown[:4] == [0, 1, 2, 3] and len(set(shown)) == 8
    columns = np.arange(6)
    offsets = 3 * gap + gap // 2 + columns * (side + gap) + 3 * gap * (columns > 0)
    for place, i in enumerate(shown):
        y = 48 + place * line + gap // 2
        expected = [queries[i].max(), *levels[found["pixels"].rows[i]]]
        for left in (0, half):
            tiles = [picture[y : y + side, x : x + side] for x in left + offsets]
            assert [t.min() for t in tiles] == [t.max() for t in tiles] == expected


def test_the_queries_nearest_to_a_single_image_are_shown():
    rng = np.random.default_rng(0)
    pool, queries = (rng.integers(0, 256, (n, 8, 8, 3), np.uint8) for n in (300, 50))
    queries[[20, 41]] = pool[[5, 6]] ^ 1
    assert set(neighbour_pictures.choose_shown([find_nearest(queries, pool, 5)])[4:6]) == {20, 41}
