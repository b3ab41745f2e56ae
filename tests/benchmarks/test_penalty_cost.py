"""The cost of the penalties: which programs are timed, and what their times become."""

import contextlib
import dataclasses
import io
import json

import jax
import numpy as np
import pytest

from experiments.benchmarks import harness, penalty_cost
from gan_jax import methods
from gan_jax.commands import presets
from gan_jax.core import initialize
from gan_jax.methods import base

# Enough for the comparisons of WGAN-GP; Morpho-GAN's programs take twice as long to compile.
FEW = [
    ("gan_1", "none"),
    ("gan_1", "dragan"),
    ("gan_1", "wgan_gp"),
    ("gan_5", "none"),
    ("gan_5", "wgan_gp"),
]


def settings(step, penalty):
    method, options = penalty_cost.STEPS[step]
    options = {**options, **penalty_cost.PENALTIES[penalty]}
    return dataclasses.asdict(methods.TABLE[method].Settings(**options))


def test_programs_differ_in_what_is_compared_alone():
    varied = {"penalty", "penalty_norm"}
    for step, penalty in penalty_cost.PROGRAMS:
        plain = settings("morpho" if step == "morpho" else "gan_1", "none")
        changed = {k for k, v in settings(step, penalty).items() if v != plain[k]}
        assert changed <= (varied | {"n_disc"} if step == "gan_5" else varied), (step, penalty)
    assert settings("gan_5", "r1")["n_disc"] == 5 and settings("gan_1", "r1")["n_disc"] == 1
    distgan, morpho = methods.TABLE["distgan"].Settings, presets.TABLE["morpho"].defaults
    assert settings("morpho", "dragan") == dataclasses.asdict(distgan(**morpho))
    theirs = settings("morpho", "wgan_gp_rms")
    assert {k: theirs[k] for k in varied} == {k: getattr(distgan(), k) for k in varied}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The JSON file of a command that timed FEW, with its output under "printed"."""
    path = tmp_path_factory.mktemp("cost") / "cost.json"
    words = ["--size=8", "--width=2", "--batch=4", "--rounds=6", "--steps=1", f"--json={path}"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        penalty_cost.run(words, FEW)
    return {**json.loads(path.read_text()), "printed": printed.getvalue()}


def rows_of(measured):
    return {(row["step"], row["penalty"]): row for row in measured["rows"]}


@pytest.mark.slow
def test_the_printed_table_is_the_written_one(measured):
    table = [line.split() for line in measured["printed"].splitlines()]
    for row in measured["rows"]:
        (line,) = [line for line in table if line[:2] == [row["step"], row["penalty"]]]
        assert line[2] == f"{row['ms']['median']:.1f}"
        assert line[5] == f"{row['of_none']['median']:.3f}"
    assert set(measured["ratios"]) == {"critic_steps", "both"}
    for name, ratio in measured["ratios"].items():
        text = f"{penalty_cost.COMPARISONS[name][0]}: {harness.format_value(ratio, '.3f')}"
        assert text in measured["printed"]


@pytest.mark.slow
def test_rows_follow_from_the_times(measured):
    rows = rows_of(measured)
    assert list(rows) == FEW
    for (step, penalty), row in rows.items():
        ms, none = 1000 * np.array(row["times_s"]), 1000 * np.array(rows[step, "none"]["times_s"])
        assert ms.shape == (6,) and ms.min() > 0
        np.testing.assert_allclose(list(row["ms"].values()), [np.median(ms), ms.min(), ms.max()])
        of_none = ms / none
        expected = [np.median(of_none), of_none.min(), of_none.max()]
        np.testing.assert_allclose(list(row["of_none"].values()), expected)
        assert (row["gflop"] is None) == (step == "gan_5"), penalty
    both = np.divide(rows["gan_5", "wgan_gp"]["times_s"], rows["gan_1", "dragan"]["times_s"])
    r = measured["ratios"]["both"]
    np.testing.assert_allclose([r["low"], r["high"]], [both.min(), both.max()])


@pytest.mark.slow
def test_counts_are_those_of_the_programs(measured):
    """A penalty costs operations, less than all else does; memory holds state and images."""
    rows = rows_of(measured)
    plain = rows["gan_1", "none"]["gflop"]
    assert plain < rows["gan_1", "wgan_gp"]["gflop"] < 2 * plain
    hp = methods.TABLE["gan"].Settings(net="hdcgan", width=2)
    method = methods.TABLE["gan"].build(hp, base.DataSpec(8, 3), 1)
    leaves = jax.tree.leaves(initialize.init_jitted(method, 0))
    held = sum(a.nbytes for a in leaves if a.dtype == np.float32) + 1024 * 8 * 8 * 3
    for program, row in rows.items():
        assert held / 2**20 < row["memory_mib"] < 3 * held / 2**20, program
