"""The cost of the penalties: what is timed, how times become intervals, and what may be concluded from them."""

import contextlib
import dataclasses
import io
import itertools
import json

import jax
import numpy as np
import pytest

from gan_jax import methods, presets
from gan_jax.commands import process
from gan_jax.core import state
from gan_jax.methods import base
from gan_jax.studies import penalty_cost

# As much as the verdict on WGAN-GP needs; Morpho-GAN's programs take twice as long to compile.
FEW = [
    ("gan_1", "none"),
    ("gan_1", "dragan"),
    ("gan_1", "wgan_gp"),
    ("gan_5", "none"),
    ("gan_5", "wgan_gp"),
]
DRIFT = np.linspace(1, 3, 9)  # the machine slows down threefold
EVEN = np.array([1.02, 0.97, 1.01, 0.98, 1.03, 0.99, 1.01, 0.98, 1.0])


def made_up(dragan, five, morpho_gan):
    """Times of 9 rounds: WGAN-GP takes 1, DRAGAN and Morpho-GAN the given multiples, five critic steps `five` of one."""
    one, many = DRIFT, DRIFT * five
    return {
        ("gan_1", "dragan"): one * dragan,
        ("gan_1", "wgan_gp"): one,
        ("gan_5", "dragan"): many * dragan,
        ("gan_5", "wgan_gp"): many,
        ("morpho", "dragan"): one * morpho_gan,
        ("morpho", "wgan_gp_rms"): one,
    }


@pytest.mark.parametrize("n", [6, 9, 12])
def test_coverage_is_that_of_every_way_draws_can_fall(n):
    """A draw falls below its median or above it, evenly; the interval misses if fewer than k fall on one side."""
    for k in range(1, n // 2 + 1):
        below = [sum(way) for way in itertools.product((0, 1), repeat=n)]
        assert penalty_cost.coverage(n, k) == np.mean([k <= b <= n - k for b in below])


def test_interval_is_the_narrowest_that_is_sure():
    assert [penalty_cost.rank(n) for n in (6, 8, 9, 12, 15)] == [1, 1, 2, 3, 4]
    assert penalty_cost.estimate([5, 1, 9, 3, 7, 2, 8, 4, 100]) == (5, 2, 9)
    assert penalty_cost.estimate([2.0, 1.0, 4.0, 3.0, 6.0, 5.0]) == (3.5, 1.0, 6.0)


@pytest.mark.parametrize(
    ("dragan", "five", "morpho_gan", "word", "saving", "claim"),
    [
        (
            EVEN,
            4.0,
            EVEN,
            "level",
            "from the number of critic steps, not from the penalty",
            "is not borne out",
        ),
        (
            1.1 * EVEN,
            4.0,
            1.0 + 0.05 * EVEN,
            "heavier",
            "not from the penalty",
            "is the wrong way round",
        ),
        (
            0.5,
            4.0,
            0.9,
            "lighter",
            "from both the critic steps (4.000) and the penalty (2.000)",
            "holds here",
        ),
        (
            0.5,
            EVEN,
            0.9 * EVEN,
            "lighter",
            "from the penalty, not from the number of critic steps",
            "holds here",
        ),
        (EVEN[::-1] * EVEN, EVEN, EVEN, "level", "not seen to be lighter", "is not borne out"),
        (1.01, 4.0, 0.985, "level", "not from the penalty", "is not borne out"),
        (EVEN**9, 4.0, EVEN**9, "unclear", "these rounds cannot tell", "cannot be judged"),
    ],
)
def test_verdict_follows_the_measurements(dragan, five, morpho_gan, word, saving, claim):
    r = penalty_cost.ratios(made_up(dragan, five, morpho_gan))
    assert penalty_cost.word(r["penalty_1"]) == penalty_cost.word(r["penalty_5"]) == word
    lines = penalty_cost.verdict(r)
    assert len(lines) == 2 and saving in lines[0] and claim in lines[1], lines


def test_ratios_are_taken_within_rounds():
    """Two per cent are seen through a threefold drift."""
    r = penalty_cost.ratios(made_up(1.02, 4.0, 0.98))
    assert (
        penalty_cost.word(r["penalty_1"]) == "heavier"
        and penalty_cost.word(r["morpho"]) == "lighter"
    )
    np.testing.assert_allclose(r["penalty_1"], 1.02)
    np.testing.assert_allclose(r["both"], 4 / 1.02)


def test_a_control_that_is_not_level_is_said():
    times = made_up(EVEN, 4.0, EVEN)
    control = ("gan_1", "wgan_gp_rms")
    steady = penalty_cost.verdict(penalty_cost.ratios({**times, control: DRIFT * EVEN}))
    shaken = penalty_cost.verdict(penalty_cost.ratios({**times, control: DRIFT * 1.2}))
    assert shaken[:-1] == steady and "must be level, is heavier" in shaken[-1]


def test_programs_differ_in_what_is_compared_alone():
    def settings(step, penalty):
        method, options = penalty_cost.STEPS[step]
        return dataclasses.asdict(
            methods.TABLE[method].Settings(**{**options, **penalty_cost.PENALTIES[penalty]})
        )

    varied = {"penalty", "penalty_norm"}
    for step, penalty in penalty_cost.PROGRAMS:
        plain = settings("morpho" if step == "morpho" else "gan_1", "none")
        changed = {k for k, v in settings(step, penalty).items() if v != plain[k]}
        assert changed <= (varied | {"n_disc"} if step == "gan_5" else varied), (step, penalty)
    assert settings("gan_5", "r1")["n_disc"] == 5 and settings("gan_1", "r1")["n_disc"] == 1
    distgan = methods.TABLE[presets.TABLE["morpho"].method].Settings
    assert settings("morpho", "dragan") == dataclasses.asdict(
        distgan(**presets.TABLE["morpho"].defaults)
    )
    theirs = settings("morpho", "wgan_gp_rms")
    assert {k: theirs[k] for k in varied} == {k: getattr(distgan(), k) for k in varied}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The JSON file of a command that timed FEW, with what it printed under "printed"."""
    path = tmp_path_factory.mktemp("cost") / "cost.json"
    words = ["--size=8", "--width=2", "--batch=4", "--rounds=6", "--steps=1", f"--json={path}"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        penalty_cost.run(words, FEW)
    return {**json.loads(path.read_text()), "printed": printed.getvalue()}


def test_what_is_printed_is_what_is_written(measured):
    table = [line.split() for line in measured["printed"].splitlines()]
    for row in measured["rows"]:
        (line,) = [line for line in table if line[:2] == [row["step"], row["penalty"]]]
        assert (
            line[2] == f"{row['ms']['median']:.1f}" and line[5] == f"{row['of_none']['median']:.3f}"
        )
    assert all(
        sentence in measured["printed"] for sentence in measured["said"] + measured["verdict"]
    )


def test_rows_follow_from_the_times(measured):
    rows = {(row["step"], row["penalty"]): row for row in measured["rows"]}
    assert list(rows) == FEW
    for (step, penalty), row in rows.items():
        ms, none = 1000 * np.array(row["times_s"]), 1000 * np.array(rows[step, "none"]["times_s"])
        assert ms.shape == (6,) and ms.min() > 0
        np.testing.assert_allclose(list(row["ms"].values()), [np.median(ms), ms.min(), ms.max()])
        np.testing.assert_allclose(
            list(row["of_none"].values()), [f(ms / none) for f in (np.median, np.min, np.max)]
        )
        np.testing.assert_allclose(
            row["ms_per_critic_step"] * (5 if step == "gan_5" else 1), row["ms"]["median"]
        )
        assert (row["gflop"] is None) == (step == "gan_5"), penalty
    r = measured["ratios"]
    both = np.divide(rows["gan_5", "wgan_gp"]["times_s"], rows["gan_1", "dragan"]["times_s"])
    np.testing.assert_allclose([r["both"]["low"], r["both"]["high"]], [both.min(), both.max()])
    assert (
        measured["coverage"] == 1 - 2 / 2**6 and len(measured["verdict"]) == 1 and "morpho" not in r
    )


def test_counts_are_those_of_the_programs(measured):
    """A penalty costs operations, less than all else does; memory holds at least the state and the images."""
    rows = {(row["step"], row["penalty"]): row for row in measured["rows"]}
    assert (
        rows["gan_1", "none"]["gflop"]
        < rows["gan_1", "wgan_gp"]["gflop"]
        < 2 * rows["gan_1", "none"]["gflop"]
    )
    hp = methods.TABLE["gan"].Settings(net="hdcgan", width=2)
    method = methods.TABLE["gan"].build(hp, base.DataSpec(8, 3), 1)
    held = (
        sum(a.nbytes for a in jax.tree.leaves(state.init_jitted(method, 0)) if a.dtype == np.float32)
        + 1024 * 8 * 8 * 3
    )
    for program, row in rows.items():
        assert held / 2**20 < row["memory_mib"] < 3 * held / 2**20, program


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--size=4", ["--size=4", "8 or more"]),
        ("--size=big", ["--size=big"]),
        ("--width=0", ["--width=0"]),
        ("--batch=1", ["--batch=1", "2 or more"]),
        ("--rounds=5", ["--rounds=5", "6 or more"]),
        ("--penalty=r1", ["penalty"]),
        ("--json=nowhere/cost.json", ["--json=nowhere/cost.json", "exists"]),
    ],
)
def test_bad_flags_are_refused_in_one_line(flag, words, capsys):
    assert process.guarded(penalty_cost.run, [flag]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(w in error for w in words), error
