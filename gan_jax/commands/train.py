"""A training command: from flags to finished run folders."""

import dataclasses
import json
import sys

from absl import flags

from gan_jax import presets
from gan_jax.commands.command_line import Command, define, flagfiles_first, need, parse, workdir_of
from gan_jax.commands.process import BEGAN
from gan_jax.errors import InputError, NonFiniteError
from gan_jax.settings import Run, setting
from gan_jax.training.startup import Startup

WAYS = (
    "auto",
    "vmapped",
    "unrolled",
    "turns",
)  # of running members: in one program, or one after another


@dataclasses.dataclass(frozen=True)
class Training(Command):
    """Flags of every training command that are not part of a configuration."""

    workdir: str = setting(
        "", "the run folder; default: runs/ and the name of the flagfile or of the experiment"
    )
    dry_run: bool = setting(False, "check everything, print the configuration and stop")
    check_data: bool = setting(
        False, "describe the data, name all that is wrong with it, and stop; looks at every image"
    )
    restart: bool = setting(False, "discard what the run folder holds and start again")
    members: int = setting(
        1, "runs with seeds from --seed on, in folders that end in _SEED", low=1, high=64
    )
    members_by: str = setting("auto", "how they are run", choices=WAYS)


def find_preset(command, group, argv):
    """Return the name of the training command that --experiment names, in a flag or a flagfile.

    Args:
      command: name of the command that is running.
      group: its Command, with a field `experiment`.
      argv: its words, see `parse`.

    Raises:
      InputError: there is no such training command, or the flags cannot be read.
    """
    files, rest = flagfiles_first(argv)
    try:
        values = define([group])
        values([command, *files, *rest], known_only=True)
    except (flags.Error, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{text}; see python -m experiments.{command} --help.") from error
    name = values["experiment"].value
    if name not in presets.TABLE:
        raise InputError(
            f"--experiment={name} is not a training command; use one of: {', '.join(sorted(presets.TABLE))}."
        )
    return name


def settings_groups(name):
    """Return [Training, Run, the method's Settings] with the defaults of a training command.

    Args:
      name: key of presets.TABLE.
    """
    from gan_jax import methods

    method, defaults, _ = presets.TABLE[name]
    names = {f.name for f in dataclasses.fields(Run)}
    run = Run(**{k: v for k, v in defaults.items() if k in names})
    hp = methods.TABLE[method].Settings(**{k: v for k, v in defaults.items() if k not in names})
    return [Training(), run, hp]


def configure(name, argv):
    """What a training command line asks for, after all checks that need no data.

    Args:
      name: key of presets.TABLE.
      argv: words after the command's name.

    Returns:
      (Training, the run folder's Path, config.Config without a source, FlagValues)

    Raises:
      InputError
    """
    import jax

    from gan_jax import config as configs
    from gan_jax.data import datasets

    preset = presets.TABLE[name]
    (command, settings, hp), values = parse(
        preset.doc, f"experiments.{name}", settings_groups(name), argv
    )
    if settings.tensorboard:
        need("tensorboardX", "--tensorboard", "log")
    workdir = workdir_of(command.workdir, values, name)
    configs.validate_settings(settings, hp, len(jax.devices()))
    settings = dataclasses.replace(settings, data=datasets.absolute(settings.data))
    return command, workdir, configs.Config(name, preset.method, settings, hp, None), values


def open_data(workdir, unopened, restart):
    """Where the run folder stands, and the data, after all checks that need them.

    Args:
      workdir, unopened: see `configure`. restart: whether what the folder holds is to be discarded.

    Returns:
      (where the folder stands, in words; the whole config.Config; Source; held-out Source, or None where none is needed)

    Raises:
      InputError
    """
    from gan_jax import config as configs
    from gan_jax.data import datasets
    from gan_jax.rundir import run_folder

    settings = unopened.run
    stands = run_folder.stand(
        workdir, unopened, restart
    )  # before data is opened, which can take minutes
    source = datasets.load(settings.data, datasets.view(settings))
    configs.validate_data(settings, source)
    config = dataclasses.replace(unopened, source=configs.describe(source))
    configs.validate_method(config)
    from_images = (
        config.build().by == "image"
    )  # whose grids show images that it has not been trained on
    heldout = (
        datasets.load_heldout(source, datasets.view(settings))
        if settings.eval_every or from_images
        else None
    )
    return stands, config, source, heldout


def run(name, argv):
    """Flags to finished run folders. Raises what `guarded` handles."""
    from gan_jax.rundir import run_folder

    startup = Startup(BEGAN)
    command, workdir, unopened, values = configure(name, argv)
    startup.done("import")
    if command.check_data:
        _check_data(unopened.run)
        return
    seeds = range(unopened.run.seed, unopened.run.seed + command.members)
    folders = [
        workdir if command.members == 1 else workdir.with_name(f"{workdir.name}_{seed}")
        for seed in seeds
    ]
    stands, config, source, heldout = open_data(folders[0], unopened, command.restart)
    configs = [
        dataclasses.replace(config, run=dataclasses.replace(config.run, seed=seed))
        for seed in seeds
    ]
    stands = [
        stands,
        *(
            run_folder.stand(*place, command.restart)
            for place in zip(folders[1:], configs[1:], strict=True)
        ),
    ]
    _say_data(source, config.run.batch)
    startup.done("data")
    if command.dry_run:
        print(json.dumps(config.to_dict(), indent=1))
        for place, stand in zip(folders, stands, strict=True):
            print(f"Dry run: nothing was written. The run folder {place} {stand}.")
        return
    values["data"].value = config.run.data
    if command.members == 1:
        _train(config, workdir, source, heldout, command.restart, values, startup)
    else:
        _train_members(configs, folders, source, heldout, command, values)


def _begin(workdir, config, restart, values):
    """Makes a claimed folder that of a run. Returns whether there is anything to train."""
    from gan_jax.rundir import log, run_folder

    with log.stopping_if_full(workdir):
        if run_folder.begin(workdir, config, restart) == run_folder.FINISHED:
            steps = config.run.steps
            print(f"{workdir} is finished: step {steps} of {steps}. Use --restart to train again.")
            return False
        values["seed"].value = config.run.seed
        (workdir / "flags.txt").write_text(_flags_text(values))
    return True


def _train(config, workdir, source, heldout, restart, values, startup):
    """One run, to its end."""
    from gan_jax.rundir import log, run_folder
    from gan_jax.training import training_loop

    startup.done("import")
    with run_folder.claim(workdir):
        if _begin(workdir, config, restart, values):
            training_loop.train(config, workdir, source, heldout, startup)
            log.say(f"finished at step {config.run.steps}. Report: {workdir / 'report.html'}")
            log.say(
                f"Scores: ./launch.sh run evaluate --workdir={workdir}   (or python -m experiments.evaluate ...)"
            )


def _train_members(configs, folders, source, heldout, command, values):
    """Runs that differ in their seed, to their ends. Raises NonFiniteError, after the others have ended, if some did not."""
    from gan_jax.rundir import log, run_folder
    from gan_jax.training import multi_seed

    for config, folder in zip(configs, folders, strict=True):
        with run_folder.claim(folder):
            _begin(folder, config, command.restart, values)
    n = len(configs)
    lost = multi_seed.train_all(configs, folders, [source] * n, [heldout] * n, command.members_by)
    log.say(f"{n - len(lost)} of {n} finished at step {configs[0].run.steps}.")
    log.say(f"Beside each other: ./launch.sh run compare {' '.join(map(str, folders))}")
    if lost:
        raise NonFiniteError("\n".join(lost.values()))


def _check_data(settings):
    """Prints what the data are like; raises what training would raise."""
    from gan_jax import config as configs
    from gan_jax.data import data_check, datasets, image_files

    view = datasets.view(settings)
    train = data_check.look(settings.data, view)
    test = image_files.attempt(data_check.look, settings.data, view, "test")
    print(data_check.report(settings.data, train, test) + "\n", flush=True)
    refusal = train.refusal or image_files.attempt(
        configs.validate_data, settings, data_check.as_source(train, settings.data)
    )
    unscored = data_check.heldout_refusal(settings.data, train, test)
    if refusal or (unscored and settings.eval_every):
        print("Verdict: training would refuse these data, in these words:", flush=True)
        raise refusal or unscored
    print(
        "Verdict: training would accept these data."
        + (f" Scoring would not: {unscored}" if unscored else "")
    )


def _say_data(source, batch):
    """One line on what was found; one more where it is little."""
    n, size, _, channels = source.images.shape
    counts = (
        [int((source.labels == i).sum()) for i in range(len(source.classes))]
        if source.classes
        else []
    )
    classes = ", ".join(
        f"{name} {count:,}" for name, count in list(zip(source.classes, counts, strict=True))[:12]
    )
    kind = {1: "gray", 3: "colour"}.get(channels, f"{channels} channels")
    what = (
        f"points of {channels} coordinate(s)" if source.points else f"images of {size} px, {kind}"
    )
    print(
        f"{source.name}: {n:,} {what}; {'classes: ' + classes if classes else 'no classes'}",
        flush=True,
    )
    if n < batch:
        print(
            f"Only {n} images for --batch={batch}: images repeat within a minibatch; use a smaller --batch.",
            file=sys.stderr,
        )


def _flags_text(values):
    skip = (
        "flagfile",
        "help",
        "debug",
        "dry_run",
        "check_data",
        "restart",
        "workdir",
        "members",
        "members_by",
    )
    return "".join(
        f"{line}\n"
        for line in sorted(values.flags_into_string().splitlines())
        if line and line.lstrip("-").partition("=")[0].removeprefix("no") not in skip
    )
