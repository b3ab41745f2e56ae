"""Titles, tags, notes and archive of a run: what is kept, what is refused."""

import json

import pytest

from gan_jax.errors import InputError
from gan_jax.rundir import run_folder
from gan_jax.studio import run_notes
from gan_jax.studio.run_index import RunIndex


def test_changes_are_kept_beside_what_was_said_before(tmp_path, make_run):
    folder = make_run(tmp_path / "a")
    run_notes.change(folder, {"title": "  My   best ", "tags": ["a", "b b", "a", " "]})
    notes = run_notes.change(folder, {"archived": True})
    assert notes == {"title": "My best", "notes": "", "tags": ["a", "b b"], "archived": True}
    assert run_notes.read(folder) == notes
    summary = RunIndex(tmp_path).summary("a")
    assert (summary["title"], summary["tags"], summary["archived"]) == ("My best", ["a", "b b"], 1)


def test_a_run_that_begins_again_keeps_its_notes(tmp_path, make_run):
    folder = make_run(tmp_path / "a")
    run_notes.change(folder, {"notes": "lr too high"})
    run_folder.discard(folder)
    assert run_notes.read(folder)["notes"] == "lr too high"
    assert not (folder / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"title": 1},
        {"title": "x" * 101},
        {"tags": "a"},
        {"tags": [1]},
        {"tags": ["x" * 41]},
        {"tags": [str(i) for i in range(21)]},
        {"archived": "yes"},
        {"notes": "x" * 20_001},
        {"notes": "\ud800"},
    ],
)
def test_what_is_no_note_is_refused_and_changes_nothing(tmp_path, changes):
    run_notes.change(tmp_path, {"title": "a"})
    with pytest.raises(InputError):
        run_notes.change(tmp_path, changes)
    assert run_notes.read(tmp_path)["title"] == "a"


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"tags": 3}), "\x00"])
def test_damaged_notes_hide_no_run_and_are_not_overwritten(tmp_path, make_run, text):
    folder = make_run(tmp_path / "a")
    (folder / "notes.json").write_text(text)
    assert run_notes.read(folder) == run_notes.EMPTY
    assert RunIndex(tmp_path).summary("a")["state"] == "stopped"
    with pytest.raises(InputError):
        run_notes.change(folder, {"title": "a"})
    assert (folder / "notes.json").read_text() == text
