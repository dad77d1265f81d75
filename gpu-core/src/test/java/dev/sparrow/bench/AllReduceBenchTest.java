package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.collective.RingSettings;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class AllReduceBenchTest {
  @Test
  void twoProcessesGiveThreeRowsForEachSize() {
    List<BenchRow> rows = new AllReduceBench(RingSettings.defaults(), 2).run(1, 2);
    assertEquals(6, rows.size());
    for (BenchRow row : rows) {
      assertEquals("allreduce", row.suite());
      assertEquals(2, row.runs());
      boolean isCost = row.metric().equals("cpu_per_byte");
      assertEquals(
          isCost ? row.baseline() / row.value() : row.value() / row.baseline(), row.ratio());
      assertTrue(row.min() > 0);
    }
    assertEquals("2 MiB", rows.get(3).caseName());
    assertEquals(rows.get(0).value(), 2 * rows.get(1).value());
  }

  @Test
  void aRowSerialisesItsCaseUnderThatName() throws Exception {
    BenchRow row = BenchRow.ofRate("s", "c", "m", "GB/s", new double[] {3, 1, 2}, 4.0);
    JsonNode json = new ObjectMapper().valueToTree(row);
    assertEquals("c", json.get("case").asText());
    assertEquals(2, json.get("value").asDouble());
    assertEquals(0.5, json.get("ratio").asDouble());
    assertEquals(11, json.size());
  }

  @Test
  void aMedianOfAnEvenNumberIsTheMeanOfTheMiddleTwo() {
    assertEquals(2.5, BenchRow.median(new double[] {4, 1, 3, 2}));
  }

  @Test
  void aRowOutOfItsOwnBoundsIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new BenchRow("s", "c", "m", 5, "x", null, null, 1, 1, 2, "d"));
  }
}
