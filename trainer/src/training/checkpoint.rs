//! What a training needs to go on after it was killed: parameters, moments, and how far it was.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::{
    backend::Backend,
    error::{Error, Result},
    optimiser::Optimiser,
    parameters::Parameters,
    whole_file::WholeFile,
};

/// How far a training is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// What is trained, on what, and how: a training goes on only with the same.
    pub(super) fingerprint: String,
    /// Steps that are done.
    pub(super) step: u64,
    /// After which step it was last looked at the validation rows.
    pub(super) looked: Option<u64>,
    /// The best loss on the validation rows, and after which step.
    pub(super) best: Option<(f64, u64)>,
    /// How often the loss on the validation rows did not get better since.
    pub(super) worse: u32,
    /// The share of five-grams that drawn replies had in common with the training text, the latest last.
    pub(super) overlaps: Vec<f64>,
    /// Why it is over, where it is.
    pub(super) over: Option<String>,
}

const STATE: &str = "groupchat.state";

/// The checkpoint of a training.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
}

impl Checkpoint {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("checkpoint.safetensors") }
    }

    /// Writes a checkpoint; the one before stays until it is whole.
    pub(super) fn save<B: Backend>(
        &self,
        backend: &B,
        state: &State,
        parameters: &Parameters<B::Matrix>,
        optimiser: &Optimiser,
    ) -> Result<()> {
        let mut tensors = Vec::new();
        for (parameter, [first, second]) in parameters.iter().zip(&optimiser.moments) {
            let shape = vec![parameter.rows, parameter.columns];
            let value = backend.values(&parameter.value)?;
            for (part, values) in [("value", &value), ("first", first), ("second", second)] {
                tensors.push((format!("{part}.{}", parameter.name), shape.clone(), bytes(values)));
            }
        }
        let text = serde_json::to_string(state).expect("a state is plain data");
        self.write(&tensors, HashMap::from([(STATE.to_owned(), text)]))
    }

    fn write(&self, tensors: &[(String, Vec<usize>, Vec<u8>)], metadata: HashMap<String, String>) -> Result<()> {
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a matrix has its size");
            (name.as_str(), view)
        });
        let bytes = safetensors::serialize(views, Some(metadata)).expect("names are different");
        WholeFile::write(&self.path, &bytes)
    }

    /// Reads how far a training was, and puts parameters and moments back. None where there is no checkpoint.
    pub(super) fn restore<B: Backend>(
        &self,
        backend: &B,
        fingerprint: &str,
        parameters: &mut Parameters<B::Matrix>,
        optimiser: &mut Optimiser,
    ) -> Result<Option<State>> {
        let content = match fs::read(&self.path) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &self.path, error)),
        };
        let state = self.state(&content)?;
        if state.fingerprint != fingerprint {
            return Err(Error::Request(format!(
                "{} is of another training (other rows, base or options); give --out another folder, or --restart to \
                 begin anew there",
                self.path.display()
            )));
        }
        let tensors = SafeTensors::deserialize(&content).map_err(|_| self.damaged())?;
        for (parameter, moments) in parameters.iter_mut().zip(&mut optimiser.moments) {
            let of = |part: &str| self.numbers(&tensors, &format!("{part}.{}", parameter.name));
            let (value, first, second) = (of("value")?, of("first")?, of("second")?);
            parameter.value = backend.matrix(parameter.rows, parameter.columns, value)?;
            *moments = [first, second];
        }
        optimiser.steps = state.step;
        Ok(Some(state))
    }

    fn state(&self, content: &[u8]) -> Result<State> {
        let (_, metadata) = SafeTensors::read_metadata(content).map_err(|_| self.damaged())?;
        let text = metadata.metadata().as_ref().and_then(|texts| texts.get(STATE));
        text.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| self.damaged())
    }

    fn numbers(&self, tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>> {
        let view = tensors.tensor(name).map_err(|_| self.damaged())?;
        Ok(numbers(view.data()))
    }

    fn damaged(&self) -> Error {
        Error::Content { path: self.path.clone(), reason: "it is no checkpoint; --restart begins anew".to_owned() }
    }

    /// Forgets it.
    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", &self.path, error)),
            _ => Ok(()),
        }
    }
}

pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(crate) fn numbers(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|value| f32::from_le_bytes(*value)).collect()
}
