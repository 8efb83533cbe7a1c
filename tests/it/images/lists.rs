//! Lists of tags that ended early, lost what Git names, or shrank; and tags that move.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{BrokenPage, RegistryFault, RegistryProxy, wait_for};

use crate::image_setup::{Images, manifest};

/// Images behind a proxy, with a file that names a tag of `web` and a Repository that may be pushed
/// to.
async fn behind_proxy(name: &str, tags: &[&str], current: &str) -> Result<(Images, RegistryProxy)> {
    let images = Images::new(name, tags).await?;
    let proxy = RegistryProxy::start(&images.registry).await?;
    let file = manifest("web", &proxy.image("web"), current);
    let world = &images.world;
    world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    images.writable().await?;
    Ok((images, proxy))
}

/// The policy `web` for the image behind the proxy, which looks every second.
async fn policy(images: &Images, proxy: &RegistryProxy) -> Result<()> {
    let spec = json!({ "interval": "1s", "select": { "semver": "^1" } });
    let image = proxy.image("web");
    images.world.image_policy("web", &image, spec).await?;
    Ok(())
}

/// Waits until so many more lists were asked for.
async fn more_lists(proxy: &RegistryProxy, count: usize) -> Result<()> {
    let lists = || {
        let requests = proxy.requests();
        let lists = requests.iter().filter(|path| path.contains("/tags/list"));
        lists.count()
    };
    let before = lists();
    wait_for("further lists", DEADLINE, async || {
        let more = lists() - before;
        ensure!(more >= count, "{more} more");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn fault_f14_of_a_list_whose_second_page_fails_nothing_is_chosen() -> Result<()> {
    for (name, page, reason) in [
        ("cut", BrokenPage::Cut, "RegistryIncomplete"),
        ("away", BrokenPage::Status(503), "RegistryUnavailable"),
    ] {
        let tags = ["1.0.0", "1.1.0", "1.2.0"];
        let (images, proxy) = behind_proxy(&format!("image-page-{name}"), &tags, "1.0.0").await?;
        let start = images.world.repo.head()?;
        // The first page has a newer tag than Git.
        let fault = RegistryFault::SecondPage { size: 2, page };
        proxy.set_fault(Some(fault));
        policy(&images, &proxy).await?;
        images.wait_for_refusal(reason).await?;
        ensure!(images.world.repo.head()? == start, "something was pushed");
        proxy.set_fault(None);
        images.wait_for_tag("1.2.0").await?;
        let updates = images.updates()?;
        ensure!(updates.len() == 1, "{name}: the updates are {updates:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn fault_f14_a_list_without_the_tag_that_git_names_changes_nothing() -> Result<()> {
    let (images, proxy) = behind_proxy("image-lost", &["1.0.0", "1.1.0"], "1.1.0").await?;
    let start = images.world.repo.head()?;
    policy(&images, &proxy).await?;
    images.wait_for_tag("1.1.0").await?;
    proxy.set_fault(Some(RegistryFault::Omit(vec!["1.1.0".to_owned()])));
    images.registry.push_image("web", "1.2.0").await?;
    let message = images.wait_for_refusal("RegistryDoubtful").await?;
    ensure!(message.contains("1.1.0"), "{message:?} names no tag");
    // It is not believed because it is repeated.
    more_lists(&proxy, 4).await?;
    ensure!(images.world.repo.head()? == start, "something was pushed");
    proxy.set_fault(None);
    images.wait_for_tag("1.2.0").await?;
    ensure!(images.updates()?.len() == 1);
    Ok(())
}

#[tokio::test]
async fn fault_f14_a_list_that_shrank_suddenly_changes_nothing() -> Result<()> {
    let many: Vec<String> = (0..25).map(|number| format!("1.0.{number}")).collect();
    let tags: Vec<&str> = many.iter().map(String::as_str).collect();
    let (images, proxy) = behind_proxy("image-shrunk", &tags, "1.0.24").await?;
    let start = images.world.repo.head()?;
    policy(&images, &proxy).await?;
    images.wait_for_tag("1.0.24").await?;
    proxy.set_fault(Some(RegistryFault::Omit(many[..20].to_vec())));
    images.registry.push_image("web", "1.1.0").await?;
    images.wait_for_refusal("RegistryDoubtful").await?;
    more_lists(&proxy, 4).await?;
    ensure!(images.world.repo.head()? == start, "something was pushed");
    proxy.set_fault(None);
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 1);
    Ok(())
}

#[tokio::test]
async fn fault_f15_a_deleted_newest_tag_is_never_followed_by_an_older_one() -> Result<()> {
    let (images, proxy) = behind_proxy("image-deleted", &["1.0.0", "1.1.0"], "1.1.0").await?;
    let start = images.world.repo.head()?;
    policy(&images, &proxy).await?;
    images.wait_for_tag("1.1.0").await?;
    proxy.set_fault(Some(RegistryFault::Omit(vec!["1.1.0".to_owned()])));
    images.wait_for_refusal("RegistryDoubtful").await?;
    // A person says that the list is right: it is believed, and still nothing goes back.
    images.world.request("ImagePolicy", "web").await?;
    images.wait_for_refusal("NoDowngrade").await?;
    ensure!(images.world.repo.head()? == start, "something was pushed");
    Ok(())
}

#[tokio::test]
async fn fault_f15_a_tag_that_is_pushed_again_makes_no_commit() -> Result<()> {
    let (images, proxy) = behind_proxy("image-retag", &["1.0.0", "1.1.0"], "1.1.0").await?;
    let start = images.world.repo.head()?;
    policy(&images, &proxy).await?;
    images.wait_for_tag("1.1.0").await?;
    let before = images.registry.push_image("web", "1.1.0").await?;
    let label = [("org.opencontainers.image.revision", "another build")];
    let after = images.registry.push_build("web", "1.1.0", &label).await?;
    ensure!(before != after, "it is the same image");
    more_lists(&proxy, 3).await?;
    images.world.request("ImagePolicy", "web").await?;
    more_lists(&proxy, 2).await?;
    ensure!(images.world.repo.head()? == start, "something was pushed");
    Ok(())
}

#[tokio::test]
async fn inv_i21_a_pinned_tag_that_moves_becomes_a_commit_of_its_new_digest() -> Result<()> {
    let (images, proxy) = behind_proxy("image-moved", &["1.0.0", "1.1.0"], "1.0.0").await?;
    let (world, registry) = (&images.world, &images.registry);
    let first = registry.push_image("web", "1.1.0").await?;
    let spec = json!({ "select": { "semver": "^1" }, "pin": { "digest": true } });
    let image = proxy.image("web");
    world.image_policy("web", &image, spec).await?;
    let named = async |digest: &str| {
        let wanted = format!("{image}:1.1.0@{digest}");
        wait_for(&format!("Git to name {wanted}"), DEADLINE, async || {
            let file = world.repo.read("main", "app/web.yaml")?;
            ensure!(file.contains(&wanted), "{file}");
            Ok(())
        })
        .await
    };
    named(&first).await?;
    let label = [("org.opencontainers.image.revision", "another build")];
    let second = registry.push_build("web", "1.1.0", &label).await?;
    ensure!(first != second, "it is the same image");
    world.request("ImagePolicy", "web").await?;
    named(&second).await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 2, "the updates are {updates:#?}");
    for update in &updates {
        ensure!(images.numstat(&update.id)? == "1\t1\tapp/web.yaml\n");
    }
    Ok(())
}
