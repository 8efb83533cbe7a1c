//! Lists that are believed, and lists that are not.

use super::*;

/// The lists of one image, a minute apart.
struct Image {
    memory: Memory,
    now: Timestamp,
    current: BTreeSet<Tag>,
}

fn set(tags: &[&str]) -> BTreeSet<Tag> {
    tags.iter().map(|text| Tag::parse(text).unwrap()).collect()
}

fn numbered(count: usize) -> Vec<Tag> {
    let mut tags: Vec<Tag> = (0..count)
        .map(|n| Tag::parse(&format!("1.0.{n}")).unwrap())
        .collect();
    tags.sort_unstable();
    tags
}

impl Image {
    fn new(current: &[&str]) -> Self {
        Self {
            memory: Memory::default(),
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            current: set(current),
        }
    }

    fn look(&mut self, tags: &[Tag], asked: Asked) -> Option<Doubt> {
        self.now += jiff::SignedDuration::from_mins(1);
        let rules = Rules::default();
        let judged = judge(&self.memory, tags, &self.current, asked, self.now, &rules);
        self.memory = judged.memory;
        judged.doubt
    }

    fn list(&mut self, tags: &[&str]) -> Option<Loss> {
        let tags: Vec<Tag> = set(tags).into_iter().collect();
        self.look(&tags, Asked::Routinely).map(|doubt| doubt.loss)
    }
}

#[test]
fn inv_i21_a_list_without_the_tag_that_git_names_is_not_believed() {
    let mut image = Image::new(&["1.1.0"]);
    assert_eq!(image.list(&["1.0.0", "1.1.0"]), None);
    assert_eq!(image.list(&["1.0.0"]), Some(Loss::Current(set(&["1.1.0"]))));
    // It is back, and nothing was ever doubted.
    assert_eq!(image.list(&["1.0.0", "1.1.0", "1.2.0"]), None);
    assert_eq!(image.memory.doubted, None);
    // Git was moved on meanwhile, as it is after our own commit.
    image.current = set(&["1.2.0"]);
    assert_eq!(
        image.list(&["1.0.0", "1.1.0"]),
        Some(Loss::Current(set(&["1.2.0"])))
    );
}

#[test]
fn fault_f15_a_tag_that_stays_deleted_is_believed_to_be_after_ten_minutes() {
    let mut image = Image::new(&["1.1.0"]);
    assert_eq!(image.list(&["1.0.0", "1.1.0"]), None);
    for _ in 0..10 {
        assert!(image.list(&["1.0.0"]).is_some());
    }
    assert_eq!(image.list(&["1.0.0"]), None);
    // From now on it is not missed any more.
    assert_eq!(image.list(&["1.0.0", "1.0.1"]), None);
}

#[test]
fn fault_f14_a_list_that_lost_more_than_half_is_not_believed() {
    for (before, after, lost) in [
        (100, 49, true),
        (100, 50, false),
        (21, 10, true),
        (20, 10, false),
        (20, 9, true),
        (12, 2, false),
        (5, 0, true),
        (0, 0, false),
        (10, 1000, false),
    ] {
        let mut image = Image::new(&[]);
        image.look(&numbered(before), Asked::Routinely);
        let doubt = image.look(&numbered(after), Asked::Routinely);
        let expected = lost.then_some(Loss::Most { before, now: after });
        assert_eq!(doubt.map(|doubt| doubt.loss), expected, "{before} {after}");
    }
}

#[test]
fn a_list_that_loses_more_and_more_is_counted_anew() {
    let mut image = Image::new(&[]);
    image.look(&numbered(1000), Asked::Routinely);
    for count in (0..20).rev() {
        let doubt = image.look(&numbered(count * 20), Asked::Routinely).unwrap();
        assert_eq!(doubt.listings, 1);
    }
    // One that grows again is the same doubt, until it has half of what there was.
    let doubt = image.look(&numbered(100), Asked::Routinely).unwrap();
    assert_eq!(doubt.listings, 2);
    assert_eq!(image.look(&numbered(600), Asked::Routinely), None);
}

#[test]
fn few_lists_are_not_enough_however_far_apart_and_many_are_not_however_close() {
    let mut image = Image::new(&["1.0.1"]);
    image.list(&["1.0.0", "1.0.1"]);
    for _ in 0..2 {
        image.now += jiff::SignedDuration::from_hours(1);
        assert!(image.list(&["1.0.0"]).is_some());
    }
    image.now += jiff::SignedDuration::from_hours(1);
    assert_eq!(image.list(&["1.0.0"]), None);

    let mut image = Image::new(&["1.0.1"]);
    image.list(&["1.0.0", "1.0.1"]);
    for _ in 0..100 {
        image.now -= jiff::SignedDuration::from_secs(59);
        assert!(image.list(&["1.0.0"]).is_some());
    }
}

#[test]
fn a_person_who_asks_is_believed_at_once() {
    let mut image = Image::new(&["1.0.1"]);
    image.list(&["1.0.0", "1.0.1"]);
    assert!(image.list(&["1.0.0"]).is_some());
    let tags: Vec<Tag> = set(&["1.0.0"]).into_iter().collect();
    assert_eq!(image.look(&tags, Asked::ByPerson), None);
    assert_eq!(image.list(&["1.0.0"]), None);
}

#[test]
fn nothing_is_lost_to_the_first_list() {
    let mut image = Image::new(&["1.0.0"]);
    assert_eq!(image.list(&["2.0.0"]), None);
    assert_eq!(image.list(&["2.0.0", "2.1.0"]), None);
}

#[test]
fn a_doubt_says_what_is_lost_since_when_and_until_when() {
    let mut image = Image::new(&["1", "2", "3", "4", "5"]);
    image.list(&["1", "2", "3", "4", "5"]);
    let doubt = image.look(&[], Asked::Routinely).unwrap();
    let failure = doubt.failure();
    assert_eq!(failure.reason, Reason::RegistryDoubtful);
    assert_eq!(
        failure.detail,
        "the registry does not list `1`, `2`, `3` and 2 more, which Git names; 1 of 3 lists say so \
         since 2026-11-21T12:02:00Z, and it is believed after 2026-11-21T12:12:00Z"
    );
}

#[test]
fn the_memory_outlives_the_process_as_json() {
    let mut image = Image::new(&["1.0.1"]);
    image.list(&["1.0.0", "1.0.1"]);
    image.list(&["1.0.0"]);
    let text = serde_json::to_string(&image.memory).unwrap();
    assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), image.memory);
}
