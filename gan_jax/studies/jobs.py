"""Commands run as processes of this machine, or as jobs of a cluster, so many at a time."""

import contextlib
import getpass
import os
import pathlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from gan_jax.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_STOPPED, InputError, Stopped
from gan_jax.rundir import log, run_lock, slurm_record
from gan_jax.training.signals import Signals

POLL_SECONDS = 0.1
GRACE_SECONDS = 60  # in which a process that is to end may save
SQUEUE_S = 60  # SLURM forgets a job that is over after five minutes
STATUS = {
    EXIT_DONE: "done",
    EXIT_REFUSED: "refused",
    EXIT_FAILED: "diverged or collapsed",
    EXIT_STOPPED: "stopped",
}
CRASHED = "crashed"


class Job(NamedTuple):
    """One command."""

    name: str  # of its log files
    words: list[str]  # the command line
    folder: pathlib.Path | None = None  # the run folder that it locks, or None


class JobResult(NamedTuple):
    """How a job ended."""

    code: int  # exit code; minus the signal's number where a signal ended it
    reason: str  # last line that it wrote on stderr; "" if it is done
    seconds: float  # from its start


class Process(Protocol):
    """What `launch` returns: a process, or a job of a cluster."""

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


Launch = Callable[[list[str], Any, Any, int], Process]  # (words, stdout, stderr, slot)


def status(code: int) -> str:
    """Say an exit code in words."""
    return STATUS.get(code, CRASHED)


def visible_gpus() -> list[str]:
    """List the NVIDIA GPUs of JAX as CUDA_VISIBLE_DEVICES names them; [] where JAX uses none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    platform = os.environ.get("JAX_PLATFORMS", "cuda").split(",")[0]
    if platform not in ("cuda", "gpu") or visible == "":
        return []
    if visible:
        return visible.split(",")
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()


def slot_share(items: Sequence, slot: int, n_slots: int) -> Sequence:
    """Return the part of a list that a slot has.

    All slots have equally many, so that numbers do not depend on the slot; at least one, which
    slots then share.
    """
    n = len(items) // n_slots
    return items[slot * n : (slot + 1) * n] if n else [items[slot % len(items)]]


def gpu_environment(slot: int, n_slots: int, gpus: Sequence[str]) -> dict[str, str]:
    """Return environment variables that give a slot GPUs of its own, or a part of one."""
    if not gpus or n_slots == 1:
        return {}
    env = {"CUDA_VISIBLE_DEVICES": ",".join(slot_share(gpus, slot, n_slots))}
    n_sharing = -(-n_slots // len(gpus))
    if n_sharing > 1:
        env["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / n_sharing:.3f}"
    return env


def local(n_slots: int, pinned: bool = True) -> Launch:
    """Return a function that starts a process on this machine, for `run`.

    Args:
      n_slots: how many run at a time.
      pinned: give each process cores of its own. That is faster, but what a process computes
        depends on its number of cores, by rounding.
    """
    gpus = visible_gpus()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

    def launch(words, out, err, slot):
        env = {**os.environ, **gpu_environment(slot, n_slots, gpus)}
        # In a session of its own: Ctrl-C reaches this process alone, which passes it on.
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, start_new_session=True
        )
        if pinned and cores and n_slots > 1:
            # Before it starts threads.
            os.sched_setaffinity(process.pid, slot_share(cores, slot, n_slots))
        return process

    return launch


def supervise(words: list[str], out: str, err: str) -> int:
    """Run a command inside a cluster's job, and pass warnings on as SIGTERM, at which a run saves.

    Of several tasks that train together each runs it, and the first writes the files; what others
    print is in submitit's own.

    Args:
      words: the command line.
      out: path that stdout is appended to.
      err: path that stderr is written to.

    Returns:
      its exit code.
    """
    import submitit

    with contextlib.ExitStack() as files:
        stdout = stderr = None
        if submitit.JobEnvironment().global_rank == 0:
            stdout = files.enter_context(open(out, "ab"))
            stderr = files.enter_context(open(err, "wb"))
        # SIGUSR2 goes to all processes of the job; a command inherits that it is ignored.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        for warning in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
            signal.signal(warning, lambda *_: process.terminate())
        return process.wait()


class SubmittedJob:
    """A job of submitit with the methods of a process."""

    def __init__(self, job: Any):
        self._job = job

    def poll(self) -> int | None:
        """Return its exit code, 1 where the cluster ended it; None while it waits or runs."""
        if not self._job.done():
            return None
        if self._job.exception():
            return 1
        # Tasks that train together end alike, but for one that was killed.
        codes = sorted(self._job.results(), key=lambda code: (code <= 0, code == 0))
        return codes[0]

    def terminate(self) -> None:
        """End it; a run saves first."""
        self._job.cancel()

    kill = terminate


def cluster(
    options: str, folder: pathlib.Path, together: bool = False, one: bool = False
) -> Launch:
    """Return a function that submits a job to a cluster, for `run`.

    Args:
      options: "NAME=VALUE,NAME=VALUE": parameters of submitit, such as timeout_min,
        slurm_partition, nodes, tasks_per_node, gpus_per_node, mem_gb; and cluster, "slurm" unless
        named.
      folder: where submitit writes; all machines must see it.
      together: whether a job is a training command, which several tasks may run together.
      one: give each job one task and at most one GPU, whatever the options say.

    Raises:
      InputError: submitit does not take these options, this is no cluster, or jobs have several
        tasks that cannot work together.
      ImportError: submitit is not installed.
    """
    import submitit  # of the extra `sweep`

    words = [word.partition("=") for word in options.split(",")]
    parameters = {name: value for name, _, value in words}
    if "timeout_min" not in parameters:
        raise InputError(
            f"--slurm={options} lacks timeout_min, a job's limit in minutes; "
            "add timeout_min=600, say."
        )
    numbers: dict[str, Any] = {k: int(v) if v.isdigit() else v for k, v in parameters.items()}
    if one:
        numbers |= {"nodes": 1, "tasks_per_node": 1}
        if isinstance(numbers.get("gpus_per_node"), int):
            numbers["gpus_per_node"] = min(numbers["gpus_per_node"], 1)
    where = numbers.pop("cluster", "slurm")
    several = [f"{k}={numbers[k]}" for k in ("nodes", "tasks_per_node") if numbers.get(k, 1) != 1]
    if several and not (together and where == "slurm"):
        why = "its jobs train in one process each" if where == "slurm" else f"{where} has no nodes"
        raise InputError(
            f"--slurm={options} asks for {' and '.join(several)}, but {why}; leave that out."
        )
    if where == "slurm" and not _has_accounts():
        _ask_squeue()
    try:
        executor = submitit.AutoExecutor(folder, cluster=where)
        executor.update_parameters(**numbers)
    except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
        raise InputError(
            f"--slurm={options} is not what submitit takes here: {' '.join(str(error).split())}"
        ) from error

    def launch(words, out, err, slot):
        if "name" not in numbers:
            executor.update_parameters(name=pathlib.Path(out.name).stem)
        return SubmittedJob(executor.submit(supervise, words, out.name, err.name))

    return launch


def _has_accounts():
    """Say whether SLURM keeps accounts, from which submitit reads how its jobs are."""
    try:
        answer = subprocess.run(
            ["sacct", "--noheader", "--jobs=1"], capture_output=True, check=False
        )
    except OSError:
        return False
    return answer.returncode == 0


def _ask_squeue() -> None:
    """Let submitit ask squeue how its jobs are. Each call of sacct would print two complaints."""
    from submitit.slurm import slurm

    class Watcher(slurm.SlurmInfoWatcher):
        def _make_command(self):
            if not self._registered - self._finished:
                return None
            user = f"--user={getpass.getuser()}"
            return ["squeue", "--noheader", "--states=all", user, "--format=%i %T"]

        def read_info(self, string):
            lines = os.fsdecode(string).splitlines()
            queue = dict(line.split()[:2] for line in lines)
            # A job that SLURM has forgotten is over. Of the states submitit knows the usual alone.
            states = {job: queue.get(job, "COMPLETED") for job in self._registered}
            return {
                job: {"State": state if state in slurm_record.OVER else "RUNNING"}
                for job, state in states.items()
            }

    slurm.SlurmJob.watcher = Watcher(delay_s=SQUEUE_S)


def run(
    jobs: Sequence[Job],
    n_slots: int,
    launch: Launch,
    logs: pathlib.Path,
    signals: Signals,
    on_start: Callable[[Job], Any],
    on_end: Callable[[Job, JobResult], Any],
) -> None:
    """Run jobs in their order; one whose folder another process has locked waits for it.

    Args:
      jobs: the jobs.
      n_slots: how many run at a time.
      launch: see `local`, `cluster`.
      logs: existing folder for NAME.out and NAME.err.
      signals: Signals that stop all jobs.
      on_start: called with every job that starts.
      on_end: called with every job that has ended, and its JobResult.

    Raises:
      Stopped: a signal came; all that ran were asked to save and have ended.
    """
    waiting, running, stopping, announced = list(jobs), {}, False, False
    try:
        while running or (waiting and not stopping):
            for slot, (job, process, start) in list(running.items()):
                code = process.poll()
                if code is not None:
                    del running[slot]
                    seconds = time.monotonic() - start
                    on_end(job, _result(code, logs / f"{job.name}.err", seconds, stopping))
            if signals.name and not stopping:
                stopping = True
                for _, process, _ in running.values():
                    process.terminate()
            free = [slot for slot in range(n_slots) if slot not in running]
            ready = _unlocked(waiting) if free and not stopping else []
            for slot, job in zip(free, ready, strict=False):
                waiting.remove(job)
                on_start(job)
                with (
                    open(logs / f"{job.name}.out", "ab") as out,
                    open(logs / f"{job.name}.err", "wb") as err,
                ):
                    running[slot] = job, launch(job.words, out, err, slot), time.monotonic()
            if waiting and not (running or stopping or announced):
                announced = True
                log.say(f"waiting for another process to leave {waiting[0].folder} ...")
            time.sleep(POLL_SECONDS)
    finally:
        _end([process for _, process, _ in running.values()])  # only if this process fails
    if signals.name:
        raise Stopped(f"stopped by {signals.name}; what ran has saved. The same command goes on.")


def _end(processes):
    """End processes: ask them to save what they have, and kill those that still run later."""
    for process in processes:
        process.terminate()
    late = time.monotonic() + GRACE_SECONDS
    while any(process.poll() is None for process in processes) and time.monotonic() < late:
        time.sleep(POLL_SECONDS)
    for process in processes:
        if process.poll() is None:
            process.kill()


def _unlocked(jobs):
    return [job for job in jobs if not (job.folder and run_lock.is_locked(job.folder))]


def _result(code, err, seconds, stopping):
    """Read the JobResult of a process.

    Args:
      code: its exit code.
      err: path of its stderr.
      seconds: from its start.
      stopping: whether it was asked to end, perhaps before it could answer.
    """
    lines = [line.strip() for line in err.read_text(errors="replace").splitlines() if line.strip()]
    if stopping and code not in STATUS:
        code = EXIT_STOPPED
    reason = lines[-1] if lines else f"ended with code {code} and said nothing"
    if code < 0:
        reason = " ".join([f"ended by signal {-code}.", *lines[-1:]])
    return JobResult(code, "" if code == EXIT_DONE else reason, seconds)
