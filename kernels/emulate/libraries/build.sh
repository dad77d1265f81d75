#!/usr/bin/env bash
# Builds the stand-ins of cuBLASLt and NCCL that tests load beside the emulated CUDA driver.
#
#   emulate/libraries/build.sh [output folder]      default target/emulated/libraries; emulate/build.sh calls it
#
# Writes <output folder>/libcublasLt.so.13 and libnccl.so.2, each under its real name to the loader, so that who has loaded one by
# its path has it for whoever asks for it by name. Not beside libcuda.so.1: who has that on the library path has not asked for these.
# CXX overrides the compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
source compile.sh
out="$(mkdir -p "${1:-target/emulated/libraries}" && cd "${1:-target/emulated/libraries}" && pwd)"
compile=("${CXX:-g++}" -std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -pthread -shared -ffp-contract=off -Wall -Wextra -Werror
         -Wl,-z,defs)

# Under another name first: a program may be running the old one.
build() {
  local source="emulate/libraries/$1" library="$out/$2" command
  command="${compile[*]} -Wl,-soname,$2"
  if isCurrent "$library" "$command" emulate/libraries/build.sh; then return 0; fi
  echo "compiling $source"
  rm -f "$library.command"
  "${compile[@]}" "-Wl,-soname,$2" -I. -MD -MF "$library.d" "$source" -o "$library.new" -ldl
  mv "$library.new" "$library"
  echo "$command" > "$library.command"
}

build cublaslt.cpp libcublasLt.so.13
build nccl.cpp libnccl.so.2
