//! Windows are what a plain reader sees, whoever wrote the log, and whatever became of its index.

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{Logs, Place, Window, hostile, index};
use crate::model::BuildId;

/// What may happen to an index between two runs.
#[derive(Debug, Clone)]
enum Harm {
    None,
    Lost,
    Torn(Index),
    Flipped(Index),
    Zeros(Index),
    Longer(Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        Just(Harm::None),
        Just(Harm::Lost),
        any::<Index>().prop_map(Harm::Torn),
        any::<Index>().prop_map(Harm::Flipped),
        any::<Index>().prop_map(Harm::Zeros),
        vec(any::<u8>(), 1..40).prop_map(Harm::Longer),
    ]
}

impl Harm {
    fn strike(&self, index: &Path) {
        let Ok(mut bytes) = fs::read(index) else { return };
        let at = |place: &Index| place.index(bytes.len() + 1);
        match self {
            Self::None => return,
            Self::Lost => return fs::remove_file(index).unwrap(),
            Self::Torn(place) => bytes.truncate(at(place)),
            Self::Flipped(place) if !bytes.is_empty() => {
                let place = place.index(bytes.len());
                bytes[place] ^= 0x10;
            }
            Self::Flipped(_) => {}
            Self::Zeros(place) => {
                let place = at(place);
                bytes[place..].fill(0);
            }
            Self::Longer(more) => bytes.extend(more),
        }
        fs::write(index, bytes).unwrap();
    }
}

fn window() -> impl Strategy<Value = (u8, Index, u64)> {
    (0..3_u8, any::<Index>(), prop_oneof![0..20_u64, 0..6_000_u64])
}

/// The numbers of a window's lines, taken from all lines in the plainest way.
fn expected(total: u64, window: Window) -> Vec<u64> {
    let count = window.count.min(5_000);
    let last = total.saturating_sub(count) + 1;
    let first = match window.place {
        Place::From(first) => first,
        Place::Around(middle) => middle.saturating_sub(count / 2).max(1).min(last),
        Place::End => last,
    };
    (first..=total).take(usize::try_from(count).unwrap()).collect()
}

fn check(logs: &Logs, id: BuildId, log: &[u8], window: Window) {
    let lines = hostile::lines(log);
    let Some(found) = logs.lines(id, window).unwrap() else {
        assert!(log.is_empty());
        return;
    };
    assert_eq!((found.total, found.size), (lines.len() as u64, log.len() as u64));
    let numbers: Vec<u64> = found.lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, expected(found.total, window), "{window:?} of {}", found.total);
    for line in found.lines {
        let (offset, bytes) = lines[usize::try_from(line.number).unwrap() - 1];
        assert_eq!((line.offset, line.length), (offset, bytes.len() as u64), "line {}", line.number);
        assert!(bytes.starts_with(&line.bytes) && line.bytes.len() >= bytes.len().min(250), "line {}", line.number);
        assert_eq!(line.open, line.number == found.total && !log.ends_with(b"\n"), "line {}", line.number);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn windows_are_what_a_plain_reader_sees(
        runs in vec((hostile::log(), harm()), 1..4),
        windows in vec(window(), 1..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (logs, id) = (Logs::new(directory.path()).unwrap(), BuildId::new());
        let place = index::path_of(&logs.path(id));
        let mut whole = Vec::new();
        for (pieces, harm) in runs {
            let mut writer = logs.writer(id).unwrap();
            for piece in &pieces {
                writer.append(piece).unwrap();
                whole.extend_from_slice(piece);
            }
            prop_assert_eq!(writer.len(), whole.len() as u64);
            prop_assert_eq!(writer.lines(), whole.iter().filter(|byte| **byte == b'\n').count() as u64);
            // While it is being written.
            check(&logs, id, &whole, Window { place: Place::End, count: 10 });
            drop(writer);
            harm.strike(&place);
        }
        let total = hostile::lines(&whole).len();
        for (kind, number, count) in windows {
            let number = number.index(total + 3) as u64 + 1;
            let place = [Place::From(number), Place::Around(number), Place::End][usize::from(kind)];
            check(&logs, id, &whole, Window { place, count });
        }
    }
}

fn big(logs: &Logs, id: BuildId) -> Vec<u8> {
    let log: Vec<u8> = (0..400_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    logs.writer(id).unwrap().append(&log).unwrap();
    log
}

#[test]
fn an_index_that_was_lost_is_made_again_by_the_first_reader() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, id) = (Logs::new(directory.path()).unwrap(), BuildId::new());
    let log = big(&logs, id);
    let place = index::path_of(&logs.path(id));
    let entries = fs::read(&place).unwrap();
    assert_eq!(entries.len() as u64, log.len() as u64 / index::BLOCK * index::ENTRY);
    fs::remove_file(&place).unwrap();
    check(&logs, id, &log, Window { place: Place::Around(200_000), count: 5 });
    assert_eq!(fs::read(&place).unwrap(), entries);
    // In the middle, where only a search for a line comes by.
    let mut harmed = entries.clone();
    harmed[entries.len() / 16 * 8] ^= 1;
    fs::write(&place, harmed).unwrap();
    check(&logs, id, &log, Window { place: Place::From(200_000), count: 5 });
    assert_eq!(fs::read(&place).unwrap(), entries);
    logs.remove(id).unwrap();
    assert!(!place.exists());
}

#[test]
fn a_reader_leaves_the_index_to_a_writer_and_reads_on() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, id) = (Logs::new(directory.path()).unwrap(), BuildId::new());
    let mut log = big(&logs, id);
    let place = index::path_of(&logs.path(id));
    let mut writer = logs.writer(id).unwrap();
    fs::write(&place, []).unwrap();
    check(&logs, id, &log, Window { place: Place::From(399_990), count: 100 });
    assert!(fs::read(&place).unwrap().is_empty(), "the writer holds the lock");
    writer.append(b"more\n").unwrap();
    log.extend(b"more\n");
    drop(writer);
    check(&logs, id, &log, Window { place: Place::From(399_990), count: 100 });
    assert!(!fs::read(&place).unwrap().is_empty());
}

#[test]
fn a_log_that_lost_its_end_in_a_power_cut_is_counted_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, id) = (Logs::new(directory.path()).unwrap(), BuildId::new());
    let mut log = big(&logs, id);
    log.truncate(1_000_000);
    fs::OpenOptions::new().write(true).open(logs.path(id)).unwrap().set_len(1_000_000).unwrap();
    check(&logs, id, &log, Window { place: Place::End, count: 3 });
    let other = b"x\n".repeat(200_000);
    logs.writer(id).unwrap().append(&other).unwrap();
    log.extend(other);
    check(&logs, id, &log, Window { place: Place::End, count: 3 });
    check(&logs, id, &log, Window { place: Place::Around(100_000), count: 3 });
}

#[test]
fn endless_lines_are_found_cut_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, id) = (Logs::new(directory.path()).unwrap(), BuildId::new());
    let mut writer = logs.writer(id).unwrap();
    let endless = [vec![b'y'; 300_000], b"\n".to_vec()].concat();
    let log = [vec![b'x'; 10_000_000], b"\nshort\n".to_vec(), endless.repeat(100), b"z".repeat(200_000)].concat();
    writer.append(&log).unwrap();
    let all = logs.lines(id, Window { place: Place::From(1), count: 5_000 }).unwrap().unwrap();
    assert_eq!((all.total, all.lines.len()), (103, 103));
    assert_eq!((all.lines[0].bytes.len(), all.lines[0].length), (64 << 10, 10_000_000));
    assert_eq!((&*all.lines[1].bytes, all.lines[1].offset), (&b"short"[..], 10_000_001));
    assert_eq!((all.lines[100].bytes.len(), all.lines[100].length), (256, 300_000));
    assert_eq!((all.lines[102].length, all.lines[102].open), (200_000, true));
    assert!(all.lines.iter().map(|line| line.bytes.len()).sum::<usize>() < 5 << 20);
    check(&logs, id, &log, Window { place: Place::Around(60), count: 7 });
}
