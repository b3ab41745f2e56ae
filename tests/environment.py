"""The environment of tests, and of commands that they start."""

import importlib.metadata
import os

_DEVICES = "--xla_force_host_platform_device_count=4"
# Kernels of LLVM's alone: XLA's fusion emitters take most of the time to compile without
# optimisations, and give steps that are faster by a tenth.
# Other versions of jaxlib end at once for a flag that they lack.
_QUICK = (
    "--xla_cpu_use_fusion_emitters=false"
    if importlib.metadata.version("jaxlib").startswith("0.10.")
    else ""
)

# Options of one compile that undo changes of `of_tests`.
AS_USERS_DO = {
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
    **({"xla_cpu_use_fusion_emitters": True} if _QUICK else {}),
}


def of_tests():
    """What tests change: four virtual devices, and compiles that take a quarter of the time.

    Optimisations change no result that tests look at.
    """
    flags = [os.environ.get("XLA_FLAGS", ""), _DEVICES, _QUICK]
    flags.append("--xla_cpu_collective_call_terminate_timeout_seconds=60")
    return {
        "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
        "XLA_FLAGS": " ".join(flags).strip(),
    }


def of_commands():
    """Of this process, but for one device."""
    return {**os.environ, "XLA_FLAGS": os.environ["XLA_FLAGS"].replace(_DEVICES, "").strip()}


def of_users():
    """Of this process, but for one device, and compiled as users run it."""
    env = of_commands()
    del env["JAX_DISABLE_MOST_OPTIMIZATIONS"]
    return {**env, "XLA_FLAGS": env["XLA_FLAGS"].replace(_QUICK, "").strip()}
