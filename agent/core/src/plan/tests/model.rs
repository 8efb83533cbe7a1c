//! Random histories of a small world, planned step by step and compared with what may happen.
//!
//! Three applications of one repository want some of seven objects. Two of them have the same
//! account, so that objects pass between them; the third has no right to theirs. Commits change,
//! move and break what they want; people and controllers change live objects; syncs fail at single
//! writes or die in the middle; the agent forgets everything.
//!
//! Left out: concurrency inside a sync (each step is done before the next begins, so proofs are
//! never out of date), finalizers and graceful deletion, namespaces that hold other objects,
//! immutable fields, lists, subresources, `ignore`, autoscalers, other GitOps tools, `selfHeal: false`,
//! repositories that cannot be read, deleted applications and shrinks of more than five objects. A
//! watch is always up to date, and a commit is fetched at once.

mod agent;
mod allowed;
mod cluster;
mod facts;
mod steps;

use proptest::prelude::*;

use self::agent::{Agent, Delete, Git, Trouble};
use self::allowed::{is_precious, may_delete};
use self::cluster::{Cluster, Content, FIELDS, PERSON};
use self::steps::{Step, steps};
use super::*;

const APPLICATIONS: usize = 3;
const OBJECTS: usize = 7;
/// The first of two Deployments.
const WEB: usize = 1;
/// After so many rounds of syncs without trouble nothing may be left to do.
const ROUNDS: usize = 6;

fn owner_of(application: usize) -> Owner {
    owner_named(["a", "b", "c"][application])
}

/// The last application has another account.
fn right(one: usize, other: usize) -> Right {
    if (one == 2) == (other == 2) {
        Right::Granted
    } else {
        Right::Missing
    }
}

fn all_keys() -> [ObjectKey; OBJECTS] {
    [
        key("ConfigMap", "one"),
        key("Deployment", "web"),
        key("Deployment", "api"),
        key("StatefulSet", "db"),
        key("PersistentVolumeClaim", "disk"),
        key("Namespace", "shop"),
        key("Namespace", "default"),
    ]
}

/// The world, and what the model itself knows of it.
#[derive(Default)]
struct Model {
    keys: Vec<ObjectKey>,
    git: Git,
    cluster: Cluster,
    agent: Agent,
    /// Objects of an application that a person approved the removal of, by uid.
    approved: BTreeSet<(usize, u32)>,
    /// The objects that the last plan of each application held, by uid.
    shown: [Vec<u32>; APPLICATIONS],
    /// Objects, by uid, that wait because of what a commit did to each application as a whole.
    waiting: [BTreeSet<u32>; APPLICATIONS],
    /// What was done that must not be.
    wrong: Vec<String>,
}

impl Model {
    fn new() -> Self {
        let mut model = Self {
            keys: all_keys().to_vec(),
            ..Self::default()
        };
        model.agent.restart(true);
        model
    }

    fn commit(&mut self, touched: &[usize]) {
        self.git.commit += 1;
        for application in touched {
            self.git.changed[*application] = self.git.commit;
        }
        self.agent.fetch(&touched.iter().copied().collect());
    }

    /// Changes what is wanted; answers with the application where that is a change.
    fn want(
        &mut self,
        application: usize,
        object: usize,
        content: Option<Content>,
    ) -> Option<usize> {
        let wants = &mut self.git.wants[application];
        let key = &self.keys[object];
        let before = match content.clone() {
            Some(content) => wants.insert(key.clone(), content),
            None => wants.remove(key),
        };
        (before != content).then_some(application)
    }

    fn step(&mut self, step: &Step) {
        self.happen(step);
        // Of what waits for others and not for a person nothing outlives the agent.
        for (entry, waiting) in self.agent.entries.iter().zip(&mut self.waiting) {
            if entry.plan_hash.is_none() {
                waiting.clear();
            }
        }
    }

    fn happen(&mut self, step: &Step) {
        match step {
            Step::Commit(changes) => {
                let changes = changes.iter().cloned();
                let touched: Vec<_> = changes.filter_map(|(a, o, c)| self.want(a, o, c)).collect();
                self.commit(&touched);
            }
            Step::Move { object, from, to } => {
                let content = self.git.wants[*from].get(&self.keys[*object]).cloned();
                if content.is_some() && from != to {
                    let touched = [
                        self.want(*from, *object, None),
                        self.want(*to, *object, content),
                    ];
                    self.commit(&touched.into_iter().flatten().collect::<Vec<_>>());
                }
            }
            Step::Rename(application) => {
                let content = |at: usize| self.git.wants[*application].get(&self.keys[at]).cloned();
                let (web, api) = (content(WEB), content(WEB + 1));
                self.want(*application, WEB, api);
                self.want(*application, WEB + 1, web);
                self.commit(&[*application]);
            }
            Step::Break(application) => {
                self.git.broken[*application] = true;
                self.commit(&[*application]);
            }
            Step::Repair(application) => {
                self.git.broken[*application] = false;
                self.commit(&[*application]);
            }
            Step::Sync(application, trouble) => drop(self.sync(*application, *trouble)),
            Step::SyncAll => drop(self.round()),
            Step::Restart { rows_are_lost } => self.agent.restart(*rows_are_lost),
            Step::Approve(application) => {
                let shown = self.shown[*application].iter();
                self.approved.extend(shown.map(|uid| (*application, *uid)));
                self.agent.approve(*application);
            }
            Step::ApproveInGit(application) => {
                self.git.trailer[*application] = Some(self.git.commit + 1);
                self.commit(&[]);
            }
            Step::Edit(object, edit) => self.cluster.edit(&self.keys[*object], *edit, &self.keys),
        }
    }

    fn round(&mut self) -> usize {
        let applications = 0..APPLICATIONS;
        applications
            .map(|application| self.sync(application, Trouble::default()))
            .sum()
    }

    fn sync(&mut self, application: usize, trouble: Trouble) -> usize {
        let (git, approved, wrong) = (&self.git, &self.approved, &mut self.wrong);
        let waiting = &self.waiting[application];
        let mut check = |delete: &Delete<'_>, cluster: &Cluster, agent: &Agent| {
            if let Err(why) = may_delete(delete, cluster, agent, git, (approved, waiting)) {
                wrong.push(format!("{} deleted {}: {why}", application, delete.key));
            }
        };
        let cluster = &mut self.cluster;
        let agent = &mut self.agent;
        let done = agent.sync(application, git, cluster, trouble, &mut check);
        if let Some(plan) = &agent.entries[application].plan {
            let held = plan.actions.iter().filter(|action| is_held(action));
            let held = held.filter_map(|action| cluster.objects.get(&action.key));
            self.shown[application] = held.map(|object| object.uid).collect();
            let held = plan.held.keys().filter_map(|key| cluster.objects.get(key));
            self.waiting[application] = held.map(|object| object.uid).collect();
        }
        done
    }

    /// Whether an application that can be rendered wants an object.
    fn is_wanted(&self, key: &ObjectKey) -> bool {
        wanted_by(&self.git, key).next().is_some()
    }

    /// The objects that somebody wants, with the uid of the live ones and the application that has
    /// and wants it.
    fn wanted(&self) -> BTreeMap<ObjectKey, (u32, Option<usize>)> {
        let objects = self.cluster.objects.iter();
        let wanted = objects.filter(|(key, _)| self.is_wanted(key));
        let wanted = wanted.map(|(key, object)| {
            let owner = object.live().owner(key);
            let mut wanters = wanted_by(&self.git, key);
            let owner = wanters.find(|wanter| owner.as_ref() == Some(&owner_of(*wanter)));
            (key.clone(), (object.uid, owner))
        });
        wanted.collect()
    }

    /// Whether what was and is wanted is still the same object, and with whom it was.
    fn has_kept(&self, before: BTreeMap<ObjectKey, (u32, Option<usize>)>) -> Result<(), String> {
        let after = self.wanted();
        let before = before.into_iter();
        for (key, (uid, owner)) in before.filter(|(key, _)| self.is_wanted(key)) {
            let Some((now, holder)) = after.get(&key).filter(|(now, _)| *now == uid) else {
                return Err(format!("{key} was wanted all the time and is gone"));
            };
            let wants = |owner: usize| wanted_by(&self.git, &key).any(|wanter| wanter == owner);
            if owner.is_some_and(wants) && *holder != owner {
                return Err(format!("{key} ({now}) was taken from its owner"));
            }
        }
        Ok(())
    }

    /// Syncs without trouble until nothing more may be left to do.
    fn come_to_rest(&mut self) -> Result<(), String> {
        let writes: Vec<usize> = (0..=ROUNDS).map(|_| self.round()).collect();
        if !self.wrong.is_empty() {
            return Err(format!("at the end: {}", self.wrong.join("; ")));
        }
        if writes[ROUNDS] > 0 {
            return Err(format!("no end of writes: {writes:?}"));
        }
        self.check_end()
    }

    /// Whether the cluster is as Git says, or the last plan says why not.
    fn check_end(&self) -> Result<(), String> {
        for key in &self.keys {
            let wanters: Vec<usize> = wanted_by(&self.git, key).collect();
            let said = |application: usize| {
                let plan = self.agent.entries[application].plan.as_ref();
                let mut actions = plan.into_iter().flat_map(|plan| &plan.actions);
                let action = actions.find(|action| action.key == *key)?;
                (action.kind == ActionKind::Skip).then(|| action.because.clone())?
            };
            let Some(object) = self.cluster.objects.get(key) else {
                if wanters.is_empty() {
                    continue;
                }
                return Err(format!("{key} is missing"));
            };
            let live = object.live();
            let owner = live.owner(key);
            let ours = (0..APPLICATIONS).find(|a| owner.as_ref() == Some(&owner_of(*a)));
            let others = wanters.iter().filter(|wanter| Some(**wanter) != ours);
            if let Some(silent) = others.copied().find(|other| said(*other).is_none()) {
                return Err(format!("{silent} does not say why {key} is not its own"));
            }
            match ours {
                Some(owner) if wanters.contains(&owner) => {
                    is_as_wanted(key, object, &self.git.wants[owner][key])?;
                }
                Some(owner) if said(owner).is_none() => {
                    return Err(format!("{owner} has forgotten {key}"));
                }
                None if owner.is_none() && !wanters.is_empty() => {
                    return Err(format!("{key} was not adopted"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_held(action: &Action) -> bool {
    let because = action.because.as_ref();
    because.is_some_and(|because| because.reason == Reason::PruneHeld)
}

fn wanted_by<'a>(git: &'a Git, key: &'a ObjectKey) -> impl Iterator<Item = usize> + 'a {
    let wants = move |a: &usize| !git.broken[*a] && git.wants[*a].contains_key(key);
    (0..APPLICATIONS).filter(wants)
}

fn is_as_wanted(
    key: &ObjectKey,
    object: &cluster::Object,
    content: &Content,
) -> Result<(), String> {
    for field in FIELDS {
        let (is, should) = (object.fields.get(field), content.get(field));
        // What a controller added stays; what nobody is known for after a reset as well.
        let holders = object.holders(field);
        let left = should.is_none() && !holders.contains(MANAGER) && !holders.contains(PERSON);
        if is != should && !left {
            return Err(format!("{key}: {field} is {is:?} and should be {should:?}"));
        }
    }
    Ok(())
}

fn run(steps: &[Step]) -> Result<(), String> {
    let mut model = Model::new();
    for (number, step) in steps.iter().enumerate() {
        let before = model.wanted();
        model.step(step);
        if !matches!(step, Step::Edit(..)) {
            let kept = model.has_kept(before);
            kept.map_err(|why| format!("step {number} {step:?}: {why}"))?;
        }
        if !model.wrong.is_empty() {
            return Err(format!(
                "step {number} {step:?}: {}",
                model.wrong.join("; ")
            ));
        }
    }
    for application in 0..APPLICATIONS {
        model.step(&Step::Repair(application));
    }
    model.come_to_rest()?;
    for application in 0..APPLICATIONS {
        model.step(&Step::Approve(application));
    }
    model.come_to_rest()?;
    let plans = model.agent.entries.iter();
    let plans = plans.filter_map(|entry| entry.plan.as_ref());
    let mut actions = plans.flat_map(|plan| &plan.actions);
    if let Some(held) = actions.find(|action| is_held(action)) {
        return Err(format!("{} was approved and is held", held.key));
    }
    // What was approved says nothing of what leaves Git later.
    for wants in &mut model.git.wants {
        wants.retain(|key, _| !is_precious(key));
    }
    model.commit(&[0, 1, 2]);
    model.come_to_rest()
}

#[test]
fn inv_i06_what_an_application_wants_that_had_no_turn_yet_is_not_pruned() {
    let content = Some(Content::from([("a", 0)]));
    let steps = [
        Step::SyncAll,
        Step::Commit(vec![(2, 0, content.clone()), (1, 0, content.clone())]),
        Step::Sync(1, Trouble::default()),
        Step::Commit(vec![(1, 0, None), (1, 1, content)]),
        Step::SyncAll,
    ];
    assert_eq!(run(&steps), Ok(()));
}

proptest! {
    #[test]
    fn nothing_is_pruned_that_may_not_be_and_every_history_ends_as_git_says(
        steps in proptest::collection::vec(steps(), 1..40)
    ) {
        run(&steps).map_err(TestCaseError::fail)?;
    }
}
