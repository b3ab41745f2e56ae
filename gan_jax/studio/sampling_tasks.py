"""What the pages Try it, Colorize and Compare ask for: images of a checkpoint, paths, neighbours, colours. In the worker alone.

asked is a forms.Asked throughout.
"""

import collections
import dataclasses
import functools
import io
import os
import pathlib
import tempfile

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import images
from gan_jax.core import priors
from gan_jax.data import image_files
from gan_jax.errors import InputError
from gan_jax.metrics import memorization
from gan_jax.report import compare, compare_page, point_plots, run_page
from gan_jax.rundir import run_folder
from gan_jax.training import sampling

STEPS, STEPS_BATCH = 32, 8  # images of a path; with statistics of the batch
NEAR = 6  # neighbours
MOST_PIXELS = 40_000_000  # of a picture that is given
KEPT = 2  # runs held in memory


class Opened:
    """A run at a checkpoint, ready to sample."""

    def __init__(self, folder, checkpoint):
        self.trained = run_folder.load(folder, checkpoint)
        self.method = self.trained.method
        self.points = self.trained.config.source["size"] == 1

    @functools.cached_property
    def data(self):
        """(training Source, held-out Source or None)."""
        return run_folder.data(self.trained.config)

    @functools.cached_property
    def sampler(self):
        """As sampling.build_sampler has it."""
        source, heldout = self.data if self.method.conditioning.needs_images else (None, None)
        return sampling.build_sampler(self.method, (heldout or source).images if source else None)


_opened = collections.OrderedDict()


def opened(folder, checkpoint):
    """Opened, from memory where its checkpoints are those of the last time."""
    stamp = os.stat(pathlib.Path(folder) / "config.json").st_mtime_ns, tuple(checkpoints(folder))
    key = str(folder), checkpoint, stamp
    found = _opened.pop(key, None) or Opened(folder, checkpoint)
    _opened[key] = found
    while len(_opened) > KEPT:
        _opened.popitem(last=False)
    return found


def checkpoints(folder):
    """Steps that have a checkpoint, in order."""
    place = pathlib.Path(folder) / "checkpoints"
    return (
        sorted(int(p.name) for p in place.iterdir() if p.name.isdigit()) if place.is_dir() else []
    )


def look(folder):
    """What can be tried of a run, JSON-able: checkpoints, kinds, dimensions of the noise and how far its values reach."""
    steps = checkpoints(folder)
    if not steps:
        raise InputError(
            "This run has no checkpoint yet; the first comes after --save_every steps."
        )
    found = opened(folder, "newest")
    hp, method = found.method.hp, found.method
    return {
        "checkpoints": steps,
        "best": found.trained.config.run.keep_best != "none",
        "ema": bool(method.ema),
        "by": method.conditioning.what,
        "kinds": list(method.conditioning.names),
        "z_dim": 0 if method.conditioning.needs_images else hp.z_dim,
        "reach": priors.reach(hp.prior),
        "points": found.points,
        "size": found.trained.config.source["size"],
        "step": found.trained.step,
    }


def latents(found, asked):
    """(noise [m, z_dim], what the generator is given int [m] or None, key) as experiments.sample draws them.

    In whole chunks, m >= asked.n: with statistics of the batch an image depends on all of its chunk.
    """
    key, m = jax.random.key(asked.seed), -(-asked.n // sampling.CHUNK) * sampling.CHUNK
    z = sampling.drawn_noise(found.method, key, m, asked.truncation)
    kinds = found.method.conditioning.names
    if asked.kind >= 0:
        if asked.kind >= len(kinds):
            raise InputError(
                f"This run has {len(kinds)} kinds of images, counted from 0; there is no kind {asked.kind}."
            )
        return z, np.full(m, asked.kind), key
    return z, sampling.drawn_conditions(found.method, key, m) if kinds else None, key


def draw(found, asked):
    """(images uint8 [n, H, W, C], or points; their noise; what was given)."""
    if found.method.conditioning.needs_images:
        raise InputError("This run colours images that it is given; use the page Colorize.")
    z, given, key = latents(found, asked)
    made = found.sampler(found.trained.state.vars(asked.ema), key, len(z), given, z)
    return made[: asked.n], z[: asked.n], None if given is None else given[: asked.n]


def sample(folder, asked):
    """{"images": PNG files, "kinds": int per image or None, "z": the first dimensions of each noise, "step": the checkpoint's}.

    Points come as one picture of their density beside the data's.
    """
    found = opened(folder, asked.checkpoint)
    if found.points:
        asked = dataclasses.replace(asked, n=sampling.N_POINTS)
        made, *_ = draw(found, asked)
        source, _ = found.data
        shown = point_plots.picture(made, source.images, source.name)
        return {"images": [images.png(shown)], "kinds": None, "z": [], "step": found.trained.step}
    made, z, given = draw(found, asked)
    kinds = None if given is None else [int(k) for k in given]
    return {
        "images": files_of(made),
        "kinds": kinds,
        "z": np.round(z[:, :12], 4).tolist(),
        "step": found.trained.step,
    }


def files_of(made):
    """PNG files, one each."""
    return [images.png(images.grid(image[None], 1)) for image in made]


def _one(asked, i):
    if not 0 <= i < asked.n:
        raise InputError(f"There are {asked.n} images, counted from 0; there is no image {i}.")
    return i


def path(folder, asked, first, last):
    """PNG files of the way from one sampled image to another, all of the kind of the first.

    With statistics of the batch each stands where the first stood in its chunk, or the way would not begin with that image;
    that takes a chunk for each, so there are fewer.
    """
    found = opened(folder, asked.checkpoint)
    z, given, key = latents(found, asked)
    a, b = (z[_one(asked, i)] for i in (first, last))
    batch = found.method.hp.sample_stats == "batch"
    between = functools.partial(priors.between, found.method.hp.prior)
    way = jax.vmap(between, (None, None, 0))(
        a, b, jnp.linspace(0, 1, STEPS_BATCH if batch else STEPS)
    )
    vs, kinds = (
        found.trained.state.vars(asked.ema),
        None if given is None else np.full(len(way), given[first]),
    )
    if not batch:
        return files_of(found.sampler(vs, key, len(way), kinds, np.asarray(way)))
    begin, row = divmod(first, sampling.CHUNK)
    chunk = slice(begin * sampling.CHUNK, (begin + 1) * sampling.CHUNK)
    full = np.repeat(z[None, chunk], len(way), 0)
    full[:, row] = way
    kinds = None if given is None else np.tile(given[chunk], len(way))
    made = found.sampler(
        vs, key, full.shape[0] * full.shape[1], kinds, full.reshape(-1, full.shape[2])
    )
    return files_of(made[row :: sampling.CHUNK])


def moved(folder, asked, i, changes):
    """The PNG file of a sampled image after some dimensions of its noise were set: changes is [[dimension, value], ...]."""
    found = opened(folder, asked.checkpoint)
    z, given, key = latents(found, asked)
    z = np.array(z)
    for dimension, value in changes:
        if not 0 <= dimension < z.shape[1] or not abs(value) <= 10:
            raise InputError(
                f"The noise has {z.shape[1]} dimensions, whose values lie within 10 of 0."
            )
        z[_one(asked, i), dimension] = value
    made = found.sampler(found.trained.state.vars(asked.ema), key, len(z), given, z)
    return files_of(made[[_one(asked, i)]])[0]


def near(folder, asked, i):
    """{"images": PNG files of the training images nearest to a sampled one, by pixel; "distances": in grey levels}."""
    found = opened(folder, asked.checkpoint)
    if found.points:
        raise InputError("This run makes points, which have no pictures.")
    made, *_ = draw(found, asked)
    source, _ = found.data
    hit = memorization.nearest(made[_one(asked, i)][None], source.images, NEAR)
    return {
        "images": files_of(np.asarray(source.images[row]) for row in hit.rows[0]),
        "distances": hit.distances[0].tolist(),
    }


def save(folder, asked, form):
    """A file of the sampled images: a PNG grid, or npz with images, noise z and, where there are any, labels."""
    found = opened(folder, asked.checkpoint)
    made, z, given = draw(found, asked)
    if form == "npz":
        file = io.BytesIO()
        np.savez_compressed(file, images=made, z=z, **({} if given is None else {"labels": given}))
        return file.getvalue()
    if found.points:
        return sample(folder, asked)["images"][0]
    return images.png(images.grid(made, int(np.ceil(np.sqrt(asked.n)))))


def colorize(folder, data):
    """PNG files of an uploaded picture: gray, coloured by a run, original; at the size that the run was trained at.

    Raises:
      InputError: it is no still PNG, JPEG, WebP or BMP file, damaged, too large, or smaller than the run's images.
    """
    found = opened(folder, "newest")
    if not found.method.conditioning.needs_images:
        raise InputError("This run does not colour images; choose one of experiments.colorize.")
    size = found.trained.config.source["size"]
    given = np.broadcast_to(decoded(data, size), (1, size, size, 3))
    made = found.sampler(found.trained.state.vars(True), jax.random.key(0), 1, given)
    return files_of(sampling.triplets(found.method, made, given)[:, 0])


def decoded(data, size):
    """The central square of an image file's bytes: uint8 [size, size, 1 or 3]. Raises InputError, see `colorize`."""
    with tempfile.TemporaryDirectory() as place:
        file = pathlib.Path(place, "picture")
        file.write_bytes(data)
        try:
            header = image_files.header(file)
            if header.width * header.height > MOST_PIXELS:
                raise InputError(
                    f"The picture has {header.width} x {header.height} pixels; {MOST_PIXELS:,} are the most."
                )
            if min(header.width, header.height) < size:
                raise InputError(
                    f"The picture is smaller than {size} pixels, at which this run colours; use a larger one."
                )
            return image_files.decode(file, size)
        except image_files.BadFile as error:
            raise InputError(str(error).replace(str(file), "The picture")) from error


def compared(folders):
    """The page of experiments.compare about run folders, as HTML."""
    if len(folders) < 2:
        raise InputError("Choose two or more runs to compare.")
    systems = compare.group([compare.read(folder) for folder in folders])
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place)
        compare_page.write(systems, out)
        return (out / "compare.html").read_text()


def reported(folder):
    """The page of a run as it stands now, as HTML; report.html in its folder is written with it."""
    return run_page.write(folder).read_text()


TASKS = {
    f.__name__: f for f in (look, sample, path, moved, near, save, colorize, compared, reported)
}
