//! What a forge did not tell: one repository's refs, compared with what was accepted.
//!
//! A ref that stands elsewhere than the last accepted push left it was pushed without our hearing of
//! it, and is built as if it had been delivered. Some things are not taken at first sight, because they
//! may be no more than a moment's confusion: a ref that went back or away, which a forge's stale
//! replica also looks like; a ref whose last pushes are still being built; and the branches of a
//! repository that nobody ever pushed to as far as we know, whose first push is better heard from its
//! webhook.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tracing::info;

use super::Intake;
use crate::{
    git::{GitError, RemoteHead},
    lifecycle::NotKept,
    model::{CommitId, Delivery, GitRef, Push, Repository, Timestamp, Tip, Verdict},
    store::{deliveries::POLL, pushes::Known},
};

/// How long a forge may take to list refs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen once and is not believed yet: where each such ref stands.
pub(super) type Doubts = HashMap<GitRef, Tip>;

/// Why a repository could not be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    /// It could not be asked.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] NotKept),
}

impl PollError {
    /// Whether it says something about the forge rather than about this repository.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Git(GitError::Unreachable { .. } | GitError::TimedOut { .. }))
    }

    /// Whether there is no such repository.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Git(GitError::NoRepository { .. }))
    }
}

/// What to do about one ref.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// Nothing: it stands where it was left.
    Settled,
    /// Nothing: it is a tag from before we looked.
    Old,
    /// It was pushed, from here.
    Missed(Tip),
    /// The same, if it is still so the next time.
    Doubtful(Tip),
}

impl Intake {
    /// Builds what was missed, and gives the number of pushes that were.
    pub(super) async fn compare(&self, repository: &Repository, doubts: &mut Doubts) -> Result<usize, PollError> {
        // Before the remote is asked: what is delivered meanwhile then fails the comparison, rather
        // than looking as if the ref had gone back.
        let known = self.lifecycle.known(repository).await?;
        let remote = match tokio::time::timeout(PATIENCE, self.mirrors.list_heads(repository)).await {
            Ok(listed) => listed?,
            Err(_) => {
                let doing = format!("list the refs of {repository}");
                return Err(GitError::TimedOut { doing, after: PATIENCE }.into());
            }
        };
        // Nobody deletes every branch; a forge in trouble may list none.
        if remote.is_empty() && !known.heads.is_empty() {
            return Ok(0);
        }
        let mut missed = 0;
        for head in &remote {
            missed += usize::from(self.catch_up(repository, head, &known, doubts).await?);
        }
        self.forget_deleted(repository, &remote, &known, doubts).await?;
        let tags = remote.iter().map(|head| &head.git_ref).filter(|git_ref| git_ref.is_tag());
        let new: Vec<_> = tags.filter(|tag| !known.tags.contains(&tag.to_string())).cloned().collect();
        if !new.is_empty() || !known.polled {
            self.lifecycle.polled(repository, new).await?;
        }
        Ok(missed)
    }

    async fn catch_up(
        &self,
        repository: &Repository,
        head: &RemoteHead,
        known: &Known,
        doubts: &mut Doubts,
    ) -> Result<bool, PollError> {
        let Ok(wanted) = self.wanted(repository, &head.git_ref) else { return Ok(false) };
        let before = match finding(head, known) {
            Finding::Settled => {
                doubts.remove(&head.git_ref);
                return Ok(false);
            }
            Finding::Old => return Ok(false),
            Finding::Doubtful(before) if believed(doubts, head) => before,
            Finding::Doubtful(_) => return Ok(false),
            Finding::Missed(before) => {
                let back = self.lifecycle.was_accepted(repository, &head.git_ref, &head.object).await?;
                if back && !believed(doubts, head) {
                    return Ok(false);
                }
                before
            }
        };
        let push = Push {
            before,
            after: Tip::At(head.object.clone()),
            ..Push::by_hand(repository.clone(), head.git_ref.clone(), head.commit.clone())
        };
        let line = line(&push, head.commit.clone());
        let accepted = self.lifecycle.catch_up(line, push, head.commit.clone(), wanted).await?;
        doubts.remove(&head.git_ref);
        if accepted {
            info!("Found a push that was not delivered: `{repository}` {}", head.git_ref.name());
        }
        Ok(accepted)
    }

    /// A ref that is made again later is a new one.
    async fn forget_deleted(
        &self,
        repository: &Repository,
        remote: &[RemoteHead],
        known: &Known,
        doubts: &mut Doubts,
    ) -> Result<(), PollError> {
        let there: HashSet<String> = remote.iter().map(|head| head.git_ref.to_string()).collect();
        let stood = known.heads.iter().filter(|(_, object)| *object != Tip::None.as_str());
        for (name, object) in stood.filter(|(name, _)| !there.contains(*name)) {
            let Ok(git_ref) = name.parse::<GitRef>() else { continue };
            if doubts.insert(git_ref.clone(), Tip::None) == Some(Tip::None) {
                self.lifecycle.ref_gone(repository, &git_ref, object).await?;
                doubts.remove(&git_ref);
            }
        }
        Ok(())
    }
}

fn finding(head: &RemoteHead, known: &Known) -> Finding {
    let name = head.git_ref.to_string();
    match known.heads.get(&name) {
        Some(object) if object == head.object.as_str() || object == head.commit.as_str() => Finding::Settled,
        Some(object) => {
            let before = Tip::from(object.parse().ok());
            if known.busy.contains(&name) { Finding::Doubtful(before) } else { Finding::Missed(before) }
        }
        None if head.git_ref.is_tag() && (!known.polled || known.tags.contains(&name)) => Finding::Old,
        None if head.git_ref.is_tag() || !known.heads.is_empty() => Finding::Missed(Tip::None),
        None => Finding::Doubtful(Tip::None),
    }
}

/// Whether the ref stood there the last time too; if not, it is kept in mind.
fn believed(doubts: &mut Doubts, head: &RemoteHead) -> bool {
    let stands = Tip::At(head.object.clone());
    doubts.insert(head.git_ref.clone(), stands.clone()) == Some(stands)
}

/// The ledger says where the builds came from.
fn line(push: &Push, commit: CommitId) -> Delivery {
    Delivery {
        id: None,
        received: Timestamp::now(),
        event: POLL.to_owned(),
        repository: Some(push.repository.to_string()),
        git_ref: Some(push.git_ref.to_string()),
        after: Some(commit.to_string()),
        verdict: Verdict::Accepted,
        reason: "no delivery told of this push".to_owned(),
        builds: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(git_ref: &str, object: &str, commit: &str) -> RemoteHead {
        let id = |digit: &str| digit.repeat(40).parse().unwrap();
        RemoteHead { git_ref: git_ref.parse().unwrap(), object: id(object), commit: id(commit) }
    }

    fn known(heads: &[(&str, &str)], polled: bool, tags: &[&str]) -> Known {
        Known {
            heads: heads.iter().map(|(name, digit)| ((*name).to_owned(), digit.repeat(40))).collect(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            polled,
            ..Known::default()
        }
    }

    #[test]
    fn a_ref_is_missed_if_it_stands_elsewhere_than_it_was_left() {
        let main = head("refs/heads/main", "2", "2");
        let left = known(&[("refs/heads/main", "1")], true, &[]);
        assert_eq!(finding(&main, &left), Finding::Missed(Tip::At("1".repeat(40).parse().unwrap())));
        assert_eq!(finding(&main, &known(&[("refs/heads/main", "2")], true, &[])), Finding::Settled);
        // Deleted, and made again.
        assert_eq!(finding(&main, &known(&[("refs/heads/main", "0")], true, &[])), Finding::Missed(Tip::None));
    }

    #[test]
    fn a_tag_may_be_known_by_its_object_or_by_its_commit() {
        let tag = head("refs/tags/v1", "3", "2");
        for digit in ["2", "3"] {
            assert_eq!(finding(&tag, &known(&[("refs/tags/v1", digit)], true, &[])), Finding::Settled);
        }
    }

    #[test]
    fn what_was_there_before_we_looked_is_not_taken_for_news() {
        let (main, tag) = (head("refs/heads/main", "2", "2"), head("refs/tags/v1", "2", "2"));
        assert_eq!(finding(&main, &known(&[], false, &[])), Finding::Doubtful(Tip::None));
        assert_eq!(finding(&main, &known(&[("refs/heads/dev", "1")], false, &[])), Finding::Missed(Tip::None));
        assert_eq!(finding(&tag, &known(&[("refs/heads/dev", "1")], false, &[])), Finding::Old);
        assert_eq!(finding(&tag, &known(&[], true, &["refs/tags/v1"])), Finding::Old);
        assert_eq!(finding(&tag, &known(&[], true, &[])), Finding::Missed(Tip::None));
    }
}
