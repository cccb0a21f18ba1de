"""A training with transformers and PEFT, which ours is held to: parity.py FOLDER

FOLDER holds
  job.json            rows, the rows of each step, and how they are learned from
  model/              the base, with the numbers that its weights stand for
  start.safetensors   the adapter before the first step
  later.safetensors   the adapter at which gradients are taken
and gets
  result.json             which classes computed, and loss and norm of the gradients of each step
  trained.safetensors     the adapter after the last step
  gradients.safetensors   the gradients at the later adapter, over all rows
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import get_scheduler

from learning import adapter_of, load_model, loss_of, set_adapter, targets_of


def train(model, job):
    pace, steps = job["pace"], job["steps"]
    trained = list(adapter_of(model).values())
    optimiser = torch.optim.AdamW(trained, lr=pace["learning_rate"], weight_decay=pace["weight_decay"])
    schedule = get_scheduler(pace["schedule"], optimiser, pace["warm_up_steps"], len(steps))
    losses, norms = [], []
    for step in steps:
        rows = [job["rows"][row] for row in step]
        loss = loss_of(model, rows, targets_of(rows))
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, pace["clip"]).item())
        losses.append(loss.item())
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return losses, norms


def main(folder):
    job = json.loads((folder / "job.json").read_text())
    model = load_model(folder / "model", job["layout"], torch.float32, "eager")
    set_adapter(model, folder / "start.safetensors")
    losses, norms = train(model, job)
    save_file({name: matrix.detach() for name, matrix in adapter_of(model).items()}, folder / "trained.safetensors")
    set_adapter(model, folder / "later.safetensors")
    loss_of(model, job["rows"], targets_of(job["rows"])).backward()
    save_file({name: matrix.grad for name, matrix in adapter_of(model).items()}, folder / "gradients.safetensors")
    computed_by = [type(model).__name__, type(model.get_base_model()).__name__]
    (folder / "result.json").write_text(json.dumps({"classes": computed_by, "losses": losses, "norms": norms}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
