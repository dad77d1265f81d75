package dev.sparrow.backend;

/**
 * The random numbers of one tensor: element i of a row-major (tokens, perToken) tensor has draw
 * {@code firstToken·perToken + i} of the key's stream, so that a draw follows the token and not the
 * rank or micro-batch that happens to hold it. Kept apart from the key because a device reads the
 * first token from its own memory: a recorded step then replays with the next batch's draws.
 *
 * @param firstToken number of the tensor's first row in the run's global token order
 * @param perToken draws that belong to one token
 */
public record Draws(RandomKey key, long firstToken, long perToken) {
  /** A stream from draw {@code counter} on. */
  public static Draws from(RandomKey key, long counter) {
    return new Draws(key, counter, 1);
  }

  /** Draw of the first element. */
  public long counter() {
    return firstToken * perToken;
  }
}
