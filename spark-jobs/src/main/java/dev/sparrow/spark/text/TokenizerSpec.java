package dev.sparrow.spark.text;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.Names;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;

/**
 * What a configuration or a manifest says about a tokenizer.
 *
 * @param kind bytes, gpt2, huggingface or ids
 * @param path of the tokenizer.json on any Hadoop file system, else null
 * @param endOfTextToken huggingface: the token that ends a document, null to look for usual names
 * @param vocabularySize ids: number of ids, else 0
 * @param endOfText ids: the id that ends a document, else 0
 */
public record TokenizerSpec(
    String kind, String path, String endOfTextToken, int vocabularySize, int endOfText) {
  private static final List<String> KINDS = List.of("bytes", "gpt2", "huggingface", "ids");

  public TokenizerSpec {
    if (!KINDS.contains(kind)) {
      throw new DataException(Names.unknown("tokenizer", kind, KINDS));
    }
    if (kind.equals("huggingface") && (path == null || path.isBlank())) {
      throw new DataException("tokenizer huggingface: expected the path of a tokenizer.json");
    }
  }

  public static TokenizerSpec bytes() {
    return new TokenizerSpec("bytes", null, null, 0, 0);
  }

  public static TokenizerSpec gpt2() {
    return new TokenizerSpec("gpt2", null, null, 0, 0);
  }

  public static TokenizerSpec huggingFace(String path, String endOfTextToken) {
    return new TokenizerSpec("huggingface", path, endOfTextToken, 0, 0);
  }

  public static TokenizerSpec ids(int vocabularySize, int endOfText) {
    return new TokenizerSpec("ids", null, null, vocabularySize, endOfText);
  }

  /** The tokenizer, its file read here once: what is returned needs no file any more. */
  public TextTokenizer open(Configuration hadoop) {
    return switch (kind) {
      case "bytes" -> new ByteTokenizer();
      case "gpt2" -> new Gpt2Tokenizer();
      case "ids" -> new IdsTokenizer(vocabularySize, endOfText);
      default -> new HuggingFaceTextTokenizer(read(hadoop), endOfTextToken);
    };
  }

  private String read(Configuration hadoop) {
    Path file = new Path(path);
    try (FSDataInputStream in = file.getFileSystem(hadoop).open(file)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (FileNotFoundException e) {
      throw new DataException("tokenizer file " + path + " does not exist", e);
    } catch (IOException e) {
      throw new DataException("tokenizer file " + path + ": " + e.getMessage(), e);
    }
  }
}
