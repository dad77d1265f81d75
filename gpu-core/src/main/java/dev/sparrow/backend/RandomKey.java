package dev.sparrow.backend;

/**
 * Key of one stream of counter-based random numbers (Philox4x32-10, Salmon et al. 2011). Draw
 * {@code i} of a stream is a pure function of the key and {@code i}, so that kernels need no state
 * and a resumed run draws what an undisturbed one would have drawn.
 *
 * @param seed the run's seed
 * @param stream what distinguishes this use from all others (layer, purpose, step)
 */
public record RandomKey(long seed, long stream) {
  /**
   * The stream of a named use: FNV-1a of the name, so that adding a layer moves no other's draws.
   */
  public static long streamOf(String name) {
    long hash = 0xcbf29ce484222325L;
    for (int i = 0; i < name.length(); i++) {
      hash = (hash ^ name.charAt(i)) * 0x100000001b3L;
    }
    return hash;
  }
}
