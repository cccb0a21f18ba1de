//! Reads what a GGUF file says about its tensors.

use std::{
    collections::HashSet,
    io::{Read, Seek},
};

use super::{BadGguf, reader::Reader};

/// The largest models have some thousands.
const MAX_TENSORS: u64 = 64 * 1024;

/// What the header says about a tensor.
pub(super) struct Tensor {
    pub(super) name: String,
    /// The first is the length of a row.
    pub(super) dimensions: Vec<u64>,
    /// ggml's number of the type of its elements.
    pub(super) kind: u32,
    /// Bytes; none where the type is newer than the table here.
    length: Option<u64>,
    offset: u64,
}

/// Reads `count` tensors and checks that each is where the file has bytes for it.
pub(super) fn read(reader: &mut Reader<impl Read + Seek>, count: u64, alignment: u64) -> Result<Vec<Tensor>, BadGguf> {
    if count > MAX_TENSORS {
        return Err(BadGguf::Damaged(format!("it claims to hold {count} tensors")));
    }
    let tensors = (0..count).map(|_| read_tensor(reader)).collect::<Result<Vec<_>, _>>()?;
    let mut names = HashSet::new();
    for tensor in &tensors {
        if tensor.offset % alignment != 0 {
            return Err(BadGguf::Damaged(format!("the tensor {} begins between two places", tensor.name)));
        }
        if !names.insert(&tensor.name) {
            return Err(BadGguf::Damaged("two tensors have the same name".to_owned()));
        }
    }
    let data = reader.position().next_multiple_of(alignment);
    check_end(&tensors, data, reader.size())?;
    Ok(tensors)
}

fn check_end(tensors: &[Tensor], data: u64, size: u64) -> Result<(), BadGguf> {
    let end = |tensor: &Tensor| data.saturating_add(tensor.offset).saturating_add(tensor.length.unwrap_or(0));
    match tensors.iter().max_by_key(|tensor| end(tensor)) {
        None => Err(BadGguf::Damaged("it holds no tensors".to_owned())),
        Some(last) if end(last) > size => {
            Err(BadGguf::CutOff { what: format!("the tensor {}", last.name), end: end(last), size })
        }
        Some(_) => Ok(()),
    }
}

fn read_tensor(reader: &mut Reader<impl Read + Seek>) -> Result<Tensor, BadGguf> {
    let name = reader.string("a tensor's name")?;
    let count = reader.u32(&name)?;
    if count > 4 {
        return Err(BadGguf::Damaged(format!("the tensor {name} has {count} dimensions")));
    }
    let dimensions = (0..count).map(|_| reader.u64(&name)).collect::<Result<Vec<_>, _>>()?;
    let elements = dimensions
        .iter()
        .try_fold(1_u64, |elements, &length| elements.checked_mul(length))
        .filter(|&elements| elements <= i64::MAX as u64)
        .ok_or_else(|| BadGguf::Damaged(format!("the tensor {name} has too many elements")))?;
    let row = dimensions.first().copied().unwrap_or(1);
    let kind = reader.u32(&name)?;
    let offset = reader.u64(&name)?;
    let length = match block(kind) {
        Some((block, _)) if row % block != 0 => {
            return Err(BadGguf::Damaged(format!("the rows of the tensor {name} are not whole blocks")));
        }
        Some((block, bytes)) => Some((elements / block).saturating_mul(bytes)),
        None => None,
    };
    Ok(Tensor { name, dimensions, kind, length, offset })
}

/// How many elements a block of a tensor type has, and how many bytes. None where the type is not known here: then
/// llama.cpp decides.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        _ => return None,
    })
}
