package dev.sparrow.config;

/**
 * How ranks find and talk to each other. Keys {@code cluster.*}; conf/reference.conf tells each
 * one's meaning, unit and range.
 */
public record Cluster(
    int ranks,
    int attempts,
    String ports,
    int timeoutSeconds,
    Encrypt encrypt,
    boolean shareMemory,
    int bucketMib) {
  public enum Encrypt {
    AUTO,
    ON,
    OFF
  }
}
