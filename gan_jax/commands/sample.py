"""Samples images from a trained run: a grid, a column per class, paths, PNG files, or npz.

Needs the run folder, and for colorization the data. --kind names classes, generators or codes: the
run's own names, or numbers from 0 on; without it they are drawn as often as in the data.
"""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import setting

if TYPE_CHECKING:
    from gan_jax.core.conditioning import Conditioning
    from gan_jax.rundir.run_folder import LoadedRun

PATH_STEPS = 10  # images of a path
DEFAULT_NAMES = {"folder": "sampled", "npz": "sampled.npz"}  # by form; otherwise sampled.png


@dataclasses.dataclass(frozen=True)
class Flags(command_line.RunFlags):
    """Flags of this command."""

    n: int = setting(
        64,
        "how many images; with --form=kinds of each kind, with --form=paths how many paths",
        low=1,
    )
    form: str = setting(
        "grid",
        "grid: one PNG; kinds: a PNG with a column per class, generator or code; paths: a PNG with "
        "a path between two samples in every row; folder: a PNG each; npz: uint8 arrays 'images' "
        "and, where images have kinds, 'labels'",
        choices=("grid", "kinds", "paths", "folder", "npz"),
    )
    kind: str = setting(
        "", "only these classes, generators or codes, in turn: names or numbers, with commas"
    )
    truncation: float = setting(
        0.0,
        "keep the noise within so many of its standard deviations (uniform noise: of its range); "
        "0: all of it",
        low=0.0,
    )
    data: str = setting("", "colorization: where the images are now, if they have moved")
    out: str = setting(
        "",
        "where to write; default: sampled.png, sampled/ or sampled.npz in the run folder, or in "
        "NAME-results beside a published one",
    )
    seed: int = setting(0, "seed of the noise", low=0, high=2**31 - 1)
    ema: bool = setting(True, "use the averaged generator")


def run(argv: list[str]) -> None:
    """Sample from a command line to files."""
    from gan_jax.rundir import run_folder

    (flags,), _ = command_line.parse(__doc__, "sample", [Flags()], argv)
    loaded = run_folder.load(flags.workdir, flags.checkpoint, flags.download)
    if flags.kind and (flags.form == "paths" or loaded.method.conditioning.needs_images):
        raise InputError(
            f"--kind={flags.kind} says nothing here; leave it empty, or use --form=kinds with a "
            "run that has kinds."
        )
    if loaded.dataset_info["size"] == 1 and flags.form != "npz":
        raise InputError(
            f"--form={flags.form} is for images, and this run makes points; use --form=npz, or see "
            "samples/ in the run."
        )
    samples, labels, columns = make_samples(flags, loaded)
    name = DEFAULT_NAMES.get(flags.form, "sampled.png")
    out = pathlib.Path(flags.out or run_folder.output_folder(flags.workdir) / name).expanduser()
    save(samples, labels, flags.form, columns, out)
    print(f"{len(samples)} images of step {loaded.step}: {out}")


def make_samples(flags: Flags, loaded: "LoadedRun") -> tuple[np.ndarray, np.ndarray | None, int]:
    """Sample the images that the flags ask for.

    Returns:
      (uint8 [N, H, W, C], labels int [N] or None, columns of a grid).
    """
    import jax

    from gan_jax.core.conditioning import ByImage
    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    method, vs, n = loaded.method, run_folder.sampled_vars(loaded, flags.ema), flags.n
    conditioning, key = method.conditioning, jax.random.key(flags.seed)
    pool = run_folder.load_pool(loaded, flags.data)
    sampler = sampling.build_sampler(method, pool, flags.truncation)
    if flags.form == "paths":
        z, condition = sampling.paths(method, key, n, PATH_STEPS, flags.truncation)
        return sampler(vs, key, len(z), condition, z), condition, PATH_STEPS
    if flags.form == "kinds":
        kinds = parse_kinds(conditioning, flags.kind)
        condition = np.tile(kinds, n)
        return sampler(vs, key, len(condition), condition), condition, len(kinds)
    columns = int(np.ceil(np.sqrt(n)))
    if isinstance(conditioning, ByImage):
        originals = conditioning.choose(pool, key, n)
        colored = sampler(vs, key, n, originals)
        if flags.form == "grid":
            return sampling.interleave(sampling.triplets(method, colored, originals)), None, 9
        return colored, None, columns
    condition = None
    if flags.kind:
        condition = np.resize(parse_kinds(conditioning, flags.kind), n)
    elif conditioning.names:
        condition = sampling.drawn_conditions(method, key, n)
    return sampler(vs, key, n, condition), condition, columns


def parse_kinds(conditioning: "Conditioning", text: str) -> np.ndarray:
    """Parse --kind into indices of conditioning.names; all of them if it is empty.

    Raises:
      InputError: the run has no kinds, or none of that name.
    """
    if not conditioning.names:
        raise InputError(
            f"--kind={text}: this run's images are of no kind; leave --kind empty, and use "
            "--form=grid."
        )
    index = {str(i): i for i in range(len(conditioning.names))}
    index |= {name: i for i, name in enumerate(conditioning.names)}
    if text in index:
        names = [text]
    elif text:
        names = [word.strip() for word in text.split(",")]
    else:
        names = list(conditioning.names)
    for name in names:
        if name not in index:
            raise InputError(
                f"--kind={text}: {name!r} is none of this run's; use "
                f"{', '.join(conditioning.names[:12])}."
            )
    return np.array([index[name] for name in names])


def save(
    samples: np.ndarray, labels: np.ndarray | None, form: str, columns: int, out: pathlib.Path
) -> None:
    """Write images uint8 [N, H, W, C], or points, in one of the forms.

    Raises:
      InputError: the place cannot be written to.
    """
    from gan_jax import images

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if form == "npz":
            with open(out, "wb") as file:
                arrays = {"images": samples} | ({} if labels is None else {"labels": labels})
                np.savez(file, allow_pickle=False, **arrays)
        elif form == "folder":
            out.mkdir(exist_ok=True)
            for i, sample in enumerate(samples):
                images.save_png(out / f"{i:06d}.png", images.grid(sample[None], 1))
        else:
            images.save_png(out, images.grid(samples, columns))
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be written ({error.strerror}); name another place."
        ) from error
