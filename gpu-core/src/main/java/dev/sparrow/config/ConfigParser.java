package dev.sparrow.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigSyntax;
import com.typesafe.config.ConfigUtil;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.commons.text.similarity.LevenshteinDistance;

/**
 * HOCON to {@link RunConfig}: reference.conf, overridden by a recipe, overridden by {@code
 * key=value} assignments. Unknown keys, wrong types and values out of range are reported together.
 */
public final class ConfigParser {
  /** Under this key the user names options of Spark's readers freely. */
  private static final String FREE = "data.options.";

  private ConfigParser() {}

  /** What stands in conf/reference.conf alone. */
  public static RunConfig defaults() {
    return parse("", "defaults", List.of());
  }

  /**
   * @param recipe HOCON text; may be empty
   * @param recipeName what to call it in messages
   * @param assignments {@code key=value}, later ones win
   * @throws ConfigProblemsException naming every problem
   */
  public static RunConfig parse(String recipe, String recipeName, List<String> assignments) {
    List<String> problems = new ArrayList<>();
    Config reference = reference();
    Config given = syntax(recipe, recipeName, problems);
    for (String assignment : assignments) {
      given = assignment(assignment, problems).withFallback(given);
    }
    given = resolved(given, reference, problems);
    noteUnknownKeys(given, reference, problems);
    Config settings = withoutMistypedSections(given, reference, problems).withFallback(reference);
    RunConfig config = read(settings, reference, problems);
    ConfigRules.check(config, problems);
    if (!problems.isEmpty()) {
      throw new ConfigProblemsException(problems);
    }
    return config;
  }

  private static Config reference() {
    try (InputStream in = ConfigParser.class.getResourceAsStream("reference.conf");
        Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8)) {
      return ConfigFactory.parseReader(reader).resolve();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Config syntax(String hocon, String name, List<String> problems) {
    try {
      return ConfigFactory.parseString(
          hocon,
          ConfigParseOptions.defaults()
              .setSyntax(ConfigSyntax.CONF)
              .setOriginDescription(name)
              .setAllowMissing(false));
    } catch (ConfigException e) {
      problems.add(e.getMessage());
      return ConfigFactory.empty();
    }
  }

  private static Config assignment(String text, List<String> problems) {
    int equals = text.indexOf('=');
    if (equals < 1) {
      problems.add("command line: expected key=value, got \"" + text + "\"");
      return ConfigFactory.empty();
    }
    String key = text.substring(0, equals).trim();
    String value = text.substring(equals + 1).trim();
    // What HOCON would not read as a value (paths, prompts) is taken as the string it is.
    boolean plain = value.matches("true|false|-?[0-9.]+([eE][-+]?[0-9]+)?|\\[.*]|\\{.*}");
    try {
      return plain
          ? ConfigFactory.parseString(key + " = " + value)
          : ConfigFactory.parseMap(java.util.Map.of(key, value), "command line");
    } catch (ConfigException e) {
      problems.add("command line: expected key=value, got \"" + text + "\": " + e.getMessage());
      return ConfigFactory.empty();
    }
  }

  private static Config resolved(Config given, Config reference, List<String> problems) {
    try {
      return given.resolveWith(given.withFallback(reference));
    } catch (ConfigException e) {
      problems.add(e.getMessage());
      return ConfigFactory.empty();
    }
  }

  private static void noteUnknownKeys(Config given, Config reference, List<String> problems) {
    Set<String> known = keys(reference);
    for (String key : keys(given)) {
      boolean section = reference.hasPath(key);
      if (!known.contains(key) && !key.startsWith(FREE) && !section) {
        problems.add(key + ": unknown key; did you mean " + nearest(key, known) + "?");
      }
    }
  }

  private static Set<String> keys(Config config) {
    return config.entrySet().stream()
        .map(entry -> String.join(".", ConfigUtil.splitPath(entry.getKey())))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static String nearest(String key, Set<String> known) {
    LevenshteinDistance distance = LevenshteinDistance.getDefaultInstance();
    return known.stream().min(Comparator.comparingInt(k -> distance.apply(key, k))).orElseThrow();
  }

  /** {@code model = 3} would hide the whole section: it is reported and left out. */
  private static Config withoutMistypedSections(
      Config given, Config reference, List<String> problems) {
    Config kept = given;
    for (String section : sections("", reference.root())) {
      boolean isValue =
          given.hasPath(section)
              && given.getValue(section).valueType() != com.typesafe.config.ConfigValueType.OBJECT;
      if (isValue) {
        problems.add(
            section + ": expected a section { ... }, got " + given.getValue(section).unwrapped());
        kept = kept.withoutPath(section);
      }
    }
    return kept;
  }

  /** Paths of all sections under an object, outer ones before theirs. */
  private static List<String> sections(String prefix, ConfigObject object) {
    List<String> paths = new ArrayList<>();
    object.forEach(
        (key, value) -> {
          if (value instanceof ConfigObject section) {
            String path = prefix + key;
            paths.add(path);
            paths.addAll(sections(path + ".", section));
          }
        });
    return paths;
  }

  private static RunConfig read(Config settings, Config reference, List<String> problems) {
    ConfigSections sections =
        new ConfigSections(name -> new Section(name, settings, reference, problems));
    return new RunConfig(
        sections.data(),
        sections.tokenizer(),
        sections.image(),
        sections.model(),
        sections.method(),
        sections.moe(),
        sections.uniform(),
        sections.cuttlefish(),
        sections.optimizer(),
        sections.schedule(),
        sections.train(),
        sections.checkpoint(),
        sections.cluster(),
        sections.generate(),
        sections.output(),
        render(settings));
  }

  private static String render(Config settings) {
    return settings
        .root()
        .render(
            ConfigRenderOptions.defaults()
                .setOriginComments(false)
                .setComments(false)
                .setJson(false));
  }
}
