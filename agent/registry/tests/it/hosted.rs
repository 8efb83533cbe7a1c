//! Behaviour against the real distribution registry.

use syncline_core::image::reference::Tag;
use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_registry::{Age, Auth, Client, Freshness, Settings};

use crate::distribution::{Access, Distribution, PASSWORD, USERNAME};
use crate::{image, texts};

fn user(password: &str) -> Auth {
    Auth::Basic {
        username: USERNAME.into(),
        password: Redacted::new(password),
    }
}

#[tokio::test]
async fn a_list_of_several_pages_is_read_to_its_end() {
    let registry = Distribution::start(Access::Open).await;
    let names = ["1.0.0", "1.0.1", "1.1.0", "2.0.0", "latest", "v3", "x"];
    for name in names {
        registry.push("team/roar-web", name, "same").await;
    }
    let client = Client::new(Settings {
        page_size: 3,
        ..Settings::default()
    })
    .unwrap();
    let image = image(&registry.host, "team/roar-web");
    let listing = client
        .tags(&image, &Auth::Anonymous, Age::Now)
        .await
        .unwrap();
    assert_eq!(texts(&listing), names);
    assert_eq!((listing.invalid, listing.freshness), (0, Freshness::Read));

    registry.push("team/roar-web", "2.0.1", "newer").await;
    let listing = client
        .tags(&image, &Auth::Anonymous, Age::Now)
        .await
        .unwrap();
    assert!(texts(&listing).contains(&"2.0.1"));
}

#[tokio::test]
async fn a_list_over_a_limit_gives_no_tags() {
    let registry = Distribution::start(Access::Open).await;
    for name in ["1", "2", "3", "4", "5"] {
        registry.push("app", name, "same").await;
    }
    let image = image(&registry.host, "app");
    for settings in [
        Settings {
            page_size: 2,
            max_pages: 2,
            ..Settings::default()
        },
        Settings {
            page_size: 2,
            max_tags: 4,
            ..Settings::default()
        },
        Settings {
            max_page_bytes: 10,
            ..Settings::default()
        },
    ] {
        let client = Client::new(settings).unwrap();
        let error = client
            .tags(&image, &Auth::Anonymous, Age::Now)
            .await
            .unwrap_err();
        assert_eq!(error.reason(), Reason::RegistryLimit, "bad_b55: {error}");
    }
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_not_found() {
    let registry = Distribution::start(Access::Open).await;
    registry.push("app", "1.0.0", "a").await;
    let client = Client::new(Settings::default()).unwrap();
    let error = client
        .tags(&image(&registry.host, "other"), &Auth::Anonymous, Age::Now)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryNotFound);
    let app = image(&registry.host, "app");
    let tag = Tag::parse("2.0.0").unwrap();
    let error = client
        .digest(&app, &tag, &Auth::Anonymous)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryNotFound);
    assert!(error.to_string().contains("app:2.0.0"), "{error}");
}

#[tokio::test]
async fn the_digest_of_a_tag_follows_the_tag() {
    let registry = Distribution::start(Access::Open).await;
    let client = Client::new(Settings::default()).unwrap();
    let (app, tag) = (image(&registry.host, "app"), Tag::parse("1.0.0").unwrap());
    for label in ["first", "second"] {
        let pushed = registry.push("app", "1.0.0", label).await;
        let digest = client.digest(&app, &tag, &Auth::Anonymous).await.unwrap();
        assert_eq!(digest.as_str(), pushed);
    }
}

#[tokio::test]
async fn a_registry_with_passwords_is_read_with_the_right_one_only() {
    let registry = Distribution::start(Access::Basic).await;
    registry.push("app", "1.0.0", "a").await;
    let client = Client::new(Settings::default()).unwrap();
    let app = image(&registry.host, "app");

    for auth in [Auth::Anonymous, user("wrong-password")] {
        let error = client.tags(&app, &auth, Age::Now).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RegistryAuthFailed, "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong-password"));
    }
    // The list that one credential may read is never given to another.
    assert_eq!(
        texts(&client.tags(&app, &user(PASSWORD), Age::Now).await.unwrap()),
        ["1.0.0"]
    );
    assert!(
        client
            .tags(&app, &user("wrong-password"), Age::Now)
            .await
            .is_err()
    );

    let payload = format!(
        r#"{{"auths":{{"{}":{{"username":"{USERNAME}","password":"{PASSWORD}"}}}}}}"#,
        registry.host
    );
    let auth = Auth::from_docker_config(&Redacted::new(payload), &app)
        .unwrap()
        .unwrap();
    assert_eq!(
        texts(&client.tags(&app, &auth, Age::Now).await.unwrap()),
        ["1.0.0"]
    );
    let tag = Tag::parse("1.0.0").unwrap();
    assert!(client.digest(&app, &tag, &auth).await.is_ok());
}

#[tokio::test]
async fn fault_f12_a_registry_that_is_gone_is_unavailable_and_comes_back() {
    let client = Client::new(Settings::default()).unwrap();
    let registry = Distribution::start(Access::Open).await;
    registry.push("app", "1.0.0", "a").await;
    let app = image(&registry.host, "app");
    assert!(client.tags(&app, &Auth::Anonymous, Age::Now).await.is_ok());
    drop(registry);
    let error = client
        .tags(&app, &Auth::Anonymous, Age::Now)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable);
    let nowhere = image("registry.invalid", "app");
    let error = client
        .tags(&nowhere, &Auth::Anonymous, Age::Now)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable);
    assert!(
        error.to_string().starts_with("registry.invalid: "),
        "{error}"
    );
}
