package dev.sparrow.spark.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.Cluster;
import dev.sparrow.config.ConfigParser;
import java.util.List;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RendezvousTest {
  private static SparkConf conf(String master) {
    return new SparkConf(false).set("spark.master", master);
  }

  @ParameterizedTest
  @ValueSource(strings = {"local", "local[2]", "local[*]", "local[2,4]"})
  void nobodyElseJoinsALocalMaster(String master) {
    assertFalse(Rendezvous.isOpen(conf(master)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"local-cluster[2,1,1024]", "yarn", "spark://host:7077", "k8s://host"})
  void aClusterIsOpenUnlessItAuthenticates(String master) {
    assertTrue(Rendezvous.isOpen(conf(master)));
    assertFalse(Rendezvous.isOpen(conf(master).set("spark.authenticate", "true")));
  }

  @ParameterizedTest
  @CsvSource({
    "auto, spark.network.crypto.enabled, true",
    "auto, spark.authenticate.enableSaslEncryption, true",
    "auto, spark.ssl.rpc.enabled, true",
    "auto, spark.authenticate, false",
    "on, spark.authenticate, true",
    "off, spark.network.crypto.enabled, false"
  })
  void theRingIsEncryptedAsSparkIsUnlessToldOtherwise(
      String setting, String key, boolean expected) {
    Cluster cluster =
        ConfigParser.parse("", "defaults", List.of("cluster.encrypt=" + setting)).cluster();
    assertEquals(expected, Rendezvous.encrypts(cluster, conf("yarn").set(key, "true")));
  }

  @Test
  void nothingIsEncryptedWhereSparkEncryptsNothing() {
    assertFalse(Rendezvous.encrypts(ConfigParser.defaults().cluster(), conf("yarn")));
  }
}
