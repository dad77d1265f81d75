package dev.sparrow.checkpoint;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of one run: directories {@code step-00001234} that are whole or do not count.
 *
 * <p>A checkpoint is written under a temporary name and renamed. On a store without atomic rename
 * it is written in place. Either way {@code _COMPLETE}, which holds the sum of state.json, which
 * holds the sums of all the others, comes last: what a halted process or a faulty disk leaves is
 * told from a whole checkpoint on any store. One process writes; any may read.
 */
public final class CheckpointStore {
  private static final Logger LOG = LoggerFactory.getLogger(CheckpointStore.class);
  private static final Pattern STEP = Pattern.compile("step-(\\d{8,})");
  private static final String TEMPORARY = ".tmp";

  private final FileStore files;
  private final String directory;
  private final int keep;

  /**
   * @param directory such as {@code <run>/checkpoints}; made when first written to
   * @param keep how many of the newest stay, >= 1
   */
  public CheckpointStore(FileStore files, String directory, int keep) {
    if (keep < 1) {
      throw new IllegalArgumentException("checkpoint.keep: expected a number >= 1, got " + keep);
    }
    this.files = files;
    this.directory = directory;
    this.keep = keep;
  }

  /** Where the checkpoints lie. */
  public String directory() {
    return directory;
  }

  /** Steps of all that look like checkpoints, newest first; torn ones included. */
  public List<Long> steps() throws IOException {
    List<Long> steps = new ArrayList<>();
    for (String name : files.list(directory)) {
      Matcher matcher = STEP.matcher(name);
      if (matcher.matches()) {
        steps.add(Long.parseLong(matcher.group(1)));
      }
    }
    steps.sort(Comparator.reverseOrder());
    return steps;
  }

  /**
   * The newest whole checkpoint. A torn or corrupted one is passed over with a warning that says
   * what is wrong; empty where none is left.
   */
  public Optional<Checkpoint> latest() {
    try {
      for (long step : steps()) {
        try {
          return Optional.of(open(step));
        } catch (IOException | IllegalArgumentException torn) {
          LOG.warn("checkpoint {}: {}; taking the next older one", path(step), torn.getMessage());
        }
      }
      return Optional.empty();
    } catch (IOException failed) {
      throw new CheckpointException(
          directory + ": cannot list checkpoints: " + failed.getMessage(), failed);
    }
  }

  private Checkpoint open(long step) throws IOException {
    String path = path(step);
    byte[] json = bytes(path + "/" + Checkpoint.STATE);
    String marker = new String(bytes(path + "/" + Checkpoint.COMPLETE), StandardCharsets.US_ASCII);
    requireSame(Checkpoint.STATE, marker, FileSum.of(json).text());
    CheckpointState state = CheckpointState.fromJson(json);
    for (Map.Entry<String, FileSum> file : state.files().entrySet()) {
      try (InputStream in = files.open(path + "/" + file.getKey())) {
        requireSame(file.getKey(), file.getValue().text(), FileSum.of(in).text());
      }
    }
    return new Checkpoint(files, path, state);
  }

  private static void requireSame(String file, String expected, String got) throws IOException {
    if (!expected.equals(got)) {
      throw new IOException(
          file + ": expected bytes and CRC32C " + expected.strip() + ", got " + got.strip());
    }
  }

  private byte[] bytes(String file) throws IOException {
    try (InputStream in = files.open(file)) {
      return in.readAllBytes();
    }
  }

  /**
   * Writes one checkpoint and then deletes those that {@code keep} leaves no room for. Directories
   * of later steps go too: a run that writes this step has gone back behind them.
   */
  public void write(CheckpointContent content) throws IOException {
    long step = content.state().step();
    String path = path(step);
    String target = files.atomicRename() ? path + TEMPORARY : path;
    files.delete(target);
    writeFiles(content, target);
    if (!target.equals(path)) {
      files.delete(path);
      files.rename(target, path);
    }
    prune(step);
  }

  private void writeFiles(CheckpointContent content, String target) throws IOException {
    Map<String, FileSum> sums = new LinkedHashMap<>();
    Map<String, String> metadata = Map.of("format", "sparrow");
    sums.put(
        Checkpoint.MODEL,
        put(
            target,
            Checkpoint.MODEL,
            out -> SafeTensorsWriter.write(out, metadata, content.model())));
    sums.put(
        Checkpoint.OPTIMIZER,
        put(
            target,
            Checkpoint.OPTIMIZER,
            out -> SafeTensorsWriter.write(out, metadata, content.optimizer())));
    byte[] config = content.config().getBytes(StandardCharsets.UTF_8);
    sums.put(Checkpoint.CONFIG, put(target, Checkpoint.CONFIG, out -> out.write(config)));
    byte[] state = content.state().withFiles(sums).toJson();
    FileSum stateSum = put(target, Checkpoint.STATE, out -> out.write(state));
    byte[] marker = stateSum.text().getBytes(StandardCharsets.US_ASCII);
    put(target, Checkpoint.COMPLETE, out -> out.write(marker));
  }

  private interface Body {
    void write(OutputStream out) throws IOException;
  }

  private FileSum put(String target, String name, Body body) throws IOException {
    try (SummingStream out = new SummingStream(files.create(target + "/" + name))) {
      body.write(out);
      out.flush();
      return new FileSum(out.bytes, out.crc.getValue());
    }
  }

  private static final class SummingStream extends FilterOutputStream {
    private final CRC32C crc = new CRC32C();
    private long bytes;

    SummingStream(OutputStream out) {
      super(out);
    }

    @Override
    public void write(int value) throws IOException {
      out.write(value);
      crc.update(value);
      bytes++;
    }

    @Override
    public void write(byte[] chunk, int offset, int length) throws IOException {
      out.write(chunk, offset, length);
      crc.update(chunk, offset, length);
      bytes += length;
    }
  }

  private void prune(long written) throws IOException {
    int kept = 0;
    for (long step : steps()) {
      boolean stays = step <= written && kept < keep;
      if (stays) {
        kept++;
      } else {
        files.delete(path(step));
      }
    }
    for (String name : files.list(directory)) {
      if (name.endsWith(TEMPORARY)) {
        files.delete(directory + "/" + name);
      }
    }
  }

  private String path(long step) {
    return directory + "/" + String.format("step-%08d", step);
  }
}
