//! What the process says when llama.cpp ends it while a file is being loaded.
//!
//! llama.cpp answers what it did not expect of a file with an assertion, an exception that nobody catches, or a read of
//! memory that is not there. The check of the header refuses what is known to lead there; for the rest there is no way
//! back, but there is a sentence on stderr and an exit code, as if the file had been refused.
//!
//! This replaces the handlers of the whole process, so it is to be used only around the loading of a file and the first
//! step of the computation with it, on one thread at a time.

use std::{
    ffi::{CStr, c_char, c_int},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicUsize, Ordering},
    },
};

use crate::args::EXIT_BAD_MODEL;

/// Runs what loads a model. If it ends the process, that is with [`EXIT_BAD_MODEL`] and a sentence that names the file.
pub(crate) fn while_loading<T>(model: &Path, load: impl FnOnce() -> T) -> T {
    prepared(&Words { file: model, role: "a model", exit: i32::from(EXIT_BAD_MODEL) }, load)
}

/// Runs what loads an adapter. If it ends the process, that is with exit code 1, since the model may be a good one, and
/// a sentence that names the file.
pub(crate) fn while_loading_adapter<T>(adapter: &Path, load: impl FnOnce() -> T) -> T {
    prepared(&Words { file: adapter, role: "an adapter", exit: 1 }, load)
}

struct Words<'a> {
    file: &'a Path,
    role: &'static str,
    exit: i32,
}

fn prepared<T>(words: &Words<'_>, load: impl FnOnce() -> T) -> T {
    /// The handlers belong to the process, so one thread at a time may replace them.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    BEGINNING.set(&[b"cannot use ", words.file.as_os_str().as_bytes(), b" as ", words.role.as_bytes(), b": "]);
    EXIT.store(words.exit, Ordering::Relaxed);
    let _handlers = Handlers::install();
    load()
}

/// The longest path and the words around it.
const ROOM: usize = 4096 + 64;

/// Text that a signal handler may read: it is never moved or freed, and reading it takes no lock.
struct Text {
    bytes: [AtomicU8; ROOM],
    length: AtomicUsize,
}

static BEGINNING: Text = Text { bytes: [const { AtomicU8::new(0) }; ROOM], length: AtomicUsize::new(0) };
static EXIT: AtomicI32 = AtomicI32::new(1);

impl Text {
    fn set(&self, parts: &[&[u8]]) {
        let mut length = 0;
        for (&byte, place) in parts.iter().copied().flatten().zip(&self.bytes) {
            place.store(byte, Ordering::Relaxed);
            length += 1;
        }
        self.length.store(length, Ordering::Release);
    }

    /// Writes it without a copy: a signal handler may have no more stack than a few kilobytes.
    fn write(&self) {
        let length = self.length.load(Ordering::Acquire);
        // SAFETY: an AtomicU8 has the representation of a u8, and the length is at most that of the array.
        unsafe { libc::write(libc::STDERR_FILENO, self.bytes.as_ptr().cast(), length) };
    }
}

const REMEDY: &[u8] =
    b"); it is damaged, or of a kind that this version of llama.cpp does not support: fetch it again or give another\n";

/// Says why and ends the process. It calls only what a signal handler may call (see signal-safety(7)), since it may run
/// in the middle of anything.
fn end(reason: &[u8]) -> ! {
    static SPOKEN: AtomicBool = AtomicBool::new(false);
    while SPOKEN.swap(true, Ordering::Relaxed) {
        // Another thread speaks and is about to end the process.
        // SAFETY: pause takes nothing and only waits.
        unsafe { libc::pause() };
    }
    BEGINNING.write();
    for part in [b"llama.cpp gave it up (", reason, REMEDY] {
        // SAFETY: the pointer and the length are those of a slice. Nothing can be done where stderr takes nothing.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: _exit takes any number and does not return; nothing that others hold is touched.
    unsafe { libc::_exit(EXIT.load(Ordering::Relaxed)) }
}

extern "C" fn on_signal(signal: c_int) {
    let name: &[u8] = match signal {
        libc::SIGSEGV | libc::SIGBUS => b"a read of memory that is not there",
        libc::SIGFPE => b"a division by zero",
        _ => b"an error that it did not explain",
    };
    end(name)
}

/// llama.cpp's own assertions. They can be on any thread, but not within a signal handler.
unsafe extern "C" fn on_assertion(message: *const c_char) {
    // SAFETY: ggml passes a string that ends with 0 and outlives the call.
    let message = unsafe { CStr::from_ptr(message) }.to_bytes();
    // It begins with the path of a source file on the machine where this was built, which tells nobody anything.
    let name = message.iter().rposition(|&byte| byte == b'/').map_or(message, |slash| &message[slash + 1..]);
    end(name.split(|&byte| byte == b'\n').next().unwrap_or(name))
}

extern "C" fn on_uncaught_exception() {
    end(b"an exception that nobody caught")
}

/// A function that C++ calls where an exception is not caught.
type TerminateHandler = Option<extern "C" fn()>;

unsafe extern "C" {
    /// `std::set_terminate`, in the spelling of the C++ ABI of Linux and macOS. llama.cpp's own handler would print the
    /// stack of all threads and run a debugger for it.
    #[link_name = "_ZSt13set_terminatePFvvE"]
    fn set_terminate(handler: TerminateHandler) -> TerminateHandler;
}

const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// The handlers that were there before; they come back when this is dropped.
struct Handlers {
    assertion: llama_cpp_sys_2::ggml_abort_callback_t,
    exception: TerminateHandler,
    signals: [libc::sigaction; SIGNALS.len()],
}

impl Handlers {
    fn install() -> Self {
        // SAFETY: both functions only store the pointer, and what is stored is there as long as the program.
        let (assertion, exception) = unsafe {
            (llama_cpp_sys_2::ggml_set_abort_callback(Some(on_assertion)), set_terminate(Some(on_uncaught_exception)))
        };
        Self { assertion, exception, signals: SIGNALS.map(replace_handler) }
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, previous) in SIGNALS.iter().zip(&self.signals) {
            // SAFETY: `previous` is what sigaction gave for this signal.
            unsafe { libc::sigaction(*signal, previous, ptr::null_mut()) };
        }
        // SAFETY: these are the handlers that were there before.
        unsafe {
            llama_cpp_sys_2::ggml_set_abort_callback(self.assertion);
            set_terminate(self.exception);
        }
    }
}

fn replace_handler(signal: c_int) -> libc::sigaction {
    let handler: extern "C" fn(c_int) = on_signal;
    let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros is a valid sigaction (no flags, an empty mask), and sigaction reads the one and writes the other.
    // On the stack that Rust gives its threads for it (SA_ONSTACK) the handler runs even where the stack is full.
    unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(signal, &action, previous.as_mut_ptr());
        previous.assume_init()
    }
}
