//! A boot service that looks into the directory a thousand times a second, while kernels come.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use autobuilder::{
    model::{ArtifactName, BuildId},
    publish::{Collected, Kernels, LinkOrder},
};
use sha2::{Digest, Sha256};

const LINK: &str = "zero-os-main.efi";
const SIZE: usize = 200_000;

#[expect(clippy::disallowed_methods, reason = "a boot service looks from time to time, and so does this reader")]
pub(crate) fn read_while_links_move(moves: u32) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kernels");
    let kernels = Kernels::new(path.clone());
    publish(&kernels, 0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                look(&path);
                looks += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            looks
        });
        for number in 1..=moves {
            publish(&kernels, number);
            // A directory of a thousand kernels would be read slower than a thousand times a second.
            if number > 20 {
                fs::remove_file(path.join(name(number - 20).versioned)).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        let looks = reader.join().unwrap();
        assert!(looks > moves / 10, "only {looks} looks");
    });
    assert_eq!(fs::read_link(path.join(LINK)).unwrap().to_str(), Some(&*name(moves).versioned));
}

/// What a boot service does: follows the link, and offers every regular file.
fn look(path: &Path) {
    whole(&fs::read(path.join(LINK)).expect("the link leads to a file at any moment"));
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        // It may have been removed since it was listed.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_file() {
            assert!(entry.file_name().to_str().unwrap().ends_with(".efi"), "{entry:?} is offered");
            if let Ok(metadata) = entry.metadata() {
                assert_eq!(metadata.len(), SIZE as u64, "{entry:?} is torn");
            }
        }
    }
}

fn whole(content: &[u8]) {
    assert_eq!(content.len(), SIZE);
    assert!(content.iter().all(|byte| *byte == content[0]), "two kernels in one");
}

fn name(number: u32) -> ArtifactName {
    ArtifactName { versioned: format!("zero-os-main-fs-{number:010}.efi"), link: LINK.to_owned() }
}

fn publish(kernels: &Kernels, number: u32) {
    let content = vec![number.to_le_bytes()[0]; SIZE];
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let sha256 = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let order = LinkOrder {
        repository: "acme/fs".parse().unwrap(),
        git_ref: "refs/heads/main".parse().unwrap(),
        position: i64::from(number),
        build: BuildId::new(),
    };
    kernels.publish(Collected { file, size: SIZE as u64, sha256 }, &name(number), &order).unwrap();
}
