//! The difference of two texts with the same number of lines, as `diff -u` writes it.

use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Appends the difference of a file; an edit of scalars neither adds nor removes lines.
pub(super) fn append(out: &mut String, file: &str, before: &str, after: &str) {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let changed: Vec<usize> = (0..old.len().max(new.len()))
        .filter(|&line| old.get(line) != new.get(line))
        .collect();
    let Some(&first) = changed.first() else {
        return;
    };
    let file = name(file);
    let _ = write!(out, "--- {}\n+++ {}\n", file("a"), file("b"));
    let mut from = first;
    let mut until = first;
    for &line in &changed[1..] {
        if line - until > 2 * CONTEXT {
            hunk(out, &old, &new, from, until);
            from = line;
        }
        until = line;
    }
    hunk(out, &old, &new, from, until);
}

/// The changes of two lines and those between them, with the lines around them.
fn hunk(out: &mut String, old: &[&str], new: &[&str], from: usize, until: usize) {
    let start = from.saturating_sub(CONTEXT);
    let end = (until + CONTEXT + 1).min(old.len());
    let count = end - start;
    let first = start + 1;
    let _ = writeln!(out, "@@ -{first},{count} +{first},{count} @@");
    let mut line = start;
    while line < end {
        if old[line] == new[line] {
            put(out, ' ', old[line]);
            line += 1;
            continue;
        }
        let changed = (line..end)
            .take_while(|&line| old[line] != new[line])
            .count();
        for line in &old[line..line + changed] {
            put(out, '-', line);
        }
        for line in &new[line..line + changed] {
            put(out, '+', line);
        }
        line += changed;
    }
}

fn put(out: &mut String, sign: char, line: &str) {
    out.push(sign);
    out.push_str(line);
    if !line.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

/// The path with the prefix that `git apply` takes away, quoted where it has to be.
fn name(file: &str) -> impl Fn(&str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '"' | '\\');
    let is_odd = file.contains(odd);
    move |side| {
        let path = format!("{side}/{file}");
        if is_odd { format!("{path:?}") } else { path }
    }
}
