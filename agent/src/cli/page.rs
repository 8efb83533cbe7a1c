//! What a command tells of one thing, line by line.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::connection::{apart, plain, shown};

/// Lines with a name before each.
pub(super) struct Page(pub(super) String);

impl Page {
    /// One line.
    pub(super) fn line(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "  {name:10}  {}", plain(text));
    }

    /// One line, where there is something to say.
    pub(super) fn option(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.line(name, text);
        }
    }

    /// Several lines of one name.
    pub(super) fn list(&mut self, name: &str, lines: &[String]) {
        for (index, line) in lines.iter().enumerate() {
            self.line(if index == 0 { name } else { "" }, line);
        }
    }
}

/// When something began, and how long ago that is.
pub(super) fn since(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({} ago)", shown(at), apart(now, at))
}
