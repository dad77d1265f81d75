package dev.sparrow.config;

import java.util.List;

/** All problems of a configuration at once, one a line. */
public final class ConfigProblemsException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final List<String> problems;

  public ConfigProblemsException(List<String> problems) {
    super(String.join("\n", problems));
    this.problems = List.copyOf(problems);
  }

  public List<String> problems() {
    return problems;
  }
}
