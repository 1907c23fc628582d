//! `autobuilder demo`: a forge in a folder, the service beside it, two pushes, and room to play.
//!
//! Nothing here is a mock: the repositories are real, their `post-receive` hooks deliver signed
//! webhooks, and the service is the one `serve` runs.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};

use super::{End, runtime, terminal};
use crate::{config::Config, logging, service::Service};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image to build in; it needs a shell and tar.
    #[arg(long, default_value = "autobuilder/busybox:latest")]
    image: String,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:5560")]
    listen: String,
    /// Build the two pushes, then leave instead of keeping on.
    #[arg(long)]
    once: bool,
}

const SECRET: &str = "the secret of the demonstration";

const BUILD: &str = "\
#!/bin/sh
# Runs in a fresh container, with this repository at /hello and an empty /target.
set -e
echo \"building $REPOSITORY at $COMMIT_SHORT on $BRANCH\"
mkdir -p /tmp/root/bin
cp greeting /tmp/root/bin/hello
tar -C /tmp/root -czf /target/hello.tar.gz .
echo done
";

const BROKEN: &str = "\
#!/bin/sh
echo \"this one shows what a failing build looks like\"
ls /no/such/directory
exit 2
";

/// The folder of one demonstration.
struct World {
    root: PathBuf,
}

pub(super) fn run(args: Args, format: logging::Format) -> anyhow::Result<End> {
    logging::start(format, "warn");
    let folder = tempfile::Builder::new().prefix("autobuilder-demo-").tempdir().context("no temporary folder")?;
    let world = World { root: folder.path().to_owned() };
    let config = world.make(&args)?;
    runtime()?.block_on(async {
        let service = Service::start(config).await?;
        let shown = show(&world, &service, args.once).await;
        service.drain();
        service.finished().await;
        shown
    })
}

async fn show(world: &World, service: &Service, once: bool) -> anyhow::Result<End> {
    let address = service.address();
    fs::write(world.root.join("forge.address"), format!("{address}\n{SECRET}\n"))?;
    service.catalog_loaded().await;
    let pushed = world.clone_path();
    terminal::print(&format!("Watch: http://{address}/monitor\n\n{}\n", service.watched()));
    terminal::print("Pushing to acme/hello, branches main and broken ...\n");
    tokio::task::spawn_blocking(move || push_both(&pushed)).await??;
    for (branch, what) in [("main", "a good build"), ("broken", "a failing one")] {
        let sentence = ended(service, branch).await?;
        terminal::print(&format!("{what}: {sentence}"));
    }
    let artifact = world.root.join("artifacts/acme-hello-main.flist");
    let size = fs::metadata(&artifact).context("the artifact is not there")?.len();
    terminal::print(&format!(
        "\nThe artifact ({size} bytes), behind its link:\n  http://{address}/artifacts/acme-hello-main.flist\n\n{}\n",
        world.invitation()
    ));
    if !once {
        terminal::print("Ctrl-C ends the demonstration and removes its folder.\n");
        tokio::signal::ctrl_c().await?;
    }
    Ok(End::Fine)
}

/// Waits for the end of the newest build of a branch, and says it in words.
async fn ended(service: &Service, branch: &str) -> anyhow::Result<String> {
    let waiting = service.until_ended("acme/hello", branch);
    tokio::time::timeout(Duration::from_secs(120), waiting)
        .await
        .context("no build ended within two minutes")?
        .context("the service's store failed")
}

impl World {
    /// Makes repositories and configuration.
    fn make(&self, args: &Args) -> anyhow::Result<Config> {
        self.repository("acme/builds")?;
        self.repository("acme/hello")?;
        let recipe = |script: &str| {
            format!("buildscripts:\n  - {script}\n\n{script}:\n  artifact: hello.tar.gz\n  baseimage: {}\n", args.image)
        };
        self.commit(
            "acme/builds",
            "main",
            &[("acme/hello/main.yaml", &recipe("build.sh")), ("acme/hello/broken.yaml", &recipe("broken.sh"))],
        )?;
        let hello = self.commit(
            "acme/hello",
            "main",
            &[("build.sh", BUILD), ("broken.sh", BROKEN), ("greeting", "#!/bin/sh\necho hello\n")],
        )?;
        git(&hello, &["branch", "broken"])?;
        let text = format!(
            "[server]\nlisten = '{listen}'\n[webhook]\nsecret = '{SECRET}'\n[catalog]\nrepository = 'acme/builds'\n\
             [github]\nclone_url = 'file://{root}/forge/{{repository}}.git'\n[store]\ndirectory = '{root}/data'\n\
             [hub]\ndirectory = '{root}/artifacts'\n[build]\ntmp_directory = '{root}/tmp'\n",
            listen = args.listen,
            root = self.root.display(),
        );
        let file = self.root.join("config.toml");
        fs::write(&file, text)?;
        fs::create_dir_all(self.root.join("tmp"))?;
        Ok(Config::load(Some(&file), std::iter::empty())?)
    }

    /// A bare repository whose hook tells the service, and a clone to work in.
    fn repository(&self, name: &str) -> anyhow::Result<()> {
        let bare = self.root.join("forge").join(format!("{name}.git"));
        fs::create_dir_all(&bare)?;
        git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"])?;
        let program = std::env::current_exe().context("no path to this program")?;
        let hook = format!(
            "#!/bin/sh\nexec '{}' deliver '{name}' --forge '{}'\n",
            program.display(),
            self.root.join("forge.address").display()
        );
        let path = bare.join("hooks/post-receive");
        fs::create_dir_all(bare.join("hooks"))?;
        fs::write(&path, hook)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        let work = self.root.join(name);
        fs::create_dir_all(&work)?;
        git(&work, &["init", "--quiet", "--initial-branch=main"])?;
        git(&work, &["remote", "add", "origin", &bare.display().to_string()])?;
        git(&work, &["config", "user.name", "You"])?;
        git(&work, &["config", "user.email", "you@example.org"])
    }

    /// Commits files; the catalog's are also pushed, before the service is there to be told.
    fn commit(&self, name: &str, branch: &str, files: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let work = self.root.join(name);
        for (path, text) in files {
            let path = work.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&work))?;
            fs::write(&path, text)?;
        }
        git(&work, &["add", "--all"])?;
        git(&work, &["commit", "--quiet", "--message", "Say hello"])?;
        if name == "acme/builds" {
            let bare = self.root.join("forge").join(format!("{name}.git"));
            git(&bare, &["fetch", "--quiet", &work.display().to_string(), &format!("{branch}:{branch}")])?;
        }
        Ok(work)
    }

    fn clone_path(&self) -> PathBuf {
        self.root.join("acme/hello")
    }

    fn invitation(&self) -> String {
        let root = self.root.display();
        format!(
            "Play with it:\n  cd {root}/acme/hello\n  echo 'echo how are you' >>greeting\n  git commit -am 'Ask' && git push origin main\n\n\
             Change what is built; it counts at once:\n  cd {root}/acme/builds\n  $EDITOR acme/hello/main.yaml\n  \
             git commit -am 'Build otherwise' && git push origin main\n"
        )
    }
}

fn push_both(work: &Path) -> anyhow::Result<()> {
    git(work, &["push", "--quiet", "origin", "main"])?;
    git(work, &["push", "--quiet", "origin", "broken"])
}

fn git(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .env_remove("GIT_DIR")
        .output()
        .context("`git` is needed for the demonstration: install it")?;
    if !output.status.success() {
        bail!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
