"""Golden values of PyTorch for MoeTorchParityTest.

  python3 torch_golden_moe.py ../resources/dev/sparrow/sparsity/moe/torch_golden_moe.json

Written once with PyTorch 1.13 and kept; run it again only to add a case. One mixture-of-experts
feed-forward: softmax router without bias, top-2 of 4 with weights that sum to 1, SwiGLU experts
without biases, load-balancing loss and z-loss, as autograd differentiates them. The loss is
<out, dout> + load balancing + z-loss.

Values are drawn in float32 and everything is computed from them in float64. Arrays are little-endian
base64: inputs and weights float32, results float64.
"""
import base64
import json
import sys

import torch
import torch.nn.functional as F

TOKENS, WIDTH, HIDDEN, EXPERTS, TOP_K = 23, 12, 16, 4, 2
LOAD_BALANCING, Z = 0.1, 0.05


def encode(tensor, dtype):
    array = tensor.detach().to(dtype).contiguous().numpy()
    return base64.b64encode(array.tobytes()).decode()


def layer(x, router, gate, up, down):
    logits = x @ router.t()
    scores = logits.softmax(-1)
    weights, experts = scores.topk(TOP_K, -1)
    weights = weights / weights.sum(-1, keepdim=True)
    out = torch.zeros_like(x)
    for e in range(EXPERTS):
        token, choice = (experts == e).nonzero(as_tuple=True)
        hidden = F.silu(x[token] @ gate[e].t()) * (x[token] @ up[e].t())
        out = out.index_add(0, token, weights[token, choice, None] * (hidden @ down[e].t()))
    load = torch.bincount(experts.flatten(), minlength=EXPERTS)
    balancing = LOAD_BALANCING * EXPERTS / (TOKENS * TOP_K) * (load * scores.mean(0)).sum()
    z = Z * logits.logsumexp(-1).pow(2).mean()
    return out, balancing, z


if __name__ == "__main__":
    torch.manual_seed(1)
    values = dict(
        x=torch.randn(TOKENS, WIDTH),
        router=torch.randn(EXPERTS, WIDTH) * 0.5,
        gate=torch.randn(EXPERTS, HIDDEN, WIDTH) * 0.3,
        up=torch.randn(EXPERTS, HIDDEN, WIDTH) * 0.3,
        down=torch.randn(EXPERTS, WIDTH, HIDDEN) * 0.3,
    )
    dout = torch.randn(TOKENS, WIDTH) / TOKENS
    golden = {name: encode(value, torch.float32) for name, value in values.items()}
    golden["dout"] = encode(dout, torch.float32)
    leaves = {name: value.double().requires_grad_() for name, value in values.items()}
    out, balancing, z = layer(**leaves)
    ((out * dout.double()).sum() + balancing + z).backward()
    golden.update({"d" + name: encode(leaf.grad, torch.float64) for name, leaf in leaves.items()})
    golden.update(
        torch=torch.__version__,
        tokens=TOKENS, width=WIDTH, hidden=HIDDEN, experts=EXPERTS, topK=TOP_K,
        loadBalancing=LOAD_BALANCING, z=Z,
        out=encode(out, torch.float64),
        load_balancing_loss=balancing.item(), z_loss=z.item(),
    )
    with open(sys.argv[1], "w") as f:
        json.dump(golden, f, indent=1)
