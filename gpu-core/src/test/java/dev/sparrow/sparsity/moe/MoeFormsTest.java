package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.ReferenceBackend;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Grouped = padded = capacity without drops = block-sparse = a loop over tokens. */
class MoeFormsTest {
  /**
   * All in double, save the load-balancing gradient's common factor, which goes to the device as a
   * float: 6e-8 of it, and figures, which come back as floats.
   */
  private static final double TOLERANCE = 2e-7;

  private static void check(Form form, MoeCase values, String what) {
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture = new MoeFixture(backend, form, values)) {
      String context = form + ", " + what;
      Results.check(new PerTokenMoe(values).result(), fixture.run(), TOLERANCE, TOLERANCE, context);
      Results.check(
          new PerTokenMoe(values).result(),
          fixture.run(),
          TOLERANCE,
          TOLERANCE,
          context + ", again");
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void plainExpertsTopOne(Form form) {
    check(form, MoeCase.random(MoeCase.spec(6, 5, 1, 0, 0.1, 0.05), 13, 8, false, 1), "seed 1");
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void gatedExpertsTopTwoThroughBothLosses(Form form) {
    check(form, MoeCase.random(MoeCase.spec(6, 4, 2), 17, 8, true, 2), "seed 2");
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void gatedExpertsTopEightOfTwelveWithTheEuclideanNorm(Form form) {
    check(form, MoeCase.random(MoeCase.spec(5, 12, 8, 2, 0.1, 0.05), 9, 4, true, 3), "seed 3");
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void withoutLosses(Form form) {
    check(form, MoeCase.random(MoeCase.spec(7, 3, 3, 1, 0, 0), 8, 4, false, 4), "seed 4");
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void allTokensToOneExpert(Form form) {
    int[] choices = new int[11];
    Arrays.fill(choices, 3);
    MoeCase values = MoeCase.random(MoeCase.spec(6, 5, 1), 11, 8, true, 5).routed(choices);
    check(form, values, "seed 5");
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void oneToken(Form form) {
    check(form, MoeCase.random(MoeCase.spec(6, 5, 2), 1, 4, true, 6), "seed 6");
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void loadsAroundABlock(Form form) {
    int[] loads = {0, 1, MoeFixture.BLOCK - 1, MoeFixture.BLOCK, MoeFixture.BLOCK + 1};
    int tokens = 1 + 3 * MoeFixture.BLOCK;
    int[] choices = new int[tokens];
    int t = 0;
    for (int e = 0; e < loads.length; e++) {
      for (int i = 0; i < loads[e]; i++) {
        // 5 and 13 share no divisor: the experts' tokens lie scattered over the batch.
        choices[5 * t++ % tokens] = e;
      }
    }
    MoeCase values = MoeCase.random(MoeCase.spec(6, 5, 1), tokens, 8, false, 7).routed(choices);
    check(form, values, "seed 7");
  }
}
