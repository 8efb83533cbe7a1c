//! Reads an index of any layout with the parsers of JSON and YAML, keeping four fields per version.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Collector, IndexError, Written};

pub(super) fn read_json(text: &str, collector: Collector) -> Result<Collector, IndexError> {
    let mut reading = Reading::new(collector);
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = File(&mut reading)
        .deserialize(&mut parser)
        .and_then(|()| parser.end());
    reading.finish(read)
}

pub(super) fn read_yaml(text: &str, collector: Collector) -> Result<Collector, IndexError> {
    let bytes = text.len();
    // The bytes are limited already; aliases may not multiply them.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: bytes,
            max_events: bytes.saturating_mul(3),
            max_total_scalar_bytes: bytes.saturating_mul(4),
            max_buffered_comment_events: 100_000,
            enforce_alias_anchor_ratio: false,
        },
        with_snippet: false,
    };
    let mut reading = Reading::new(collector);
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |parser| {
        File(&mut reading).deserialize(parser)
    });
    reading.finish(read)
}

struct Reading {
    collector: Collector,
    /// The limit that ended the reading; a parser can only say that something did.
    limit: Option<IndexError>,
}

impl Reading {
    fn new(collector: Collector) -> Self {
        Self {
            collector,
            limit: None,
        }
    }

    fn finish<E: fmt::Display>(self, read: Result<(), E>) -> Result<Collector, IndexError> {
        match (read, self.limit) {
            (_, Some(limit)) => Err(limit),
            (Ok(()), None) => Ok(self.collector),
            (Err(error), None) => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                Err(IndexError::Syntax(line.chars().take(200).collect()))
            }
        }
    }

    /// Keeps the limit in mind: a parser can only be told that something is wrong.
    fn within_limits<E: serde::de::Error>(
        &mut self,
        counted: Result<(), IndexError>,
    ) -> Result<(), E> {
        counted.map_err(|limit| {
            let error = E::custom(&limit);
            self.limit = Some(limit);
            error
        })
    }
}

/// The whole file.
struct File<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for File<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for File<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with `apiVersion` and `entries`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "apiVersion" => {
                    let text = map.next_value_seed(Lenient(Text))?;
                    self.0.collector.api_version = text.is_some_and(|text| !text.is_empty());
                }
                "entries" => {
                    map.next_value_seed(Lenient(Charts(self.0)))?;
                }
                _ => {
                    self.0.collector.generated |= key == "generated";
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// What is made of a value; `None` where it has another shape.
trait Shape<'de>: Sized {
    type Value;

    fn text(self, _text: &str) -> Option<Self::Value> {
        None
    }

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Self::Value>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Self::Value>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Takes a value of any type.
struct Lenient<S>(S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Lenient<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Lenient<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.text(text))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.0.text(&number.to_string()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.0.text(&number.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(self.0.text(&number.to_string()))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        self.0.list(list)
    }
}

/// A text, or a number as one.
struct Text;

impl Shape<'_> for Text {
    type Value = String;

    fn text(self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

/// The first text of a list.
struct FirstText;

impl<'de> Shape<'de> for FirstText {
    type Value = String;

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<String>, A::Error> {
        let first = list.next_element_seed(Lenient(Text))?.flatten();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

/// Charts by name.
struct Charts<'a>(&'a mut Reading);

impl<'de> Shape<'de> for Charts<'_> {
    type Value = ();

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<()>, A::Error> {
        while let Some(chart) = map.next_key::<String>()? {
            let counted = self.0.collector.chart(&chart);
            self.0.within_limits(counted)?;
            map.next_value_seed(Lenient(Versions {
                reading: self.0,
                chart: &chart,
            }))?;
        }
        Ok(Some(()))
    }
}

/// The versions of one chart.
struct Versions<'a> {
    reading: &'a mut Reading,
    chart: &'a str,
}

impl<'de> Shape<'de> for Versions<'_> {
    type Value = ();

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<()>, A::Error> {
        while let Some(written) = list.next_element_seed(Lenient(OneVersion))? {
            let counted = self.reading.collector.version(self.chart, written);
            self.reading.within_limits(counted)?;
        }
        Ok(Some(()))
    }
}

/// One version.
struct OneVersion;

impl<'de> Shape<'de> for OneVersion {
    type Value = Written;

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Written>, A::Error> {
        let mut written = Written::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => written.name = map.next_value_seed(Lenient(Text))?,
                "version" => written.version = map.next_value_seed(Lenient(Text))?,
                "digest" => written.digest = map.next_value_seed(Lenient(Text))?,
                "urls" => written.url = map.next_value_seed(Lenient(FirstText))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(written))
    }
}
