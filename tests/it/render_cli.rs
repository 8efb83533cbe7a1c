//! `syncline render`: what it prints, what it refuses, and how it ends. No cluster is there.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::{objects, programs};

const CANARY: &str = "canary-of-a-secret";

/// Runs `syncline` in a folder, without any cluster and without the settings of the person.
pub(crate) fn syncline(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(programs::agent()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SYNCLINE_") {
            command.env_remove(name);
        }
    }
    command
        .env("SYNCLINE_RENDERER", programs::renderer()?)
        .env("KUBECONFIG", "/nowhere")
        .current_dir(folder)
        .args(arguments)
        .output()
        .context("run the program")
}

fn printed(folder: &Path, arguments: &[&str]) -> Result<String> {
    let out = syncline(folder, arguments)?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{arguments:?}: {errors}");
    Ok(String::from_utf8(out.stdout)?)
}

/// What it says where it ends with 2 and prints nothing.
fn refused(folder: &Path, arguments: &[&str]) -> Result<String> {
    let out = syncline(folder, arguments)?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(
        out.status.code() == Some(2),
        "{arguments:?}: {}",
        out.status
    );
    ensure!(out.stdout.is_empty(), "{arguments:?} printed something");
    ensure!(!said.contains("panicked"), "{said}");
    Ok(said)
}

fn folder(files: &[(&str, &str)]) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join(".git"))?;
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(folder)
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map\ndata:\n  octal: \"0755\"\n  \
                   word: \"yes\"\n  text: |\n    a\n      b\n";

const CHART: [(&str, &str); 4] = [
    (
        "chart/Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    ),
    (
        "chart/values.yaml",
        "replicas: 1\nlist: [a, b]\ntext: none\n",
    ),
    (
        "chart/templates/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  namespace: {{ \
         .Release.Namespace }}\ndata:\n  replicas: {{ .Values.replicas | quote }}\n  kind: {{ kindOf \
         .Values.replicas }}\n  list: {{ .Values.list | toJson | quote }}\n  text: {{ .Values.text | \
         quote }}\n  kube: {{ .Capabilities.KubeVersion.Version }}\n  api: {{ .Capabilities.APIVersions.Has \
         \"example.com/v1\" | quote }}\n  core: {{ .Capabilities.APIVersions.Has \"apps/v1\" | quote }}\n  \
         upgrade: {{ .Release.IsUpgrade | quote }}\n",
    ),
    (
        "chart/templates/NOTES.txt",
        "Thank you for {{ .Release.Name }}.\n",
    ),
];

#[test]
fn plain_yaml_comes_out_with_its_values_and_where_they_come_from() -> Result<()> {
    let folder = folder(&[
        ("apps/web/b.yaml", MAP),
        (
            "apps/web/a.json",
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}"#,
        ),
    ])?;
    let text = printed(folder.path(), &["render", "apps/web", "--origin"])?;
    let expected = objects::documents(MAP)?;
    let found = objects::documents(&text)?;
    ensure!(found.len() == 2 && found[1] == expected[0], "{text}");
    ensure!(text.contains("---\n# apps/web/a.json:1\n"), "{text}");
    ensure!(text.contains("---\n# apps/web/b.yaml:1\n"), "{text}");
    ensure!(text.contains("  text: |\n    a\n      b\n"), "{text}");
    // From inside the folder, and one file.
    let inside = printed(&folder.path().join("apps"), &["render", "web", "--origin"])?;
    ensure!(inside == text, "{inside}");
    let one = printed(folder.path(), &["render", "apps/web/b.yaml"])?;
    ensure!(objects::documents(&one)? == expected, "{one}");
    Ok(())
}

#[test]
fn values_of_the_command_line_are_read_as_helm_reads_them() -> Result<()> {
    let mut files = CHART.to_vec();
    files.push(("values.yaml", "replicas: 2\ntext: file\n"));
    let folder = folder(&files)?;
    let data = |arguments: &[&str]| -> Result<Value> {
        let all = [&["render", "chart"], arguments].concat();
        Ok(objects::documents(&printed(folder.path(), &all)?)?.remove(0)["data"].clone())
    };
    let plain = data(&[])?;
    ensure!(
        plain["replicas"] == "1" && plain["api"] == "false",
        "{plain}"
    );
    ensure!(
        plain["core"] == "true" && plain["upgrade"] == "false",
        "{plain}"
    );
    let set = data(&[
        "-f",
        "values.yaml",
        "--set",
        "replicas=3,list[1]=x",
        "--release-upgrade",
    ])?;
    ensure!(set["replicas"] == "3" && set["text"] == "file", "{set}");
    ensure!(set["kind"] == "int64" && set["upgrade"] == "true", "{set}");
    let text = data(&["--set-string", "replicas=3", "--set", "list={p,q}"])?;
    ensure!(
        text["kind"] == "string" && text["list"] == r#"["p","q"]"#,
        "{text}"
    );
    let facts = data(&[
        "--kube-version",
        "v1.29.1",
        "--api-versions",
        "example.com/v1",
    ])?;
    ensure!(
        facts["kube"] == "v1.29.1" && facts["api"] == "true",
        "{facts}"
    );
    ensure!(
        facts["core"] == "true",
        "the built-in versions stay: {facts}"
    );

    let out = syncline(
        folder.path(),
        &["render", "chart", "--name", "roar", "-n", "zoo", "--notes"],
    )?;
    let made = objects::documents(&String::from_utf8(out.stdout)?)?.remove(0);
    ensure!(
        made["metadata"] == json!({"name": "roar", "namespace": "zoo"}),
        "{made}"
    );
    let said = String::from_utf8(out.stderr)?;
    ensure!(said.contains("Thank you for roar."), "{said}");
    Ok(())
}

#[test]
fn an_application_gives_its_options_and_the_same_objects() -> Result<()> {
    let application = "apiVersion: syncline.dev/v1alpha1\nkind: Application\nmetadata:\n  name: other\n  \
        namespace: team\nspec: {repository: config, path: nowhere}\n---\napiVersion: \
        syncline.dev/v1alpha1\nkind: Application\nmetadata:\n  name: shop\n  namespace: team\nspec:\n  \
        repository: config\n  path: chart\n  destination: {namespace: zoo}\n  helm:\n    releaseName: roar\n    \
        valuesFiles: [../values.yaml]\n    values: {text: inline}\n    valuesFrom:\n    - {kind: Secret, name: \
        db, key: password, targetPath: text}\n  postRender:\n    labels: {team: a}\n";
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: {CANARY}\n"
    );
    let mut files = CHART.to_vec();
    files.extend([
        ("values.yaml", "replicas: 7\n"),
        ("application.yaml", application),
        ("secret.yaml", &secret),
    ]);
    let folder = folder(&files)?;
    let with = [
        "render",
        "--application",
        "application.yaml",
        "--name",
        "shop",
    ];
    let said = refused(folder.path(), &with)?;
    ensure!(said.contains("--from Secret/db=FILE"), "{said}");
    let from = [&with[..], &["--from", "Secret/db=secret.yaml"]].concat();
    let made = objects::documents(&printed(folder.path(), &from)?)?.remove(0);
    ensure!(made["metadata"]["labels"] == json!({"team": "a"}), "{made}");
    ensure!(made["metadata"]["namespace"] == "zoo", "{made}");
    ensure!(
        made["data"]["replicas"] == "7" && made["data"]["text"] == CANARY,
        "{made}"
    );
    let masked = printed(folder.path(), &[&from[..], &["--mask"]].concat())?;
    ensure!(!masked.contains(CANARY), "{masked}");
    let said = refused(
        folder.path(),
        &["render", "--application", "application.yaml"],
    )?;
    ensure!(said.contains("nowhere"), "the first one is taken: {said}");
    Ok(())
}

#[test]
fn inv_i30_values_of_secrets_are_masked_on_request() -> Result<()> {
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: {CANARY}\n"
    );
    let folder = folder(&[("secret.yaml", &secret)])?;
    let open = printed(folder.path(), &["render", "."])?;
    ensure!(open.contains(CANARY), "{open}");
    let masked = printed(folder.path(), &["render", ".", "--mask"])?;
    ensure!(
        !masked.contains(CANARY) && masked.contains("password: \"***\""),
        "{masked}"
    );
    Ok(())
}

#[test]
fn everything_that_is_wrong_is_one_table_and_the_end_is_2() -> Result<()> {
    let folder = folder(&[
        ("bad/a.yaml", "apiVersion: v1\nkind: [\n"),
        ("bad/b.yaml", "ok: 1\n---\nx: {\n"),
        ("twice/a.yaml", MAP),
        ("twice/b.yaml", MAP),
        ("nameless/a.yaml", "kind: ConfigMap\nmetadata: {name: x}\n"),
        ("plain/a.yaml", MAP),
    ])?;
    let said = refused(folder.path(), &["render", "bad"])?;
    ensure!(said.starts_with("WHERE"), "{said}");
    ensure!(
        said.contains("bad/a.yaml:") && said.contains("bad/b.yaml:3"),
        "{said}"
    );
    ensure!(
        said.lines().count() == 3 && said.contains("yaml.syntax"),
        "{said}"
    );
    let said = refused(folder.path(), &["render", "twice"])?;
    ensure!(
        said.contains("twice/a.yaml:1") && said.contains("twice/b.yaml:1"),
        "{said}"
    );
    let said = refused(folder.path(), &["render", "nameless"])?;
    ensure!(said.contains("`apiVersion` is missing"), "{said}");
    for (arguments, word) in [
        (&["render"][..], "--application"),
        (&["render", "nowhere"], "nowhere"),
        (&["render", "plain", "--root", "bad"], "root"),
        (&["render", "plain", "--sett", "a=1"], "--sett"),
        (&["render", "plain", "--var", "novalue"], "--var"),
        (&["render", "plain", "--set", "a=1"], "--set"),
        (
            &["render", "--application", "plain/a.yaml"],
            "no Application",
        ),
        (
            &["render", "plain", "--from", "Pod/x=plain/a.yaml"],
            "ConfigMap or a Secret",
        ),
        (
            &["render", "plain", "--age-key-file", "none"],
            "--age-key-file",
        ),
    ] {
        let said = refused(folder.path(), arguments)?;
        ensure!(
            said.contains(word),
            "{arguments:?}: {word:?} is not in {said:?}"
        );
    }
    Ok(())
}

#[test]
fn inv_i26_a_link_out_of_the_root_is_refused() -> Result<()> {
    let folder = folder(&[("app/a.yaml", MAP)])?;
    let outside = tempfile::tempdir()?;
    std::fs::write(outside.path().join("secret.yaml"), CANARY)?;
    for target in [
        outside.path().join("secret.yaml"),
        "../../etc/passwd".into(),
    ] {
        let link = folder.path().join("app/link.yaml");
        std::os::unix::fs::symlink(&target, &link)?;
        let said = refused(folder.path(), &["render", "app"])?;
        ensure!(
            said.contains("app/link.yaml") && !said.contains(CANARY),
            "{said}"
        );
        std::fs::remove_file(link)?;
    }
    Ok(())
}

#[test]
fn variables_are_put_in_and_a_reader_that_goes_away_is_no_error() -> Result<()> {
    let map = MAP.replace("\"0755\"", "${MODE}");
    let folder = folder(&[("app/a.yaml", &map)])?;
    let text = printed(folder.path(), &["render", "app", "--var", "MODE=rw"])?;
    ensure!(text.contains("octal: rw\n"), "{text}");
    let shell = format!(
        "'{}' render app --var MODE=x | true; exit ${{PIPESTATUS[0]}}",
        programs::agent()?.display()
    );
    let ended = Command::new("bash")
        .args(["-c", &shell])
        .env("SYNCLINE_RENDERER", programs::renderer()?)
        .current_dir(folder.path())
        .output()?;
    ensure!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(())
}
