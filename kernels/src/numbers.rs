//! Rows of numbers, rounded.

/// Numbers that have one scale.
pub const BLOCK: usize = 256;

/// 256 numbers, rounded to eight bits, and sums of them by which what is common to a part of the weights is multiplied.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Numbers {
    /// From -127 to 127.
    pub(crate) rounded: [i8; BLOCK],
    /// The sums of each 16.
    pub(crate) sums_of_16: [i16; 16],
    /// The sums of each 32.
    pub(crate) sums_of_32: [i16; 8],
    /// What a step of one is worth.
    pub(crate) scale: f32,
}

impl Numbers {
    /// All zero.
    pub const ZERO: Self = Self { rounded: [0; BLOCK], sums_of_16: [0; 16], sums_of_32: [0; 8], scale: 0.0 };

    /// Rounds 256 numbers to the nearest of 255 that lie evenly around zero. What is no finite number makes the scale
    /// none, and so all products with it.
    #[inline(always)]
    pub(crate) fn round(&mut self, numbers: &[f32; BLOCK]) {
        let largest = numbers.iter().fold(0.0_f32, |largest, x| if x.abs() > largest { x.abs() } else { largest });
        let finite = numbers.iter().fold(0.0_f32, |sum, x| sum + x * 0.0);
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        self.scale = largest / 127.0 + finite;
        for (rounded, x) in self.rounded.iter_mut().zip(numbers) {
            *rounded = (x * inverse).round_ties_even() as i8;
        }
        for (sum, part) in self.sums_of_16.iter_mut().zip(self.rounded.as_chunks::<16>().0) {
            *sum = part.iter().map(|&x| i16::from(x)).sum();
        }
        for (sum, [first, second]) in self.sums_of_32.iter_mut().zip(self.sums_of_16.as_chunks::<2>().0) {
            *sum = first + second;
        }
    }
}
