//! What screens are fed from: outcomes are durable elsewhere, pictures are not.
