//! Reads an index line by line that is laid out as Helm writes it: maps and lists in block style.
//!
//! Only lines at the indentation of a version's own fields are looked at; whatever stands deeper
//! belongs to one of them. At the first line that this cannot explain, the file is left to a real
//! parser, so nothing is guessed.

use super::{Collector, IndexError, Written};

/// What came of it.
pub(super) enum Outcome {
    /// The whole file was understood.
    Read(Collector),
    /// It is laid out in another way, or broken.
    OtherLayout,
}

/// Why the reading ends early.
enum Stop {
    OtherLayout,
    Limit(IndexError),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Version,
    Digest,
    Urls,
    Other,
}

/// The version that is being read.
struct Pending {
    /// Indentation of its fields, once one was seen.
    indent: Option<usize>,
    /// The field that deeper lines belong to.
    field: Field,
    written: Option<Written>,
}

struct Scanner {
    collector: Collector,
    seen_field: bool,
    seen_entries: bool,
    /// Whether the lines belong to `entries`.
    in_entries: bool,
    /// Indentation of the names of charts.
    chart_indent: Option<usize>,
    chart: Option<String>,
    /// Indentation of the dashes of the chart's versions.
    dash_indent: Option<usize>,
    pending: Option<Pending>,
}

/// Reads the file. An error is a limit; whatever else is wrong is found by a real parser.
pub(super) fn read(text: &str, collector: Collector) -> Result<Outcome, IndexError> {
    let mut scanner = Scanner {
        collector,
        seen_field: false,
        seen_entries: false,
        in_entries: false,
        chart_indent: None,
        chart: None,
        dash_indent: None,
        pending: None,
    };
    match scanner.read(text) {
        Ok(()) if scanner.seen_entries => Ok(Outcome::Read(scanner.collector)),
        Ok(()) | Err(Stop::OtherLayout) => Ok(Outcome::OtherLayout),
        Err(Stop::Limit(error)) => Err(error),
    }
}

impl Scanner {
    fn read(&mut self, text: &str) -> Result<(), Stop> {
        let mut rest = text.strip_prefix("---\n").unwrap_or(text);
        while !rest.is_empty() {
            let end = rest.find('\n').unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let bytes = line.as_bytes();
            let mut indent = 0;
            while indent < bytes.len() && bytes[indent] == b' ' {
                indent += 1;
            }
            // Most lines stand deeper than the fields and are left aside at once.
            if let Some(pending) = &mut self.pending
                && let Some(fields) = pending.indent
                && indent >= fields
            {
                if indent > fields && pending.field == Field::Other {
                    continue;
                }
                // Of the others most are fields that are not wanted.
                if indent == fields && !may_be_wanted(bytes[indent..].first()) {
                    field(line[indent..].trim_ascii_end())?;
                    pending.field = Field::Other;
                    continue;
                }
            }
            let body = line[indent..].trim_ascii_end();
            if !body.is_empty() && !body.starts_with('#') {
                self.line(indent, body)?;
            }
        }
        self.end_version()
    }

    fn line(&mut self, indent: usize, body: &str) -> Result<(), Stop> {
        if indent == 0 && !(self.in_entries && is_item(body)) {
            return self.top(body);
        }
        if !self.in_entries {
            return Ok(());
        }
        if let Some(pending) = &mut self.pending {
            match pending.indent {
                Some(fields) if indent > fields => return pending.deeper(body),
                Some(fields) if indent == fields => return pending.line(body),
                None if self.dash_indent.is_some_and(|dash| indent > dash) => {
                    pending.indent = Some(indent);
                    return pending.line(body);
                }
                _ => {}
            }
        }
        let chart_indent = *self.chart_indent.get_or_insert(indent);
        if is_item(body) && self.chart.is_some() && indent >= chart_indent {
            return self.item(indent, body);
        }
        if indent == chart_indent && indent > 0 {
            return self.chart(body);
        }
        Err(Stop::OtherLayout)
    }

    /// A field of the file itself.
    fn top(&mut self, body: &str) -> Result<(), Stop> {
        if is_item(body) && self.seen_field {
            // An item of a list that is not looked at.
            return Ok(());
        }
        self.seen_field = true;
        self.end_version()?;
        self.in_entries = false;
        let (key, value) = field(body)?;
        match key {
            "entries" if self.seen_entries => return Err(Stop::OtherLayout),
            "entries" => {
                self.seen_entries = true;
                match bare(value) {
                    "" => self.in_entries = true,
                    "{}" | "null" => {}
                    _ => return Err(Stop::OtherLayout),
                }
            }
            "apiVersion" => self.collector.api_version = scalar(value)?.is_some(),
            "generated" => self.collector.generated = true,
            _ => {}
        }
        Ok(())
    }

    /// The name of a chart, with its versions below.
    fn chart(&mut self, body: &str) -> Result<(), Stop> {
        self.end_version()?;
        let (name, value) = field(body)?;
        if !matches!(bare(value), "" | "[]" | "null") {
            return Err(Stop::OtherLayout);
        }
        self.collector.chart(name).map_err(Stop::Limit)?;
        self.chart = Some(name.to_owned());
        self.dash_indent = None;
        Ok(())
    }

    /// The dash of a version, perhaps with its first field.
    fn item(&mut self, indent: usize, body: &str) -> Result<(), Stop> {
        self.end_version()?;
        if *self.dash_indent.get_or_insert(indent) != indent {
            return Err(Stop::OtherLayout);
        }
        let first = body[1..].trim_start_matches(' ');
        let mut pending = Pending {
            indent: None,
            field: Field::Other,
            written: Some(Written::default()),
        };
        match first {
            "" => {}
            "null" | "~" => pending.written = None,
            _ => {
                pending.indent = Some(indent + body.len() - first.len());
                pending.line(first)?;
            }
        }
        self.pending = Some(pending);
        Ok(())
    }

    fn end_version(&mut self) -> Result<(), Stop> {
        let (Some(pending), Some(chart)) = (self.pending.take(), &self.chart) else {
            return Ok(());
        };
        self.collector
            .version(chart, pending.written)
            .map_err(Stop::Limit)
    }
}

impl Pending {
    /// A line at the indentation of the fields: a field, or an item of the list of the last one.
    fn line(&mut self, body: &str) -> Result<(), Stop> {
        if is_item(body) {
            return self.deeper(body);
        }
        let (key, value) = field(body)?;
        self.field = match key {
            "name" => Field::Name,
            "version" => Field::Version,
            "digest" => Field::Digest,
            "urls" => Field::Urls,
            _ => Field::Other,
        };
        let Some(written) = &mut self.written else {
            return Err(Stop::OtherLayout);
        };
        match self.field {
            Field::Name => written.name = scalar(value)?,
            Field::Version => written.version = scalar(value)?,
            Field::Digest => written.digest = scalar(value)?,
            Field::Urls if matches!(bare(value), "" | "[]" | "null") => {}
            Field::Urls => return Err(Stop::OtherLayout),
            Field::Other => {}
        }
        Ok(())
    }

    /// A line that belongs to the last field.
    fn deeper(&mut self, body: &str) -> Result<(), Stop> {
        match (self.field, &mut self.written) {
            (Field::Other, _) => Ok(()),
            (Field::Urls, Some(written)) if is_item(body) => {
                let url = scalar(&body[1..])?;
                if written.url.is_none() {
                    written.url = url;
                }
                Ok(())
            }
            // A value of several lines.
            _ => Err(Stop::OtherLayout),
        }
    }
}

fn is_item(body: &str) -> bool {
    let bytes = body.as_bytes();
    !bytes.is_empty() && bytes[0] == b'-' && (bytes.len() == 1 || bytes[1] == b' ')
}

/// Whether a line at the indentation of the fields has to be looked at: it is none of the many
/// fields that are not wanted.
fn may_be_wanted(first: Option<&u8>) -> bool {
    match first {
        Some(b'n' | b'v' | b'd' | b'u') | None => true,
        Some(first) => !first.is_ascii_alphabetic(),
    }
}

/// A key and what follows its colon on the line.
fn field(body: &str) -> Result<(&str, &str), Stop> {
    let bytes = body.as_bytes();
    // Nearly all keys are words; this is run once per line of a large file.
    let mut end = 0;
    while end < bytes.len() && (bytes[end].is_ascii_alphanumeric() || bytes[end] == b'-') {
        end += 1;
    }
    if end > 0 && end < bytes.len() && bytes[end] == b':' {
        let value = &body[end + 1..];
        if value.is_empty() || bytes[end + 1] == b' ' {
            return Ok((&body[..end], value));
        }
    }
    let (key, value) = match bytes.first() {
        Some(quote @ (b'"' | b'\'')) => {
            let (key, rest) = body[1..]
                .split_once(char::from(*quote))
                .ok_or(Stop::OtherLayout)?;
            (key, rest.strip_prefix(':').ok_or(Stop::OtherLayout)?)
        }
        _ => match body.split_once(": ") {
            Some(split) => split,
            None => (body.strip_suffix(':').ok_or(Stop::OtherLayout)?, ""),
        },
    };
    let quoted = value.is_empty() || value.starts_with(' ') || body.starts_with(key);
    if !quoted || key.contains(['\\', '"', '\'', '#', '\t']) || starts_specially(key) || key == "<<"
    {
        return Err(Stop::OtherLayout);
    }
    Ok((key, value))
}

/// What follows a colon, without a comment in the place of a value.
fn bare(value: &str) -> &str {
    let value = value.trim_ascii();
    if value.starts_with('#') { "" } else { value }
}

/// Whether it is something else than a plain scalar: an anchor, a tag, a flow collection.
fn starts_specially(text: &str) -> bool {
    text.starts_with([
        '&', '*', '!', '|', '>', '{', '}', '[', ']', '%', '@', '`', ',', '?', '\t',
    ]) || is_item(text)
}

/// A scalar that ends on its line.
fn scalar(text: &str) -> Result<Option<String>, Stop> {
    let text = text.trim_ascii();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let (value, rest) = text[1..].split_once(quote).ok_or(Stop::OtherLayout)?;
        let ends = rest.is_empty() || rest.trim_ascii_start().starts_with('#');
        return if ends && !value.contains('\\') {
            Ok(Some(value.to_owned()))
        } else {
            Err(Stop::OtherLayout)
        };
    }
    let value = text
        .split_once(" #")
        .map_or(text, |(value, _comment)| value)
        .trim_ascii_end();
    match value {
        "" | "~" | "null" | "Null" | "NULL" => Ok(None),
        _ if value.starts_with('#') => Ok(None),
        _ if starts_specially(value) || value.contains(": ") || value.ends_with(':') => {
            Err(Stop::OtherLayout)
        }
        _ => Ok(Some(value.to_owned())),
    }
}
