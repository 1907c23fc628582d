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

/// One page for all commands: pages of their own would have to be installed one by one.
pub(super) fn man(mut command: clap::Command) -> anyhow::Result<End> {
    // Gives each command its full name.
    command.build();
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_options_section(&mut text)?;
    for command in command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        text.extend(section(command)?.into_bytes());
    }
    terminal::print(&String::from_utf8(text)?);
    Ok(End::Fine)
}

fn section(command: &clap::Command) -> anyhow::Result<String> {
    // What every command has is explained once, at the top.
    let everywhere =
        |argument: &clap::Arg| argument.is_global_set() || ["help", "version"].contains(&argument.get_id().as_str());
    let command = command.clone().mut_args(|argument| {
        let hidden = everywhere(&argument);
        argument.hide(hidden)
    });
    let name = command.get_name().to_uppercase();
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render_description_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_options_section(&mut text)?;
    let text = String::from_utf8(text)?;
    let text = text.replace(".SH DESCRIPTION\n", &format!(".SH {name}\n"));
    Ok(text.replace(".SH SYNOPSIS\n", ".PP\n").replace(".SH OPTIONS\n", ""))
}
