//! Numbers of any length, compared digit by digit: no time stamp is rounded.

use std::cmp::Ordering;

/// Whether a text is a number: digits, perhaps a point and digits.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    }
}

/// Compares two numbers by their value; `007` and `7.0` are the same as `7`.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let whole = a.0.len().cmp(&b.0.len()).then_with(|| a.0.cmp(b.0));
    whole.then_with(|| a.1.cmp(b.1))
}

/// The digits before the point without leading zeros, those behind it without trailing ones.
fn parts(text: &str) -> (&str, &str) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    )
}

/// Compares two texts as people count: runs of digits by their value, the rest by its bytes.
///
/// It is a guess at which tag is newer, where only that is asked; no choice is made by it.
pub(crate) fn compare_as_people_do(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.bytes().next(), b.bytes().next()) else {
            return a.len().cmp(&b.len());
        };
        let ordering = if x.is_ascii_digit() && y.is_ascii_digit() {
            let run = |text: &str| {
                let end = text.find(|c: char| !c.is_ascii_digit());
                end.unwrap_or(text.len())
            };
            let (left, right) = (a.split_at(run(a)), b.split_at(run(b)));
            (a, b) = (left.1, right.1);
            compare(left.0, right.0)
        } else {
            (a, b) = (
                a.get(1..).unwrap_or_default(),
                b.get(1..).unwrap_or_default(),
            );
            x.cmp(&y)
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A number as the big integer of its digits at a fixed scale, least digit first.
    fn model(text: &str) -> Vec<u32> {
        const SCALE: usize = 40;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let padded = format!("{whole}{fraction:0<SCALE$}");
        // Ten digits to the base of a limb, by schoolbook multiplication.
        let mut limbs: Vec<u32> = Vec::new();
        for digit in padded.bytes() {
            let mut carry = u64::from(digit - b'0');
            for limb in &mut limbs {
                let next = u64::from(*limb) * 10 + carry;
                *limb = next as u32;
                carry = next >> 32;
            }
            if carry > 0 {
                limbs.push(carry as u32);
            }
        }
        limbs
    }

    fn compare_models(a: &[u32], b: &[u32]) -> Ordering {
        let length = a.len().cmp(&b.len());
        length.then_with(|| a.iter().rev().cmp(b.iter().rev()))
    }

    #[test]
    fn time_stamps_of_seventeen_digits_are_exact() {
        let newest = [
            "20260101120000001",
            "20260101120000002",
            "20260101120000000",
        ]
        .into_iter()
        .max_by(|a, b| compare(a, b));
        assert_eq!(newest, Some("20260101120000002"));
        assert_eq!(compare("9", "10"), Ordering::Less);
        assert_eq!(compare("1.5", "1.25"), Ordering::Greater);
        assert_eq!(compare("007", "7.0"), Ordering::Equal);
    }

    #[test]
    fn only_digits_with_at_most_one_point_are_a_number() {
        for text in ["0", "007", "3.5", "20260101120000001"] {
            assert!(is_number(text), "{text}");
        }
        for text in [
            "", ".", "1.", ".5", "Inf", "NaN", "1e3", "1_000", "+1", "-1", "1.2.3", "0x1",
        ] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn runs_of_digits_count_as_people_count_them() {
        let mut tags = ["b10", "b9", "a", "b9-rc", "b09", "b"];
        tags.sort_by(|a, b| compare_as_people_do(a, b));
        assert_eq!(tags, ["a", "b", "b9", "b09", "b9-rc", "b10"]);
    }

    proptest! {
        #[test]
        fn numbers_are_compared_as_big_integers_are(
            a in "[0-9]{1,40}(\\.[0-9]{1,40})?",
            b in "[0-9]{1,40}(\\.[0-9]{1,40})?",
            zeros in "0{0,5}",
        ) {
            prop_assert!(is_number(&a) && is_number(&b));
            let expected = compare_models(&model(&a), &model(&b));
            prop_assert_eq!(compare(&a, &b), expected);
            prop_assert_eq!(compare(&b, &a), expected.reverse());
            prop_assert_eq!(compare(&format!("{zeros}{a}"), &a), Ordering::Equal);
        }

        #[test]
        fn the_guess_is_an_order(a in "[a-c0-3.-]{0,6}", b in "[a-c0-3.-]{0,6}", c in "[a-c0-3.-]{0,6}") {
            let guess = compare_as_people_do;
            prop_assert_eq!(guess(&a, &b), guess(&b, &a).reverse());
            if guess(&a, &b).is_le() && guess(&b, &c).is_le() {
                prop_assert!(guess(&a, &c).is_le());
            }
        }
    }
}
