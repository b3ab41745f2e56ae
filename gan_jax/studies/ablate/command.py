"""Scripted ablations: a grid of flags times seeds, each run a process of its own, scored and compared at the end.

  python -m experiments.ablate --experiment=dcgan --flagfile=dcgan_quick --vary="penalty=none,dragan;net=dcgan,hdcgan"

trains dcgan with both penalties on both nets, from --seeds seeds each. Every flag of the experiment may be given too, on the
command line or in a flagfile, and holds for all runs. --vary is a grid: axes with semicolons between them, FLAG=VALUE,VALUE
each. A value may bring further flags along: penalty=none,wgan_gp+penalty_norm=rms+lambda_p=1. A comma that belongs to a value
is written behind a backslash. With several --vary the grids come one after another, and runs that turn out to be the same are
made once: a grid and then one change at a time. A flagfile with these lines is a sweep that is kept.

All runs are checked by the experiment's own flags before any starts; those that are refused, diverge or crash are named with
their reason, and the others go on. Each run is an ordinary run folder, --workdir/NAME_SEED. Stopped (Ctrl-C, SIGTERM: code 4),
all that ran has saved, and the same command goes on; finished and diverged runs are not repeated (delete the folder of one to
make it again). Ends with summary.csv (a row per run), summary.md (every configuration, and whether it differs from the first
one) and compare.html in --workdir, where logs/ has what the runs said; with code 0, whatever became of single runs. --dry_run
prints every command and how long all will take, from steps that it measures (and from compiling, which takes longer the first
time).

Seeds are processes of their own; with --members_by they share one, and on a GPU one program (vmapped). S3's contribution taken
apart, {none, DRAGAN, WGAN-GP, WGAN-GP in Dist-GAN's norm} x {DCGAN's nets, HDCGAN's} and single changes to Morpho-GAN, in
flagfiles: ablate_quick (24 minutes on 2 cores), ablate_64 (a GPU), ablate_galaxyzoo128 (S3's setting, a GPU for weeks),
ablate_smoke (a minute).
"""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import pathlib
import shlex
import signal
import sys
import tempfile

from gan_jax.commands import command_line
from gan_jax.commands.train import MEMBERS_BY, configure, find_preset, settings_groups
from gan_jax.errors import InputError
from gan_jax.settings import setting

FIXED = (
    "workdir",
    "seed",
    "flagfile",
    "dry_run",
    "check_data",
    "restart",
    "help",
    "debug",
)  # flags that no axis may set


@dataclasses.dataclass(frozen=True)
class Sweep(command_line.Command):
    """Flags of this command."""

    experiment: str = setting("morpho", "the training command that is varied")
    vary: tuple = setting((), "a grid, FLAG=VALUE,VALUE;FLAG=VALUE,VALUE; see above")
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    workdir: str = setting(
        "",
        "folder of the sweep, in which every run has one; default: runs/ and the name of the flagfile, or runs/ablate",
    )
    jobs: int = setting(1, "runs at a time; they share the cores, and the GPUs, equally", low=1)
    members_by: str = setting("", "the seeds of a configuration in one process, as members of one program or in turn; "
                              "empty: a process each", choices=("", *MEMBERS_BY))  # fmt: skip
    slurm: str = setting("", "run as SLURM jobs, --jobs at a time: parameters of submitit with commas, timeout_min=600,... "
                             "(extra: sweep)")  # fmt: skip
    evaluate: bool = setting(True, "score finished runs with experiments.evaluate and compare them")
    dry_run: bool = setting(
        False, "check everything, print the commands and an estimate of the time, and stop"
    )
    estimate: bool = setting(
        True, "with --dry_run: measure what every configuration takes, in short runs of its own"
    )
    estimate_steps: int = setting(
        20, "steps of such a run that are measured, after as many that are not", low=1
    )


@dataclasses.dataclass(frozen=True)
class Scoring:
    """Flags that experiments.evaluate is called with."""

    n_images: int = setting(2000, "generated images that a run is scored by", low=2)
    repeats: int = setting(1, "repeats of sampling, each with fresh noise", low=1)
    scores: str = setting(
        "", "which scores, with commas; empty: all that suit the data; see experiments.evaluate"
    )
    features: str = setting("auto", "what images are seen by, see experiments.evaluate")
    neighbours: int = setting(
        256, "images whose nearest training images are searched; 0: none", low=0, high=2000
    )


def read(argv):
    """(Sweep, Scoring, {flag: value} where the experiment's flags differ from its defaults) of a command line."""
    defaults = settings_groups(find_preset("ablate", Sweep(), argv))[1:]
    (flags, scoring, *groups), values = command_line.parse(
        __doc__, "experiments.ablate", [Sweep(), Scoring(), *defaults], argv
    )
    base = {}
    for group, default in zip(groups, defaults, strict=True):
        pairs = {
            f.name: (getattr(group, f.name), getattr(default, f.name))
            for f in dataclasses.fields(group)
        }
        base |= {name: new for name, (new, old) in pairs.items() if new != old}
    return (
        dataclasses.replace(
            flags, workdir=str(command_line.workdir_of(flags.workdir, values, "ablate"))
        ),
        scoring,
        base,
    )


def trials(flags, base):
    """[results.Trial] of the whole sweep, all configurations of a seed before those of the next."""
    from gan_jax.studies.ablate import grid
    from gan_jax.studies.ablate.results import Trial

    points = grid.expand(flags.vary)
    for name in [name for point in points for name in point.overrides if name in FIXED]:
        instead = "say how many with --seeds" if name == "seed" else "leave it out"
        raise InputError(f"--vary sets --{name}, which every run has its own way; {instead}.")
    first = base.get("seed", 0)
    out = []
    for seed in range(first, first + flags.seeds):
        for point in points:
            name = f"{point.name}_{seed}"
            given = {**base, **point.overrides, "seed": seed}
            words = [f"--{flag}={value}" for flag, value in given.items()]
            out.append(Trial(name, point, seed, [*words, f"--workdir={folder_of(flags, name)}"]))
    return out


def folder_of(flags, name):
    """The run folder of a trial."""
    return pathlib.Path(flags.workdir) / name


def command(experiment, words):
    """A command line of the project."""
    return [sys.executable, "-m", f"experiments.{experiment}", *words]


def examine(experiment, words, scoring):
    """({flag: value} of all settings, "") of a run that can be made, and scored where scoring is not None; (None, why not)."""
    from gan_jax.config import prepare
    from gan_jax.metrics import evaluate, features, memorization
    from gan_jax.rundir import run_folder

    try:
        training, workdir, config, _ = configure(experiment, words)
        run_folder.status(workdir, config, training.restart)
        source = prepare(config).train
        if scoring:
            memorization.check(scoring.neighbours, "neighbours")
        if scoring and not source.points:
            evaluate.check(
                source,
                scoring.n_images,
                "n_images",
                scoring.scores,
                features.check(scoring.features, source),
            )
    except InputError as error:
        return None, str(error)
    return {**dataclasses.asdict(config.run), **dataclasses.asdict(config.hp)}, ""


def check(flags, scoring, every):
    """The results.Plan of these trials. They are looked at in another process: this one never holds a GPU, which the runs need.

    Raises:
      InputError: all of them are refused.
    """
    from gan_jax.studies.ablate.results import Plan

    context = multiprocessing.get_context("spawn")
    asked = [
        (flags.experiment, trial.words, scoring if flags.evaluate else None) for trial in every
    ]
    with concurrent.futures.ProcessPoolExecutor(
        1, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        found = list(pool.map(examine, *zip(*asked, strict=True)))
    plan = Plan([], {}, {}, {})
    seen = {}
    for trial, (settings, why) in zip(every, found, strict=True):
        first = (
            seen.setdefault(json.dumps(settings, sort_keys=True), trial.name)
            if settings
            else trial.name
        )
        if first != trial.name:
            plan.same[trial.name] = first
            continue
        plan.trials.append(trial)
        plan.settings[trial.name] = settings
        if why:
            plan.refused[trial.name] = why
    if len(plan.refused) == len(plan.trials):
        raise InputError(
            f"All {len(plan.trials)} runs are refused; the first ({plan.trials[0].name}): {found[0][1]}"
        )
    return plan


def train(flags, book, launch, signals):
    """Trains what is left."""
    from gan_jax.rundir import log
    from gan_jax.studies import jobs

    total, groups = len(book.plan.trials), {}
    for trial in book.left():
        groups.setdefault(trial.point.name if flags.members_by else trial.name, []).append(trial)

    def ended(job, end):
        for trial in groups[job.name]:
            code, reason = end.code, end.reason
            if len(groups[job.name]) > 1:
                code, reason = fate(book, trial, job, end)
            book.note(trial.name, code=code, reason=reason)
            n = sum(known["code"] is not None for known in book.known.values())
            log.say(
                f"{trial.name}: {jobs.status(code)} after {log.clock(end.seconds)} ({n} of {total}). {reason}".rstrip()
            )

    work = [
        jobs.Job(name, command(flags.experiment, words_of(flags, group)), book.root / group[0].name)
        for name, group in groups.items()
    ]
    jobs.run(
        work,
        flags.jobs,
        launch,
        book.root / "logs",
        signals,
        lambda job: log.say(f"{job.name}: starts"),
        ended,
    )


def words_of(flags, group):
    """Flags of the process that makes the trials of a group, which differ in their seeds: all from the first to the last."""
    first, last = group[0], group[-1]
    if len(group) == 1:
        return first.words
    members = [f"--members={last.seed - first.seed + 1}", f"--members_by={flags.members_by}"]
    return [*first.words, *members, f"--workdir={folder_of(flags, first.point.name)}"]


def fate(book, trial, job, end):
    """(exit code, reason) of one of several trials that a process made together."""
    from gan_jax.studies import jobs

    if (book.root / trial.name / "DONE").exists():
        return jobs.DONE, ""
    lines = (book.root / "logs" / f"{job.name}.err").read_text().splitlines()
    return end.code, next(
        (line for line in lines if line.startswith(f"{trial.name}: ")), end.reason
    )


def score(flags, scoring, book, launch, signals):
    """Scores finished runs that are not scored in this way yet: the first alone, as it trains the classifier for all."""
    from gan_jax.rundir import log
    from gan_jax.studies import jobs
    from gan_jax.studies.ablate.results import NOT_SCORED

    asked = [f"--{f.name}={getattr(scoring, f.name)}" for f in dataclasses.fields(scoring)]

    def ended(job, end):
        name = job.name.removesuffix(".eval")
        known = (
            {"scored": asked, "reason": ""}
            if end.code == jobs.DONE
            else {"reason": NOT_SCORED + end.reason}
        )
        book.note(name, **known)
        log.say(f"{name}: {NOT_SCORED + end.reason if end.reason else 'scored'}")

    work = [
        jobs.Job(
            f"{trial.name}.eval",
            command("evaluate", [f"--workdir={book.root / trial.name}", *asked]),
        )
        for trial in book.finished()
        if book.known[trial.name]["scored"] != asked
        or not (book.root / trial.name / "eval.json").exists()
    ]
    for part in (work[:1], work[1:]):
        jobs.run(part, flags.jobs, launch, book.root / "logs", signals, lambda job: None, ended)


def measure(flags, book, signals):
    """{name of a point that is left: (seconds beside the steps, seconds per step), or why there are none}, measured as its runs
    will be: in processes, as many at a time."""
    from gan_jax.rundir import log
    from gan_jax.studies import jobs

    left = {t.point.name: t for t in book.left()}
    n, found = flags.estimate_steps, {}
    short = [f"--{name}=0" for name in ("sample_every", "save_every", "eval_every")]
    short += [f"--steps={2 * n}", f"--log_every={n}", "--keep_best=none"]
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)

        def ended(job, end):
            logged = log.read(root / job.name / "metrics.jsonl")
            spent = [record["wall"]["train_s"] for record in logged]
            found[job.name] = (
                end.reason if end.code else (end.seconds - spent[-1], (spent[1] - spent[0]) / n)
            )

        work = [
            jobs.Job(
                name, command(flags.experiment, [*t.words, *short, f"--workdir={root / name}"])
            )
            for name, t in left.items()
        ]
        (root / "logs").mkdir()
        jobs.run(
            work,
            flags.jobs,
            jobs.local(flags.jobs),
            root / "logs",
            signals,
            lambda job: None,
            ended,
        )
    return found


def together(seconds, n):
    """Seconds until all of several runs are done, n at a time, in their order."""
    slots = [0.0] * n
    for each in seconds:
        slots[slots.index(min(slots))] += each
    return max(slots)


def foretell(flags, book, found):
    """Lines: what every configuration takes, and all that is left. found: see `measure`."""
    from gan_jax.rundir import log

    lines, seconds = [], []
    for trial in book.left():
        took = found[trial.point.name]
        if not isinstance(took, str):
            seconds.append(
                took[0] + took[1] * (book.plan.settings[trial.name]["steps"] - book.pace(trial)[0])
            )
    for name, took in found.items():
        lines.append(f"  {name}: " + (f"no estimate. {took}" if isinstance(took, str) else
                     f"start and compiling {took[0]:.0f} s, {1000 * took[1]:.1f} ms per step"))  # fmt: skip
    all_of_them = log.clock(together(seconds, flags.jobs)) if seconds else "0:00"
    return [*lines, f"Estimate: {all_of_them} for the training of {len(seconds)} runs, {flags.jobs} at a time; scoring not "
                    "included."]  # fmt: skip


def preview(flags, book):
    """Prints what would be done."""
    from gan_jax.training.signals import Signals

    for trial in book.plan.trials:
        print(
            f"# {trial.name}: {book.status(trial.name)}. {book.known[trial.name]['reason']}".rstrip()
        )
        if book.known[trial.name]["code"] is None:
            print(shlex.join(command(flags.experiment, trial.words)), flush=True)
    if flags.estimate and flags.slurm:
        print("No estimate: measure on a machine of the cluster, by this command without --slurm.")
    elif flags.estimate and book.left():
        with Signals() as signals:
            found = measure(flags, book, signals)
        print("\n".join(foretell(flags, book, found)))
    print(
        f"Dry run: nothing was written. {len(book.left())} of {len(book.plan.trials)} runs are left."
    )


def compare(book):
    """Writes the page of all scored runs, and the sentences on every pair to compare.txt. Returns why there is none, or ""."""
    from gan_jax import cache
    from gan_jax.report import compare as comparing
    from gan_jax.report import compare_page

    for name in (
        "compare.html",
        "compare.json",
        "compare.txt",
    ):  # of an earlier start, with fewer runs
        (book.root / name).unlink(missing_ok=True)
    scored = {t.name: t.point.name for t in book.finished() if book.known[t.name]["scored"]}
    if len(scored) < 2:
        return "fewer than two runs are scored."
    try:
        systems = comparing.group([comparing.read(book.root / name) for name in scored])
        systems = [
            system._replace(name=scored[system.members[0].folder.name]) for system in systems
        ]
        cache.write_atomic(book.root / "compare.txt", compare_page.write(systems, book.root) + "\n")
    except InputError as error:
        return str(error)
    return ""


def carry_out(flags, scoring, plan, root):
    """Trains, scores and compares what is left of a plan."""
    from gan_jax import cache
    from gan_jax.studies import jobs
    from gan_jax.studies.ablate import results as books
    from gan_jax.training.signals import Signals

    launch = jobs.cluster(flags.slurm, root / "slurm") if flags.slurm else jobs.local(flags.jobs)
    book = books.Book(root, plan)
    (root / "logs").mkdir(exist_ok=True)
    book.write()
    for name, why in plan.refused.items():
        print(f"{name}: refused. {why}", file=sys.stderr, flush=True)
    with Signals() as signals:
        train(flags, book, launch, signals)
        if flags.evaluate:
            score(flags, scoring, book, launch, signals)
    why_not = compare(book) if flags.evaluate else "runs are not scored (--noevaluate)."
    text = books.text(book, why_not)
    cache.write_atomic(root / "summary.md", text)
    print(text)
    print(f"Written: summary.csv, summary.md{'' if why_not else ', compare.html'} in {root}")


def run(argv):
    """Command line to summary and page."""
    from gan_jax.rundir import run_folder
    from gan_jax.studies.ablate import results

    flags, scoring, base = read(argv)
    if flags.slurm:
        command_line.need("submitit", "--slurm", "sweep")
    root = pathlib.Path(flags.workdir)
    plan = check(flags, scoring, trials(flags, base))
    if flags.dry_run:
        preview(flags, results.Book(root, plan))
        return
    with run_folder.lock_run(root):
        carry_out(flags, scoring, plan, root)
