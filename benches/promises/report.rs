//! What was measured, as a table for people and as JSON for programs.

use std::{fmt, fs, path::PathBuf};

use serde_json::{Value, json};

/// What a number must reach.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Measured over floor.
    RatioAtMost(f64),
    RatioAtLeast(f64),
}

/// One number, with the floor it is held against, if it has one.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) measured: f64,
    pub(super) floor: Option<f64>,
    pub(super) limit: Option<Limit>,
}

/// The numbers of one promise.
pub(super) struct Table {
    title: String,
    rows: Vec<Row>,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.measured / floor)
    }

    fn met(&self) -> Option<bool> {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        self.limit.map(|limit| match limit {
            Limit::AtMost(most) => self.measured <= most,
            Limit::AtLeast(least) => self.measured >= least,
            Limit::RatioAtMost(most) => ratio <= most,
            Limit::RatioAtLeast(least) => ratio >= least,
        })
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what, "unit": self.unit, "measured": self.measured, "floor": self.floor,
            "ratio": self.ratio(), "limit": self.limit.map(|limit| limit.to_string()), "met": self.met(),
        })
    }
}

impl Table {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    /// Adds a number without a floor.
    pub(super) fn number(&mut self, what: impl Into<String>, measured: f64, unit: &'static str, limit: Option<Limit>) {
        self.rows.push(Row { what: what.into(), unit, measured, floor: None, limit });
    }

    /// Adds a number that is held against a floor.
    pub(super) fn against(
        &mut self,
        what: impl Into<String>,
        (measured, floor): (f64, f64),
        unit: &'static str,
        limit: Option<Limit>,
    ) {
        self.rows.push(Row { what: what.into(), unit, measured, floor: Some(floor), limit });
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(value) => write!(f, "<= {value}"),
            Self::AtLeast(value) => write!(f, ">= {value}"),
            Self::RatioAtMost(value) => write!(f, "ratio <= {value}"),
            Self::RatioAtLeast(value) => write!(f, "ratio >= {value}"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.title)?;
        writeln!(f, "  {:<50} {:>13} {:>13} {:>7}  {:<15}", "", "measured", "floor", "ratio", "limit")?;
        for row in &self.rows {
            let shown =
                |value: Option<f64>| value.map_or(String::new(), |value| format!("{} {}", number(value), row.unit));
            writeln!(
                f,
                "  {:<50} {:>13} {:>13} {:>7}  {:<15} {}",
                row.what,
                shown(Some(row.measured)),
                shown(row.floor),
                row.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}")),
                row.limit.map_or(String::new(), |limit| limit.to_string()),
                row.met().map_or("", |met| if met { "met" } else { "MISSED" }),
            )?;
        }
        Ok(())
    }
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// The middle one of some times, in milliseconds.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Writes everything to `target/bench.json`.
pub(super) fn write(tables: &[(&str, Table)]) {
    let found: serde_json::Map<_, _> = tables
        .iter()
        .map(|(name, table)| {
            let rows: Vec<_> = table.rows.iter().map(Row::json).collect();
            ((*name).to_owned(), json!({"title": table.title, "rows": rows}))
        })
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(PathBuf::from("target"), PathBuf::from);
    let path = target.join("bench.json");
    fs::create_dir_all(&target).unwrap();
    fs::write(&path, serde_json::to_string_pretty(&json!({"cores": cores, "measured": found})).unwrap()).unwrap();
    println!("The same as JSON: {}", path.display());
}
