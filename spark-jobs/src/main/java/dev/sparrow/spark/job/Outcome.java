package dev.sparrow.spark.job;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;

/**
 * What a rank hands to the driver: the summary's fields, or a failure that another attempt would
 * meet again.
 *
 * @param summary null where failed
 * @param failure one line; null where done
 */
record Outcome(Map<String, Object> summary, String failure) {
  private static final ObjectMapper JSON = new ObjectMapper();

  static Outcome done(Map<String, Object> summary) {
    return new Outcome(summary, null);
  }

  static Outcome failed(String failure) {
    return new Outcome(null, String.valueOf(failure));
  }

  String toJson() {
    try {
      return JSON.writeValueAsString(this);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  static Outcome parse(String json) {
    try {
      return JSON.readValue(json, Outcome.class);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("rank result: expected JSON, got " + json, e);
    }
  }
}
