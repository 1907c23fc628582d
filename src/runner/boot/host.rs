//! What this host has to boot kernels with, looked for when the first kernel comes.
//!
//! `/dev/kvm` proves little: where the host is itself a virtual machine it may be there and hang. So a
//! program of a few bytes is run by it, and only what that prints counts. Even then a kernel may hang in
//! it, so kvm is used until it was wrong once, and never has the last word.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{sync::OnceCell, time::timeout};
use tracing::info;

use super::{machine::Machine, marker::Marker};

/// Where distributions put the firmware (its code, its empty variables): Debian and Ubuntu, older ones, Fedora,
/// Arch.
const FIRMWARE: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

const QEMU: &str = "qemu-system-x86_64";

/// A working accelerator prints within a tenth of a second.
const PROBE: Duration = Duration::from_secs(5);

/// What [`SECTOR`] prints.
const WORKS: &str = "KVM-WORKS";

/// Real-mode code of a boot sector, loaded at 0x7c00: prints the text behind it to the first serial port.
const CODE: [u8; 22] = [
    0x31, 0xc0, 0x8e, 0xd8, // xor ax, ax; mov ds, ax
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xbe, 0x16, 0x7c, // mov si, 0x7c16
    0xac, // next: lodsb
    0x84, 0xc0, 0x74, 0x03, // test al, al; jz end
    0xee, 0xeb, 0xf8, // out dx, al; jmp next
    0xf4, 0xeb, 0xfd, // end: hlt; jmp end
    0x00,
];

/// The host; clones would look again.
#[derive(Default)]
pub(in crate::runner) struct Host {
    tools: OnceCell<Option<Tools>>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) qemu: PathBuf,
    pub(super) setpriv: Option<PathBuf>,
    pub(super) firmware: Option<Firmware>,
    /// Whether kvm works, as far as known.
    kvm: AtomicBool,
}

impl Tools {
    /// Whether kvm is worth a try.
    pub(super) fn has_kvm(&self) -> bool {
        self.kvm.load(Ordering::Relaxed)
    }

    /// Leaves kvm alone from now on.
    pub(super) fn distrust_kvm(&self) {
        self.kvm.store(false, Ordering::Relaxed);
    }
}

/// UEFI for the virtual machine.
#[derive(Debug)]
pub(super) struct Firmware {
    pub(super) code: PathBuf,
    pub(super) variables: PathBuf,
}

impl Host {
    /// What there is; `None` without a virtual machine. `directory` is for a small file of the probe's.
    pub(super) async fn tools(&self, directory: &Path) -> io::Result<Option<&Tools>> {
        let found = self.tools.get_or_try_init(|| look(directory)).await?;
        Ok(found.as_ref())
    }
}

async fn look(directory: &Path) -> io::Result<Option<Tools>> {
    let Some(qemu) = in_path(QEMU) else { return Ok(None) };
    let firmware = FIRMWARE.map(|(code, variables)| Firmware { code: code.into(), variables: variables.into() });
    let mut tools = Tools {
        qemu,
        setpriv: in_path("setpriv"),
        firmware: firmware.into_iter().find(|firmware| firmware.code.exists() && firmware.variables.exists()),
        kvm: AtomicBool::new(false),
    };
    let is_there = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    *tools.kvm.get_mut() = is_there && runs(&tools, "kvm", directory).await?;
    let firmware = if tools.firmware.is_some() { "with UEFI" } else { "without UEFI (no OVMF here)" };
    let accelerated = if tools.has_kvm() { "accelerated by kvm" } else { "without kvm" };
    info!("Kernels are booted by `{}`, {firmware}, {accelerated}", tools.qemu.display());
    Ok(Some(tools))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Whether a machine with that accelerator runs anything.
async fn runs(tools: &Tools, accelerator: &str, directory: &Path) -> io::Result<bool> {
    let disk = directory.join("probe");
    fs::write(&disk, sector())?;
    let drive = format!("file={},format=raw,if=ide", super::escaped(&disk));
    let arguments = ["-accel", accelerator, "-m", "16", "-drive", &drive].into_iter().chain(super::QUIET);
    let mut machine = Machine::start(tools.setpriv.as_deref(), &tools.qemu, arguments)?;
    let mut marker = Marker::new(WORKS);
    let printed = async {
        loop {
            match machine.output().await {
                Ok(output) if output.is_empty() => return false,
                Ok(output) if marker.is_in(&output) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    };
    let works = timeout(PROBE, printed).await.unwrap_or(false);
    machine.end().await?;
    Ok(works)
}

fn sector() -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..CODE.len()].copy_from_slice(&CODE);
    sector[CODE.len()..CODE.len() + WORKS.len()].copy_from_slice(WORKS.as_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_probe_sees_a_machine_that_works_and_one_that_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let qemu = in_path(QEMU).expect("qemu is installed by `scripts/setup test`");
        let tools = |qemu| Tools { qemu, setpriv: in_path("setpriv"), firmware: None, kvm: AtomicBool::new(false) };
        assert!(runs(&tools(qemu), "tcg", directory.path()).await.unwrap());
        assert!(!runs(&tools("/bin/true".into()), "tcg", directory.path()).await.unwrap());
    }
}
