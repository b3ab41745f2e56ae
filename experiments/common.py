"""What every command shares: flags from settings, refusals in one line, exit codes, and the way of a training command."""

import dataclasses
import importlib
import importlib.util
import json
import os
import pathlib
import signal
import sys
import time
import traceback

from absl import flags

from gan_jax.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_STOPPED, Collapsed, InputError, NonFiniteError, Stopped
from gan_jax.settings import Run, check, setting
from gan_jax.startup import Startup

BEGAN = time.perf_counter()  # of the command; JAX is not there yet
WAYS = ("auto", "vmapped", "unrolled", "turns")  # of running members: in one program, or one after another

ROOT = pathlib.Path(__file__).resolve().parent.parent
_DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string,
           tuple: flags.DEFINE_multi_string}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Command:
    """Flags of every command that are not part of a configuration."""

    help: bool = setting(False, "print this text")
    debug: bool = setting(False, "show the traceback of an error")


@dataclasses.dataclass(frozen=True)
class Training(Command):
    """Flags of every training command that are not part of a configuration."""

    workdir: str = setting("", "the run folder; default: runs/ and the name of the flagfile or of the experiment")
    dry_run: bool = setting(False, "check everything, print the configuration and stop")
    check_data: bool = setting(False, "describe the data, name all that is wrong with it, and stop; looks at every image")
    restart: bool = setting(False, "discard what the run folder holds and start again")
    members: int = setting(1, "runs with seeds from --seed on, in folders that end in _SEED", low=1, high=64)
    members_by: str = setting("auto", "how they are run", choices=WAYS)


# Scratch is kept instead of unmapped, and has pages of 2 MiB. From glibc 2.35 on; older ones ignore what they do not know.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000000"


def keep_memory():
    """Starts a command anew, as the same process, with a malloc that keeps its memory; nothing where GLIBC_TUNABLES is set.

    A step allocates its scratch anew, and a CPU spends up to a quarter of the step on mapping it page by page.
    """
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ and spec and spec.name.startswith("experiments."):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"GLIBC_TUNABLES": MALLOC})


def prepare_jax():
    """Settings that must precede JAX's first use: reproducible GPU kernels, compiled code cached on disk."""
    flag = "--xla_gpu_deterministic_ops=true"
    if flag.split("=")[0] not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    import jax

    from gan_jax import cache

    jax.config.update("jax_compilation_cache_dir", str(cache.root() / "compiled"))
    # Small programs too: those of a start take seconds together.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return jax


def define(groups):
    """absl FlagValues with one flag per field of the given dataclass instances, whose values are the defaults."""
    values = flags.FlagValues()
    for group in groups:
        for field in dataclasses.fields(group):
            default = getattr(group, field.name)
            _DEFINE[type(default)](field.name, default, field.metadata["text"], flag_values=values)
    flags.DEFINE_multi_string("flagfile", None, "file with one --flag=value per line", flag_values=values)
    return values


def usage(doc, module, groups):
    """The text of --help: what the command is, then every flag with its default, a group per paragraph."""
    lines = [doc.strip(), "", f"Usage: python -m {module} [--flagfile=FILE] [--flag=value ...]; flags win over the file.", ""]
    for group in groups:
        for field in dataclasses.fields(group):
            default, choices = getattr(group, field.name), field.metadata["choices"]
            shown = "... (may be repeated)" if isinstance(default, tuple) else repr(default).replace("'", "")
            lines.append(f"  --{field.name}={shown}")
            allowed = f" [{' | '.join(map(str, choices))}]" if choices else ""
            lines.append(f"      {field.metadata['text']}{allowed}")
        lines.append("")
    return "\n".join(lines)


def flagfiles_first(argv):
    """absl lets the last word win; a flagfile is where a setting starts from, so it goes first. It may be named as those of
    the project are, by a path relative to the project, or by any path."""
    files, rest = [], []
    for word in argv:
        if not word.startswith("--flagfile"):
            rest.append(word)
            continue
        path = pathlib.Path(word.partition("=")[2]).expanduser()
        if "=" not in word:
            raise InputError("Write --flagfile=FILE, with an equals sign.")
        if not path.is_file():
            named = ROOT / "experiments" / "flagfiles" / f"{path}.flags"
            path = named if named.is_file() else ROOT / path
            if not path.is_file():
                known = ", ".join(sorted(p.stem for p in (ROOT / "experiments" / "flagfiles").glob("*.flags")))
                raise InputError(f"{word} is not a file; those of the project lie in experiments/flagfiles: {known}.")
        files.append(f"--flagfile={path}")
    return files, rest


def parse(doc, module, groups, argv):
    """Reads the command line into the groups.

    Args:
      doc: the command's docstring. module: its name for `python -m`.
      groups: dataclass instances whose fields are the flags and whose values are the defaults; the first is a Command.
      argv: words after the command's name.

    Returns:
      (list of new instances, FlagValues)

    Raises:
      InputError: unknown flag, unreadable value, value out of bounds. SystemExit(0) after --help.
    """
    files, rest = flagfiles_first(argv)
    if any(word in ("--help", "-h", "-help", "--helpfull") for word in rest):
        print(usage(doc, module, groups))
        raise SystemExit(EXIT_DONE)
    values = define(groups)
    try:
        words = values([module, *files, *rest])
    except (flags.Error, UnicodeDecodeError) as error:
        raise InputError(" ".join(str(error).split()) + f"; see python -m {module} --help.") from error
    if words[1:]:
        raise InputError(f"{words[1]!r} is not a flag; flags have the form --name=value.")
    values["flagfile"].value = [word.partition("=")[2] for word in files]  # absl reads them in and forgets their names
    out = [dataclasses.replace(group, **{f.name: values[f.name].value for f in dataclasses.fields(group)}) for group in groups]
    for group in out:
        check(group)
    return out, values


def training_commands():
    """Names of the training commands."""
    return sorted(p.stem for p in (ROOT / "experiments").glob("*.py") if "\nDEFAULTS = " in p.read_text())


def named_experiment(command, group, argv):
    """The module of the training command that --experiment names, on the command line or in a flagfile.

    Args:
      command: name of the command that asks. group: its Command, with a field `experiment`. argv: see `parse`.

    Raises:
      InputError: there is no such training command, or the flags cannot be read.
    """
    files, rest = flagfiles_first(argv)
    try:
        values = define([group])
        values([command, *files, *rest], known_only=True)
    except (flags.Error, UnicodeDecodeError) as error:
        raise InputError(f"{' '.join(str(error).split())}; see python -m experiments.{command} --help.") from error
    name, known = values["experiment"].value, training_commands()
    if name not in known:
        raise InputError(f"--experiment={name} is not a training command; use one of: {', '.join(known)}.")
    return importlib.import_module(f"experiments.{name}")


def guarded(body, argv, jax=True):
    """Runs body(argv) and turns what users can cause into one line on stderr and an exit code. jax: whether it is needed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # outside the training loop, which saves first
    try:
        if jax:
            keep_memory()
            prepare_jax()
        body(argv)
        return EXIT_DONE
    except (InputError, NonFiniteError, Collapsed, Stopped, KeyboardInterrupt) as error:
        if "--debug" in argv:
            traceback.print_exc()
        kinds = {InputError: EXIT_REFUSED, NonFiniteError: EXIT_FAILED, Collapsed: EXIT_FAILED}
        print(str(error) or "interrupted; what was saved before is kept.", file=sys.stderr)
        return kinds.get(type(error), EXIT_STOPPED)
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) or "--debug" in argv:
            raise
        print("The device ran out of memory; use a smaller --batch, --width or --size.", file=sys.stderr)
        return EXIT_REFUSED


def main(experiment, method, defaults, doc):
    """Entry of a training command; exits.

    Args:
      experiment: name of the command. method: key of gan_jax.methods.TABLE. defaults: {setting: value} where the experiment
        differs from the method's own. doc: what --help says first.
    """
    sys.exit(guarded(lambda argv: run(experiment, method, defaults, doc, argv), sys.argv[1:]))


def settings_groups(method, defaults):
    """[Training, Run, the method's Settings] with an experiment's defaults."""
    from gan_jax import methods

    names = {f.name for f in dataclasses.fields(Run)}
    run = Run(**{k: v for k, v in defaults.items() if k in names})
    hp = methods.TABLE[method].Settings(**{k: v for k, v in defaults.items() if k not in names})
    return [Training(), run, hp]


def folder(workdir, values, name):
    """Path of the folder that a command works in.

    Args:
      workdir: what --workdir says; "" is runs/ and the name of the flagfile, so that each has a folder of its own, or of the
        command if there is none. values: FlagValues of `parse`. name: the command's.
    """
    given = values["flagfile"].value
    return pathlib.Path(workdir or f"runs/{pathlib.Path(given[-1]).stem if given else name}").expanduser()


def configure(experiment, method, defaults, doc, argv):
    """What a training command line asks for, after all checks that need no data.

    Args: see `main`; argv: words after the command's name.

    Returns:
      (Training, the run folder's Path, config.Config without a source, FlagValues)

    Raises:
      InputError
    """
    import jax

    from gan_jax import config as configs
    from gan_jax.data import source as sources

    (command, settings, hp), values = parse(doc, f"experiments.{experiment}", settings_groups(method, defaults), argv)
    if settings.tensorboard:
        need("tensorboardX", "--tensorboard", "log")
    workdir = folder(command.workdir, values, experiment)
    configs.validate_settings(settings, hp, len(jax.devices()))
    settings = dataclasses.replace(settings, data=sources.absolute(settings.data))
    return command, workdir, configs.Config(experiment, method, settings, hp, None), values


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
    from gan_jax import runs
    from gan_jax.data import source as sources

    settings = unopened.run
    stands = runs.stand(workdir, unopened, restart)  # before data is opened, which can take minutes
    source = sources.load(settings.data, sources.view(settings))
    configs.validate_data(settings, source)
    config = dataclasses.replace(unopened, source=configs.describe(source))
    configs.validate_method(config)
    from_images = config.build().by == "image"  # whose grids show images that it has not been trained on
    heldout = sources.load_heldout(source, sources.view(settings)) if settings.eval_every or from_images else None
    return stands, config, source, heldout


def run(experiment, method, defaults, doc, argv):
    """Flags to finished run folders. Raises what `guarded` handles."""
    from gan_jax import runs

    startup = Startup(BEGAN)
    command, workdir, unopened, values = configure(experiment, method, defaults, doc, argv)
    startup.done("import")
    if command.check_data:
        _check_data(unopened.run)
        return
    seeds = range(unopened.run.seed, unopened.run.seed + command.members)
    folders = [workdir if command.members == 1 else workdir.with_name(f"{workdir.name}_{seed}") for seed in seeds]
    stands, config, source, heldout = open_data(folders[0], unopened, command.restart)
    configs = [dataclasses.replace(config, run=dataclasses.replace(config.run, seed=seed)) for seed in seeds]
    stands = [stands, *(runs.stand(*place, command.restart) for place in zip(folders[1:], configs[1:], strict=True))]
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
    from gan_jax import log, runs

    with log.stopping_if_full(workdir):
        if runs.begin(workdir, config, restart) == runs.FINISHED:
            steps = config.run.steps
            print(f"{workdir} is finished: step {steps} of {steps}. Use --restart to train again.")
            return False
        values["seed"].value = config.run.seed
        (workdir / "flags.txt").write_text(_flags_text(values))
    return True


def _train(config, workdir, source, heldout, restart, values, startup):
    """One run, to its end."""
    from gan_jax import log, runs, train

    startup.done("import")
    with runs.claim(workdir):
        if _begin(workdir, config, restart, values):
            train.train(config, workdir, source, heldout, startup)
            log.say(f"finished at step {config.run.steps}. Report: {workdir / 'report.html'}")
            log.say(f"Scores: ./launch.sh run evaluate --workdir={workdir}   (or python -m experiments.evaluate ...)")


def _train_members(configs, folders, source, heldout, command, values):
    """Runs that differ in their seed, to their ends. Raises NonFiniteError, after the others have ended, if some did not."""
    from gan_jax import log, members, runs

    for config, folder in zip(configs, folders, strict=True):
        with runs.claim(folder):
            _begin(folder, config, command.restart, values)
    n = len(configs)
    lost = members.train_all(configs, folders, [source] * n, [heldout] * n, command.members_by)
    log.say(f"{n - len(lost)} of {n} finished at step {configs[0].run.steps}.")
    log.say(f"Beside each other: ./launch.sh run compare {' '.join(map(str, folders))}")
    if lost:
        raise NonFiniteError("\n".join(lost.values()))


def _check_data(settings):
    """Prints what the data are like; raises what training would raise."""
    from gan_jax import config as configs
    from gan_jax.data import pictures, survey
    from gan_jax.data import source as sources

    view = sources.view(settings)
    train = survey.look(settings.data, view)
    test = pictures.attempt(survey.look, settings.data, view, "test")
    print(survey.report(settings.data, train, test) + "\n", flush=True)
    refusal = train.refusal or pictures.attempt(configs.validate_data, settings, survey.as_source(train, settings.data))
    unscored = survey.heldout_refusal(settings.data, train, test)
    if refusal or (unscored and settings.eval_every):
        print("Verdict: training would refuse these data, in these words:", flush=True)
        raise refusal or unscored
    print("Verdict: training would accept these data." + (f" Scoring would not: {unscored}" if unscored else ""))


def _say_data(source, batch):
    """One line on what was found; one more where it is little."""
    n, size, _, channels = source.images.shape
    counts = [int((source.labels == i).sum()) for i in range(len(source.classes))] if source.classes else []
    classes = ", ".join(f"{name} {count:,}" for name, count in list(zip(source.classes, counts, strict=True))[:12])
    kind = {1: "gray", 3: "colour"}.get(channels, f"{channels} channels")
    what = f"points of {channels} coordinate(s)" if source.points else f"images of {size} px, {kind}"
    print(f"{source.name}: {n:,} {what}; {'classes: ' + classes if classes else 'no classes'}", flush=True)
    if n < batch:
        print(f"Only {n} images for --batch={batch}: images repeat within a minibatch; use a smaller --batch.", file=sys.stderr)


def _flags_text(values):
    skip = ("flagfile", "help", "debug", "dry_run", "check_data", "restart", "workdir", "members", "members_by")
    return "".join(
        f"{line}\n"
        for line in sorted(values.flags_into_string().splitlines())
        if line and line.lstrip("-").partition("=")[0].removeprefix("no") not in skip
    )


def installed(module):
    """Whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def need(module, flag, extra):
    """Refuses a flag whose module is not installed, naming the extra that brings it. Raises InputError."""
    if not installed(module):
        raise InputError(f"{flag} needs {module}; install it with: pip install 'gan-jax[{extra}]'.")
