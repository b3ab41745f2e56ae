"""Notes, the bin and files of runs through the routes."""

import csv
import io
import json
import shutil
import zipfile

import pytest

from gan_jax.rundir import run_lock
from tests.studio.run_files import record


@pytest.fixture
def own(client, root, make_run):
    """A run of the client that a test may move and change."""
    folder = make_run(root / "own", records=2, flags_txt="--steps=1\n")
    (folder / "checkpoints" / "2").mkdir(parents=True)
    (folder / "checkpoints" / "2" / "state").write_bytes(bytes(range(256)) * 5000)
    client.app.app.state.studio.runs.refresh()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(root / ".bin", ignore_errors=True)
    client.app.app.state.studio.runs.refresh()


def summary(client):
    return client.get("/api/run/own").json()["run"]


def test_tags_of_many_runs_are_added_and_removed(client, own):
    change = lambda **more: client.post("/api/notes", json={"names": ["own"], **more})
    assert change(changes={"tags": ["a"], "title": "Mine"}).status_code == 200
    change(changes={}, add=["b"])
    assert summary(client)["tags"] == ["a", "b"] and summary(client)["title"] == "Mine"
    change(changes={"archived": True}, remove=["a"])
    assert summary(client)["tags"] == ["b"] and summary(client)["archived"]
    for bad in ({"changes": {"color": 1}}, {"changes": {"tags": 1}}, {"changes": {}, "add": [1]}):
        assert change(**bad).status_code == 400
    missing = client.post("/api/notes", json={"names": ["own", "no"], "changes": {"title": "x"}})
    assert missing.status_code == 404 and summary(client)["title"] == "Mine"


def test_a_deleted_run_is_in_the_bin_until_it_is_restored(client, own):
    (key,) = client.post("/api/delete", json={"names": ["own"]}).json()["keys"]
    assert client.get("/api/run/own").status_code == 404
    (entry,) = client.get("/api/bin").json()["entries"]
    assert entry["name"] == "own" and entry["key"] == key
    assert client.post("/api/restore", json={"key": key}).json()["name"] == "own"
    assert summary(client)["state"] == "stopped"
    assert client.post("/api/restore", json={"key": key}).status_code == 404


def test_what_can_be_deleted_is_and_the_rest_is_named(client, own, make_run):
    root = own.parent
    make_run(root / "sweep" / "a_0", DONE="")
    (root / "sweep" / "sweep.json").write_text('{"a_0": {"code": 0}}')
    client.app.app.state.studio.runs.refresh()
    with run_lock.lock_run(own):
        answer = client.post("/api/delete", json={"names": ["own", "sweep", "sweep/a_0"]})
        alone = client.post("/api/delete", json={"names": ["own"]})
    (key,) = answer.json()["keys"]
    assert answer.json()["message"].startswith("sweep: in the bin. own is running")
    assert alone.status_code == 400 and "own is running" in alone.text
    assert summary(client)["state"] == "stopped" and not (root / "sweep").exists()
    assert client.post("/api/restore", json={"key": key}).status_code == 200
    shutil.rmtree(root / "sweep")


@pytest.mark.parametrize("checkpoints", ["yes", "no"])
def test_a_zip_holds_the_files_of_the_run_and_nothing_else(client, own, checkpoints):
    (own / "link").symlink_to(own.parent.parent / "secret")
    (own / "file").symlink_to(own.parent.parent / "secret" / "config.json")
    answer = client.get(f"/zip/own?checkpoints={checkpoints}")
    assert "own.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        read = {name: archive.read(name) for name in archive.namelist()}
    wanted = {
        f"own/{path.relative_to(own)}": path.read_bytes()
        for path in own.rglob("*")
        if path.is_file() and not path.is_symlink() and not path.parent.is_symlink()
    }
    if checkpoints == "no":
        wanted = {name: data for name, data in wanted.items() if "checkpoints" not in name}
    assert read == wanted and not any(b"SECRET" in data for data in read.values())


def test_a_csv_holds_every_record_also_of_values_that_come_later(client, own):
    later = json.loads(record(30)) | {"eval/frechet": 7.5}
    with open(own / "metrics.jsonl", "a") as file:
        file.write("torn\n" + json.dumps(later) + "\n" + '{"step": 40, "gen/loss": 1')
    rows = list(csv.DictReader(io.StringIO(client.get("/csv/own").text)))
    assert [row["step"] for row in rows] == ["10", "20", "30"]
    assert [row["eval/frechet"] for row in rows] == ["", "", "7.5"]
    assert float(rows[1]["gen/loss"]) == json.loads(record(20))["gen/loss"]
    assert rows[0]["seconds"] == "1.0"


@pytest.mark.parametrize("address", ["/zip/{}", "/csv/{}"])
@pytest.mark.parametrize("name", ["link", "no", "../secret", "run/samples"])
def test_files_of_other_folders_are_not_given(client, address, name):
    assert client.get(address.format(name)).status_code == 404
