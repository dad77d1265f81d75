package dev.sparrow.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.Oracle;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Embedding, learned positions and the chunked head against central differences, in double. */
class InputAndHeadGradientTest {
  private static final int WIDTH = 6;
  private static final int CLASSES = 9;
  private static final int TOKENS = 10;

  private final GradientCheck check = new GradientCheck(22);
  private final ReferenceBackend backend = check.backend();
  private final Oracle oracle = new Oracle(backend, 23);

  @AfterEach
  void close() {
    check.close();
  }

  @Test
  void embeddingAddsRowsThatOccurTwice() {
    Embedding embedding = new Embedding(backend, new LinearSpec("e", CLASSES, WIDTH, 0.1));
    ParameterArena arena = check.arena(List.of(embedding.weight()));
    embedding.reserve(check.workspace(), TOKENS);
    Tensor ids = ids(1, 4, 4, 0, 8, 1, 1, 3, 2, 8);
    Tensor r = oracle.normal(TOKENS, WIDTH);
    embedding.backward(ids, r);
    check.subtractBefore(arena);
    new FiniteDifferences(() -> FiniteDifferences.dot(embedding.forward(ids), r))
        .gradient("table", arena.values(), arena.gradients())
        .allElements()
        .check();
  }

  @Test
  void positionsAddOverSequences() {
    LearnedPositions positions = new LearnedPositions(backend, new LinearSpec("p", 7, WIDTH, 0.1));
    List<Parameter> parameters = new ArrayList<>();
    positions.parameters(parameters::add);
    ParameterArena arena = check.arena(parameters);
    Tensor r = oracle.normal(TOKENS, WIDTH);
    Tensor x = backend.allocate(TOKENS, WIDTH);
    positions.backward(r, 5);
    check.subtractBefore(arena);
    new FiniteDifferences(
            () -> {
              backend.elementwise().fill(x, 0);
              positions.forward(x, 5, 0);
              return FiniteDifferences.dot(x, r);
            })
        .gradient("table", arena.values(), arena.gradients())
        .allElements()
        .check();
  }

  /** Chunks of 10, 5, 4 and 1 rows. */
  @ParameterizedTest
  @ValueSource(ints = {10, 7, 4, 1})
  void headInChunks(int rows) {
    Headed headed = new Headed(rows);
    Tensor dx = headed.head.forwardBackward(headed.x, headed.targets, 0.1);
    check.subtractBefore(headed.arena);
    new FiniteDifferences(
            () -> {
              headed.head.forward(headed.x, headed.targets);
              return 0.1 * headed.head.lossSumSync();
            })
        .gradient("x", headed.x, dx)
        .gradient("weight", headed.arena.values(), headed.arena.gradients())
        .allElements()
        .check();
  }

  /** Rows do not mix: losses and dx are equal to the bit, dW up to the order of its sum. */
  @Test
  void chunkedHeadEqualsWhole() {
    Headed whole = new Headed(TOKENS);
    Headed chunked = new Headed(3);
    backend.elementwise().copy(whole.x, chunked.x);
    double[] dx = backend.download(whole.head.forwardBackward(whole.x, whole.targets, 0.1));
    double loss = whole.head.lossSumSync();
    assertArrayEquals(
        dx, backend.download(chunked.head.forwardBackward(chunked.x, whole.targets, 0.1)));
    assertEquals(loss, chunked.head.lossSumSync());
    assertArrayEquals(
        backend.download(whole.arena.gradients()),
        backend.download(chunked.arena.gradients()),
        1e-14);
  }

  /** A head over its own weight, chunked to {@code rows} rows, with inputs. */
  private final class Headed {
    final CrossEntropyHead head;
    final ParameterArena arena;
    final Tensor x = oracle.normal(TOKENS, WIDTH);
    final Tensor targets = ids(1, 4, 4, 0, 8, -1, 1, 3, 2, 8);

    Headed(int rows) {
      Parameter weight = Parameter.matrix("w", Initializer.ZEROS, CLASSES, WIDTH);
      arena = check.arena(List.of(weight));
      long bytes = (long) rows * CLASSES * DType.F64.bytes();
      head = new CrossEntropyHead(backend, "h", weight, false, bytes);
      // A workspace of its own: logits of another head's chunk would be larger.
      head.reserve(new Workspace(backend), TOKENS);
    }
  }

  private Tensor ids(int... values) {
    Tensor ids = backend.allocate(DType.I32, Shape.of(values.length));
    backend.upload(values, 0, ids);
    return ids;
  }
}
