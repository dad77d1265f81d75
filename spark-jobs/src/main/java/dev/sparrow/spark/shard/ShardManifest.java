package dev.sparrow.spark.shard;

import java.io.Serializable;
import java.util.List;

/**
 * What a finished shard directory holds; {@code manifest.json} is this record.
 *
 * @param schemaVersion {@link #SCHEMA_VERSION}
 * @param context input tokens of a row
 * @param tokenizer what the ids mean
 * @param train files and counts
 * @param validation files and counts; no files where nothing was held out
 * @param nullDocuments rows without text or ids, skipped
 * @param emptyDocuments rows of no text or no ids, skipped
 * @param otherDocuments rows whose split column named neither split, skipped
 * @param unigramLoss mean cross-entropy in nats per validation token under the training tokens'
 *     frequencies with one added to every count; null without validation tokens. What a model must
 *     beat to have learnt anything from context
 * @param contentHash of input files and settings, or null where the input has no files to compare
 */
public record ShardManifest(
    int schemaVersion,
    int context,
    Tokenizer tokenizer,
    Part train,
    Part validation,
    long nullDocuments,
    long emptyDocuments,
    long otherDocuments,
    Double unigramLoss,
    String contentHash) {
  /** Version of this layout; readers refuse others. */
  public static final int SCHEMA_VERSION = 1;

  /**
   * One split.
   *
   * @param files in the order of their partitions
   * @param rows of context + 1 tokens
   * @param documents that ended in the split
   * @param tokens of those documents, end-of-text included
   * @param droppedTokens left over after the last full row of the whole split
   */
  public record Part(List<File> files, long rows, long documents, long tokens, long droppedTokens) {
    public Part {
      files = List.copyOf(files);
    }
  }

  /**
   * One Arrow IPC file.
   *
   * @param name relative to the shard directory
   * @param rows in it
   * @param bytes its length
   * @param crc32c of all its bytes, 8 hexadecimal digits
   */
  public record File(String name, long rows, long bytes, String crc32c) implements Serializable {}

  /**
   * The tokenizer that made the ids.
   *
   * @param kind bytes, gpt2, huggingface or ids
   * @param identity name and digest of the vocabulary
   * @param vocabularySize number of ids
   * @param endOfText the id after each document
   * @param endOfTextToken huggingface: the token as it was named, or null
   */
  public record Tokenizer(
      String kind, String identity, int vocabularySize, int endOfText, String endOfTextToken) {}

  public Part part(Split split) {
    return split == Split.TRAIN ? train : validation;
  }
}
