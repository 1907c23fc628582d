//! YAML text as a small tree in which every node knows its place. The only door to YAML.
//!
//! It reads the parser's events rather than going through serde, for three reasons: a mistake does
//! not end the reading, so all are reported at once; a scalar keeps its text, so `tag: 1.10` is
//! `1.10` and `tag: no` is `no`; and an alias shares the node it names instead of copying it, so a
//! small file can never become a large tree.

use std::{collections::HashMap, rc::Rc};

use serde_yaml::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::{
    merge,
    report::{Mark, Report},
};

/// Nesting deeper than this is no branch file.
const DEEPEST: usize = 16;

/// The most nodes and merged entries of one file.
const MOST_NODES: usize = 10_000;

/// The most aliases of one file.
const MOST_ALIASES: usize = 200;

/// One value and where it begins.
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) value: Value,
}

/// What a node holds.
pub(super) enum Value {
    /// Plain text without quotes may stand for nothing, or for true and false.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// One key of a mapping with its value. Keys are unique.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) mark: Mark,
    pub(super) value: Rc<Node>,
}

/// The rest of the file cannot be read; why is in the report already.
pub(super) struct Unreadable;

/// Reads the one document of a file. None if it is empty.
pub(super) fn read(text: &str, report: &mut Report<'_>) -> Result<Option<Rc<Node>>, Unreadable> {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: 4 * DEEPEST,
        block_nesting_limit: 4 * DEEPEST,
    };
    let events = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { events, report, anchors: HashMap::new(), aliases: 0, nodes: 0 };
    reader.document()
}

/// The state of reading one file.
pub(super) struct Reader<'r, 'a, 's> {
    events: Parser<'s, StrInput<'s>>,
    pub(super) report: &'r mut Report<'a>,
    anchors: HashMap<usize, Rc<Node>>,
    aliases: usize,
    nodes: usize,
}

impl<'s> Reader<'_, '_, 's> {
    fn document(&mut self) -> Result<Option<Rc<Node>>, Unreadable> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            let mark = self.mark(&span);
            match event {
                Event::StreamEnd => return Ok(root),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let help = "keep one document, and remove the line `---` with what follows it";
                    return Err(self.refuse(mark, "a branch file holds one document, and here a second begins", help));
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, &span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), Unreadable> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.not_yaml(&error)),
            None => Err(self.refuse(Mark::START, "the file ends too early", "check that it is whole")),
        }
    }

    fn node(&mut self, event: Event<'s>, span: &Span, depth: usize) -> Result<Rc<Node>, Unreadable> {
        let mark = self.mark(span);
        if depth > DEEPEST {
            let message = format!("this is nested deeper than {DEEPEST} levels");
            return Err(self.refuse(mark, message, "a branch file needs no more than four levels"));
        }
        self.spend(1, mark)?;
        if let Some(tag) = event.tag() {
            let message = format!("the YAML tag `{}` is not known here", tag.original());
            let at = span.tag_span().map_or(mark, |tag| self.mark(&tag));
            self.report.error(at, message, "remove the tag: the key alone says what its value means");
        }
        let anchor = event.anchor_id();
        let value = match event {
            Event::Scalar(text, style, ..) => {
                Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => Value::List(self.list(depth)?),
            Event::MappingStart(..) => Value::Map(self.map(depth)?),
            Event::Alias(anchor) => return self.alias(anchor, mark),
            Event::UnresolvedAlias(name) => {
                let help = format!("write `&{name}` before the value that is meant, above this line");
                self.report.error(mark, format!("`*{name}` names no anchor"), help);
                Value::Scalar { text: String::new(), plain: true }
            }
            _ => return Err(self.refuse(mark, "a value was expected here", "check the lines above")),
        };
        let node = Rc::new(Node { mark, value });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Rc<Node>>, Unreadable> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Unreadable> {
        let mut entries = merge::Entries::default();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return entries.finish(self);
            }
            let mark = self.mark(&span);
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            match &key.value {
                Value::Scalar { text, .. } => entries.add(text, mark, value, self.report),
                _ => self.report.error(mark, "a key is a list or a mapping", "write a plain word before the `:`"),
            }
        }
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<Rc<Node>, Unreadable> {
        self.aliases += 1;
        if self.aliases > MOST_ALIASES {
            let message = format!("this file has more than {MOST_ALIASES} aliases");
            return Err(self.refuse(mark, message, "write the values out, or use fewer aliases"));
        }
        match self.anchors.get(&anchor) {
            Some(node) => Ok(Rc::clone(node)),
            None => Err(self.refuse(mark, "this alias stands inside what it names", "write the value out")),
        }
    }

    /// Counts nodes, so that neither the file nor its merges grow beyond a bound.
    pub(super) fn spend(&mut self, nodes: usize, mark: Mark) -> Result<(), Unreadable> {
        self.nodes += nodes;
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        let message = format!("this file has more than {MOST_NODES} values");
        Err(self.refuse(mark, message, "a branch file is a few dozen lines: check that this is one"))
    }

    fn not_yaml(&mut self, error: &ScanError) -> Unreadable {
        let at = error.marker();
        let mark = Mark { line: at.line().max(1), column: at.col() + 1, length: 1 };
        let line = self.report.line(mark.line);
        let indent = &line[..line.len() - line.trim_start().len()];
        let help = if indent.contains('\t') {
            "indent with spaces: YAML does not allow tabs there"
        } else {
            "check the indentation, and that brackets and quotes are closed here and on the lines above"
        };
        self.refuse(mark, format!("this is not YAML: {}", error.info()), help)
    }

    fn refuse(&mut self, mark: Mark, message: impl std::fmt::Display, help: impl std::fmt::Display) -> Unreadable {
        self.report.error(mark, message, help);
        Unreadable
    }

    /// The part of the span that lies on its first line.
    fn mark(&self, span: &Span) -> Mark {
        let (start, end) = (span.start, span.end);
        let line_end = if end.line() == start.line() {
            end.col()
        } else {
            self.report.line(start.line()).trim_end().chars().count()
        };
        Mark { line: start.line().max(1), column: start.col() + 1, length: line_end.saturating_sub(start.col()).max(1) }
    }
}
