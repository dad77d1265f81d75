package dev.sparrow.config;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.CudaSettings;
import java.util.function.Function;

/** One method a section of reference.conf: keys, types and ranges of single values. */
final class ConfigSections {
  private final Function<String, Section> sections;

  ConfigSections(Function<String, Section> sections) {
    this.sections = sections;
  }

  Data data() {
    Section s = sections.apply("data");
    return new Data(
        s.string("path"),
        s.word(
            "format",
            "text",
            "json",
            "parquet",
            "orc",
            "csv",
            "arrow",
            "feather",
            "table",
            "binaryfile",
            "image"),
        s.options("options"),
        s.string("column"),
        s.string("shards"),
        s.string("split-column"),
        s.real("validation-fraction", "in [0, 1]", v -> v >= 0 && v <= 1),
        s.atLeast("rows-per-file", 1),
        s.string("cache"),
        s.atLeast("prefetch", 2),
        s.flag("shuffle"));
  }

  Tokenizer tokenizer() {
    Section s = sections.apply("tokenizer");
    return new Tokenizer(
        s.word("kind", "bytes", "gpt2", "huggingface", "ids"),
        s.string("path"),
        s.string("end-of-text-token"),
        s.atLeast("vocabulary", 0),
        s.atLeast("end-of-text", 0));
  }

  Image image() {
    Section s = sections.apply("image");
    return new Image(
        s.string("column"),
        s.string("label-column"),
        s.atLeast("height", 0),
        s.atLeast("width", 0),
        s.atLeast("crop-padding", 0),
        s.flag("flip"));
  }

  ModelShape model() {
    Section s = sections.apply("model");
    return new ModelShape(
        s.choice("kind", ModelShape.Kind.class),
        s.atLeast("layers", 1),
        s.atLeast("heads", 1),
        s.atLeast("width", 1),
        s.atLeast("hidden", 0),
        s.atLeast("context", 1),
        s.choice("positions", ModelShape.Positions.class),
        s.real("rotary-theta", "> 1", v -> v > 1),
        s.choice("norm", ModelShape.NormKind.class),
        s.positive("norm-epsilon"),
        s.choice("activation", Activation.class),
        s.flag("gated"),
        s.flag("bias"),
        s.flag("tied-head"),
        s.share("dropout"),
        s.positive("initial-deviation"),
        s.sizes("hidden-layers"),
        s.atLeast("patch", 1),
        s.atLeast("depth", 1));
  }

  MethodChoice method() {
    return new MethodChoice(sections.apply("method").word("name", MethodChoice.names()));
  }

  Moe moe() {
    Section s = sections.apply("moe");
    return new Moe(
        s.atLeast("experts", 1),
        s.integer("top-k", 1, 8),
        s.atLeast("expert-hidden", 0),
        s.atLeast("shared-hidden", 0),
        s.choice("dispatch", Moe.Dispatch.class),
        s.positive("capacity-factor"),
        s.share("jitter"),
        s.notNegative("normalization"),
        s.notNegative("load-balancing-loss"),
        s.notNegative("z-loss"),
        s.notNegative("bias-balancing"),
        s.atLeast("every", 1));
  }

  Uniform uniform() {
    Section s = sections.apply("uniform");
    return new Uniform(
        s.choice("schedule", Uniform.Schedule.class),
        s.share("sparsity"),
        s.choice("distribution", Uniform.Distribution.class),
        s.choice("format", Uniform.Format.class),
        s.atLeast("group-rows", 1),
        s.atLeast("bank-columns", 1),
        s.strings("layers"),
        s.strings("except"),
        s.atLeast("begin-step", 0),
        s.atLeast("end-step", 0),
        s.atLeast("update-every", 1),
        s.share("drop-fraction"),
        s.share("ablation"),
        s.choice("products", Uniform.Products.class));
  }

  Cuttlefish cuttlefish() {
    Section s = sections.apply("cuttlefish");
    return new Cuttlefish(
        s.choice("rule", Cuttlefish.Rule.class),
        s.real("ratio", "in (0, 1]", v -> v > 0 && v <= 1),
        s.atLeast("switch-step", 0),
        s.atLeast("every", 0),
        s.positive("tolerance"),
        s.real("latest", "in (0, 1]", v -> v > 0 && v <= 1),
        s.strings("layers"),
        s.strings("except"),
        s.notNegative("min-speed-up"),
        s.choice("momentum", Cuttlefish.Momentum.class),
        s.notNegative("learning-rate-scale"),
        s.flag("batch-norm"));
  }

  OptimizerSettings optimizer() {
    Section s = sections.apply("optimizer");
    return new OptimizerSettings(
        s.choice("name", OptimizerSettings.Kind.class),
        s.positive("learning-rate"),
        s.share("beta1"),
        s.share("beta2"),
        s.positive("epsilon"),
        s.notNegative("weight-decay"),
        s.share("momentum"),
        s.flag("nesterov"),
        s.notNegative("clip-norm"));
  }

  ScheduleSettings schedule() {
    Section s = sections.apply("schedule");
    return new ScheduleSettings(
        s.choice("name", ScheduleSettings.Kind.class),
        s.atLeast("warmup-steps", 0),
        s.real("final-share", "in [0, 1]", v -> v >= 0 && v <= 1),
        s.steps("milestones"),
        s.positive("step-factor"));
  }

  Train train() {
    Section s = sections.apply("train");
    return new Train(
        s.wholeNumber("steps", 1, Long.MAX_VALUE),
        s.atLeast("batch", 1),
        s.atLeast("micro-batch", 0),
        s.wholeNumber("seed", Long.MIN_VALUE, Long.MAX_VALUE),
        s.string("from"),
        s.atLeast("log-every", 1),
        s.atLeast("validate-every", 0),
        s.atLeast("validation-sequences", 0),
        s.choice("backend", Train.BackendChoice.class),
        s.atLeast("threads", 0),
        cuda());
  }

  private CudaSettings cuda() {
    Section s = sections.apply("train.cuda");
    return new CudaSettings(
        s.choice("cublas", CudaSettings.CublasUse.class),
        s.flag("graphs"),
        s.choice("nccl", CudaSettings.NcclUse.class),
        s.choice("sparse", CudaSettings.SparseUse.class));
  }

  CheckpointSettings checkpoint() {
    Section s = sections.apply("checkpoint");
    return new CheckpointSettings(s.atLeast("every", 0), s.atLeast("keep", 1));
  }

  Cluster cluster() {
    Section s = sections.apply("cluster");
    return new Cluster(
        s.atLeast("ranks", 0),
        s.atLeast("attempts", 1),
        s.string("ports"),
        s.atLeast("timeout-seconds", 1),
        s.choice("encrypt", Cluster.Encrypt.class),
        s.flag("share-memory"),
        s.atLeast("bucket-mib", 1));
  }

  Generate generate() {
    Section s = sections.apply("generate");
    return new Generate(
        s.string("prompt"),
        s.atLeast("tokens", 1),
        s.notNegative("temperature"),
        s.atLeast("top-k", 0),
        s.real("top-p", "in (0, 1]", v -> v > 0 && v <= 1),
        s.wholeNumber("seed", Long.MIN_VALUE, Long.MAX_VALUE));
  }

  String output() {
    return sections.apply("output").string("path");
  }
}
