"""Says what this installation has: versions, devices, extras, cache; and tries a compiled step.

The text is what a bug report needs.
"""

import dataclasses
import importlib.metadata
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence

from gan_jax import cache
from gan_jax.commands import command_line
from gan_jax.errors import InputError, result_or_error

# {extra: the distributions that it installs and a command asks for}.
EXTRAS = {
    "cuda": ("jax-cuda12-plugin",),
    "export": ("onnx", "onnxruntime", "jax2onnx"),
    "log": ("tensorboardX",),
    "wandb": ("wandb",),
    "hub": ("huggingface-hub",),
    "tf": ("tensorflow-cpu",),
    "web": ("starlette", "uvicorn", "jinja2"),
    "sweep": ("submitit",),
    "tables": ("pyarrow",),
    "astro": ("astropy",),
    "medical": ("pydicom",),
    "hdf5": ("h5py",),
    "micro": ("tifffile", "imagecodecs"),
}
CORE = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy", "pillow")


@dataclasses.dataclass(frozen=True)
class Flags(command_line.CommonFlags):
    """Flags of this command."""


def version(distribution: str) -> str:
    """Return the version of an installed distribution, or "-"."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def rows() -> list[tuple[str, str]]:
    """Describe the installation: (what, value) pairs."""
    import jax
    import jax.numpy as jnp

    out = [
        ("gan-jax", f"{version('gan-jax')} in {os.path.dirname(os.path.dirname(__file__))}"),
        ("Python", f"{platform.python_version()}, {sys.executable}"),
        ("system", f"{platform.platform()}, {os.cpu_count()} CPUs"),
    ]
    out += [(name, version(name)) for name in CORE]
    for device in jax.devices():
        stats = device.memory_stats() or {}
        limit = f", {stats['bytes_limit'] / 2**30:.1f} GiB" if "bytes_limit" in stats else ""
        out.append((f"device {device.id}", f"{device.device_kind} ({device.platform}{limit})"))
    for extra, distributions in EXTRAS.items():
        versions = ", ".join(f"{name} {version(name)}" for name in distributions)
        out.append((f"extra {extra}", versions))
    out.append(("cache", _describe_cache()))
    began = time.perf_counter()
    x = jnp.ones((256, 256))
    product = float(jax.jit(lambda x: (x @ x).sum())(x))
    seconds = time.perf_counter() - began
    verdict = "as it should be" if product == 256**3 else f"WRONG: {product}"
    out.append(("compiled product", f"{verdict}, {seconds:.2f} s"))
    return out


def _describe_cache():
    """Say where the cache is, how large, and how much room its disk has."""
    root = result_or_error(cache.root)
    if isinstance(root, InputError):
        return str(root)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    existing = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return f"{root}: {size / 2**20:,.0f} MiB used, {free / 2**30:,.1f} GiB free"


def run(argv: Sequence[str]) -> None:
    """Print the description."""
    command_line.parse(__doc__, "doctor", [Flags()], argv)
    described = rows()
    width = max(len(what) for what, _ in described)
    for what, value in described:
        print(f"{what:{width}}  {value}")
