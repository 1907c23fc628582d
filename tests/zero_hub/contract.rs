//! What every hub promises, whichever it is: the same sentences for the directory and for the Zero-OS hub.

use autobuilder::{
    model::{ArtifactName, Format},
    publish::{Config, DirectoryHub, Hub, LinkMoved, LinkOrder, PublishError, Published, Taken},
};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::common::bench::{Bench, archive, collected, name, order};

/// A hub and a way to look into it.
struct Place {
    hub: Hub,
    bench: Option<Bench>,
    directory: TempDir,
}

impl Place {
    async fn each() -> [Self; 2] {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let open = |directory: &TempDir| {
            let config = Config { directory: directory.path().join("hub"), binary_directory: None };
            DirectoryHub::open(&config).unwrap()
        };
        let bench = Bench::new().await;
        let [first, second] = directories;
        let zero = Hub::Zero { flists: bench.ours.clone(), binaries: open(&second) };
        [
            Self { hub: Hub::Directory(open(&first)), bench: None, directory: first },
            Self { hub: zero, bench: Some(bench), directory: second },
        ]
    }

    async fn publish_as(
        &self,
        name: &ArtifactName,
        archive: &[u8],
        order: &LinkOrder,
    ) -> Result<Published, PublishError> {
        match self.hub.take(collected(archive), name, Format::Flist, order)? {
            Taken::Published(published) => Ok(published),
            Taken::Kept => {
                let (zero, calm) = (self.hub.zero().unwrap(), Notify::new());
                let turn = zero.turn(&calm).await;
                zero.deliver(&turn, order, &|_| ()).await
            }
        }
    }

    async fn publish(&self, text: &str, at: u32, position: i64) -> Result<Published, PublishError> {
        let order = order("refs/heads/main", position);
        self.publish_as(&name(&order, at), &archive(text, 10), &order).await
    }

    fn linked(&self) -> String {
        match &self.bench {
            Some(bench) => bench.hub.look(|hub| hub.links["acme-tool-main.flist"].clone()),
            None => {
                let link = std::fs::read_link(self.directory.path().join("hub/acme-tool-main.flist"));
                link.unwrap().to_str().unwrap().to_owned()
            }
        }
    }
}

fn file(at: u32) -> String {
    format!("acme-tool-main-{at:010x}.flist")
}

#[tokio::test]
async fn an_older_push_is_published_and_leaves_the_link_alone() {
    for place in Place::each().await {
        assert_eq!(place.publish("newer", 2, 2).await.unwrap().link, LinkMoved::Yes);
        assert!(matches!(place.publish("older", 1, 1).await.unwrap().link, LinkMoved::No { .. }));
        assert_eq!(place.linked(), file(2));
        assert_eq!(place.publish("newest", 3, 3).await.unwrap().link, LinkMoved::Yes);
        assert_eq!(place.linked(), file(3));
    }
}

#[tokio::test]
async fn a_commit_pushed_again_moves_the_link_back_as_its_author_meant() {
    for place in Place::each().await {
        place.publish("a", 1, 1).await.unwrap();
        place.publish("b", 2, 2).await.unwrap();
        place.publish("a", 1, 3).await.unwrap();
        assert_eq!(place.linked(), file(1));
        assert!(matches!(place.publish("b, rebuilt", 2, 2).await.unwrap().link, LinkMoved::No { .. }));
        assert_eq!(place.linked(), file(1));
    }
}

#[tokio::test]
async fn publishing_again_ends_in_the_same_state() {
    for place in Place::each().await {
        for _ in 0..3 {
            assert_eq!(place.publish("one", 1, 1).await.unwrap().link, LinkMoved::Yes);
        }
        assert_eq!(place.linked(), file(1));
    }
}

#[tokio::test]
async fn two_refs_that_make_the_same_name_do_not_overwrite_each_other() {
    for place in Place::each().await {
        let publish = async |git_ref: &str, at| {
            let order = order(git_ref, 1);
            place.publish_as(&name(&order, at), &archive(git_ref, 10), &order).await
        };
        publish("refs/heads/a/b", 1).await.unwrap();
        for git_ref in ["refs/heads/a-b", "refs/tags/a/b"] {
            let error = publish(git_ref, 2).await.unwrap_err();
            assert!(matches!(error, PublishError::Owned { .. }) && error.is_recipes_fault(), "{error}");
            assert!(error.to_string().contains("refs/heads/a/b"), "{error}");
        }
    }
}

#[tokio::test]
async fn names_that_would_leave_the_hub_or_hide_in_it_are_refused() {
    for place in Place::each().await {
        let order = order("refs/heads/main", 1);
        for bad in ["../x", "/x", "a/b", "..", ".", "", ".hidden", "a\0b", &"a".repeat(251)] {
            for (versioned, link) in [(bad, "link"), ("file", bad)] {
                let name = ArtifactName { versioned: versioned.into(), link: link.into() };
                let result = place.publish_as(&name, &archive("x", 10), &order).await;
                assert!(matches!(result, Err(PublishError::Name(_))), "{bad:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_what_was_collected_is_refused() {
    for place in Place::each().await {
        let order = order("refs/heads/main", 1);
        let damaged = autobuilder::publish::Collected { sha256: "0".repeat(64), ..collected(&archive("x", 10)) };
        let result = place.hub.take(damaged, &name(&order, 1), Format::Flist, &order);
        assert!(matches!(result, Err(PublishError::Damaged { .. })));
    }
}
