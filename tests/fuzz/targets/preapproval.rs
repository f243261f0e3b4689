#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| patchctl::fuzzing::preapproval(data));
