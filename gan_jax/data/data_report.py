"""The text of `--check_data`: the findings of data_check in both splits of a data set."""

import collections
import textwrap
from collections.abc import Iterator

import numpy as np

from gan_jax.data import colors, pixel_format
from gan_jax.data.data_check import InspectedSplit
from gan_jax.errors import InputError

_WIDTH, _INDENT = 100, 16  # columns of the report; columns before the facts
_N_NAMED_FILES = 20  # per fault
_N_NAMED_CLASSES = 40
_MODES = {
    "1": "black and white",
    "L": "gray",
    "LA": "gray with transparency",
    "I": "gray",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "P": "colour from a palette",
    "CMYK": "colour in CMYK",
}


def format_report(
    spec: str, train: InspectedSplit, test: InspectedSplit | InputError | None
) -> str:
    """Write the findings as text, at most 100 columns wide where file names allow it.

    Args:
      spec: --data.
      train: the training split.
      test: the test split, None if there is none, or the error that inspecting it raised.
    """
    lines = [f"--data={spec}"]
    for name, split in (("train", train), ("test", test)):
        if isinstance(split, InspectedSplit):
            lines += ["", f"{name}: {split.location}", *_describe(split)]
        else:
            lines += ["", f"{name}: {split or 'none'}"]
    if isinstance(test, InspectedSplit) and not test.points:
        lines += _fact("also in train", _shared_images(train, test))
    return "\n".join(lines)


def _describe(split: InspectedSplit) -> Iterator[str]:
    for note in split.notes:
        yield from _fact("note", note)
    yield from _fact("points" if split.points else "images", f"{len(split.names):,}")
    if split.headers:
        yield from _fact("sizes", _sizes(split.headers.values()))
        kinds = collections.Counter(_kind(header.mode) for header in split.headers.values())
        yield from _fact("kinds", ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common()))
    yield from _fact("classes", _classes(split))
    if split.values is not None:
        good = np.delete(split.values, list(split.bad), 0)
        for name, column in zip(split.quantities, good.T, strict=True):
            ends = f"{column.min():.5g} to {column.max():.5g}" if len(column) else "of no image"
            yield from _fact("quantity", f"{name}, {ends}")
    if split.points:  # no duplicates: that two points have equal coordinates means nothing
        yield from _fact("coordinates", _coordinates(split.pixels))
        yield from _fact("usable", _usable(split))
    elif split.pixels.digests:
        yield from _fact("duplicates", _duplicates(split))
        yield from _fact("pixels", _pixels(split))
        if split.dataset:
            yield from _fact("depth", split.dataset.format.describe())
            yield from _fact("clipped", _clipped(split.dataset))
        yield from _fact("usable", _usable(split))
    yield from _faults(split)


def _fact(label, text):
    """Return the lines of one fact, wrapped and indented."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {label}".ljust(_INDENT),
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shared_images(train, test):
    row_of = {digest: row for row, digest in reversed(train.pixels.digests.items())}
    shared = [
        (row, row_of[digest]) for row, digest in test.pixels.digests.items() if digest in row_of
    ]
    if not shared:
        return "0"
    in_test, in_train = shared[0]
    return (
        f"{len(shared):,}, such as {test.names[in_test]} as {train.names[in_train]}; "
        "they flatter scores"
    )


def _sizes(headers):
    sizes = sorted(
        ((header.width, header.height) for header in headers),
        key=lambda size: (min(size), max(size)),
    )
    low, middle, high = ("{}x{}".format(*sizes[i]) for i in (0, len(sizes) // 2, -1))
    if sizes[0] == sizes[-1]:
        return f"all {low} pixels"
    return f"smallest {low}, median {middle}, largest {high} pixels (by the shorter side)"


def _kind(mode):
    """Say in words what a mode of image_decoding.Header is."""
    name, _, bits = mode.partition(";")
    n_bits = next((n for n in ("12", "16") if bits.startswith(n)), "16" if name == "I" else "")
    return _MODES.get(name, name) + (f", {n_bits} bits" if n_bits else "")


def _classes(split):
    if not split.classes or split.labels is None:
        return "none"
    n = len(split.classes) + 1
    unknown, *counts = np.bincount(split.labels + 1, minlength=n)
    _, *n_bad = np.bincount(split.labels[list(split.bad)] + 1, minlength=n)
    listed, emptied = [], []
    for name, count, bad in zip(split.classes, counts, n_bad, strict=True):
        listed.append(f"{name} {count:,}" + (f" ({bad:,} bad)" if bad else ""))
        if count == bad:
            emptied.append(name)
    text = _enumerate(listed)
    if unknown:
        text += f"; images without a class: {unknown:,}"
    if emptied:
        text += f"; classes without a good image: {_enumerate(emptied)}"
    return text


def _enumerate(words):
    text, n_more = ", ".join(words[:_N_NAMED_CLASSES]), len(words) - _N_NAMED_CLASSES
    return f"{text} and {n_more:,} more" if n_more > 0 else text


def _duplicates(split):
    rows_of = collections.defaultdict(list)
    for row, digest in split.pixels.digests.items():
        rows_of[digest].append(row)
    groups = [rows for rows in rows_of.values() if len(rows) > 1]
    text = f"{sum(map(len, groups)) - len(groups):,}"
    if not groups:
        return text
    first, second = (split.names[row] for row in groups[0][:2])
    text += f", such as {second} of {first}"
    if split.labels is None:
        return text
    mixed = [rows for rows in groups if len(set(split.labels[rows])) > 1]
    if mixed:
        text += f"; in several classes: {len(mixed):,}, such as {split.names[mixed[0][0]]}"
    return text


def _clipped(dataset):
    n, n_values = pixel_format.count_clipped(dataset.stored, dataset.format), dataset.stored.size
    return f"{n:,} of {n_values:,} values outside the stretch" + (
        f" ({100 * n / n_values:.2g} %); they become its ends" if n else ""
    )


def _pixels(split):
    pixels, form = split.pixels, split.dataset and split.dataset.format
    if form:
        mean, std = (" ".join(f"{x:.5g}" for x in v) for v in (pixels.mean, pixels.std))
        bands = f"{', '.join(form.bands)}; " if form.bands else ""
        return f"mean {mean}, standard deviation {std} ({bands}{form.unit or 'as in the files'})"
    mean, std = (" ".join(f"{x:.1f}" for x in values) for values in (pixels.mean, pixels.std))
    order = "red, green, blue; " if pixels.n_channels == 3 else ""
    return f"mean {mean}, standard deviation {std} ({order}0 to 255)"


def _coordinates(points):
    mean, std = (
        " ".join(f"{x:.3f}" for x in values + 0.0) for values in (points.mean.round(3), points.std)
    )
    return f"mean {mean}, standard deviation {std} (-1 to 1)"


def _faults(split):
    """Yield lines that name bad files, and the rarer of gray and colour files."""
    faults = collections.defaultdict(list)
    for row in sorted(split.bad):
        bad = split.bad[row]
        faults[bad.fault].append(f"{split.names[row]}: {bad.detail}")
    if split.headers or split.bad:
        yield from _fact("bad files", f"{len(split.bad):,}")
    gray, colour = _rows_by_channels(split)
    if gray and colour and split.options.colors == colors.AUTO:
        if len(gray) < len(colour):
            fault, rarer = "gray among colour", gray
        else:
            fault, rarer = "colour among gray", colour
        faults[fault] = [split.names[row] for row in rarer]
    for fault, files in faults.items():
        limit = ""
        if fault == "too small":
            limit = f" (a side below {split.options.crop or split.options.hw})"
        yield f"    {fault}{limit}: {len(files):,}"
        yield from (f"      {line}" for line in files[:_N_NAMED_FILES])
        if len(files) > _N_NAMED_FILES:
            yield f"      and {len(files) - _N_NAMED_FILES:,} more"


def _rows_by_channels(split):
    """Return the rows of (gray, colour) files that are not too small."""
    rows = {1: [], 3: []}
    for row, header in split.headers.items():
        if row not in split.bad or split.bad[row].fault != "too small":
            rows.setdefault(header.channels, []).append(row)
    return rows[1], rows[3]


def _usable(split):
    n_channels, hw, crop = split.pixels.n_channels, split.options.hw, split.options.crop
    if split.points:
        plural = "s" if n_channels > 1 else ""
        return f"{len(split.names):,} in {n_channels} dimension{plural}"
    if all(_rows_by_channels(split)) and split.options.colors == colors.AUTO:
        return "none before all files are gray or all in colour; --colors=rgb or gray converts them"
    kind = {1: "gray", 3: "colour"}.get(n_channels, f"{n_channels} channels")
    text = f"{len(split.names) - len(split.bad):,} of {hw.height}x{hw.width} pixels, {kind}"
    if split.headers:
        region = f"{crop}x{crop} pixels in the centre" if crop else "largest centre square"
        if split.options.patches:
            region = f"patches of {split.options.patches} pixels"
        elif not hw.is_square:
            within = f" within {crop}x{crop} pixels" if crop else ""
            region = f"largest centre rectangle of that shape{within}"
        text += f", from the {region}"
    if split.options.colors != colors.AUTO:
        text += f", converted by --colors={split.options.colors}"
    if split.bad:
        text += f"; only with --skip_bad_images, which skips {len(split.bad):,}"
    return text
