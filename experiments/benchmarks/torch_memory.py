"""Peak memory of PyTorch, from its profiler on a CPU and its allocator on a GPU."""

import json
import pathlib
import tempfile

import torch


def bytes_of(tensors):
    """Bytes of tensors, each counted once; None among them is left out."""
    return sum(
        t.numel() * t.element_size() for t in {id(t): t for t in tensors if t is not None}.values()
    )


def peak_mib(unit, resident):
    """MiB that are held at most while unit() runs. resident: tensors that are there before and after.

    On a CPU libraries that allocate by themselves, such as oneDNN for its scratch, are not seen.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        unit()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() / 2**20
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        unit()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return (bytes_of(resident) + peak) / 2**20
