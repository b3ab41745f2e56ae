"""The sentence that sums an evaluation up, for every place between real images and controls."""

import pytest

from gan_jax.report.verdict import verdict


def record(value, se=1.0, *, real=2.0, untrained=95.0, collapsed=40.0, key="frechet", **fields):
    """A record of one score; None leaves a control out."""
    controls = {"untrained": untrained, "collapsed": collapsed}
    rows = {"real": {key: real}, "model": {key: value, f"{key}_se": se}}
    rows |= {name: {key: number} for name, number in controls.items() if number is not None}
    return {"rows": rows, "classes": [], **fields}


@pytest.mark.parametrize("value, se, kind, start", [
    (10.0, 1.0, "better", "Better than both controls, an untrained generator and real images"),
    (38.0, 1.5, "between", "Better than an untrained generator, but no better than real images"),
    (60.0, 1.0, "between", "Better than an untrained generator, but worse than real images"),
    (94.0, 2.0, "worse", "No better than an untrained generator: Frechet distance 94,"),
    (107.0, 2.0, "worse", "Worse than an untrained generator: Frechet distance 107,"),
])  # fmt: skip
def test_a_generator_between_real_images_and_controls(value, se, kind, start):
    found = verdict(record(value, se))
    assert found.kind == kind and found.text.startswith(start)
    assert "untrained 95, collapsed 40, real data 2 (lower is better)" in found.text


def test_what_to_do_depends_on_the_average():
    """One that still holds the untrained net is told from training that came to nothing."""
    held = verdict(record(107.0, untrained_share=0.47)).text
    assert "still 47 % its untrained weights" in held and "--ema=false" in held
    for share in ({}, {"untrained_share": 1e-3}):
        assert "train with more --steps" in verdict(record(107.0, **share)).text


def test_a_control_may_be_the_better_one():
    """Better than images of one class, and worse than untrained: learning has done harm."""
    assert verdict(record(30.0, untrained=20.0)).kind == "worse"


def test_scores_where_high_is_good():
    options = {"real": 0.9, "untrained": 0.0, "collapsed": 0.2, "key": "coverage"}
    assert verdict(record(0.7, 0.05, **options)).kind == "better"
    assert verdict(record(0.25, 0.05, **options)).kind == "between"
    assert verdict(record(0.01, 0.005, **options)).kind == "between"  # never 0, as untrained
    assert verdict(record(0.01, 0.005, **options | {"untrained": 0.015})).kind == "worse"


def test_points_and_images_have_one_control():
    points = verdict(record(0.1, 0.0, real=0.05, collapsed=None, key="wasserstein"))
    assert points.kind == "better" and points.text.startswith("Better than an untrained generator:")
    scored = record(10.0, untrained=None)
    scored["rows"]["images"] = scored["rows"].pop("model")
    assert verdict(scored).text.startswith("Better than real images without variety: Frechet")
    scored["rows"]["images"]["frechet"] = 50.0
    assert verdict(scored).kind == "between"
    assert verdict(scored).text.startswith("Worse than real images without variety: Frechet")


def test_scores_that_do_not_decide_say_nothing():
    assert verdict(record(0.9, key="precision")) == ("", "")
    alone = {"rows": {"real": {"frechet": 1.0}, "model": {"frechet": 2.0}}, "classes": []}
    assert verdict(alone) == ("", "")
    both = record(10.0)
    for row in both["rows"].values():
        row["kernel"] = 5.0
    assert "Frechet" in verdict(both).text, "the first that decides"
