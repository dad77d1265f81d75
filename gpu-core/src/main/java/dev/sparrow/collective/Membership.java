package dev.sparrow.collective;

/**
 * Who this rank is and which ring it belongs to; both ends of a handshake must agree on all but the
 * rank.
 */
record Membership(
    int rank, int size, String jobId, int attempt, boolean encrypt, SharedSecret secret) {
  private static final int MAX_JOB_ID = 100;

  Membership {
    if (size < 1 || rank < 0 || rank >= size) {
      throw new IllegalArgumentException(
          "rank: expected 0 to " + (size - 1) + " of " + size + " ranks, got " + rank);
    }
    if (jobId.isEmpty() || jobId.length() > MAX_JOB_ID) {
      throw new IllegalArgumentException(
          "jobId: expected 1 to " + MAX_JOB_ID + " characters, got " + jobId.length());
    }
  }

  int left() {
    return Math.floorMod(rank - 1, size);
  }

  int right() {
    return (rank + 1) % size;
  }
}
