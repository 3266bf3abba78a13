//! Hand-made heads of several animals: what the decoder must make of them.
