package dev.sparrow.spark.data;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;
import org.apache.commons.text.similarity.LevenshteinDistance;

/** Messages about a name that is not among the known ones. */
public final class Names {
  private Names() {}

  /** {@code what 'name' is unknown; did you mean 'x'? Known: …} */
  public static String unknown(String what, String name, Collection<String> known) {
    String hint = nearest(name, known).map(near -> "did you mean '" + near + "'? ").orElse("");
    return what + " '" + name + "' is unknown; " + hint + "known: " + String.join(", ", known);
  }

  /** The known name at the least edit distance, when no more than half of the name differs. */
  private static Optional<String> nearest(String name, Collection<String> known) {
    String wanted = String.valueOf(name).toLowerCase(Locale.ROOT);
    LevenshteinDistance distance = LevenshteinDistance.getDefaultInstance();
    Comparator<String> byDistance =
        Comparator.comparingInt(k -> distance.apply(wanted, k.toLowerCase(Locale.ROOT)));
    return known.stream()
        .min(byDistance)
        .filter(k -> distance.apply(wanted, k.toLowerCase(Locale.ROOT)) * 2 <= k.length());
  }
}
