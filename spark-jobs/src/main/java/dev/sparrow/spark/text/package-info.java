/**
 * Tokenizers that shard jobs, prompts and samples share: bytes, GPT-2 byte pairs, any Hugging Face
 * {@code tokenizer.json}, and ids as they are. All work without a network. Imports {@code
 * spark.data} for its errors, Hadoop's file system, jtokkit and DJL.
 */
package dev.sparrow.spark.text;
