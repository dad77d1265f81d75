package dev.sparrow.collective;

/** Ports to try in turn, both ends included; 0 to 0 lets the system choose. */
public record PortRange(int first, int last) {
  /** Any free port. */
  public static final PortRange ANY = new PortRange(0, 0);

  public PortRange {
    boolean any = first == 0 && last == 0;
    if (!any && (first < 1 || last > 65535 || first > last)) {
      throw new IllegalArgumentException(
          "ports: expected 0-0 or a range inside 1-65535, got " + first + "-" + last);
    }
  }

  @Override
  public String toString() {
    return first + "-" + last;
  }
}
