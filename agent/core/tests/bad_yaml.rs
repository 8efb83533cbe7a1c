//! Files that are made to cost a lot: each is answered in time and within the memory of a small
//! machine. Alone in its process, because it measures that.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use syncline_core::manifest::yaml::{Limits, line_of, parse};

const MIB: usize = 1024 * 1024;
/// Without optimisation less is read in a longer time.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 2 });
/// Nearly the largest size that a file may have.
const FULL: usize = if cfg!(debug_assertions) {
    MIB
} else {
    8 * MIB - 1_000
};

/// Text of that size.
fn full(piece: &str) -> String {
    piece.repeat(FULL / piece.len())
}

/// Lines `a0: &a0 [...]`, each of which names the one before it many times.
fn bomb(levels: usize, open: &str, join: &str, close: &str) -> String {
    let mut text = format!("a0: &a0 {open}x: 1{close}\n");
    for level in 1..=levels {
        let alias = format!("{join}*a{}", level - 1);
        let aliases = vec![alias; 9].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} {open}{aliases}{close}");
    }
    text
}

fn joined(pieces: usize, piece: impl Fn(usize) -> String) -> String {
    (0..pieces).map(piece).collect()
}

/// What is tried, and its text.
type Row = (&'static str, fn() -> String);

/// Ninety lists, each in another and each with an anchor.
fn anchors() -> String {
    joined(90, |level| format!("&n{level} ["))
}

#[test]
fn bad_b04_bad_b05_files_made_to_cost_a_lot_are_answered_in_time_and_within_256_mib() {
    let rows: [Row; 31] = [
        ("aliases of lists", || bomb(9, "[", "", "]")),
        ("merge keys", || bomb(9, "{", "<<: ", "}")),
        ("merged lists", || {
            format!(
                "a: &a {{x: 1}}\nb: {{<<: [{}]}}\n",
                vec!["*a"; FULL / 80].join(",")
            )
        }),
        ("one long text many times", || {
            format!(
                "a: &a {}\nb: [{}]\n",
                "x".repeat(FULL / 8),
                vec!["*a"; 15_000].join(",")
            )
        }),
        ("anchors in anchors", || {
            format!("{}{}{}", anchors(), "x".repeat(FULL / 8), "]".repeat(90))
        }),
        ("anchors around much", || {
            format!("{}{}{}", anchors(), "1,".repeat(FULL / 40), "]".repeat(90))
        }),
        ("open brackets", || full("[")),
        ("open braces", || full("{a: ")),
        ("dashes", || full("- ")),
        ("question marks", || full("? ")),
        ("empty lists", || format!("[{}]", full("[],"))),
        ("short keys", || {
            format!("{{{}}}", joined(FULL / 9, |key| format!("k{key:x},")))
        }),
        ("empty documents", || full("---\n")),
        ("ended documents", || full("...\n")),
        ("small documents", || full("--- a\n")),
        ("broken documents", || full("--- ]\n")),
        ("documents of lists", || {
            full(&format!("--- [{}]\n", "[],".repeat(FULL / 80)))
        }),
        ("comments", || full("#\n")),
        ("comments behind a key", || format!("a:\n{}", full(" #\n"))),
        ("one line", || full("x")),
        ("one quote", || format!("\"{}", full("x"))),
        ("blanks", || full(" ")),
        ("tabs", || full("\t")),
        ("escapes", || format!("\"{}\"", full("\\n"))),
        ("anchors", || full("- &a b\n")),
        ("tags", || full("- !a b\n")),
        ("colons", || full(":")),
        ("directives", || full("%a\n")),
        ("lines in a block", || format!("a: |\n{}", full(" x\n"))),
        ("references", || format!("a:\n{}", full("- ${X}\n"))),
        ("json of lists", || {
            format!("{{\"\u{7f}\":[{}[]]}}", full("[],"))
        }),
    ];
    for (what, text) in rows {
        let text = text();
        std::fs::write("/proc/self/clear_refs", "5").expect("Linux forgets the peak");
        let start = Instant::now();
        let answer = parse("a.yaml", text.as_bytes(), &Limits::default());
        let line = line_of(&text, 1, "/b/0/x");
        let took = start.elapsed();
        assert!(
            line.is_none_or(|line| line <= text.lines().count().max(1)),
            "{what}"
        );
        assert!(took < LONGEST, "{what}: {took:?}");
        for failure in answer.err().into_iter().flatten() {
            let code = failure.reason.row().code;
            assert!(
                matches!(code, "yaml.limit" | "yaml.syntax"),
                "{what}: {failure:?}"
            );
        }
        let peak = peak_bytes();
        assert!(peak < 256 * MIB, "{what}: {} MiB", peak / MIB);
    }
}

/// The most memory that this process has had.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    let kibibytes: usize = kibibytes
        .and_then(|number| number.parse().ok())
        .expect("a number");
    kibibytes * 1024
}
