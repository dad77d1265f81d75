#!/usr/bin/env bash
# Compiles every kernel file to a fatbin (machine code of sm_80 and sm_90a, PTX of compute_90 for what comes later) and writes an
# index of their entries with what ptxas says of registers, shared memory, spills and stack.
#
#   ./build.sh [output folder]      default target/classes/dev/sparrow/kernels
#
# A file with the line `// sparrow: sm_90a only`, emulated or not, is compiled for sm_90a alone. A spill or a stack frame fails the
# build unless spills-allowed.txt lists the entry with a reason. Without nvcc (NVCC, CUDA_HOME/bin, PATH) the index is empty, "built": false.
# Files whose inputs have not changed are not compiled again; JOBS compilers run at a time.
set -euo pipefail
cd "$(dirname "$0")"
source compile.sh
out="${1:-target/classes/dev/sparrow/kernels}"
work=target/fatbins
mkdir -p "$out" "$work"

nvcc="${NVCC:-}"
if [[ -z "$nvcc" && -n "${CUDA_HOME:-}" && -x "$CUDA_HOME/bin/nvcc" ]]; then nvcc="$CUDA_HOME/bin/nvcc"; fi
if [[ -z "$nvcc" ]]; then nvcc="$(command -v nvcc || true)"; fi
if [[ -z "$nvcc" ]]; then
  echo "WARNING: no nvcc in CUDA_HOME or PATH: the jar of kernels is empty, and only the CPU backend can be opened" >&2
  rm -f "$out"/*.fatbin
  printf '{"built": false, "entries": []}\n' > "$out/index.json"
  exit 0
fi

mapfile -t sources < <(find gemm moe nn optim sparse -name '*.cu' 2>/dev/null | LC_ALL=C sort)

# Compiles $1 unless its fatbin is newer than all that it was made of; keeps what ptxas said beside it.
compileOne() {
  local source="$1" name fatbin targets
  name="$(tr / _ <<< "${source%.cu}")"
  fatbin="$work/$name.fatbin"
  targets=(-gencode arch=compute_90a,code=sm_90a)
  if ! grep -q '^// sparrow: sm_90a only' "$source"; then
    targets+=(-gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=compute_90)
  fi
  local command="$nvcc $NVCC_VERSION -fatbin -std=c++17 -O3 -lineinfo --expt-relaxed-constexpr -I. ${targets[*]}"
  if isCurrent "$fatbin" "$command"; then return 0; fi
  echo "compiling $source"
  rm -f "$fatbin.command"
  if ! "$nvcc" -fatbin -std=c++17 -O3 -lineinfo --expt-relaxed-constexpr -I. "${targets[@]}" -Xptxas -v \
      -MD -MF "$fatbin.d" -o "$fatbin" "$source" > "$fatbin.ptxas" 2>&1; then
    cat "$fatbin.ptxas" >&2
    return 1
  fi
  echo "$command" > "$fatbin.command"
}
NVCC_VERSION="$("$nvcc" --version | tail -1)"
printf '%s\n' "${sources[@]}" | inParallel compileOne

# One line an entry and architecture, from ptxas' report: its "Compiling entry function", stack frame and "Used" lines.
entriesOf() {
  awk -v file="$2" '
    /Compiling entry function/ { split($0, q, "\047"); name = q[2]; arch = q[4] }
    /bytes stack frame/ {
      match($0, /[0-9]+ bytes stack/); stack = substr($0, RSTART) + 0
      match($0, /[0-9]+ bytes spill stores/); stores = substr($0, RSTART) + 0
      match($0, /[0-9]+ bytes spill loads/); loads = substr($0, RSTART) + 0
    }
    /Used [0-9]+ registers/ && name != "" {
      match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5) + 0
      shared = 0
      if (match($0, /[0-9]+ bytes smem/)) shared = substr($0, RSTART) + 0
      printf "{\"name\": \"%s\", \"file\": \"%s\", \"arch\": \"%s\", \"registers\": %d, \"sharedBytes\": %d, \"spillStores\": %d, \"spillLoads\": %d, \"stackFrame\": %d}\n", name, file, arch, registers, shared, stores, loads, stack
      name = ""
    }' "$1"
}

rm -f "$out"/*.fatbin
lines=""
for source in "${sources[@]}"; do
  name="$(tr / _ <<< "${source%.cu}").fatbin"
  cp "$work/$name" "$out/"
  lines+="$(entriesOf "$work/$name.ptxas" "$name")"$'\n'
done
lines="$(sed '/^$/d' <<< "$lines")"
printf '{"built": true, "entries": [\n%s\n]}\n' "$(sed '$!s/$/,/' <<< "$lines")" > "$out/index.json"

# spills-allowed.txt: entry, architecture, reason.
bad=0
while IFS= read -r line; do
  if [[ "$line" == *'"spillStores": 0, "spillLoads": 0, "stackFrame": 0'* || -z "$line" ]]; then continue; fi
  entry="$(sed 's/.*"name": "\([^"]*\)".*/\1/' <<< "$line")"
  arch="$(sed 's/.*"arch": "\([^"]*\)".*/\1/' <<< "$line")"
  if ! grep -Eq "^$entry $arch .+" spills-allowed.txt; then
    echo "spill or stack frame: $line; mend it or list '$entry $arch <reason>' in spills-allowed.txt" >&2
    bad=1
  fi
done <<< "$lines"
exit $bad
