package dev.sparrow.spark.cli;

import dev.sparrow.config.ConfigProblemsException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;

/** Turns an exception into one line of cause on standard error; the stack trace goes to the log. */
public final class Failures {
  private static final Logger LOG = LoggerFactory.getLogger(Failures.class);
  private static final int FAILED = 1;
  private static final int WRONG_SETTINGS = 2;

  private Failures() {}

  /** Exit code 2 for settings, a line a problem; 1 for all else. */
  public static int handle(Exception e, CommandLine command, CommandLine.ParseResult parsed) {
    String name = command.getCommandName();
    if (e instanceof ConfigProblemsException problems) {
      problems.problems().forEach(problem -> print(command, name, problem));
      return WRONG_SETTINGS;
    }
    LOG.debug("{} failed", name, e);
    print(command, name, cause(e));
    return FAILED;
  }

  private static void print(CommandLine command, String name, String text) {
    command.getErr().println("sparrow " + name + ": " + text);
    command.getErr().flush();
  }

  /** The first line of the innermost message that says anything. */
  static String cause(Throwable e) {
    String text = null;
    for (Throwable at = e; at != null && at != at.getCause(); at = at.getCause()) {
      boolean says = at.getMessage() != null && !at.getMessage().isBlank();
      boolean repeatsCause =
          says && at.getCause() != null && at.getMessage().equals(at.getCause().toString());
      if (says && !repeatsCause && text == null) {
        text = at.getMessage();
      }
    }
    return text == null ? e.toString() : text.strip().lines().findFirst().orElseThrow();
  }
}
