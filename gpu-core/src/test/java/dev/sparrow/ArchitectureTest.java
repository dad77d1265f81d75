package dev.sparrow;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.properties.HasOwner;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The dependency rule of the house, as the package-info files state it. */
@AnalyzeClasses(packages = "dev.sparrow", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  @ArchTest
  static final ArchRule CORE_KNOWS_NO_CLUSTER =
      noClasses()
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "org.apache.spark..", "org.apache.arrow..", "org.apache.hadoop..", "scala..");

  @ArchTest
  static final ArchRule ONLY_THE_CPU_BACKEND_MEETS_ITS_LIBRARIES =
      noClasses()
          .that()
          .resideOutsideOfPackage("dev.sparrow.backend.cpu..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.ludovic.netlib..", "org.bytedeco..", "jdk.incubator.vector..");

  @ArchTest
  static final ArchRule ONLY_THE_CUDA_BACKEND_MEETS_ITS_LIBRARIES =
      noClasses()
          .that()
          .resideOutsideOfPackage("dev.sparrow.backend.cuda..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("jcuda..");

  @ArchTest
  static final ArchRule NATIVE_LIBRARIES_ARE_BOUND_BY_BACKENDS_AND_BENCHMARKS =
      noClasses()
          .that()
          .resideOutsideOfPackages(
              "dev.sparrow.backend.cuda..", "dev.sparrow.backend.cpu..", "dev.sparrow.bench..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.sun.jna..");

  @ArchTest
  static final ArchRule ONLY_COLLECTIVES_MEET_THE_NETWORK =
      noClasses()
          .that()
          .resideOutsideOfPackage("dev.sparrow.collective..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("io.netty..");

  /** Low-rank factors are found by the host's linear algebra, whatever trains. */
  @ArchTest
  static final ArchRule LAYERS_TALK_TO_DEVICES_THROUGH_BACKEND_ALONE =
      noClasses()
          .that()
          .resideOutsideOfPackages(
              "dev.sparrow.backend.cpu..",
              "dev.sparrow.collective..",
              "dev.sparrow.sparsity.lowrank..",
              "dev.sparrow.bench..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("dev.sparrow.backend.cpu..");

  @ArchTest
  static final ArchRule CORE_REACHES_GPUS_THROUGH_BACKEND_ALONE =
      noClasses()
          .that()
          .resideOutsideOfPackage("dev.sparrow.backend.cuda..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("dev.sparrow.backend.cuda..");

  /** A second width makes every vector loop that is compiled afterwards several times slower. */
  @ArchTest
  static final ArchRule FLOAT_VECTORS_HAVE_ONE_WIDTH =
      noClasses()
          .that()
          .doNotHaveFullyQualifiedName("dev.sparrow.backend.cpu.Lanes")
          .should()
          .accessFieldWhere(
              JavaAccess.Predicates.target(HasOwner.Predicates.With.owner(type(FloatVector.class))))
          .orShould()
          .callMethod(VectorSpecies.class, "of", Class.class, VectorShape.class)
          .orShould()
          .callMethod(VectorSpecies.class, "withShape", VectorShape.class);

  @ArchTest static final ArchRule TENSORS_KNOW_NOBODY = onlyKnows("tensor");

  @ArchTest
  static final ArchRule DATA_KNOWS_SETTINGS_DRAWS_AND_HOST_MEMORY =
      onlyKnows("data", "config", "backend", "tensor");

  @ArchTest static final ArchRule BACKENDS_KNOW_TENSORS = onlyKnows("backend", "tensor");

  @ArchTest
  static final ArchRule COLLECTIVES_KNOW_TENSORS_IN_ARRAYS =
      onlyKnows("collective", "tensor", "backend");

  @ArchTest static final ArchRule SETTINGS_KNOW_ENUMS = onlyKnows("config", "backend");

  @ArchTest static final ArchRule LAYERS = onlyKnows("nn", "tensor", "backend", "config");

  @ArchTest
  static final ArchRule METHODS =
      onlyKnows("sparsity", "tensor", "backend", "config", "nn", "collective");

  @ArchTest
  static final ArchRule MODELS =
      onlyKnows("model", "tensor", "backend", "config", "nn", "sparsity", "data");

  @ArchTest
  static final ArchRule OPTIMIZERS = onlyKnows("optim", "tensor", "backend", "config", "nn");

  @ArchTest static final ArchRule CHECKPOINTS = onlyKnows("checkpoint", "tensor", "backend");

  @ArchTest
  static final ArchRule NOBODY_KNOWS_THE_TRAINER_BUT_BENCHMARKS =
      noClasses()
          .that()
          .resideOutsideOfPackages("dev.sparrow.train..", "dev.sparrow.bench..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.sparrow.train..", "dev.sparrow.bench..");

  @ArchTest
  static final ArchRule PACKAGES_FORM_NO_CYCLES =
      slices().matching("dev.sparrow.(*)..").should().beFreeOfCycles();

  /** Of the project's packages, this one may use itself and those named. */
  private static ArchRule onlyKnows(String own, String... others) {
    String[] allowed = new String[others.length + 1];
    allowed[0] = "dev.sparrow." + own + "..";
    for (int i = 0; i < others.length; i++) {
      allowed[i + 1] = "dev.sparrow." + others[i] + "..";
    }
    return noClasses()
        .that()
        .resideInAPackage(allowed[0])
        .should()
        .dependOnClassesThat(
            resideInAPackage("dev.sparrow..").and(resideOutsideOfPackages(allowed)));
  }
}
