"""`python -m experiments.acgan_s1_section4`; `--help` says what it does."""

from gan_jax.commands.entry import main

if __name__ == "__main__":
    main("acgan_s1_section4")
