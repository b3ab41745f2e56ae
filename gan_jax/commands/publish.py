"""Publishes a run: a folder with its generator, a model card, samples and scores, as hubs need.

Of the newest checkpoint, or another (--checkpoint), it takes what sampling needs and no more. The
folder loads like a run: `sample`, `evaluate` and `export` take it, and so does gan_jax.load in
Python. Paths of data are cut to their last part. With --hub=USER/NAME the folder is also uploaded
to the Hugging Face hub (extra: hub); a published folder as RUN is uploaded as it is.

Evaluate the run first: without scores of this checkpoint the card says that there are none.
"""

import dataclasses
import json
import pathlib
import re
import shlex
from typing import TYPE_CHECKING, Any

from gan_jax.commands import command_line
from gan_jax.commands.process import typed
from gan_jax.errors import InputError, counted
from gan_jax.settings import setting

if TYPE_CHECKING:  # these import JAX, whose start process.prepare_jax has to precede
    import numpy as np

    from gan_jax.report.model_card import Samples
    from gan_jax.rundir.run_folder import LoadedRun

PICTURE = "samples.png"
SHOWN_PIXELS = 512  # width of the picture on a card, at least
LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclasses.dataclass(frozen=True)
class Flags(command_line.RunFlags):
    """Flags of this command."""

    out: str = setting("", "the folder to write; default: published in the run folder")
    license: str = setting(
        "unknown", "license of the weights, as hubs write it, such as apache-2.0 or cc-by-4.0"
    )
    hub: str = setting("", "upload to this model on the Hugging Face hub: USER/NAME (extra: hub)")
    private: bool = setting(False, "with --hub: make a new model private")
    overwrite: bool = setting(False, "replace the published folder that --out names")
    data: str = setting("", "colorization: where the images are now, if they have moved")
    skip_bad_images: bool = setting(
        False, "colorization: leave out image files that cannot be read, and name them"
    )
    seed: int = setting(0, "seed of the samples on the card", low=0, high=2**31 - 1)


def run(argv: list[str]) -> None:
    """Publish from a command line."""
    from gan_jax.rundir import hub, published, run_folder

    (flags,), _ = command_line.parse(__doc__, "publish", [Flags()], argv)
    if not LICENSE.fullmatch(flags.license):
        raise InputError(
            f"--license={flags.license} is not an identifier; write it as hubs do, such as "
            "apache-2.0."
        )
    if flags.hub:
        hub.check_repo(flags.hub)
    elif flags.private:
        raise InputError("--private is of a model on the hub; add --hub=USER/NAME.")
    folder = pathlib.Path(flags.workdir).expanduser()
    if flags.workdir and published.is_published(folder):
        if not flags.hub or flags.out:
            raise InputError(
                f"{folder} is published already; add --hub=USER/NAME to upload it, without --out."
            )
        upload(flags, folder)
        return
    if hub.is_name(flags.workdir):
        raise InputError(f"{flags.workdir} is on the hub already; name a run folder.")
    out = pathlib.Path(flags.out or folder / run_folder.PUBLISHED).expanduser()
    published.check_place(out, flags.overwrite)
    loaded = run_folder.load(flags.workdir, flags.checkpoint)
    files, unscored = make_files(flags, folder, out, loaded)
    published.write(out, files, flags.overwrite)
    size = sum(map(len, files.values())) / 1e6
    print(f"{counted(len(files) + 1, 'file')}, {size:.2f} MB, of step {loaded.step}: {out}")
    if unscored:
        print(f"The card has no scores: {unscored}")
    print(f"Load it: gan_jax.load({str(out)!r}), or {typed('sample', out)}")
    if flags.hub:
        upload(flags, out)


def upload(flags: Flags, folder: pathlib.Path) -> None:
    """Upload a published folder, and print where it is."""
    from gan_jax.rundir import hub

    private = " --private" if flags.private else ""
    again = f"{typed('publish', folder)} --hub={flags.hub}{private}"
    print(f"Uploaded: {hub.upload(folder, flags.hub, flags.private, again)}")


def make_files(
    flags: Flags, folder: pathlib.Path, out: pathlib.Path, loaded: "LoadedRun"
) -> tuple[dict[str, bytes], str]:
    """Make the files of a published folder.

    Args:
      flags: Flags.
      folder: the run folder.
      out: the folder to be written.
      loaded: the run.

    Returns:
      ({name: bytes}, why the card has no scores or "").
    """
    from gan_jax import config as configs
    from gan_jax import images
    from gan_jax.data import datasets
    from gan_jax.report import model_card, run_files
    from gan_jax.rundir import config_file, health, log, published

    config = portable_config(config_file.read(folder))
    spec = configs.data_spec(loaded.dataset_info)
    files = published.contents(config, loaded.method, spec, loaded.step, loaded.state)
    config = json.loads(files[config_file.NAME])
    name = f"hf:{flags.hub}" if flags.hub else out.resolve().name
    picture, samples = make_samples(flags, name, loaded)
    files[PICTURE] = images.encode_png(picture)
    try:
        evaluation, reason = usable_evaluation(run_files.read_evaluation(folder), loaded)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        evaluation, reason = None, f"The eval.json of the run cannot be read ({error})."
    words: list[object] = [folder]
    if flags.checkpoint != "newest":
        words.append(f"--checkpoint={loaded.step}")
    if evaluation is not None:
        evaluation["protocol"]["data"] = datasets.portable_spec(evaluation["protocol"]["data"])
        files["eval.json"] = (json.dumps(evaluation, indent=1) + "\n").encode()
    path = folder / "flags.txt"
    flags_text = portable_flags(path.read_text()) if path.exists() else ""
    if flags_text:
        files["flags.txt"] = flags_text.encode()
    records = [r for r in log.read(folder / "metrics.jsonl") if r["step"] <= loaded.step]
    warnings = [
        f"In training, from step {first:,}{f' to {last:,}' if last else ' on'}: "
        f"{health.meaning(warning)}"
        for warning, first, last in health.episodes(records)
    ]
    conditioning = loaded.method.conditioning
    card = model_card.Card(
        name=name,
        config=config,
        condition=conditioning.what,
        license=flags.license,
        samples=samples,
        evaluation=evaluation,
        unscored=reason,
        warnings=tuple(warnings),
        flags=flags_text,
        needs_data=conditioning.needs_images,
        plugins=tuple(config_file.plugins_of(config)),
        has_data_path=datasets.portable_spec(loaded.config.run.data) != loaded.config.run.data,
    )
    files[published.CARD] = model_card.write_card(card).encode()
    return (
        files,
        f"{reason} Make them with: {typed('evaluate', *words)}" if evaluation is None else "",
    )


def portable_config(config: dict[str, Any]) -> dict[str, Any]:
    """Cut the paths of data and runs in a configuration, as of config.json, to their last part."""
    from gan_jax.data import table_labels
    from gan_jax.data.datasets import portable_spec
    from gan_jax.rundir import start_weights

    run, dataset = config["run"], config["dataset"]
    labels = table_labels.portable(run.get("labels", ""))
    out = config | {
        "run": run | {"data": portable_spec(run["data"])} | ({"labels": labels} if labels else {}),
        "dataset": dataset | {"name": portable_spec(dataset["name"])},
    }
    if begun := config.get("init_from"):
        name = start_weights.portable(begun["run"])
        out["run"]["init_from"] = name
        out["init_from"] = begun | {"run": name}
    return out


def portable_flags(text: str) -> str:
    """Cut paths in flags to their last part; leave out what needs an extra."""
    from gan_jax.data import table_labels
    from gan_jax.data.datasets import portable_spec
    from gan_jax.rundir import start_weights

    text = re.sub(r"^--(tensorboard|wandb)\n", "", text, flags=re.M)
    for flag, portable in (
        ("data", portable_spec),
        ("labels", table_labels.portable),
        ("init_from", start_weights.portable),
    ):
        text = re.sub(
            rf"^--{flag}=(.*)$",
            lambda m, f=flag, portable=portable: f"--{f}={portable(m[1])}",
            text,
            flags=re.M,
        )
    return text


def usable_evaluation(
    evaluation: dict[str, Any] | None, loaded: "LoadedRun"
) -> tuple[dict[str, Any] | None, str]:
    """Return the evaluation if it is of what is published; otherwise None and why."""
    if evaluation is None:
        return None, "This model has not been scored."
    if evaluation.get("step") != loaded.step:
        return None, (
            f"The run was scored at step {evaluation.get('step')}, and this is step {loaded.step}."
        )
    if loaded.method.ema and not evaluation["protocol"].get("ema", True):
        return None, "The run was scored with its last weights, and these are the averaged ones."
    return evaluation, ""


def make_samples(flags: Flags, name: str, loaded: "LoadedRun") -> tuple["np.ndarray", "Samples"]:
    """Draw the samples of a card.

    Args:
      flags: Flags.
      name: what commands call the model.
      loaded: the run.

    Returns:
      (uint8 [H, W, 1 or 3], what the card says of it).
    """
    import jax

    from gan_jax.core.conditioning import ByImage
    from gan_jax.report.model_card import Samples
    from gan_jax.rundir import run_folder
    from gan_jax.training import sampling

    method, key = loaded.method, jax.random.key(flags.seed)
    conditioning = method.conditioning
    if flags.skip_bad_images:
        loaded = run_folder.skipping_bad_images(loaded)
    pool = run_folder.load_pool(loaded, flags.data)
    is_points = loaded.dataset_info["size"] == 1
    train = run_folder.load_data(loaded.config, loaded.dataset_info)[0] if is_points else None
    sampler = sampling.build_sampler(method, pool)
    vs, show = loaded.state.vars(True), loaded.config.run.show
    picture = sampling.picture(method, sampler, vs, key, train, pool, show)
    n_kinds = len(conditioning.shown)
    shown = [conditioning.name_of(kind) for kind in conditioning.shown[: sampling.MAX_COLUMNS]]
    command = f"gan-jax sample {shlex.quote(name)} --seed={flags.seed}"
    if is_points:
        caption = f"The density of {sampling.N_POINTS:,} generated points, and that of the data"
        command = ""
    elif isinstance(conditioning, ByImage):
        caption = f"{sampling.ROWS * 3} times the gray input, the coloured image and the original"
        command += f" --n={sampling.ROWS * 3} --data=DATA"
    elif n_kinds:
        which = "the" if len(shown) == n_kinds else f"the first {len(shown)} of {n_kinds}"
        plural = {"class": "classes", "quantities": "values of the quantities"}.get(
            conditioning.what, f"{conditioning.what}s"
        )
        names = ", ".join(shown)
        caption = f"{sampling.ROWS} images in a column for each of {which} {plural} ({names})"
        command += f" --form=kinds --n={sampling.ROWS}"
        if len(shown) < n_kinds:
            command += " " + shlex.quote(f"--kind={','.join(shown)}")
    else:
        caption = f"{sampling.ROWS**2} images"
    width = picture.shape[1]
    scale = max(1, -(-SHOWN_PIXELS // width))
    return picture, Samples(PICTURE, scale * width, f"{caption}, seed {flags.seed}.", command)
