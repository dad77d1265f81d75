package dev.sparrow.spark.cli;

import dev.sparrow.checkpoint.ModelExport;
import dev.sparrow.spark.job.ExportJob;
import dev.sparrow.tensor.DType;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sparrow export}. */
@Command(
    name = "export",
    description =
        "Writes a run's model to one safetensors file: small, for evaluate, predict, generate and"
            + " train.from, or with whole matrices, for others.",
    mixinStandardHelpOptions = true)
public final class ExportCommand implements Callable<Integer> {
  /** Types of the values. */
  enum ValueType {
    BF16(DType.BF16),
    F32(DType.F32);

    private final DType dtype;

    ValueType(DType dtype) {
      this.dtype = dtype;
    }
  }

  @Spec private CommandSpec command;

  @Parameters(
      index = "0",
      paramLabel = "RUN",
      description = "A run directory (output.path of a train), or a file that export wrote.")
  private String run;

  @Parameters(
      index = "1",
      paramLabel = "FILE",
      description = "The file to write, *.safetensors, on any Hadoop file system.")
  private String file;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "sparse",
      description = {
        "Sparse weights as their non-zeros and narrow column indices, low-rank ones as their factors",
        "(sparse, the default), or all as whole matrices, which any reader of safetensors knows (dense)."
      })
  private ModelExport.Form format;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      defaultValue = "bf16",
      description = "Type of the values: ${COMPLETION-CANDIDATES} (default ${DEFAULT-VALUE}).")
  private ValueType dtype;

  @Option(names = "--overwrite", description = "Replace FILE where it exists.")
  private boolean overwrite;

  @Override
  public Integer call() {
    ModelExport export = new ModelExport(format, dtype.dtype);
    new Console(command).exported(ExportJob.run(new Configuration(), run, file, export, overwrite));
    return 0;
  }
}
