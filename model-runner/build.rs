//! Where llama.cpp is built as shared libraries, programs must find them: beside themselves, in ../lib/groupchat, or
//! where they were built.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[expect(clippy::disallowed_methods, reason = "this is how cargo talks to a build script")]
    let (backends, system) = (env::var("DEP_LLAMA_BACKENDS_DIR"), env::var("CARGO_CFG_TARGET_OS"));
    let (Ok(backends), Ok("linux")) = (backends, system.as_deref()) else { return };
    let libraries = Path::new(&backends).with_file_name("lib");
    // For the build script of the program that has this crate in it.
    println!("cargo:run_path=$ORIGIN:$ORIGIN/../lib/groupchat:{}", libraries.display());
    // The old kind of tag, since the libraries look for one another too, and the new one holds for the program alone.
    println!(
        "cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN:$ORIGIN/../lib/groupchat:{}",
        libraries.display()
    );
}
