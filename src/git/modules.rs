//! Reads `.gitmodules`: the little of git's configuration format that it needs.
//!
//! Read by hand, because libgit2's reader follows `include.path`, and this file comes from whoever can push.

use std::collections::HashMap;

/// Maps each submodule's path to its address, as written. Lines that make no sense are passed over, as are the
/// keys (`update`, `branch`, `shallow`…) that could only change how git fetches.
pub(super) fn parse(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut section = Section::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section.close(&mut found);
            section =
                Section { is_submodule: line.to_ascii_lowercase().starts_with("[submodule"), ..Section::default() };
        } else if let Some((key, value)) = line.split_once('=') {
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => section.path = Some(unquote(value.trim())),
                "url" => section.url = Some(unquote(value.trim())),
                _ => {}
            }
        }
    }
    section.close(&mut found);
    found
}

#[derive(Default)]
struct Section {
    is_submodule: bool,
    path: Option<String>,
    url: Option<String>,
}

impl Section {
    fn close(&mut self, found: &mut HashMap<String, String>) {
        if let (true, Some(path), Some(url)) = (self.is_submodule, self.path.take(), self.url.take()) {
            found.insert(path.trim_end_matches('/').to_owned(), url);
        }
    }
}

/// A value without its quotes, escapes and trailing comment.
fn unquote(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut quoted = false;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => plain.extend(chars.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                'b' => '\u{8}',
                other => other,
            })),
            other => plain.push(other),
        }
    }
    if value.contains('"') { plain } else { plain.trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_are_found() {
        let found = parse(
            "# ours\n[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git ; sibling\n\tupdate = !rm -rf /\n\
             [include]\n\tpath = /etc/passwd\n\turl = x\n\
             [Submodule \"b\"]\nurl=\"https://h/with space#x\"\nPath = \"b\"\n[submodule \"no url\"]\npath = c\n",
        );
        let mut pairs: Vec<_> = found.iter().map(|(path, url)| (path.as_str(), url.as_str())).collect();
        pairs.sort_unstable();
        assert_eq!(pairs, [("b", "https://h/with space#x"), ("vendor/lib", "../lib.git")]);
    }

    #[test]
    fn a_carriage_return_stays_in_what_was_quoted() {
        assert_eq!(parse("[submodule \"a\"]\npath = \"a\r\"\nurl = b")["a\r"], "b");
    }
}
