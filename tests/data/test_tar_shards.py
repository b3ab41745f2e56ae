"""Images in .tar files, as WebDataset writes them: read once into the cache, or refused by name."""

import io
import os
import tarfile
import tracemalloc

import numpy as np
import pytest

from gan_jax import cache
from tests.data import making


def write_tar(path, members):
    """members: [(name, bytes)], or a TarInfo in place of the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def pictures(n, first=0):
    return [making.pixels(16, 16, 3, seed=first + i) for i in range(n)]


def load(root, **options):
    return making.load(f"folder:{root}", 16, **options)


def test_images_and_classes_of_several_archives(tmp_path, capsys):
    images, kinds = pictures(12), [10, 2, 2, 0, 10, 2, 10, 0, 2, 2, 0, 10]
    members = []
    for i, (image, kind) in enumerate(zip(images, kinds, strict=True)):
        label = (f"a/{i:04d}.cls", f"{kind}\n".encode())
        picture = (f"a/{i:04d}.png", making.encoded(image))
        members.append([label, picture] if i % 2 else [picture, label])
        members[-1].append((f"a/{i:04d}.json", b"{}"))
    for shard in range(3):
        part = [member for group in members[4 * shard : 4 * shard + 4] for member in group]
        write_tar(tmp_path / "set" / f"shard-{9 + shard}.tar", part)
    data = load(tmp_path / "set")
    assert np.array_equal(data.images, images)
    assert data.labels.tolist() == kinds and data.classes == tuple(map(str, range(11)))
    said = capsys.readouterr().out
    assert "12 images in 3 tar files." in said and "Not read: 12 .json" in said
    assert load(tmp_path / "set", labels="none").labels is None
    report, split, _ = making.inspect(f"folder:{tmp_path / 'set'}")
    assert split.digest == data.digest and "12 of 16x16" in report


def test_words_unknown_classes_and_splits(tmp_path):
    for split, kinds in (("train", ["ring", "bar", ""]), ("test", ["ring", "ring", ""])):
        members = []
        for i, kind in enumerate(kinds):
            members.append((f"{i}.png", making.encoded(pictures(1, i)[0])))
            members += [(f"{i}.cls", kind.encode())] if kind else []
        write_tar(tmp_path / "set" / split / "a.tar", members)
    train, test = making.load_both(f"folder:{tmp_path / 'set'}")
    assert train.classes == ("bar", "ring") and train.labels.tolist() == [1, 0, -1]
    assert test.labels.tolist() == [1, 1, -1]


def test_deep_images_and_patches(tmp_path):
    arrays = [np.random.default_rng(i).normal(size=(16, 32)).astype(np.float32) for i in range(2)]
    members = []
    for i, array in enumerate(arrays):
        file = io.BytesIO()
        np.save(file, array)
        members += [(f"{i}.npy", file.getvalue()), (f"{i}.cls", b"%d" % i)]
    write_tar(tmp_path / "set" / "a.tar", members)
    data = load(tmp_path / "set", patches=16)
    expected = [array[:, x : x + 16] for array in arrays for x in (0, 8, 16)]
    assert np.array_equal(data.stored[..., 0], expected)
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_several_images_of_a_sample_are_refused(tmp_path):
    image = making.encoded(pictures(1)[0])
    members = [("a/0.png", image), ("b/0.png", image), ("b/1.png", image), ("b/1.seg.png", image)]
    write_tar(tmp_path / "set" / "a.tar", members[:3])
    assert len(load(tmp_path / "set").images) == 3
    write_tar(tmp_path / "set" / "a.tar", members)
    words = ("a.tar has several images", "1.png, 1.seg.png", "keep one image for each name")
    making.refused(*words, spec=f"folder:{tmp_path / 'set'}")


def test_dots_in_plain_names_are_no_samples(tmp_path):
    """As in names of stars and galaxies, which are positions."""
    image = making.encoded(pictures(1)[0])
    members = [(f"J1237.{i}+6212.png", image) for i in range(3)]
    write_tar(tmp_path / "set" / "a.tar", members)
    assert len(load(tmp_path / "set").images) == 3


def test_no_path_of_a_member_is_written_and_no_link_followed(tmp_path):
    image = making.encoded(pictures(1)[0])
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("hard.png")
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
    members = [(link, b""), (hard, b""), ("../../evil.png", image), ("/tmp/evil2.png", image)]
    write_tar(tmp_path / "in" / "set" / "a.tar", members)
    assert len(load(tmp_path / "in" / "set").images) == 2
    found = [os.path.join(p, name) for p, _, names in os.walk(cache.root()) for name in names]
    found += [os.path.join(p, name) for p, _, names in os.walk(tmp_path) for name in names]
    assert not [path for path in found if "evil" in path or "link" in path]
    assert not os.path.exists("/tmp/evil2.png")


@pytest.mark.parametrize("damage", ["data", "end", "header", "text", "empty"])
def test_damaged_archives_are_refused_by_name(tmp_path, damage):
    members = [(f"{i}.png", making.encoded(image)) for i, image in enumerate(pictures(5))]
    path = write_tar(tmp_path / "set" / "b.tar", members)
    write_tar(tmp_path / "set" / "a.tar", members)
    with tarfile.open(path) as file:
        offsets = [member.offset for member in file]
        end = file.offset
    whole = path.read_bytes()
    cut = {
        "data": whole[: offsets[3] + 512 + 100],
        "end": whole[: offsets[3]],
        "header": whole[: offsets[3]] + b"\xff" * 512 + whole[offsets[3] + 512 :],
        "text": b"no archive" * 100,
        "empty": b"",
    }
    assert end < len(whole)
    path.write_bytes(cut[damage])
    making.refused("b.tar cannot be read as a tar file", spec=f"folder:{tmp_path / 'set'}")
    path.write_bytes(whole)
    assert len(load(tmp_path / "set").images) == 10


def test_bad_images_in_archives(tmp_path, capsys):
    image = making.encoded(pictures(1)[0])
    write_tar(tmp_path / "set" / "shard.tar", [("a.png", image), ("b.png", b"nothing")])
    spec = f"folder:{tmp_path / 'set'}"
    making.refused("shard.tar/000001.png", "--skip_bad_images", spec=spec)
    assert len(load(tmp_path / "set", skip_bad_images=True).images) == 1
    making.write_image(tmp_path / "set" / "c" / "loose.png", pictures(1)[0])
    making.refused("shard.tar and images", "c/loose.png", spec=spec)
    write_tar(tmp_path / "other" / "a.tar", [("a.json", b"{}")])
    making.refused("has no images (1 .json)", spec=f"folder:{tmp_path / 'other'}")


def test_memory_is_bounded(tmp_path):
    n, side = 12, 512
    members = []
    for i in range(n):
        file = io.BytesIO()
        np.save(file, np.full((side, side), i, np.float64))  # 2 MB
        members.append((f"{i}.npy", file.getvalue()))
    write_tar(tmp_path / "set" / "a.tar", members)
    del members, file
    from gan_jax.data import tar_shards

    tracemalloc.start()
    found = tar_shards.unpack([tmp_path / "set" / "a.tar"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.paths) == n and peak < 2**22
