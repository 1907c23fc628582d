//! From one catalog and a new tree to the next catalog.
//!
//! A file that is wrong keeps its last good version; everything else is as the tree says. The result
//! depends only on the tree, the policy and what was active, never on the order of files.

use std::{collections::BTreeMap, sync::Arc};

use super::{entry::Entry, layout, policy::Policy, problem::Problem, snapshot::Catalog, source::SourceFile};

/// The most branch files of one configuration repository.
const MOST_FILES: usize = 5_000;

/// The catalog after `before`, for a tree that was read completely.
pub(super) fn after(
    before: &Catalog,
    policy: Arc<Policy>,
    revision: Option<String>,
    files: Vec<SourceFile>,
) -> Catalog {
    let next = Catalog { policy, revision, ..Catalog::default() };
    let mut assembly = Assembly { before, next };
    let files = assembly.branch_files(files);
    let mut read = assembly.read_all(files);
    // Who was there before keeps its links; among newcomers the first by path wins.
    read.sort_by_key(|(path, _)| !before.entries.contains_key(path));
    for (path, entry) in read {
        assembly.settle(path, entry);
    }
    // Stable, so the problems of one file keep the order of their places.
    assembly.next.problems.sort_by(|a, b| a.path.cmp(&b.path));
    assembly.next
}

struct Assembly<'b> {
    before: &'b Catalog,
    next: Catalog,
}

impl Assembly<'_> {
    /// The branch files of a tree, by path. What stands in a wrong place is a problem.
    fn branch_files(&mut self, files: Vec<SourceFile>) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for file in files {
            match layout::stem(&file.path) {
                None => {}
                Some(stem) if layout::splits(stem).is_empty() => {
                    self.next.problems.push(layout::misplaced(&file.path, stem));
                }
                Some(_) => _ = found.insert(file.path, file.text),
            }
        }
        self.drop_twins(&mut found);
        found
    }

    /// `main.yaml` and `main.yml` stand for the same branch: the first stays.
    fn drop_twins(&mut self, files: &mut BTreeMap<String, Vec<u8>>) {
        let twins: Vec<(String, String)> = files
            .keys()
            .filter_map(|path| Some((format!("{}.yaml", path.strip_suffix(".yml")?), path.clone())))
            .filter(|(first, _)| files.contains_key(first))
            .collect();
        for (first, second) in twins {
            let message = format!("`{first}` stands for the same branch, and is the one that counts");
            self.next.problems.push(Problem::of_file(&second, message, "remove one of the two files"));
            files.remove(&second);
        }
    }

    /// Every file as an entry; without one if it is wrong, or one too many.
    fn read_all(&mut self, files: BTreeMap<String, Vec<u8>>) -> Vec<(String, Option<Arc<Entry>>)> {
        if files.len() > MOST_FILES {
            let message = format!("there are {} branch files, and only the first {MOST_FILES} are read", files.len());
            let help = "remove some, or join branches into one file with `branches:`";
            self.next.problems.push(Problem::of_file("", message, help));
        }
        let mut read = Vec::with_capacity(files.len());
        for (number, (path, text)) in files.into_iter().enumerate() {
            let entry = if number < MOST_FILES { self.read(&path, text) } else { None };
            read.push((path, entry));
        }
        read
    }

    /// The file as an entry; none if it is wrong, with its problems noted.
    fn read(&mut self, path: &str, text: Vec<u8>) -> Option<Arc<Entry>> {
        let entry = match self.before.entries.get(path) {
            Some(entry) if entry.text == text => Ok(Arc::clone(entry)),
            _ => {
                let splits = layout::splits(layout::stem(path).unwrap_or_default());
                Entry::read(SourceFile { path: path.to_owned(), text }, splits).map(Arc::new)
            }
        };
        match entry.map(|entry| (entry.excess(&self.next.policy), entry)) {
            Ok((excess, entry)) if excess.is_empty() => Some(entry),
            Ok((problems, _)) | Err(problems) => {
                self.next.problems.extend(problems);
                None
            }
        }
    }

    /// Makes the file active, or its last good version, or neither.
    fn settle(&mut self, path: String, entry: Option<Arc<Entry>>) {
        let fresh = entry.filter(|entry| self.claims_only_free_links(entry));
        let kept = || self.before.entries.get(&path).filter(|entry| self.taken(entry).is_none()).map(Arc::clone);
        let active = match fresh {
            Some(entry) => entry,
            None => match kept() {
                Some(entry) => {
                    self.next.kept.insert(path.clone());
                    entry
                }
                None => {
                    self.next.broken.insert(path);
                    return;
                }
            },
        };
        self.next.links.extend(active.links.iter().map(|(link, _)| (link.clone(), path.clone())));
        self.next.entries.insert(path, active);
    }

    /// Whether nobody else's builds move the entry's links; if not, that is a problem.
    fn claims_only_free_links(&mut self, entry: &Entry) -> bool {
        let Some((link, script, owner)) = self.taken(entry) else {
            return true;
        };
        let message = format!("its artifact would be `{link}`, which belongs to the builds of `{owner}`");
        let help = "give one of the two a `tag` of its own, or rename the branch";
        self.next.problems.push(entry.at(script, "tag", &message, help));
        false
    }

    /// The first of an entry's links that is another's: the link, the script, and whose it is.
    fn taken<'s>(&'s self, entry: &'s Entry) -> Option<(&'s str, usize, String)> {
        let mut owned =
            entry.links.iter().filter_map(|(link, script)| Some((link, script, self.next.links.get(link)?)));
        owned.next().map(|(link, script, owner)| (link.as_str(), *script, owner.clone()))
    }
}
