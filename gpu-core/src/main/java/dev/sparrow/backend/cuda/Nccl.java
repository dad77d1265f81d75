package dev.sparrow.backend.cuda;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import dev.sparrow.tensor.DType;

/**
 * The functions of libnccl that this backend calls, and their numbers: nccl.h of NCCL 2.18 to 2.30,
 * which do not differ here. Buffers are device addresses, counts are elements. Every function
 * answers one of the results below. Every thread may call.
 *
 * <p>Communicators are non-blocking: a call may answer {@link #IN_PROGRESS}, and then {@link
 * #asyncError} does until it is through. So nothing here waits for another rank, and whoever polls
 * can give up (NCCL's user guide, "Fault Tolerance").
 */
final class Nccl {
  static final String NAME = "libnccl.so.2";

  /** NCCL_VERSION_CODE of 2.18: major times 10000, minor times 100, patch. */
  private static final int OLDEST_VERSION = 21_800;

  // ncclResult_t
  static final int SUCCESS = 0;
  static final int IN_PROGRESS = 7;

  private static final int SUM = 0; // ncclRedOp_t

  // ncclDataType_t
  private static final int FLOAT32 = 7;
  private static final int BFLOAT16 = 9;

  /** NCCL_UNIQUE_ID_BYTES. */
  static final int ID_BYTES = 128;

  private final NativeLibrary library;
  private final int version;
  private final Function asyncError;

  private Nccl(NativeLibrary library) {
    this.library = library;
    this.asyncError = library.getFunction("ncclCommGetAsyncError");
    IntByReference code = new IntByReference();
    library.getFunction("ncclGetVersion").invokeInt(new Object[] {code});
    this.version = code.getValue();
  }

  /**
   * The library of this machine.
   *
   * @param asked the setting that asks, which leads the message
   * @throws CudaUnavailableException where it is not found or too old
   */
  static Nccl find(String asked) {
    return find(asked, NAME);
  }

  static Nccl find(String asked, String name) {
    NativeLibrary library = CudaLibraries.load(name);
    if (library == null) {
      throw unavailable(asked, "NCCL is not found (looked for " + name + ")");
    }
    Nccl nccl = new Nccl(library);
    if (nccl.version < OLDEST_VERSION) {
      throw unavailable(asked, nccl + " is older than 2.18, the first that is supported");
    }
    return nccl;
  }

  private static CudaUnavailableException unavailable(String asked, String missing) {
    return new CudaUnavailableException(
        asked,
        missing,
        "install a later one for the driver's CUDA version and put its folder on LD_LIBRARY_PATH,"
            + " or let tensors go through the host by train.cuda.nccl=off");
  }

  /** ncclUniqueId, which C takes by value. Public, as JNA wants it. */
  @FieldOrder("internal")
  public static final class UniqueId extends Structure implements Structure.ByValue {
    public byte[] internal = new byte[ID_BYTES];
  }

  /**
   * The beginning of ncclConfig_t as NCCL 2.14 had it (ncclConfig_v21400). Later versions know by
   * size and version that the rest is not there, and take their defaults.
   */
  @FieldOrder({"size", "magic", "version", "blocking", "cgaClusterSize"})
  public static final class Config extends Structure {
    public long size = 24;
    public int magic = 0xcafebeef; // NCCL_API_MAGIC
    public int version = 21_400;
    public int blocking = 0;
    public int cgaClusterSize = Integer.MIN_VALUE; // padding in 2.14, then NCCL_CONFIG_UNDEF_INT
  }

  /** Bytes that are to be handed to all ranks, for {@link #initRank}. NCCL listens for them. */
  int uniqueId(byte[] id) {
    Memory memory = new Memory(ID_BYTES);
    int result = call("ncclGetUniqueId", memory);
    memory.read(0, id, 0, ID_BYTES);
    return result;
  }

  /**
   * Begins to make the communicator of all ranks on the calling thread's context.
   *
   * @param communicator gets it, also where this fails half-way
   */
  int initRank(PointerByReference communicator, int size, byte[] id, int rank) {
    UniqueId unique = new UniqueId();
    unique.internal = id.clone();
    return call("ncclCommInitRankConfig", communicator, size, unique, rank, new Config());
  }

  int asyncError(Pointer communicator, IntByReference result) {
    return asyncError.invokeInt(new Object[] {communicator, result});
  }

  int allReduce(long values, long count, DType type, Pointer communicator, long stream) {
    return call(
        "ncclAllReduce",
        new Pointer(values),
        new Pointer(values),
        count,
        code(type),
        SUM,
        communicator,
        new Pointer(stream));
  }

  /** The sum of {@code values} goes to the root's {@code values}. */
  int reduce(long values, long count, DType type, int root, Pointer communicator, long stream) {
    return call(
        "ncclReduce",
        new Pointer(values),
        new Pointer(values),
        count,
        code(type),
        SUM,
        root,
        communicator,
        new Pointer(stream));
  }

  /** {@code count} is that of a part; in place where {@code received} is the rank's own part. */
  int reduceScatter(
      long values, long received, long count, DType type, Pointer communicator, long stream) {
    return call(
        "ncclReduceScatter",
        new Pointer(values),
        new Pointer(received),
        count,
        code(type),
        SUM,
        communicator,
        new Pointer(stream));
  }

  /** {@code count} is that of a part; in place where {@code sent} is the rank's own part. */
  int allGather(long sent, long values, long count, DType type, Pointer communicator, long stream) {
    return call(
        "ncclAllGather",
        new Pointer(sent),
        new Pointer(values),
        count,
        code(type),
        communicator,
        new Pointer(stream));
  }

  int broadcast(long values, long count, DType type, int root, Pointer communicator, long stream) {
    return call(
        "ncclBroadcast",
        new Pointer(values),
        new Pointer(values),
        count,
        code(type),
        root,
        communicator,
        new Pointer(stream));
  }

  /** Within a group, as {@link #receive}, so that neither waits for the other. */
  int send(long values, long count, DType type, int peer, Pointer communicator, long stream) {
    return exchange("ncclSend", values, count, type, peer, communicator, stream);
  }

  int receive(long values, long count, DType type, int peer, Pointer communicator, long stream) {
    return exchange("ncclRecv", values, count, type, peer, communicator, stream);
  }

  private int exchange(
      String call,
      long values,
      long count,
      DType type,
      int peer,
      Pointer communicator,
      long stream) {
    return call(
        call, new Pointer(values), count, code(type), peer, communicator, new Pointer(stream));
  }

  /** What this thread calls up to {@link #groupEnd} starts there, as one operation. */
  int groupStart() {
    return call("ncclGroupStart");
  }

  int groupEnd() {
    return call("ncclGroupEnd");
  }

  /** Begins to take leave of the other ranks. */
  int finish(Pointer communicator) {
    return call("ncclCommFinalize", communicator);
  }

  /** Frees what has taken leave. */
  int destroy(Pointer communicator) {
    return call("ncclCommDestroy", communicator);
  }

  /** Ends what runs on the device and frees all, whatever the other ranks do. */
  int abort(Pointer communicator) {
    return call("ncclCommAbort", communicator);
  }

  /** Such as {@code 6 (remote process exited or there was a network error)}. */
  String words(int result) {
    Object[] arguments = {result};
    return result
        + " ("
        + library.getFunction("ncclGetErrorString").invokeString(arguments, /* wide= */ false)
        + ")";
  }

  /** What NCCL itself said last, or nothing. */
  String lastError(Pointer communicator) {
    Object[] arguments = {communicator};
    String text =
        library.getFunction("ncclGetLastError").invokeString(arguments, /* wide= */ false);
    return text == null || text.isBlank() ? "" : ": " + text.strip();
  }

  private int call(String name, Object... arguments) {
    return library.getFunction(name).invokeInt(arguments);
  }

  private static int code(DType type) {
    return switch (type) {
      case F32 -> FLOAT32;
      case BF16 -> BFLOAT16;
      default -> throw new IllegalArgumentException("expected F32 or BF16, got " + type);
    };
  }

  /** Such as {@code NCCL 2.21.5}. */
  @Override
  public String toString() {
    return "NCCL " + version / 10_000 + "." + version / 100 % 100 + "." + version % 100;
  }
}
