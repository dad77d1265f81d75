package dev.sparrow.spark.job;

import dev.sparrow.checkpoint.ModelExport;
import dev.sparrow.checkpoint.ModelExport.Exported;
import dev.sparrow.checkpoint.SafeTensorsWriter;
import dev.sparrow.config.RunConfig;
import dev.sparrow.nn.ConvNorm;
import dev.sparrow.spark.files.HadoopFileStore;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;

/** Writes a saved model to one file, in this JVM; it holds the model in memory meanwhile. */
public final class ExportJob {
  private ExportJob() {}

  /**
   * What was written.
   *
   * @param bytes of the file
   */
  public record Written(String path, Exported model, long bytes) {}

  /**
   * @param target a file named *.safetensors on any Hadoop file system
   * @param overwrite replace what is there
   * @throws JobException where the target is taken or the model cannot be read
   */
  public static Written run(
      Configuration hadoop, String source, String target, ModelExport export, boolean overwrite) {
    SavedModel model = SavedModel.at(hadoop, source);
    RunConfig config = loadedFrom(model, export.form());
    HadoopFileStore files = freeTarget(hadoop, target, overwrite);
    Exported exported = export.of(model.file().tensors(), model.patternLayouts(), ConvNorm::normOf);
    Map<String, String> metadata = new LinkedHashMap<>(exported.metadata());
    metadata.putAll(ExportedModel.metadata(model, config));
    try {
      files.replace(target, out -> SafeTensorsWriter.write(out, metadata, exported.tensors()));
      return new Written(target, exported, files.size(target));
    } catch (IOException e) {
      throw new JobException(target + ": cannot write: " + e.getMessage(), e);
    }
  }

  private static HadoopFileStore freeTarget(
      Configuration hadoop, String target, boolean overwrite) {
    if (!target.endsWith(SavedModel.EXPORTED)) {
      throw new JobException(
          "export: expected a file named *" + SavedModel.EXPORTED + ", got " + target);
    }
    try {
      HadoopFileStore files = new HadoopFileStore(hadoop, target);
      if (!overwrite && files.exists(target)) {
        throw new JobException(
            "export: expected a new file, got "
                + target
                + ", which exists; pass --overwrite to replace it, or name another");
      }
      return files;
    } catch (IOException e) {
      throw new JobException(target + ": " + e.getMessage(), e);
    }
  }

  /**
   * The settings under which the file is loaded: of whole matrices no method keeps a pattern or
   * factors.
   */
  private static RunConfig loadedFrom(SavedModel model, ModelExport.Form form) {
    RunConfig config = model.config(List.of());
    if (form == ModelExport.Form.SPARSE || config.method().isDenseWithin()) {
      return config;
    }
    String method = config.method().mixesExperts() ? "moe" : "dense";
    return model.config(List.of("method.name=" + method));
  }
}
