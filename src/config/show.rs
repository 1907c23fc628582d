//! The effective configuration, for people: each value, and where it came from.

use std::fmt::Write;

use toml::{Table, Value};

use super::Config;

/// Keys whose value is never shown.
const HIDDEN: [&str; 6] =
    ["server.api_token", "webhook.secret", "github.token", "hub.token", "kernel.bootstrap_token", "redis.url"];

impl Config {
    /// The configuration as TOML, each line with its source. Secrets are only said to be set.
    pub fn show(&self) -> String {
        let table = Table::try_from(self).unwrap_or_default();
        let mut text = String::new();
        for (section, value) in &table {
            match value {
                Value::Table(keys) => self.show_section(&mut text, section, keys),
                Value::Array(items) => {
                    for item in items {
                        show_item(&mut text, section, item);
                    }
                }
                _ => {}
            }
        }
        text
    }

    fn show_section(&self, text: &mut String, section: &str, keys: &Table) {
        let _ = writeln!(text, "[{section}]");
        for (key, value) in keys {
            let name = format!("{section}.{key}");
            let source = self.sources.get(&name).map_or_else(|| "default".to_owned(), ToString::to_string);
            let shown = match HIDDEN.contains(&name.as_str()) {
                true if source == "default" => "\"\"".to_owned(),
                true => "\"(hidden)\"".to_owned(),
                false => value.to_string(),
            };
            let _ = writeln!(text, "{:<48} # {source}", format!("{key} = {shown}"));
        }
        text.push('\n');
    }
}

fn show_item(text: &mut String, section: &str, item: &Value) {
    let _ = writeln!(text, "[[{section}]]");
    for (key, value) in item.as_table().into_iter().flatten() {
        match (key.as_str(), value) {
            ("secrets", Value::Table(names)) => {
                let hidden: Vec<_> = names.keys().map(|name| format!("{name} = \"(hidden)\"")).collect();
                let _ = writeln!(text, "secrets = {{ {} }}", hidden.join(", "));
            }
            _ => {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
    }
    text.push('\n');
}
