#!/usr/bin/env bash
# Builds the emulated CUDA driver: a libcuda.so.1 that runs this project's kernels on the host, by g++ and emulate/simt.h.
#
#   emulate/build.sh [output folder]      default target/emulated
#
# Writes <output folder>/libcuda.so.1, beside it dev/sparrow/kernels/index.json, so that the folder on a class path stands for the
# jar of fatbins, and in libraries/ what emulate/libraries/build.sh makes. Left out are files with the line
# `// sparrow: sm_90a only`, not those with `// sparrow: sm_90a only, emulated`. Without g++ there is a warning and no library.
# Objects whose inputs have not changed are kept; CXX and JOBS override the compiler and how many run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
source compile.sh
out="$(mkdir -p "${1:-target/emulated}" && cd "${1:-target/emulated}" && pwd)"
library="$out/libcuda.so.1"
index="$out/dev/sparrow/kernels"
compiler="${CXX:-g++}"
if ! command -v "$compiler" > /dev/null; then
  echo "WARNING: no g++: the emulated CUDA driver is not built, and tests that need it or a GPU are skipped" >&2
  rm -rf "$library" "$index" "$out/libraries"
  exit 0
fi
emulate/libraries/build.sh "$out/libraries"
compile=("$compiler" -x c++ -std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -pthread -U_FORTIFY_SOURCE -ffp-contract=off
         -fno-strict-aliasing -Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-unused-function -Wno-clobbered)
objects="$out/objects"
mkdir -p "$objects" "$index"

# The entries of a family, "name bounds" a line. Names that macros have put together are whole only after the preprocessor.
entriesOf() {
  "$compiler" -x c++ -std=c++17 -E -P -I. '-D__launch_bounds__(...)=SPARROW_BOUNDS __VA_ARGS__ SPARROW_END' "$1" |
    { tr '\n' ' '; echo; } | sed 's/extern "C"/\n&/g' |
    sed -nE 's/^extern "C" +void +(SPARROW_BOUNDS (.*) SPARROW_END +)?([A-Za-z0-9_]+) *\(.*/\3 \2/p'
}

# Makes <object>.cpp of a family: the family itself and a line for each entry.
register() {
  local source="$1" generated="$2" name bounds
  {
    echo "#include \"$source\""
    echo '#include "emulate/driver/registry.h"'
    entriesOf "$source" | while read -r name bounds; do echo "SPARROW_KERNEL($name, ${bounds:-1024})"; done
  } > "$generated"
  if ! grep -q SPARROW_KERNEL "$generated"; then
    echo "$source has no entry" >&2
    return 1
  fi
}

objectOf() { echo "$objects/$(tr / _ <<< "${1%.*}").o"; }

# An object is current if its stamp holds the command and is newer than all that it was made of.
compileOne() {
  local source="$1" object command="${compile[*]}"
  object="$(objectOf "$source")"
  if isCurrent "$object" "$command" emulate/build.sh; then return 0; fi
  echo "compiling $source"
  rm -f "$object.command"
  local input="$source"
  if [[ "$source" == *.cu ]]; then
    input="${object%.o}.cpp"
    register "$source" "$input"
  fi
  "${compile[@]}" -I. -MD -MF "$object.d" -c "$input" -o "$object"
  echo "$command" > "$object.command"
}

mapfile -t sources < <(find . -name '*.cu' -not -path './test/*' -not -path './bench/*' -not -path './target/*' |
  sed 's,^\./,,' | LC_ALL=C sort | xargs grep -L '^// sparrow: sm_90a only$')
sources+=(emulate/driver/*.cpp)
printf '%s\n' "${sources[@]}" | inParallel compileOne
files=()
for source in "${sources[@]}"; do files+=("$(objectOf "$source")"); done

# Under another name first: a program may be running the old one.
link="$compiler -shared -Wl,-soname,libcuda.so.1 -Wl,-z,defs -Wl,--version-script=emulate/driver/exports.map -pthread ${files[*]}"
newest="$(ls -t "${files[@]}" | head -1)"
if [[ ! -f "$library" || "$newest" -nt "$library" || "$(cat "$objects/link" 2> /dev/null)" != "$link" ]]; then
  $link -o "$library.new"
  mv "$library.new" "$library"
  echo "$link" > "$objects/link"
fi

echo "every image holds all emulated kernels" > "$index/emulated.fatbin"
{
  printf '{"built": true, "entries": [\n'
  cat "$objects"/*.cpp | sed -nE 's/^SPARROW_KERNEL\(([A-Za-z0-9_]+),.*/\1/p' | LC_ALL=C sort |
    sed -e 's/.*/{"name": "&", "file": "emulated.fatbin", "arch": "sm_80", "registers": 0, "sharedBytes": 0, "spillStores": 0, "spillLoads": 0, "stackFrame": 0}/' -e '$!s/$/,/'
  printf ']}\n'
} > "$index/index.json"
