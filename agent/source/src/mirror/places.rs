//! Where commits stand in a branch.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ErrorCode, Oid, Sort};
use syncline_core::image::CommitPlace;
use syncline_core::revision::CommitId;

use super::Mirror;
use crate::error::Error;

impl Mirror {
    /// Where commits stand in the branch with this tip, by their ids or the beginnings of those; every
    /// one that is asked for gets an answer.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] where the tip is not there.
    pub fn places(
        &self,
        tip: &CommitId,
        ids: &[String],
    ) -> Result<BTreeMap<String, CommitPlace>, Error> {
        let (repository, _kept) = self.repository()?;
        let failed = |error: git2::Error| self.explain(&error);
        let tip = self.find_commit(&repository, tip)?.id();
        let odb = repository.odb().map_err(failed)?;
        let mut places = BTreeMap::new();
        let mut wanted: BTreeMap<Oid, Vec<&String>> = BTreeMap::new();
        for id in ids {
            let found = Oid::from_str(id).and_then(|short| odb.exists_prefix(short, id.len()));
            match found {
                Ok(found) => {
                    places.insert(id.clone(), CommitPlace::Elsewhere);
                    wanted.entry(found).or_default().push(id);
                }
                Err(error) if error.code() == ErrorCode::Ambiguous => {
                    places.insert(id.clone(), CommitPlace::Ambiguous);
                }
                Err(_) => {
                    places.insert(id.clone(), CommitPlace::Elsewhere);
                }
            }
        }
        let mut left: BTreeSet<Oid> = wanted.keys().copied().collect();
        let mut walk = repository.revwalk().map_err(failed)?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)
            .map_err(failed)?;
        walk.push(tip).map_err(failed)?;
        for (before, id) in (0..).zip(walk) {
            if left.is_empty() {
                break;
            }
            let id = id.map_err(failed)?;
            if left.remove(&id) {
                for asked in wanted.get(&id).into_iter().flatten() {
                    places.insert((*asked).clone(), CommitPlace::At(before));
                }
            }
        }
        Ok(places)
    }
}
