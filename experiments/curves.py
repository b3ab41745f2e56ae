"""`python -m experiments.curves`; `--help` says what it does."""

from gan_jax.commands.entry import main

if __name__ == "__main__":
    main("curves")
