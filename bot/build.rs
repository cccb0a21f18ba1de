//! The page in ../web/page is a part of the program: a file that is added to it must not wait for another change. And
//! where llama.cpp is built as shared libraries, the program must find them.

fn main() {
    println!("cargo:rerun-if-changed=../web/page");
    #[expect(clippy::disallowed_methods, reason = "this is how cargo talks to a build script")]
    if let Ok(run_path) = std::env::var("DEP_MODEL_RUNNER_RUN_PATH") {
        println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,{run_path}");
    }
}
