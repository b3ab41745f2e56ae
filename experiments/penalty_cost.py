"""`python -m experiments.penalty_cost`; `--help` says what it does."""

import sys

from experiments.benchmarks import penalty_cost
from gan_jax.commands import process

if __name__ == "__main__":
    sys.exit(process.guarded(penalty_cost.run, sys.argv[1:]))
