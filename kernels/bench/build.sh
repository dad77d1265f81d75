#!/usr/bin/env bash
# Builds the benchmarks, each a program of its own:
#   bench/build.sh host|device [output folder] [name ...]
# host: g++ with emulate/, for --smoke alone; device: nvcc, ARCH=sm_80 and the like choose what for (default: native). Names
# are those of bench/<name>_bench.cu; none: all. The programs are <output folder>/<name>-bench-<kind>. Those whose inputs have
# not changed are kept. CXX, NVCC and JOBS override the compilers and the number of compilers at a time.
set -euo pipefail
kernels="$(cd "$(dirname "$0")/.." && pwd)"
source "$kernels/compile.sh"
kind="${1:-}"
chooseCompiler "$kind" || { echo "usage: bench/build.sh host|device [output folder] [name ...]" >&2; exit 2; }
out="$(mkdir -p "${2:-$kernels/target/bench}" && cd "${2:-$kernels/target/bench}" && pwd)"
objects="$out/objects-$kind"
mkdir -p "$objects"
cd "$kernels"
names=("${@:3}")
if (( ${#names[@]} == 0 )); then
  for source in bench/*_bench.cu; do names+=("$(basename "$source" _bench.cu)"); done
fi

buildOne() {
  local name="$1" object="$objects/$1.o" program="$out/$1-bench-$kind"
  compileObject "bench/${name}_bench.cu" "$object" || return 1
  if [[ ! "$program" -nt "$object" ]]; then "${link[@]}" "$object" -o "$program" -ldl; fi
}
printf '%s\n' "${names[@]}" | inParallel buildOne
for name in "${names[@]}"; do echo "$out/$name-bench-$kind"; done
