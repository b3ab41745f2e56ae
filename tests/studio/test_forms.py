"""Forms: the command parses the flags that were filled in, and nothing else gets through."""

import pytest

from gan_jax.commands import command_line, presets, studio, train
from gan_jax.errors import InputError
from gan_jax.studio import forms


@pytest.fixture(scope="module")
def described():
    return studio.describe()["experiments"]


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
