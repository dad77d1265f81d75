package dev.sparrow.spark.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class LayerOrderTest {
  @Test
  void numbersCountAsNumbers() {
    List<String> names =
        List.of("blocks.2.up", "head", "blocks.10.up", "blocks.2.down", "blocks.9.experts.11.up");
    assertEquals(
        List.of("blocks.2.down", "blocks.2.up", "blocks.9.experts.11.up", "blocks.10.up", "head"),
        names.stream().sorted(LayerOrder.BY_NUMBER).toList());
  }

  @Test
  void numbersOfManyDigitsAreLeftAsTheyAre() {
    assertEquals(0, LayerOrder.BY_NUMBER.compare("a12345678901", "a12345678901"));
  }
}
