"""Damaged checkpoints: nothing wrong is ever loaded, and the intact one before is."""

import contextlib
import io
import json
import random
import shutil

import numpy as np
import pytest

from gan_jax.errors import InputError
from gan_jax.rundir import checkpoint, host_state
from tests.rundir import test_checkpoint
from tests.rundir.test_checkpoint import TALLY, state

SCORES = {1: {"frechet": 2.0, "precision": 0.5}, 2: {"frechet": 1.0, "precision": 0.5}}


@pytest.fixture
def folder(tmp_path):
    """A run folder with checkpoints 1 and 2, holding their step's number; 2 is the best."""
    with checkpoint.Store(tmp_path, best="frechet") as store:
        for step in (1, 2):
            store.save(step, state(step), {"n": np.float32(step)}, SCORES[step])
    return tmp_path


def files(folder):
    """All files of checkpoint 2."""
    return sorted(path for path in (folder / "checkpoints" / "2").rglob("*") if path.is_file())


def meta_file(folder):
    return folder / "checkpoints" / "2" / "meta" / "metadata"


def load_damaged(folder):
    """Loads the newest checkpoint, and checks what comes of it.

    Returns:
      "harmless": it is step 2. "detected": it is step 1, and a line on stderr names the damage. In
      both cases it has the bytes that were saved, and no other best than the true one is named.
    """
    stderr = io.StringIO()
    with (
        contextlib.redirect_stderr(stderr),
        checkpoint.Store(folder, "frechet", read_only=True) as store,
    ):
        step, found, tally = store.load_newest(state(), TALLY, keep=True)
        try:
            assert store.best_step() == 2
        except InputError as refusal:
            assert "checkpoints/2 is damaged" in str(refusal)
    assert host_state.digest(host_state.to_host(found)) == host_state.digest(
        host_state.to_host(state(step))
    )
    assert tally == {"n": step}
    assert ("checkpoints/2 is damaged" in stderr.getvalue()) == (step == 1)
    return "harmless" if step == 2 else "detected"


@pytest.mark.long
def test_no_flipped_bit_is_ever_loaded(folder):
    """200 random bits of all the checkpoint's bits, and one of each of its files."""
    r, sizes = random.Random(0), {path: path.stat().st_size for path in files(folder)}
    hit = r.choices(list(sizes), list(sizes.values()), k=200) + list(sizes)
    counts = {"harmless": 0, "detected": 0}
    for path in hit:
        intact = path.read_bytes()
        flipped, bit = bytearray(intact), r.randrange(8 * len(intact))
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        counts[load_damaged(folder)] += 1
        path.write_bytes(intact)
    assert counts["detected"] > 150  # most bytes are weights
    assert load_damaged(folder) == "harmless"


@pytest.mark.parametrize("kept", [None, 0.0, 0.5])
def test_a_missing_empty_or_cut_file_is_never_loaded(folder, kept):
    """kept: the fraction of the file that is left, or None if it is gone."""
    outcomes = {}
    for path in files(folder):
        intact = path.read_bytes()
        path.unlink() if kept is None else path.write_bytes(intact[: int(kept * len(intact))])
        outcomes[path] = load_damaged(folder)
        path.write_bytes(intact)
    assert outcomes[meta_file(folder)] == "detected"
    assert all(outcomes[path] == "detected" for path in files(folder) if path.stat().st_size > 1000)


def test_a_changed_description_is_damage_not_another_version(folder):
    """Every value of it: steps, digests, leaf names, types, scores."""
    stored = json.loads(meta_file(folder).read_text())
    for change in (
        lambda content: content.update(step=3),
        lambda content: content.update(state=content["tally"]),
        lambda content: content["leaves"].update(v=content["leaves"].pop("['w']")),
        lambda content: content["leaves"].update({"['w']": "float32[40, 301]"}),
        lambda content: content["scores"].update(frechet=3.0),
        lambda content: content.update(scores=None),
    ):
        changed = json.loads(json.dumps(stored))
        change(changed["content"])
        meta_file(folder).write_text(json.dumps(changed))
        assert load_damaged(folder) == "detected"
    meta_file(folder).write_text(json.dumps(stored, indent=3))  # the same in other words
    assert load_damaged(folder) == "harmless"


def test_a_checkpoint_under_another_name_is_damage(folder):
    shutil.move(folder / "checkpoints" / "1", folder / "checkpoints" / "3")
    with checkpoint.Store(folder) as store, contextlib.redirect_stderr(io.StringIO()) as stderr:
        assert store.load_newest(state(), TALLY)[0] == 2
    assert "checkpoints/3 is damaged (it holds step 1)" in stderr.getvalue()


@pytest.mark.parametrize("path", [meta_file, lambda folder: test_checkpoint.data_file(folder, 2)])
def test_damage_to_the_only_checkpoint_is_refused(folder, path):
    shutil.rmtree(folder / "checkpoints" / "1")
    test_checkpoint.flip(path(folder))
    with pytest.raises(InputError, match="None of the checkpoints .* is intact"):
        checkpoint.load_state(folder, state())


def test_a_damaged_score_names_no_other_best_and_is_kept(folder):
    meta_file(folder).write_text(
        meta_file(folder).read_text().replace('"frechet": 1.0', '"frechet": 9.0')
    )
    with pytest.raises(InputError, match=r"checkpoints/2 is damaged .* so the best is not known"):
        checkpoint.load_state(folder, state(), "best", "frechet")
    assert checkpoint.load_state(folder, state(), "1", "frechet")[0] == 1
    with checkpoint.Store(folder, best="frechet") as store:
        for step in (3, 4):
            store.save(step, state(step), TALLY, {"frechet": 5.0})
        assert store.steps() == [1, 2, 3, 4]  # 1 is the best that is known
