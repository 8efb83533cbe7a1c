//! Charts in registries.

use super::*;
use crate::distribution::{self, Distribution, PASSWORD, USERNAME, digest_of};

fn oci(host: &str, name: &str, version: &str) -> ChartRef {
    chart(&format!("oci://{host}/team/charts"), name, version)
}

#[tokio::test]
async fn a_chart_is_resolved_by_range_version_and_digest_and_fetched() {
    let registry = Distribution::start(distribution::Access::Open).await;
    let name = "team/charts/app";
    for version in ["0.9.0", "1.2.0", "1.10.0+build.5", "2.0.0-rc.1"] {
        registry.push_chart(name, version, version.as_bytes()).await;
    }
    registry.push(name, "latest", "no chart").await;
    registry.push(name, "v3.0.0", "no chart either").await;
    let (manifest, archive) = registry.push_chart(name, "1.3.0", b"1.3.0").await;
    let client = usual();
    for (version, expected) in [
        ("", "1.10.0+build.5"),
        ("^1", "1.10.0+build.5"),
        ("~1.2", "1.2.0"),
        ("1.3", "1.3.0"),
        ("1.3.0", "1.3.0"),
        ("1.10.0+build.5", "1.10.0+build.5"),
        ("1.10.0_build.5", "error"),
        (">1-0", "2.0.0-rc.1"),
        (manifest.as_str(), "1.3.0"),
        (&format!("@{manifest}"), "1.3.0"),
        (&format!("1.3.0@{manifest}"), "1.3.0"),
    ] {
        let chart = oci(&registry.host, "app", version);
        let Ok(resolved) = client.resolve(&chart).await else {
            assert_eq!(expected, "error", "{version}");
            continue;
        };
        assert_eq!(resolved.version, expected, "{version}");
        let fetched = client
            .charts
            .fetch(&resolved, &Access::default())
            .await
            .unwrap();
        assert_eq!(fetched.bytes, bytes(expected));
    }
    let resolved = client
        .resolve(&oci(&registry.host, "app", "1.3.0"))
        .await
        .unwrap();
    assert_eq!(resolved.digest.unwrap().to_string(), archive);
    assert_eq!(
        resolved.source,
        format!("oci://{}/{name}:1.3.0", registry.host)
    );
}

#[tokio::test]
async fn what_the_registry_does_not_have_is_said_with_what_it_has() {
    let registry = Distribution::start(distribution::Access::Open).await;
    let (manifest, _) = registry.push_chart("team/charts/app", "1.2.0", b"a").await;
    registry.push("team/charts/app", "1.5.0", "an image").await;
    let client = usual();
    let access = Access::default();
    let fail = async |name: &str, version: &str| {
        client
            .failure(&oci(&registry.host, name, version), &access)
            .await
    };
    for version in ["1.3.0", "^2"] {
        let (reason, text) = fail("app", version).await;
        assert_eq!(reason, Reason::ChartNotFound, "{text}");
        assert!(text.contains("it has 1.2.0, 1.5.0"), "{text}");
    }
    for version in ["", "1.0.0"] {
        assert_eq!(fail("other", version).await.0, Reason::ChartNotFound);
    }
    for version in [">=", "sha256:12", "1.2.0@", "@"] {
        assert_eq!(
            fail("app", version).await.0,
            Reason::ChartVersion,
            "{version}"
        );
    }
    let (reason, text) = fail("app", "1.5.0").await;
    assert_eq!(reason, Reason::ChartManifest, "bad_b58: {text}");
    assert!(text.contains("no Helm chart"), "{text}");
    let (reason, text) = fail("app", &format!("1.0.0@{manifest}")).await;
    assert_eq!(reason, Reason::ChartManifest, "{text}");
    let (reason, _) = fail("app", &format!("sha256:{}", "0".repeat(64))).await;
    assert_eq!(reason, Reason::ChartNotFound);
}

#[tokio::test]
async fn a_registry_with_passwords_gives_charts_to_the_right_one_only() {
    let registry = Distribution::start(distribution::Access::Basic).await;
    registry
        .push_chart("team/charts/app", "1.2.0", b"content")
        .await;
    let client = usual();
    let chart = oci(&registry.host, "app", "^1");
    let config = Redacted::new(format!(
        r#"{{"auths":{{"{}/team":{{"username":"{USERNAME}","password":"{PASSWORD}"}}}}}}"#,
        registry.host
    ));
    let find = |key: &str| (key == ".dockerconfigjson").then(|| config.clone());
    let access = Access::from_secret(&chart, find).unwrap();
    assert_eq!(
        client.fetch(&chart, &access).await.unwrap().bytes,
        bytes("content")
    );
    for access in [Access::default(), user()] {
        let (reason, text) = client.failure(&chart, &access).await;
        assert_eq!(reason, Reason::ChartAuthFailed, "{text}");
    }
}

#[tokio::test]
async fn an_index_may_name_a_registry_which_gets_no_credentials() {
    let registry = Distribution::start(distribution::Access::Open).await;
    let (manifest, archive) = registry.push_chart("team/app", "1.0.0", b"content").await;
    let url = format!("oci://{}/team/app:1.0.0", registry.host);
    let player = Player::start(move |_, _| {
        answer(
            200,
            &[],
            &index(&[
                ("by-archive", "1.0.0", &url, &archive),
                ("by-manifest", "1.0.0", &url, &manifest[7..]),
                ("wrong", "1.0.0", &url, &sha256("other")),
                ("odd", "1.0.0", "oci://UPPER/x y", ""),
            ]),
        )
    })
    .await;
    let client = usual();
    let from = |name: &str| chart(&format!("http://{}", player.host), name, "");
    for name in ["by-archive", "by-manifest"] {
        let archive = client.fetch(&from(name), &user()).await.unwrap();
        assert_eq!(archive.bytes, bytes("content"));
    }
    assert_eq!(
        client.failure(&from("wrong"), &user()).await.0,
        Reason::ChartDigest
    );
    assert_eq!(
        client.failure(&from("odd"), &user()).await.0,
        Reason::ChartIndex
    );
}

/// A registry whose manifest of every tag is this one, and whose blobs are elsewhere.
async fn plays(manifest: String, headers: Vec<String>, blobs: String) -> Player {
    Player::start(move |heard, _| {
        if heard.header("authorization") != BASIC {
            return answer(401, &["WWW-Authenticate: Basic realm=\"r\""], "");
        }
        if heard.target.contains("/manifests/") {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            return answer(200, &headers, &manifest);
        }
        let digest = heard.target.rsplit('/').next().unwrap();
        answer(
            307,
            &[&format!("Location: http://{blobs}/{digest}?signed=1")],
            "",
        )
    })
    .await
}

fn manifest_of(content: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"{}","size":2}},"layers":[{{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","digest":"{}","size":{}}}]}}"#,
        digest_of(b"{}"),
        digest_of(content.as_bytes()),
        content.len()
    )
}

#[tokio::test]
async fn a_blob_may_lie_on_another_host_which_gets_no_credentials_and_is_not_trusted() {
    for (served, expected) in [("content", None), ("conteNt", Some(Reason::ChartDigest))] {
        let blobs = Player::start(move |_, _| answer(200, &[], served)).await;
        let registry = plays(manifest_of("content"), Vec::new(), blobs.host.clone()).await;
        let fetched = usual()
            .fetch(&oci(&registry.host, "app", "1.0.0"), &user())
            .await;
        match expected {
            None => assert_eq!(fetched.unwrap().bytes, bytes("content")),
            Some(reason) => assert_eq!(fetched.unwrap_err().reason(), reason),
        }
        let heard = blobs.heard();
        assert_eq!(heard.len(), 1);
        assert!(
            heard[0].header("authorization").is_empty() && heard[0].target.ends_with("?signed=1")
        );
    }
}

#[tokio::test]
async fn bad_b58_a_manifest_that_is_not_what_it_should_be_gives_no_chart() {
    let fine = manifest_of("content");
    let other = format!("Docker-Content-Digest: {}", digest_of(b"other"));
    let sha512 = format!("Docker-Content-Digest: sha512:{}", "0".repeat(128));
    let image = fine.replace("vnd.cncf.helm.config", "vnd.oci.image.config");
    for (manifest, headers, version, expected) in [
        (fine.clone(), vec![other], "1.0.0", Reason::ChartDigest),
        (fine.clone(), vec![sha512], "1.0.0", Reason::ChartManifest),
        (
            fine.clone(),
            vec![],
            &*digest_of(b"other"),
            Reason::ChartDigest,
        ),
        (image, vec![], "1.0.0", Reason::ChartManifest),
        (
            fine.replace("chart.content", "chart.provenance"),
            vec![],
            "1.0.0",
            Reason::ChartManifest,
        ),
        (
            fine.replace("sha256:", "sha512:"),
            vec![],
            "1.0.0",
            Reason::ChartManifest,
        ),
        (
            r#"{"manifests":[]}"#.to_owned(),
            vec![],
            "1.0.0",
            Reason::ChartManifest,
        ),
        ("[]".to_owned(), vec![], "1.0.0", Reason::ChartManifest),
        (
            fine.replace("\"size\":7", "\"size\":999999999"),
            vec![],
            "1.0.0",
            Reason::TooLarge,
        ),
        ("x".repeat(5 << 20), vec![], "1.0.0", Reason::ChartManifest),
    ] {
        let shown: String = manifest.chars().take(300).collect();
        let registry = plays(manifest, headers, "127.0.0.1:1".to_owned()).await;
        let (reason, text) = usual()
            .failure(&oci(&registry.host, "app", version), &user())
            .await;
        assert_eq!(reason, expected, "{shown}: {text}");
    }
}

#[tokio::test]
async fn a_tag_is_asked_for_once_per_interval() {
    let blobs = Player::start(|_, _| answer(200, &[], "content")).await;
    let registry = plays(manifest_of("content"), Vec::new(), blobs.host.clone()).await;
    let client = usual();
    for _ in 0..3 {
        client
            .fetch(&oci(&registry.host, "app", "1.0.0"), &user())
            .await
            .unwrap();
    }
    // Each kind of question is asked twice: without, and with the credentials that it wants.
    let heard: Vec<String> = registry
        .heard()
        .into_iter()
        .map(|heard| heard.target)
        .collect();
    assert_eq!(
        heard
            .iter()
            .filter(|target| target.contains("/manifests/"))
            .count(),
        2,
        "{heard:?}"
    );
    assert_eq!(blobs.heard().len(), 1);
}
