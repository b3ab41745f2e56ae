"""A run whose augmentation ADA controls: logged, stopped, resumed, warned of at its bound."""

import dataclasses

import pytest

from gan_jax.training import training_loop
from tests import tiny_runs

HP = dataclasses.replace(
    tiny_runs.HP,
    augment="flip:always,translation",
    augment_target=0.001,
    augment_images=40,
    lr=1e-5,
    lr_disc=1e-2,
)


@pytest.mark.slow
def test_a_stopped_run_resumes_with_its_probability(tmp_path, monkeypatch):
    prepared = tiny_runs.prepare(tiny_runs.dataset(), HP, log_every=1, steps=20)
    digest = tiny_runs.train(tmp_path / "whole", prepared)
    whole = tiny_runs.records(tmp_path / "whole")
    p = [record["disc/augment_p"] for record in whole]
    assert p[:4] == [0, 0, 0, 0] and 0 < p[14] <= 0.8
    assert [r["watch/augment"] for r in whole] == [value / 0.8 for value in p]
    tiny_runs.stop_at(monkeypatch, 14)
    with pytest.raises(training_loop.Stopped):
        tiny_runs.train(tmp_path / "stopped", prepared)
    monkeypatch.undo()
    assert tiny_runs.train(tmp_path / "stopped", prepared) == digest
    assert tiny_runs.records(tmp_path / "stopped") == whole
