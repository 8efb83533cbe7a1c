//! Renders that are kept in memory: a commit that has the same files again, such as a revert, needs
//! none.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use syncline_core::digest::Digest;
use syncline_core::manifest::Raw;
use syncline_core::outcome::Failure;
use syncline_core::read_set::Reads as Place;
use syncline_render::Location;
use syncline_render::cache::{Cache, Read, Reads};

use super::{Output, Seen, Sources};

/// The renders that were used last, by the digest of their inputs and by what they read.
pub(crate) type Renders = Cache<Kept>;

/// A render, and what was seen in its sources.
pub(crate) struct Kept {
    output: Output,
    seen: Seen,
}

/// The render of these inputs, if the sources are as they were then.
pub(crate) fn find(
    renders: &Renders,
    key: Digest,
    sources: &Sources,
) -> Result<Option<Output>, Failure> {
    let kept = renders.get(key, |read| sources.id_of(read))?;
    Ok(kept.map(|kept: Arc<Kept>| {
        sources.saw(&kept.seen);
        kept.output.clone()
    }))
}

/// Keeps a render, unless something went into it that may be another one the next time.
pub(crate) fn keep(
    renders: &Renders,
    key: Digest,
    sources: &Sources,
    output: &Output,
) -> Result<(), Failure> {
    if !output.is_reproducible {
        return Ok(());
    }
    let seen = sources.seen();
    let places = seen.reads.iter().flat_map(|(source, reads)| {
        reads.iter().map(|read| {
            let (Place::File(path) | Place::Directory(path)) = read;
            Read::Place(Location {
                source: source.clone(),
                path: path.to_owned(),
            })
        })
    });
    let places: BTreeSet<Read> = places.collect();
    let reads = Reads::note(places, &[], |read| sources.id_of(read))?;
    let hooks = output.hooks.iter().map(|hook| &hook.object);
    let objects = output.objects.iter().chain(hooks);
    let weight = objects.map(|object: &Raw| weigh(&object.value)).sum();
    let kept = Kept {
        output: output.clone(),
        seen,
    };
    renders.insert(key, reads, Arc::new(kept), weight);
    Ok(())
}

/// Roughly how many bytes of memory a value takes.
pub(crate) fn weigh(value: &Value) -> usize {
    let own = size_of::<Value>();
    own + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weigh).sum(),
        Value::Object(fields) => fields.iter().map(|(k, v)| 80 + k.len() + weigh(v)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
