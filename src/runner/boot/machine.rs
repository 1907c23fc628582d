//! A virtual machine as a process: the only place of the service that starts one.
//!
//! It reads nothing, inherits nothing of our environment, and ends with us: whoever drops it kills it, and
//! where the system has `setpriv` the kernel does so even if we are killed ourselves.

use std::{ffi::OsStr, io, path::Path, process::Stdio};

use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command},
};

/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// A running virtual machine.
pub(super) struct Machine {
    child: Child,
    output: pipe::Receiver,
}

impl Machine {
    /// Starts a program. What it says on either stream comes out in order, as its output.
    pub(super) fn start<S: AsRef<OsStr>>(
        guard: Option<&Path>,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut command = match guard {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let (reader, writer) = io::pipe()?;
        command
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .kill_on_drop(true);
        let child = command.spawn()?;
        // Its ends of the pipe are the machine's alone from here on: when it is gone, the output ends.
        drop(command);
        Ok(Self { child, output: pipe::Receiver::from_owned_fd(reader.into())? })
    }

    /// What it says next; nothing once it has ended.
    pub(super) async fn output(&mut self) -> io::Result<Vec<u8>> {
        let mut chunk = vec![0; CHUNK];
        let read = self.output.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok(chunk)
    }

    /// Ends it, and waits until it has.
    pub(super) async fn end(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}
