//! The log of a container, line by line, as it may be shown while it is written.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use regex::Regex;

use crate::hooks::{KEY_END, pattern, plain, without_likely_secrets};
use crate::secret_inputs::{MASK, SecretInputs};

/// Most bytes of a line that are shown.
pub const LONGEST_LINE: usize = 16 * 1024;
/// What is left out at the end of a line that was not read whole: half a secret may stand there,
/// which nobody would recognise.
const UNCERTAIN: usize = 8 * 1024;

static KEY_BEGIN: LazyLock<Regex> = LazyLock::new(|| pattern("-----BEGIN [A-Z ]*PRIVATE KEY-----"));
/// A line of a key of which the beginning was not read.
static KEY_LINE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:[A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{76})\s*$"));

/// A sentence of the cluster that may repeat what a container printed, without secrets.
pub fn masked(text: &str, secrets: &SecretInputs) -> String {
    without_likely_secrets(secrets.mask_text(text).into_owned())
}

/// A line of a log as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// All of it.
    Whole(&'a str),
    /// Its beginning; it was longer than what is read of one.
    Cut(&'a str),
}

/// A line of a log as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written, where the kubelet says so.
    pub time: Option<Timestamp>,
    /// What it says.
    pub text: String,
}

/// Hides secrets in the log of one container.
#[derive(Clone, Debug)]
pub struct LogMask {
    secrets: Arc<SecretInputs>,
    in_key: bool,
}

impl LogMask {
    /// For a log in which these secrets may stand.
    pub fn new(secrets: Arc<SecretInputs>) -> Self {
        Self {
            secrets,
            in_key: false,
        }
    }

    /// The next line, with `***` in place of the secrets of the render and of whatever looks like a
    /// password, a token, a key or the user of a URL; `None` for a line inside of a private key,
    /// which is one mask. It begins with the time that the kubelet puts there.
    pub fn line(&mut self, read: Read<'_>) -> Option<Line> {
        let (raw, is_cut) = match read {
            Read::Whole(text) => (text, false),
            Read::Cut(text) => (text, true),
        };
        let (time, said) = timed(raw);
        let plain = plain(said).replace('\n', " ");
        let text = self.without_keys(plain.trim_end())?;
        let mut text = without_likely_secrets(self.secrets.mask_text(&text).into_owned());
        let most = if is_cut {
            LONGEST_LINE.min(text.len().saturating_sub(UNCERTAIN))
        } else {
            LONGEST_LINE
        };
        if text.len() > most || is_cut {
            text.truncate(text.floor_char_boundary(most));
            text.push_str(" … (cut)");
        }
        Some(Line { time, text })
    }

    /// A line with a mask in place of each part of a private key; `None` inside of one.
    fn without_keys(&mut self, line: &str) -> Option<String> {
        let mut shown = String::new();
        let mut rest = line;
        if let Some(end) = KEY_END.find(line)
            && (self.in_key || !KEY_BEGIN.is_match(&line[..end.start()]))
        {
            shown.push_str(MASK);
            rest = &line[end.end()..];
            self.in_key = false;
        } else if self.in_key {
            return None;
        } else if KEY_LINE.is_match(line) {
            return Some(MASK.to_owned());
        }
        while let Some(begin) = KEY_BEGIN.find(rest) {
            let after = &rest[begin.end()..];
            let Some(end) = KEY_END.find(after) else {
                self.in_key = true;
                shown.push_str(&rest[..begin.end()]);
                shown.push_str(MASK);
                return Some(shown);
            };
            shown.push_str(&rest[..begin.start()]);
            shown.push_str(MASK);
            rest = &after[end.end()..];
        }
        shown.push_str(rest);
        Some(shown)
    }
}

/// The time that a line begins with, and the rest.
fn timed(line: &str) -> (Option<Timestamp>, &str) {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first.parse::<Timestamp>() {
        Ok(time) => (Some(time), rest),
        Err(_) => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redacted::Redacted;

    fn mask(secrets: &[&str]) -> LogMask {
        let mut all = SecretInputs::default();
        for secret in secrets {
            all.add(&Redacted::new(*secret));
        }
        LogMask::new(Arc::new(all))
    }

    fn shown(mask: &mut LogMask, line: &str) -> Option<String> {
        mask.line(Read::Whole(line)).map(|line| line.text)
    }

    #[test]
    fn a_line_is_told_with_its_time_and_without_its_secrets_and_colours() {
        let mut mask = mask(&["correct-horse-battery"]);
        let line =
            "2026-11-21T10:00:00.5Z \u{1b}[31mlogin correct-horse-battery password=x\u{1b}[0m\r";
        let line = mask.line(Read::Whole(line)).unwrap();
        assert_eq!(line.time, "2026-11-21T10:00:00.5Z".parse().ok());
        assert_eq!(line.text, "login *** password=***");
        assert_eq!(shown(&mut mask, "no time here").unwrap(), "no time here");
        assert_eq!(shown(&mut mask, "2026-11-21T10:00:00Z").unwrap(), "");
    }

    #[test]
    fn a_private_key_over_many_lines_is_one_mask() {
        let mut mask = mask(&[]);
        let log = [
            (
                "key: -----BEGIN RSA PRIVATE KEY-----",
                Some("key: -----BEGIN RSA PRIVATE KEY-----***"),
            ),
            ("MIIEpAIBAAKCAQEA", None),
            ("short=", None),
            ("-----END RSA PRIVATE KEY----- and on", Some("*** and on")),
            ("after", Some("after")),
        ];
        for (line, expected) in log {
            assert_eq!(shown(&mut mask, line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_log_that_begins_inside_of_a_private_key_shows_nothing_of_it() {
        let mut mask = mask(&[]);
        assert_eq!(shown(&mut mask, &"Ab1+".repeat(16)).unwrap(), "***");
        assert_eq!(
            shown(&mut mask, "x -----END PRIVATE KEY----- y").unwrap(),
            "*** y"
        );
    }

    #[test]
    fn a_private_key_that_begins_in_the_line_where_another_ends_is_masked_as_well() {
        let both = "MIIE= -----END PRIVATE KEY----------BEGIN PRIVATE KEY-----";
        let mut mask = mask(&[]);
        // The beginning of the first one was not read, and then it was.
        for _ in 0..2 {
            let line = shown(&mut mask, both).unwrap();
            assert_eq!(line, "***-----BEGIN PRIVATE KEY-----***");
            assert_eq!(shown(&mut mask, "short="), None);
        }
    }

    #[test]
    fn half_a_secret_at_the_end_of_a_line_that_was_cut_is_not_shown() {
        let secret = "correct-horse-battery-staple";
        let mut mask = mask(&[secret]);
        for half in 1..secret.len() {
            let line = format!("{}{}", "a ".repeat(100), &secret[..half]);
            let line = mask.line(Read::Cut(&line)).unwrap().text;
            assert!(!line.contains("correct"), "{line}");
        }
        let long = "b ".repeat(40_000);
        let cut = mask.line(Read::Cut(&long)).unwrap().text;
        assert!(
            cut.len() < LONGEST_LINE + 20 && cut.ends_with("(cut)"),
            "{}",
            cut.len()
        );
        let whole = mask.line(Read::Whole(&long)).unwrap().text;
        assert!(whole.len() < LONGEST_LINE + 20, "{}", whole.len());
    }
}
