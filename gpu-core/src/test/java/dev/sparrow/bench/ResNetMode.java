package dev.sparrow.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** In what form {@link ResNetGpuRun} trains: method and {@code cuttlefish.*} alone differ. */
enum ResNetMode {
  FULL("method.name=dense"),
  /** This project's own rule. */
  CUTTLEFISH("method.name=cuttlefish", "cuttlefish.rule=auto"),
  PAPER("method.name=cuttlefish", "cuttlefish.rule=paper");

  private final List<String> settings;

  ResNetMode(String... settings) {
    this.settings = List.of(settings);
  }

  /** As the command line has it. */
  String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  List<String> settings() {
    return settings;
  }

  /**
   * @param words divided by commas
   */
  static List<ResNetMode> of(String words) {
    return Arrays.stream(words.split(",")).map(ResNetMode::ofWord).toList();
  }

  private static ResNetMode ofWord(String word) {
    return Arrays.stream(values())
        .filter(mode -> mode.word().equals(word))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "--modes: expected some of full, cuttlefish, paper, got " + word));
  }
}
