"""Images from a trained run: a grid, a folder of PNG files, or an npz array. Needs the run folder and nothing else."""

import dataclasses
import pathlib
import sys

import numpy as np

from experiments import common
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(common.Command):
    """Flags of this command."""

    workdir: str = setting("", "the run folder to sample from")
    n: int = setting(64, "how many images", low=1)
    form: str = setting(
        "grid", "grid: one PNG; folder: a PNG each; npz: uint8 array 'images'", choices=("grid", "folder", "npz")
    )
    out: str = setting("", "where to write; default: sampled.png, sampled/ or sampled.npz in the run folder")
    seed: int = setting(0, "seed of the noise", low=0, high=2**31 - 1)
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    ema: bool = setting(True, "use the averaged generator")


def save(pictures, form, out):
    """Writes uint8 images [N, H, W, C] in one of the three forms."""
    from gan_jax import images

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if form == "grid":
            images.save_png(out, images.grid(pictures, int(np.ceil(np.sqrt(len(pictures))))))
        elif form == "npz":
            with open(out, "wb") as file:
                np.savez(file, images=pictures)
        else:
            out.mkdir(exist_ok=True)
            for i, picture in enumerate(pictures):
                images.save_png(out / f"{i:06d}.png", images.grid(picture[None], 1))
    except OSError as error:
        raise InputError(f"--out={out} cannot be written ({error.strerror}); name another place.") from error


def run(argv):
    """Command line to files."""
    import jax

    from gan_jax import runs, sampling

    (flags,), _ = common.parse(__doc__, "experiments.sample", [Settings()], argv)
    trained = runs.load(flags.workdir, flags.checkpoint)
    pictures = sampling.build_sampler(trained.method)(trained.state.vars(flags.ema), jax.random.key(flags.seed), flags.n)
    name = {"grid": "sampled.png", "folder": "sampled", "npz": "sampled.npz"}[flags.form]
    out = pathlib.Path(flags.out or pathlib.Path(flags.workdir) / name).expanduser()
    save(pictures, flags.form, out)
    print(f"{flags.n} images of step {trained.step}: {out}")


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
