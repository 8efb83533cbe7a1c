//! A length of time as people write it in a spec: `30s`, `5m`, `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

const PATTERN: &str = "^([0-9]{1,6}(ms|s|m|h))+$";

/// A length of time, written with the units `ms`, `s`, `m` and `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

/// The text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time such as `30s`, `5m` or `1h30m`")]
pub struct InvalidPeriod(String);

impl Period {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The length of time.
    pub fn get(self) -> Duration {
        self.0
    }

    /// Reads `1h30m`.
    pub fn parse(text: &str) -> Result<Self, InvalidPeriod> {
        let invalid = || InvalidPeriod(text.chars().take(64).collect());
        let mut rest = text;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .ok_or_else(invalid)?;
            let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let (millis, unit) = match rest {
                _ if rest.starts_with("ms") => (1, 2),
                _ if rest.starts_with('s') => (1_000, 1),
                _ if rest.starts_with('m') => (60_000, 1),
                _ if rest.starts_with('h') => (3_600_000, 1),
                _ => return Err(invalid()),
            };
            let part = number
                .checked_mul(millis)
                .map(Duration::from_millis)
                .ok_or_else(invalid)?;
            total = total.checked_add(part).ok_or_else(invalid)?;
            rest = &rest[unit..];
        }
        if text.is_empty() {
            Err(invalid())
        } else {
            Ok(Self(total))
        }
    }
}

impl TryFrom<String> for Period {
    type Error = InvalidPeriod;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let mut printed = false;
        for (size, unit) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
            let count = match size {
                3_600_000 => millis / size,
                60_000 => millis / size % 60,
                1_000 => millis / size % 60,
                _ => millis % 1_000,
            };
            if count > 0 {
                write!(f, "{count}{unit}")?;
                printed = true;
            }
        }
        if printed { Ok(()) } else { f.write_str("0s") }
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 16, "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_and_printed_again() {
        for (text, seconds, printed) in [
            ("30s", 30, "30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5400, "1h30m"),
            ("90m", 5400, "1h30m"),
            ("0s", 0, "0s"),
        ] {
            let period = Period::parse(text).unwrap();
            assert_eq!(period.get(), Duration::from_secs(seconds), "{text}");
            assert_eq!(period.to_string(), printed);
        }
        assert_eq!(
            Period::parse("250ms").unwrap().get(),
            Duration::from_millis(250)
        );
    }

    #[test]
    fn what_is_not_a_length_of_time_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5d",
            "-5m",
            "5m ",
            "99999999999999999999s",
            "5m3",
            "1.5h",
        ] {
            assert!(Period::parse(text).is_err(), "{text}");
        }
    }
}
