//! What one input may allocate.
//!
//! libFuzzer looks at the size of the process once a second, and sees single allocations only with
//! the help of a sanitizer. Here every allocation of Rust code is counted, so the bounds are exact
//! and far tighter than those of the process. An input that passes them ends the process, which
//! libFuzzer records as a crash.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::Write,
    process,
    sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed},
};

/// Most that one allocation may have, bytes: sixteen of the largest frames.
pub const ONE: usize = 1 << 20;

/// Most that may be held at a time on behalf of an input, bytes.
pub const HELD: isize = 8 << 20;

/// Bytes held since the input began; below zero where what was held before has been released.
static BALANCE: AtomicIsize = AtomicIsize::new(0);

/// Whether an input is being worked on.
static BOUNDED: AtomicBool = AtomicBool::new(false);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs one input within the bounds.
pub fn bounded(run: impl FnOnce()) {
    BALANCE.store(0, Relaxed);
    BOUNDED.store(true, Relaxed);
    run();
    BOUNDED.store(false, Relaxed);
}

fn take(size: usize) {
    if !BOUNDED.load(Relaxed) {
        return;
    }
    let held = BALANCE.fetch_add(size as isize, Relaxed) + size as isize;
    // What a panic takes to say what happened is not the input's.
    if (size > ONE || held > HELD) && !std::thread::panicking() {
        // Saying so may allocate.
        BOUNDED.store(false, Relaxed);
        let _ = writeln!(
            std::io::stderr(),
            "an allocation of {size} bytes, {held} held: allowed are {ONE} and {HELD}"
        );
        process::abort();
    }
}

fn give(size: usize) {
    BALANCE.fetch_sub(size as isize, Relaxed);
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; it only counts")]
// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        give(layout.size());
        System.dealloc(place, layout)
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        give(layout.size());
        System.realloc(place, layout, size)
    }
}
