"""What all data sources have in common: specs and digests."""

import numpy as np

from gan_jax.data import datasets
from tests.data import making


def test_bad_specs_are_refused(tmp_path):
    making.refused("cifar", "folder:DIR", "idx:DIR", "npz:FILE", "galaxies", spec="cifar:x")
    making.refused("folder:DIR", "after the name", spec="folder")
    making.refused("npz:FILE", spec="npz:")
    making.refused("--labels=x", "leave it empty", "celeba", spec="galaxies", labels="x")
    making.refused("--size=7", "8 to 1024", spec="galaxies", size=7)
    making.refused("--size=1025", spec="galaxies", size=1025)
    making.refused("--crop=-1", spec="galaxies", crop=-1)
    making.refused("split 'val'", "train or test", spec="galaxies", split="val")
    making.refused("is not a folder", spec=f"folder:{tmp_path / 'absent'}")
    making.refused("is not a folder", spec=f"idx:{tmp_path / 'absent'}")
    making.refused("no such file", spec=f"npz:{tmp_path / 'absent.npz'}")


def test_fingerprint_follows_the_content_only(tmp_path):
    images, labels = making.pixels(5, 8, 8, 3), np.array([0, 1, 1, -1, 0], np.int32)
    first = datasets.content_digest(images, labels, ("a", "b"))
    assert len(first) == 32 and set(first) <= set("0123456789abcdef")
    changed = images.copy()
    changed[4, 7, 7, 2] ^= 1
    others = [
        datasets.content_digest(changed, labels, ("a", "b")),
        datasets.content_digest(images, labels[::-1], ("a", "b")),
        datasets.content_digest(images, labels, ("a", "c")),
        datasets.content_digest(images, None, ()),
        datasets.content_digest(images.reshape(5, 4, 16, 3), labels, ("a", "b")),
    ]
    assert len({first, *others}) == 6
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert datasets.content_digest(mapped, labels, ("a", "b")) == first


def test_fingerprint_sees_every_piece(monkeypatch):
    monkeypatch.setattr(datasets, "_CHUNK_BYTES", 3 * 64)
    images = making.pixels(10, 8, 8, 1)
    digests = {datasets.content_digest(images, None, ())}
    for i in range(10):
        changed = images.copy()
        changed[i, 0, 0, 0] ^= 1
        digests.add(datasets.content_digest(changed, None, ()))
    assert len(digests) == 11
