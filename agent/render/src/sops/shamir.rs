//! Puts the shares of a data key together.

use zeroize::Zeroizing;

/// The secret of shares over GF(2^8); the last byte of a share is its place on the curve.
///
/// None where the shares differ in length, are empty or repeat a place.
pub(super) fn combine(shares: &[Zeroizing<Vec<u8>>]) -> Option<Zeroizing<Vec<u8>>> {
    let length = shares.first()?.len().checked_sub(1)?;
    let mut points = Vec::with_capacity(shares.len());
    for share in shares {
        let (place, values) = share.split_last()?;
        if values.len() != length || *place == 0 || points.contains(place) {
            return None;
        }
        points.push(*place);
    }
    let mut secret = Zeroizing::new(vec![0; length]);
    for (index, share) in shares.iter().enumerate() {
        // The Lagrange polynomial of this share at 0; subtraction is XOR.
        let mut weight = 1;
        for (other, point) in points.iter().enumerate() {
            if other != index {
                weight = multiply(weight, multiply(*point, invert(point ^ points[index])));
            }
        }
        for (byte, value) in secret.iter_mut().zip(share.iter()) {
            *byte ^= multiply(*value, weight);
        }
    }
    Some(secret)
}

/// The product in the field of AES.
fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & 0_u8.wrapping_sub(b & 1);
        a = (a << 1) ^ (0x1b & 0_u8.wrapping_sub(a >> 7));
        b >>= 1;
    }
    product
}

/// The inverse: the power of 254.
fn invert(a: u8) -> u8 {
    let mut power = a;
    for _ in 0..6 {
        power = multiply(multiply(power, power), a);
    }
    multiply(power, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_but_zero_times_its_inverse_is_one() {
        for a in 1..=255 {
            assert_eq!(multiply(a, invert(a)), 1, "{a}");
        }
        assert_eq!(multiply(0x57, 0x83), 0xc1);
    }

    #[test]
    fn two_points_of_a_line_give_its_start() {
        let share = |x: u8| Zeroizing::new(vec![0x2a ^ multiply(7, x), 0x17 ^ multiply(9, x), x]);
        let secret = combine(&[share(3), share(200)]).expect("two shares");
        assert_eq!(secret.as_slice(), [0x2a, 0x17]);
        assert!(combine(&[share(3), share(3)]).is_none());
        assert!(combine(&[share(3), Zeroizing::new(vec![1, 2])]).is_none());
        assert!(combine(&[]).is_none());
    }
}
