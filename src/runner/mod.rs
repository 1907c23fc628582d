//! Turns one build into a published artifact.
