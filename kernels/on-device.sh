#!/usr/bin/env bash
# All that needs a GPU, in one command, with nvcc and no JVM: the checks of every kernel, the same under compute-sanitizer where
# it is installed, then the benchmarks against cuBLAS where it is installed.
#
#   ./on-device.sh [results folder]     default results/
#
# Leaves <date>-<device>.txt there. Checks that fail end the run before anything is timed.
set -euo pipefail
cd "$(dirname "$0")"
results="$(mkdir -p "${1:-results}" && cd "${1:-results}" && pwd)"
device="$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr ' ' '-')"
capability="$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)"
case "$capability" in
  90) arch=sm_90a target=(-gencode arch=compute_90a,code=sm_90a -DSPARROW_HOPPER) ;;
  *) arch="sm_$capability" target=(-arch="$arch") ;;
esac
log="$results/$(date -u +%Y-%m-%d-%H%M)-$device.txt"
nvcc="${NVCC:-$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")}"
work=target/device
mkdir -p "$work"

{
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm --format=csv
  "$nvcc" --version | tail -2
  NVCC="$nvcc" ARCH="$arch" test/build.sh device "$work"
  echo "== checks"
  "$work/kernel-checks-device"
  if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck; do
      echo "== compute-sanitizer $tool"
      compute-sanitizer --tool "$tool" --error-exitcode 1 "$work/kernel-checks-device" --seed 1 | tail -5
    done
  else
    echo "== compute-sanitizer is not installed: not run"
  fi
  for source in bench/*_bench.cu; do
    program="$work/$(basename "$source" .cu)"
    "$nvcc" -x cu -std=c++17 -O3 "${target[@]}" --expt-relaxed-constexpr -I. "$source" -o "$program" -ldl
    echo "== $source"
    "$program"
  done
} 2>&1 | tee "$log"
