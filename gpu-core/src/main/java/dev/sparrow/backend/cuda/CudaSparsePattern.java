package dev.sparrow.backend.cuda;

import dev.sparrow.backend.CudaSettings.SparseUse;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;

/** A pattern's columns and live groups in device memory, given back at close, and its products. */
final class CudaSparsePattern implements SparsePattern {
  private final UniformPattern pattern;
  private final PatternMemory memory;
  private final long indices;
  private final long liveGroups;
  private final SparseEngines engines;

  CudaSparsePattern(SparseOperands operands, SparseUse use, UniformPattern pattern) {
    this.pattern = pattern;
    this.memory = new PatternMemory(operands.queue());
    try {
      this.indices = memory.upload("columns", pattern.indices());
      this.liveGroups = memory.upload("groups", pattern.liveGroupNumbers());
      this.engines = SparseEngines.of(operands, use, pattern, memory, indices);
    } catch (RuntimeException | Error failed) {
      memory.close();
      throw failed;
    }
  }

  @Override
  public UniformPattern pattern() {
    return pattern;
  }

  /** Device address of (liveGroups, fanIn) I32. */
  long indices() {
    return indices;
  }

  /** Device address of (liveGroups) I32. */
  long liveGroups() {
    return liveGroups;
  }

  /** Who makes its products. */
  SparseEngines engines() {
    return engines;
  }

  @Override
  public void close() {
    memory.close();
  }
}
