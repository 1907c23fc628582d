//! The configuration repository, parsed: which recipes apply to which push.
