//! What a commit says of itself, for builds of which no delivery told it.

use std::sync::Arc;

use git2::Oid;

use super::{
    Fetched, GitError, Mirrors,
    blocking::{self, Abandoned},
    mirror::Mirror,
};
use crate::model::{Author, CommitId, CommitInfo, clean};

/// The longest message that is kept, and the longest name or address, in bytes; as of a delivery's.
const LONGEST_MESSAGE: usize = 8 * 1024;
const LONGEST_LINE: usize = 255;

impl Mirrors {
    /// The author and message of a fetched commit. Its time and its page are only known to forges.
    pub async fn describe(&self, fetched: &Fetched) -> Result<CommitInfo, GitError> {
        let (mirror, commit) = (Arc::clone(&fetched.mirror), fetched.commit.clone());
        let doing = format!("read commit {commit} of {}", mirror.what);
        blocking::run(self.timeout(), &doing, move |_: &Abandoned| read(&mirror, &commit)).await
    }
}

fn read(mirror: &Mirror, id: &CommitId) -> Result<CommitInfo, GitError> {
    let failed = || GitError::mirror("read a commit");
    let store = mirror.open()?;
    let commit = Oid::from_str(id.as_str()).and_then(|oid| store.find_commit(oid)).map_err(failed())?;
    // Git asks for no encoding: what is no UTF-8 is replaced.
    let text = |bytes: &[u8], limit| clean(&String::from_utf8_lossy(bytes), limit);
    let author = commit.author();
    Ok(CommitInfo {
        id: id.to_string(),
        message: text(commit.message_bytes(), LONGEST_MESSAGE).trim_end().to_owned(),
        author: Author {
            name: text(author.name_bytes(), LONGEST_LINE),
            email: text(author.email_bytes(), LONGEST_LINE),
            username: String::new(),
        },
        ..CommitInfo::default()
    })
}
