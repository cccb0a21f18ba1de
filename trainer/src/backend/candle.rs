//! A GPU, through candle's tensors. It also runs on the CPU, where the tests compare it with the other.

use candle_core::{
    D, DType, Device, Tensor,
    quantized::{GgmlDType, QStorage, QTensor},
};

use super::{Backend, Heads, Result, angles, is_dropped};
use crate::{
    gguf::Stored,
    packing::{Packed, Segment},
};

/// A device that candle knows.
#[derive(Debug, Clone)]
pub struct Candle {
    device: Device,
}

impl Candle {
    /// Computes on `device`.
    pub fn new(device: Device) -> Self {
        Self { device }
    }

    fn indices(&self, rows: &[u32]) -> Result<Tensor> {
        Tensor::new(rows, &self.device)
    }
}

/// Which token sees which, and what turns the heads of each.
#[derive(Debug)]
pub struct Layout {
    /// 0 where a token sees another, else minus infinity.
    mask: Tensor,
    cosines: Tensor,
    sines: Tensor,
    size: usize,
}

fn visibility(segments: &[Segment], tokens: usize) -> Vec<f32> {
    let mut mask = vec![f32::NEG_INFINITY; tokens * tokens];
    for (at, own) in segments.iter().enumerate() {
        let lineage = Packed::lineage(segments, at);
        for place in own.start..own.start + own.len {
            let row = &mut mask[place * tokens..(place + 1) * tokens];
            for above in &lineage[..lineage.len() - 1] {
                row[above.start..above.start + above.len].fill(0.0);
            }
            row[own.start..=place].fill(0.0);
        }
    }
    mask
}

/// Turns pairs half a head apart; `sines` negated turns back.
fn rotate(x: &Tensor, cosines: &Tensor, sines: &Tensor) -> Result<Tensor> {
    let (cosines, sines) = (cosines.unsqueeze(1)?, sines.unsqueeze(1)?);
    let half = x.dim(2)? / 2;
    let (front, back) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let first = (front.broadcast_mul(&cosines)? - back.broadcast_mul(&sines)?)?;
    let second = (back.broadcast_mul(&cosines)? + front.broadcast_mul(&sines)?)?;
    Tensor::cat(&[first, second], 2)
}

fn inverse_root_mean_square(x: &Tensor, epsilon: f32) -> Result<Tensor> {
    ((x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(epsilon))?).sqrt()?.recip()
}

fn norm(x: &Tensor, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
    x.broadcast_mul(&inverse_root_mean_square(x, epsilon)?)?.broadcast_mul(gain)
}

fn norm_backward(x: &Tensor, gain: &Tensor, dy: &Tensor, epsilon: f32) -> Result<Tensor> {
    let r = inverse_root_mean_square(x, epsilon)?;
    let (g, normed) = (dy.broadcast_mul(gain)?, x.broadcast_mul(&r)?);
    let dot = (&g * &normed)?.mean_keepdim(D::Minus1)?;
    (g - normed.broadcast_mul(&dot)?)?.broadcast_mul(&r)
}

/// `[tokens, heads * size]` to `[heads, tokens, size]`, each head `repeats` times.
fn by_head(x: &Tensor, size: usize, repeats: usize) -> Result<Tensor> {
    let (tokens, width) = x.dims2()?;
    let heads = width / size;
    let x = x.reshape((tokens, heads, size))?.transpose(0, 1)?.contiguous()?;
    x.unsqueeze(1)?.expand((heads, repeats, tokens, size))?.contiguous()?.reshape((heads * repeats, tokens, size))
}

/// The way back; heads that were repeated are summed.
fn by_token(x: &Tensor, repeats: usize) -> Result<Tensor> {
    let (heads, tokens, size) = x.dims3()?;
    let x = x.reshape((heads / repeats, repeats, tokens, size))?.sum(1)?;
    x.transpose(0, 1)?.contiguous()?.reshape((tokens, heads / repeats * size))
}

fn probabilities(q: &Tensor, k: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let scale = 1.0 / (q.dim(2)? as f64).sqrt();
    let scores = (q.matmul(&k.t()?)? * scale)?.broadcast_add(mask)?;
    let e = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    e.broadcast_div(&e.sum_keepdim(D::Minus1)?)
}

/// A weight on the device: in its own form where candle has that, or as numbers.
#[derive(Debug)]
pub enum Weight {
    /// As numbers.
    Dense(Tensor),
    /// As it is served.
    Quantised(QTensor),
}

impl Weight {
    fn dense(&self) -> Result<Tensor> {
        match self {
            Self::Dense(tensor) => Ok(tensor.clone()),
            Self::Quantised(tensor) => tensor.dequantize(&tensor.device()),
        }
    }
}

impl Backend for Candle {
    type Layout = Layout;
    type Matrix = Tensor;
    type Weight = Weight;

    fn matrix(&self, rows: usize, columns: usize, values: Vec<f32>) -> Result<Tensor> {
        Tensor::from_vec(values, (rows, columns), &self.device)
    }

    fn values(&self, x: &Tensor) -> Result<Vec<f32>> {
        x.flatten_all()?.to_vec1()
    }

    fn update(&self, x: &mut Tensor, change: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        let mut values = self.values(x)?;
        change(&mut values);
        *x = Tensor::from_vec(values, x.shape(), &self.device)?;
        Ok(())
    }

    fn weight(&self, stored: Stored) -> Result<Weight> {
        let shape = (stored.rows, stored.columns);
        Ok(match stored.kind() {
            GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 => {
                Weight::Dense(Tensor::from_vec(stored.values(), shape, &self.device)?)
            }
            kind => {
                let storage = QStorage::from_data(stored.encoded().into(), &self.device, kind)?;
                Weight::Quantised(QTensor::new(storage, shape)?)
            }
        })
    }

    fn layout(&self, segments: &[Segment], positions: &[u32], size: usize, base: f64) -> Result<Layout> {
        let (cosines, sines) = angles(positions, size, base);
        let (tokens, half) = (positions.len(), size / 2);
        let all: usize = segments.iter().map(|segment| segment.len).sum();
        let mask = visibility(segments, all).split_off((all - tokens) * all);
        Ok(Layout {
            mask: Tensor::from_vec(mask, (1, tokens, all), &self.device)?,
            cosines: Tensor::from_vec(cosines, (tokens, half), &self.device)?,
            sines: Tensor::from_vec(sines, (tokens, half), &self.device)?,
            size,
        })
    }

    fn lookup(&self, weight: &Weight, rows: &[u32]) -> Result<Tensor> {
        weight.dense()?.index_select(&self.indices(rows)?, 0)
    }

    fn apply(&self, weight: &Weight, x: &Tensor) -> Result<Tensor> {
        x.matmul(&weight.dense()?.t()?)
    }

    fn apply_backward(&self, weight: &Weight, dy: &Tensor) -> Result<Tensor> {
        dy.matmul(&weight.dense()?)
    }

    fn product(&self, a: &Tensor, b: &Tensor, scale: f32) -> Result<Tensor> {
        a.matmul(b)? * f64::from(scale)
    }

    fn product_with_transposed(&self, a: &Tensor, b: &Tensor, scale: f32) -> Result<Tensor> {
        a.matmul(&b.t()?)? * f64::from(scale)
    }

    fn product_of_transposed(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        a.t()?.matmul(b)
    }

    fn add_product(&self, y: Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        y + a.matmul(b)?
    }

    fn add_product_with_transposed(&self, y: Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        y + a.matmul(&b.t()?)?
    }

    fn add(&self, a: Tensor, b: &Tensor) -> Result<Tensor> {
        a + b
    }

    fn add_row(&self, x: Tensor, row: &Tensor) -> Result<Tensor> {
        x.broadcast_add(row)
    }

    fn drop_out(&self, x: &Tensor, share: f32, seed: u64) -> Result<Tensor> {
        let kept = 1.0 / (1.0 - share);
        let mask = (0..x.elem_count() as u64).map(|index| if is_dropped(seed, index, share) { 0.0 } else { kept });
        x * Tensor::from_vec(mask.collect(), x.shape(), &self.device)?
    }

    fn stack(&self, parts: &[&Tensor]) -> Result<Tensor> {
        Tensor::cat(parts, 0)
    }

    fn select(&self, x: &Tensor, rows: &[u32]) -> Result<Tensor> {
        x.index_select(&self.indices(rows)?, 0)
    }

    fn spread(&self, x: &Tensor, rows: &[u32], count: usize) -> Result<Tensor> {
        Tensor::zeros((count, x.dim(1)?), DType::F32, &self.device)?.index_add(&self.indices(rows)?, x, 0)
    }

    fn norm(&self, x: &Tensor, gain: &Tensor, epsilon: f32) -> Result<Tensor> {
        norm(x, gain, epsilon)
    }

    fn norm_backward(&self, x: &Tensor, gain: &Tensor, dy: &Tensor, epsilon: f32) -> Result<Tensor> {
        norm_backward(x, gain, dy, epsilon)
    }

    fn norm_gain_gradient(&self, x: &Tensor, dy: &Tensor, width: usize, epsilon: f32) -> Result<Tensor> {
        let (x, dy) = (x.reshape(((), width))?, dy.reshape(((), width))?);
        (dy * x.broadcast_mul(&inverse_root_mean_square(&x, epsilon)?)?)?.sum_keepdim(0)
    }

    fn turn(&self, x: &Tensor, gain: Option<&Tensor>, layout: &Layout, epsilon: f32) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let heads = x.reshape((tokens, width / layout.size, layout.size))?;
        let heads = match gain {
            Some(gain) => norm(&heads, gain, epsilon)?,
            None => heads,
        };
        rotate(&heads, &layout.cosines, &layout.sines)?.reshape((tokens, width))
    }

    fn turn_back(&self, dy: &Tensor, layout: &Layout) -> Result<Tensor> {
        let (tokens, width) = dy.dims2()?;
        let heads = dy.reshape((tokens, width / layout.size, layout.size))?;
        rotate(&heads, &layout.cosines, &layout.sines.neg()?)?.reshape((tokens, width))
    }

    fn head_norm_backward(&self, x: &Tensor, gain: &Tensor, dy: &Tensor, epsilon: f32) -> Result<Tensor> {
        let ((tokens, width), size) = (x.dims2()?, gain.dim(1)?);
        let heads = (tokens, width / size, size);
        norm_backward(&x.reshape(heads)?, gain, &dy.reshape(heads)?, epsilon)?.reshape((tokens, width))
    }

    fn attention(&self, [q, k, v]: [&Tensor; 3], layout: &Layout, heads: Heads) -> Result<Tensor> {
        let repeats = heads.queries / heads.keys;
        let (q, k) = (by_head(q, heads.size, 1)?, by_head(k, heads.size, repeats)?);
        by_token(&probabilities(&q, &k, &layout.mask)?.matmul(&by_head(v, heads.size, repeats)?)?, 1)
    }

    fn attention_backward(
        &self,
        [q, k, v]: [&Tensor; 3],
        dy: &Tensor,
        layout: &Layout,
        heads: Heads,
    ) -> Result<[Tensor; 3]> {
        let repeats = heads.queries / heads.keys;
        let (q, dy) = (by_head(q, heads.size, 1)?, by_head(dy, heads.size, 1)?);
        let (k, v) = (by_head(k, heads.size, repeats)?, by_head(v, heads.size, repeats)?);
        let p = probabilities(&q, &k, &layout.mask)?;
        let dp = dy.matmul(&v.t()?)?;
        let centred = dp.broadcast_sub(&(&dp * &p)?.sum_keepdim(D::Minus1)?)?;
        let ds = ((centred * &p)? * (1.0 / (heads.size as f64).sqrt()))?;
        let dq = by_token(&ds.matmul(&k)?, 1)?;
        let dk = by_token(&ds.transpose(1, 2)?.contiguous()?.matmul(&q)?, repeats)?;
        let dv = by_token(&p.transpose(1, 2)?.contiguous()?.matmul(&dy)?, repeats)?;
        Ok([dq, dk, dv])
    }

    fn swiglu(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        gate.silu()? * up
    }

    fn swiglu_backward(&self, gate: &Tensor, up: &Tensor, dy: &Tensor) -> Result<[Tensor; 2]> {
        let sigmoid = (gate.neg()?.exp()? + 1.0)?.recip()?;
        let swish = (gate * &sigmoid)?;
        let slope = (&sigmoid + (&swish * (1.0 - &sigmoid)?)?)?;
        Ok([((dy * up)? * slope)?, (dy * swish)?])
    }

    fn cross_entropy(&self, logits: Tensor, targets: &[u32], weight: f32) -> Result<(Vec<f64>, Tensor)> {
        let targets = self.indices(targets)?.unsqueeze(1)?;
        let greatest = logits.max_keepdim(D::Minus1)?;
        let e = logits.broadcast_sub(&greatest)?.exp()?;
        let sum = e.sum_keepdim(D::Minus1)?;
        let losses = ((sum.log()? + greatest)? - logits.gather(&targets, 1)?)?.flatten_all()?.to_vec1::<f32>()?;
        let softmax = (e.broadcast_div(&sum)? * f64::from(weight))?;
        let minus = Tensor::full(-weight, targets.shape(), &self.device)?;
        let gradient = softmax.scatter_add(&targets, &minus, 1)?;
        Ok((losses.into_iter().map(f64::from).collect(), gradient))
    }
}
