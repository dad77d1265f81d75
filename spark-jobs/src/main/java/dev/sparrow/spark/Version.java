package dev.sparrow.spark;

import picocli.CommandLine.IVersionProvider;

/** The version that the jar's manifest carries. */
final class Version implements IVersionProvider {
  @Override
  public String[] getVersion() {
    String version = Sparrow.class.getPackage().getImplementationVersion();
    return new String[] {"sparrow " + (version == null ? "(not packaged)" : version)};
  }
}
