package dev.sparrow.spark.job;

import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.text.TextTokenizer;
import java.util.List;
import org.apache.hadoop.conf.Configuration;

/** The model/ of a {@link RunDirectory}. */
record RunModel(Configuration hadoop, RunDirectory run) implements SavedModel {
  @Override
  public boolean exists() {
    return run.hasModel();
  }

  @Override
  public String directory() {
    return run.path();
  }

  @Override
  public RunConfig config(List<String> assignments) {
    return run.modelConfig(assignments);
  }

  @Override
  public ShardManifest manifest() {
    return store().read();
  }

  @Override
  public TextTokenizer tokenizer() {
    return store().tokenizer(manifest());
  }

  private ManifestStore store() {
    return new ManifestStore(hadoop, run.model());
  }

  @Override
  public ModelFile file() {
    return new ModelFile(run.files(), run.model() + "/model.safetensors");
  }
}
