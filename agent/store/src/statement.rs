//! A statement with its values, written once for every database.
//!
//! Places of values are `$1`, `$2`, ...: both databases read them. What the two say differently is
//! chosen with [`crate::DatabaseKind::pick`], which keeps the differences few and easy to find.

use std::borrow::Cow;
use std::fmt::Write as _;

use sqlx::database::Database;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Encode, Type};

/// A value of a statement. Other types become one of these three.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Integer(Option<i64>),
    Bytes(Option<&'a [u8]>),
}

/// A statement and its values, in the order of their places.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    text: Cow<'static, str>,
    values: Vec<Value<'a>>,
    persistent: bool,
}

impl<'a> Statement<'a> {
    /// A statement that is prepared once in each connection, but see [`Statement::for_rows`].
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
            persistent: true,
        }
    }

    /// The value of the next place.
    pub(crate) fn bind(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds text to the statement.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.to_mut().push_str(text);
    }

    /// Adds a value to the statement, and its place to the text.
    pub(crate) fn push_value(&mut self, value: impl Into<Value<'a>>) {
        self.values.push(value.into());
        // Writing to a string does not fail.
        let _ = write!(self.text.to_mut(), "${}", self.values.len());
    }

    /// Adds rows: `(a, b), (c, d)`.
    pub(crate) fn push_rows<const COLUMNS: usize>(
        &mut self,
        rows: impl IntoIterator<Item = [Value<'a>; COLUMNS]>,
    ) {
        for (number, row) in rows.into_iter().enumerate() {
            self.push(if number == 0 { "(" } else { ", (" });
            for (column, value) in row.into_iter().enumerate() {
                if column > 0 {
                    self.push(", ");
                }
                self.push_value(value);
            }
            self.push(")");
        }
    }

    /// One for so many rows of a list that is cut into chunks. That of a full chunk, or of one row,
    /// is worth preparing once; a text that does not come again would only fill the cache.
    pub(crate) fn for_rows(mut self, rows: usize, full: usize) -> Self {
        self.persistent = rows == full || rows == 1;
        self
    }

    /// The text, for tests.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The query for one kind of database.
    pub(crate) fn query<'q, DB>(&'q self) -> Query<'q, DB, DB::Arguments>
    where
        DB: Database + sqlx::database::HasStatementCache,
        Option<&'q str>: Encode<'q, DB> + Type<DB>,
        Option<i64>: Encode<'q, DB> + Type<DB>,
        Option<&'q [u8]>: Encode<'q, DB> + Type<DB>,
    {
        // The texts are of this crate, values are never part of them.
        let query = match &self.text {
            Cow::Borrowed(text) => sqlx::query(*text),
            Cow::Owned(text) => sqlx::query(AssertSqlSafe(text.clone())),
        };
        let query = query.persistent(self.persistent);
        self.values.iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Integer(number) => query.bind(*number),
            Value::Bytes(bytes) => query.bind(*bytes),
        })
    }
}

/// PostgreSQL has no place for the character 0, and nobody misses it.
fn text(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(text(value.into())))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        value.as_str().into()
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(text(value.into())))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value.map(|value| text(value.into())))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(|value| text(value.into())))
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Some(value))
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        Self::Bytes(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_places_that_go_on_counting() {
        let mut statement = Statement::new("insert into t values ").bind("first");
        statement.push_rows([[Value::from("a"), 1.into()], ["b".into(), 2.into()]]);
        assert_eq!(statement.text(), "insert into t values ($2, $3), ($4, $5)");
        assert_eq!(statement.values.len(), 5);
    }

    #[test]
    fn the_character_zero_is_replaced() {
        let Value::Text(Some(text)) = Value::from("a\0b") else {
            panic!("no text");
        };
        assert_eq!(text, "a\u{fffd}b");
    }
}
