"""An ordinary training loop in PyTorch, as a process of its own: `python -m experiments.benchmarks.torch_whole FOLDER`.

What users write: a Dataset over uint8 images, a DataLoader with two workers, eager nets, fused Adam, losses printed and
written, a grid of samples and a checkpoint at their cadences. D sees one minibatch per step and G's update needs none. The
folder holds job.json, images.npz and weights.npz (see whole.py), so that nothing of JAX is imported here.
"""

import json
import os
import pathlib
import sys
import types

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from experiments.benchmarks import process, torch_nets, torch_steps
from gan_jax import images as pictures

WORKERS = 2  # of the DataLoader
ROWS = 8  # of the grid


class Images(Dataset):
    """uint8 images [N, H, W, C] as float tensors [C, H, W] in the range of the nets. pixels: as in gan_jax.images."""

    def __init__(self, images, pixels):
        self._images, self._pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2)), pixels

    def __len__(self):
        return len(self._images)

    def __getitem__(self, i):
        return torch.from_numpy(pictures.to_net(self._images[i], self._pixels))


def endless(loader):
    """Minibatches of one pass after another."""
    while True:
        yield from loader


def tree_of(arrays, prefix):
    """The nested dict of all arrays whose names, with slashes, begin with a prefix."""
    out = {}
    for name in arrays.files:
        if name.startswith(prefix):
            *path, leaf = name.removeprefix(prefix).split("/")
            inner = out
            for part in path:
                inner = inner.setdefault(part, {})
            inner[leaf] = arrays[name]
    return out


class Loop:
    """job: see whole.py. folder: of the run."""

    def __init__(self, job, folder):
        self._job, self._folder, self._hp = job, folder, types.SimpleNamespace(**job["hp"])
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        shape, weights = types.SimpleNamespace(**job["shape"]), np.load(folder / "weights.npz")
        classes = torch_nets.NETS[self._hp.net]
        nets = {n: classes[n](tree_of(weights, f"params/{n}/"), tree_of(weights, f"stats/{n}/"), self._hp, shape)
                for n in ("gen", "disc")}  # fmt: skip
        self._nets = {name: net.to(self._device) for name, net in nets.items()}
        self._model = torch_steps.Model(self._nets, self._hp, 0, torch_steps.slope_eager)
        self._draws, self._players = (
            torch_steps.Draws(self._device),
            torch_steps.PLAYERS[job["method"]],
        )
        betas = self._hp.beta1, self._hp.beta2
        rates = {"gen": self._hp.lr, "disc": self._hp.lr_disc or self._hp.lr}
        self._optimizers = {
            n: torch.optim.Adam(self._nets[n].parameters(), rates[n], betas, fused=True)
            for n in rates
        }
        self._gen = [*self._nets["gen"].parameters(), *self._nets["gen"].buffers()]
        self._ema = [p.detach().clone() for p in self._gen] if self._hp.ema else []
        self._z = self._model.noise(self._draws, ROWS * ROWS)

    def run(self):
        """Trains to the end."""
        job, data = (
            self._job,
            Images(np.load(self._folder / "images.npz")["images"], self._hp.pixels),
        )
        loader = DataLoader(
            data, job["batch"], shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=WORKERS > 0,
            pin_memory=self._device.type == "cuda",
        )  # fmt: skip
        with open(self._folder / "log.jsonl", "w") as log:
            for step, x in zip(range(1, job["steps"] + 1), endless(loader), strict=False):
                losses = self._step({"image": x.to(self._device, non_blocking=True)})
                if step == 1:
                    print(
                        process.FIRST_STEP,
                        "of PyTorch",
                        {n: v.item() for n, v in losses.items()},
                        flush=True,
                    )
                last = step == job["steps"]
                if last or step % job["log_every"] == 0:
                    record = {"step": step, **{n: v.item() for n, v in losses.items()}}
                    log.write(json.dumps(record) + "\n")
                    print(record, flush=True)
                if last or step % job["sample_every"] == 0:
                    self._sample(step)
                if last or step % job["save_every"] == 0:
                    self._save(step)

    def _step(self, batch):
        losses = {}
        for player in self._players:
            losses[player.name] = torch_steps.differentiate(
                self._model, player, player.loss, batch, self._draws
            ).detach()
            self._optimizers[player.name].step()
        if self._ema:
            with torch.no_grad():
                torch._foreach_lerp_(self._ema, [p.detach() for p in self._gen], 1 - self._hp.ema)
        return losses

    def _sample(self, step):
        with torch.inference_mode():
            made = self._nets["gen"](self._z, "running").permute(0, 2, 3, 1).cpu().numpy()
        grid = pictures.grid(pictures.to_uint8(made, self._hp.pixels), ROWS)
        pictures.save_png(self._folder / f"{step:06d}.png", grid)

    def _save(self, step):
        held = {name: net.state_dict() for name, net in self._nets.items()}
        held |= {f"{name} optimizer": o.state_dict() for name, o in self._optimizers.items()}
        torch.save(held | {"ema": self._ema}, self._folder / f"{step}.pt")


def main(folder):
    """Trains what a folder describes. As many threads as this process has cores, as PyTorch itself mostly chooses."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    folder = pathlib.Path(folder)
    Loop(json.loads((folder / "job.json").read_text()), folder).run()


if __name__ == "__main__":
    main(sys.argv[1])
