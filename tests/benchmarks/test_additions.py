"""What additions cost: each program has one addition, and its ratio is to the one without."""

import json

import pytest

from experiments.benchmarks import additions
from experiments.benchmarks.additions import ADDITIONS, Settings

NETS = {"net", "width", "pixels", "input_noise"}


@pytest.mark.parametrize("name", ADDITIONS)
def test_a_program_differs_from_its_base_in_the_addition_alone(name):
    base = ADDITIONS[name][2]
    assert ADDITIONS[base][2] in (base, "base")
    ours, theirs = (additions.workload(one, Settings()) for one in (name, base))
    assert (ours.size, ours.batch, ours.n_classes) == (theirs.size, theirs.batch, theirs.n_classes)
    if name != "r3gan":  # whole nets with all that belongs to them
        changed = {k for k, v in ours.options.items() if theirs.options.get(k) != v}
        assert changed == set(ADDITIONS[name][1]) - set(ADDITIONS[base][1])
    ours.build()  # is refused by nothing


@pytest.mark.slow
def test_the_command_writes_what_it_prints(tmp_path, capsys):
    path = tmp_path / "cost.json"
    words = ["--size=8", "--width=2", "--batch=8", "--rounds=6", "--steps=1", f"--json={path}"]
    additions.run(words, ["base", "lecam"])
    rows = {row["addition"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows["base"]["of_base"]["median"] == 1 == rows["base"]["memory_of_base"]
    assert len(rows["lecam"]["times_s"]) == 6
    printed = capsys.readouterr().out
    assert f"{rows['lecam']['of_base']['median']:.3f}" in printed
