#!/usr/bin/env bash
# Trains ResNet-18 on CIFAR-10 on this host's GPU 0, at full rank and then with ranks found while it trains, and sets parameters,
# accuracy and wall time side by side.
#   ./resnet.sh DATA_FOLDER [--epochs 30] [--batch 1024] [--seed 1] [--modes full,cuttlefish] [--learning-rate 0.8] [--json FILE]
#       [--set KEY=VALUE]...       a setting of conf/reference.conf for all modes, such as cuttlefish.latest=0.3
# DATA_FOLDER: train.bin and test.bin, CIFAR-10's binary version (train.bin: its five training files, one after the other).
# SPARROW_MEMORY: heap of the JVM (default 8g). Exit code 0: done; 2: there is no GPU, or the arguments make no sense.
SPARROW_MEMORY="${SPARROW_MEMORY:-8g}"
source "$(dirname "${BASH_SOURCE[0]}")/java.sh"
java dev.sparrow.bench.ResNetGpuRun "$@"
