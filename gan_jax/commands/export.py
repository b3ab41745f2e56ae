"""Takes what was trained here elsewhere: into a browser, or any program that runs ONNX files.

Of a run (--workdir) writes its generator as generator.onnx; of a data set (--classifier=DATA) the classifier that scores its
images, trained if it is not in the cache, as classifier.onnx; with manifest.json beside them, which says what goes in and comes
out, in which range, and which state of which run it is. --page writes a folder for any web server, or `python -m http.server`:
a page in which GANs on points train live, by the update step of this project (needs npm once, for onnxruntime-web), and three
lessons, on mode collapse, losses and penalties, that train the same beside their text; with --digits=DATA one more page, where
a classifier and a GAN learn small gray pictures. It works without a network, and asks no other server for anything.

Needs the extra export, and jax2onnx: pip install 'gan-jax[export]' && pip install --no-deps jax2onnx (which asks for an older
orbax-checkpoint than this project, and works with it).
"""

import dataclasses
import json
import pathlib

from gan_jax.commands import command_line
from gan_jax.errors import InputError
from gan_jax.settings import setting
from gan_jax.studies import toys

PAGE = {  # GANs in the page: (what it is called, system of experiments.toys)
    "gan": ("GAN", "gan"),
    "wgan_gp": ("WGAN-GP", "wgan_gp"),
    "dragan": ("DRAGAN", "dragan"),
    "distgan": ("Dist-GAN", "distgan"),
}
SEVERAL = "mgan"  # and so many generators: mgan25
# The GAN of the digits' page: S2's nets at a quarter of their width, whose digits can be read after 2,000 steps.
DIGITS = {"net": "keras", "width": 64, "z_dim": 32, "lr": 1e-3, "ema": 0.99}


@dataclasses.dataclass(frozen=True)
class Settings(command_line.Command):
    """Flags of this command."""

    workdir: str = setting("", "the run folder whose generator is exported")
    checkpoint: str = setting("newest", "newest, best (of a run with --keep_best), or a step")
    ema: bool = setting(True, "use the averaged generator")
    step: bool = setting(
        False,
        "with --workdir: also the update step of nets without convolutions, and the state to go on from",
    )
    classifier: str = setting("", "data set (as --data) whose classifier is exported")
    size: int = setting(64, "with --classifier: side of the images in pixels", low=8, high=1024)
    page: bool = setting(False, "write the page with live GANs instead")
    systems: str = setting(
        "gan,wgan_gp,dragan,mgan25,mgan8,distgan",
        "with --page: GANs in it, with commas; mganK has K generators, 2 to 50",
    )
    seeds: int = setting(3, "with --page: fresh states of each GAN, to begin from", low=1, high=100)
    digits: str = setting(
        "",
        "with --page: labelled gray pictures, such as idx:data/mnist, for one more page, which learns them; empty: none",
    )
    runtime: str = setting(
        "",
        "with --page: a folder that holds the dist files of onnxruntime-web; empty: npm fetches them",
    )
    out: str = setting(
        "", "the folder to write; default: exported in the run folder, or exported/page"
    )


def check(flags):
    """Refuses flags that contradict each other. Raises InputError."""
    asked = [flag for flag, given in (("--workdir", flags.workdir), ("--classifier", flags.classifier), ("--page", flags.page))
             if given]  # fmt: skip
    if len(asked) != 1:
        raise InputError(
            f"{' and '.join(asked) or 'Nothing'} given; use one of --workdir=RUN, --classifier=DATA or --page, one at a time."
        )
    if flags.step and not flags.workdir:
        raise InputError("--step is of a run; add --workdir.")
    if flags.page:
        systems(flags.systems)
    for module in ("onnx", "jax2onnx"):
        if not command_line.installed(module):
            raise InputError(
                f"Export needs {module}; install it with: pip install 'gan-jax[export]' && pip install --no-deps jax2onnx."
            )


def folder(out):
    """The folder to write, made. Raises InputError."""
    out = pathlib.Path(out).expanduser()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be made ({error.strerror}); name another folder."
        ) from error
    return out


def write(out, files, manifest):
    """Writes files {name: bytes} and manifest.json, the manifest last. Raises InputError."""
    from gan_jax import cache

    try:
        for name, content in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            cache.write_atomic(out / name, content)
        cache.write_atomic(out / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be written ({error.strerror}); name another folder."
        ) from error
    total = sum(map(len, files.values())) / 2**20
    print(f"{len(files)} files, {total:.1f} MiB, and manifest.json: {out}")


def export_step(trained):
    """({name: bytes}, entry in manifest.json) of a run's update step. Raises InputError for one that cannot be exported."""
    from gan_jax.onnx_export import update_steps

    config = trained.config
    shape = (config.source["size"], config.source["size"], config.source["colors"])
    try:
        made = update_steps.export(trained.method, config.run.batch, shape)
    except NotImplementedError as error:
        raise InputError(
            f"The step of --net={trained.method.hp.net} cannot be exported ({error}); leave out --step."
        ) from error
    trees = update_steps.state_of(trained.state)
    files = {f"step/{name}.onnx": content for name, (content, _) in made.items()} | {
        "step/state.bin": update_steps.packed(trees)
    }
    return files, {
        "players": [player.name for player in trained.method.players],
        "batch": config.run.batch,
        "steps": config.run.steps,
        "files": {name: entry for name, (_, entry) in made.items()},
        "state": update_steps.layout(trees),
    }


def export_run(flags):
    """The generator of a run, and its update step if asked for."""
    from gan_jax.onnx_export import generators
    from gan_jax.rundir import checkpoint, run_folder

    trained = run_folder.load(flags.workdir, flags.checkpoint)
    content, entry = generators.generator(trained.method, trained.state.vars(flags.ema))
    config = trained.config
    run = {
        "experiment": config.experiment,
        "method": config.method,
        "data": config.source["name"],
        "size": config.source["size"],
        "channels": config.source["colors"],
        "step": trained.step,
        "averaged": flags.ema and "gen" in trained.method.ema,
        "state_sha256": checkpoint.digest(checkpoint.to_host(trained.state)),
    }
    files, manifest = {"generator.onnx": content}, {"file": "generator.onnx", "run": run, **entry}
    if flags.step:
        made, manifest["step"] = export_step(trained)
        files |= made
    write(
        folder(flags.out or pathlib.Path(flags.workdir).expanduser() / "exported"), files, manifest
    )


def export_classifier(flags):
    """The classifier of a data set."""
    from gan_jax.data import datasets
    from gan_jax.metrics.features import classifier
    from gan_jax.onnx_export import generators

    view = datasets.DataOptions(flags.size)
    source = datasets.load(flags.classifier, view)
    heldout = datasets.load_heldout(source, view)
    classifier.check("", source)
    net, variables, report = classifier.trained(source, heldout)
    content, entry = generators.classify(net, variables, source.images.shape[1:])
    data = {"name": source.name, "digest": source.digest, "classes": list(source.classes)}
    scores = {k: report[k] for k in ("accuracy", "balanced_accuracy", "n_heldout")}
    out = folder(flags.out or "exported/classifier")
    write(
        out,
        {"classifier.onnx": content},
        {"file": "classifier.onnx", "data": data, **scores, **entry},
    )


def systems(words):
    """The names in --systems. Raises InputError for one that is not known."""
    several = [f"{SEVERAL}{k}" for k in range(2, 51)]
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in (*PAGE, *several):
            raise InputError(
                f"--systems={words}: {name!r} is not known; use {', '.join(PAGE)}, {SEVERAL}2 to {SEVERAL}50."
            )
    if not names:
        raise InputError(
            f"--systems is empty; use some of {', '.join(PAGE)}, {SEVERAL}2 to {SEVERAL}50."
        )
    return names


def system(name):
    """(what it is called, method.Method, points per minibatch) of a GAN in the page: that of experiments.toys.

    But its rate is constant, for the page lowers it; and MGAN has half the points per minibatch, which brings it as far in half
    the time, and averages over a hundred steps, not a thousand, since a page runs for some thousands.
    """
    from gan_jax import methods
    from gan_jax.methods import base

    title, key, options = *PAGE.get(name, ("", SEVERAL)), {}
    if name not in PAGE:
        k = int(name.removeprefix(SEVERAL))
        title, options = f"MGAN, {k} generators", {"n_gens": k, "gen_batch": 200 // k, "ema": 0.99}
    module, hp, batch = toys.SYSTEMS[key]
    table = methods.TABLE[module]
    hp = table.Settings(**{"ema": 0.0, **hp, **options, "schedule": "constant"})
    return title, table.build(hp, base.DataSpec(1, 2), 20_000), batch if name in PAGE else batch // 2


def open_digits(name):
    """(training Source, test Source) of --digits. Raises InputError for what the page cannot learn."""
    from gan_jax.data import datasets

    view = datasets.DataOptions(28)
    source = datasets.load(name, view)
    test = datasets.load_heldout(source, view)
    if source.points or source.images.shape[-1] != 1:
        found = "points" if source.points else f"pictures of {source.images.shape[-1]} channels"
        raise InputError(f"--digits={name} has {found}; the page takes gray pictures.")
    for split in (source, test):
        if split is None or not source.classes or split.labels is None or (split.labels < 0).any():
            raise InputError(
                f"--digits={name} lacks a training or a test split in which every picture has a label."
            )
    return source, test


def export_digits(source, test):
    """({name: bytes}, entry in manifest.json) of the digits' page."""
    from gan_jax import methods
    from gan_jax.methods import base
    from gan_jax.onnx_export import digits_page

    shape, table = source.images.shape[1:], methods.TABLE["gan"]
    content, entry = digits_page.data(source, test)
    learner, learns = digits_page.learner(shape, len(source.classes))
    method = table.build(table.Settings(**DIGITS), base.DataSpec(shape[0], 1), 20_000)
    painter, paints = digits_page.painter(method, 64, shape)
    files = {"digits/data.bin": content}
    files |= {f"digits/learner/{name}": data for name, data in learner.items()}
    files |= {f"digits/painter/{name}": data for name, data in painter.items()}
    print(
        f"Digits, with {source.name}: {sum(map(len, files.values())) / 2**20:.1f} MiB", flush=True
    )
    return files, {"data": entry, "learner": learns, "painter": paints}


def export_page(flags):
    """The page with live GANs, and the one with digits."""
    from gan_jax import web
    from gan_jax.onnx_export import toy_page
    from gan_jax.web import runtime

    pictures = open_digits(flags.digits) if flags.digits else None
    files, models, more = runtime.files(flags.runtime), {}, {}
    for name in systems(flags.systems):
        title, method, batch = system(name)
        made, entry = toy_page.files(method, batch, flags.seeds)
        files |= {f"{name}/{file}": content for file, content in made.items()}
        models[name] = {"title": title, **entry}
        print(f"{title}: {sum(map(len, made.values())) / 2**20:.1f} MiB", flush=True)
    if pictures:
        made, entry = export_digits(*pictures)
        files |= made
        more = {"digits": entry}
    shown = {
        "distributions": toy_page.distributions(),
        "points": toy_page.N_POINTS,
        "side": toy_page.SIDE,
    }
    manifest = {"format": web.FORMAT, "models": models} | shown | more
    write(folder(flags.out or "exported/page"), files | web.files(), manifest)


def run(argv):
    """Command line to a folder."""
    (flags,), _ = command_line.parse(__doc__, "experiments.export", [Settings()], argv)
    check(flags)
    (export_page if flags.page else export_run if flags.workdir else export_classifier)(flags)
