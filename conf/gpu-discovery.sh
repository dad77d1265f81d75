#!/usr/bin/env bash
# Tells Spark which GPUs are here: {"name": "gpu", "addresses": ["GPU-8ae1...", ...]}. What names it is
# spark.worker.resource.gpu.discoveryScript on a standalone cluster, else
# spark.executor.resource.gpu.discoveryScript; see spark-gpu.conf.
#
# UUIDs mean the same GPU in every process, where an ordinal shifts with CUDA_VISIBLE_DEVICES. Printed are
# those that CUDA_VISIBLE_DEVICES leaves, its ordinals counted as nvidia-smi does (CUDA counts likewise
# where all GPUs are of one kind, or under CUDA_DEVICE_ORDER=PCI_BUS_ID), and of those the ones that
# NVIDIA_VISIBLE_DEVICES names, where it names UUIDs: its ordinals are the host's, and in a container
# nvidia-smi shows these GPUs alone. A GPU in MIG mode is left out: training takes whole GPUs.
# Where no GPU is left: exit code 1 and the reason on standard error.
set -euo pipefail

note() {
  echo "gpu-discovery: $1" >&2
}

fail() {
  note "$1"
  exit 1
}

# The UUID that an ordinal, or a UUID's first characters, stand for.
uuid_of() {
  local uuid
  if [[ "$1" =~ ^[0-9]+$ ]] && ((10#$1 < ${#uuids[@]})); then
    echo "${uuids[10#$1]}"
    return 0
  fi
  for uuid in "${uuids[@]}"; do
    if [[ "$1" == GPU-* && "$uuid" == "$1"* ]]; then
      echo "$uuid"
      return 0
    fi
  done
  return 1
}

command -v nvidia-smi >/dev/null ||
  fail "no nvidia-smi on PATH; install the NVIDIA driver, or give the container the GPU (NVIDIA container toolkit)"
listed="$(nvidia-smi --query-gpu=uuid,mig.mode.current --format=csv,noheader 2>&1)" ||
  fail "nvidia-smi failed: ${listed%%$'\n'*}"

uuids=()
split=" "
while IFS=', ' read -r uuid mig; do
  if [[ "$uuid" == GPU-* ]]; then
    uuids+=("$uuid")
    [[ "$mig" != Enabled ]] || split+="$uuid "
  fi
done <<<"$listed"
((${#uuids[@]} > 0)) || fail "nvidia-smi lists no GPU: ${listed%%$'\n'*}"

visible=("${uuids[@]}")
if [[ -n "${CUDA_VISIBLE_DEVICES+set}" ]]; then
  visible=()
  IFS=', ' read -r -a entries <<<"$CUDA_VISIBLE_DEVICES"
  for entry in ${entries[@]+"${entries[@]}"}; do
    if ! uuid="$(uuid_of "$entry")"; then
      note "CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES: $entry is no whole GPU here; CUDA passes over it and what follows"
      break
    fi
    visible+=("$uuid")
  done
fi

offered=()
for uuid in ${visible[@]+"${visible[@]}"}; do
  if [[ "$split" == *" $uuid "* ]]; then
    note "$uuid is in MIG mode, left out: training takes whole GPUs; nvidia-smi -i $uuid -mig 0 makes it one"
  elif [[ "${NVIDIA_VISIBLE_DEVICES:-all}" == none ]]; then
    note "$uuid left out: NVIDIA_VISIBLE_DEVICES=none"
  elif [[ "${NVIDIA_VISIBLE_DEVICES:-all}" != *GPU-* || "$NVIDIA_VISIBLE_DEVICES" == *"$uuid"* ]]; then
    offered+=("\"$uuid\"")
  fi
done
((${#offered[@]} > 0)) ||
  fail "none of the ${#uuids[@]} GPUs here is left; check CUDA_VISIBLE_DEVICES, NVIDIA_VISIBLE_DEVICES and MIG"

addresses="$(printf ', %s' "${offered[@]}")"
echo "{\"name\": \"gpu\", \"addresses\": [${addresses:2}]}"
