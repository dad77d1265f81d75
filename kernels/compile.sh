# Sourced by the build scripts: compiles only what has changed, several files at a time.

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
