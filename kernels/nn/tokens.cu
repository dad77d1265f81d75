// What a language model reads and what it is to predict, from rows of tokens.
//
//   split_tokens  inputs_st = rows_s,t,  targets_st = rows_s,t+1  for t < length
//
// rows (sequences, length + 1), inputs and targets (sequences, length) I32.
//
// Launch contract: one-dimensional grid and block of any size.
#include "common/types.cuh"

extern "C" __global__ void split_tokens_i32(const int* rows, int* inputs, int* targets, long long sequences,
                                            int length) {
  long long n = sequences * length, threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads) {
    long long from = i + i / length;  // each sequence before this one has one token more
    inputs[i] = rows[from];
    targets[i] = rows[from + 1];
  }
}
