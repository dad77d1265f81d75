package dev.sparrow.spark.shard;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.text.HuggingFaceTextTokenizer;
import dev.sparrow.spark.text.TextTokenizer;
import dev.sparrow.spark.text.TokenizerSpec;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** The manifest of a shard directory on any Hadoop file system. */
public final class ManifestStore {
  static final String FILE_NAME = "manifest.json";
  static final String TOKENIZER_NAME = "tokenizer.json";

  private static final ObjectMapper JSON =
      new ObjectMapper()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES);

  private final Configuration hadoop;
  private final Path directory;

  /**
   * @param location the shard directory, or its manifest.json
   */
  public ManifestStore(Configuration hadoop, String location) {
    Path path = new Path(location);
    this.hadoop = hadoop;
    this.directory = path.getName().equals(FILE_NAME) ? path.getParent() : path;
  }

  public Path directory() {
    return directory;
  }

  /** The manifest, which must be there: without one a directory holds no finished shards. */
  public ShardManifest read() {
    return find()
        .orElseThrow(
            () ->
                new DataException(
                    directory
                        + " holds no finished shards: "
                        + FILE_NAME
                        + " is missing; run"
                        + " `shard` (again)"));
  }

  /** The manifest if there is one; what is there must be whole. */
  public Optional<ShardManifest> find() {
    Path file = new Path(directory, FILE_NAME);
    try (FSDataInputStream in = file.getFileSystem(hadoop).open(file)) {
      return Optional.of(
          parse(new String(in.readAllBytes(), StandardCharsets.UTF_8), file.toString()));
    } catch (FileNotFoundException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  /**
   * The manifest in a text.
   *
   * @param where the text stands, for messages
   */
  public static ShardManifest parse(String text, String where) {
    try {
      return parsed(text, where);
    } catch (JsonProcessingException e) {
      throw new DataException(
          where + " is damaged: " + e.getOriginalMessage() + "; run `shard` with --overwrite", e);
    }
  }

  private static ShardManifest parsed(String text, String where) throws JsonProcessingException {
    JsonNode tree = JSON.readTree(text);
    int version = tree.path("schemaVersion").asInt(-1);
    if (version == FirstManifest.SCHEMA_VERSION) {
      return JSON.treeToValue(FirstManifest.upgrade((ObjectNode) tree), ShardManifest.class);
    }
    if (version != ShardManifest.SCHEMA_VERSION) {
      throw new DataException(
          where
              + ": expected schema version "
              + ShardManifest.SCHEMA_VERSION
              + ", got "
              + version
              + "; run `shard` with --overwrite");
    }
    return JSON.treeToValue(tree, ShardManifest.class);
  }

  /** The tokenizer that made the shards, for prompts and samples. */
  public TextTokenizer tokenizer(ShardManifest manifest) {
    TokenContent.Tokenizer made = manifest.tokens().tokenizer();
    return new TokenizerSpec(
            made.kind(),
            new Path(directory, TOKENIZER_NAME).toString(),
            made.endOfTextToken(),
            made.vocabularySize(),
            made.endOfText())
        .open(hadoop);
  }

  /**
   * Replaces the manifest, under a temporary name first. Between removing the old one and renaming
   * there is none: then the directory counts as unfinished, never as something half-written.
   */
  void write(ShardManifest manifest) throws IOException {
    publish(FILE_NAME, JSON.writeValueAsString(manifest) + "\n");
  }

  /** Keeps the tokenizer.json that made the shards beside them. */
  void keepTokenizer(TextTokenizer tokenizer) throws IOException {
    if (tokenizer instanceof HuggingFaceTextTokenizer huggingFace) {
      publish(TOKENIZER_NAME, huggingFace.json());
    }
  }

  private void publish(String name, String text) throws IOException {
    FileSystem fs = directory.getFileSystem(hadoop);
    Path target = new Path(directory, name);
    Path temporary = new Path(directory, "_" + name + ".tmp");
    try (FSDataOutputStream out = fs.create(temporary, true)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    fs.delete(target, false);
    if (!fs.rename(temporary, target)) {
      throw new IOException("cannot rename " + temporary + " to " + target);
    }
  }
}
