//! A script and the policy become a recipe, or a refusal that names what was asked for.

use crate::model::{AbsoluteDir, Base, GitRef, Limits, Product, Recipe, Repository, ScriptAt};

use super::{
    branch_file::{Script, Section},
    policy::{Allowance, Policy},
};

/// One script of a push, ready or refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// To be built.
    Ready(Recipe),
    /// Not to be built: it asks for more than it may have. The recipe is as asked, for the record.
    Refused {
        /// What would have been built.
        recipe: Recipe,
        /// Why not, as sentences for people.
        reason: String,
    },
}

impl Planned {
    /// The recipe, whether it may be built or not.
    pub fn recipe(&self) -> &Recipe {
        match self {
            Self::Ready(recipe) | Self::Refused { recipe, .. } => recipe,
        }
    }
}

/// Something a recipe asks for and may not have.
pub(super) struct Excess {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) help: String,
}

/// The recipe of a script for one ref of one repository, and all it may not have.
pub(super) fn plan(
    script: &Script,
    repository: &Repository,
    git_ref: &GitRef,
    policy: &Policy,
) -> (Recipe, Vec<Excess>) {
    let recipe = recipe(script, policy);
    let mut excess = excess(&script.section, repository, &policy.allowance(repository, git_ref));
    excess.extend(misplaced(&recipe, repository));
    (recipe, excess)
}

fn recipe(script: &Script, policy: &Policy) -> Recipe {
    let section = script.section.clone();
    let defaults = policy.limits;
    Recipe {
        script: script.name.clone(),
        script_at: ScriptAt::Checkout,
        arguments: Vec::new(),
        artifact: section.artifact,
        archives: section.archives.unwrap_or_else(AbsoluteDir::target),
        baseimage: Base::Image(section.baseimage.unwrap_or_else(|| policy.default_baseimage.clone())),
        tag: section.tag,
        product: Product::File(section.format),
        environment: section.env,
        limits: Limits {
            timeout: section.timeout.unwrap_or(defaults.timeout),
            memory: section.memory.unwrap_or(defaults.memory),
            ..defaults
        },
        capabilities: section.capabilities,
        network: section.network,
        secrets: section.secrets,
    }
}

fn excess(section: &Section, repository: &Repository, allowed: &Allowance<'_>) -> Vec<Excess> {
    let mut excess = Vec::new();
    if let Some(timeout) = section.timeout.filter(|timeout| *timeout > allowed.timeout()) {
        excess.push(ceiling("timeout", repository, timeout, allowed.timeout()));
    }
    if let Some(memory) = section.memory.filter(|memory| *memory > allowed.memory()) {
        excess.push(ceiling("memory", repository, memory, allowed.memory()));
    }
    if !allowed.network(section.network) {
        excess.push(ungranted("network", "the network `host`", repository, "network = [\"host\"]"));
    }
    for name in section.capabilities.iter().filter(|name| !allowed.capability(name)) {
        let asked = format!("the capability `{name}`");
        excess.push(ungranted("capabilities", &asked, repository, &format!("capabilities = [\"{name}\"]")));
    }
    for name in section.secrets.iter().filter(|name| !allowed.secret(name)) {
        let asked = format!("the secret `{name}`");
        excess.push(ungranted("secrets", &asked, repository, &format!("secrets = [\"{name}\"]")));
    }
    excess
}

fn ceiling<T: std::fmt::Display>(key: &'static str, repository: &Repository, asked: T, most: T) -> Excess {
    Excess {
        key,
        message: format!("`{key}: {asked}` is more than `{repository}` may have: the most is {most}"),
        help: format!(
            "ask for {most} or less, or have the operator {}",
            grant(repository, &format!("{key} = \"{asked}\""))
        ),
    }
}

fn ungranted(key: &'static str, asked: &str, repository: &Repository, line: &str) -> Excess {
    Excess {
        key,
        message: format!("`{repository}` asks for {asked}, and was not granted it"),
        help: format!("do without it, or have the operator {}", grant(repository, line)),
    }
}

/// What the operator would write.
fn grant(repository: &Repository, line: &str) -> String {
    format!("add a `[[grant]]` to config.toml with `repository = \"{repository}\"` and `{line}`")
}

/// Directories that would hide the checkout, or that the checkout would hide.
fn misplaced(recipe: &Recipe, repository: &Repository) -> Option<Excess> {
    let checkout = format!("/{}", repository.name());
    if recipe.archives.as_str() == checkout {
        let message = format!("`archives: {checkout}` is where the checkout of `{repository}` stands");
        return Some(Excess { key: "archives", message, help: "choose another directory, like `/target`".to_owned() });
    }
    let error = checkout.parse::<AbsoluteDir>().err()?;
    let message = format!("the checkout of `{repository}` cannot stand at `{checkout}`: {error}");
    Some(Excess { key: "", message, help: "rename the repository".to_owned() })
}

impl Excess {
    /// What is wrong and what to change, in one sentence.
    pub(super) fn sentence(&self) -> String {
        format!("{}; {}", self.message, self.help)
    }
}

/// Ready without excess, refused with all of it.
pub(super) fn judged((recipe, excess): (Recipe, Vec<Excess>)) -> Planned {
    if excess.is_empty() {
        return Planned::Ready(recipe);
    }
    let reason = excess.iter().map(Excess::sentence).collect::<Vec<_>>().join(". ");
    Planned::Refused { recipe, reason }
}
