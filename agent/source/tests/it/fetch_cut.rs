//! A pack that ends early, wherever that is.

use syncline_source::Error;

use crate::fixture::{Fixture, noise};
use crate::server::Mode;

/// What a pack is cut at multiples of.
const STEP: usize = 64 * 1024;

#[test]
fn fault_f03_a_pack_that_is_cut_at_any_64_kib_is_thrown_away_and_fetched_whole_later() {
    let fixture = Fixture::empty();
    let (big, bigger) = (noise(30_000), noise(60_000));
    fixture.push_files(&[("big.txt", &big)]);
    let (mirror, first) = fixture.fetched();
    let kept = || {
        let packs = std::fs::read_dir(fixture.generation().join("objects/pack")).unwrap();
        let mut names: Vec<_> = packs.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = kept();
    let second = fixture.push_files(&[("bigger.txt", &bigger)]);
    let mut cuts = 0;
    let fetched = loop {
        fixture.server.set(Mode::CutAnswer(cuts * STEP));
        match mirror.fetch(&fixture.access, "main") {
            // The whole pack was shorter than this.
            Ok(fetched) => break fetched,
            Err(error) => {
                let cut = matches!(error, Error::Unavailable { .. });
                assert!(cut, "{cuts} x 64 KiB: {error:?}");
            }
        }
        assert_eq!(kept(), before, "after {cuts} x 64 KiB");
        // What was there can still be read.
        assert!(
            mirror
                .snapshot(&first)
                .unwrap()
                .read_file("big.txt")
                .unwrap()
                .is_some()
        );
        cuts += 1;
    };
    assert!(cuts > 5, "the pack had only {cuts} x 64 KiB");
    assert_eq!(fetched.commit, second);
    let files = mirror.snapshot(&second).unwrap();
    assert_eq!(
        files.read_file("bigger.txt").unwrap().unwrap(),
        bigger.as_bytes()
    );
}
