"""Images from a trained run: a grid, one per class or generator, paths between samples, a folder of PNG files, or an npz array.

Needs the run folder, and for colorization the data. --kind names classes, generators or codes: the run's own names, or numbers
from 0 on; without it they are drawn as often as in the data.
"""

import dataclasses
import pathlib

import numpy as np

from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    workdir: str = setting("", "the run folder to sample from")
    n: int = setting(
        64,
        "how many images; with --form=kinds of each kind, with --form=paths how many paths",
        low=1,
    )
    form: str = setting(
        "grid",
        "grid: one PNG; kinds: a PNG with a column per class, generator or code; paths: a PNG with a path between two samples "
        "in every row; folder: a PNG each; npz: uint8 arrays 'images' and, where images have kinds, 'labels'",
        choices=("grid", "kinds", "paths", "folder", "npz"),
    )
    kind: str = setting(
        "", "only these classes, generators or codes, in turn: names or numbers, with commas"
    )
    truncation: float = setting(
        0.0,
        "keep the noise within so many of its standard deviations (uniform noise: of its range); 0: all of it",
        low=0.0,
    )
    data: str = setting("", "colorization: where the images are now, if they have moved")
    out: str = setting(
        "", "where to write; default: sampled.png, sampled/ or sampled.npz in the run folder"
    )
    seed: int = setting(0, "seed of the noise", low=0, high=2**31 - 1)
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    ema: bool = setting(True, "use the averaged generator")


STEPS = 10  # images of a path


def save(pictures, labels, form, columns, out):
    """Writes uint8 images [N, H, W, C], or points, in one of the forms. labels: int [N] or None."""
    from gan_jax import images

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if form == "npz":
            with open(out, "wb") as file:
                np.savez(file, images=pictures, **({} if labels is None else {"labels": labels}))
        elif form == "folder":
            out.mkdir(exist_ok=True)
            for i, picture in enumerate(pictures):
                images.save_png(out / f"{i:06d}.png", images.grid(picture[None], 1))
        else:
            images.save_png(out, images.grid(pictures, columns))
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be written ({error.strerror}); name another place."
        ) from error


def chosen(method, words):
    """Indices into method.conditioning.names from --kind. Raises InputError: the method has none, or none of that name."""
    if not method.conditioning.names:
        raise InputError(
            f"--kind={words}: this run's images are of no kind; leave --kind empty, and use --form=grid."
        )
    known = {str(i): i for i in range(len(method.conditioning.names))} | {
        name: i for i, name in enumerate(method.conditioning.names)
    }
    names = (
        [words]
        if words in known
        else [word.strip() for word in words.split(",")]
        if words
        else list(method.conditioning.names)
    )
    for name in names:
        if name not in known:
            raise InputError(
                f"--kind={words}: {name!r} is none of this run's; use {', '.join(method.conditioning.names[:12])}."
            )
    return np.array([known[name] for name in names])


def make(flags, trained):
    """(pictures [N, H, W, C], labels [N] or None, columns of a grid)."""
    import jax

    from gan_jax.core.conditioning import choose_images
    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    method, vs, key, n = (
        trained.method,
        trained.state.vars(flags.ema),
        jax.random.key(flags.seed),
        flags.n,
    )
    pool = None
    if method.conditioning.needs_images:
        source, heldout = run_folder.data(trained.config, flags.data)
        pool = (heldout or source).images
    sampler = sampling.build_sampler(method, pool, flags.truncation)
    if flags.form == "paths":
        z, given = sampling.paths(method, key, n, STEPS, flags.truncation)
        return sampler(vs, key, len(z), given, z), given, STEPS
    if flags.form == "kinds":
        kinds = chosen(method, flags.kind)
        given = np.tile(kinds, n)
        return sampler(vs, key, len(given), given), given, len(kinds)
    columns = int(np.ceil(np.sqrt(n)))
    if method.conditioning.needs_images:
        given = choose_images(pool, key, n)
        made = sampler(vs, key, n, given)
        return (
            (sampling.interleave(sampling.triplets(method, made, given)), None, 9)
            if flags.form == "grid"
            else (made, None, columns)
        )
    if flags.kind:
        given = np.resize(chosen(method, flags.kind), n)
    elif method.conditioning.names:
        given = sampling.drawn_conditions(method, key, n)
    else:
        given = None
    return sampler(vs, key, n, given), given, columns


def run(argv):
    """Command line to files."""
    from gan_jax.rundir import run_folder

    (flags,), _ = command_line.parse(__doc__, "experiments.sample", [Settings()], argv)
    trained = run_folder.load(flags.workdir, flags.checkpoint)
    form = flags.form
    if flags.kind and (form == "paths" or trained.method.conditioning.needs_images):
        raise InputError(
            f"--kind={flags.kind} says nothing here; leave it empty, or use --form=kinds with a run that has kinds."
        )
    if trained.config.source["size"] == 1 and form != "npz":
        raise InputError(
            f"--form={form} is for images, and this run makes points; use --form=npz, or see samples/ in the run."
        )
    pictures, labels, columns = make(flags, trained)
    name = {"folder": "sampled", "npz": "sampled.npz"}.get(form, "sampled.png")
    out = pathlib.Path(flags.out or pathlib.Path(flags.workdir) / name).expanduser()
    save(pictures, labels, form, columns, out)
    print(f"{len(pictures)} images of step {trained.step}: {out}")
