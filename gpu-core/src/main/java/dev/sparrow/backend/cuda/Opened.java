package dev.sparrow.backend.cuda;

import java.util.ArrayDeque;
import java.util.Deque;

/** What was opened in turn, to be closed in reverse order. */
final class Opened implements AutoCloseable {
  private final Deque<AutoCloseable> resources = new ArrayDeque<>();

  <T extends AutoCloseable> T add(T resource) {
    resources.push(resource);
    return resource;
  }

  /** Closes all; the first failure is thrown once all were tried, the others are added to it. */
  @Override
  public void close() {
    RuntimeException first = null;
    while (!resources.isEmpty()) {
      try {
        resources.pop().close();
      } catch (Exception failed) {
        if (first == null) {
          first = failed instanceof RuntimeException r ? r : new IllegalStateException(failed);
        } else {
          first.addSuppressed(failed);
        }
      }
    }
    if (first != null) {
      throw first;
    }
  }

  /** Closes all after a failure, which is the one that counts. */
  void closeAfter(Throwable cause) {
    try {
      close();
    } catch (RuntimeException failed) {
      cause.addSuppressed(failed);
    }
  }
}
