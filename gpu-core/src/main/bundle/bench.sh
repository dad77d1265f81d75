#!/usr/bin/env bash
# Times training on this host's GPU 0: tokens/s and model FLOPs utilisation of GPT-2 124M and of mixtures of experts that do the
# same work per token, and one large mixture-of-experts layer, each beside large products of the same process.
#   ./bench.sh [--json FILE] [--only TEXT]       cases whose names contain TEXT, such as ffn90; drawing the weights of all takes a minute
# Exit code 0: done; 2: there is no GPU. On an emulated GPU (see run-tests.sh) the cases are tiny and the figures mean nothing.
source "$(dirname "${BASH_SOURCE[0]}")/java.sh"
java dev.sparrow.bench.GpuBench "$@"
