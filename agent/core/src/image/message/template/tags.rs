//! What may stand in the tags of a template, checked before it is parsed: the parser and the compiler
//! call themselves for what is nested.

use super::{TemplateError, refuse};

/// The longest tag, in bytes.
const MAX_TAG: usize = 200;
/// How deep brackets may be nested in a tag.
const MAX_BRACKETS: usize = 10;
/// How deep statements may be nested; each `elif` counts as one.
const MAX_STATEMENTS: usize = 16;
/// The statements that there are.
const STATEMENTS: [&str; 6] = ["for", "endfor", "if", "elif", "else", "endif"];

/// Checks all tags of a template. One that does not end is left to the parser.
pub(super) fn check(text: &str) -> Result<(), TemplateError> {
    let line = |at: usize| Some(text[..at].matches('\n').count() + 1);
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{']).map(|found| at + found) {
        at = found + 1;
        let (end, is_statement) = match text.as_bytes().get(at) {
            Some(b'{') => ("}}", false),
            Some(b'%') => ("%}", true),
            Some(b'#') => {
                let rest = &text[at + 1..];
                at = rest.find("#}").map_or(text.len(), |end| at + 1 + end + 2);
                continue;
            }
            _ => continue,
        };
        let start = at + 1;
        let tag = expression(&text[start..], end);
        at = start + tag.length;
        if tag.length > MAX_TAG {
            return refuse(line(found), format!("a tag is longer than {MAX_TAG} bytes"));
        }
        if tag.depth > MAX_BRACKETS {
            let detail = format!("brackets are nested more than {MAX_BRACKETS} deep");
            return refuse(line(found), detail);
        }
        if let Some(star) = tag.star {
            return refuse(line(start + star), "`*` is not allowed in a tag");
        }
        if !is_statement {
            continue;
        }
        let word = text[start..at].trim_start_matches(['-', '+']).trim_start();
        let end = word.find(|c: char| !c.is_alphanumeric() && c != '_');
        let word = &word[..end.unwrap_or(word.len())];
        match word {
            "if" | "for" => open.push(1),
            "elif" => {
                if let Some(last) = open.last_mut() {
                    *last += 1;
                }
            }
            "endif" | "endfor" => drop(open.pop()),
            _ if STATEMENTS.contains(&word) => {}
            _ => {
                let detail = format!("`{word}` is not one of {}", STATEMENTS.join(", "));
                return refuse(line(found), detail);
            }
        }
        if open.iter().sum::<usize>() > MAX_STATEMENTS {
            let detail = format!("statements are nested more than {MAX_STATEMENTS} deep");
            return refuse(line(found), detail);
        }
    }
    Ok(())
}

/// What a tag holds.
#[derive(Default)]
struct Tag {
    /// In bytes, up to its end.
    length: usize,
    depth: usize,
    /// Where a `*` stands outside of strings.
    star: Option<usize>,
}

/// Reads a tag up to its end, which does not count inside of strings and brackets.
fn expression(text: &str, end: &str) -> Tag {
    let mut tag = Tag::default();
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        tag.length = at;
        if let Some(open) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        // A bracket that is open keeps `}}` from being an end.
        if depth == 0 && text[at..].starts_with(end) {
            return tag;
        }
        match c {
            '"' | '\'' => quote = Some(c),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '*' => tag.star = tag.star.or(Some(at)),
            _ => {}
        }
        tag.depth = tag.depth.max(depth);
    }
    tag.length = text.len();
    tag
}
