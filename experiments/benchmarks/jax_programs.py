"""Our side of every workload as a Program: training, the classifier's training, and sampling."""

import contextlib
import copy
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import naive
from experiments.benchmarks.harness import Program
from experiments.benchmarks.workloads import Workload
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import n_minibatches
from gan_jax.data import loader
from gan_jax.data.datasets import Dataset
from gan_jax.metrics.features import classifier_training
from gan_jax.nets.classifier import Classifier
from gan_jax.training import program, sampling

N_IMAGES = 1024  # random images that are trained on
N_SAMPLES = 10_000  # images in one unit of sampling


def random_images(workload: Workload, n: int = N_IMAGES) -> Dataset:
    """Make n random images of a workload's shape, labelled if it has classes."""
    shape, classes = (n, workload.size, workload.size, workload.colors), workload.data_spec.classes
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(n, dtype=np.int32) % len(classes) if classes else None
    return Dataset(images, labels, classes, "random", "")


def planned_mib(compiled: Any) -> float:
    """Return the peak memory of a compiled program in MiB, as XLA plans it."""
    m = compiled.memory_analysis()
    arrays = m.argument_size_in_bytes + m.output_size_in_bytes - m.alias_size_in_bytes
    return (arrays + m.temp_size_in_bytes) / 2**20


class Training(Program):
    """Training steps, with the loader and the compiler options that a run has."""

    def __init__(self, workload: Workload, dataset: Dataset | None = None, resident: bool = True):
        """Compile, and run the first steps.

        Args:
          workload: Workload.
          dataset: what to train on; None for random images.
          resident: whether the images live on the device or are streamed.
        """
        began, devices = time.perf_counter(), jax.devices()[:1]
        self.workload, self.method = workload, workload.build()
        self.units_per_call, self._done = workload.dispatch, 0
        n, dataset = n_minibatches(self.method), dataset or random_images(workload)
        self.images_per_step = n * workload.batch
        pixels, batch = workload.hp.pixels, workload.batch
        self.loader = loader.build_loader(dataset, pixels, 0, n, batch, devices, resident)
        tally = program.empty_tally(self.method, workload.batch_shapes(n))
        self.carry = jax.device_put((init_jitted(self.method, 0), tally), devices[0])
        built = program.build_program(self.method, self.loader, devices)
        first = self.loader.inputs(0, self.units_per_call)
        self._lowered = built.lower(self.carry, self.loader.device_data, first)
        self.compiled = self._lowered.compile()
        self.warm_up(began)

    def twin(self) -> "Training":
        """Return the same program with a training state of its own."""
        other = copy.copy(self)
        other.carry = jax.tree.map(jnp.copy, self.carry)
        return other

    def call(self):
        leaves = self.loader.inputs(self._done, self.units_per_call)
        self.carry, _ = self.compiled(self.carry, self.loader.device_data, leaves)
        self._done += self.units_per_call

    def wait(self):
        jax.block_until_ready(self.carry)

    def memory_mib(self) -> float:
        return planned_mib(self.compiled)

    def gflop(self) -> float:
        """Return 1e9 operations of a step as XLA counts them unoptimised, loop bodies once."""
        return self._lowered.cost_analysis()["flops"] / 1e9


class ClassifierTraining(Program):
    """Training steps of the classifier of gan_jax.metrics.features, on random images."""

    def __init__(self, workload: Workload):
        began, dataset = time.perf_counter(), random_images(workload)
        net, settings = (
            Classifier(workload.n_classes),
            classifier_training.Settings(batch=workload.batch),
        )
        optimizer, step = classifier_training.build_step(net, settings, False)
        self._key, self._done = jax.random.key(0), 0
        image = jnp.zeros((1, *dataset.images.shape[1:]))
        variables = jax.jit(net.init)(self._key, image)
        params = variables["params"]
        self._state = params, variables["batch_stats"], optimizer.init(params)
        rows = classifier_training.rows_by_class(dataset.labels)
        self._data = jnp.asarray(dataset.images), jnp.asarray(dataset.labels), rows
        self.compiled = step.lower(self._state, self._data, self._key).compile()
        self.warm_up(began)

    def call(self):
        key = jax.random.fold_in(self._key, self._done)
        self._state, _ = self.compiled(self._state, self._data, key)
        self._done += 1

    def wait(self):
        jax.block_until_ready(self._state)

    def memory_mib(self) -> float:
        return planned_mib(self.compiled)


class Sampling(Program):
    """N_SAMPLES images on the host, from an untrained generator with running statistics."""

    def __init__(self, workload: Workload):
        began, method = time.perf_counter(), workload.build()
        self._vs, self._key = init_jitted(method, 0).vars(), jax.random.key(0)
        self._sampler = sampling.build_sampler(method)
        self._sampler(self._vs, self._key, 1)
        self.compile_s = time.perf_counter() - began

    def call(self):
        self._sampler(self._vs, self._key, N_SAMPLES)


KINDS = {"training": Training, "classifier": ClassifierTraining, "sampling": Sampling}


def build(workload: Workload, plain: bool = False) -> Program:
    """Build our program of a workload; plain: with the convolutions of plain flax layers."""
    with naive.convolutions() if plain else contextlib.nullcontext():
        return KINDS[workload.kind](workload)
