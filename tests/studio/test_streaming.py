"""Events of a run. test_journey.py reads a stream that stays open."""

import json
import re

import pytest

ADDRESS = "/api/stream/study/two"


def parse(text):
    """Return ({event: value}, id of the last event) of a stream."""
    events = re.findall(r"event: (\w+)\ndata: (.*)\n", text)
    return {kind: json.loads(data) for kind, data in events}, re.findall(r"id: (.*)\n", text)[-1]


def test_events_tell_what_is_new_and_where_to_go_on(client, root):
    first = client.get(ADDRESS, params={"once": ""})
    assert first.headers["content-type"].startswith("text/event-stream")
    assert first.text.startswith("retry: 2000\n")
    events, position = parse(first.text)
    assert events["run"]["run"]["state"] == "finished" and events["run"]["samples"] == [10]
    assert "reload" in events and "console" not in events  # no position is known yet
    second = client.get(ADDRESS, params={"once": ""}, headers={"last-event-id": position})
    events, position = parse(second.text)
    assert [record["step"] for record in events["records"]] == [10, 20, 30, 40, 50]
    console = root / "study" / "two" / "console.log"
    console.write_text("trained\n")
    third = client.get(ADDRESS, params={"once": "", "position": position})
    console.unlink()
    events, _ = parse(third.text)
    assert "records" not in events and events["console"] == "trained\n"


@pytest.mark.long
@pytest.mark.parametrize(
    "position", ["", "x", "1", "1-2-3-4", "1--2", "9" * 30 + "-1", "\n", "-", "1-2-x", "1e3-1"]
)
def test_invalid_positions_begin_at_the_beginning(client, position):
    answer = client.get(ADDRESS, params={"once": "", "position": position})
    assert "event: reload" in answer.text
