package dev.sparrow.config;

/**
 * All settings of a run.
 *
 * @param output run directory
 * @param text the resolved HOCON, as it is shipped to executors and kept beside checkpoints
 */
public record RunConfig(
    Data data,
    Tokenizer tokenizer,
    Image image,
    ModelShape model,
    MethodChoice method,
    Moe moe,
    Uniform uniform,
    Cuttlefish cuttlefish,
    OptimizerSettings optimizer,
    ScheduleSettings schedule,
    Train train,
    CheckpointSettings checkpoint,
    Cluster cluster,
    Generate generate,
    String output,
    String text) {}
