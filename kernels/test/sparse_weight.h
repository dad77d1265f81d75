// Uniformly sparse weights for checks and benchmarks: random patterns, and their views as kernels walk them. Laid out anew, apart
// from gpu-core's code.
#pragma once

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace sparse_weight {

// fanIn non-zeros in each row of the live groups, whose groupRows rows share their columns; of each bank of columns as many.
struct Pattern {
  int rows, columns, fanIn, groupRows, bankColumns;
  std::vector<int> liveGroups;
  std::vector<int> indices;  // (live groups, fanIn), ascending

  int groups() const { return rows / groupRows; }
  int liveRows() const { return int(liveGroups.size()) * groupRows; }
  size_t nonZeros() const { return size_t(liveRows()) * fanIn; }
  int row(int liveRow) const { return liveGroups[liveRow / groupRows] * groupRows + liveRow % groupRows; }
  int column(int liveRow, int i) const { return indices[size_t(liveRow / groupRows) * fanIn + i]; }
  std::string name() const {
    return std::to_string(rows) + "x" + std::to_string(columns) + " of " + std::to_string(fanIn) + " g" +
           std::to_string(groupRows) + (bankColumns < columns ? " b" + std::to_string(bankColumns) : "");
  }
  // (groups): which of the live ones it is, or -1.
  std::vector<int> liveOf() const {
    std::vector<int> live(groups(), -1);
    for (size_t g = 0; g < liveGroups.size(); g++) live[liveGroups[g]] = int(g);
    return live;
  }
};

// A random one; every offEvery-th group is off, 0: none.
inline Pattern draw(std::mt19937& random, int rows, int columns, int perBank, int groupRows, int bankColumns, int offEvery) {
  Pattern p = {rows, columns, columns / bankColumns * perBank, groupRows, bankColumns, {}, {}};
  for (int g = 0; g < p.groups(); g++)
    if (offEvery == 0 || (g + 1) % offEvery != 0) p.liveGroups.push_back(g);
  std::vector<int> bank(bankColumns);
  for (size_t g = 0; g < p.liveGroups.size(); g++)
    for (int first = 0; first < columns; first += bankColumns) {
      std::iota(bank.begin(), bank.end(), first);
      std::sample(bank.begin(), bank.end(), std::back_inserter(p.indices), perBank, random);
    }
  return p;
}

// A sparse/sliced.cuh layout.
struct Sliced {
  int rows, columns, sharedRows;  // of the view
  std::vector<int> starts, sources;
  std::vector<unsigned char> places;  // columns within their tile

  long long steps() const { return starts.back(); }
  long long entries() const { return (long long)sources.size(); }
};

struct Entry { int column, source; };

// entries: of each row of the view, or group of sharedRows, by column.
inline Sliced slice(const std::vector<std::vector<Entry>>& entries, int columns, int sharedRows) {
  constexpr int TILE = 256;
  int perStep = sharedRows == 1 ? 4 : 1, tiles = (columns + TILE - 1) / TILE, quarters = int(entries.size());
  Sliced s = {quarters * sharedRows, columns, sharedRows, {0}, {}, {}};
  for (int first = 0; first < quarters; first += 4)
    for (int tile = 0; tile < tiles; tile++) {
      std::vector<Entry> of[4];
      size_t most = 0;
      for (int q = 0; q < 4 && first + q < quarters; q++) {
        for (const Entry& e : entries[first + q])
          if (e.column / TILE == tile) of[q].push_back(e);
        most = std::max(most, of[q].size());
      }
      int steps = (int(most) + perStep - 1) / perStep;
      for (int step = 0; step < steps; step++)
        for (auto& quarter : of)
          for (int e = step * perStep; e < (step + 1) * perStep; e++) {
            bool exists = e < int(quarter.size());
            s.sources.push_back(exists ? quarter[e].source : -1);
            s.places.push_back(exists ? (unsigned char)(quarter[e].column % TILE) : 0);
          }
      s.starts.push_back(s.starts.back() + steps);
    }
  return s;
}

// By rows: single ones, or groups of four.
inline Sliced byRows(const Pattern& p, int sharedRows) {
  std::vector<std::vector<Entry>> entries(p.rows / sharedRows);
  for (int live = 0; live < p.liveRows(); live += sharedRows)
    for (int i = 0; i < p.fanIn; i++) entries[p.row(live) / sharedRows].push_back({p.column(live, i), live * p.fanIn + i});
  return slice(entries, p.columns, sharedRows);
}

inline Sliced byColumns(const Pattern& p) {
  std::vector<std::vector<Entry>> entries(p.columns);
  for (int live = 0; live < p.liveRows(); live++)
    for (int i = 0; i < p.fanIn; i++) entries[p.column(live, i)].push_back({p.row(live), live * p.fanIn + i});
  return slice(entries, p.rows, 1);
}

}  // namespace sparse_weight
