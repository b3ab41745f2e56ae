"""The worker's tasks sample as the commands do, refuse bad images in a sentence, and may crash."""

import dataclasses
import io
import json
import os
import pathlib
import signal
import struct
import time
import zlib

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import images
from gan_jax.commands import process, sample, train
from gan_jax.config import prepare
from gan_jax.core.initialize import init_jitted
from gan_jax.errors import InputError
from gan_jax.rundir import checkpoint, run_folder, run_lock
from gan_jax.studio import report_tasks, sampling_tasks, worker
from gan_jax.studio.forms import SampleOptions
from tests import tiny_runs


def save_before_its_first_step(name, argv):
    """The folder of a run that a command would begin, with a checkpoint named 5."""
    _, workdir, config, _ = train.configure(name, argv)
    prepared = prepare(config)
    with run_lock.lock_run(workdir):
        run_folder.prepare_folder(workdir, prepared)
        with checkpoint.Store(workdir) as store:
            store.save(5, init_jitted(prepared.method, 0), {"steps": np.zeros(())})
    return workdir


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """folder(name): a run folder of a smoke flagfile, saved before its first step."""
    made, root = {}, tmp_path_factory.mktemp("runs")

    def make(name):
        if name not in made:
            argv = [f"--flagfile={name}_smoke", "--data=galaxies:256", f"--workdir={root / name}"]
            made[name] = save_before_its_first_step(name, argv)
        return made[name]

    return make


def pixels(file):
    return np.asarray(Image.open(io.BytesIO(file)))


@pytest.mark.long
def test_what_can_be_tried_is_told(folder):
    found = sampling_tasks.describe_run(folder("mgan"))
    assert (
        found["checkpoints"] == [5]
        and found["conditioning"] == "generator"
        and found["kinds"][0] == "generator 1"
    )
    assert found["z_dim"] == 8 and not found["points"]
    json.dumps(found)


@pytest.mark.long
@pytest.mark.parametrize("name", ["morpho", "mgan"])
def test_sampled_images_are_those_of_the_command(folder, tmp_path, name):
    out = tmp_path / "a.npz"
    sample.run(
        [
            f"--workdir={folder(name)}",
            "--form=npz",
            "--n=70",
            "--seed=3",
            "--truncation=0.7",
            f"--out={out}",
        ]
    )
    wanted = np.load(out)
    found = sampling_tasks.sample(folder(name), SampleOptions(n=70, seed=3, truncation=0.7))
    assert all(
        np.array_equal(pixels(file), image)
        for file, image in zip(found["images"], wanted["images"], strict=True)
    )
    assert found["kinds"] is None or found["kinds"] == wanted["labels"].tolist()
    saved = np.load(
        io.BytesIO(
            sampling_tasks.encode_samples(
                folder(name), SampleOptions(n=70, seed=3, truncation=0.7), "npz"
            )
        )
    )
    assert np.array_equal(saved["images"], wanted["images"]) and saved["z"].shape == (70, 8)
    assert abs(saved["z"]).max() <= 0.7
    grid = pixels(
        sampling_tasks.encode_samples(
            folder(name), SampleOptions(n=70, seed=3, truncation=0.7), "png"
        )
    )
    assert np.array_equal(grid, images.grid(wanted["images"], 9))


def test_a_chosen_kind_is_made_throughout(folder):
    drawn, second = (
        sampling_tasks.sample(folder("mgan"), SampleOptions(n=9, kind=kind)) for kind in (-1, 1)
    )
    assert second["kinds"] == [1] * 9 and drawn["kinds"] != second["kinds"]
    same = [i for i, kind in enumerate(drawn["kinds"]) if kind == 1]
    assert same and all(drawn["images"][i] == second["images"][i] for i in same)
    with pytest.raises(InputError, match="3 kinds"):
        sampling_tasks.sample(folder("mgan"), SampleOptions(kind=3))


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_a_path_of_a_run_with_quantities_keeps_those_of_the_first(statistics, tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (40, 16, 16, 1), np.uint8)
    np.savez(tmp_path / "set.npz", images=pictures)
    (tmp_path / "t.csv").write_text("n,z\n" + "".join(f"{i},{i / 40}\n" for i in range(40)))
    argv = [*tiny_runs.FLAGS[2:], f"--data=npz:{tmp_path}/set.npz", "--condition=quantities"]
    argv += [f"--labels={tmp_path}/t.csv:z", "--size=16", f"--sample_stats={statistics}"]
    run = save_before_its_first_step("cgan", [*argv, f"--workdir={tmp_path}/run"])
    options = SampleOptions(n=5)
    samples = sampling_tasks.sample(run, options)
    way = sampling_tasks.interpolate(run, options, 2, 4)
    assert samples["kinds"] is None and way[0] == samples["images"][2]
    still = sampling_tasks.interpolate(run, options, 2, 2)
    if statistics == "running":
        assert set(still) == {way[0]}, "the same noise under the same values"
    assert np.array_equal(
        pixels(sampling_tasks.edit_latent(run, options, 3, [])), pixels(samples["images"][3])
    )


def test_a_path_joins_two_samples_and_a_slider_moves_one(folder):
    options = SampleOptions(n=9)
    found = sampling_tasks.sample(folder("morpho"), options)
    second = dataclasses.replace(options, kind=1)
    ends = sampling_tasks.sample(folder("mgan"), second)["images"]
    way = sampling_tasks.interpolate(folder("mgan"), second, 2, 7)
    assert (
        len(way) == sampling_tasks.PATH_STEPS
        and way[0] == ends[2]
        and way[-1] == ends[7]
        and len({*way}) > 2
    )
    way = sampling_tasks.interpolate(
        folder("morpho"), options, 2, 7
    )  # with statistics of the batch
    assert len(way) == sampling_tasks.PATH_STEPS_BATCH and way[0] == found["images"][2]
    near = np.abs(pixels(way[-1]).astype(float) - pixels(found["images"][7])).mean()
    assert near < np.abs(pixels(way[-1]).astype(float) - pixels(found["images"][2])).mean() / 2
    still = sampling_tasks.edit_latent(folder("morpho"), options, 4, [])
    assert still == found["images"][4]
    assert sampling_tasks.edit_latent(folder("morpho"), options, 4, [[0, 3.0]]) != still
    with pytest.raises(InputError):
        sampling_tasks.interpolate(folder("morpho"), options, 0, 9)
    for i, changes in ((-1, []), (0, [[8, 0.0]]), (0, [[0, float("nan")]])):
        with pytest.raises(InputError):
            sampling_tasks.edit_latent(folder("morpho"), options, i, changes)


def test_neighbours_are_the_nearest_of_the_training_images(folder):
    options = SampleOptions(n=4)
    found = sampling_tasks.nearest_images(folder("morpho"), options, 1)
    loaded = run_folder.load(folder("morpho"))
    train_set, _ = run_folder.load_data(loaded.config, loaded.dataset_info)
    made = pixels(sampling_tasks.sample(folder("morpho"), options)["images"][1]).astype(float)
    distances = np.sqrt(((train_set.images - made) ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(
        found["distances"], np.sort(distances)[: sampling_tasks.N_NEAREST], rtol=1e-12
    )
    assert np.array_equal(pixels(found["images"][0]), train_set.images[distances.argmin()])


@pytest.mark.long
def test_checkpoints_that_are_gone_and_runs_of_another_kind_are_refused(folder, tmp_path):
    for which in ("7", "../5"):
        with pytest.raises(InputError):
            sampling_tasks.sample(folder("morpho"), SampleOptions(checkpoint=which))
    with pytest.raises(InputError):
        sampling_tasks.sample(folder("colorize"), SampleOptions())
    with pytest.raises(InputError):
        sampling_tasks.colorize(folder("morpho"), b"")
    with pytest.raises(InputError):
        sampling_tasks.describe_run(tmp_path)
    with pytest.raises(InputError):
        report_tasks.comparison_page([folder("morpho")])


def test_runs_beside_each_other_make_one_page(folder):
    found = report_tasks.comparison_page([folder("morpho"), folder("mgan")])
    assert found.startswith("<!doctype html>") and "<script" not in found


def picture(kind="PNG", size=(40, 30), mode="RGB", **options):
    """An image file of chance."""
    shape = (*size[::-1], len(mode)) if len(mode) > 1 else size[::-1]
    drawn = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, shape, np.uint8), mode if len(mode) > 1 else "L"
    )
    file = io.BytesIO()
    drawn.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "kind, mode", [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("JPEG", "RGB"), ("WEBP", "RGB")]
)
def test_pictures_are_coloured_beside_gray_and_original(folder, kind, mode):
    gray, made, original = (
        pixels(file)
        for file in sampling_tasks.colorize(folder("colorize"), picture(kind, mode=mode))
    )
    assert gray.shape == made.shape == original.shape == (16, 16, 3)
    assert np.array_equal(gray[..., 0], gray[..., 2]) and not np.array_equal(gray, made)


def test_a_coloured_picture_is_what_the_run_makes_of_it(folder):
    found = sampling_tasks.open_run(folder("colorize"), "newest")
    given = sampling_tasks.decode_upload(picture(size=(16, 16)), 16)[None]
    wanted = found.sampler(found.loaded.state.vars(True), jax.random.key(0), 1, given)[0]
    assert np.array_equal(
        pixels(sampling_tasks.colorize(folder("colorize"), picture(size=(16, 16)))[1]), wanted
    )


def animated():
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


def bomb(width, height):
    """A PNG of a few bytes that says it is enormous, and unpacks to much."""
    chunk = lambda kind, data: (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**7)))
        + chunk(b"IEND", b"")
    )


BAD = {
    "nothing": b"",
    "no picture": b"GIF89a not quite",
    "text": b"<svg onload=alert(1)>",
    "another type": picture("PPM"),
    "gif": picture("GIF", mode="L"),
    "truncated": picture()[:-500],
    "truncated JPEG": picture("JPEG")[:200],
    "header alone": picture()[:33],
    "animated": animated(),
    "bomb": bomb(60_000, 60_000),
    "large": bomb(8000, 8000),
    "wide": bomb(2**31 - 1, 1),
    "too small": picture(size=(15, 40)),
    "chance": np.random.default_rng(0).bytes(1000),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_pictures_are_refused_in_a_sentence(case):
    start = time.process_time()
    with pytest.raises(InputError, match="The picture") as found:
        sampling_tasks.decode_upload(BAD[case], 16)
    assert "/" not in str(found.value).replace("and/or", "") and time.process_time() - start < 5


@pytest.mark.long
def test_the_worker_answers_refuses_and_comes_back(folder):
    """Results and refusals arrive; after a crash or an endless task the next task is done."""
    found = worker.Worker(process.prepare_jax, seconds=60)
    try:
        assert found.run("describe_run", folder("morpho"))["checkpoints"] == [5]
        with pytest.raises(InputError, match="no checkpoint"):
            found.run("describe_run", pathlib.Path("/nowhere"))
        with pytest.raises(InputError, match="It failed"):
            found.run("no such task")
        os.kill(found._process.pid, signal.SIGKILL)
        found._process.join()
        assert found.run("describe_run", folder("morpho"))["checkpoints"] == [5]
        os.kill(found._process.pid, signal.SIGSTOP)
        found._seconds = 0.5
        with pytest.raises(InputError, match="given up"):
            found.run("describe_run", folder("morpho"))
    finally:
        found.close()


def test_asked_is_what_the_command_can_do():
    names = {f.name for f in dataclasses.fields(SampleOptions)}
    assert names - {f.name for f in dataclasses.fields(sample.Flags)} == set()
