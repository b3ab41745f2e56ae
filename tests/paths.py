"""Where things lie in a checkout."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
