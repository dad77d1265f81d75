// A stand-in for libnccl in tests: the functions that the CUDA backend calls, for ranks that are threads of this process, each
// with a GPU of its own and a non-blocking communicator. It refuses what the library would refuse, and, where that would hang or
// corrupt memory, calls that do not fit each other. Signatures and numbers: nccl.h of NCCL 2.21.
//
// By default ranks meet when they call: a communicator is in progress until all have, and then one function of the host does the
// work once all streams are there. With sparrowNcclSpin ranks meet on the device, as kernels do: the call is through at once, and
// its stream spins until all streams are there.
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "driver_calls.h"

using namespace library;

namespace {

enum Outcome { SUCCESS = 0, CUDA_ERROR = 1, SYSTEM_ERROR = 2, INTERNAL_ERROR = 3, INVALID_ARGUMENT = 4, INVALID_USAGE = 5,
               REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { FLOAT32 = 7, BFLOAT16 = 9, TYPES = 12, SUM = 0 };
enum class Kind { ALL_REDUCE, REDUCE, REDUCE_SCATTER, ALL_GATHER, BROADCAST, SEND, RECEIVE };

constexpr size_t ID_BYTES = 128;
constexpr uint64_t ALIVE = 0x6e63636c636f6d6d;
struct UniqueId { char internal[ID_BYTES]; };
struct Config { size_t bytes; unsigned magic, version; int blocking; };  // the beginning of ncclConfig_t

struct Comm;

struct Call {
  Kind kind;
  const void* from;
  void* to;
  size_t count;
  int type, root;  // root, or the peer
  void* stream;

  bool isExchange() const { return kind == Kind::SEND || kind == Kind::RECEIVE; }
  bool fits(const Call& other) const {
    return kind == other.kind && count == other.count && type == other.type && root == other.root;
  }
};

// What all ranks called as one operation: one list of calls a rank.
struct Round {
  std::vector<std::vector<Call>> calls;
  std::vector<Comm*> comms;
  size_t called = 0, arrived = 0;
  bool done = false;
  explicit Round(size_t ranks) : calls(ranks), comms(ranks) {}

  std::string misfit() const;
  void work();
};

struct Clique {
  size_t ranks = 0;
  std::vector<Comm*> comms;
  std::vector<std::shared_ptr<Round>> rounds;
};

struct Comm {
  uint64_t alive = ALIVE;
  std::shared_ptr<Clique> clique;
  int rank;
  void* context;
  int device;
  int state = IN_PROGRESS;
  size_t round = 0;
  bool finalized = false, aborted = false;
};

std::mutex mutex;
std::map<std::string, std::shared_ptr<Clique>> cliques;
std::string lastError;
int spins = 0;  // milliseconds
constexpr int SPIN_MILLIS = 5;
bool tellsPeers = false;

thread_local int depth = 0;
thread_local int groupError = SUCCESS;
thread_local Comm* groupComm = nullptr;
thread_local std::vector<Call> group;

int refuse(int outcome, const std::string& why) {
  lastError = why;
  std::fprintf(stderr, "stand-in of NCCL: %s\n", why.c_str());
  return outcome;
}

// ---- Arithmetic ----

float at(const void* values, int type, size_t i) {
  return type == FLOAT32 ? static_cast<const float*>(values)[i] : fromBf16(static_cast<const uint16_t*>(values)[i]);
}

void put(void* values, int type, size_t i, float value) {
  if (type == FLOAT32) static_cast<float*>(values)[i] = value;
  else static_cast<uint16_t*>(values)[i] = toBf16(value);
}

size_t bytesOf(int type) { return type == FLOAT32 ? 4 : 2; }

const void* offset(const void* values, int type, size_t elements) {
  return static_cast<const char*>(values) + elements * bytesOf(type);
}

// Sums are rounded to the type at each step, in the order of ranks.
std::vector<float> sumOf(const Round& round, size_t index, size_t count) {
  int type = round.calls[0][index].type;
  std::vector<float> sums(count);
  for (size_t r = 0; r < round.calls.size(); r++)
    for (size_t i = 0; i < count; i++) {
      float sum = sums[i] + at(round.calls[r][index].from, type, i);
      sums[i] = type == FLOAT32 ? sum : fromBf16(toBf16(sum));
    }
  return sums;
}

void workOn(Round& round, size_t index) {
  const Call& first = round.calls[0][index];
  size_t ranks = round.calls.size(), count = first.count;
  auto store = [&](size_t rank, const std::vector<float>& values, size_t start, size_t length) {
    for (size_t i = 0; i < length; i++) put(round.calls[rank][index].to, first.type, i, values[start + i]);
  };
  switch (first.kind) {
    case Kind::ALL_REDUCE: {
      std::vector<float> sums = sumOf(round, index, count);
      for (size_t r = 0; r < ranks; r++) store(r, sums, 0, count);
      return;
    }
    case Kind::REDUCE: return store(size_t(first.root), sumOf(round, index, count), 0, count);
    case Kind::REDUCE_SCATTER: {
      std::vector<float> sums = sumOf(round, index, count * ranks);
      for (size_t r = 0; r < ranks; r++) store(r, sums, r * count, count);
      return;
    }
    case Kind::ALL_GATHER: {
      std::vector<float> all;
      for (size_t r = 0; r < ranks; r++)
        for (size_t i = 0; i < count; i++) all.push_back(at(round.calls[r][index].from, first.type, i));
      for (size_t r = 0; r < ranks; r++) store(r, all, 0, count * ranks);
      return;
    }
    case Kind::BROADCAST: {
      std::vector<float> values;
      for (size_t i = 0; i < count; i++) values.push_back(at(round.calls[size_t(first.root)][index].from, first.type, i));
      for (size_t r = 0; r < ranks; r++) store(r, values, 0, count);
      return;
    }
    default: return;
  }
}

std::vector<const Call*> exchanges(const std::vector<Call>& calls, Kind kind, size_t peer) {
  std::vector<const Call*> found;
  for (const Call& call : calls) if (call.kind == kind && call.root == int(peer)) found.push_back(&call);
  return found;
}

std::vector<const Call*> collectives(const std::vector<Call>& calls) {
  std::vector<const Call*> found;
  for (const Call& call : calls) if (!call.isExchange()) found.push_back(&call);
  return found;
}

// Why the ranks' calls do not fit each other; empty where they do.
std::string Round::misfit() const {
  auto first = collectives(calls[0]);
  for (size_t r = 0; r < calls.size(); r++) {
    auto own = collectives(calls[r]);
    if (own.size() != first.size()) return "ranks called different numbers of collectives";
    for (size_t i = 0; i < own.size(); i++) if (!own[i]->fits(*first[i])) return "ranks called collectives that do not fit";
    for (size_t peer = 0; peer < calls.size(); peer++) {
      auto sent = exchanges(calls[r], Kind::SEND, peer), received = exchanges(calls[peer], Kind::RECEIVE, r);
      if (sent.size() != received.size()) return "a send without its receive, or the other way";
      for (size_t i = 0; i < sent.size(); i++)
        if (sent[i]->count != received[i]->count || sent[i]->type != received[i]->type) return "a send and its receive differ";
    }
  }
  return "";
}

// All of it, on the host. Sends are read before any receive is written.
void Round::work() {
  std::vector<std::pair<void*, std::vector<char>>> deliveries;
  for (size_t r = 0; r < calls.size(); r++)
    for (size_t peer = 0; peer < calls.size(); peer++) {
      auto sent = exchanges(calls[r], Kind::SEND, peer), received = exchanges(calls[peer], Kind::RECEIVE, r);
      for (size_t i = 0; i < sent.size(); i++) {
        auto* bytes = static_cast<const char*>(sent[i]->from);
        deliveries.emplace_back(received[i]->to, std::vector<char>(bytes, bytes + sent[i]->count * bytesOf(sent[i]->type)));
      }
    }
  for (auto& delivery : deliveries) std::memcpy(delivery.first, delivery.second.data(), delivery.second.size());
  for (size_t i = 0; i < calls[0].size(); i++) if (!calls[0][i].isExchange()) workOn(*this, i);
}

// ---- Streams ----

// Unless a rank has aborted, whose memory may be gone.
void runWork(void* data) {
  std::unique_ptr<std::shared_ptr<Round>> round(static_cast<std::shared_ptr<Round>*>(data));
  std::lock_guard<std::mutex> lock(mutex);
  for (const Comm* comm : (*round)->comms) if (comm->aborted) return;
  (*round)->work();
}

bool driver(int code) { return code == 0; }

// Lets rank 0's stream do the work once all streams are there, and all streams go on after it.
bool meetOnce(const std::shared_ptr<Round>& round) {
  const DriverCalls& cuda = DriverCalls::get();
  bool fine = true;
  auto in = [&](size_t rank, auto body) {
    fine = fine && driver(cuda.contextPush(round->comms[rank]->context));
    if (!fine) return;
    body(round->calls[rank][0].stream);
    cuda.contextPop(nullptr);
  };
  std::vector<void*> events(round->calls.size());
  for (size_t r = 0; r < events.size(); r++)
    in(r, [&](void* stream) {
      fine = driver(cuda.eventCreate(&events[r], 2)) && driver(cuda.eventRecord(events[r], stream));
    });
  void* end = nullptr;
  in(0, [&](void* stream) {
    for (size_t r = 1; r < events.size(); r++) fine = fine && driver(cuda.streamWaitEvent(stream, events[r], 0));
    fine = fine && driver(cuda.launchHostFunc(stream, runWork, new std::shared_ptr<Round>(round))) &&
           driver(cuda.eventCreate(&end, 2)) && driver(cuda.eventRecord(end, stream));
  });
  for (size_t r = 1; r < events.size(); r++) in(r, [&](void* stream) { fine = driver(cuda.streamWaitEvent(stream, end, 0)); });
  for (size_t r = 0; r < events.size(); r++) in(r, [&](void*) { cuda.eventDestroy(events[r]); });
  in(0, [&](void*) { cuda.eventDestroy(end); });
  return fine;
}

struct Spin {
  std::shared_ptr<Round> round;
  Comm* comm;
};

void arrive(void* data) {
  Round& round = *static_cast<Spin*>(data)->round;
  std::lock_guard<std::mutex> lock(mutex);
  if (static_cast<Spin*>(data)->comm->aborted || ++round.arrived < round.calls.size()) return;
  std::string misfit = round.misfit();
  if (misfit.empty()) round.work();
  else for (Comm* comm : round.comms) comm->state = refuse(INVALID_USAGE, misfit);
  round.done = true;
}

void spin(void* data) {
  auto& own = *static_cast<Spin*>(data);
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (own.round->done || own.comm->aborted) return;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(SPIN_MILLIS));
}

void endSpin(void* data) {
  std::unique_ptr<Spin> own(static_cast<Spin*>(data));
  std::lock_guard<std::mutex> lock(mutex);
  if (!own->round->done && !own->comm->aborted) own->comm->state = refuse(INTERNAL_ERROR, "the stand-in spun for too short");
}

bool meetOnDevice(const std::shared_ptr<Round>& round, Comm* comm) {
  const DriverCalls& cuda = DriverCalls::get();
  void* stream = round->calls[size_t(comm->rank)][0].stream;
  auto* own = new Spin{round, comm};
  bool fine = driver(cuda.launchHostFunc(stream, arrive, own));
  for (int i = 0; i < spins / SPIN_MILLIS && fine; i++) fine = driver(cuda.launchHostFunc(stream, spin, own));
  return fine && driver(cuda.launchHostFunc(stream, endSpin, own));
}

// ---- Calls ----

// As ncclCommEnsureReady.
int ready(Comm* comm) {
  if (comm == nullptr || comm->alive != ALIVE) return refuse(INVALID_ARGUMENT, "not a live communicator");
  if (comm->state == IN_PROGRESS) return refuse(INVALID_ARGUMENT, "used before the previous call was through");
  if (comm->finalized) return refuse(INVALID_USAGE, "used after ncclCommFinalize");
  return comm->state;
}

// One operation of one rank. Under the lock.
int submit(Comm* comm, std::vector<Call> calls) {
  if (calls.empty()) return SUCCESS;
  for (const Call& call : calls)
    if (call.stream != calls[0].stream) return refuse(INVALID_USAGE, "a group on two streams, which this project has not");
  if (currentContext() != comm->context) return refuse(INVALID_USAGE, "the communicator's context is not current");
  Clique& clique = *comm->clique;
  if (comm->round == clique.rounds.size()) clique.rounds.push_back(std::make_shared<Round>(clique.ranks));
  std::shared_ptr<Round> round = clique.rounds[comm->round++];
  round->calls[size_t(comm->rank)] = std::move(calls);
  round->comms[size_t(comm->rank)] = comm;
  if (spins > 0) return meetOnDevice(round, comm) ? SUCCESS : refuse(CUDA_ERROR, "the driver refuses");
  comm->state = IN_PROGRESS;
  if (++round->called < clique.ranks) return IN_PROGRESS;
  std::string misfit = round->misfit();
  int state = !misfit.empty()       ? refuse(INVALID_USAGE, misfit)
              : meetOnce(round)     ? int(SUCCESS)
                                    : refuse(CUDA_ERROR, "the driver refuses");
  for (Comm* each : round->comms) each->state = state;
  return state;
}

// As ArgsCheck, and what is not stood in for.
int check(Comm* comm, const Call& call, int op) {
  if (call.root < 0 || size_t(call.root) >= comm->clique->ranks) return refuse(INVALID_ARGUMENT, "root");
  if (call.type < 0 || call.type >= TYPES) return refuse(INVALID_ARGUMENT, "type");
  if (call.type != FLOAT32 && call.type != BFLOAT16) return refuse(INVALID_USAGE, "a type that is not stood in for");
  if (op != SUM) return refuse(INVALID_ARGUMENT, "operation");
  if (call.count > 0 && (call.from == nullptr || call.to == nullptr)) return refuse(INVALID_ARGUMENT, "null");
  return SUCCESS;
}

int enqueue(Comm* comm, const Call& call, int op) {
  std::lock_guard<std::mutex> lock(mutex);
  int outcome = ready(comm);
  if (outcome == SUCCESS) outcome = check(comm, call, op);
  if (outcome != SUCCESS) {
    if (depth > 0) groupError = outcome;
    return outcome;
  }
  if (call.count == 0 && !call.isExchange()) return SUCCESS;
  if (depth == 0) return submit(comm, {call});
  if (groupComm != nullptr && groupComm != comm) return groupError = refuse(INVALID_USAGE, "a group of two communicators");
  groupComm = comm;
  group.push_back(call);
  return SUCCESS;
}

}  // namespace

SPARROW_LIBRARY_API int ncclGetVersion(int* version) {
  *version = 22105;
  return SUCCESS;
}

SPARROW_LIBRARY_API const char* ncclGetErrorString(int outcome) {
  switch (outcome) {
    case SUCCESS: return "no error";
    case CUDA_ERROR: return "unhandled cuda error";
    case SYSTEM_ERROR: return "unhandled system error";
    case INTERNAL_ERROR: return "internal error";
    case INVALID_ARGUMENT: return "invalid argument";
    case INVALID_USAGE: return "invalid usage";
    case REMOTE_ERROR: return "remote process exited or there was a network error";
    case IN_PROGRESS: return "NCCL operation in progress";
    default: return "unknown result code";
  }
}

SPARROW_LIBRARY_API const char* ncclGetLastError(Comm*) {
  thread_local std::string copy;
  std::lock_guard<std::mutex> lock(mutex);
  copy = lastError;
  return copy.c_str();
}

SPARROW_LIBRARY_API int ncclGetUniqueId(UniqueId* id) {
  std::lock_guard<std::mutex> lock(mutex);
  if (id == nullptr) return refuse(INVALID_ARGUMENT, "no place for the id");
  std::random_device random;
  for (char& byte : id->internal) byte = char(random());
  cliques[std::string(id->internal, ID_BYTES)] = std::make_shared<Clique>();
  return SUCCESS;
}

SPARROW_LIBRARY_API int ncclCommInitRankConfig(Comm** made, int ranks, UniqueId id, int rank, Config* config) {
  std::lock_guard<std::mutex> lock(mutex);
  *made = nullptr;
  if (config == nullptr || config->magic != 0xcafebeef || config->bytes < sizeof(Config))
    return refuse(INVALID_ARGUMENT, "config");
  if (config->version < 21400 || config->blocking != 0) return refuse(INVALID_ARGUMENT, "blocking, which this project is not");
  if (ranks < 1 || rank < 0 || rank >= ranks) return refuse(INVALID_ARGUMENT, "rank");
  auto found = cliques.find(std::string(id.internal, ID_BYTES));
  if (found == cliques.end()) return refuse(SYSTEM_ERROR, "nobody listens for this id");
  auto* comm = new Comm;  // never freed, so that use after destruction is found
  comm->clique = found->second;
  comm->rank = rank;
  comm->context = currentContext();
  if (comm->context == nullptr || DriverCalls::get().contextGetDevice(&comm->device) != 0)
    return refuse(CUDA_ERROR, "no context");
  *made = comm;
  Clique& clique = *comm->clique;
  if (clique.ranks == 0) {
    clique.ranks = size_t(ranks);
    clique.comms.resize(size_t(ranks));
  }
  if (clique.ranks != size_t(ranks) || clique.comms[size_t(rank)] != nullptr)
    return comm->state = refuse(INVALID_ARGUMENT, "another size than the other ranks', or a rank twice");
  clique.comms[size_t(rank)] = comm;
  for (Comm* other : clique.comms) if (other == nullptr) return IN_PROGRESS;
  int state = SUCCESS;
  for (Comm* one : clique.comms)
    for (Comm* other : clique.comms)
      if (one->rank < other->rank && one->device == other->device) state = refuse(INVALID_USAGE, "Duplicate GPU detected");
  for (Comm* each : clique.comms) each->state = state;
  return state;
}

SPARROW_LIBRARY_API int ncclCommGetAsyncError(Comm* comm, int* state) {
  std::lock_guard<std::mutex> lock(mutex);
  if (comm == nullptr || comm->alive != ALIVE) return refuse(INVALID_ARGUMENT, "not a live communicator");
  if (state == nullptr) return refuse(INVALID_ARGUMENT, "no place for the state");
  *state = comm->state;
  return SUCCESS;
}

SPARROW_LIBRARY_API int ncclCommFinalize(Comm* comm) {
  std::lock_guard<std::mutex> lock(mutex);
  int outcome = ready(comm);
  if (outcome == SUCCESS) comm->finalized = true;
  return outcome;
}

SPARROW_LIBRARY_API int ncclCommDestroy(Comm* comm) {
  std::lock_guard<std::mutex> lock(mutex);
  if (comm == nullptr || comm->alive != ALIVE) return refuse(INVALID_ARGUMENT, "destroyed before");
  if (!comm->finalized) return refuse(INVALID_USAGE, "destroyed without ncclCommFinalize, which may block");
  comm->alive = 0;
  return SUCCESS;
}

SPARROW_LIBRARY_API int ncclCommAbort(Comm* comm) {
  std::lock_guard<std::mutex> lock(mutex);
  if (comm == nullptr || comm->alive != ALIVE) return refuse(INVALID_ARGUMENT, "aborted or destroyed before");
  comm->alive = 0;
  comm->aborted = true;
  if (tellsPeers) for (Comm* other : comm->clique->comms) if (other != nullptr && other != comm) other->state = REMOTE_ERROR;
  return SUCCESS;
}

SPARROW_LIBRARY_API int ncclGroupStart() {
  depth++;
  return SUCCESS;
}

SPARROW_LIBRARY_API int ncclGroupEnd() {
  std::lock_guard<std::mutex> lock(mutex);
  if (depth == 0) return refuse(INVALID_USAGE, "not in a group");
  if (--depth > 0) return SUCCESS;
  std::vector<Call> calls = std::move(group);
  Comm* comm = groupComm;
  int error = groupError;
  group.clear();
  groupComm = nullptr;
  groupError = SUCCESS;
  if (error != SUCCESS || comm == nullptr) return error;
  return submit(comm, std::move(calls));
}

SPARROW_LIBRARY_API int ncclAllReduce(const void* from, void* to, size_t count, int type, int op, Comm* comm, void* stream) {
  return enqueue(comm, {Kind::ALL_REDUCE, from, to, count, type, 0, stream}, op);
}

SPARROW_LIBRARY_API int ncclReduce(const void* from, void* to, size_t count, int type, int op, int root, Comm* comm,
                                   void* stream) {
  return enqueue(comm, {Kind::REDUCE, from, to, count, type, root, stream}, op);
}

SPARROW_LIBRARY_API int ncclReduceScatter(const void* from, void* to, size_t count, int type, int op, Comm* comm,
                                          void* stream) {
  return enqueue(comm, {Kind::REDUCE_SCATTER, from, to, count, type, 0, stream}, op);
}

SPARROW_LIBRARY_API int ncclAllGather(const void* from, void* to, size_t count, int type, Comm* comm, void* stream) {
  if (comm != nullptr && to != nullptr && from != offset(to, type, size_t(comm->rank) * count)) {
    std::lock_guard<std::mutex> lock(mutex);
    return refuse(INVALID_USAGE, "not in place, which this project always is");
  }
  return enqueue(comm, {Kind::ALL_GATHER, from, to, count, type, 0, stream}, SUM);
}

SPARROW_LIBRARY_API int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, Comm* comm,
                                      void* stream) {
  return enqueue(comm, {Kind::BROADCAST, from, to, count, type, root, stream}, SUM);
}

SPARROW_LIBRARY_API int ncclSend(const void* from, size_t count, int type, int peer, Comm* comm, void* stream) {
  return enqueue(comm, {Kind::SEND, from, const_cast<void*>(from), count, type, peer, stream}, SUM);
}

SPARROW_LIBRARY_API int ncclRecv(void* to, size_t count, int type, int peer, Comm* comm, void* stream) {
  return enqueue(comm, {Kind::RECEIVE, to, to, count, type, peer, stream}, SUM);
}

// For tests: ranks meet on the device from now on, which then spins about so many milliseconds at most; 0: when they call.
SPARROW_LIBRARY_API void sparrowNcclSpin(int milliseconds) {
  std::lock_guard<std::mutex> lock(mutex);
  spins = milliseconds;
}

// For tests: whether the others are told that a rank aborted, as over a network, or not, as between GPUs of a machine.
SPARROW_LIBRARY_API void sparrowNcclTellPeers(int tell) {
  std::lock_guard<std::mutex> lock(mutex);
  tellsPeers = tell != 0;
}
