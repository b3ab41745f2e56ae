"""onnxruntime-web, which runs ONNX files in a browser: its files, from a folder or through npm."""

import pathlib
import shutil
import subprocess
import tempfile

from gan_jax.errors import InputError

VERSION = "1.30.0"
NAMES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)  # of its folder dist


def files(given=""):
    """{"ort/NAME": bytes}.

    Args:
      given: a folder that holds them; "": npm fetches them.

    Raises:
      InputError: they are not in the folder; npm is not there, or cannot fetch them.
    """
    if given:
        return _read(pathlib.Path(given).expanduser())
    if not shutil.which("npm"):
        raise InputError(
            "The page needs onnxruntime-web, and npm, which would fetch it, is not there; install npm, or name a folder with "
            f"{', '.join(NAMES)} with --runtime."
        )
    with tempfile.TemporaryDirectory() as scratch:
        words = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            f"onnxruntime-web@{VERSION}",
        ]
        done = subprocess.run(words, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise InputError(
                f"npm cannot fetch onnxruntime-web ({last}); name a folder that holds it with --runtime."
            )
        return _read(pathlib.Path(scratch) / "node_modules" / "onnxruntime-web" / "dist")


def _read(place):
    try:
        return {f"ort/{name}": (place / name).read_bytes() for name in NAMES}
    except OSError as error:
        text = f"{error.filename} cannot be read ({error.strerror}); it is a file of onnxruntime-web's dist folder."
        raise InputError(text) from error
