"""A participant of the benchmark of trainings: bench.py FOLDER DTYPE BATCH_ROWS CHECKPOINTING ROWS

It learns from the first ROWS rows of FOLDER/job.json with the model FOLDER/model, a step for each line on its standard
input, and answers each with a line of JSON: the loss before the step, and the seconds that it took. The first line comes
without being asked for, when all is loaded.
"""

import json
import sys
import time
from pathlib import Path

import torch

from learning import adapter_of, load_model, loss_of, set_adapter, targets_of


def say(loss, seconds):
    print(json.dumps({"loss": loss, "seconds": seconds}), flush=True)


def batches_of(rows, size):
    """Rows of about the same length together, so that little is filled up."""
    by_length = sorted(rows, key=lambda row: len(row["tokens"]))
    return [by_length[first : first + size] for first in range(0, len(by_length), size)]


def step(model, optimiser, batches, clip):
    targets, sum_of_losses = sum(targets_of(batch) for batch in batches), 0.0
    for batch in batches:
        loss = loss_of(model, batch, targets)
        loss.backward()
        sum_of_losses += loss.item()
    torch.nn.utils.clip_grad_norm_(adapter_of(model).values(), clip)
    optimiser.step()
    optimiser.zero_grad()
    return sum_of_losses


def main(folder, dtype, batch_rows, checkpointing, rows):
    job = json.loads((folder / "job.json").read_text())
    model = load_model(folder / "model", job["layout"], getattr(torch, dtype), "sdpa")
    set_adapter(model, folder / "start.safetensors")
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model.train()
    optimiser = torch.optim.AdamW(adapter_of(model).values(), lr=job["learning_rate"], weight_decay=0.0)
    batches = batches_of(job["rows"][:rows], batch_rows)
    say(0.0, 0.0)
    for _ in sys.stdin:
        start = time.perf_counter()
        loss = step(model, optimiser, batches, job["clip"])
        say(loss, time.perf_counter() - start)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "checkpointing", int(sys.argv[5]))
