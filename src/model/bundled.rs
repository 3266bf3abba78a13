//! The models in the program: add one, or a file to one, by adding to the list.

use super::{Coats, Contract, ModelError};
use std::path::Path;

/// One model in the program.
#[derive(Debug)]
pub struct Bundled {
    /// What `--model` and `model.folder` call it.
    pub name: &'static str,
    contract: &'static str,
    files: &'static [(&'static str, &'static [u8])],
    coats: Option<&'static str>,
}

/// All of them; the first is taken where no folder is named.
pub const BUNDLED: &[Bundled] = &[
    Bundled {
        name: "socialbox",
        contract: include_str!("../../models/socialbox/model.toml"),
        files: &[
            ("model.onnx", include_bytes!("../../models/socialbox/model.onnx")),
            ("model.int8.onnx", include_bytes!("../../models/socialbox/model.int8.onnx")),
            ("model.u8.onnx", include_bytes!("../../models/socialbox/model.u8.onnx")),
        ],
        coats: Some(include_str!("../../models/socialbox/coats.toml")),
    },
    Bundled {
        name: "openfield",
        contract: include_str!("../../models/openfield/model.toml"),
        files: &[("model.onnx", include_bytes!("../../models/openfield/model.onnx"))],
        coats: None,
    },
];

impl Bundled {
    /// The model, checked like any other.
    pub(super) fn contract(&self) -> Result<Contract, ModelError> {
        let folder = Path::new("(bundled)").join(self.name);
        let mut contract = Contract::checked(&folder, self.contract, |written| {
            let found = self.files.iter().find(|(name, _)| *name == written.name);
            let missing = || ModelError::Field {
                file: folder.join("model.toml"),
                field: "files.name".to_owned(),
                what: format!("{} is not in the program; add it to src/model/bundled.rs", written.name),
            };
            found.map(|(_, bytes)| (*bytes).into()).ok_or_else(missing)
        })?;
        if let Some(text) = self.coats {
            contract.coats = Some(Coats::parse(&folder.join("coats.toml"), text)?);
        }
        Ok(contract)
    }
}
