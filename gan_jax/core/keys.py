"""Random key streams: the constants that keys are folded with, in one enum.

A run's randomness is a function of its seed, the step and the minibatch; see `GanState.key` and
`method.select_minibatch`. Within one loss, these constants tell sub-streams apart. The integers are
part of every result: changing one changes the numbers of all runs.
"""

import enum

import jax


class KeyStream(enum.IntEnum):
    """A constant that a key is folded with.

    Some members are equal. That is safe, because equal members are never folded with the same key.
    """

    # Folded with the key of a minibatch, inside a loss.
    DROPOUT = 1
    DIFFAUGMENT = 2
    TRAINING_CONDITION = 3  # classes or codes of generated images
    CONSISTENCY = 6  # changed real images in D's loss
    REALS_OF_GEN = 5  # D on real images in G's loss
    RECON_DROPOUT = 1  # Dist-GAN's encoder step: the first of six in a row, one for each pass
    CODE_DROPOUT = 3  # Dist-GAN's D step: the encoder that makes codes
    RECONSTRUCTION_DROPOUT = 4  # Dist-GAN's D step: the generator that decodes them
    # Folded with the key of one operation of core.diffaugment.
    AUGMENTED = 64  # which images it changes
    # Folded with the key of a chunk of samples.
    SAMPLED_CONDITION = 1
    SAMPLE = 4
    # Folded with the key of the run.
    GRID = 64  # sample grids
    MONITOR = 65  # images that training.monitor measures


def fold(key: jax.Array, stream: KeyStream) -> jax.Array:
    """Fold a key with a stream."""
    return jax.random.fold_in(key, int(stream))


def run_key(seed: int, stream: KeyStream) -> jax.Array:
    """Make the key of a run's stream."""
    return fold(jax.random.key(seed), stream)
