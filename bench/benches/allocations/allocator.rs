//! Counts what this binary allocates, by thread.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait; this one hands everything on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[derive(Debug, Clone, Copy, Default)]
pub struct Use {
    /// How often memory was asked for, growing included.
    pub times: usize,
    /// How many bytes were asked for altogether.
    pub bytes: usize,
    /// The most bytes that were held at once.
    pub peak: usize,
    held: isize,
}

thread_local! {
    static USE: Cell<Use> = const { Cell::new(Use { times: 0, bytes: 0, peak: 0, held: 0 }) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `work` takes beyond what was held before it.
pub fn of<T>(work: impl FnOnce() -> T) -> (T, Use) {
    let before = USE.replace(Use::default());
    let done = work();
    (done, USE.replace(before))
}

fn count(more: isize) {
    // A thread that ends frees memory when its counters are gone.
    let _ = USE.try_with(|counters| {
        let Use { times, bytes, peak, held } = counters.get();
        let held = held.saturating_add(more);
        counters.set(Use {
            times: times + usize::from(more > 0),
            bytes: bytes + usize::try_from(more).unwrap_or(0),
            peak: peak.max(usize::try_from(held).unwrap_or(0)),
            held,
        });
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps to the trait's contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}
