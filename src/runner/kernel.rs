//! What pipelines do beyond other builds: stand on a base image, prove that a kernel boots, and become
//! a base image.
//!
//! A container that becomes an image holds the checkout itself, since what is mounted is not committed,
//! and its history, since what it borrows will not be there. It is told its environment by a file that
//! is mounted, since what it is told otherwise would be written into the image, secrets included.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use super::{
    attempt::{Attempt, Stop},
    base,
    boot::Gate,
    collect::Collected,
    console::{self, Console},
    engine::{Image, Origin},
    error::RunError,
    seams::{Journal, Progress, Publisher, Source},
};
use crate::model::{BaseOf, Kernel, PipelineKind, Stage};

/// Where a container that becomes an image sees the checkout, to copy it.
pub(super) const CHECKOUT: &str = "/.autobuilder-source";

/// The name of the file with its environment, among the console's files.
const ENVIRONMENT: &str = "environment";

/// What such a container does before its script: takes the environment, the checkout, and what the
/// checkout borrows.
pub(super) fn beginning() -> String {
    let environment = format!("{}/{ENVIRONMENT}", console::MOUNT);
    format!(
        ". {environment} && rm {environment} && cp -dR {CHECKOUT}/. . && \
         if [ -f .git/objects/info/alternates ]; then \
         while read -r lent; do cp -dR \"$lent/.\" .git/objects/; done <.git/objects/info/alternates && \
         rm .git/objects/info/alternates; fi && "
    )
}

/// Writes `NAME=value` pairs as lines a shell reads.
pub(super) fn write_environment(console: &Path, variables: &[String]) -> std::io::Result<()> {
    let path = console.join(ENVIRONMENT);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    for (name, value) in variables.iter().filter_map(|variable| variable.split_once('=')) {
        writeln!(file, "export {name}='{}'", value.replace('\'', r"'\''"))?;
    }
    Ok(())
}

/// Whether a build's container becomes a base image.
pub(super) fn becomes_base(kernel: Option<&Kernel>) -> bool {
    kernel.is_some_and(|kernel| kernel.kind == PipelineKind::Initramfs)
}

impl<S: Source, P: Publisher, J: Journal> Attempt<'_, S, P, J> {
    /// The base image for this build's ref.
    pub(super) async fn base(&self, of: &BaseOf) -> Result<Image, RunError> {
        let images = self.runner.engine.bases(Some(&of.repository)).await?;
        let git_ref = self.job.build.git_ref();
        match base::choose(&images, git_ref, &of.fallback) {
            Some(image) => Ok(Image { id: image.id.clone(), digest: image.id.clone() }),
            None => Err(RunError::NoBase(base::none(&images, of, git_ref))),
        }
    }

    /// Has the kernel boot; then a full build's container becomes the base image of its ref.
    pub(super) async fn prove(
        &self,
        kernel: &Kernel,
        collected: &Collected,
        mut console: Console,
        container: &str,
    ) -> Result<(), Stop> {
        self.note(Progress::Stage(Stage::Committing));
        let mut gate = Gate {
            host: &self.runner.host,
            boot: &kernel.boot,
            directory: self.workspace.path().join("boot"),
            console: &mut console,
            signals: self.signals,
        };
        gate.pass(&collected.file).await?;
        drop(console);
        match kernel.kind {
            PipelineKind::Initramfs => self.commit(container).await,
            PipelineKind::Kernel => Ok(()),
        }
    }

    async fn commit(&self, container: &str) -> Result<(), Stop> {
        let build = &self.job.build;
        let state = self.runner.engine.inspect(container).await?.ok_or(RunError::Vanished)?;
        let origin = Origin {
            repository: build.repository().clone(),
            git_ref: build.git_ref().clone(),
            commit: build.commit.clone(),
            build: build.id,
            position: build.position,
            parent: state.image,
        };
        self.unless_stopped(async { Ok(self.runner.engine.commit(container, &origin).await?) }).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_every_value() {
        let directory = tempfile::tempdir().unwrap();
        let values = ["plain", "it's \"quoted\" $HOME `id`", "two\nlines", "", "a=b"];
        let variables: Vec<_> = values.iter().enumerate().map(|(at, value)| format!("V{at}={value}")).collect();
        write_environment(directory.path(), &variables).unwrap();
        let script = r#". "$0/environment"; printf '%s|' "$V0" "$V1" "$V2" "$V3" "$V4""#;
        let output = Command::new("sh").args(["-c", script]).arg(directory.path()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}|", values.join("|")));
    }
}
