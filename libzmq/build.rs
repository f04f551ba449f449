//! Names the library as distributions do, and links the unwinder into it, so that it needs nothing but libc.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libzmq.so.5");
    // A thread that looks up a name may run on behind the end of the last context, for as long as the lookup takes: its code
    // must stay where it is when the library is unloaded.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        // Rust's standard library asks for -lgcc_s; found here first, that name means the static half of it.
        let folder = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
        fs::write(folder.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n").expect("OUT_DIR can be written to");
        println!("cargo:rustc-link-search=native={}", folder.display());
    }
}
