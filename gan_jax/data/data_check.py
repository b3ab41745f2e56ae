"""What a data set is like and whether training would accept it, found out without training: `--check_data`."""

import collections
import functools
import hashlib
import textwrap
from typing import NamedTuple

import numpy as np

from gan_jax import errors
from gan_jax.data import datasets, image_files

_WIDTH, _INDENT = 100, 16  # columns of the report; of these, before the facts
_N_NAMED = 20  # files named per fault
_N_CLASSES = 40  # classes named
_KINDS = {
    "1": "black and white",
    "L": "gray",
    "LA": "gray with transparency",
    "I": "gray",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "P": "colour from a palette",
    "CMYK": "colour in CMYK",
}


class Pixels(NamedTuple):
    """The good images, or points, as training sees them.

    digests: {row: bytes}, equal for images with equal pixels. n_channels: of most of the images; 0 if there are none.
    mean, std: of the pixels of these, 0 to 255, or of the points, -1 to 1: float64 [C].
    """

    digests: dict
    n_channels: int
    mean: np.ndarray
    std: np.ndarray


class Split(NamedTuple):
    """What was found in one split. Rows count all its images, good and bad.

    names: what the images are called [N]. place: where they are. view: the datasets.DataOptions in effect.
    pixels: Pixels. labels: int32 [N] or None. classes: their names. notes: what the source says of itself.
    headers: {row: image_files.Header} of the files that have one; empty for arrays. bad: {row: image_files.BadFile}.
    refusal: the InputError that training ends with, or None. points: whether these are points, not images.
    """

    names: list
    place: str
    view: datasets.DataOptions
    pixels: Pixels
    labels: np.ndarray | None
    classes: tuple
    notes: tuple
    headers: dict
    bad: dict
    refusal: errors.InputError | None
    points: bool = False


def look(spec, view, split="train"):
    """Opens one split and looks at every image; files are decoded even if the cache knows them.

    Args:
      spec, view, split: as in `datasets.load`.

    Returns:
      Split; None if the data set has no such split.

    Raises:
      InputError: there is nothing to look at, such as an unknown source, an empty folder or a damaged archive.
    """
    found = datasets.find(spec, view, split)
    if isinstance(found, image_files.ImageFileList):
        return _look_at_files(found, image_files.in_effect(found.crop, view))
    if found is None:
        return None
    loaded = datasets.load(spec, view, split)
    rows = range(len(loaded.images))
    pixels, _ = _measure(
        rows, image_files.over(lambda i: _facts(loaded.images[i]), rows, "images examined")
    )
    names = [f"{'point' if loaded.points else 'image'} {i}" for i in rows]
    view = view._replace(size=loaded.images.shape[1])
    return Split(
        names, spec, view, pixels, loaded.labels, loaded.classes, (), {}, {}, None, loaded.points
    )


def as_source(split, name):
    """A datasets.Dataset with the shape and the labels that training would see; its pixels are 0."""
    good = [i for i in range(len(split.names)) if i not in split.bad]
    shape = len(good), split.view.size, split.view.size, split.pixels.n_channels
    labels = None if split.labels is None else split.labels[good]
    blank = np.float32(0) if split.points else np.uint8(0)
    return datasets.Dataset(np.broadcast_to(blank, shape), labels, split.classes, name, "")


def heldout_refusal(spec, train, test):
    """The InputError that scoring on the test split ends with, or None; arguments as in `report`."""
    if not isinstance(test, Split) or test.refusal:
        return getattr(test, "refusal", test)
    unlike = image_files.attempt(
        datasets.check_heldout, as_source(train, spec), as_source(test, spec)
    )
    return unlike if isinstance(unlike, errors.InputError) else None


def report(spec, train, test):
    """The survey as text, at most 100 columns wide where file names allow it.

    Args:
      spec: --data. train: Split. test: Split, None, or the InputError that there is instead.
    """
    lines = [f"--data={spec}"]
    for name, split in (("train", train), ("test", test)):
        if isinstance(split, Split):
            lines += ["", f"{name}: {split.place}", *_describe(split)]
        else:
            lines += ["", f"{name}: {split or 'none'}"]
    if isinstance(test, Split) and not test.points:
        known = {digest: i for i, digest in reversed(train.pixels.digests.items())}
        both = [(i, known[digest]) for i, digest in test.pixels.digests.items() if digest in known]
        named = (
            f", such as {test.names[both[0][0]]} as {train.names[both[0][1]]}; they flatter scores"
            if both
            else ""
        )
        lines += _fact("also in train", f"{len(both):,}{named}")
    return "\n".join(lines)


def _look_at_files(listing, view):
    paths = listing.paths
    headers = image_files.read_headers(paths)
    bad = image_files.judge(paths, headers, view)
    verdict = image_files.attempt(image_files.channels, paths, headers, bad, view)
    rows = [i for i in range(len(paths)) if i not in bad]
    look_at = functools.partial(
        image_files.attempt, lambda i: _facts(image_files.decode(paths[i], view.size, view.crop))
    )
    pixels, damaged = _measure(rows, image_files.over(look_at, rows, "images examined"))
    if not isinstance(verdict, errors.InputError):  # in the order of image_files.load
        verdict = image_files.attempt(image_files.channels, paths, headers, bad | damaged, view)
    return Split(
        [image_files.shown(path.relative_to(listing.top)) for path in paths],
        image_files.shown(listing.top),
        view,
        pixels,
        listing.labels,
        listing.classes,
        listing.notes,
        {i: found for i, found in enumerate(headers) if isinstance(found, image_files.Header)},
        bad | damaged,
        verdict if isinstance(verdict, errors.InputError) else None,
    )


def _facts(image):
    """(digest, sum over the pixels [C], sum of their squares [C], pixels) of an image uint8 or a point float32 [H, W, C]."""
    values = image.reshape(-1, image.shape[-1]).astype(
        np.int64 if image.dtype == np.uint8 else np.float64
    )
    return (
        hashlib.sha256(np.ascontiguousarray(image)).digest()[:16],
        values.sum(0),
        (values * values).sum(0),
        len(values),
    )


def _measure(rows, results):
    """(Pixels, {row: BadFile}) from what `_facts` gave for each row, or the BadFile there is instead."""
    digests, bad, sums = {}, {}, {}
    for i, result in zip(rows, results, strict=True):
        if isinstance(result, errors.InputError):
            bad[i] = result
            continue
        digests[i], *moments = result
        so_far = sums.get(len(moments[0]), (0, 0, 0))
        sums[len(moments[0])] = [a + b for a, b in zip(so_far, moments, strict=True)]
    if not sums:
        return Pixels(digests, 0, np.zeros(0), np.zeros(0)), bad
    n_channels, (total, squares, n) = max(sums.items(), key=lambda item: item[1][2])
    return Pixels(digests, n_channels, total / n, np.sqrt(squares / n - (total / n) ** 2)), bad


def _describe(split):
    for note in split.notes:
        yield from _fact("note", note)
    yield from _fact("points" if split.points else "images", f"{len(split.names):,}")
    if split.headers:
        yield from _fact("sizes", _sizes(split.headers.values()))
        kinds = collections.Counter(map(_kind, (header.mode for header in split.headers.values())))
        yield from _fact("kinds", ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common()))
    yield from _fact("classes", _classes(split))
    if split.points:  # no duplicates: that two draws of a number agree says nothing
        yield from _fact("coordinates", _coordinates(split.pixels))
        yield from _fact("usable", _usable(split))
    elif split.pixels.digests:
        yield from _fact("duplicates", _duplicates(split))
        yield from _fact("pixels", _pixels(split.pixels))
        yield from _fact("usable", _usable(split))
    yield from _faults(split)


def _fact(label, text):
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {label}".ljust(_INDENT),
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
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
    name, _, bits = mode.partition(";")
    return _KINDS.get(name, name) + (", 16 bits" if bits.startswith("16") or name == "I" else "")


def _classes(split):
    if not split.classes:
        return "none"
    counts = np.bincount(split.labels + 1, minlength=len(split.classes) + 1)
    bad = np.bincount(split.labels[list(split.bad)] + 1, minlength=len(counts))
    listed = [
        f"{name} {n:,}" + (f" ({n_bad:,} bad)" if n_bad else "")
        for name, n, n_bad in zip(split.classes, counts[1:], bad[1:], strict=True)
    ]
    empty = [name for name, n in zip(split.classes, (counts - bad)[1:], strict=True) if not n]
    text = _few(listed, _N_CLASSES)
    text += f"; images without a class: {counts[0]:,}" if counts[0] else ""
    return text + (f"; classes without a good image: {_few(empty, _N_CLASSES)}" if empty else "")


def _few(words, n):
    return ", ".join(words[:n]) + (f" and {len(words) - n:,} more" if len(words) > n else "")


def _duplicates(split):
    groups = collections.defaultdict(list)
    for i, digest in split.pixels.digests.items():
        groups[digest].append(i)
    groups = [rows for rows in groups.values() if len(rows) > 1]
    text = f"{sum(map(len, groups)) - len(groups):,}"
    if groups:
        first, second = (split.names[i] for i in groups[0][:2])
        text += f", such as {second} of {first}"
    mixed = [
        rows for rows in groups if split.labels is not None and len(set(split.labels[rows])) > 1
    ]
    return text + (
        f"; in several classes: {len(mixed):,}, such as {split.names[mixed[0][0]]}" if mixed else ""
    )


def _pixels(pixels):
    mean, std = (" ".join(f"{x:.1f}" for x in values) for values in (pixels.mean, pixels.std))
    return (
        f"mean {mean}, standard deviation {std} ("
        + ("red, green, blue; " if pixels.n_channels == 3 else "")
        + "0 to 255)"
    )


def _coordinates(points):
    mean, std = (
        " ".join(f"{x:.3f}" for x in values + 0.0) for values in (points.mean.round(3), points.std)
    )
    return f"mean {mean}, standard deviation {std} (-1 to 1)"


def _faults(split):
    """Lines that count and name bad files, fault by fault, and the rarer of gray and colour files."""
    faults = collections.defaultdict(list)
    for i in sorted(split.bad):
        faults[split.bad[i].why].append(f"{split.names[i]}: {split.bad[i].detail}")
    if split.headers or split.bad:
        yield from _fact("bad files", f"{len(split.bad):,}")
    gray, colour = _by_channels(split)
    if gray and colour:
        fault, rare = (
            ("gray among colour", gray)
            if len(gray) < len(colour)
            else ("colour among gray", colour)
        )
        faults[fault] = [split.names[i] for i in rare]
    for fault, named in faults.items():
        limit = (
            f" (a side below {split.view.crop or split.view.size})" if fault == "too small" else ""
        )
        yield f"    {fault}{limit}: {len(named):,}"
        yield from (f"      {line}" for line in named[:_N_NAMED])
        if len(named) > _N_NAMED:
            yield f"      and {len(named) - _N_NAMED:,} more"


def _by_channels(split):
    """Rows of the (gray, colour) files that must agree: all but those that are ruled out before."""
    rows = {1: [], 3: []}
    for i, header in split.headers.items():
        if i not in split.bad or split.bad[i].why != "too small":
            rows[header.channels].append(i)
    return rows[1], rows[3]


def _usable(split):
    if split.points:
        return f"{len(split.names):,} in {split.pixels.n_channels} dimension" + "s" * (
            split.pixels.n_channels > 1
        )
    if all(_by_channels(split)):
        return "none before all files are gray or all in colour"
    n_good, size, crop = len(split.names) - len(split.bad), split.view.size, split.view.crop
    kind = {1: "gray", 3: "colour"}.get(
        split.pixels.n_channels, f"{split.pixels.n_channels} channels"
    )
    text = f"{n_good:,} of {size}x{size} pixels, {kind}"
    if split.headers:
        text += (
            f", from the {crop}x{crop} pixels in the centre"
            if crop
            else ", from the largest centre square"
        )
    return text + (
        f"; only with --skip_bad_images, which skips {len(split.bad):,}" if split.bad else ""
    )
