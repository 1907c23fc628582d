//! The only door to git2: mirrors, checkouts, trees.
