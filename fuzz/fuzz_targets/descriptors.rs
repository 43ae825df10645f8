#![no_main]

use std::sync::Once;

static ONLY_OURS: Once = Once::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // The hook that is there ends the process, also where a panic of prost-reflect's errors is caught.
    ONLY_OURS.call_once(|| {
        let end = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let theirs = panic.location().is_some_and(|at| at.file().contains("prost-reflect"));
            if !theirs {
                end(panic);
            }
        }));
    });
    fuzz::targets::descriptors(data);
});
