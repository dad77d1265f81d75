package dev.sparrow.backend.cuda;

import dev.sparrow.backend.CudaSettings.NcclUse;
import dev.sparrow.backend.DeviceGroup;
import dev.sparrow.backend.DeviceGroupException;
import dev.sparrow.backend.DeviceGroups;
import dev.sparrow.backend.Peers;
import java.util.Locale;

/** Ranks' GPUs come together by NCCL. */
final class NcclGroups implements DeviceGroups {
  private final Nccl nccl;
  private final NcclUse use;
  private final CudaContext context;
  private final Stream compute;
  private final Opened opened;

  private NcclGroups(Nccl nccl, NcclUse use, CudaContext context, Stream compute, Opened opened) {
    this.nccl = nccl;
    this.use = use;
    this.context = context;
    this.compute = compute;
    this.opened = opened;
  }

  /**
   * @param opened gets the groups, to be closed with the backend
   * @return null where NCCL is not to be used, or need not be and is not to be had, which is told
   *     once
   */
  static NcclGroups of(NcclUse use, CudaContext context, Stream compute, Opened opened) {
    if (use == NcclUse.OFF) {
      return null;
    }
    return CudaLibraries.ifFound(
            () -> Nccl.find(setting(use)), "ranks' GPUs reach each other through the host")
        .map(nccl -> new NcclGroups(nccl, use, context, compute, opened))
        .orElse(null);
  }

  /**
   * @throws CudaUnavailableException where it is ON and the library is not to be had
   */
  static void requireDemanded(NcclUse use) {
    if (use == NcclUse.ON) {
      Nccl.find(setting(use));
    }
  }

  private static String setting(NcclUse use) {
    return "train.cuda.nccl=" + use.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public String description() {
    return nccl.toString();
  }

  @Override
  public byte[] id() {
    byte[] id = new byte[Nccl.ID_BYTES];
    int result = nccl.uniqueId(id);
    if (result != Nccl.SUCCESS) {
      throw new DeviceGroupException(
          nccl + ", ncclGetUniqueId: " + nccl.words(result) + nccl.lastError(null));
    }
    return id;
  }

  @Override
  public DeviceGroup join(byte[] id, Peers peers) {
    return opened.add(new NcclGroup(nccl, context, compute, id, peers));
  }

  @Override
  public String demandedBy() {
    return use == NcclUse.ON ? setting(use) : "";
  }
}
