"""Published folders on the Hugging Face hub: found in its local cache, fetched, uploaded.

The package huggingface_hub does all of it, and is imported here alone. Its own settings hold:
HF_HOME for the cache, HF_ENDPOINT for the address, `hf auth login` for who uploads.
"""

import pathlib
import re
from types import ModuleType

from gan_jax.errors import InputError, install_command
from gan_jax.rundir import published

PREFIX = "hf:"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_name(workdir: str) -> bool:
    """Say whether the name of a run is that of a model on the hub: hf:USER/NAME."""
    return workdir.startswith(PREFIX)


def repo_of(name: str) -> tuple[str, str | None]:
    """Split hf:USER/NAME or hf:USER/NAME@REVISION.

    Returns:
      ("USER/NAME", a branch, tag or commit; None for the newest).

    Raises:
      InputError: the name has another form.
    """
    repo, _, revision = name.removeprefix(PREFIX).partition("@")
    if not _REPO.fullmatch(repo):
        raise InputError(f"{name} is not a model on the hub; write hf:USER/NAME.")
    return repo, revision or None


def check_repo(repo: str) -> None:
    """Refuse a --hub that cannot be a model's name, or a missing huggingface_hub.

    Raises:
      InputError
    """
    if not _REPO.fullmatch(repo):
        raise InputError(f"--hub={repo} is not a name on the hub; write --hub=USER/NAME.")
    _client(f"--hub={repo}")


def _client(what: str) -> ModuleType:
    """Import huggingface_hub. what: which request needs it."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise InputError(
            f"{what} needs huggingface_hub; install it with: {install_command('hub')}."
        ) from error
    return huggingface_hub


def locate(name: str, download: bool = False) -> pathlib.Path:
    """Find a model of the hub in the local cache.

    Args:
      name: hf:USER/NAME or hf:USER/NAME@REVISION.
      download: fetch it if it is not there, or not whole.

    Returns:
      its folder, which is not to be written to.

    Raises:
      InputError: it is not in the cache, or cannot be fetched; huggingface_hub is missing.
    """
    repo, revision = repo_of(name)
    hub = _client(name)
    folder = None
    try:
        folder = pathlib.Path(hub.snapshot_download(repo, revision=revision, local_files_only=True))
        if download:
            published.verify(folder)
    except Exception as error:  # of the client, or of a snapshot that is not whole
        if not download:
            raise InputError(
                f"{name} is not, or not wholly, in the local cache of the hub; add --download to "
                "fetch it."
            ) from error
        folder = None
    if folder is None:
        try:
            folder = pathlib.Path(hub.snapshot_download(repo, revision=revision))
        except Exception as error:  # the client raises dozens of types
            raise InputError(f"{name} cannot be downloaded ({_reason(error)}).") from error
    if not published.is_published(folder):
        raise InputError(f"{name} is not a model that gan_jax published.")
    return folder


def upload(folder: pathlib.Path, repo: str, private: bool, again: str) -> str:
    """Upload the files of a published folder in one commit; make the repository if it is not there.

    Args:
      folder: the published folder. Files that are not of the publication stay.
      repo: "USER/NAME".
      private: whether a new repository is private.
      again: command that repeats the upload.

    Returns:
      address of the commit or of the repository.

    Raises:
      InputError: it failed; nothing on this machine has changed.
    """
    hub = _client(f"--hub={repo}")
    names = [published.MANIFEST, *published.verify(folder)["files"]]
    try:
        api = hub.HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=str(folder),
            allow_patterns=names,
            commit_message="Publish with gan_jax",
        )
    except Exception as error:  # the client raises dozens of types
        raise InputError(
            f"--hub={repo}: the upload failed ({_reason(error)}). {folder} is whole; once the hub "
            f"can be reached: {again}"
        ) from error
    return str(getattr(commit, "commit_url", repo))


def _reason(error: Exception) -> str:
    """Return the first line of an error, and what helps where the hub wants to know who asks."""
    lines = str(error).strip().splitlines()
    text = lines[0][:200].rstrip(".") if lines else type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"{text}; log in with: hf auth login" if status in (401, 403) else text
