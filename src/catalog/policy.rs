//! What every recipe gets, and the most a recipe may ask for.
//!
//! The configuration repository is written by many; this is the operator's part. A recipe that asks
//! for more than the defaults is refused by name, unless a grant for its repository says otherwise.

use serde::{Deserialize, Serialize};

use super::pipeline::Pipeline;
use crate::model::{Branch, ByteSize, GitRef, HumanDuration, Limits, Network, Repository};

/// The operator's defaults, which are also ceilings, and the exceptions from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The image of a recipe that names none.
    pub default_baseimage: String,
    /// What a build may use.
    pub limits: Limits,
    /// Who may have more.
    pub grants: Vec<Grant>,
    /// What is built beside the configuration repository's files.
    #[serde(skip)]
    pub pipelines: Vec<Pipeline>,
}

/// More than the defaults, for one repository or one branch of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Whose builds.
    pub repository: Repository,
    /// Only of this branch; of every branch and tag if none is given.
    #[serde(default)]
    pub branch: Option<String>,
    /// Linux capabilities, like `SYS_ADMIN`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// A higher ceiling of memory.
    #[serde(default)]
    pub memory: Option<ByteSize>,
    /// A higher ceiling of time.
    #[serde(default)]
    pub timeout: Option<HumanDuration>,
    /// Networks beyond `bridge` and `none`.
    #[serde(default)]
    pub network: Vec<Network>,
    /// Names of secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            default_baseimage: "ubuntu:16.04".into(),
            limits: Limits::default(),
            grants: Vec::new(),
            pipelines: Vec::new(),
        }
    }
}

impl Policy {
    /// What recipes of this repository and ref may have.
    pub(super) fn allowance(&self, repository: &Repository, git_ref: &GitRef) -> Allowance<'_> {
        let grants = self.grants.iter().filter(|grant| grant.covers(repository, git_ref)).collect();
        Allowance { limits: &self.limits, grants }
    }
}

impl Grant {
    fn covers(&self, repository: &Repository, git_ref: &GitRef) -> bool {
        let branch = git_ref.branch().map(Branch::as_str);
        self.repository == *repository && (self.branch.is_none() || self.branch.as_deref() == branch)
    }
}

/// The defaults and all grants that apply, taken together.
pub(super) struct Allowance<'p> {
    limits: &'p Limits,
    grants: Vec<&'p Grant>,
}

impl Allowance<'_> {
    pub(super) fn timeout(&self) -> HumanDuration {
        self.grants.iter().filter_map(|grant| grant.timeout).fold(self.limits.timeout, HumanDuration::max)
    }

    pub(super) fn memory(&self) -> ByteSize {
        self.grants.iter().filter_map(|grant| grant.memory).fold(self.limits.memory, ByteSize::max)
    }

    pub(super) fn network(&self, network: Network) -> bool {
        network != Network::Host || self.grants.iter().any(|grant| grant.network.contains(&network))
    }

    pub(super) fn capability(&self, name: &str) -> bool {
        let same = |granted: &String| granted.strip_prefix("CAP_").unwrap_or(granted).eq_ignore_ascii_case(name);
        self.grants.iter().any(|grant| grant.capabilities.iter().any(same))
    }

    pub(super) fn secret(&self, name: &str) -> bool {
        self.grants.iter().any(|grant| grant.secrets.iter().any(|granted| granted == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_for_a_branch_is_not_one_for_a_tag_of_that_name() {
        let text = r#"{"grants": [{"repository": "acme/tool", "branch": "main", "timeout": "3h"}]}"#;
        let policy: Policy = serde_json::from_str(text).unwrap();
        let timeout = |git_ref: &str| {
            policy.allowance(&"acme/tool".parse().unwrap(), &git_ref.parse().unwrap()).timeout().to_string()
        };
        assert_eq!(timeout("refs/heads/main"), "3h");
        assert_eq!(timeout("refs/tags/main"), "45m");
        assert_eq!(timeout("refs/heads/other"), "45m");
    }

    #[test]
    fn a_slip_in_the_operators_part_is_refused() {
        assert!(serde_json::from_str::<Policy>(r#"{"grants": [{"repository": "a/b", "privileged": true}]}"#).is_err());
    }
}
