//! What may happen in the model, and how likely it is.

use proptest::prelude::*;

use super::agent::Trouble;
use super::cluster::{CONTROLLER, Content, Edit, FIELDS, PERSON};
use super::*;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Applications, objects and what is wanted of them from now on.
    Commit(Vec<(usize, usize, Option<Content>)>),
    Move {
        object: usize,
        from: usize,
        to: usize,
    },
    /// An application names its first Deployment as the other one, or the reverse.
    Rename(usize),
    Break(usize),
    Repair(usize),
    Sync(usize, Trouble),
    SyncAll,
    Restart {
        rows_are_lost: bool,
    },
    Approve(usize),
    ApproveInGit(usize),
    Edit(usize, Edit),
}

fn contents() -> impl Strategy<Value = Content> {
    (0..3_u8, proptest::option::of(0..3_u8)).prop_map(|(a, b)| {
        let b = b.map(|b| ("b", b));
        [("a", a)].into_iter().chain(b).collect()
    })
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        proptest::sample::select(vec!["a", "b"]).prop_map(Edit::Change),
        proptest::sample::select(FIELDS.to_vec()).prop_map(Edit::Remove),
        proptest::sample::select(vec![PERSON, CONTROLLER]).prop_map(Edit::Add),
        Just(Edit::AddUnderOurName),
        Just(Edit::ResetManagers),
        Just(Edit::Delete),
        Just(Edit::StripOwner),
        (0..OBJECTS).prop_map(Edit::CopyMarksTo),
        Just(Edit::KeepForEver),
        Just(Edit::Create),
        Just(Edit::CreateForAnotherInstance),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Step> {
    let application = 0..APPLICATIONS;
    let object = 0..OBJECTS;
    let change = (
        application.clone(),
        object.clone(),
        proptest::option::weighted(0.6, contents()),
    );
    let crash = proptest::option::weighted(0.3, (0..6_u8, any::<bool>()));
    let trouble = (prop_oneof![Just(0), any::<u16>()], crash);
    let trouble = trouble.prop_map(|(failing, crash)| Trouble { failing, crash });
    prop_oneof![
        6 => proptest::collection::vec(change, 1..6).prop_map(Step::Commit),
        4 => (object.clone(), application.clone(), application.clone())
            .prop_map(|(object, from, to)| Step::Move { object, from, to }),
        2 => application.clone().prop_map(Step::Rename),
        1 => application.clone().prop_map(Step::Break),
        2 => application.clone().prop_map(Step::Repair),
        8 => (application.clone(), trouble).prop_map(|(a, trouble)| Step::Sync(a, trouble)),
        8 => Just(Step::SyncAll),
        1 => any::<bool>().prop_map(|rows_are_lost| Step::Restart { rows_are_lost }),
        3 => application.clone().prop_map(Step::Approve),
        1 => application.prop_map(Step::ApproveInGit),
        5 => (object, edits()).prop_map(|(object, edit)| Step::Edit(object, edit)),
    ]
}
