//! The target `host_parameters` with a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::host_parameters::run(data));
