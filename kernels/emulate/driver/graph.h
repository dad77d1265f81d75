// Capture of streams, and the graphs that come of it.
#pragma once

#include <thread>
#include <vector>

#include "emulate/driver/stream.h"

namespace driver {

// One of the three is set; marks are numbered within the graph.
struct Node {
  std::shared_ptr<const Operation> operation;
  int record = -1, wait = -1;
};

// What was captured of one stream, in order.
using Lane = std::vector<Node>;

struct Graph {
  std::vector<Lane> lanes;  // that of the capture's own stream first
  int marks = 0;

  // True if the first lane's end comes after all that the others do.
  bool joined() const;
};

struct Capture {
  Graph graph;
  std::vector<Stream*> streams;  // of each lane
  std::thread::id thread;
  CaptureMode mode = CAPTURE_GLOBAL;
  bool invalidated = false, ended = false;

  void add(Stream& stream, std::shared_ptr<Capture> self);
  Lane& laneOf(const Stream& stream) { return graph.lanes[stream.lane]; }
  // Gives the streams back to plain work.
  void end();
};

// Puts work at the end of the stream, or of its capture; throws Refusal where that is invalid.
void enqueue(Stream& stream, std::shared_ptr<const Operation> operation);

struct GraphExec {
  GraphExec(Context& context_, Graph graph_) : context(context_), graph(std::move(graph_)) {}
  Context& context;
  Graph graph;
  std::shared_ptr<Mark> lastEnd;  // a graph does not run beside itself

  void launch(Stream& stream);
};

}  // namespace driver
