//! Everything that is wrong as one table: where, what it is called, what it is.

use std::fmt::Write as _;

use syncline_core::outcome::Failure;

/// The table with its head, a line each; what stands twice stands once.
pub(super) fn table(failures: &[Failure]) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for failure in failures {
        let row = failure.reason.row();
        let name = match row.code {
            "" => row.name,
            code => code,
        };
        let (place, what) = place(&failure.detail);
        // Control characters of a file must not reach the terminal.
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        let what = what.chars().filter(|c| !c.is_control()).collect();
        let row = [place.to_owned(), name.to_owned(), what];
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.insert(0, ["WHERE", "CODE", "WHAT"].map(str::to_owned));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let (first, second) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    let mut out = String::new();
    for [place, name, what] in &rows {
        let _ = writeln!(out, "{place:first$}  {name:second$}  {what}");
    }
    out
}

/// Splits a message into the place that it begins with (`file:line:column`, `-` for none) and the
/// rest.
fn place(detail: &str) -> (&str, &str) {
    let Some((head, rest)) = detail.split_once(": ") else {
        return ("-", detail);
    };
    let numbers = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut file = head;
    let mut has_line = false;
    while let Some((before, number)) = file.rsplit_once(':') {
        if !numbers(number) {
            break;
        }
        (file, has_line) = (before, true);
    }
    let is_file = !file.is_empty()
        && !file.contains(['`', '"', '\''])
        && (has_line || (!file.contains(' ') && file.contains(['/', '.'])));
    if is_file { (head, rest) } else { ("-", detail) }
}

#[cfg(test)]
mod tests {
    use syncline_core::reason::Reason;

    use super::*;

    #[test]
    fn the_table_has_the_place_the_code_and_the_words_of_each_failure_once() {
        let failure = |reason, detail: &str| Failure {
            reason,
            detail: detail.to_owned(),
        };
        let text = table(&[
            failure(
                Reason::YamlSyntax,
                "apps/a b.yaml:12:5: no: such\nthing \u{1b}[31m",
            ),
            failure(Reason::PathNotFound, "`apps: x` does not exist"),
            failure(Reason::PathNotFound, "`apps: x` does not exist"),
            failure(Reason::HelmFailed, "Chart.yaml: bad"),
        ]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("WHERE"), "{text}");
        assert!(
            lines[1].starts_with("apps/a b.yaml:12:5  yaml.syntax"),
            "{text}"
        );
        assert!(lines[1].ends_with("no: such thing [31m"), "{text}");
        assert!(lines[2].starts_with("-   "), "{text}");
        assert!(lines[2].ends_with("`apps: x` does not exist"), "{text}");
        assert!(lines[3].starts_with("Chart.yaml  "), "{text}");
    }
}
