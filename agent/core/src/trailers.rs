//! The trailers of a commit message, as `git interpret-trailers` reads and writes them.
//!
//! Trailers are lines `Key: value` in the last paragraph of a message, never in its first. The
//! paragraph counts if all of its lines are trailers, or if one is written by Git itself
//! (`Signed-off-by: `, `(cherry picked from commit `) and at least a quarter are trailers. A line
//! that begins with a blank continues the value before it.

/// What Git itself appends to messages.
const BY_GIT: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];

/// A line `Key: value` at the end of a commit message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// What stands before the colon, without blanks around it.
    pub key: String,
    /// What stands after it, in one line, without blanks around it.
    pub value: String,
}

impl Trailer {
    /// A trailer of a key and a value. Line ends in the value become blanks, so that one value can
    /// never make a second trailer.
    pub fn new(key: impl Into<String>, value: impl AsRef<str>) -> Self {
        Self {
            key: key.into(),
            value: in_one_line(value.as_ref()),
        }
    }

    /// Whether it has the key; upper and lower case are the same.
    pub fn is(&self, key: &str) -> bool {
        self.key.eq_ignore_ascii_case(key)
    }
}

impl std::fmt::Display for Trailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.value)
    }
}

/// The trailers of a message, in their order.
pub fn parse(message: &str) -> Vec<Trailer> {
    let lines: Vec<&str> = message.lines().collect();
    let mut found: Vec<Trailer> = Vec::new();
    for &line in block(&lines) {
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            if let Some(last) = found.last_mut() {
                let more = line.trim();
                if !last.value.is_empty() && !more.is_empty() {
                    last.value.push(' ');
                }
                last.value.push_str(more);
            }
        } else if let Some((key, value)) = split(line) {
            found.push(Trailer::new(key, value));
        } else {
            // A line that is no trailer ends the value before it.
            found.push(Trailer::new("", ""));
        }
    }
    found.retain(|trailer| !trailer.key.is_empty());
    found
}

/// The values under a key, in their order; upper and lower case of keys are the same.
pub fn values<'a>(trailers: &'a [Trailer], key: &str) -> impl Iterator<Item = &'a str> {
    trailers
        .iter()
        .filter(move |trailer| trailer.is(key))
        .map(|trailer| trailer.value.as_str())
}

/// The message with more trailers: after those that it has, else in a paragraph of their own. The
/// result ends with a line end.
pub fn append(message: &str, trailers: &[Trailer]) -> String {
    let lines: Vec<&str> = message.trim_end().lines().collect();
    let joins = !trailers.is_empty() && !block(&lines).is_empty();
    // What comes after the trailers of a message is comments.
    let end = if joins { end(&lines) } else { lines.len() };
    let mut all: Vec<String> = lines[..end].iter().map(|line| (*line).to_owned()).collect();
    if !joins && !trailers.is_empty() {
        all.push(String::new());
    }
    all.extend(trailers.iter().map(Trailer::to_string));
    all.extend(lines[end..].iter().map(|line| (*line).to_owned()));
    all.push(String::new());
    all.join("\n")
}

/// Text in one line, with every run of blanks and control characters as one blank.
fn in_one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn comment(line: &str) -> bool {
    line.starts_with('#')
}

/// How many lines there are without the blank ones and comments at the end.
fn end(lines: &[&str]) -> usize {
    let last = lines
        .iter()
        .rposition(|line| !blank(line) && !comment(line));
    last.map_or(0, |at| at + 1)
}

/// The lines of the paragraph that holds the trailers; none where no paragraph does.
fn block<'a, 'b>(lines: &'a [&'b str]) -> &'a [&'b str] {
    let lines = &lines[..end(lines)];
    // The first paragraph is the title.
    let title = lines
        .iter()
        .position(|line| !comment(line) && blank(line))
        .unwrap_or(lines.len());
    let (mut trailers, mut others, mut continued) = (0_usize, 0_usize, 0_usize);
    let mut by_git = false;
    for (at, line) in lines.iter().enumerate().skip(title).rev() {
        if comment(line) {
            others += continued;
            continued = 0;
        } else if blank(line) {
            others += continued;
            let counts = (by_git && trailers * 3 >= others) || (trailers > 0 && others == 0);
            return if counts { &lines[at + 1..] } else { &[] };
        } else if BY_GIT.iter().any(|prefix| line.starts_with(prefix)) {
            trailers += 1;
            continued = 0;
            by_git = true;
        } else if line.starts_with(char::is_whitespace) {
            continued += 1;
        } else if split(line).is_some() {
            trailers += 1;
            continued = 0;
        } else {
            others += 1 + continued;
            continued = 0;
        }
    }
    &[]
}

/// Key and value of a line; none where what stands before the colon cannot be a key.
fn split(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end_matches([' ', '\t']);
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!key.is_empty() && key.chars().all(valid)).then(|| (key, value.trim()))
}

#[cfg(test)]
mod tests;
