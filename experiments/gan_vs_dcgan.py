"""`python -m experiments.gan_vs_dcgan`; `--help` says what it does."""

from gan_jax.commands.entry import main

if __name__ == "__main__":
    main("gan_vs_dcgan")
