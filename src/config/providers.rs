//! Where ONNX Runtime runs a model: its execution providers, as `onnxruntime_providers` and the command line name them.

/// One of ONNX Runtime's execution providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// NVIDIA GPUs through TensorRT.
    TensorRt,
    /// NVIDIA GPUs through CUDA and cuDNN.
    Cuda,
    /// The CPU.
    Cpu,
}

impl Provider {
    /// Each with its word.
    pub const WORDS: [(&'static str, Self); 3] =
        [("tensorrt", Self::TensorRt), ("cuda", Self::Cuda), ("cpu", Self::Cpu)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, provider)| *provider == self).map_or("cpu", |(word, _)| word)
    }

    /// Those that the words name, in their order: what the first cannot run falls to the next, and to the CPU only where it is named.
    pub fn list<W: AsRef<str>>(words: &[W]) -> Result<Vec<Self>, String> {
        const ALLOWED: &str = "allowed: tensorrt, cuda and cpu, each once, the CPU last";
        let mut providers = Vec::new();
        for word in words {
            let word = word.as_ref();
            let Some((_, provider)) = Self::WORDS.iter().find(|(known, _)| *known == word) else {
                return Err(format!("got {word:?}; {ALLOWED}"));
            };
            if providers.contains(provider) || providers.contains(&Self::Cpu) {
                return Err(format!("got {word:?} after {:?}; {ALLOWED}", said(&providers)));
            }
            providers.push(*provider);
        }
        if providers.is_empty() { Err(format!("got none; {ALLOWED}")) } else { Ok(providers) }
    }
}

/// Their words in a row.
pub fn said(providers: &[Provider]) -> String {
    providers.iter().map(|provider| provider.word()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_stand_in_their_order() {
        assert_eq!(
            Provider::list(&["tensorrt", "cuda", "cpu"]),
            Ok(vec![Provider::TensorRt, Provider::Cuda, Provider::Cpu])
        );
        assert_eq!(Provider::list(&["cuda"]), Ok(vec![Provider::Cuda]));
    }

    #[test]
    fn each_wrong_list_is_told() {
        const ALLOWED: &str = "allowed: tensorrt, cuda and cpu, each once, the CPU last";
        for (words, said) in [
            (vec!["rocm"], "got \"rocm\""),
            (vec![], "got none"),
            (vec!["cuda", "cuda"], "got \"cuda\" after \"cuda\""),
            (vec!["tensorrt", "cpu", "cuda"], "got \"cuda\" after \"tensorrt, cpu\""),
        ] {
            assert_eq!(Provider::list(&words), Err(format!("{said}; {ALLOWED}")));
        }
    }
}
