"""Sweeps: grids, dry runs, processes that end in every way, stops and kills."""

import csv
import html
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from gan_jax import metrics
from gan_jax.commands import command_line, presets
from gan_jax.errors import EXIT_STOPPED, InputError, Stopped
from gan_jax.rundir import run_lock
from gan_jax.studies import jobs
from gan_jax.studies.ablate import command, estimate, grid, plan, results
from gan_jax.studies.ablate.flags import ScoringFlags, read_sweep
from gan_jax.studies.ablate.state import SweepState
from tests import waiting
from tests.studies import helpers


def test_a_grid_has_every_choice_with_every_other():
    configurations = grid.expand(
        ["penalty=none,wgan_gp+penalty_norm=rms+lambda_p=1;net=dcgan,hdcgan"]
    )
    assert [c.overrides for c in configurations] == [
        {"penalty": "none", "net": "dcgan"},
        {"penalty": "none", "net": "hdcgan"},
        {"penalty": "wgan_gp", "penalty_norm": "rms", "lambda_p": "1", "net": "dcgan"},
        {"penalty": "wgan_gp", "penalty_norm": "rms", "lambda_p": "1", "net": "hdcgan"},
    ]
    assert [c.name for c in configurations] == [
        "penalty-none_dcgan",
        "penalty-none_hdcgan",
        "wgan_gp-rms-1_dcgan",
        "wgan_gp-rms-1_hdcgan",
    ]


def test_several_grids_follow_each_other_and_no_point_comes_twice():
    configurations = grid.expand(["lr=1e-3,1e-4", "lr=1e-4", "ema=0"])
    assert [c.overrides for c in configurations] == [{"lr": "1e-3"}, {"lr": "1e-4"}, {"ema": "0"}]
    assert grid.expand([]) == [grid.Configuration("base", {})]


def test_commas_semicolons_and_signs_may_be_part_of_a_value():
    configurations = grid.expand([r"augment=color\,cutout,flip;lr=1e+3,-2", r"data=npz:a\;b=c.npz"])
    assert [c.overrides for c in configurations] == [
        *(
            {"augment": a, "lr": lr}
            for a, lr in itertools.product(("color,cutout", "flip"), ("1e+3", "-2"))
        ),
        {"data": "npz:a;b=c.npz"},
    ]
    assert all(re.fullmatch(r"[\w.-]+", c.name) for c in configurations)


def test_names_are_short_and_unlike_each_other():
    long = ",".join(f"npz:{'x' * 90}{i}" for i in range(3))
    configurations = grid.expand([f"data={long}", "lr=1-2", "lr=1+ema=2"])
    names = [c.name for c in configurations]
    assert len(set(names)) == 5 and max(map(len, names)) <= grid.MAX_NAME
    assert names[3] == "lr-1-2" and names[4].startswith("lr-1-2_")
    assert [c.name for c in grid.expand([f"data={long}"])] == names[:3], (
        "a longer sweep keeps its names"
    )


@pytest.mark.parametrize(
    "line", ["penalty", "=none", "pen alty=none", "lr=1;lr=2", "lr=1+lr=2", "ema=0+lr=1;lr=2"]
)
def test_lines_that_are_no_grid_are_refused(line):
    with pytest.raises(InputError, match="--vary"):
        grid.expand([line])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_every_slot_has_as_much_as_every_other(limit):
    shares = [jobs.slot_share(list("abcd"), slot, limit) for slot in range(limit)]
    assert {len(s) for s in shares} == {max(4 // limit, 1)}
    if limit <= 4:
        assert len(set(itertools.chain(*shares))) == limit * (4 // limit), "no two slots share"


def test_gpus_are_dealt_out_whole_or_in_parts():
    assert jobs.gpu_environment(0, 1, ["0", "1"]) == {} and jobs.gpu_environment(1, 2, []) == {}
    assert [jobs.gpu_environment(slot, 2, list("0123")) for slot in range(2)] == [
        {"CUDA_VISIBLE_DEVICES": "0,1"},
        {"CUDA_VISIBLE_DEVICES": "2,3"},
    ]
    found = [jobs.gpu_environment(slot, 4, ["0", "1"]) for slot in range(4)]
    assert [e["CUDA_VISIBLE_DEVICES"] for e in found] == ["0", "1", "0", "1"]
    assert {e["XLA_PYTHON_CLIENT_MEM_FRACTION"] for e in found} == {"0.450"}


def test_time_of_runs_side_by_side():
    assert estimate.makespan([3, 1, 1, 1, 4], 2) == 7.0
    assert estimate.makespan([3, 1, 1], 1) == 5.0


@pytest.mark.parametrize(
    "name", sorted(p.stem for p in command_line.FLAGFILES.glob("ablate_*.flags"))
)
def test_every_flagfile_is_read_by_the_experiment_that_it_varies(name):
    sweep = read_sweep("", [f"--flagfile={name}"])
    configurations = {run.configuration.name for run in plan.list_runs(sweep)}
    others = {"ablate_smoke": 4, "ablate_heads": 4, "ablate_gaussians25": 4, "ablate_pairs": 21}
    others |= {"ablate_gaussians25_quick": 2, "ablate_pairs_stacked": 21}
    assert len(configurations) == others.get(name, 11)
    assert sweep.scoring.n_images >= 200 and sweep.base.get("steps", 10000) >= 20
    assert sweep.root == pathlib.Path("runs", name), "each in a folder of its own"
    if sweep.scoring.scores != ScoringFlags().scores:  # which are all
        for metric in metrics.parse_names(sweep.scoring.scores):
            assert set(metrics.TABLE[metric].scores) & set(results.SHOWN), f"no column for {metric}"


def test_the_flags_of_every_training_command_can_be_read():
    for name in presets.TABLE:
        words = [f"--experiment={name}", "--steps=7", "--seeds=2", "--seed=5"]
        sweep = read_sweep("", words)
        assert (sweep.flags.experiment, sweep.base) == (name, {"steps": 7, "seed": 5})
        assert sweep.root == pathlib.Path("runs/ablate")
    assert [run.seed for run in plan.list_runs(sweep)] == [5, 6]
    sweep = read_sweep("", ["--experiment=dcgan", "--flagfile=dcgan_quick"])
    assert sweep.root == pathlib.Path("runs/ablate_dcgan_quick"), "not where that run lies"


@pytest.mark.long
def test_dry_run_prints_commands_and_reasons_and_writes_nothing(tmp_path, capsys):
    words = [
        "--vary=lr=1e-3,1e-4",
        "--vary=lr=0",
        "--vary=lr=0.001",
        "--seeds=1",
        "--dry_run",
        "--noestimate",
    ]
    assert helpers.run(command, [*helpers.SWEEP, *words], tmp_path / "a sweep") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("# lr-1e-3_0: not run") and out[1].endswith(
        f"--lr=1e-3 --seed=0 '--workdir={tmp_path}/a sweep/lr-1e-3_0'"
    )
    assert out[1].startswith(f"{sys.executable} -m gan_jax train gan --data=galaxies:64 --size=8")
    assert out[4] == "# lr-0_0: refused. --lr=0.0 is too small; use a value above 0.0."
    assert out[5] == "Dry run: nothing was written. 2 of 3 runs left." and len(out) == 6, (
        "0.001 is 1e-3"
    )
    assert not list(tmp_path.iterdir())


def rows(root):
    with open(root / "summary.csv") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def start(root, env, *words):
    command_line = [sys.executable, "-m", "experiments.ablate", *words, f"--workdir={root}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command_line, env=env, **pipes)


@pytest.mark.slow
def test_smoke_flagfile_one_refused_one_diverges_and_the_others_go_on(tmp_path, child_env):
    words, root = ["--flagfile=ablate_smoke", "--seeds=1"], tmp_path / "sweep"
    process = start(root, child_env, *words)
    out = process.communicate()[0]
    assert process.returncode == 0, out
    found = rows(root)
    assert {name: (row["status"], row["code"]) for name, row in found.items()} == {
        "penalty-none_0": ("done", "0"),
        "dragan_0": ("done", "0"),
        "sgd-1e30_0": ("diverged or collapsed", "3"),
        "wasserstein_0": ("refused", "2"),
    }
    assert re.search(
        r"Player '\w+' had a non-finite loss or gradient at step", found["sgd-1e30_0"]["reason"]
    )
    assert "needs a Lipschitz D" in found["wasserstein_0"]["reason"]
    assert found["dragan_0"]["penalty"] == "dragan" and found["dragan_0"]["steps"] == "20"
    record = json.loads((root / "penalty-none_0" / "eval.json").read_text())
    assert float(found["penalty-none_0"]["frechet"]) == record["rows"]["model"]["frechet"]
    assert record["protocol"]["n_fake"] == 200
    said = (root / "summary.md").read_text()
    assert "dragan against penalty-none, Frechet distance" in said and "needs a Lipschitz D" in said
    page = (root / "compare.html").read_text()
    assert "penalty-none against dragan" in page and "2 of 4 runs of this sweep" in page
    for name, status in (("sgd-1e30_0", "diverged or collapsed"), ("wasserstein_0", "refused")):
        assert f"<td>{name}</td><td>{status}</td>" in page
        assert html.escape(found[name]["reason"]) in page
    assert "<td>dragan_0</td><td>" not in page, "it is compared"
    process = start(root, child_env, *words)
    again = process.communicate()[0]
    assert (
        process.returncode == 0
        and "starts" not in again
        and "scored" not in again
        and rows(root) == found
    ), again


@pytest.mark.slow
def test_seeds_as_members_have_a_row_and_a_reason_each(tmp_path, child_env):
    root = tmp_path / "sweep"
    process = start(
        root, child_env, "--flagfile=ablate_smoke", "--members_by=turns", "--noevaluate"
    )
    out = process.communicate()[0]
    assert process.returncode == 0, out
    found = rows(root)
    codes = {"penalty-none": "0", "dragan": "0", "sgd-1e30": "3", "wasserstein": "2"}
    assert {name: row["code"] for name, row in found.items()} == {
        f"{name}_{i}": codes[name] for i in (0, 1) for name in codes
    }
    for i in (0, 1):
        assert found[f"sgd-1e30_{i}"]["reason"].startswith(f"sgd-1e30_{i}: Player")
        assert (root / f"dragan_{i}" / "DONE").exists()


@pytest.mark.slow
def test_kills_and_stops_leave_the_final_states_as_they_would_be(tmp_path, child_env):
    """A run is killed, then all are stopped, then the sweep itself is killed.

    The runs that it leaves behind are waited for.
    """
    words = [
        *helpers.SWEEP,
        "--vary=width=4,5",
        "--seeds=2",
        "--jobs=2",
        "--steps=6000",
        "--save_every=500",
        "--log_every=500",
    ]
    process = start(tmp_path / "whole", child_env, *words)
    assert process.wait() == 0
    root = tmp_path / "stopped"
    process = start(root, child_env, *words)
    wait_for(lambda: list(root.glob("*/checkpoints/[0-9]*")))
    pid = child_of(process, "width-4_0")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: rows(root)["width-4_0"]["status"] == "crashed")
    assert (
        rows(root)["width-4_0"]["code"] == "-9" and "signal 9" in rows(root)["width-4_0"]["reason"]
    )
    wait_for(lambda: list(root.glob("width-?_1/checkpoints/[0-9]*")) or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 4 and "what ran has saved" in out
    assert "stopped" in {row["status"] for row in rows(root).values()}
    process = start(root, child_env, *words)
    wait_for(lambda: child_of(process, "width-") is not None)
    process.kill()
    process.communicate()
    process = start(root, child_env, *words)
    out = process.communicate(timeout=300)[0]
    assert process.returncode == 0, out
    done = {p.parent.name: p.read_text() for p in (tmp_path / "whole").glob("*/DONE")}
    assert len(done) == 4 and done == {p.parent.name: p.read_text() for p in root.glob("*/DONE")}


def wait_for(condition):
    waiting.until(condition, seconds=120)


def child_of(process, name):
    """Process id of the run of a sweep whose folder has this name; None if there is none."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = re.search(r"PPid:\t(\d+)", (path / "status").read_text())[1]
            if int(parent) == process.pid and name in (path / "cmdline").read_text():
                return int(path.name)
        except (OSError, TypeError):
            continue
    return None


class Quiet:
    name = None


def python(name, code, folder=None):
    return jobs.Job(name, [sys.executable, "-c", code], folder)


def finish(work, logs, limit=2, signals=Quiet):
    """{name: JobResult} of jobs that are run."""
    ends = {}
    jobs.run(
        work,
        limit,
        jobs.local(limit),
        logs,
        signals,
        lambda job: None,
        lambda job, end: ends.update({job.name: end}),
    )
    return ends


def test_exit_codes_and_last_words(tmp_path):
    say = "import sys, os; print('first', file=sys.stderr); print('last word', file=sys.stderr); "
    ends = finish(
        [python(f"{code}", f"{say}sys.exit({code})") for code in (0, 2, 3, 4, 1)]
        + [
            python("silent", "import sys; sys.exit(5)"),
            python("killed", f"{say}sys.stderr.flush(); os.kill(os.getpid(), 9)"),
        ],
        tmp_path,
    )
    assert {name: (end.code, jobs.status(end.code), end.reason) for name, end in ends.items()} == {
        "0": (0, "done", ""),
        "2": (2, "refused", "last word"),
        "3": (3, "diverged or collapsed", "last word"),
        "4": (4, "stopped", "last word"),
        "1": (1, "crashed", "last word"),
        "silent": (5, "crashed", "ended with code 5 and said nothing"),
        "killed": (-9, "crashed", "ended by signal 9. last word"),
    }


@pytest.mark.long
@pytest.mark.parametrize("limit", [1, 3])
def test_never_more_at_a_time_than_allowed_each_on_its_own_cores(tmp_path, limit):
    note = (
        "import os, time; print(time.time(), flush=True); time.sleep(0.3); "
        "print(time.time(), len(os.sched_getaffinity(0)))"
    )
    finish([python(str(i), note) for i in range(5)], tmp_path, limit)
    spans = [
        [float(line.split()[0]) for line in (tmp_path / f"{i}.out").read_text().splitlines()]
        for i in range(5)
    ]
    most = max(sum(begin <= t <= end for begin, end in spans) for t, _ in spans)
    assert most == limit
    cores = {int((tmp_path / f"{i}.out").read_text().split()[-1]) for i in range(5)}
    assert cores == {max(len(os.sched_getaffinity(0)) // limit, 1)}


def test_a_signal_stops_what_runs_and_begins_nothing_more(tmp_path):
    class Signals:
        name = None

    ends, begun = {}, []
    wait = (
        "import signal, sys, time; "
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); time.sleep(60)"
    )

    def began(job):
        begun.append(job.name)
        if job.name == "b":
            Signals.name = "SIGTERM"

    with pytest.raises(Stopped, match="SIGTERM"):
        jobs.run(
            [python(n, wait) for n in "abc"],
            2,
            jobs.local(2),
            tmp_path,
            Signals,
            began,
            lambda j, e: ends.update({j.name: e}),
        )
    assert begun == ["a", "b"] and {end.code for end in ends.values()} == {EXIT_STOPPED}


def test_what_runs_saves_when_the_process_that_started_it_fails(tmp_path):
    """As at a full disk, which runs outlive."""
    saves = (
        "import pathlib, signal, sys, time\n"
        "def save(*_): time.sleep(0.3); pathlib.Path(sys.argv[0]).touch(); sys.exit(4)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch(); time.sleep(60)"
    ).replace("sys.argv[0]", repr(str(tmp_path / "kept")))

    class Signals:
        name = None

    def fail(job, result):
        wait_for((tmp_path / "ready").exists)
        raise OSError(28, "No space left on device")

    work = [python("a", saves), python("b", "pass")]
    with pytest.raises(OSError, match="No space left"):
        jobs.run(work, 2, jobs.local(2), tmp_path, Signals, lambda job: None, fail)
    assert (tmp_path / "kept").exists()


@pytest.mark.long
def test_a_folder_that_another_process_has_is_waited_for(tmp_path):
    folder = tmp_path / "run"
    hold = (
        "import pathlib, time; from gan_jax.rundir import run_lock\n"
        f"with run_lock.lock_run(pathlib.Path({str(folder)!r})): time.sleep(1)"
    )
    other = subprocess.Popen([sys.executable, "-c", hold])
    wait_for(lambda: run_lock.is_locked(folder))
    ends = finish(
        [python("a", "print(1)", folder), python("b", "print(2)", tmp_path / "free")], tmp_path
    )
    assert list(ends) == ["b", "a"] and other.wait() == 0


def test_what_diverged_is_tried_again_only_if_its_command_or_folder_is_another(tmp_path):
    run = plan.SweepRun("lr-9_0", grid.Configuration("lr-9", {"lr": "9"}), 0, ["--lr=9"])
    checked = plan.Plan([run], {"lr-9_0": {"lr": 9.0}}, {}, {})
    SweepState(tmp_path, checked).update("lr-9_0", code=3, reason="Player 'disc' ...")
    assert SweepState(tmp_path, checked).remaining() == [run], "its folder is gone"
    (tmp_path / "lr-9_0").mkdir()
    (tmp_path / "lr-9_0" / "config.json").write_text("{}")
    assert SweepState(tmp_path, checked).remaining() == []
    other = checked._replace(runs=[run._replace(words=["--lr=9", "--batch=2"])])
    assert len(SweepState(tmp_path, other).remaining()) == 1
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(InputError, match="delete it"):
        SweepState(tmp_path, checked)


def test_jobs_of_a_cluster_in_submitits_local_form(tmp_path):
    pytest.importorskip("submitit")
    launch = jobs.cluster("cluster=local,timeout_min=1", tmp_path / "slurm")
    ends = {}
    work = [
        python("a", "print('hello')"),
        python("b", "import sys; print('why', file=sys.stderr); sys.exit(3)"),
    ]
    jobs.run(
        work,
        2,
        launch,
        tmp_path,
        Quiet,
        lambda job: None,
        lambda job, end: ends.update({job.name: end}),
    )
    assert (ends["a"].code, ends["b"].code, ends["b"].reason) == (0, 3, "why")
    assert (tmp_path / "a.out").read_text() == "hello\n"


@pytest.mark.parametrize(
    "options", ["partition=gpu", "cluster=local,timeout_min=1,colour=blue", "timeout_min=5"]
)
def test_options_that_submitit_does_not_take_are_refused(tmp_path, options, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))  # as on a machine without SLURM
    with pytest.raises(InputError, match="--slurm"):
        jobs.cluster(options, tmp_path)
