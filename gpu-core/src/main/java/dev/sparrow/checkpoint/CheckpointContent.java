package dev.sparrow.checkpoint;

import java.util.List;

/**
 * What a checkpoint is written from; its arrays must not change until it is written.
 *
 * @param model parameters and buffers by name
 * @param optimizer the optimizer's state
 * @param config the resolved configuration's text
 */
public record CheckpointContent(
    CheckpointState state, List<HostTensor> model, List<HostTensor> optimizer, String config) {}
