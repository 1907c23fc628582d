//! Decides only how to leave.

fn main() {}
