//! The words a branch file may use, and what to say about any other.

use super::report::{Mark, Report};

/// Keys of the file itself; every other key there is the name of a script.
pub(in crate::catalog) const TOP_KEYS: [&str; 4] = ["buildscripts", "branches", "tags", "poll"];

/// Keys of a script's section.
pub(in crate::catalog) const SCRIPT_KEYS: [&str; 11] = [
    "artifact",
    "archives",
    "baseimage",
    "tag",
    "format",
    "env",
    "timeout",
    "memory",
    "capabilities",
    "network",
    "secrets",
];

/// What people write when they mean one of ours, where the spelling alone does not tell.
const OTHER_WORDS: [(&str, &str); 8] = [
    ("image", "baseimage"),
    ("from", "baseimage"),
    ("environment", "env"),
    ("variables", "env"),
    ("output", "artifact"),
    ("type", "format"),
    ("mem_limit", "memory"),
    ("archive", "archives"),
];

/// Keys by which other tools open a container to its host; here only the operator does.
const CLOSED: [&str; 20] = [
    "privileged",
    "volumes",
    "volume",
    "volumes_from",
    "mounts",
    "binds",
    "devices",
    "cap_add",
    "cap-add",
    "network_mode",
    "pid",
    "ipc",
    "uts",
    "userns_mode",
    "user",
    "security_opt",
    "cgroup_parent",
    "sysctls",
    "runtime",
    "ports",
];

/// The nearest of `words`, if one is near enough to be what was meant.
pub(super) fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let near = words.into_iter().map(|known| (strsim::jaro_winkler(word, known), known));
    near.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Reports a key that no section has.
pub(super) fn unknown_script_key(key: &str, mark: Mark, report: &mut Report<'_>) {
    if CLOSED.contains(&key) {
        let message = format!("`{key}` cannot be asked for: policy keeps every build's container closed to its host");
        return report.error(mark, message, closed_help(key));
    }
    let synonym = OTHER_WORDS.iter().find(|(other, _)| *other == key).map(|(_, ours)| *ours);
    let help = match synonym.or_else(|| nearest(key, SCRIPT_KEYS)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("remove it; a script's keys are {}", SCRIPT_KEYS.join(", ")),
    };
    report.error(mark, format!("unknown key `{key}`"), help);
}

fn closed_help(key: &str) -> &'static str {
    match key {
        "cap_add" | "cap-add" | "privileged" => {
            "remove it; single capabilities are asked for by `capabilities` and granted by the operator"
        }
        "network_mode" => {
            "remove it; `network: none` closes the network, and `network: host` needs the operator's grant"
        }
        _ => "remove it; the checkout and the directory `archives` are mounted, and nothing else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        assert_eq!(nearest("artefact", SCRIPT_KEYS), Some("artifact"));
        assert_eq!(nearest("base_image", SCRIPT_KEYS), Some("baseimage"));
        assert_eq!(nearest("buildscript", TOP_KEYS), Some("buildscripts"));
        assert_eq!(nearest("zebra", SCRIPT_KEYS), None);
    }
}
