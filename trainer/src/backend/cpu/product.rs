//! Matrix products on parts of matrices: the safe face of the crate `gemm`.

use std::marker::PhantomData;

use gemm::Parallelism;

/// A matrix to read, anywhere in a slice, in any order of its elements.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Operand<'a> {
    /// Rows one after the other.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Rows that lie `row_stride` apart.
    pub(super) fn strided(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { values, rows, columns, row_stride, column_stride: 1 }
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn check(&self) {
        let last = self.rows.saturating_sub(1) * self.row_stride + self.columns.saturating_sub(1) * self.column_stride;
        assert!(self.rows * self.columns == 0 || last < self.values.len(), "an operand lies outside its slice");
    }
}

/// Some columns of a matrix to write. Those of one matrix that were handed out together do not overlap.
pub(super) struct Columns<'a> {
    first: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `Columns` is the only one that reaches its elements, as a `&mut [f32]` is.
unsafe impl Send for Columns<'_> {}

impl<'a> Columns<'a> {
    /// All columns of a matrix.
    pub(super) fn all(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix has rows times columns elements");
        Self { first: values.as_mut_ptr(), rows, columns, row_stride: columns, owner: PhantomData }
    }

    /// The columns in groups of `width`, the last of which may have fewer.
    pub(super) fn split(values: &'a mut [f32], rows: usize, columns: usize, width: usize) -> Vec<Self> {
        assert_eq!(values.len(), rows * columns, "a matrix has rows times columns elements");
        let first = values.as_mut_ptr();
        (0..columns)
            .step_by(width)
            .map(|column| Self {
                // SAFETY: `column` is one of the columns, so this stays within `values`.
                first: unsafe { first.add(column) },
                rows,
                columns: width.min(columns - column),
                row_stride: columns,
                owner: PhantomData,
            })
            .collect()
    }
}

/// Whether a product takes all threads or the one it is called on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    All,
    One,
}

/// What becomes of what was in the destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Overwritten,
    AddedTo,
}

/// `destination (+)= scale * left * right`
pub(super) fn multiply(
    destination: &mut Columns<'_>,
    left: Operand<'_>,
    right: Operand<'_>,
    scale: f32,
    target: Target,
    threads: Threads,
) {
    assert_eq!(left.columns, right.rows, "the operands of a product do not fit");
    assert_eq!((destination.rows, destination.columns), (left.rows, right.columns), "a product has another shape");
    left.check();
    right.check();
    let parallelism = match threads {
        Threads::All => Parallelism::Rayon(0),
        Threads::One => Parallelism::None,
    };
    // SAFETY: the operands were checked to lie within their slices, the destination is made only from whole matrices,
    // and nobody else reaches its elements.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            destination.first,
            1,
            destination.row_stride.cast_signed(),
            target == Target::AddedTo,
            left.values.as_ptr(),
            left.column_stride.cast_signed(),
            left.row_stride.cast_signed(),
            right.values.as_ptr(),
            right.column_stride.cast_signed(),
            right.row_stride.cast_signed(),
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}
