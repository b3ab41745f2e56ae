"""The cache of sets prepared by tfds: images as one uint8 array, and all labels of a set."""

import functools
import io
import json
import operator
import zipfile

import numpy as np

from gan_jax import cache
from gan_jax.data import image_checks, image_decoding, resize
from gan_jax.data.image_cache import refuse_damaged, report_skipped
from gan_jax.data.npy_writer import write_images
from gan_jax.data.tfds_prepared import FORMAT, PreparedSet
from gan_jax.data.threads import parallel_map
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError, result_or_error
from gan_jax.settings import Size

_VERSION = 1  # part of the cache key: raise it when reading changes


def load_split(
    prepared: PreparedSet, split: str, image_key: str, options: DataOptions
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Convert one split of a set, once: the same files and options read the cache.

    All integers and booleans are kept, whatever --labels says, so that another choice of labels
    costs no second pass.

    Args:
      prepared: PreparedSet.
      split: the set's own name of the split.
      image_key: feature that holds the images.
      options: DataOptions with the crop in effect.

    Returns:
      (images uint8 memmap [N, H, W, C], read-only; {name: integers [N], -1 where missing}).

    Raises:
      InputError: a record or an image cannot be read, or no image is good.
    """
    settings = {
        "path": str(prepared.folder),
        "files": cache.digest(_file_stamps(prepared)),
        "image": image_key,
        "size": options.hw.value,
        "crop": options.crop,
        "part": split,
        "skip_bad": options.skip_bad_images,
        "version": _VERSION,
    }
    build = functools.partial(_build, prepared, split, image_key, options)
    entry = cache.entry("tfds", settings, build)
    with refuse_damaged(entry, zipfile.BadZipFile):
        images = np.load(entry / "images.npy", mmap_mode="r")
        with np.load(entry / "numbers.npz") as arrays:
            numbers = dict(arrays)
        skipped = json.loads((entry / "skipped.json").read_text())
    if skipped:
        report_skipped(len(skipped) + len(images), skipped)
    return images, numbers


def _file_stamps(prepared):
    """Return [name, size, time of change] of every file, to notice changes."""
    try:
        stats = [(path.name, path.stat()) for path in sorted(prepared.folder.iterdir())]
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be read ({error.strerror}); check its permissions."
        ) from error
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _build(prepared, split, image_key, options, folder):
    """Write images.npy, numbers.npz and skipped.json (reasons) into a cache entry."""
    read, n = _reader(prepared, split, image_key, options)
    numbers = {name: np.zeros(n, np.int64) for name in prepared.integers}
    numbers |= {name: np.zeros(n, np.int8) for name in prepared.booleans}
    number_paths = [*prepared.integers.items(), *prepared.booleans.items()]
    good, skipped = np.zeros(n, bool), []

    def good_images():
        """Yield good images, note their numbers, and refuse or note bad images."""
        for row, (pixels, record) in enumerate(parallel_map(read, range(n), "images decoded")):
            if isinstance(pixels, InputError):
                if not options.skip_bad_images:
                    raise InputError(
                        f"{pixels} --skip_bad_images leaves such images out."
                    ) from pixels
                skipped.append(str(pixels))
                continue
            good[row] = True
            for name, path in number_paths:
                value = functools.reduce(operator.getitem, path, record)
                # tfds' optional features may be missing.
                numbers[name][row] = -1 if value is None else value
            yield pixels

    write_images(folder / "images.npy", good_images())
    if not good.any():
        raise InputError(f"None of the {n} images is good; the first: {skipped[0]}")
    np.savez(folder / "numbers.npz", **{name: values[good] for name, values in numbers.items()})
    (folder / "skipped.json").write_text(json.dumps(skipped))


def _reader(prepared, split, image_key, options):
    """Return (row -> (pixels or InputError, record), number of rows).

    Only the features that are used are parsed, and image files are handed over as they are.
    """
    tfds = prepared.tfds
    features = {image_key: prepared.feature((image_key,))}
    for path in [*prepared.integers.values(), *prepared.booleans.values()]:
        branch = features if len(path) == 1 else features.setdefault(path[0], {})
        branch[path[-1]] = prepared.feature(path)
    parser = tfds.features.FeaturesDict(features)
    shape = prepared.feature((image_key,)).shape
    if prepared.is_encoded(image_key):
        decoders, fit = {image_key: tfds.decode.SkipDecoding()}, _fit_encoded
    else:
        decoders, fit = None, _fit_array
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    records = prepared.builder.as_data_source(split, deserialize_method=raw, file_format=FORMAT)

    def read(row):
        name = f"Image {row} of {prepared.name} ({split})"
        try:
            content = records[row]
            # array_record is silent about a file that is cut at a multiple of 64 KiB.
            if not content:
                raise ValueError("its record is empty, the file is cut short")
            record = parser.deserialize_example_np(content, decoders=decoders)
        except Exception as error:  # array_record, protobuf and tfds have their own kinds
            reason = " ".join(str(error).split())
            raise InputError(
                f"{name} cannot be read ({reason}); prepare the data set again."
            ) from error
        return result_or_error(fit, record.pop(image_key), shape, options, name), record

    return read, len(records)


class _EncodedImage(io.BytesIO):
    """An image file in memory whose name the errors of image_decoding show."""

    def __init__(self, content, name):
        super().__init__(content)
        self.label = name

    def __repr__(self):
        return self.label


def _fit_encoded(content, declared, options, name):
    """Decode an image file to uint8 [H, W, C]. declared: the feature's shape."""
    file = _EncodedImage(content, name)
    header = image_decoding.read_header(file)
    _refuse_small(header.height, header.width, declared, options, name)
    pixels = image_decoding.decode_image(file, options.hw, options.crop)
    if declared[2] == 1:
        if header.channels == 3:
            raise InputError(
                f"{name} is in colour, but its feature declares one channel; "
                "prepare the data set again."
            )
        return pixels
    return pixels if header.channels == 3 else np.repeat(pixels, 3, axis=2)


def _fit_array(pixels, declared, options, name):
    """Crop and resize uint8 [H, W, C]. declared: the feature's shape."""
    height, width, _ = pixels.shape
    _refuse_small(height, width, declared, options, name)
    return resize.crop_and_resize_all(pixels[None], options.hw, options.crop, name)[0]


def _refuse_small(height, width, declared, options, name):
    """Refuse a too small image, unless all are declared to be of one size."""
    flag = "crop" if options.crop else "size"
    needed, hw = options.crop or options.hw, Size(height, width)
    if (options.crop or None in declared[:2]) and image_checks.is_too_small(hw, options):
        raise InputError(
            f"{name} is {width}x{height} pixels, too small for {flag} {needed}; "
            f"{image_checks.smaller_flags(hw, options, ', or ')}use larger images."
        )
