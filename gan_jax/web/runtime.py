"""The files of onnxruntime-web, which runs ONNX files in a browser: from a folder or by npm."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from gan_jax.errors import InputError

VERSION = "1.30.0"
# In the folder dist of its package.
NAMES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def files(folder: str = "") -> dict[str, bytes]:
    """Return the files of onnxruntime-web: {"ort/NAME": bytes}.

    Args:
      folder: where they are; "": npm fetches them.

    Raises:
      InputError: they are not in the folder; npm is missing, or cannot fetch them.
    """
    if folder:
        return _read(Path(folder).expanduser())
    if not shutil.which("npm"):
        raise InputError(
            "The page needs onnxruntime-web, and npm, which would fetch it, is not there; install "
            f"npm, or name a folder with {', '.join(NAMES)} with --runtime."
        )
    package = f"onnxruntime-web@{VERSION}"
    words = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", package]
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(words, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise InputError(
                f"npm cannot fetch onnxruntime-web ({last}); name a folder that holds it with "
                "--runtime."
            )
        return _read(Path(scratch) / "node_modules" / "onnxruntime-web" / "dist")


def _read(folder):
    try:
        return {f"ort/{name}": (folder / name).read_bytes() for name in NAMES}
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be read ({error.strerror}); it is a file of "
            "onnxruntime-web's dist folder."
        ) from error
