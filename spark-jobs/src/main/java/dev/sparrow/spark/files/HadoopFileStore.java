package dev.sparrow.spark.files;

import dev.sparrow.checkpoint.FileStore;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;
import org.apache.hadoop.fs.Path;

/** Files of any Hadoop file system, by path or URI. */
public final class HadoopFileStore implements FileStore {
  /** Object stores, where renaming a directory copies its objects one by one. */
  private static final Set<String> OBJECT_STORES =
      Set.of("s3", "s3a", "s3n", "gs", "wasb", "wasbs", "oss", "cosn", "swift", "obs");

  private final Configuration configuration;
  private final boolean atomicRename;

  /**
   * @param root any path of the file system that will be used; decides {@link #atomicRename}
   */
  public HadoopFileStore(Configuration configuration, String root) throws IOException {
    this.configuration = configuration;
    String scheme = new Path(root).getFileSystem(configuration).getUri().getScheme();
    this.atomicRename = !OBJECT_STORES.contains(scheme);
  }

  @Override
  public OutputStream create(String path) throws IOException {
    return fileSystem(path).create(new Path(path), true);
  }

  /**
   * A file that grows while others read it: what is flushed can be read, and outlasts its writer. A
   * file system that keeps checksums beside its files, as the local one does, would hold back a
   * part of a block of them; such a file has none.
   */
  public OutputStream createGrowing(String path) throws IOException {
    FileSystem system = fileSystem(path);
    if (system instanceof ChecksumFileSystem checked) {
      checked.delete(new Path(path), false); // with the checksums of one that was there
      system = checked.getRawFileSystem();
    }
    return system.create(new Path(path), true);
  }

  @Override
  public InputStream open(String path) throws IOException {
    return fileSystem(path).open(new Path(path));
  }

  @Override
  public void rename(String from, String to) throws IOException {
    if (!fileSystem(from).rename(new Path(from), new Path(to))) {
      throw new IOException("cannot rename " + from + " to " + to);
    }
  }

  @Override
  public List<String> list(String directory) throws IOException {
    try {
      FileStatus[] entries = fileSystem(directory).listStatus(new Path(directory));
      return Arrays.stream(entries).map(entry -> entry.getPath().getName()).toList();
    } catch (FileNotFoundException e) {
      return List.of();
    }
  }

  @Override
  public void delete(String path) throws IOException {
    fileSystem(path).delete(new Path(path), true);
  }

  @Override
  public boolean exists(String path) throws IOException {
    return fileSystem(path).exists(new Path(path));
  }

  @Override
  public long size(String path) throws IOException {
    return fileSystem(path).getFileStatus(new Path(path)).getLen();
  }

  @Override
  public boolean atomicRename() {
    return atomicRename;
  }

  /** A whole file as text. */
  public String readText(String path) throws IOException {
    try (InputStream in = open(path)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** What a file is written by. */
  public interface Body {
    void write(OutputStream out) throws IOException;
  }

  /** {@link #replace} by text. */
  public void writeText(String path, String text) throws IOException {
    replace(path, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
  }

  /**
   * Replaces a file; a reader sees the old one or the new one where renames are atomic. Of a body
   * that throws nothing is left.
   */
  public void replace(String path, Body body) throws IOException {
    String target = atomicRename ? path + ".tmp" : path;
    try (OutputStream out = create(target)) {
      body.write(out);
    } catch (IOException | RuntimeException failed) {
      delete(target);
      throw failed;
    }
    if (atomicRename) {
      delete(path);
      rename(target, path);
    }
  }

  /** Copies a file, replacing the target. */
  public void copy(String from, String to) throws IOException {
    FileSystem source = fileSystem(from);
    FileSystem target = fileSystem(to);
    FileUtil.copy(source, new Path(from), target, new Path(to), false, true, configuration);
  }

  private FileSystem fileSystem(String path) throws IOException {
    return new Path(path).getFileSystem(configuration);
  }
}
