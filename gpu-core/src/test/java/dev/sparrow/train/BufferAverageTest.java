package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.nn.Buffer;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

class BufferAverageTest {
  @Test
  void ranksGetTheMeanOfWhatEachHasAndKeepWhatIsTheSame() throws Exception {
    List<float[][]> all =
        Ranks.run(
            3,
            collective -> {
              try (Backend backend = new CpuBackend(1)) {
                Tensor mean = backend.allocate(2);
                Tensor shared = backend.allocate(2);
                backend.upload(new float[] {3 * collective.rank(), 1.5f}, 0, mean);
                backend.upload(new float[] {7, 8}, 0, shared);
                List<Buffer> buffers =
                    List.of(Buffer.averaged("mean", mean), new Buffer("shared", shared));
                BufferAverage.take(backend, buffers, collective);
                float[][] values = new float[2][2];
                backend.downloadSync(mean, values[0], 0);
                backend.downloadSync(shared, values[1], 0);
                return values;
              }
            });
    for (float[][] values : all) {
      assertArrayEquals(new float[] {3, 1.5f}, values[0], 1e-6f);
      assertArrayEquals(new float[] {7, 8}, values[1]);
    }
  }
}
