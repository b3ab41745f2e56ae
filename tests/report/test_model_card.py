"""The model card: YAML that parses, scores beside their floor and protocol, and honest gaps."""

import json
import re

import pytest

from gan_jax.report import model_card

CONFIG = {
    "experiment": "morpho",
    "method": "distgan",
    "run": {"data": "galaxies", "steps": 3000, "seed": 4},
    "hp": {"width": 32},
    "dataset": {
        "name": "galaxies:2000",
        "digest": "abc",
        "n": 2000,
        "size": 32,
        "colors": 3,
        "classes": ["round", "disk | <b>"],
        "counts": [1500, 500],
    },
    "published": {"version": "0.1.0", "step": 3000, "averaged": ["gen"], "state_sha256": "f00"},
}
SAMPLES = model_card.Samples("samples.png", 526, "64 images, seed 0.", "gan-jax sample m --seed=0")


def row(value, **more):
    return {"frechet": value, "n_fake": 500, "n_real": 1000, "repeats": 1, **more}


EVALUATION = {
    "protocol": {
        "data": "galaxies:2000",
        "digest": "abc",
        "split": "train",
        "size": 32,
        "n_real": 1000,
        "n_fake": 500,
        "repeats": 3,
        "seed": 0,
        "net": "classifier-1234",
        "net_accuracy": 0.97,
        "n_features": 64,
        "resize": "none",
        "reference": {"sha256": "0123456789abcdef", "mean": 1.0, "variance": 2.0},
        "floor": "held-out images",
        "collapsed": "images of class round",
        "ema": True,
        "sample_stats": "batch",
    },
    "classes": [],
    "rows": {
        "real": row(0.04, frechet_std=0.01),
        "model": row(6.53, frechet_std=0.06, frechet_se=0.1),
        "untrained": row(49.6),
        "collapsed": row(12.0),
    },
    "step": 3000,
}


def card(**changes):
    values = {
        "name": "model",
        "config": CONFIG,
        "condition": "",
        "license": "unknown",
        "samples": SAMPLES,
        "evaluation": EVALUATION,
        "unscored": "",
        "warnings": (),
        "flags": "--batch=64\n--data=galaxies:2000\n",
        "needs_data": False,
        "has_data_path": False,
        "plugins": (),
    }
    return model_card.write_card(model_card.Card(**{**values, **changes}))


def front_matter(text):
    """What a hub reads of a card."""
    yaml = pytest.importorskip("yaml")
    assert text.startswith("---\n")
    return yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))


def test_front_matter():
    assert front_matter(card()) == {
        "license": "unknown",
        "library_name": "gan_jax",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "jax", "flax", "distgan", "morpho"],
    }
    assert front_matter(card(license="cc-by-4.0"))["license"] == "cc-by-4.0"
    assert "pipeline_tag" not in front_matter(card(condition="class"))
    assert "pipeline_tag" in front_matter(card(condition="generator"))
    assert front_matter(card(condition="image"))["pipeline_tag"] == "image-to-image"


@pytest.mark.parametrize("name", ["no", "python:my.module:Method", 'a"b: [', "1e3", "- x", "a #b"])
def test_front_matter_of_odd_names(name):
    """A plug-in may have any name; YAML must read it as text."""
    assert name in front_matter(card(config={**CONFIG, "method": name}))["tags"]


def test_scores_stand_beside_floor_controls_interval_and_protocol():
    text = card()
    line = next(line for line in text.splitlines() if line.startswith("| Frechet"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:] == ["low", "0.040 ± 0.010", "6.530 ± 0.060", "6.34 to 6.73", "49.6", "12"]
    assert "| number scored |  | 500 | 500 |  | 500 | 500 |" in text
    assert "500 images against 1000 real ones of galaxies:2000 at 32 px" in text
    assert "Floor: held-out images" in text and "64 features of classifier-1234" in text
    assert "not been scored" not in text


def test_without_scores_it_says_so_and_names_the_command():
    text = card(evaluation=None, unscored="This model has not been scored.")
    assert "This model has not been scored. This command scores it" in text
    assert "\ngan-jax evaluate model\n" in text and "quality, variety and copies are" in text
    remote = card(evaluation=None, unscored="No.", name="hf:me/x", has_data_path=True)
    assert "\ngan-jax evaluate hf:me/x --download --data=DATA\n" in remote


def test_data_classes_and_limits():
    text = card(warnings=("In training, from step 5 on: all alike.",))
    assert "galaxies:2000: 2,000 colour images" in text and "| round | 1,500 |" in text
    assert "| disk &#124; &lt;b> | 500 |" in text
    for part in ("- In training, from step 5 on: all alike.", "license is not stated"):
        assert part in text
    assert "license is not stated" not in card(license="mit")
    early = {**CONFIG, "published": {**CONFIG["published"], "step": 2000}}
    assert "1,000 steps to go" in card(config=early)


def test_many_classes_are_cut():
    names = [f"c{i}" for i in range(130)]
    dataset = {**CONFIG["dataset"], "classes": names, "counts": [1] * 130}
    text = card(config={**CONFIG, "dataset": dataset})
    assert "| c99 | 1 |" in text and "| c100 |" not in text and "And 30 more classes." in text


def test_names_in_the_caption_and_the_command_are_text():
    name = "5*3 <img src=x>"
    samples = SAMPLES._replace(
        caption=f"Columns: {name}.", command=f"gan-jax sample '--kind={name}'"
    )
    text = card(samples=samples)
    assert "*Columns: 5\\*3 &lt;img src=x>. Nothing was selected.*" in text
    assert f"`gan-jax sample '--kind={name}'`" in text  # code is text already
    text = card(samples=samples._replace(command=f"gan-jax sample '--kind=`{name}'"))
    assert "<code>gan-jax sample '--kind=\\`5\\*3 &lt;img src=x>'</code>" in text


def test_how_to_use_it():
    text = card()
    assert 'model = gj.load("model")\nsamples = model.sample(64)  # uint8 [64, 32, 32, 3]' in text
    assert "`model` is the folder that holds this file" in text
    remote = card(name="hf:me/x")
    assert 'gj.load("hf:me/x")' in remote and "pip install -e '.[hub]'  # in a checkout" in remote
    assert "gan-jax sample hf:me/x --n=64 --download" in remote
    colored = card(condition="image", needs_data=True)
    assert "--data=DATA" in colored and "gj.load" not in colored
    points = {**CONFIG, "dataset": {**CONFIG["dataset"], "size": 1, "colors": 2}}
    text = card(config=points)
    assert "--form=npz" in text and "float32 [64, 1, 1, 2]" in text
    foreign = card(plugins=("python:mine:Loss",))
    assert "python:mine:Loss" in foreign and "gan-jax sample model --n=64 --trust" in foreign
    assert 'gj.load("model", trust=True)' in foreign
    odd = card(name="it's mine", evaluation=None, unscored="No.")
    assert "gan-jax sample 'it'\"'\"'s mine' --n=64" in odd and 'gj.load("it\'s mine")' in odd


def test_how_it_was_made():
    text = card(has_data_path=True)
    command = "gan-jax train morpho --flagfile=flags.txt --data=DATA --workdir=runs/again"
    assert command in text and "`DATA` is where galaxies:2000 is on your machine." in text
    assert "--batch=64\n--data=galaxies:2000\n```" in text
    assert "gan-jax train morpho --flagfile=flags.txt --workdir=runs/again" in card()
    assert "left no `flags.txt`" in card(flags="")


def test_the_markdown_is_whole():
    """Tables have as many cells in every row; code is closed; nothing is left of formatting."""
    text = card()
    assert text.count("```") % 2 == 0 and "None" not in text and "{" not in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    json.dumps(text)
