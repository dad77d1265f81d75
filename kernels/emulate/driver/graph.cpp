#include "emulate/driver/graph.h"

#include <algorithm>

#include "emulate/driver/context.h"

namespace driver {

namespace {

struct Position { size_t lane, length; };  // the first length nodes of a lane

size_t lengthWithoutMarks(const Lane& lane) {
  size_t length = lane.size();
  while (length > 0 && lane[length - 1].operation == nullptr) length--;
  return length;
}

}  // namespace

bool Graph::joined() const {
  std::vector<Position> recorded(size_t(marks), Position{0, 0});
  for (size_t l = 0; l < lanes.size(); l++)
    for (size_t i = 0; i < lanes[l].size(); i++)
      if (lanes[l][i].record >= 0) recorded[size_t(lanes[l][i].record)] = {l, i + 1};
  // How much of each lane the first one's end waits for; grows until nothing more follows.
  std::vector<size_t> covered(lanes.size(), 0);
  covered[0] = lanes[0].size();
  for (bool grew = true; grew;) {
    grew = false;
    for (size_t l = 0; l < lanes.size(); l++)
      for (size_t i = 0; i < covered[l]; i++) {
        if (lanes[l][i].wait < 0) continue;
        Position p = recorded[size_t(lanes[l][i].wait)];
        if (covered[p.lane] >= p.length) continue;
        covered[p.lane] = p.length;
        grew = true;
      }
  }
  for (size_t l = 0; l < lanes.size(); l++)
    if (covered[l] < lengthWithoutMarks(lanes[l])) return false;
  return true;
}

void Capture::add(Stream& stream, std::shared_ptr<Capture> self) {
  stream.capture = std::move(self);
  stream.lane = streams.size();
  streams.push_back(&stream);
  graph.lanes.emplace_back();
}

void Capture::end() {
  ended = true;
  for (Stream* stream : std::vector<Stream*>(std::move(streams))) stream->capture.reset();
}

void enqueue(Stream& stream, std::shared_ptr<const Operation> operation) {
  if (stream.capture == nullptr) {
    stream.queue.push_back({std::move(operation), nullptr, nullptr});
    return;
  }
  if (stream.capture->invalidated)
    throw Refusal(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the stream's capture is invalid");
  stream.capture->laneOf(stream).push_back({std::move(operation), -1, -1});
}

void GraphExec::launch(Stream& stream) {
  std::vector<std::shared_ptr<Mark>> marks;
  for (int i = 0; i < graph.marks; i++) marks.push_back(context.newMark());
  if (lastEnd != nullptr) stream.queue.push_back({nullptr, nullptr, lastEnd});
  for (size_t l = 0; l < graph.lanes.size(); l++) {
    // A lane past the first starts with the wait by which it was forked, so that a stream of its own does.
    Stream& queue = l == 0 ? stream : context.newStream();
    for (const Node& node : graph.lanes[l])
      queue.queue.push_back({node.operation, node.record < 0 ? nullptr : marks[size_t(node.record)],
                             node.wait < 0 ? nullptr : marks[size_t(node.wait)]});
    if (l > 0) queue.destroyed = true;
  }
  lastEnd = context.newMark();
  stream.queue.push_back({nullptr, lastEnd, nullptr});
}

}  // namespace driver
