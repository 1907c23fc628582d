//! What must not be lost: pushes, deliveries, builds, statuses to send, the catalog's last good files.
//!
//! Functions here take the transaction they run in, so that [`crate::lifecycle`] can put several
//! changes into one: a push, its builds and its line in the ledger are kept together or not at all.

mod authors;
pub mod builds;
pub mod catalog;
pub mod deliveries;
pub mod history;
pub mod hooks;
mod instance;
mod lock;
pub mod pushes;
pub mod recipes;
pub mod stages;
pub mod statuses;
pub mod walk;

pub use self::{
    instance::{existing_instance, instance_id},
    lock::{InUse, Lock},
};

/// The schema, one entry a step; a step that has been released is never edited.
pub const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];
