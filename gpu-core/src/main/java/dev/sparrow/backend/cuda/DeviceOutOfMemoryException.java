package dev.sparrow.backend.cuda;

/**
 * A device block could not be had even after the cached ones went back. The message is one line:
 * asked, free, total, held in the cache, and the largest live tensors.
 */
public final class DeviceOutOfMemoryException extends RuntimeException {
  private static final long serialVersionUID = 1;

  DeviceOutOfMemoryException(String message) {
    super(message);
  }
}
