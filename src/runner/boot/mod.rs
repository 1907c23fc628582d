//! The boot gate: a kernel that does not boot is not published.
//!
//! It is started as its users start it: directly, and as an EFI application where there is firmware for
//! that. What counts is a line on its serial console in time. An exit code says nothing: a kernel that
//! panics and one that is cut off both leave the machine well.

mod host;
mod machine;
mod marker;

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;
use tokio::{select, task::spawn_blocking, time::sleep};

use self::{
    host::{Firmware, Tools},
    machine::Machine,
    marker::Marker,
};
use super::{Signals, attempt::Stop, console::Console, error::RunError};
use crate::model::{Boot, HumanDuration};

pub(super) use host::Host;

/// Enough for kernels that carry a large initramfs; what is not used costs nothing.
const MEMORY: &str = "1024";

/// No devices, no window, no monitor, no second start: a serial console on the standard output.
const QUIET: [&str; 8] = ["-no-reboot", "-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none"];

/// How much of one machine's console is kept: a kernel in a loop must not use up the build's log.
const KEPT: usize = 512 * 1024;

/// How long a kernel has by kvm, where it boots in seconds if kvm works.
const KVM_LIMIT: Duration = Duration::from_secs(10);

/// Why a kernel may not be published.
#[derive(Debug, Error)]
pub enum BootError {
    /// Its marker did not come.
    #[error("the kernel does not boot {way}: {what} without printing `{marker}`; the log has its console")]
    Silent {
        /// How it was started.
        way: &'static str,
        /// What it did instead.
        what: String,
        /// What it should have printed.
        marker: String,
    },
    /// It has no header of an EFI application.
    #[error("the kernel is no EFI application (it does not begin with `MZ`): build it with CONFIG_EFI_STUB=y")]
    NoEfi,
    /// It shall be booted, and there is nothing to boot it with.
    #[error(
        "the pipeline has `boot.enabled = true`, and qemu-system-x86_64 is not installed: install it (package \
         qemu-system-x86, and ovmf), or set `boot = {{enabled = false}}`"
    )]
    NoMachine,
    /// The machine could not be started or heard.
    #[error("the kernel could not be booted: {0}")]
    Broken(io::Error),
}

/// How a kernel is started.
enum Way<'t> {
    Direct,
    Efi(&'t Firmware),
}

impl Way<'_> {
    fn words(&self) -> &'static str {
        match self {
            Self::Direct => "directly",
            Self::Efi(_) => "as an EFI application",
        }
    }
}

/// What a test of one kernel needs.
pub(super) struct Gate<'a> {
    pub(super) host: &'a Host,
    pub(super) boot: &'a Boot,
    /// A directory of our own, which the attempt removes.
    pub(super) directory: PathBuf,
    pub(super) console: &'a mut Console,
    pub(super) signals: &'a Signals,
}

impl Gate<'_> {
    /// Boots the kernel in every way there is.
    pub(super) async fn pass(&mut self, kernel: &File) -> Result<(), Stop> {
        if self.boot.enabled == Some(false) {
            return Ok(());
        }
        prepare(&self.directory).map_err(BootError::Broken)?;
        let Some(tools) = self.host.tools(&self.directory).await.map_err(BootError::Broken)? else {
            return match self.boot.enabled {
                Some(true) => Err(BootError::NoMachine.into()),
                _ => self.say("the kernel is not booted: qemu-system-x86_64 is not installed".to_owned()).await,
            };
        };
        let image = copy(kernel, self.directory.join("kernel")).await.map_err(BootError::Broken)?;
        self.boots(tools, &Way::Direct, &image).await?;
        if let Some(firmware) = &tools.firmware {
            if !is_efi(kernel).map_err(BootError::Broken)? {
                return Err(BootError::NoEfi.into());
            }
            self.boots(tools, &Way::Efi(firmware), &image).await?;
        }
        Ok(())
    }

    /// Boots it in one way, up to its marker. That a kernel does not come up by kvm is no verdict: inside
    /// a virtual machine kvm may run a small program and hang with a kernel.
    async fn boots(&mut self, tools: &Tools, way: &Way<'_>, image: &Path) -> Result<(), Stop> {
        let words = way.words();
        let by_kvm = match tools.has_kvm() {
            true => Some(self.start(tools, way, image, "kvm").await?),
            false => None,
        };
        if let Some(heard) = &by_kvm {
            if matches!(heard, Heard::Marker) {
                return self.say(format!("the kernel boots {words}")).await;
            }
            self.say("no marker by kvm; whether the kernel or kvm is to blame shows without it".to_owned()).await?;
        }
        let heard = self.start(tools, way, image, "tcg").await?;
        if matches!((&by_kvm, &heard), (Some(Heard::Nothing(_)), _) | (Some(_), Heard::Marker)) {
            tools.distrust_kvm();
        }
        match heard {
            Heard::Marker => self.say(format!("the kernel boots {words}")).await,
            Heard::End => Err(self.silent(words, "it ended".to_owned())),
            Heard::Nothing(limit) => Err(self.silent(words, format!("{limit} went by"))),
        }
    }

    async fn start(
        &mut self,
        tools: &Tools,
        way: &Way<'_>,
        image: &Path,
        accelerator: &'static str,
    ) -> Result<Heard, Stop> {
        self.say(format!("booting the kernel {}, by {accelerator}", way.words())).await?;
        let arguments =
            arguments(accelerator, way, image, &self.boot.append, &self.directory).map_err(BootError::Broken)?;
        let mut machine =
            Machine::start(tools.setpriv.as_deref(), &tools.qemu, arguments).map_err(BootError::Broken)?;
        let limit = if accelerator == "kvm" { self.boot.timeout.0.min(KVM_LIMIT) } else { self.boot.timeout.0 };
        let heard = self.listen(&mut machine, HumanDuration(limit)).await;
        machine.end().await.map_err(BootError::Broken)?;
        heard
    }

    /// Keeps what the machine says in the log until that is decided.
    async fn listen(&mut self, machine: &mut Machine, limit: HumanDuration) -> Result<Heard, Stop> {
        let mut marker = Marker::new(&self.boot.marker);
        let mut room = KEPT;
        let mut late = std::pin::pin!(sleep(limit.0));
        loop {
            let output = select! {
                biased;
                () = self.signals.cancel.cancelled() => return Err(RunError::Cancelled.into()),
                () = self.signals.leave.cancelled() => return Err(Stop::Left),
                output = machine.output() => output.map_err(BootError::Broken)?,
                () = &mut late => return Ok(Heard::Nothing(limit)),
            };
            if output.is_empty() {
                return Ok(Heard::End);
            }
            let found = marker.is_in(&output);
            self.keep(output, &mut room).await?;
            if found {
                return Ok(Heard::Marker);
            }
        }
    }

    async fn keep(&mut self, mut output: Vec<u8>, room: &mut usize) -> Result<(), Stop> {
        if *room == 0 {
            return Ok(());
        }
        output.truncate(*room);
        *room -= output.len();
        self.console.append(output).await.map_err(log)?;
        if *room == 0 {
            self.say("what the kernel says from here on is not kept".to_owned()).await?;
        }
        Ok(())
    }

    async fn say(&mut self, text: String) -> Result<(), Stop> {
        Ok(self.console.notice(text).await.map_err(log)?)
    }

    fn silent(&self, way: &'static str, what: String) -> Stop {
        BootError::Silent { way, what, marker: self.boot.marker.clone() }.into()
    }
}

/// How listening ended.
enum Heard {
    Marker,
    End,
    Nothing(HumanDuration),
}

fn log(source: io::Error) -> RunError {
    RunError::Disk { path: "logs".into(), source }
}

/// A gate that was left in the middle begins anew.
fn prepare(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir(directory)
}

/// The machine needs a name to read; what it reads is what was measured.
async fn copy(kernel: &File, to: PathBuf) -> io::Result<PathBuf> {
    let mut from = kernel.try_clone()?;
    let copying = move || {
        from.rewind()?;
        io::copy(&mut from, &mut File::create(&to)?)?;
        from.rewind()?;
        Ok(to)
    };
    spawn_blocking(copying).await.map_err(io::Error::other)?
}

/// A PE image begins with the signature of MS-DOS programs.
fn is_efi(kernel: &File) -> io::Result<bool> {
    let mut start = [0; 2];
    Ok(kernel.read_at(&mut start, 0)? == 2 && &start == b"MZ")
}

/// What the machine is started with. The firmware starts the very same kernel as an application, with the same
/// command line.
fn arguments(
    accelerator: &str,
    way: &Way<'_>,
    image: &Path,
    append: &str,
    directory: &Path,
) -> io::Result<Vec<String>> {
    let command_line = format!("console=ttyS0 panic=-1 {append}");
    let image = image.to_string_lossy();
    let mut arguments = vec!["-accel", accelerator, "-m", MEMORY, "-kernel", &image, "-append"];
    arguments.push(command_line.trim_end());
    arguments.extend(QUIET);
    let mut arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
    if let Way::Efi(firmware) = way {
        let variables = directory.join("variables");
        let mut content = Vec::new();
        File::open(&firmware.variables)?.read_to_end(&mut content)?;
        fs::write(&variables, content)?;
        let flash = |unit: u8, options: &str, file: &Path| {
            format!("if=pflash,format=raw,unit={unit}{options},file={}", escaped(file))
        };
        arguments.extend(["-machine", "q35", "-drive"].map(str::to_owned));
        arguments.push(flash(0, ",readonly=on", &firmware.code));
        arguments.push("-drive".to_owned());
        arguments.push(flash(1, "", &variables));
    }
    Ok(arguments)
}

/// A path as a value of an option, where a comma would begin the next one.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}
