"""Digests of data sets: of the content alone, and equal for images that arrive one by one."""

import numpy as np
import pytest

from gan_jax.data import digests
from tests.data import making


def test_the_digest_is_that_of_earlier_versions():
    """It was computed by version 0.1.0: runs go on only with data of their digest."""
    images = np.arange(7 * 8 * 8 * 3, dtype=np.uint32).astype(np.uint8).reshape(7, 8, 8, 3)
    labels = np.array([0, 1, 1, -1, 0, 2, 2], np.int32)
    assert (
        digests.content_digest(images, labels, ("a", "b", "c"))
        == "f4fbb04f1304a8c5713843d6e5cc0107"
    )


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7])
def test_images_one_by_one_have_the_same_digest(n, monkeypatch):
    """Of fewer images than a piece has, of full pieces, and of a piece that is begun."""
    monkeypatch.setattr(digests, "_CHUNK_BYTES", 3 * 64)
    images, labels = making.pixels(n, 8, 8, 1), np.arange(n, dtype=np.int32)
    running = digests.RunningDigest()
    assert running.finish(None, ()) == ""
    for image in images:
        running.update(image)
    assert running.finish(labels, ("a",)) == digests.content_digest(images, labels, ("a",))


def test_fingerprint_follows_the_content_only(tmp_path):
    images, labels = making.pixels(5, 8, 8, 3), np.array([0, 1, 1, -1, 0], np.int32)
    first = digests.content_digest(images, labels, ("a", "b"))
    assert len(first) == 32 and set(first) <= set("0123456789abcdef")
    changed = images.copy()
    changed[4, 7, 7, 2] ^= 1
    others = [
        digests.content_digest(changed, labels, ("a", "b")),
        digests.content_digest(images, labels[::-1], ("a", "b")),
        digests.content_digest(images, labels, ("a", "c")),
        digests.content_digest(images, None, ()),
        digests.content_digest(images.reshape(5, 4, 16, 3), labels, ("a", "b")),
    ]
    assert len({first, *others}) == 6
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert digests.content_digest(mapped, labels, ("a", "b")) == first


def test_fingerprint_sees_every_piece(monkeypatch):
    monkeypatch.setattr(digests, "_CHUNK_BYTES", 3 * 64)
    images = making.pixels(10, 8, 8, 1)
    seen = {digests.content_digest(images, None, ())}
    for i in range(10):
        changed = images.copy()
        changed[i, 0, 0, 0] ^= 1
        seen.add(digests.content_digest(changed, None, ()))
    assert len(seen) == 11
