package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.data.Batch;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.ClassHead;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Linear;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * A network that tells the class of an image: a body, which {@code model.kind} chooses, and a
 * linear head. The method chooses the form of every matrix, the head's too.
 *
 * <p>One thread uses a model; a training step allocates nothing on the device.
 */
public final class ImageClassifier implements Model {
  private final ImageShape image;
  private final ImageBody body;
  private final ClassHead head;
  private final ImageStage stage;
  private final PartParameters headParameters;
  private final PassRecordings recordings;
  private float[] logits = {}; // (samples, classes), on the host

  /**
   * @param shape of a kind that classifies images
   * @param image of all images
   * @param classes labels are below it
   * @param method chooses the form of every matrix and feed-forward
   */
  public ImageClassifier(
      Backend backend, ModelShape shape, ImageShape image, int classes, Method method) {
    if (classes < 2) {
      throw new IllegalArgumentException("classes: expected at least 2, got " + classes);
    }
    this.image = image;
    this.body =
        switch (shape.kind()) {
          case MLP -> new MultilayerPerceptron(backend, shape, image, method);
          case VIT -> new VisionTransformer(backend, shape, image, method);
          case RESNET -> ConvNet.residual(backend, shape, image, method);
          case VGG -> ConvNet.vgg(backend, shape, image, method);
          case TRANSFORMER ->
              throw new IllegalArgumentException(
                  "model.kind: expected mlp, vit, resnet or vgg for images, got transformer");
        };
    int width = body.width();
    // What the loss begins with should be that of equal odds: small logits.
    LinearSpec spec = new LinearSpec("head", width, classes, shape.initialDeviation());
    Linear linear = new Linear("head", method.linearWeight(spec), shape.bias());
    this.head = new ClassHead(backend, linear);
    this.stage = new ImageStage(backend, body.patches(), classes);
    this.headParameters = new PartParameters(head::parameters);
    this.recordings = new PassRecordings(backend, body.recordable(), this::forwardBackward);
    method.modelBuilt(); // may give parameters their shapes
    parametersChanged();
  }

  public ImageShape image() {
    return image;
  }

  public int classes() {
    return head.classes();
  }

  @Override
  public List<Parameter> parameters() {
    List<Parameter> all = new ArrayList<>();
    body.parameters(all::add);
    head.parameters(all::add);
    return all;
  }

  @Override
  public List<Buffer> buffers() {
    List<Buffer> all = new ArrayList<>();
    body.buffers(all::add);
    head.buffers(all::add);
    return all;
  }

  @Override
  public void parametersChanged() {
    body.parametersChanged();
    headParameters.refresh();
    recordings.forget();
  }

  /** Patches of an image; 1 where it is read whole. */
  @Override
  public int length() {
    return body.patches().count();
  }

  @Override
  public int targets() {
    return 1;
  }

  @Override
  public Unit unit() {
    return Unit.SAMPLES;
  }

  @Override
  public void reserve(Workspace workspace, int samples) {
    recordings.forget(); // they hold the addresses of memory that was reserved before
    stage.reserve(workspace, samples);
    body.reserve(workspace, samples);
    head.reserve(workspace, samples);
    logits = new float[Math.multiplyExact(samples, classes())];
  }

  @Override
  public void forwardBackward(Batch batch, Pass pass, Consumer<Parameter> complete) {
    stage.upload(ImageStage.images(batch), pass);
    recordings.run(pass, complete);
  }

  /** On the batch that is staged. */
  private void forwardBackward(Pass pass, Consumer<Parameter> complete) {
    // Losses within the body, those of routers, are means over all patches.
    Pass ofRows = pass.withLossScale(pass.lossScale() / pass.length());
    Tensor x = stage.inputs(pass);
    Tensor features = body.forward(x, ofRows);
    Tensor dfeatures = head.forwardBackward(features, stage.labels(pass), pass.lossScale());
    headParameters.complete(complete);
    body.backward(x, dfeatures, ofRows, complete);
  }

  @Override
  public void forward(Batch batch, Pass pass) {
    stage.upload(ImageStage.images(batch), pass);
    recordings.onHost(pass);
    head.forward(body.forward(stage.inputs(pass), pass), stage.labels(pass));
  }

  /**
   * Adds to the counts what the last {@link #forward} predicted, the class of the largest logit;
   * waits for the device.
   *
   * @param batch the same as in that pass
   */
  public void count(Batch batch, Confusion counts) {
    ImageBatch images = ImageStage.images(batch);
    head.logitsSync(logits);
    for (int i = 0; i < images.samples(); i++) {
      counts.add(images.labels()[i], likeliest(i * classes()));
    }
  }

  /**
   * Probabilities of the classes after the last {@link #forward}, {@code p = softmax(logits)};
   * waits for the device.
   *
   * @param samples of that pass
   * @return (samples, classes) at the front, good until the next call
   */
  public float[] probabilitiesSync(int samples) {
    head.logitsSync(logits);
    for (int row = 0; row < samples * classes(); row += classes()) {
      softmax(row);
    }
    return logits;
  }

  private void softmax(int row) {
    float largest = logits[row + likeliest(row)];
    double sum = 0;
    for (int j = row; j < row + classes(); j++) {
      sum += Math.exp(logits[j] - largest);
    }
    for (int j = row; j < row + classes(); j++) {
      logits[j] = (float) (Math.exp(logits[j] - largest) / sum);
    }
  }

  /** Of equal logits the lower class. */
  private int likeliest(int row) {
    int best = 0;
    for (int j = 1; j < classes(); j++) {
      if (logits[row + j] > logits[row + best]) {
        best = j;
      }
    }
    return best;
  }

  @Override
  public void lossSum(boolean accumulate, Tensor total) {
    head.lossSum(accumulate, total);
  }

  @Override
  public double lossSumSync() {
    return head.lossSumSync();
  }

  @Override
  public void figures(FigureSink sink) {
    body.figures(sink);
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    body.describe(sink);
    head.describe(sink);
  }
}
