package dev.sparrow.spark.bench;

import java.util.Random;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Documents of made-up words whose frequencies fall as Zipf's law says, a function of their numbers
 * alone. Compresses about as natural text does.
 */
public final class SampleText {
  /** Words of the made-up language. */
  private static final int VOCABULARY = 20_000;

  private static final int WORDS_PER_DOCUMENT = 400;
  private static final String SYLLABLES = "kalomirusetanopigedubavehizo";

  private SampleText() {}

  /** A column {@code text} with documents of about 2.4 kB. */
  public static Dataset<Row> of(SparkSession spark, long documents, int partitions) {
    return spark
        .range(0, documents, 1, partitions)
        .map((MapFunction<Long, String>) SampleText::document, Encoders.STRING())
        .toDF("text");
  }

  private static String document(long number) {
    Random random = new Random(number);
    StringBuilder text = new StringBuilder(6 * WORDS_PER_DOCUMENT);
    for (int i = 0; i < WORDS_PER_DOCUMENT; i++) {
      // Rank r with probability proportional to 1/r: r = V^u for u uniform in [0, 1).
      appendWord(text, (int) Math.pow(VOCABULARY, random.nextDouble()));
      text.append(i % 12 == 11 ? ".\n" : " ");
    }
    return text.toString();
  }

  /** The rank in syllables: frequent words are short. */
  private static void appendWord(StringBuilder text, int rank) {
    int syllables = SYLLABLES.length() / 2;
    for (int rest = rank; rest > 0; rest /= syllables) {
      int at = 2 * (rest % syllables);
      text.append(SYLLABLES, at, at + 2);
    }
  }
}
