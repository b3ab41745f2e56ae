"""Operations that exist only because XLA is slow at them on CPUs.

They return what JAX's own operations return. On an accelerator, and with GAN_CONV=native, they are
JAX's own: `python -m experiments.benchmarks --notorch --nonaive` with and without GAN_CONV=native
shows what all of them gain together.

conv    Convolutions. A step made of plain flax layers takes 4 to 26 times as long, sampling 1.4
        times (`python -m experiments.benchmarks --notorch --rounds=6`, column naive_ms). XLA:CPU
        runs the transposed convolutions and weight gradients that JAX derives in naive loops, all
        the more inside `cond` and `scan`.
reduce  Sums over pixels, as matrix products with ones, in blocks: twice as fast as one product of
        a million rows, and more than a hundred times as exact.
random  Random numbers of jax.random: the same bits, computed in one pass over memory, not in five.
cpu     `materialize`, by which Adam's means are computed once per step, not twice: MGAN's step is
        1.06 and that of `mlp` 1.08 times as fast; and augmented images once per operation: a step
        of `rare` on five channels is 1.7 times as fast. The compiler options of training programs.

docs/performance.md has the measurements and their machines.
"""
