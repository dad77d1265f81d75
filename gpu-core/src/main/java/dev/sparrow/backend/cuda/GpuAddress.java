package dev.sparrow.backend.cuda;

import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/**
 * A GPU as Spark names it: an ordinal ({@code 0}) or a UUID ({@code GPU-8ae1...}), whichever the
 * discovery script prints. Ordinals count the GPUs that CUDA_VISIBLE_DEVICES leaves; UUIDs mean the
 * same GPU everywhere, and that is why they are the better ones to print.
 */
record GpuAddress(String text) {
  private static final String UUID_PREFIX = "GPU-";
  private static final String UUID_PATTERN =
      "GPU-[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

  GpuAddress {
    if (!text.matches("[0-9]{1,4}") && !text.matches(UUID_PATTERN)) {
      throw new IllegalArgumentException(
          "GPU address: expected an ordinal or GPU-<uuid>, got \""
              + text
              + "\"; let the discovery script print nvidia-smi's index or uuid");
    }
  }

  /**
   * The ordinal of this GPU among those present.
   *
   * @param uuids 16 bytes each, in the order of ordinals
   * @throws CudaUnavailableException where it is not among them
   */
  int ordinalAmong(List<byte[]> uuids) {
    int ordinal = text.startsWith(UUID_PREFIX) ? indexOf(uuids) : Integer.parseInt(text);
    if (ordinal < 0 || ordinal >= uuids.size()) {
      throw new CudaUnavailableException(
          toString(),
          "not among the "
              + uuids.size()
              + " GPUs that the driver shows "
              + uuids.stream().map(GpuAddress::words).toList(),
          "check the discovery script and CUDA_VISIBLE_DEVICES");
    }
    return ordinal;
  }

  /** A UUID as nvidia-smi writes it. */
  static String words(byte[] uuid) {
    String hex = HexFormat.of().formatHex(uuid);
    return UUID_PREFIX
        + String.join(
            "-",
            hex.substring(0, 8),
            hex.substring(8, 12),
            hex.substring(12, 16),
            hex.substring(16, 20),
            hex.substring(20, 32));
  }

  private int indexOf(List<byte[]> uuids) {
    String wanted = text.substring(UUID_PREFIX.length()).toLowerCase(Locale.ROOT);
    for (int i = 0; i < uuids.size(); i++) {
      if (words(uuids.get(i)).equals(UUID_PREFIX + wanted)) {
        return i;
      }
    }
    return -1;
  }

  @Override
  public String toString() {
    return "GPU address " + text;
  }
}
