//! Adapters from and for other programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use model_runner::{Quantisation, quantise};
use trainer::{
    adapter::{self, Notes},
    gguf::Base,
};

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The folder with adapter_config.json and adapter_model.safetensors
    folder: PathBuf,
    /// The base that it was trained on, in GGUF, as it is going to be served
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The adapter, in GGUF
    file: PathBuf,
    /// The base's name on the hub, for those who load the adapter
    #[arg(long, value_name = "NAME", default_value = "")]
    base_name: String,
    /// The folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The adapter, in GGUF
    file: PathBuf,
    /// The base that it was trained on, in GGUF
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many bits a weight gets
    #[arg(long, value_enum, default_value_t = Bits::Q4KM)]
    quantisation: Bits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bits {
    #[value(name = "f16")]
    F16,
    #[value(name = "q8_0")]
    Q8_0,
    #[value(name = "q4_k_m")]
    Q4KM,
}

/// Refuses to write over what is there.
fn ensure_free(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        bail!("{} is there already; name another file with --out, or remove it", path.display());
    }
    Ok(())
}

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<()> {
    ensure_free(&args.out)?;
    let base = Base::open(&args.model)?;
    let shape = base.shape().clone();
    let adapter = adapter::import(&args.folder, shape.family)?;
    let misfit = adapter
        .pairs
        .iter()
        .find(|pair| pair.layer >= shape.layers || (pair.outputs(), pair.inputs()) != shape.size_of(pair.module));
    if let Some(pair) = misfit {
        bail!(
            "the adapter was made for another model than {}: its layer {}, {}, is of another size",
            args.model.display(),
            pair.layer,
            pair.module.peft_name()
        );
    }
    let name = args.out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let notes = Notes { name, base_name: base.name(), base_sha256: base.sha256()?, ..Notes::default() };
    adapter::write(&args.out, &adapter, &notes)?;
    println!("written to {}; `groupchat adapter use` has a community speak with it", args.out.display());
    Ok(())
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<()> {
    ensure_free(&args.out)?;
    adapter::export(&args.out, &adapter::read(&args.file)?, &args.base_name)?;
    println!("written to {}", args.out.display());
    Ok(())
}

pub(super) fn merge(args: &MergeArgs) -> anyhow::Result<()> {
    ensure_free(&args.out)?;
    let adapter = adapter::read(&args.file)?;
    let mut base = Base::open(&args.model)?;
    let name = args.out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let quantisation = match args.quantisation {
        Bits::F16 => {
            adapter::merge(&mut base, &adapter, &name, &args.out)?;
            println!("written to {}", args.out.display());
            return Ok(());
        }
        Bits::Q8_0 => Quantisation::Q8_0,
        Bits::Q4KM => Quantisation::Q4KM,
    };
    // Beside the result, since the folder for temporary files may be small, and all of F16 goes through it.
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::tempdir_in(folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    let (whole, small) = (temporary.path().join("f16.gguf"), temporary.path().join("quantised.gguf"));
    adapter::merge(&mut base, &adapter, &name, &whole)?;
    if let Err(reason) = quantise(&whole, &small, quantisation) {
        bail!("llama.cpp could not quantise the merged model: {reason}");
    }
    std::fs::rename(&small, &args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("written to {}", args.out.display());
    Ok(())
}
