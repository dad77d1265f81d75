# Sourced by the build scripts: compilers, and how to compile only what has changed, several files at a time.

# Whether target $1 was made by command $2 (kept in $1.command) and is newer than the inputs $3.. and all that $1.d names.
isCurrent() {
  local target="$1" command="$2" input
  shift 2
  [[ -f "$target" && -f "$target.command" && "$(cat "$target.command")" == "$command" && -f "$target.d" ]] || return 1
  for input in "$@" $(sed -e 's/^[^:]*://' -e 's/\\$//' "$target.d"); do
    if [[ ! -e "$input" || "$input" -nt "$target" ]]; then return 1; fi
  done
}

# Calls function $1 with the words of each line of the input, JOBS at a time; fails if one of the calls did.
inParallel() {
  local words running=0 failed=0
  while read -r -a words; do
    "$1" "${words[@]}" &
    running=$((running + 1))
    if (( running >= ${JOBS:-$(nproc)} )); then
      wait -n || failed=1
      running=$((running - 1))
    fi
  done
  while (( running > 0 )); do
    wait -n || failed=1
    running=$((running - 1))
  done
  return $failed
}

# Sets compile, the command for a stand-alone program's objects, and link, that for the program: kind $1 is host (g++ with
# emulate/) or device (nvcc; ARCH=sm_80 and the like choose what for, default: native).
chooseCompiler() {
  case "$1" in
    host)
      link=("${CXX:-g++}")
      compile=("${link[@]}" -x c++ -std=c++17 -O2 -g1 -U_FORTIFY_SOURCE -ffp-contract=off -fno-strict-aliasing
               -Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-unused-function -Wno-clobbered) ;;
    device)
      # nvcc's -arch=sm_90a also assembles for plain sm_90, which lacks Hopper's own instructions.
      local target=(-arch="${ARCH:-native}")
      if [[ "${ARCH:-}" == sm_90a ]]; then target=(-gencode arch=compute_90a,code=sm_90a -DSPARROW_HOPPER); fi
      link=("${NVCC:-nvcc}" "${target[@]}")
      compile=("${link[@]}" -x cu -std=c++17 -O3 -lineinfo --expt-relaxed-constexpr) ;;
    *) return 1 ;;
  esac
}

# Compiles $1 to object $2 with the command of chooseCompiler, unless the object is newer than all that it was made of.
compileObject() {
  local source="$1" object="$2"
  local command="${compile[*]} -I. -c $source"
  if isCurrent "$object" "$command"; then return 0; fi
  echo "compiling $source"
  rm -f "$object.command"
  "${compile[@]}" -I. -MD -MF "$object.d" -c "$source" -o "$object" || return 1
  echo "$command" > "$object.command"
}
