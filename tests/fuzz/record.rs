//! The audit record: whatever its files hold, a check comes to an end and never calls a changed record whole.

use partnersam::audit::read::{Filter, lines};
use partnersam::audit::verify::{judge, verify};
use partnersam::audit::{Anchor, AuditKey, Entry, Fsync, Outcome, Record, Settings};
use partnersam::clock::UnixTime;
use zeroize::Zeroizing;

use crate::corpus::NOW;
use crate::{CASES, error_of, spoil};

fn key() -> AuditKey {
    AuditKey::new(&Zeroizing::new([7; 32]))
}

#[test]
fn records() {
    let made = tempfile::tempdir().unwrap();
    let folder = made.path().join("audit");
    let record = Record::new(Settings { folder: folder.clone(), fsync: Fsync::Never, rotate_bytes: 1 << 20 }, key());
    for number in 0..8 {
        let mut entry = Entry::new("token", Outcome::Ok, UnixTime(NOW + number));
        entry.purpose = Some("a \"purpose\"".to_owned());
        record.append(&entry, false).unwrap();
    }
    let whole = verify(&folder, &key(), None, 1).unwrap();
    judge(&whole).expect("the record that is spoiled is whole");
    let (file, head) = (folder.join("record.jsonl"), folder.join("head"));
    let (good, good_head) = (std::fs::read(&file).unwrap(), std::fs::read(&head).unwrap());
    spoil("records", CASES / 2, std::slice::from_ref(&good), |input, mutator| {
        let spoils_head = mutator.below(4) == 0;
        let new_head = if spoils_head { mutator.spoiled(std::slice::from_ref(&good_head)) } else { good_head.clone() };
        std::fs::write(&file, input).unwrap();
        std::fs::write(&head, &new_head).unwrap();
        lines(&folder, &Filter::default(), |_, _| Ok(())).expect("lines that are none are passed over");
        let report = verify(&folder, &key(), None, 1).expect("a report");
        let is_told = !report.faults.is_empty() || !report.notes.is_empty();
        assert!(is_told || input == good, "a changed record passed: {report:?}\n{}", String::from_utf8_lossy(input));
        error_of(judge(&report)).into_iter().collect()
    });
}

#[test]
fn anchors() {
    let good = format!("partnersam-audit-1:12:{}", "0123456789abcdef".repeat(4));
    good.parse::<Anchor>().expect("the anchor that is spoiled is good");
    spoil("anchors", CASES, &[good], |input, _| {
        error_of(String::from_utf8_lossy(input).parse::<Anchor>()).into_iter().collect()
    });
}
