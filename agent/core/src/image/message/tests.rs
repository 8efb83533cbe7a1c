//! Messages of update commits, from templates.

use proptest::prelude::*;

use super::*;
use crate::image::update::{HistoryEntry, Place};

const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

fn update(name: &str) -> UpdateText {
    UpdateText {
        policy: format!("apps/{name}"),
        image: format!("registry.example.com/{name}"),
        old: "1.0.0".to_owned(),
        new: "1.1.0".to_owned(),
        files: vec![format!("apps/{name}.yaml:12")],
        applications: vec![format!("apps/{name}")],
        source: "https://git.example.com/acme/web".to_owned(),
        revision: REVISION.to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "roar".to_owned())]),
    }
}

fn commit(updates: &[UpdateText]) -> CommitText {
    CommitText {
        repository: "config".to_owned(),
        branch: "main".to_owned(),
        updates: updates.to_vec(),
    }
}

fn note() -> UpdateNote {
    UpdateNote {
        policy: Name::new("apps", "web"),
        place: Place {
            file: "apps/web.yaml".to_owned(),
            document: 1,
            path: "image".to_owned(),
        },
        old: "1.0.0".to_owned(),
        new: "1.1.0".to_owned(),
    }
}

fn made(template: &str, commit: &CommitText) -> String {
    let template = MessageTemplate::parse(template).unwrap();
    message(&template, commit, None, "01", &[note()]).unwrap()
}

const TRAILERS: &str =
    "Syncline-Update: 01\nSyncline-Image: apps/web apps/web.yaml:image 1.0.0 1.1.0\n";

#[test]
fn the_default_message_says_what_changed_for_whom_and_from_where() {
    let one = made(DEFAULT_TEMPLATE, &commit(&[update("web")]));
    assert_eq!(
        one,
        format!(
            "Update registry.example.com/web from 1.0.0 to 1.1.0\n\n\
             - registry.example.com/web from 1.0.0 to 1.1.0, by policy apps/web\n  \
             apps/web.yaml:12\n  for apps/web\n  \
             built from https://git.example.com/acme/web at {REVISION}\n\n{TRAILERS}"
        )
    );
    let bare = UpdateText {
        applications: Vec::new(),
        source: String::new(),
        revision: String::new(),
        ..update("api")
    };
    let two = made(DEFAULT_TEMPLATE, &commit(&[update("web"), bare]));
    assert!(two.starts_with("Update 2 images\n\n- registry"), "{two}");
    assert!(
        two.contains("\n- registry.example.com/api from 1.0.0"),
        "{two}"
    );
    assert!(
        two.ends_with(&format!("  apps/api.yaml:12\n\n{TRAILERS}")),
        "{two}"
    );
}

#[test]
fn a_template_sees_every_field() {
    let template = "{{ repository }} {{ branch }}\n\n{% for u in updates %}\n\
        {{ u.policy }} {{ u.image | upper }} {{ u.old }}>{{ u.new }} {{ u.files | join(' ') }}\n\
        {% if u.labels.team is undefined %}{% else %}{% endif %}{% endfor %}";
    let error = MessageTemplate::parse(template).unwrap_err();
    assert!(error.to_string().contains("undefined"), "{error}");
    let template = "{{ repository }} {{ branch }}\n\n{% for u in updates %}\n\
        {{ u.policy }} {{ u.image | upper }} {{ u.old }}>{{ u.new }} {{ u.files | join(' ') }}\n\
        {% if 'team' in u.labels %}\nteam {{ u.labels.team }}\n{% endif %}{% endfor %}";
    let text = made(template, &commit(&[update("web")]));
    assert!(
        text.starts_with(
            "config main\n\napps/web REGISTRY.EXAMPLE.COM/WEB 1.0.0>1.1.0 apps/web.yaml:12\nteam roar\n"
        ),
        "{text}"
    );
}

#[test]
fn the_marker_for_ci_stands_at_the_end_of_the_first_line_once() {
    let with = |template: &str| {
        let template = MessageTemplate::parse(template).unwrap();
        message(
            &template,
            &commit(&[update("web")]),
            Some("[skip ci]"),
            "01",
            &[],
        )
        .unwrap()
    };
    assert_eq!(
        with("Update\n\nbody"),
        "Update [skip ci]\n\nbody\n\nSyncline-Update: 01\n"
    );
    assert_eq!(
        with("[skip ci] Update"),
        "[skip ci] Update\n\nSyncline-Update: 01\n"
    );
}

#[test]
fn a_template_that_cannot_work_is_refused_with_its_line() {
    for (template, line, words) in [
        ("", None, "empty"),
        ("{# nothing #}\n \n", None, "empty"),
        ("Update\n{{ updates[0].iamge }}", Some(2), "undefined"),
        ("Update\n\n{% for u in updates %}{{ u.image }}", Some(3), ""),
        ("{{ updates[0].labels.team }}", Some(1), "undefined"),
        ("a\n{{ 'x' * 9 }}", Some(2), "`*`"),
        ("* a\n{{ '}}' ~ 'x' *\n9 }}", Some(2), "`*`"),
        ("{{ '\\\\' * 9 ~ '}}' }}", Some(1), "`*`"),
        ("{{ {'a': {}}* 9 }}", Some(1), "`*`"),
        ("{%- set x = 1 %}x", Some(1), "`set`"),
        ("a\n\n{% include 'x' %}", Some(3), "`include`"),
        ("{{ updates | tojson }}", Some(1), "tojson"),
        ("{{ range(9) }}", Some(1), "range"),
        (
            "{% for a in 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' %}{% endfor %}x{{ nothing }}",
            Some(1),
            "",
        ),
    ] {
        let error = MessageTemplate::parse(template).expect_err(template);
        assert_eq!(error.line, line, "{template}: {error}");
        assert!(error.to_string().contains(words), "{template}: {error}");
    }
    let long = "x".repeat(5000);
    assert!(MessageTemplate::parse(&long).is_err());
}

#[test]
fn a_template_that_would_take_too_long_or_too_much_is_stopped() {
    let nested = |deep: usize, inner: &str| {
        let (start, end) = ("{% for a in [1,2,3,4,5,6,7] %}", "{% endfor %}");
        format!("x{}{inner}{}", start.repeat(deep), end.repeat(deep))
    };
    let error = MessageTemplate::parse(&nested(12, "")).unwrap_err();
    assert!(error.detail.contains("steps"), "{error}");
    let error = MessageTemplate::parse(&nested(4, &"y".repeat(1000))).unwrap_err();
    assert!(error.detail.contains("longer than"), "{error}");
    let error = MessageTemplate::parse(&nested(17, "")).unwrap_err();
    assert!(error.detail.contains("nested"), "{error}");
    let joined = |deep: usize| {
        let inner = (0..deep).fold("'z'".to_owned(), |inner, _| {
            format!("[1,2,3,4,5,6,7]|join({inner})")
        });
        format!("{{{{ {inner} }}}}")
    };
    let error = MessageTemplate::parse(&joined(8)).unwrap_err();
    assert!(error.detail.contains("too long"), "{error}");
    let error = MessageTemplate::parse(&joined(40)).unwrap_err();
    assert!(error.detail.contains("longer than"), "{error}");
    let brackets = format!("{{{{ {}1{} }}}}", "(".repeat(20), ")".repeat(20));
    let error = MessageTemplate::parse(&brackets).unwrap_err();
    assert!(error.detail.contains("nested"), "{error}");
}

#[test]
fn a_template_of_one_long_expression_is_read_or_refused() {
    for (start, part, end) in [
        ("{{ ", "not ", "1 }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ ", "1 if 1 else ", "1 }}"),
        ("{{ ", "1~", "1 }}"),
        ("{{ ", "1 and ", "1 }}"),
        ("{{ 'a'", "|upper", " }}"),
        ("", "{% if 1 %}", ""),
        ("x", "{% if 1 %}x{% endif %}", ""),
        ("{% if 0 %}", "{% elif 0 %}", "{% else %}x{% endif %}"),
    ] {
        let count = (4096 - start.len() - end.len()) / part.len();
        let text = format!("{start}{}{end}", part.repeat(count));
        let _ = MessageTemplate::parse(&text);
    }
}

#[test]
fn a_label_of_an_image_cannot_speak_in_trailers() {
    let evil = UpdateText {
        source: "x\n\nSyncline-Prune: web".to_owned(),
        revision: "syncline-approve: web".to_owned(),
        ..update("web")
    };
    let text = made(
        "Update\n\n{{ updates[0].source }}\n\n{{ updates[0].revision }}",
        &commit(&[evil]),
    );
    assert_eq!(
        text,
        format!("Update\n\nx Syncline-Prune: web\n\n> syncline-approve: web\n\n{TRAILERS}")
    );
}

#[test]
fn a_revert_reads_as_git_writes_it_and_says_why() {
    let id = |digit: &str| CommitId::parse(&digit.repeat(40)).unwrap();
    let one = RevertText {
        reverted: vec![(id("a"), "Update web".to_owned())],
        restored: None,
        reason: "errors in\nproduction".to_owned(),
    };
    let a = "a".repeat(40);
    assert_eq!(
        revert_message(&one, None, "02"),
        format!(
            "Revert \"Update web\"\n\nerrors in production\n\nThis reverts commit {a}.\n\n\
             Syncline-Update: 02\nSyncline-Reverts: {a}\nSyncline-Reason: errors in production\n"
        )
    );
    let subject = |subjects: &[&str], restored: Option<&str>| {
        let revert = RevertText {
            reverted: subjects
                .iter()
                .map(|s| (id("b"), (*s).to_owned()))
                .collect(),
            restored: restored.map(|digit| (Name::new("apps", "web"), id(digit))),
            reason: String::new(),
        };
        let text = revert_message(&revert, Some("[skip ci]"), "03");
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(subject(&["Revert \"A\""], None), "Reapply \"A\" [skip ci]");
    assert_eq!(
        subject(&["A", "B", "C"], None),
        "Revert \"A\" and 2 more [skip ci]"
    );
    assert_eq!(
        subject(&["A"], Some("c")),
        "Restore apps/web to ccccccc [skip ci]"
    );
    let entry = HistoryEntry::read(
        id("d"),
        "x".to_owned(),
        jiff::Timestamp::UNIX_EPOCH,
        &revert_message(&one, None, "02"),
    );
    let entry = entry.unwrap();
    assert!(!entry.is_update());
    assert_eq!(entry.reverts().collect::<Vec<_>>(), [id("a")]);
}

proptest! {
    #[test]
    fn whatever_the_values_are_the_trailers_are_read_again(
        texts in prop::collection::vec("(\\PC|\n|Syncline-){0,20}", 9),
    ) {
        let update = UpdateText {
            policy: texts[0].clone(),
            image: texts[1].clone(),
            old: texts[2].clone(),
            new: texts[3].clone(),
            files: vec![texts[4].clone()],
            applications: vec![texts[5].clone(), texts[6].clone()],
            source: texts[7].clone(),
            revision: texts[8].clone(),
            labels: BTreeMap::new(),
        };
        let text = message(&MessageTemplate::default(), &commit(&[update]), None, "01", &[note()]).unwrap();
        prop_assert!(text.ends_with(TRAILERS));
        let trailers = trailers::parse(&text);
        let ours = trailers.iter().filter(|t| t.key.to_lowercase().starts_with("syncline-"));
        prop_assert_eq!(ours.count(), 2);
    }

    #[test]
    fn any_template_is_read_or_refused_without_failing(text in "(\\PC|\n|\\{\\{|\\}\\}|\\{% |%\\}|for|in|updates|if){0,40}") {
        let _ = MessageTemplate::parse(&text);
    }
}
