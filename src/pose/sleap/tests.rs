//! Hand-made heads: what the decoders must make of them.
