"""Data sets with a stretch: the format of their splits, and the 8-bit view in the cache."""

import numpy as np

from gan_jax import cache
from gan_jax.data import pixel_format
from gan_jax.data.image_cache import refuse_damaged
from gan_jax.data.npy_writer import write_images
from gan_jax.data.pixel_format import PixelFormat
from gan_jax.data.types import Dataset
from gan_jax.errors import InputError


def with_format(
    stored: np.ndarray, base: PixelFormat, shared: PixelFormat | None, stretch: str, spec: str
) -> tuple[np.ndarray, PixelFormat]:
    """Give a split its format with limits.

    Args:
      stored: its numbers [N, H, W, C].
      base: their format without a stretch.
      shared: the format of the train split, where this is another one; the numbers are brought to
        it.
      stretch: --stretch.
      spec: --data, for the message.

    Returns:
      (stored numbers, PixelFormat).

    Raises:
      InputError: the splits have values that cannot be compared.
    """
    if shared is None:
        return stored, pixel_format.measure(stored, base, stretch)
    if (base.dtype, base.scale, base.zero) == (shared.dtype, shared.scale, shared.zero):
        return stored, shared
    if shared.dtype != "float32":
        raise InputError(
            f"--data={spec}: training images are {shared.dtype} (values from {shared.zero:g} in "
            f"steps of {shared.scale:g}), test images {base.dtype} (from {base.zero:g} in steps of "
            f"{base.scale:g}); save both alike."
        )
    return pixel_format.in_units(stored, base).astype(np.float32), shared


def like(scored: Dataset, real: Dataset) -> Dataset:
    """Show images with the stretch of others, so that they can be compared.

    Images of 8 bits stay: they are taken for samples that a run has stretched.

    Raises:
      InputError: only `scored` have values of their own, or these cannot be compared.
    """
    if scored.stored is None or scored.format is None:
        return scored
    if real.format is None:
        raise InputError(
            f"--images={scored.name} are {scored.format.dtype}, and --data={real.name} pictures of "
            "8 bits; save both alike."
        )
    stored, form = with_format(scored.stored, scored.format, real.format, "", real.name)
    return scored._replace(
        images=open_view(stored, form, scored.digest), stored=stored, format=form
    )


def open_view(stored: np.ndarray, form: PixelFormat, digest: str) -> np.ndarray:
    """Open the 8-bit view of stored numbers, which is computed once: see pixel_format.view.

    Args:
      stored: numbers [N, H, W, C].
      form: PixelFormat with limits.
      digest: of the numbers.

    Returns:
      uint8 memmap [N, H, W, C], read-only.
    """

    def build(folder):
        blocks = (pixel_format.view(stored[part], form) for part in pixel_format.blocks(stored))
        write_images(folder / "images.npy", (image for block in blocks for image in block))

    entry = cache.entry("views", {"digest": digest, "format": form.of_numbers()}, build)
    with refuse_damaged(entry):
        return np.load(entry / "images.npy", mmap_mode="r")
