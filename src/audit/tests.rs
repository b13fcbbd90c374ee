use std::fs;
use std::path::Path;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::verify::{Report, verify};
use super::*;
use crate::clock::UnixTime;
use crate::error::ErrorKind;

fn key() -> AuditKey {
    AuditKey::new(&Zeroizing::new([7; 32]))
}

fn record(folder: &Path, rotate_bytes: u64) -> Record {
    Record::new(Settings { folder: folder.to_owned(), fsync: Fsync::Never, rotate_bytes }, key())
}

fn entry(number: i64) -> Entry {
    let mut entry = Entry::new("token", Outcome::Ok, UnixTime(1_700_000_000 + number));
    entry.partner = Some("bbbbbbbb-0000-4000-8000-000000000001".to_owned());
    entry.audiences = vec!["graph".to_owned()];
    entry.purpose = Some(format!("purpose \"{number}\" \u{1b}[31m \n ünïcode"));
    entry
}

fn filled(lines: i64, rotate_bytes: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let record = record(&folder.path().join("audit"), rotate_bytes);
    for number in 1..=lines {
        assert_eq!(record.append(&entry(number), false).unwrap(), number as u64);
    }
    folder
}

fn check(folder: &Path) -> Report {
    verify(&folder.join("audit"), &key(), None, 1).unwrap()
}

fn whats(report: &Report) -> Vec<&'static str> {
    report.faults.iter().map(|fault| fault.what).collect()
}

fn current(folder: &Path) -> std::path::PathBuf {
    folder.join("audit").join(segments::CURRENT)
}

const NO_ROTATION: u64 = 1 << 20;

#[test]
fn a_record_that_nobody_touched_is_whole_across_files_and_processes() {
    let folder = filled(40, 2_000);
    assert!(segments::all(&folder.path().join("audit")).unwrap().len() > 5);
    // Another process is another Record.
    record(&folder.path().join("audit"), 2_000).append(&entry(41), true).unwrap();
    let report = check(folder.path());
    assert_eq!((whats(&report), report.notes.len(), report.lines, report.last), (vec![], 0, 41, Some(41)));
    let anchor = report.anchor.unwrap();
    assert_eq!(anchor.to_string().parse::<Anchor>().unwrap(), anchor);
    record(&folder.path().join("audit"), 2_000).append(&entry(42), true).unwrap();
    let later = verify(&folder.path().join("audit"), &key(), Some(&anchor), 1).unwrap();
    assert_eq!((whats(&later), later.lines), (vec![], 42));
}

#[test]
fn lines_that_come_together_are_lines_like_any_other() {
    let folder = filled(2, 2_000);
    let record = record(&folder.path().join("audit"), 2_000);
    for (begins, last) in [(3, 7), (8, 12), (13, 17)] {
        let together: Vec<Entry> = (begins..=last).map(entry).collect();
        assert_eq!(record.append_all(&together, false).unwrap(), last as u64);
    }
    assert_eq!(record.append(&entry(18), false).unwrap(), 18);
    let mut files = segments::all(&folder.path().join("audit")).unwrap();
    assert_eq!(files.pop(), Some(current(folder.path())));
    assert!(files.len() > 1);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let first = chain::claim(text.lines().next().unwrap().as_bytes()).unwrap().seq;
        assert_eq!(file, segments::full(&folder.path().join("audit"), first), "named by its first line");
    }
    let report = check(folder.path());
    assert_eq!((whats(&report), report.notes.len(), report.lines, report.last), (vec![], 0, 18, Some(18)));
}

#[test]
fn another_key_finds_nothing_right() {
    let folder = filled(3, NO_ROTATION);
    let other = AuditKey::new(&Zeroizing::new([8; 32]));
    let report = verify(&folder.path().join("audit"), &other, None, 1).unwrap();
    assert_eq!(report.lines, 0);
    assert!(!report.faults.is_empty());
}

#[test]
fn a_removed_line_a_changed_order_and_a_cut_end_are_found_and_placed() {
    let lines = |folder: &Path| -> Vec<String> {
        fs::read_to_string(current(folder)).unwrap().split_inclusive('\n').map(str::to_owned).collect()
    };
    let folder = filled(6, NO_ROTATION);
    let whole = lines(folder.path());
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = whole.clone();
        change(&mut changed);
        fs::write(current(folder.path()), changed.concat()).unwrap();
        check(folder.path())
    };
    let removed = with(&|lines| drop(lines.remove(2)));
    assert_eq!(whats(&removed), ["missing"]);
    assert_eq!((removed.faults[0].line, removed.faults[0].text.as_str()), (Some(3), "line 3 is missing"));
    assert!(whats(&with(&|lines| lines.swap(1, 2))).contains(&"order"));
    assert!(whats(&with(&|lines| lines.push(lines[5].clone()))).contains(&"order"));
    let cut = with(&|lines| lines.truncate(4));
    assert_eq!((whats(&cut), cut.faults[0].text.as_str()), (vec!["cut"], "the record ends with line 4, and had 6"));
    assert_eq!(whats(&with(&|lines| lines.clear())), ["cut"]);
    assert_eq!(whats(&with(&|lines| drop(lines.remove(0)))), ["missing"]);
    let edited = with(&|lines| lines[3] = lines[3].replace("graph", "drive"));
    assert_eq!((whats(&edited), edited.faults[0].line), (vec!["edited"], Some(4)));
}

#[test]
fn a_cut_that_takes_the_head_along_is_found_by_an_anchor_that_lies_elsewhere() {
    let folder = filled(4, NO_ROTATION);
    let path = folder.path().join("audit");
    let (lines, head) = (fs::read(current(folder.path())).unwrap(), fs::read(path.join(segments::HEAD)).unwrap());
    for number in 5..=8 {
        record(&path, NO_ROTATION).append(&entry(number), false).unwrap();
    }
    let anchor = check(folder.path()).anchor.unwrap();
    fs::write(current(folder.path()), lines).unwrap();
    fs::write(path.join(segments::HEAD), head).unwrap();
    assert_eq!(whats(&check(folder.path())), Vec::<&str>::new(), "an older copy is whole in itself");
    assert_eq!(whats(&verify(&path, &key(), Some(&anchor), 1).unwrap()), ["cut"]);
    for number in 5..=9 {
        record(&path, NO_ROTATION).append(&entry(number + 100), false).unwrap();
    }
    assert_eq!(whats(&verify(&path, &key(), Some(&anchor), 1).unwrap()), ["anchor"], "written anew");
}

#[test]
fn what_is_missing_when_writing_goes_on_stays_missing() {
    let folder = filled(5, NO_ROTATION);
    let text = fs::read_to_string(current(folder.path())).unwrap();
    let kept: String = text.split_inclusive('\n').take(3).collect();
    fs::write(current(folder.path()), kept).unwrap();
    record(&folder.path().join("audit"), NO_ROTATION).append(&entry(6), false).unwrap();
    assert_eq!(whats(&check(folder.path())), ["gap", "missing"]);
    let folder = filled(5, NO_ROTATION);
    fs::remove_file(current(folder.path())).unwrap();
    record(&folder.path().join("audit"), NO_ROTATION).append(&entry(6), false).unwrap();
    assert!(whats(&check(folder.path())).contains(&"missing"));
    let folder = filled(5, NO_ROTATION);
    fs::remove_file(folder.path().join("audit").join(segments::HEAD)).unwrap();
    assert_eq!(whats(&check(folder.path())), ["head"]);
    record(&folder.path().join("audit"), NO_ROTATION).append(&entry(6), false).unwrap();
    assert_eq!(whats(&check(folder.path())), ["gap"]);
}

#[test]
fn a_full_file_that_is_taken_away_is_missed() {
    let folder = filled(40, 2_000);
    let files = segments::all(&folder.path().join("audit")).unwrap();
    fs::remove_file(&files[0]).unwrap();
    assert_eq!(whats(&check(folder.path())), ["missing"]);
    let first: u64 = files[1].file_name().unwrap().to_str().unwrap()[7..19].parse().unwrap();
    let report = verify(&folder.path().join("audit"), &key(), None, first).unwrap();
    assert_eq!(whats(&report), Vec::<&str>::new(), "it was put elsewhere, and the checker knows");
}

#[test]
fn an_unfinished_line_is_told_of_and_what_came_before_its_head_counts() {
    for cut in [1, 20, 200] {
        let folder = filled(3, NO_ROTATION);
        let path = folder.path().join("audit");
        let head = fs::read(path.join(segments::HEAD)).unwrap();
        record(&path, NO_ROTATION).append(&entry(4), false).unwrap();
        let whole = fs::read(current(folder.path())).unwrap();
        // Killed after line 4 was written and before its head was: the line counts.
        fs::write(path.join(segments::HEAD), &head).unwrap();
        let report = check(folder.path());
        assert_eq!((whats(&report), report.lines, report.notes[0].what), (vec![], 4, "unheaded"));
        // Killed in the middle of line 4.
        fs::write(current(folder.path()), &whole[..whole.len() - cut]).unwrap();
        let report = check(folder.path());
        assert_eq!((whats(&report), report.lines, report.notes[0].what), (vec![], 3, "torn"), "{cut}");
        assert_eq!(record(&path, NO_ROTATION).append(&entry(4), false).unwrap(), 5, "line 4 tells of it");
        let report = check(folder.path());
        assert_eq!((whats(&report), report.lines, report.notes[0].what), (vec![], 5, "torn"), "{cut}");
        // What was told of cannot be changed any more.
        let mut bytes = fs::read(current(folder.path())).unwrap();
        let torn_at = whole.split_inclusive(|byte| *byte == b'\n').take(3).map(<[u8]>::len).sum::<usize>();
        bytes[torn_at] ^= 1;
        fs::write(current(folder.path()), bytes).unwrap();
        assert_eq!(whats(&check(folder.path())), ["edited"], "{cut}");
    }
}

#[test]
fn a_crash_in_the_middle_of_beginning_a_new_file_is_no_loss() {
    let folder = filled(5, NO_ROTATION);
    let path = folder.path().join("audit");
    fs::rename(current(folder.path()), segments::full(&path, 1)).unwrap();
    assert_eq!(whats(&check(folder.path())), Vec::<&str>::new());
    record(&path, NO_ROTATION).append(&entry(6), false).unwrap();
    let report = check(folder.path());
    assert_eq!((whats(&report), report.lines, report.notes.len()), (vec![], 6, 0));
}

#[test]
fn many_writers_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &path;
            scope.spawn(move || {
                // Each its own Record, as each process has: the lock is all that they share.
                let record = record(path, 3_000);
                for number in 0..25 {
                    record.append(&entry(writer * 100 + number), false).unwrap();
                }
            });
        }
    });
    let report = check(folder.path());
    assert_eq!((whats(&report), report.lines, report.last), (vec![], 200, Some(200)));
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("audit"), b"a file").unwrap();
    let error = record(&folder.path().join("audit"), NO_ROTATION).append(&entry(1), false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuditUnwritable);
}

#[test]
fn lines_are_found_by_time_and_field() {
    let folder = filled(10, 2_000);
    let found = |filter: read::Filter| {
        let mut numbers = Vec::new();
        let unreadable = read::lines(&folder.path().join("audit"), &filter, |_, fields| {
            numbers.push(fields["seq"].as_u64().unwrap());
            Ok(())
        });
        assert_eq!(unreadable.unwrap(), 0);
        numbers
    };
    assert_eq!(found(read::Filter::default()).len(), 10);
    let at = |number: i64| Some(UnixTime(1_700_000_000 + number).to_string());
    assert_eq!(found(read::Filter { since: at(4), until: at(6), ..Default::default() }), [4, 5]);
    let by = |name, value: &str| found(read::Filter { fields: vec![(name, value.to_owned())], ..Default::default() });
    assert_eq!(by("audiences", "graph").len(), 10);
    assert_eq!(by("outcome", "failed"), Vec::<u64>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever one byte becomes, it is found, and in which file.
    #[test]
    fn any_changed_byte_is_found(place in any::<prop::sample::Index>(), other in 1..=255_u8, file in any::<prop::sample::Index>()) {
        let folder = filled(12, 1_500);
        let files = segments::all(&folder.path().join("audit")).unwrap();
        let path = &files[file.index(files.len())];
        let mut bytes = fs::read(path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= other;
        fs::write(path, bytes).unwrap();
        let report = check(folder.path());
        prop_assert!(!report.faults.is_empty());
        let name = path.file_name().unwrap().to_str().unwrap();
        prop_assert!(report.faults.iter().any(|fault| fault.file.as_deref().is_none_or(|file| file == name)));
    }

    /// Whatever is done to whole lines: taken out, put in again, exchanged.
    #[test]
    fn any_changed_order_is_found(order in prop::collection::vec(0..6_usize, 0..9)) {
        let folder = filled(6, NO_ROTATION);
        let text = fs::read_to_string(current(folder.path())).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let changed: String = order.iter().map(|number| lines[*number]).collect();
        fs::write(current(folder.path()), &changed).unwrap();
        prop_assert_eq!(check(folder.path()).faults.is_empty(), changed == text);
    }
}
