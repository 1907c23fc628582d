//! Log files by build id.
