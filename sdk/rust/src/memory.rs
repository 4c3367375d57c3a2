//! Memory of a guest that lives for one call: taken from the end of what the component starts with, never given back.
//!
//! Growing a memory costs the host two system calls that stop all its threads, and freeing is work for nothing when the whole
//! memory is dropped after the call. So this counts upwards through the initial memory (`flotilla plugin build` asks for 1 MiB) and
//! grows it only when that is used up. It never gives memory back, but for the latest piece. Native tests keep their own allocator.
#![cfg(target_arch = "wasm32")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const PAGE: usize = 1 << 16;

unsafe extern "C" {
    /// Where the linker's own data ends; its address counts, not its value.
    static __heap_base: u8;
}

/// The allocator; a WebAssembly guest has one thread, so that `NEXT` is no race.
struct OneCall;

/// The first free address; 0 before the first use.
static NEXT: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static MEMORY: OneCall = OneCall;

/// Makes the memory reach `end`; false when the host refuses.
fn reach(end: usize) -> bool {
    let have = memory_size(0) * PAGE;
    end <= have || memory_grow(0, (end - have).div_ceil(PAGE)) != usize::MAX
}

// SAFETY: pieces never overlap, since each starts at or after the end of the one before it, which `NEXT` holds; a piece is taken
// back or resized in place only when it is the latest, that is when `NEXT` is its end. Sums cannot wrap: `checked_add` sees to it.
unsafe impl GlobalAlloc for OneCall {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = match NEXT.load(Relaxed) {
            0 => &raw const __heap_base as usize,
            next => next,
        };
        let start = next.next_multiple_of(layout.align());
        match start.checked_add(layout.size()) {
            Some(end) if reach(end) => {
                NEXT.store(end, Relaxed);
                start as *mut u8
            }
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if piece as usize + layout.size() == NEXT.load(Relaxed) {
            NEXT.store(piece as usize, Relaxed);
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = piece as usize;
        if start + layout.size() == NEXT.load(Relaxed) {
            return match start.checked_add(size) {
                Some(end) if reach(end) => {
                    NEXT.store(end, Relaxed);
                    piece
                }
                _ => ptr::null_mut(),
            };
        }
        if size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller gives a valid size and alignment; the new piece is as long as the old one or longer, and apart from it.
        unsafe {
            let res = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !res.is_null() {
                ptr::copy_nonoverlapping(piece, res, layout.size());
            }
            res
        }
    }
}
