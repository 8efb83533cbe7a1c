//! Values with a marker: what the policy owns of them, and what is wrong with it.

use super::forms::version_of;
use super::marks::Mark;
use super::sites::{Entries, Step, Walk, entry, text_in, written};
use super::{By, Cause, Holds, Kind};
use crate::image::marker::{self, Marker};
use crate::image::reference::{Digest, Reference, split};
use crate::manifest::yaml::tree::Node;
use crate::record::Name;

impl<'a> Walk<'a> {
    /// A value with a marker.
    pub(super) fn marker(
        &mut self,
        marker: &Marker,
        value: &'a Node,
        siblings: Option<&'a Entries>,
        path: &[Step<'a>],
    ) {
        let policy = &marker.policy;
        let unknown = self
            .wanted
            .policies
            .is_some_and(|policies| !policies.contains_key(policy));
        if unknown {
            let detail = format!("the marker names policy `{policy}`, which does not exist");
            self.refuse(value.at(), Cause::Marker, detail);
        }
        if self.wanted.policy != Some(policy) {
            return;
        }
        self.marked = true;
        if unknown {
            return;
        }
        let by = By::Marker(policy.clone());
        let Some(target) = self.resolve(value) else {
            let detail = "the marker stands at an alias of something that is no text".to_owned();
            self.refuse(value.at(), Cause::Marker, detail);
            return;
        };
        let image = self.wanted.image.clone();
        let bare = |tag, digest| Reference {
            name: image.clone(),
            tag,
            digest,
        };
        let path_text = written(path);
        let read = match marker.part {
            marker::Part::Reference => self.marked_reference(policy, &target.value),
            marker::Part::Name if self.is_the_image(&target.value) => return,
            marker::Part::Name => Err(self.another(policy, &target.value)),
            marker::Part::Tag => self.beside(policy, siblings, path).and_then(|()| {
                let (tag, digest) = version_of(&target.value)?;
                let holds = self.holds_of_tag(policy, siblings, digest.as_ref())?;
                Ok((Kind::Tag, bare(tag, digest), holds))
            }),
            marker::Part::Digest => self.beside(policy, siblings, path).and_then(|()| {
                let digest = match target.value.as_str() {
                    "" => None,
                    text => Some(Digest::parse(text).map_err(|error| error.to_string())?),
                };
                Ok((Kind::Digest, bare(None, digest), Holds::Digest))
            }),
        };
        match read {
            Ok((kind, current, holds)) => {
                self.place(by, kind, current, &[(value, holds, path_text)]);
            }
            Err(detail) => self.refuse(value.at(), Cause::Marker, detail),
        }
    }

    fn marked_reference(
        &self,
        policy: &Name,
        text: &str,
    ) -> Result<(Kind, Reference, Holds), String> {
        let reference = Reference::parse(text).map_err(|error| {
            format!("the marker of policy `{policy}` stands at no image: {error}")
        })?;
        if reference.name != *self.wanted.image {
            return Err(self.another(policy, &reference.name.to_string()));
        }
        let (name, ..) = split(text).map_err(|error| error.to_string())?;
        Ok((
            Kind::Reference,
            reference,
            Holds::Reference(name.to_owned()),
        ))
    }

    /// What a scalar with a `:tag` marker holds: the digest too, unless it has a place of its own.
    fn holds_of_tag(
        &self,
        policy: &Name,
        siblings: Option<&'a Entries>,
        digest: Option<&Digest>,
    ) -> Result<Holds, String> {
        let Some(beside) = siblings.and_then(|siblings| entry(siblings, "digest")) else {
            return Ok(Holds::TagAndDigest);
        };
        let is_ours = matches!(self.marks.at(beside.at()), Mark::Of(marker)
            if marker.policy == *policy && marker.part == marker::Part::Digest);
        if is_ours && digest.is_none() {
            return Ok(Holds::Tag);
        }
        match self
            .resolve(beside)
            .filter(|beside| !text_in(beside).is_empty())
        {
            None => Ok(Holds::TagAndDigest),
            Some(_) => Err(format!(
                "the tag has a marker and the `digest` beside it has none; give it \
                 `{{\"$imagepolicy\": \"{}:digest\"}}`, or remove it",
                marker::written(policy)
            )),
        }
    }

    /// Holds the image that is named beside a `:tag` or `:digest` against that of the policy.
    fn beside(
        &self,
        policy: &Name,
        siblings: Option<&'a Entries>,
        path: &[Step<'a>],
    ) -> Result<(), String> {
        let Some(siblings) = siblings else {
            return Ok(());
        };
        let is_kustomize = matches!(
            path,
            [.., Step::Key("images"), Step::Index(_), Step::Key(_)]
        );
        let names = if is_kustomize {
            let name = self.text_of(siblings, "newName");
            let name = name.or_else(|| self.text_of(siblings, "name"));
            Vec::from_iter(name.map(str::to_owned))
        } else {
            self.names_beside(siblings)
        };
        // What a chart puts before a repository without a registry, the render shows.
        let whole = self.wanted.image.to_string();
        let may_be = |name: &String| {
            let is_end = !is_kustomize && whole.ends_with(&format!("/{name}"));
            is_end || self.is_the_image(name)
        };
        match names.first() {
            Some(first) if !names.iter().any(may_be) => Err(self.another(policy, first)),
            _ => Ok(()),
        }
    }

    fn another(&self, policy: &Name, found: &str) -> String {
        let found: String = found.chars().take(200).collect();
        format!(
            "the marker names policy `{policy}`, which is for {}, and the image here is `{found}`; \
             correct one of the two",
            self.wanted.image
        )
    }
}
