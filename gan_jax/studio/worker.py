"""A process beside the server that loads checkpoints: what compiles for seconds, or dies, is never the server."""

import multiprocessing
import os
import signal
import threading

from gan_jax.errors import InputError

SECONDS = 180  # for one task; then the process is ended
IDLE = 600  # seconds without a task after which it ends by itself, and its memory is free


class Worker:
    """Tasks of `sampling_tasks.TASKS`, one after another, in a process that is started when there is one to do."""

    def __init__(self, prepare, seconds=SECONDS):
        """prepare: function that the process calls before it imports JAX. seconds: for one task."""
        self._prepare, self._seconds, self._turn = prepare, seconds, threading.Lock()
        self._process = self._line = None

    def ask(self, task, *args):
        """What a task returns. Blocks; call it in a thread.

        Raises:
          InputError: the task refuses, takes too long, or the process ended over it.
        """
        with self._turn:
            try:
                self._start()
                self._line.send((task, args))
                if not self._line.poll(self._seconds):
                    self._end()
                    raise InputError(f"It was not done after {self._seconds} s, and was given up.")
                done, out = self._line.recv()
            except (EOFError, OSError) as error:
                code = self._end()
                raise InputError(
                    f"The process that loads checkpoints ended over it (code {code}); try again."
                ) from error
        if not done:
            raise InputError(out)
        return out

    def _start(self):
        if self._process is not None and self._process.is_alive():
            return
        self._end()
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, self._prepare), daemon=True)
        self._process.start()
        theirs.close()

    def _end(self):
        """Ends the process. Returns its exit code."""
        if self._process is None:
            return None
        self._line.close()
        self._process.kill()
        self._process.join()
        code, self._process = self._process.exitcode, None
        return code

    def close(self):
        """Ends the process, whatever it does."""
        self._end()


def work(line, prepare):
    """The process: takes (task, args) from a connection and answers (done, result or what is wrong), until that closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is the server's, which then closes the connection
    os.environ["JAX_PLATFORMS"] = "cpu"  # takes nothing from a GPU that trains
    os.nice(5)
    prepare()
    from gan_jax.studio import sampling_tasks

    while line.poll(IDLE):
        try:
            task, args = line.recv()
        except EOFError:
            return
        try:
            line.send((True, sampling_tasks.TASKS[task](*args)))
        except InputError as error:
            line.send((False, str(error)))
        except (Exception, SystemExit) as error:
            line.send(
                (
                    False,
                    f"It failed: {type(error).__name__}: {str(error).splitlines()[0][:300] if str(error) else ''}",
                )
            )
