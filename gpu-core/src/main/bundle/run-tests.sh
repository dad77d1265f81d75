#!/usr/bin/env bash
# Runs the tests of the CUDA backend on this host's GPU 0; the table of what passed is the last that it prints.
#   ./run-tests.sh [CLASS...]     such as CudaTrainTest; all without arguments
# Exit code 0: all that ran passed; 1: some failed; 2: there is no GPU, or nothing ran.
# On the emulated GPU, where there is no other: LD_LIBRARY_PATH=.../kernels/target/emulated (kernels/emulate/build.sh).
source "$(dirname "${BASH_SOURCE[0]}")/java.sh"
java dev.sparrow.GpuTestRun "$@"
