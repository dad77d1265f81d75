#!/usr/bin/env bash
# Packs what a host with an NVIDIA driver needs to test and time the CUDA backend into one archive: a Java runtime, the jars and
# natives, the GPU's tests, run-tests.sh, bench.sh and resnet.sh. There it takes no JDK, no Maven and no network.
#
#   ./mvnw -Pgpu-bundle        builds, then calls this; the archive is gpu-core/target/sparrow-gpu-bundle.tar.xz
#
#   CLASS_PATH=jar:jar:...     of gpu-core's tests, without gpu-core itself
#   JVM_FLAGS=...              that its tests run with
#   LIMIT_MB=60                the largest archive, in 10^6 bytes
#   JAVA_HOME=...              the JDK whose runtime is packed
#   pack.sh [OUT]
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
module="$(cd "$here/../../.." && pwd)"
source "$here/common.sh"

out="${1:-$module/target/sparrow-gpu-bundle.tar.xz}"
limit="${LIMIT_MB:-60}"
cure="run ./mvnw -Pgpu-bundle in the project's folder"
: "${CLASS_PATH:?bundle: expected the class path of the tests; $cure}" "${JVM_FLAGS:?bundle: expected the flags of the tests JVM; $cure}"
[[ "$limit" =~ ^[1-9][0-9]*$ ]] || fail "LIMIT_MB: expected a whole number of megabytes, got $limit"

# ---- The build ----

[[ -d "$module/target/classes/dev/sparrow" && -d "$module/target/test-classes/dev/sparrow" ]] ||
  fail "gpu-core is not built: expected classes and test-classes in $module/target; $cure"
index="$module/../kernels/target/classes/dev/sparrow/kernels/index.json"
[[ -f "$index" ]] || fail "kernels are not built: expected $index; $cure"
grep -q '"built": true' "$index" ||
  fail "kernels were built without nvcc, so a GPU would have nothing to run; put nvcc on the PATH or set CUDA_HOME, then $cure"

# ---- The folder ----

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
bundle="$work/sparrow-gpu-bundle"
mkdir -p "$bundle/lib"
cp "$here/run-tests.sh" "$here/bench.sh" "$here/resnet.sh" "$here/java.sh" "$bundle/"
chmod 755 "$bundle"/run-tests.sh "$bundle"/bench.sh "$bundle"/resnet.sh
echo "$JVM_FLAGS" > "$bundle/jvm.flags"
cp -r "$module/target/classes" "$bundle/classes"
cp -r "$module/target/test-classes" "$bundle/test-classes"

# Jars as they are, but for other processors' and those of tests that need no GPU.
IFS=: read -ra entries <<< "$CLASS_PATH"
for entry in "${entries[@]}"; do
  case "$entry" in
    *-linux-arm64.jar | */archunit*.jar) ;;
    *.jar) cp "$entry" "$bundle/lib/" 2> /dev/null || fail "no $entry, which the class path names; $cure" ;;
    */kernels/target/classes) cp -r "$entry" "$bundle/kernels" ;;
    *) fail "class path: expected jars and the classes of kernels, got $entry" ;;
  esac
done

# without JAR PATTERN...: takes out what this project does not load (as the filters of the one jar for spark-submit do).
without() {
  local jar="$1" tree="$work/tree" pattern
  shift
  mkdir "$tree"
  (cd "$tree" && "${bin}jar" --extract --file "$jar")
  for pattern in "$@"; do
    compgen -G "$tree/$pattern" > /dev/null || fail "$(basename "$jar"): expected $pattern, which is to be left out; has its content changed?"
    rm -r "$tree"/$pattern
  done
  "${bin}jar" --create --no-compress --file "$jar" --manifest "$tree/META-INF/MANIFEST.MF" -C "$tree" .
  rm -r "$tree"
}
for jar in "$bundle"/lib/openblas-*-linux-x86_64.jar; do
  without "$jar" 'org/bytedeco/openblas/*/libjniopenblas.so' 'org/bytedeco/openblas/*/libjniopenblas_full.so' 'org/bytedeco/openblas/*/include'
done
for jar in "$bundle"/lib/jcuda-natives-*-linux-x86_64.jar; do
  without "$jar" 'lib/libJNvPTXCompiler-*' 'lib/libJNvrtc-*' 'lib/libJCudaRuntime-*'
done

# java.desktop: java.beans, for log4j; java.naming, java.xml: log4j; java.security.jgss: named by the flags; jdk.management: memory and
# processor time of tests.
makeRuntime "$bundle/runtime" java.base java.desktop java.logging java.management java.naming java.security.jgss java.xml jdk.incubator.vector \
  jdk.management jdk.unsupported

# ---- The archive ----

mkdir -p "$(dirname "$out")"
rm -f "$out"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cf - sparrow-gpu-bundle | xz -6 -T0 > "$out.part"
bytes="$(stat -c %s "$out.part")"
megabytes="$(awk "BEGIN { printf \"%.1f\", $bytes / 1e6 }")"
parts="$(du -sm "$bundle"/*/ "$bundle"/lib/* | sort -rn | head -6 | awk '{ n = split($2, p, "/"); print (p[n] == "" ? p[n - 1] : p[n]) " " $1 " MiB" }' | paste -sd, | sed 's/,/, /g')"
if ((bytes > limit * 1000000)); then
  rm "$out.part"
  fail "the archive: expected at most $limit MB, got $megabytes MB; largest before compression: $parts"
fi
mv "$out.part" "$out"
echo "bundle: $out, $megabytes MB (before compression: $parts)"
