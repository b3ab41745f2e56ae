"""What the pages say of the distributions, held beside the distributions."""

import re

import pytest

from gan_jax import web
from gan_jax.data import toys


def described():
    """{distribution: what the live page says of it}."""
    script = (web.ROOT / "live.js").read_text()
    block = re.search(r"const DISTRIBUTIONS = \{(.*?)\};", script, re.S)[1]
    return dict(re.findall(r'(\w+): "([^"]*)"', block))


@pytest.mark.parametrize("name", [name for name in described() if name in toys.TABLE])
def test_as_many_modes_are_named_as_there_are(name):
    counts = re.findall(r"\d+(?= modes)", described()[name])
    assert counts == ([str(len(toys.TABLE[name].classes))] if toys.TABLE[name].classes else [])
