//! What a forge shows beside a commit.

use super::ending::keyword;

/// The verdict on a commit in one context, in the words of GitHub and Gitea.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitState {
    /// Not known yet.
    Pending,
    /// Good.
    Success,
    /// Bad, and whoever pushed has to change something.
    Failure,
    /// Nothing is known, by our fault or because somebody ended it.
    Error,
}

keyword!(CommitState {
    Pending => "pending",
    Success => "success",
    Failure => "failure",
    Error => "error",
});

/// The most characters of a description.
const DESCRIPTION: usize = 140;
/// The most characters of a context.
const CONTEXT: usize = 255;

/// One line beside a commit. Forges refuse longer texts than these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus {
    /// The verdict.
    pub state: CommitState,
    /// Whose verdict it is: a later status of the same context replaces this one.
    pub context: String,
    /// A sentence for people.
    pub description: String,
}

impl CommitStatus {
    /// A status whose texts are fit for a forge: on one line, and cut between characters.
    pub fn new(state: CommitState, context: &str, description: &str) -> Self {
        Self { state, context: fit(context, CONTEXT), description: fit(description, DESCRIPTION) }
    }
}

/// On one line, with an ellipsis where it was cut.
fn fit(text: &str, most: usize) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_stand_on_one_line() {
        let status =
            CommitStatus::new(CommitState::Error, &"é".repeat(256), &format!("a\nb\t\u{1b} {}", "日".repeat(200)));
        assert_eq!(status.context.chars().count(), 255);
        assert_eq!(status.description.chars().count(), 140);
        assert!(
            status.description.starts_with("a b 日") && status.description.ends_with('…'),
            "{}",
            status.description
        );
        assert_eq!(CommitStatus::new(CommitState::Pending, "c", &"x".repeat(140)).description, "x".repeat(140));
    }
}
