package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import picocli.CommandLine;

/**
 * What one command printed, and its exit code.
 *
 * @param err lines of standard error that are Sparrow's own, logs apart
 */
record CommandRun(int code, String out, List<String> err) {
  static CommandRun of(List<String> arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine commands =
        Sparrow.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    int code = commands.execute(arguments.toArray(String[]::new));
    return new CommandRun(code, out.toString(), err.toString().lines().toList());
  }

  CommandRun succeeded() {
    assertEquals(0, code, () -> String.join("\n", err));
    assertEquals(List.of(), err);
    return this;
  }

  /** One line of cause that holds all the words. */
  void failedWith(String... words) {
    assertNotEquals(0, code, out);
    assertEquals(1, err.size(), () -> "lines of cause:\n" + String.join("\n", err));
    assertTrue(err.get(0).startsWith("sparrow"), err.get(0));
    for (String word : words) {
      assertTrue(err.get(0).contains(word), () -> "expected " + word + " in: " + err.get(0));
    }
  }
}
