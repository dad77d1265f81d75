package dev.sparrow.spark.shard;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.Optional;

/** What rows of shards are, as the manifest tells it. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, include = JsonTypeInfo.As.WRAPPER_OBJECT)
@JsonSubTypes({
  @JsonSubTypes.Type(value = TokenContent.class, name = "tokens"),
  @JsonSubTypes.Type(value = ImageContent.class, name = "images")
})
public sealed interface ShardContent permits ImageContent, TokenContent {
  /**
   * Why a model that learnt from this cannot be used on other rows: what of it was expected, what
   * they have, and the settings that decide it. Empty where it can.
   */
  Optional<String> mismatch(ShardContent other);
}
