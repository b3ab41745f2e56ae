"""Samples images from a trained run: a grid, a column per class, paths, PNG files, or npz.

Needs the run folder, and for colorization the data. --kind names classes, generators or codes: the
run's own names, or numbers from 0 on; or values of quantities. Without it they are drawn as often
as in the data.
"""

import dataclasses
import json
import pathlib
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_jax import cache
from gan_jax.commands import command_line, kinds
from gan_jax.errors import InputError
from gan_jax.settings import setting

if TYPE_CHECKING:
    from gan_jax.rundir.run_folder import LoadedRun

PATH_STEPS = 10  # images of a path
# Of what a form writes; otherwise .png.
SUFFIXES = {"npz": ".npz", "folder": "", "fits": "", "tiff": ""}
FOLDERS = {"folder": ".png", "fits": ".fits", "tiff": ".tif"}  # {form: ending of its files}
IN_UNITS = ("npz", "fits", "tiff")  # forms that keep the depth and the units of the data
OWN_FOLDER = ".sampled.json"  # says what a folder of samples holds, so that it may be replaced


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
        "grid: one PNG; kinds: a PNG with a column per class, generator, code or value of a "
        "quantity; paths: a PNG with "
        "a path between two samples in every row; folder: a PNG each; fits, tiff: a file each, "
        "in the data's own units; npz: array 'images' in these units, of pictures uint8, and, "
        "where images have kinds, 'labels' and their names 'classes', or 'values' and the names "
        "'quantities'",
        choices=("grid", "kinds", "paths", "folder", "npz", "fits", "tiff"),
    )
    kind: str = setting(
        "",
        "only these classes, generators or codes, in turn: names or numbers, with commas; of "
        "quantities values, such as 0.2,0.5, with / between several quantities of an image",
    )
    truncation: float = setting(
        0.0,
        "keep the noise within so many of its standard deviations (uniform noise: of its range); "
        "0: all of it",
        low=0.0,
    )
    show: str = setting(
        "",
        "channels that pictures show, such as 2,1,0 or 3; empty: as in training; an npz file has "
        "all of them",
    )
    data: str = setting("", "colorization: where the images are now, if they have moved")
    skip_bad_images: bool = setting(
        False, "colorization: leave out image files that cannot be read, and name them"
    )
    out: str = setting(
        "",
        "where to write; default: sampled.png, sampled_kinds.png, sampled_paths.png, sampled/, "
        "sampled_fits/, sampled_tiff/ or sampled.npz in the run folder, or in NAME-results beside "
        "a published one",
    )
    seed: int = setting(0, "seed of the noise", low=0, high=2**31 - 1)
    ema: bool = setting(True, "use the averaged generator")


def run(argv: list[str]) -> None:
    """Sample from a command line to files."""
    from gan_jax import images
    from gan_jax.core.conditioning import ByQuantities
    from gan_jax.data import formats
    from gan_jax.rundir import run_folder

    (flags,), _ = command_line.parse(__doc__, "sample", [Flags()], argv)
    default = run_folder.output_folder(flags.workdir) / run_folder.SAMPLED[flags.form]
    out = pathlib.Path(flags.out).expanduser() if flags.out else default
    check_place(out, flags.form, out == default)
    if flags.form in formats.TABLE:
        formats.require(flags.form, f"--form={flags.form}")
    loaded = run_folder.load(flags.workdir, flags.checkpoint, flags.download)
    if flags.kind and (flags.form == "paths" or loaded.method.conditioning.needs_images):
        way = ", or use --form=kinds" if loaded.method.conditioning.shown else ""
        raise InputError(f"--kind={flags.kind} says nothing here; leave it empty{way}.")
    if loaded.dataset_info["size"] == 1 and flags.form != "npz":
        raise InputError(
            f"--form={flags.form} is for images, and this run makes points; use --form=npz, or see "
            "samples/ in the run."
        )
    show = flags.show or loaded.config.run.show
    if flags.form != "npz":
        images.parse_bands(show, loaded.dataset_info["colors"])
    samples, labels, columns = make_samples(flags, loaded)
    arrays = {"images": samples}
    conditioning = loaded.method.conditioning
    if labels is not None and isinstance(conditioning, ByQuantities):
        names = np.array(conditioning.quantities.names)
        arrays |= {"values": np.asarray(labels, np.float32), "quantities": names}
    elif labels is not None:
        arrays |= {"labels": labels, "classes": np.array(conditioning.names)}
    about = {"run": flags.workdir, "step": loaded.step, "seed": flags.seed, "kind": flags.kind}
    save(arrays, flags.form, columns, out, about, show, loaded.dataset_info)
    print(f"{len(samples)} images of step {loaded.step}: {out}")


def make_samples(flags: Flags, loaded: "LoadedRun") -> tuple[np.ndarray, np.ndarray | None, int]:
    """Sample the images that the flags ask for.

    Returns:
      (images [N, H, W, C], uint8 or, of some forms, in the data's units; labels int [N], values
      float [N, A] or None; columns of a grid).
    """
    import jax

    from gan_jax.core.conditioning import ByImage
    from gan_jax.data import pixel_format
    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    method, vs, n = loaded.method, run_folder.sampled_vars(loaded, flags.ema), flags.n
    conditioning, key = method.conditioning, jax.random.key(flags.seed)
    if flags.skip_bad_images:
        loaded = run_folder.skipping_bad_images(loaded)
    pool = run_folder.load_pool(loaded, flags.data)
    units = pixel_format.from_dict(loaded.dataset_info.get("pixels"))
    units = units if flags.form in IN_UNITS else None
    sampler = sampling.build_sampler(method, pool, flags.truncation, units)
    if flags.form == "paths":
        z, condition = sampling.paths(method, key, n, PATH_STEPS, flags.truncation)
        return sampler(vs, key, len(z), condition, z), condition, PATH_STEPS
    if flags.form == "kinds":
        shown = kinds.parse(conditioning, flags.kind)
        condition = np.concatenate([shown] * n)
        return sampler(vs, key, len(condition), condition), condition, len(shown)
    columns = int(np.ceil(np.sqrt(n)))
    if isinstance(conditioning, ByImage):
        originals = conditioning.choose(pool, key, n)
        colored = sampler(vs, key, n, originals)
        if flags.form == "grid":
            return sampling.interleave(sampling.triplets(method, colored, originals)), None, 9
        return colored, None, columns
    if flags.kind:
        chosen = kinds.parse(conditioning, flags.kind)
        condition = chosen[np.arange(n) % len(chosen)]
    else:
        condition = sampling.drawn_conditions(method, key, n)
    return sampler(vs, key, n, condition), condition, columns


def check_place(out: pathlib.Path, form: str, default: bool = False) -> None:
    """Refuse a place that does not fit the form, or that holds files of others.

    Args:
      out: where to write.
      form: see Flags.
      default: whether it is the place in the run folder, which holds samples alone.

    Raises:
      InputError
    """
    suffix = SUFFIXES.get(form, ".png")
    if form in FOLDERS:
        if out.exists() and not out.is_dir():
            raise InputError(
                f"--out={out} is a file, and --form={form} writes a folder; name another place."
            )
        if out.is_dir() and any(out.iterdir()) and not (default or (out / OWN_FOLDER).exists()):
            raise InputError(
                f"--out={out} holds files that are no samples of a run; name a folder that is new "
                "or empty."
            )
    elif out.is_dir() or out.suffix.lower() not in ("", suffix):
        name = out / f"sampled{suffix}" if out.is_dir() else out.with_suffix(suffix)
        raise InputError(f"--out={out}: --form={form} writes a {suffix} file; use --out={name}.")


def save(
    arrays: dict[str, np.ndarray],
    form: str,
    columns: int,
    out: pathlib.Path,
    about: dict[str, object],
    show: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Write samples in one of the forms. A folder of samples is replaced as a whole.

    Args:
      arrays: "images" [N, H, W, C], see `make_samples`, or points; others go to an npz file alone.
      form: see Flags.
      columns: of a grid.
      out: where to write, see `check_place`.
      about: JSON-able description of the samples, kept in a folder.
      show: channels that pictures show, see images.parse_bands.
      data: what the run was trained on, see config.describe; for FITS and TIFF files.

    Raises:
      InputError: the place cannot be written to.
    """
    from gan_jax import images
    from gan_jax.data import unit_files

    samples = arrays["images"]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if form == "npz":
            with open(out, "wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
        elif form in FOLDERS:
            cache.remove_abandoned(out.parent)
            with tempfile.TemporaryDirectory(prefix=cache.SCRATCH, dir=out.parent) as scratch:
                new = pathlib.Path(scratch) / "new"
                new.mkdir()
                for i, sample in enumerate(samples):
                    path = new / f"{i:06d}{FOLDERS[form]}"
                    if form == "folder":
                        images.save_png(path, images.grid(sample[None], 1, show=show))
                    else:
                        unit_files.WRITERS[form](path, sample, about | {"number": i}, data or {})
                (new / OWN_FOLDER).write_text(json.dumps(about | {"n": len(samples)}) + "\n")
                if out.exists():
                    out.rename(pathlib.Path(scratch) / "old")
                new.rename(out)
        else:
            images.save_png(out, images.grid(samples, columns, show=show))
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be written ({error.strerror}); name another place."
        ) from error
