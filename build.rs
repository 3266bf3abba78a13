//! Compiles the TensorRT shim, with the feature `tensorrt` alone: one object for each major version whose headers are there.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(trt8, trt10, trt11)");
    #[cfg(feature = "tensorrt")]
    tensorrt::compile();
}

#[cfg(feature = "tensorrt")]
mod tensorrt {
    use std::path::{Path, PathBuf};

    const SOURCES: &str = "src/infer/tensorrt";
    /// The major versions that ffi.rs knows.
    const KNOWN: [u32; 3] = [8, 10, 11];

    pub fn compile() {
        for file in [
            "shim.h",
            "shim.cpp",
            "opened.h",
            "build.h",
            "session.h",
            "cuda.h",
            "picture.h",
            "pictures.h",
            "surface.h",
            "input.h",
            "input.cpp",
            "stand_in.c",
            "stand_in_driver.c",
            "stub/cuda_runtime_api.h",
        ] {
            println!("cargo:rerun-if-changed={SOURCES}/{file}");
        }
        println!("cargo:rerun-if-env-changed=TENSORRT_INCLUDE_DIR");
        // The tests' libraries: nothing of them is linked into the program, which never names them. Their numbers are those of a GPU
        // that was told not to fuse multiplication and addition.
        let stand_ins = ["stand_in.c", "stand_in_driver.c"].map(|file| format!("{SOURCES}/{file}"));
        cc::Build::new().files(stand_ins).flag("-ffp-contract=off").opt_level(2).compile("arenad_stand_ins");
        cc::Build::new().cpp(true).std("c++17").file(format!("{SOURCES}/input.cpp")).compile("arenad_input");
        let mut done = Vec::new();
        for folder in folders() {
            println!("cargo:rerun-if-changed={}", folder.join("NvInferVersion.h").display());
            let Some(major) = major(&folder).filter(|major| KNOWN.contains(major)) else {
                println!("cargo:warning={}: no NvInferVersion.h of TensorRT 8, 10 or 11; left out", folder.display());
                continue;
            };
            if done.contains(&major) {
                continue;
            }
            shim(&folder, major);
            done.push(major);
        }
        if done.is_empty() {
            println!(
                "cargo:warning=no TensorRT headers: the engine says that it is not built in; set TENSORRT_INCLUDE_DIR"
            );
        }
    }

    /// `TENSORRT_INCLUDE_DIR`, several with `:` between; else where the board's package puts the headers.
    fn folders() -> Vec<PathBuf> {
        if let Some(named) = std::env::var_os("TENSORRT_INCLUDE_DIR") {
            return std::env::split_paths(&named).filter(|folder| !folder.as_os_str().is_empty()).collect();
        }
        let processor = std::env::var_os("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
        let folder = Path::new("/usr/include").join(format!("{}-linux-gnu", processor.to_string_lossy()));
        if folder.join("NvInfer.h").exists() { vec![folder] } else { Vec::new() }
    }

    fn shim(folder: &Path, major: u32) {
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .file(format!("{SOURCES}/shim.cpp"))
            .include(format!("{SOURCES}/stub"))
            .include(folder)
            .define("ARENAD_TRT_MAJOR", major.to_string().as_str())
            .define("nvinfer1", format!("arenad_nvinfer_{major}").as_str())
            .define("nvonnxparser", format!("arenad_nvonnx_{major}").as_str())
            .flag("-Wno-deprecated-declarations")
            .flag("-Wno-unused-parameter")
            .compile(&format!("arenad_trt_{major}"));
        println!("cargo:rustc-cfg=trt{major}");
    }

    /// `#define NV_TENSORRT_MAJOR 10`, or through another name as the later headers have it.
    fn major(folder: &Path) -> Option<u32> {
        let text = std::fs::read_to_string(folder.join("NvInferVersion.h")).ok()?;
        let meaning = |name: &str| {
            text.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next()).flatten()
            })
        };
        let word = meaning("NV_TENSORRT_MAJOR")?;
        word.parse().ok().or_else(|| meaning(word)?.parse().ok())
    }
}
