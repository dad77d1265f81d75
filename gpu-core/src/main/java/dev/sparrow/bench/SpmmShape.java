package dev.sparrow.bench;

/** A weight (out, in) and the rows of x that meet it. */
record SpmmShape(int out, int in, int batch) {
  @Override
  public String toString() {
    return out + "x" + in + "-" + batch;
  }
}
