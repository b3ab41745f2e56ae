"""The cache of decoded images: built once, whole or not at all."""

import os
import shutil
import subprocess
import sys

import pytest

from gan_jax import cache
from gan_jax.data import image_decoding, npy_writer
from tests.data import making


def test_settings_have_entries_of_their_own(tmp_path):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(20, 20))
    spec = f"folder:{tmp_path / 'set'}"
    for i, options in enumerate(
        ({"size": 8}, {"size": 16}, {"size": 8, "crop": 12}, {"size": 8, "skip_bad_images": True})
    ):
        making.load(spec, **options)
        making.load(spec, **options)
        assert len(list((tmp_path / "cache" / "images").iterdir())) == i + 1


def test_entries_of_files_that_were_read_otherwise_are_made_anew(tmp_path, monkeypatch):
    """Those of ordinary pictures are found again."""
    made, entry = [], cache.entry
    monkeypatch.setattr(cache, "entry", lambda *args: made.append(args[1]) or entry(*args))
    for name in ("a.png", "a.tif"):
        making.write_image(tmp_path / name / name, making.pixels(16, 16))
        making.load(f"folder:{tmp_path / name}")
    assert "bands" not in made[0] and made[1]["bands"] == 1


LOADING = """
import sys
from gan_jax.data import datasets, threads
threads._BLOCK = 16
print("starts", flush=True)
print(datasets.load(sys.argv[1], datasets.DataOptions(32)).digest)
"""


def loading(spec, env):
    """Another process that loads a folder and prints its digest, started when this returns."""
    command = [sys.executable, "-c", LOADING, spec]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "starts\n"
    return process


@pytest.fixture
def many(tmp_path):
    """A folder that takes about a second to decode."""
    first = making.write_image(tmp_path / "set" / "0.jpg", making.pixels(400, 400, 3))
    for i in range(1, 300):
        shutil.copy(first, tmp_path / "set" / f"{i}.jpg")
    return f"folder:{tmp_path / 'set'}"


@pytest.mark.long
def test_two_processes_make_one_entry(tmp_path, child_env, many):
    processes = [loading(many, child_env) for _ in range(2)]
    digests = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0] and len(digests) == 1
    assert len(list((tmp_path / "cache" / "images").iterdir())) == 1
    assert digests == {making.load(many, 32).digest}


def test_a_kill_leaves_no_entry(tmp_path, child_env, many):
    process = loading(many, child_env)
    written = []
    while not written and process.poll() is None:
        scratch = tmp_path.glob(f"cache/images/{cache.SCRATCH}*/images.npy")
        written = [path for path in scratch if path.stat().st_size > 10_000]
    process.kill()
    process.wait()
    (left,) = (tmp_path / "cache" / "images").iterdir()
    assert left.name.startswith(cache.SCRATCH), "the process was killed too late"
    assert making.load(many, 32).images.shape == (300, 32, 32, 3)


def test_the_first_axis_can_be_rewritten_in_the_header(tmp_path):
    """numpy reserves the room; without it the pixels' beginning would be overwritten."""
    ends = []
    for n in (0, 7, 61_578, 10**12):
        with open(tmp_path / "a", "wb") as f:
            npy_writer._write_header(f, (n, 1024, 1024, 3), "float32")
            ends.append(f.tell())
    assert len(set(ends)) == 1


def test_decoded_images_are_cached(tmp_path, monkeypatch):
    root = tmp_path / "set"
    path = making.write_image(root / "a.png", making.pixels(16, 16, 3))
    first = making.load(f"folder:{root}", 16)

    def forbidden(*_):
        raise AssertionError("decoded although cached")

    with monkeypatch.context() as patch:
        patch.setattr(image_decoding, "decode_image", forbidden)
        assert making.load(f"folder:{root}", 16).digest == first.digest
    making.write_image(path, making.pixels(16, 16, 3, seed=1))
    os.utime(path, ns=(1, 1))  # a changed file, even within the clock's resolution
    assert making.load(f"folder:{root}", 16).digest != first.digest
    entries = list((tmp_path / "cache" / "images").iterdir())
    for entry in entries:
        (entry / "images.npy").unlink()
    making.refused("is damaged", "delete", spec=f"folder:{root}")


def test_interrupt_leaves_no_entry(tmp_path, monkeypatch):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(image_decoding, "decode_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        making.load(f"folder:{tmp_path / 'set'}", 16)
    assert not list((tmp_path / "cache" / "images").iterdir())


def test_unwritable_cache_is_refused(tmp_path, monkeypatch):
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "file"))
    making.refused("GAN_JAX_CACHE", "cannot be written", spec=f"folder:{tmp_path / 'set'}")
