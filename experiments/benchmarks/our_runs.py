"""Our side of every workload, ready to be timed: run(n) -> seconds per unit, compile_s, memory_mib()."""

import time

from experiments.benchmarks import naive
from experiments.benchmarks.workload import Workload, planned_mib, random_images

N_SAMPLES = 10_000  # images of one unit of sampling


class Training(Workload):
    """Training steps of a workloads.Spec."""

    def __init__(self, spec):
        super().__init__(
            spec.method,
            spec.options,
            spec.size,
            spec.batch,
            spec.colors,
            spec.n_classes,
            spec.dispatch,
        )
        self.compile_s = self.first_step


class Classifier:
    """Training steps of the classifier of gan_jax.metrics.features, on random images."""

    def __init__(self, spec):
        import jax
        import jax.numpy as jnp

        from gan_jax.metrics.features import classifier
        from gan_jax.nets.classifier import Classifier

        began, source = (
            time.perf_counter(),
            random_images(spec.size, spec.colors, spec.shape.classes),
        )
        net, settings = Classifier(spec.n_classes), classifier.Settings(batch=spec.batch)
        optimizer, step = classifier.build_step(net, settings, False)
        variables = jax.jit(net.init)(jax.random.key(0), jnp.zeros((1, *source.images.shape[1:])))
        self._state = (
            variables["params"],
            variables["batch_stats"],
            optimizer.init(variables["params"]),
        )
        self._data = (
            jnp.asarray(source.images),
            jnp.asarray(source.labels),
            classifier.rows_by_class(source.labels),
        )
        self._key, self._done = jax.random.key(0), 0
        self._program = step.lower(self._state, self._data, self._key).compile()
        self.run(1)
        self.compile_s = time.perf_counter() - began

    def run(self, n):
        """Seconds per step over n steps."""
        import jax

        began = time.perf_counter()
        for _ in range(n):
            self._state, _ = self._program(
                self._state, self._data, jax.random.fold_in(self._key, self._done)
            )
            self._done += 1
        jax.block_until_ready(self._state)
        return (time.perf_counter() - began) / n

    def memory_mib(self):
        """See Workload."""
        return planned_mib(self._program)


class Sampling:
    """N_SAMPLES images on the host, from an untrained generator with running statistics."""

    def __init__(self, spec):
        import jax

        from gan_jax import methods
        from gan_jax.core.state import init_jitted
        from gan_jax.training import sampling

        began = time.perf_counter()
        method = methods.TABLE[spec.method].build(spec.hp, spec.shape, 1000)
        self._vs, self._key = init_jitted(method, 0).vars(), jax.random.key(0)
        self._sampler = sampling.build_sampler(method)
        self._sampler(self._vs, self._key, 1)
        self.compile_s = time.perf_counter() - began

    def run(self, n):
        """Seconds per N_SAMPLES images, over n times as many."""
        began = time.perf_counter()
        for _ in range(n):
            self._sampler(self._vs, self._key, N_SAMPLES)
        return (time.perf_counter() - began) / n

    def memory_mib(self):
        """None: a sampler is several programs, whose sum XLA does not plan."""


KINDS = {"training": Training, "classifier": Classifier, "sampling": Sampling}


def build(spec, plain=False):
    """The side of a Spec. plain: with the convolutions of plain flax layers."""
    if not plain:
        return KINDS[spec.kind](spec)
    with naive.convolutions():
        return KINDS[spec.kind](spec)
