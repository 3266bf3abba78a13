//! Hostile ONNX files: the check that stands before the engines neither panics nor takes memory beyond the file's size.
#![no_main]

use arenad::model::{BUNDLED, Contract, onnx};
use std::sync::LazyLock;

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::find(Some(BUNDLED[0].name.as_ref())).expect("bundled"));

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(onnx::check(data, &CONTRACT.written)));
