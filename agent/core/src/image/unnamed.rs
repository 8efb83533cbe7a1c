//! What is said where no file of a repository names the image of a policy: who runs it
//! nevertheless, and the lines that let the policy own its version.

use std::fmt::Write as _;

use crate::image::edit::Refusal;
use crate::image::marker;
use crate::image::reference::{ImageName, Version};
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::record::Name;

/// How many applications, and how many places without a tag, a message names.
const MOST_NAMED: usize = 5;

/// An application that runs an image which no file of its repository names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// The application.
    pub application: Name,
    /// Where the image comes from.
    pub origin: Origin,
}

/// Where an image comes from that no file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A Helm chart that is not, or not whole, in the repository.
    Chart {
        /// The chart for people, such as ``chart `redis` 20.1.0``.
        chart: String,
        /// Where the lines belong.
        target: Target,
        /// The lines, as [`crate::image::edit::lines_to_add`] gives them; `None` where the chart's
        /// own values do not show them.
        lines: Option<String>,
    },
    /// What a kustomization reads of another place.
    Kustomization {
        /// The file of the kustomization.
        target: Target,
        /// The image as it runs, without tag and digest.
        written: String,
    },
    /// That is not known.
    Unknown,
}

/// Where lines belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file of the repository.
    File {
        /// Its path.
        path: String,
        /// Whether the policy looks for its places there.
        is_searched: bool,
    },
    /// The inline values of the Application.
    Inline,
}

/// The failure of a policy whose image no file names. `notes` are what names the image and cannot be
/// edited.
pub fn nothing_to_edit(
    image: &ImageName,
    policy: &Name,
    version: &Version,
    notes: &[Refusal],
    runners: &[Runner],
) -> Failure {
    let mut detail = format!("no file names a tag of `{image}`");
    let missing = notes.iter().filter(|note| note.missing.is_some());
    for note in missing.clone().take(MOST_NAMED) {
        let _ = write!(detail, "; {}", note.advice(version));
    }
    if !runners.is_empty() {
        let named = runners.iter().take(MOST_NAMED);
        let mut named: Vec<String> = named.map(|one| format!("`{}`", one.application)).collect();
        if runners.len() > MOST_NAMED {
            named.push("others".to_owned());
        }
        let (what, verb) = match runners {
            [_] => ("Application", "runs"),
            _ => ("Applications", "run"),
        };
        let _ = write!(detail, "; {what} {} {verb} it", named.join(", "));
    }
    // A line to write in Git says enough.
    if missing.count() == 0
        && let Some(first) = runners.iter().min_by_key(|one| one.origin.rank())
    {
        if runners.len() > 1 && first.origin != Origin::Unknown {
            let _ = write!(detail, "; `{}`", first.application);
        }
        first.origin.tell(policy, version, &mut detail);
    }
    Failure {
        reason: Reason::NothingToEdit,
        detail,
    }
}

impl Origin {
    /// What says most comes first.
    fn rank(&self) -> u8 {
        match self {
            Self::Chart { lines: Some(_), .. } => 0,
            Self::Kustomization { .. } => 1,
            Self::Chart { lines: None, .. } => 2,
            Self::Unknown => 3,
        }
    }

    fn tell(&self, policy: &Name, version: &Version, into: &mut String) {
        let _ = match self {
            Self::Unknown => Ok(()),
            Self::Chart {
                chart,
                target,
                lines: Some(lines),
            } => write!(
                into,
                " from {chart}, whose own values name it: add\n{lines}to {target}; where the key \
                 stands there already, put the marker behind its value"
            ),
            Self::Chart {
                chart,
                target,
                lines: None,
            } => {
                let marker = marker::comment(policy, marker::Part::Tag);
                write!(
                    into,
                    " from {chart}: set the tag below the key that the chart has for it, with the \
                     marker of the policy, such as\nimage:\n  tag: \"{version}\" {marker}\nin \
                     {target}"
                )
            }
            Self::Kustomization { target, written } => {
                let mut entry = format!("  - name: {written}\n    newTag: \"{}\"\n", version.tag);
                if let Some(digest) = &version.digest {
                    let _ = writeln!(entry, "    digest: {digest}");
                }
                write!(
                    into,
                    " from what its kustomization reads of another place: add\nimages:\n{entry}to \
                     {target}"
                )
            }
        };
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline => f.write_str(
                "`spec.helm.values` of the Application in Git, or to a values file that it lists",
            ),
            Self::File { path, is_searched } => {
                write!(f, "`{path}`")?;
                if *is_searched {
                    return Ok(());
                }
                f.write_str(", and name that in `spec.update.paths` of the policy")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::edit::{Wanted, find};
    use crate::image::reference::Tag;

    fn told(notes: &[Refusal], origins: &[Origin]) -> String {
        let image = ImageName::parse("registry.example.com/shop/web").unwrap();
        let runners = origins.iter().enumerate().map(|(number, origin)| Runner {
            application: Name::new("shop", format!("app-{number}")),
            origin: origin.clone(),
        });
        let version = Version::from(Tag::parse("1.10").unwrap());
        let policy = Name::new("shop", "web");
        let runners: Vec<Runner> = runners.collect();
        let failure = nothing_to_edit(&image, &policy, &version, notes, &runners);
        assert_eq!(failure.reason, Reason::NothingToEdit);
        let begin = "no file names a tag of `registry.example.com/shop/web`";
        failure.detail.strip_prefix(begin).unwrap().to_owned()
    }

    fn file(path: &str) -> Target {
        Target::File {
            path: path.to_owned(),
            is_searched: true,
        }
    }

    fn chart(target: Target, lines: Option<&str>) -> Origin {
        Origin::Chart {
            chart: "chart `web` 2.0.1".to_owned(),
            target,
            lines: lines.map(str::to_owned),
        }
    }

    #[test]
    fn an_image_that_nobody_runs_is_said_to_be_named_nowhere() {
        assert_eq!(told(&[], &[]), "");
        assert_eq!(
            told(&[], &[Origin::Unknown]),
            "; Application `shop/app-0` runs it"
        );
    }

    #[test]
    fn the_lines_for_a_chart_are_told_with_the_file_they_belong_to() {
        let lines = "image:\n  tag: \"1.10\"\n";
        let says = chart(file("app/values.yaml"), Some(lines));
        assert_eq!(
            told(&[], std::slice::from_ref(&says)),
            "; Application `shop/app-0` runs it from chart `web` 2.0.1, whose own values name it: \
             add\nimage:\n  tag: \"1.10\"\nto `app/values.yaml`; where the key stands there \
             already, put the marker behind its value"
        );
        // Of several the one of which most is known.
        let several = told(&[], &[Origin::Unknown, chart(Target::Inline, None), says]);
        let begin = "; Applications `shop/app-0`, `shop/app-1`, `shop/app-2` run it; `shop/app-2` \
                     from chart";
        assert!(several.starts_with(begin), "{several}");
    }

    #[test]
    fn a_chart_whose_values_do_not_show_the_image_comes_with_the_general_form() {
        let told = told(&[], &[chart(Target::Inline, None)]);
        let lines = "\nimage:\n  tag: \"1.10\" # {\"$imagepolicy\": \"shop:web:tag\"}\n";
        assert!(told.contains(lines), "{told}");
        assert!(told.contains("`spec.helm.values`"), "{told}");
    }

    #[test]
    fn a_kustomization_gets_an_entry_and_a_file_out_of_sight_is_said_to_be() {
        let told = told(
            &[],
            &[Origin::Kustomization {
                target: Target::File {
                    path: "app/kustomization.yaml".to_owned(),
                    is_searched: false,
                },
                written: "registry.example.com/shop/web".to_owned(),
            }],
        );
        let lines = "\nimages:\n  - name: registry.example.com/shop/web\n    newTag: \"1.10\"\nto \
                     `app/kustomization.yaml`, and name that in `spec.update.paths`";
        assert!(told.contains(lines), "{told}");
    }

    #[test]
    fn a_line_that_is_missing_in_a_file_of_the_repository_is_all_that_is_told() {
        let image = ImageName::parse("registry.example.com/shop/web").unwrap();
        let text = b"image:\n  repository: registry.example.com/shop/web\n";
        let notes = find("app/values.yaml", text, &Wanted::named(&image)).refusals;
        let told = told(&notes, &[chart(file("app/values.yaml"), Some("x: 1\n"))]);
        assert!(
            told.contains("add `  tag: \"1.10\"` below line 2"),
            "{told}"
        );
        assert!(told.ends_with("runs it"), "{told}");
    }
}
