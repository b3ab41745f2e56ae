"""What keeps the processes of one run in step: one state, one end, and no one far ahead."""

import signal

import jax

from gan_jax.core import parallel
from gan_jax.rundir import host_state
from gan_jax.training import peers
from gan_jax.training.signals import Signals


class Lockstep:
    """Lets all processes dispatch the same steps, and stop after the same one.

    A signal may come to one of them alone. Each puts its number into every dispatch, as its vote;
    the largest comes out everywhere, and all read it before the same dispatch. Without other
    processes the signal counts as it comes.

    Attributes:
      peers: Peers, this process among the others.
      voting: bool, whether there are others, so that programs take votes.
    """

    def __init__(self, signals: Signals, devices: list):
        """Start without a vote.

        Args:
          signals: Signals of this process.
          devices: devices of all processes.
        """
        self.peers = peers.current()
        self.voting = self.peers.n > 1
        self._signals, self._devices, self._largest = signals, devices, 0

    def with_vote(self, inputs):
        """Return the inputs of a dispatch as its program takes them."""
        if not self.voting:
            return inputs
        return inputs, parallel.put_vote(self._signals.number(), self._devices)

    def note(self, done) -> None:
        """Wait for a dispatch, and note what it says of the votes. done: what it returned."""
        jax.block_until_ready(done)
        if self.voting:
            self._largest = max(self._largest, int(parallel.local(done[1])))

    def signal_name(self) -> str | None:
        """Return the name of the signal that ends the run after this step, the same everywhere."""
        if not self.voting:
            return self._signals.name
        return signal.Signals(self._largest).name if self._largest else None

    def place(self, carry, shapes):
        """Put a carry on all devices: that of process 0, which alone reads checkpoints.

        Args:
          carry: tree of arrays.
          shapes: tree of shapes of the same structure.
        """
        if self.voting:
            of_host = lambda tree: jax.tree.map(host_state.key_data, tree)
            host = parallel.broadcast(host_state.to_host(carry), jax.eval_shape(of_host, shapes))
            carry = host_state.from_host(host, shapes)
        return parallel.put_replicated(carry, self._devices)
