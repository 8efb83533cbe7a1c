//! Git servers and registries that go wrong where a test asks for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use syncline_tests::git_server::git;
use syncline_tests::process::state_folder;
use syncline_tests::{Access, BrokenPage, Fault, GitServer, Gitea};
use syncline_tests::{Registry, RegistryFault, RegistryProxy};

#[tokio::test]
async fn a_push_whose_answer_is_cut_has_happened_and_fails() -> Result<()> {
    let server = GitServer::start().await?;
    let repo = server.create("cut", Access::Open)?;
    repo.commit(&[("a", "1")], "Start")?;
    let folder = state_folder("clone")?;
    git(folder.path(), &["clone", "--quiet", repo.url(), "work"])?;
    let work = folder.path().join("work");
    git(
        &work,
        &["commit", "--quiet", "--allow-empty", "--message=x"],
    )?;
    let ours = git(&work, &["rev-parse", "HEAD"])?;
    server.set_fault("cut", Some(Fault::CutAfterPush));
    ensure!(git(&work, &["push", "origin", "HEAD:main"]).is_err());
    ensure!(repo.head()? == ours.trim(), "the push did not happen");
    git(&work, &["fetch", "--quiet", "origin"])?;
    Ok(())
}

#[tokio::test]
async fn lists_of_a_registry_behind_the_proxy_go_wrong_and_right_again() -> Result<()> {
    let registry = Registry::start(Access::Open).await?;
    for tag in ["1", "2", "3"] {
        registry.push_image("web", tag).await?;
    }
    let proxy = RegistryProxy::start(&registry).await?;
    let list = async |query: &str| -> Result<(u16, Option<String>, Option<String>)> {
        let url = format!("http://{}/v2/web/tags/list{query}", proxy.host());
        let answer = reqwest::get(url).await?;
        let link = answer.headers().get("link");
        let link = link.map(|link| link.to_str().unwrap_or_default().to_owned());
        let status = answer.status().as_u16();
        Ok((status, link, answer.text().await.ok()))
    };
    let (status, link, whole) = list("").await?;
    ensure!((status, &link) == (200, &None), "{status} {link:?}");
    ensure!(whole.is_some_and(|text| text.contains(r#"["1","2","3"]"#)));

    let page = BrokenPage::Cut;
    proxy.set_fault(Some(RegistryFault::SecondPage { size: 2, page }));
    let (status, link, first) = list("").await?;
    ensure!(status == 200 && first.is_some_and(|text| text.contains(r#"["1","2"]"#)));
    ensure!(link.is_some_and(|link| link.contains("last=2")));
    // The cut may come before the head of the answer left the buffer: then the request fails.
    let second = list("?last=2").await.ok().and_then(|(_, _, text)| text);
    ensure!(second.is_none(), "the second page is whole: {second:?}");

    proxy.set_fault(Some(RegistryFault::Omit(vec!["3".to_owned()])));
    let (_, _, short) = list("").await?;
    ensure!(short.is_some_and(|text| text.contains(r#"["1","2"]"#)));
    proxy.set_fault(Some(RegistryFault::Throttle(Duration::from_secs(7))));
    ensure!(list("").await?.0 == 429);
    proxy.set_fault(None);
    ensure!(list("").await?.0 == 200);
    ensure!(proxy.requests().len() == 6, "{:?}", proxy.requests());
    Ok(())
}

#[tokio::test]
async fn gitea_keeps_what_is_pushed_and_refuses_what_is_protected() -> Result<()> {
    let gitea = Gitea::shared().await?;
    let repository = gitea.create("harness").await?;
    let first = repository.commit(&[("a", "1")], "Start")?;
    ensure!(repository.head()? == first && repository.read("a")? == "1");
    repository.protect("main").await?;
    ensure!(repository.commit(&[("a", "2")], "Change").is_err());
    ensure!(repository.head()? == first, "the branch is not protected");
    repository.unprotect("main").await?;
    let second = repository.commit(&[("a", "3")], "Change")?;
    ensure!(repository.log()?[0].id == second);
    // It is private.
    let url = repository.url();
    let folder = state_folder("clone")?;
    ensure!(git(folder.path(), &["ls-remote", &url]).is_err());
    let identity = folder.path().join("identity");
    std::fs::write(&identity, gitea.ssh_key().await?)?;
    let known = folder.path().join("known_hosts");
    std::fs::write(&known, gitea.known_hosts()?)?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&identity, private)?;
    let ssh = format!(
        "core.sshCommand=ssh -F none -i {} -o IdentitiesOnly=yes -o UserKnownHostsFile={}",
        identity.display(),
        known.display()
    );
    let listed = git(
        folder.path(),
        &["-c", &ssh, "ls-remote", &repository.ssh_url()],
    )?;
    ensure!(listed.contains(&second), "{listed}");
    Ok(())
}
