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

// What a walk over sparse rows reads: sparse/sliced.cuh, or the lists of sparse/group_spmm.cu, which have one quarter.
struct Walk {
  int rows, columns;  // of the view
  std::vector<int> starts, sources;
  std::vector<unsigned char> places;  // columns within their tile of 256
  std::vector<unsigned short> widePlaces;  // of a tile of any width; 0xffff where there is no entry

  long long steps() const { return starts.back(); }
  long long entries() const { return (long long)sources.size(); }
};

struct Entry { int column, source; };

// Columns that differ modulo 8 follow each other as far as there are any.
inline void deal(std::vector<Entry>& entries) {
  int dealt[8] = {};
  std::vector<std::pair<int, Entry>> order;
  for (const Entry& e : entries) order.push_back({8 * dealt[e.column % 8]++ + e.column % 8, e});
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < entries.size(); i++) entries[i] = order[i].second;
}

// entries: of each row of the view, or of rows that share their columns, sharedRows of them, by column.
inline Walk walk(const std::vector<std::vector<Entry>>& entries, int columns, int sharedRows, int quarters, int perStep,
                 int tileColumns = 256) {
  int tiles = (columns + tileColumns - 1) / tileColumns, count = int(entries.size());
  Walk w = {count * sharedRows, columns, {0}, {}, {}, {}};
  for (int first = 0; first < count; first += quarters)
    for (int tile = 0; tile < tiles; tile++) {
      std::vector<std::vector<Entry>> of(quarters);
      size_t most = 0;
      for (int q = 0; q < quarters && first + q < count; q++) {
        for (const Entry& e : entries[first + q])
          if (e.column / tileColumns == tile) of[q].push_back(e);
        if (quarters == 1) deal(of[q]);
        most = std::max(most, of[q].size());
      }
      int steps = (int(most) + perStep - 1) / perStep;
      for (int step = 0; step < steps; step++)
        for (auto& quarter : of)
          for (int e = step * perStep; e < (step + 1) * perStep; e++) {
            bool exists = e < int(quarter.size());
            w.sources.push_back(exists ? quarter[e].source : -1);
            int place = exists ? quarter[e].column % tileColumns : 0;
            w.places.push_back((unsigned char)place);
            w.widePlaces.push_back(exists ? (unsigned short)place : 0xffff);
          }
      w.starts.push_back(w.starts.back() + steps);
    }
  return w;
}

// Of each sharedRows rows, of one group.
inline std::vector<std::vector<Entry>> entriesOf(const Pattern& p, int sharedRows) {
  std::vector<std::vector<Entry>> entries(p.rows / sharedRows);
  for (int live = 0; live < p.liveRows(); live += sharedRows)
    for (int i = 0; i < p.fanIn; i++) entries[p.row(live) / sharedRows].push_back({p.column(live, i), live * p.fanIn + i});
  return entries;
}

// By rows: single ones, or fours.
inline Walk byRows(const Pattern& p, int sharedRows) {
  return walk(entriesOf(p, sharedRows), p.columns, sharedRows, 4, sharedRows == 1 ? 4 : 1);
}

// By lists of 8 or 16 rows.
inline Walk byLists(const Pattern& p, int listRows) { return walk(entriesOf(p, listRows), p.columns, listRows, 1, 16); }

// By lists of 64 rows, as sparse/group_scatter_wgmma.cu has them.
inline Walk byWideLists(const Pattern& p, int tileColumns) { return walk(entriesOf(p, 64), p.columns, 64, 1, 8, tileColumns); }

inline Walk byColumns(const Pattern& p) {
  std::vector<std::vector<Entry>> entries(p.columns);
  for (int live = 0; live < p.liveRows(); live++)
    for (int i = 0; i < p.fanIn; i++) entries[p.column(live, i)].push_back({p.row(live), live * p.fanIn + i});
  return walk(entries, p.rows, 1, 4, 4);
}

}  // namespace sparse_weight
