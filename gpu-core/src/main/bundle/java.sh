# Sourced by run-tests.sh, bench.sh and resnet.sh, which lie beside it: `java` is the bundle's own runtime with the bundle's classes.
# SPARROW_MEMORY: heap of the JVM (default 4g). SPARROW_JAVA_OPTIONS: more flags for it.
set -euo pipefail
bundle="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

if [[ "$(uname -sm)" != "Linux x86_64" ]]; then
  echo "bundle: expected Linux x86_64, which its natives are for, got $(uname -sm)" >&2
  exit 2
fi
for part in runtime/bin/java classes test-classes lib jvm.flags; do
  if [[ ! -e "$bundle/$part" ]]; then
    echo "bundle: $bundle/$part is missing; unpack the whole archive again" >&2
    exit 2
  fi
done

# java MAIN_CLASS ARGUMENT...
java() {
  # shellcheck disable=SC2046,SC2086
  "$bundle/runtime/bin/java" -Xmx"${SPARROW_MEMORY:-4g}" $(cat "$bundle/jvm.flags") ${SPARROW_JAVA_OPTIONS:-} \
    -cp "$bundle/test-classes:$bundle/classes:$bundle/kernels:$bundle/lib/*" "$@"
}
