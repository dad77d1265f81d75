package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.List;

/**
 * What is measured: a backend, what its large products give, and cases of a size that suits it.
 *
 * @param backend the caller's; used by the thread that opened it
 * @param queues whether its ops return before their work is done
 * @param words the processor or GPU, as rows have it
 * @param languageModels of {@link LmBench}; others than dense ones stand beside the dense one of
 *     their shape
 * @param mixtures of {@link MoeBench}: groups that alternate pass by pass; the first of a group has
 *     a uniform load
 */
public record BenchDevice(
    Backend backend,
    boolean queues,
    ProductRate products,
    String words,
    List<LmCase> languageModels,
    List<List<MoeBenchCase>> mixtures) {
  public BenchDevice {
    languageModels = List.copyOf(languageModels);
    mixtures = mixtures.stream().map(List::copyOf).toList();
  }

  /** The backend with the cases for machines of its kind. */
  public static BenchDevice of(Backend backend) {
    return backend instanceof CpuBackend cpu ? cpu(cpu) : gpu(backend);
  }

  private static BenchDevice cpu(CpuBackend backend) {
    return new BenchDevice(
        backend,
        false,
        new SgemmRate(backend.pool()),
        BenchRow.cpu(),
        List.of(
            LmCase.GPT_SMALL, LmCase.GPT_MEDIUM, LmCase.GPT_MEDIUM_ROWS, LmCase.GPT_MEDIUM_GROUPS),
        MoeBenchCase.FOR_CPUS);
  }

  private static BenchDevice gpu(Backend backend) {
    return new BenchDevice(
        backend,
        true,
        new Bf16ProductRate(backend, Bf16ProductRate.SIZE),
        backend.description(),
        List.of(LmCase.GPT2, LmCase.GPT2_GROUPS, LmCase.GPT2_E8, LmCase.GPT2_E64),
        MoeBenchCase.FOR_GPUS);
  }

  /** Other cases on the same device. */
  public BenchDevice with(ProductRate rate, List<LmCase> models, List<List<MoeBenchCase>> groups) {
    return new BenchDevice(backend, queues, rate, words, models, groups);
  }
}
