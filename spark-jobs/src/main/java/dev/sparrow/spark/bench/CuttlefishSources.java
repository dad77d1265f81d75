package dev.sparrow.spark.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * Where the low-rank benchmark's data lie.
 *
 * @param images folder with Parquet in train and test, columns image and label; null: none
 * @param text folder with valid.txt, which is trained on, and test.txt; null: none
 */
public record CuttlefishSources(String images, String text) {
  /**
   * @throws IllegalArgumentException where there are no data for some of the tasks
   */
  public void require(List<CuttlefishTask> tasks) {
    List<String> problems = new ArrayList<>();
    List<CuttlefishTask> blind = missing(tasks, false);
    List<CuttlefishTask> mute = missing(tasks, true);
    if (!blind.isEmpty()) {
      problems.add(
          "expected --data FOLDER with CIFAR-10 as Parquet in FOLDER/train and FOLDER/test (columns image and label) for "
              + words(blind)
              + ", got none");
    }
    if (!mute.isEmpty()) {
      problems.add(
          "expected --text FOLDER with FOLDER/valid.txt and FOLDER/test.txt for "
              + words(mute)
              + ", got none");
    }
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException(
          "bench cuttlefish: "
              + String.join("; ", problems)
              + "; name it, or choose others with --tasks");
    }
  }

  private List<CuttlefishTask> missing(List<CuttlefishTask> tasks, boolean readsText) {
    boolean given = readsText ? text != null : images != null;
    return tasks.stream().filter(task -> !given && task.readsText() == readsText).toList();
  }

  private static String words(List<CuttlefishTask> tasks) {
    return String.join(", ", tasks.stream().map(CuttlefishTask::word).toList());
  }

  /** What the task learns from. */
  String training(CuttlefishTask task) {
    return task.readsText() ? text + "/valid.txt" : images + "/train";
  }

  /** What it is tested on. */
  String test(CuttlefishTask task) {
    return task.readsText() ? text + "/test.txt" : images + "/test";
  }
}
