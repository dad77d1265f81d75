package dev.sparrow.spark;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.CudaBackend;
import dev.sparrow.spark.job.RankBackend;
import java.util.stream.Stream;

/** What the packages of this module may import, as their package-info files state it. */
@AnalyzeClasses(
    packages = "dev.sparrow.spark",
    importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  @ArchTest static final ArchRule DATA_KNOWS_NOBODY = onlyKnows("spark.data");

  @ArchTest static final ArchRule TOKENIZERS_SHARE_ERRORS = onlyKnows("spark.text", "spark.data");

  @ArchTest
  static final ArchRule SHARDS_KNOW_NO_TRAINING =
      onlyKnows("spark.shard", "spark.data", "spark.text", "spark.image", "data", "tensor");

  @ArchTest
  static final ArchRule IMAGES_SHARE_ERRORS = onlyKnows("spark.image", "spark.data", "data");

  @ArchTest
  static final ArchRule CLUSTERS_KNOW_NO_MODELS =
      onlyKnows("spark.cluster", "collective", "config");

  @ArchTest static final ArchRule FILES_SERVE_CHECKPOINTS = onlyKnows("spark.files", "checkpoint");

  @ArchTest static final ArchRule REPORTS_KNOW_NOBODY = onlyKnows("spark.report");

  @ArchTest
  static final ArchRule JOBS_KNOW_NO_COMMAND_LINE =
      noClasses()
          .that()
          .resideInAPackage("dev.sparrow.spark.job..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.sparrow.spark.cli..", "dev.sparrow.spark.bench..", "picocli..");

  @ArchTest
  static final ArchRule CLUSTERS_AND_REPORTS_TOUCH_NO_FILES =
      noClasses()
          .that()
          .resideInAnyPackage("dev.sparrow.spark.cluster..", "dev.sparrow.spark.report..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("org.apache.hadoop..", "org.apache.arrow..");

  @ArchTest
  static final ArchRule ARROW_STAYS_WITH_THE_DATA =
      noClasses()
          .that()
          .resideOutsideOfPackages("dev.sparrow.spark.data..", "dev.sparrow.spark.shard..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.apache.arrow..");

  @ArchTest
  static final ArchRule NOBODY_MEETS_DEVICES_OR_THE_NETWORK =
      noClasses().should().dependOnClassesThat().resideInAnyPackage("jcuda..", "io.netty..");

  @ArchTest
  static final ArchRule ONE_CLASS_OPENS_THE_BACKENDS =
      noClasses()
          .that()
          .areNotAssignableTo(RankBackend.class)
          .should()
          .dependOnClassesThat()
          .areAssignableTo(CpuBackend.class)
          .orShould()
          .dependOnClassesThat()
          .areAssignableTo(CudaBackend.class);

  @ArchTest
  static final ArchRule PACKAGES_FORM_NO_CYCLES =
      slices().matching("dev.sparrow.spark.(*)..").should().beFreeOfCycles();

  /** Of the project's packages, this one may use itself and those named. */
  private static ArchRule onlyKnows(String own, String... others) {
    String[] allowed =
        Stream.concat(Stream.of(own), Stream.of(others))
            .map(name -> "dev.sparrow." + name + "..")
            .toArray(String[]::new);
    return noClasses()
        .that()
        .resideInAPackage(allowed[0])
        .should()
        .dependOnClassesThat(
            resideInAPackage("dev.sparrow..").and(resideOutsideOfPackages(allowed)));
  }
}
