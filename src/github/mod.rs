//! The only door to octocrab: what the forge's API is told, and asked.
//!
//! Works with GitHub, GitHub Enterprise (`/api/v3`) and Gitea or Forgejo (`/api/v1`), which share the
//! form of these calls and differ in their replies. So an answer is judged by its code and headers,
//! and its body is read only for the sentence in it. A redirect is never followed: it could carry the
//! token to another host.

mod answer;
mod client;
mod hooks;
mod status;

pub use self::{
    answer::{Answered, Failure},
    client::{BadApi, Config, Github},
    hooks::{Hook, HookSettings},
};
