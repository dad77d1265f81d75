#!/usr/bin/env bash
# Packs Sparrow with Spark and a Java runtime for a host that has neither and no network: bin/sparrow with all its commands. It is
# some 350 MB, so it comes in parts of at most 60 MB.
#
#   ./mvnw -Pgpu-bundle,with-spark     builds, then calls this; the parts are spark-jobs/target/sparrow-with-spark.tar.xz.00, ...
#   cat sparrow-with-spark.tar.xz.* | tar xJ && sparrow/bin/sparrow --master 'local[1]' train ...     there
#
#   LIMIT_MB=60                the largest part, in 10^6 bytes
#   JAVA_HOME=...              the JDK whose runtime is packed
#   pack-spark.sh SPARK_HOME OUT
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
home="${1:?bundle: expected the folder spark-jobs/target/sparrow}"
out="${2:?bundle: expected the name of the archive}"
limit="${LIMIT_MB:-60}"
[[ "$limit" =~ ^[1-9][0-9]*$ ]] || fail "LIMIT_MB: expected a whole number of megabytes, got $limit"
for part in bin/sparrow conf/jvm.flags sparrow.jar jars; do
  [[ -e "$home/$part" ]] || fail "spark-jobs is not built: no $home/$part; run ./mvnw -Pgpu-bundle,with-spark in the project's folder"
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp -r "$home" "$work/sparrow"
# What Spark, Hadoop and Kerberos may load: all of Java SE, elliptic curves for TLS, Kerberos, name services.
makeRuntime "$work/sparrow/runtime" java.se jdk.crypto.ec jdk.httpserver jdk.incubator.vector jdk.jfr jdk.management \
  jdk.naming.dns jdk.net jdk.security.auth jdk.security.jgss jdk.unsupported jdk.zipfs

rm -f "$out".[0-9][0-9]
# The jars are compressed already: a higher level takes minutes for one per cent.
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cf - sparrow | xz -1 -T0 | split -b "${limit}000000" -d - "$out."
echo "bundle: $(du -cm "$out".[0-9][0-9] | tail -1 | cut -f1) MiB in $(ls "$out".[0-9][0-9] | wc -l) parts, $out.00 and so on"
