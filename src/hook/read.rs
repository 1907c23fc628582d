//! Reads a delivery into an [`Event`]: which event it is, and what a push says.

use super::{
    body,
    event::{Event, Ignored, Proposal, Received, Unreadable},
    headers::{Forge, Headers},
    payload::{Commit, OtherPayload, Person, PullPayload, PullRequest, PushPayload, Text},
    text::sentence,
};
use crate::model::{Author, CommitId, CommitInfo, GitRef, NotARef, Push, Repository, Tip, clean};

/// The longest message of the head commit that is kept, in bytes.
const LONGEST_MESSAGE: usize = 8 * 1024;
/// The longest message of any other commit.
const LONGEST_LISTED_MESSAGE: usize = 1024;
/// The longest name, address or time.
const LONGEST_LINE: usize = 255;

/// Reads a delivery whose signature was checked. Whatever the bytes are, this ends in an answer:
/// nesting is bounded or skipped without recursion, and every value is checked where it is taken.
pub fn read(headers: &Headers<'_>, body: &[u8]) -> Result<Received, Unreadable> {
    let (forge, name) = headers.event().ok_or(Unreadable::NoEvent)?;
    let json = body::json(headers, body)?;
    let event = match (forge, name) {
        (Forge::GitHub | Forge::Gitea, "push") | (Forge::GitLab, "Push Hook" | "Tag Push Hook") => push(forge, &json)?,
        (_, "ping") => {
            parse::<OtherPayload<'_>>(&json)?;
            Event::Ping
        }
        (Forge::GitHub | Forge::Gitea, "pull_request" | "pull_request_sync") => proposal(forge, &json)?,
        (_, other) => Event::Ignored(Ignored {
            reason: format!("`{}` is not a push", clean(other, LONGEST_LINE)),
            repository: repository_of_any(forge, &json)?,
            git_ref: None,
        }),
    };
    Ok(Received { forge, delivery: headers.delivery(forge), name: clean(name, LONGEST_LINE), event })
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(json).map_err(|error| Unreadable::Json(sentence(&error)))
}

/// Names the field that an error is about.
fn field<T, E: std::fmt::Display>(field: &'static str, value: Result<T, E>) -> Result<T, Unreadable> {
    value.map_err(|error| Unreadable::Field { field, reason: sentence(&error) })
}

/// The repository of an event of which we know no shape: not finding one is no mistake, but a body
/// that is no JSON is.
fn repository_of_any(forge: Forge, json: &[u8]) -> Result<Option<Repository>, Unreadable> {
    let Ok(payload) = serde_json::from_slice::<OtherPayload<'_>>(json) else {
        return parse::<serde::de::IgnoredAny>(json).map(|_| None);
    };
    let name = match forge {
        Forge::GitLab => payload.project.map(|project| project.path_with_namespace),
        Forge::GitHub | Forge::Gitea => payload.repository.map(|repository| repository.full_name),
    };
    Ok(name.and_then(|name| name.as_str().parse().ok()))
}

/// A pull request that asks to be looked at. One that cannot be understood is nobody's fault here.
fn proposal(forge: Forge, json: &[u8]) -> Result<Event, Unreadable> {
    let understood = serde_json::from_slice::<PullPayload<'_>>(json).ok().and_then(|payload| {
        let PullPayload { action, number, pull_request: PullRequest { head, base }, repository } = payload;
        // `synchronize` is GitHub's word, `synchronized` Gitea's.
        let asks = ["opened", "reopened", "edited", "synchronize", "synchronized"].contains(&action.as_str());
        asks.then_some(())?;
        Some(Proposal {
            repository: repository.full_name.as_str().parse().ok()?,
            number,
            base: base.branch.as_str().parse().ok()?,
            commit: head.sha.as_str().parse().ok()?,
        })
    });
    Ok(match understood {
        Some(proposal) => Event::Proposal(proposal),
        None => Event::Ignored(Ignored {
            reason: "the pull request has no new commits to look at".to_owned(),
            repository: repository_of_any(forge, json)?,
            git_ref: None,
        }),
    })
}

fn push(forge: Forge, json: &[u8]) -> Result<Event, Unreadable> {
    let payload: PushPayload<'_> = parse(json)?;
    let repository = repository(forge, &payload)?;
    let git_ref = match payload.git_ref.as_str().parse::<GitRef>() {
        Err(other @ NotARef::OtherNamespace(_)) if payload.git_ref.as_str().starts_with("refs/") => {
            return Ok(ignored(sentence(&other), repository, &payload));
        }
        parsed => field("ref", parsed)?,
    };
    let before = field("before", tip(&payload.before))?;
    // GitLab and Gitea have no `deleted`: with them the zeros alone say it.
    let after = match payload.deleted {
        Some(true) => Tip::None,
        _ => field("after", tip(&payload.after))?,
    };
    let commit = match after.commit() {
        None => None,
        Some(after) => match built(forge, &payload, &git_ref, after)? {
            Some(commit) => Some(commit),
            None => {
                return Ok(ignored(
                    format!("the forge does not say which commit the tag `{git_ref}` means"),
                    repository,
                    &payload,
                ));
            }
        },
    };
    let head = commit.as_ref().and_then(|commit| head(&payload, commit));
    Ok(Event::Push(Box::new(Push {
        author: head.and_then(|head| head.author.as_ref()).map(author),
        message: head.map(|head| clean(head.message.as_str(), LONGEST_MESSAGE)).unwrap_or_default(),
        commits: payload.commits.0.iter().map(listed).collect::<Result<_, _>>()?,
        repository,
        git_ref,
        before,
        after,
        commit,
    })))
}

fn ignored(reason: String, repository: Repository, payload: &PushPayload<'_>) -> Event {
    let git_ref = Some(clean(payload.git_ref.as_str(), LONGEST_LINE));
    Event::Ignored(Ignored { reason, repository: Some(repository), git_ref })
}

fn repository(forge: Forge, payload: &PushPayload<'_>) -> Result<Repository, Unreadable> {
    let (name, text) = match forge {
        Forge::GitLab => {
            ("project.path_with_namespace", payload.project.as_ref().map(|project| &project.path_with_namespace))
        }
        Forge::GitHub | Forge::Gitea => {
            ("repository.full_name", payload.repository.as_ref().map(|repository| &repository.full_name))
        }
    };
    field(name, text.map_or("", Text::as_str).parse())
}

/// All zeros are how forges write "nowhere".
fn tip(text: &Text<'_>) -> Result<Tip, crate::model::NotACommit> {
    let text = text.as_str();
    if matches!(text.len(), 40 | 64) && text.bytes().all(|digit| digit == b'0') {
        return Ok(Tip::None);
    }
    text.parse().map(Tip::At)
}

/// The commit that is built. `after` may be the object of an annotated tag, so it is the last thing
/// to go by, and for a tag only where a commit of that id is listed.
fn built(
    forge: Forge,
    payload: &PushPayload<'_>,
    git_ref: &GitRef,
    after: &CommitId,
) -> Result<Option<CommitId>, Unreadable> {
    if let Some(head) = &payload.head_commit {
        return field("head_commit.id", head.id.as_str().parse().map(Some));
    }
    if forge == Forge::GitLab && !payload.checkout_sha.as_str().is_empty() {
        return field("checkout_sha", payload.checkout_sha.as_str().parse().map(Some));
    }
    let is_commit = !git_ref.is_tag() || head(payload, after).is_some();
    Ok(is_commit.then(|| after.clone()))
}

/// What the payload says about the commit that is built.
fn head<'p, 'a>(payload: &'p PushPayload<'a>, commit: &CommitId) -> Option<&'p Commit<'a>> {
    let same = |listed: &&Commit<'_>| listed.id.as_str().eq_ignore_ascii_case(commit.as_str());
    payload.head_commit.as_ref().or_else(|| payload.commits.0.iter().find(same))
}

fn author(person: &Person<'_>) -> Author {
    Author {
        name: clean(person.name.as_str(), LONGEST_LINE),
        email: clean(person.email.as_str(), LONGEST_LINE),
        username: clean(person.username.as_str(), LONGEST_LINE),
    }
}

fn listed(commit: &Commit<'_>) -> Result<CommitInfo, Unreadable> {
    let id: CommitId = field("commits[].id", commit.id.as_str().parse())?;
    Ok(CommitInfo {
        id: id.as_str().to_owned(),
        message: clean(commit.message.as_str(), LONGEST_LISTED_MESSAGE),
        timestamp: clean(commit.timestamp.as_str(), LONGEST_LINE),
        url: web_address(commit.url.as_str()),
        author: commit.author.as_ref().map(author).unwrap_or_default(),
    })
}

/// The address if a page may link to it: anything but a web address (`javascript:`) is dropped.
fn web_address(url: &str) -> String {
    let web = url.starts_with("https://") || url.starts_with("http://");
    if web && url.len() <= 2048 && url.chars().all(|c| c.is_ascii_graphic()) { url.to_owned() } else { String::new() }
}
