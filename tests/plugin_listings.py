"""The listings of docs/write-your-own.md, which tests use as plug-ins."""

import re

from tests import paths

PAGE = paths.ROOT / "docs" / "write-your-own.md"
LISTINGS = dict(re.findall(r'```python title="(\w+\.py)"\n(.*?)```', PAGE.read_text(), re.S))
METHOD, DATA = "python:my_gan", "python:my_data:load"
METRIC, FEATURES = "python:my_metrics:METRIC", "python:my_features:quarters"


def write_listings(folder):
    folder.mkdir(exist_ok=True)
    for name, text in LISTINGS.items():
        (folder / name).write_text(text)
    return folder
