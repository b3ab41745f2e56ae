"""The bin: deleted run folders, whole, below .bin of the root, from where they can come back."""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from gan_jax import cache
from gan_jax.errors import InputError
from gan_jax.rundir import run_lock
from gan_jax.studio import files, launch_files
from gan_jax.studio.run_index import NotFound, RunIndex
from gan_jax.studio.run_state import ACTIVE_STATES

FOLDER = ".bin"
ENTRY, CONTENT = "entry.json", "run"  # of one deletion


class Bin:
    """The bin of a root."""

    def __init__(self, runs: RunIndex):
        """runs: index of the root."""
        self.runs, self._folder = runs, runs.root / FOLDER

    def delete(self, name: str) -> str:
        """Move a run, or a sweep with its runs, into the bin. Returns its key there.

        Raises:
          InputError: it is active, in use, or cannot be moved.
        """
        folder = self.runs.folder(name)
        for summary in self.runs.with_children(name):
            scoring = (summary.get("evaluation") or {}).get("state")
            if summary["state"] in ACTIVE_STATES or scoring in ACTIVE_STATES:
                raise InputError(f"{summary['name']} is {summary['state']}; stop it first.")
        when = time.time()
        key = f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09d}"
        place = self._folder / key
        with contextlib.ExitStack() as stack:
            if os.access(folder, os.W_OK):
                stack.enter_context(run_lock.lock_run(folder))
                stack.enter_context(launch_files.TRAINING.locked(folder))
            try:
                place.mkdir(parents=True)
                path = str(folder.relative_to(self.runs.root))
                entry = {"name": name, "path": path, "deleted": when}
                cache.write_atomic(place / ENTRY, json.dumps(entry) + "\n")
                folder.rename(place / CONTENT)
            except OSError as error:
                raise InputError(f"{name} cannot be moved ({error.strerror}).") from error
        self.runs.refresh()
        return key

    def restore(self, key: str) -> str:
        """Move what was deleted back to where it was. Returns its name.

        Raises:
          NotFound
          InputError: another folder is there now.
        """
        entry = next((entry for entry in self.entries() if entry["key"] == key), None)
        if entry is None:
            raise NotFound("There is no such folder in the bin.")
        name, place = entry["name"], self._folder / key
        target = self.runs.root / entry["path"]
        above = list(target.parents)[: entry["path"].count("/")]
        if target.is_symlink() or target.exists() or any(path.is_symlink() for path in above):
            raise InputError(
                f"{name} is taken by another folder; move that away, and restore this one then."
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            (place / CONTENT).rename(target)
            (place / ENTRY).unlink()
            place.rmdir()
        except OSError as error:
            raise InputError(f"{name} cannot be moved ({error.strerror}).") from error
        self.runs.refresh()
        return name

    def entries(self) -> list[dict[str, Any]]:
        """List what is in the bin, newest first.

        Returns:
          [{"key", "name", "path" below the root, "deleted": time, "bytes"}].
        """
        entries = []
        with contextlib.suppress(OSError):
            for found in os.scandir(self._folder):
                place = Path(found.path)
                if not found.is_dir(follow_symlinks=False) or not (place / CONTENT).is_dir():
                    continue
                with contextlib.suppress(InputError):
                    entry = files.read_json(place / ENTRY) or {}
                    names = {key: entry.get(key) for key in ("name", "path")}
                    if not all(map(_is_name, names.values())):
                        continue
                    when = files.finite_float(entry.get("deleted"))
                    size = folder_bytes(place / CONTENT)
                    entries.append({"key": found.name, **names, "deleted": when, "bytes": size})
        return sorted(entries, key=lambda entry: -entry["deleted"])


def _is_name(name: Any) -> bool:
    """Return whether a value is a path below the root."""
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    return not any(part in ("", ".", "..") for part in name.split("/"))


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the files in a folder; links are not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
