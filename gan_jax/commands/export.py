"""Exports what was trained here, to a browser or to any program that runs ONNX files.

--workdir=RUN writes the generator of a run as generator.onnx. --classifier=DATA writes the
classifier that scores the images of a data set as classifier.onnx; it is trained if it is not in
the cache. Beside them, manifest.json says what goes in and comes out, in which range, and of which
state of which run it is.

--page writes a folder for any web server, or `python -m http.server`: a page in which GANs on
points train live, by the update step of this project (needs npm once, for onnxruntime-web), and
three lessons, on mode collapse, losses and penalties, that train the same beside their text. With
--digits=DATA there is one more page, where a classifier and a GAN learn small gray pictures. The
folder works without a network, and asks no other server for anything.

Needs the extra export, and jax2onnx, which asks for an older orbax-checkpoint than this project,
and works with it. In the checkout: pip install -e '.[export]' && pip install --no-deps jax2onnx
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_jax.commands import command_line, presets
from gan_jax.data.reading_flags import ReadingFlags
from gan_jax.errors import InputError, install_command
from gan_jax.settings import Size, setting, size_setting

if TYPE_CHECKING:  # these import JAX, whose start process.prepare_jax has to precede
    from gan_jax.core.method import Method
    from gan_jax.data.datasets import Dataset
    from gan_jax.rundir.run_folder import LoadedRun

# GANs of the page: {name: (title, key of presets.TOYS)}.
SYSTEMS = {
    "gan": ("GAN", "gan"),
    "wgan_gp": ("WGAN-GP", "wgan_gp"),
    "dragan": ("DRAGAN", "dragan"),
    "distgan": ("Dist-GAN", "distgan"),
}
MGAN = "mgan"  # and a number of generators, as in mgan25
MAX_GENERATORS = 50
# The GAN of the page of digits: S2's nets at a quarter of their width, whose digits can be read
# after 2,000 steps.
DIGITS = {"net": "keras", "width": 64, "z_dim": 32, "lr": 1e-3, "ema": 0.99}
DIGITS_SIZE, DIGITS_BATCH = 28, 64
STEPS = 20_000  # length that the methods of the pages are built for


@dataclasses.dataclass(frozen=True)
class Flags(command_line.RunFlags, ReadingFlags):
    """Flags of this command."""

    ema: bool = setting(True, "use the averaged generator")
    step: bool = setting(
        False,
        "with --workdir: also the update step of nets without convolutions, and the state to go "
        "on from",
    )
    classifier: str = setting("", "data set (as --data) whose classifier is exported")
    size: int | str = size_setting(64, "with --classifier: side of the images in pixels")
    page: bool = setting(False, "write the page with live GANs instead")
    systems: str = setting(
        "gan,wgan_gp,dragan,mgan25,mgan8,distgan",
        "with --page: GANs in it, with commas; mganK has K generators, 2 to 50",
    )
    seeds: int = setting(3, "with --page: fresh states of each GAN, to begin from", low=1, high=100)
    digits: str = setting(
        "",
        "with --page: labelled gray pictures, such as idx:data/mnist, for one more page, which "
        "learns them; empty: none",
    )
    runtime: str = setting(
        "",
        "with --page: a folder that holds the dist files of onnxruntime-web; empty: npm fetches "
        "them",
    )
    out: str = setting(
        "",
        "the folder to write; default: exported in the run folder, or in NAME-results beside a "
        "published one, or exported/page",
    )


def check(flags: Flags) -> None:
    """Refuse flags that contradict each other, and a missing exporter.

    Raises:
      InputError
    """
    sources = {"--workdir": flags.workdir, "--classifier": flags.classifier, "--page": flags.page}
    chosen = [name for name, value in sources.items() if value]
    if len(chosen) != 1:
        raise InputError(
            f"{' and '.join(chosen) or 'Nothing'} given; use one of --workdir=RUN, "
            "--classifier=DATA or --page, one at a time."
        )
    if flags.step and not flags.workdir:
        raise InputError("--step is of a run, named by --workdir; leave it out.")
    if flags.page:
        parse_systems(flags.systems)
    for module in ("onnx", "jax2onnx"):
        if not command_line.installed(module):
            raise InputError(
                f"Export needs {module}; install it with: {install_command('export')} && "
                f"{sys.executable} -m pip install --no-deps jax2onnx."
            )


def write(out: str | Path, files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """Write files and manifest.json into a folder, the manifest last.

    Remove what the manifest there lists of an earlier export.

    Args:
      out: the folder, which is created.
      files: {path in it: bytes}.
      manifest: what manifest.json holds.

    Raises:
      InputError: the folder cannot be created or written.
    """
    from gan_jax import cache

    out = Path(out).expanduser()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be made ({error.strerror}); name another folder."
        ) from error
    try:
        for name in _listed_files(out) - set(files):
            (out / name).unlink(missing_ok=True)
        for name, content in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            cache.write_atomic(out / name, content)
        manifest = manifest | {"written": sorted(files)}
        cache.write_atomic(out / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be written ({error.strerror}); name another folder."
        ) from error
    print(f"{len(files)} files, {_mebibytes(files):.1f} MiB, and manifest.json: {out}")


def _listed_files(out: Path) -> set[str]:
    """Return the paths within a folder that its manifest lists; none of another program's."""
    try:
        names = json.loads((out / "manifest.json").read_text())["written"]
        return {str(name) for name in names if (out / name).resolve().is_relative_to(out.resolve())}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _mebibytes(files: dict[str, bytes]) -> float:
    return sum(map(len, files.values())) / 2**20


def export_run(flags: Flags) -> None:
    """Export the generator of a run, and with --step its update step.

    Raises:
      InputError
    """
    from gan_jax.onnx_export import generators
    from gan_jax.rundir import host_state, run_folder

    loaded = run_folder.load(flags.workdir, flags.checkpoint, flags.download)
    config, info = loaded.config, loaded.dataset_info
    vs = run_folder.sampled_vars(loaded, flags.ema)
    content, entry = generators.export_generator(loaded.method, vs)
    run = {
        "experiment": config.experiment,
        "method": config.method,
        "data": info["name"],
        "size": info["size"],
        "channels": info["colors"],
        "step": loaded.step,
        "averaged": flags.ema and "gen" in loaded.method.ema,
        "state_sha256": host_state.digest(host_state.to_host(loaded.state)),
    }
    files, manifest = {"generator.onnx": content}, {"file": "generator.onnx", "run": run, **entry}
    if flags.step:
        step_files, manifest["step"] = export_step(loaded)
        files |= step_files
    write(
        flags.out or run_folder.output_folder(flags.workdir) / run_folder.EXPORTED, files, manifest
    )


def export_step(loaded: "LoadedRun") -> tuple[dict[str, bytes], dict[str, Any]]:
    """Export the update step of a run, and its state.

    Returns:
      ({path: bytes}, entry in manifest.json).

    Raises:
      InputError: the step cannot be exported.
    """
    from gan_jax.onnx_export import update_steps

    method, run, info = loaded.method, loaded.config.run, loaded.dataset_info
    if not loaded.state.opt_state:
        raise InputError(
            "--step needs the state of training, which a published folder lacks; leave it out, or "
            "name the run folder."
        )
    height, width = Size.of(info["size"])
    shape = height, width, info["colors"]
    try:
        exported = update_steps.export_updates(method, run.batch, shape)
    except NotImplementedError as error:
        raise InputError(
            f"The step of --net={method.hp.net} cannot be exported ({error}); leave out --step."
        ) from error
    trees = update_steps.state_trees(loaded.state)
    files = {f"step/{name}.onnx": file.content for name, file in exported.items()}
    files["step/state.bin"] = update_steps.pack_state(trees)
    return files, {
        "players": [player.name for player in method.players],
        "batch": run.batch,
        "steps": run.steps,
        "files": {name: file.entry for name, file in exported.items()},
        "state": update_steps.state_layout(trees),
    }


def export_classifier(flags: Flags) -> None:
    """Export the classifier of a data set.

    Raises:
      InputError
    """
    from gan_jax.data import datasets
    from gan_jax.metrics.features import classifier
    from gan_jax.onnx_export import generators

    options = flags.data_options(flags.size)
    train = datasets.load(flags.classifier, options)
    heldout = datasets.load_heldout(train, options)
    classifier.count_features("", train)  # refuses data without classes
    net, variables, report = classifier.load_trained(train, heldout)
    content, entry = generators.export_classifier(net, variables, train.images.shape[1:])
    data = {"name": train.name, "digest": train.digest, "classes": list(train.classes)}
    scores = {k: report[k] for k in ("accuracy", "balanced_accuracy", "n_heldout")}
    manifest = {"file": "classifier.onnx", "data": data, **scores, **entry}
    write(flags.out or "exported/classifier", {"classifier.onnx": content}, manifest)


def parse_systems(text: str) -> list[str]:
    """Parse --systems.

    Raises:
      InputError: a name is not known, or there is none.
    """
    mgans = [f"{MGAN}{k}" for k in range(2, MAX_GENERATORS + 1)]
    known = f"{', '.join(SYSTEMS)}, {MGAN}2 to {MGAN}{MAX_GENERATORS}"
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*SYSTEMS, *mgans):
            raise InputError(f"--systems={text}: {name!r} is not known; use {known}.")
    if not names:
        raise InputError(f"--systems is empty; use some of {known}.")
    return names


def build_system(name: str) -> tuple[str, "Method", int]:
    """Build a GAN of the page: that of presets.TOYS, with a constant rate, which the page lowers.

    MGAN has half the points per minibatch, which brings it as far in half the time, and averages
    over a hundred steps and not a thousand, since a page runs for some thousands.

    Returns:
      (title, Method, points per minibatch).
    """
    from gan_jax import methods
    from gan_jax.methods import base

    if name in SYSTEMS:
        title, system = SYSTEMS[name]
        changes = {}
    else:
        k = int(name.removeprefix(MGAN))
        title, system = f"MGAN, {k} generators", MGAN
        changes = {"n_gens": k, "gen_batch": 200 // k, "ema": 0.99}
    method_name, hp, batch = presets.TOYS[system]
    module = methods.TABLE[method_name]
    hp = module.Settings(**{"ema": 0.0, **hp, **changes, "schedule": "constant"})
    method = module.build(hp, base.DataSpec(1, 2), STEPS)
    return title, method, batch if name in SYSTEMS else batch // 2


def open_digits(name: str) -> tuple["Dataset", "Dataset"]:
    """Open the training and the test split of --digits.

    Raises:
      InputError: the page cannot learn them.
    """
    from gan_jax.data import datasets

    options = datasets.DataOptions(DIGITS_SIZE)
    train = datasets.load(name, options)
    test = datasets.load_heldout(train, options)
    channels = train.images.shape[-1]
    if train.points or channels != 1:
        what = "points" if train.points else f"pictures of {channels} channels"
        raise InputError(f"--digits={name} has {what}; the page takes gray pictures.")
    if test is None or not all(_is_labelled(split) for split in (train, test)):
        raise InputError(
            f"--digits={name} lacks a training or a test split in which every picture has a label."
        )
    return train, test


def _is_labelled(dataset):
    return bool(dataset.classes) and dataset.labels is not None and not (dataset.labels < 0).any()


def export_digits(train: "Dataset", test: "Dataset") -> tuple[dict[str, bytes], dict[str, Any]]:
    """Export what the page of digits needs.

    Returns:
      ({path: bytes}, entry in manifest.json).
    """
    from gan_jax import methods
    from gan_jax.methods import base
    from gan_jax.onnx_export import digits_page

    shape, module = train.images.shape[1:], methods.TABLE["gan"]
    data, data_entry = digits_page.pack_data(train, test)
    method = module.build(module.Settings(**DIGITS), base.DataSpec(shape[0], 1), STEPS)
    learner, learner_entry = digits_page.export_classifier(shape, len(train.classes))
    painter, painter_entry = digits_page.export_gan(method, DIGITS_BATCH, shape)
    files = {"digits/data.bin": data}
    files |= {f"digits/learner/{name}": content for name, content in learner.items()}
    files |= {f"digits/painter/{name}": content for name, content in painter.items()}
    print(f"Digits, with {train.name}: {_mebibytes(files):.1f} MiB", flush=True)
    return files, {"data": data_entry, "learner": learner_entry, "painter": painter_entry}


def export_page(flags: Flags) -> None:
    """Export the page with live GANs, and with --digits the page of digits.

    Raises:
      InputError
    """
    from gan_jax import web
    from gan_jax.onnx_export import toy_page
    from gan_jax.web import runtime

    digits = open_digits(flags.digits) if flags.digits else None
    files, models = runtime.files(flags.runtime), {}
    for name in parse_systems(flags.systems):
        title, method, batch = build_system(name)
        exported, entry = toy_page.export_method(method, batch, flags.seeds)
        files |= {f"{name}/{file}": content for file, content in exported.items()}
        models[name] = {"title": title, **entry}
        print(f"{title}: {_mebibytes(exported):.1f} MiB", flush=True)
    manifest = {
        "format": web.FORMAT,
        "models": models,
        "distributions": toy_page.distributions(),
        "points": toy_page.N_POINTS,
        "side": toy_page.GRID_SIDE,
    }
    if digits:
        exported, manifest["digits"] = export_digits(*digits)
        files |= exported
    write(flags.out or "exported/page", files | web.files(), manifest)


def run(argv: Sequence[str]) -> None:
    """Export from a command line."""
    (flags,), _ = command_line.parse(__doc__, "export", [Flags()], argv)
    check(flags)
    if flags.page:
        export_page(flags)
    elif flags.workdir:
        export_run(flags)
    else:
        export_classifier(flags)
