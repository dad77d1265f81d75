package dev.sparrow.config;

import java.util.List;
import java.util.Locale;

/** Rules between values of several keys. */
final class ConfigRules {
  private ConfigRules() {}

  static void check(RunConfig config, List<String> problems) {
    if (config.model().kind().hasBlocks()) {
      blocks(config.model(), problems);
    }
    if (config.model().kind().classifiesImages()) {
      classifier(config, problems);
    } else {
      tokenizer(config.tokenizer(), problems);
    }
    if (config.method().mixesExperts()) {
      moe(config.moe(), config.model(), problems);
    }
    if (config.method().isUniform()) {
      uniform(config.uniform(), config.train(), problems);
    }
    if (config.method().isCuttlefish()) {
      cuttlefish(config, problems);
    }
    train(config, problems);
    if (!config.cluster().ports().matches("\\d{1,5}(-\\d{1,5})?")) {
      problems.add("cluster.ports: expected 0 or \"first-last\", got " + config.cluster().ports());
    }
  }

  private static void blocks(ModelShape model, List<String> problems) {
    if (model.width() % model.heads() != 0) {
      problems.add(
          "model.heads: expected a divisor of model.width = "
              + model.width()
              + ", got "
              + model.heads());
    } else if (model.positions() == ModelShape.Positions.ROTARY
        && model.width() / model.heads() % 2 != 0) {
      problems.add(
          "model.positions: rotary expects an even head width, got "
              + model.width()
              + " / "
              + model.heads());
    }
  }

  private static void classifier(RunConfig config, List<String> problems) {
    ModelShape model = config.model();
    if (!model.kind().hasBlocks()) {
      withoutBlocks(config, problems);
    } else if (model.positions() == ModelShape.Positions.ROTARY) {
      problems.add("model.positions: expected learned for model.kind = vit, got rotary");
    }
    Image image = config.image();
    if ((image.height() == 0) != (image.width() == 0)) {
      problems.add(
          "image.height: expected both image.height and image.width, or 0 for both, got "
              + image.height()
              + " and "
              + image.width());
    } else if (model.kind() == ModelShape.Kind.VIT
        && (image.height() % model.patch() != 0 || image.width() % model.patch() != 0)) {
      problems.add(
          "model.patch: expected a divisor of image.height = "
              + image.height()
              + " and image.width = "
              + image.width()
              + ", got "
              + model.patch());
    }
  }

  private static void withoutBlocks(RunConfig config, List<String> problems) {
    ModelShape.Kind kind = config.model().kind();
    if (config.method().mixesExperts()) {
      problems.add(
          "method.name: expected dense, uniform or cuttlefish for model.kind = "
              + kind.word()
              + ", which has no feed-forward blocks, got "
              + config.method().name());
    }
    if (config.model().gated()) {
      problems.add("model.gated: expected false for model.kind = " + kind.word() + ", got true");
    }
    if (kind.isConvolutional() && !depths(kind).contains(config.model().depth())) {
      problems.add(
          "model.depth: expected one of "
              + depths(kind)
              + " for model.kind = "
              + kind.word()
              + ", got "
              + config.model().depth());
    }
  }

  private static List<Integer> depths(ModelShape.Kind kind) {
    return kind == ModelShape.Kind.VGG ? List.of(19) : List.of(8, 14, 18, 20, 32, 44, 56);
  }

  private static void tokenizer(Tokenizer tokenizer, List<String> problems) {
    if (tokenizer.kind().equals("huggingface") && tokenizer.path().isEmpty()) {
      problems.add("tokenizer.path: expected the path of a tokenizer.json for kind = huggingface");
    }
    boolean ids = tokenizer.kind().equals("ids");
    if (ids && tokenizer.vocabulary() < 1) {
      problems.add(
          "tokenizer.vocabulary: expected the number of ids >= 1 for kind = ids, got "
              + tokenizer.vocabulary());
    } else if (ids && tokenizer.endOfText() >= tokenizer.vocabulary()) {
      problems.add(
          "tokenizer.end-of-text: expected an id below tokenizer.vocabulary = "
              + tokenizer.vocabulary()
              + ", got "
              + tokenizer.endOfText());
    }
  }

  private static void moe(Moe moe, ModelShape model, List<String> problems) {
    if (moe.topK() > moe.experts()) {
      problems.add(
          "moe.top-k: expected at most moe.experts = " + moe.experts() + ", got " + moe.topK());
    }
    if (moe.every() > model.layers()) {
      problems.add(
          "moe.every: expected at most model.layers = " + model.layers() + ", got " + moe.every());
    }
  }

  private static void uniform(Uniform uniform, Train train, List<String> problems) {
    if (uniform.sparsity() <= 0) {
      problems.add("uniform.sparsity: expected more than 0 for method.name with uniform");
    }
    if (uniform.layers().isEmpty()) {
      problems.add("uniform.layers: expected at least one pattern of layer names, got none");
    }
    if (uniform.format() == Uniform.Format.DOUBLY && uniform.growsBack()) {
      problems.add(
          "uniform.format: doubly is kept by uniform.schedule = static or gradual, got "
              + uniform.schedule().name().toLowerCase(Locale.ROOT)
              + ", which grows row by row");
    }
    if (uniform.format() == Uniform.Format.UNSTRUCTURED) {
      unstructured(uniform, problems);
    }
    long last = uniform.lastUpdate(train.steps());
    if (uniform.schedule() != Uniform.Schedule.STATIC && uniform.beginStep() > last) {
      problems.add(
          "uniform.begin-step: expected at most uniform.end-step = "
              + last
              + ", got "
              + uniform.beginStep());
    }
    if (uniform.schedule() == Uniform.Schedule.GRADUAL && last > train.steps()) {
      problems.add(
          "uniform.end-step: expected at most train.steps = "
              + train.steps()
              + ", got "
              + last
              + "; uniform.sparsity would not be reached");
    }
  }

  private static void unstructured(Uniform uniform, List<String> problems) {
    if (uniform.growsBack() && uniform.ablation() > 0) {
      problems.add(
          "uniform.ablation: expected 0 for uniform.format = unstructured, whose rows have no fan-in to fall short of, got "
              + uniform.ablation());
    }
    if (uniform.products() == Uniform.Products.SPARSE) {
      problems.add(
          "uniform.products: expected timed or dense for uniform.format = unstructured, which has no sparse products, got sparse");
    }
  }

  private static void cuttlefish(RunConfig config, List<String> problems) {
    Cuttlefish cuttlefish = config.cuttlefish();
    Train train = config.train();
    ModelShape.Kind kind = config.model().kind();
    if (cuttlefish.batchNorm() && !kind.isConvolutional()) {
      problems.add(
          "cuttlefish.batch-norm: expected false for model.kind = "
              + kind.word()
              + ", which has no convolutions, got true");
    }
    if (cuttlefish.layers().isEmpty()) {
      problems.add("cuttlefish.layers: expected at least one pattern of layer names, got none");
    }
    boolean pufferfish = cuttlefish.rule() == Cuttlefish.Rule.PUFFERFISH;
    if (pufferfish && (cuttlefish.switchStep() < 1 || cuttlefish.switchStep() >= train.steps())) {
      problems.add(
          "cuttlefish.switch-step: expected 1 or more, below train.steps = "
              + train.steps()
              + ", for cuttlefish.rule = pufferfish, got "
              + cuttlefish.switchStep());
    }
  }

  private static void train(RunConfig config, List<String> problems) {
    Train train = config.train();
    int ranks = Math.max(1, config.cluster().ranks());
    int micro = train.microBatch();
    if (train.batch() % ranks != 0) {
      problems.add(
          "train.batch: expected a multiple of cluster.ranks = "
              + ranks
              + ", got "
              + train.batch());
    } else if (micro > 0 && train.batch() / ranks % micro != 0) {
      problems.add(
          "train.micro-batch: expected a divisor of train.batch / cluster.ranks = "
              + train.batch() / ranks
              + ", got "
              + micro);
    }
    if (config.schedule().warmupSteps() > train.steps()) {
      problems.add(
          "schedule.warmup-steps: expected at most train.steps = "
              + train.steps()
              + ", got "
              + config.schedule().warmupSteps());
    }
  }
}
