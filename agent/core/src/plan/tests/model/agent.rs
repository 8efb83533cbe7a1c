//! The thin edge around the planner, played as the agent does it: what stands, what is known of
//! others, what is written, what is remembered.

use super::cluster::{Cluster, Content};
use super::*;
use crate::kept::FieldDigests;
use crate::ownership::digests;
use crate::reason::Class;

/// What the repository says at its newest commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Git {
    pub(super) commit: u32,
    pub(super) wants: [BTreeMap<ObjectKey, Content>; APPLICATIONS],
    /// It cannot be rendered.
    pub(super) broken: [bool; APPLICATIONS],
    /// The last commit that changed anything of an application.
    pub(super) changed: [u32; APPLICATIONS],
    /// The last commit with an approval.
    pub(super) trailer: [Option<u32>; APPLICATIONS],
}

#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) applied: Digest,
    pub(super) written: Option<(String, FieldDigests)>,
}

type Rows = (u32, BTreeMap<ObjectKey, Kept>);

/// What is in memory about one application.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) kept: Option<u32>,
    pub(super) objects: BTreeMap<ObjectKey, Kept>,
    indexed: bool,
    pub(super) waits: bool,
    pub(super) held: Option<BTreeMap<ObjectKey, Reason>>,
    pub(super) settled: u32,
    /// The head at which its render failed.
    pub(super) failed: u32,
    pub(super) plan_hash: Option<String>,
    /// The last plan; `None` where everything stood.
    pub(super) plan: Option<Plan>,
}

/// What outlives the agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Lasting {
    rows: [Option<Rows>; APPLICATIONS],
    pub(super) applied: [Option<u32>; APPLICATIONS],
    plan_hash: [Option<String>; APPLICATIONS],
    pub(super) approve: [Option<String>; APPLICATIONS],
}

/// The agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Agent {
    pub(super) entries: [Entry; APPLICATIONS],
    /// How many heads were seen since the start.
    heads: u32,
    pub(super) unrendered: BTreeMap<usize, u32>,
    pub(super) lasting: Lasting,
}

/// What goes wrong in a sync, counted in writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// Bits of the writes that fail.
    pub(super) failing: u16,
    /// After so many writes the agent dies; what it kept is lost with `true`.
    pub(super) crash: Option<(u8, bool)>,
}

/// A delete that is about to be sent.
pub(super) struct Delete<'a> {
    pub(super) application: usize,
    pub(super) key: &'a ObjectKey,
    pub(super) plan: &'a Plan,
    /// A commit since the last applied one approves.
    pub(super) in_git: bool,
    pub(super) approve: Option<&'a str>,
}

/// The writes of one sync: how many were done, and which go wrong.
struct Writes {
    trouble: Trouble,
    tried: u8,
    done: usize,
}

enum Went {
    Well,
    Wrong,
    Died,
}

impl Writes {
    fn next(&mut self) -> Went {
        if self
            .trouble
            .crash
            .is_some_and(|(after, _)| self.tried >= after)
        {
            return Went::Died;
        }
        let failing = self
            .trouble
            .failing
            .checked_shr(self.tried.into())
            .unwrap_or(0);
        self.tried = self.tried.saturating_add(1);
        if failing & 1 == 1 {
            return Went::Wrong;
        }
        self.done += 1;
        Went::Well
    }
}

impl Agent {
    /// Takes a new head in.
    pub(super) fn fetch(&mut self, touched: &BTreeSet<usize>) {
        self.heads += 1;
        for (application, entry) in self.entries.iter().enumerate() {
            if touched.contains(&application) || !entry.indexed || entry.plan_hash.is_some() {
                self.unrendered.insert(application, self.heads);
            }
        }
    }

    /// Everything in memory is lost.
    pub(super) fn restart(&mut self, rows_are_lost: bool) {
        if rows_are_lost {
            self.lasting.rows = Default::default();
        }
        let lasting = std::mem::take(&mut self.lasting);
        *self = Self::default();
        for (application, entry) in self.entries.iter_mut().enumerate() {
            if let Some((commit, objects)) = &lasting.rows[application] {
                entry.kept = Some(*commit);
                entry.objects.clone_from(objects);
            }
            entry.plan_hash.clone_from(&lasting.plan_hash[application]);
        }
        self.lasting = lasting;
        self.fetch(&BTreeSet::new());
    }

    /// A person approves what the status shows.
    pub(super) fn approve(&mut self, application: usize) {
        if let Some(shown) = &self.lasting.plan_hash[application] {
            self.lasting.approve[application] = Some(shown.clone());
        }
    }

    /// Syncs one application. Answers with the number of writes.
    pub(super) fn sync(
        &mut self,
        application: usize,
        git: &Git,
        cluster: &mut Cluster,
        trouble: Trouble,
        check: &mut dyn FnMut(&Delete<'_>, &Cluster, &Self),
    ) -> usize {
        if self.all_stands(application, git, cluster) {
            self.unrendered.remove(&application);
            let heads = self.heads;
            let entry = &mut self.entries[application];
            entry.indexed = true;
            entry.plan = None;
            (entry.settled, entry.waits) = (heads, false);
            self.lasting.applied[application] = Some(git.commit);
            self.save(application);
            return 0;
        }
        self.entries[application].indexed = true;
        if git.broken[application] {
            self.entries[application].failed = self.heads;
            return 0;
        }
        let (set, hashes) = render(&git.wants[application]);
        self.claim(application, git.commit, &hashes);
        let (plan, in_git) = self.plan(application, git, cluster, &set, &hashes);
        let mut writes = Writes {
            trouble,
            tried: 0,
            done: 0,
        };
        let mut errors: Vec<Reason> = Vec::new();
        let skipped = plan.actions.iter().filter(|a| a.kind == ActionKind::Skip);
        errors.extend(skipped.filter_map(|action| Some(action.because.as_ref()?.reason)));
        for action in &plan.actions {
            let content = git.wants[application].get(&action.key);
            let went = match (action.kind, content) {
                (ActionKind::Create | ActionKind::Update, Some(content)) => self.apply(
                    application,
                    action,
                    content,
                    hashes[&action.key],
                    cluster,
                    &mut writes,
                ),
                (ActionKind::Prune, _) => match writes.next() {
                    Went::Well => {
                        let approve = self.lasting.approve[application].as_deref();
                        let delete = Delete {
                            application,
                            key: &action.key,
                            plan: &plan,
                            in_git,
                            approve,
                        };
                        check(&delete, cluster, self);
                        cluster.objects.remove(&action.key);
                        Went::Well
                    }
                    other => other,
                },
                (ActionKind::Unchanged, _) if action.because.is_none() => {
                    self.wrote(application, &action.key, cluster);
                    Went::Well
                }
                _ => Went::Well,
            };
            match went {
                Went::Well => {}
                Went::Wrong => errors.push(Reason::ApiUnavailable),
                Went::Died => {
                    self.restart(trouble.crash.is_some_and(|(_, lost)| lost));
                    return writes.done;
                }
            }
        }
        self.settle(application, git.commit, plan, &errors);
        writes.done
    }

    fn claim(&mut self, application: usize, commit: u32, hashes: &BTreeMap<ObjectKey, Digest>) {
        let entry = &mut self.entries[application];
        let before = std::mem::take(&mut entry.objects);
        let objects = hashes.iter().map(|(key, applied)| {
            let written = before.get(key).and_then(|kept| kept.written.clone());
            let kept = Kept {
                applied: *applied,
                written,
            };
            (key.clone(), kept)
        });
        entry.objects = objects.collect();
        entry.kept = Some(commit);
        self.unrendered.remove(&application);
    }

    fn apply(
        &mut self,
        application: usize,
        action: &Action,
        content: &Content,
        hash: Digest,
        cluster: &mut Cluster,
        writes: &mut Writes,
    ) -> Went {
        let key = &action.key;
        if let (Some(fields), Some((_, version))) = (&action.rewrite, &action.proof) {
            match writes.next() {
                Went::Well if cluster.rewrite(key, version, fields) => {}
                Went::Well => return Went::Wrong,
                other => return other,
            }
        }
        match writes.next() {
            Went::Well => {}
            other => return other,
        }
        let marks = [
            (
                names::ANNOTATION_OWNER,
                owner_of(application).record_for(key),
            ),
            (names::ANNOTATION_APPLIED, hash.to_string()),
        ];
        cluster.apply(key, content, marks);
        self.wrote(application, key, cluster);
        Went::Well
    }

    fn wrote(&mut self, application: usize, key: &ObjectKey, cluster: &Cluster) {
        let kept = self.entries[application].objects.get_mut(key);
        if let (Some(kept), Some(object)) = (kept, cluster.objects.get(key)) {
            let live = object.live();
            kept.written = Some((live.uid, digests(&live.managed_fields, MANAGER)));
        }
    }

    fn settle(&mut self, application: usize, commit: u32, plan: Plan, errors: &[Reason]) {
        let calm =
            |reason: &Reason| matches!(reason.class(), Class::Good | Class::Hold | Class::Progress);
        let failed = !errors.iter().all(calm);
        let claimed = errors.contains(&Reason::ClaimedElsewhere);
        let entry = &mut self.entries[application];
        entry.waits = errors.contains(&Reason::WaitsForRender);
        if !entry.waits {
            entry.settled = self.heads;
        }
        entry.plan_hash = plan.hold.as_ref().map(|_| plan.hash.clone());
        entry.held = Some(plan.held.clone());
        if !failed && (plan.hold.is_some() || !claimed) {
            self.lasting.applied[application] = Some(commit);
        }
        self.lasting.plan_hash[application].clone_from(&entry.plan_hash);
        entry.plan = Some(plan);
        self.save(application);
    }

    fn save(&mut self, application: usize) {
        let entry = &self.entries[application];
        let rows = entry.kept.map(|commit| (commit, entry.objects.clone()));
        self.lasting.rows[application] = rows;
    }
}

fn render(wants: &BTreeMap<ObjectKey, Content>) -> (ManifestSet, BTreeMap<ObjectKey, Digest>) {
    let wires = wants.iter().map(|(key, content)| {
        let wire = json!({"apiVersion": key.api_version(), "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace}, "data": content});
        (key, wire)
    });
    let wires: Vec<_> = wires.collect();
    let hashes = wires
        .iter()
        .map(|(key, wire)| ((*key).clone(), applied_hash(KEY, wire)));
    let hashes = hashes.collect();
    let set = wires
        .into_iter()
        .map(|(key, wire)| manifest(key, wire))
        .collect();
    (desired(set), hashes)
}
