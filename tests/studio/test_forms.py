"""Forms: the command parses the flags that were filled in, and nothing else gets through."""

import pytest

from gan_jax.commands import command_line, evaluate, presets, studio, train
from gan_jax.errors import InputError
from gan_jax.studio import forms


@pytest.fixture(scope="module")
def whole():
    return studio.describe()


@pytest.fixture(scope="module")
def described(whole):
    return whole["experiments"]


def groups():
    return train.settings_groups("morpho")


def test_every_flagfile_is_offered_by_the_command_that_it_is_for(described):
    offered = {file: name for name, entry in described.items() for file in entry["flagfiles"]}
    assert set(described) == set(presets.TABLE)
    assert offered["acgan_s1_section4"] == offered["acgan_s1_section4_quick"] == "acgan_s1_section4"
    assert offered["dcgan_mnist_quick"] == "dcgan" and offered["gan_quick"] == "gan"
    assert not any(file.startswith(("gan_vs_dcgan", "ablate", "toys")) for file in offered)


def test_fields_are_the_settings(described):
    fields = forms.fields_by_flag(described["morpho"])
    assert fields["batch"] | {"text": ""} == {
        "name": "batch",
        "type": "int",
        "default": 64,
        "text": "",
        "low": 2,
        "above": None,
        "high": None,
        "choices": [],
    }
    assert fields["penalty"]["default"] == "dragan" and "r1" in fields["penalty"]["choices"]
    assert not set(forms.HIDDEN_FLAGS) & set(fields)


def test_the_command_reads_what_was_filled_in(described):
    values = {
        "steps": "50",
        "lr": "1e-3",
        "tensorboard": "false",
        "watch": "false",
        "data": "folder:/a b/'c'",
        "net": "mlp",
    }
    words = forms.build_flags(described["morpho"], "morpho_smoke", values)
    (_, run, hp), _ = command_line.parse("", "experiments.morpho", groups(), words)
    assert (run.steps, hp.lr, run.watch, run.data, hp.net) == (
        50,
        1e-3,
        False,
        "folder:/a b/'c'",
        "mlp",
    )
    assert run.batch == 8 and not any(word.startswith("--tensorboard") for word in words)


def test_flagfiles_say_what_they_train_and_how_long_that_takes(described):
    for command in described.values():
        assert set(command["about"]) == set(command["flagfiles"])
        for about in command["about"].values():
            assert about["summary"] and about["time"]
        fields = forms.fields_by_flag(command)
        assert set(command["basic"]) <= set(fields)


def test_a_sweep_reads_what_was_filled_in(whole):
    """A grid per line, beside those of a flagfile, and flags of the command that is varied."""
    from gan_jax.studies.ablate.flags import read_sweep

    sweep = {**whole["sweep"], "flagfiles": {}}
    command = forms.join_commands(sweep, whole["experiments"]["dcgan"])
    grid = "penalty=none,dragan;lr=1e-3\n  optimizer=sgd  \n"
    values = {"vary": grid, "seeds": "2", "steps": "50", "evaluate": "false", "n_images": "300"}
    words = ["--experiment=dcgan", *forms.build_flags(command, "dcgan_smoke", values)]
    found = read_sweep("", words)
    assert list(found.flags.vary) == ["penalty=none,dragan;lr=1e-3", "optimizer=sgd"]
    assert (found.flags.seeds, found.flags.evaluate, found.scoring.n_images) == (2, False, 300)
    assert found.base["steps"] == 50 and found.base["batch"] == 8
    assert whole["sweep"]["flagfiles"]["ablate_smoke"]["experiment"] == "dcgan"
    hidden = {"experiment", "workdir", "dry_run", "slurm", "trust"}
    assert not hidden & set(forms.fields_by_flag(sweep))


def test_evaluate_reads_what_was_filled_in(whole):
    values = {"checkpoint": "best", "n_images": "500", "ema": "false", "seed": "0"}
    words = forms.build_flags(whole["evaluate"], "", values)
    (flags,), _ = command_line.parse("", "evaluate", [evaluate.Flags()], words)
    assert (flags.checkpoint, flags.n_images, flags.ema) == ("best", 500, False)
    assert not {"out", "images", "workdir"} & set(forms.fields_by_flag(whole["evaluate"]))
    for bad in ({"out": "/etc"}, {"n_images": "1"}, {"trust": "true"}):
        with pytest.raises(InputError):
            forms.build_flags(whole["evaluate"], "", bad)


PLUGIN = """
import dataclasses
from gan_jax.methods import gan
from gan_jax.methods.gan import build, check
from gan_jax.settings import setting

@dataclasses.dataclass(frozen=True)
class Settings(gan.Settings):
    margin: float = setting(0.0, "an own setting")
"""


def test_methods_of_installed_packages_are_offered(tmp_path, monkeypatch):
    """One that cannot be imported is left out, and hides no other."""
    info = tmp_path / "own_gans-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-gans\nVersion: 1.0\n")
    points = "[gan_jax.methods]\nown = own_method\nbroken = no_such_module\n"
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "own_method.py").write_text(f'"""Own: a method of an own package."""\n{PLUGIN}')
    monkeypatch.syspath_prepend(tmp_path)
    found = studio.describe()["experiments"]
    assert set(found) == {*presets.TABLE, "own"}
    assert found["own"]["doc"].startswith("Own") and found["own"]["flagfiles"] == {}
    assert forms.build_flags(found["own"], "", {"margin": "0.5"}) == ["--margin=0.5"]


def test_what_a_flagfile_sets_can_be_set_back(described):
    default = forms.fields_by_flag(described["morpho"])["batch"]["default"]
    flags = forms.build_flags(described["morpho"], "morpho_smoke", {"batch": str(default)})
    assert flags == ["--flagfile=morpho_smoke", f"--batch={default}"]


REFUSED = {  # {flag: values}
    "no_such": ["1"],
    "workdir": ["/x"],
    "restart": ["true"],
    "flagfile": ["/etc/passwd"],
    "batch": ["1", "8.5", ["8"], "9" * 6000],
    "lr": ["nan", "0"],
    "penalty": ["none2"],
    "watch": ["maybe"],
    "data": ["a\nb", "a\0", "x" * 501, "\ud800"],
}


@pytest.mark.parametrize(
    "flagfile, values",
    [
        ("nowhere", {}),
        ("../morpho_smoke", {}),
        *(("", {flag: value}) for flag, values in REFUSED.items() for value in values),
    ],
)
def test_what_the_definitions_do_not_allow_is_refused(described, flagfile, values):
    with pytest.raises(InputError):
        forms.build_flags(described["morpho"], flagfile, values)


def test_a_value_is_one_word_whatever_it_holds(described):
    nasty = "x --workdir=/tmp; rm -rf / $(id) `id` | & > '\""
    (word,) = forms.build_flags(described["morpho"], "", {"data": nasty})
    assert word == f"--data={nasty}"


def test_read_makes_settings_of_a_form():
    assert forms.parse_settings(
        forms.SampleOptions(), {"n": 9, "ema": False, "truncation": "0.5"}
    ) == forms.SampleOptions(n=9, ema=False, truncation=0.5)
    for given in ({"n": 0}, {"n": 5000}, {"seed": -1}, {"folder": "/"}, {"truncation": "inf"}):
        with pytest.raises(InputError):
            forms.parse_settings(forms.SampleOptions(), given)
