package dev.sparrow.spark.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.files.HadoopFileStore;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.TokenContent;
import dev.sparrow.spark.text.HuggingFaceTextTokenizer;
import dev.sparrow.spark.text.TextTokenizer;
import dev.sparrow.spark.text.TokenizerSpec;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** One safetensors file with all that a run's model directory holds: the rest is metadata. */
final class ExportedModel implements SavedModel {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CONFIG = "sparrow.config";
  private static final String MANIFEST = "sparrow.manifest";
  private static final String TOKENIZER = "sparrow.tokenizer.json";

  private final Configuration hadoop;
  private final ModelFile file;
  private Map<String, String> metadata; // null until asked for

  ExportedModel(Configuration hadoop, String path) {
    this.hadoop = hadoop;
    try {
      this.file = new ModelFile(new HadoopFileStore(hadoop, path), path);
    } catch (IOException e) {
      throw new JobException(path + ": " + e.getMessage(), e);
    }
  }

  /**
   * What a file tells of a model beside its tensors.
   *
   * @param config under which the file's form is loaded
   */
  static Map<String, String> metadata(SavedModel model, RunConfig config) {
    Map<String, String> metadata = new LinkedHashMap<>();
    ShardManifest manifest = model.manifest();
    metadata.put(CONFIG, config.text());
    metadata.put(MANIFEST, withoutShards(manifest));
    if (manifest.content() instanceof TokenContent
        && model.tokenizer() instanceof HuggingFaceTextTokenizer huggingFace) {
      metadata.put(TOKENIZER, huggingFace.json());
    }
    return metadata;
  }

  private static String withoutShards(ShardManifest manifest) {
    ObjectNode root = JSON.valueToTree(manifest);
    for (JsonNode part : root) {
      if (part.has("files")) {
        ((ObjectNode) part).putArray("files");
      }
    }
    return root.toString();
  }

  @Override
  public boolean exists() {
    try {
      return file.files().exists(file.path());
    } catch (IOException e) {
      throw new JobException(file.path() + ": " + e.getMessage(), e);
    }
  }

  @Override
  public String directory() {
    Path parent = new Path(file.path()).getParent();
    return parent == null ? Path.CUR_DIR : parent.toString();
  }

  @Override
  public RunConfig config(List<String> assignments) {
    return ConfigParser.parse(required(CONFIG), file.path(), assignments);
  }

  @Override
  public ShardManifest manifest() {
    return ManifestStore.parse(required(MANIFEST), file.path());
  }

  @Override
  public TextTokenizer tokenizer() {
    TokenContent.Tokenizer made = manifest().tokens().tokenizer();
    return metadata().containsKey(TOKENIZER)
        ? new HuggingFaceTextTokenizer(metadata().get(TOKENIZER), made.endOfTextToken())
        : new TokenizerSpec(made.kind(), null, null, made.vocabularySize(), made.endOfText())
            .open(hadoop);
  }

  @Override
  public ModelFile file() {
    return file;
  }

  private String required(String key) {
    if (!exists()) {
      throw new JobException(
          file.path() + ": expected a file that sparrow export wrote, found none");
    }
    if (!metadata().containsKey(key)) {
      throw new JobException(
          file.path()
              + ": expected a file that sparrow export wrote, got one without "
              + key
              + " in its metadata; export the run, or name its directory");
    }
    return metadata().get(key);
  }

  private Map<String, String> metadata() {
    if (metadata == null) {
      metadata = file.metadata();
    }
    return metadata;
  }
}
