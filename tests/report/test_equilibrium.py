"""Where losses and D's outputs lie when D cannot tell real from fake."""

import json
import math

import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core import losses
from gan_jax.report import equilibrium, run_page
from tests.report.test_run_page import log, make_run

DIST = {"hinge": "off", "disc_weights": "schedule", "rec_label": "real", "gen_loss": "score"}
LOG_LOSSES = [
    ("gan", {"loss": "ns"}, 2, 1),
    ("gan", {"loss": "saturating", "penalty": "none", "lecam": 0.0}, 2, -1),
    ("gan", {"loss": "rp"}, 1, 1),
    ("gan", {"loss": "ra"}, 2, 2),
    ("distgan", DIST, 2, 0),
    ("distgan", DIST | {"disc_weights": "half", "gen_loss": "ns"}, 2, 1),
    ("distgan", DIST | {"disc_weights": "equal", "gen_loss": "ns"}, None, None),
    ("distgan", DIST | {"disc_weights": "equal"}, None, 0),
    ("distgan", DIST | {"hinge": "corrected"}, None, None),
    ("gan", {"loss": "wasserstein"}, None, None),
    ("gan", {"loss": "ls"}, None, None),
    ("gan", {"loss": "ns", "penalty": "dragan"}, None, 1),
    ("gan", {"loss": "ns", "lecam": 0.3}, None, 1),
    ("gan", {"loss": "ns", "consistency": 10.0}, None, 1),
    ("distgan", DIST | {"penalty": "wgan_gp"}, None, 0),
    *[
        (method, {"loss": "ns"}, None, None)
        for method in ("acgan", "mgan", "infogan", "colorize", "python:mine:METHOD")
    ],
]


@pytest.mark.parametrize("method, hp, disc, gen", LOG_LOSSES)
def test_a_loss_has_a_level_only_where_it_is_the_adversarial_term(tmp_path, method, hp, disc, gen):
    run = make_run(tmp_path / "run", hp)
    config = json.loads((run / "config.json").read_text()) | {"method": method}
    (run / "config.json").write_text(json.dumps(config))
    log(run, [10, 20])
    page = run_page.write(run).read_text()
    expected = {"disc/loss": disc, "gen/loss": gen}
    expected = {name: level for name, level in expected.items() if level is not None}
    assert equilibrium.of_losses(config) == expected
    assert page.count("Dashed: ") == len(expected)
    if disc is not None:
        assert f"{disc} ln 2 = {disc * math.log(2):.3f}" in page


@pytest.mark.parametrize("name", losses.ADVERSARIAL)
def test_levels_are_the_losses_of_a_discriminator_that_gives_one_output(name):
    loss, logits = losses.ADVERSARIAL[name], np.zeros(4)
    if isinstance(loss, losses.PairLoss):
        values = loss.disc(np.mean, logits, logits), loss.gen(np.mean, logits, logits)
    else:
        values = (loss.real(logits) + loss.fake(logits)).mean(), loss.gen(logits).mean()
    levels = equilibrium.of_losses({"method": "gan", "hp": {"loss": name}})
    for level, value in zip(levels.values(), values, strict=bool(levels)):
        assert level * math.log(2) == pytest.approx(float(value))


@pytest.mark.parametrize(
    "method, hp, is_known",
    [
        *[("gan", {"loss": name}, name in ("ns", "saturating")) for name in losses.ADVERSARIAL
          if not losses.is_paired(name)],
        *[("gan", {"loss": name}, True) for name in losses.ADVERSARIAL if losses.is_paired(name)],
        ("acgan", {"loss": "ns"}, True),
        ("colorize", {"loss": "ls"}, False),
        ("distgan", DIST, True),
        ("distgan", DIST | {"rec_label": "fake"}, False),
        ("distgan", DIST | {"hinge": "code_prob"}, False),
        ("python:mine:METHOD", {"loss": "ns"}, False),
    ],
)  # fmt: skip
def test_outputs_meet_at_a_half_only_where_the_loss_makes_them(tmp_path, method, hp, is_known):
    run = make_run(tmp_path / "run", hp)
    config = json.loads((run / "config.json").read_text()) | {"method": method}
    (run / "config.json").write_text(json.dumps(config))
    log(run, [10, 20], **{"disc/real_prob": 0.6, "disc/fake_prob": 0.4})
    assert ("meet at 0.5 (dashed)" in run_page.write(run).read_text()) == is_known
    assert equilibrium.of_probabilities(config) == (0.5 if is_known else None)


def test_settings_that_are_read_here_exist():
    names = {"loss", "penalty", "lecam", "consistency"}
    assert names <= set(methods.TABLE["gan"].Settings.__dataclass_fields__)
    assert {*DIST, "penalty"} <= set(methods.TABLE["distgan"].Settings.__dataclass_fields__)
