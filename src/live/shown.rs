//! What a relay shows: the board's pictures as they came over the bus, with the output since.
//!
//! A picture of the current builds comes when one changes its state, maybe long ago; their last lines
//! are kept up to date from the output that comes between. Nothing in a document is looked at but
//! those: whatever else the service puts there reaches viewers as it is.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{render, tail::Tail};
use crate::{bus::Update, model::BuildId};

/// The two pictures.
#[derive(Debug)]
pub(super) struct Shown {
    current: BTreeMap<BuildId, Entry>,
    history: Arc<str>,
    /// The payload of `status`, until something in it changes.
    status: Option<Arc<str>>,
}

/// One build.
#[derive(Debug)]
struct Entry {
    document: Box<RawValue>,
    /// Its last lines, if it wrote any since the document came.
    tail: Option<Tail>,
}

/// What of a document is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lines {
    monitor: String,
    monitor_end: u64,
}

impl Default for Shown {
    fn default() -> Self {
        Self { current: BTreeMap::new(), history: "[]".into(), status: None }
    }
}

impl Shown {
    /// Takes over a picture of the current builds; one that cannot be read changes nothing.
    pub(super) fn current(&mut self, json: &str) -> Result<(), serde_json::Error> {
        let documents: BTreeMap<BuildId, Box<RawValue>> = serde_json::from_str(json)?;
        let mut known = std::mem::take(&mut self.current);
        self.current = documents
            .into_iter()
            .map(|(id, document)| {
                let tail = known.remove(&id).and_then(|entry| entry.tail);
                // Output overtakes pictures.
                let tail = tail.filter(|tail| tail.shown().1 > lines(&document).monitor_end);
                (id, Entry { document, tail })
            })
            .collect();
        self.status = None;
        Ok(())
    }

    /// Takes over a picture of the last finished builds.
    pub(super) fn history(&mut self, json: Arc<str>) -> Result<(), serde_json::Error> {
        let _documents: Vec<&RawValue> = serde_json::from_str(&json)?;
        self.history = json;
        Ok(())
    }

    /// Takes over what a build wrote.
    pub(super) fn update(&mut self, update: &Update) {
        let Some(entry) = self.current.get_mut(&update.id) else { return };
        let tail = entry.tail.get_or_insert_with(|| {
            let Lines { monitor, monitor_end } = lines(&entry.document);
            Tail::of_shown(&monitor, monitor_end)
        });
        tail.push_shown(update);
        self.status = None;
    }

    /// The payload of `history`.
    pub(super) fn history_json(&self) -> &str {
        &self.history
    }

    /// The payload of `status`.
    pub(super) fn status_json(&mut self) -> Arc<str> {
        let current = &self.current;
        self.status
            .get_or_insert_with(|| {
                let documents: Vec<_> = current.iter().map(|(id, entry)| (*id, entry.document())).collect();
                render::object(documents.iter().map(|(id, document)| (*id, document.as_str()))).into()
            })
            .clone()
    }
}

impl Entry {
    fn document(&self) -> String {
        let with_lines = self.tail.as_ref().and_then(|tail| {
            let mut document: serde_json::Map<String, Value> = serde_json::from_str(self.document.get()).ok()?;
            let (monitor, end) = tail.shown();
            document.insert("monitor".to_owned(), monitor.into());
            document.insert("monitor_end".to_owned(), end.into());
            Some(Value::Object(document).to_string())
        });
        with_lines.unwrap_or_else(|| self.document.get().to_owned())
    }
}

fn lines(document: &RawValue) -> Lines {
    serde_json::from_str(document.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update(id: BuildId, offset: u64, text: &str) -> Update {
        Update { id, text: text.into(), offset, end: offset + text.len() as u64 }
    }

    fn status(shown: &mut Shown) -> Value {
        serde_json::from_str(&shown.status_json()).unwrap()
    }

    #[test]
    fn output_keeps_the_last_lines_up_to_date_and_the_rest_as_it_came() {
        let (mut shown, id) = (Shown::default(), BuildId::new());
        let picture =
            |end| json!({id.to_string(): {"status": "building", "monitor": "one", "monitor_end": end, "new": [1]}});
        shown.current(&picture(3).to_string()).unwrap();
        assert_eq!(status(&mut shown), picture(3));
        shown.update(&update(id, 4, "two\n"));
        assert_eq!(status(&mut shown)[id.to_string()]["monitor"], "one\ntwo");
        assert_eq!(status(&mut shown)[id.to_string()]["new"], json!([1]));
        // An older picture does not take lines back, a newer one counts.
        shown.current(&picture(3).to_string()).unwrap();
        assert_eq!(status(&mut shown)[id.to_string()]["monitor_end"], 7);
        shown.current(&picture(99).to_string()).unwrap();
        assert_eq!(status(&mut shown), picture(99));
    }

    #[test]
    fn what_is_no_picture_changes_nothing() {
        let mut shown = Shown::default();
        for wrong in ["", "[]", "{\"../x\":{}}", "{", "null"] {
            assert!(shown.current(wrong).is_err(), "{wrong}");
        }
        assert!(shown.history("{}".into()).is_err());
        assert_eq!((&*shown.status_json(), shown.history_json()), ("{}", "[]"));
        shown.update(&update(BuildId::new(), 0, "nobody's"));
        assert_eq!(&*shown.status_json(), "{}");
    }
}
