"""The batch script that trains a run on a cluster by SLURM, and what may be asked of it.

SLURM warns the tasks, not the script, before the limit: at SIGTERM training saves on all nodes and
ends with code 4, and the script puts its job into the queue again. So it does when a task was
killed. When a node fails SLURM itself does so, because of --requeue.
"""

import dataclasses
import pathlib
import re
import shlex
from collections.abc import Sequence

from gan_jax.commands.command_line import CommonFlags
from gan_jax.errors import InputError
from gan_jax.rundir import slurm_record
from gan_jax.settings import setting

WAIT_S = 600  # seconds from the end of the first task until srun ends the others
# What SLURM takes as a time.
TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d\d))?(?::(\d\d))?")


@dataclasses.dataclass(frozen=True)
class SubmitFlags(CommonFlags):
    """Flags of `cluster submit`, besides those of the training command."""

    nodes: int = setting(1, "number of nodes", low=1, high=100_000)
    gpus_per_node: int = setting(
        0, "GPUs per node, each with a process of its own; 0: train on CPUs", low=0, high=64
    )
    tasks_per_node: int = setting(
        0, "processes per node; 0: one per GPU, or one on CPUs", low=0, high=1024
    )
    cpus_per_task: int = setting(0, "CPU cores per process; 0: the cluster's default", low=0)
    time: str = setting(
        "", "limit, as MINUTES, HH:MM:SS, D-HH or D-HH:MM:SS; empty: the partition's"
    )
    warning: int = setting(
        120, "seconds before the limit at which the run saves and its job is requeued", low=10
    )
    requeues: int = setting(
        3, "how often the job is requeued at the same step before it gives up; 0: never", low=0
    )
    partition: str = setting("", "partition; empty: the default one")
    account: str = setting("", "account that pays; empty: the default one")
    environment: str = setting(
        "", "virtual or conda environment that has gan_jax, on all nodes; empty: that of this one"
    )
    container: str = setting(
        "", "image that has gan_jax: FILE.sif for apptainer, or a name for SLURM's pyxis"
    )
    mounts: str = setting("", "further folders that a container sees, such as data; with commas")
    setup: tuple = setting(
        (), "line that the script runs first, such as 'module load cuda'; one that fails ends it"
    )
    sbatch: tuple = setting((), "further option of sbatch, such as --constraint=a100")
    srun: tuple = setting((), "further option of srun, such as --cpu-bind=cores")
    dry_run: bool = setting(False, "print the script, and submit nothing")


def n_tasks(flags: SubmitFlags) -> tuple[int, int]:
    """Return (processes per node, processes in all)."""
    per_node = flags.tasks_per_node or flags.gpus_per_node or 1
    return per_node, per_node * flags.nodes


def seconds(text: str) -> int | None:
    """Return the seconds of a time as SLURM writes it, None if it is none.

    Text with one colon is minutes and seconds, but hours and minutes after days.
    """
    match = TIME.fullmatch(text)
    if not match:
        return None
    days, first, second, third = match.groups()
    numbers = [int(n) for n in (first, second, third) if n is not None]
    if days is not None or len(numbers) == 3:
        hours, minutes, secs = [*numbers, 0, 0][:3]
    else:
        hours, (minutes, secs) = 0, [*numbers, 0][:2]
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + secs


def check(flags: SubmitFlags) -> None:
    """Refuse flags that SLURM would refuse later, or that contradict each other.

    Raises:
      InputError
    """
    limit = seconds(flags.time)
    if flags.time and not limit:
        raise InputError(
            f"--time={flags.time} is not a time; write MINUTES, HH:MM:SS, D-HH or D-HH:MM:SS, such "
            "as --time=08:00:00."
        )
    if limit and limit <= 2 * flags.warning:
        raise InputError(
            f"--time={flags.time} is {limit} s, and the run would save {flags.warning} s before "
            "its end (--warning); use a longer --time or a shorter --warning."
        )
    if flags.container and flags.environment:
        raise InputError(
            "--container and --environment both say where gan_jax is; give one of them."
        )
    if flags.gpus_per_node and flags.tasks_per_node not in (0, flags.gpus_per_node):
        raise InputError(
            f"--tasks_per_node={flags.tasks_per_node} with --gpus_per_node={flags.gpus_per_node}: "
            "each GPU has one process; leave --tasks_per_node out."
        )
    if flags.mounts and not flags.container:
        raise InputError("--mounts is for a container; give --container, or leave it out.")
    python = pathlib.Path(flags.environment).expanduser() / "bin" / "python"
    if flags.environment and not python.exists():
        raise InputError(
            f"--environment={flags.environment} has no bin/python; name the folder of a virtual or "
            "conda environment."
        )
    for name in ("sbatch", "srun"):
        for option in getattr(flags, name):
            if not option.startswith("-"):
                raise InputError(
                    f"--{name}={option} is not an option; write it as {name} takes it, such as "
                    f"--{name}=--exclusive."
                )
    for line in flags.setup:
        if "\n" in line:
            raise InputError("--setup has more than one line; give --setup once for each.")


def options(flags: SubmitFlags, run: pathlib.Path, here: pathlib.Path) -> list[str]:
    """List the options of sbatch."""
    per_node, _ = n_tasks(flags)
    out = [
        f"--job-name={_one_word(run.name)}",
        f"--chdir={here}",
        f"--output={_no_pattern(run)}/{slurm_record.log_name('%j')}",
        "--open-mode=append",
        "--requeue" if flags.requeues else "--no-requeue",
        f"--signal=TERM@{flags.warning}",
        f"--nodes={flags.nodes}",
        f"--ntasks-per-node={per_node}",
    ]
    if flags.gpus_per_node:
        out.append(f"--gpus-per-node={flags.gpus_per_node}")
    if flags.cpus_per_task:
        out.append(f"--cpus-per-task={flags.cpus_per_task}")
    for name in ("time", "partition", "account"):
        if value := getattr(flags, name):
            out.append(f"--{name}={value}")
    return [*out, *flags.sbatch]


def _one_word(text):
    return re.sub(r"[^\w.+-]", "-", text)


def _no_pattern(path):
    return str(path).replace("%", "%%")


def in_container(
    flags: SubmitFlags, run: pathlib.Path, here: pathlib.Path
) -> tuple[list[str], list[str]]:
    """Return (options of srun, words before the command) that run it in the container."""
    if not flags.container:
        return [], []
    mounts = [str(pathlib.Path(m).expanduser().absolute()) for m in flags.mounts.split(",") if m]
    places = list(dict.fromkeys([str(here), str(run), *mounts]))
    if flags.container.endswith(".sif"):
        gpus = ["--nv"] if flags.gpus_per_node else []
        binds = f"--bind={','.join(places)}"
        return [], ["apptainer", "exec", *gpus, binds, f"--pwd={here}", flags.container]
    return [
        f"--container-image={flags.container}",
        f"--container-mounts={','.join(f'{place}:{place}' for place in places)}",
        f"--container-workdir={here}",
    ], []


def write(
    flags: SubmitFlags,
    words: Sequence[str],
    first: Sequence[str],
    run: pathlib.Path,
    here: pathlib.Path,
    made_by: str,
) -> str:
    """Write the script.

    Args:
      flags: SubmitFlags.
      words: the training command.
      first: further words when the script runs for the first time.
      run: absolute path of the run folder.
      here: absolute path of the folder that paths in flags are relative to.
      made_by: the command that made the script.
    """
    inside, before = in_container(flags, run, here)
    return SCRIPT.format(
        made_by=made_by.replace("\n", " "),
        options="\n".join(
            f"#SBATCH {shlex.quote(o) if ' ' in o else o}" for o in options(flags, run, here)
        ),
        run=shlex.quote(str(run)),
        record=slurm_record.NAME,
        alive=slurm_record.ALIVE,
        log=slurm_record.log_name("$SLURM_JOB_ID"),
        not_cancelled=slurm_record.NOT_CANCELLED,
        beat=slurm_record.BEAT_S,
        requeues=flags.requeues,
        setup="".join(
            f'{line}\n[ $? = 0 ] || end 1 "a line of --setup failed"\n' for line in flags.setup
        ),
        first=FIRST.format(words=shlex.join(first), starts=_starts(run)) if first else "",
        more=' "${first[@]}"' if first else "",
        wait=WAIT_S,
        srun="".join(f" {shlex.quote(option)}" for option in [*inside, *flags.srun]),
        words=shlex.join([*before, *words]),
    )


def _starts(run):
    """Count how often a script of a run folder has said that it runs."""
    return sum(
        event["state"] == "running" for event in slurm_record.parse(slurm_record.read_text(run))
    )


# A job that is put back, or this script submitted once more, goes on.
FIRST = """\
first=()
starts=$(cat "$events" 2>/dev/null | grep -c '"state": "running"')
if [ "$starts" = {starts} ]; then first=({words}); fi
"""
SCRIPT = """\
#!/bin/bash
# Made by: {made_by}
# To submit it again: sbatch THIS_FILE
{options}

run={run}
events=$run/{record}

# The newest step that is saved.
step() {{
  ls "$run/checkpoints" 2>/dev/null | grep -x '[0-9][0-9]*' | sort -n | tail -n 1 | grep . || echo 0
}}

# note STATE [MORE]: append a line for `gan-jax cluster status` and the studio.
note() {{
  printf '{{"time": %s, "job": %s, "state": "%s", "step": %s%s}}\\n' \\
    "$(date +%s)" "$SLURM_JOB_ID" "$1" "$(step)" "${{2:+, $2}}" >> "$events"
}}

# Whether this job is to end. The last word counts, as SLURM may refuse to tell the tasks.
cancelling() {{
  grep -E "\\"job\\": $SLURM_JOB_ID, \\"state\\": \\"(cancelling|{not_cancelled})\\"" "$events" |
    tail -n 1 | grep -q '"cancelling"'
}} 2>/dev/null

# The last line that the run printed, fit for a string in JSON.
last_words() {{
  tail -n 50 "$run/{log}" 2>/dev/null | grep -v -e '^srun:' -e '^slurm' -e '^ *$' |
    tail -n 1 | tr -d '"\\\\\\000-\\037\\177' | cut -c 1-300
}}

# end CODE WHY: the end of this job.
end() {{
  note ended "\\"code\\": $1, \\"why\\": \\"$2\\""
  exit "$1"
}}

mkdir -p "$run"
{setup}{first}# A node failed, or SLURM took the nodes back, and this script did not hear of it.
case $(grep "\\"job\\": $SLURM_JOB_ID," "$events" 2>/dev/null | tail -n 1) in
  *'"state": "running"'*) note lost '"why": "a node failed, or its nodes were taken back"' ;;
esac
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr '\\n' ' ')
note running "\\"hosts\\": \\"${{hosts% }}\\", \\"restarts\\": ${{SLURM_RESTART_COUNT:-0}}"

touch "$run/{alive}"
while sleep {beat} && touch "$run/{alive}"; do :; done >/dev/null 2>&1 &
alive=$!
# SLURM tells the tasks, too, when it ends the job. This shell waits for them.
asked=
trap 'asked=yes' TERM
# A task that dies leaves the others alive: they notice, save what they have, and say who is lost.
cpus=${{SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK}}
srun --kill-on-bad-exit=0 --wait={wait} $cpus{srun} \\
  {words}{more} &
tasks=$!
while kill -0 "$tasks" 2>/dev/null; do wait "$tasks"; done
wait "$tasks"
code=$?
kill "$alive" 2>/dev/null

case $code in
  0) end 0 "" ;;
  1 | 2 | 3) end "$code" "$(last_words)" ;;
esac
# It was stopped (4), or a signal ended a task (128 and more).
if cancelling; then end "$code" "cancelled"; fi
# SLURM ends a job that is cancelled or preempted, and one beyond its limit.
reason=$(scontrol show job "$SLURM_JOB_ID" --oneliner | grep -o ' Reason=[A-Za-z]*' | cut -d = -f 2)
if [ -n "$asked" ] && [ "$reason" != TimeLimit ]; then
  end "$code" "cancelled, or its nodes were taken back"
fi
why=$(last_words)
if [ "$code" -gt 128 ]; then why="signal $((code - 128)) ended a process. $why"; fi
now=$(step)
mark="\\"job\\": $SLURM_JOB_ID, \\"state\\": \\"requeued\\", \\"step\\": $now,"
again=$(grep -c "$mark" "$events")
if [ "$again" -ge {requeues} ]; then
  end "$code" "not requeued after $again times at step $now. $why"
fi
note requeued "\\"code\\": $code, \\"why\\": \\"${{why% The same command resumes*}}\\""
echo "slurm.sh: This job goes on by itself, in about two minutes."
trap '' TERM  # with which SLURM now ends this shell
if scontrol requeue "$SLURM_JOB_ID"; then exit "$code"; fi
end "$code" "it could not be requeued"
"""
