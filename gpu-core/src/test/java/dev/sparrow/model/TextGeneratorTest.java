package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.Generate;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.model.SmallModel.Kind;
import dev.sparrow.nn.Pass;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TextGeneratorTest {
  private static final int[] PROMPT = {3, 1, 4};

  /** Up to the context; the cache never slides. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void greedyTextIsTheLikeliestOfTheWholeForwardPass(Kind kind) {
    try (SmallModel small = new SmallModel(new CpuBackend(1), kind, 0, 1)) {
      int[] made = generator(small).generate(PROMPT, settings(4, 0), -1);
      int[] text = Arrays.copyOf(PROMPT, 7);
      for (int length = 3; length < 7; length++) {
        text[length] = likeliest(small, text, length);
      }
      assertArrayEquals(Arrays.copyOfRange(text, 3, 7), made);
    }
  }

  private static int likeliest(SmallModel small, int[] text, int length) {
    TokenBatch batch = new TokenBatch(1, length);
    batch.tokens().put(0, text, 0, length);
    batch.filled(1, 0);
    Tensor logits = small.backend.allocate(length, SmallModel.VOCABULARY);
    small.model.logits(batch, Pass.inference(1, length), logits);
    return new Sampler(settings(1, 0))
        .next(Values.floats(small.backend, logits.slice(length - 1, 1)));
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void textGoesOnPastTheContext(Kind kind) {
    try (SmallModel small = new SmallModel(new CpuBackend(1), kind, 0, 1)) {
      int[] made = generator(small).generate(PROMPT, settings(40, 1), -1);
      assertEquals(40, made.length);
      assertArrayEquals(made, generator(small).generate(PROMPT, settings(40, 1), -1));
    }
  }

  /** After the slide the next token is that of the newer half of the window alone. */
  @Test
  void slidingFeedsTheNewerHalfAgain() {
    try (SmallModel small = new SmallModel(new CpuBackend(1), Kind.LLAMA, 0, 1)) {
      int[] prompt = {1, 2, 3, 4, 5, 6}; // fills the context
      int[] made = generator(small).generate(prompt, settings(2, 0), -1);
      int[] window = {5, 6, made[0]};
      assertEquals(likeliest(small, window, 3), made[1]);
    }
  }

  @Test
  void onlyTheLastContextTokensOfALongPromptCount() {
    try (SmallModel small = new SmallModel(new CpuBackend(1), Kind.GPT, 0, 1)) {
      int[] recent = {1, 2, 3, 4, 5, 6};
      int[] longer = {9, 9, 1, 2, 3, 4, 5, 6};
      assertArrayEquals(
          generator(small).generate(recent, settings(1, 0), -1),
          generator(small).generate(longer, settings(1, 0), -1));
    }
  }

  @Test
  void endOfTextStops() {
    try (SmallModel small = new SmallModel(new CpuBackend(1), Kind.GPT, 0, 1)) {
      int[] made = generator(small).generate(PROMPT, settings(4, 0), -1);
      assertEquals(0, generator(small).generate(PROMPT, settings(4, 0), made[0]).length);
    }
  }

  @Test
  void emptyPromptIsRefused() {
    try (SmallModel small = new SmallModel(new CpuBackend(1), Kind.GPT, 0, 1)) {
      assertThrows(
          IllegalArgumentException.class,
          () -> generator(small).generate(new int[0], settings(4, 0), -1));
    }
  }

  private static TextGenerator generator(SmallModel small) {
    return new TextGenerator(small.backend, small.model);
  }

  private static Generate settings(int tokens, double temperature) {
    return new Generate("", tokens, temperature, 0, 1, 7);
  }
}
