//! Signatures, those that count and those that do not.

use super::*;

const COMMIT: &str = "tree 1\nparent 2\nauthor A <a@b.c> 1 +0000\ncommitter C> <c@d.e> 1767323045 +0100\n\
gpgsig -----BEGIN SSH SIGNATURE-----\n U1NI\n -----END SSH SIGNATURE-----\n \ngpgsig-sha256 other\n more\n\
encoding UTF-8\n\nsubject\n\ngpgsig not a header\n";

#[test]
fn a_commit_is_split_into_what_was_signed_and_the_signature() {
    let (payload, signature) = split_commit(COMMIT.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(payload).unwrap(),
        "tree 1\nparent 2\nauthor A <a@b.c> 1 +0000\ncommitter C> <c@d.e> 1767323045 +0100\n\
         encoding UTF-8\n\nsubject\n\ngpgsig not a header\n"
    );
    assert_eq!(
        String::from_utf8(signature).unwrap(),
        "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n\n"
    );
    assert_eq!(
        made(COMMIT.as_bytes(), b"committer ").unwrap().as_second(),
        1_767_323_045
    );
    for unsigned in [
        "",
        "tree 1\n\ngpgsig x\n",
        "tree 1\n\n-----BEGIN PGP SIGNATURE-----\n",
    ] {
        assert_eq!(split_commit(unsigned.as_bytes()), None, "{unsigned:?}");
    }
}

#[test]
fn the_signature_of_a_tag_begins_at_its_last_beginning() {
    let tag = "object 1\n\nsubject\n-----BEGIN SSH SIGNATURE-----\nquoted\n-----BEGIN PGP SIGNATURE-----\nx\n";
    let at = tag_signature(tag.as_bytes()).unwrap();
    assert!(tag[at..].starts_with("-----BEGIN PGP"));
    assert_eq!(
        tag_signature(b"object 1\n\n -----BEGIN PGP SIGNATURE-----\n"),
        None
    );
}

#[test]
fn bad_b54_what_is_no_signature_is_refused_as_such() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    let signers = Signers::parse([("keys", key.as_bytes())]).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let commit = verify_commit(b"tree 1\n\nsubject\n", &signers, now);
    assert_eq!(commit, Err(SignatureProblem::Unsigned));
    assert_eq!(
        verify_tag(b"object 1\n\nsubject\n", &signers, now),
        Err(SignatureProblem::Unsigned)
    );
    for (signature, unsupported) in [
        ("nonsense", false),
        ("-----BEGIN SIGNED MESSAGE-----\nx", true),
        (
            "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----",
            false,
        ),
        (
            "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----",
            false,
        ),
        ("-----BEGIN PGP SIGNATURE-----", false),
    ] {
        match verify(b"x", signature.as_bytes(), &signers, now) {
            Err(SignatureProblem::Unsupported { .. }) => assert!(unsupported, "{signature}"),
            Err(SignatureProblem::Malformed { .. }) => assert!(!unsupported, "{signature}"),
            other => panic!("{signature}: {other:?}"),
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_object_is_read_without_failing(
        object in "(gpgsig |gpgsig-sha256 |committer |tagger |-----BEGIN (PGP|SSH) SIGNATURE-----|[ -~]|\n){0,60}",
    ) {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
        let signers = Signers::parse([("keys", key.as_bytes())]).unwrap();
        proptest::prop_assert!(verify_commit(object.as_bytes(), &signers, Timestamp::UNIX_EPOCH).is_err());
        proptest::prop_assert!(verify_tag(object.as_bytes(), &signers, Timestamp::UNIX_EPOCH).is_err());
    }
}
