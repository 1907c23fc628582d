//! Where artifacts go: whole or not at all, and the link after them.
