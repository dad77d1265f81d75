package dev.sparrow.checkpoint;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The content of state.json: where a run stood.
 *
 * @param formatVersion of the checkpoint directory, {@link #FORMAT_VERSION}
 * @param step updates done
 * @param position of the batch source: samples consumed over all ranks
 * @param epoch position in passes over the data
 * @param seed of weights, order, dropout and jitter
 * @param batch samples of a global batch
 * @param context tokens of a sequence; 0 where samples are images
 * @param images their size and classes in words; null where samples are sequences
 * @param ranks of the run that wrote it; another number may resume it
 * @param methodState numbers that the method goes on from, by names of its own; none where weights
 *     and buffers tell all
 * @param files size and CRC32C of every other file, filled in by the store
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record CheckpointState(
    int formatVersion,
    long step,
    long position,
    double epoch,
    long seed,
    int batch,
    int context,
    String images,
    int ranks,
    String method,
    Map<String, List<Double>> methodState,
    String optimizer,
    Map<String, FileSum> files) {
  public static final int FORMAT_VERSION = 1;

  private static final JsonMapper MAPPER = JsonMapper.builder().build();

  public CheckpointState {
    if (formatVersion != FORMAT_VERSION) {
      throw new IllegalArgumentException(
          "format_version: expected "
              + FORMAT_VERSION
              + ", got "
              + formatVersion
              + "; read it with the version of Sparrow that wrote it");
    }
    methodState =
        methodState == null ? Map.of() : Collections.unmodifiableMap(new TreeMap<>(methodState));
    files = files == null ? Map.of() : Map.copyOf(files);
  }

  CheckpointState withFiles(Map<String, FileSum> sums) {
    return new CheckpointState(
        formatVersion,
        step,
        position,
        epoch,
        seed,
        batch,
        context,
        images,
        ranks,
        method,
        methodState,
        optimizer,
        new TreeMap<>(sums));
  }

  public byte[] toJson() {
    try {
      return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(this);
    } catch (IOException impossible) {
      throw new IllegalStateException("state.json: cannot write " + this, impossible);
    }
  }

  /** Throws {@link IOException} with the cause where the bytes are not a state of this version. */
  public static CheckpointState fromJson(byte[] json) throws IOException {
    return MAPPER.readValue(json, CheckpointState.class);
  }
}
