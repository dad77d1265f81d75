"""Golden values of PyTorch for TorchParityTest.

  python3 torch_golden.py ../resources/dev/sparrow/model/torch_golden.json

Written once with PyTorch 1.13.1 and kept; run it again only to add a case. Two language models of
our architecture, written out in PyTorch, whose parameters carry the names of our checkpoints:

  gpt    learned positions, LayerNorm, exact GELU, biases, a head of its own
  llama  rotary positions (halves), RMSNorm, SwiGLU, no biases, the embedding's matrix as head

Weights are drawn in float32 and everything is computed from them in float64, so that the file holds
the exact answer for a double and for a float implementation alike. Per case: weights, token ids
(batch, context + 1), logits, mean loss, every gradient, and the losses before each of ten AdamW
updates on the same batch. Arrays are little-endian base64: weights float32, the others float64.
"""
import base64
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

LAYERS, HEADS, WIDTH, CONTEXT, VOCABULARY, BATCH = 2, 2, 16, 8, 17, 3
EPSILON, THETA = 1e-5, 10000.0
ADAMW = dict(learningRate=3e-3, beta1=0.9, beta2=0.95, epsilon=1e-8, weightDecay=0.1)
STEPS = 10


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * self.weight


def rotate(x):
    """(batch, heads, length, head width): element j turns with element j + width / 2."""
    length, width = x.shape[-2:]
    angles = torch.arange(length, dtype=x.dtype)[:, None] * THETA ** (
        -2 * torch.arange(width // 2, dtype=x.dtype) / width
    )
    a, b = x[..., : width // 2], x[..., width // 2 :]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, rotary, bias):
        super().__init__()
        self.rotary = rotary
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=bias)
        self.out = nn.Linear(WIDTH, WIDTH, bias=bias)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, HEADS, c // HEADS).transpose(1, 2) for y in self.qkv(x).split(c, 2))
        if self.rotary:
            q, k = rotate(q), rotate(k)
        mask = ~torch.tril(torch.ones(t, t, dtype=torch.bool))
        scores = (q @ k.transpose(-2, -1)) * (c // HEADS) ** -0.5
        y = scores.masked_fill(mask, float("-inf")).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(b, t, c))


class FeedForward(nn.Module):
    def __init__(self, hidden, gated, bias):
        super().__init__()
        self.gate = nn.Linear(WIDTH, hidden, bias=bias) if gated else None
        self.up = nn.Linear(WIDTH, hidden, bias=bias)
        self.down = nn.Linear(hidden, WIDTH, bias=bias)

    def forward(self, x):
        if self.gate is None:
            return self.down(F.gelu(self.up(x)))
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, llama):
        super().__init__()
        self.norm1 = RmsNorm(WIDTH) if llama else nn.LayerNorm(WIDTH, EPSILON)
        self.attention = Attention(rotary=llama, bias=not llama)
        self.norm2 = RmsNorm(WIDTH) if llama else nn.LayerNorm(WIDTH, EPSILON)
        self.feed_forward = FeedForward(40 if llama else 4 * WIDTH, gated=llama, bias=not llama)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Transformer(nn.Module):
    def __init__(self, llama):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = None if llama else nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block(llama) for _ in range(LAYERS))
        self.norm = RmsNorm(WIDTH) if llama else nn.LayerNorm(WIDTH, EPSILON)
        self.head = None if llama else nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, ids):
        x = self.embedding(ids)
        if self.positions is not None:
            x = x + self.positions.weight
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x) if self.head is not None else x @ self.embedding.weight.t()


def encode(tensor, dtype):
    array = tensor.detach().to(dtype).contiguous().numpy()
    return base64.b64encode(array.tobytes()).decode()


def case(llama, seed):
    torch.manual_seed(seed)
    model = Transformer(llama)
    with torch.no_grad():
        for p in model.parameters():  # away from 0 and 1, and exact in float32
            p.copy_((0 if p.dim() == 2 else p) + torch.randn_like(p) * 0.2)
    weights = {name: encode(p, torch.float32) for name, p in model.named_parameters()}
    model.double()
    ids = torch.randint(VOCABULARY, (BATCH, CONTEXT + 1))
    inputs, targets = ids[:, :-1], ids[:, 1:]

    def loss_of(logits):
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    logits = model(inputs)
    loss = loss_of(logits)
    loss.backward()
    parameters = {
        name: dict(shape=list(p.shape), weight=weights[name], gradient=encode(p.grad, torch.float64))
        for name, p in model.named_parameters()
    }
    return dict(
        parameters=parameters,
        ids=ids.flatten().tolist(),
        logits=encode(logits, torch.float64),
        loss=loss.item(),
        losses=losses(model, lambda: loss_of(model(inputs))),
    )


def losses(model, loss_of):
    """Weight decay on matrices only."""
    groups = [
        dict(params=[p for p in model.parameters() if p.dim() == 2], weight_decay=ADAMW["weightDecay"]),
        dict(params=[p for p in model.parameters() if p.dim() == 1], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=ADAMW["learningRate"],
        betas=(ADAMW["beta1"], ADAMW["beta2"]),
        eps=ADAMW["epsilon"],
    )
    seen = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


if __name__ == "__main__":
    golden = dict(
        torch=torch.__version__,
        adamw=ADAMW,
        cases=dict(gpt=case(llama=False, seed=1), llama=case(llama=True, seed=2)),
    )
    with open(sys.argv[1], "w") as f:
        json.dump(golden, f, indent=1)
