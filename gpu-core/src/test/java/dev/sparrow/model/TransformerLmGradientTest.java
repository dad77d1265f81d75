package dev.sparrow.model;

import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.nn.CrossEntropyHead;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.tensor.DType;
import java.util.LinkedHashSet;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The whole model's gradients against central differences of its loss, in double. */
class TransformerLmGradientTest {
  @ParameterizedTest
  @EnumSource(SmallModel.Kind.class)
  void everyParameter(SmallModel.Kind kind) {
    check(kind, 0, CrossEntropyHead.CHUNK_BYTES);
  }

  @ParameterizedTest
  @EnumSource(SmallModel.Kind.class)
  void everyParameterUnderDropoutWithChunkedHead(SmallModel.Kind kind) {
    check(kind, 0.2, 5L * SmallModel.VOCABULARY * DType.F64.bytes());
  }

  private static void check(SmallModel.Kind kind, double dropout, long logitBytes) {
    try (SmallModel small =
        new SmallModel(new ReferenceBackend(), kind.shape(dropout), 3, logitBytes)) {
      TokenBatch batch = SmallModel.batch(2, 40); // fewer sequences than reserved
      Pass pass = SmallModel.pass(batch, batch.samples() * batch.context());
      small.model.forwardBackward(batch, pass, parameter -> {});
      FiniteDifferences differences =
          new FiniteDifferences(
              () -> {
                small.model.forward(batch, pass);
                return pass.lossScale() * small.model.lossSumSync();
              });
      Set<Parameter> distinct = new LinkedHashSet<>(small.model.parameters());
      distinct.forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
      differences.samples(24, 3).check();
    }
  }
}
