"""Arrays from a file of weights: .safetensors, .npz, or PyTorch's own format.

PyTorch is not needed, and no code of the file is run. A PyTorch file is a pickle of tensors that
refer to storages. The reader of the pickle knows nothing but tensors, ordered dicts and storages,
so the worst that a file can do is to be refused.
"""

import collections
import io
import json
import pickle
import zipfile
from typing import NamedTuple

import numpy as np

from gan_jax.errors import InputError
from gan_jax.metrics.features.extractor import error_text

# First two pickles of files from before PyTorch 1.6.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_STORAGES = {
    "Double": "<f8",
    "Float": "<f4",
    "Half": "<f2",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
_SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}


class _Storage(NamedTuple):
    """Numbers that tensors are views of."""

    dtype: np.dtype
    key: str  # of the numbers in the file
    n: int


class _Tensor(NamedTuple):
    """The numbers offset + i * stride of a storage, i below size."""

    storage: _Storage
    offset: int
    size: tuple
    stride: tuple


def _rebuild_tensor(storage, offset, size, stride, *_):
    return _Tensor(storage, offset, size, stride)


_KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    **{("torch", f"{name}Storage"): np.dtype(dtype) for name, dtype in _STORAGES.items()},
}


class _Reader(pickle.Unpickler):
    """Unpickles tensors as `_Tensor`, and refuses every other class and function."""

    def find_class(self, module, name):
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it needs {module}.{name}, not only tensors")
        return _KNOWN[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, _, n, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(view):
            raise pickle.UnpicklingError("it has storages of an unknown form")
        return _Storage(dtype, str(key), int(n))


def parse(data: bytes, suffix: str, what: str) -> dict[str, np.ndarray]:
    """Read the arrays of a file of weights.

    Args:
      data: the file.
      suffix: ".pth" or ".pt" (torch.save of a state dict, old form or new), ".safetensors" or
        ".npz".
      what: the file, at the start of error messages.

    Returns:
      {key: array}.

    Raises:
      InputError: another suffix, or the file is damaged or holds something else.
    """
    readers = {
        ".pth": _parse_torch,
        ".pt": _parse_torch,
        ".safetensors": _parse_safetensors,
        ".npz": _parse_npz,
    }
    if suffix not in readers:
        raise InputError(
            f"{what} ends in {suffix or 'nothing'}; give weights as {', '.join(readers)}."
        )
    try:
        return readers[suffix](data)
    except Exception as error:  # damaged bytes raise anything
        raise InputError(
            f"{what} is not a readable {suffix} file of weights ({error_text(error)}); for .pth, "
            "save net.state_dict()."
        ) from error


def _parse_npz(data):
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return dict(file)


def _parse_safetensors(data):
    start = 8 + int.from_bytes(data[:8], "little")
    arrays = {}
    for key, entry in json.loads(data[8:start]).items():
        if key != "__metadata__":
            low, high = entry["data_offsets"]
            numbers = np.frombuffer(data[start + low : start + high], _SAFETENSORS[entry["dtype"]])
            arrays[key] = numbers.reshape(entry["shape"])
    return arrays


def _parse_torch(data):
    is_archive = zipfile.is_zipfile(io.BytesIO(data))
    tensors, read_storage = _read_archive(data) if is_archive else _read_old(data)
    is_state_dict = isinstance(tensors, dict) and all(
        isinstance(value, _Tensor) for value in tensors.values()
    )
    if not is_state_dict:
        raise ValueError("it holds no state dict")
    return {key: _to_array(tensor, read_storage) for key, tensor in tensors.items()}


def _read_archive(data):
    """Read the zip archive of PyTorch 1.6 or later.

    Returns:
      (tensors, function of a _Storage that returns its bytes).
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
    root = index.removesuffix("data.pkl")
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise ValueError("its byte order is not little-endian")

    def read_storage(storage):
        name = f"{root}data/{storage.key}"
        if archive.getinfo(name).file_size != storage.n * storage.dtype.itemsize:
            raise ValueError(f"{name} has a wrong size")
        return archive.read(name)

    return _Reader(io.BytesIO(archive.read(index))).load(), read_storage


def _read_old(data):
    """Read five pickles in a row, and then the storages: int64 length and numbers of each.

    Returns:
      As `_read_archive`.
    """
    file = io.BytesIO(data)
    magic, protocol, system, tensors, keys = (_Reader(file).load() for _ in range(5))
    if (magic, protocol) != (_MAGIC, _PROTOCOL) or not system["little_endian"]:
        raise ValueError("it was not written by torch.save on a little-endian machine")
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storages = {}
    for key in keys:
        n = int.from_bytes(file.read(8), "little")
        storages[key] = file.read(n * dtypes[key].itemsize)
    return tensors, lambda storage: storages[storage.key]


def _to_array(tensor, read_storage):
    """Copy a tensor into an array; refuse one that reaches beyond its storage."""
    (storage, offset, size, stride), itemsize = tensor, tensor.storage.dtype.itemsize
    numbers = np.frombuffer(read_storage(storage), storage.dtype)
    last = offset + sum((s - 1) * t for s, t in zip(size, stride, strict=True))
    if (
        len(numbers) != storage.n
        or min(offset, *size, *stride, 0) < 0
        or last >= len(numbers)
        or np.prod(size) > len(numbers)
    ):
        raise ValueError("a tensor reaches beyond its numbers")
    strides = [t * itemsize for t in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, strides).copy()
