//! A world for a test: real git repositories, a real engine, the real binary, and a forge's signature.
//!
//! A [`World`] ends its service and fails the test if that left a container, a network or a folder.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, missing_docs, reason = "a module of several test binaries, not a library")]
#![allow(clippy::print_stderr, reason = "a failing test shows the service's log")]

pub mod bench;
pub mod client;
pub mod docker;
pub mod forge_api;
pub mod hub;
pub mod hub_archive;
pub mod redis;
pub mod repository;
pub mod world;

pub use self::world::World;
