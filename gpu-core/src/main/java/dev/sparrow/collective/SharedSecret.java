package dev.sparrow.collective;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The ring's 256-bit secret: it signs and derives, and is never printed. */
final class SharedSecret {
  static final int BYTES = 32;
  private static final String HMAC = "HmacSHA256";

  private final byte[] key;

  SharedSecret(byte[] key) {
    if (key.length != BYTES) {
      throw new IllegalArgumentException("secret: expected " + BYTES + " bytes, got " + key.length);
    }
    this.key = key.clone();
  }

  /** HMAC-SHA256 of a purpose and messages, each led by its length so that none can pose as two. */
  byte[] sign(String purpose, byte[]... messages) {
    return sign(key, purpose, messages);
  }

  /**
   * A 256-bit AES key for one direction of one connection, extracted and expanded as RFC 5869 does;
   * the nonces of both ends make it new for each connection.
   */
  SecretKeySpec deriveKey(String direction, byte[] dialNonce, byte[] acceptNonce) {
    byte[] extracted = sign("sparrow extract", dialNonce, acceptNonce);
    return new SecretKeySpec(sign(extracted, "sparrow expand " + direction), "AES");
  }

  private static byte[] sign(byte[] key, String purpose, byte[]... messages) {
    try {
      Mac mac = Mac.getInstance(HMAC);
      mac.init(new SecretKeySpec(key, HMAC));
      update(mac, purpose.getBytes(StandardCharsets.UTF_8));
      for (byte[] message : messages) {
        update(mac, message);
      }
      return mac.doFinal();
    } catch (GeneralSecurityException missing) {
      throw new IllegalStateException("every Java platform has " + HMAC, missing);
    }
  }

  private static void update(Mac mac, byte[] bytes) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      mac.update((byte) (bytes.length >>> shift));
    }
    mac.update(bytes);
  }

  @Override
  public String toString() {
    return "SharedSecret[hidden]";
  }
}
