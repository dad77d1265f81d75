#!/usr/bin/env bash
# Builds the stand-alone program of the kernels' checks:
#   test/build.sh host   [output folder]   g++ with emulate/: runs anywhere
#   test/build.sh device [output folder]   nvcc: runs on a GPU; ARCH=sm_80 and the like choose what for (default: native)
# The program is <output folder>/kernel-checks-<kind>. Objects whose inputs have not changed are kept.
# CXX, NVCC and JOBS override the compilers and the number of compilers at a time.
set -euo pipefail
kernels="$(cd "$(dirname "$0")/.." && pwd)"
kind="${1:-}"
case "$kind" in
  host) compile=("${CXX:-g++}" -x c++ -std=c++17 -O2 -g1 -U_FORTIFY_SOURCE -ffp-contract=off -fno-strict-aliasing
                 -Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-unused-function -Wno-clobbered) ;;
  device)
    # nvcc's -arch=sm_90a also assembles for plain sm_90, which lacks Hopper's own instructions.
    target=(-arch="${ARCH:-native}")
    if [[ "${ARCH:-}" == sm_90a ]]; then target=(-gencode arch=compute_90a,code=sm_90a -DSPARROW_HOPPER); fi
    compile=("${NVCC:-nvcc}" -x cu -std=c++17 -O3 -lineinfo "${target[@]}" --expt-relaxed-constexpr) ;;
  *) echo "usage: test/build.sh host|device [output folder]" >&2; exit 2 ;;
esac
out="$(mkdir -p "${2:-$kernels/target/checks}" && cd "${2:-$kernels/target/checks}" && pwd)"
objects="$out/objects-$kind"
mkdir -p "$objects"
cd "$kernels"
source compile.sh

# An object is current if its stamp holds the command and is newer than the source and all headers it names.
compileOne() {
  local source="$1" object="$objects/$(basename "$1" .cu).o"
  local command="${compile[*]} -I. -c $source"
  if isCurrent "$object" "$command"; then return 0; fi
  echo "compiling $source"
  "${compile[@]}" -I. -MD -MF "$object.d" -c "$source" -o "$object"
  echo "$command" > "$object.command"
}

printf '%s\n' test/*.cu | inParallel compileOne

program="$out/kernel-checks-$kind"
files=()
for source in test/*.cu; do files+=("$objects/$(basename "$source" .cu).o"); done
if [[ "$kind" == host ]]; then "${CXX:-g++}" "${files[@]}" -o "$program"
else "${NVCC:-nvcc}" "${target[@]}" "${files[@]}" -o "$program" -ldl; fi
echo "$program"
