"""What people call a --data spec; imports neither NumPy nor JAX, so the studio's server can."""

from gan_jax import cache
from gan_jax.errors import result_or_error


def title(spec: str) -> str:
    """Return "an array" for what `array_files.save` wrote, else the spec."""
    return "an array" if is_array(spec.removeprefix("npz:")) else spec


def is_array(path: str) -> bool:
    """Say whether a file holds arrays that were passed from Python."""
    root = result_or_error(cache.root)  # without a cache nothing was written there
    return path.startswith(f"{root}/arrays/")
