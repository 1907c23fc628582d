//! A repository on disk, as a forge would have it: bare, and pushed to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A bare repository and a work tree that pushes to it.
pub struct Repository {
    pub name: String,
    bare: PathBuf,
    work: PathBuf,
}

/// A ref before and after a push.
#[derive(Debug, Clone)]
pub struct Moved {
    pub git_ref: String,
    pub before: String,
    pub after: String,
}

pub const ZERO: &str = "0000000000000000000000000000000000000000";

impl Repository {
    /// `name` is `org/repo`; the bare repository stands at `<root>/forge/<name>.git`.
    pub fn new(root: &Path, name: &str) -> Self {
        let bare = root.join("forge").join(format!("{name}.git"));
        let work = root.join("work").join(name);
        fs::create_dir_all(&bare).unwrap();
        fs::create_dir_all(&work).unwrap();
        git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
        Self { name: name.to_owned(), bare, work }
    }

    /// Writes files, commits, and pushes to `branch`.
    pub fn push(&self, branch: &str, files: &[(&str, &str)]) -> Moved {
        self.commit(files);
        self.push_head(&format!("refs/heads/{branch}"))
    }

    /// Writes and commits files. A file named `*.sh` is made executable; an empty text removes the file.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.work.join(path);
            if text.is_empty() {
                let _ = fs::remove_file(&path);
                continue;
            }
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            if path.extension().is_some_and(|extension| extension == "sh") {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        git(&self.work, &["add", "--all"]);
        git(&self.work, &["commit", "--quiet", "--allow-empty", "--message", "Change something"]);
        self.head()
    }

    pub fn head(&self) -> String {
        git(&self.work, &["rev-parse", "HEAD"])
    }

    /// Pushes the work tree's head to a ref, by force.
    pub fn push_head(&self, git_ref: &str) -> Moved {
        let before = self.stands(git_ref);
        git(&self.work, &["push", "--quiet", "--force", "origin", &format!("HEAD:{git_ref}")]);
        Moved { git_ref: git_ref.to_owned(), before, after: self.head() }
    }

    /// Where a ref of the bare repository stands.
    pub fn stands(&self, git_ref: &str) -> String {
        let output =
            Command::new("git").arg("-C").arg(&self.bare).args(["rev-parse", "--verify", git_ref]).output().unwrap();
        if output.status.success() { String::from_utf8(output.stdout).unwrap().trim().to_owned() } else { ZERO.into() }
    }

    /// Goes back to a commit.
    pub fn reset(&self, commit: &str) {
        git(&self.work, &["reset", "--quiet", "--hard", commit]);
    }

    /// Runs git in the work tree.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.work, arguments)
    }
}

/// Runs git, with a name of its own and without the machine's configuration.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.org")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.org")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
