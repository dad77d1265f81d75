package dev.sparrow.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.List;

/**
 * Files by path, on whatever holds them. Paths are the store's own: absolute or relative ones with
 * {@code /} between names. Safe for use by several threads on different paths.
 */
public interface FileStore {
  /** A new file, or an old one replaced; missing parent directories are made. */
  OutputStream create(String path) throws IOException;

  /** Throws {@link java.io.FileNotFoundException} or a kin where there is no such file. */
  InputStream open(String path) throws IOException;

  /**
   * Moves a file or a whole directory; the target must not exist. Where {@link #atomicRename} is
   * false this may copy, and be seen half-done.
   */
  void rename(String from, String to) throws IOException;

  /** Names (not paths) of a directory's entries, in no order; empty where it does not exist. */
  List<String> list(String directory) throws IOException;

  /** Deletes a file, or a directory with all it holds; nothing happens where it does not exist. */
  void delete(String path) throws IOException;

  boolean exists(String path) throws IOException;

  /** Bytes of a file. */
  long size(String path) throws IOException;

  /** Whether a renamed directory appears at once and whole, as on POSIX and HDFS but not on S3. */
  boolean atomicRename();
}
