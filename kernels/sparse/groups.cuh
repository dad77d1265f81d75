// The groups of a weight whose rows share their columns.
#pragma once

namespace group {

// What a launch needs besides GemmArguments.
struct Groups {
  const int* indices;
  const int* liveOf;
  int groupRows;
  int count;  // groups, those that are off among them
};

}  // namespace group
