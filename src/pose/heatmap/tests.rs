//! Hand-made heads of one animal: what the decoder must make of them.
