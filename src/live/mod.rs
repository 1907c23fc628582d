//! What the monitor page shows now.
