"""When gloo's thread yields, and where gloo listens."""

import pytest

from gan_jax.training import gloo


@pytest.mark.parametrize(
    ("waited", "computed", "crowded"),
    [
        (0.0, 0.9, False),  # it never wants to run
        (0.7, 0.7, False),  # it waits for the step of its own process
        (0.7, 0.1, True),  # it waits for others
        (0.25, 0.1, False),
    ],
)
def test_it_yields_unless_other_programs_keep_it_waiting(waited, computed, crowded):
    assert gloo.is_crowded(waited, computed, 1.0) == crowded
    assert gloo.is_crowded(10 * waited, 10 * computed, 10.0) == crowded


@pytest.mark.parametrize("coordinator", ["localhost:29400", "127.0.0.1:29400", "[::1]:29400"])
def test_processes_of_one_machine_meet_there(coordinator):
    assert gloo._own_address(coordinator) in ("127.0.0.1", "::1")


def test_a_loopback_name_of_this_machine_is_not_where_others_look(monkeypatch):
    """As on Debian, where a machine's own name means 127.0.1.1."""
    routes = {"node1": "127.0.1.1", "192.0.2.1": "10.0.0.5"}
    monkeypatch.setattr(gloo, "_address_toward", routes.get)
    assert gloo._own_address("node1:29400") == "10.0.0.5"
    monkeypatch.setattr(gloo, "_address_toward", {"node1": "127.0.1.1"}.get)
    assert gloo._own_address("node1:29400") == "127.0.1.1", "there is no other network"
