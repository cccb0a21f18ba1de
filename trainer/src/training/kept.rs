//! What comes of the layers below an adapter, which never changes: computed once for all tokens, and kept on the disk.
//!
//! The file has no name from the moment it is made, so that it goes with the process, however that ends. From such states
//! the messages can nearly be read, and nobody who withdraws would look for them here; nor can a later training find those
//! of other rows or of another base, or half of them. One that goes on computes them again, in the same parts and so to
//! the same numbers, whatever its steps are.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{batches::Part, checkpoint::bytes, numbers, plan::size};
use crate::error::{Error, Result};

/// Bytes that stay free for checkpoints and adapters.
const TO_SPARE: u64 = 1 << 28;

/// The states of tokens: records of `width` 32-bit floats. Half as many bits would do for learning, but not for the
/// numbers of a training that keeps nothing.
#[derive(Debug)]
pub(super) struct KeptStates {
    file: File,
    /// Where it would be if it had a name.
    path: PathBuf,
    width: usize,
    /// How many records there are.
    count: u64,
    /// For each row the records of its tokens, but for the last.
    records: Vec<Vec<u32>>,
}

impl KeptStates {
    /// Room for `bytes` bytes of states of `width` numbers, in a folder.
    pub(super) fn create(folder: &Path, width: usize, bytes: u64) -> Result<Self> {
        ensure_room(folder, bytes)?;
        let path = folder.join("states");
        let make = || {
            // What one that was killed at this very place has left is empty.
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        };
        let file = make().map_err(|error| Error::file("make", &path, error))?;
        Ok(Self { file, path, width, count: 0, records: Vec::new() })
    }

    /// How many tokens' states there are.
    pub(super) fn tokens(&self) -> usize {
        self.count as usize
    }

    /// Keeps the states of a part's tokens, in their order.
    pub(super) fn add(&mut self, part: &Part, states: &[f32]) -> Result<()> {
        assert_eq!(states.len(), part.packed.len() * self.width, "each token has a state");
        self.file
            .write_all_at(&bytes(states), self.place(self.count))
            .map_err(|e| Error::file("write", &self.path, e))?;
        for (number, &row) in part.rows.iter().enumerate() {
            let records = part.packed.row(number).into_iter().map(|place| self.count as u32 + place).collect();
            if self.records.len() <= row {
                self.records.resize_with(row + 1, Vec::new);
            }
            self.records[row] = records;
        }
        self.count += part.packed.len() as u64;
        Ok(())
    }

    /// The states of a part's tokens, in their order, whichever parts its rows were in when they were kept.
    pub(super) fn states(&self, part: &Part) -> Result<Vec<f32>> {
        let records = self.records_of(part);
        let mut read = vec![0; records.len() * self.record_bytes()];
        let mut rest = read.as_mut_slice();
        for run in records.chunk_by(|before, after| before + 1 == *after) {
            let (these, others) = rest.split_at_mut(run.len() * self.record_bytes());
            let place = self.place(u64::from(run[0]));
            self.file.read_exact_at(these, place).map_err(|error| Error::file("read", &self.path, error))?;
            rest = others;
        }
        Ok(numbers(&read))
    }

    /// The record of each token. What rows share was kept once or several times, and any of these is right.
    fn records_of(&self, part: &Part) -> Vec<u32> {
        let mut records = vec![0; part.packed.len()];
        for (number, &row) in part.rows.iter().enumerate() {
            for (place, &record) in part.packed.row(number).into_iter().zip(&self.records[row]) {
                records[place as usize] = record;
            }
        }
        records
    }

    fn record_bytes(&self) -> usize {
        self.width * size_of::<f32>()
    }

    fn place(&self, record: u64) -> u64 {
        record * self.record_bytes() as u64
    }
}

fn ensure_room(folder: &Path, bytes: u64) -> Result<()> {
    let room = rustix::fs::statvfs(folder).map_err(|error| Error::file("look at", folder, error.into()))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if free >= bytes.saturating_add(TO_SPARE) {
        return Ok(());
    }
    Err(Error::Request(format!(
        "what comes of the layers below the adapter takes {} of disk while it trains, and in {} {} are free, of \
         which {} are left for checkpoints; make room there, give --out a folder on another disk, or do without with \
         --recompute, which takes longer",
        size(bytes),
        folder.display(),
        size(free),
        size(TO_SPARE)
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        packing::{Example, Packed},
        rows::Unit,
        training::batches::pack,
    };

    const WIDTH: usize = 3;

    /// States that tell a token and all before it, as those of a model do.
    fn states(packed: &Packed, rows: usize) -> Vec<f32> {
        let mut states = vec![0.0; packed.len() * WIDTH];
        for row in 0..rows {
            let mut read = 0.0;
            for place in packed.row(row) {
                read = read * 5.0 + 1.0 + packed.tokens[place as usize] as f32;
                states[place as usize * WIDTH..][..WIDTH].copy_from_slice(&[read, -read, 0.5]);
            }
        }
        states
    }

    fn units(rows: &[Vec<u32>]) -> Vec<Unit> {
        let example = |tokens: &Vec<u32>| Example { tokens: tokens.clone(), answer: 1, weight: 1.0 };
        let windows = rows.chunks(2).enumerate();
        windows.map(|(at, rows)| Unit { first: 2 * at, rows: rows.iter().map(example).collect() }).collect()
    }

    proptest! {
        #[test]
        fn whatever_rows_are_put_together_their_states_are_found(
            rows in prop::collection::vec(prop::collection::vec(0u32..4, 2..9), 1..12),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        ) {
            let (folder, units) = (tempfile::tempdir().unwrap(), units(&rows));
            let mut kept = KeptStates::create(folder.path(), WIDTH, 0).unwrap();
            for part in pack(&units.iter().collect::<Vec<_>>(), 16) {
                kept.add(&part, &states(&part.packed, part.rows.len())).unwrap();
            }
            let chosen: Vec<&Unit> = order.iter().map(|index| index.get(&units)).collect();
            for part in pack(&chosen, 24) {
                prop_assert_eq!(kept.states(&part).unwrap(), states(&part.packed, part.rows.len()));
            }
        }
    }

    #[test]
    fn nothing_of_it_can_be_found_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let units = units(&[vec![1, 2, 3]]);
        let mut kept = KeptStates::create(folder.path(), WIDTH, 24).unwrap();
        let part = pack(&[&units[0]], 16).next().unwrap();
        kept.add(&part, &states(&part.packed, 1)).unwrap();
        assert_eq!(kept.tokens(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_there_is_no_room_it_says_how_much_is_needed_and_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        let error = KeptStates::create(folder.path(), WIDTH, 1 << 60).unwrap_err().to_string();
        for part in ["takes 1152921504.6 GB", "GB are free", "--out", "--recompute"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
