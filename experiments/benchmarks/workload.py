"""A training program on random images, to be timed: the step, the feed and the compiler options that a run has."""

import copy
import time

import numpy as np

N_IMAGES = 1024


def random_images(size, colors, classes=(), n=N_IMAGES):
    """Source of n of them, labelled if there are classes."""
    from gan_jax.data.datasets import Dataset

    r = np.random.default_rng(0)
    images = r.integers(0, 256, (n, size, size, colors), dtype=np.uint8)
    labels = np.arange(n, dtype=np.int32) % len(classes) if classes else None
    return Dataset(images, labels, classes, "random", "")


def planned_mib(program):
    """Peak memory of a compiled program in MiB, as XLA plans it."""
    m = program.memory_analysis()
    return (
        m.argument_size_in_bytes
        + m.output_size_in_bytes
        - m.alias_size_in_bytes
        + m.temp_size_in_bytes
    ) / 2**20


class Workload:
    """One training program on random images, ready to run."""

    def __init__(
        self,
        method,
        options,
        size,
        batch,
        colors=3,
        n_classes=0,
        dispatch=1,
        source=None,
        resident=True,
    ):
        """Builds, compiles and runs it once.

        Args:
          method: key of gan_jax.methods.TABLE. options: {setting: value} where its settings differ from their defaults.
          size: side of the images, in pixels. batch: images per minibatch. colors: channels. n_classes: 0: no labels.
          dispatch: steps in one compiled call.
          source: data.datasets.Dataset; None for random images. resident: whether they live on the device, or are streamed.
        """
        import jax

        from gan_jax import methods
        from gan_jax.core.state import init_jitted
        from gan_jax.core.method import n_minibatches
        from gan_jax.data import loader
        from gan_jax.methods import base
        from gan_jax.training import training_loop

        module = methods.TABLE[method]
        self.hp, self.batch, self.dispatch, self.times = (
            module.Settings(**options),
            batch,
            dispatch,
            [],
        )
        began, devices = time.perf_counter(), jax.devices()[:1]
        classes = tuple(f"class {i}" for i in range(n_classes))
        self.method = module.build(self.hp, base.DataSpec(size, colors, classes), 1000)
        draws = n_minibatches(self.method)
        source = source or random_images(size, colors, classes)
        self.feed = loader.build(source, self.hp.pixels, 0, draws, batch, devices, resident)
        shapes = {"image": jax.ShapeDtypeStruct((draws, batch, size, size, colors), np.float32)}
        shapes |= {"label": jax.ShapeDtypeStruct((draws, batch), np.int32)} if n_classes else {}
        tally = training_loop.empty_tally(self.method, shapes)
        self.carry = jax.device_put((init_jitted(self.method, 0), tally), devices[0])
        self.lowered = training_loop.build_program(self.method, self.feed, devices).lower(
            self.carry, self.feed.data, self.feed.at(0, dispatch)
        )
        self.program = self.lowered.compile()
        self.run(1)
        self.first_step = time.perf_counter() - began
        self.images = batch * draws

    def twin(self):
        """The same program with a state of its own."""
        import jax

        other = copy.copy(self)
        other.carry, other.times = jax.tree.map(lambda a: a.copy(), self.carry), []
        return other

    def run(self, n_steps):
        """Seconds per step over n_steps, or as many more as make a whole number of dispatches."""
        import jax

        began = time.perf_counter()
        steps = range(0, n_steps, self.dispatch)
        for step in steps:
            self.carry, _ = self.program(
                self.carry, self.feed.data, self.feed.at(step, self.dispatch)
            )
        jax.block_until_ready(self.carry)
        return (time.perf_counter() - began) / (len(steps) * self.dispatch)

    def memory_mib(self):
        """Peak memory of a step in MiB, as compiled: training state, resident images and scratch."""
        return planned_mib(self.program)

    def gflop(self):
        """Billions of floating point operations of a step, as XLA counts them before it optimises: the body of a loop once."""
        return self.lowered.cost_analysis()["flops"] / 1e9
