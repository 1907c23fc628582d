//! `autobuilder config`: the effective configuration, secrets hidden.

use super::{ConfigArgs, End, load, terminal, usage};

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<End> {
    let config = load(args)?;
    terminal::print(&config.show());
    config.check().map_err(usage)?;
    Ok(End::Fine)
}
