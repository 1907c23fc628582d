//! A search finds what a plain one finds, line by line, wherever chunks and spans end.

use std::{io::Write, sync::Arc};

use proptest::{collection::vec, prelude::*, sample};

use super::{Direction, Hit, Pattern, Search, Span, backward::Backward, forward::Forward};
use crate::{
    logs::{Logs, hostile},
    model::BuildId,
};

const TEXTS: [&str; 8] = ["a", "an ordinary line", "\0", "xx", " 50%\r", "\u{1b}[", "31", "error: é"];

const EXPRESSIONS: [&str; 16] = [
    r"\x1b\[\d",
    r"\berror\b",
    "a",
    "b$",
    "^x",
    r"\s+$",
    r"[^q]z",
    r"\d+%",
    "^$",
    r"\w\W\w",
    "x*",
    "(?i)ERROR",
    r"(?-u)\xff",
    r"\bline\b",
    r"^.{3,}$",
    r"é|log\z",
];

/// Logs whose lines are short, so that small buffers hold each.
fn log() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[a-z ]{0,30}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..30),
        sample::select(vec!["", "an ordinary line", "x", "\r 50%\r100%", "Error: é", "log"])
            .prop_map(|text| text.into()),
        sample::select(vec![
            "\u{1b}[1;31mer\u{1b}[0mror\u{1b}[m: \u{1b}(Bé",
            "\u{1b}]8;;an ordinary line\u{7}a\u{1b}]8;;",
            "a\u{1b}[",
            "\u{1b}P1\u{1b}\\x"
        ])
        .prop_map(|text| text.into()),
    ];
    (vec(line, 0..60), any::<bool>()).prop_map(|(lines, ends)| {
        let mut log = lines.join(&b'\n');
        log.extend(ends.then_some(b'\n'));
        log
    })
}

fn file(log: &[u8]) -> Arc<std::fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(log).unwrap();
    Arc::new(file)
}

fn drain(mut advance: impl FnMut(&mut Vec<Hit>) -> std::io::Result<bool>) -> Vec<Hit> {
    let mut found = Vec::new();
    while advance(&mut found).unwrap() {}
    found
}

fn forward(log: &[u8], pattern: &Arc<Pattern>, chunk: usize) -> Vec<Hit> {
    let span = Span { start: 0, end: log.len() as u64, number: 1 };
    let mut search = Forward::new(file(log), span, Arc::clone(pattern)).with_sizes(chunk, 1 << 20);
    drain(|found| search.advance(usize::MAX, found))
}

fn backward(log: &[u8], pattern: &Arc<Pattern>, span: usize) -> Vec<Hit> {
    let after = hostile::lines(log).len() as u64 + 1;
    let mut search = Backward::new(file(log), log.len() as u64, after, Arc::clone(pattern)).with_span(span);
    drain(|found| search.advance(usize::MAX, found))
}

/// What is seen of a line, taken from it by the very expression that the page has.
fn seen(line: &[u8]) -> Vec<u8> {
    let sequence = concat!(
        r"(?s-u)\x1b\[[0-?]*[ -/]*[@-~]",
        r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|\z)",
        r"|\x1b[ -/]*[0-~]?",
    );
    regex::bytes::Regex::new(sequence).unwrap().replace_all(line, &b""[..]).into_owned()
}

/// Numbers and offsets of the lines that match, by the plainest search.
fn plain(log: &[u8], matches: impl Fn(&[u8]) -> bool) -> Vec<(u64, u64)> {
    let lines = hostile::lines(log).into_iter().zip(1..);
    lines.filter(|((_, line), _)| matches(line)).map(|((offset, _), number)| (number, offset)).collect()
}

fn places(hits: &[Hit]) -> Vec<(u64, u64)> {
    hits.iter().map(|hit| (hit.number, hit.offset)).collect()
}

fn agree(log: &[u8], pattern: Pattern, size: usize, expected: &[(u64, u64)]) {
    let pattern = Arc::new(pattern);
    let hits = forward(log, &pattern, size);
    assert_eq!(places(&hits), expected);
    let lines = hostile::lines(log);
    for hit in &hits {
        let (_, line) = lines[usize::try_from(hit.number).unwrap() - 1];
        assert_eq!((&*hit.bytes, hit.cut), (line, false));
        assert!(hit.matched.end <= line.len());
    }
    let mut back = backward(log, &pattern, size);
    back.reverse();
    assert_eq!(back, hits);
}

proptest! {
    #[test]
    fn a_text_is_found_in_the_same_lines(log in log(), text in sample::select(&TEXTS[..]), size in 1..100_usize) {
        let holds = |line: &[u8]| line.windows(text.len()).any(|part| part == text.as_bytes());
        let is_raw = text.contains('\u{1b}');
        let expected = plain(&log, |line| if is_raw { holds(line) } else { holds(&seen(line)) });
        agree(&log, Pattern::text(text, true).unwrap(), size, &expected);
    }

    #[test]
    fn an_expression_is_found_in_the_same_lines(
        log in log(),
        expression in sample::select(&EXPRESSIONS[..]),
        size in 1..100_usize,
    ) {
        let regex = regex::bytes::Regex::new(expression).unwrap();
        let is_raw = expression.contains("x1b");
        let expected = plain(&log, |line| regex.is_match(&if is_raw { line.to_vec() } else { seen(line) }));
        agree(&log, Pattern::expression(expression, true).unwrap(), size, &expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn large_logs_are_searched_from_any_line(
        pieces in hostile::log(),
        from in 1..3_000_u64,
        is_backward in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (logs, id) = (Logs::new(directory.path()).unwrap(), BuildId::new());
        let log = pieces.concat();
        logs.writer(id).unwrap().append(&log).unwrap();
        let pattern = Arc::new(Pattern::expression("error|line$|^x", true).unwrap());
        let regex = regex::bytes::Regex::new("error|line$|^x").unwrap();
        let mut expected = plain(&log, |line| regex.is_match(&seen(line)));
        let direction = if is_backward { Direction::Backward(from) } else { Direction::Forward(from) };
        if is_backward {
            expected.retain(|(number, _)| *number <= from);
            expected.reverse();
        } else {
            expected.retain(|(number, _)| *number >= from);
        }
        let mut search: Search = logs.search(id, pattern, direction).unwrap().unwrap();
        prop_assert_eq!(places(&drain(|found| search.advance(usize::MAX, found))), expected);
    }
}

#[test]
fn a_line_beyond_all_measure_is_searched_in_pieces_and_told_once() {
    let mut log = vec![b'x'; 100_000];
    log[70_001] = b'y';
    log[70_010] = b'y';
    log[99_999] = b'y';
    log.splice(0..0, *b"first\n");
    log.extend(b"\nlast y");
    for chunk in [1_000, 4_096, 16_384] {
        let pattern = Arc::new(Pattern::text("y", true).unwrap());
        let span = Span { start: 0, end: log.len() as u64, number: 1 };
        let mut search = Forward::new(file(&log), span, pattern).with_sizes(chunk, 16_384);
        let hits = drain(|found| search.advance(usize::MAX, found));
        assert_eq!(places(&hits), [(2, 6), (3, 100_007)]);
        assert!(hits[0].cut && hits[0].bytes[hits[0].matched.clone()] == *b"y");
    }
}

#[test]
fn a_search_ends_at_its_limit() {
    let log = b"a\n".repeat(1_000);
    let pattern = Arc::new(Pattern::text("a", true).unwrap());
    let span = Span { start: 0, end: log.len() as u64, number: 1 };
    let mut search = Forward::new(file(&log), span, Arc::clone(&pattern));
    let mut found = Vec::new();
    search.advance(7, &mut found).unwrap();
    assert_eq!(found.len(), 7);
    let mut search = Backward::new(file(&log), 2_000, 1_001, pattern);
    found.clear();
    search.advance(7, &mut found).unwrap();
    assert_eq!(found.iter().map(|hit| hit.number).collect::<Vec<_>>(), [1_000, 999, 998, 997, 996, 995, 994]);
}
