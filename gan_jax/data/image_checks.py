"""Which files of a list can be used: checks that read headers only, so that they refuse early."""

import pathlib
from collections.abc import Mapping, Sequence

from gan_jax.data import colors, image_decoding
from gan_jax.data.image_decoding import BadFile, Header
from gan_jax.data.resize import fit
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError, printable, result_or_error
from gan_jax.settings import MIN_SIDE, Size


def resolve_crop(default_crop: int, options: DataOptions) -> DataOptions:
    """Return options with the source's default crop where the user names none.

    Raises:
      InputError: the crop or the patches are smaller than the images' size, or the crop is smaller
        than the patches.
    """
    if 0 < options.patches < max(options.hw):
        raise InputError(
            f"--patches={options.patches} are smaller than --size={options.hw} (images are never "
            f"enlarged); use --patches={max(options.hw)} or more."
        )
    crop = options.crop or default_crop
    if crop and crop < max(options.hw):
        largest = fit(crop, crop, options.hw)
        smaller = min(largest) >= MIN_SIDE
        instead = f"--size={largest} or less" if smaller else f"--crop={max(options.hw)} or more"
        raise InputError(
            f"The images are cropped to {crop} pixels, fewer than --size={options.hw}; "
            f"use {instead}."
        )
    if 0 < crop < options.patches:
        raise InputError(
            f"The images are cropped to {crop} pixels, fewer than --patches={options.patches}; use "
            f"--crop={options.patches} or more."
        )
    return options._replace(crop=crop)


def read_headers(paths: Sequence[pathlib.Path]) -> list[Header | BadFile]:
    """Return the Header of every file [N], or the BadFile that reading it raised."""

    def read(path):
        return result_or_error(image_decoding.read_header, path)

    return list(parallel_map(read, paths, "image headers read"))


def find_unusable(
    paths: Sequence[pathlib.Path], headers: Sequence[Header | BadFile], options: DataOptions
) -> dict[int, BadFile]:
    """Find the files that their headers rule out: bad ones and too small ones.

    Args:
      paths: files [N].
      headers: as from `read_headers` [N].
      options: as from `resolve_crop`.

    Returns:
      {row: BadFile}, in the order in which files are refused.
    """
    bad = {row: header for row, header in enumerate(headers) if isinstance(header, BadFile)}
    sides = {
        row: Size(header.height, header.width)
        for row, header in enumerate(headers)
        if isinstance(header, Header)
    }
    flags = {"crop": options.crop, "patches": options.patches, "size": options.hw}
    flag, needed = next((flag, value) for flag, value in flags.items() if value)
    too_small = [row for row, hw in sides.items() if is_too_small(hw, options)]
    too_small.sort(key=lambda row: min(sides[row]))
    for row in too_small:
        detail = f"{headers[row].width}x{headers[row].height} pixels"
        bad[row] = BadFile(
            f"{printable(paths[row])} is {detail}, too small for {flag} {needed} "
            f"(images are never enlarged); {smaller_flags(sides[row], options)}"
            f"remove such files ({len(too_small)} of {len(paths)}).",
            "too small",
            detail,
        )
    return bad


def is_too_small(hw: Size, options: DataOptions) -> bool:
    """Say whether an image would have to be enlarged, or is smaller than the crop."""
    if options.crop:
        return min(hw) < options.crop
    needed = fit(options.patches, options.patches, options.hw) if options.patches else options.hw
    return hw.height < needed.height or hw.width < needed.width


def smaller_flags(hw: Size, options: DataOptions, end: str = ", or ") -> str:
    """Say with which flags an image can be used; "" if with none.

    Args:
      hw: size of the image.
      options: what it is too small for.
      end: what follows.
    """
    crop = min(hw) if options.crop else 0
    largest = fit(*hw, options.hw, crop)
    if min(largest) < MIN_SIDE:
        return ""
    flags = [f"--crop={crop}"] if crop else []
    if options.patches:
        flags += [f"--patches={min(options.patches, max(largest))}"]
    if largest.height < options.hw.height or largest.width < options.hw.width:
        flags += [f"--size={largest}"]
    return f"use {' '.join(flags)} or less{end}"


def common_channels(
    paths: Sequence[pathlib.Path],
    headers: Sequence[Header | BadFile],
    bad: Mapping[int, BadFile],
    options: DataOptions,
) -> int:
    """Return the number of channels of all usable files, as they will be decoded.

    Args:
      paths: files [N].
      headers: as from `read_headers` [N].
      bad: {row: BadFile} of the files that cannot be used.
      options: DataOptions.

    Raises:
      InputError: no file can be used; one cannot and bad ones are not to be skipped; or files
        of different channels are mixed.
    """
    first = next(iter(bad.values()), None)
    if len(bad) == len(paths):
        raise InputError(
            f"None of the {len(paths)} images can be used; the first: {first}"
        ) from first
    if bad and not options.skip_bad_images:
        raise InputError(f"{first} --skip_bad_images leaves such files out.") from first
    if options.colors != colors.AUTO:
        return colors.CHANNELS[options.colors]
    rows: dict[int, list[int]] = {}
    for row, header in enumerate(headers):
        if isinstance(header, Header) and row not in bad:
            rows.setdefault(header.channels, []).append(row)
    if set(rows) == {1, 3}:
        gray, colour = rows[1], rows[3]
        raise InputError(
            f"{printable(paths[gray[0]])} is gray but {printable(paths[colour[0]])} is in colour "
            f"({len(gray)} gray, {len(colour)} colour files); use --colors=rgb or --colors=gray, "
            "which convert them to one kind."
        )
    if len(rows) > 1:
        listed = [f"{printable(paths[of[0]])} has {n}" for n, of in sorted(rows.items())]
        raise InputError(
            f"The files differ in their channels: {', '.join(listed)}; put each kind into a folder "
            "of its own."
        )
    return next(iter(rows))
