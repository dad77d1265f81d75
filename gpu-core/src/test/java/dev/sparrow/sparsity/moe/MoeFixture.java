package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.Layer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** One layer in one form on one backend, with the values of a {@link MoeCase}; SiLU experts. */
final class MoeFixture implements AutoCloseable {
  /** Block of the block-sparse form. */
  static final int BLOCK = 4;

  final Backend backend;
  final MoeCase values;
  final Router router;
  final DroplessMoe layer;
  final Pass pass;
  final Tensor x;
  final Tensor dout;
  private final Form form;
  private final ParameterArena arena;
  private final Workspace workspace;
  private final Map<String, Parameter> parameters = new HashMap<>();

  /** What one forward and backward pass gives, in double. */
  record Result(
      double[] out,
      double[] dx,
      double[] drouter,
      double[] dgate,
      double[] dup,
      double[] ddown,
      Map<String, Double> figures) {}

  MoeFixture(Backend backend, Form form, MoeCase values) {
    this(
        backend,
        form,
        values,
        form == Form.CAPACITY
            ? new CapacityDispatch(
                backend, values.spec().experts(), values.spec().topK(), values.spec().experts())
            : new DroplessDispatch(backend, values.spec().experts(), values.spec().topK()));
  }

  MoeFixture(Backend backend, Form form, MoeCase values, Dispatch dispatch) {
    this(backend, form, values, dispatch, null);
  }

  /**
   * @param shared a layer without parameters, or null
   */
  MoeFixture(Backend backend, Form form, MoeCase values, Dispatch dispatch, Layer shared) {
    this.backend = backend;
    this.form = form;
    this.values = values;
    this.router = new Router(backend, values.spec());
    this.layer = new DroplessMoe(backend, router, dispatch, experts(), shared);
    List<Parameter> declared = new ArrayList<>();
    layer.parameters(declared::add);
    declared.forEach(parameter -> parameters.put(role(parameter.name()), parameter));
    this.arena = new ParameterArena(backend, declared);
    this.workspace = new Workspace(PoisonedBackend.of(backend));
    layer.reserve(workspace, values.tokens());
    this.pass = new Pass(true, 1, 0, 1, values.tokens(), 1.0 / values.tokens());
    this.x = tensor(values.x(), values.tokens(), values.spec().width());
    this.dout = tensor(values.dout(), values.tokens(), values.spec().width());
    uploadWeights();
  }

  private static String role(String name) {
    String[] parts = name.split("\\.");
    return switch (parts[parts.length - 2]) {
      case "v1" -> "gate";
      case "w1" -> "up";
      case "w2" -> "down";
      default -> parts[parts.length - 2];
    };
  }

  private Experts experts() {
    int width = values.spec().width();
    int count = values.spec().experts();
    Experts grouped =
        values.gated()
            ? new GatedExperts(
                backend,
                Activation.SILU,
                weight("gate", width, values.hidden()),
                weight("up", width, values.hidden()),
                weight("down", values.hidden(), width))
            : new PlainExperts(
                Activation.SILU,
                weight("up", width, values.hidden()),
                weight("down", values.hidden(), width));
    return switch (form) {
      case GROUPED, CAPACITY -> grouped;
      case PADDED ->
          new PaddedExperts(backend, grouped, Padding.toMaximum(values.spec().topK()), width);
      case BLOCK_SPARSE ->
          new PaddedExperts(
              backend,
              new BlockSparseExperts(
                  backend,
                  Activation.SILU,
                  new LinearSpec("block", width, values.hidden(), 0.5),
                  count,
                  values.gated(),
                  BLOCK),
              Padding.toMultiple(BLOCK),
              width);
    };
  }

  private DenseGroupedWeight weight(String role, int in, int out) {
    LinearSpec spec = new LinearSpec("block.experts." + role, in, out, 0.5);
    return new DenseGroupedWeight(backend, spec, values.spec().experts());
  }

  private void uploadWeights() {
    backend.upload(values.router(), 0, parameter("router").value());
    backend.upload(values.up(), 0, parameter("up").value());
    backend.upload(down(values.down()), 0, parameter("down").value());
    if (values.gated()) {
      backend.upload(values.gate(), 0, parameter("gate").value());
    }
  }

  /** The block-sparse form stores the output side as (E·F, width) too. */
  private float[] down(float[] down) {
    if (form != Form.BLOCK_SPARSE) {
      return down;
    }
    int width = values.spec().width();
    float[] stored = new float[down.length];
    for (int i = 0; i < down.length; i++) {
      stored[transposed(i, values.hidden(), width)] = down[i];
    }
    return stored;
  }

  /** Where element i of (E, rows', columns) lies in (E, columns, rows'), with rows' = inner. */
  private static int transposed(int i, int columns, int inner) {
    int matrix = columns * inner;
    int row = i % matrix / columns;
    return i / matrix * matrix + i % columns * inner + row;
  }

  private double[] downGradient() {
    double[] stored = gradient("down");
    if (form != Form.BLOCK_SPARSE) {
      return stored;
    }
    double[] gradient = new double[stored.length];
    for (int i = 0; i < gradient.length; i++) {
      gradient[i] = stored[transposed(i, values.hidden(), values.spec().width())];
    }
    return gradient;
  }

  /** The parameter of a role: router, gate, up or down. */
  Parameter parameter(String role) {
    return parameters.get(role);
  }

  private double[] gradient(String role) {
    Parameter parameter = parameters.get(role);
    return parameter == null ? new double[0] : download(parameter.gradient());
  }

  /** One forward and backward pass from zero gradients. */
  Result run() {
    arena.zeroGradients();
    double[] out = download(layer.forward(x, pass));
    double[] dx = download(layer.backward(dout, pass));
    Map<String, Double> figures = new HashMap<>();
    layer.figures(figures::put);
    return new Result(
        out, dx, gradient("router"), gradient("gate"), gradient("up"), downGradient(), figures);
  }

  private Tensor tensor(float[] host, int... dims) {
    Tensor tensor = backend.allocate(dims);
    backend.upload(host, 0, tensor);
    return tensor;
  }

  double[] download(Tensor tensor) {
    if (backend instanceof ReferenceBackend reference) {
      return reference.download(tensor);
    }
    float[] host = new float[(int) tensor.size()];
    backend.downloadSync(tensor, host, 0);
    double[] wide = new double[host.length];
    for (int i = 0; i < host.length; i++) {
      wide[i] = host[i];
    }
    return wide;
  }

  @Override
  public void close() {
    workspace.close();
    arena.close();
  }
}
