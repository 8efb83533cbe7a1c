//! `syncline get`: the Applications in a table.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::json;

use super::connection::{Connection, Found, apart};
use super::print;
use super::table::table;

/// Arguments of `syncline get`.
#[derive(Args, Clone, Debug)]
pub struct GetArguments {
    /// Only this Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: Option<String>,
    /// Those of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    all_namespaces: bool,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Reads and prints.
pub(super) async fn run(arguments: &GetArguments) -> anyhow::Result<ExitCode> {
    let place = arguments.connection.open().await?;
    let found = match &arguments.name {
        Some(name) => vec![place.find(&place.name(name)).await?],
        None if arguments.all_namespaces => place.list(None).await?,
        None => place.list(Some(&place.namespace)).await?,
    };
    match arguments.output {
        Format::Json => {
            let items = found.iter().map(|one| &one.application);
            let list = json!({"items": items.collect::<Vec<_>>()});
            print(&format!("{}\n", serde_json::to_string_pretty(&list)?))
        }
        Format::Text if found.is_empty() => print("no Application\n"),
        Format::Text => print(&listed(&found, Timestamp::now())),
    }
}

fn listed(found: &[Found], now: Timestamp) -> String {
    let head = ["NAME", "SYNC", "HEALTH", "REVISION", "SINCE", "WAITS FOR"];
    table(head, found.iter().map(|one| row(one, now)).collect())
}

fn row(found: &Found, now: Timestamp) -> [String; 6] {
    let status = found.application.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|one| one.type_ == "Ready");
    let revision = status.last_applied_revision.unwrap_or_default();
    let revision = match revision.rsplit_once('@') {
        Some((branch, commit)) => format!("{branch}@{}", commit.get(..7).unwrap_or(commit)),
        None => revision,
    };
    let waits = match status.waiting_for.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    [
        found.name.to_string(),
        status.sync.unwrap_or_else(|| "-".to_owned()),
        status.health.unwrap_or_else(|| "-".to_owned()),
        revision,
        ready.map_or(String::new(), |ready| {
            apart(now, ready.last_transition_time)
        }),
        waits,
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;
    use syncline_core::record::Name;

    use super::*;

    pub(in crate::cli) fn application(name: &str, spec: Value, status: Value) -> Found {
        let mut object = json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"repository": "config", "path": "apps"},
            "status": status,
        });
        if let (Some(all), Value::Object(more)) = (object["spec"].as_object_mut(), spec) {
            all.extend(more);
        }
        Found {
            name: Name::new("shop", name),
            application: serde_json::from_value(object).unwrap(),
        }
    }

    #[test]
    fn a_table_tells_what_each_application_waits_for() {
        let web = application(
            "web",
            json!({}),
            json!({
                "sync": "Blocked",
                "health": "Healthy",
                "lastAppliedRevision": format!("main@{}", "4c1d9ab".repeat(5)),
                "waitingFor": ["Application shop/search", "Job shop/a\u{1b}b"],
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": "Blocked", "message": "",
                    "lastTransitionTime": "2026-12-01T11:56:00Z",
                }],
            }),
        );
        let new = application("new", json!({}), json!({}));
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        assert_eq!(
            listed(&[web, new], now),
            "NAME      SYNC     HEALTH   REVISION      SINCE  WAITS FOR\n\
             shop/web  Blocked  Healthy  main@4c1d9ab  4m     Application shop/search and 1 more\n\
             shop/new  -        -\n"
        );
    }
}
