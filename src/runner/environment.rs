//! What a script finds in its environment.

use std::collections::BTreeMap;

use super::Job;
use crate::model::Variables;

/// `NAME=value` for everything the service promises, the operator adds, and the recipe sets, in that
/// order of weakness: a recipe's variable replaces the operator's of the same name.
pub(super) fn environment(job: &Job, host: &str, common: &Variables) -> Vec<String> {
    let build = &job.build;
    let (name, short) = (build.git_ref().name(), build.commit.short());
    let own = [
        ("HOST", host.to_owned()),
        ("BRANCH", name.to_owned()),
        ("COMMIT", build.commit.to_string()),
        ("COMMIT_SHORT", short.to_owned()),
        ("MESSAGE", build.push.message.replace('\0', "")),
        ("TAG", format!("{name}-{short}")),
        ("TIMESTAMP", build.queued.as_secs().to_string()),
        ("REPOSITORY", build.repository().to_string()),
        ("REF", build.git_ref().to_string()),
        ("BUILD_ID", build.id.to_string()),
        ("CI", "true".to_owned()),
        // The checkout belongs to the service's user, not to root: git refuses it unless told.
        ("GIT_CONFIG_COUNT", "1".to_owned()),
        ("GIT_CONFIG_KEY_0", "safe.directory".to_owned()),
        ("GIT_CONFIG_VALUE_0", "*".to_owned()),
    ];
    let mut all = BTreeMap::new();
    all.extend(common.iter().map(|(name, value)| (name, value.to_owned())));
    all.extend(build.recipe.environment.iter().map(|(name, value)| (name, value.to_owned())));
    all.extend(job.secrets.iter().map(|(name, value)| (name.as_str(), value.to_owned())));
    all.extend(own);
    all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}
