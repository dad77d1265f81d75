# Sourced by pack.sh and pack-spark.sh: the JDK's tools, and the part of a JDK that an archive carries.

# Ends with a line of cause.
fail() {
  echo "bundle: $*" >&2
  exit 1
}

for program in tar xz; do
  command -v "$program" > /dev/null || fail "no $program on the PATH; install it (Debian: tar, xz-utils)"
done

# The JDK in JAVA_HOME, else the one on the PATH.
bin="${JAVA_HOME:+$JAVA_HOME/bin/}"
for program in java jar jlink; do
  command -v "$bin$program" > /dev/null ||
    fail "no $bin$program; expected a JDK, 17 or later, in JAVA_HOME or on the PATH: a JRE has no jlink"
done

# makeRuntime FOLDER MODULE...: those of the modules that this JDK has, and what they need. Modules stay uncompressed:
# xz packs them to two thirds of what it makes of compressed ones.
makeRuntime() {
  local folder="$1" known modules="" module
  shift
  known="$("${bin}java" --list-modules)" || exit 1
  for module in "$@"; do
    if grep -q "^$module\(@\|$\)" <<< "$known"; then modules+=",$module"; fi
  done
  [[ "$modules" == *,jdk.incubator.vector* ]] || fail "this JDK lacks jdk.incubator.vector; expected JDK 17 or later: $("${bin}java" -version 2>&1 | head -1)"
  "${bin}jlink" --add-modules "${modules#,}" --strip-debug --no-header-files --no-man-pages --output "$folder" > "$folder.log" 2>&1 ||
    fail "jlink failed: $(tail -3 "$folder.log" | tr '\n' ' ')"
  rm "$folder.log"
}
