package dev.sparrow.spark.cli;

import dev.sparrow.checkpoint.ModelExport.Exported;
import dev.sparrow.checkpoint.ModelExport.LowRankWeight;
import dev.sparrow.checkpoint.ModelExport.SparseWeight;
import dev.sparrow.spark.job.ExportJob;
import dev.sparrow.tensor.DType;
import java.util.Locale;

/** What an exported model's layers take in the file, beside whole ones of 16 bits. */
final class ExportTable {
  private static final String SIZES = "%,15d %,15d %7.3f%n";

  private final StringBuilder text = new StringBuilder();

  private ExportTable() {}

  static String of(ExportJob.Written written) {
    return new ExportTable().table(written);
  }

  private String table(ExportJob.Written written) {
    Exported model = written.model();
    append(
        "%-40s %7s %7s %15s %15s %7s%n",
        "layer", "zeros", "fan-in", "dense 16-bit", "bytes", "ratio");
    model.sparse().forEach(this::layer);
    long dense = model.sparse().stream().mapToLong(SparseWeight::denseBytes).sum();
    long sparse = model.sparse().stream().mapToLong(SparseWeight::bytes).sum();
    if (!model.sparse().isEmpty()) {
      sum("sparse layers", dense, sparse);
    }
    model.lowRank().forEach(this::layer);
    long whole = model.lowRank().stream().mapToLong(LowRankWeight::denseBytes).sum();
    long factors = model.lowRank().stream().mapToLong(LowRankWeight::bytes).sum();
    if (!model.lowRank().isEmpty()) {
      sum("low-rank layers", whole, factors);
    }
    long others = model.otherElements() * DType.BF16.bytes();
    sum("all other tensors", others, model.bytes() - sparse - factors);
    sum("total", dense + whole + others, model.bytes());
    append("%-40s %,d bytes", written.path(), written.bytes());
    return text.toString();
  }

  private void layer(SparseWeight weight) {
    append(
        "%-40s %6.2f%% %7d ",
        weight.name(), 100 * weight.pattern().sparsity(), weight.pattern().fanIn());
    sizes(weight.denseBytes(), weight.bytes());
  }

  private void layer(LowRankWeight weight) {
    append("%-40s %7s %7d ", weight.name(), "rank", weight.rank());
    sizes(weight.denseBytes(), weight.bytes());
  }

  private void sum(String name, long dense, long bytes) {
    append("%-40s %7s %7s ", name, "", "");
    sizes(dense, bytes);
  }

  private void sizes(long dense, long bytes) {
    append(SIZES, dense, bytes, dense == 0 ? 1.0 : (double) bytes / dense);
  }

  private void append(String format, Object... arguments) {
    text.append(String.format(Locale.ROOT, format, arguments));
  }
}
