"""How a command runs: JAX prepared, refusals in one line, exit codes."""

import contextlib
import errno
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

from gan_jax import plugins
from gan_jax.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    EXIT_STOPPED,
    Collapsed,
    InputError,
    NonFiniteError,
    Stopped,
    is_console_script,
)
from gan_jax.errors import typed as typed
from gan_jax.training import peers

BEGAN = time.perf_counter()  # time of the command's start; JAX is not imported yet
# Keep scratch memory instead of unmapping it, in pages of 2 MiB. From glibc 2.35 on; older versions
# ignore what they do not know.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000000"
_EXPECTED = (InputError, NonFiniteError, Collapsed, Stopped, KeyboardInterrupt)
EXIT_CODES = {InputError: EXIT_REFUSED, NonFiniteError: EXIT_FAILED, Collapsed: EXIT_FAILED}


def restart_with_kept_memory() -> None:
    """Restart the command, as the same process, with a malloc that keeps its memory.

    A step allocates its scratch anew, and a CPU spends up to a quarter of the step on mapping it
    page by page. Does nothing where the user has set GLIBC_TUNABLES.
    """
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    is_module = spec is not None and spec.name.startswith(("experiments.", "gan_jax."))
    is_command = is_module or is_console_script()
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ and is_command:
        environment = os.environ | {"GLIBC_TUNABLES": MALLOC}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def prepare_jax():
    """Make the settings that must precede JAX's first use.

    GPU kernels are reproducible, and compiled code is cached on disk.

    Returns:
      the module jax.
    """
    flag = "--xla_gpu_deterministic_ops=true"
    if flag.split("=")[0] not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    import jax

    from gan_jax import cache

    if jax.config.jax_compilation_cache_dir is None:
        with contextlib.suppress(InputError):  # without a cache, code is compiled anew
            jax.config.update("jax_compilation_cache_dir", str(cache.root() / "compiled"))
    # Small programs too: those of a start take seconds together.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return jax


def _stay_in_float32():
    """Undo JAX_ENABLE_X64 of the environment, which would mix nets of float32 with float64."""
    import jax

    jax.config.update("jax_enable_x64", False)


def guarded(body: Callable[[list[str]], None], argv: list[str], needs_jax: bool = True) -> int:
    """Run a command; turn what users can cause into one line on stderr and an exit code.

    Args:
      body: function of argv.
      argv: words after the command's name.
      needs_jax: whether the command needs JAX.

    Returns:
      the exit code, see errors.
    """
    # Outside the training loop, which saves first, SIGTERM is an interrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if needs_jax:
            restart_with_kept_memory()
            prepare_jax()
            _stay_in_float32()
        with plugins.trusting([]):  # what the command line trusts ends with the command
            body(argv)
        sys.stdout.flush()
        return peers.current().leave(EXIT_DONE)
    except (Exception, KeyboardInterrupt) as error:
        reason = peers.current().explain(error)
        code, message = _outcome(reason)
        unexpected = code == EXIT_BUG or ("--debug" in argv and not isinstance(error, _EXPECTED))
        if unexpected and peers.current().n == 1:
            raise
        if unexpected or "--debug" in argv:
            traceback.print_exc()
        if isinstance(reason, peers.PeerLost):
            peers.current().lose(reason)
        return peers.current().leave(code, message)


def _outcome(error: BaseException) -> tuple[int, str]:
    """Return (exit code, message) for what ended a command."""
    if isinstance(error, peers.PeerLeft):
        return error.code, ""
    if isinstance(error, KeyboardInterrupt):
        return EXIT_STOPPED, "interrupted; what was saved before is kept."
    if isinstance(error, _EXPECTED):
        return EXIT_CODES.get(type(error), EXIT_STOPPED), str(error)
    explained = _explain(error) if isinstance(error, (RuntimeError, OSError)) else None
    return explained or (EXIT_BUG, f"{type(error).__name__}: {error}")


def _explain(error: RuntimeError | OSError) -> tuple[int, str] | None:
    """Return (exit code, message) for an error that the machine is the cause of; None for a bug."""
    if "RESOURCE_EXHAUSTED" in str(error):
        message = "The device ran out of memory; use a smaller --batch, --width or --size."
        return EXIT_REFUSED, message
    if "home directory" in str(error):  # pathlib's words for a ~ that it cannot resolve
        return EXIT_REFUSED, (
            "A path begins with ~, and the home folder is not known; write the whole path."
        )
    if isinstance(error, OSError) and error.filename is not None:
        is_gone = isinstance(error, FileNotFoundError)
        moved = ", perhaps because it was moved or removed meanwhile" if is_gone else ""
        return EXIT_STOPPED, (
            f"{error.filename} cannot be read or written ({error.strerror}){moved}; what was saved "
            "before is kept. --debug shows where this command stopped."
        )
    return None


def exit_at_once(code: int) -> NoReturn:
    """End the process without the interpreter's own end, after all that was printed is written."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


class _Output(io.FileIO):
    """A standard stream whose reader may leave: what is written from then on is dropped."""

    def write(self, data):
        """Write bytes; return how many."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # of a pipe, of a terminal
                raise
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return len(data)


def outlive_readers() -> None:
    """Let the command do its work also where nobody reads its output any more.

    A reader, such as `head`, may leave, or there is none from the start.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue  # not Python's own: this was done before
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
            continue
        raw = _Output(stream.fileno(), "w", closefd=False)
        text = io.TextIOWrapper(
            raw if stream.write_through else io.BufferedWriter(raw),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        setattr(sys, name, text)
