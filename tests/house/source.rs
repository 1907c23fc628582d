//! Reads Rust source just well enough to see what it names: comments, texts and tests are blanked,
//! line numbers stay.

use std::{fs, path::Path};

/// A file below `src/`.
pub(crate) struct Source {
    /// Its path below `src/`, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Without comments, the content of texts, and what is compiled only for tests.
    pub code: String,
    /// Whether it is compiled only for tests.
    pub is_test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = without_tests(without_texts(text));
        Self { path: path.to_owned(), text: text.to_owned(), code, is_test: false }
    }

    /// Every file below `src/`.
    pub(crate) fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                    found.push(Self::new(name, &fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let tests: Vec<String> = found.iter().flat_map(Self::test_files).collect();
        for source in found.iter_mut().filter(|source| tests.contains(&source.path)) {
            source.code.clear();
            source.is_test = true;
        }
        found
    }

    /// The files that it declares as `#[cfg(test)] mod …;`.
    fn test_files(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs")) => format!("{folder}/"),
            _ if self.depth() == 0 => String::new(),
            _ => self.path.replace(".rs", "/"),
        };
        let code = without_texts(&self.text);
        let items = code.match_indices("#[cfg(test)]").map(|(at, mark)| &code[at + mark.len()..]);
        let items = items.map(|rest| rest[..item(rest)].to_owned());
        let modules = items.filter_map(|item| Some(item.strip_suffix(';')?.rsplit_once("mod ")?.1.to_owned()));
        modules.map(|name| format!("{folder}{name}.rs")).collect()
    }

    /// The module of the house it belongs to: `runner` for `runner/engine.rs`, `report` for `report.rs`.
    pub(crate) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules deep it is: 0 for `lib.rs`, 1 for `git.rs` and `git/mod.rs`, 2 for `git/x.rs`.
    fn depth(&self) -> usize {
        match self.path.as_str() {
            "lib.rs" | "main.rs" => 0,
            path => path.split('/').count() - usize::from(path.ends_with("/mod.rs")),
        }
    }

    /// The modules of the house it names, with the line: after `crate::`, `autobuilder::`, or as many
    /// `super::` as lead to the top.
    pub(crate) fn modules_named(&self) -> Vec<(usize, String)> {
        let to_the_top = "super::".repeat(self.depth());
        let mut heads = vec!["crate::", "autobuilder::"];
        if !to_the_top.is_empty() {
            heads.push(&to_the_top);
        }
        let mut named = Vec::new();
        for head in heads {
            for at in starts(&self.code, head) {
                let names = first_names(&self.code[at + head.len()..]);
                named.extend(names.into_iter().map(|name| (self.line(at), name)));
            }
        }
        named
    }

    /// The lines that name a crate: `warp::…`, `use warp;`, `use warp as …`.
    pub(crate) fn lines_naming(&self, krate: &str) -> Vec<usize> {
        let names = |at: &usize| {
            let is_path = self.code[*at + krate.len()..].starts_with("::");
            is_path || self.code[..*at].ends_with("use ") || self.code[..*at].ends_with("crate ")
        };
        starts(&self.code, krate).into_iter().filter(names).map(|at| self.line(at)).collect()
    }

    /// The lines where the code has this text as a whole word.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<usize> {
        let places = self.code.match_indices(text).map(|(at, _)| at);
        places.filter(|at| starts_word(&self.code, *at)).map(|at| self.line(at)).collect()
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a word starts here. A text that itself starts with a sign, like `.unwrap()`, always does.
fn starts_word(code: &str, at: usize) -> bool {
    let first = code[at..].chars().next();
    !first.is_some_and(is_word) || !code[..at].ends_with(is_word)
}

/// Where a path starts with this name: not in the middle of a word or of a longer path.
fn starts(code: &str, name: &str) -> Vec<usize> {
    let begins = |at: &usize| {
        let inside_a_path = code[..*at].ends_with("::") && !code[..*at].ends_with("use ::");
        let ends = name.ends_with(':') || !code[*at + name.len()..].starts_with(is_word);
        starts_word(code, *at) && ends && !inside_a_path && !code[..*at].ends_with('.')
    };
    code.match_indices(name).map(|(at, _)| at).filter(begins).collect()
}

/// `["git"]` of `git::Mirror;`, `["git", "model"]` of `{git::{A, B}, model};`.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![path.chars().take_while(|c| is_word(*c)).collect()];
    };
    let mut names = vec![String::new()];
    let (mut depth, mut in_name) = (0, true);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(String::new());
                in_name = true;
            }
            c if c.is_whitespace() => in_name &= names.last().is_some_and(String::is_empty),
            c if in_name && is_word(c) => names.last_mut().unwrap().push(c),
            _ => in_name = false,
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Blanks comments and what stands in quotation marks.
fn without_texts(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_a_word = kept.ends_with(is_word);
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' | 'b' | 'c' if !after_a_word => prefixed_text(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            kept.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    kept
}

/// The length of a comment between `/*` and `*/`; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a text in quotation marks, with its escapes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `b"…"`, `r"…"`, `br#"…"#` and their kin; 0 if it is none.
fn prefixed_text(text: &str) -> usize {
    let prefix = text.chars().take_while(|c| matches!(c, 'b' | 'r' | 'c')).count();
    let hashes = text[prefix..].chars().take_while(|c| *c == '#').count();
    let quote = prefix + hashes;
    if prefix > 2 || !text[quote..].starts_with('"') {
        return 0;
    }
    if !text[..prefix].contains('r') {
        return if hashes == 0 { prefix + quoted(&text[prefix..]) } else { 0 };
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[quote + 1..].find(&end).map_or(text.len(), |at| quote + 1 + at + end.len())
}

/// The length of `'x'` or `'\n'`; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// Blanks each item behind `#[cfg(test)]`.
fn without_tests(code: String) -> String {
    let mut code = code;
    while let Some(start) = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|mark| code.find(mark)).min() {
        let end = start + item(&code[start..]);
        let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
    }
    code
}

/// The length of an item with its attributes: to its `;`, or to the end of its braces.
fn item(code: &str) -> usize {
    let (mut braces, mut brackets) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return at + 1;
                }
            }
            ';' if braces == 0 && brackets == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}
