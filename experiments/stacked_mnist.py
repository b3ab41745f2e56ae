"""`python -m experiments.stacked_mnist`; `--help` says what it does."""

from gan_jax.commands.entry import main

if __name__ == "__main__":
    main("stacked_mnist")
