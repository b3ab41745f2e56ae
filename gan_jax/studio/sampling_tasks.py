"""Tasks of the worker: sampling a checkpoint, latent paths, nearest images, colorization.

Imports JAX, so only the worker process imports this module. `options` is a forms.SampleOptions.
"""

import collections
import dataclasses
import functools
import io
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import images
from gan_jax.core import priors
from gan_jax.data import image_decoding
from gan_jax.data.datasets import Dataset
from gan_jax.errors import InputError
from gan_jax.metrics import nearest_neighbours
from gan_jax.report import point_plots
from gan_jax.rundir import run_folder
from gan_jax.settings import Size
from gan_jax.studio.forms import SampleOptions
from gan_jax.training import sampling

PATH_STEPS = 32  # images of a path
PATH_STEPS_BATCH = 8  # with batch statistics, where each image takes a chunk of its own
N_NEAREST = 6
N_LATENTS = 12  # dimensions of the noise that can be edited
MAX_LATENT = 10  # absolute value of edited noise
MAX_PIXELS = 40_000_000  # of an uploaded image
MAX_OPEN_RUNS = 2


class OpenRun:
    """A run at one checkpoint, ready to sample."""

    def __init__(self, folder: Path, checkpoint: str):
        self.loaded = run_folder.load(folder, checkpoint)
        self.method = self.loaded.method
        self.hw = Size.of(self.loaded.dataset_info["size"])
        self.is_points = self.hw == (1, 1)
        self.show: str = self.loaded.config.run.show  # see images.parse_bands

    @functools.cached_property
    def data(self) -> tuple[Dataset, Dataset | None]:
        """The training data, and the held-out data or None."""
        return run_folder.load_data(self.loaded.config, self.loaded.dataset_info)

    @functools.cached_property
    def sampler(self):
        """See sampling.build_sampler."""
        pool = None
        if self.method.conditioning.needs_images:
            train, heldout = self.data
            pool = (heldout or train).images
        return sampling.build_sampler(self.method, pool)


_open_runs: collections.OrderedDict[tuple, OpenRun] = collections.OrderedDict()


def open_run(folder: Path, checkpoint: str) -> OpenRun:
    """Return a run at a checkpoint, from memory where its files have not changed since."""
    changed = os.stat(Path(folder) / "config.json").st_mtime_ns
    key = str(folder), checkpoint, changed, tuple(checkpoint_steps(folder))
    run = _open_runs.pop(key, None) or OpenRun(folder, checkpoint)
    _open_runs[key] = run
    while len(_open_runs) > MAX_OPEN_RUNS:
        _open_runs.popitem(last=False)
    return run


def checkpoint_steps(folder: Path) -> list[int]:
    """List the steps that have a checkpoint, in order."""
    path = Path(folder) / "checkpoints"
    return sorted(int(p.name) for p in path.iterdir() if p.name.isdigit()) if path.is_dir() else []


def describe_run(folder: Path) -> dict[str, Any]:
    """Describe what can be sampled from a run, for JSON.

    Returns:
      {"checkpoints": steps, "best": whether there is a best one, "ema": whether weights are
      averaged, "conditioning": by what, "kinds": names of the conditions, "z_dim", "reach": how far
      values of the noise go, "points": whether it makes points, "size", "step": the newest}.

    Raises:
      InputError: there is no checkpoint yet.
    """
    steps = checkpoint_steps(folder)
    if not steps:
        raise InputError(
            "This run has no checkpoint yet; the first comes after --save_every steps."
        )
    run = open_run(folder, "newest")
    hp, conditioning = run.method.hp, run.method.conditioning
    return {
        "checkpoints": steps,
        "best": run.loaded.config.run.keep_best != "none",
        "ema": bool(run.method.ema),
        "conditioning": conditioning.what,
        "kinds": list(conditioning.names),
        "z_dim": 0 if conditioning.needs_images else hp.z_dim,
        "reach": priors.extent(hp.prior),
        "points": run.is_points,
        "size": run.hw.value,
        "step": run.loaded.step,
    }


def draw_latents(
    run: OpenRun, options: SampleOptions
) -> tuple[np.ndarray, np.ndarray | None, jax.Array]:
    """Draw noise and conditions as commands.sample does.

    Whole chunks are drawn, since with batch statistics an image depends on all of its chunk.

    Returns:
      (noise float32 [m, z_dim], conditions int [m], float [m, A] or None, key), m >= options.n.

    Raises:
      InputError: the run has no such condition.
    """
    key = jax.random.key(options.seed)
    m = -(-options.n // sampling.CHUNK) * sampling.CHUNK
    z = sampling.drawn_noise(run.method, key, m, options.truncation)
    names = run.method.conditioning.names
    if options.kind >= len(names):
        raise InputError(
            f"This run has {len(names)} kinds of images, counted from 0; there is no kind "
            f"{options.kind}."
        )
    if options.kind >= 0:
        return z, np.full(m, options.kind), key
    return z, sampling.drawn_conditions(run.method, key, m), key


def sample_images(
    run: OpenRun, options: SampleOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Sample a run.

    Returns:
      (images uint8 [n, H, W, C] or points, noise float32 [n, z_dim], conditions int [n],
      float [n, A] or None).

    Raises:
      InputError: the run makes images from images, or has no such condition.
    """
    if run.method.conditioning.needs_images:
        raise InputError("This run colours images that it is given; use the page Colorize.")
    z, condition, key = draw_latents(run, options)
    samples = run.sampler(run.loaded.state.vars(options.ema), key, len(z), condition, z)
    n = options.n
    return samples[:n], z[:n], None if condition is None else condition[:n]


def sample(folder: Path, options: SampleOptions) -> dict[str, Any]:
    """Sample a run for the page Try it.

    Returns:
      {"images": PNG files, "kinds": the kind of each image, or None where there are none, "z": the
      first dimensions of the noise of each, "step": the checkpoint's}. Points come as one picture
      of their density beside that of the data.
    """
    run = open_run(folder, options.checkpoint)
    step = run.loaded.step
    if run.is_points:
        points, *_ = sample_images(run, dataclasses.replace(options, n=sampling.N_POINTS))
        train, _ = run.data
        picture = point_plots.draw_density(points, train.images, train.name)
        return {"images": [images.encode_png(picture)], "kinds": None, "z": [], "step": step}
    samples, z, condition = sample_images(run, options)
    has_kinds = condition is not None and run.method.conditioning.names
    return {
        "images": png_files(samples, run.show),
        "kinds": [int(k) for k in condition] if has_kinds else None,
        "z": np.round(z[:, :N_LATENTS], 4).tolist(),
        "step": step,
    }


def png_files(samples: np.ndarray, show: str = "") -> list[bytes]:
    """Encode images uint8 [n, H, W, C] as PNG files, one each; show: see images.parse_bands."""
    return [images.encode_png(images.grid(image[None], 1, show=show)) for image in samples]


def _check_index(options, i):
    if not 0 <= i < options.n:
        raise InputError(f"There are {options.n} images, counted from 0; there is no image {i}.")
    return i


def interpolate(folder: Path, options: SampleOptions, first: int, last: int) -> list[bytes]:
    """Encode the path between two sampled images, under the condition of the first, as PNG files.

    With batch statistics, each image of the path takes the place of the first in its chunk;
    otherwise the path would not begin with that image. That takes a chunk for each, so there are
    fewer.

    Raises:
      InputError: there is no such image.
    """
    run = open_run(folder, options.checkpoint)
    z, condition, key = draw_latents(run, options)
    a, b = (z[_check_index(options, i)] for i in (first, last))
    use_batch = run.method.hp.sample_stats == "batch"
    n = PATH_STEPS_BATCH if use_batch else PATH_STEPS
    between = functools.partial(priors.interpolate, run.method.hp.prior)
    path = np.asarray(jax.vmap(between, (None, None, 0))(a, b, jnp.linspace(0, 1, n)))
    vs = run.loaded.state.vars(options.ema)
    if not use_batch:
        condition = None if condition is None else np.repeat(condition[[first]], n, 0)
        return png_files(run.sampler(vs, key, n, condition, path), run.show)
    chunk_index, row = divmod(first, sampling.CHUNK)
    chunk = slice(chunk_index * sampling.CHUNK, (chunk_index + 1) * sampling.CHUNK)
    chunks = np.repeat(z[None, chunk], n, 0)
    chunks[:, row] = path
    condition = None if condition is None else np.concatenate([condition[chunk]] * n)
    noise = chunks.reshape(-1, chunks.shape[2])
    samples = run.sampler(vs, key, len(noise), condition, noise)
    return png_files(samples[row :: sampling.CHUNK], run.show)


def edit_latent(
    folder: Path, options: SampleOptions, i: int, changes: list[tuple[int, float]]
) -> bytes:
    """Encode a sampled image, with some dimensions of its noise set, as a PNG file.

    Args:
      folder: run folder.
      options: what was sampled.
      i: which image.
      changes: [(dimension, value)].

    Raises:
      InputError: there is no such image or dimension, or a value is too large.
    """
    run = open_run(folder, options.checkpoint)
    z, condition, key = draw_latents(run, options)
    z = np.array(z)
    for dimension, value in changes:
        if not 0 <= dimension < z.shape[1] or not abs(value) <= MAX_LATENT:
            raise InputError(
                f"The noise has {z.shape[1]} dimensions, whose values lie within {MAX_LATENT} of 0."
            )
        z[_check_index(options, i), dimension] = value
    samples = run.sampler(run.loaded.state.vars(options.ema), key, len(z), condition, z)
    return png_files(samples[[_check_index(options, i)]], run.show)[0]


def nearest_images(folder: Path, options: SampleOptions, i: int) -> dict[str, Any]:
    """Find the training images nearest to a sampled one, by pixels.

    Returns:
      {"images": PNG files, "distances": in grey levels}.

    Raises:
      InputError: there is no such image, or the run makes points.
    """
    run = open_run(folder, options.checkpoint)
    if run.is_points:
        raise InputError("This run makes points, which have no pictures.")
    samples, *_ = sample_images(run, options)
    train, _ = run.data
    query = samples[_check_index(options, i)][None]
    nearest = nearest_neighbours.find_nearest(query, train.images, N_NEAREST)
    return {
        "images": png_files(np.stack([train.images[row] for row in nearest.rows[0]]), run.show),
        "distances": nearest.distances[0].tolist(),
    }


def encode_samples(folder: Path, options: SampleOptions, form: str) -> bytes:
    """Encode sampled images as one file.

    Args:
      folder: run folder.
      options: what is sampled.
      form: "png" for a grid; "npz" for images, noise z and, where there are conditions, labels.
    """
    run = open_run(folder, options.checkpoint)
    samples, z, condition = sample_images(run, options)
    if form == "npz":
        arrays = {"images": samples, "z": z}
        if condition is not None:
            arrays["labels"] = condition
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
        return file.getvalue()
    if run.is_points:
        return sample(folder, options)["images"][0]
    columns = int(np.ceil(np.sqrt(options.n)))
    return images.encode_png(images.grid(samples, columns, show=run.show))


def colorize(folder: Path, data: bytes) -> list[bytes]:
    """Colorize an uploaded image at the size that the run was trained at.

    Returns:
      PNG files: gray, colorized, original.

    Raises:
      InputError: the run does not colorize, or see `decode_upload`.
    """
    run = open_run(folder, "newest")
    if not run.method.conditioning.needs_images:
        raise InputError("This run does not colour images; choose one of colorize.")
    original = np.broadcast_to(decode_upload(data, run.hw), (1, *run.hw, 3))
    samples = run.sampler(run.loaded.state.vars(True), jax.random.key(0), 1, original)
    return png_files(sampling.triplets(run.method, samples, original)[:, 0])


def decode_upload(data: bytes, size: int | Size) -> np.ndarray:
    """Decode the centre of an image file, resized to `size`: uint8 [H, W, 1 or 3].

    Raises:
      InputError: it is no still PNG, JPEG, WebP, BMP or TIFF file, damaged, too large, or
        smaller than `size`.
    """
    file, hw = io.BytesIO(data), Size.of(size)
    try:
        header = image_decoding.read_header(file)
        if header.width * header.height > MAX_PIXELS:
            raise InputError(
                f"The picture has {header.width} x {header.height} pixels; {MAX_PIXELS:,} are the "
                "most."
            )
        if header.height < hw.height or header.width < hw.width:
            raise InputError(
                f"The picture is smaller than {hw} pixels, at which this run colours; use a "
                "larger one."
            )
        return image_decoding.decode_image(file, hw)
    except image_decoding.BadFile as error:
        raise InputError(str(error).replace(str(file), "The picture")) from error


TASKS = {
    task.__name__: task
    for task in (
        describe_run,
        sample,
        interpolate,
        edit_latent,
        nearest_images,
        encode_samples,
        colorize,
    )
}
