//! A kernel as a hub takes it: an archive with the kernel and a word about how to boot it.
//!
//! The same kernel gives the same bytes, whoever packs it and when: names in order, no owner, no time.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::Collected;

/// What 0-OS reads when it starts a kernel out of an flist (0-autobuilder's `initramfsworker.py`).
const BOOT: &[u8] = b"kernel: /kernel.efi\nnodefault: true\n";

/// Packs the kernel into a file without a name, in a directory where there is room for it.
pub(super) fn make(kernel: &File, directory: &Path) -> io::Result<Collected> {
    let mut file = tempfile::tempfile_in(directory)?;
    // Kernels are compressed already; what is gained by trying harder is not worth the wait.
    let mut archive = Builder::new(GzEncoder::new(&mut file, Compression::fast()));
    append(&mut archive, "boot/", EntryType::Directory, 0o755, 0, io::empty())?;
    append(&mut archive, "boot/boot.yaml", EntryType::Regular, 0o644, BOOT.len() as u64, BOOT)?;
    let mut kernel = kernel;
    kernel.rewind()?;
    append(&mut archive, "kernel.efi", EntryType::Regular, 0o644, kernel.metadata()?.len(), kernel)?;
    archive.into_inner()?.finish()?;
    kernel.rewind()?;
    measured(file)
}

fn append(
    archive: &mut Builder<impl io::Write>,
    name: &str,
    kind: EntryType,
    mode: u32,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    archive.append_data(&mut header, name, content)
}

fn measured(mut file: File) -> io::Result<Collected> {
    file.rewind()?;
    let mut hash = Sha256::new();
    let size = io::copy(&mut file, &mut hash)?;
    file.rewind()?;
    Ok(Collected { file, size, sha256: format!("{:x}", hash.finalize()) })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_same_kernel_gives_the_same_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let packed = |content: &[u8]| {
            let mut kernel = tempfile::tempfile().unwrap();
            kernel.write_all(content).unwrap();
            make(&kernel, directory.path()).unwrap()
        };
        assert_eq!(packed(b"kernel").sha256, packed(b"kernel").sha256);
        assert_ne!(packed(b"kernel").sha256, packed(b"other").sha256);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

        let mut archive = tar::Archive::new(GzDecoder::new(packed(b"kernel").file));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((entry.path().unwrap().display().to_string(), text));
        }
        let boot = String::from_utf8(BOOT.to_vec()).unwrap();
        let expected = [("boot/", ""), ("boot/boot.yaml", &*boot), ("kernel.efi", "kernel")];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
