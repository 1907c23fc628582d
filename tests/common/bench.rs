//! The client of a hub beside a fake hub, without a service around them.

use std::{io::Write, sync::Mutex};

use autobuilder::{
    model::{ArtifactName, BuildId, CommitId, Format},
    publish::{
        Collected, LinkOrder, PublishError, Published, ZeroHub,
        zero_hub::{Again, Config},
    },
};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::hub::{FakeHub, TOKEN, USER};

pub struct Bench {
    pub hub: FakeHub,
    pub ours: ZeroHub,
    pub config: Config,
    pub lines: Mutex<Vec<String>>,
    directory: TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (hub, directory) = (FakeHub::new().await, tempfile::tempdir().unwrap());
        let mut config = Config {
            url: hub.url(),
            user: USER.to_owned(),
            token: TOKEN.into(),
            refresh_url: format!("{}/refresh", hub.url()),
            directory: directory.path().join("outgoing"),
        };
        change(&mut config);
        let ours = ZeroHub::open(&config).unwrap();
        Self { hub, ours, config, lines: Mutex::default(), directory }
    }

    /// As after a restart: nothing is known but what lies on the disk.
    pub fn restart(&mut self) {
        self.ours = ZeroHub::open(&self.config).unwrap();
    }

    /// Takes the archive over and tries once to deliver it.
    pub async fn publish(&self, archive: &[u8], order: &LinkOrder, at: u32) -> Result<Published, PublishError> {
        self.keep(archive, order, at)?;
        self.deliver(order).await
    }

    pub fn keep(&self, archive: &[u8], order: &LinkOrder, at: u32) -> Result<(), PublishError> {
        self.ours.keep(collected(archive), &name(order, at), order)
    }

    pub async fn deliver(&self, order: &LinkOrder) -> Result<Published, PublishError> {
        let calm = Notify::new();
        let turn = self.ours.turn(&calm).await;
        let tell = |line| self.lines.lock().unwrap().push(line);
        self.ours.deliver(&turn, order, &tell).await
    }

    /// What one try comes to, and whether another would follow.
    pub async fn fails(&self, order: &LinkOrder) -> (String, Again) {
        let error = self.deliver(order).await.unwrap_err();
        (error.to_string(), error.again())
    }

    /// Folders of artifacts that wait.
    pub fn waiting(&self) -> usize {
        let names = std::fs::read_dir(self.directory.path().join("outgoing")).unwrap();
        names.filter(|entry| !entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.')).count()
    }
}

pub fn order(git_ref: &str, position: i64) -> LinkOrder {
    LinkOrder {
        repository: "acme/tool".parse().unwrap(),
        git_ref: git_ref.parse().unwrap(),
        position,
        build: BuildId::new(),
    }
}

pub fn name(order: &LinkOrder, at: u32) -> ArtifactName {
    let commit: CommitId = format!("{:010x}{:030x}", at, 0).parse().unwrap();
    ArtifactName::new(Format::Flist, &order.repository, None, &order.git_ref, &commit, "result.tar.gz").unwrap()
}

pub fn collected(content: &[u8]) -> Collected {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Collected { file, size: content.len() as u64, sha256: format!("{:x}", Sha256::digest(content)) }
}

/// An archive with two files, a link and a directory; `size` bytes of it do not compress.
pub fn archive(text: &str, size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(size)
    .collect();
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in [("bin/tool", text.as_bytes()), ("bin/noise", &noise)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, path, content).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "bin/again", "tool").unwrap();
    header.set_entry_type(tar::EntryType::Directory);
    builder.append_data(&mut header, "etc/", &[][..]).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

/// A JSON Web Token that ends so many seconds from now.
pub fn jwt(name: &str, seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let claims = format!(r#"{{"username":"{name}","exp":{}}}"#, now + seconds);
    [r#"{"alg":"ES384"}"#, claims.as_str(), "signature"].map(base64).join(".")
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(|index| char::from(LETTERS[(bits >> (18 - 6 * index)) as usize & 63])).collect::<String>()
    };
    text.as_bytes().chunks(3).map(digits).collect()
}
