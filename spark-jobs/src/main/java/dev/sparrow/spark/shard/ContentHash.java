package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.text.Digests;
import java.io.IOException;
import java.net.URI;
import java.util.List;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;

/** Digest of everything that decides what a shard directory holds. */
final class ContentHash {
  /** Of the text that is digested; to change it is to shard again what there is. */
  private static final int LAYOUT = 1;

  private ContentHash() {}

  /**
   * SHA-256 over settings, reader options and path, length and modification time of every file.
   *
   * @param files as Spark lists them: URL-encoded
   */
  static String of(
      Configuration hadoop,
      SourceSpec source,
      ShardSettings settings,
      ShardKind<?, ?, ?> kind,
      List<String> files) {
    StringBuilder text = new StringBuilder();
    text.append(LAYOUT).append('\n');
    text.append(source.format()).append('\n').append(new TreeMap<>(source.options()));
    kind.identity(settings).forEach(fact -> text.append('\n').append(fact));
    text.append('\n');
    files.stream().sorted().forEach(file -> text.append(line(hadoop, file)));
    return Digests.sha256(text.toString());
  }

  private static String line(Configuration hadoop, String file) {
    Path path = new Path(URI.create(file));
    try {
      FileStatus status = path.getFileSystem(hadoop).getFileStatus(path);
      return file + '\t' + status.getLen() + '\t' + status.getModificationTime() + '\n';
    } catch (IOException e) {
      throw new DataException(path + ": " + e.getMessage(), e);
    }
  }
}
