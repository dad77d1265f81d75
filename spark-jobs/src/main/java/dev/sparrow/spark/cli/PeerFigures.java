package dev.sparrow.spark.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What another framework reached on the same machine, read from the lines that it printed. A case
 * that comes twice (one thread, two threads) counts with its better figure.
 *
 * @param tokensPerSecond of language models, by case
 * @param moeMillis of one feed-forward block's forward and backward pass, by case of bench moe
 */
record PeerFigures(Map<String, Double> tokensPerSecond, Map<String, Double> moeMillis) {
  static final PeerFigures NONE = new PeerFigures(Map.of(), Map.of());

  private static final Pattern LINE =
      Pattern.compile("(\\S+)\\s+parameters\\s+\\d+\\s+step\\s+([0-9.]+) ms\\s+tokens/s\\s+(\\d+)");
  private static final Map<String, String> MOE_CASES =
      Map.of("moe-uniform", "e8-top1", "moe-skewed", "e8-top1-zipf");

  static PeerFigures read(Path file) throws IOException {
    Map<String, Double> tokens = new HashMap<>();
    Map<String, Double> millis = new HashMap<>();
    for (String line : Files.readAllLines(file)) {
      Matcher matcher = LINE.matcher(line.strip());
      if (!matcher.matches()) {
        continue;
      }
      String moe = MOE_CASES.get(matcher.group(1));
      if (moe != null) {
        millis.merge(moe, Double.valueOf(matcher.group(2)), Math::min);
      } else {
        tokens.merge(matcher.group(1), Double.valueOf(matcher.group(3)), Math::max);
      }
    }
    if (tokens.isEmpty() && millis.isEmpty()) {
      throw new IllegalArgumentException(
          file + ": expected lines \"NAME parameters N step MILLIS ms tokens/s N\", found none");
    }
    return new PeerFigures(tokens, millis);
  }
}
