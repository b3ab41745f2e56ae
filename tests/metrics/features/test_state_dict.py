"""Weights from files: written by hand, by PyTorch, by safetensors; and files that are refused."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest

from gan_jax import errors
from gan_jax.metrics.features import state_dict

ARRAYS = {
    "conv.weight": np.random.default_rng(0).normal(size=(4, 3, 2, 5)).astype(np.float32),
    "conv.bias": np.arange(4, dtype=np.float64),
    "half": np.float16([0.5, 2]),
    "n": np.int64(7),
}


class Global:
    """A reference to MODULE.NAME, which need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """function(*arguments), called when unpickled."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Writer(pickle._Pickler):
    """Pickles Global and Call without importing what they name; storages become persistent ids."""

    def persistent_id(self, x):
        return x.arguments if isinstance(x, Call) and x.function == "storage" else None

    def save(self, x, **options):
        if isinstance(x, Global):
            self.write(f"c{x.module}\n{x.name}\n".encode())
        elif isinstance(x, Call) and x.function != "storage":
            self.save(x.function)
            self.save(x.arguments)
            self.write(b"R")
        else:
            super().save(x, **options)


def pickled(x):
    file = io.BytesIO()
    Writer(file, 2).dump(x)
    return file.getvalue()


def tensor(key, array, old=False, **changes):
    """How PyTorch pickles one."""
    kind = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long"}[array.dtype.str[1:]]
    values = {
        "n": array.size,
        "offset": 0,
        "size": array.shape,
        "stride": tuple(s // array.itemsize for s in array.strides),
    }
    values |= changes
    pid = ("storage", Global("torch", f"{kind}Storage"), key, "cpu", values["n"])
    storage = Call("storage", *pid, *([None] if old else []))
    hooks = Call(Global("collections", "OrderedDict"))
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, values["offset"], values["size"], values["stride"], False, hooks)


def archive(state, storages, byteorder="little"):
    """A file of PyTorch 1.6 or later: a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("net/data.pkl", pickled(state))
        z.writestr("net/byteorder", byteorder)
        for key, data in storages.items():
            z.writestr(f"net/data/{key}", data)
    return file.getvalue()


def new(arrays, **changes):
    state = {name: tensor(str(i), x, **changes) for i, (name, x) in enumerate(arrays.items())}
    return archive(state, {str(i): x.tobytes() for i, x in enumerate(arrays.values())})


def old(arrays):
    """A file of PyTorch before 1.6: pickles in a row, then the numbers."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = (0x1950A86A20F9469CFC6C, 1001, system)
    state = {name: tensor(str(i), x, old=True) for i, (name, x) in enumerate(arrays.items())}
    numbers = b"".join(struct.pack("<q", x.size) + x.tobytes() for x in arrays.values())
    return b"".join(map(pickled, (*head, state, [str(i) for i in range(len(arrays))]))) + numbers


def safetensors(arrays):
    names = {"f4": "F32", "f8": "F64", "f2": "F16", "i8": "I64"}
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for key, x in arrays.items():
        span = [len(body), len(body) + x.nbytes]
        header[key] = {"dtype": names[x.dtype.str[1:]], "shape": x.shape, "data_offsets": span}
        body += x.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def npz(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def assert_same_arrays(found, expected):
    assert list(found) == list(expected)
    for key, x in expected.items():
        assert found[key].dtype == x.dtype and found[key].shape == x.shape
        np.testing.assert_array_equal(found[key], x)


@pytest.mark.parametrize(
    "suffix, form", [(".pth", new), (".pt", old), (".safetensors", safetensors), (".npz", npz)]
)
def test_forms(suffix, form):
    assert_same_arrays(state_dict.parse(form(ARRAYS), suffix, "FILE"), ARRAYS)


def test_tensors_that_share_a_storage():
    """A transposed matrix, and a part of one."""
    x = np.arange(12, dtype=np.float32)
    state = {
        "turned": tensor("0", x, size=(4, 3), stride=(1, 4)),
        "part": tensor("0", x, offset=5, size=(2, 2), stride=(4, 1)),
    }
    found = state_dict.parse(archive(state, {"0": x.tobytes()}), ".pth", "FILE")
    assert_same_arrays(found, {"turned": x.reshape(3, 4).T, "part": x.reshape(3, 4)[1:, 1:3]})


@pytest.mark.parametrize("new_form", [True, False])
def test_files_of_pytorch(new_form):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 2), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2)
    )
    state = net.state_dict()
    state |= {
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "turned": torch.arange(6).view(2, 3).T,
        "yes": torch.tensor([True]),
    }
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=new_form)
    found = state_dict.parse(file.getvalue(), ".pth", "FILE")
    assert_same_arrays(found, {key: value.detach().numpy() for key, value in state.items()})


def test_files_of_safetensors():
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {key: np.atleast_1d(x) for key, x in ARRAYS.items()}
    found = state_dict.parse(numpy.save(arrays), ".safetensors", "FILE")
    assert_same_arrays({key: found[key] for key in arrays}, arrays)


def test_nothing_is_run(tmp_path):
    """Pickles that call functions, through each of the ways in."""
    mark = tmp_path / "ran"
    touch = Call(Global("os", "system"), f"touch {mark}")
    after_magic = pickled(0x1950A86A20F9469CFC6C) + pickled(touch)
    message = r"FILE is not a readable .pth file .*it needs os.system, not only tensors"
    for data in (archive({"x": touch}, {}), pickled(touch), after_magic):
        with pytest.raises(errors.InputError, match=message):
            state_dict.parse(data, ".pth", "FILE")
    for name in (
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_qtensor"),
        ("collections", "Counter"),
    ):
        with pytest.raises(errors.InputError, match=".".join(name)):
            state_dict.parse(archive({"x": Global(*name)}, {}), ".pth", "FILE")
    objects = npz({"x": np.array([{}], object)})
    with pytest.raises(errors.InputError, match="FILE is not a readable .npz"):
        state_dict.parse(objects, ".npz", "FILE")
    assert not mark.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": 1},
        {"offset": -1},
        {"size": (7,), "stride": (1,)},
        {"size": (3,), "stride": (3,)},
        {"size": (2,), "stride": (-1,)},
        {"size": (10**12,), "stride": (0,)},
        {"size": (-2,), "stride": (1,)},
    ],
)
def test_no_tensor_reaches_beyond_its_numbers(changes):
    with pytest.raises(errors.InputError, match="reaches beyond its numbers"):
        state_dict.parse(new({"x": np.arange(6, dtype=np.float32)}, **changes), ".pth", "FILE")


def test_damaged_files_are_refused():
    """Cut at any place, every form is refused in one line."""
    forms = ((".pth", new), (".pth", old), (".safetensors", safetensors), (".npz", npz))
    for suffix, form in forms:
        data = form(ARRAYS)
        for n in {0, 1, 9, *range(20, len(data), 37), len(data) - 1}:
            with pytest.raises(errors.InputError) as caught:
                state_dict.parse(data[:n], suffix, "FILE")
            message = str(caught.value)
            assert f"FILE is not a readable {suffix} file" in message and "\n" not in message


def test_other_contents_are_refused():
    x = np.arange(6, dtype=np.float32)
    for data, why in (
        (new({"x": x}, n=7), "wrong size"),
        (archive([tensor("0", x)], {"0": x.tobytes()}), "no state dict"),
        (archive({"epoch": 3}, {}), "no state dict"),
        (archive({"x": tensor("0", x)}, {"0": x.tobytes()}, "big"), "little-endian"),
        (pickled(5) + pickled(1001), "torch.save|Ran out of input"),
    ):
        with pytest.raises(errors.InputError, match=why):
            state_dict.parse(data, ".pth", "FILE")
    message = "give weights as .pth, .pt, .safetensors, .npz"
    for suffix in (".h5", ""):
        with pytest.raises(errors.InputError, match=message):
            state_dict.parse(b"", suffix, "FILE")
