"""Trains on the nodes of a SLURM cluster: submits a run, and says how it is.

  gan-jax cluster submit METHOD --nodes=2 --gpus_per_node=4 --time=08:00:00 [--flag=value ...]
  gan-jax cluster status [RUN ...]    how jobs are: pending, running and where, requeued, ended
  gan-jax cluster logs RUN [--follow] what the newest job of a run printed
  gan-jax cluster cancel RUN [--now]  let it save and end; --now: end it at once

METHOD and its flags are those of `gan-jax train`. RUN is a run folder, or the number of a job. The
batch script lies in the run folder, and so does its output. A run that reaches the time limit or
loses a node is saved and goes on by itself. Below come the flags of submit, then those of the
others:
"""

import contextlib
import dataclasses
import difflib
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from gan_jax.commands import command_line, presets, slurm
from gan_jax.commands.cluster_script import SubmitFlags, check, n_tasks, write
from gan_jax.commands.command_line import CommonFlags
from gan_jax.commands.process import typed
from gan_jax.errors import InputError, counted
from gan_jax.rundir import run_lock, slurm_record
from gan_jax.settings import setting

RUNS = "runs"  # where runs lie unless they are told another place
ALONE = ("coordinator", "processes", "process", "distributed", "dry_run", "check_data", "members")


@dataclasses.dataclass(frozen=True)
class LookFlags(CommonFlags):
    """Flags of `cluster status`, `logs` and `cancel`."""

    lines: int = setting(40, "logs: how many of the last lines", low=1, high=100_000)
    follow: bool = setting(False, "logs: go on as lines come, until Ctrl-C")
    now: bool = setting(False, "cancel: end the job at once; the newest checkpoint is kept")


GROUPS = [SubmitFlags(), LookFlags()]


def run(argv: Sequence[str]) -> None:
    """Run the verb that the first word names."""
    verbs = {"submit": submit, "status": status, "logs": logs, "cancel": cancel}
    verb, *words = argv or [""]
    if any(word in command_line.HELP_WORDS for word in argv) or not verb:
        print(_usage())
        return
    if verb not in verbs:
        close = difflib.get_close_matches(verb, verbs, 1)
        hint = f"did you mean {close[0]}?" if close else f"use one of: {', '.join(verbs)}."
        raise InputError(f"cluster {verb} is not a command; {hint}")
    verbs[verb](words)


def _usage():
    """Write the text of --help: what all verbs share is said once."""
    common = {f.name for f in dataclasses.fields(CommonFlags)}
    text = command_line.usage(__doc__, "cluster", GROUPS)
    submit, _, looks = text.rpartition("  --help=False")
    looks = re.split(r"(?=^  --)", f"  --help=False{looks}", flags=re.MULTILINE)
    own = [part for part in looks if part[4:].partition("=")[0] not in common]
    dropped = re.compile(r"^\n(Usage:|Flagfiles).*\n(Flagfiles.*\n)?", re.MULTILINE)
    return dropped.sub("", submit) + "".join(own).rstrip()


# Submit.


def submit(argv: Sequence[str]) -> None:
    """Write the batch script of a run into its folder, and submit it.

    Args:
      argv: the training command, its flags and those of SubmitFlags.

    Raises:
      InputError: the flags are refused, by this command, by training or by SLURM.
    """
    name, own, rest = _split(argv)
    (flags,), _ = command_line.parse(__doc__, "cluster", [SubmitFlags()], own)
    check(flags)
    workdir, restart, finished = _checked(name, rest, n_tasks(flags)[1])
    folder, here = workdir.absolute(), pathlib.Path.cwd()
    given = [w for w in rest if not w.startswith("--workdir=") and w != "--restart"]
    # A job that SLURM puts back goes on, in whichever form --restart was given.
    words = [*_program(flags), "train", name, *given, "--norestart", f"--workdir={folder}"]
    made_by = typed("cluster submit", *argv)
    script = write(flags, words, ["--restart"] * restart, folder, here, made_by)
    if flags.dry_run:
        print(script, end="")
        return
    if finished:
        print(finished)
        return
    slurm.need()
    _refuse_busy(workdir)
    try:
        job = _hand_over(script, folder)
    except OSError as error:
        raise InputError(
            f"--workdir={workdir} cannot be used ({error.strerror}); choose another folder that "
            "all nodes see."
        ) from error
    slurm_record.append(
        folder, job, "submitted", nodes=flags.nodes, tasks=n_tasks(flags)[1], command=words
    )
    print(f"Submitted job {job}: {counted(n_tasks(flags)[1], 'process')} on ", end="")
    print(f"{counted(flags.nodes, 'node')}. How it is: {typed('cluster status', workdir)}")


def _hand_over(script, folder):
    """Write the script and submit it; return the number of its job.

    Where SLURM refuses it, the run folder is as before.

    Raises:
      InputError: SLURM refuses it, or does not say which number it has.
      OSError: the script cannot be written.
    """
    path = folder / slurm_record.SCRIPT
    before = path.read_text() if path.exists() else None
    new_folders = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    done = slurm.ask([slurm.SUBMITTED_BY, "--parsable", str(path)])
    if not done.returncode:
        return slurm.job_number(done.stdout)
    if before is not None:
        path.write_text(before)
    else:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        for place in new_folders:
            place.rmdir()
    raise InputError(
        f"SLURM refuses the job: {slurm.error_line(done)} --dry_run prints what was asked for."
    )


def _split(argv):
    """Return (training command, words that are flags of SubmitFlags, other words)."""
    name, *words = argv or [""]
    if not name or name.startswith("-"):
        raise InputError(
            f"Name what to train first, such as `{typed('cluster submit morpho')} --nodes=2`."
        )
    if not presets.is_training(name):
        close = difflib.get_close_matches(name, presets.TABLE, 1)
        known = f"did you mean {close[0]}?" if close else f"use one of: {', '.join(presets.TABLE)}."
        raise InputError(f"{name} is not a training command; {known}")
    names = {f.name for f in dataclasses.fields(SubmitFlags)}
    common = {f.name for f in dataclasses.fields(CommonFlags)}
    flag = {word: re.sub("^--?(no(?=dry_run))?", "", word.partition("=")[0]) for word in words}
    own = [word for word in words if flag[word] in names]
    rest = [word for word in words if flag[word] not in names or flag[word] in common]
    return name, own, rest


def _checked(name, words, n_tasks):
    """Make the checks of a training command that need no data, those of its run folder, too.

    Args:
      name: training command.
      words: its flags.
      n_tasks: processes in all.

    Returns:
      (path of the run folder, whether what it holds is discarded, what to say of a
      finished run; "" of another).

    Raises:
      InputError
    """
    from gan_jax import config
    from gan_jax.commands import train
    from gan_jax.rundir import run_folder, ways_out

    command_line.trust_typed([name, *words])
    preset, groups = presets.find(name), train.settings_groups(name)
    (command, run_settings, hp), values = command_line.parse(
        preset.doc, f"train {name}", groups, words
    )
    defaults = train.TrainingFlags()
    for flag in ALONE:
        value = getattr(command, flag)
        if value != getattr(defaults, flag):
            what = (
                "submit a job for each seed, with --seed" if flag == "members" else "leave it out"
            )
            raise InputError(f"--{flag}={value} does not go with cluster submit; {what}.")
    config.validate_settings(run_settings, hp, n_tasks, n_tasks)
    workdir = command_line.workdir_of(command.workdir, values, name)
    wanted = train.with_places(name, run_settings, hp)
    before = run_folder.status(workdir, wanted, command.restart, command="cluster submit")
    if before == run_folder.RunStatus.FINISHED:
        return workdir, False, ways_out.of_finished(workdir, run_settings.steps)
    return workdir, command.restart, ""


def _program(flags):
    """Return the words that start gan_jax on a node."""
    if flags.container:
        return ["gan-jax"]
    if flags.environment:
        folder = pathlib.Path(flags.environment).expanduser().absolute()
        return [str(folder / "bin" / "python"), "-m", "gan_jax"]
    return [sys.executable, "-m", "gan_jax"]


def _refuse_busy(workdir):
    """Refuse a run folder in which a job or a process trains, or is about to."""
    job = slurm_record.read(workdir)
    if job and (job.state in slurm_record.ACTIVE or job.state == "lost"):
        queue_state = slurm.queue_state(job.job)
    else:
        queue_state = ""
    if job and queue_state and not slurm.is_over(queue_state):
        raise InputError(
            f"{job.text()}, in {workdir}; end it by `{typed('cluster cancel', workdir)}`, or use "
            "another --workdir."
        )
    if run_lock.is_locked(workdir):
        raise InputError(
            f"Another process is training in {workdir}; wait for it, or use another --workdir."
        )


# Look.


def status(argv: Sequence[str]) -> None:
    """Say how the jobs of runs are, from their folders and from SLURM.

    Args:
      argv: run folders and numbers of jobs; none: all runs below runs/.
    """
    words, _ = _words(argv)
    if words:
        folders = [_folder(word) for word in words]
    else:
        folders = sorted(p.parent for p in pathlib.Path(RUNS).rglob(slurm_record.NAME))
        if not folders:
            raise InputError(
                f"No run below {RUNS}/ was submitted; name a run folder, or the number of a job."
            )
    for folder in folders:
        job = _job_of(folder)
        queue_state = slurm.queue_state(job.job) if job.state != "ended" else ""
        if slurm.is_over(queue_state):  # it ended before its script could say so
            slurm_record.append(folder, job.job, "ended", code=4, why=f"SLURM says: {queue_state}")
            job, queue_state = _job_of(folder), ""
        print(f"{folder}: {' '.join(_sentences(folder, job, queue_state))}")
        for old in job.earlier if len(folders) == 1 else []:
            print(f"  before: {old.text()}.")
        for event in sorted(job.events, key=lambda e: e["time"]) if len(folders) == 1 else []:
            print(_line_of(event))


def _sentences(folder, job, queue_state):
    """List what is to be said of a job: how it is, what SLURM says, and what to do."""
    sentences = [f"{job.text()}."]
    if queue_state:
        sentences.append(f"SLURM says: {queue_state}.")
    if slurm.is_impossible(queue_state):
        sentences.append(
            "It asks for more than this partition can give, and will wait for ever. Cancel it by "
            f"`{typed('cluster cancel', folder)}`, and submit it again with fewer --nodes, other "
            "options or another --partition."
        )
    if job.state == "ended" and job.code and (folder / "DONE").exists():
        sentences.append("The run itself is finished.")
    return sentences


def _line_of(event):
    """Return a line about an event of a job."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["time"]))
    more = [
        f"step {event['step']}" if "step" in event else "",
        f"on {event['hosts']}" if event.get("hosts") else "",
        f"code {event['code']}" if "code" in event else "",
        str(event.get("why", "")),
    ]
    return f"  {at}  {event['state']:10} {', '.join(part for part in more if part)}".rstrip()


def logs(argv: Sequence[str]) -> None:
    """Print the last lines of what the newest job of a run printed."""
    words, flags = _words(argv)
    folder = _folder(_one(words, "logs"))
    path = folder / _job_of(folder).log
    if not path.exists():
        raise InputError(
            f"{path} is not there yet; see `{typed('cluster status', folder)}` for what the job "
            "waits for."
        )
    follow = ["--follow=name", "--retry"] if flags.follow else []
    sys.stdout.flush()
    code = subprocess.run(["tail", f"--lines={flags.lines}", *follow, str(path)], check=False)
    if code.returncode:
        raise InputError(f"{path} cannot be read.")


def cancel(argv: Sequence[str]) -> None:
    """Let the newest job of a run save and end, and not be requeued."""
    words, flags = _words(argv)
    folder = _folder(_one(words, "cancel"))
    job, queue_state = _job_of(folder), ""
    if job.state != "ended":
        slurm.need()
        queue_state = slurm.queue_state(job.job)
    if not queue_state or slurm.is_over(queue_state):
        raise InputError(f"{job.text()}; there is nothing to cancel.")
    is_running = queue_state.startswith("RUNNING") and not flags.now
    # Steps alone: they save, and the script ends when they have.
    how = ["--signal=TERM"] if is_running else []
    with _asked_to_end(folder, job):
        done = slurm.ask(["scancel", *how, str(job.job)])
        if done.returncode:
            raise InputError(f"SLURM does not cancel job {job.job}: {slurm.error_line(done)}")
    if not is_running and not queue_state.startswith("RUNNING"):  # no script is there to say so
        slurm_record.append(folder, job.job, "ended", code=4, why="cancelled")
    what = "saves and ends" if is_running else "is cancelled"
    print(
        f"Job {job.job} {what}. To go on: submit it again, with the same command (without "
        "--restart)."
    )


@contextlib.contextmanager
def _asked_to_end(folder, job):
    """Note that a job is to end, before its script hears so; take it back where that fails."""
    if job.state == "cancelling":  # an earlier request, which holds
        yield
        return
    slurm_record.append(folder, job.job, "cancelling")
    try:
        yield
    except InputError:
        slurm_record.append(folder, job.job, slurm_record.NOT_CANCELLED)
        raise


def _words(argv):
    """Return (words that are no flags, LookFlags)."""
    given = [word for word in argv if word.startswith("-")]
    (flags,), _ = command_line.parse(__doc__, "cluster", [LookFlags()], given)
    return [word for word in argv if not word.startswith("-")], flags


def _one(words, verb):
    if len(words) != 1:
        raise InputError(
            f"cluster {verb} takes one run folder, or the number of a job; given are {len(words)}."
        )
    return words[0]


def _folder(word):
    """Return the run folder that a word names, by its path or by the number of its job.

    Raises:
      InputError: there is no such folder, or SLURM does not know the job any more.
    """
    folder = pathlib.Path(word).expanduser()
    if not word.isdigit() or folder.is_dir():
        return folder
    for known in sorted(pathlib.Path(RUNS).rglob(slurm_record.NAME)):
        events = slurm_record.parse(slurm_record.read_text(known.parent))
        if any(event["job"] == int(word) for event in events):
            return known.parent
    if shutil.which("scontrol"):
        done = slurm.ask(["scontrol", "show", "job", word, "--oneliner"])
        if output := re.search(r" StdOut=(.*?)(?: \w+=|$)", done.stdout):
            return pathlib.Path(output[1]).parent
    raise InputError(f"Job {word} is not known here; name its run folder.")


def _job_of(folder):
    try:
        job = slurm_record.read(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}).") from error
    if job is None:
        raise InputError(
            f"{folder} has no {slurm_record.NAME}, so no job was submitted for it; see "
            f"`{typed('cluster --help')}`."
        )
    return job
