//! Finds libonebit.so: in ONEBIT_LIB_DIR, else in build/release of the tree that this crate lies in, else where the
//! linker looks.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

fn library_folder() -> Option<PathBuf> {
    println!("cargo:rerun-if-env-changed=ONEBIT_LIB_DIR");
    if let Some(named) = env::var_os("ONEBIT_LIB_DIR") {
        let named = PathBuf::from(named);
        if !named.join("libonebit.so").exists() {
            panic!("ONEBIT_LIB_DIR is {}, expected a folder with libonebit.so", named.display());
        }
        return Some(named);
    }
    let tree = Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).join("../../build/release");
    println!("cargo:rerun-if-changed={}", tree.join("libonebit.so").display());
    fs::canonicalize(tree).ok().filter(|folder| folder.join("libonebit.so").exists())
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-lib=dylib=onebit");
    let (folder, out) = match (library_folder(), env::var_os("OUT_DIR")) {
        (Some(folder), Some(out)) => (folder, PathBuf::from(out)),
        _ => return,
    };
    // Cargo lets programs that it runs find libraries in folders of its own only, hence links there.
    for name in ["libonebit.so", "libonebit.so.0"] {
        let (library, link) = (folder.join(name), out.join(name));
        let _ = fs::remove_file(&link);
        if library.exists() {
            if let Err(error) = symlink(&library, &link) {
                panic!("{}: cannot link to {}: {}", link.display(), library.display(), error);
            }
        }
    }
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:lib_dir={}", folder.display());
}
