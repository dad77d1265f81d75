package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.Serializable;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Which samples are held out for validation.
 *
 * @param validationFraction share of samples (documents, images), chosen by the hash of their
 *     content: equal ones fall on the same side, whatever the partitioning; 0 holds none out, 1 all
 * @param seed of that hash
 * @param column of the source whose value decides instead, or null
 * @param trainValue the column's value for training
 * @param validationValue the column's value for validation; rows of any other value are left out
 */
public record SplitRule(
    double validationFraction, long seed, String column, String trainValue, String validationValue)
    implements Serializable {

  public SplitRule {
    if (!(validationFraction >= 0 && validationFraction <= 1)) {
      throw new DataException(
          "validation fraction: expected 0 <= fraction <= 1, got " + validationFraction);
    }
    if (column != null && (trainValue == null || trainValue.equals(validationValue))) {
      throw new DataException(
          "split column '"
              + column
              + "': expected two different values for train and validation,"
              + " got '"
              + trainValue
              + "' and '"
              + validationValue
              + "'");
    }
  }

  /** Splits by content. */
  public static SplitRule byHash(double validationFraction, long seed) {
    return new SplitRule(validationFraction, seed, null, null, null);
  }

  /** Splits by a column that says {@code train} or {@code validation}. */
  public static SplitRule byColumn(String column) {
    return new SplitRule(0, 0, column, "train", "validation");
  }

  /** Whether anything is to be trained on, so that an empty training split is an error. */
  boolean wantsTraining() {
    return column != null || validationFraction < 1;
  }

  /** Whether anything is to be held out, so that an empty validation split is an error. */
  boolean wantsValidation() {
    return column != null || validationFraction > 0;
  }

  /** The split of a sample, or null where its column names neither. */
  Split of(UTF8String columnValue, long contentHash) {
    if (column == null) {
      // The upper 53 bits as a fraction of one.
      double u = (contentHash >>> 11) * 0x1p-53;
      return u < validationFraction ? Split.VALIDATION : Split.TRAIN;
    }
    String value = columnValue == null ? null : columnValue.toString();
    if (trainValue.equals(value)) {
      return Split.TRAIN;
    }
    return validationValue.equals(value) ? Split.VALIDATION : null;
  }
}
