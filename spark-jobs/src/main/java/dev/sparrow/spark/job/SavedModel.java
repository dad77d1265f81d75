package dev.sparrow.spark.job;

import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.text.TextTokenizer;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;

/** A model that others can load: what a finished run left, or a file that export wrote of it. */
public interface SavedModel {
  /** The end of an exported file's name, by which it is told from a run directory. */
  String EXPORTED = ".safetensors";

  /**
   * @param path a run directory or an exported file, on any Hadoop file system
   */
  static SavedModel at(Configuration hadoop, String path) {
    return path.endsWith(EXPORTED)
        ? new ExportedModel(hadoop, path)
        : new RunModel(hadoop, new RunDirectory(hadoop, path));
  }

  /** Whether a path names a run, finished or not, or an exported file, not a recipe. */
  static boolean isNamed(Configuration hadoop, String path) {
    return path.endsWith(EXPORTED) || RunDirectory.isOne(hadoop, path);
  }

  /** Whether there is one. */
  boolean exists();

  /** Where it lies: the run directory, or that of an exported file. */
  String directory();

  /** The settings that it was made with, overridden by assignments. */
  RunConfig config(List<String> assignments);

  /** What it was trained on; exported files do not name the shards. */
  ShardManifest manifest();

  /** Of a language model. */
  TextTokenizer tokenizer();

  ModelFile file();

  /** How the patterns of its sparse weights are laid out, by the names of the weights. */
  default Map<String, PatternLayout> patternLayouts() {
    return RunModels.patternLayouts(config(List.of()), manifest());
  }

  /** The patterns of its sparse weights, by the names of the weights; none where all are dense. */
  default Map<String, UniformPattern> patterns() {
    return file().patterns(patternLayouts());
  }
}
