package dev.sparrow.backend.cuda;

import java.nio.charset.StandardCharsets;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUuuid;
import jcuda.driver.JCudaDriver;

/**
 * The one door to the driver API: each call is checked here, and a code other than success is a
 * {@link CudaException}. Kernel launches and waits on a stream go through {@link Stream}, which
 * knows the launch to name in the message.
 *
 * <p>Nothing here may be touched before {@link CudaDriver#load}: the first use binds the driver. An
 * asynchronous failure can surface at any call; the calls that wait for the device carry the last
 * launch, the others only their own name.
 */
final class Cuda {
  private Cuda() {}

  /** Throws unless {@code code} is success. */
  static void check(String call, int code) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaException(call, code, "");
    }
  }

  /** Throws unless {@code code} is success, naming the last launch in the context. */
  static void check(String call, int code, LastLaunch last) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaException(call, code, last.describe());
    }
  }

  /** Throws unless {@code code} is success, naming kernel, grid, block and shared bytes. */
  static void check(String call, int code, Launch launch) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaException(call, code, launch.describe());
    }
  }

  static int driverVersion() {
    int[] version = new int[1];
    check("cuDriverGetVersion", JCudaDriver.cuDriverGetVersion(version));
    return version[0];
  }

  static int deviceCount() {
    int[] count = new int[1];
    check("cuDeviceGetCount", JCudaDriver.cuDeviceGetCount(count));
    return count[0];
  }

  static CUdevice device(int ordinal) {
    CUdevice device = new CUdevice();
    check("cuDeviceGet", JCudaDriver.cuDeviceGet(device, ordinal));
    return device;
  }

  static byte[] uuid(CUdevice device) {
    CUuuid uuid = new CUuuid();
    check("cuDeviceGetUuid", JCudaDriver.cuDeviceGetUuid(uuid, device));
    return uuid.bytes;
  }

  static String name(CUdevice device) {
    byte[] name = new byte[256];
    check("cuDeviceGetName", JCudaDriver.cuDeviceGetName(name, name.length, device));
    int end = 0;
    while (end < name.length && name[end] != 0) {
      end++;
    }
    return new String(name, 0, end, StandardCharsets.US_ASCII);
  }

  static int attribute(CUdevice device, int attribute) {
    int[] value = new int[1];
    check("cuDeviceGetAttribute", JCudaDriver.cuDeviceGetAttribute(value, attribute, device));
    return value[0];
  }

  static long totalBytes(CUdevice device) {
    long[] bytes = new long[1];
    check("cuDeviceTotalMem", JCudaDriver.cuDeviceTotalMem(bytes, device));
    return bytes[0];
  }

  static CUcontext retainPrimary(CUdevice device) {
    CUcontext context = new CUcontext();
    check("cuDevicePrimaryCtxRetain", JCudaDriver.cuDevicePrimaryCtxRetain(context, device));
    return context;
  }

  static void releasePrimary(CUdevice device) {
    check("cuDevicePrimaryCtxRelease", JCudaDriver.cuDevicePrimaryCtxRelease(device));
  }

  static void pushCurrent(CUcontext context) {
    check("cuCtxPushCurrent", JCudaDriver.cuCtxPushCurrent(context));
  }

  static void setCurrent(CUcontext context) {
    check("cuCtxSetCurrent", JCudaDriver.cuCtxSetCurrent(context));
  }

  static void popCurrent() {
    check("cuCtxPopCurrent", JCudaDriver.cuCtxPopCurrent(new CUcontext()));
  }

  static CUmodule loadModule(byte[] image) {
    CUmodule module = new CUmodule();
    // Takes fatbins too. cuModuleLoadFatBinary of JCuda 12.6.0 does not hand the module back.
    check("cuModuleLoadData", JCudaDriver.cuModuleLoadData(module, image));
    return module;
  }

  static void unload(CUmodule module) {
    check("cuModuleUnload", JCudaDriver.cuModuleUnload(module));
  }

  static CUfunction function(CUmodule module, String name) {
    CUfunction function = new CUfunction();
    int code = JCudaDriver.cuModuleGetFunction(function, module, name);
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaException("cuModuleGetFunction", code, name);
    }
    return function;
  }

  static void setAttribute(CUfunction function, int attribute, int value) {
    check("cuFuncSetAttribute", JCudaDriver.cuFuncSetAttribute(function, attribute, value));
  }

  /** The code is the caller's to judge: exhaustion is no error yet. */
  static int tryAllocate(DeviceAddress address, long bytes) {
    return JCudaDriver.cuMemAlloc(address, bytes);
  }

  static void free(CUdeviceptr address) {
    check("cuMemFree", JCudaDriver.cuMemFree(address));
  }

  /** Free and total bytes of the current context's device. */
  static void memory(long[] free, long[] total) {
    check("cuMemGetInfo", JCudaDriver.cuMemGetInfo(free, total));
  }

  static void allocatePinned(HostAddress address, long bytes) {
    check("cuMemHostAlloc", JCudaDriver.cuMemHostAlloc(address, bytes, 0));
  }

  static void freePinned(HostAddress address) {
    check("cuMemFreeHost", JCudaDriver.cuMemFreeHost(address));
  }

  static StreamHandle createStream(int flags) {
    StreamHandle stream = new StreamHandle();
    check("cuStreamCreate", JCudaDriver.cuStreamCreate(stream, flags));
    return stream;
  }

  static void destroy(CUstream stream) {
    check("cuStreamDestroy", JCudaDriver.cuStreamDestroy(stream));
  }

  static CUevent createEvent(int flags) {
    CUevent event = new CUevent();
    check("cuEventCreate", JCudaDriver.cuEventCreate(event, flags));
    return event;
  }

  static float elapsedMillis(CUevent start, CUevent end) {
    float[] millis = new float[1];
    check("cuEventElapsedTime", JCudaDriver.cuEventElapsedTime(millis, start, end));
    return millis[0];
  }

  static void synchronize(CUevent event) {
    check("cuEventSynchronize", JCudaDriver.cuEventSynchronize(event));
  }

  static void destroy(CUevent event) {
    check("cuEventDestroy", JCudaDriver.cuEventDestroy(event));
  }

  static CUgraphExec instantiate(CUgraph graph) {
    CUgraphExec executable = new CUgraphExec();
    check("cuGraphInstantiate", JCudaDriver.cuGraphInstantiate(executable, graph, 0));
    return executable;
  }

  static void destroy(CUgraph graph) {
    check("cuGraphDestroy", JCudaDriver.cuGraphDestroy(graph));
  }

  static void destroy(CUgraphExec graph) {
    check("cuGraphExecDestroy", JCudaDriver.cuGraphExecDestroy(graph));
  }
}
