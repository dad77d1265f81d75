package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * The output directory before and after a job. Nothing but the two splits' folders is ever cleared,
 * and in them only Arrow files that no manifest names.
 */
final class ShardOutput {
  private static final Set<String> OWN_NAMES =
      Set.of(
          Split.TRAIN.label(),
          Split.VALIDATION.label(),
          ManifestStore.FILE_NAME,
          ManifestStore.TOKENIZER_NAME);

  private final Path directory;
  private final FileSystem fs;

  ShardOutput(Configuration hadoop, Path directory) throws IOException {
    this.directory = directory;
    this.fs = directory.getFileSystem(hadoop);
  }

  /** Refuses a directory that holds anything but (unfinished) shards. */
  void refuseForeign() throws IOException {
    for (FileStatus entry : list(directory)) {
      String name = entry.getPath().getName();
      if (!OWN_NAMES.contains(name) && !name.startsWith("_") && !name.startsWith(".")) {
        throw new DataException(
            "output "
                + directory
                + " exists and is not a shard directory (it holds '"
                + name
                + "'); choose another path, or pass --overwrite to write beside what is there");
      }
    }
  }

  /** Removes files of the splits that the manifest does not name: other attempts, older shards. */
  void clearAllBut(Optional<ShardManifest> manifest) throws IOException {
    Set<String> named = new HashSet<>();
    manifest.ifPresent(
        m ->
            Stream.of(m.train(), m.validation())
                .flatMap(part -> part.files().stream())
                .forEach(file -> named.add(file.name())));
    for (Split split : Split.values()) {
      for (FileStatus entry : list(new Path(directory, split.label()))) {
        String name = entry.getPath().getName();
        boolean ours = name.endsWith(".arrow") || name.endsWith(".arrow.tmp");
        if (ours && !named.contains(split.label() + "/" + name)) {
          fs.delete(entry.getPath(), false);
        }
      }
    }
  }

  private FileStatus[] list(Path path) throws IOException {
    try {
      FileStatus[] found = fs.listStatus(path);
      if (found.length == 1
          && found[0].isFile()
          && found[0].getPath().getName().equals(path.getName())
          && !fs.getFileStatus(path).isDirectory()) {
        throw new DataException("output " + path + " is a file; choose another path");
      }
      return found;
    } catch (FileNotFoundException e) {
      return new FileStatus[0];
    }
  }
}
