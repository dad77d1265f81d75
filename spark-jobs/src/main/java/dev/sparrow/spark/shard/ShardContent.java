package dev.sparrow.spark.shard;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/** What rows of shards are, as the manifest tells it. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, include = JsonTypeInfo.As.WRAPPER_OBJECT)
@JsonSubTypes({
  @JsonSubTypes.Type(value = TokenContent.class, name = "tokens"),
  @JsonSubTypes.Type(value = ImageContent.class, name = "images")
})
public sealed interface ShardContent permits ImageContent, TokenContent {}
