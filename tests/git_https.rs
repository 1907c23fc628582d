//! Fetching over HTTPS, and through proxies: whom the service trusts, and what it says when it does not.

#![allow(clippy::unwrap_used)]

mod git_server;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use autobuilder::{
    git::{Author, Config, Mirrors},
    model::GitRef,
};
use git_server::{Authority, backend, listen};
use tempfile::TempDir;

const RECIPE: &[u8] = b"buildscripts: [build.sh]\nbuild.sh: {artifact: result.tar.gz, baseimage: some-image}\n";

fn main() -> GitRef {
    "refs/heads/main".parse().unwrap()
}

/// A forge's repositories: a configuration repository that watches `acme/tool`.
fn repositories() -> TempDir {
    let root = TempDir::new().unwrap();
    let author = Author::create(&root.path().join("acme/builds.git")).unwrap();
    author.commit(&main(), "what is built here", &[("acme/tool/main.yaml", RECIPE)]).unwrap();
    root
}

/// The service as a process, without an engine; it is killed when dropped.
struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    fn start(directory: &Path, clone_url: &str, environment: &[(&str, &str)]) -> Self {
        let path = directory.display();
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\n[webhook]\nallow_unsigned = true\n[catalog]\nrepository = 'acme/builds'\n\
             [github]\nclone_url = '{clone_url}'\n[store]\ndirectory = '{path}/data'\n[hub]\ndirectory = '{path}/hub'\n\
             [build]\ntmp_directory = '{path}/tmp'\n[docker]\nhost = 'unix://{path}/none.sock'\n"
        );
        fs::create_dir_all(directory.join("tmp")).unwrap();
        fs::write(directory.join("config.toml"), text).unwrap();
        let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_autobuilder"));
        proxies.iter().for_each(|name| {
            command.env_remove(name);
        });
        let command = command.args(["serve", "--config", "config.toml"]).current_dir(directory);
        let log = directory.join("service.log");
        let stderr = fs::File::create(&log).unwrap();
        let command = command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(stderr);
        Self { child: command.spawn().unwrap(), log }
    }

    /// Waits until it has read its configuration repository, and expects it to watch this.
    fn watches(&mut self, what: &str) {
        let lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let (print, printed) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| print.send(line)));
        let mut all = String::new();
        while !all.contains(&format!("\n{what} ")) {
            let Ok(line) = printed.recv_timeout(Duration::from_secs(60)) else {
                panic!("{all}\n{}", fs::read_to_string(&self.log).unwrap());
            };
            all = format!("{all}\n{line}");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_forge_whose_authority_is_named_to_the_service_is_trusted() {
    let (root, authority) = (repositories(), Authority::new());
    let path = root.path().to_owned();
    let forge = listen(Some(authority.server), move |request, stream, body| backend(&path, request, stream, body));
    let pem = root.path().join("authority.pem");
    fs::write(&pem, &authority.pem).unwrap();
    let clone_url = format!("https://{}/{{repository}}.git", forge.address);
    let trusted = [("SSL_CERT_FILE", pem.to_str().unwrap())];
    let mut service = Service::start(&root.path().join("service"), &clone_url, &trusted);
    service.watches("acme/tool");
    assert!(!forge.seen.lock().unwrap().is_empty());
}

#[test]
fn a_forge_is_asked_through_the_proxy_that_the_environment_names() {
    let root = repositories();
    let path = root.path().to_owned();
    let proxy = listen(None, move |request, stream, body| {
        let mut request = request.clone();
        request.path = request.path.replacen("http://forge.invalid", "", 1);
        backend(&path, &request, stream, body);
    });
    let proxied = format!("http://{}", proxy.address);
    let clone_url = "http://forge.invalid/{repository}.git";
    let mut service = Service::start(&root.path().join("service"), clone_url, &[("HTTP_PROXY", &proxied)]);
    service.watches("acme/tool");
    assert!(proxy.seen.lock().unwrap().iter().all(|(path, _)| path.starts_with("http://forge.invalid/acme/")));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_with_a_way_out() {
    let (root, authority) = (repositories(), Authority::new());
    let forge = listen(Some(authority.server), |_, _, _| {});
    let mut config = Config::new(root.path().join("mirrors"));
    config.clone_url = format!("https://{}/{{repository}}.git", forge.address);
    config.token = Some("canary-5f0c2a".into());
    let mirrors = Mirrors::new(config).unwrap();
    let refused = mirrors.list_heads(&"acme/builds".parse().unwrap()).await.unwrap_err();
    let told = refused.to_string();
    assert!(told.contains(&format!("https://{}/acme/builds.git: its certificate is from an", forge.address)), "{told}");
    assert!(told.contains("SSL_CERT_FILE") && refused.is_ours(), "{told}");
    assert!(forge.seen.lock().unwrap().is_empty(), "the forge was asked something");
}
