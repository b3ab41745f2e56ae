"""Curves of any length in bounded memory, and new lines as they come."""

import numpy as np

from gan_jax.studio import curve_reader
from tests.studio.run_files import record


def test_a_curve_averages_neighbours_and_stays_short():
    curve, values = curve_reader.Curve(), np.random.default_rng(0).normal(size=10_000)
    for i, value in enumerate(values):
        curve.add(i, value)
    k = curve.stride
    assert k == 16 and len(curve.steps) < curve_reader.MAX_POINTS
    whole = values[: len(curve.steps) * k].reshape(-1, k).mean(1)
    np.testing.assert_allclose(curve.values, whole, rtol=1e-12, atol=1e-12)
    assert curve.steps == list(range(k - 1, len(curve.steps) * k, k))
    curve.add(10_000, 7.0)
    rest = [*values[len(curve.steps) * k :], 7.0]
    assert curve.to_dict()["steps"][-1] == 10_000
    assert np.isclose(curve.to_dict()["values"][-1], np.mean(rest)) and len(rest) == 1 + 10_000 % k


def test_class_shares_are_kept_and_told(tmp_path):
    """Shares of all evaluations, thinned when there are many; invalid shares are left out."""
    path, good = tmp_path / "metrics.jsonl", {"real": [0.5, 0.5], "model": [1, 0.0]}
    bad = [
        1,
        [],
        {"real": [1]},
        {"real": [1], "model": [0.5, 0.5]},
        {"real": [], "model": []},
        {"real": ["a"], "model": [0]},
        {"real": [1], "model": [2]},
        {"real": [True], "model": [1]},
        {"real": [0.0] * 99, "model": [0.0] * 99},
    ]
    path.write_text(
        "".join(record(i, shares=share) for i, share in enumerate([*bad, good], 1)) + record(11)
    )
    found = read(curve_reader.CurveReader(path))
    assert found.to_dict()["shares"] == [{"step": 10, **good}]
    told, _ = curve_reader.new_records(path, curve_reader.Position(path.stat().st_ino, 0))
    assert [r.get("shares") for r in told] == [None] * len(bad) + [good, None]
    with open(path, "a") as file:
        file.write("".join(record(i, shares=good) for i in range(12, 1012)))
    steps = [shares["step"] for shares in read(found).to_dict()["shares"]]
    assert (
        len(steps) <= curve_reader.MAX_SHARES
        and steps[0] == 10
        and steps == sorted(steps)
        and 1011 - steps[-1] < 20
    )


def read(found):
    while found.advance():
        pass
    return found


def test_series_read_on_where_they_end(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(record(1) + record(2) + record(3)[:20])
    found = read(curve_reader.CurveReader(path))
    assert found.curves["disc/loss"].steps == [1, 2]
    with open(path, "a") as file:
        file.write(record(3)[20:])
    assert read(found).curves["disc/loss"].steps == [1, 2, 3]
    assert found.position.offset == path.stat().st_size


def test_a_log_that_was_cut_back_is_read_anew(tmp_path):
    """Resuming writes another file with fewer lines; a file that only shrank is read anew, too."""
    path, other = tmp_path / "metrics.jsonl", tmp_path / "new"
    path.write_text("".join(map(record, range(1, 9))))
    found = read(curve_reader.CurveReader(path))
    other.write_text("".join(map(record, range(1, 4))) + "".join(map(record, range(20, 30))))
    other.rename(path)
    position = found.position
    assert curve_reader.new_records(path, position)[0] is None
    assert read(found).curves["disc/loss"].steps == [1, 2, 3, *range(20, 30)]
    path.write_text(record(1))
    assert read(found).curves["disc/loss"].steps == [1]


def test_news_are_whole_lines_in_order(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(record(1))
    position = read(curve_reader.CurveReader(path)).position
    assert curve_reader.new_records(path, position) == ([], position)
    with open(path, "a") as file:
        file.write(record(2) + "no JSON\n" + record(3) + record(4)[:9])
    records, after = curve_reader.new_records(path, position)
    assert [r["step"] for r in records] == [2, 3] and "wall" not in records[0]
    assert curve_reader.new_records(path, after) == ([], after)


def test_news_of_a_file_that_is_not_there_yet_and_then_is(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert curve_reader.new_records(path, curve_reader.BEGINNING) == ([], curve_reader.BEGINNING)
    path.write_text(record(1))
    again, position = curve_reader.new_records(path, curve_reader.BEGINNING)
    assert again is None and [r["step"] for r in curve_reader.new_records(path, position)[0]] == [1]


def test_lines_longer_than_a_block_do_not_stop_it(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(record(1) + "x" * (3 * curve_reader.BLOCK_BYTES) + "\n" + record(2))
    assert read(curve_reader.CurveReader(path)).curves["disc/loss"].steps == [1, 2]


def test_only_some_runs_are_held(tmp_path):
    cache = curve_reader.ReaderCache()
    first = cache.get(tmp_path / "0")
    for i in range(curve_reader.MAX_READERS):
        cache.get(tmp_path / str(i))
    assert cache.get(tmp_path / "0") is first
    for i in range(1, curve_reader.MAX_READERS + 1):
        cache.get(tmp_path / str(i))
    assert cache.get(tmp_path / "0") is not first
