//! The forge in a folder: two repositories whose hooks tell the service of pushes, and a clone of each.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::config::Config;

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
pub(super) struct World {
    root: PathBuf,
}

impl World {
    /// Makes repositories and commits; nothing is pushed to the source repository yet.
    pub(super) fn make(root: &Path, image: &str) -> anyhow::Result<Self> {
        let world = Self { root: root.to_owned() };
        world.repository("acme/builds")?;
        world.repository("acme/hello")?;
        let recipe = |script: &str| {
            format!("buildscripts:\n  - {script}\n\n{script}:\n  artifact: hello.tar.gz\n  baseimage: {image}\n")
        };
        let (main, broken) = (recipe("build.sh"), recipe("broken.sh"));
        let builds =
            world.commit("acme/builds", &[("acme/hello/main.yaml", &main), ("acme/hello/broken.yaml", &broken)])?;
        // Into the forge without a push: nobody is there yet who could be told.
        let bare = world.root.join("forge/acme/builds.git");
        git(&bare, &["fetch", "--quiet", &builds.display().to_string(), "main:main"])?;
        let greeting = "#!/bin/sh\necho hello\n";
        let files = [("build.sh", BUILD), ("broken.sh", BROKEN), ("greeting", greeting)];
        let hello = world.commit("acme/hello", &files)?;
        git(&hello, &["branch", "broken"])?;
        Ok(world)
    }

    /// The service's configuration, also as a file that a person can read.
    pub(super) fn configuration(&self, listen: SocketAddr) -> anyhow::Result<Config> {
        let text = format!(
            "[server]\nlisten = '{listen}'\n[webhook]\nsecret = '{SECRET}'\n[catalog]\nrepository = 'acme/builds'\n\
             [github]\nclone_url = 'file://{root}/forge/{{repository}}.git'\n[store]\ndirectory = '{root}/data'\n\
             [hub]\ndirectory = '{root}/artifacts'\n[build]\ntmp_directory = '{root}/tmp'\n",
            root = self.root.display(),
        );
        let file = self.root.join("config.toml");
        fs::write(&file, text)?;
        fs::create_dir_all(self.root.join("tmp"))?;
        Ok(Config::load(Some(&file), std::iter::empty())?)
    }

    /// Tells the repositories' hooks where the service is.
    pub(super) fn introduce(&self, address: SocketAddr) -> anyhow::Result<()> {
        fs::write(self.address_file(), format!("{address}\n{SECRET}\n")).context("the folder cannot be written")
    }

    /// The clone of the source repository.
    pub(super) fn source(&self) -> PathBuf {
        self.root.join("acme/hello")
    }

    /// Where the good build's artifact is.
    pub(super) fn artifact(&self) -> PathBuf {
        self.root.join("artifacts/acme-hello-main.flist")
    }

    /// What to type to play with it.
    pub(super) fn invitation(&self) -> String {
        let root = self.root.display();
        format!(
            "Play with it:\n  cd {root}/acme/hello\n  echo 'echo how are you' >>greeting\n  \
             git commit -am 'Ask' && git push origin main\n\n\
             Change what is built; it counts at once:\n  cd {root}/acme/builds\n  $EDITOR acme/hello/main.yaml\n  \
             git commit -am 'Build otherwise' && git push origin main\n"
        )
    }

    fn address_file(&self) -> PathBuf {
        self.root.join("forge.address")
    }

    /// A bare repository whose hook tells the service, and a clone to work in.
    fn repository(&self, name: &str) -> anyhow::Result<()> {
        let bare = self.root.join("forge").join(format!("{name}.git"));
        let hooks = bare.join("hooks");
        fs::create_dir_all(&hooks)?;
        git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"])?;
        // Whatever the person's own configuration says of hooks and signatures.
        git(&bare, &["config", "core.hooksPath", &hooks.display().to_string()])?;
        let program = std::env::current_exe().context("no path to this program")?;
        let (program, forge) = (program.display(), self.address_file());
        let hook = hooks.join("post-receive");
        fs::write(&hook, format!("#!/bin/sh\nexec '{program}' deliver '{name}' --forge '{}'\n", forge.display()))?;
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))?;
        let work = self.root.join(name);
        fs::create_dir_all(&work)?;
        git(&work, &["init", "--quiet", "--initial-branch=main"])?;
        git(&work, &["remote", "add", "origin", &bare.display().to_string()])?;
        for (key, value) in [("user.name", "You"), ("user.email", "you@example.org"), ("commit.gpgSign", "false")] {
            git(&work, &["config", key, value])?;
        }
        Ok(())
    }

    fn commit(&self, name: &str, files: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let work = self.root.join(name);
        for (path, text) in files {
            let path = work.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&work))?;
            fs::write(&path, text)?;
        }
        git(&work, &["add", "--all"])?;
        git(&work, &["commit", "--quiet", "--message", "Say hello"])?;
        Ok(work)
    }
}

/// Pushes both branches of the source repository, as a person would.
pub(super) fn push_both(work: &Path) -> anyhow::Result<()> {
    git(work, &["push", "--quiet", "origin", "main"])?;
    git(work, &["push", "--quiet", "origin", "broken"])
}

pub(super) fn git(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .env_remove("GIT_DIR")
        .output()
        .context("the demonstration needs `git`: install it (apt-get install git)")?;
    if !output.status.success() {
        bail!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
