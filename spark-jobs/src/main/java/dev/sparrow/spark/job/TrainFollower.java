package dev.sparrow.spark.job;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.spark.cluster.RankMessage;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver's ear while ranks train: keeps metrics, tells the listener, remembers why ranks
 * failed.
 */
final class TrainFollower implements Consumer<RankMessage>, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TrainFollower.class);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final MetricsLog metrics;
  private final TrainListener listener;
  private int attempt = -1;
  private String failure;

  TrainFollower(RunDirectory run, TrainListener listener) {
    this.metrics = new MetricsLog(run);
    this.listener = listener;
  }

  @Override
  public synchronized void accept(RankMessage message) {
    if (message.attempt() < attempt) {
      return;
    }
    if (message.attempt() > attempt) {
      attempt = message.attempt();
      failure = null;
    }
    switch (message.kind()) {
      case STARTED -> started(Long.parseLong(message.text()));
      case METRICS -> row(message.text());
      case FAILURE -> failed(message);
    }
  }

  private void started(long done) {
    metrics.startAfter(done);
    if (attempt > 0) {
      listener.note("attempt " + (attempt + 1) + " goes on after step " + done);
    } else if (done > 0) {
      listener.note("resumed after step " + done);
    }
  }

  private void row(String json) {
    metrics.row(json);
    try {
      listener.row(JSON.readValue(json, new TypeReference<Map<String, Object>>() {}));
    } catch (JsonProcessingException e) {
      LOG.warn("metrics row is no JSON: {}", json, e);
    }
  }

  /** The first is the cause: those that come after lost a peer to it. */
  private void failed(RankMessage message) {
    if (failure == null) {
      failure = "rank " + message.rank() + ": " + message.text();
      listener.note("attempt " + (attempt + 1) + " failed: " + failure);
    }
  }

  /** Why the last attempt failed, if a rank could tell. */
  synchronized Optional<String> failure() {
    return Optional.ofNullable(failure);
  }

  synchronized List<String> rows() {
    return metrics.rows();
  }

  @Override
  public synchronized void close() {
    metrics.close();
  }
}
