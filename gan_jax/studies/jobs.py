"""Processes, so many at a time, each with its share of the machine; or the same as jobs of a cluster."""

import os
import pathlib
import shutil
import signal
import subprocess
import time
from typing import NamedTuple

from gan_jax.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_STOPPED, InputError, Stopped
from gan_jax.rundir import log, run_folder

PAUSE = 0.1  # seconds between looks at what runs
DONE, REFUSED, FAILED, STOPPED = EXIT_DONE, EXIT_REFUSED, EXIT_FAILED, EXIT_STOPPED
NAMES = {DONE: "done", REFUSED: "refused", FAILED: "diverged or collapsed", STOPPED: "stopped"}
CRASHED = "crashed"


class Job(NamedTuple):
    """name: of its log. words: a command line. folder: the run folder that it claims, or None."""

    name: str
    words: list
    folder: pathlib.Path | None = None


class End(NamedTuple):
    """How a job ended. code: of its process, minus the signal's number where one ended it. reason: the last line that it wrote
    on stderr, "" if it is done. seconds: from its start."""

    code: int
    reason: str
    seconds: float


def status(code):
    """An exit code in a word or two."""
    return NAMES.get(code, CRASHED)


def gpus():
    """Names of this machine's NVIDIA GPUs as CUDA_VISIBLE_DEVICES has them; [] where JAX is to use none."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if os.environ.get("JAX_PLATFORMS", "cuda").split(",")[0] not in ("cuda", "gpu") or named == "":
        return []
    if named:
        return named.split(",")
    if not shutil.which("nvidia-smi"):
        return []
    ask = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.split()


def share(items, slot, limit):
    """The part of a list that a slot has: as many as every other slot, so that numbers do not depend on the slot; at least one,
    which slots then share."""
    n = len(items) // limit
    return items[slot * n : (slot + 1) * n] if n else [items[slot % len(items)]]


def environment(slot, limit, found):
    """Environment variables of the process in a slot: the GPUs that are its own, or the part of one. found: see `gpus`."""
    if not found or limit == 1:
        return {}
    sharing = -(-limit // len(found))
    memory = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / sharing:.3f}"} if sharing > 1 else {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(share(found, slot, limit)), **memory}


def local(limit, pinned=True):
    """launch(words, out, err, slot) that starts a process on this machine, for `run`.

    limit: how many run at a time. pinned: give each cores of its own, which is faster; but what a process computes depends, by
    rounding, on how many cores it has.
    """
    found = gpus()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

    def launch(words, out, err, slot):
        env = {**os.environ, **environment(slot, limit, found)}
        # In a session of its own: Ctrl-C reaches this process alone, which passes it on.
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, start_new_session=True
        )
        if pinned and cores and limit > 1:
            os.sched_setaffinity(process.pid, share(cores, slot, limit))  # before it starts threads
        return process

    return launch


def supervised(words, out, err):
    """Runs a command inside a cluster's job and returns its exit code. What warns the job is passed on as SIGTERM, at which a
    run saves. out, err: files that are appended to and written."""
    with open(out, "ab") as to, open(err, "wb") as errors:
        signal.signal(
            signal.SIGUSR2, signal.SIG_IGN
        )  # goes to all processes of the job; a command inherits this
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=to, stderr=errors)
        for warning in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
            signal.signal(warning, lambda *_: process.terminate())
        return process.wait()


class Submitted:
    """A job of submitit, in the terms of a process."""

    def __init__(self, job):
        self._job = job

    def poll(self):
        """Its exit code, 1 where the cluster ended it; None while it waits or runs."""
        if not self._job.done():
            return None
        return 1 if self._job.exception() else self._job.result()

    def terminate(self):
        """Ends it; a run saves first."""
        self._job.cancel()

    kill = terminate


def cluster(options, folder):
    """launch(words, out, err, slot) that submits a job, for `run`.

    Args:
      options: "NAME=VALUE,NAME=VALUE": parameters of submitit, such as timeout_min, slurm_partition, gpus_per_node, mem_gb; and
        cluster, "slurm" unless named.
      folder: for what submitit writes; all machines must see it.

    Raises:
      InputError: submitit does not take these options, or this is no cluster. ImportError: no submitit.
    """
    import submitit

    named = dict(word.partition("=")[::2] for word in options.split(","))
    if "timeout_min" not in named:
        raise InputError(
            f"--slurm={options} lacks timeout_min, a job's limit in minutes; add timeout_min=600, say."
        )
    try:
        executor = submitit.AutoExecutor(folder, cluster=named.pop("cluster", "slurm"))
        executor.update_parameters(**{k: int(v) if v.isdigit() else v for k, v in named.items()})
    except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
        raise InputError(
            f"--slurm={options} is not what submitit takes here: {' '.join(str(error).split())}"
        ) from error
    return lambda words, out, err, slot: Submitted(
        executor.submit(supervised, words, out.name, err.name)
    )


def run(jobs, limit, launch, logs, signals, began, ended):
    """Runs jobs, at most `limit` at a time, in their order; one whose folder another process has claimed waits for it.

    Args:
      jobs: [Job]. launch: see `local`, `cluster`. logs: folder for NAME.out and NAME.err, which exists.
      signals: training_loop.Signals. began: called with a Job. ended: called with a Job and its End.

    Raises:
      Stopped: a signal came; all that ran were asked to save and have ended.
    """
    waiting, running, stopping, told = list(jobs), {}, False, False
    try:
        while running or (waiting and not stopping):
            for slot, (job, process, since) in list(running.items()):
                code = process.poll()
                if code is not None:
                    del running[slot]
                    ended(
                        job,
                        _end(code, logs / f"{job.name}.err", time.monotonic() - since, stopping),
                    )
            if signals.name and not stopping:
                stopping = True
                for _, process, _ in running.values():
                    process.terminate()
            free = [slot for slot in range(limit) if slot not in running]
            ready = (
                []
                if stopping
                else [
                    job
                    for job in waiting
                    if free and not (job.folder and run_folder.is_locked(job.folder))
                ]
            )
            for slot, job in zip(free, ready, strict=False):
                waiting.remove(job)
                began(job)
                with (
                    open(logs / f"{job.name}.out", "ab") as out,
                    open(logs / f"{job.name}.err", "wb") as err,
                ):
                    running[slot] = job, launch(job.words, out, err, slot), time.monotonic()
            if waiting and not (running or stopping or told):
                told = True
                log.say(f"waiting for another process to leave {waiting[0].folder} ...")
            time.sleep(PAUSE)
    finally:
        for _, process, _ in running.values():  # only if this process is interrupted or fails
            process.kill()
    if signals.name:
        raise Stopped(f"stopped by {signals.name}; what ran has saved. The same command goes on.")


def _end(code, err, seconds, stopping):
    """End of a process that wrote to a file. stopping: whether it was asked to end, before it could do so in its own words."""
    lines = [line.strip() for line in err.read_text(errors="replace").splitlines() if line.strip()]
    if stopping and code not in (DONE, REFUSED, FAILED, STOPPED):
        code = STOPPED
    said = lines[-1] if lines else f"ended with code {code} and said nothing"
    if code < 0:
        said = " ".join([f"ended by signal {-code}.", *lines[-1:]])
    return End(code, "" if code == DONE else said, seconds)
