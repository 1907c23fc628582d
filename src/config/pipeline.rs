//! `[[kernel.pipeline]]`, from what the operator wrote to what is planned by.
//!
//! Every mistake is a sentence that names the pipeline by its repository, since several stand in one file.

use super::{Config, ConfigError, Kernel, Pipeline};
use crate::{
    catalog::{Arguments, Pattern, Pipeline as Planned},
    model::{Base, BaseOf, Kernel as Product, PipelineKind, RelativePath, Repository, ScriptAt},
};

impl Config {
    /// All pipelines, checked.
    pub fn pipelines(&self) -> Result<Vec<Planned>, ConfigError> {
        self.kernel.check_prefix()?;
        let read = |(index, pipeline): (usize, &Pipeline)| {
            let named = if pipeline.repository.is_empty() {
                format!("number {}", index + 1)
            } else {
                format!("of `{}`", pipeline.repository)
            };
            self.pipeline(pipeline)
                .map_err(|problem| ConfigError::Invalid(format!("the [[kernel.pipeline]] {named}: {problem}")))
        };
        self.kernel.pipeline.iter().enumerate().map(read).collect()
    }

    fn pipeline(&self, written: &Pipeline) -> Result<Planned, String> {
        let kind = written.kind.ok_or(
            "`kind` is missing: \"initramfs\" for a full build that becomes a base image, \"kernel\" for a build on one",
        )?;
        let repository = written.repository.parse().map_err(|error| format!("`repository`: {error}"))?;
        let (script, script_at) = script(&written.script, kind)?;
        let boot = written.boot.clone();
        if boot.marker.is_empty() {
            return Err("`boot.marker` is empty, and every kernel says that: name a line it prints".to_owned());
        }
        Ok(Planned {
            repository,
            kernel: Product { kind, prefix: self.kernel.prefix.clone(), boot },
            base: self.base(written, kind)?,
            script,
            script_at,
            arguments: match &written.arguments {
                Some(words) => Arguments::new(words.clone()).map_err(|error| format!("`arguments`: {error}"))?,
                None => Arguments::default(),
            },
            artifact: written.artifact.parse().map_err(|error| format!("`artifact`: {error}"))?,
            branches: patterns("branches", &written.branches)?,
            tags: patterns("tags", &written.tags)?,
            timeout: written.timeout,
            memory: written.memory,
            capabilities: written.capabilities.clone(),
            environment: written.environment.clone(),
            secrets: written.secrets.clone(),
        })
    }

    /// What it is built in: an image by name for a full build, another pipeline's for a kernel.
    fn base(&self, written: &Pipeline, kind: PipelineKind) -> Result<Base, String> {
        match (kind, written.base.as_str(), written.baseimage.as_str()) {
            (PipelineKind::Initramfs, "", "") => Ok(Base::Image(self.build.default_baseimage.clone())),
            (PipelineKind::Initramfs, "", image) => Ok(Base::Image(image.to_owned())),
            (PipelineKind::Initramfs, _, _) => {
                Err("`base` is for `kind = \"kernel\"`: name an image by `baseimage`".to_owned())
            }
            (PipelineKind::Kernel, "", _) => {
                Err("`base` is missing: name the repository whose initramfs pipeline makes the base image".to_owned())
            }
            (PipelineKind::Kernel, base, "") => {
                let repository: Repository = base.parse().map_err(|error| format!("`base`: {error}"))?;
                let makes = |other: &&Pipeline| {
                    other.kind == Some(PipelineKind::Initramfs) && other.repository == repository.as_str()
                };
                if self.kernel.pipeline.iter().find(makes).is_none() {
                    return Err(format!(
                        "`base` is `{base}`, and no pipeline of `kind = \"initramfs\"` builds that repository"
                    ));
                }
                let fallback = self.kernel.fallback.iter().map(|branch| branch.parse());
                let fallback =
                    fallback.collect::<Result<_, _>>().map_err(|error| format!("`kernel.fallback`: {error}"))?;
                Ok(Base::Of(BaseOf { repository, fallback }))
            }
            (PipelineKind::Kernel, _, _) => Err("give `base` or `baseimage`, not both".to_owned()),
        }
    }
}

impl Kernel {
    fn check_prefix(&self) -> Result<(), ConfigError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.prefix.starts_with(|c: char| c.is_ascii_alphanumeric()) && self.prefix.chars().all(plain) {
            return Ok(());
        }
        let message = format!("`kernel.prefix` is `{}`: use letters, digits, `-`, `_` and `.`", self.prefix);
        Err(ConfigError::Invalid(message))
    }
}

/// A script that begins with `/` is the base image's.
fn script(text: &str, kind: PipelineKind) -> Result<(RelativePath, ScriptAt), String> {
    if text.is_empty() {
        return Err("`script` is missing".to_owned());
    }
    let (path, at) = match text.strip_prefix('/') {
        Some(path) if kind == PipelineKind::Kernel => (path, ScriptAt::Image),
        _ => (text, ScriptAt::Checkout),
    };
    Ok((path.parse().map_err(|error| format!("`script`: {error}"))?, at))
}

fn patterns(key: &str, texts: &[String]) -> Result<Vec<Pattern>, String> {
    let read = |text: &String| {
        Pattern::new(text).map_err(|why| format!("`{key}`: `{text}` is not a regular expression we can use: {why}"))
    };
    texts.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITRAMFS: &str = "[[kernel.pipeline]]\nrepository = 'acme/initramfs'\nkind = 'initramfs'\nscript = 'a.sh'\n";

    fn read(text: &str) -> Result<Vec<Planned>, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.pipelines().map_err(|error| error.to_string())
    }

    #[test]
    fn the_pair_of_a_full_build_and_one_on_its_image_is_read() {
        let kernel = "[[kernel.pipeline]]\nrepository = 'acme/fs'\nkind = 'kernel'\nbase = 'acme/initramfs'\n\
            script = '/initramfs/b.sh'\n";
        let pipelines = read(&format!("{INITRAMFS}{kernel}")).unwrap();
        assert_eq!(pipelines[0].base, Base::Image("ubuntu:16.04".into()));
        assert_eq!((pipelines[1].script.as_str(), pipelines[1].script_at), ("initramfs/b.sh", ScriptAt::Image));
        let Base::Of(base) = &pipelines[1].base else { panic!("{:?}", pipelines[1].base) };
        assert_eq!((base.repository.as_str(), base.fallback.len()), ("acme/initramfs", 2));
    }

    #[test]
    fn a_mistake_is_a_sentence_that_names_the_pipeline() {
        for (text, words) in [
            ("[[kernel.pipeline]]\nrepository = 'a/b'\nscript = 'x'\n", "of `a/b`: `kind` is missing"),
            ("[[kernel.pipeline]]\nkind = 'kernel'\n", "number 1: `repository`"),
            ("[[kernel.pipeline]]\nrepository = 'a/b'\nkind = 'initramfs'\n", "`script` is missing"),
            ("[[kernel.pipeline]]\nrepository = 'a/b'\nkind = 'kernel'\nscript = 'x'\n", "`base` is missing"),
            ("[[kernel.pipeline]]\nrepository = 'a/b'\nkind = 'kernel'\nscript = 'x'\nbase = 'c/d'\n", "no pipeline"),
            ("[[kernel.pipeline]]\nrepository = 'a/b'\nkind = 'generic'\n", "initramfs"),
            ("[[kernel.pipeline]]\nrepository = 'a/b'\nknid = 'kernel'\n", "knid"),
            (&format!("{INITRAMFS}branches = ['(']\n"), "`branches`: `(` is not a regular expression"),
            (&format!("{INITRAMFS}arguments = ['{{commit}}']\n"), "`arguments`: `{commit}`"),
            (&format!("{INITRAMFS}boot = {{marker = ''}}\n"), "`boot.marker` is empty"),
            (&format!("{INITRAMFS}base = 'a/b'\n"), "`base` is for"),
            ("[kernel]\nprefix = '../x'\n", "`kernel.prefix`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text}\n{error}");
        }
    }
}
