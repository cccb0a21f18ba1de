"""A base with an adapter, as transformers and PEFT hold it, and the loss of rows.

A row is {"tokens": [..], "answer": N}: prompt and answer, and where the answer begins.
"""

import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

# A label that no loss is taken on.
IGNORED = -100


def load_model(folder, layout, dtype, attention):
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=attention)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=layout["rank"],
        lora_alpha=layout["alpha"],
        lora_dropout=0.0,
        bias="none",
        target_modules=layout["modules"],
    )
    return get_peft_model(base, lora)


def adapter_of(model):
    """The matrices that are trained, by the names that they have within a model."""
    trained = ((name, matrix) for name, matrix in model.named_parameters() if matrix.requires_grad)
    return {name.removeprefix("base_model.model.").replace(".default", ""): matrix for name, matrix in trained}


def set_adapter(model, path):
    adapter, wanted = adapter_of(model), load_file(path)
    if adapter.keys() != wanted.keys():
        sys.exit(f"{path} has other matrices than PEFT trains: {sorted(adapter.keys() ^ wanted.keys())}")
    with torch.no_grad():
        for name, matrix in adapter.items():
            matrix.copy_(wanted[name])


def batch_of(rows):
    """Rows side by side, filled up at their ends, with the loss on their answers only."""
    longest = max(len(row["tokens"]) for row in rows)
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(tokens), torch.full_like(tokens, IGNORED)
    for number, row in enumerate(rows):
        length, answer = len(row["tokens"]), row["answer"]
        tokens[number, :length] = torch.tensor(row["tokens"])
        mask[number, :length] = 1
        labels[number, answer:length] = tokens[number, answer:length]
    return tokens, mask, labels


def targets_of(rows):
    """How many tokens have a loss."""
    return sum(len(row["tokens"]) - row["answer"] for row in rows)


def loss_of(model, rows, targets):
    """The sum of the losses of all answers over `targets`, as transformers' own Trainer takes it."""
    tokens, mask, labels = batch_of(rows)
    return model(input_ids=tokens, attention_mask=mask, labels=labels, num_items_in_batch=targets).loss
