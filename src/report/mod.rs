//! Tells the forge how builds go, from a build's state to a status beside its commit; and has it tell us
//! of pushes.
//!
//! ```text
//! lifecycle ─▶ Outbox::note ─▶ row, with the change itself ─▶ Courier ─▶ forge
//! ```
//!
//! The row is the promise; sending is its fulfilment, whatever happens in between. Only the newest
//! state of a context matters, so a burst of builds costs a forge no more than their verdicts.

mod courier;
mod hooks;
mod outbox;
mod pace;
#[cfg(test)]
mod tests;
mod wording;

pub use self::{
    courier::Courier,
    hooks::{HookTroubles, Installer},
    outbox::Outbox,
};
