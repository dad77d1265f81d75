// Checks of nn/tokens.cu.
#include "nn/tokens.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

SPARROW_CHECK(tokens, rows_become_inputs_and_the_same_one_place_on) {
  struct Case { int sequences, length, blocks, threads; };
  for (const Case& c : {Case{1, 1, 1, 32}, Case{3, 1, 2, 32}, Case{1, 7, 1, 32}, Case{5, 31, 1, 64}, Case{4, 32, 3, 32},
                        Case{2, 1024, 5, 96}, Case{7, 33, 1, 32}}) {
    std::vector<int> rows(size_t(c.sequences) * (c.length + 1)), inputs, targets;
    for (int& id : rows) id = check.integer(0, 50256);
    for (int s = 0; s < c.sequences; s++)
      for (int t = 0; t < c.length; t++) {
        inputs.push_back(rows[size_t(s) * (c.length + 1) + t]);
        targets.push_back(rows[size_t(s) * (c.length + 1) + t + 1]);
      }
    rows.resize(rows.size() + 2, 7);  // must not come out behind the last sequence
    device::Buffer<int> R(rows), I(inputs.size()), T(targets.size());
    device::launch(split_tokens_i32, c.blocks, c.threads, 0, R, I, T, c.sequences, c.length);
    std::string what = " (" + std::to_string(c.sequences) + ", " + std::to_string(c.length) + ")";
    check.equal("inputs" + what, I.toHost(), inputs);
    check.equal("targets" + what, T.toHost(), targets);
  }
}

}  // namespace
