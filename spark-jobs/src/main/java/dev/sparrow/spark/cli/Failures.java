package dev.sparrow.spark.cli;

import dev.sparrow.config.ConfigProblemsException;
import java.io.IOException;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns an exception into one line of cause on standard error; the stack trace goes to the log. */
public final class Failures {
  private static final Logger LOG = LoggerFactory.getLogger(Failures.class);
  private static final String OWN = "dev.sparrow.";

  /** Thrown with words for the user; of all others the class is half of the message. */
  private static final Set<Class<?>> FORESEEN =
      Set.of(IllegalStateException.class, IllegalArgumentException.class, IOException.class);

  private static final int FAILED = 1;
  private static final int WRONG_SETTINGS = 2;

  private Failures() {}

  /** Exit code 2 for settings, a line a problem; 1 for all else. */
  public static int handle(Exception e, CommandLine command, CommandLine.ParseResult parsed) {
    String name = command.getCommandName();
    if (e instanceof ConfigProblemsException problems) {
      problems.problems().forEach(problem -> print(command, name, firstLine(problem)));
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

  /** Exit code 2 and one line for arguments that cannot be parsed. */
  public static int handle(ParameterException e, String[] arguments) {
    CommandLine command = e.getCommandLine();
    String name = command.getCommandSpec().qualifiedName();
    String nearest =
        e instanceof UnmatchedArgumentException unmatched
            ? unmatched.getSuggestions().stream()
                .findFirst()
                .map(s -> "; did you mean " + s + "?")
                .orElse("")
            : "";
    String problem = firstLine(e.getMessage()) + nearest;
    command.getErr().println(name + ": " + problem + "; see " + name + " --help");
    command.getErr().flush();
    return WRONG_SETTINGS;
  }

  /** The first line of Sparrow's own message in the chain of causes, else of the outermost one. */
  static String cause(Throwable e) {
    String outermost = null;
    for (Throwable at = e; at != null; at = at.getCause()) {
      boolean says = at.getMessage() != null && !at.getMessage().isBlank();
      if (says && at.getClass().getName().startsWith(OWN)) {
        return firstLine(at.getMessage());
      }
      boolean repeatsCause =
          says && at.getCause() != null && at.getMessage().equals(at.getCause().toString());
      if (says && !repeatsCause && outermost == null) {
        outermost = FORESEEN.contains(at.getClass()) ? at.getMessage() : at.toString();
      }
    }
    return outermost == null ? e.toString() : firstLine(outermost);
  }

  private static String firstLine(String text) {
    return text.strip().lines().findFirst().orElse("");
  }
}
