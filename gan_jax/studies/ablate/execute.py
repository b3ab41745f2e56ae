"""Training, scoring and comparing the runs of a sweep, in processes of their own."""

import pathlib

from gan_jax import cache
from gan_jax.errors import EXIT_DONE, InputError
from gan_jax.report import compare, compare_page, page
from gan_jax.rundir import log
from gan_jax.studies import jobs
from gan_jax.studies.ablate import results
from gan_jax.studies.ablate.flags import Sweep
from gan_jax.studies.ablate.plan import SweepRun, command
from gan_jax.studies.ablate.state import SweepState
from gan_jax.studies.jobs import Job, JobResult, Launch
from gan_jax.training.signals import Signals

NOT_SCORED = "not scored: "


def train_runs(sweep: Sweep, state: SweepState, launch: Launch, signals: Signals) -> None:
    """Train the runs that remain.

    Raises:
      Stopped: a signal came.
    """
    flags, groups = sweep.flags, {}
    for run in state.remaining():
        name = run.configuration.name if flags.members_by else run.name
        groups.setdefault(name, []).append(run)

    def on_end(job, result):
        for run in groups[job.name]:
            code, reason = result.code, result.reason
            if len(groups[job.name]) > 1:
                code, reason = member_result(state.root, run.name, job, result)
            state.update(run.name, code=code, reason=reason)
            n_ended = sum(outcome["code"] is not None for outcome in state.outcomes.values())
            after = f"{log.clock(result.seconds)} ({n_ended} of {len(state.plan.runs)})"
            log.say(f"{run.name}: {jobs.status(code)} after {after}. {reason}".rstrip())

    work = [
        Job(name, command(flags.experiment, group_words(sweep, group)), state.root / group[0].name)
        for name, group in groups.items()
    ]
    on_start = lambda job: log.say(f"{job.name}: starts")
    jobs.run(work, flags.jobs, launch, state.root / "logs", signals, on_start, on_end)


def group_words(sweep: Sweep, group: list[SweepRun]) -> list[str]:
    """Return the flags of the process that makes runs of one configuration, or one run.

    It makes all seeds from the first to the last.
    """
    first, last = group[0], group[-1]
    if len(group) == 1:
        return first.words
    return [
        *first.words,
        f"--members={last.seed - first.seed + 1}",
        f"--members_by={sweep.flags.members_by}",
        f"--workdir={sweep.root / first.configuration.name}",
    ]


def member_result(root: pathlib.Path, name: str, job: Job, result: JobResult) -> tuple[int, str]:
    """Return (exit code, reason) of one of several runs that a process made together."""
    if (root / name / "DONE").exists():
        return EXIT_DONE, ""
    lines = (root / "logs" / f"{job.name}.err").read_text(errors="replace").splitlines()
    own = [line for line in lines if line.startswith(f"{name}: ")]
    return result.code, own[0] if own else result.reason


def score_runs(sweep: Sweep, state: SweepState, launch: Launch, signals: Signals) -> None:
    """Score finished runs that are not scored in this way yet.

    The first is scored alone: it trains the classifier for all.

    Raises:
      Stopped: a signal came.
    """
    words = sweep.scoring.words()

    def is_scored(name):
        path = state.root / name / "eval.json"
        return state.outcomes[name]["scored"] == words and path.exists()

    def on_end(job, result):
        name = job.name.removesuffix(".eval")
        if result.code == EXIT_DONE:
            state.update(name, scored=words, reason="")
        else:
            state.update(name, scored=None, reason=NOT_SCORED + result.reason)
        log.say(f"{name}: {NOT_SCORED + result.reason if result.reason else 'scored'}")

    work = [
        Job(
            f"{run.name}.eval",
            command("evaluate", [f"--workdir={state.root / run.name}", *words], opens=run),
        )
        for run in state.finished()
        if not is_scored(run.name)
    ]
    logs, n = state.root / "logs", sweep.flags.jobs
    for part in (work[:1], work[1:]):
        jobs.run(part, n, launch, logs, signals, lambda job: None, on_end)


def compare_runs(state: SweepState) -> str:
    """Write compare.html of all scored runs, and the sentences on every pair to compare.txt.

    The page also says what became of the other runs. Without two scored runs it says that alone.

    Returns:
      why nothing is compared, or "".
    """
    for name in ("compare.html", "compare.json", "compare.txt"):
        (state.root / name).unlink(missing_ok=True)  # of an earlier start, with fewer runs
    configurations = {
        run.name: run.configuration.name
        for run in state.finished()
        if state.outcomes[run.name]["scored"]
    }
    others = results.unfinished_section(state)
    why = "fewer than two runs are scored."
    try:
        if len(configurations) > 1:
            runs = [compare.read_run(state.root / name) for name in configurations]
            systems = [
                system._replace(name=configurations[system.runs[0].folder.name])
                for system in compare.group_runs(runs)
            ]
            text = compare_page.write(systems, state.root, others)
            cache.write_atomic(state.root / "compare.txt", text + "\n")
            return ""
    except InputError as error:
        why = str(error)
    document = page.document(state.root.name, page.note(f"Nothing is compared: {why}"), others)
    cache.write_atomic(state.root / "compare.html", document)
    return why
