//! Backups that are not what was written.

use super::support::{Place, bad, good};
use super::{DAMAGED, arg, back_up, place_with_key_of};

/// How many bits are flipped, one at a time.
const FLIPS: usize = 200;

/// A place with a backup of about every kind of record, and its bytes.
fn shop_with_backup() -> (Place, std::path::PathBuf, Vec<u8>) {
    let place = Place::with_shop();
    let server = place.serve();
    let over = server.log_in("1", "LINK");
    assert_eq!(server.delete("/auth", &over.token).status, 204);
    server.log_in("2", "BackOffice");
    server.try_log_in("1", "wrong", "LINK");
    let file = back_up(&place, "shop.backup");
    server.stop();
    let bytes = std::fs::read(&file).expect("read");
    (place, file, bytes)
}

/// Neither verified nor restored, and nothing is made of it.
fn is_refused(other: &Place, bytes: &[u8], what: &str) {
    let file = other.path().join("damaged.backup");
    std::fs::write(&file, bytes).expect("written");
    for command in [
        &["backup", "verify", arg(&file)][..],
        &["restore", arg(&file)],
    ] {
        let output = other.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(DAMAGED), "{what}: {said}");
        assert!(
            said.contains("damaged") || said.contains("cut off"),
            "{what}: {said}"
        );
    }
    assert!(!other.data_dir().exists(), "{what}");
}

#[test]
fn every_kind_of_cut_is_noticed() {
    let (place, _, bytes) = shop_with_backup();
    let other = place_with_key_of(&place);
    // Within the first line, at and around every block, and within the end.
    let mut lengths = vec![0, 1, 15];
    let mut at = 16;
    while at + 5 < bytes.len() - 36 {
        let length = u32::from_le_bytes(bytes[at + 1..at + 5].try_into().expect("four bytes"));
        let end = at + 5 + length as usize;
        lengths.extend([at, at + 1, at + 4, at + 5, at + 6, end - 1]);
        at = end;
    }
    assert_eq!(at, bytes.len() - 36, "the blocks end where the sum begins");
    lengths.extend([at, at + 1, at + 31, at + 32, at + 33, bytes.len() - 1]);
    for length in lengths {
        is_refused(&other, &bytes[..length], &format!("cut to {length} bytes"));
    }
    let longer = [&bytes[..], b"\0"].concat();
    is_refused(&other, &longer, "one byte more");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (place, _, bytes) = shop_with_backup();
    let other = place_with_key_of(&place);
    for n in 0..FLIPS {
        let bit = n * (bytes.len() * 8 - 1) / (FLIPS - 1);
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        is_refused(&other, &flipped, &format!("bit {bit}"));
    }
}

#[test]
fn a_good_backup_is_told_from_the_damaged_ones() {
    let (place, file, _) = shop_with_backup();
    let said = good(&place, &["backup", "verify", arg(&file)]);
    assert!(said.contains("is whole: 5 users"), "{said}");
    assert!(said.contains("1 sessions, 1 ended ones"), "{said}");
    let said = good(&place, &["backup", "verify", "--json", arg(&file)]);
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&said["users"], &said["key"]), (&5.into(), &"fits".into()));
    let foreign = place.path().join("shop.json");
    let said = bad(&place, &["backup", "verify", arg(&foreign)], DAMAGED);
    assert!(said.contains("no backup"), "{said}");
}
