#!/usr/bin/env bash
# Builds the stand-alone program of the kernels' checks:
#   test/build.sh host   [output folder]   g++ with emulate/: runs anywhere
#   test/build.sh device [output folder]   nvcc: runs on a GPU; ARCH=sm_80 and the like choose what for (default: native)
# The program is <output folder>/kernel-checks-<kind>. Objects whose inputs have not changed are kept.
# CXX, NVCC and JOBS override the compilers and the number of compilers at a time.
set -euo pipefail
kernels="$(cd "$(dirname "$0")/.." && pwd)"
source "$kernels/compile.sh"
kind="${1:-}"
chooseCompiler "$kind" || { echo "usage: test/build.sh host|device [output folder]" >&2; exit 2; }
out="$(mkdir -p "${2:-$kernels/target/checks}" && cd "${2:-$kernels/target/checks}" && pwd)"
objects="$out/objects-$kind"
mkdir -p "$objects"
cd "$kernels"

objectOf() { echo "$objects/$(basename "$1" .cu).o"; }
compileOne() { compileObject "$1" "$(objectOf "$1")"; }
printf '%s\n' test/*.cu | inParallel compileOne

program="$out/kernel-checks-$kind"
files=()
for source in test/*.cu; do files+=("$(objectOf "$source")"); done
"${link[@]}" "${files[@]}" -o "$program" -ldl
echo "$program"
