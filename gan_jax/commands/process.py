"""How a command runs: JAX prepared, refusals in one line, exit codes."""

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable

from gan_jax import plugins
from gan_jax.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    EXIT_STOPPED,
    Collapsed,
    InputError,
    NonFiniteError,
    Stopped,
)

PROGRAM = "gan-jax"  # the console script
BEGAN = time.perf_counter()  # time of the command's start; JAX is not imported yet
# Keep scratch memory instead of unmapping it, in pages of 2 MiB. From glibc 2.35 on; older versions
# ignore what they do not know.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000000"
EXIT_CODES = {InputError: EXIT_REFUSED, NonFiniteError: EXIT_FAILED, Collapsed: EXIT_FAILED}


def typed(command: str) -> str:
    """Return how this user types a command: as this process was started, or as what is installed.

    Args:
      command: its words after the program's name, such as "evaluate" or "train morpho".
    """
    program = os.environ.get("GAN_JAX_PROGRAM")  # set by launch.sh
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if not program and spec and spec.name.startswith("experiments."):
        return f"python -m experiments.{command.removeprefix('train ')}"
    if not program:
        script = shutil.which(PROGRAM)
        same = script and os.path.dirname(script) == os.path.dirname(sys.executable)
        program = PROGRAM if same or is_console_script() else "python -m gan_jax"
    return f"{program} {command}"


def is_console_script() -> bool:
    """Say whether this process was started as `gan-jax`."""
    return os.path.basename(sys.argv[0]) == PROGRAM


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
        jax.config.update("jax_compilation_cache_dir", str(cache.root() / "compiled"))
    # Small programs too: those of a start take seconds together.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return jax


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
        with plugins.trusting([]):  # what the command line trusts ends with the command
            body(argv)
        sys.stdout.flush()
        return EXIT_DONE
    except BrokenPipeError:  # the reader, such as `head`, has left; so must what is buffered
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_STOPPED
    except (InputError, NonFiniteError, Collapsed, Stopped, KeyboardInterrupt) as error:
        if "--debug" in argv:
            traceback.print_exc()
        print(str(error) or "interrupted; what was saved before is kept.", file=sys.stderr)
        return EXIT_CODES.get(type(error), EXIT_STOPPED)
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) or "--debug" in argv:
            raise
        print(
            "The device ran out of memory; use a smaller --batch, --width or --size.",
            file=sys.stderr,
        )
        return EXIT_REFUSED
