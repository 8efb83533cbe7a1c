//! What the tests of the image flow begin with: a world, a registry, and a look at the commits.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::git_server::{Commit, git};
use syncline_tests::world::READER;
use syncline_tests::{Access, Registry, World, objects};

/// The key of the trailer that marks a commit of the image flow.
pub(crate) const TRAILER: &str = "Syncline-Update: ";

/// A world with a registry of its own.
pub(crate) struct Images {
    /// The world.
    pub(crate) world: World,
    /// The registry.
    pub(crate) registry: Registry,
}

impl Images {
    /// A world with a registry that holds `web` in some tags.
    pub(crate) async fn new(name: &str, tags: &[&str]) -> Result<Self> {
        Self::with_access(name, Access::Open, tags).await
    }

    /// The same with a registry that asks for a password.
    pub(crate) async fn with_access(name: &str, access: Access, tags: &[&str]) -> Result<Self> {
        Self::in_world(World::new(name).await?, access, tags).await
    }

    /// A registry for a world.
    pub(crate) async fn in_world(world: World, access: Access, tags: &[&str]) -> Result<Self> {
        let registry = Registry::start(access).await?;
        for tag in tags {
            registry.push_image("web", tag).await?;
        }
        Ok(Self { world, registry })
    }

    /// The image `web` without a tag.
    pub(crate) fn web(&self) -> String {
        self.registry.image("web")
    }

    /// A ConfigMap that names the image with a tag; the smallest thing that can be deployed.
    pub(crate) fn manifest(&self, tag: &str) -> String {
        manifest("web", &self.web(), tag)
    }

    /// The Repository `config` with the right to push.
    pub(crate) async fn writable(&self) -> Result<()> {
        self.writable_with(json!({})).await
    }

    /// The same, with more in `spec.write`.
    pub(crate) async fn writable_with(&self, more: Value) -> Result<()> {
        let values = [("username", "robot"), ("password", "pushes")];
        self.world.secret("push", &values).await?;
        let mut write = json!({ "secretRef": { "name": "push" } });
        if let (Some(write), Value::Object(more)) = (write.as_object_mut(), more) {
            write.extend(more);
        }
        let spec = json!({ "serviceAccount": READER, "write": write });
        self.world.repository(spec).await?;
        Ok(())
    }

    /// The ImagePolicy `web` with a range, and more in its spec.
    pub(crate) async fn policy(&self, range: &str, more: Value) -> Result<()> {
        let mut spec = json!({ "select": { "semver": range } });
        if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
            spec.extend(more);
        }
        self.world.image_policy("web", &self.web(), spec).await?;
        Ok(())
    }

    /// Waits until the policy `web` is ready and Git names a tag.
    pub(crate) async fn wait_for_tag(&self, tag: &str) -> Result<Value> {
        self.wait_for_tag_of("web", tag).await
    }

    /// The same for another policy.
    pub(crate) async fn wait_for_tag_of(&self, policy: &str, tag: &str) -> Result<Value> {
        let what = format!("Git names {tag}");
        self.world
            .wait_for_ours("ImagePolicy", policy, &what, |live| {
                live["status"]["currentTag"] == tag && objects::condition(live, "Ready").is_some()
            })
            .await
    }

    /// Waits until the policy `web` is not ready for a reason; answers with its message.
    pub(crate) async fn wait_for_refusal(&self, reason: &str) -> Result<String> {
        let live = self
            .world
            .wait_for_reason("ImagePolicy", "web", reason)
            .await?;
        let ready = objects::find_condition(&live, "Ready").context("no condition")?;
        Ok(ready["message"].as_str().unwrap_or_default().to_owned())
    }

    /// The commits of the image flow, newest first.
    pub(crate) fn updates(&self) -> Result<Vec<Commit>> {
        let all = self.world.repo.log()?;
        Ok(all
            .into_iter()
            .filter(|commit| commit.message.contains(TRAILER))
            .collect())
    }

    /// Lines added and removed by a commit, file by file, as `git diff --numstat` prints them.
    pub(crate) fn numstat(&self, commit: &str) -> Result<String> {
        self.world.repo.git(&["fetch", "--quiet", "origin"])?;
        let range = format!("{commit}~1..{commit}");
        self.world.repo.git(&["diff", "--numstat", &range])
    }

    /// The bare repository on the server's disk, for hooks.
    pub(crate) fn bare(&self) -> Result<std::path::PathBuf> {
        let text = self.world.repo.git(&["remote", "get-url", "origin"])?;
        Ok(text.trim().into())
    }

    /// Installs a hook that runs before a push is taken, or removes it.
    pub(crate) fn pre_receive(&self, script: Option<&str>) -> Result<()> {
        match script {
            Some(script) => self.hook("pre-receive", script),
            None => Ok(std::fs::remove_file(
                self.bare()?.join("hooks/pre-receive"),
            )?),
        }
    }

    /// Installs a hook that runs when a push was taken, before it is answered.
    pub(crate) fn post_receive(&self, script: &str) -> Result<()> {
        self.hook("post-receive", script)
    }

    fn hook(&self, name: &str, script: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.bare()?.join("hooks").join(name);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Written beside and renamed: a file that is open for writing cannot be run.
        let new = file.with_extension("new");
        std::fs::write(&new, script)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
        Ok(std::fs::rename(&new, &file)?)
    }

    /// Prepares human commits that are not on `main` yet: `refs/waiting/1` on top of `main`,
    /// `refs/waiting/2` on top of that, and so on. Answers with their ids.
    pub(crate) fn waiting_commits(&self, count: usize) -> Result<Vec<String>> {
        let (repo, bare) = (&self.world.repo, self.bare()?);
        repo.git(&["fetch", "--quiet", "origin"])?;
        repo.git(&["checkout", "--quiet", "--detach", "origin/main"])?;
        let top = repo.git(&["rev-parse", "--show-toplevel"])?;
        let mut ids = Vec::new();
        for number in 1..=count {
            let name = format!("human-{number}.txt");
            std::fs::write(
                std::path::Path::new(top.trim()).join(&name),
                "by a person\n",
            )?;
            repo.git(&["add", "--all"])?;
            repo.git(&["commit", "--quiet", "--message", &format!("Human {number}")])?;
            let target = format!("HEAD:refs/waiting/{number:03}");
            repo.git(&["push", "--quiet", "origin", &target])?;
            ids.push(repo.git(&["rev-parse", "HEAD"])?.trim().to_owned());
        }
        let seen = git(&bare, &["for-each-ref", "refs/waiting"])?;
        ensure!(seen.lines().count() == count, "the server has {seen:?}");
        Ok(ids)
    }
}

/// A hook that moves `main` to the next waiting commit while a push of `main` is being taken, so
/// that the push comes too late: what happens when a person pushes at the same moment.
pub(crate) const OVERTAKE: &str = r#"#!/bin/sh
# The objects of a push are kept apart until it is taken; this is another push.
unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
next=$(git for-each-ref --sort=refname --count=1 --format='%(refname)' refs/waiting)
if [ -n "$next" ]; then
    git update-ref refs/heads/main "$next"
    git update-ref -d "$next"
fi
"#;

/// A ConfigMap with an image under a key that is found.
pub(crate) fn manifest(name: &str, image: &str, tag: &str) -> String {
    format!(
        "# Kept as it is.\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name},   labels: {{a: \"b\"}}}}\ndata:\n  image:   {image}:{tag}   # the one that runs\n  other: 'x'\n"
    )
}
