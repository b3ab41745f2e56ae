"""`python -m experiments.rare`; `--help` says what it does."""

from gan_jax.commands.entry import main

if __name__ == "__main__":
    main("rare")
