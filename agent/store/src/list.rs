//! Lists that are asked for page by page.

use jiff::Timestamp;
use tracing::warn;

use crate::error::Error;
use crate::statement::{Statement, Value};

/// A question for a part of a list, with the conditions that are asked for and no other: a
/// condition that may be absent would keep the database from using its index.
pub(crate) struct List<'a> {
    pub(crate) statement: Statement<'a>,
    conditions: usize,
}

impl<'a> List<'a> {
    /// All of `select ... from ...`.
    pub(crate) fn new(select: &'static str) -> Self {
        Self {
            statement: Statement::new(select),
            conditions: 0,
        }
    }

    /// Only rows of which this is true: `id < ` and a value.
    pub(crate) fn require(&mut self, condition: &str, value: impl Into<Value<'a>>) {
        let word = if self.conditions == 0 {
            " where "
        } else {
            " and "
        };
        self.conditions += 1;
        self.statement.push(word);
        self.statement.push(condition);
        self.statement.push_value(value);
    }

    /// Only rows whose id was made in this time.
    pub(crate) fn require_time(&mut self, since: Option<Timestamp>, until: Option<Timestamp>) {
        for (condition, time) in [("id >= ", since), ("id < ", until)] {
            if let Some(time) = time {
                self.require(condition, first_id(time));
            }
        }
    }
}

/// Sorts before every ULID of this millisecond and after all earlier ones: the ten digits of its
/// time in Crockford's Base32 (<https://github.com/ulid/spec>).
fn first_id(time: Timestamp) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let millisecond = u64::try_from(time.as_millisecond()).unwrap_or_default();
    (0..10)
        .rev()
        .map(|place| char::from(DIGITS[(millisecond >> (place * 5)) as usize % 32]))
        .collect()
}

/// What can be read; a row that cannot is left out of a list, and said.
pub(crate) fn readable<R, T>(rows: Vec<R>) -> Vec<T>
where
    T: TryFrom<R, Error = Error>,
{
    rows.into_iter()
        .filter_map(|row| match T::try_from(row) {
            Ok(record) => Some(record),
            Err(error) => {
                warn!(%error, "a row of the history is left out");
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn the_first_id_of_a_millisecond_sorts_before_all_of_its_ids_and_after_earlier_ones() {
        for millisecond in [0, 1, 31, 32, 1_790_000_000_123] {
            let first = first_id(Timestamp::from_millisecond(millisecond).unwrap());
            let ulid = |ms: i64, random| Ulid::from_parts(ms as u64, random).to_string();
            assert!(first <= ulid(millisecond, 0), "{first}");
            assert!(millisecond == 0 || first > ulid(millisecond - 1, u128::MAX >> 48));
        }
    }
}
