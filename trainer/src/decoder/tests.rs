//! Gradients against differences of losses, packed rows against single ones, and one backend against the other.

use std::slice::from_ref;

use candle_core::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Continuation, Decoder, Drawing};
use crate::{
    backend::{Backend, Candle, Cpu},
    packing::{Example, Packed},
    scratch,
    shape::{Family, Shape},
};

fn shape() -> Shape {
    Shape {
        family: Family::Qwen3,
        vocabulary: 40,
        width: 24,
        feed_forward: 40,
        layers: 3,
        heads: 4,
        key_heads: 2,
        head_size: 8,
        rope_base: 1e4,
        epsilon: 1e-6,
    }
}

/// A model whose weights are spread enough for every gradient to matter.
fn model<B: Backend>(backend: B) -> Decoder<B> {
    let mut decoder = scratch::decoder(backend, shape(), 7).unwrap();
    for parameter in decoder.parameters.iter_mut().filter(|parameter| parameter.rows > 1) {
        decoder.backend.update(&mut parameter.value, &mut |values| values.iter_mut().for_each(|x| *x *= 10.0)).unwrap();
    }
    decoder
}

fn examples() -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let head: Vec<u32> = (0..5).collect();
    (0..6)
        .map(|row| {
            let own = (0..4 + row % 3 * 2).map(|_| rng.random_range(0..40));
            Example { tokens: head.iter().copied().chain(own).collect(), answer: 6 + row % 2, weight: 1.0 }
        })
        .collect()
}

fn gradients<B: Backend>(decoder: &mut Decoder<B>, batches: &[Packed]) -> Vec<(String, Vec<f32>)> {
    let weight = (1.0 / batches.iter().map(Packed::weight).sum::<f64>()) as f32;
    for packed in batches {
        decoder.learn(packed, weight, 0).unwrap();
    }
    let take = |p: &mut crate::parameters::Parameter<B::Matrix>| p.gradient.take().unwrap();
    let taken: Vec<_> = decoder.parameters.iter_mut().map(|p| (p.name.clone(), take(p))).collect();
    taken.into_iter().map(|(name, gradient)| (name, decoder.backend.values(&gradient).unwrap())).collect()
}

fn relative_difference(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let apart: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (apart / b.iter().map(|&b| square(b)).sum::<f64>()).sqrt()
}

fn assert_close(ours: &[(String, Vec<f32>)], theirs: &[(String, Vec<f32>)], bound: f64) {
    for ((name, ours), (_, theirs)) in ours.iter().zip(theirs) {
        let apart = relative_difference(ours, theirs);
        assert!(apart < bound, "the gradients of {name} differ by {apart:e} of their size");
    }
}

#[test]
fn the_loss_falls_as_the_gradient_says() {
    let packed = Packed::new(&examples());
    let mut decoder = model(Cpu);
    let found = gradients(&mut decoder, std::slice::from_ref(&packed));
    let mean = |decoder: &Decoder<Cpu>| decoder.losses(&packed).unwrap().iter().sum::<f64>() / packed.targets() as f64;
    for (index, (name, gradient)) in found.iter().enumerate() {
        let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let mut moved = |by: f32| {
            let parameter = decoder.parameters.iter_mut().nth(index).unwrap();
            let step = |values: &mut [f32]| values.iter_mut().zip(gradient).for_each(|(x, g)| *x += by * g / size);
            decoder.backend.update(&mut parameter.value, &mut { step }).unwrap();
            mean(&decoder)
        };
        let (there, back) = (moved(0.01), moved(-0.02));
        moved(0.01);
        let slope = (there - back) / 0.02;
        assert!((slope / f64::from(size) - 1.0).abs() < 0.01, "{name}: the loss changes by {slope}, not {size}");
    }
}

#[test]
fn packed_rows_teach_what_single_ones_do() {
    let rows = examples();
    let packed = gradients(&mut model(Cpu), &[Packed::new(&rows)]);
    let single: Vec<Packed> = rows.iter().map(|row| Packed::new([row])).collect();
    assert!(Packed::new(&rows).len() < single.iter().map(Packed::len).sum());
    assert_close(&packed, &gradients(&mut model(Cpu), &single), 1e-5);
}

#[test]
fn a_row_that_counts_twice_teaches_as_if_it_were_there_twice() {
    // More of each weight than logits are computed for at once.
    let rows = vec![examples(); 16].concat();
    let weighed: Vec<Example> = rows
        .iter()
        .enumerate()
        .map(|(row, example)| Example { weight: [2.0, 1.0][row % 2], ..example.clone() })
        .collect();
    let twice: Vec<&Example> = rows.iter().step_by(2).chain(&rows).collect();
    let (weighed, twice) = (Packed::new(&weighed), Packed::new(twice));
    assert!(weighed.targets() > 4 * 64 && weighed.weight() as usize == twice.targets());
    let gradients_of = |packed: &Packed| gradients(&mut model(Cpu), from_ref(packed));
    assert_close(&gradients_of(&weighed), &gradients_of(&twice), 1e-5);
    let decoder = model(Cpu);
    let loss = |packed: &Packed| packed.weighed(&decoder.losses(packed).unwrap()) / packed.weight();
    assert!((loss(&weighed) / loss(&twice) - 1.0).abs() < 1e-6);
}

#[test]
fn the_states_of_a_row_do_not_depend_on_what_it_is_packed_with() {
    let (rows, decoder) = (examples(), model(Cpu));
    let packed = Packed::new(&rows);
    let together = decoder.states_at(&packed, 2).unwrap();
    for (number, row) in rows.iter().enumerate() {
        let alone = decoder.states_at(&Packed::new([row]), 2).unwrap();
        let found = Cpu.select(&together, &packed.row(number)).unwrap();
        assert!(relative_difference(found.values(), alone.values()) < 1e-5);
    }
}

#[test]
fn both_backends_agree() {
    let packed = [Packed::new(&examples())];
    let (mut cpu, mut candle) = (model(Cpu), model(Candle::new(Device::Cpu)));
    for (ours, theirs) in cpu.losses(&packed[0]).unwrap().iter().zip(candle.losses(&packed[0]).unwrap()) {
        assert!((ours - theirs).abs() < 1e-4);
    }
    assert_close(&gradients(&mut cpu, &packed), &gradients(&mut candle, &packed), 1e-4);
}

fn drawn_step_by_step_agrees<B: Backend>(decoder: &Decoder<B>) {
    let texts: [&[u32]; 2] = [&[1, 2, 3, 4, 5, 6], &[9, 8, 7]];
    let mut drawing = Drawing::new(2);
    let start: Vec<_> = texts.iter().enumerate().map(|(text, all)| Continuation { text, tokens: &all[..2] }).collect();
    decoder.go_on(&mut drawing, &start).unwrap();
    let more = [Continuation { text: 0, tokens: &texts[0][2..4] }, Continuation { text: 1, tokens: &texts[1][2..] }];
    let second = decoder.go_on(&mut drawing, &more).unwrap().pop().unwrap();
    let first =
        decoder.go_on(&mut drawing, &[Continuation { text: 0, tokens: &texts[0][4..] }]).unwrap().pop().unwrap();
    for (logits, text) in [(first, texts[0]), (second, texts[1])] {
        let at_once = decoder.go_on(&mut Drawing::new(1), &[Continuation { text: 0, tokens: text }]).unwrap();
        assert!(relative_difference(&logits, &at_once[0]) < 1e-4);
    }
}

#[test]
fn a_text_drawn_step_by_step_is_the_one_drawn_at_once() {
    drawn_step_by_step_agrees(&model(Cpu));
    drawn_step_by_step_agrees(&model(Candle::new(Device::Cpu)));
}
