package dev.sparrow.spark.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sparrow.bench.AllReduceBench;
import dev.sparrow.bench.BenchRow;
import dev.sparrow.collective.RingSettings;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sparrow bench}. */
@Command(
    name = "bench",
    description = "Measures speed on this machine, against a baseline in the same run.",
    mixinStandardHelpOptions = true)
public final class BenchCommand implements Callable<Integer> {
  /** What can be measured. */
  enum Suite {
    LM,
    MOE,
    SHARD,
    ALLREDUCE
  }

  @Spec private CommandSpec command;

  @Parameters(arity = "1..*", paramLabel = "SUITE", description = "${COMPLETION-CANDIDATES}")
  private List<Suite> suites;

  @Option(names = "--json", paramLabel = "FILE", description = "Also write the rows as JSON.")
  private File json;

  @Override
  public Integer call() throws Exception {
    Console console = new Console(command);
    List<BenchRow> rows = new ArrayList<>();
    for (Suite suite : suites) {
      List<BenchRow> measured = measure(suite);
      console.benchmarks(measured);
      rows.addAll(measured);
    }
    if (json != null) {
      write(rows);
    }
    return 0;
  }

  private List<BenchRow> measure(Suite suite) {
    return switch (suite) {
      case ALLREDUCE -> new AllReduceBench(RingSettings.defaults(), 7).run(1, 4, 16, 64, 256);
      default -> List.of();
    };
  }

  private void write(List<BenchRow> rows) throws IOException {
    new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValue(json, rows);
  }
}
