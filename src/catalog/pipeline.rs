//! Pipelines: recipes of the operator's own, beside those of the configuration repository.
//!
//! They make kernels and the images that kernels are built on. What is built on such an image trusts
//! it, so the configuration repository, which many write, has no say in them; nor do its ceilings
//! hold for them.

use super::{arguments::Arguments, branch_file::Pattern, plan::Planned, policy::Policy};
use crate::model::{
    AbsoluteDir, ArtifactName, Base, ByteSize, GitRef, HumanDuration, Kernel, Limits, Network, Product, Recipe,
    RelativePath, Repository, ScriptAt, Variables,
};

/// How one repository's kernels are built.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the keys of `[[kernel.pipeline]]` in config.sample.toml, parsed")]
pub struct Pipeline {
    pub repository: Repository,
    pub kernel: Kernel,
    pub base: Base,
    pub script: RelativePath,
    pub script_at: ScriptAt,
    pub arguments: Arguments,
    pub artifact: RelativePath,
    pub branches: Vec<Pattern>,
    pub tags: Vec<Pattern>,
    pub timeout: Option<HumanDuration>,
    pub memory: Option<ByteSize>,
    pub capabilities: Vec<String>,
    pub environment: Variables,
    pub secrets: Vec<String>,
}

impl Pipeline {
    /// Whether it builds this ref.
    fn concerns(&self, repository: &Repository, git_ref: &GitRef) -> bool {
        let patterns = if git_ref.is_tag() { &self.tags } else { &self.branches };
        self.repository == *repository && patterns.iter().any(|pattern| pattern.matches(git_ref.name()))
    }

    /// What it does for a ref.
    fn recipe(&self, git_ref: &GitRef, limits: Limits) -> Recipe {
        Recipe {
            script: self.script.clone(),
            script_at: self.script_at,
            arguments: self.arguments.fill(&self.repository, git_ref),
            artifact: self.artifact.clone(),
            archives: AbsoluteDir::target(),
            baseimage: self.base.clone(),
            tag: None,
            product: Product::Kernel(self.kernel.clone()),
            environment: self.environment.clone(),
            limits: Limits {
                timeout: self.timeout.unwrap_or(limits.timeout),
                memory: self.memory.unwrap_or(limits.memory),
                ..limits
            },
            capabilities: self.capabilities.clone(),
            network: Network::Bridge,
            secrets: self.secrets.clone(),
        }
    }
}

impl Policy {
    /// Whether a pipeline builds the repository.
    pub(super) fn builds_kernels_of(&self, repository: &Repository) -> bool {
        self.pipelines.iter().any(|pipeline| pipeline.repository == *repository)
    }

    /// What pipelines make of a ref. Two that would move one link cannot both have it.
    pub(super) fn pipelines_for(&self, repository: &Repository, git_ref: &GitRef) -> Vec<Planned> {
        let mut links = Vec::new();
        let concerned = self.pipelines.iter().filter(|pipeline| pipeline.concerns(repository, git_ref));
        let planned = concerned.map(|pipeline| {
            let recipe = pipeline.recipe(git_ref, self.limits);
            match ArtifactName::link_of_kernel(&pipeline.kernel, repository, git_ref) {
                Ok(link) if !links.contains(&link) => {
                    links.push(link);
                    Planned::Ready(recipe)
                }
                Ok(link) => Planned::Refused {
                    recipe,
                    reason: format!(
                        "another pipeline of `{repository}` makes `{link}` already: limit their `branches`"
                    ),
                },
                Err(error) => Planned::Refused { recipe, reason: error.to_string() },
            }
        });
        planned.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{Catalog, Lookup, SourceFile},
        model::{Boot, PipelineKind},
    };

    fn pipeline(branches: &str) -> Pipeline {
        Pipeline {
            repository: "acme/initramfs".parse().unwrap(),
            kernel: Kernel { kind: PipelineKind::Initramfs, prefix: "zero-os".into(), boot: Boot::default() },
            base: "ubuntu:18.04".into(),
            script: "build.sh".parse().unwrap(),
            script_at: ScriptAt::Checkout,
            arguments: Arguments::default(),
            artifact: "vmlinuz.efi".parse().unwrap(),
            branches: vec![Pattern::new(branches).unwrap()],
            tags: Vec::new(),
            timeout: None,
            memory: None,
            capabilities: Vec::new(),
            environment: Variables::default(),
            secrets: Vec::new(),
        }
    }

    fn lookup(pipelines: Vec<Pipeline>, files: Vec<SourceFile>, git_ref: &str) -> Lookup {
        let catalog = Catalog::read(files, &Policy { pipelines, ..Policy::default() });
        catalog.lookup(&"acme/initramfs".parse().unwrap(), &git_ref.parse().unwrap())
    }

    fn scripts(lookup: Lookup) -> Vec<Result<String, String>> {
        let Lookup::Recipes(planned) = lookup else { panic!("{lookup:?}") };
        let one = |planned| match planned {
            Planned::Ready(recipe) => Ok(recipe.script.to_string()),
            Planned::Refused { reason, .. } => Err(reason),
        };
        planned.into_iter().map(one).collect()
    }

    #[test]
    fn a_push_is_planned_from_files_and_from_pipelines() {
        let text = b"buildscripts: [a.sh]\na.sh: {artifact: a}\n".to_vec();
        let file = SourceFile { path: "acme/initramfs/main.yaml".into(), text };
        let both = lookup(vec![pipeline(".*")], vec![file.clone()], "refs/heads/main");
        assert_eq!(scripts(both), [Ok("a.sh".into()), Ok("build.sh".into())]);
        let alone = lookup(vec![pipeline("dev.*")], vec![file], "refs/heads/develop");
        assert_eq!(scripts(alone), [Ok("build.sh".into())]);
    }

    #[test]
    fn what_no_pattern_matches_is_not_built() {
        let unknown = lookup(vec![pipeline("main")], Vec::new(), "refs/heads/domain");
        assert_eq!(unknown, Lookup::UnknownRef);
        assert_eq!(lookup(vec![pipeline(".*")], Vec::new(), "refs/tags/v1"), Lookup::UnknownRef);
        assert_eq!(lookup(Vec::new(), Vec::new(), "refs/heads/main"), Lookup::UnknownRepository);
    }

    #[test]
    fn two_pipelines_do_not_fight_over_a_link() {
        let planned = scripts(lookup(vec![pipeline(".*"), pipeline("main")], Vec::new(), "refs/heads/main"));
        assert!(planned[0].is_ok());
        assert!(planned[1].as_ref().unwrap_err().contains("zero-os-main-generic.efi"), "{planned:?}");
    }
}
