//! The entries of one mapping: each key once, and merge keys (`<<: *defaults`) applied.

use std::{collections::HashSet, rc::Rc};

use super::{
    report::{Mark, Report},
    tree::{Entry, Node, Reader, Unreadable, Value},
};

/// Entries read so far.
#[derive(Default)]
pub(super) struct Entries {
    own: Vec<Entry>,
    keys: HashSet<String>,
    merged: Vec<(Mark, Rc<Node>)>,
}

impl Entries {
    /// Adds one; a key that is there already is a problem, and the first stands.
    pub(super) fn add(&mut self, key: &str, mark: Mark, value: Rc<Node>, report: &mut Report<'_>) {
        if key == "<<" {
            self.merged.push((mark, value));
        } else if self.keys.insert(key.to_owned()) {
            self.own.push(Entry { key: key.to_owned(), mark, value });
        } else {
            report.error(mark, format!("`{key}` is given twice"), "keep one of the two");
        }
    }

    /// Fills in what merge keys bring. The mapping's own keys win, then those merged first.
    pub(super) fn finish(mut self, reader: &mut Reader<'_, '_, '_>) -> Result<Vec<Entry>, Unreadable> {
        for (mark, node) in std::mem::take(&mut self.merged) {
            match &node.value {
                Value::Map(entries) => self.merge(entries, mark, reader)?,
                Value::List(nodes) => {
                    for node in nodes {
                        match &node.value {
                            Value::Map(entries) => self.merge(entries, mark, reader)?,
                            _ => not_a_mapping(mark, reader.report),
                        }
                    }
                }
                Value::Scalar { .. } => not_a_mapping(mark, reader.report),
            }
        }
        Ok(self.own)
    }

    fn merge(&mut self, entries: &[Entry], mark: Mark, reader: &mut Reader<'_, '_, '_>) -> Result<(), Unreadable> {
        reader.spend(entries.len(), mark)?;
        for entry in entries {
            if self.keys.insert(entry.key.clone()) {
                self.own.push(entry.clone());
            }
        }
        Ok(())
    }
}

fn not_a_mapping(mark: Mark, report: &mut Report<'_>) {
    report.error(mark, "`<<` merges a mapping, and this is none", "name the anchor of a mapping: `<<: *defaults`");
}
