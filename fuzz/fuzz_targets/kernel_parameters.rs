//! The target `kernel_parameters` with a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::kernel_parameters::run(data));
