package dev.sparrow.spark.files;

import java.io.IOException;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;

/** Local files under an object store's scheme, where a rename is not to be relied on. */
public final class ObjectStoreFake extends RawLocalFileSystem {
  static final String SCHEME = "s3a";

  static Configuration configuration() {
    Configuration configuration = new Configuration(false);
    configuration.setClass(
        "fs." + SCHEME + ".impl", ObjectStoreFake.class, RawLocalFileSystem.class);
    return configuration;
  }

  @Override
  public String getScheme() {
    return SCHEME;
  }

  @Override
  public URI getUri() {
    return URI.create(SCHEME + "://bucket");
  }

  @Override
  public boolean rename(Path from, Path to) throws IOException {
    throw new IOException("rename " + from + ": not on an object store");
  }
}
