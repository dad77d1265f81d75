package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.CRC32C;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.hadoop.fs.FileSystem;

/**
 * Local files with the content of shard files, checked against the manifest's length and CRC32C
 * whenever they are handed out. Copies are made once per host: ranks wait for the one that copies,
 * and a copy gets its name only when it is whole. Any number of threads and processes may share a
 * directory.
 */
final class ShardCache {
  private static final int CHUNK_BYTES = 1 << 20;

  /** File locks are held per JVM, so that threads of one need a lock of their own. */
  private static final ConcurrentHashMap<Path, Object> IN_JVM = new ConcurrentHashMap<>();

  private final Configuration hadoop;
  private final org.apache.hadoop.fs.Path shards;
  private final Path directory;

  /**
   * @param shards the shard directory
   * @param cacheDirectory where copies go, or null as {@link ReaderSettings#cacheDirectory} says
   */
  ShardCache(Configuration hadoop, org.apache.hadoop.fs.Path shards, String cacheDirectory)
      throws IOException {
    this.hadoop = hadoop;
    this.shards = shards.getFileSystem(hadoop).makeQualified(shards);
    boolean local = "file".equals(this.shards.toUri().getScheme());
    this.directory =
        cacheDirectory != null
            ? Path.of(cacheDirectory)
            : local ? null : Path.of(System.getProperty("java.io.tmpdir"), "sparrow-shards");
  }

  /** A verified local file with that file's bytes. */
  Path local(ShardManifest.File file) throws IOException {
    if (directory == null) {
      Path inPlace = Path.of(shards.toUri().getPath(), file.name());
      if (!Files.exists(inPlace)) {
        throw missing(file, null);
      }
      verify(inPlace, file);
      return inPlace;
    }
    // Names carry a random part given at writing, so that no two shard files share one.
    Path target = directory.resolve(file.name().replace('/', '-'));
    Files.createDirectories(directory);
    synchronized (IN_JVM.computeIfAbsent(target.toAbsolutePath(), key -> new Object())) {
      return localLocked(target, file);
    }
  }

  private Path localLocked(Path target, ShardManifest.File file) throws IOException {
    Path lock = target.resolveSibling(target.getFileName() + ".lock");
    try (FileChannel channel =
            FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        var held = channel.lock()) {
      if (!holds(target, file)) {
        copy(target, file);
      }
      return target;
    }
  }

  private static boolean holds(Path target, ShardManifest.File file) throws IOException {
    return Files.exists(target)
        && Files.size(target) == file.bytes()
        && crc(target).equals(file.crc32c());
  }

  private void copy(Path target, ShardManifest.File file) throws IOException {
    Path temporary = target.resolveSibling(target.getFileName() + "." + UUID.randomUUID());
    org.apache.hadoop.fs.Path source = new org.apache.hadoop.fs.Path(shards, file.name());
    FileSystem fs = source.getFileSystem(hadoop);
    try {
      try (InputStream in = fs.open(source);
          OutputStream out = Files.newOutputStream(temporary)) {
        in.transferTo(out);
      } catch (FileNotFoundException e) {
        throw missing(file, e);
      } catch (ChecksumException e) {
        throw damaged(file, "the file system's own checksum to hold", e.getMessage(), e);
      }
      verify(temporary, file);
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private void verify(Path local, ShardManifest.File file) throws IOException {
    long bytes = Files.size(local);
    if (bytes != file.bytes()) {
      throw damaged(file, file.bytes() + " bytes", bytes + " bytes", null);
    }
    String crc = crc(local);
    if (!crc.equals(file.crc32c())) {
      throw damaged(file, "CRC32C " + file.crc32c(), crc, null);
    }
  }

  private static String crc(Path path) throws IOException {
    CRC32C crc = new CRC32C();
    byte[] chunk = new byte[CHUNK_BYTES];
    try (InputStream in = Files.newInputStream(path)) {
      for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
        crc.update(chunk, 0, count);
      }
    }
    return CrcChannel.format(crc);
  }

  private DataException missing(ShardManifest.File file, IOException cause) {
    return new DataException(
        "shard "
            + shards
            + "/"
            + file.name()
            + " is missing though the manifest names it; restore"
            + " it, or shard again with --overwrite",
        cause);
  }

  private DataException damaged(
      ShardManifest.File file, String expected, String got, IOException cause) {
    return new DataException(
        "shard "
            + shards
            + "/"
            + file.name()
            + " is damaged: expected "
            + expected
            + ", got "
            + got
            + "; restore it, or shard again with --overwrite",
        cause);
  }
}
