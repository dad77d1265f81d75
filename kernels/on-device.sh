#!/usr/bin/env bash
# All that needs a GPU, in one command, with nvcc and no JVM: the checks of every kernel, the benchmarks, compute-sanitizer, and
# what of the goals is met.
#
#   ./on-device.sh [options] [results folder]     default results/
#
#   --only STAGE,..       these stages alone, in the order below; all: checks yardstick gemm conv grouped moe attention bandwidth spmm
#                         memcheck racecheck synccheck jvm; what they need is built before, all at once
#   --seconds N           end within N seconds: later stages get what is left, and those without are not run
#   --smoke               benchmarks launch everything once at tiny sizes and time nothing
#   --cases TEXT          benchmarks run the cases whose name contains TEXT; goals are then not decided
#   --yardstick COMMAND   stage yardstick: what COMMAND prints goes into the log, and its lines "PEER <case> = <number> <unit>"
#                         beside the benchmarks' own cases of that name (README.md lists them)
#   --bundle FILE         stage jvm: unpacks an archive of tests that need a JVM, and runs its run-tests.sh
#   --built               the programs in WORK were built elsewhere, for a GPU of this kind: nothing is compiled
#   --ncu PROGRAM:KERNEL  profiles one launch of KERNEL, of benchmark PROGRAM at --cases, and does nothing else
#
# Leaves <date>-<device>/ in the results folder: log.txt with everything, <benchmark>.json, peer.txt. All of it is written as
# it comes, so a run that is cut off keeps what it had. A stage that fails or outlasts its limit is named in the summary at the
# end and makes the exit code 1; a missed goal does not. Programs are built in WORK, default target/device, and kept.
set -euo pipefail
cd "$(dirname "$0")"
source compile.sh

fail() { echo "on-device.sh: $*" >&2; exit 2; }

readonly BENCHMARKS=(gemm conv grouped moe attention bandwidth spmm) SANITIZERS=(memcheck racecheck synccheck)
readonly STAGES=(checks yardstick "${BENCHMARKS[@]}" "${SANITIZERS[@]}" jvm)
declare -A limits=([build]=400 [checks]=300 [yardstick]=240 [gemm]=240 [conv]=240 [grouped]=240 [moe]=240 [attention]=240 [bandwidth]=240 [spmm]=500
                   [memcheck]=400 [racecheck]=400 [synccheck]=200 [jvm]=500 [ncu]=300)
only="" seconds=86400 smoke=() cases=() yardstick="" bundle="" profile="" results=results compileHere=true
while (( $# > 0 )); do
  case "$1" in
    --smoke) smoke=(--smoke) ;;
    --built) compileHere=false ;;
    --only | --seconds | --cases | --yardstick | --bundle | --ncu)
      (( $# > 1 )) || fail "$1: expected a value"
      case "$1" in
        --only) only="$2" ;;
        --seconds) seconds="$2" ;;
        --cases) cases=(--only "$2") ;;
        --yardstick) yardstick="$2" ;;
        --bundle) bundle="$(realpath -- "$2")" ;;
        --ncu) profile="$2" ;;
      esac
      shift ;;
    -*) fail "$1: expected --only, --seconds, --smoke, --cases, --yardstick, --bundle, --built, --ncu or a folder" ;;
    *) results="$1" ;;
  esac
  shift
done
[[ "$seconds" =~ ^[0-9]+$ ]] || fail "--seconds: expected a number, got $seconds"
[[ -z "$bundle" || -f "$bundle" ]] || fail "--bundle: no file $bundle"
[[ -z "$profile" || "$profile" == *:* ]] || fail "--ncu: expected PROGRAM:KERNEL, got $profile"
for stage in ${only//,/ }; do
  [[ " ${STAGES[*]} " == *" $stage "* ]] || fail "--only: expected of ${STAGES[*]}, got $stage"
done
command -v nvidia-smi > /dev/null || fail "no nvidia-smi: this is for a machine with an NVIDIA GPU and its driver"

device="$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr ' ' '-')"
capability="$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)"
case "$capability" in
  90) export ARCH=sm_90a ;;
  *) export ARCH="sm_$capability" ;;
esac
NVCC="${NVCC:-$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")}"
export NVCC
command -v "$NVCC" > /dev/null || fail "no nvcc in NVCC, PATH or CUDA_HOME: $NVCC"
# cuBLAS, where the toolkit brings it.
toolkit="$(dirname "$(dirname "$(readlink -f "$(command -v "$NVCC")")")")"
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$toolkit/lib64:$toolkit/targets/$(uname -m)-linux/lib"
work="${WORK:-target/device}"
work="$(mkdir -p "$work" && cd "$work" && pwd)"
out="$results/$(date -u +%Y-%m-%d-%H%M%S)-$device"
mkdir -p "$out"
out="$(cd "$out" && pwd)"
log="$out/log.txt"
peer="$out/peer.txt"
deadline=$((SECONDS + seconds))
stageEnd=$deadline

# Runs a command for as long as the stage may still last, or $1 seconds where that is less; 124: cut off.
limited() {
  local most="$1" left=$((stageEnd - SECONDS))
  shift
  if (( left > most )); then left="$most"; fi
  if (( left < 1 )); then return 124; fi
  timeout --kill-after=10 "$left" "$@"
}

# Builds the programs of folder $1, bench or test, unless that was done elsewhere.
built() { if $compileHere; then limited 600 "$1/build.sh" device "${@:2}"; fi; }

state() { nvidia-smi --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv,noheader | head -1; }

# Compiling takes longer than measuring, and a machine with a GPU has many cores.
stage_build() {
  local names=() checks="" stage code=0
  for stage in "${BENCHMARKS[@]}"; do if selected "$stage"; then names+=("$stage"); fi; done
  for stage in "${SANITIZERS[@]}"; do if selected "$stage"; then checks=all names=("${BENCHMARKS[@]}"); fi; done
  if selected checks; then checks=all; fi
  if [[ -n "$checks" ]]; then limited 600 test/build.sh device "$work" & fi
  if (( ${#names[@]} > 0 )); then limited 600 bench/build.sh device "$work" "${names[@]}" || code=$?; fi
  if [[ -n "$checks" ]]; then wait $! || code=$?; fi
  return "$code"
}

benchmark() {
  local name="$1" beside=()
  built bench "$work" "$name"
  if [[ -s "$peer" ]]; then beside=(--peer "$peer"); fi
  limited 600 "$work/$name-bench-device" "${smoke[@]}" "${cases[@]}" --json "$out/$name.json" "${beside[@]}"
}

# A family is a process of its own: an error on the device ends all work of the process that made it. Several run at a time,
# since most of their time goes into the sums on the host that they compare with.
stage_checks() {
  built test "$work"
  local families failed=0 family code
  families="$("$work/kernel-checks-device" --list | cut -d. -f1 | uniq)"
  rm -rf "$work/families" && mkdir "$work/families"
  checkFamily() {
    code=0
    limited 120 "$work/kernel-checks-device" --only "$1." > "$work/families/$1.txt" 2>&1 || code=$?
    echo "$code" > "$work/families/$1.code"
  }
  inParallel checkFamily <<< "$families"
  for family in $families; do
    code="$(cat "$work/families/$family.code")"
    cat "$work/families/$family.txt"
    if (( code != 0 )); then
      echo "checks $family: FAILED ($code)"
      failed="$(worse "$failed" "$code")"
    fi
  done
  return "$failed"
}
stage_gemm() { benchmark gemm; }
stage_conv() { benchmark conv; }
stage_grouped() { benchmark grouped; }
stage_moe() { benchmark moe; }
stage_attention() { benchmark attention; }
stage_bandwidth() { benchmark bandwidth; }
stage_spmm() { benchmark spmm; }

stage_yardstick() { limited 600 bash -c "$yardstick"; }

# The checks family by family, each for a minute at most, so that a slow one leaves time for the others; then what the
# benchmarks launch. initcheck is not among the tools: every buffer here is poisoned at birth, which it takes for initialized.
sanitize() {
  local tool="$1" failed=0 code family name
  built test "$work" > /dev/null
  for family in $("$work/kernel-checks-device" --list | cut -d. -f1 | uniq); do
    code=0
    sanitized "$tool" "$work/kernel-checks-device" --only "$family." --seed 1 || code=$?
    verdict "$tool $family" "$code" || failed="$(worse "$failed" "$code")"
  done
  built bench "$work" > /dev/null
  for name in "${BENCHMARKS[@]}"; do
    code=0
    sanitized "$tool" "$work/$name-bench-device" --smoke || code=$?
    verdict "$tool $name --smoke" "$code" || failed="$(worse "$failed" "$code")"
  done
  return "$failed"
}

sanitized() { limited 60 compute-sanitizer --tool "$1" --error-exitcode 9 "${@:2}" > "$work/sanitizer.txt" 2>&1; }

# Prints how a run ended and, of one that failed, the end of what it said.
verdict() {
  case "$2" in
    0) echo "$1: passed" ;;
    124 | 137) echo "$1: cut off" ;;
    *) echo "$1: FAILED ($2)"; tail -30 "$work/sanitizer.txt" ;;
  esac
  return "$2"
}

# Of two codes other than 0 the one that tells more: an error rather than a limit.
worse() { case "$1" in 0 | 124 | 137) echo "$2" ;; *) echo "$1" ;; esac; }

stage_memcheck() { sanitize memcheck; }
stage_racecheck() { sanitize racecheck; }
stage_synccheck() { sanitize synccheck; }

stage_jvm() {
  local folder script code=0
  folder="$(mktemp -d)"
  if [[ "$bundle" == *.zip ]]; then unzip -q "$bundle" -d "$folder"; else tar -xf "$bundle" -C "$folder"; fi
  script="$(find "$folder" -maxdepth 2 -name run-tests.sh | head -1)"
  if [[ -z "$script" ]]; then
    echo "$bundle holds no run-tests.sh"
    code=1
  else
    (cd "$(dirname "$script")" && limited 600 bash ./run-tests.sh) || code=$?
  fi
  rm -rf "$folder"
  return "$code"
}

stage_ncu() {
  local program="${profile%%:*}" kernel="${profile#*:}"
  built bench "$work" "$program"
  # The clocks stay as they are. The first launches warm up.
  limited 600 ncu --clock-control none --set full --kernel-name "regex:$kernel" --launch-skip 2 --launch-count 1 \
    --export "$out/ncu" "$work/$program-bench-device" "${cases[@]}"
  ncu --import "$out/ncu.ncu-rep" --page details
}

# Why a stage has nothing to do here; empty where it has.
skipped() {
  case "$1" in
    yardstick) if [[ -z "$yardstick" ]]; then echo "no --yardstick"; fi ;;
    jvm) if [[ -z "$bundle" ]]; then echo "no --bundle"; fi ;;
    memcheck | racecheck | synccheck)
      if ! command -v compute-sanitizer > /dev/null; then echo "compute-sanitizer is not installed"; fi ;;
    ncu) if ! command -v ncu > /dev/null; then echo "ncu is not installed"; fi ;;
  esac
}

# Whether a stage is to be run.
selected() { [[ (-z "$only" || ",$only," == *",$1,"*) && -z "$(skipped "$1")" ]]; }

summary=()
failures=0
runStage() {
  local stage="$1" reason start=$SECONDS code outcome
  reason="$(skipped "$stage")"
  if (( SECONDS >= deadline )); then reason="no time left"; fi
  if [[ -n "$reason" ]]; then
    summary+=("$(printf '%-12s not run: %s' "$stage" "$reason")")
    return
  fi
  stageEnd=$((SECONDS + limits[$stage]))
  if (( stageEnd > deadline )); then stageEnd=$deadline; fi
  # The pipe's end is not the stage's: its code is the first of the pipe.
  set +e
  (set -e; echo "== $stage ($(state))"; "stage_$stage") 2>&1 | tee -a "$log" "$work/$stage.txt.new"
  code=${PIPESTATUS[0]}
  set -e
  mv "$work/$stage.txt.new" "$work/$stage.txt"
  case "$code" in
    0) outcome=passed ;;
    124 | 137) outcome="CUT OFF at its limit" ;;
    *) outcome="FAILED ($code)" ;;
  esac
  if (( code != 0 )); then failures=$((failures + 1)); fi
  summary+=("$(printf '%-12s %s, %d s' "$stage" "$outcome" $((SECONDS - start)))")
  if [[ "$stage" == yardstick ]]; then grep '^PEER ' "$work/yardstick.txt" > "$peer" || true; fi
}

{
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm --format=csv
  "$NVCC" --version | tail -2
} 2>&1 | tee "$log"
if [[ -n "$profile" ]]; then
  runStage ncu
else
  if $compileHere; then runStage build; fi
  for stage in "${STAGES[@]}"; do
    if [[ -z "$only" || ",$only," == *",$stage,"* ]]; then runStage "$stage"; fi
  done
fi
{
  echo "== summary of $out"
  printf '%s\n' "${summary[@]}"
  grep '^GOAL ' "$log" || echo "no goal was decided"
} > "$work/summary.txt"
tee -a "$log" < "$work/summary.txt"
exit $((failures > 0))
