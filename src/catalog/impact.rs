//! What a tree of the configuration repository would change if it were in force.
//!
//! The tree is assembled as it would be after a merge, mistakes keeping the last good version
//! included, and then only compared: nothing of it takes effect.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use super::{
    Catalog, Pattern, Pipeline, Planned, Problem, Severity, SourceFile, Watched, assemble, reading::mistakes, render,
};
use crate::model::{ArtifactName, GitRef, Product, Recipe};

/// The difference between what is in force and what would be.
#[derive(Debug, Clone, Default)]
pub struct Impact {
    /// What would be built that is not built now: a line each.
    pub tracked: Vec<String>,
    /// What would be built no longer.
    pub untracked: Vec<String>,
    /// What would be built otherwise.
    pub changed: Vec<Change>,
    /// What is wrong in the tree.
    pub problems: Vec<Problem>,
}

/// One recipe that would change.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which.
    pub recipe: String,
    /// How, a line each.
    pub details: Vec<String>,
}

/// A recipe as it is compared: what it is called, and its properties by name.
struct View {
    title: String,
    line: String,
    properties: Vec<(&'static str, String)>,
}

impl Catalog {
    /// What these files would change if they were this catalog's next tree.
    pub fn impact_of(&self, files: Vec<SourceFile>) -> Impact {
        let next = assemble::after(self, Arc::clone(&self.policy), None, files);
        let (before, after) = (views(self), views(&next));
        let mut impact = Impact { problems: next.problems().to_vec(), ..Impact::default() };
        for (key, view) in &after {
            match before.get(key) {
                None => impact.tracked.push(view.line.clone()),
                Some(old) => {
                    let details = differences(old, view);
                    if !details.is_empty() {
                        impact.changed.push(Change { recipe: view.title.clone(), details });
                    }
                }
            }
        }
        let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
        impact.untracked.extend(gone.map(|(_, view)| view.title.clone()));
        impact
    }
}

impl Impact {
    /// Whether any branch would be hurt.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// In one sentence.
    pub fn summary(&self) -> String {
        let counts = [
            (self.tracked.len(), "newly tracked"),
            (self.changed.len(), "changed"),
            (self.untracked.len(), "no longer tracked"),
        ];
        let counts: Vec<_> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        match (mistakes(&self.problems), counts.is_empty()) {
            (Some(mistakes), _) => mistakes,
            (None, true) => "nothing would change".to_owned(),
            (None, false) => format!("recipes: {}", counts.join(", ")),
        }
    }

    /// All of it, for people.
    pub fn text(&self, colour: bool) -> String {
        let mut text = String::new();
        for (title, sign, lines) in
            [("Newly tracked:", '+', &self.tracked), ("No longer tracked:", '-', &self.untracked)]
        {
            if !lines.is_empty() {
                let _ = writeln!(text, "{title}");
                lines.iter().for_each(|line| _ = writeln!(text, "  {sign} {line}"));
            }
        }
        if !self.changed.is_empty() {
            text.push_str("Changed:\n");
        }
        for Change { recipe, details } in &self.changed {
            let _ = writeln!(text, "  ~ {recipe}");
            details.iter().for_each(|detail| _ = writeln!(text, "      {detail}"));
        }
        if text.is_empty() {
            text.push_str("No recipe would change.\n");
        }
        if !self.problems.is_empty() {
            let _ = write!(text, "\n{}", render(&self.problems, colour));
        }
        text
    }
}

/// Every recipe, by its file and script.
fn views(catalog: &Catalog) -> BTreeMap<(String, String), View> {
    let mut views = BTreeMap::new();
    for watched in catalog.watched() {
        for planned in &watched.recipes {
            let key = (watched.path.to_owned(), planned.recipe().script.to_string());
            views.insert(key, view(&watched, planned));
        }
    }
    views
}

fn view(watched: &Watched<'_>, planned: &Planned) -> View {
    let recipe = planned.recipe();
    let title = format!("{} {}, {}", watched.repository, watched.refs(), recipe.script);
    let mut properties = properties(recipe);
    properties.insert(0, ("refs", watched.refs()));
    let mut line = format!("{title}: in {}", recipe.baseimage);
    if let Some(link) = link(watched, recipe) {
        let _ = write!(line, ", publishes {link}");
        properties.push(("published as", link));
    }
    let granted = match planned {
        Planned::Ready(_) => "yes".to_owned(),
        Planned::Refused { reason, .. } => {
            let _ = write!(line, "; refused: {reason}");
            format!("no: {reason}")
        }
    };
    properties.push(("granted", granted));
    View { title, line, properties }
}

/// The link its builds move; a pattern's builds each move another.
fn link(watched: &Watched<'_>, recipe: &Recipe) -> Option<String> {
    if !watched.branches.is_empty() || !watched.tags.is_empty() {
        return None;
    }
    let git_ref = GitRef::Branch(watched.label.parse().ok()?);
    let (tag, file) = (recipe.tag.as_deref(), recipe.artifact.file_name());
    let Product::File(format) = recipe.product else { return None };
    ArtifactName::link_of(format, watched.repository, tag, &git_ref, file).ok()
}

fn properties(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(" ") };
    vec![
        ("base image", recipe.baseimage.to_string()),
        ("artifact", format!("{}/{}", recipe.archives, recipe.artifact)),
        ("format", recipe.product.as_str().to_owned()),
        ("tag", recipe.tag.clone().unwrap_or_else(|| "none".to_owned())),
        ("timeout", recipe.limits.timeout.to_string()),
        ("memory", recipe.limits.memory.to_string()),
        ("environment", serde_json::to_string(&recipe.environment).unwrap_or_default()),
        ("capabilities", list(&recipe.capabilities)),
        ("network", format!("{:?}", recipe.network).to_ascii_lowercase()),
        ("secrets", list(&recipe.secrets)),
    ]
}

fn differences(old: &View, new: &View) -> Vec<String> {
    let value = |name: &str| old.properties.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str());
    let changed = new.properties.iter().filter(|(name, now)| value(name).is_some_and(|before| before != now));
    changed.map(|(name, now)| format!("{name}: {} -> {now}", value(name).unwrap_or_default())).collect()
}

impl Watched<'_> {
    /// The refs it stands for: a branch, or patterns.
    pub fn refs(&self) -> String {
        refs_of(&self.branches, &self.tags).unwrap_or_else(|| self.label.to_owned())
    }
}

impl Pipeline {
    /// The refs it builds: patterns, or none.
    pub fn refs(&self) -> String {
        let texts = |patterns| <[Pattern]>::iter(patterns).map(Pattern::as_str).collect::<Vec<_>>();
        refs_of(&texts(&self.branches), &texts(&self.tags)).unwrap_or_else(|| "none".to_owned())
    }
}

/// Patterns, for people; `None` if there are none.
fn refs_of(branches: &[&str], tags: &[&str]) -> Option<String> {
    let branches = branches.iter().map(|pattern| format!("/{pattern}/"));
    let all: Vec<_> = branches.chain(tags.iter().map(|pattern| format!("tags /{pattern}/"))).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{super::Policy, *};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    fn recipe(script: &str, more: &str) -> String {
        format!("buildscripts: [{script}]\n{script}:\n  artifact: result.tar.gz\n{more}")
    }

    #[test]
    fn what_comes_goes_and_changes_is_told_apart() {
        let before = Catalog::read(
            vec![file("acme/tool/main.yaml", &recipe("a.sh", "")), file("acme/tool/old.yaml", &recipe("a.sh", ""))],
            &Policy::default(),
        );
        let impact = before.impact_of(vec![
            file("acme/tool/main.yaml", &recipe("a.sh", "  baseimage: ubuntu:24.04\n  timeout: 10m\n  tag: x\n")),
            file("acme/tool/new.yaml", &recipe("b.sh", "")),
        ]);
        assert_eq!(impact.tracked, ["acme/tool new, b.sh: in ubuntu:16.04, publishes acme-tool-new.flist"]);
        assert_eq!(impact.untracked, ["acme/tool old, a.sh"]);
        assert_eq!(impact.changed.len(), 1);
        let details = impact.changed[0].details.join("\n");
        for line in [
            "base image: ubuntu:16.04 -> ubuntu:24.04",
            "timeout: 45m -> 10m",
            "published as: acme-tool-main.flist -> acme-tool-x-main.flist",
        ] {
            assert!(details.contains(line), "{details}");
        }
        assert_eq!(impact.summary(), "recipes: 1 newly tracked, 1 changed, 1 no longer tracked");
        assert!(!impact.has_errors());
    }

    #[test]
    fn a_mistake_is_shown_at_its_line_and_keeps_what_is_in_force() {
        let before = Catalog::read(vec![file("acme/tool/main.yaml", &recipe("a.sh", ""))], &Policy::default());
        let impact = before.impact_of(vec![file("acme/tool/main.yaml", &recipe("a.sh", "  timeuot: 1h\n"))]);
        assert!(impact.changed.is_empty() && impact.untracked.is_empty() && impact.has_errors());
        let text = impact.text(false);
        assert!(text.contains("No recipe would change.") && text.contains("acme/tool/main.yaml:4"), "{text}");
        assert!(impact.summary().starts_with("1 problem: acme/tool/main.yaml"), "{}", impact.summary());
    }

    #[test]
    fn a_grant_that_is_missing_is_said() {
        let before = Catalog::read(vec![file("acme/tool/main.yaml", &recipe("a.sh", ""))], &Policy::default());
        let impact = before.impact_of(vec![file(
            "acme/tool/any.yaml",
            &format!("branches: ['x.*']\n{}", recipe("a.sh", "  network: host\n")),
        )]);
        assert!(impact.tracked[0].contains("/x.*/") && impact.tracked[0].contains("refused"), "{:?}", impact.tracked);
    }
}
