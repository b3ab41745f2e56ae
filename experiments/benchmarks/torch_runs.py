"""PyTorch's side of every workload, in all variants, ready to be timed: run(n) -> seconds per unit, compile_s, memory_mib().

A variant is eager or compiled, with contiguous or channels-last images; its optimizer is fused. It does what a step of ours
does to the state, the averaged generator included, and less beside it: no metrics, no gradient norms, no watch for what is not
finite.
"""

import math
import os
import time
from typing import NamedTuple

import jax
import numpy as np
import torch
import torch.nn.functional as F

from experiments.benchmarks import equality, torch_memory, torch_nets, torch_steps
from experiments.benchmarks.our_runs import N_SAMPLES
from experiments.benchmarks.workload import random_images
from gan_jax.metrics.features import classifier
from gan_jax.nets.classifier import Classifier as OurClassifier
from gan_jax.training.sampling import CHUNK


class Variant(NamedTuple):
    """How PyTorch runs a workload. chunk: images that a sampler makes at a time."""

    compiled: bool = False
    channels_last: bool = False
    chunk: int = CHUNK

    @property
    def memory(self):
        """torch.memory_format of images and kernels."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def __str__(self):
        words = ["compiled" if self.compiled else "eager"] + ["channels_last"] * self.channels_last
        return " ".join(words + [f"{self.chunk} at a time"] * (self.chunk != CHUNK))


def variants(spec, compiled):
    """All Variants of a Spec."""
    chunks = (CHUNK, 8 * CHUNK) if spec.kind == "sampling" else (CHUNK,)
    how = [
        (c, last)
        for c in ((False, True) if compiled else (False,))
        for last in ((False, True) if spec.convolves else (False,))
    ]
    return [Variant(*both, chunk) for both in how for chunk in chunks]


def device():
    """Where JAX computes."""
    return torch.device("cuda" if jax.default_backend() == "gpu" else "cpu")


def prepare():
    """As many threads as this process has cores, and on a GPU the precision of products that JAX has by default."""
    torch._dynamo.config.fail_on_recompile_limit_hit = (
        True  # it would go on, eager, and be called compiled
    )
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_float32_matmul_precision("high")


def wait():
    """Returns when all that was asked of the device is done."""
    if device().type == "cuda":
        torch.cuda.synchronize()


def _fused(kind, weights, **options):
    return kind(weights, fused=True, **options)


class _Run:
    """n units after one that warms up; `_unit` makes one."""

    def _begin(self, began):
        self._unit()
        wait()
        self.compile_s = time.perf_counter() - began

    def run(self, n):
        """Seconds per unit over n units."""
        began = time.perf_counter()
        for _ in range(n):
            self._unit()
        wait()
        return (time.perf_counter() - began) / n

    def memory_mib(self):
        """Peak memory of a unit in MiB: weights, optimizer, resident images and what is allocated on the way."""
        return torch_memory.peak_mib(self._unit, self._resident())


def _data(spec):
    """(uint8 [N, C, H, W], int64 [N] or None) on the device."""
    source = random_images(spec.size, spec.colors, spec.shape.classes)
    labels = (
        torch.from_numpy(source.labels.astype(np.int64)).to(device()) if spec.n_classes else None
    )
    return torch.from_numpy(torch_nets.image(source.images)).to(device()), labels


class Training(_Run):
    """Training steps of a workloads.Spec, from our weights."""

    def __init__(self, spec, variant):
        began, hp = time.perf_counter(), spec.hp
        _, state = equality.build(spec)
        nets = equality.torch_nets_of(spec, state.params, state.batch_stats, torch.float32)
        nets = {name: net.to(device(), memory_format=variant.memory) for name, net in nets.items()}
        slope = torch_steps.slope_traced if variant.compiled else torch_steps.slope_eager
        model = torch_steps.Model(nets, hp, spec.n_classes, slope)

        def adam(name, weights):
            lr = hp.lr_disc if name == "disc" and hp.lr_disc else hp.lr
            return _fused(torch.optim.Adam, weights, lr=lr, betas=(hp.beta1, hp.beta2))

        self._data = _data(spec)
        sizes = hp.n_disc, *self._data, spec.batch
        self._trainer = torch_steps.Trainer(
            spec.method, model, adam, *sizes, variant.compiled, variant.memory
        )
        self._begin(began)

    def _unit(self):
        self._trainer.step()

    def _resident(self):
        return [*self._trainer.tensors(), *self._data]


class Classifier(_Run):
    """Training steps of the classifier: AdamW with a warm-up and a cosine."""

    def __init__(self, spec, variant):
        began, self._settings, self._batch = time.perf_counter(), classifier.Settings(), spec.batch
        variables = OurClassifier(spec.n_classes).init(
            jax.random.key(0), np.zeros((1, spec.size, spec.size, spec.colors))
        )
        trees = [jax.tree.map(np.asarray, variables[name]) for name in ("params", "batch_stats")]
        self._net = torch_nets.Classifier(*trees).to(device(), memory_format=variant.memory)
        weights = self._net.parameters()
        self._optimizer = _fused(
            torch.optim.AdamW, weights, lr=0.0, weight_decay=self._settings.weight_decay
        )
        self._data, self._done, self._memory = _data(spec), 0, variant.memory
        loss = lambda x, y: F.cross_entropy(self._net(x, "train"), y)
        self._loss = torch.compile(loss, dynamic=False) if variant.compiled else loss
        self._begin(began)

    def _rate(self):
        done, steps = self._done, self._settings.steps
        warm = steps // 10
        if done < warm:
            return self._settings.learning_rate * done / warm
        return (
            self._settings.learning_rate
            * 0.5
            * (1 + math.cos(math.pi * min((done - warm) / (steps - warm), 1)))
        )

    def _unit(self):
        images, labels = self._data
        rows = torch.randint(len(images), (self._batch,), device=images.device)
        x = (images[rows].float() / 127.5 - 1).contiguous(memory_format=self._memory)
        self._optimizer.zero_grad(set_to_none=True)
        self._loss(x, labels[rows]).backward()
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate()
        self._optimizer.step()
        self._done += 1

    def _resident(self):
        moments = [t for state in self._optimizer.state.values() for t in state.values()]
        return [*self._net.parameters(), *self._net.buffers(), *moments, *self._data]


class Sampling(_Run):
    """N_SAMPLES images on the host, with running statistics."""

    def __init__(self, spec, variant):
        began, self._chunk, self._z_dim = time.perf_counter(), variant.chunk, spec.hp.z_dim
        _, state = equality.build(spec)
        nets = equality.torch_nets_of(spec, state.params, state.batch_stats, torch.float32)
        self._net = nets["gen"].to(device(), memory_format=variant.memory)
        self._make = (
            torch.compile(self._images, dynamic=False) if variant.compiled else self._images
        )
        self._begin(began)

    def _images(self, z):
        return ((self._net(z, "running") + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    def _unit(self):
        parts = []
        with torch.inference_mode():
            for _ in range(-(-N_SAMPLES // self._chunk)):
                z = torch.empty((self._chunk, self._z_dim), device=device()).uniform_(-1, 1)
                parts.append(self._make(z).cpu().numpy())
        return np.concatenate(parts)[:N_SAMPLES]

    def _resident(self):
        return [*self._net.parameters(), *self._net.buffers()]


KINDS = {"training": Training, "classifier": Classifier, "sampling": Sampling}


def build(spec, variant):
    """The side of a Spec in one Variant."""
    return KINDS[spec.kind](spec, variant)
