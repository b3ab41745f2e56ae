"""An ordinary training loop in PyTorch: `python -m experiments.benchmarks.torch_whole FOLDER`.

What users write: a Dataset over uint8 images, a DataLoader with two workers, eager nets, fused
Adam, losses printed and written, a grid of samples and a checkpoint at their intervals. D sees one
minibatch per step and G's update needs none. The folder holds job.pickle and images.npz (see
whole.py), so that nothing of JAX is imported here.
"""

import json
import os
import pathlib
import pickle
import sys
import types
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from experiments.benchmarks import torch_nets, torch_steps
from experiments.benchmarks.processes import FIRST_STEP
from gan_jax import images

WORKERS = 2  # of the DataLoader
ROWS = 8  # of the grid


class Images(Dataset):
    """uint8 images [N, H, W, C] as float tensors [C, H, W] in the range of the nets."""

    def __init__(self, pictures: np.ndarray, pixels: str):
        self._images, self._pixels = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), pixels

    def __len__(self):
        return len(self._images)

    def __getitem__(self, i):
        return torch.from_numpy(images.to_net(self._images[i], self._pixels))


def repeat(loader: DataLoader) -> Iterator[torch.Tensor]:
    """Yield minibatches of one epoch after another."""
    while True:
        yield from loader


class Loop:
    """The run of a job."""

    def __init__(self, folder: pathlib.Path):
        """folder: of the job and of what the run writes."""
        self._folder, job = folder, pickle.loads((folder / "job.pickle").read_bytes())
        self._job, self._hp = job, types.SimpleNamespace(**job["hp"])
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        spec = types.SimpleNamespace(**job["data_spec"])
        nets = torch_nets.build(job["params"], job["batch_stats"], self._hp, spec)
        self.nets = {name: net.to(self._device) for name, net in nets.items()}
        model = torch_steps.Model(self.nets, self._hp, 0, torch_steps.slope_eager)
        self._trainer = torch_steps.Trainer(job["method"], model)
        self._z = model.sample_noise(self._trainer.noise, ROWS * ROWS)

    def run(self) -> None:
        """Train to the end."""
        job, pinned = self._job, self._device.type == "cuda"
        data = Images(np.load(self._folder / "images.npz")["images"], self._hp.pixels)
        options = {"num_workers": WORKERS, "persistent_workers": WORKERS > 0, "pin_memory": pinned}
        loader = DataLoader(data, job["batch"], shuffle=True, drop_last=True, **options)
        with open(self._folder / "log.jsonl", "w") as log:
            for step, x in zip(range(1, job["steps"] + 1), repeat(loader), strict=False):
                batch = {"image": x.to(self._device, non_blocking=True)}
                losses = self._trainer.step(lambda batch=batch: batch)
                if step == 1:
                    print(FIRST_STEP, "of PyTorch", _floats(losses), flush=True)
                if self._due(step, "log_every"):
                    record = {"step": step, **_floats(losses)}
                    log.write(json.dumps(record) + "\n")
                    print(record, flush=True)
                if self._due(step, "sample_every"):
                    self._sample(step)
                if self._due(step, "save_every"):
                    self._save(step)

    def _due(self, step, interval):
        return step == self._job["steps"] or step % self._job[interval] == 0

    def _sample(self, step):
        with torch.inference_mode():
            x = self.nets["gen"](self._z, "running").permute(0, 2, 3, 1).cpu().numpy()
        grid = images.grid(images.to_uint8(x, self._hp.pixels), ROWS)
        images.save_png(self._folder / f"{step:06d}.png", grid)

    def _save(self, step):
        states = {name: net.state_dict() for name, net in self.nets.items()}
        optimizers = self._trainer.optimizers.items()
        states |= {f"{name} optimizer": o.state_dict() for name, o in optimizers}
        torch.save(states | {"ema": self._trainer.ema}, self._folder / f"{step}.pt")


def _floats(losses):
    return {name: loss.item() for name, loss in losses.items()}


if __name__ == "__main__":
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # as PyTorch itself mostly chooses
    Loop(pathlib.Path(sys.argv[1])).run()
