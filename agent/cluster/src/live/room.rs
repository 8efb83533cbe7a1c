//! A value off the wire that is built only as far as there is room for it; the rest is skipped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What one value takes beside its text, in bytes.
const VALUE_BYTES: usize = size_of::<Value>();

/// The room that is left, in bytes of memory; reads a value, or `None` where it does not fit.
pub(super) struct Room<'a>(pub(super) &'a mut usize);

impl Room<'_> {
    fn hold(self, text: usize, value: impl FnOnce() -> Value) -> Option<Value> {
        let left = self.0.checked_sub(VALUE_BYTES + text);
        *self.0 = left.unwrap_or_default();
        left.map(|_| value())
    }
}

impl<'de> DeserializeSeed<'de> for Room<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Room<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.hold(0, || Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.hold(0, || value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.hold(0, || value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.hold(0, || value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.hold(0, || value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(self.hold(value.len(), || value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut held = Vec::new();
        while let Some(item) = items.next_element_seed(Room(self.0))? {
            let Some(item) = item else {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            };
            held.push(item);
        }
        Ok(self.hold(0, || held.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut held = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            *self.0 = self.0.saturating_sub(name.len());
            let Some(value) = map.next_value_seed(Room(self.0))? else {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(None);
            };
            held.insert(name, value);
        }
        Ok(self.hold(0, || held.into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, mut room: usize) -> Option<Value> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = Room(&mut room).deserialize(&mut deserializer).unwrap();
        deserializer.end().unwrap();
        read
    }

    #[test]
    fn what_fits_is_read_as_it_is() {
        let value = json!({"a": [1, -1, 1.5, true, null, "x\n"], "b": {"c": {}, "d": []}});
        assert_eq!(read(&value.to_string(), 4096), Some(value));
    }

    #[test]
    fn what_does_not_fit_is_skipped_as_a_whole_and_to_its_end() {
        let long = "x".repeat(4096);
        for value in [
            json!(long),
            json!([1, [long], 2]),
            json!({"a": 1, "b": {"c": long, "d": 1}, "e": 2}),
            json!(vec![0; 4096]),
            json!({ (long): 1 }),
        ] {
            let text = value.to_string();
            assert_eq!(read(&text, 4096), None);
            assert_eq!(read(&text, 1024 * 1024), Some(value));
        }
    }
}
