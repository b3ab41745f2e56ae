"""A process beside the server that loads checkpoints: compiling or a crash never blocks it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from gan_jax import plugins
from gan_jax.errors import InputError

TASK_SECONDS = 180  # for one task; then the process is ended
IDLE_SECONDS = 600  # without a task, after which the process ends and its memory is free


class Worker:
    """Runs TASKS of sampling_tasks and report_tasks one after another, in a process of its own.

    The process starts with the first task.
    """

    def __init__(
        self, prepare: Callable[[], Any], seconds: float = TASK_SECONDS, trust: bool = False
    ):
        """Set up without starting the process.

        Args:
          prepare: what the process calls before it imports JAX.
          seconds: for one task.
          trust: whether the process may import plug-ins that run folders name.
        """
        self._prepare, self._seconds, self._lock = prepare, seconds, threading.Lock()
        self._trust = trust
        self._process: Any = None
        self._connection: Any = None

    def run(self, task: str, *args: Any) -> Any:
        """Run a task and return its result. Blocks; call it in a thread.

        Raises:
          InputError: the task refuses, takes too long, or the process ended over it.
        """
        with self._lock:
            try:
                connection = self._connect()
                connection.send((task, args))
                if not connection.poll(self._seconds):
                    self.close()
                    raise InputError(f"It was not done after {self._seconds} s, and was given up.")
                succeeded, result = connection.recv()
            except (EOFError, OSError) as error:
                code = self.close()
                raise InputError(
                    f"The process that loads checkpoints ended over it (code {code}); try again."
                ) from error
        if not succeeded:
            raise InputError(result)
        return result

    def _connect(self):
        """Return the connection to the process; start it if it does not live."""
        if self._process is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(
                target=serve_tasks, args=(theirs, self._prepare, self._trust), daemon=True
            )
            self._process.start()
            theirs.close()
        return self._connection

    def close(self) -> int | None:
        """End the process, whatever it does. Returns its exit code."""
        if self._process is None:
            return None
        self._connection.close()
        self._process.kill()
        self._process.join()
        code, self._process = self._process.exitcode, None
        return code


def serve_tasks(connection: Any, prepare: Callable[[], Any], trust: bool = False) -> None:
    """Run tasks in the worker process until the connection closes.

    Args:
      connection: gives (task, args), and takes (True, result) or (False, reason).
      prepare, trust: see Worker.
    """
    # Ctrl-C is for the server, which then closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["JAX_PLATFORMS"] = "cpu"  # leaves a GPU to training
    os.nice(5)
    prepare()
    plugins.trust([plugins.ANY] if trust else [])
    from gan_jax.studio import report_tasks, sampling_tasks

    tasks = {**sampling_tasks.TASKS, **report_tasks.TASKS}
    while connection.poll(IDLE_SECONDS):
        try:
            task, args = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, tasks[task](*args)))
        except InputError as error:
            connection.send((False, str(error)))
        except (Exception, SystemExit) as error:
            reason = str(error).splitlines()[0][:300] if str(error) else ""
            connection.send((False, f"It failed: {type(error).__name__}: {reason}"))
