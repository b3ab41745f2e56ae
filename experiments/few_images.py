"""`python -m experiments.few_images`; `--help` says what it does."""

from gan_jax.commands.entry import main

if __name__ == "__main__":
    main("few_images")
