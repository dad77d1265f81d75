package dev.sparrow.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The small form of patterns in a file. {@code <weight>.columns} counts columns inside their bank,
 * in the narrowest type that holds a bank's; {@code <weight>.groups} is there only where some
 * groups are off. The layouts, by which the rest follows, stand in the header's metadata.
 *
 * @param layouts by the weight's name
 */
record CompactPatterns(Map<String, PatternLayout> layouts) {
  private static final String KEY = "sparrow.patterns";
  private static final JsonMapper MAPPER = JsonMapper.builder().build();

  /** Those of a file; none where it holds none in this form. */
  static CompactPatterns of(Map<String, String> metadata) {
    Map<String, PatternLayout> layouts = new LinkedHashMap<>();
    try {
      MAPPER
          .readTree(metadata.getOrDefault(KEY, "{}"))
          .properties()
          .forEach(entry -> layouts.put(entry.getKey(), layout(entry.getValue())));
    } catch (JsonProcessingException | IllegalArgumentException broken) {
      throw new IllegalArgumentException(
          "metadata "
              + KEY
              + ": expected layouts by weight, got "
              + metadata.get(KEY)
              + ": "
              + broken.getMessage(),
          broken);
    }
    return new CompactPatterns(layouts);
  }

  private static PatternLayout layout(JsonNode node) {
    int[] matrix = MAPPER.convertValue(node.path("matrix"), int[].class);
    return new PatternLayout(
        Shape.of(matrix), node.path("group_rows").asInt(), node.path("bank_columns").asInt());
  }

  /** What {@link #of} reads. */
  Map<String, String> metadata() {
    ObjectNode root = MAPPER.createObjectNode();
    layouts.forEach(
        (weight, layout) -> {
          ObjectNode node = root.putObject(weight);
          node.set("matrix", MAPPER.valueToTree(layout.matrix().toArray()));
          node.put("group_rows", layout.groupRows()).put("bank_columns", layout.bankColumns());
        });
    return layouts.isEmpty() ? Map.of() : Map.of(KEY, root.toString());
  }

  /** The tensors that tell a pattern of one of the weights. */
  List<HostTensor> tensors(String weight, UniformPattern pattern) {
    int[] inBank = pattern.indices().clone();
    for (int i = 0; i < inBank.length; i++) {
      inBank[i] %= pattern.bankColumns();
    }
    int[] groups = pattern.liveGroupNumbers();
    Shape shape = Shape.of(groups.length, pattern.fanIn());
    List<HostTensor> tensors = new ArrayList<>();
    tensors.add(
        HostTensor.of(PatternTensors.columns(weight), shape, inBank, 0)
            .as(narrowest(pattern.bankColumns())));
    if (groups.length < layouts.get(weight).groups()) {
      tensors.add(
          HostTensor.of(PatternTensors.groups(weight), Shape.of(groups.length), groups, 0)
              .as(narrowest(layouts.get(weight).groups())));
    }
    return tensors;
  }

  /** For numbers below a bound. */
  private static DType narrowest(int bound) {
    return bound <= 1 << 8 ? DType.U8 : bound <= 1 << 16 ? DType.U16 : DType.I32;
  }

  /** Counts columns from the row's first, as patterns do, where these are of a weight in here. */
  void unpack(HostTensor tensor) {
    PatternLayout layout = layouts.get(PatternTensors.weightOfColumns(tensor.name()));
    if (layout == null || !(tensor.array() instanceof int[] columns)) {
      return;
    }
    int fanIn = tensor.shape().columns();
    if (fanIn == 0 || fanIn % layout.banks() != 0) {
      throw new IllegalArgumentException(
          "%s: expected columns equally many in each of %d banks, got %d"
              .formatted(tensor.name(), layout.banks(), fanIn));
    }
    int perBank = fanIn / layout.banks();
    for (int i = 0; i < columns.length; i++) {
      requireInBank(tensor, columns[i], layout);
      columns[i] += i % fanIn / perBank * layout.bankColumns();
    }
  }

  private static void requireInBank(HostTensor tensor, int column, PatternLayout layout) {
    if (column < 0 || column >= layout.bankColumns()) {
      throw new IllegalArgumentException(
          "%s: expected columns in [0, %d), got %d"
              .formatted(tensor.name(), layout.bankColumns(), column));
    }
  }

  /** Whether columns of this shape mean that all groups of the weight are live. */
  boolean tellAll(String weight, Shape columns) {
    PatternLayout layout = layouts.get(weight);
    return layout != null && columns.rank() == 2 && columns.dim(0) == layout.groups();
  }
}
