//! The page in ../web/page is a part of the program: a file that is added to it must not wait for another change.

fn main() {
    println!("cargo:rerun-if-changed=../web/page");
}
