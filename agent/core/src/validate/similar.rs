//! The known name that was probably meant.

/// Longest name that is compared.
const MOST_CHARACTERS: usize = 80;

/// The one of `known` that is nearest to `name`, where it is near at all: another case, or up to two
/// letters changed, swapped, missing or too many.
pub(super) fn similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    if wanted.len() > MOST_CHARACTERS {
        return None;
    }
    // A short name is near to everything.
    let most = if wanted.len() < 4 { 1 } else { 2 };
    known
        .filter(|other| other.len().abs_diff(name.len()) <= most)
        .filter_map(|other| {
            let other_letters: Vec<char> = other.to_lowercase().chars().collect();
            let distance = distance(&wanted, &other_letters);
            (distance <= most).then_some((distance, other))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// How many letters must be changed, added, removed or swapped with their neighbour.
fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut rows = vec![vec![0; width]; left.len() + 1];
    for (index, row) in rows.iter_mut().enumerate() {
        row[0] = index;
    }
    for (index, cell) in rows[0].iter_mut().enumerate() {
        *cell = index;
    }
    for i in 1..=left.len() {
        for j in 1..width {
            let changed = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_the_name_that_was_meant() {
        let known = ["replicas", "selector", "template", "minReadySeconds", "tty"];
        for (typed, meant) in [
            ("replicsa", Some("replicas")),
            ("replica", Some("replicas")),
            ("Replicas", Some("replicas")),
            ("minreadyseconds", Some("minReadySeconds")),
            ("tempalte", Some("template")),
            ("something", None),
            ("ttl", Some("tty")),
            ("ab", None),
            ("", None),
        ] {
            assert_eq!(similar(typed, known.into_iter()), meant, "{typed}");
        }
        assert_eq!(similar(&"x".repeat(500), known.into_iter()), None);
    }
}
