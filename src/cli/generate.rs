//! What is generated from the program itself: schema, completions, manual page.

use super::{End, terminal};
use crate::catalog;

pub(super) fn schema() -> anyhow::Result<End> {
    let text = serde_json::to_string_pretty(&catalog::schema())?;
    terminal::print(&format!("{text}\n"));
    Ok(End::Fine)
}

pub(super) fn completions(command: &mut clap::Command, shell: clap_complete::Shell) -> anyhow::Result<End> {
    let mut text = Vec::new();
    clap_complete::generate(shell, command, "autobuilder", &mut text);
    terminal::print(&String::from_utf8(text)?);
    Ok(End::Fine)
}

pub(super) fn man(command: clap::Command) -> anyhow::Result<End> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    terminal::print(&String::from_utf8(text)?);
    Ok(End::Fine)
}
