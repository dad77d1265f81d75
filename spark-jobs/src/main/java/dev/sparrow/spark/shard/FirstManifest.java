package dev.sparrow.spark.shard;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** The layout of schema version 1, which knew tokens alone, brought to the present one. */
final class FirstManifest {
  static final int SCHEMA_VERSION = 1;

  private FirstManifest() {}

  static ObjectNode upgrade(ObjectNode old) {
    ObjectNode upgraded = old.objectNode();
    upgraded.put("schemaVersion", ShardManifest.SCHEMA_VERSION);
    ObjectNode tokens = upgraded.putObject("content").putObject("tokens");
    tokens.set("context", old.get("context"));
    tokens.set("tokenizer", old.get("tokenizer"));
    tokens.set("unigramLoss", old.get("unigramLoss"));
    for (Split split : Split.values()) {
      ObjectNode part = old.withObject(split.label());
      upgraded.putObject(split.label()).setAll(part.deepCopy().retain("files", "rows"));
      ObjectNode counts = tokens.putObject(split.label());
      counts.set("documents", part.get("documents"));
      counts.set("tokens", part.get("tokens"));
      counts.set("dropped", part.get("droppedTokens"));
    }
    upgraded.set("nullRows", old.get("nullDocuments"));
    upgraded.set("emptyRows", old.get("emptyDocuments"));
    upgraded.set("otherRows", old.get("otherDocuments"));
    upgraded.set("contentHash", old.get("contentHash"));
    return upgraded;
  }
}
