"""PyTorch's side of every workload as a Program, in all variants.

A variant is eager or compiled, with contiguous or channels-last images; its optimizer is fused. It
does what a step of ours does to the state, the averaged generator included, and less beside it: no
metrics, no gradient norms, no check for what is not finite.
"""

import json
import math
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.benchmarks import torch_nets, torch_steps
from experiments.benchmarks.harness import Program
from experiments.benchmarks.jax_programs import N_SAMPLES, random_images
from experiments.benchmarks.workloads import Workload
from gan_jax.core.initialize import init_jitted
from gan_jax.metrics.features import classifier_training
from gan_jax.nets.classifier import Classifier
from gan_jax.training.sampling import CHUNK


class Variant(NamedTuple):
    """How PyTorch runs a workload."""

    compiled: bool = False
    channels_last: bool = False
    chunk: int = CHUNK  # images that a sampler makes at a time
    graphs: bool = False  # whether compiled losses are replayed as CUDA graphs

    @property
    def memory(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def __str__(self) -> str:
        words = ["compiled" if self.compiled else "eager"] + ["channels_last"] * self.channels_last
        words += ["graphs"] * self.graphs
        return " ".join(words + [f"{self.chunk} at a time"] * (self.chunk != CHUNK))


def variants(workload: Workload, compiled: bool) -> list[Variant]:
    """List the variants of a workload; compiled: also those with torch.compile."""
    return [
        Variant(c, last, chunk)
        for c in ((False, True) if compiled else (False,))
        for last in ((False, True) if workload.convolves else (False,))
        for chunk in ((CHUNK, 8 * CHUNK) if workload.kind == "sampling" else (CHUNK,))
    ]


def device() -> torch.device:
    """Return the device that JAX computes on."""
    return torch.device("cuda" if jax.default_backend() == "gpu" else "cpu")


def prepare() -> None:
    """Use all cores of this process, and on a GPU JAX's default precision of products."""
    # Otherwise it would go on, eager, and be called compiled.
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_float32_matmul_precision("high")


def wait() -> None:
    """Return when the device has done all that it was asked for."""
    if device().type == "cuda":
        torch.cuda.synchronize()


def peak_mib(unit: Callable[[], Any], resident: Iterable[Tensor | None]) -> float:
    """Measure the memory that is held at most while unit() runs, in MiB.

    By the allocator on a GPU, by the profiler on a CPU: there it does not see libraries that
    allocate by themselves, such as oneDNN for its scratch.

    Args:
      unit: function to measure.
      resident: tensors that are there before and after, maybe repeated.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        unit()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() / 2**20
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, profile_memory=True) as profile:
        unit()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    held = np.cumsum([0, *(change for _, change in changes)])
    unique = {id(t): t for t in resident if t is not None}.values()
    return (sum(t.numel() * t.element_size() for t in unique) + int(held.max())) / 2**20


class _TorchProgram(Program):
    def wait(self):
        wait()

    def memory_mib(self) -> float:
        return peak_mib(self.call, self.resident())

    def resident(self) -> list[Tensor | None]:
        """List the tensors that are there before and after a unit."""
        raise NotImplementedError


def _numpy(tree):
    return jax.tree.map(np.asarray, tree)


def _build_nets(workload, variant):
    """Nets with our weights, {name: net}, on the device."""
    state = init_jitted(workload.build(), 0)
    trees = _numpy(state.params), _numpy(state.batch_stats)
    nets = torch_nets.build(*trees, workload.hp, workload.data_spec)
    return {n: net.to(device(), memory_format=variant.memory) for n, net in nets.items()}


class _Images:
    """Minibatches of random rows of uint8 images on the device."""

    def __init__(self, workload, variant):
        images, labels, *_ = random_images(workload)
        self.tensors = [torch.from_numpy(torch_nets.image_layout(images)).to(device())]
        if labels is not None:
            self.tensors.append(torch.from_numpy(labels.astype(np.int64)).to(device()))
        self._workload, self._memory = workload, variant.memory

    def next_batch(self):
        images, *labels = self.tensors
        rows = torch.randint(len(images), (self._workload.batch,), device=images.device)
        x = images[rows].float()
        x = x / 127.5 - 1 if self._workload.hp.pixels == "tanh" else x / 255
        out = {"image": x.contiguous(memory_format=self._memory)}
        return out | {"label": labels[0][rows]} if labels else out


class Training(_TorchProgram):
    """Training steps of a method, from our weights."""

    def __init__(self, workload: Workload, variant: Variant):
        began, nets = time.perf_counter(), _build_nets(workload, variant)
        slope = torch_steps.slope_traced if variant.compiled else torch_steps.slope_eager
        model = torch_steps.Model(nets, workload.hp, workload.n_classes, slope)
        mode = "reduce-overhead" if variant.graphs else "default"
        self._trainer = torch_steps.Trainer(workload.method, model, variant.compiled and mode)
        self._data = _Images(workload, variant)
        self.warm_up(began)

    def call(self):
        self._trainer.step(self._data.next_batch)

    def resident(self):
        return [*self._trainer.tensors(), *self._data.tensors]


class ClassifierTraining(_TorchProgram):
    """Training steps of the classifier: AdamW with a warm-up and a cosine."""

    def __init__(self, workload: Workload, variant: Variant):
        began, self._settings, self._done = time.perf_counter(), classifier_training.Settings(), 0
        image = np.zeros((1, workload.size, workload.size, workload.colors))
        variables = _numpy(Classifier(workload.n_classes).init(jax.random.key(0), image))
        net = torch_nets.Classifier(variables["params"], variables["batch_stats"])
        self._net = net.to(device(), memory_format=variant.memory)
        options = {"weight_decay": self._settings.weight_decay, "fused": True}
        self._optimizer = torch.optim.AdamW(self._net.parameters(), 0.0, **options)
        self._data = _Images(workload, variant)
        loss = lambda x, y: F.cross_entropy(self._net(x, "train"), y)
        self._loss = torch.compile(loss, dynamic=False) if variant.compiled else loss
        self.warm_up(began)

    def _rate(self):
        peak, steps = self._settings.learning_rate, self._settings.steps
        warm = steps // 10
        if self._done < warm:
            return peak * self._done / warm
        progress = min((self._done - warm) / (steps - warm), 1)
        return peak * 0.5 * (1 + math.cos(math.pi * progress))

    def call(self):
        batch = self._data.next_batch()
        self._optimizer.zero_grad(set_to_none=True)
        self._loss(batch["image"], batch["label"]).backward()
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate()
        self._optimizer.step()
        self._done += 1

    def resident(self):
        moments = [t for state in self._optimizer.state.values() for t in state.values()]
        return [*self._net.parameters(), *self._net.buffers(), *moments, *self._data.tensors]


class Sampling(_TorchProgram):
    """N_SAMPLES images on the host, with running statistics."""

    def __init__(self, workload: Workload, variant: Variant):
        began, self._shape = time.perf_counter(), (variant.chunk, workload.hp.z_dim)
        self._net, sample = _build_nets(workload, variant)["gen"], self._sample
        self._sample_chunk = torch.compile(sample, dynamic=False) if variant.compiled else sample
        self.warm_up(began)

    def _sample(self, z):
        return ((self._net(z, "running") + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    def call(self):
        parts = []
        with torch.inference_mode():
            for _ in range(-(-N_SAMPLES // self._shape[0])):
                z = torch.empty(self._shape, device=device()).uniform_(-1, 1)
                parts.append(self._sample_chunk(z).cpu().numpy())
        return np.concatenate(parts)[:N_SAMPLES]

    def resident(self):
        return [*self._net.parameters(), *self._net.buffers()]


KINDS = {"training": Training, "classifier": ClassifierTraining, "sampling": Sampling}


def build(workload: Workload, variant: Variant) -> _TorchProgram:
    """Build PyTorch's program of a workload in one variant."""
    return KINDS[workload.kind](workload, variant)
