//! What is printed, written and refused.

use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    set: SetArguments,
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn arguments(path: &Path, more: &[&str]) -> SetArguments {
    let path = path.to_str().unwrap();
    let line = ["set", "--path", path]
        .into_iter()
        .chain(more.iter().copied());
    Line::try_parse_from(line).unwrap().set
}

/// The difference, the messages and the summary.
fn planned(path: &Path, more: &[&str]) -> (String, Vec<String>, String) {
    let arguments = arguments(path, more);
    let opened = open(&arguments).unwrap();
    let plan = plan(&arguments, &opened.files, &opened.below).unwrap();
    let said = plan
        .failures
        .iter()
        .map(|failure| format!("{}: {}", failure.reason, failure.detail));
    let said = said.chain(plan.notes.iter().cloned()).collect();
    (
        difference(&plan, &opened.files),
        said,
        summary(&arguments, &plan),
    )
}

const WEB: &str = "registry.example.com/roar-web";

const DEPLOYMENT: &str = "\
# The web tier
kind: Deployment
spec:
  template:
    spec:
      containers:
      -   image: registry.example.com/roar-web:1.2.3   # web
          name: web
      - {name: side, image: 'registry.example.com/roar-web:1.2.3'}
      - name: other
        image: registry.example.com/other:1.2.3
      # one
      # two
      # three
      # four
      # five
      initContainers:
      - image: registry.example.com/roar-web:1.2.3";

const DIFFERENCE: &str = "\
--- a/apps/web.yaml
+++ b/apps/web.yaml
@@ -4,9 +4,9 @@
   template:
     spec:
       containers:
-      -   image: registry.example.com/roar-web:1.2.3   # web
+      -   image: registry.example.com/roar-web:1.3.0   # web
           name: web
-      - {name: side, image: 'registry.example.com/roar-web:1.2.3'}
+      - {name: side, image: 'registry.example.com/roar-web:1.3.0'}
       - name: other
         image: registry.example.com/other:1.2.3
       # one
@@ -15,4 +15,4 @@
       # four
       # five
       initContainers:
-      - image: registry.example.com/roar-web:1.2.3
\\ No newline at end of file
+      - image: registry.example.com/roar-web:1.3.0
\\ No newline at end of file
";

#[test]
fn the_difference_is_one_that_patch_and_git_apply() {
    let folder = folder(&[("apps/web.yaml", DEPLOYMENT), ("docs/web.md", DEPLOYMENT)]);
    let assignment = format!("{WEB}=1.3.0");
    let (diff, said, summary) = planned(&folder.path().join("apps"), &[&assignment]);
    assert_eq!(diff, DIFFERENCE);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(summary, "3 places in 1 file; `--write` edits them");
    let text = std::fs::read_to_string(folder.path().join("apps/web.yaml")).unwrap();
    assert_eq!(text, DEPLOYMENT, "nothing is written without `--write`");
}

#[test]
fn what_is_written_is_what_was_shown_and_a_second_run_changes_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder(&[("apps/web.yaml", DEPLOYMENT), ("apps/other.yaml", "a: 1\n")]);
    let file = folder.path().join("apps/web.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let assignment = format!("{WEB}={WEB}:1.3.0");
    let arguments = arguments(folder.path(), &["--write", &assignment]);
    assert_eq!(run(&arguments).unwrap(), ExitCode::SUCCESS);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, DEPLOYMENT.replace("web:1.2.3", "web:1.3.0"));
    let mode = file.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
    let names = std::fs::read_dir(folder.path().join("apps")).unwrap();
    assert_eq!(names.count(), 2, "nothing is left behind");
    let (diff, _, summary) = planned(folder.path(), &[&assignment]);
    assert_eq!(diff, "");
    assert_eq!(summary, "nothing to edit; 3 places say it already");
}

#[test]
fn a_file_that_changed_after_it_was_read_is_left_alone() {
    let folder = folder(&[("a.yaml", "a: 2\n")]);
    let error = write::replace(folder.path(), "a.yaml", b"a: 1\n", b"a: 3\n").unwrap_err();
    assert!(error.to_string().contains("changed meanwhile"), "{error}");
    let text = std::fs::read_to_string(folder.path().join("a.yaml")).unwrap();
    assert_eq!(text, "a: 2\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn several_images_are_edited_in_one_run() {
    let folder = folder(&[(
        "values.yaml",
        "global: {imageRegistry: registry.example.com}\na: {repository: roar-web, tag: v1}\nb:\n  image: redis:7.0\n",
    )]);
    let (diff, said, _) = planned(
        folder.path(),
        &[&format!("{WEB}=1.10"), "redis=docker.io/library/redis:7.2"],
    );
    assert_eq!(said, Vec::<String>::new());
    for line in [
        "+a: {repository: roar-web, tag: \"1.10\"}",
        "+  image: redis:7.2",
    ] {
        assert!(diff.lines().any(|it| it == line), "{diff}");
    }
}

#[test]
fn only_what_is_below_the_path_is_edited_and_charts_around_it_are_read() {
    let folder = folder(&[
        (
            "chart/values.yaml",
            "image:\n  repository: registry.example.com/roar-web\n  tag: v0\n",
        ),
        ("chart/values-production.yaml", "image:\n  tag: v1\n"),
    ]);
    let file = folder.path().join("chart/values-production.yaml");
    let (diff, _, summary) = planned(&file, &[&format!("{WEB}=v2")]);
    assert!(
        diff.contains("-  tag: v1\n+  tag: v2\n") && !diff.contains("v0"),
        "{diff}"
    );
    assert!(summary.starts_with("1 place in 1 file"), "{summary}");
}

#[test]
fn a_policy_edits_its_markers_and_nothing_else() {
    let folder = folder(&[(
        "a.yaml",
        "one:\n  image: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:web\"}\n\
         two:\n  image: registry.example.com/roar-web:1\n\
         three:\n  tag: \"1\" # {\"$imagepolicy\": \"apps:web:tag\"}\n\
         four:\n  image: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:web\"\n",
    )]);
    let assignment = format!("{WEB}=2");
    let (diff, said, summary) = planned(folder.path(), &["--policy", "apps:web", &assignment]);
    assert!(
        diff.contains("+  image: registry.example.com/roar-web:2 # {"),
        "{diff}"
    );
    assert!(diff.contains("+  tag: \"2\" # {"), "{diff}");
    assert_eq!(diff.matches("\n+ ").count(), 2, "{diff}");
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("SetterMarker: a.yaml:8:42: the marker is not one JSON object"),
        "{said:?}"
    );
    assert!(summary.ends_with("; 1 refusal"), "{summary}");
    let (diff, said, _) = planned(folder.path(), &["--policy", "apps:other", &assignment]);
    assert_eq!(diff, "");
    assert!(
        said.iter().any(|it| it.contains("SetterMarker")),
        "{said:?}"
    );
    let (diff, said, _) = planned(folder.path(), &[&assignment]);
    assert_eq!(diff.matches("\n+ ").count(), 1, "{diff}");
    assert!(
        said.iter()
            .any(|it| it.starts_with("a.yaml:2:10: ") && it.contains("policy `apps/web`")),
        "{said:?}"
    );
}

#[test]
fn what_cannot_be_edited_is_named_with_file_line_and_what_to_do() {
    let pinned = format!(
        "image: registry.example.com/roar-web:1@sha256:{}\n",
        "a".repeat(64)
    );
    let folder = folder(&[
        ("pinned.yaml", &pinned),
        (
            "no-tag.yaml",
            "image:\n  repository: registry.example.com/roar-web\n",
        ),
        (
            "broken.yaml",
            "image: registry.example.com/roar-web:1\nb: [\n",
        ),
        ("good.yaml", "image: registry.example.com/roar-web:1\n"),
    ]);
    let (diff, said, summary) = planned(folder.path(), &[&format!("{WEB}=2")]);
    assert!(diff.contains("+++ b/good.yaml"), "{diff}");
    assert_eq!(
        summary,
        "1 place in 1 file; `--write` edits them; 2 refusals"
    );
    let has = |text: &str| said.iter().any(|it| it.contains(text));
    assert!(
        has("EditRefused: pinned.yaml:1:8: registry.example.com/roar-web is pinned by digest"),
        "{said:?}"
    );
    assert!(has("YamlSyntax: broken.yaml:2:4: "), "{said:?}");
    assert!(
        has("no-tag.yaml:2:3: ") && has("add `  tag: \"2\"` below line 2"),
        "{said:?}"
    );
    let arguments = arguments(folder.path(), &[&format!("{WEB}=2")]);
    assert_eq!(run(&arguments).unwrap(), ExitCode::from(1));
}

#[test]
fn an_image_that_no_file_names_ends_with_1() {
    let folder = folder(&[("a.yaml", "a: 1\n")]);
    let (_, said, summary) = planned(folder.path(), &[&format!("{WEB}=2")]);
    assert_eq!(
        said,
        [format!("NothingToEdit: no file names a version of {WEB}")]
    );
    assert_eq!(summary, "nothing to edit; 1 refusal");
}

#[test]
fn what_is_not_an_image_and_a_version_is_refused_at_once() {
    for (text, expected) in [
        ("registry.example.com/roar-web", "IMAGE=REFERENCE"),
        ("registry.example.com/roar-web:1=2", "carries the tag"),
        ("redis=other:1", "another image"),
        ("redis=redis@sha256:1", "not a digest"),
        ("redis=1.2.3+b", "not a tag"),
        ("redis=", "not a tag"),
        ("redis=latest", "moves"),
    ] {
        let error = assignment(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let hex = "a".repeat(64);
    let pinned = assignment(&format!("redis=7@sha256:{hex}")).unwrap();
    assert_eq!(pinned.version.to_string(), format!("7@sha256:{hex}"));
    assert!(policy("web").is_err() && policy(":web").is_err());
    assert_eq!(policy("apps/web"), policy("apps:web"));
    let folder = folder(&[]);
    let twice = arguments(folder.path(), &["redis=1", "docker.io/redis=2"]);
    assert!(run(&twice).unwrap_err().to_string().contains("twice"));
}

#[test]
fn a_link_is_not_replaced_by_a_file() {
    let text = "image: registry.example.com/roar-web:1\n";
    let folder = folder(&[("base/a.yaml", text)]);
    std::os::unix::fs::symlink("base/a.yaml", folder.path().join("link.yaml")).unwrap();
    std::os::unix::fs::symlink("base", folder.path().join("other")).unwrap();
    let (diff, _, _) = planned(folder.path(), &[&format!("{WEB}=2")]);
    assert_eq!(diff.matches("+++").count(), 1, "{diff}");
    assert!(diff.contains("+++ b/base/a.yaml"), "{diff}");
}
