package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.Recording;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Forward and backward passes of a model, replayed from a recording (see {@link Backend#record})
 * where the same pass comes again over other samples and nobody waits for gradients in it.
 */
final class PassRecordings {
  private static final Consumer<Parameter> UNHEARD = parameter -> {};

  private final Backend backend;
  private final boolean recordable;
  private final Work work;
  private final Map<Pass, Recording> recordings = new HashMap<>();
  private Pass lastOnHost;

  /** Forward and backward on the batch that is staged. */
  @FunctionalInterface
  interface Work {
    void run(Pass pass, Consumer<Parameter> complete);
  }

  /**
   * @param recordable false: a pass waits for the device or decides by what it computed
   */
  PassRecordings(Backend backend, boolean recordable, Work work) {
    this.backend = backend;
    this.recordable = recordable;
    this.work = work;
  }

  /**
   * @param complete null: nobody waits
   */
  void run(Pass pass, Consumer<Parameter> complete) {
    // Layers remember their last pass for figures: a replay must not stand behind another one.
    Pass anywhere = pass.at(0);
    boolean repeats = anywhere.equals(lastOnHost);
    if (complete == null && repeats && recordable) {
      recordings.computeIfAbsent(anywhere, this::record).run(pass.firstToken());
    } else {
      onHost(pass);
      work.run(pass, complete == null ? UNHEARD : complete);
    }
  }

  private Recording record(Pass pass) {
    return backend.record("forward and backward", token -> work.run(pass.at(token), UNHEARD));
  }

  /** Another pass runs on the host, which layers will remember as their last. */
  void onHost(Pass pass) {
    lastOnHost = pass.at(0);
  }

  /** Voids what was recorded: memory, parameters or what a pass does have changed. */
  void forget() {
    recordings.values().forEach(Recording::close);
    recordings.clear();
  }
}
