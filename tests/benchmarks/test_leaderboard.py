"""The numbers that README quotes: records against pages, and a measurement stopped and resumed."""

import json
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
from scipy import stats

from experiments.leaderboard import __main__ as command
from experiments.leaderboard import measure, page, records
from experiments.leaderboard.table import README, TABLE, Measurement, Number
from gan_jax import errors
from gan_jax.commands import flagfile_list, process
from tests.paths import ROOT

RECORDS = records.read_all()


def test_pages_quote_what_the_records_say():
    assert records.wrong_quotes(RECORDS) == []


def test_every_row_of_the_table_in_the_readme_has_a_record():
    lines = (ROOT / README).read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| you want |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line)
    names = [re.search(r"--flagfile=(\w+)", row)[1] for row in rows]
    of_readme = {
        n for n, one in TABLE.items() if any(q[0] == README for x in one.numbers for q in x.quotes)
    }
    assert set(names) == of_readme and set(RECORDS) == set(TABLE) and len(names) == len(rows)
    for name, row in zip(names, rows, strict=True):
        quoted = [n for n in TABLE[name].numbers if n.quotes[0][0] == README]
        texts = [records.quoted_text(n, RECORDS[name]["numbers"][n.key]) for n in quoted]
        left = row
        for text in texts:
            left = left.replace(text, "")
        cells = left.split("|")[5:]
        assert not re.search(r"\d", "".join(cells)), f"{name}: {cells} have a number of no record"


def test_another_number_in_a_record_or_on_a_page_is_found(tmp_path):
    (tmp_path / "docs" / "results").mkdir(parents=True)
    pages = {q[0] for one in TABLE.values() for number in one.numbers for q in number.quotes}
    for name in pages:
        (tmp_path / name).write_text((ROOT / name).read_text())
    changed = json.loads(json.dumps(RECORDS))
    changed["gan_quick"]["numbers"]["frechet"]["value"] += 1
    said = records.wrong_quotes(changed, tmp_path)
    assert len(said) == 2 and all("gan_quick" in line for line in said)
    text = (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text(text.replace("97.8 %", "97.9 %"))
    assert len(records.wrong_quotes(RECORDS, tmp_path)) == 1


def test_the_page_is_that_of_the_records_and_marks_other_code():
    text = page.PATH.read_text()
    assert text == page.build(RECORDS, page.built_with(text)), (
        "python -m experiments.leaderboard builds it"
    )
    old = json.loads(json.dumps(RECORDS))
    for name, record in old.items():
        record.update(code="now", recipe=records.recipe_version(TABLE[name].commands))
    old["morpho_quick"]["code"] = "then"
    old["rare_quick"]["recipe"] = old["gan_quick"]["recipe"]
    first, second, *rest = page.build(old, "now").split("\n## ")[1:]
    assert first.startswith("morpho_quick\n") and "other code" in first
    assert second.startswith("rare_quick\n") and "other code" in second
    assert len(rest) == len(RECORDS) - 2 and not any("other code" in text for text in rest)


def test_comments_of_a_flagfile_change_no_version(tmp_path, monkeypatch):
    monkeypatch.setattr(records.command_line, "FLAGFILES", tmp_path)
    versions = []
    for text in ("# a; 1 minute.\n--steps=5\n", "# b; 2 minutes.\n--steps=5\n", "--steps=6\n"):
        (tmp_path / "x.flags").write_text(text)
        versions.append(records.recipe_version(["train gan --flagfile=x --workdir=RUN"]))
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize(
    "name, code, training, study",
    [
        ("core/gan.py", True, False, False),
        ("settings.py", True, False, False),
        ("report/page.py", False, False, False),
        ("studies/runner.py", False, False, True),
        ("studies/ensemble/nodes.py", False, False, True),
        ("studies/augment/gan.py", False, False, False),
    ],
)
def test_what_changes_which_version(name, code, training, study, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "PACKAGE", tmp_path)
    for module in (name, *records.MODULES, "studies/jobs.py", "studies/ensemble/page.py"):
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / module).write_text("a = 1\n")

    def versions():
        one, two = ("train gan --workdir=RUN",), ("ensemble --repeats=10 --workdir=RUN",)
        return records.code_version(), records.recipe_version(one), records.recipe_version(two)

    before = versions()
    (tmp_path / name).write_text("a = 2\n")
    changed = [a != b for a, b in zip(before, versions(), strict=True)]
    assert changed == [code, training, study]


def test_only_what_a_number_depends_on_marks_the_commit(tmp_path, monkeypatch):
    """Records that are written during a measurement leave the commit of the next as it is."""
    monkeypatch.setattr(records, "ROOT", tmp_path)
    assert measure.commit() == records.UNKNOWN, "no checkout"
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "code.py").write_text("a = 1\n")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "a")):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    clean = measure.commit()
    assert re.fullmatch("[0-9a-f]{4,}", clean)
    (tmp_path / "docs" / "results" / "gan_quick.json").write_text("{}")
    assert measure.commit() == clean
    (tmp_path / "code.py").write_text("a = 2\n")
    assert measure.commit() == f"{clean}+"


def test_flagfiles_and_commands_exist():
    for measurement in TABLE.values():
        for words in measurement.commands:
            for flagfile in re.findall(r"--flagfile=(\w+)", words):
                name = words.removeprefix("train ").split()[0]
                assert flagfile in flagfile_list.flagfiles_of(name), flagfile


def test_numbers_of_runs_and_of_seeds():
    rows = {"real": {"frechet": 0.03}, "model": {"frechet": 2.4, "frechet_std": 0.1}}
    rows["model"]["frechet_se"] = 0.05
    result = {"rows": rows, "classes": [], "shares": {"1": {"arms": {"a": [0.9, 0.8, 0.95]}}}}
    one = records.read_number(result, Number("frechet", "rows/model/frechet", ""))
    assert one["value"] == 2.4 and one["spread"] == 0.1
    assert one["interval"] == pytest.approx(
        [2.4 * np.exp(sign * 1.96 * 0.05 / 2.4) for sign in (-1, 1)], rel=1e-5
    )
    floor = records.read_number(result, Number("floor", "rows/real/frechet", ""))
    assert floor == {"value": 0.03, "spread": None, "interval": None}
    seeds = records.read_number(result, Number("a", "shares/1/arms/a", "", scale=100))
    wanted = stats.t.interval(0.95, 2, np.mean([90, 80, 95]), stats.sem([90, 80, 95]))
    assert seeds["value"] == pytest.approx(265 / 3, rel=1e-5)
    assert seeds["interval"] == pytest.approx(wanted, rel=1e-5)
    bounded = records.read_number(result, Number("a", "shares/1/arms/a", "", limits=(0, 1)))
    assert 0 < bounded["interval"][0] < bounded["value"] < bounded["interval"][1] < 1
    result["tables"] = {"gan": [{"frechet": 0.9}, {"frechet": 0.8}, {"frechet": 0.95}]}
    table = records.read_number(result, Number("a", "tables/gan/frechet", "", limits=(0, 1)))
    assert table == bounded, "a row of each seed"
    with pytest.raises(LookupError):
        records.read_number(result, Number("x", "rows/model/beauty", ""))


@pytest.mark.slow
def test_a_measurement_is_made_once_and_again_with_other_code(tmp_path, capfd, monkeypatch):
    """A smoke run: stopped after training, scored by the same command, then not done again."""
    train = "train dcgan --flagfile=dcgan_smoke --steps=4 --data=galaxies:300 --workdir=RUN"
    score = "evaluate RUN --n_images=70 --repeats=2 --scores=kernel --neighbours=0"
    one = Measurement(
        (train, score), "eval.json", 1, (Number("kernel", "rows/model/kernel", "{value:.3f}"),)
    )
    folder = tmp_path / "run"
    broken = one._replace(commands=("evaluate RUN --n_images=70",))
    assert measure.measure("smoke", broken, folder, False) is None
    assert measure.read_where(folder) == {}, "there is no run yet"
    begun = (folder / measure.BEGUN).read_text()
    (folder / measure.BEGUN).write_text(begun.replace(records.code_version(), "before"))
    assert measure.measure("smoke", one, folder, False)["code"] == "before", "it went on"
    shutil.rmtree(folder)
    record = measure.measure("smoke", one, folder, False)
    assert (
        records.is_current(record, one.commands, records.code_version())
        and " of " in record["hardware"]
    )
    assert record["protocol"] == ("70 images at 16 px against 300 real ones, 2 repeats of sampling")
    number = record["numbers"]["kernel"]
    stored = json.loads((folder / "eval.json").read_text())["rows"]["model"]
    assert number["value"] == pytest.approx(stored["kernel"], rel=1e-5)
    assert number["spread"] == pytest.approx(stored["kernel_std"], rel=1e-5)
    assert number["interval"][0] < number["value"] < number["interval"][1]
    capfd.readouterr()
    assert measure.measure("smoke", one, folder, False) == record
    monkeypatch.setattr(records, "code_version", lambda: "other")
    assert measure.measure("smoke", one, folder, False) == record
    assert capfd.readouterr().out == "", "nothing was run"
    short = one._replace(commands=(train.replace("=4", "=2"), score))
    again = measure.measure("smoke", short, folder, True)
    assert again["code"] == "other" and (tmp_path / f"run.{record['code']}" / "DONE").exists()
    assert (folder / "DONE").read_text().startswith("step 2")
    records.write(record, tmp_path)
    assert json.loads((tmp_path / "smoke.json").read_text()) == record


@pytest.mark.long
def test_modules_of_a_checkout_say_how_they_are_typed(child_env, monkeypatch):
    words = [sys.executable, "-m", "experiments.leaderboard", "--mesure"]
    done = subprocess.run(words, env=child_env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Did you mean: measure" in done.stderr
    assert "python -m experiments.leaderboard --help" in done.stderr
    spec = types.SimpleNamespace(name="experiments.dcgan")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    assert errors.typed("train dcgan", "a b") == "python -m experiments.dcgan 'a b'"
    assert errors.typed("flagfiles", "dcgan").endswith(" flagfiles dcgan")
    assert "experiments" not in errors.typed("flagfiles")


def test_names_that_are_not_known_are_refused(capsys):
    assert process.guarded(command.run, ["--only=beauty"]) == 2
    assert "beauty is not known; use" in capsys.readouterr().err
    assert command.choose("gan_quick,infogan_quick") == ["infogan_quick", "gan_quick"]
