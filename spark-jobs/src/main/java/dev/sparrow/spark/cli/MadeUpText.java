package dev.sparrow.spark.cli;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** Text of words whose lengths and frequencies are like those of a language, for bench shard. */
final class MadeUpText {
  private static final int FILES = 8;
  private static final int FILE_BYTES = 8 << 20;
  private static final int WORDS = 20_000;
  private static final int LINE_WORDS = 40;

  private MadeUpText() {}

  /** 64 MB in 8 files, the same at every call. */
  static Path write(Path directory) throws IOException {
    Files.createDirectories(directory);
    Random random = new Random(1);
    String[] words = words(random);
    for (int file = 0; file < FILES; file++) {
      try (BufferedWriter out = Files.newBufferedWriter(directory.resolve(file + ".txt"))) {
        for (int bytes = 0; bytes < FILE_BYTES; ) {
          String line = line(words, random);
          out.write(line);
          bytes += line.length();
        }
      }
    }
    return directory;
  }

  private static String[] words(Random random) {
    String[] words = new String[WORDS];
    for (int i = 0; i < WORDS; i++) {
      int length = 2 + random.nextInt(9);
      words[i] =
          random
              .ints(length, 'a', 'z' + 1)
              .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
              .toString();
    }
    return words;
  }

  /** Rank r of the words comes about 1/r often (Zipf's law). */
  private static String line(String[] words, Random random) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < LINE_WORDS; i++) {
      int rank = (int) Math.pow(WORDS, random.nextDouble()) - 1;
      line.append(words[rank]).append(i == LINE_WORDS - 1 ? '\n' : ' ');
    }
    return line.toString();
  }
}
