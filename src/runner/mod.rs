//! Turns one build into a published artifact.
mod engine;
