package dev.sparrow.collective;

/**
 * Where a rank listens. Text form {@code host:port}, with an IPv6 address in brackets: {@code
 * [::1]:4711}.
 */
public record HostAndPort(String host, int port) {
  public HostAndPort {
    if (host == null || host.isBlank()) {
      throw new IllegalArgumentException("host: expected a name or address, got '" + host + "'");
    }
    if (port < 1 || port > 65535) {
      throw new IllegalArgumentException("port: expected 1 to 65535, got " + port);
    }
  }

  /** Reads the text form. */
  public static HostAndPort parse(String text) {
    int colon = text.lastIndexOf(':');
    boolean bracketed = text.startsWith("[");
    if (colon < 1 || bracketed != (text.charAt(colon - 1) == ']')) {
      throw badText(text);
    }
    String host = bracketed ? text.substring(1, colon - 1) : text.substring(0, colon);
    if (!bracketed && host.indexOf(':') >= 0) {
      throw badText(text);
    }
    try {
      return new HostAndPort(host, Integer.parseInt(text.substring(colon + 1)));
    } catch (NumberFormatException notANumber) {
      throw badText(text);
    }
  }

  private static IllegalArgumentException badText(String text) {
    return new IllegalArgumentException(
        "address: expected host:port or [IPv6]:port, got '" + text + "'");
  }

  @Override
  public String toString() {
    return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
  }
}
