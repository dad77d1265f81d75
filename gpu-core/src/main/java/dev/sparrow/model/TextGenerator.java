package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.Generate;
import dev.sparrow.nn.KeyValueCache;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * Continues a prompt token by token with a key-value cache.
 *
 * <p>Past the model's context the window slides: positions in the cache are absolute, so that it is
 * emptied and the newer half of the tokens fed again. A token is then predicted from at least half
 * a context, at a cost of two tokens fed for each one made.
 *
 * <p>The model must have been reserved; one thread uses a generator and its model.
 */
public final class TextGenerator {
  private final Backend backend;
  private final TransformerLm model;

  public TextGenerator(Backend backend, TransformerLm model) {
    this.backend = backend;
    this.model = model;
  }

  /**
   * @param prompt ids to continue, at least one; of a long prompt the last context tokens are used
   * @param settings tokens to make and how to draw them; the prompt's text is not read
   * @param endOfText id that ends the text early and is not returned; -1: none
   * @return the new ids alone
   */
  public int[] generate(int[] prompt, Generate settings, int endOfText) {
    if (prompt.length == 0) {
      throw new IllegalArgumentException(
          "prompt: expected at least one token, got none; start from the end-of-text token");
    }
    Sampler sampler = new Sampler(settings);
    int[] text = Arrays.copyOf(prompt, prompt.length + settings.tokens());
    int length = prompt.length;
    try (KeyValueCache cache = model.cache(1)) {
      Tensor logits = model.logits(tail(text, length, cache.capacity()), cache);
      while (true) {
        int next = sampler.next(download(logits));
        if (next == endOfText) {
          break;
        }
        text[length++] = next;
        if (length == text.length) {
          break;
        }
        logits = feed(text, length, cache);
      }
    }
    return Arrays.copyOfRange(text, prompt.length, length);
  }

  private Tensor feed(int[] text, int length, KeyValueCache cache) {
    if (cache.length() < cache.capacity()) {
      return model.logits(tail(text, length, 1), cache);
    }
    cache.clear();
    return model.logits(tail(text, length, Math.max(1, cache.capacity() / 2)), cache);
  }

  /** At most the last {@code most} of the first {@code length} ids. */
  private static int[] tail(int[] text, int length, int most) {
    return Arrays.copyOfRange(text, Math.max(0, length - most), length);
  }

  private float[] download(Tensor logits) {
    float[] values = new float[model.vocabulary()];
    backend.downloadSync(logits.window(0, values.length), values, 0);
    return values;
  }
}
