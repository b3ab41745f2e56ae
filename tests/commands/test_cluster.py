"""Batch scripts, refusals and states of `cluster`, without SLURM; see test_cluster_slurm.py."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from gan_jax import methods
from gan_jax.commands import cluster_script, entry, process
from gan_jax.commands.command_line import CommonFlags
from gan_jax.commands.train import configure, settings_groups
from gan_jax.rundir import config_file, slurm_record

MORPHO = ("submit", "morpho", "--flagfile=morpho_smoke")


def cluster(*words):
    """Run a command in this process; return its exit code."""
    return process.guarded(lambda argv: entry.run("cluster", argv), list(words), needs_jax=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def script(capsys, *words):
    assert cluster(*MORPHO, "--dry_run", *words) == 0
    return capsys.readouterr().out


def test_the_script_asks_for_what_the_flags_say(here, capsys):
    text = script(
        capsys,
        "--nodes=2",
        "--gpus_per_node=4",
        "--time=08:00:00",
        "--partition=gpu",
        "--account=me",
        "--cpus_per_task=6",
        "--sbatch=--constraint=a100",
        "--srun=--cpu-bind=cores",
        "--setup=module load cuda",
        "--warning=200",
        "--batch=64",
        "--restart",
    )
    asked = [line.removeprefix("#SBATCH ") for line in text.splitlines() if "#SBATCH" in line]
    run = here / "runs" / "morpho_smoke"
    assert asked == [
        "--job-name=morpho_smoke",
        f"--chdir={here}",
        f"--output={run}/slurm-%j.out",
        "--open-mode=append",
        "--requeue",
        "--signal=TERM@200",
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gpus-per-node=4",
        "--cpus-per-task=6",
        "--time=08:00:00",
        "--partition=gpu",
        "--account=me",
        "--constraint=a100",
    ]
    assert f"train morpho --flagfile=morpho_smoke --batch=64 --norestart --workdir={run}" in text
    assert "\nmodule load cuda\n" in text and " --cpu-bind=cores" in text
    assert "first=(--restart)" in text, "only when the script runs for the first time"
    assert "first" not in script(capsys), "with nothing to add"
    assert not run.exists(), "a dry run writes nothing"
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize("restart", ["--restart", "--restart=true", "a line of a flagfile"])
def test_only_the_first_start_of_a_script_discards_the_run_before(restart, here, capsys):
    if not restart.startswith("--"):
        (here / "mine.flags").write_text("--restart\n")
        restart = "--flagfile=mine.flags"
    run = here / "runs" / "a"
    run.mkdir(parents=True)
    slurm_record.append(run, 1, "running")
    slurm_record.append(run, 1, "ended")
    text = script(capsys, restart, f"--workdir={run}")
    begin, end = text.index("first=()"), text.index("# A node failed")
    part = f'events={run}/{slurm_record.NAME}\n{text[begin:end]}echo "${{first[@]}}"\n'

    def first():
        done = subprocess.run(["bash"], input=part, text=True, capture_output=True, check=True)
        return done.stdout.strip()

    assert first() == "--restart"
    slurm_record.append(run, 2, "submitted")
    assert first() == "--restart"
    slurm_record.append(run, 2, "running")
    assert first() == "", "put back by SLURM, or submitted once more by hand"
    assert re.search(r"--norestart --workdir=\S+ \"\${first\[@\]}\"", text)


def test_a_container_and_an_environment(here, capsys):
    text = script(capsys, "--container=img.sif", "--gpus_per_node=1", "--mounts=/data")
    run = here / "runs" / "morpho_smoke"
    binds = f"--bind={here},{run},/data --pwd={here} img.sif gan-jax train morpho"
    assert f"apptainer exec --nv {binds}" in text
    text = script(capsys, "--container=org/img:1")
    assert f"--container-image=org/img:1 --container-mounts={here}:{here},{run}:{run}" in text
    (here / "venv" / "bin").mkdir(parents=True)
    (here / "venv" / "bin" / "python").touch()
    text = script(capsys, "--environment=venv", "--requeues=0")
    assert f"{here}/venv/bin/python -m gan_jax train" in text and "--no-requeue" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sbmit",), "did you mean submit?"),
        (("submit",), "Name what to train first"),
        (("submit", "morfo"), "did you mean morpho?"),
        ((*MORPHO, "--time=8h"), "--time=8h is not a time"),
        ((*MORPHO, "--time=00:00"), "is not a time"),
        ((*MORPHO, "--time=3"), "--time=3 is 180 s"),
        ((*MORPHO, "--nodes=0"), "--nodes=0 is too small"),
        ((*MORPHO, "--container=a", "--environment=b"), "give one of them"),
        ((*MORPHO, "--environment=none"), "has no bin/python"),
        ((*MORPHO, "--mounts=/data"), "--mounts is for a container"),
        ((*MORPHO, "--gpus_per_node=4", "--tasks_per_node=2"), "each GPU has one process"),
        ((*MORPHO, "--sbatch=exclusive"), "--sbatch=exclusive is not an option"),
        ((*MORPHO, "--colour=1"), "colour"),
        ((*MORPHO, "--members=2"), "--members=2 does not go with cluster submit"),
        ((*MORPHO, "--distributed=off"), "--distributed=off does not go"),
        ((*MORPHO, "--coordinator=n1:29400"), "does not go with cluster submit"),
        ((*MORPHO, "--nodes=2", "--devices=1"), "--devices=1, but 2 processes train on all"),
        ((*MORPHO, "--nodes=3"), "--batch=8 is not a multiple of 3 processes"),
        (("status",), "No run below runs/"),
        (("status", "12"), "Job 12 is not known here"),
        (("logs", "."), "no job was submitted for it"),
        (("logs",), "takes one run folder"),
        (("cancel", "a", "b"), "takes one run folder"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(here, capsys, monkeypatch, words, said):
    monkeypatch.setenv("PATH", "")
    assert cluster(*words) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert list(here.iterdir()) in ([], [here / "venv"])


def test_a_machine_without_slurm_is_told_what_to_do(here, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert cluster(*MORPHO) == 2
    error = capsys.readouterr().err
    assert error.startswith("There is no sbatch on this machine") and "--dry_run" in error
    assert error.count("\n") == 1 and not (here / "runs").exists()


@pytest.fixture
def run(here):
    """The folder of a run of MORPHO, as training leaves it before its end."""
    folder = here / "runs" / "morpho_smoke"
    folder.mkdir(parents=True)
    _, _, config, _ = configure("morpho", ["--flagfile=morpho_smoke"])
    config_file.write(folder, config.to_dict() | {"dataset": {}})
    (folder / "flags.txt").touch()
    return folder


def test_what_a_run_folder_holds_is_known_before_a_job_is(run, capsys, monkeypatch, slurm):
    slurm(sbatch="echo 7")
    assert cluster(*MORPHO, "--lr=0.5") == 2
    error = capsys.readouterr().err
    assert "The run in runs/morpho_smoke was made with --lr=" in error
    assert "cluster submit morpho --flagfile=runs/morpho_smoke/flags.txt" in error
    assert cluster(*MORPHO) == 0
    assert slurm_record.read(run).job == 7
    slurm_record.append(run, 7, "ended", code=2, why="refused")
    (run / "DONE").touch()
    assert cluster("status", run.relative_to(run.parent.parent).as_posix()) == 0
    assert "code 2: refused. The run itself is finished.\n" in capsys.readouterr().out
    text = (run / slurm_record.NAME).read_text()
    assert cluster(*MORPHO) == 0
    assert capsys.readouterr().out.startswith("runs/morpho_smoke is finished: step ")
    assert cluster(*MORPHO, "--steps=9000") == 2
    assert "It is finished, and its schedules ended there" in capsys.readouterr().err
    assert text == (run / slurm_record.NAME).read_text(), "nothing was submitted"


def test_a_refused_job_leaves_nothing(here, capsys, slurm):
    slurm(sbatch="echo 'sbatch: error: Batch job submission failed: Invalid partition' >&2; exit 1")
    run = here / "runs" / "morpho_smoke"
    for _ in range(2):
        assert cluster(*MORPHO) == 2
        assert "SLURM refuses the job: Batch job" in capsys.readouterr().err
        assert not run.parent.exists()
    run.mkdir(parents=True)
    (run / slurm_record.SCRIPT).write_text("of a job before")
    assert cluster(*MORPHO) == 2
    assert (run / slurm_record.SCRIPT).read_text() == "of a job before"


def test_what_a_partition_can_never_give_is_said(here, capsys, slurm):
    run = here / "runs" / "a"
    run.mkdir(parents=True)
    slurm_record.append(run, 7, "submitted", nodes=5, tasks=5)
    slurm(squeue="echo 'PENDING (PartitionConfig)'", scancel="true", sbatch="echo 8")
    assert cluster("status", "runs/a") == 0
    said = capsys.readouterr().out
    assert "more than this partition can give" in said and "cluster cancel runs/a`" in said
    assert cluster("cancel", "runs/a") == 0
    assert cluster(*MORPHO, "--workdir=runs/a", "--nodes=2") == 0, "the advice works"
    slurm(squeue="echo 'PENDING (Resources)'")
    capsys.readouterr()
    assert cluster("status", "runs/a") == 0
    said = capsys.readouterr().out
    assert "can give" not in said and "  before: SLURM job 7 ended with code 4: cancelled." in said


def test_no_setting_has_the_name_of_a_flag_of_submit():
    names = lambda group: {field.name for field in dataclasses.fields(group)}
    own = names(cluster_script.SubmitFlags) - names(CommonFlags) - {"dry_run"}
    groups = [*settings_groups("morpho"), *(m.Settings for m in methods.TABLE.values())]
    assert not [group for group in groups if own & names(group)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 5400),
        ("01:30", 90),
        ("08:00:00", 28800),
        ("1-0", 86400),
        ("1-02:30", 95400),
        ("2-00:00:10", 172810),
        ("8h", None),
        ("", None),
        ("1:2", None),
    ],
)
def test_times_are_read_as_slurm_reads_them(text, expected):
    assert cluster_script.seconds(text) == expected


# The script itself, with programs of SLURM that do what a case says.

SRUN = "#!/bin/bash\n{do}\n"
SCONTROL = """\
#!/bin/bash
case "$1 $2" in
  "show hostnames") echo n1; echo n2 ;;
  "show job") echo "JobId=7 JobState=COMPLETING Reason={reason} Dependency=(null)" ;;
  "requeue 7") echo asked >> requeues ;;
esac
"""


@pytest.fixture
def perform(here, capsys, monkeypatch):
    """perform(do, reason="None", restarts=0, *flags): run the script; return (code, events)."""
    (here / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{here}/bin:{os.environ['PATH']}")

    def act(do, reason="None", restarts=0, *flags):
        for name, text in (("srun", SRUN.format(do=do)), ("scontrol", SCONTROL)):
            (here / "bin" / name).write_text(text.replace("{reason}", reason))
            (here / "bin" / name).chmod(0o755)
        run = here / "runs" / "morpho_smoke"
        text = script(capsys, "--nodes=2", *flags)
        env = {**os.environ, "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]"}
        env["SLURM_RESTART_COUNT"] = str(restarts)
        run.mkdir(parents=True, exist_ok=True)
        with open(run / "slurm-7.out", "a") as out:
            done = subprocess.run(["bash"], input=text, text=True, env=env, stdout=out, stderr=out)
        return done.returncode, slurm_record.parse((run / slurm_record.NAME).read_text())

    return act


@pytest.mark.parametrize(("code", "requeued"), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (137, 1)])
def test_what_was_stopped_or_killed_is_requeued(here, perform, code, requeued):
    words = 'echo "the run said \\"why\\""; echo "srun: error: n2: task 1"'
    ended, events = perform(f"{words}; exit {code}")
    assert ended == code
    assert [e["state"] for e in events] == ["running", "requeued" if requeued else "ended"]
    assert events[0]["hosts"] == "n1 n2" and events[1]["code"] == code
    assert (here / "requeues").exists() == bool(requeued)
    assert (here / "runs" / "morpho_smoke" / slurm_record.ALIVE).exists()
    if code:
        assert events[1]["why"].endswith("the run said why"), "quotes would end the string"


def test_requeues_without_progress_are_bounded(here, perform):
    checkpoints = here / "runs" / "morpho_smoke" / "checkpoints"
    for restarts in range(3):
        assert perform("exit 4", "None", restarts, "--requeues=3")[1][-1]["state"] == "requeued"
    do = f"mkdir -p {checkpoints}/200; exit 4"
    assert perform(do, "None", 3, "--requeues=3")[1][-1]["state"] == "requeued"
    shutil.rmtree(checkpoints)
    words = "it was lost. The same command resumes from here."
    log = here / "runs" / "morpho_smoke" / "slurm-7.out"
    last = perform(f"echo '{words}'; exit 4", "None", 4, "--requeues=9")[1][-1]
    assert last["why"] == "it was lost." and "goes on by itself" in log.read_text()
    shutil.rmtree(checkpoints, ignore_errors=True)
    last = perform("exit 4", "None", 5, "--requeues=3")[1][-1]
    assert last["why"].endswith(words), "not the line that says it goes on by itself"
    assert last["state"] == "ended" and "not requeued after 4 times at step 0" in last["why"]


def test_what_slurm_began_again_itself_was_lost(here, perform):
    run = here / "runs" / "morpho_smoke"
    run.mkdir(parents=True)
    slurm_record.append(run, 7, "running", hosts="n1 n2")
    _, events = perform("exit 0", "None", 1)
    assert [e["state"] for e in events] == ["running", "lost", "running", "ended"]
    job = slurm_record.read(run)
    assert job and (job.state, job.code, job.restarts) == ("ended", 0, 1)


def test_a_job_that_was_cancelled_is_not_requeued(here, perform):
    run = here / "runs" / "morpho_smoke"
    run.mkdir(parents=True)
    slurm_record.append(run, 7, "cancelling")
    code, events = perform("exit 4")
    assert code == 4 and events[-1]["why"] == "cancelled" and not (here / "requeues").exists()


def test_a_job_that_slurm_ends_waits_for_its_tasks(here, perform):
    """SIGTERM at the script: it hears how the tasks end."""
    do = "kill -TERM $PPID; sleep 0.5; exit 4"
    code, events = perform(do)
    assert code == 4 and events[-1]["why"].startswith("cancelled")
    _, events = perform(do, "TimeLimit")
    assert events[-1]["state"] == "requeued"


def test_setup_that_fails_ends_the_job(here, perform):
    code, events = perform("exit 0", "None", 0, "--setup=false")
    assert code == 1 and events[-1]["why"] == "a line of --setup failed"
    assert perform("exit $FEW", "None", 0, "--setup=export FEW=3")[0] == 3


# What others read.


def lines(*events):
    return "".join(json.dumps({"time": 1000, "job": 7, **event}) + "\n" for event in events)


SUBMITTED = {"state": "submitted", "nodes": 2, "tasks": 8}
RUNNING = {"state": "running", "hosts": "n1 n2", "restarts": 0}


@pytest.mark.parametrize(
    ("events", "alive", "state", "said"),
    [
        ([SUBMITTED], None, "pending", "waits for 2 nodes"),
        ([SUBMITTED, RUNNING], 1100.0, "running", "runs on n1, n2 (8 processes)"),
        ([RUNNING, SUBMITTED], 1100.0, "running", "runs on n1, n2 (8 processes)"),
        ([SUBMITTED, RUNNING], 1000.0, "lost", "is lost: it ran on n1, n2"),
        ([RUNNING, {"state": "requeued", "why": "x was lost."}], None, "requeued", ": x was lost"),
        ([RUNNING, {"state": "lost"}, RUNNING], 1100.0, "running", "begun again 1 time"),
        ([RUNNING, {"state": "cancelling"}], 1100.0, "cancelling", "asked to save and end"),
        ([RUNNING, {"state": "ended", "code": 3, "why": "NaN"}], None, "ended", "code 3: NaN"),
    ],
)
def test_states_follow_from_the_record(events, alive, state, said):
    job = slurm_record.newest(lines(*events), alive, now=1250.0)
    assert job and job.state == state and said in job.text()


def test_a_damaged_record_is_read_as_far_as_it_can_be():
    text = 'null\n{"job": "x"}\n{"time": 1, "job": 7, "state": "running", "hosts": 3}\n{"time'
    job = slurm_record.newest(text, 1.0, 2.0)
    assert job and job.state == "running" and job.hosts == []
    assert slurm_record.newest("", None, 0.0) is None
    assert slurm_record.newest("[" * 100_000, None, 0.0) is None


def test_status_says_what_the_folders_say(here, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")  # without SLURM
    run = here / "runs" / "a"
    run.mkdir(parents=True)
    slurm_record.append(run, 7, "submitted", nodes=2, tasks=2)
    slurm_record.append(run, 7, "running", hosts="n1 n2")
    (run / slurm_record.ALIVE).touch()
    for words in (("status",), ("status", "runs/a"), ("status", "7")):
        assert cluster(*words) == 0
        assert "runs/a: SLURM job 7 runs on n1, n2 (2 processes)." in capsys.readouterr().out
    os.utime(run / slurm_record.ALIVE, (0, 0))
    text = (run / slurm_record.NAME).read_text()
    now = str(int(time.time()))[:6]
    assert now in text
    (run / slurm_record.NAME).write_text(text.replace(now, "100000"))
    assert cluster("status", "runs/a") == 0
    assert "is lost: it ran on n1, n2" in capsys.readouterr().out
