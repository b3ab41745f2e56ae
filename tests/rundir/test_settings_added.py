"""A run that is older than a setting goes on as it was begun, whoever goes on with it."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from gan_jax import config as configs
from gan_jax.errors import InputError, Stopped
from gan_jax.rundir import config_file, run_folder
from gan_jax.settings import RunSettings, setting, values_before
from gan_jax.studies import interleaved, runner
from tests import tiny_runs

CONSTANT = dataclasses.replace(tiny_runs.HP, ema_warmup=False)


def forget(path, *keys):
    """Take the setting out of a stored configuration, as an earlier version wrote it."""
    raw = json.loads(path.read_text())
    group = raw
    for key in keys:
        group = group[key]
    del group["ema_warmup"]
    path.write_text(json.dumps(raw))


def averages(folder):
    return jax.tree.leaves(run_folder.load(folder).state.ema)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """(a run begun with a constant decay and stopped at step 4, averages of one never stopped)."""
    root, data = tmp_path_factory.mktemp("begun"), tiny_runs.dataset()
    tiny_runs.train(root / "whole", tiny_runs.prepare(data, CONSTANT))
    with pytest.MonkeyPatch.context() as patch:
        tiny_runs.stop_at(patch, 4)
        with pytest.raises(Stopped):
            tiny_runs.train(root / "run", tiny_runs.prepare(data, CONSTANT))
    forget(root / "run" / config_file.NAME, "hp")
    return root / "run", averages(root / "whole")


@pytest.mark.long
@pytest.mark.parametrize("how", ["alone", "interleaved"])
def test_a_study_goes_on_with_it_to_the_same_weights(stopped, tmp_path, capsys, how):
    folder, expected = shutil.copytree(stopped[0], tmp_path / "run"), stopped[1]
    prepared = tiny_runs.prepare(tiny_runs.dataset())
    assert prepared.config.hp.ema_warmup, "the default"
    if how == "alone":
        runner.train_run(prepared, folder)
    else:
        interleaved.train_interleaved({"run": prepared}, {"run": folder}, 1)
    assert (
        "from before there was --ema_warmup: it goes on as it was begun" in capsys.readouterr().err
    )
    for a, b in zip(averages(folder), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    # What is stored says again that it is from before, so that the same command goes on again.
    assert "ema_warmup" not in config_file.read(folder)["hp"]
    assert run_folder.prepare_folder(folder, prepared) == run_folder.RunStatus.FINISHED


def test_another_setting_is_refused_all_the_same(tmp_path):
    run_folder.prepare_folder(tmp_path, tiny_runs.prepare(tiny_runs.dataset(), CONSTANT))
    forget(tmp_path / config_file.NAME, "hp")
    other = tiny_runs.prepare(tiny_runs.dataset(), dataclasses.replace(tiny_runs.HP, ema=0.5))
    with pytest.raises(InputError, match="was made with --ema=0.9, now 0.5. Use another"):
        run_folder.prepare_folder(tmp_path, other)


def test_a_new_run_keeps_what_it_was_given(tmp_path):
    prepared = tiny_runs.prepare(tiny_runs.dataset(), CONSTANT)
    run_folder.prepare_folder(tmp_path, prepared)
    assert config_file.read(tmp_path)["hp"]["ema_warmup"] is False
    with pytest.raises(InputError, match="--ema_warmup=False, now True"):
        run_folder.prepare_folder(tmp_path, tiny_runs.prepare(tiny_runs.dataset()))
    assert run_folder.as_begun(tmp_path, prepared) is prepared


def test_the_settings_of_an_old_study_are_compared_likewise(tmp_path):
    runs = {"gan": tiny_runs.prepare(tiny_runs.dataset(), CONSTANT)}
    runner.check_settings(tmp_path, runs, {})
    forget(tmp_path / "study.json", "configs", "gan", "hp")
    now = {"gan": tiny_runs.prepare(tiny_runs.dataset())}
    runner.check_settings(tmp_path, now, {})
    with pytest.raises(InputError, match="--batch=4, now 8"):
        runner.check_settings(
            tmp_path, {"gan": tiny_runs.prepare(tiny_runs.dataset(), batch=8)}, {}
        )


def test_any_group_of_settings_may_grow(monkeypatch):
    """Also those that every run has, with a value that is no switch."""

    @dataclasses.dataclass(frozen=True)
    class Grown(RunSettings):
        jitter: float = setting(0.5, "something new", before=0.0)

    monkeypatch.setattr(configs, "RunSettings", Grown)
    assert values_before(Grown) == {"jitter": 0.0}
    old = configs.Config("dcgan", "gan", RunSettings(), tiny_runs.HP).to_dict()
    config = configs.Config("dcgan", "gan", Grown(), tiny_runs.HP)
    assert configs.from_dict(old).run.jitter == 0.0 == configs.as_begun(config, old).run.jitter
    assert "jitter" not in configs.as_stored(config.to_dict(), old)["run"]
    assert configs.as_begun(config, config.to_dict()) == config
