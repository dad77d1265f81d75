package dev.sparrow.collective;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * AES-256-GCM over the frames of one connection (NIST SP 800-38D). Each direction has its own key
 * and counts its frames; the count is the nonce, so a frame that is dropped, repeated or moved
 * fails its tag. The frame header is authenticated, not hidden.
 */
final class FrameCipher {
  static final int TAG_BYTES = 16;
  private static final int NONCE_BYTES = 12;

  private final Cipher cipher;
  private final SecretKeySpec sealKey;
  private final SecretKeySpec openKey;
  private long sealed;
  private long opened;

  FrameCipher(SecretKeySpec sealKey, SecretKeySpec openKey) {
    this.sealKey = sealKey;
    this.openKey = openKey;
    try {
      this.cipher = Cipher.getInstance("AES/GCM/NoPadding");
    } catch (GeneralSecurityException missing) {
      throw new IllegalStateException("every Java platform has AES/GCM/NoPadding", missing);
    }
  }

  /** Writes ciphertext and tag of {@code plain} to {@code to}. */
  void seal(ByteBuffer header, ByteBuffer plain, ByteBuffer to) throws GeneralSecurityException {
    cipher.init(Cipher.ENCRYPT_MODE, sealKey, nonce(sealed++));
    cipher.updateAAD(header);
    cipher.doFinal(plain, to);
  }

  /** Writes the plain bytes of {@code sealed} to {@code to}; throws where the tag is wrong. */
  void open(ByteBuffer header, ByteBuffer sealed, ByteBuffer to) throws GeneralSecurityException {
    cipher.init(Cipher.DECRYPT_MODE, openKey, nonce(opened++));
    cipher.updateAAD(header);
    cipher.doFinal(sealed, to);
  }

  private static GCMParameterSpec nonce(long count) {
    byte[] nonce = ByteBuffer.allocate(NONCE_BYTES).putInt(0).putLong(count).array();
    return new GCMParameterSpec(8 * TAG_BYTES, nonce);
  }
}
